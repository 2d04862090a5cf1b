/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program built with -D_FORTIFY_SOURCE calls in place of the plain names.  Each makes libc's check,
 * ends the process as libc does where it fails, and is then our own plain call: here, and only here, the
 * bare names are meant.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base.h"
#include "raw.h"

_Noreturn void __chk_fail(void); /* libc's: "buffer overflow detected" */

ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, __SOCKADDR_ARG addr,
		       socklen_t *addr_len);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t room);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
mqd_t __mq_open_2(const char *name, int flags);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t offset, size_t room);

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room)
		__chk_fail();
	return recv(fd, buf, len, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, __SOCKADDR_ARG addr,
			      socklen_t *addr_len)
{
	if (len > room)
		__chk_fail();
	return recvfrom(fd, buf, len, flags, addr, addr_len);
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return read(fd, buf, len);
}

EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t room)
{
	if (len > room)
		__chk_fail();
	return pread(fd, buf, len, offset);
}

EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t offset, size_t room)
{
	if (len > room)
		__chk_fail();
	return pread64(fd, buf, len, offset);
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return poll(fds, n, timeout_ms);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		       size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return ppoll(fds, n, timeout, mask);
}

/* These have no mode to give to a file that would be made. */
static void check_no_mode(int flags)
{
	static const char words[] =
		"*** invalid open call: O_CREAT or O_TMPFILE without mode ***: terminated\n";

	if (LIKELY(!(flags & O_CREAT) && (flags & O_TMPFILE) != O_TMPFILE))
		return;
	raw3(SYS_write, 2, words, sizeof(words) - 1);
	abort();
}

EXPORT int __open_2(const char *path, int flags)
{
	check_no_mode(flags);
	return open(path, flags);
}

EXPORT int __open64_2(const char *path, int flags)
{
	check_no_mode(flags);
	return open64(path, flags);
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
	check_no_mode(flags);
	return openat(dir, path, flags);
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
	check_no_mode(flags);
	return openat64(dir, path, flags);
}

EXPORT mqd_t __mq_open_2(const char *name, int flags)
{
	static const char words[] = "*** invalid mq_open call: O_CREAT without mode and attr ***: terminated\n";

	if (UNLIKELY(flags & O_CREAT)) {
		raw3(SYS_write, 2, words, sizeof(words) - 1);
		abort();
	}
	return mq_open(name, flags);
}
