/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_kill(): the handler runs in the thread it was sent to, on its stack, and ends its wait with
 * EINTR; the other threads notice nothing; signal 0 and an ended thread; SA_RESTART goes on waiting.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <semaphore.h>

static pthread_t handled_by;
static _Atomic int handled;
static int p[2];
static sem_t sem;
static _Thread_local volatile int mine;

static void handler(int sig)
{
	(void)sig;
	handled_by = pthread_self();
	mine++;
	atomic_fetch_add(&handled, 1);
}

static void *reader(void *arg)
{
	char c;

	about_to_block();
	CHECK_ERRNO(read(p[0], &c, 1), EINTR);
	CHECK_EQ(mine, 1);
	about_to_block();
	CHECK_ERRNO(poll(NULL, 0, -1), EINTR);
	CHECK_EQ(mine, 2);
	about_to_block();
	CHECK_ERRNO(sem_wait(&sem), EINTR);
	CHECK_EQ(mine, 3);
	return arg;
}

static void *restarts(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(mine, 1);
	return arg;
}

static void *bystander(void *arg)
{
	about_to_block();
	CHECK_EQ(sem_wait(arg), 0);
	CHECK_EQ(mine, 0);
	return arg;
}

int main(void)
{
	sem_t go;
	pthread_t t, by;

	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	CHECK_EQ(sem_init(&go, 0, 0), 0);
	on_signal(SIGUSR1, handler, 0);
	by = start(bystander, &go);
	await_blocked(1);
	t = start(reader, NULL);
	for (int i = 1; i <= 3; i++) {
		await_blocked(i + 1);
		CHECK_EQ(pthread_kill(t, 0), 0);
		CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
		while (atomic_load(&handled) < i)
			sched_yield();
		CHECK(pthread_equal(handled_by, t));
	}
	finish(t);

	on_signal(SIGUSR1, handler, SA_RESTART);
	t = start(restarts, NULL);
	await_blocked(5);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	while (atomic_load(&handled) < 4)
		sched_yield();
	CHECK_EQ(write(p[1], "x", 1), 1);
	finish(t);

	CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
	CHECK_EQ(mine, 1);
	CHECK_EQ(raise(SIGUSR1), 0);
	CHECK_EQ(mine, 2);
	CHECK_EQ(pthread_kill(by, 999), EINVAL);
	CHECK_EQ(sem_post(&go), 0);
	finish(by);
	return 0;
}
