/* SPDX-License-Identifier: Apache-2.0
 *
 * gettid() and syscall(SYS_gettid): different in every living thread, the pid in main, and good for
 * the calls that take a thread id: tgkill, sched_getaffinity, sched_getparam, getpriority.
 */
#include "calls/blocked.h"
#include <sys/resource.h>
#include <sys/syscall.h>

#define N 20

static pid_t tids[N];
static int gate[2];
static _Thread_local volatile int mine;

static void handler(int sig)
{
	(void)sig;
	mine++;
}

static void *worker(void *arg)
{
	pid_t *tid = arg;
	struct sched_param param;
	cpu_set_t cpus;
	char c;

	*tid = gettid();
	CHECK_EQ(*tid, syscall(SYS_gettid));
	CHECK(*tid != getpid());
	CHECK_EQ(getpid(), syscall(SYS_getpid));
	CHECK_EQ(sched_getaffinity(*tid, sizeof(cpus), &cpus), 0);
	CHECK_EQ(sched_getparam(*tid, &param), 0);
	CHECK_EQ(sched_getscheduler(*tid), SCHED_OTHER);
	errno = 0;
	CHECK(getpriority(PRIO_PROCESS, *tid) != -1 || errno == 0);
	CHECK_EQ(tgkill(getpid(), *tid, SIGUSR1), 0);
	CHECK_EQ(mine, 1);
	CHECK_EQ(syscall(SYS_tgkill, getpid(), *tid, SIGUSR1), 0);
	CHECK_EQ(mine, 2);
	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 1);
	CHECK_EQ(*tid, gettid());
	return NULL;
}

int main(void)
{
	pthread_t t[N];

	CHECK_EQ(pipe(gate), 0);
	on_signal(SIGUSR1, handler, SA_RESTART);
	CHECK_EQ(gettid(), getpid());
	for (int i = 0; i < N; i++)
		t[i] = start(worker, &tids[i]);
	await_blocked(N);
	CHECK_EQ(gettid(), getpid());
	for (int i = 0; i < N; i++)
		for (int j = 0; j < i; j++)
			CHECK(tids[i] != tids[j]);
	CHECK_EQ(mine, 0);
	CHECK_EQ(write(gate[1], "01234567890123456789", N), N);
	for (int i = 0; i < N; i++)
		finish(t[i]);
	return 0;
}
