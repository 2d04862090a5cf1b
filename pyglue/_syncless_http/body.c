/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of a request, and wsgi.input.  What goes wrong with it is an OSError for the application, and the
 * connection's last request.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "http.h"

#define READ_BYTES 16384 /* room for one read */

static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

static bool fail(struct body *b, int status)
{
	b->error = status;
	b->over = true;
	return false;
}

/* There is nobody any more who could be told. */
static bool fail_lost(struct body *b)
{
	b->conn->broken = true;
	return fail(b, 400);
}

/* More into the connection's buffer; false: the body is over, with an error. */
static bool fill(struct body *b)
{
	struct conn *c = b->conn;
	ssize_t n;

	if (b->wants_continue && !b->answered) {
		struct iovec v = { (void *)go_on, sizeof(go_on) - 1 };

		b->wants_continue = false;
		if (!conn_write(c, &v, 1))
			return fail_lost(b);
	}
	if (!conn_make_room(c, READ_BYTES))
		return fail(b, 500);
	n = conn_fill(c, clock_ns() + c->server->limits.body_ns);
	if (n > 0)
		return true;
	return n == -ETIMEDOUT ? fail(b, 408) : n == 0 ? fail(b, 400) : fail_lost(b);
}

/* Over a line between chunks, to the next one's bytes, to another line, or to the end. */
static bool skip_line(struct body *b)
{
	struct conn *c = b->conn;
	ssize_t n;

	while ((n = chunks_line(&b->chunks, c->buf + c->begin, c->end - c->begin)) == 0)
		if (!fill(b))
			return false;
	if (n < 0)
		return fail(b, (int)-n);
	c->begin += (size_t)n;
	b->left = b->chunks.left;
	b->over = b->chunks.next == CHUNKS_OVER;
	return true;
}

/* The next bytes of the body, `most` at most, as they stand in the buffer until the next call.  False: it is
 * over. */
static bool take(struct body *b, size_t most, struct span *bytes)
{
	struct conn *c = b->conn;

	while (b->chunked && !b->over && b->left == 0)
		if (!skip_line(b))
			return false;
	if (b->over || (c->begin == c->end && !fill(b)))
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

bool body_answered(struct body *b)
{
	b->answered = true;
	return !b->wants_continue && (b->chunked || b->left <= b->conn->server->limits.discard_bytes);
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
		: b->conn->broken
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
	if (b && b->error)
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
