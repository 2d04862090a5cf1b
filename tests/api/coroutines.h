/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of syncless.h begin with.  They are about the library alone, so plainly they are skipped.
 */
#ifndef TESTS_COROUTINES_H
#define TESTS_COROUTINES_H

#include "../shim/syncless.h"
#include "test.h"

#pragma weak syncless_spawn
#pragma weak syncless_join
#pragma weak syncless_detach
#pragma weak syncless_self
#pragma weak syncless_yield
#pragma weak syncless_sleep
#pragma weak syncless_cancel
#pragma weak syncless_deadline
#pragma weak syncless_key_create
#pragma weak syncless_get
#pragma weak syncless_set
#pragma weak syncless_channel_new
#pragma weak syncless_channel_send
#pragma weak syncless_channel_receive
#pragma weak syncless_channel_close
#pragma weak syncless_channel_free
#pragma weak syncless_get_stats

#define NEED_LIBRARY()                                                                                         \
	do {                                                                                                   \
		if (!syncless_spawn)                                                                           \
			SKIP("no library");                                                                    \
	} while (0)

static inline syncless_co *spawn(void *(*fn)(void *), void *arg)
{
	syncless_co *co = syncless_spawn(fn, arg, 0);

	CHECK(co);
	return co;
}

static inline void *join(syncless_co *co)
{
	void *result;

	CHECK_EQ(syncless_join(co, &result), 0);
	return result;
}

#endif
