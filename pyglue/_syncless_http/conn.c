/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's bytes.  The calls are the plain blocking ones.  Their own timeouts (TICK_MS) only say how
 * often the deadline is looked at, so a deadline costs no system call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include "http.h"

#define PIECE (1 << 20) /* of a file, between two looks at the clock */
#define HELD_MOST 8192

int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* After a call that failed: is it to be made again?  Otherwise a negative errno. */
static int again(int64_t deadline)
{
	int err = errno;

	if (err == EINTR)
		return PyErr_CheckSignals() < 0 ? -EINTR : 1;
	if (err == EAGAIN)
		return clock_ns() >= deadline ? -ETIMEDOUT : 1;
	return -err;
}

/* A thread of its own must let the others have the GIL while it waits.  Of coroutines whoever runs next needs it. */
PyThreadState *leave_gil(const struct server *s)
{
	return s->threads ? PyEval_SaveThread() : NULL;
}

void take_gil(PyThreadState *state)
{
	int saved = errno;

	if (state)
		PyEval_RestoreThread(state);
	errno = saved;
}

bool conn_make_room(struct conn *c, size_t n)
{
	size_t used = c->end - c->begin, room = c->room;
	char *buf;

	if (c->room - c->end >= n)
		return true;
	if (room >= used + n) {
		memmove(c->buf, c->buf + c->begin, used);
		c->begin = 0;
		c->end = used;
		return true;
	}
	while (room < used + n)
		room = room ? room * 2 : 4096;
	buf = malloc(room);
	if (!buf) {
		PyErr_NoMemory();
		return false;
	}
	if (used)
		memcpy(buf, c->buf + c->begin, used);
	free(c->buf);
	c->buf = buf;
	c->room = room;
	c->begin = 0;
	c->end = used;
	return true;
}

ssize_t conn_fill(struct conn *c, int64_t deadline)
{
	if (UNLIKELY(c->stream != NULL))
		return stream_fill(c, deadline);
	if (c->nheld && !conn_flush(c))
		return -EPIPE;
	for (;;) {
		PyThreadState *state = leave_gil(c->server);
		ssize_t n = recv(c->fd, c->buf + c->end, c->room - c->end, 0);
		int r;

		take_gil(state);
		c->is_drained = n < (ssize_t)(c->room - c->end);
		if (LIKELY(n > 0))
			c->end += (size_t)n;
		if (LIKELY(n >= 0))
			return n;
		if ((r = again(deadline)) < 0)
			return r;
	}
}

void conn_use_up(struct iovec **v, int *count, size_t n)
{
	while (*count && n >= (*v)->iov_len) {
		n -= (*v)->iov_len;
		++*v;
		--*count;
	}
	if (*count) {
		(*v)->iov_base = (char *)(*v)->iov_base + n;
		(*v)->iov_len -= n;
	}
}

bool conn_give_up(struct conn *c, int err)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	if (err == -ETIMEDOUT)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	c->broken = true;
	return false;
}

/* The call that has just failed has waited for a tick already. */
int64_t conn_write_deadline(const struct conn *c)
{
	return clock_ns() + c->server->limits.write_ns - TICK_NS;
}

static bool write_now(struct conn *c, struct iovec *v, int count)
{
	int64_t deadline = 0;
	int r;

	if (c->broken)
		return false;
	if (UNLIKELY(c->stream != NULL))
		return stream_write(c, v, count);
	while (count) {
		struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t)count };
		PyThreadState *state = leave_gil(c->server);
		ssize_t n = count == 1 ? send(c->fd, v->iov_base, v->iov_len, MSG_NOSIGNAL)
				       : sendmsg(c->fd, &m, MSG_NOSIGNAL);

		take_gil(state);
		if (LIKELY(n >= 0)) {
			conn_use_up(&v, &count, (size_t)n);
			deadline = 0;
			continue;
		}
		if (!deadline)
			deadline = conn_write_deadline(c);
		if ((r = again(deadline)) < 0)
			return conn_give_up(c, r);
	}
	return true;
}

/* --- What is held.  Who serves the connection takes it all before it writes, and another worker only finds it between
 * two of its writes.  Any call may let others run before it begins, so that worker says that it is at it. */

static bool hold(struct conn *c, const struct iovec *v, int count)
{
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += v[i].iov_len;
	if (c->broken || n > HELD_MOST - c->nheld || (!c->held && !(c->held = malloc(HELD_MOST))))
		return false;
	if (!c->nheld)
		c->server->nholding++;
	for (int i = 0; i < count; i++) {
		memcpy(c->held + c->nheld, v[i].iov_base, v[i].iov_len);
		c->nheld += v[i].iov_len;
	}
	return true;
}

static size_t take_held(struct conn *c)
{
	size_t n = c->nheld;

	if (n)
		c->server->nholding--;
	c->nheld = 0;
	return n;
}

bool conn_flush(struct conn *c)
{
	struct iovec v;

	while (UNLIKELY(c->is_being_flushed))
		let_others_run(c->server, 0);
	v = (struct iovec){ c->held, take_held(c) };
	return v.iov_len ? write_now(c, &v, 1) : !c->broken;
}

void conn_flush_now(struct conn *c)
{
	ssize_t n;

	c->is_being_flushed = true;
	n = send(c->fd, c->held, c->nheld, MSG_NOSIGNAL | MSG_DONTWAIT);
	c->is_being_flushed = false;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		c->broken = true;
	if (n == (ssize_t)c->nheld || c->broken) {
		take_held(c);
	} else if (n > 0) {
		c->nheld -= (size_t)n;
		memmove(c->held, c->held + n, c->nheld);
	}
}

bool conn_write(struct conn *c, struct iovec *v, int count)
{
	return (!c->nheld || conn_flush(c)) && write_now(c, v, count);
}

bool conn_write_last(struct conn *c, struct iovec *v, int count)
{
	bool is_followed = c->begin != c->end && c->server->follow != Py_None && !c->stream;

	if ((!is_followed && !c->nheld) || !hold(c, v, count))
		return conn_write(c, v, count);
	if (!is_followed)
		return conn_flush(c);
	call_follower(c->server);
	return true;
}

int64_t conn_send_file(struct conn *c, int file, int64_t count)
{
	int64_t sent = 0, deadline = 0;
	int r;

	if (UNLIKELY(c->stream != NULL))
		return stream_send_file(c, file, count);
	if (c->nheld)
		conn_flush(c);
	while (sent < count && !c->broken) {
		size_t piece = count - sent < PIECE ? (size_t)(count - sent) : PIECE;
		PyThreadState *state = leave_gil(c->server);
		ssize_t n = sendfile(c->fd, file, NULL, piece);

		take_gil(state);
		if (n > 0) {
			sent += n;
			deadline = 0;
			continue;
		}
		if (n == 0)
			break;
		if (!deadline)
			deadline = conn_write_deadline(c);
		if ((r = again(deadline)) < 0)
			conn_give_up(c, r);
	}
	return c->broken ? -1 : sent;
}
