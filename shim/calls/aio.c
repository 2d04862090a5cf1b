/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for asynchronous I/O, which libc's own threads do.  Who waits for them sleeps on a word of libc's
 * that nobody else knows, and its list of requests is the program's, to be freed as soon as the call is back;
 * so this is no work for a worker.  A coroutine looks again and again, at intervals that grow to some
 * milliseconds.
 */
#include <aio.h>
#include "coro.h"
#include "libc.h"
#include "raw.h"
#include "thread.h"
#include "wait.h"

_Static_assert(sizeof(struct aiocb) == sizeof(struct aiocb64), "one body for both");

#define FIRST_NAP_NS (50 * NS_PER_US)

/* --- Requests.  libc asks the kernel for the caller's priority, by the tid in its record, which for that time
 * is the one that the kernel knows.  Nothing parks meanwhile. */

struct loan {
	int *word, own;
};

static struct loan lend_tid(void)
{
	struct coro *me = coro_here();
	struct loan l = { me && me->green ? thread_tid_word(me->thread) : NULL, 0 };

	if (l.word) {
		l.own = *l.word;
		*l.word = (int)raw1(SYS_gettid, 0);
	}
	return l;
}

static int take_back(struct loan l, int result)
{
	if (l.word)
		*l.word = l.own;
	return (int)coro_leave(result);
}

/* aio_read(3) and kin.  Never park.  errno: libc's. */
EXPORT int aio_read(struct aiocb *cb)
{
	struct loan l = lend_tid();

	return take_back(l, libc.aio_read(cb));
}

EXPORT int aio_read64(struct aiocb64 *cb)
{
	return aio_read((struct aiocb *)cb);
}

EXPORT int aio_write(struct aiocb *cb)
{
	struct loan l = lend_tid();

	return take_back(l, libc.aio_write(cb));
}

EXPORT int aio_write64(struct aiocb64 *cb)
{
	return aio_write((struct aiocb *)cb);
}

EXPORT int aio_fsync(int operation, struct aiocb *cb)
{
	struct loan l = lend_tid();

	return take_back(l, libc.aio_fsync(operation, cb));
}

EXPORT int aio_fsync64(int operation, struct aiocb64 *cb)
{
	return aio_fsync(operation, (struct aiocb *)cb);
}

/* --- Waiting. */

static bool is_under_way(const struct aiocb *cb)
{
	return cb && aio_error(cb) == EINPROGRESS;
}

/* One that has ended is enough, and nothing to wait for is, too. */
static bool must_wait_for_one(const struct aiocb *const list[], int n)
{
	bool any = false;

	for (int i = 0; i < n; i++) {
		if (list[i] && !is_under_way(list[i]))
			return false;
		any |= list[i] != NULL;
	}
	return any;
}

static PARKING int park_aio_suspend(struct coro *me, const struct aiocb *const list[], int n,
				    const struct timespec *timeout)
{
	deadline_t until = timeout ? deadline_in(timespec_ns(timeout)) : NEVER;
	struct nap nap = { FIRST_NAP_NS, wait_flags_for(until) };
	int saved = errno, r = 0;

	while (r == 0 && must_wait_for_one(list, n))
		r = wait_nap(me, &nap, until, "aio_suspend");
	if (r < 0)
		return fail(r == -ETIMEDOUT ? EAGAIN : -r);
	errno = saved;
	return 0;
}

static bool is_bad_time(const struct timespec *t)
{
	return t && (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= NS_PER_S);
}

/* aio_suspend(3).  Parks: until one of the requests has ended.  Passes through: if one has.
 * errno: EAGAIN on timeout; EINTR, of SA_RESTART only with a timeout.
 * Differs: it may return some milliseconds later. */
EXPORT int aio_suspend(const struct aiocb *const list[], int n, const struct timespec *timeout)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || ((n < 0 || is_bad_time(timeout) || !must_wait_for_one(list, n)) && coro_leave(true)))
		return libc.aio_suspend(list, n, timeout);
	return (int)coro_leave(park_aio_suspend(me, list, n, timeout));
}

/* aio_suspend64: the same structure under another name. */
EXPORT int aio_suspend64(const struct aiocb64 *const list[], int n, const struct timespec *timeout)
{
	return aio_suspend((const struct aiocb *const *)list, n, timeout);
}

static int list_requests(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
	struct loan l = lend_tid();
	int r = libc.lio_listio(mode, list, n, event);

	if (l.word)
		*l.word = l.own;
	return r;
}

static bool any_under_way(struct aiocb *const list[], int n)
{
	for (int i = 0; i < n; i++)
		if (list[i] && list[i]->aio_lio_opcode != LIO_NOP && is_under_way(list[i]))
			return true;
	return false;
}

static int count(struct aiocb *const list[], int n, bool failed)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		if (list[i] && list[i]->aio_lio_opcode != LIO_NOP)
			count += (aio_error(list[i]) != 0) == failed;
	return count;
}

/* As libc puts it: EIO for whatever failed; but if nothing could even be begun, the reason for that. */
static PARKING int park_lio_listio(struct coro *me, struct aiocb *const list[], int n)
{
	struct nap nap = { FIRST_NAP_NS, WAIT_INTR_RESTART | wait_flag_of_no_cancellation_point(me) };
	int saved = errno, begun, r = 0;

	begun = list_requests(LIO_NOWAIT, list, n, NULL);
	if (begun == -1 && !any_under_way(list, n) && count(list, n, false) == 0)
		return -1;
	while (r == 0 && any_under_way(list, n))
		r = wait_nap(me, &nap, NEVER, "lio_listio");
	if (r < 0)
		return fail(-r);
	if (begun == -1 || count(list, n, true) > 0)
		return fail(EIO);
	errno = saved;
	return 0;
}

/* lio_listio(3).  Parks: with LIO_WAIT, until all of the requests have ended.
 * errno: the kernel's; EIO; EINTR as for SA_RESTART.
 * Differs: it may return some milliseconds later. */
EXPORT int lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
	struct coro *me = mode == LIO_WAIT && n > 0 ? coro_may_park() : NULL;

	if (LIKELY(!me))
		return (int)coro_leave(list_requests(mode, list, n, event));
	return (int)coro_leave(park_lio_listio(me, list, n));
}

EXPORT int lio_listio64(int mode, struct aiocb64 *const list[], int n, struct sigevent *event)
{
	return lio_listio(mode, (struct aiocb *const *)list, n, event);
}
