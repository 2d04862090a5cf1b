/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and ending threads.  Which ones become green is decided here and nowhere else.
 */
#include "thread.h"
#include <string.h>
#include "libc.h"
#include "python.h"
#include "settings.h"

/* A real-time policy is a wish about a kernel thread, which a green one does not have. */
static bool wants_scheduling(const pthread_attr_t *attr)
{
	int inherit = PTHREAD_INHERIT_SCHED, policy = SCHED_OTHER;

	if (!attr)
		return false;
	pthread_attr_getinheritsched(attr, &inherit);
	pthread_attr_getschedpolicy(attr, &policy);
	return inherit == PTHREAD_EXPLICIT_SCHED && policy != SCHED_OTHER;
}

static bool should_be_green(const pthread_attr_t *attr, const void *arg, const void *caller)
{
	if (green_native_depth > 0 || wants_scheduling(attr))
		return false;
	return settings.threads == THREADS_ALL || python_makes_green(caller, arg);
}

/* The run queue is the host's, which the caller may become in here. */
static int create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	coro_host();
	return coro_leave(green_create(t, attr, start, arg));
}

/* pthread_create(3).  Parks: never.  Passes through: threads that are to be native.
 * errno: as error numbers; EAGAIN as the kernel's limits say.
 * Differs: the new thread first runs when its creator parks. */
EXPORT int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	if (settings.threads != THREADS_NONE && should_be_green(attr, arg, __builtin_return_address(0))) {
		int err = create(t, attr, start, arg);

		if (err != GREEN_NOT_HERE)
			return err;
	}
	return libc.pthread_create(t, attr, start, arg);
}

/* C11 start routines return int; the thread's result is that, widened. */
struct thrd_call {
	thrd_start_t start;
	void *arg;
};

static void *run_thrd(void *arg)
{
	struct thrd_call call = *(struct thrd_call *)arg;

	free(arg);
	return (void *)(intptr_t)call.start(call.arg);
}

/* thrd_create(3).  As pthread_create(). */
EXPORT int thrd_create(thrd_t *t, thrd_start_t start, void *arg)
{
	struct thrd_call *call;
	int err;

	if (settings.threads != THREADS_ALL || green_native_depth > 0)
		return libc.thrd_create(t, start, arg);
	call = malloc(sizeof(*call));
	if (!call)
		return thrd_nomem;
	*call = (struct thrd_call){ start, arg };
	err = create(t, NULL, run_thrd, call);
	if (err == 0)
		return thrd_success;
	free(call);
	if (err == GREEN_NOT_HERE)
		return libc.thrd_create(t, start, arg);
	return err == EAGAIN || err == ENOMEM ? thrd_nomem : thrd_error;
}

/* pthread_exit(3).  Cleanup handlers come first, so the end alone asks whether the caller has the scheduler.
 * Differs: main's leaves the kernel thread to the others; the last one to end exits the process. */
EXPORT void pthread_exit(void *result)
{
	struct coro *me = coro_self;

	if (me)
		green_exit(me, result);
	libc.pthread_exit(result);
	__builtin_unreachable();
}

/* thrd_exit(3). */
EXPORT void thrd_exit(int result)
{
	pthread_exit((void *)(intptr_t)result);
}
