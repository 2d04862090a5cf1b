/* SPDX-License-Identifier: Apache-2.0
 *
 * A signal that is blocked but while the call waits that takes a mask.
 */
#ifndef TESTS_DIFF_MASK_H
#define TESTS_DIFF_MASK_H

#include "diff/net.h"

static sigset_t usr1, none;

static void prepare_mask(void)
{
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	on_signal(SIGUSR1, count_signal, SA_RESTART);
	E(pthread_sigmask(SIG_BLOCK, &usr1, NULL));
}

#endif
