/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors and offsets on files, pipes and sockets; tcdrain.
 */
#include "diff/file_cases.h"
#include <termios.h>

/* --- Pipes and sockets */

static int from, to;

static void *reads_vector(void *arg)
{
	char a[2], b[8];
	struct iovec v[] = { IOV(a, 2), IOV(b, 8) };

	(void)arg;
	blocks();
	if (R(preadv2(from, v, 2, -1, 0)) == 5) {
		SHOW(a, 2);
		SHOW(b, 3);
	}
	return NULL;
}

static void *reads_vector_hipri(void *arg)
{
	char a[2], b[8];
	struct iovec v[] = { IOV(a, 2), IOV(b, 8) };

	(void)arg;
	blocks();
	R(preadv2(from, v, 2, -1, RWF_HIPRI));
	return NULL;
}

static void *writes_vector(void *arg)
{
	struct iovec v[] = { IOV("ab", 2), IOV("cde", 3) };

	(void)arg;
	blocks();
	R(pwritev2(to, v, 2, -1, 0));
	return NULL;
}

static void *writes_vector_synced(void *arg)
{
	struct iovec v[] = { IOV("ab", 2), IOV("cde", 3) };

	(void)arg;
	blocks();
	R(pwritev2(to, v, 2, -1, RWF_SYNC));
	return NULL;
}

static void reader_waits(int ends[2], void *(*reads)(void *))
{
	struct flow *f;

	from = ends[0];
	f = flow(reads, NULL);
	await_blocked(1);
	R(write(ends[1], "hello", 5));
	flow_end(f);
}

CASE(pipe_preadv2_waits)
{
	int ends[2];

	make_pipe(ends);
	reader_waits(ends, reads_vector);
}

CASE(pipe_preadv2_with_flags_waits)
{
	int ends[2];

	make_pipe(ends);
	reader_waits(ends, reads_vector_hipri);
}

CASE(socket_preadv2_waits)
{
	int ends[2];

	stream_pair(ends);
	reader_waits(ends, reads_vector);
}

CASE(socket_preadv2_with_flags_waits)
{
	int ends[2];

	stream_pair(ends);
	reader_waits(ends, reads_vector_hipri);
}

CASE(pipe_preadv2_ends)
{
	int ends[2];
	struct flow *f;

	make_pipe(ends);
	from = ends[0];
	f = flow(reads_vector_hipri, NULL);
	await_blocked(1);
	R(close(ends[1]));
	flow_end(f);
}

static void writer_waits(void *(*writes)(void *))
{
	int ends[2], n;
	struct flow *f;

	make_pipe(ends);
	n = fill_pipe(ends[1]);
	to = ends[1];
	f = flow(writes, NULL);
	await_blocked(1);
	drain(ends[0], n);
	flow_end(f);
	drain(ends[0], 5);
}

CASE(pipe_pwritev2_waits)
{
	writer_waits(writes_vector);
}

CASE(pipe_pwritev2_with_flags_waits)
{
	writer_waits(writes_vector_synced);
}

/* RWF_NOWAIT is the program's own word. */
CASE(nowait)
{
	int ends[2], pair[2];
	char c[4];
	struct iovec v = IOV(c, 4), w = IOV("x", 1);

	make_pipe(ends);
	stream_pair(pair);
	R(preadv2(ends[0], &v, 1, -1, RWF_NOWAIT));
	R(preadv2(pair[0], &v, 1, -1, RWF_NOWAIT));
	R(pwritev2(ends[1], &w, 1, -1, RWF_NOWAIT));
	R(preadv2(ends[0], &v, 1, -1, RWF_NOWAIT));
	fill_pipe(ends[1]);
	R(pwritev2(ends[1], &w, 1, -1, RWF_NOWAIT));
}

CASE(nonblocking_preadv2)
{
	int ends[2];
	char c[4];
	struct iovec v = IOV(c, 4);

	make_pipe(ends);
	set_nonblock(ends[0], true);
	R(preadv2(ends[0], &v, 1, -1, 0));
	R(preadv2(ends[0], &v, 1, -1, RWF_HIPRI));
}

CASE(no_offsets_in_pipes)
{
	int ends[2], pair[2];
	char c[4];
	struct iovec v = IOV(c, 4), w = IOV("x", 1);

	make_pipe(ends);
	stream_pair(pair);
	R(pread(ends[0], c, 1, 0));
	R(pwrite(ends[1], "x", 1, 0));
	R(preadv2(ends[0], &v, 1, 0, 0));
	R(pwritev2(ends[1], &w, 1, 7, RWF_SYNC));
	R(preadv(pair[0], &v, 1, 0));
	R(pwritev(pair[0], &w, 1, 0));
	R(preadv2(ends[1], &v, 1, -1, 0));
	R(preadv2(ends[1], &v, 1, -1, RWF_HIPRI));
	R(pwritev2(ends[0], &w, 1, -1, RWF_SYNC));
	R(preadv2(ends[0], &v, 1, -1, 1 << 30));
	R(fsync(ends[0]));
	R(fdatasync(pair[0]));
}

CASE(broken_pipe)
{
	int ends[2], pair[2];
	struct iovec w = IOV("x", 1);

	on_signal(SIGPIPE, count_signal, 0);
	make_pipe(ends);
	stream_pair(pair);
	R(close(ends[0]));
	R(close(pair[0]));
	R(pwritev2(ends[1], &w, 1, -1, 0));
	SAY("%d signals", signals_handled);
	R(pwritev2(ends[1], &w, 1, -1, RWF_SYNC));
	SAY("%d signals", signals_handled);
	R(pwritev2(pair[1], &w, 1, -1, RWF_SYNC));
	SAY("%d signals", signals_handled);
}

CASE_THREADS(preadv2_interrupted)
{
	int ends[2];
	struct flow *f;

	on_signal(SIGUSR1, count_signal, 0);
	make_pipe(ends);
	from = ends[0];
	for (int i = 0; i < 2; i++) {
		f = flow(i ? reads_vector_hipri : reads_vector, NULL);
		await_blocked(1 + i);
		E(pthread_kill(f->thread, SIGUSR1));
		flow_end(f);
	}
	R(write(ends[1], "x", 1));
	drain(from, 1);
}

/* --- Terminals */

CASE(tcdrain_of_nothing)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, ends[2];

	CHECK(master != -1);
	CHECK_EQ(grantpt(master), 0);
	CHECK_EQ(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	R(tcdrain(slave));
	R(write(slave, "x", 1));
	R(tcdrain(slave));
	make_pipe(ends);
	R(tcdrain(ends[0]));
	R(tcdrain(999));
}
