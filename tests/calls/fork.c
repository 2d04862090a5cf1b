/* SPDX-License-Identifier: Apache-2.0
 *
 * fork() from main and from another thread, while threads sleep, poll, hold locks and wait for them: the
 * child has one thread, which may wait, sleep, lock and start threads of its own, and leaves by exit()
 * from where it is; the parent's threads lose nothing.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/wait.h>

static int gate[2], forks;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int *prepared, atfork[3];

static void prepare(void)
{
	atfork[0]++;
}

static void in_parent(void)
{
	atfork[1]++;
}

static void in_child(void)
{
	atfork[2]++;
}

static void *reader(void *arg)
{
	char ch;

	about_to_block();
	CHECK_EQ(read(gate[0], &ch, 1), 1);
	return arg;
}

static void *sleeper(void *arg)
{
	about_to_block();
	usleep(20000);
	return arg;
}

static void *cond_waiter(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	about_to_block();
	while (!prepared)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	return arg;
}

static void *in_childs_thread(void *arg)
{
	char ch;

	CHECK_EQ(read(*(int *)arg, &ch, 1), 1);
	usleep(1000);
	return arg;
}

static void child(void)
{
	int p[2];
	struct pollfd f;
	pthread_t t;

	CHECK_EQ(atfork[2], 1);
	usleep(1000);
	CHECK_EQ(pipe(p), 0);
	f = (struct pollfd){ .fd = p[0], .events = POLLIN };
	CHECK_EQ(poll(&f, 1, 5), 0);
	if (!is_emulated("a forked child cannot start threads")) {
		t = start(in_childs_thread, &p[0]);
		CHECK_EQ(write(p[1], "x", 1), 1);
		CHECK(finish(t) == &p[0]);
	}
	CHECK_EQ(atfork[1], forks);
	exit(33);
}

static void *forker(void *arg)
{
	pid_t pid = fork();
	int status;

	CHECK(pid != -1);
	if (pid == 0)
		child();
	forks++;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 33);
	return arg;
}

int main(void)
{
	pthread_t t[6];

	CHECK_EQ(pthread_atfork(prepare, in_parent, in_child), 0);
	CHECK_EQ(pipe(gate), 0);
	forker(NULL); /* before any thread */
	for (int i = 0; i < 4; i++)
		t[i] = start(i < 2 ? reader : sleeper, NULL);
	t[4] = start(cond_waiter, NULL);
	await_blocked(5);
	forker(NULL);
	finish(start(forker, NULL));
	t[5] = start(forker, NULL);
	finish(t[5]);
	CHECK_EQ(atfork[0], 4);
	CHECK_EQ(atfork[1], 4);
	CHECK_EQ(atfork[2], 0);

	CHECK_EQ(write(gate[1], "ab", 2), 2);
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	prepared = atfork;
	CHECK_EQ(pthread_cond_signal(&c), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	CHECK_VERIFY();
	return 0;
}
