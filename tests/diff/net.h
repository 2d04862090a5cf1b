/* SPDX-License-Identifier: Apache-2.0
 *
 * What the families on sockets and readiness share: flows that do one thing to a descriptor once another flow is
 * blocked, lines that name no number, addresses, bits by name.
 */
#ifndef TESTS_DIFF_NET_H
#define TESTS_DIFF_NET_H

#include "diff/diff.h"
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <sys/wait.h>

/* A call that makes a descriptor, of which the number is nobody's business. */
#define FD(call)                                                                                               \
	({                                                                                                     \
		errno = UNTOUCHED;                                                                             \
		int diff_fd_ = (call), diff_fde_ = errno;                                                      \
		diff_result(#call, diff_fd_ < 0 ? diff_fd_ : 1, diff_fde_, diff_fd_ == -1);                    \
		errno = diff_fde_;                                                                             \
		diff_fd_;                                                                                      \
	})

/* A small number as the argument of a flow, and back. */
static inline void *num(long n)
{
	return (void *)n;
}

static inline int of(void *arg)
{
	return (int)(long)arg;
}

/* What no object lies at; the compiler would complain if it knew. */
static void *volatile nowhere = (void *)8;

/* --- Flows that act when the next one has blocked, which is most often the one that makes them. */

struct act {
	int when;
	void *(*fn)(void *);
	void *arg;
};

static inline void *act_run(void *arg)
{
	struct act a = *(struct act *)arg;

	free(arg);
	await_blocked(a.when);
	return a.fn(a.arg);
}

static inline struct flow *when_blocked(void *(*fn)(void *), void *arg)
{
	struct act *a = (struct act *)malloc(sizeof(*a));

	*a = (struct act){ atomic_load(&blocked_said) + 1, fn, arg };
	return flow(act_run, a);
}

/* The flow is made, and blocked when this returns. */
static inline struct flow *blocked_flow(void *(*fn)(void *), void *arg)
{
	int n = atomic_load(&blocked_said) + 1;
	struct flow *f = flow(fn, arg);

	await_blocked(n);
	return f;
}

static inline void *do_send(void *fd)
{
	R(send(of(fd), "x", 1, 0));
	return NULL;
}

static inline void *do_write(void *fd)
{
	R(write(of(fd), "x", 1));
	return NULL;
}

static inline void *do_close(void *fd)
{
	R(close(of(fd)));
	return NULL;
}

static inline void *do_shut_rd(void *fd)
{
	R(shutdown(of(fd), SHUT_RD));
	return NULL;
}

static inline void *do_shut_wr(void *fd)
{
	R(shutdown(of(fd), SHUT_WR));
	return NULL;
}

static inline void *do_shut_both(void *fd)
{
	R(shutdown(of(fd), SHUT_RDWR));
	return NULL;
}

/* --- Flows that block. */

static inline void *do_recv(void *fd)
{
	char buf[16];
	long n;

	blocks();
	n = R(recv(of(fd), buf, sizeof(buf), 0));
	if (n >= 0)
		SHOW(buf, n);
	return NULL;
}

static inline void *do_read(void *fd)
{
	char buf[16];
	long n;

	blocks();
	n = R(read(of(fd), buf, sizeof(buf)));
	if (n >= 0)
		SHOW(buf, n);
	return NULL;
}

static inline void *do_accept(void *fd)
{
	blocks();
	FD(accept(of(fd), NULL, NULL));
	return NULL;
}

/* Far more than any socket or pipe of ours takes. */
#define MUCH (8 << 20)
static char much[MUCH];

static inline void *send_much(void *fd)
{
	blocks();
	R(send(of(fd), much, MUCH, 0));
	return NULL;
}

static inline void *write_much(void *fd)
{
	blocks();
	R(write(of(fd), much, MUCH));
	return NULL;
}

/* Takes n bytes away; how many there were before the end. */
static inline long drain(int fd, long n)
{
	static char room[1 << 16];
	long sum = 0, r;

	while (sum < n && (r = read(fd, room, n - sum < (long)sizeof(room) ? n - sum : (long)sizeof(room))) > 0)
		sum += r;
	return sum;
}

static inline void *drain_much(void *fd)
{
	SAY("drained %ld", drain(of(fd), MUCH));
	return NULL;
}

/* Fills what fd sends to, and says nothing: how much that is depends. */
static inline void fill(int fd)
{
	static char piece[4096];

	while (send(fd, piece, sizeof(piece), MSG_DONTWAIT) > 0)
		;
	while (send(fd, piece, 1, MSG_DONTWAIT) > 0)
		;
}

/* --- Sockets.  (Their timeouts are counted in the kernel's ticks of up to 10 ms: LASTS() must allow for one.) */

static inline void pair_of(int type, int s[2])
{
	CHECK_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, s), 0);
}

static inline int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd != -1);
	return fd;
}

static inline struct sockaddr *inet(struct sockaddr_in *addr)
{
	return (struct sockaddr *)addr;
}

/* A listener whose queue takes no more connections, so that the next connect() waits. */
static inline int full_listener(struct sockaddr_in *addr)
{
	int fd = tcp_listener(addr, 0);
	struct pollfd p = { .events = POLLOUT };

	do { /* the first that does not end at once shows it */
		p.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CHECK_ERRNO(connect(p.fd, inet(addr), sizeof(*addr)), EINPROGRESS);
	} while (poll(&p, 1, 50) == 1);
	return fd;
}

/* An abstract name that is this process's alone. */
static inline socklen_t unix_name(struct sockaddr_un *name, const char *which)
{
	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
	       (socklen_t)sprintf(name->sun_path + 1, "syncless-diff-%010d-%s", getpid(), which);
}

static inline int unix_bound(int type, struct sockaddr_un *name, socklen_t *len, const char *which)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	*len = unix_name(name, which);
	CHECK_EQ(bind(fd, (struct sockaddr *)name, *len), 0);
	return fd;
}

/* --- Signals: of those that a handler counts. */

static _Atomic int caught;

static inline void count_signal(int sig)
{
	(void)sig;
	caught++;
}

static inline void await_caught(int n)
{
	while (atomic_load(&caught) < n)
		sched_yield();
}

/* --- Readiness. */

static inline const char *bits(int revents)
{
	static __thread char text[96];
	static const struct {
		int bit;
		const char *name;
	} names[] = { { POLLIN, " IN" },	 { POLLPRI, " PRI" },	    { POLLOUT, " OUT" },
		      { POLLERR, " ERR" },	 { POLLHUP, " HUP" },	    { POLLNVAL, " NVAL" },
		      { POLLRDHUP, " RDHUP" },	 { POLLRDNORM, " RDNORM" }, { POLLWRNORM, " WRNORM" },
		      { POLLRDBAND, " RDBAND" }, { POLLWRBAND, " WRBAND" } };

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (revents & names[i].bit)
			strcat(text, names[i].name);
	return text[0] ? text : " none";
}

static inline void say_bits(const struct pollfd *p, int n)
{
	for (int i = 0; i < n; i++)
		SAY("  [%d]%s", i, bits(p[i].revents));
}

#endif
