/* SPDX-License-Identifier: Apache-2.0
 *
 * What the families of stdio share: streams over each kind of descriptor that can make a thread wait, and how
 * to know that the other side has taken what it was given.
 */
#ifndef TESTS_DIFF_STREAM_H
#define TESTS_DIFF_STREAM_H

#include "diff/diff.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <wchar.h>

enum kind { PIPE, UNIX_SOCKET, TCP_SOCKET, TERMINAL };

/* A FILE, and the descriptor at the other end of what it is on. */
struct stream {
	FILE *f;
	int far;
};

static inline void raw_terminal(int fd)
{
	struct termios tio;

	CHECK_EQ(tcgetattr(fd, &tio), 0);
	cfmakeraw(&tio);
	CHECK_EQ(tcsetattr(fd, TCSANOW, &tio), 0);
}

/* near, far */
static inline void make_ends(int end[2], enum kind kind, bool reads)
{
	switch (kind) {
	case PIPE:
		CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
		if (!reads) {
			int near = end[1];

			end[1] = end[0];
			end[0] = near;
		}
		break;
	case UNIX_SOCKET:
		stream_pair(end);
		break;
	case TCP_SOCKET:
		tcp_pair(end);
		break;
	case TERMINAL:
		CHECK_EQ(openpty(&end[1], &end[0], NULL, NULL, NULL), 0);
		raw_terminal(end[0]);
		break;
	}
}

static inline struct stream open_stream(enum kind kind, const char *mode)
{
	struct stream s;
	int end[2];

	make_ends(end, kind, *mode == 'r');
	s.f = fdopen(end[0], mode);
	CHECK(s.f);
	s.far = end[1];
	return s;
}

static inline void close_stream(struct stream *s)
{
	fclose(s->f);
	close(s->far);
	free(s);
}

/* On the heap: a greenlet's or coroutine's stack is for itself. */
static inline struct stream *new_stream(enum kind kind, const char *mode)
{
	struct stream *s = (struct stream *)malloc(sizeof(*s));

	*s = open_stream(kind, mode);
	return s;
}

/* Until nothing is left to read from fd. */
static inline void await_taken(int fd)
{
	int left;

	do {
		sched_yield();
		CHECK_EQ(ioctl(fd, FIONREAD, &left), 0);
	} while (left > 0);
}

/* The far end says text; the reader of s takes it all. */
static inline void tell(const struct stream *s, const char *text)
{
	CHECK_EQ(write(s->far, text, strlen(text)), (ssize_t)strlen(text));
}

static inline void tell_and_await(const struct stream *s, const char *text)
{
	tell(s, text);
	await_taken(fileno(s->f));
}

/* No more comes from the far end. */
static inline void hang_up(struct stream *s)
{
	CHECK_EQ(close(s->far), 0);
	s->far = -1;
}

/* A page at most fits. */
static inline struct stream *narrow_stream(enum kind kind)
{
	struct stream *s = new_stream(kind, "w");
	int small = 4096;

	if (kind == PIPE)
		CHECK(fcntl(s->far, F_SETPIPE_SZ, small) > 0);
	else if (kind != TERMINAL)
		CHECK_EQ(setsockopt(fileno(s->f), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	return s;
}

static inline char *alphabet(long n)
{
	char *text = malloc((size_t)n + 1);

	for (long i = 0; i < n; i++)
		text[i] = (char)('a' + i % 26);
	text[n] = '\0';
	return text;
}

/* libc takes its own otherwise, of a page.  It lives as long as the process, which flushes at its end. */
static inline void hold_back(FILE *f, size_t n)
{
	CHECK_EQ(setvbuf(f, malloc(n), _IOFBF, n), 0);
}

#endif
