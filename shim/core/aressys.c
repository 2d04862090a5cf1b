/* SPDX-License-Identifier: Apache-2.0
 *
 * What c-ares' objects are linked to in place of the calls of calls.def (scripts/adapt-archive).  Its sockets go
 * through resolver.c's functions, and it is told all that it would read from files: of these only the random
 * number's file is ever read, and whatever else is called says that it cannot be.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "libc.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes" /* only c-ares' objects call these */

FILE *ares_sys_fopen(const char *path, const char *mode)
{
	return libc.fopen(path, mode);
}

size_t ares_sys_fread(void *to, size_t size, size_t n, FILE *f)
{
	return libc.fread(to, size, n, f);
}

char *ares_sys_fgets(char *to, int size, FILE *f)
{
	return libc.fgets(to, size, f);
}

int ares_sys_setvbuf(FILE *f, char *buf, int mode, size_t size)
{
	return libc.setvbuf(f, buf, mode, size);
}

int ares_sys_ferror(FILE *f)
{
	return libc.ferror(f);
}

int ares_sys_fclose(FILE *f)
{
	return libc.fclose(f);
}

int ares_sys_socket(int family, int type, int protocol)
{
	(void)family, (void)type, (void)protocol;
	return fail(ENOSYS);
}

int ares_sys_close(int fd)
{
	(void)fd;
	return fail(EBADF);
}

int ares_sys_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	(void)fd, (void)to, (void)len;
	return fail(EBADF);
}

int ares_sys_fcntl(int fd, int command, ...)
{
	(void)fd, (void)command;
	return fail(EBADF);
}

int ares_sys_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	(void)fd, (void)level, (void)option, (void)value, (void)len;
	return fail(EBADF);
}

ssize_t ares_sys_recv(int fd, void *to, size_t len, int flags)
{
	(void)fd, (void)to, (void)len, (void)flags;
	return fail(EBADF);
}

ssize_t ares_sys_recvfrom(int fd, void *to, size_t len, int flags, struct sockaddr *from, socklen_t *from_len)
{
	(void)fd, (void)to, (void)len, (void)flags, (void)from, (void)from_len;
	return fail(EBADF);
}

ssize_t ares_sys_send(int fd, const void *data, size_t len, int flags)
{
	(void)fd, (void)data, (void)len, (void)flags;
	return fail(EBADF);
}

ssize_t ares_sys_writev(int fd, const struct iovec *parts, int n)
{
	(void)fd, (void)parts, (void)n;
	return fail(EBADF);
}

struct servent *ares_sys_getservbyname(const char *name, const char *proto)
{
	(void)name, (void)proto;
	return NULL;
}

int ares_sys_getservbyport_r(int port, const char *proto, struct servent *entry, char *buf, size_t len,
			     struct servent **found)
{
	(void)port, (void)proto, (void)entry, (void)buf, (void)len;
	*found = NULL;
	return ENOENT;
}
