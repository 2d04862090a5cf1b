/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel threads of our own: the watchdog, offload workers, a host where the main thread is none.
 */
#ifndef SYNCLESS_NATIVE_H
#define SYNCLESS_NATIVE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include "raw.h"

/* Bare kernel masks, for the moments when a thread is made or unmade; 64 signals, glibc's own two included. */
static inline void raw_block_signals(uint64_t *saved)
{
	uint64_t all = ~0ull;

	raw4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, saved, 8);
}

static inline void raw_restore_signals(const uint64_t *saved)
{
	raw4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, saved, 0, 8);
}

/* Starts a native thread with all signals blocked, so that none meant for the application lands on it.  0 or an
 * error number. */
int native_start(pthread_t *t, size_t stack_size, void *(*fn)(void *), void *arg);

#endif
