/* SPDX-License-Identifier: Apache-2.0
 *
 * The names that a program built with _FORTIFY_SOURCE really calls: they wait like the plain ones, and
 * a buffer smaller than the count still ends the process.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/wait.h>

ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr, socklen_t *alen);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask, size_t room);

static int s[2];

static void *send_each(void *arg)
{
	for (int n = 1; n <= 5; n++) {
		await_blocked(n);
		CHECK_EQ(send(s[1], "x", 1, 0), 1);
	}
	return arg;
}

static void overflow(void)
{
	char buf[4];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2); /* libc's last words */
		__recv_chk(s[0], buf, 8, sizeof(buf), 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	struct pollfd p;
	struct timespec zero = { 0, 0 };
	char c;
	pthread_t t;

	stream_pair(s);
	p = (struct pollfd){ .fd = s[0], .events = POLLIN };
	t = start(send_each, NULL);
	about_to_block();
	CHECK_EQ(__recv_chk(s[0], &c, 1, 1, 0), 1);
	about_to_block();
	CHECK_EQ(__read_chk(s[0], &c, 1, 1), 1);
	about_to_block();
	CHECK_EQ(__recvfrom_chk(s[0], &c, 1, 1, 0, NULL, NULL), 1);
	about_to_block();
	CHECK_EQ(__poll_chk(&p, 1, -1, sizeof(p)), 1);
	CHECK_EQ(__read_chk(s[0], &c, 1, 1), 1);
	CHECK_EQ(__ppoll_chk(&p, 1, &zero, NULL, sizeof(p)), 0);
	about_to_block();
	CHECK_EQ(__ppoll_chk(&p, 1, NULL, NULL, sizeof(p)), 1);
	finish(t);
	overflow();
	return 0;
}
