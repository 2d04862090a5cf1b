/* SPDX-License-Identifier: Apache-2.0
 *
 * Cancellation of coroutines is a flag in the record, which every wait that is a cancellation point looks
 * at, and a wake.  glibc's signal for it would find the wrong thread on the host.  State and type are kept
 * in both places: glibc's own code asks its record.
 */
#include "libc.h"
#include "sigmask.h"
#include "thread.h"

static bool has_ended(const struct coro *co)
{
	return co->green && atomic_load(&co->green->life) >= GREEN_ENDED;
}

static void act_if_asynchronous(struct coro *me)
{
	if (me->cancel_async && coro_cancel_due(me))
		green_act_on_cancel(me);
}

/* pthread_cancel(3).  Parks: never.  Passes through: native targets.
 * errno: as error numbers; 0 for a thread that has ended, like glibc.
 * Differs: PTHREAD_CANCEL_ASYNCHRONOUS acts in another green thread at its next cancellation point. */
EXPORT int pthread_cancel(pthread_t t)
{
	struct coro *co = coro_of(t);
	int err;

	if (LIKELY(!co)) {
		err = libc.pthread_cancel(t);
		if (atomic_load_explicit(&green_exist, memory_order_relaxed))
			sig_guard_cancel(); /* glibc installs its handler when first needed */
		return err;
	}
	if (has_ended(co))
		return 0;
	atomic_store(&co->cancel_requested, true);
	if (co == coro_self)
		act_if_asynchronous(co);
	else
		coro_unpark(co);
	return 0;
}

/* pthread_testcancel(3).  Passes through: native threads. */
EXPORT void pthread_testcancel(void)
{
	struct coro *me = coro_self;

	if (LIKELY(!me))
		libc.pthread_testcancel();
	else if (coro_cancel_due(me))
		green_act_on_cancel(me);
}

/* pthread_setcancelstate(3).  Passes through: native threads.  errno: as error numbers, EINVAL. */
EXPORT int pthread_setcancelstate(int state, int *old)
{
	struct coro *me = coro_self;
	int err = libc.pthread_setcancelstate(state, old);

	if (LIKELY(!me) || err)
		return err;
	me->cancel_disabled = state == PTHREAD_CANCEL_DISABLE;
	act_if_asynchronous(me);
	return 0;
}

/* pthread_setcanceltype(3).  Passes through: native threads.  errno: as error numbers, EINVAL. */
EXPORT int pthread_setcanceltype(int type, int *old)
{
	struct coro *me = coro_self;
	int err = libc.pthread_setcanceltype(type, old);

	if (LIKELY(!me) || err)
		return err;
	me->cancel_async = type == PTHREAD_CANCEL_ASYNCHRONOUS;
	act_if_asynchronous(me);
	return 0;
}
