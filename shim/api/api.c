/* SPDX-License-Identifier: Apache-2.0
 *
 * syncless.h over the core.
 */
#include "syncless.h"
#include "base.h"
#include "thread.h"

EXPORT void syncless_native_threads(int delta)
{
	green_native_depth += delta;
}

EXPORT int syncless_verify(void)
{
	return (int)coro_leave(sched_verify());
}

EXPORT int syncless_green_threads(void)
{
	return atomic_load(&green_alive);
}
