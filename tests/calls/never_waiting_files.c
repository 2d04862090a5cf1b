/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular files, /dev/null, /dev/zero and /proc: never wait, cannot be watched (epoll says EPERM), are
 * always ready for poll() and select(), and read, write, pread and lseek do what they do alone.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

static void *idle(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(*(int *)arg, &c, 1), 0);
	return NULL;
}

static void always_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
	fd_set in;
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(p.revents, POLLIN | POLLOUT);
	FD_ZERO(&in);
	FD_SET(fd, &in);
	CHECK_EQ(select(fd + 1, &in, NULL, NULL, NULL), 1);
	CHECK(FD_ISSET(fd, &in));
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), EPERM);
	CHECK_EQ(close(ep), 0);
}

int main(void)
{
	int gate[2], file, null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), proc;
	char buf[64], name[] = "/tmp/syncless-file-XXXXXX";
	struct iovec iov[2] = { { "ab", 2 }, { "cd", 2 } };
	pthread_t t;

	CHECK_EQ(pipe(gate), 0);
	t = start(idle, &gate[0]);
	await_blocked(1);
	file = mkstemp(name);
	CHECK(file != -1);
	CHECK_EQ(unlink(name), 0);
	errno = 1234;
	CHECK_EQ(writev(file, iov, 2), 4);
	CHECK_EQ(write(file, "efgh", 4), 4);
	CHECK_EQ(pread(file, buf, 3, 1), 3);
	CHECK(!memcmp(buf, "bcd", 3));
	CHECK_EQ(lseek(file, 6, SEEK_SET), 6);
	CHECK_EQ(read(file, buf, sizeof(buf)), 2);
	CHECK_EQ(read(file, buf, sizeof(buf)), 0);
	always_ready(file);

	errno = 1234;
	CHECK_EQ(read(null, buf, 1), 0);
	CHECK_EQ(write(null, buf, 64), 64);
	CHECK_EQ(read(zero, buf, 64), 64);
	proc = open("/proc/self/stat", O_RDONLY);
	CHECK_EQ(read(proc, buf, 64), 64);
	CHECK_EQ(errno, 1234);
	always_ready(null);
	CHECK_ERRNO(read(-1, buf, 1), EBADF);
	if (!is_emulated("/proc/self/stat is a file that can be written"))
		CHECK_ERRNO(write(proc, buf, 1), EBADF);
	CHECK_EQ(close(gate[1]), 0);
	finish(t);
	return 0;
}
