/* SPDX-License-Identifier: Apache-2.0
 *
 * syscall(SYS_futex): what the locks of other runtimes wait with.
 */
#include "diff/steps.h"
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#ifndef FUTEX_WAIT_BITSET_PRIVATE
#define FUTEX_WAIT_BITSET_PRIVATE (FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG)
#endif
#define REALTIME_BITSET (FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME)

static uint32_t word, other;

static long futex(uint32_t *at, int op, uint32_t value, const void *timeout, uint32_t *second, uint32_t third)
{
	return syscall(SYS_futex, at, op, value, timeout, second, third);
}

CASE(another_value)
{
	R(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 1, NULL, NULL, ~0u));
}

CASE(nobody_waits)
{
	R(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 1));
	R(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)1, &other, 0));
	R(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &other, 0));
	R(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &other, 5));
}

CASE(timeouts)
{
	struct timespec span = ms_span(15), none = { 0 }, past = { .tv_sec = 1 };

	LASTS(15, R(futex(&word, FUTEX_WAIT_PRIVATE, 0, &span, NULL, 0)));
	R(futex(&word, FUTEX_WAIT_PRIVATE, 0, &none, NULL, 0));
	LASTS(15, R(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, AT(CLOCK_MONOTONIC, 15), NULL, ~0u)));
	LASTS(15, R(futex(&word, REALTIME_BITSET, 0, AT(CLOCK_REALTIME, 15), NULL, ~0u)));
	R(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &past, NULL, ~0u));
	R(futex(&word, REALTIME_BITSET, 0, &past, NULL, ~0u));
	LASTS(15, R(futex(&word, FUTEX_WAIT, 0, &span, NULL, 0)));
}

CASE(bad_timeouts)
{
	struct timespec bad = { .tv_nsec = 1000000000 }, negative = { .tv_sec = -1 }, below = { .tv_nsec = -1 };

	R(futex(&word, FUTEX_WAIT_PRIVATE, 0, &bad, NULL, 0));
	R(futex(&word, FUTEX_WAIT_PRIVATE, 0, &negative, NULL, 0));
	R(futex(&word, FUTEX_WAIT_PRIVATE, 0, &below, NULL, 0));
	R(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &bad, NULL, ~0u));
	R(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &negative, NULL, ~0u));
	R(futex(&word, FUTEX_WAIT_PRIVATE, 1, &bad, NULL, 0));
}

CASE(bad_addresses)
{
	R(futex(NULL, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	R(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	R(futex((uint32_t *)((char *)&word + 2), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R(futex(no_memory(), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	R(futex(no_memory(), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R(futex(no_memory(), FUTEX_WAIT, 0, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAIT_PRIVATE, 0, no_memory(), NULL, 0));
	R(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, NULL, 0));
	R(futex(no_memory(), FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &other, 0));
}

CASE(bad_operations)
{
	R(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 0));
	R(futex(&word, 99, 0, NULL, NULL, 0));
	R(futex(&word, FUTEX_FD, 0, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE_PRIVATE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
	R(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	R(futex(&word, FUTEX_REQUEUE_PRIVATE, (uint32_t)-1, (void *)1, &other, 0));
}

static void *wait_for_change(void *arg)
{
	(void)arg;
	blocks();
	R(futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	return NULL;
}

/* The flows that wait say the same, so who was woken need not be known. */
static void start_waiters(struct flow **f, int n)
{
	for (int i = 0; i < n; i++)
		f[i] = flow(wait_for_change, NULL);
	await_blocked(n);
}

static void end_waiters(struct flow **f, int n)
{
	for (int i = 0; i < n; i++)
		flow_end(f[i]);
}

CASE(wakes)
{
	struct flow *f[4];

	start_waiters(f, 4);
	R(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
	end_waiters(f, 4);
}

CASE(wakes_of_none)
{
	struct flow *f[2];

	start_waiters(f, 2);
	R(futex(&word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE_PRIVATE, (uint32_t)-1, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	end_waiters(f, 2);
}

CASE(operation_wakes_of_none)
{
	unsigned code = FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0);
	struct flow *f[2];

	start_waiters(f, 2);
	R(futex(&other, FUTEX_WAKE_OP_PRIVATE, 0, (void *)0, &word, code));
	R(futex(&word, FUTEX_WAKE_OP_PRIVATE, 0, (void *)0, &other, code));
	R(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	end_waiters(f, 2);
}

static void *wait_for_bits(void *arg)
{
	blocks();
	R(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(long)arg));
	return NULL;
}

CASE(bits)
{
	struct flow *one = flow(wait_for_bits, (void *)1), *two = flow(wait_for_bits, (void *)2),
		    *both = flow(wait_for_bits, (void *)3);

	await_blocked(3);
	R(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 4));
	R(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 2));
	flow_end(two);
	flow_end(both);
	R(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	flow_end(one);
}

CASE(requeued)
{
	struct flow *f[4];

	start_waiters(f, 4);
	R(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)2, &other, 0));
	R(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	R(futex(&other, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	R(futex(&other, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	end_waiters(f, 4);
}

CASE(requeued_by_comparison)
{
	struct flow *f[3];

	start_waiters(f, 3);
	R(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &other, 5));
	R(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &other, 0));
	R(futex(&other, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	R(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	end_waiters(f, 3);
}

static void operate(unsigned code)
{
	R(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, code));
	SAY("other %d", (int)other);
}

CASE(operations)
{
	other = 12;
	operate(FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 12));
	operate(FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_NE, 12));
	operate(FUTEX_OP(FUTEX_OP_OR, 3, FUTEX_OP_CMP_LT, 12));
	operate(FUTEX_OP(FUTEX_OP_ANDN, 4, FUTEX_OP_CMP_LE, 12));
	operate(FUTEX_OP(FUTEX_OP_XOR, 6, FUTEX_OP_CMP_GT, 12));
	operate(FUTEX_OP(FUTEX_OP_ADD, -3, FUTEX_OP_CMP_GE, -1));
	operate(FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 9, FUTEX_OP_CMP_GE, 0));
	operate(FUTEX_OP(5u, 9, FUTEX_OP_CMP_GE, 0));
	operate(FUTEX_OP(FUTEX_OP_SET, 9, 6u, 0));
	R(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, no_memory(), 0));
	R(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, NULL, 0));
}

static void *wait_for_other(void *arg)
{
	(void)arg;
	blocks();
	R(futex(&other, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	return NULL;
}

CASE(operation_wakes_both)
{
	struct flow *a = flow(wait_for_change, NULL), *b = flow(wait_for_other, NULL);

	await_blocked(2);
	operate(FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0));
	flow_end(a);
	flow_end(b);
}

CASE(operation_wakes_the_first_only)
{
	struct flow *a = flow(wait_for_change, NULL), *b = flow(wait_for_other, NULL);

	await_blocked(2);
	operate(FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_NE, 0));
	flow_end(a);
	R(futex(&other, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	flow_end(b);
}

static void *wait_for_a_time(void *arg)
{
	struct timespec span = ms_span(20000);

	blocks();
	R(futex(&word, FUTEX_WAIT_PRIVATE, 0, arg ? &span : NULL, NULL, 0));
	step(1);
	return NULL;
}

static void meet_handler(int flags, bool timed)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, flags);
	f = flow(wait_for_a_time, timed ? &word : NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	await_handler();
	/* One that is restarted may not wait again yet. */
	while (!atomic_load(&steps_done)) {
		futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		usleep(1000);
	}
	flow_end(f);
}

CASE_THREADS(handler)
{
	meet_handler(0, false);
}

CASE_THREADS(handler_that_restarts)
{
	meet_handler(SA_RESTART, false);
}

CASE_THREADS(handler_and_timeout)
{
	meet_handler(0, true);
}

CASE_THREADS(handler_that_restarts_and_timeout)
{
	meet_handler(SA_RESTART, true);
}

static void wake_as_child(void *arg)
{
	uint32_t *at = arg;

	__atomic_store_n(at, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, at, FUTEX_WAKE, 1, NULL, NULL, 0);
}

CASE(another_process_wakes)
{
	uint32_t *at = shared_page();
	pid_t pid = child(wake_as_child, at);

	while (__atomic_load_n(at, __ATOMIC_SEQ_CST) == 0)
		CHECK(futex(at, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 || errno == EAGAIN);
	SAY("changed");
	child_end(pid);
}
