/* SPDX-License-Identifier: Apache-2.0
 *
 * See errand.h.  How a system call of another thread is broken off without a loss: its waiter sets `broken`,
 * then looks who the worker is and sends it a signal; the worker says who it is, then looks at `broken`, and
 * that look, the system call and what lies between are one stretch of code (switch_breakable), which the
 * signal's handler leaves for its end.  Behind the system call it leaves nothing: there is a result then.
 *
 * The signal may find the worker on the next errand, which then is made again from its start.
 */
#include "errand.h"
#include <signal.h>
#include <stdlib.h>
#include "libc.h"
#include "raw.h"
#include "sigmask.h"
#include "switch.h"

/* The worker blocks all signals, so what its system call raised is pending for it, and would be for ever. */
static int take_own_signal(long result)
{
	int sig = result == -EPIPE ? SIGPIPE : result == -EFBIG ? SIGXFSZ : 0;
	uint64_t set = sig ? 1ull << (sig - 1) : 0;
	struct timespec zero = { 0, 0 };

	return sig && raw4(SYS_rt_sigtimedwait, &set, 0, &zero, sizeof(set)) == sig ? sig : 0;
}

static void run(struct offload_job *job)
{
	struct errand *e = CONTAINER_OF(job, struct errand, job);

	atomic_store(&e->tid, (int)raw1(SYS_gettid, 0));
	do { /* again: a signal of glibc's own, or one too late for the errand before */
		if (e->prepare)
			e->prepare(e);
		e->result = switch_breakable(&e->broken, e->call);
	} while (e->result == -EINTR && !atomic_load(&e->broken));
	atomic_store(&e->tid, 0);
	e->raised = take_own_signal(e->result);
}

static void stop(struct offload_job *job)
{
	struct errand *e = CONTAINER_OF(job, struct errand, job);
	int tid;

	atomic_store(&e->broken, 1);
	tid = atomic_load(&e->tid);
	if (tid)
		sig_break_call(tid);
}

static void on_close(struct fdguard *g)
{
	struct errand *e = CONTAINER_OF(g, struct errand, guard);

	e->closed = true;
	stop(&e->job);
}

static void drop(struct offload_job *job)
{
	free(CONTAINER_OF(job, struct errand, job));
}

struct errand *errand_new(size_t data)
{
	struct errand *e = malloc(sizeof(*e) + data);

	if (!e)
		return NULL;
	*e = (struct errand){ .job = { .run = run, .abandoned = drop, .stop = stop },
			      .guard = { .closed = on_close } };
	return e;
}

static long make_it_here(struct errand *e)
{
	const long *a = e->call;

	coro_leave(0);
	if (e->prepare)
		e->prepare(e);
	return raw6(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

#define NO_WORKER_NAP_NS (5 * NS_PER_MS)

/* To block here could be for ever: others of this kernel thread may be what it is for. */
static int await_worker(const struct errand *e, int flags, const char *why)
{
	struct waiter *w = waitq_mine(NULL);
	int r;

	if (e->closed)
		return -EBADF;
	if (e->until && now_ns() >= e->until)
		return -EAGAIN;
	waitq_add(w, e);
	r = waitq_wait(w, deadline_in(NO_WORKER_NAP_NS), flags, why);
	return r == -ETIMEDOUT ? 0 : r;
}

/* As offload_run(), but -EAGAIN only for a short one, and when its time has passed. */
static int run_when_possible(struct coro *me, struct errand *e, enum offload_kind kind, int flags,
			     const char *why)
{
	int r = 0;

	while (r == 0) {
		e->result = -EINTR; /* unless there is a worker */
		r = offload_run(me, &e->job, kind, NEVER, flags, why);
		if (r != -EAGAIN || kind == OFFLOAD_SHORT)
			return r;
		r = await_worker(e, flags, why);
	}
	return r;
}

long errand_run(struct coro *me, struct errand *e, int fd, enum offload_kind kind, int flags, const char *why)
{
	int saved = errno, r;

	if (fd >= 0)
		fd_guard(&e->guard, me, fd);
	if (!me->carrier)
		me->errand = e;
	r = run_when_possible(me, e, kind, flags, why);
	me->errand = NULL;
	fd_unguard(&e->guard);
	errno = saved;
	if (r == -EAGAIN)
		return kind == OFFLOAD_SHORT ? make_it_here(e) : r;
	if (e->result != -EINTR)
		return e->result;
	return e->closed ? -EBADF : r;
}

long errand_end(struct coro *me, struct errand *e, long r)
{
	free(e);
	return UNLIKELY(r == -ECANCELED) ? coro_ended_early(me) : r;
}

#define OUT_BY_NS (10 * NS_PER_MS)

/* The worker is out before the program goes on, if it can be: what it waits for may come any moment. */
void errand_forsake(struct coro *me)
{
	struct errand *e = me->errand;
	struct timespec moment = { 0, 20 * NS_PER_US };
	deadline_t until = deadline_in(OUT_BY_NS);

	me->errand = NULL;
	fd_unguard(&e->guard);
	stop(&e->job);
	while (atomic_load(&e->tid) && now_ns() < until)
		raw2(SYS_nanosleep, &moment, 0);
	if (offload_leave(&e->job))
		free(e);
}
