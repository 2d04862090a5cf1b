// SPDX-License-Identifier: Apache-2.0
/*
 * The load: N keep-alive connections, each of which sends its next request as
 * soon as the whole reply to the last is there.
 *
 *     load PORT CONNECTIONS WARM_UP_PER_CONNECTION REQUESTS SECONDS
 *
 * In C over epoll, so that the server and not its client is what is measured.
 * After the warm-up it prints "ready" and waits for a line, so that the caller
 * can read the server's CPU clock while nothing runs; then it sends REQUESTS
 * requests in all and prints "done NS WRONG LEAST", where WRONG counts replies
 * that were not byte for byte the expected one, and connections lost, and LEAST
 * is how many replies the worst served connection got: whoever asks first gets
 * the next request, so an unfair server shows.  SECONDS bounds each phase.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";

#define REQUEST_LEN (sizeof(request) - 1)
#define REPLY_LEN (sizeof(reply) - 1)
#define EVENTS 256

struct connection {
	int fd;
	size_t received; /* bytes of the reply under way */
	long served;     /* replies in this phase */
};

struct load {
	struct connection *connections;
	int count;
	int epoll_fd;
	long to_send;  /* requests of this phase not yet sent */
	long awaiting; /* replies under way */
	long wrong;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int connect_to(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		die("load: connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void open_connections(struct load *l, int port)
{
	l->connections = calloc(l->count, sizeof(*l->connections));
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!l->connections || l->epoll_fd == -1)
		die("load");
	for (int i = 0; i < l->count; i++) {
		struct connection *c = &l->connections[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
		c->fd = connect_to(port);
		if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == -1)
			die("load: epoll_ctl");
	}
}

static void send_next(struct load *l, struct connection *c)
{
	if (l->to_send == 0)
		return;
	l->to_send--;
	if (send(c->fd, request, REQUEST_LEN, MSG_NOSIGNAL) == (ssize_t)REQUEST_LEN)
		l->awaiting++;
	else
		l->wrong++;
}

static void lose(struct load *l, struct connection *c)
{
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	l->awaiting--;
	l->wrong++;
}

static void receive(struct load *l, struct connection *c)
{
	char buf[4096];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0 || c->received + n > REPLY_LEN || memcmp(buf, reply + c->received, n) != 0) {
		lose(l, c);
		return;
	}
	c->received += n;
	if (c->received < REPLY_LEN)
		return;
	c->received = 0;
	c->served++;
	l->awaiting--;
	send_next(l, c);
}

/* One phase; false when replies are still missing after the time allowed. */
static bool send_all(struct load *l, long requests, int seconds)
{
	long long ends_at = now_ns() + seconds * 1000000000LL;
	struct epoll_event events[EVENTS];
	l->to_send = requests;
	for (int i = 0; i < l->count; i++) {
		l->connections[i].served = 0;
		send_next(l, &l->connections[i]);
	}
	while (l->awaiting > 0) {
		int n = epoll_wait(l->epoll_fd, events, EVENTS, 1000);
		for (int i = 0; i < n; i++)
			receive(l, events[i].data.ptr);
		if (now_ns() > ends_at)
			return false;
	}
	return true;
}

static long least_served(const struct load *l)
{
	long least = l->connections[0].served;
	for (int i = 1; i < l->count; i++)
		if (l->connections[i].served < least)
			least = l->connections[i].served;
	return least;
}

int main(int argc, char **argv)
{
	struct load l = { 0 };
	char line[8];
	if (argc != 6) {
		fprintf(stderr, "usage: load PORT CONNECTIONS WARM_UP REQUESTS SECONDS\n");
		return 2;
	}
	l.count = atoi(argv[2]);
	int seconds = atoi(argv[5]);
	open_connections(&l, atoi(argv[1]));
	if (!send_all(&l, (long)l.count * atol(argv[3]), seconds)) {
		fprintf(stderr, "load: warm-up: %ld replies missing\n", l.awaiting);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	long long began = now_ns();
	if (!send_all(&l, atol(argv[4]), seconds)) {
		fprintf(stderr, "load: %ld replies missing\n", l.awaiting);
		return 1;
	}
	printf("done %lld %ld %ld\n", now_ns() - began, l.wrong, least_served(&l));
	return 0;
}
