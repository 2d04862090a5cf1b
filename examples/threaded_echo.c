/* SPDX-License-Identifier: Apache-2.0
 *
 * An ordinary echo server, a pthread for each connection, that knows nothing of syncless:
 *
 *     cc -pthread -o threaded_echo examples/threaded_echo.c && syncless run --threads all ./threaded_echo
 *
 * It listens on a free loopback port, prints it as `port N`, and ends when its standard input does.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *arg)
{
	int fd = (int)(long)arg;
	char buf[512];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) < 0)
			break;
	close(fd);
	return NULL;
}

static void *accept_all(void *arg)
{
	pthread_t thread;
	int fd;

	while ((fd = accept((int)(long)arg, NULL, NULL)) >= 0) {
		if (pthread_create(&thread, NULL, serve, (void *)(long)fd) == 0)
			pthread_detach(thread);
		else
			close(fd);
	}
	perror("accept");
	exit(1);
}

int main(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t acceptor;
	char c;

	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, 1024) < 0 || getsockname(listener, (struct sockaddr *)&addr, &len) < 0) {
		perror("listen");
		return 1;
	}
	printf("port %d\n", ntohs(addr.sin_port));
	fflush(stdout);
	if (pthread_create(&acceptor, NULL, accept_all, (void *)(long)listener) != 0)
		return 1;
	while (read(0, &c, 1) > 0)
		;
	return 0;
}
