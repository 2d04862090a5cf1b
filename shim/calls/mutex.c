/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutexes of every type, POSIX and C11.
 *
 * Once a green thread exists, a contended mutex is waited for in our queue by threads of both kinds
 * (waitq.h): try, register, try again, sleep; the unlock is libc's own, then it wakes one.  The woken one
 * competes with whoever comes by, as in libc; if it loses it goes back to the head of the queue, and the
 * next unlock by a coroutine lets it run before anything else: between coroutines, unlike between kernel
 * threads, a loop that unlocks and locks again would win for ever.
 *
 * libc checks owners by the tid in the thread's record, which each green thread has its own of; native
 * coroutines are told apart in core/owner.h.  Mutexes whose owner the kernel or another process must know are
 * in core/hostlock.c; only these are polled, and only while their owner is not a thread of this process.
 */
#include "greenlet.h"
#include "hostlock.h"
#include "libc.h"
#include "lock.h"
#include "monitor.h"
#include "owner.h"
#include "python.h"
#include "standby.h"
#include "thread.h"

#define FIRST_NAP_NS (50 * NS_PER_US)
#define LAST_NAP_NS (4 * NS_PER_MS)
#define MONITOR_PATIENCE_NS (5 * NS_PER_MS)

extern int __pthread_mutex_lock(pthread_mutex_t *m);
extern int __pthread_mutex_trylock(pthread_mutex_t *m);
extern int __pthread_mutex_unlock(pthread_mutex_t *m);

static bool would_deadlock(const pthread_mutex_t *m)
{
	struct coro *guest;

	if ((mutex_kind(m) & MUTEX_TYPE_MASK) != PTHREAD_MUTEX_ERRORCHECK)
		return false;
	guest = owner_apart(m);
	return guest ? owner_holds(guest, m) : m->__data.__owner == *thread_tid_word(pthread_self());
}

static inline int try_private(pthread_mutex_t *m)
{
	struct coro *guest = owner_apart(m);

	return UNLIKELY(guest != NULL) ? owner_trylock(guest, m) : libc.pthread_mutex_trylock(m);
}

/* The wake of our queue may go to a coroutine that cannot run while another computes, and it is the monitor
 * that would end that: libc's own unlock wakes it in any case. */
static int await_as_monitor(pthread_mutex_t *m)
{
	struct timespec at;
	int err;

	do {
		monitor_still_waits();
		at = ns_timespec(deadline_in(MONITOR_PATIENCE_NS));
		err = libc.pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &at);
	} while (err == ETIMEDOUT);
	return err;
}

/* One that is alone and wants a lock inside the interpreter, which are held for a moment only, waits as a
 * native thread: it may hold another of them, and all who want that would wait until it has come back and had
 * its turn. */
static bool is_lone_interpreters(const void *caller)
{
	return !coro_here() && coro_self && python_is_runtime(caller);
}

/* A lock on a mutex that libc's trylock has just called busy. */
static __attribute__((noinline)) int await_mutex(pthread_mutex_t *m, struct app_time limit, const char *why,
						 const void *caller)
{
	struct waiter native, *w;
	int saved = errno, err;
	bool whole;

	if (would_deadlock(m))
		return EDEADLK;
	if (!app_time_is_valid(limit))
		return EINVAL;
	if (standby_is_me() && !limit.at)
		return await_as_monitor(m);
	whole = greenlet_enter_whole(python_is_runtime(caller));
	w = is_lone_interpreters(caller) ? waitq_native(&native) : waitq_mine(&native);
	greenlet_leave_whole(whole);
	waitq_add(w, m);
	for (;;) {
		if ((err = try_private(m)) != EBUSY) {
			waitq_leave(w);
			break;
		}
		if (lock_wait(w, limit, 0, why) == -ETIMEDOUT) {
			err = ETIMEDOUT;
			break;
		}
		if ((err = try_private(m)) != EBUSY)
			break;
		waitq_add_again(w, m, ~0u);
	}
	errno = saved;
	return coro_leave(err);
}

/* One wait of a coroutine for a mutex of the other sort.  Threads of this process wake it; if the owner is none
 * of them it looks again after nap_ns.  As lock_wait(), which also says when to look at the limit. */
static int nap(struct coro *me, struct waiter *w, pthread_mutex_t *m, struct app_time limit, int64_t nap_ns,
	       const char *why)
{
	deadline_t until = app_time_deadline(limit), soon = deadline_in(nap_ns);

	if (soon < until && hostlock_holder(me, m) == HELD_ELSEWHERE)
		until = soon;
	return waitq_wait(w, until, 0, why) == -ETIMEDOUT && app_time_has_come(limit) ? -ETIMEDOUT : 0;
}

/* The kernel's own wait for a mutex that inherits priorities takes no time before the epoch. */
static bool is_refused(const pthread_mutex_t *m, struct app_time limit)
{
	return !app_time_is_valid(limit) ||
	       (limit.at && limit.at->tv_sec < 0 && (mutex_kind(m) & MUTEX_INHERITS));
}

static int await_hostlock(struct coro *me, pthread_mutex_t *m, struct app_time limit, const char *why)
{
	bool checks = (mutex_kind(m) & MUTEX_TYPE_MASK) == PTHREAD_MUTEX_ERRORCHECK;
	struct waiter native, *w = waitq_mine(&native);
	int64_t nap_ns = FIRST_NAP_NS;
	int saved = errno, err;

	if (checks && hostlock_holder(me, m) == HELD_BY_ME)
		return EDEADLK;
	if (is_refused(m, limit))
		return EINVAL;
	waitq_add(w, m);
	while ((err = hostlock_trylock(me, m)) == EBUSY) {
		if (nap(me, w, m, limit, nap_ns, why) < 0) {
			errno = saved;
			return ETIMEDOUT;
		}
		waitq_add_again(w, m, ~0u);
		if (nap_ns < LAST_NAP_NS)
			nap_ns *= 2;
	}
	waitq_leave(w);
	/* One that can never be had again wakes nobody by an unlock. */
	if (err == ENOTRECOVERABLE)
		waitq_wake(m, 1);
	errno = saved;
	return err;
}

/* The rest of a call: it leaves. */
static int acquire_hostlock(struct coro *me, pthread_mutex_t *m, struct app_time limit, const char *why)
{
	int err = hostlock_trylock(me, m);

	return coro_leave(err == EBUSY ? await_hostlock(me, m, limit, why) : err);
}

/* What need not wait touches nothing of the scheduler, and is the same for one that has lost it. */
static inline int acquire(pthread_mutex_t *m, struct app_time limit, const char *why, const void *caller)
{
	int err = try_private(m);

	return LIKELY(err != EBUSY) ? err : await_mutex(m, limit, why, caller);
}

/* One that wants the GIL next is a place to give way. */
static inline void before_lock(const void *caller)
{
	if (LIKELY(coro_self)) {
		if (UNLIKELY(caller == atomic_load_explicit(&python_gil_site, memory_order_relaxed)))
			python_wants_gil();
	} else if (UNLIKELY(atomic_load_explicit(&python_seeks_gil_site, memory_order_relaxed))) {
		python_found_lock(caller);
	}
}

static PARKING int lock_ours(pthread_mutex_t *m, const void *caller)
{
	struct coro *me;

	before_lock(caller);
	if (hostlock_is_needed(m)) {
		me = coro_host();
		return me ? acquire_hostlock(me, m, NO_LIMIT, "pthread_mutex_lock")
			  : libc.pthread_mutex_lock(m);
	}
	return acquire(m, NO_LIMIT, "pthread_mutex_lock", caller);
}

/* pthread_mutex_lock(3).  Parks: while another thread holds it; never ended by a signal, no cancellation point.
 * Gives way, after some 50 us without a switch, where the interpreter is about to have its GIL.
 * Passes through: no green thread exists yet; a native thread and a mutex that the kernel or another process
 * knows the owner of.
 * errno: error numbers: libc's. */
EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
	if (LIKELY(!locks_are_ours()))
		return libc.pthread_mutex_lock(m);
	return lock_ours(m, __builtin_return_address(0));
}
EXPORT_ALIAS(__pthread_mutex_lock, pthread_mutex_lock);

/* pthread_mutex_trylock(3).  Parks: never. */
EXPORT int pthread_mutex_trylock(pthread_mutex_t *m)
{
	struct coro *me;

	if (!locks_are_ours())
		return libc.pthread_mutex_trylock(m);
	if (hostlock_is_needed(m) && (me = coro_host()) != NULL)
		return coro_leave(hostlock_trylock(me, m));
	return try_private(m);
}
EXPORT_ALIAS(__pthread_mutex_trylock, pthread_mutex_trylock);

/* pthread_mutex_timedlock(3).  Parks: as pthread_mutex_lock, until CLOCK_REALTIME reaches `abs` at the latest.
 * errno: error numbers: libc's; EINVAL for a bad `abs` only if it must wait. */
EXPORT int pthread_mutex_timedlock(pthread_mutex_t *m, const struct timespec *abs)
{
	struct app_time limit = { CLOCK_REALTIME, abs };
	struct coro *me;

	if (!locks_are_ours())
		return libc.pthread_mutex_timedlock(m, abs);
	if (hostlock_is_needed(m)) {
		me = coro_host();
		return me ? acquire_hostlock(me, m, limit, "pthread_mutex_timedlock")
			  : libc.pthread_mutex_timedlock(m, abs);
	}
	return acquire(m, limit, "pthread_mutex_timedlock", __builtin_return_address(0));
}

/* pthread_mutex_clocklock(3).  The same on either clock; EINVAL for any other. */
EXPORT int pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock, const struct timespec *abs)
{
	struct app_time limit = { clock, abs };
	struct coro *me;

	if (!locks_are_ours())
		return libc.pthread_mutex_clocklock(m, clock, abs);
	if (!clock_is_known(clock))
		return EINVAL;
	if (hostlock_is_needed(m)) {
		me = coro_host();
		return me ? acquire_hostlock(me, m, limit, "pthread_mutex_clocklock")
			  : libc.pthread_mutex_clocklock(m, clock, abs);
	}
	return acquire(m, limit, "pthread_mutex_clocklock", __builtin_return_address(0));
}

static int after_unlock(pthread_mutex_t *m, int err)
{
	if (waitq_has_waiters(m) && err == 0)
		waitq_wake_next(m);
	return err;
}

static PARKING int unlock_ours(pthread_mutex_t *m)
{
	struct coro *guest, *me;

	if (hostlock_is_needed(m) && (me = coro_host()) != NULL)
		return coro_leave(after_unlock(m, hostlock_unlock(me, m)));
	if (UNLIKELY((guest = owner_apart(m)) != NULL))
		return after_unlock(m, owner_unlock(guest, m));
	return after_unlock(m, libc.pthread_mutex_unlock(m));
}

/* pthread_mutex_unlock(3).  Parks: never, but gives way when it wakes a thread that has lost its turn before.
 * errno: error numbers: libc's. */
EXPORT int pthread_mutex_unlock(pthread_mutex_t *m)
{
	int err;

	if (locks_are_ours())
		return unlock_ours(m);
	err = libc.pthread_mutex_unlock(m);
	/* Asked again: the first green thread may have come to be, and wait for m, in between. */
	return locks_are_ours() ? after_unlock(m, err) : err;
}
EXPORT_ALIAS(__pthread_mutex_unlock, pthread_mutex_unlock);

/* pthread_mutex_consistent(3).  Parks: never. */
EXPORT int pthread_mutex_consistent(pthread_mutex_t *m)
{
	struct coro *me = locks_are_ours() ? coro_host() : NULL;

	if (me)
		return coro_leave(hostlock_consistent(me, m));
	return libc.pthread_mutex_consistent(m);
}

static PARKING int destroy_hostlock(pthread_mutex_t *m)
{
	struct coro *me = coro_host();
	int err = libc.pthread_mutex_destroy(m);

	if (me && err == 0)
		hostlock_destroyed(m);
	return coro_leave(err);
}

/* pthread_mutex_destroy(3).  Parks: never. */
EXPORT int pthread_mutex_destroy(pthread_mutex_t *m)
{
	return locks_are_ours() && hostlock_is_needed(m) ? destroy_hostlock(m) : libc.pthread_mutex_destroy(m);
}

/* glibc's mtx_t is a pthread_mutex_t under another name. */
_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "mtx_t is not a pthread_mutex_t");

static int thrd_result(int err)
{
	switch (err) {
	case 0:
		return thrd_success;
	case EBUSY:
		return thrd_busy;
	case ENOMEM:
		return thrd_nomem;
	case ETIMEDOUT:
		return thrd_timedout;
	default:
		return thrd_error;
	}
}

/* mtx_lock(3).  As pthread_mutex_lock(). */
EXPORT int mtx_lock(mtx_t *m)
{
	return thrd_result(pthread_mutex_lock((pthread_mutex_t *)m));
}

/* mtx_trylock(3). */
EXPORT int mtx_trylock(mtx_t *m)
{
	return thrd_result(pthread_mutex_trylock((pthread_mutex_t *)m));
}

/* mtx_timedlock(3).  As pthread_mutex_timedlock(). */
EXPORT int mtx_timedlock(mtx_t *m, const struct timespec *abs)
{
	return thrd_result(pthread_mutex_timedlock((pthread_mutex_t *)m, abs));
}

/* mtx_unlock(3).  As pthread_mutex_unlock(). */
EXPORT int mtx_unlock(mtx_t *m)
{
	return thrd_result(pthread_mutex_unlock((pthread_mutex_t *)m));
}
