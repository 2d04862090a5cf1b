/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptors: their numbers, copies and flags; files, and devices that never wait.
 */
#include "diff/steps.h"
#include <limits.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int p[2];

static void make_pipe(int flags)
{
	CHECK_EQ(pipe2(p, flags), 0);
}

/* --- Making, copying, closing */

CASE(pipe_flags)
{
	R(pipe2(p, 77));
	R(pipe(NULL));
	R(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	R(fcntl(p[0], F_GETFD));
	SAY("%x %x", fcntl(p[0], F_GETFL) & ~O_LARGEFILE, fcntl(p[1], F_GETFL) & ~O_LARGEFILE);
	R(pipe(p));
	R(fcntl(p[0], F_GETFD));
	SAY("%x %x", fcntl(p[0], F_GETFL) & ~O_LARGEFILE, fcntl(p[1], F_GETFL) & ~O_LARGEFILE);
}

CASE(copies)
{
	make_pipe(0);
	R(dup2(p[1], 100));
	R(write(100, "a", 1));
	R(dup3(p[1], 101, O_CLOEXEC));
	R(fcntl(101, F_GETFD));
	R(fcntl(p[1], F_DUPFD, 200));
	R(fcntl(p[1], F_DUPFD_CLOEXEC, 200));
	R(fcntl(201, F_GETFD));
	R(write(201, "b", 1));
	R(fcntl(200, F_SETFL, O_NONBLOCK)); /* of all of them */
	SAY("%x", fcntl(100, F_GETFL) & O_NONBLOCK);
	R(close(p[1]));
	R(write(100, "c", 1));
	char text[8];
	SHOW(text, R(read(p[0], text, sizeof(text))));
}

CASE(copy_errors)
{
	make_pipe(0);
	R(dup(-1));
	R(dup(999));
	R(dup2(999, 100));
	R(dup2(p[0], -1));
	R(dup2(p[0], 1 << 30));
	R(dup2(p[0], p[0]) == p[0]);
	R(dup2(999, 999));
	R(dup3(p[0], p[0], 0));
	R(dup3(p[0], 100, 77));
	R(dup3(999, 100, 0));
	R(fcntl(p[0], F_DUPFD, -1));
	R(fcntl(p[0], F_DUPFD, 1 << 30));
	R(fcntl(999, F_GETFD));
	R(fcntl(p[0], 9999));
	R(fcntl(100, F_GETFD));
}

CASE(close_errors)
{
	make_pipe(0);
	R(close(-1));
	R(close(999));
	R(close(p[0]));
	R(close(p[0]));
	R(read(p[0], p, 1));
	R(write(p[0], p, 1));
	R(fcntl(p[0], F_GETFL));
}

CASE(close_ranges)
{
	make_pipe(0);
	for (int fd = 100; fd < 110; fd++)
		CHECK_EQ(dup2(p[0], fd), fd);
	R(close_range(102, 103, 0));
	R(fcntl(102, F_GETFD));
	R(fcntl(101, F_GETFD));
	R(close_range(104, 105, CLOSE_RANGE_CLOEXEC));
	R(fcntl(104, F_GETFD));
	R(close_range(5, 4, 0));
	R(close_range(100, 100, 77));
	R(close_range(500, 600, 0));
	R(close_range(106, ~0u, 0));
	R(fcntl(106, F_GETFD));
	closefrom(101);
	R(fcntl(101, F_GETFD));
	R(fcntl(100, F_GETFD));
	closefrom(1000);
}

CASE(flags_of_descriptions)
{
	make_pipe(0);
	R(fcntl(p[0], F_SETFD, FD_CLOEXEC));
	R(fcntl(p[0], F_GETFD));
	set_nonblock(p[0], true);
	SAY("%x", fcntl(p[0], F_GETFL) & O_NONBLOCK);
	char c;
	R(read(p[0], &c, 1));
	int off = 0;
	R(ioctl(p[0], FIONBIO, &off));
	SAY("%x", fcntl(p[0], F_GETFL) & O_NONBLOCK);
	R(ioctl(p[0], FIONBIO, no_memory()));
	R(ioctl(p[0], 0x12345, 0));
	R(ioctl(999, FIONBIO, &off));
	R(ioctl(p[0], FIOCLEX));
	R(fcntl(p[0], F_GETFD));
}

/* --- Files, and devices that never wait */

static int file_of(const char *text)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd != -1);
	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

CASE(regular_file)
{
	int fd = file_of("0123456789");
	char text[16];
	struct iovec iov[2] = { { text, 2 }, { text + 2, 3 } };

	SHOW(text, R(read(fd, text, 4)));
	SHOW(text, R(readv(fd, iov, 2)));
	SHOW(text, R(pread(fd, text, 4, 8)));
	R(lseek(fd, 0, SEEK_CUR));
	R(pwrite(fd, "xy", 2, 20));
	SHOW(text, R(pread(fd, text, 16, 9)));
	R(lseek(fd, -1, SEEK_SET));
	R(read(fd, no_memory(), 4));
	R(write(fd, no_memory(), 4));
	R(pread(fd, text, 4, -1));
	R(ftruncate(fd, 3));
	R(lseek(fd, 0, SEEK_END));
	R(read(fd, text, 4));
	R(close(fd));
}

CASE(open_errors)
{
	char long_name[PATH_MAX + 10];

	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	R(open("nowhere", O_RDONLY));
	R(open("nowhere/file", O_RDWR | O_CREAT, 0600));
	R(open("/", O_RDWR));
	R(open("", O_RDONLY));
	R(open(long_name, O_RDONLY));
	R(open(no_memory(), O_RDONLY));
	R(open("/dev/null/x", O_RDONLY));
	R(openat(999, "x", O_RDONLY));
	R(openat(0, "x", O_RDONLY));
	file_of("x");
	R(open("file", O_RDWR | O_CREAT | O_EXCL, 0600));
	R(open("file", O_DIRECTORY));
	R(open("file", O_NOFOLLOW | O_PATH) >= 0);
	R(read(open(".", O_RDONLY), long_name, 10));
	R(write(open("file", O_RDONLY), "x", 1));
	R(read(open("file", O_WRONLY), long_name, 1));
}

CASE(append_and_append_again)
{
	char text[16];
	int a, b;

	file_of("ab");
	a = open("file", O_WRONLY | O_APPEND);
	b = open("file", O_WRONLY | O_APPEND);
	R(write(a, "c", 1));
	R(write(b, "d", 1));
	R(write(a, "e", 1));
	SHOW(text, R(pread(open("file", O_RDONLY), text, 16, 0)));
}

CASE(devices)
{
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR),
	    full = open("/dev/full", O_RDWR);
	char text[4] = "abc";

	R(read(null, text, 4));
	R(write(null, text, 4));
	SHOW(text, R(read(zero, text, 4)));
	R(write(zero, text, 4));
	R(write(full, text, 4));
	R(lseek(null, 100, SEEK_SET));
}

CASE(memfd)
{
	int fd = memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char text[8];

	R(write(fd, "hello", 5));
	R(pread(fd, text, 8, 1));
	SHOW(text, 4);
	R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	R(write(fd, "x", 1));
	R(memfd_create("m", 0x7000));
}
