/* SPDX-License-Identifier: Apache-2.0
 *
 * Read-write locks, and spin locks.
 *
 * As for mutexes, libc's try calls decide who gets in and our queue holds who must wait, readers and
 * writers in one FIFO, told apart by a bit.  libc learns of a waiting writer only from its own waiting
 * calls, so the preferences are kept here.  By default readers go first, all of them, whoever waits: a
 * reader that waits for another reader must not find a writer in between.  With PREFER_WRITER_NONRECURSIVE
 * a reader stands back while any writer waits.  (libc treats PREFER_WRITER as the default, and so do we.)
 *
 * One shared between processes is taken under the host's FS base (core/hostlock.h) and polled, since its
 * unlocks may happen elsewhere.  Native threads use libc's own calls on those.
 */
#include "greenlet.h"
#include "hostlock.h"
#include <limits.h>
#include "libc.h"
#include "lock.h"
#include "owner.h"
#include "thread.h"

enum { READER = 1, WRITER = 2 };

#define FIRST_NAP_NS (50 * NS_PER_US)
#define LAST_NAP_NS (4 * NS_PER_MS)

extern int __pthread_rwlock_rdlock(pthread_rwlock_t *rw);
extern int __pthread_rwlock_wrlock(pthread_rwlock_t *rw);
extern int __pthread_rwlock_tryrdlock(pthread_rwlock_t *rw);
extern int __pthread_rwlock_trywrlock(pthread_rwlock_t *rw);
extern int __pthread_rwlock_unlock(pthread_rwlock_t *rw);

static bool is_shared(const pthread_rwlock_t *rw)
{
	return rw->__data.__shared != 0;
}

static bool prefers_writers(const pthread_rwlock_t *rw)
{
	return rw->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

static bool stands_back(pthread_rwlock_t *rw)
{
	return prefers_writers(rw) && waitq_has_waiters(rw) && waitq_has_bits(rw, WRITER);
}

static int try_private(pthread_rwlock_t *rw, int side)
{
	struct coro *guest;

	if (side == WRITER)
		return UNLIKELY((guest = owner_guest()) != NULL) ? owner_trywrlock(guest, rw)
								 : libc.pthread_rwlock_trywrlock(rw);
	return UNLIKELY(stands_back(rw)) ? EBUSY : libc.pthread_rwlock_tryrdlock(rw);
}

/* Under the host's FS base in a coroutine. */
static int try_shared(struct coro *me, pthread_rwlock_t *rw, int side)
{
	return side == WRITER ? hostlock_trywrlock(me, rw) : hostlock_tryrdlock(me, rw);
}

/* For a shared one a coroutine's call has begun from here on; a private one needs nothing of the scheduler. */
static int try(pthread_rwlock_t *rw, int side)
{
	struct coro *me = is_shared(rw) ? coro_host() : NULL;

	return me ? try_shared(me, rw, side) : try_private(rw, side);
}

static bool is_mine(const pthread_rwlock_t *rw)
{
	struct coro *guest = owner_guest();

	if (guest)
		return owner_writes(guest, rw);
	return __atomic_load_n(&rw->__data.__cur_writer, __ATOMIC_RELAXED) == *thread_tid_word(pthread_self());
}

/* One writer, or all readers.  Each of these gets in, or finds it held by one who will wake others. */
static bool wake_side(const void *rw, int side, struct coro **owed)
{
	return waitq_wake_owed(rw, side == WRITER ? 1 : INT32_MAX, side, owed) > 0;
}

static void wake_next(const void *rw, bool writers_first)
{
	int saved = errno;
	struct coro *owed;

	if (!wake_side(rw, writers_first ? WRITER : READER, &owed))
		wake_side(rw, writers_first ? READER : WRITER, &owed);
	waitq_give_way(owed, rw);
	errno = saved;
}

/* Out of patience.  The readers that stood back for this writer have nobody to wait for now. */
static int give_up(pthread_rwlock_t *rw, int side)
{
	if (side == WRITER && prefers_writers(rw) && !waitq_has_bits(rw, WRITER))
		waitq_wake_bits(rw, INT32_MAX, READER);
	return ETIMEDOUT;
}

/* As lock_wait(); one that another process may unlock is looked at again after *nap_ns. */
static int rest(struct waiter *w, pthread_rwlock_t *rw, struct app_time limit, int64_t *nap_ns, const char *why)
{
	deadline_t until = app_time_deadline(limit), soon;

	if (!is_shared(rw))
		return lock_wait(w, limit, 0, why);
	soon = deadline_in(*nap_ns);
	if (*nap_ns < LAST_NAP_NS)
		*nap_ns *= 2;
	if (waitq_wait(w, soon < until ? soon : until, 0, why) == -ETIMEDOUT && app_time_has_come(limit))
		return -ETIMEDOUT;
	return 0;
}

/* The rest of a call: it leaves. */
static int await_rwlock(pthread_rwlock_t *rw, int side, struct app_time limit, const char *why)
{
	struct waiter native, *w = waitq_mine(&native);
	int64_t nap_ns = FIRST_NAP_NS;
	int saved = errno, err = EBUSY;

	waitq_lock(rw);
	waitq_add_locked(w, rw, side);
	waitq_unlock(rw);
	for (;;) {
		if ((err = try(rw, side)) != EBUSY) {
			waitq_leave(w);
			break;
		}
		if (rest(w, rw, limit, &nap_ns, why) == -ETIMEDOUT) {
			err = give_up(rw, side);
			break;
		}
		if ((err = try(rw, side)) != EBUSY)
			break;
		waitq_add_again(w, rw, side);
	}
	errno = saved;
	return coro_leave(err);
}

static int end_try(const pthread_rwlock_t *rw, int err)
{
	return is_shared(rw) ? coro_leave(err) : err;
}

static int acquire(pthread_rwlock_t *rw, int side, struct app_time limit, const char *why)
{
	int err;

	if (!app_time_is_valid(limit))
		return EINVAL;
	err = try(rw, side);
	if (LIKELY(err != EBUSY))
		return end_try(rw, err);
	return !is_shared(rw) && is_mine(rw) ? EDEADLK : await_rwlock(rw, side, limit, why);
}

/* Is this one for libc: nothing is green, or a native thread meets a lock of several processes? */
static inline bool is_libcs(const pthread_rwlock_t *rw)
{
	return !locks_are_ours() || (is_shared(rw) && !coro_self);
}

static PARKING int read_ours(pthread_rwlock_t *rw)
{
	if (is_libcs(rw))
		return libc.pthread_rwlock_rdlock(rw);
	return acquire(rw, READER, NO_LIMIT, "pthread_rwlock_rdlock");
}

static PARKING int write_ours(pthread_rwlock_t *rw)
{
	if (is_libcs(rw))
		return libc.pthread_rwlock_wrlock(rw);
	return acquire(rw, WRITER, NO_LIMIT, "pthread_rwlock_wrlock");
}

/* pthread_rwlock_rdlock(3).  Parks: while a writer holds it, or waits and is preferred; no cancellation point.
 * Passes through: no green thread exists yet; a native thread and a lock shared between processes.
 * errno: error numbers: libc's; EDEADLK for its writer. */
EXPORT int pthread_rwlock_rdlock(pthread_rwlock_t *rw)
{
	if (LIKELY(!locks_are_ours()))
		return libc.pthread_rwlock_rdlock(rw);
	return read_ours(rw);
}
EXPORT_ALIAS(__pthread_rwlock_rdlock, pthread_rwlock_rdlock);

/* pthread_rwlock_wrlock(3).  Parks: while anybody holds it.  The rest as above. */
EXPORT int pthread_rwlock_wrlock(pthread_rwlock_t *rw)
{
	if (LIKELY(!locks_are_ours()))
		return libc.pthread_rwlock_wrlock(rw);
	return write_ours(rw);
}
EXPORT_ALIAS(__pthread_rwlock_wrlock, pthread_rwlock_wrlock);

static int try_only(pthread_rwlock_t *rw, int side)
{
	int err = try(rw, side);

	return end_try(rw, err == EDEADLK ? EBUSY : err);
}

/* pthread_rwlock_tryrdlock(3).  Parks: never.  EBUSY also for who must stand back for a waiting writer. */
EXPORT int pthread_rwlock_tryrdlock(pthread_rwlock_t *rw)
{
	return is_libcs(rw) ? libc.pthread_rwlock_tryrdlock(rw) : try_only(rw, READER);
}
EXPORT_ALIAS(__pthread_rwlock_tryrdlock, pthread_rwlock_tryrdlock);

/* pthread_rwlock_trywrlock(3).  Parks: never. */
EXPORT int pthread_rwlock_trywrlock(pthread_rwlock_t *rw)
{
	return is_libcs(rw) ? libc.pthread_rwlock_trywrlock(rw) : try_only(rw, WRITER);
}
EXPORT_ALIAS(__pthread_rwlock_trywrlock, pthread_rwlock_trywrlock);

/* pthread_rwlock_timedrdlock(3).  Parks: as rdlock, until CLOCK_REALTIME reaches `abs` at the latest. */
EXPORT int pthread_rwlock_timedrdlock(pthread_rwlock_t *rw, const struct timespec *abs)
{
	if (is_libcs(rw))
		return libc.pthread_rwlock_timedrdlock(rw, abs);
	return acquire(rw, READER, (struct app_time){ CLOCK_REALTIME, abs }, "pthread_rwlock_timedrdlock");
}

/* pthread_rwlock_timedwrlock(3).  Parks: as wrlock, until CLOCK_REALTIME reaches `abs` at the latest. */
EXPORT int pthread_rwlock_timedwrlock(pthread_rwlock_t *rw, const struct timespec *abs)
{
	if (is_libcs(rw))
		return libc.pthread_rwlock_timedwrlock(rw, abs);
	return acquire(rw, WRITER, (struct app_time){ CLOCK_REALTIME, abs }, "pthread_rwlock_timedwrlock");
}

/* pthread_rwlock_clockrdlock(3).  The same on either clock; EINVAL for any other. */
EXPORT int pthread_rwlock_clockrdlock(pthread_rwlock_t *rw, clockid_t clock, const struct timespec *abs)
{
	if (is_libcs(rw))
		return libc.pthread_rwlock_clockrdlock(rw, clock, abs);
	if (!clock_is_known(clock))
		return EINVAL;
	return acquire(rw, READER, (struct app_time){ clock, abs }, "pthread_rwlock_clockrdlock");
}

/* pthread_rwlock_clockwrlock(3).  The same on either clock; EINVAL for any other. */
EXPORT int pthread_rwlock_clockwrlock(pthread_rwlock_t *rw, clockid_t clock, const struct timespec *abs)
{
	if (is_libcs(rw))
		return libc.pthread_rwlock_clockwrlock(rw, clock, abs);
	if (!clock_is_known(clock))
		return EINVAL;
	return acquire(rw, WRITER, (struct app_time){ clock, abs }, "pthread_rwlock_clockwrlock");
}

static PARKING int unlock_ours(pthread_rwlock_t *rw)
{
	bool writers_first = prefers_writers(rw), shared = is_shared(rw); /* after the unlock rw may be gone */
	struct coro *guest = owner_guest(), *me = shared ? coro_host() : NULL;
	int err;

	if (UNLIKELY(guest && !shared))
		owner_before_rwunlock(guest, rw);
	err = me ? hostlock_rwunlock(me, rw) : libc.pthread_rwlock_unlock(rw);
	if (waitq_has_waiters(rw))
		wake_next(rw, writers_first);
	return me ? coro_leave(err) : err;
}

/* pthread_rwlock_unlock(3).  Parks: never, but gives way when it wakes one that has lost its turn before. */
EXPORT int pthread_rwlock_unlock(pthread_rwlock_t *rw)
{
	int err;

	if (locks_are_ours())
		return unlock_ours(rw);
	err = libc.pthread_rwlock_unlock(rw);
	/* Asked again: the first green thread may have come to be, and wait for rw, in between. */
	if (locks_are_ours() && waitq_has_waiters(rw))
		waitq_wake(rw, INT_MAX);
	return err;
}
EXPORT_ALIAS(__pthread_rwlock_unlock, pthread_rwlock_unlock);

static PARKING int yield_for_spin(pthread_spinlock_t *spin)
{
	struct coro *me = coro_may_park();
	int saved = errno, err;

	if (!me)
		return libc.pthread_spin_lock(spin);
	while ((err = pthread_spin_trylock(spin)) == EBUSY)
		sched_yield_now(me);
	errno = saved;
	return coro_leave(err);
}

/* pthread_spin_lock(3).  Yields: while another holds it, else it would spin for ever against an owner that is
 * parked on the same kernel thread.  Passes through: native threads. */
EXPORT int pthread_spin_lock(pthread_spinlock_t *spin)
{
	int err;

	if (LIKELY(!coro_self))
		return libc.pthread_spin_lock(spin);
	err = pthread_spin_trylock(spin);
	return err == EBUSY ? yield_for_spin(spin) : err;
}
