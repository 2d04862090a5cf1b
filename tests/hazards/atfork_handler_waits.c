/* SPDX-License-Identifier: Apache-2.0
 *
 * fork() runs the program's prepare handlers, up to glibc 2.35 under a lock.  A handler that waits for a mutex
 * which another thread holds across a wait (as many libraries' do) lets the others run until then,
 * and a second thread that forks at the same time does not stop them all.
 */
#include "calls/blocked.h"
#include <sys/wait.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int gate[2];

static void prepare(void)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
}

static void release(void)
{
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

static void *holder(void *arg)
{
	char c;

	CHECK_EQ(pthread_mutex_lock(&m), 0);
	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 1);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return arg;
}

static void *forker(void *arg)
{
	int status;
	pid_t pid;

	about_to_block();
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(pthread_mutex_lock(&m), 0);
		_exit(3);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 3);
	return arg;
}

int main(void)
{
	pthread_t h, a, b;

	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(pthread_atfork(prepare, release, release), 0);
	h = start(holder, NULL);
	await_blocked(1);
	a = start(forker, NULL);
	b = start(forker, NULL);
	await_blocked(3);
	CHECK_EQ(write(gate[1], "g", 1), 1);
	finish(h);
	finish(a);
	finish(b);
	return 0;
}
