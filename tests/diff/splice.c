/* SPDX-License-Identifier: Apache-2.0
 *
 * splice, tee and vmsplice: what they move, when they wait and for which end.
 */
#include "diff/ends.h"

#define BIG (1 << 20)

static int splice_in, splice_out;
static size_t splice_len;
static unsigned splice_flags;

static void *splices(void *arg)
{
	(void)arg;
	blocks();
	R(splice(splice_in, NULL, splice_out, NULL, splice_len, splice_flags));
	return NULL;
}

static void *tees(void *arg)
{
	(void)arg;
	blocks();
	R(tee(splice_in, splice_out, splice_len, splice_flags));
	return NULL;
}

static struct flow *splicing(void *(*fn)(void *), int in, int out, size_t len)
{
	struct flow *f;

	splice_in = in;
	splice_out = out;
	splice_len = len;
	f = flow(fn, NULL);
	await_blocked(1);
	return f;
}

static void show_rest(int fd)
{
	char text[64];
	ssize_t n = R(read(fd, text, sizeof(text)));

	if (n > 0)
		SHOW(text, n);
}

CASE(splice_what_is_there)
{
	int a[2], b[2], fd = make_file("0123456789");
	off64_t at = 3;

	make_pipe(a);
	make_pipe(b);
	R(splice(fd, &at, a[1], NULL, 4, 0));
	SAY("offset %ld", (long)at);
	say_position(fd);
	R(splice(fd, NULL, a[1], NULL, 2, 0));
	say_position(fd);
	R(splice(a[0], NULL, b[1], NULL, 100, 0));
	R(splice(b[0], NULL, fd, NULL, 3, 0));
	say_position(fd);
	at = 9;
	R(splice(b[0], NULL, fd, &at, 100, SPLICE_F_MOVE));
	SAY("offset %ld", (long)at);
	R(lseek(fd, 0, SEEK_SET));
	show_rest(fd);
	R(splice(a[0], NULL, b[1], NULL, 0, 0));
	R(splice(fd, NULL, a[1], NULL, 5, 0));
}

CASE(splice_bad_arguments)
{
	int a[2], b[2], pair[2], fd = make_file("0123456789"), append;
	off64_t at = 0;

	make_pipe(a);
	make_pipe(b);
	stream_pair(pair);
	append = open("file", O_WRONLY | O_APPEND | O_CLOEXEC);
	R(splice(fd, NULL, fd, NULL, 1, 0));
	R(splice(pair[0], NULL, fd, NULL, 1, 0));
	R(splice(pair[0], NULL, pair[1], NULL, 1, 0));
	R(splice(a[0], &at, b[1], NULL, 1, 0));
	R(splice(a[0], NULL, b[1], &at, 1, 0));
	R(splice(pair[0], &at, b[1], NULL, 1, 0));
	R(splice(a[0], NULL, pair[0], &at, 1, 0));
	R(splice(a[0], NULL, a[1], NULL, 1, 0));
	R(splice(a[1], NULL, b[1], NULL, 1, 0));
	R(splice(a[0], NULL, b[0], NULL, 1, 0));
	R(splice(999, NULL, b[1], NULL, 1, 0));
	R(splice(a[0], NULL, 999, NULL, 1, 0));
	R(splice(a[0], NULL, b[1], NULL, 1, 1 << 20));
	R(tee(a[0], fd, 1, 0));
	R(tee(a[0], a[1], 1, 0));
	R(tee(999, b[1], 1, 0));
	R(tee(a[0], b[1], 1, 1 << 20));
	R(tee(a[0], b[1], 0, 0));
	CHECK_EQ(write(a[1], "x", 1), 1);
	R(splice(a[0], NULL, append, NULL, 1, 0));
}

CASE(splice_without_waiting)
{
	int a[2], b[2], pair[2];

	make_pipe(a);
	make_pipe(b);
	stream_pair(pair);
	R(splice(a[0], NULL, b[1], NULL, 5, SPLICE_F_NONBLOCK));
	R(tee(a[0], b[1], 5, SPLICE_F_NONBLOCK));
	R(splice(a[0], NULL, pair[0], NULL, 5, SPLICE_F_NONBLOCK));
	set_nonblock(a[0], true);
	R(splice(a[0], NULL, b[1], NULL, 5, 0));
	R(tee(a[0], b[1], 5, 0));
	set_nonblock(a[0], false);
	set_nonblock(pair[0], true);
	R(splice(pair[0], NULL, b[1], NULL, 5, 0));
	CHECK_EQ(write(a[1], "x", 1), 1);
	fill_pipe(b[1]);
	R(splice(a[0], NULL, b[1], NULL, 5, SPLICE_F_NONBLOCK));
	R(tee(a[0], b[1], 5, SPLICE_F_NONBLOCK));
	set_nonblock(b[1], true);
	R(splice(a[0], NULL, b[1], NULL, 5, 0));
}

CASE(splice_waits_for_input)
{
	int a[2], b[2];
	struct flow *f;

	make_pipe(a);
	make_pipe(b);
	f = splicing(splices, a[0], b[1], 100);
	R(write(a[1], "hello", 5));
	flow_end(f);
	show_rest(b[0]);
}

CASE(splice_waits_for_room)
{
	int a[2], b[2], n;
	struct flow *f;

	make_pipe(a);
	make_pipe(b);
	n = fill_pipe(b[1]);
	R(write(a[1], "hello", 5));
	f = splicing(splices, a[0], b[1], 100);
	drain(b[0], n);
	flow_end(f);
	show_rest(b[0]);
}

CASE(splice_ends_with_its_input)
{
	int a[2], b[2];
	struct flow *f;

	make_pipe(a);
	make_pipe(b);
	f = splicing(splices, a[0], b[1], 100);
	R(close(a[1]));
	flow_end(f);
	R(splice(a[0], NULL, b[1], NULL, 100, 0));
}

CASE(splice_into_a_broken_pipe)
{
	int a[2], b[2], pair[2];

	on_signal(SIGPIPE, count_signal, 0);
	make_pipe(a);
	make_pipe(b);
	stream_pair(pair);
	R(write(a[1], "hello", 5));
	R(close(b[0]));
	R(splice(a[0], NULL, b[1], NULL, 100, 0));
	R(tee(a[0], b[1], 100, 0));
	SAY("%d signals", signals_handled);
	R(close(pair[1]));
	R(splice(a[0], NULL, pair[0], NULL, 100, 0));
	SAY("%d signals", signals_handled);
}

static void socket_to_pipe(int pair[2], bool is_shared)
{
	int a[2], copy = is_shared ? dup(pair[0]) : -1;
	struct flow *f;

	make_pipe(a);
	f = splicing(splices, pair[0], a[1], 100);
	R(write(pair[1], "hello", 5));
	flow_end(f);
	show_rest(a[0]);
	SAY("flags %x", fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	R(close(pair[1]));
	R(splice(pair[0], NULL, a[1], NULL, 100, 0));
	if (copy != -1)
		close(copy);
}

CASE(splice_from_a_unix_socket)
{
	int pair[2];

	stream_pair(pair);
	socket_to_pipe(pair, false);
}

CASE(splice_from_a_tcp_socket)
{
	int pair[2];

	tcp_pair(pair);
	socket_to_pipe(pair, false);
}

CASE(splice_from_a_shared_socket)
{
	int pair[2];

	tcp_pair(pair);
	socket_to_pipe(pair, true);
}

static void *reads_big(void *fd)
{
	drain(*(int *)fd, BIG);
	return NULL;
}

/* All that the pipe holds goes into the socket, though that takes it in pieces. */
static void pipe_to_socket(int pair[2], bool is_shared)
{
	int a[2], n, small = 4096, copy = is_shared ? dup(pair[0]) : -1, more = BIG;
	struct flow *reader;

	make_pipe(a);
	CHECK(fcntl(a[1], F_SETPIPE_SZ, BIG) >= BIG);
	CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	n = fill_pipe(a[1]);
	SAY("%d in the pipe", n);
	more -= n;
	reader = flow(reads_big, &pair[1]);
	R(splice(a[0], NULL, pair[0], NULL, BIG, 0));
	while (more > 0) {
		CHECK_EQ(write(pair[0], "z", 1), 1);
		more--;
	}
	flow_end(reader);
	SAY("flags %x", fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	if (copy != -1)
		close(copy);
}

CASE(splice_to_a_unix_socket)
{
	int pair[2];

	stream_pair(pair);
	pipe_to_socket(pair, false);
}

CASE(splice_to_a_tcp_socket)
{
	int pair[2];

	tcp_pair(pair);
	pipe_to_socket(pair, false);
}

CASE(splice_to_a_shared_socket)
{
	int pair[2];

	tcp_pair(pair);
	pipe_to_socket(pair, true);
}

CASE(splice_times_out)
{
	int a[2], pair[2];

	make_pipe(a);
	tcp_pair(pair);
	set_timeo(pair[0], SO_RCVTIMEO, 20);
	LASTS(20, R(splice(pair[0], NULL, a[1], NULL, 100, 0)));
}

CASE_THREADS(splice_interrupted)
{
	int a[2], b[2];
	struct flow *f;

	on_signal(SIGUSR1, count_signal, 0);
	make_pipe(a);
	make_pipe(b);
	f = splicing(splices, a[0], b[1], 100);
	E(pthread_kill(f->thread, SIGUSR1));
	flow_end(f);
	R(write(a[1], "hello", 5));
	show_rest(a[0]);
}

CASE(tee_waits)
{
	int a[2], b[2];
	struct flow *f;

	make_pipe(a);
	make_pipe(b);
	f = splicing(tees, a[0], b[1], 100);
	R(write(a[1], "hello", 5));
	flow_end(f);
	show_rest(a[0]);
	show_rest(b[0]);
	R(close(a[1]));
	R(tee(a[0], b[1], 100, 0));
}

CASE(tee_waits_for_room)
{
	int a[2], b[2], n;
	struct flow *f;

	make_pipe(a);
	make_pipe(b);
	n = fill_pipe(b[1]);
	R(write(a[1], "hello", 5));
	f = splicing(tees, a[0], b[1], 3);
	drain(b[0], n);
	flow_end(f);
	show_rest(a[0]);
	show_rest(b[0]);
}

static char mapped[3][4096] __attribute__((aligned(4096)));

static void *vmsplices(void *fd)
{
	struct iovec v[] = { IOV(mapped[0], 10), IOV(mapped[1], 20) };

	blocks();
	R(vmsplice(*(int *)fd, v, 2, 0));
	return NULL;
}

CASE(vmsplice_both_ways)
{
	int a[2], fd = make_file("x");
	struct iovec v[] = { IOV(mapped[0], 3), IOV(mapped[1], 4) };

	make_pipe(a);
	memcpy(mapped[0], "abc", 3);
	memcpy(mapped[1], "defg", 4);
	R(vmsplice(a[1], v, 2, 0));
	v[0] = IOV(mapped[2], 100);
	R(vmsplice(a[0], v, 1, 0));
	SHOW(mapped[2], 7);
	R(vmsplice(a[0], v, 1, SPLICE_F_NONBLOCK));
	R(vmsplice(a[1], v, 0, 0));
	R(vmsplice(fd, v, 1, 0));
	R(vmsplice(999, v, 1, 0));
	R(vmsplice(a[1], v, 1, 1 << 20));
	fill_pipe(a[1]);
	R(vmsplice(a[1], v, 1, SPLICE_F_NONBLOCK));
	R(close(a[1]));
}

CASE(vmsplice_waits_for_room)
{
	int a[2], n;
	struct flow *f;

	make_pipe(a);
	n = fill_pipe(a[1]);
	f = flow(vmsplices, &a[1]);
	await_blocked(1);
	drain(a[0], n);
	flow_end(f);
	drain(a[0], 30);
}

CASE(vmsplice_waits_for_input)
{
	int a[2];
	struct flow *f;

	make_pipe(a);
	f = flow(vmsplices, &a[0]);
	await_blocked(1);
	R(write(a[1], "hello", 5));
	flow_end(f);
	SHOW(mapped[0], 5);
}
