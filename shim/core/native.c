/* SPDX-License-Identifier: Apache-2.0
 *
 * See native.h.
 */
#include "native.h"
#include "libc.h"

int native_start(pthread_t *t, size_t stack_size, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	/* A thread that blocks SIGSETXID (33) or SIGCANCEL would hang every setuid() of another. */
	static const uint64_t all_but_glibcs = ~(3ull << 31);
	uint64_t saved;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack_size);
	raw_block_signals(&saved);
	raw_restore_signals(&all_but_glibcs); /* the new thread inherits it */
	err = libc.pthread_create(t, &attr, fn, arg);
	raw_restore_signals(&saved);
	pthread_attr_destroy(&attr);
	return err;
}
