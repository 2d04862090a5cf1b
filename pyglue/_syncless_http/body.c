/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of a request, and wsgi.input.  Chunks are taken apart here: http-parser, as it is packaged, does not
 * look at the CRLF behind a chunk, and two servers could disagree on where a request ends.  Trailers are
 * dropped.
 *
 * What goes wrong is an OSError for the application, and the connection's last request.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "http.h"

#define READ_BYTES 16384  /* room for one read */
#define LONGEST_LINE 4096 /* of a chunk's size, or of a trailer */

static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

static bool fail(struct body *b, int status)
{
	b->error = status;
	b->over = true;
	b->conn->broken = b->conn->broken || status == 0;
	return false;
}

/* More into the connection's buffer; false: the body is over, with an error. */
static bool fill(struct body *b)
{
	struct conn *c = b->conn;
	ssize_t n;

	if (b->wants_continue) {
		struct iovec v = { (void *)go_on, sizeof(go_on) - 1 };

		b->wants_continue = false;
		if (!conn_write(c, &v, 1))
			return fail(b, 0);
	}
	if (!conn_make_room(c, READ_BYTES))
		return fail(b, 500);
	n = conn_fill(c, clock_ns() + c->server->limits.body_ns);
	if (n > 0)
		return true;
	return fail(b, n == -ETIMEDOUT ? 408 : n == 0 ? 400 : 0);
}

/* The next line of a chunked body, without its CRLF; it stands in the buffer until the next fill(). */
static bool take_line(struct body *b, struct span *line)
{
	struct conn *c = b->conn;
	size_t looked = 0;

	for (;;) {
		const char *p = c->buf + c->begin, *lf = memchr(p + looked, '\n', c->end - c->begin - looked);

		if (lf) {
			if (lf == p || lf[-1] != '\r' || memchr(p, '\r', (size_t)(lf - p - 1)) ||
			    memchr(p, '\0', (size_t)(lf - p)))
				return fail(b, 400);
			*line = (struct span){ p, (size_t)(lf - p - 1) };
			c->begin += (size_t)(lf - p) + 1;
			return true;
		}
		looked = c->end - c->begin;
		if (looked > LONGEST_LINE)
			return fail(b, 400);
		if (!fill(b))
			return false;
	}
}

/* size [; extension] */
static int64_t read_size(struct span line)
{
	int64_t size = 0;
	size_t i;

	for (i = 0; i < line.n && hex_digit(line.p[i]) >= 0; i++) {
		if (i == 15)
			return -1;
		size = size * 16 + hex_digit(line.p[i]);
	}
	if (i == 0 || (i < line.n && line.p[i] != ';'))
		return -1;
	return size;
}

static bool drop_trailers(struct body *b)
{
	int64_t room = b->conn->server->limits.head_bytes;
	struct span line;

	do {
		if (!take_line(b, &line))
			return false;
		room -= (int64_t)line.n + 2;
		if (room < 0)
			return fail(b, 431);
	} while (line.n);
	b->over = true;
	return true;
}

/* To the next chunk's bytes, or to the end. */
static bool begin_chunk(struct body *b)
{
	int64_t most = b->conn->server->limits.body_bytes;
	struct span line;

	if (b->in_chunks && (!take_line(b, &line) || (line.n && !fail(b, 400))))
		return false;
	if (!take_line(b, &line))
		return false;
	b->left = read_size(line);
	if (b->left < 0)
		return fail(b, 400);
	if (b->left == 0)
		return drop_trailers(b);
	b->in_chunks = true;
	b->total += b->left;
	return b->total <= most || fail(b, 413);
}

/* The next bytes of the body, `most` at most, as they stand in the buffer until the next call.  False: it is
 * over. */
static bool take(struct body *b, size_t most, struct span *bytes)
{
	struct conn *c = b->conn;

	if (b->over)
		return false;
	if (b->chunked && b->left == 0 && (!begin_chunk(b) || b->over))
		return false;
	if (c->begin == c->end && !fill(b))
		return false;
	bytes->p = c->buf + c->begin;
	bytes->n = c->end - c->begin;
	if (bytes->n > most)
		bytes->n = most;
	if ((int64_t)bytes->n > b->left)
		bytes->n = (size_t)b->left;
	c->begin += bytes->n;
	b->left -= (int64_t)bytes->n;
	b->over = !b->chunked && b->left == 0;
	return true;
}

bool body_discard(struct body *b)
{
	int64_t room = b->conn->server->limits.discard_bytes;
	struct span s;

	if (b->over)
		return b->error == 0;
	if (b->wants_continue) /* and what comes next, the body or another request, nobody can know */
		return false;
	while (take(b, SIZE_MAX, &s)) {
		room -= (int64_t)s.n;
		if (room < 0)
			return false;
	}
	return b->error == 0;
}

/* --- wsgi.input */

typedef struct {
	PyObject_HEAD struct body *body; /* NULL: there is none, or no longer */
} Input;

PyTypeObject *input_type;

PyObject *input_new(struct body *body)
{
	Input *in = PyObject_New(Input, input_type);

	if (in)
		in->body = body;
	return (PyObject *)in;
}

void input_end(PyObject *input)
{
	((Input *)input)->body = NULL;
}

static void input_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	PyObject_Free(self);
	Py_DECREF(type);
}

/* What a read() or readline() has gathered. */
struct gathered {
	char *p;
	size_t n, room;
};

static bool gather(struct gathered *g, struct span s)
{
	if (g->n + s.n > g->room) {
		size_t room = g->room ? g->room : 8192;
		char *p;

		while (room < g->n + s.n)
			room *= 2;
		p = realloc(g->p, room);
		if (!p)
			return false;
		g->p = p;
		g->room = room;
	}
	memcpy(g->p + g->n, s.p, s.n);
	g->n += s.n;
	return true;
}

static PyObject *raise_error(struct body *b)
{
	const char *why =
		b->error == 413	  ? "the request's body is longer than the server allows"
		: b->error == 408 ? "the client has sent nothing for too long"
		: b->error == 0
			? "the connection was lost"
			: "the client has sent a broken body, or has closed the connection in the midst of it";

	if (!PyErr_Occurred())
		PyErr_SetString(PyExc_OSError, why);
	return NULL;
}

/* Up to n bytes, or to the end of a line. */
static PyObject *collect(Input *in, int64_t n, bool to_newline)
{
	struct gathered g = { NULL, 0, 0 };
	struct body *b = in->body;
	PyObject *result = NULL;
	struct span s;

	while (b && (n < 0 || (int64_t)g.n < n)) {
		const char *lf;

		if (!take(b, n < 0 ? SIZE_MAX : (size_t)(n - (int64_t)g.n), &s))
			break;
		lf = to_newline ? memchr(s.p, '\n', s.n) : NULL;
		if (lf) {
			size_t more = (size_t)(s.p + s.n - lf - 1); /* back to where it was */

			s.n -= more;
			b->conn->begin -= more;
			b->left += (int64_t)more;
			b->over = b->over && more == 0;
		}
		if (!gather(&g, s)) {
			PyErr_NoMemory();
			goto out;
		}
		if (lf)
			break;
	}
	if (b && b->over && b->error | (b->conn->broken && b->left))
		raise_error(b);
	else
		result = PyBytes_FromStringAndSize(g.p, (Py_ssize_t)g.n);
out:
	free(g.p);
	return result;
}

static bool read_count(PyObject *args, int64_t *n)
{
	PyObject *o = NULL;

	*n = -1;
	if (!PyArg_ParseTuple(args, "|O", &o))
		return false;
	if (o && o != Py_None)
		*n = PyLong_AsLongLong(o);
	return !PyErr_Occurred();
}

static PyObject *input_read(PyObject *self, PyObject *args)
{
	int64_t n;

	return read_count(args, &n) ? collect((Input *)self, n, false) : NULL;
}

static PyObject *input_readline(PyObject *self, PyObject *args)
{
	int64_t n;

	return read_count(args, &n) ? collect((Input *)self, n, true) : NULL;
}

static PyObject *input_next(PyObject *self)
{
	PyObject *line = collect((Input *)self, -1, true);

	if (line && PyBytes_Size(line) == 0)
		Py_CLEAR(line);
	return line;
}

static PyObject *input_readlines(PyObject *self, PyObject *args)
{
	PyObject *lines = PyList_New(0), *line;
	int64_t hint, n = 0;

	if (!lines || !read_count(args, &hint))
		goto bad;
	while ((hint <= 0 || n < hint) && (line = input_next(self)) != NULL) {
		int r = PyList_Append(lines, line);

		n += PyBytes_Size(line);
		Py_DECREF(line);
		if (r < 0)
			goto bad;
	}
	if (!PyErr_Occurred())
		return lines;
bad:
	Py_XDECREF(lines);
	return NULL;
}

static PyObject *input_iter(PyObject *self)
{
	Py_INCREF(self);
	return self;
}

static PyMethodDef methods[] = {
	{ "read", input_read, METH_VARARGS,
	  "read(size=-1): bytes of the body, size at most, all of the rest if it is negative; b'' at its "
	  "end." },
	{ "readline", input_readline, METH_VARARGS,
	  "readline(size=-1): bytes to the end of a line, size at most." },
	{ "readlines", input_readlines, METH_VARARGS,
	  "readlines(hint=-1): a list of lines, about hint bytes if it is positive." },
	{ NULL, NULL, 0, NULL },
};

int input_init(PyObject *module)
{
	static PyType_Slot slots[] = {
		{ Py_tp_doc, (void *)"The body of a request.  OSError: the client broke it off, or it is "
				     "longer than allowed." },
		{ Py_tp_dealloc, input_dealloc },
		{ Py_tp_methods, methods },
		{ Py_tp_iter, input_iter },
		{ Py_tp_iternext, input_next },
		{ 0, NULL },
	};
	static PyType_Spec spec = { "syncless.wsgi.Input", sizeof(Input), 0, Py_TPFLAGS_DEFAULT, slots };

	input_type = add_type(module, "Input", &spec);
	return input_type ? 0 : -1;
}
