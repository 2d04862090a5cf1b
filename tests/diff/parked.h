/* SPDX-License-Identifier: Apache-2.0
 *
 * Flows that wait for all kinds of things while others make processes.
 */
#ifndef TESTS_DIFF_PARKED_H
#define TESTS_DIFF_PARKED_H

#include "diff/diff.h"

static int park_pipe[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *park_in_read(void *arg)
{
	char c;

	blocks();
	R(read(park_pipe[0], &c, 1));
	return arg;
}

static void *park_in_lock(void *arg)
{
	blocks();
	E(pthread_mutex_lock(&mutex));
	E(pthread_mutex_unlock(&mutex));
	return arg;
}

static void *park_in_sleep(void *arg)
{
	struct timespec ts = ms_span(50);

	blocks();
	R(nanosleep(&ts, NULL));
	return arg;
}

#endif
