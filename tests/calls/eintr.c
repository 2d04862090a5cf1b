/* SPDX-License-Identifier: Apache-2.0
 *
 * Which calls a handler ends with EINTR: without SA_RESTART all of them; with it recv without a
 * timeout, read, accept and waitpid go on, while recv with SO_RCVTIMEO, poll, select, epoll_wait, sem_timedwait
 * and the sleeps end all the same.  Taken from signal(7) and tried on the kernel.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>

static int s[2], p[2], listener, ep, timed[2];
static sem_t sem;
static pid_t child;
static _Atomic int handled;

static void handler(int sig)
{
	(void)sig;
	handled++;
}

static int call_poll(void) { return poll(NULL, 0, -1); }
static int call_select(void) { return select(0, NULL, NULL, NULL, NULL); }
static int call_usleep(void) { return usleep(900000000); }
static int call_read(void) { char c; return read(p[0], &c, 1); }
static int call_recv(void) { char c; return recv(s[0], &c, 1, 0); }
static int call_accept(void) { return accept(listener, NULL, NULL); }
static int call_wait(void) { return waitpid(child, NULL, 0); }
static int call_timed_recv(void) { char c; return recv(timed[0], &c, 1, 0); }

static int call_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, -1);
}

static int call_sem(void)
{
	struct timespec far = in_ms(CLOCK_REALTIME, 1000000);

	return sem_timedwait(&sem, &far);
}

struct trial {
	int (*call)(void);
	bool restarts;
};

static struct trial trials[] = {
	{ call_poll, false }, { call_select, false }, { call_usleep, false }, { call_epoll, false },
	{ call_timed_recv, false }, { call_sem, false }, { call_read, true }, { call_recv, true },
	{ call_accept, true }, { call_wait, true },
};
#define TRIALS ((int)(sizeof(trials) / sizeof(trials[0])))

static void *waiter(void *arg)
{
	struct trial *trial = arg;

	about_to_block();
	errno = 0;
	if (trial->call() != -1)
		return "ended";
	CHECK_EQ(errno, EINTR);
	return "interrupted";
}

static void finish_calls(void)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(send(s[1], "x", 1, 0), 1);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(kill(child, SIGKILL), 0);
}

static void fork_child(void)
{
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
}

static void round_of(int flags)
{
	static int blocked;
	pthread_t t[TRIALS];

	on_signal(SIGUSR1, handler, flags);
	fork_child();
	handled = 0;
	for (int i = 0; i < TRIALS; i++)
		t[i] = start(waiter, &trials[i]);
	await_blocked(blocked += TRIALS);
	for (int i = 0; i < TRIALS; i++)
		CHECK_EQ(pthread_kill(t[i], SIGUSR1), 0);
	while (handled < TRIALS)
		sched_yield();
	for (int i = 0; i < TRIALS; i++)
		if (!flags || !trials[i].restarts)
			CHECK(!strcmp(finish(t[i]), "interrupted"));
	finish_calls();
	for (int i = 0; i < TRIALS; i++)
		if (flags && trials[i].restarts)
			CHECK(!strcmp(finish(t[i]), "ended"));
	if (!flags)
		CHECK_EQ(waitpid(child, NULL, 0), child);
}

int main(void)
{
	struct sockaddr_in addr;

	CHECK_EQ(pipe(p), 0);
	stream_pair(s);
	stream_pair(timed);
	set_timeo(timed[0], SO_RCVTIMEO, 1000000);
	listener = tcp_listener(&addr, 3);
	ep = epoll_create1(EPOLL_CLOEXEC);
	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	round_of(SA_RESTART);
	round_of(0);
	return 0;
}
