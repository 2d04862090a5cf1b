/* SPDX-License-Identifier: Apache-2.0
 *
 * The child of fork() has one thread.  Whatever still remembers the others there (join lists, timers,
 * descriptor waiters, remote wakes, recycled stacks) would make code after a join or a sleep run a second time,
 * in the child, on stacks that libc has already given to others.  Each thread writes who woke up where.
 */
#include "calls/blocked.h"
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct counts {
	_Atomic int after_wait[2]; /* in the parent, in the child */
} *counts;

static pid_t parent;
static int p[2];
static sem_t sem;

static void count(void)
{
	atomic_fetch_add(&counts->after_wait[getpid() != parent], 1);
}

static void *sleeper(void *arg)
{
	about_to_block();
	usleep(5000);
	count();
	return arg;
}

static void *reader(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(p[0], &c, 1), 1);
	count();
	return arg;
}

static void *sem_waiter(void *arg)
{
	about_to_block();
	CHECK_EQ(sem_wait(&sem), 0);
	count();
	return arg;
}

static void *joiner(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_join(*(pthread_t *)arg, NULL), 0);
	count();
	return NULL;
}

static void *nothing(void *arg)
{
	volatile char stack[20000];

	memset((char *)stack, 1, sizeof(stack));
	sched_yield();
	return arg;
}

static void child(void)
{
	usleep(8000); /* as long as the parent's sleepers */
	CHECK_EQ(sem_post(&sem), 0);
	CHECK_EQ(sem_post(&sem), 0);
	CHECK_EQ(write(p[1], "12", 2), 2); /* for the parent's readers */
	if (!is_emulated("a forked child cannot start threads"))
		for (int i = 0; i < 30; i++) /* more than were there */
			finish(start(nothing, NULL));
	usleep(1000);
	_exit(0);
}

static void *forker(void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		child();
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return arg;
}

static void check(bool in_thread)
{
	static int blocked;
	pthread_t t[8];

	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	for (int i = 0; i < 2; i++) {
		t[i] = start(sleeper, NULL);
		t[2 + i] = start(sem_waiter, NULL);
		t[4 + i] = start(reader, NULL);
		t[6 + i] = start(joiner, &t[2 + i]);
	}
	await_blocked(blocked += 8);
	if (in_thread)
		finish(start(forker, NULL));
	else
		forker(NULL);
	CHECK_EQ(sem_post(&sem), 0);
	CHECK_EQ(sem_post(&sem), 0);
	for (int i = 0; i < 8; i++)
		if (i < 2 || i > 3) /* 2 and 3 are joined by 6 and 7 */
			finish(t[i]);
	CHECK_EQ(close(p[0]), 0);
	CHECK_EQ(close(p[1]), 0);
}

int main(void)
{
	parent = getpid();
	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(counts != MAP_FAILED);
	check(false);
	check(true);
	CHECK_EQ(counts->after_wait[0], 16);
	CHECK_EQ(counts->after_wait[1], 0);
	CHECK_VERIFY();
	return 0;
}
