/* SPDX-License-Identifier: Apache-2.0
 *
 * See futex.h.  Waits of threads of one process stand in our queue of the word's address, those of native threads
 * too, registered under the lock that the wakers take, so that the compare and the registration are one step.
 * A waker serves our queue, then the kernel's, where threads may sleep that came before there was a green
 * thread, or in another process.  A coroutine's wait on a word shared between processes sleeps for
 * moments, looks at the word, and in the end returns 0: a spurious wake, which futex(2) says to expect.
 */
#include "futex.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include "libc.h"
#include "lock.h"
#include "raw.h"

#define FIRST_NAP_NS (50 * NS_PER_US)
#define LAST_NAP_NS (4 * NS_PER_MS)
#define LONGEST_WAIT_NS (250 * NS_PER_MS)

static long real(long n, const long *a)
{
	return libc.syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* An int argument may come with rubbish above it. */
static int command_of(const long *a)
{
	return (int)a[1] & FUTEX_CMD_MASK;
}

static long real_wake(const uint32_t *word, long op, long n)
{
	long flags = op & FUTEX_PRIVATE_FLAG;

	return libc.syscall(SYS_futex, word, FUTEX_WAKE | flags, n, NULL, NULL, 0);
}

struct futex_wait {
	const uint32_t *word;
	uint32_t value, bits;
	bool is_private;
	struct app_time limit;
	struct timespec at; /* limit.at may point here */
};

static bool is_refused(long r)
{
	return r == -EFAULT || r == -EINVAL;
}

/* Whether we may read a word, and a time, which the kernel finds out for us: asked to move none of a word's
 * waiters it only compares, and of a wait it reads the time first. */
static bool is_readable(const uint32_t *word)
{
	static uint32_t other;

	return !is_refused(
		raw6(SYS_futex, (long)word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 0, 0, (long)&other, 0));
}

static bool is_good_time(const struct timespec *ts)
{
	static uint32_t zero;

	return !ts || !is_refused(raw4(SYS_futex, &zero, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, ts));
}

/* False: the kernel will say what is wrong with the arguments, without waiting. */
static bool read_wait(struct futex_wait *f, const long *a)
{
	const struct timespec *ts = (const struct timespec *)a[3];
	bool absolute = command_of(a) == FUTEX_WAIT_BITSET;

	f->word = (const uint32_t *)a[0];
	f->value = (uint32_t)a[2];
	f->bits = absolute ? (uint32_t)a[5] : ~0u;
	f->is_private = a[1] & FUTEX_PRIVATE_FLAG;
	f->limit =
		(struct app_time){ absolute && (a[1] & FUTEX_CLOCK_REALTIME) ? CLOCK_REALTIME : CLOCK_MONOTONIC,
				   ts };
	if (!f->bits || !is_readable(f->word) || !is_good_time(ts))
		return false;
	if (ts && !absolute) {
		f->at = ns_timespec(deadline_in(timespec_ns(ts)));
		f->limit.at = &f->at;
	}
	return true;
}

static uint32_t value_of(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* Compares and registers; false: another value. */
static bool enqueue(struct futex_wait *f, struct waiter *w)
{
	bool equal;

	waitq_lock(f->word);
	equal = value_of(f->word) == f->value;
	if (equal)
		waitq_add_locked(w, f->word, f->bits);
	waitq_unlock(f->word);
	return equal;
}

static int wait_shared(struct futex_wait *f, struct waiter *w, int flags)
{
	deadline_t until = app_time_deadline(f->limit), enough = deadline_in(LONGEST_WAIT_NS), soon;
	int64_t nap = FIRST_NAP_NS;
	int r;

	for (;;) {
		soon = deadline_in(nap);
		r = waitq_wait(w, soon < until ? soon : until, flags, "futex");
		if (r != -ETIMEDOUT || app_time_has_come(f->limit))
			return r;
		if (soon > enough || !enqueue(f, w))
			return 0;
		flags |= WAITQ_KEEP;
		if (nap < LAST_NAP_NS)
			nap *= 2;
	}
}

static long futex_wait(long n, const long *a)
{
	struct futex_wait f;
	struct waiter native, *w;
	int saved = errno, flags, r;

	if (!read_wait(&f, a) || (!f.is_private && !coro_may_park()))
		return real(n, a);
	w = waitq_mine(&native);
	if (!enqueue(&f, w))
		return coro_leave(fail(EAGAIN));
	flags = WAITQ_INTR | (f.limit.at ? 0 : WAITQ_RESTART);
	r = f.is_private ? lock_wait(w, f.limit, flags, "futex") : wait_shared(&f, w, flags);
	if (r < 0)
		return coro_leave(fail(-r));
	errno = saved;
	return coro_leave(0);
}

/* How many a wake is for: the kernel wakes one before it looks at the number. */
static int at_least_one(long n)
{
	return (int)n > 0 ? (int)n : 1;
}

/* Up to n of ours.  The fence: the caller's store to the word, then our look at the queue; a waiter registers,
 * then looks at the word. */
static int wake_ours(const uint32_t *word, int n, uint32_t bits)
{
	atomic_thread_fence(memory_order_seq_cst);
	return n > 0 && waitq_has_waiters(word) ? waitq_wake_bits(word, n, bits) : 0;
}

static long futex_wake(long n, const long *a)
{
	uint32_t bits = command_of(a) == FUTEX_WAKE_BITSET ? (uint32_t)a[5] : ~0u;
	int saved = errno, count = at_least_one(a[2]);
	int woken = wake_ours((const uint32_t *)a[0], count, bits);
	long r;

	if (woken == 0)
		return real(n, a);
	r = woken < count ? libc.syscall(n, a[0], a[1], (long)(count - woken), a[3], a[4], a[5]) : 0;
	errno = saved;
	return r > 0 ? woken + r : woken;
}

static long futex_requeue(long n, const long *a)
{
	const uint32_t *from = (const uint32_t *)a[0], *to = (const uint32_t *)a[4];
	uint32_t expected = (uint32_t)a[5];
	bool compares = command_of(a) == FUTEX_CMP_REQUEUE;
	int saved = errno, nwake = (int)a[2], nmove = (int)a[3], done, woken;
	long r = 0;

	atomic_thread_fence(memory_order_seq_cst);
	if (nwake < 0 || nmove < 0 || !waitq_has_waiters(from))
		return real(n, a);
	done = waitq_requeue(from, to, nwake, nmove, compares ? &expected : NULL);
	if (done < 0)
		return fail(-done);
	woken = done < nwake ? done : nwake;
	nwake -= woken;
	nmove -= done - woken;
	if (nwake || nmove)
		r = libc.syscall(n, from, a[1], (long)nwake, (long)nmove, to, a[5]);
	errno = saved;
	return r > 0 ? done + r : done;
}

/* The operation that FUTEX_WAKE_OP encodes, done on *word; its old value. */
static uint32_t operate(uint32_t *word, unsigned code)
{
	int arg = (int)(code << 8) >> 20;
	uint32_t operand = code >> 28 & FUTEX_OP_OPARG_SHIFT ? 1u << (arg & 31) : (uint32_t)arg;

	switch (code >> 28 & 7) {
	case FUTEX_OP_SET:
		return __atomic_exchange_n(word, operand, __ATOMIC_SEQ_CST);
	case FUTEX_OP_ADD:
		return __atomic_fetch_add(word, operand, __ATOMIC_SEQ_CST);
	case FUTEX_OP_OR:
		return __atomic_fetch_or(word, operand, __ATOMIC_SEQ_CST);
	case FUTEX_OP_ANDN:
		return __atomic_fetch_and(word, ~operand, __ATOMIC_SEQ_CST);
	default:
		return __atomic_fetch_xor(word, operand, __ATOMIC_SEQ_CST);
	}
}

static bool compare(uint32_t value, unsigned code)
{
	int old = (int)value, arg = (int)(code << 20) >> 20;

	switch (code >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	default:
		return old >= arg;
	}
}

static long wake_both(const uint32_t *word, long op, int n)
{
	int woken = wake_ours(word, n, ~0u);
	long r = woken < n ? real_wake(word, op, n - woken) : 0;

	return r > 0 ? woken + r : woken;
}

/* The change of the second word must come before our look at its queue, so the kernel cannot do it for us. */
static long futex_wake_op(long n, const long *a)
{
	uint32_t *second = (uint32_t *)a[4];
	unsigned code = (unsigned)a[5];
	int saved = errno;
	long woken;
	bool both;

	if (a[0] < 4096 || a[0] % (long)sizeof(uint32_t) || !is_readable(second) ||
	    (code >> 28 & 7) > FUTEX_OP_XOR || (code >> 24 & 15) > FUTEX_OP_CMP_GE)
		return real(n, a);
	both = compare(operate(second, code), code);
	woken = wake_both((const uint32_t *)a[0], a[1], at_least_one(a[2]));
	if (both)
		woken += wake_both(second, a[1], at_least_one(a[3]));
	errno = saved;
	return woken;
}

long futex_call(long n, const long *a)
{
	switch (command_of(a)) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return futex_wait(n, a);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		return futex_wake(n, a);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(n, a);
	case FUTEX_WAKE_OP:
		return futex_wake_op(n, a);
	default:
		return real(n, a);
	}
}
