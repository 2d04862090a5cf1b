/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls on files, which are the same whatever SYNCLESS_FILES says: vectored.c has them as they are, and
 * offloaded.c by a worker.
 */
#include "diff/ends.h"
#include <sys/resource.h>

CASE(file_vectors)
{
	int fd = make_file("0123456789");
	char a[3], b[4];
	volatile int negative = -1;
	struct iovec v[] = { IOV(a, 3), IOV(NULL, 0), IOV(b, 4) }, w[] = { IOV("xy", 2), IOV("z", 1) };

	R(readv(fd, v, 3));
	SHOW(a, 3);
	SHOW(b, 4);
	R(writev(fd, w, 2));
	R(readv(fd, v, 3));
	R(preadv(fd, v, 3, 6));
	SHOW(a, 3);
	SHOW(b, 1);
	R(pwritev(fd, w, 2, 1));
	say_position(fd);
	R(preadv(fd, v, 3, 100));
	R(preadv(fd, v, 0, 0));
	R(readv(fd, v, negative));
	R(preadv(fd, v, 3, -1));
	R(pwritev(fd, w, 2, -2));
}

CASE(file_bad_arguments)
{
	int fd = make_file("0123456789"), in = open("file", O_RDONLY | O_CLOEXEC), out = open("file", O_WRONLY);
	char c;
	struct iovec one = IOV(&c, 1), huge[] = { IOV(&c, 1), IOV(&c, (size_t)-1) }, bad = IOV(8, 5);
	static struct iovec many[1025];
	void *volatile wild = (void *)8;

	R(pread(fd, &c, 1, -1));
	R(pwrite(fd, "x", 1, -1));
	R(pread(fd, wild, 1, 0));
	R(pread(fd, wild, 0, 0));
	R(pwrite(fd, wild, 1, 0));
	R(preadv(fd, &bad, 1, 0));
	R(readv(fd, huge, 2));
	R(preadv(fd, many, 1025, 0));
	R(preadv(fd, many, 1024, 0));
	R(writev(in, &one, 1));
	R(pwrite(in, "x", 1, 0));
	R(pread(out, &c, 1, 0));
	R(fsync(999));
	R(pread(999, &c, 1, 0));
	R(pwrite64(fd, "x", 1, INT64_MAX));
	R(preadv2(999, &one, 1, -1, 0));
}

CASE(file_preadv2)
{
	int fd = make_file("0123456789");
	char c[20];
	struct iovec v = IOV(c, 4), w = IOV("abc", 3);

	R(preadv2(fd, &v, 1, -1, 0));
	say_position(fd);
	R(preadv2(fd, &v, 1, 5, 0));
	SHOW(c, 4);
	say_position(fd);
	R(preadv2(fd, &v, 1, -2, 0));
	R(preadv2(fd, &v, 1, -1, RWF_HIPRI));
	R(preadv2(fd, &v, 1, 0, 1 << 30));
	R(preadv2(fd, &v, 1, -1, 1 << 30));
	R(pwritev2(fd, &w, 1, -1, RWF_DSYNC));
	R(pwritev2(fd, &w, 1, 0, RWF_APPEND));
	R(pwritev2(fd, &w, 1, -1, RWF_APPEND));
	say_position(fd);
	R(pwritev2(fd, &w, 1, 0, RWF_SYNC));
	R(preadv64v2(fd, &v, 1, 0, 0));
	SHOW(c, 4);
	R(pwritev64v2(fd, &w, 1, -1, 0));
	SAY("size %ld", (long)lseek(fd, 0, SEEK_END));
	R(preadv2(fd, &v, 1, -1, 0));
}

CASE(file_appended)
{
	int fd = make_file("0123456789"), end = open("file", O_RDWR | O_APPEND | O_CLOEXEC);
	char c[20];

	R(pwrite(end, "ab", 2, 0));
	R(write(end, "c", 1));
	R(pread(fd, c, 20, 8));
	SHOW(c, 5);
	say_position(end);
	R(fsync(end));
	R(fdatasync(end));
	R(sync_file_range(end, 0, 0, SYNC_FILE_RANGE_WRITE));
	R(sync_file_range(end, 0, 0, 1 << 20));
	R(fsync(0));
}

static void *writes_piece(void *text)
{
	int fd = open("file", O_WRONLY | O_APPEND | O_CLOEXEC);

	for (int i = 0; i < 20; i++)
		CHECK_EQ(write(fd, text, 4), 4);
	close(fd);
	return NULL;
}

CASE(file_of_many_writers)
{
	int fd = make_file(""), n = 0;
	char c[4];
	struct flow *f[3] = { flow(writes_piece, "aaaa"), flow(writes_piece, "bbbb"),
			      flow(writes_piece, "cccc") };

	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	while (read(fd, c, 4) == 4) {
		CHECK(c[0] == c[1] && c[1] == c[2] && c[2] == c[3]);
		n++;
	}
	SAY("%d pieces", n);
}

/* One position for all. */
static void *reads_in_turn(void *fd)
{
	char c[10];
	long n = 0;

	while (read(*(int *)fd, c, sizeof(c)) == sizeof(c)) {
		CHECK(c[0] == '0' && c[9] == '9');
		n++;
		sched_yield();
	}
	return (void *)n;
}

CASE(file_of_many_readers)
{
	int fd = make_file("");
	struct flow *f[4];
	long n = 0;

	for (int i = 0; i < 1000; i++)
		CHECK_EQ(write(fd, "0123456789", 10), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	for (int i = 0; i < 4; i++)
		f[i] = flow(reads_in_turn, &fd);
	for (int i = 0; i < 4; i++)
		n += (long)flow_end(f[i]);
	SAY("%ld pieces", n);
	say_position(fd);
}

CASE(file_short_counts)
{
	int fd = make_file("0123456789");
	char c[20];
	struct iovec v[] = { IOV(c, 8), IOV(c + 8, 8) };

	R(read(fd, c, 20));
	R(read(fd, c, 20));
	say_position(fd);
	R(pread(fd, c, 20, 7));
	R(pread(fd, c, 20, 10));
	R(lseek(fd, 2, SEEK_SET));
	R(readv(fd, v, 2));
	SHOW(c, 8);
	say_position(fd);
	R(read(fd, c, 0));
	R(write(fd, c, 0));
}

CASE(file_large)
{
	enum { SIZE = 8 << 20 };
	char *bytes = malloc(SIZE), *got = malloc(SIZE + 1);
	int fd = make_file("");

	for (int i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 31 + (i >> 10));
	R(write(fd, bytes, SIZE));
	R(pread(fd, got, SIZE, 0));
	SAY("%s", memcmp(bytes, got, SIZE) ? "different" : "the same");
	memset(got, 0, SIZE);
	R(lseek(fd, 0, SEEK_SET));
	R(read(fd, got, SIZE + 1));
	SAY("%s", memcmp(bytes, got, SIZE) ? "different" : "the same");
	R(fdatasync(fd));
}

/* Past the limit there is a signal, and the error. */
CASE(file_too_large)
{
	struct rlimit limit = { 1000, RLIM_INFINITY };
	int fd = make_file("0123456789");
	char c[100] = "";

	on_signal(SIGXFSZ, count_signal, 0);
	R(setrlimit(RLIMIT_FSIZE, &limit));
	R(pwrite(fd, c, 100, 950));
	R(pwrite(fd, c, 100, 1000));
	SAY("%d signals", signals_handled);
	R(lseek(fd, 1000, SEEK_SET));
	R(write(fd, c, 1));
	SAY("%d signals", signals_handled);
}

CASE(other_files)
{
	int folder = open(".", O_RDONLY | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC),
	    zero = open("/dev/zero", O_RDWR | O_CLOEXEC), full = open("/dev/full", O_RDWR | O_CLOEXEC),
	    proc = open("/proc/self/comm", O_RDONLY | O_CLOEXEC),
	    status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char c[64] = "x";

	R(read(folder, c, 1));
	R(pread(folder, c, 1, 0));
	R(write(folder, c, 1));
	R(read(null, c, 1));
	R(write(null, c, 1));
	R(read(zero, c, 5));
	SHOW(c, 5);
	R(write(full, c, 5));
	R(pwrite(full, c, 5, 0));
	CHECK(R(read(proc, c, 64)) > 0);
	R(read(proc, c, 64));
	CHECK(pread(status, c, 4, 0) == 4);
	SHOW(c, 4);
	R(fsync(folder));
	R(fsync(null));
	R(fdatasync(proc));
}

CASE(file_position_shared_with_a_child)
{
	int fd = make_file("0123456789"), status;
	char c[4];
	pid_t pid;

	R(read(fd, c, 4));
	pid = fork();
	if (pid == 0) {
		says_as(99);
		R(read(fd, c, 4));
		SHOW(c, 4);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	R(read(fd, c, 4));
	SHOW(c, 2);
}

static void *cancelled_at_once(void *fd)
{
	char c;

	pthread_cancel(pthread_self());
	R(pread(*(int *)fd, &c, 1, 0));
	SAY("not cancelled");
	return NULL;
}

static void *cancelled_in_write(void *fd)
{
	pthread_cancel(pthread_self());
	R(write(*(int *)fd, "x", 1));
	SAY("not cancelled");
	return NULL;
}

CASE_THREADS(file_cancelled)
{
	int fd = make_file("0123456789");

	SAY("%s", flow_end(flow(cancelled_at_once, &fd)) == PTHREAD_CANCELED ? "cancelled" : "ended");
	SAY("%s", flow_end(flow(cancelled_in_write, &fd)) == PTHREAD_CANCELED ? "cancelled" : "ended");
	say_position(fd);
}
