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

static int listen_on_loopback(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&address, len) == -1 ||
	    listen(fd, 4096) == -1 || getsockname(fd, (struct sockaddr *)&address, &len) == -1)
		die("listen");
	printf("port %d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(path) < sizeof(address.sun_path))
		strcpy(address.sun_path, path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1 ||
	    listen(fd, 4096) == -1)
		die(path);
	printf("path %s\n", path);
	fflush(stdout);
	return fd;
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
	int listener = argc > 1 ? listen_at(argv[1]) : listen_on_loopback();
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd == -1)
		die("epoll_create1");
	watch(epoll_fd, listener);
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
