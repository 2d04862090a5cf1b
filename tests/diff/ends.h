/* SPDX-License-Identifier: Apache-2.0
 *
 * Files and pipes for the cases about reading, writing and splicing.
 */
#ifndef TESTS_ENDS_H
#define TESTS_ENDS_H

#include "diff/others.h"
#include <sys/uio.h>

#define IOV(base, len) ((struct iovec){ (void *)(base), (len) })

static inline int make_file(const char *text)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd != -1);
	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static inline void make_pipe(int ends[2])
{
	CHECK_EQ(pipe(ends), 0);
}

/* Full for whatever size; how much it took. */
static inline int fill_pipe(int fd)
{
	static char zeros[4096];
	int n = 0, r;

	set_nonblock(fd, true);
	while ((r = (int)write(fd, zeros, sizeof(zeros))) > 0)
		n += r;
	set_nonblock(fd, false);
	return n;
}

static inline void drain(int fd, int n)
{
	static char bytes[65536];

	while (n > 0) {
		int r = (int)read(fd, bytes, n < (int)sizeof(bytes) ? (size_t)n : sizeof(bytes));

		CHECK(r > 0);
		n -= r;
	}
}

static inline void say_position(int fd)
{
	SAY("position %ld", (long)lseek(fd, 0, SEEK_CUR));
}

#endif
