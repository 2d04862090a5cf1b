/* SPDX-License-Identifier: Apache-2.0
 *
 * sendfile(): a blocking one to a socket is over when all is written, also if that is full, while others run;
 * one to a pipe when it could write something.  It moves the offset it was given, or else the file's own;
 * O_NONBLOCK and SO_SNDTIMEO let through what fits; errno is the kernel's, and a success leaves it alone.
 */
#include "calls/blocked.h"
#include <sys/mman.h>
#include <sys/sendfile.h>

#define SIZE (1 << 20)
#define SKIPPED 1000

static char content[SIZE];
static int file;
static int blocked; /* so many have said that they are about to */
static _Atomic int broken_pipes;

static void count_broken_pipe(int sig)
{
	(void)sig;
	broken_pipes++;
}

static void make_file(void)
{
	file = memfd_create("content", MFD_CLOEXEC);
	CHECK(file != -1);
	for (int i = 0; i < SIZE; i++)
		content[i] = (char)(i * 31 + (i >> 8));
	CHECK_EQ(write(file, content, SIZE), SIZE);
}

struct stream {
	int fd;
	int from, until; /* of the content */
};

static void *reads_all(void *arg)
{
	struct stream *s = arg;
	static char got[SIZE];
	ssize_t n;

	for (int at = s->from; at < s->until; at += (int)n) {
		n = read(s->fd, got, (size_t)(s->until - at));
		CHECK(n > 0);
		CHECK(!memcmp(got, content + at, (size_t)n));
	}
	return NULL;
}

/* The sender has to wait for the reader again and again. */
static void all_of_it(int in_end, int out_end)
{
	struct stream s = { in_end, SKIPPED, SIZE };
	off_t offset = SKIPPED;
	pthread_t reader = start(reads_all, &s);

	CHECK_EQ(lseek(file, 5, SEEK_SET), 5);
	errno = 1234;
	CHECK_EQ(sendfile(out_end, file, &offset, SIZE), SIZE - SKIPPED);
	CHECK_EQ(errno, 1234);
	finish(reader);
	CHECK_EQ(offset, SIZE);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), 5);

	s.from = 5;
	s.until = SIZE - 7;
	reader = start(reads_all, &s);
	CHECK_EQ(sendfile64(out_end, file, NULL, (size_t)(s.until - s.from)), s.until - s.from);
	finish(reader);
	CHECK_EQ(lseek(file, 0, SEEK_CUR), s.until);

	CHECK_EQ(lseek(file, 0, SEEK_END), SIZE);
	CHECK_EQ(sendfile(out_end, file, NULL, 1), 0);
	CHECK_EQ(sendfile(out_end, file, &offset, 0), 0);
}

static void *sends_all(void *arg)
{
	off_t offset = 0;

	about_to_block();
	CHECK_EQ(sendfile(*(int *)arg, file, &offset, SIZE), SIZE);
	return NULL;
}

/* The one that waits is the sender: nobody reads until it is asleep. */
static void into_a_full_one(int in_end, int out_end)
{
	struct stream s = { in_end, 0, SIZE };
	pthread_t sender = start(sends_all, &out_end);

	await_blocked(++blocked);
	reads_all(&s);
	finish(sender);
}

static void *sends_some(void *arg)
{
	off_t offset = 0;
	ssize_t n;

	n = sendfile(*(int *)arg, file, &offset, SIZE);
	CHECK(n > 0 && n < SIZE);
	CHECK_EQ(offset, n);
	return (void *)n;
}

static void *waits_to_send(void *arg)
{
	about_to_block();
	return sends_some(arg);
}

static void into_a_pipe(void)
{
	struct stream s = { 0 };
	pthread_t sender;
	int p[2];

	CHECK_EQ(pipe(p), 0);
	s.fd = p[0];
	s.until = (int)(intptr_t)sends_some(&p[1]);
	while (s.until < 65536) /* the usual room */
		s.until += (int)sendfile(p[1], file, &(off_t){ s.until }, (size_t)(65536 - s.until));
	sender = start(waits_to_send, &p[1]);
	await_blocked(++blocked);
	reads_all(&s);
	s.until = (int)(intptr_t)finish(sender);
	reads_all(&s);
	CHECK_EQ(close(p[0]), 0);
	CHECK_EQ(close(p[1]), 0);
}

/* What fits, then EAGAIN. */
static void only_what_fits(int out_end)
{
	off_t offset = 0;
	ssize_t n = sendfile(out_end, file, &offset, SIZE);

	CHECK(n > 0 && n < SIZE);
	CHECK_EQ(offset, n);
	while ((n = sendfile(out_end, file, &offset, SIZE)) > 0)
		;
	CHECK_EQ(n, -1);
	CHECK_EQ(errno, EAGAIN);
}

static void without_waiting(void)
{
	int s[2];

	stream_pair(s);
	set_nonblock(s[0], true);
	only_what_fits(s[0]);
	CHECK_EQ(close(s[0]), 0);
	CHECK_EQ(close(s[1]), 0);
}

static void for_a_time(void)
{
	int64_t began = mono_ms();
	int s[2];

	stream_pair(s);
	set_timeo(s[0], SO_SNDTIMEO, 5);
	only_what_fits(s[0]);
	CHECK(mono_ms() - began >= 5);
	CHECK(!(fcntl(s[0], F_GETFL) & O_NONBLOCK));
	CHECK_EQ(close(s[0]), 0);
	CHECK_EQ(close(s[1]), 0);
}

/* Another process could have the socket, too. */
static void shared_with_a_dup(void)
{
	int s[2], other;

	stream_pair(s);
	other = dup(s[0]);
	CHECK(other != -1);
	all_of_it(s[1], s[0]);
	into_a_full_one(s[1], other);
	CHECK(!(fcntl(s[0], F_GETFL) & O_NONBLOCK));
	CHECK_EQ(close(s[1]), 0);
	CHECK_ERRNO(sendfile(other, file, &(off_t){ 0 }, 10), EPIPE);
	CHECK_EQ(close(other), 0);
	CHECK_EQ(close(s[0]), 0);
}

static void errors(void)
{
	off_t offset = 0, negative = -1;
	int s[2];

	stream_pair(s);
	CHECK_ERRNO(sendfile(s[0], 999, &offset, 1), EBADF);
	CHECK_ERRNO(sendfile(999, file, &offset, 1), EBADF);
	CHECK_ERRNO(sendfile(s[0], file, &negative, 1), EINVAL);
	CHECK_EQ(close(s[1]), 0);
	CHECK_ERRNO(sendfile(s[0], file, &offset, 10), EPIPE);
	CHECK_EQ(offset, 0);
	CHECK_EQ(close(s[0]), 0);
}

static void *everything(void *arg)
{
	int s[2];

	stream_pair(s);
	all_of_it(s[1], s[0]);
	into_a_full_one(s[1], s[0]);
	CHECK(!(fcntl(s[0], F_GETFL) & O_NONBLOCK));
	tcp_pair(s);
	all_of_it(s[1], s[0]);
	into_a_pipe();
	without_waiting();
	for_a_time();
	broken_pipes = 0;
	shared_with_a_dup();
	errors();
	CHECK_EQ(broken_pipes, 2);
	return arg;
}

int main(void)
{
	make_file();
	on_signal(SIGPIPE, count_broken_pipe, 0);
	everything(NULL);
	finish(start(everything, NULL));
	CHECK_VERIFY();
	return 0;
}
