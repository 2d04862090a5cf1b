/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets of waiters.  Each bucket: a raw lock, a FIFO of the waiters of all addresses that hash
 * there, and its length in waitq_counts, which unlockers read without the lock.
 *
 * A signal handler may post a semaphore.  It may have interrupted the holder of a bucket's lock (`inside`
 * tells), or, on the host, a change of the run queue.  Such a wake is noted by bucket and done by the loop.
 *
 * When a wake has been taken note of by its waiter, nobody touches the waiter any more: wakers do all they do
 * under the bucket's lock, and the waiter takes that lock once before it goes on.
 */
#include "waitq.h"
#include <limits.h>
#include "coro.h"
#include "greenlet.h"
#include "handoff.h"
#include "libc.h"
#include "loop.h"
#include "rawlock.h"

struct bucket {
	struct rawlock lock;
	struct waiter *head, *tail;
} __attribute__((aligned(64)));

static struct bucket buckets[WAITQ_BUCKETS];
_Atomic int waitq_counts[WAITQ_BUCKETS];

/* Buckets whose waiters a signal handler wants woken. */
static _Atomic uint64_t deferred[WAITQ_BUCKETS / 64];
static _Atomic bool some_deferred;

/* How many buckets' locks this thread holds; for its own signal handlers. */
static __thread volatile int inside __attribute__((tls_model("initial-exec")));

static struct bucket *bucket_of(const void *addr)
{
	return &buckets[waitq_hash(addr)];
}

static struct waiter *waiter_of(struct coro *me, struct waiter *native)
{
	struct waiter *w = me ? &me->waiter : native;

	w->co = me;
	w->queued = w->exact = false;
	w->turns_lost = 0;
	return w;
}

struct waiter *waitq_mine(struct waiter *native)
{
	return waiter_of(coro_flow(coro_may_park()), native);
}

struct waiter *waitq_mine_unless_alone(struct waiter *native)
{
	struct coro *me = coro_self;

	if (me && !coro_here())
		return waiter_of(handoff_may_come_back(me) ? me : NULL, native);
	return waitq_mine(native);
}

struct waiter *waitq_native(struct waiter *native)
{
	return waiter_of(NULL, native);
}

static void take(struct bucket *b)
{
	inside = inside + 1;
	rawlock_take(&b->lock);
}

static void drop(struct bucket *b)
{
	rawlock_drop(&b->lock);
	inside = inside - 1;
}

void waitq_lock(const void *addr)
{
	take(bucket_of(addr));
}

void waitq_unlock(const void *addr)
{
	drop(bucket_of(addr));
}

static void prepare(struct waiter *w, const void *addr, uint32_t bits)
{
	w->addr = addr;
	w->queued = true;
	w->bits = bits;
	atomic_store_explicit(&w->word, 0, memory_order_relaxed);
}

static void append(struct bucket *b, struct waiter *w)
{
	w->next = NULL;
	w->prev = b->tail;
	if (b->tail)
		b->tail->next = w;
	else
		b->head = w;
	b->tail = w;
	/* seq_cst: pairs with the fence of waitq_has_waiters(); the caller's next try is after it */
	atomic_fetch_add(&waitq_counts[b - buckets], 1);
}

static void push_front(struct bucket *b, struct waiter *w)
{
	w->prev = NULL;
	w->next = b->head;
	if (b->head)
		b->head->prev = w;
	else
		b->tail = w;
	b->head = w;
	atomic_fetch_add(&waitq_counts[b - buckets], 1); /* as in append() */
}

static void unlink_locked(struct bucket *b, struct waiter *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		b->head = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		b->tail = w->prev;
	atomic_fetch_sub_explicit(&waitq_counts[b - buckets], 1, memory_order_relaxed);
	w->queued = false;
}

void waitq_add_locked(struct waiter *w, const void *addr, uint32_t bits)
{
	prepare(w, addr, bits);
	append(bucket_of(addr), w);
}

void waitq_add(struct waiter *w, const void *addr)
{
	waitq_lock(addr);
	waitq_add_locked(w, addr, ~0u);
	waitq_unlock(addr);
}

void waitq_add_again(struct waiter *w, const void *addr, uint32_t bits)
{
	if (w->turns_lost < UCHAR_MAX)
		w->turns_lost++;
	waitq_lock(addr);
	prepare(w, addr, bits);
	push_front(bucket_of(addr), w);
	waitq_unlock(addr);
}

/* The bucket of w, locked: a requeue may move it between the look and the lock. */
static struct bucket *take_bucket_of(struct waiter *w)
{
	for (;;) {
		const void *addr = __atomic_load_n(&w->addr, __ATOMIC_RELAXED);
		struct bucket *b = bucket_of(addr);

		take(b);
		if (addr == __atomic_load_n(&w->addr, __ATOMIC_RELAXED))
			return b;
		drop(b);
	}
}

bool waitq_remove(struct waiter *w)
{
	struct bucket *b = take_bucket_of(w);
	bool queued = w->queued;

	if (queued)
		unlink_locked(b, w);
	drop(b);
	return queued;
}

void waitq_leave(struct waiter *w)
{
	if (!waitq_remove(w))
		waitq_wake(w->addr, 1);
}

static void wake_one(struct waiter *w)
{
	struct coro *co = w->co;

	atomic_store_explicit(&w->word, 1, memory_order_release);
	if (co)
		coro_unpark(co);
	else
		futex_wake(&w->word, 1);
}

static int wake_locked(const void *addr, int n, uint32_t bits, struct coro **owed)
{
	struct waiter *w = bucket_of(addr)->head, *next;
	int woken = 0;

	for (; w && woken < n; w = next) {
		next = w->next;
		if (w->addr != addr || !(w->bits & bits))
			continue;
		if (w->turns_lost > 0)
			*owed = w->co ? w->co : OWED_NATIVE;
		unlink_locked(bucket_of(addr), w);
		wake_one(w);
		woken++;
	}
	return woken;
}

int waitq_wake_locked(const void *addr, int n, uint32_t bits)
{
	struct coro *owed;

	return wake_locked(addr, n, bits, &owed);
}

/* Is this a signal handler that must not do what its wake would do? */
static bool must_defer(void)
{
	struct coro *me = coro_self;

	if (UNLIKELY(inside))
		return true;
	return UNLIKELY(sched.in_handler) && me && !(atomic_load(&me->keeps) & KEEPS_ALONE) && sig_in_handler();
}

static void defer_wake(const void *addr)
{
	unsigned i = waitq_hash(addr);

	atomic_fetch_or(&deferred[i / 64], UINT64_C(1) << i % 64);
	atomic_store(&some_deferred, true);
	loop_kick();
}

int waitq_wake_owed(const void *addr, int n, uint32_t bits, struct coro **owed)
{
	int woken;

	*owed = NULL;
	if (UNLIKELY(must_defer())) {
		defer_wake(addr);
		return 0;
	}
	waitq_lock(addr);
	woken = wake_locked(addr, n, bits, owed);
	waitq_unlock(addr);
	return woken;
}

int waitq_wake_bits(const void *addr, int n, uint32_t bits)
{
	struct coro *owed;

	return waitq_wake_owed(addr, n, bits, &owed);
}

int waitq_wake(const void *addr, int n)
{
	return waitq_wake_bits(addr, n, ~0u);
}

void waitq_give_way(struct coro *owed, const void *addr)
{
	bool was_outside;

	if (!owed || !coro_begin_moment(&was_outside))
		return;
	if (coro_can_park(coro_self))
		greenlet_give_way(coro_self, owed, addr);
	coro_end_moment(was_outside);
}

void waitq_wake_next(const void *addr)
{
	struct coro *owed;
	int saved = errno;

	waitq_wake_owed(addr, 1, ~0u, &owed);
	waitq_give_way(owed, addr);
	errno = saved;
}

static void wake_bucket(struct bucket *b)
{
	struct waiter *w, *next;

	take(b);
	for (w = b->head; w; w = next) {
		next = w->next;
		if (w->exact)
			continue;
		unlink_locked(b, w);
		wake_one(w);
	}
	drop(b);
}

void waitq_drain_deferred(void)
{
	if (LIKELY(!atomic_load_explicit(&some_deferred, memory_order_relaxed)))
		return;
	/* Before the words: what is noted from now on sets it again. */
	atomic_store(&some_deferred, false);
	for (size_t i = 0; i < ARRAY_LEN(deferred); i++)
		for (uint64_t word = atomic_exchange(&deferred[i], 0); word; word &= word - 1)
			wake_bucket(&buckets[i * 64 + (size_t)__builtin_ctzll(word)]);
}

/* Moves up to n waiters of `from`; both buckets are locked. */
static int move_locked(const void *from, const void *to, int n)
{
	struct bucket *source = bucket_of(from), *target = bucket_of(to);
	struct waiter *w = source->head, *next;
	int moved = 0;

	for (; w && moved < n; w = next) {
		next = w->next;
		if (w->addr != from)
			continue;
		unlink_locked(source, w);
		__atomic_store_n(&w->addr, to, __ATOMIC_RELAXED);
		w->queued = true;
		append(target, w);
		moved++;
	}
	return moved;
}

int waitq_requeue(const uint32_t *from, const uint32_t *to, int nwake, int nmove, const uint32_t *expected)
{
	struct bucket *source = bucket_of(from), *target = bucket_of(to);
	/* In one order, so that two requeues never wait for each other. */
	struct bucket *a = source < target ? source : target, *b = source < target ? target : source;
	int n = -EAGAIN;

	take(a);
	if (a != b)
		take(b);
	if (!expected || __atomic_load_n(from, __ATOMIC_SEQ_CST) == *expected) {
		n = waitq_wake_locked(from, nwake, ~0u);
		if (from != to)
			n += move_locked(from, to, nmove);
	}
	if (a != b)
		drop(b);
	drop(a);
	return n;
}

int waitq_length_locked(const void *addr)
{
	int n = 0;

	for (struct waiter *w = bucket_of(addr)->head; w; w = w->next)
		n += w->addr == addr;
	return n;
}

bool waitq_has_bits(const void *addr, uint32_t bits)
{
	bool found = false;

	waitq_lock(addr);
	for (struct waiter *w = bucket_of(addr)->head; w && !found; w = w->next)
		found = w->addr == addr && (w->bits & bits);
	waitq_unlock(addr);
	return found;
}

static long sleep_until_woken(struct waiter *w, deadline_t until, int flags)
{
	int64_t at = until;
	long r;

	while (!atomic_load_explicit(&w->word, memory_order_acquire)) {
		r = futex_wait(&w->word, 0, until == NEVER ? NULL : &at);
		if (r == -ETIMEDOUT || (r == -EINTR && (flags & WAITQ_INTR)))
			return r;
	}
	return 0;
}

/* Not inlined: the caller's cleanup must cover a cancellation at any instruction of this. */
static __attribute__((noinline)) long sleep_cancellable(struct waiter *w, deadline_t until, int flags)
{
	int type;
	long r;

	libc.pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	r = sleep_until_woken(w, until, flags);
	libc.pthread_setcanceltype(type, NULL);
	return r;
}

/* A wake that was spent on a thread that is being cancelled goes to the next one. */
static void on_native_cancel(void *w)
{
	waitq_leave(w);
}

static int native_wait(struct waiter *w, deadline_t until, int flags)
{
	long r;

	if (flags & WAITQ_CANCEL) {
		pthread_cleanup_push(on_native_cancel, w);
		r = sleep_cancellable(w, until, flags);
		pthread_cleanup_pop(0);
	} else {
		r = sleep_until_woken(w, until, flags);
	}
	return waitq_remove(w) ? (int)r : 0;
}

int waitq_wait(struct waiter *w, deadline_t until, int flags, const char *why)
{
	struct coro *me = w->co;
	int r = 0;

	if (!me)
		return native_wait(w, until, flags);
	coro_begin_wait(me, until, flags);
	while (!atomic_load_explicit(&w->word, memory_order_acquire) && (r = coro_early_end(me, flags)) == 0)
		sched_park(me, why, -1);
	coro_end_wait(me);
	/* Under the lock even when a wake is seen coming: who wakes touches w last before it lets go. */
	if (waitq_remove(w) || !atomic_load_explicit(&w->word, memory_order_relaxed))
		return r;
	return 0;
}

void waitq_time_is_up(struct waiter *w)
{
	if (w->queued)
		waitq_remove(w);
}

void waitq_before_fork(void)
{
	for (int i = 0; i < WAITQ_BUCKETS; i++)
		take(&buckets[i]);
}

void waitq_after_fork_parent(void)
{
	for (int i = WAITQ_BUCKETS - 1; i >= 0; i--)
		drop(&buckets[i]);
}

void waitq_after_fork_child(void)
{
	/* Whoever waited does not exist here. */
	for (int i = 0; i < WAITQ_BUCKETS; i++) {
		buckets[i] = (struct bucket){ 0 };
		atomic_store(&waitq_counts[i], 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(deferred); i++)
		atomic_store(&deferred[i], 0);
	inside = 0;
}
