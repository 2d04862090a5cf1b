/* SPDX-License-Identifier: Apache-2.0
 *
 * Whoever has waited on a shared semaphore, and left because a signal came or time was up, may unmap it
 * at once: nobody who waited on its behalf may touch that memory any more, or keep a wake from others.
 */
#include "calls/blocked.h"
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define ROUNDS 100

static sem_t *map_sem(void)
{
	sem_t *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(s != MAP_FAILED);
	CHECK_EQ(sem_init(s, 1, 0), 0);
	return s;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void set_alarm(long ms)
{
	struct itimerval every = { { 0, ms * 1000 }, { 0, ms * 1000 } };

	CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
}

/* After long enough that somebody waits in its place.  A first signal may come too early. */
static void leave_by_signal(sem_t *s)
{
	set_alarm(15);
	CHECK_ERRNO(sem_wait(s), EINTR);
	set_alarm(0);
}

static void *other(void *arg)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 100); /* more than the other's place is kept */

	CHECK_ERRNO(sem_timedwait(arg, &at), ETIMEDOUT);
	return arg;
}

static void unmap_after_signal(void)
{
	sem_t *s = map_sem(), *rest = map_sem();
	pthread_t t = start(other, rest);

	leave_by_signal(s);
	CHECK_EQ(munmap(s, sizeof(*s)), 0);
	finish(t);
	CHECK_EQ(munmap(rest, sizeof(*rest)), 0);
}

static void unmap_after_timeout(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		sem_t *s = map_sem();
		struct timespec at = in_ms(CLOCK_REALTIME, 2);

		CHECK_ERRNO(sem_timedwait(s, &at), ETIMEDOUT);
		CHECK_EQ(munmap(s, sizeof(*s)), 0);
	}
}

/* One here leaves while one in another process waits behind it: the post is that one's. */
static void wake_goes_to_who_waits(void)
{
	sem_t *s = map_sem(), *there = map_sem();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < 10; i++) {
			struct timespec at = in_ms(CLOCK_REALTIME, 10000);

			CHECK_EQ(sem_timedwait(s, &at), 0);
			CHECK_EQ(sem_post(there), 0);
		}
		_exit(0);
	}
	for (int i = 0; i < 10; i++) {
		leave_by_signal(s);
		CHECK_EQ(sem_post(s), 0);
		while (sem_wait(there) == -1)
			CHECK_EQ(errno, EINTR);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

int main(void)
{
	on_signal(SIGALRM, on_alarm, 0);
	finish(start(other, map_sem()));
	unmap_after_signal();
	unmap_after_timeout();
	wake_goes_to_who_waits();
	return 0;
}
