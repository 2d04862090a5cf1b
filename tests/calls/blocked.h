/* SPDX-License-Identifier: Apache-2.0
 *
 * What the C tests share beyond test.h: how to know, without guessing at times, that another thread
 * has reached its blocking call, and the few sockets, deadlines and handlers that most of them need.
 *
 * A thread says about_to_block() just before the call; await_blocked(n) returns when the n-th such
 * thread sleeps.  The kernel tells it for a kernel thread (its state in /proc).  A green thread cannot be
 * interrupted between the word and its park, so whoever runs next may be sure.
 */
#ifndef TESTS_BLOCKED_H
#define TESTS_BLOCKED_H

#include "test.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define BLOCKED_MAX 1024

/* See syncless.h: +1 makes the threads that the caller starts from now on native, -1 ends it. */
extern void syncless_native_threads(int delta) __attribute__((weak));

static _Atomic int blocked_tids[BLOCKED_MAX]; /* 0 = not said yet, -1 = a green thread */
static _Atomic int blocked_said;
static __thread bool native_thread; /* set by those that a green process started natively */

static inline void about_to_block(void)
{
	bool green = is_green() && !native_thread;
	int slot = atomic_fetch_add(&blocked_said, 1);

	CHECK(slot < BLOCKED_MAX);
	atomic_store(&blocked_tids[slot], green ? -1 : gettid());
}

static inline bool task_sleeps(int tid)
{
	char path[64], text[512];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return true; /* it is past its call and gone */
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return true;
	text[n] = '\0';
	return strrchr(text, ')')[2] == 'S';
}

static inline void await_blocked(int n)
{
	static _Atomic int seen;

	for (int slot = atomic_exchange(&seen, n); slot < n; slot++) {
		int tid;

		while ((tid = atomic_load(&blocked_tids[slot])) == 0)
			sched_yield();
		if (tid == -1)
			sched_yield();
		else
			while (tid != gettid() && !task_sleeps(tid)) /* one's own call is over */
				sched_yield();
	}
}

static inline void *finish(pthread_t t)
{
	void *result;

	CHECK_EQ(pthread_join(t, &result), 0);
	return result;
}

static inline struct timespec ms_span(long ms)
{
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(clock, &ts), 0);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The absolute time that lies ms from now, for calls that take a deadline. */
static inline struct timespec in_ms(clockid_t clock, long ms)
{
	int64_t ns = clock_ns(clock) + ms * 1000000LL;

	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

static inline int64_t mono_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static inline void set_timeo(int fd, int which, long ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	CHECK_EQ(setsockopt(fd, SOL_SOCKET, which, &tv, sizeof(tv)), 0);
}

static inline void set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	CHECK(flags != -1);
	CHECK_EQ(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), 0);
}

static inline void stream_pair(int s[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
}

static inline int tcp_listener(struct sockaddr_in *addr, int backlog)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd != -1);
	*addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CHECK_EQ(bind(fd, (struct sockaddr *)addr, len), 0);
	CHECK_EQ(listen(fd, backlog), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)addr, &len), 0);
	return fd;
}

static inline void tcp_pair(int s[2])
{
	struct sockaddr_in addr;
	int listener = tcp_listener(&addr, 1);

	s[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(s[0], (struct sockaddr *)&addr, sizeof(addr)), 0);
	s[1] = accept(listener, NULL, NULL);
	CHECK(s[1] != -1);
	CHECK_EQ(close(listener), 0);
}

static inline int udp_socket(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd != -1);
	*addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CHECK_EQ(bind(fd, (struct sockaddr *)addr, len), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)addr, &len), 0);
	return fd;
}

static inline void on_signal(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

/* A thread on a descriptor that is closed meanwhile: the one place where we differ from the kernel on purpose. */
static inline void *read_until_closed(void *arg)
{
	char c;

	about_to_block();
	if (is_green())
		CHECK_ERRNO(read(*(int *)arg, &c, 1), EBADF);
	else
		CHECK_EQ(read(*(int *)arg, &c, 1), 1);
	return NULL;
}

struct native_start {
	void *(*fn)(void *);
	void *arg;
};

static inline void *run_native(void *arg)
{
	struct native_start how = *(struct native_start *)arg;

	free(arg);
	native_thread = true;
	return how.fn(how.arg);
}

/* A kernel thread, even where all others are green. */
static inline pthread_t start_native(void *(*fn)(void *), void *arg)
{
	struct native_start *how = malloc(sizeof(*how));
	pthread_t t;

	*how = (struct native_start){ fn, arg };
	if (!is_green())
		return start(run_native, how);
	CHECK(syncless_native_threads != NULL);
	syncless_native_threads(1);
	t = start(run_native, how);
	syncless_native_threads(-1);
	return t;
}

#endif
