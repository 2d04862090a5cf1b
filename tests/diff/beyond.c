/* SPDX-License-Identifier: Apache-2.0
 *
 * Times so far away that a sum with the present overflows: they are waited for like any other.
 */
#include "diff/steps.h"
#include <limits.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <threads.h>
#include <linux/futex.h>

static const struct timespec far = { .tv_sec = LONG_MAX, .tv_nsec = 999999999 };
static const struct timespec century = { .tv_sec = 5000000000000 };
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;
static int p[2];
static uint32_t word;

/* Blocks in fn, and is let go on. */
static void wait_in(void *(*fn)(void *), void (*let_go)(void))
{
	struct flow *f = flow(fn, NULL);

	await_blocked(1);
	usleep(3000);
	let_go();
	flow_end(f);
}

static void *in_timedlock(void *arg)
{
	blocks();
	E(pthread_mutex_timedlock(&m, &far));
	E(pthread_mutex_unlock(&m));
	return arg;
}

static void *in_clocklock(void *arg)
{
	blocks();
	E(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &century));
	E(pthread_mutex_unlock(&m));
	return arg;
}

static void unlock(void)
{
	E(pthread_mutex_unlock(&m));
}

CASE(mutex_timedlock)
{
	E(pthread_mutex_lock(&m));
	wait_in(in_timedlock, unlock);
}

CASE(mutex_clocklock)
{
	E(pthread_mutex_lock(&m));
	wait_in(in_clocklock, unlock);
}

static void *in_timedrdlock(void *arg)
{
	blocks();
	E(pthread_rwlock_timedrdlock(&rw, &far));
	E(pthread_rwlock_unlock(&rw));
	return arg;
}

static void *in_timedwrlock(void *arg)
{
	blocks();
	E(pthread_rwlock_timedwrlock(&rw, &century));
	E(pthread_rwlock_unlock(&rw));
	return arg;
}

static void rwunlock(void)
{
	E(pthread_rwlock_unlock(&rw));
}

CASE(rwlock_timedrdlock)
{
	E(pthread_rwlock_wrlock(&rw));
	wait_in(in_timedrdlock, rwunlock);
}

CASE(rwlock_timedwrlock)
{
	E(pthread_rwlock_wrlock(&rw));
	wait_in(in_timedwrlock, rwunlock);
}

static void *in_cond_timedwait(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	blocks();
	E(pthread_cond_timedwait(&c, &m, &far));
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return arg;
}

static void *in_cond_clockwait(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	blocks();
	E(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &century));
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return arg;
}

static void signal_it(void)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	E(pthread_cond_signal(&c));
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

CASE(cond_timedwait)
{
	wait_in(in_cond_timedwait, signal_it);
}

CASE(cond_clockwait)
{
	wait_in(in_cond_clockwait, signal_it);
}

static void *in_sem_timedwait(void *arg)
{
	blocks();
	R(sem_timedwait(&sem, &far));
	return arg;
}

static void *in_sem_clockwait(void *arg)
{
	blocks();
	R(sem_clockwait(&sem, CLOCK_MONOTONIC, &century));
	return arg;
}

static void post(void)
{
	R(sem_post(&sem));
}

CASE(sem_timedwait)
{
	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	wait_in(in_sem_timedwait, post);
}

CASE(sem_clockwait)
{
	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	wait_in(in_sem_clockwait, post);
}

static void *in_futex(void *arg)
{
	blocks();
	R(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &far, NULL, 0));
	return arg;
}

static void *in_futex_until(void *arg)
{
	blocks();
	R(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, &century, NULL, ~0u));
	return arg;
}

static void wake(void)
{
	R(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

CASE(futex_wait)
{
	wait_in(in_futex, wake);
}

CASE(futex_wait_until)
{
	wait_in(in_futex_until, wake);
}

static void *in_poll(void *arg)
{
	struct pollfd pfd = { .fd = p[0], .events = POLLIN };

	blocks();
	R(poll(&pfd, 1, INT_MAX));
	return arg;
}

static void *in_ppoll(void *arg)
{
	struct pollfd pfd = { .fd = p[0], .events = POLLIN };

	blocks();
	R(ppoll(&pfd, 1, &far, NULL));
	return arg;
}

static void *in_select(void *arg)
{
	struct timeval tv = { .tv_sec = LONG_MAX, .tv_usec = 999999 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(p[0], &set);
	blocks();
	R(select(p[0] + 1, &set, NULL, NULL, &tv));
	return arg;
}

static void *in_pselect(void *arg)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(p[0], &set);
	blocks();
	R(pselect(p[0] + 1, &set, NULL, NULL, &far, NULL));
	return arg;
}

static void *in_epoll_wait(void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
	blocks();
	R(epoll_wait(ep, &ev, 1, INT_MAX));
	return arg;
}

static void write_it(void)
{
	tell(p[1]);
}

CASE(poll_call)
{
	CHECK_EQ(pipe(p), 0);
	wait_in(in_poll, write_it);
}

CASE(ppoll_call)
{
	CHECK_EQ(pipe(p), 0);
	wait_in(in_ppoll, write_it);
}

CASE(select_call)
{
	CHECK_EQ(pipe(p), 0);
	wait_in(in_select, write_it);
}

CASE(pselect_call)
{
	CHECK_EQ(pipe(p), 0);
	wait_in(in_pselect, write_it);
}

CASE(epoll_wait_call)
{
	CHECK_EQ(pipe(p), 0);
	wait_in(in_epoll_wait, write_it);
}

/* What is left is as much as the kernel can count. */
static void say_rest(const struct timespec *rem)
{
	SAY("left: %d", rem->tv_sec > 1000000000);
}

static void *in_sleep(void *arg)
{
	struct timespec rem = { 0 };

	blocks();
	switch ((long)arg) {
	case 0:
		R(nanosleep(&far, &rem));
		say_rest(&rem);
		break;
	case 1:
		E(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &far, NULL));
		break;
	case 2:
		E(clock_nanosleep(CLOCK_MONOTONIC, 0, &century, &rem));
		say_rest(&rem);
		break;
	case 3:
		SAY("left: %d", sleep(UINT_MAX) > 4000000000);
		break;
	case 4:
		R(usleep(UINT_MAX));
		break;
	default:
		SAY("%d", thrd_sleep(&far, NULL));
	}
	return NULL;
}

static void interrupt_sleep(long which)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, 0);
	f = flow(in_sleep, (void *)which);
	await_blocked(1);
	usleep(3000);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

CASE_THREADS(nanosleep_call)
{
	interrupt_sleep(0);
}

CASE_THREADS(clock_nanosleep_until)
{
	interrupt_sleep(1);
}

CASE_THREADS(clock_nanosleep_for)
{
	interrupt_sleep(2);
}

CASE_THREADS(sleep_call)
{
	interrupt_sleep(3);
}

CASE_THREADS(usleep_call)
{
	interrupt_sleep(4);
}

CASE_THREADS(thrd_sleep_call)
{
	interrupt_sleep(5);
}

static void *in_sigtimedwait(void *arg)
{
	sigset_t set = set_of(SIGUSR1, 0);

	change_mask(SIG_BLOCK, SIGUSR1, 0);
	blocks();
	R(sigtimedwait(&set, NULL, &far));
	return arg;
}

CASE_THREADS(sigtimedwait_call)
{
	struct flow *f = flow(in_sigtimedwait, NULL);

	await_blocked(1);
	usleep(3000);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

static void *stay(void *arg)
{
	hear(p[0]);
	return arg;
}

static void *in_timedjoin(void *arg)
{
	pthread_t *t = arg;

	blocks();
	E(pthread_timedjoin_np(*t, NULL, &far));
	return NULL;
}

CASE_THREADS(timedjoin_call)
{
	struct flow *f;
	pthread_t t;

	CHECK_EQ(pipe(p), 0);
	t = start(stay, NULL);
	f = flow(in_timedjoin, &t);
	await_blocked(1);
	usleep(3000);
	tell(p[1]);
	flow_end(f);
}
