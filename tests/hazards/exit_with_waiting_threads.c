/* SPDX-License-Identifier: Apache-2.0
 *
 * A process ends when main returns, whatever its other threads wait in: pause (where CPython leaves its
 * daemon threads at exit), read, a lock, a sleep, a join.  A pause that stops the kernel thread they all
 * share would keep main from ever returning.
 */
#include "calls/blocked.h"
#include <semaphore.h>
#include <sys/wait.h>

static int p[2];
static sem_t sem;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_t other;

static void *in_pause(void *arg)
{
	about_to_block();
	for (;;)
		pause();
	return arg;
}

static void *in_read(void *arg)
{
	char c;

	about_to_block();
	CHECK(read(p[0], &c, 1) == 99);
	return arg;
}

static void *in_sem(void *arg)
{
	about_to_block();
	CHECK(sem_wait(&sem) == 99);
	return arg;
}

static void *in_mutex(void *arg)
{
	about_to_block();
	CHECK(pthread_mutex_lock(&m) == 99);
	return arg;
}

static void *in_sleep(void *arg)
{
	about_to_block();
	CHECK(sleep(100000) == 99);
	return arg;
}

static void *in_join(void *arg)
{
	about_to_block();
	CHECK(pthread_join(other, NULL) == 99);
	return arg;
}

static void *calls_exit(void *arg)
{
	exit(*(int *)arg);
}

int main(void)
{
	void *(*const ways[])(void *) = { in_pause, in_read, in_sem, in_mutex, in_sleep, in_join };
	int code = 7, status;

	for (int from_thread = 0; from_thread < 2; from_thread++) {
		pid_t pid = fork();

		if (pid == 0) {
			CHECK_EQ(pipe(p), 0);
			CHECK_EQ(sem_init(&sem, 0, 0), 0);
			CHECK_EQ(pthread_mutex_lock(&m), 0);
			for (int i = 0; i < 12; i++) {
				pthread_t t = start(ways[i % 6], NULL);

				if (i == 0)
					other = t;
			}
			await_blocked(12);
			if (from_thread)
				finish(start(calls_exit, &code));
			return code;
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
	}
	return 0;
}
