/* SPDX-License-Identifier: Apache-2.0
 *
 * Message queues of both kinds, and SysV semaphores.
 *
 * A POSIX queue is a descriptor, and epoll(7) tells when there is a message or room for one.  A call with a
 * deadline long past does not wait: ETIMEDOUT then says "would block", whatever O_NONBLOCK says.
 *
 * Nothing tells it of the SysV kind.  They are tried with IPC_NOWAIT, and waited for by a worker (errand.h), so
 * order among processes is the kernel's, and a message or a unit is never taken for a waiter that has left.
 * SEM_UNDO holds for the process: glibc's threads share it (CLONE_SYSVSEM).
 */
#include <mqueue.h>
#include <stdarg.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include "coro.h"
#include "errand.h"
#include "fdtab.h"
#include "libc.h"
#include "lock.h"
#include "raw.h"
#include "wait.h"

/* What is to be copied while others run must be readable now; the rest the kernel finds out. */
static bool is_no_pointer(const void *p)
{
	return (uintptr_t)p < 4096;
}

static ssize_t answer(long r, int saved)
{
	if (r < 0)
		return fail((int)-r);
	errno = saved;
	return r;
}

/* --- POSIX queues. */

struct mq_call {
	long number;
	mqd_t queue;
	void *text;
	size_t len;
	unsigned *priority; /* of one that is sent: the number itself */
	struct app_time limit;
	short want;
	const char *why;
};

static long try_mq(const struct mq_call *c)
{
	static const struct timespec past = { 0, 0 };
	long r;

	do /* a signal that was not for this thread of ours */
		r = raw6(c->number, c->queue, (long)c->text, (long)c->len, (long)c->priority, (long)&past, 0);
	while (r == -EINTR);
	return r;
}

/* 0: try again. */
static int await_mq(struct coro *me, const struct mq_call *c)
{
	struct fdrec *f;
	int r;

	if (app_time_has_come(c->limit))
		return -ETIMEDOUT;
	f = fd_record(c->queue);
	r = f ? wait_fd(me, f, c->want, app_time_deadline(c->limit), WAIT_INTR_RESTART, c->why) : -errno;
	return r == -ETIMEDOUT ? 0 : r;
}

static PARKING long call_mq(struct coro *me, const struct mq_call *c)
{
	int saved = errno;
	long r, waited = 0;

	while ((r = try_mq(c)) == -ETIMEDOUT && (waited = await_mq(me, c)) == 0)
		;
	return coro_leave(answer(r == -ETIMEDOUT ? waited : r, saved));
}

static bool is_bad_time(const struct timespec *at)
{
	return at && (is_no_pointer(at) || at->tv_sec < 0 || at->tv_nsec < 0 || at->tv_nsec >= NS_PER_S);
}

static PARKING ssize_t receive_mq(struct coro *me, mqd_t queue, char *text, size_t len, unsigned *priority,
				  const struct timespec *until, const char *why)
{
	const struct app_time limit = { CLOCK_REALTIME, until };
	const struct mq_call c = { SYS_mq_timedreceive, queue, text, len, priority, limit, WAIT_READ, why };

	return call_mq(me, &c);
}

static PARKING int send_mq(struct coro *me, mqd_t queue, const char *text, size_t len, unsigned priority,
			   const struct timespec *until, const char *why)
{
	const struct app_time limit = { CLOCK_REALTIME, until };
	unsigned *number = (unsigned *)(uintptr_t)priority;
	const struct mq_call c = { SYS_mq_timedsend, queue, (char *)text, len, number, limit, WAIT_WRITE, why };

	return (int)call_mq(me, &c);
}

/* mq_open(3), mq_close(3).  Never park; as open() and close(). */
EXPORT mqd_t mq_open(const char *name, int flags, ...)
{
	struct mq_attr *attr = NULL;
	mode_t mode = 0;
	va_list ap;
	mqd_t queue;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		attr = va_arg(ap, struct mq_attr *);
		va_end(ap);
	}
	queue = libc.mq_open(name, flags, mode, attr);
	fd_appeared(queue);
	return queue;
}

EXPORT int mq_close(mqd_t queue)
{
	fd_closing(queue);
	return libc.mq_close(queue);
}

/* mq_receive(3).  Parks: until there is a message.  Passes through: queues opened with O_NONBLOCK.
 * errno: the kernel's; EINTR as for SA_RESTART; EBADF if closed while parked.
 * Differs: close(2) ends it; who has asked by mq_notify() is told of a message that comes to a queue which only
 * coroutines wait for. */
EXPORT ssize_t mq_receive(mqd_t queue, char *text, size_t len, unsigned *priority)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.mq_receive(queue, text, len, priority);
	return receive_mq(me, queue, text, len, priority, NULL, "mq_receive");
}

/* mq_timedreceive(3).  As mq_receive(), at most until CLOCK_REALTIME reaches `until`.
 * errno: ETIMEDOUT; EINVAL. */
EXPORT ssize_t mq_timedreceive(mqd_t queue, char *text, size_t len, unsigned *priority,
			       const struct timespec *until)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || (is_bad_time(until) && coro_leave(true)))
		return libc.mq_timedreceive(queue, text, len, priority, until);
	return receive_mq(me, queue, text, len, priority, until, "mq_timedreceive");
}

/* mq_send(3).  Parks: until there is room.  Otherwise as mq_receive(). */
EXPORT int mq_send(mqd_t queue, const char *text, size_t len, unsigned priority)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.mq_send(queue, text, len, priority);
	return send_mq(me, queue, text, len, priority, NULL, "mq_send");
}

/* mq_timedsend(3).  As mq_send(), at most until CLOCK_REALTIME reaches `until`.  errno: ETIMEDOUT; EINVAL. */
EXPORT int mq_timedsend(mqd_t queue, const char *text, size_t len, unsigned priority,
			const struct timespec *until)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || (is_bad_time(until) && coro_leave(true)))
		return libc.mq_timedsend(queue, text, len, priority, until);
	return send_mq(me, queue, text, len, priority, until, "mq_timedsend");
}

/* --- SysV queues. */

struct message {
	long type;
	char text[];
};

#define SYSV_FLAGS (WAIT_INTR_ALWAYS | WAITQ_CANCEL)

/* Of a call whose arguments the kernel has seen before: it is gone since, before the worker could begin to
 * wait. */
static long gone_if_unknown(long r)
{
	return r == -EINVAL ? -EIDRM : r;
}

static long await_sending(struct coro *me, int queue, const struct message *m, size_t len, int flags)
{
	struct errand *e = errand_new(sizeof(*m) + len);

	if (!e)
		return -ENOMEM;
	memcpy(e->data, m, sizeof(*m) + len);
	e->call[0] = SYS_msgsnd;
	e->call[1] = queue;
	e->call[2] = (long)e->data;
	e->call[3] = (long)len;
	e->call[4] = flags;
	return gone_if_unknown(errand_end(me, e, errand_run(me, e, -1, OFFLOAD_LONG, SYSV_FLAGS, "msgsnd")));
}

/* msgsnd(2).  Parks: until there is room in the queue.  Passes through: IPC_NOWAIT.
 * errno: the kernel's; EIDRM; EINTR by any handler. */
EXPORT int msgsnd(int queue, const void *message, size_t len, int flags)
{
	struct coro *me = coro_enter();
	int saved = errno;
	long r;

	if (LIKELY(!me) || ((flags & IPC_NOWAIT) && coro_leave(true)))
		return libc.msgsnd(queue, message, len, flags);
	r = raw4(SYS_msgsnd, queue, message, len, flags | IPC_NOWAIT);
	if (r == -EAGAIN)
		r = await_sending(me, queue, message, len, flags);
	return (int)coro_leave(answer(r, saved));
}

static long await_message(struct coro *me, int queue, struct message *to, size_t len, long type, int flags)
{
	struct errand *e = errand_new(sizeof(*to) + len);
	long r;

	if (!e)
		return -ENOMEM;
	e->call[0] = SYS_msgrcv;
	e->call[1] = queue;
	e->call[2] = (long)e->data;
	e->call[3] = (long)len;
	e->call[4] = type;
	e->call[5] = flags;
	r = errand_run(me, e, -1, OFFLOAD_LONG, SYSV_FLAGS, "msgrcv");
	if (r >= 0)
		memcpy(to, e->data, sizeof(*to) + (size_t)r);
	return gone_if_unknown(errand_end(me, e, r));
}

/* msgrcv(2).  Parks: until there is such a message.  Passes through: IPC_NOWAIT.
 * errno: the kernel's; EIDRM; EINTR by any handler. */
EXPORT ssize_t msgrcv(int queue, void *message, size_t len, long type, int flags)
{
	struct coro *me = coro_enter();
	int saved = errno;
	long r;

	if (LIKELY(!me) || ((flags & IPC_NOWAIT) && coro_leave(true)))
		return libc.msgrcv(queue, message, len, type, flags);
	r = raw6(SYS_msgrcv, queue, (long)message, (long)len, type, flags | IPC_NOWAIT, 0);
	if (r == -ENOMSG)
		r = await_message(me, queue, message, len, type, flags);
	return coro_leave(answer(r, saved));
}

/* --- SysV semaphores. */

#define TRIED_MAX 16	/* so many operations at once are tried before a worker is asked */
#define SEM_OPS_MAX 500 /* as a rule the kernel's: E2BIG beyond */

struct sem_call {
	int set;
	const struct sembuf *ops;
	size_t n;
	const struct timespec *timeout;
	const char *why;
};

/* -EAGAIN: would wait, or is not to. */
static long try_ops(const struct sem_call *c)
{
	struct sembuf ops[TRIED_MAX];

	if (c->n > TRIED_MAX)
		return -EAGAIN;
	for (size_t i = 0; i < c->n; i++) {
		ops[i] = c->ops[i];
		ops[i].sem_flg |= IPC_NOWAIT;
	}
	return raw3(SYS_semop, c->set, ops, c->n);
}

struct sem_data {
	struct timespec left;
	struct sembuf ops[];
};

static void count_left(struct errand *e)
{
	int64_t left = e->until - now_ns();

	((struct sem_data *)e->data)->left = ns_timespec(left < 0 ? 0 : left);
}

/* The kernel tells apart which of the operations is the one that cannot be done, and whether that may wait. */
static long await_ops(struct coro *me, const struct sem_call *c, deadline_t until)
{
	struct errand *e = errand_new(sizeof(struct sem_data) + c->n * sizeof(c->ops[0]));
	int flags = WAIT_INTR_ALWAYS | wait_flag_of_no_cancellation_point(me);
	struct sem_data *d;
	long r;

	if (!e)
		return -ENOMEM;
	d = (struct sem_data *)e->data;
	memcpy(d->ops, c->ops, c->n * sizeof(c->ops[0]));
	e->until = until;
	e->call[0] = SYS_semtimedop;
	e->call[1] = c->set;
	e->call[2] = (long)d->ops;
	e->call[3] = (long)c->n;
	if (until != NEVER) {
		e->prepare = count_left;
		e->call[4] = (long)&d->left;
	}
	r = errand_end(me, e, errand_run(me, e, -1, OFFLOAD_LONG, flags, c->why));
	return c->n > TRIED_MAX ? r : gone_if_unknown(r);
}

static PARKING int do_ops(struct coro *me, const struct sem_call *c)
{
	deadline_t until = c->timeout ? deadline_in(timespec_ns(c->timeout)) : NEVER;
	int saved = errno;
	long r = try_ops(c);

	if (r == -EAGAIN)
		r = await_ops(me, c, until);
	return (int)coro_leave(answer(r, saved));
}

static bool kernel_refuses(const struct sembuf *ops, size_t n, const struct timespec *timeout)
{
	return is_no_pointer(ops) || n == 0 || n > SEM_OPS_MAX || is_bad_time(timeout);
}

/* semop(2).  Parks: until all of it can be done at once.  Passes through: nothing that may wait.
 * errno: the kernel's; EAGAIN with IPC_NOWAIT; EIDRM; EINTR by any handler. */
EXPORT int semop(int set, struct sembuf *ops, size_t n)
{
	struct coro *me = coro_may_park();

	if (LIKELY(!me) || (kernel_refuses(ops, n, NULL) && coro_leave(true)))
		return libc.semop(set, ops, n);
	return do_ops(me, &(struct sem_call){ set, ops, n, NULL, "semop" });
}

/* semtimedop(2).  As semop(), for so long at most.  errno: EAGAIN; EINVAL. */
EXPORT int semtimedop(int set, struct sembuf *ops, size_t n, const struct timespec *timeout)
{
	struct coro *me = coro_may_park();

	if (LIKELY(!me) || (kernel_refuses(ops, n, timeout) && coro_leave(true)))
		return libc.semtimedop(set, ops, n, timeout);
	return do_ops(me, &(struct sem_call){ set, ops, n, timeout, "semtimedop" });
}
