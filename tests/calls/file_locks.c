/* SPDX-License-Identifier: Apache-2.0
 *
 * File locks are waited for while other threads run; and close() ends such a wait, under our law, before the
 * number can be another file's.  A handler may leave it by a jump; and it does without a kernel thread until
 * one can be had. (Everything else of theirs: tests/diff/filelocks.c.)
 */
#include "calls/blocked.h"
#include <setjmp.h>
#include <sys/file.h>
#include <sys/resource.h>

static int held, waiting;

static int temporary(void)
{
	char path[] = "/tmp/syncless-locks-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	CHECK(fd != -1);
	CHECK_EQ(unlink(path), 0);
	return fd;
}

static int opened_again(int fd)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	CHECK(again != -1);
	return again;
}

static void *waits(void *arg)
{
	(void)arg;
	errno = 1234;
	about_to_block();
	CHECK_EQ(flock(waiting, LOCK_EX), 0);
	CHECK_EQ(errno, 1234);
	return NULL;
}

static void *waits_in_vain(void *arg)
{
	(void)arg;
	about_to_block();
	CHECK_ERRNO(flock(waiting, LOCK_EX), EBADF);
	return NULL;
}

static void *waits_for_a_range_in_vain(void *arg)
{
	struct flock w = { .l_type = F_WRLCK };

	(void)arg;
	about_to_block();
	CHECK_ERRNO(fcntl(waiting, F_OFD_SETLKW, &w), EBADF);
	return NULL;
}

static int ticks;

static void *ticks_ten_times(void *arg)
{
	(void)arg;
	while (ticks < 10) {
		usleep(1000);
		ticks++;
	}
	return NULL;
}

static void others_run(int nth)
{
	pthread_t t, ticker;

	CHECK_EQ(flock(held, LOCK_EX), 0);
	waiting = opened_again(held);
	t = start(waits, NULL);
	await_blocked(nth);
	ticker = start(ticks_ten_times, NULL);
	finish(ticker);
	CHECK_EQ(flock(held, LOCK_UN), 0);
	finish(t);
	CHECK_EQ(close(waiting), 0);
}

static sigjmp_buf before_wait;
static pthread_t main_thread;

static void jump(int sig)
{
	siglongjmp(before_wait, sig);
}

static void *interrupts_main(void *arg)
{
	await_blocked(*(int *)arg);
	CHECK_EQ(pthread_kill(main_thread, SIGUSR1), 0);
	return NULL;
}

/* Nobody waits any more, so nobody gets the lock. */
static void left_by_a_jump(int nth)
{
	int other = opened_again(held);
	pthread_t t;

	waiting = opened_again(held);
	main_thread = pthread_self();
	on_signal(SIGUSR1, jump, 0);
	CHECK_EQ(flock(held, LOCK_EX), 0);
	t = start(interrupts_main, &nth);
	if (sigsetjmp(before_wait, 1) == 0) {
		about_to_block();
		flock(waiting, LOCK_EX);
		CHECK(!"reached");
	}
	CHECK_EQ(flock(held, LOCK_UN), 0);
	CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
	finish(t);
	CHECK_EQ(close(other), 0);
	CHECK_EQ(close(waiting), 0);
}

static void set_memory(rlim_t bytes)
{
	struct rlimit limit;

	CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

/* There is no room for the stack of another kernel thread. */
static void no_worker(int nth)
{
	pthread_t t;

	waiting = opened_again(held);
	CHECK_EQ(flock(held, LOCK_EX), 0);
	t = start(waits, NULL);
	set_memory(1 << 20);
	await_blocked(nth);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(usleep(1000), 0);
	set_memory(RLIM_INFINITY);
	CHECK_EQ(flock(held, LOCK_UN), 0);
	finish(t);
	CHECK_EQ(close(waiting), 0);
}

/* The number is another file's at once, and nobody has locked that. */
static void close_ends_it(void *(*fn)(void *), int nth)
{
	int other = temporary(), again;
	pthread_t t;

	waiting = opened_again(held);
	t = start(fn, NULL);
	await_blocked(nth);
	CHECK_EQ(close(waiting), 0);
	again = opened_again(other);
	CHECK_EQ(again, waiting);
	finish(t);
	CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
	CHECK_EQ(close(again), 0);
	CHECK_EQ(close(other), 0);
}

int main(void)
{
	struct flock w = { .l_type = F_WRLCK };
	int n = 0;

	held = temporary();
#ifndef __SANITIZE_ADDRESS__ /* it needs memory at any time */
	no_worker(++n);
#endif
	others_run(++n);
	left_by_a_jump(++n);
	if (!is_green())
		return 0; /* the kernel lets them wait */
	CHECK_EQ(flock(held, LOCK_EX), 0);
	close_ends_it(waits_in_vain, ++n);
	CHECK_EQ(fcntl(held, F_OFD_SETLK, &w), 0);
	close_ends_it(waits_for_a_range_in_vain, ++n);
	CHECK_VERIFY();
	return 0;
}
