/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipes and FIFOs: how much a call reads or writes, and when it waits.
 */
#include "diff/steps.h"
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

static int p[2];

static void make_pipe(int flags)
{
	CHECK_EQ(pipe2(p, flags), 0);
}

static void on_pipe_ignored(void)
{
	signal(SIGPIPE, SIG_IGN);
}

static void fill(int fd)
{
	static char some[4096];

	set_nonblock(fd, true);
	while (write(fd, some, sizeof(some)) > 0)
		;
	set_nonblock(fd, false);
}

CASE(short_and_end)
{
	char text[16];

	make_pipe(0);
	R(write(p[1], "hello", 5));
	int n = -1;
	R(ioctl(p[0], FIONREAD, &n));
	SAY("%d", n);
	R(read(p[0], text, 0));
	SHOW(text, R(read(p[0], text, 2)));
	SHOW(text, R(read(p[0], text, sizeof(text))));
	R(write(p[1], "", 0));
	R(close(p[1]));
	R(read(p[0], text, sizeof(text)));
	R(read(p[0], text, sizeof(text)));
}

CASE(wrong_ends)
{
	char c = 'x';

	make_pipe(0);
	R(read(p[1], &c, 1));
	R(write(p[0], &c, 1));
	R(lseek(p[0], 0, SEEK_SET));
	R(pread(p[0], &c, 1, 0));
	R(read(p[1], &c, 0));
	R(write(p[0], &c, 0));
}

CASE(without_reader)
{
	on_pipe_ignored();
	make_pipe(0);
	R(close(p[0]));
	R(write(p[1], "x", 1));
	R(write(p[1], "x", 0));
	struct iovec iov = { "xy", 2 };
	R(writev(p[1], &iov, 1));
}

CASE(bad_memory)
{
	void *bad = no_memory();
	char text[8];

	make_pipe(0);
	R(write(p[1], bad, 1));
	R(write(p[1], "ab", 2));
	R(read(p[0], bad, 1));
	SHOW(text, R(read(p[0], text, sizeof(text)))); /* it is still there */
	struct iovec iov[2] = { { "cd", 2 }, { bad, 2 } };
	set_nonblock(p[0], true);
	R(writev(p[1], iov, 2));
	SHOW(text, R(read(p[0], text, sizeof(text))));
	R(readv(p[0], bad, 1));
	R(writev(p[1], bad, 1));
}

CASE(nonblocking)
{
	static char much[1 << 20];
	char c;

	make_pipe(O_NONBLOCK);
	R(read(p[0], &c, 1));
	R(write(p[1], much, sizeof(much)));
	R(write(p[1], much, 1));
	R(write(p[1], much, PIPE_BUF));
	R(read(p[0], much, 4096));
	R(write(p[1], much, PIPE_BUF + 1));
	R(write(p[1], much, 1));
}

static void *read_one(void *arg)
{
	char text[16];

	(void)arg;
	blocks();
	SHOW(text, R(read(p[0], text, sizeof(text))));
	return NULL;
}

CASE(reader_waits)
{
	struct flow *f;

	make_pipe(0);
	f = flow(read_one, NULL);
	await_blocked(1);
	R(write(p[1], "hello", 5));
	flow_end(f);
}

CASE(reader_waits_for_the_end)
{
	struct flow *f;

	make_pipe(0);
	f = flow(read_one, NULL);
	await_blocked(1);
	R(close(p[1]));
	flow_end(f);
}

CASE(reader_waits_in_readv)
{
	char a[2], b[8];
	struct iovec iov[3] = { { a, 2 }, { NULL, 0 }, { b, 8 } };

	make_pipe(0);
	R(write(p[1], "hello", 5));
	R(readv(p[0], iov, 3));
	SHOW(a, 2);
	SHOW(b, 3);
}

static void *write_much(void *arg)
{
	static char much[300000];

	(void)arg;
	memset(much, 'm', sizeof(much));
	blocks();
	R(write(p[1], much, sizeof(much)));
	return NULL;
}

static long drain(int fd, long n)
{
	static char some[10000];
	long sum = 0;

	while (sum < n) {
		ssize_t r = read(fd, some, sizeof(some));

		CHECK(r > 0);
		sum += r;
	}
	return sum;
}

CASE(writer_waits_until_all_is_written)
{
	struct flow *f;

	make_pipe(0);
	f = flow(write_much, NULL);
	await_blocked(1);
	R(drain(p[0], 300000));
	flow_end(f);
}

CASE(writer_meets_the_end)
{
	struct flow *f;

	on_pipe_ignored();
	make_pipe(0);
	CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 4096), 4096);
	f = flow(write_much, NULL);
	await_blocked(1);
	R(close(p[0])); /* after its first 4096 bytes */
	flow_end(f);
}

static void *write_small(void *arg)
{
	blocks();
	R(write(p[1], arg, 2000));
	return NULL;
}

CASE(full_meets_the_end)
{
	static char small[2000];
	struct flow *f;

	on_pipe_ignored();
	make_pipe(0);
	fill(p[1]);
	f = flow(write_small, small);
	await_blocked(1);
	R(close(p[0]));
	flow_end(f);
}

static void *write_piece(void *arg)
{
	char piece[3000];

	memset(piece, (int)(long)arg, sizeof(piece));
	for (int i = 0; i < 20; i++)
		CHECK_EQ(write(p[1], piece, sizeof(piece)), sizeof(piece));
	return NULL;
}

/* Up to PIPE_BUF bytes are written in one piece, whoever else writes. */
CASE(writes_are_whole)
{
	struct flow *a, *b;
	char piece[3000];
	int broken = 0;

	make_pipe(0);
	CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 4096), 4096);
	a = flow(write_piece, (void *)'a');
	b = flow(write_piece, (void *)'b');
	for (int i = 0; i < 40; i++) {
		for (size_t n = 0; n < sizeof(piece);) {
			ssize_t r = read(p[0], piece + n, sizeof(piece) - n);

			CHECK(r > 0);
			n += (size_t)r;
		}
		for (size_t n = 1; n < sizeof(piece); n++)
			broken += piece[n] != piece[0];
	}
	SAY("broken %d", broken);
	flow_end(a);
	flow_end(b);
}

CASE(vectors)
{
	static struct iovec many[IOV_MAX + 1];
	volatile int below = -1;
	char text[8];

	make_pipe(O_NONBLOCK);
	for (int i = 0; i <= IOV_MAX; i++)
		many[i] = (struct iovec){ "v", 1 };
	R(writev(p[1], many, IOV_MAX));
	R(writev(p[1], many, IOV_MAX + 1));
	R(writev(p[1], many, below));
	R(writev(p[1], many, 0));
	R(readv(p[0], many, IOV_MAX + 1));
	R(readv(p[0], many, 0));
	R(readv(p[0], many, below));
	struct iovec huge[2] = { { text, SSIZE_MAX }, { text, SSIZE_MAX } };
	R(readv(p[0], huge, 2));
	R(writev(p[1], huge, 2));
	R(readv(999, many, 1));
	R(writev(999, many, 1));
}

CASE(vectors_of_nothing)
{
	struct iovec none[2] = { { NULL, 0 }, { NULL, 0 } };
	int s[2];

	make_pipe(0);
	R(readv(p[0], none, 2));
	R(writev(p[1], none, 2));
	stream_pair(s);
	R(readv(s[0], none, 2));
	R(writev(s[0], none, 2));
}

CASE(packets)
{
	char text[16];

	make_pipe(O_DIRECT);
	R(write(p[1], "hello", 5));
	R(write(p[1], "you", 3));
	R(write(p[1], "", 0));
	SHOW(text, R(read(p[0], text, 2))); /* the rest of the packet is lost */
	SHOW(text, R(read(p[0], text, sizeof(text))));
}

CASE(packet_is_waited_for)
{
	struct flow *f;

	make_pipe(O_DIRECT);
	f = flow(read_one, NULL);
	await_blocked(1);
	R(write(p[1], "hello", 5));
	R(write(p[1], "you", 3));
	flow_end(f);
	read_one(NULL);
}

CASE(sizes)
{
	make_pipe(0);
	R(fcntl(p[0], F_GETPIPE_SZ));
	R(fcntl(p[0], F_SETPIPE_SZ, 100));
	R(fcntl(p[1], F_SETPIPE_SZ, 5000));
	R(fcntl(p[1], F_SETPIPE_SZ, -1));
	fill(p[1]);
	R(fcntl(p[1], F_SETPIPE_SZ, 4096));
	R(fcntl(0, F_GETPIPE_SZ));
}

/* Who waits goes on waiting. */
CASE(made_nonblocking_under_a_reader)
{
	struct flow *f;

	make_pipe(0);
	f = flow(read_one, NULL);
	await_blocked(1);
	set_nonblock(p[0], true);
	usleep(5000);
	R(write(p[1], "hello", 5));
	flow_end(f);
	char c;
	R(read(p[0], &c, 1));
}

CASE(end_only_when_all_copies_are_closed)
{
	struct flow *f;
	int copy;

	make_pipe(0);
	copy = dup(p[1]);
	f = flow(read_one, NULL);
	await_blocked(1);
	R(close(p[1]));
	usleep(5000);
	R(write(copy, "last", 4));
	flow_end(f);
	R(close(copy));
	read_one(NULL);
}

CASE(two_readers_share)
{
	struct flow *a, *b;

	make_pipe(0);
	a = flow(read_one, NULL);
	b = flow(read_one, NULL);
	await_blocked(2);
	R(write(p[1], "0123456789abcdef", 16));
	usleep(5000);
	R(write(p[1], "0123456789abcdef", 16));
	flow_end(a);
	flow_end(b);
}

static void *writev_much(void *arg)
{
	static char much[200000];
	struct iovec iov[3] = { { much, 100000 }, { NULL, 0 }, { much + 100000, 100000 } };

	(void)arg;
	blocks();
	R(writev(p[1], iov, 3));
	return NULL;
}

CASE(writev_waits_until_all_is_written)
{
	struct flow *f;

	make_pipe(0);
	f = flow(writev_much, NULL);
	await_blocked(1);
	R(drain(p[0], 200000));
	flow_end(f);
}

/* --- FIFOs */

static void *open_fifo(void *arg)
{
	int fd;

	blocks();
	fd = open("fifo", (int)(long)arg);
	SAY("open: %s", fd >= 0 ? "a descriptor" : errno_name(errno));
	if ((long)arg == O_RDONLY) {
		char text[8];

		SHOW(text, R(read(fd, text, sizeof(text))));
	} else {
		R(write(fd, "hello", 5));
	}
	R(close(fd));
	return NULL;
}

CASE(fifo_ends_meet)
{
	struct flow *reader, *writer;

	CHECK_EQ(mkfifo("fifo", 0600), 0);
	reader = flow(open_fifo, (void *)O_RDONLY);
	await_blocked(1);
	writer = flow(open_fifo, (void *)O_WRONLY);
	flow_end(reader);
	flow_end(writer);
}

CASE(fifo_nonblocking)
{
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	R(open("fifo", O_WRONLY | O_NONBLOCK));
	int fd = open("fifo", O_RDONLY | O_NONBLOCK);
	R(fd >= 0);
	char c;
	R(read(fd, &c, 1)); /* no writer: the end */
	int w = open("fifo", O_WRONLY | O_NONBLOCK);
	R(w >= 0);
	R(read(fd, &c, 1));
	R(write(w, "x", 1));
	R(read(fd, &c, 1));
	R(close(w));
	R(read(fd, &c, 1));
	R(mkfifo("fifo", 0600));
}
