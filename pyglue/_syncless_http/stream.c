/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection's bytes over TLS.  Python's ssl module does the work, by an ssl.SSLSocket whose timeout is
 * TICK_MS: it waits in poll(), between OpenSSL's calls and never in one of them, and says so often that it has
 * waited.  What OpenSSL has read and not yet told is told by the next recv(); so one that has timed out leaves
 * nothing behind, and the connection may be kept by its descriptor alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "http.h"

#define RECORD 16384 /* the largest that TLS has */

static PyObject *timed_out; /* socket.timeout, which is TimeoutError from 3.10 on */

int stream_init(void)
{
	PyObject *module = PyImport_ImportModule("socket");

	timed_out = module ? PyObject_GetAttrString(module, "timeout") : NULL;
	Py_XDECREF(module);
	return timed_out ? 0 : -1;
}

/* After a call that raised: is it to be made again?  Otherwise a negative errno; with -EINTR the exception stays. */
static int again(int64_t deadline)
{
	if (!PyErr_ExceptionMatches(PyExc_OSError))
		return -EINTR;
	if (PyErr_ExceptionMatches(timed_out)) {
		PyErr_Clear();
		return clock_ns() >= deadline ? -ETIMEDOUT : 1;
	}
	PyErr_Clear();
	return -ECONNRESET;
}

/* By way of bytes: what is raised could keep a view of the buffer, by its traceback. */
ssize_t stream_fill(struct conn *c, int64_t deadline)
{
	size_t room = c->room - c->end;
	int r;

	do {
		PyObject *data = PyObject_CallMethod(c->stream, "recv", "n",
						     (Py_ssize_t)(room < RECORD ? room : RECORD));
		Py_ssize_t n;
		char *p;

		if (data && PyBytes_AsStringAndSize(data, &p, &n) == 0) {
			memcpy(c->buf + c->end, p, (size_t)n);
			c->end += (size_t)n;
			Py_DECREF(data);
			return n;
		}
		Py_XDECREF(data);
		r = again(deadline);
	} while (r > 0);
	return r;
}

/* The first bytes of v, as many as fit into a record. */
static PyObject *first_of(const struct iovec *v, int count)
{
	size_t n = 0, at = 0;
	PyObject *piece;
	char *p;

	for (int i = 0; i < count && n < RECORD; i++)
		n += v[i].iov_len;
	if (n > RECORD)
		n = RECORD;
	piece = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
	p = piece ? PyBytes_AsString(piece) : NULL;
	for (int i = 0; p && at < n; i++) {
		size_t m = v[i].iov_len < n - at ? v[i].iov_len : n - at;

		memcpy(p + at, v[i].iov_base, m);
		at += m;
	}
	return piece;
}

static Py_ssize_t send_first_of(struct conn *c, const struct iovec *v, int count)
{
	PyObject *piece = first_of(v, count);
	PyObject *sent = piece ? PyObject_CallMethod(c->stream, "send", "O", piece) : NULL;
	Py_ssize_t n = sent ? PyLong_AsSsize_t(sent) : -1;

	Py_XDECREF(piece);
	Py_XDECREF(sent);
	return n;
}

/* A send() that has timed out must be made again with the same bytes: v still begins with them. */
bool stream_write(struct conn *c, struct iovec *v, int count)
{
	int64_t deadline = 0;
	int r;

	conn_use_up(&v, &count, 0); /* an empty record would be an error to OpenSSL */
	while (count) {
		Py_ssize_t n = send_first_of(c, v, count);

		if (n >= 0) {
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

int64_t stream_send_file(struct conn *c, int file, int64_t count)
{
	char *buf = malloc(RECORD);
	int64_t sent = 0;

	if (!buf) {
		PyErr_NoMemory();
		c->broken = true;
	}
	while (sent < count && !c->broken) {
		ssize_t n = read(file, buf, count - sent < RECORD ? (size_t)(count - sent) : RECORD);
		struct iovec v = { buf, (size_t)n };

		if (n <= 0)
			break;
		if (conn_write(c, &v, 1))
			sent += n;
	}
	free(buf);
	return c->broken ? -1 : sent;
}

/* What the peer does to a goodbye is nobody's concern; but a signal's handler may have raised as well. */
static bool is_of_the_peer(void)
{
	return PyErr_ExceptionMatches(PyExc_OSError) || PyErr_ExceptionMatches(PyExc_ValueError);
}

void stream_end(struct conn *c)
{
	PyObject *kind, *value, *trace, *done = NULL;

	PyErr_Fetch(&kind, &value, &trace);
	/* The peer's own is not waited for: without a timeout unwrap() raises where it would wait. */
	if ((!c->broken || c->refused) && !kind) {
		done = PyObject_CallMethod(c->stream, "settimeout", "i", 0);
		Py_XDECREF(done);
		done = done ? PyObject_CallMethod(c->stream, "unwrap", NULL) : NULL;
		Py_XDECREF(done);
		if (!done && is_of_the_peer())
			PyErr_Clear();
	}
	if (PyErr_Occurred())
		PyErr_Fetch(&kind, &value, &trace);
	done = PyObject_CallMethod(c->stream, "settimeout", "O", Py_None);
	Py_XDECREF(done);
	if (!done && (kind || is_of_the_peer()))
		PyErr_Clear();
	if (kind)
		PyErr_Restore(kind, value, trace);
	c->stream = NULL;
}
