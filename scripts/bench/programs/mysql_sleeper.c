// SPDX-License-Identifier: Apache-2.0
/*
 * A database that does nothing but wait: so much of MySQL's protocol that a client
 * connects, has each statement accepted, and gets one row 10 ms after a SELECT.
 *
 * A real one takes more of its core for a query than the servers that are compared
 * take of theirs, and then it is the database that is measured.  One thread, one
 * level-triggered epoll; what is due is a queue, for all wait equally long.  Prints
 * "port N".  Any user and password will do.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define WAITS 4096 /* at once; a power of two */
#define DELAY_NS 10000000ull
#define COM_QUIT 1
#define COM_QUERY 3
#define FDS 65536

/* Packets: the payload's length in three bytes, the number in the exchange, the payload. */
static const char greeting[] =
	"\x51\0\0\0" "\x0a" "5.7.0-sleeper\0" "\1\0\0\0" "12345678\0"
	"\x09\xa2" /* long password, a database, 4.1, transactions, secure connection */
	"\x2d" "\2\0" "\x08\0" "\x15" "\0\0\0\0\0\0\0\0\0\0" "123456789012\0" "mysql_native_password";
static const char ok[] = "\7\0\0\1" "\0\0\0\2\0\0";
static const char row[] =
	"\1\0\0\1" "\1" /* one column: */
	"\x17\0\0\2" "\3def" "\0\0\0" "\1x" "\0" "\x0c" "\x3f\0" "\1\0\0\0" "\x08" "\0\0\0\0\0"
	"\5\0\0\3" "\xfe\0\0\2\0"
	"\2\0\0\4" "\1" "0"
	"\5\0\0\5" "\xfe\0\0\2"; /* the literals' own NUL is the last byte of each */

static struct {
	uint64_t due_ns;
	int fd;
} waits[WAITS];
static unsigned first, next;
static char has_logged_in[FDS];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&address, len) == -1 || listen(fd, 4096) == -1 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) == -1)
		die("listen");
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void tell(int fd, const char *text, size_t size)
{
	if (send(fd, text, size, MSG_NOSIGNAL) == -1)
		return; /* it has gone, which its end of file will say */
}

static void greet(int epoll_fd, int listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1 || fd >= FDS)
		die("accept");
	event.data.fd = fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == -1)
		die("epoll_ctl");
	has_logged_in[fd] = 0;
	tell(fd, greeting, sizeof(greeting));
}

/* A client sends nothing before it has its answer, so what arrives is one packet. */
static void answer(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	if (n < 5 || (has_logged_in[fd] && buf[4] == COM_QUIT)) {
		close(fd);
	} else if (!has_logged_in[fd]) {
		char reply[sizeof(ok)];

		memcpy(reply, ok, sizeof(ok));
		reply[3] = 2; /* after the greeting and what it was answered by */
		has_logged_in[fd] = 1;
		tell(fd, reply, sizeof(reply));
	} else if (buf[4] == COM_QUERY && n > 11 && !strncasecmp(buf + 5, "select", 6)) {
		if (next - first == WAITS)
			die("too many wait");
		waits[next % WAITS].due_ns = now_ns() + DELAY_NS;
		waits[next++ % WAITS].fd = fd;
	} else {
		tell(fd, ok, sizeof(ok));
	}
}

static void answer_what_is_due(void)
{
	uint64_t now = now_ns();

	for (; first != next && waits[first % WAITS].due_ns <= now; first++)
		tell(waits[first % WAITS].fd, row, sizeof(row));
}

static int ms_to_the_next(void)
{
	uint64_t now = now_ns();

	if (first == next)
		return -1;
	return waits[first % WAITS].due_ns <= now ? 0 : (int)((waits[first % WAITS].due_ns - now + 999999) / 1000000);
}

int main(void)
{
	struct epoll_event events[EVENTS];
	int listener = listen_on_loopback(), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };

	if (epoll_fd == -1 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) == -1)
		die("epoll");
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, ms_to_the_next());

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				greet(epoll_fd, listener);
			else
				answer(events[i].data.fd);
		}
		answer_what_is_due();
	}
}
