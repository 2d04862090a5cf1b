/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_setname_np() and prctl(PR_SET_NAME) name the thread: another thread reads the name back, a new
 * thread inherits its creator's, ERANGE for long ones, and the name of the process stays what it was.
 */
#include "calls/blocked.h"
#include <sys/prctl.h>

static char process[16];
static int gate[2];

static void check_process_name(void)
{
	char now[16] = "";
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);

	CHECK(read(fd, now, sizeof(now)) > 0);
	CHECK_EQ(close(fd), 0);
	*strchr(now, '\n') = '\0';
	if (!process[0])
		strcpy(process, now);
	CHECK(!strcmp(now, process));
}

static void *worker(void *arg)
{
	char name[16], c;

	CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
	CHECK(!strcmp(name, process));
	CHECK_EQ(pthread_setname_np(pthread_self(), arg), 0);
	check_process_name();
	sched_yield();
	CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
	CHECK(!strcmp(name, arg));
	CHECK_EQ(prctl(PR_SET_NAME, "by-prctl"), 0);
	check_process_name();
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(!strcmp(name, "by-prctl"));
	CHECK_EQ(pthread_getname_np(pthread_self(), name, 3), ERANGE);
	CHECK_EQ(pthread_setname_np(pthread_self(), "this is too long"), ERANGE);
	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 0);
	CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
	CHECK(!strcmp(name, "from-outside") || !strcmp(name, "by-prctl"));
	return NULL;
}

int main(void)
{
	char name[16];
	pthread_t a, b;

	check_process_name();
	CHECK_EQ(pipe(gate), 0);
	a = start(worker, "worker-a");
	b = start(worker, "worker-b");
	await_blocked(2);
	CHECK_EQ(pthread_getname_np(a, name, sizeof(name)), 0);
	CHECK(!strcmp(name, "by-prctl"));
	CHECK_EQ(pthread_setname_np(a, "from-outside"), 0);
	check_process_name();
	CHECK_EQ(close(gate[1]), 0);
	finish(a);
	finish(b);
	CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
	CHECK(!strcmp(name, process));
	CHECK_EQ(pthread_setname_np(pthread_self(), "main-renamed"), 0);
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(!strcmp(name, "main-renamed"));
	return 0;
}
