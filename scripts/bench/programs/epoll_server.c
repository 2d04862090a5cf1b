// SPDX-License-Identifier: Apache-2.0
/*
 * The yardstick: the least that a keep-alive server can cost on this kernel.
 *
 * One thread, one level-triggered epoll, one recv and one send a request, and
 * nothing else.  Whatever another contestant costs above this is its own doing.
 * Like the others it prints "port N" and takes each arrival for one request,
 * which holds because the load sends the next one only after the reply.  With a
 * path it listens there, on a unix socket, and prints that.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";

#define EVENTS 256

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == -1)
		die("epoll_ctl");
}

static int listen_at(const void *address, socklen_t len)
{
	int fd = socket(((const struct sockaddr *)address)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, address, len) == -1 || listen(fd, 4096) == -1)
		die("listen");
	return fd;
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int fd = listen_at(&address, len);
	if (getsockname(fd, (struct sockaddr *)&address, &len) == -1)
		die("getsockname");
	printf("port %d\n", ntohs(address.sin_port));
	return fd;
}

static int listen_on_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG; /* an empty one would be another address, and be listened at */
		die(path);
	}
	strcpy(address.sun_path, path);
	printf("path %s\n", path);
	return listen_at(&address, sizeof(address));
}

static void serve(int fd)
{
	char buf[4096];
	if (recv(fd, buf, sizeof(buf), 0) <= 0)
		close(fd);
	else
		send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int listener = argc > 1 ? listen_on_path(argv[1]) : listen_on_loopback();
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd == -1)
		die("epoll_create1");
	watch(epoll_fd, listener);
	fflush(stdout); /* who is told where can connect by now */
	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener)
				watch(epoll_fd, accept4(listener, NULL, NULL, SOCK_NONBLOCK));
			else
				serve(fd);
		}
	}
}
