/* SPDX-License-Identifier: Apache-2.0
 *
 * What the application answers.  The object Response is its start_response(); it gathers the head, which goes
 * out together with the first bytes of the body.  How the body's end is told: by Content-Length, the
 * application's or, for a list, ours; else by chunks; else, to a client of HTTP/1.0, by the end of the
 * connection.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "http.h"

#define JOINED_MOST 4096 /* bytes of a body that go out in one piece with what is before them */

typedef struct {
	PyObject_HEAD struct conn *conn; /* NULL: the request is over */
	struct body *body;		 /* of the request, as long as there is one */
	char *head;			 /* with what is sent along */
	size_t size, room; /* of it */
	int status;
	int64_t length; /* Content-Length; -1: none was given */
	int minor;
	bool is_head, keep_alive;
	bool started, is_sent, chunked;
	bool no_body; /* by its status */
	bool has_date, has_server;
	char first[256]; /* head's, as long as it is enough */
} Response;

PyTypeObject *response_type;

/* What the limited API of 3.9 lacks and every CPython has: of a str that is ASCII, its own bytes.  May be NULL. */
static const char *(*utf8_of)(PyObject *o, Py_ssize_t *n);

/* --- The head. */

/* Room for n more bytes. */
static bool reserve(Response *r, size_t n)
{
	size_t room = r->room;
	char *head;

	if (LIKELY(r->size + n <= room))
		return true;
	while (room < r->size + n)
		room *= 2;
	head = realloc(r->head == r->first ? NULL : r->head, room);
	if (!head) {
		PyErr_NoMemory();
		return false;
	}
	if (r->head == r->first)
		memcpy(head, r->first, r->size);
	r->head = head;
	r->room = room;
	return true;
}

static void put(Response *r, const char *p, size_t n)
{
	memcpy(r->head + r->size, p, n);
	r->size += n;
}

static bool append(Response *r, const char *p, size_t n)
{
	if (!reserve(r, n))
		return false;
	put(r, p, n);
	return true;
}

static bool append_text(Response *r, const char *s)
{
	return append(r, s, strlen(s));
}

/* A str as bytes: its own, or in *bytes (a new reference).  False with an exception. */
static bool latin1(PyObject *o, const char *what, PyObject **bytes, struct span *s)
{
	const char *own;
	char *p;
	Py_ssize_t n;

	*bytes = NULL;
	if (!PyUnicode_Check(o)) {
		PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", what, o);
		return false;
	}
	own = utf8_of ? utf8_of(o, &n) : NULL;
	if (LIKELY(own && n == PyUnicode_GetLength(o))) {
		*s = (struct span){ own, (size_t)n };
		return true;
	}
	PyErr_Clear();
	*bytes = PyUnicode_AsLatin1String(o);
	if (!*bytes || PyBytes_AsStringAndSize(*bytes, &p, &n) < 0)
		return false;
	*s = (struct span){ p, (size_t)n };
	return true;
}

/* PEP 3333: what concerns the connection is the server's to say.  Connection and Keep-Alive, which many
 * applications set, are dropped, and an application may ask for the connection's end; the others would change
 * what its bytes mean.  A 426 is about Upgrade. */
static bool is_dropped(Response *r, struct span name, struct span value)
{
	if (name.n != 10 || (r->status == 426 && span_is(value, "upgrade")))
		return false;
	if (!span_is(name, "connection"))
		return span_is(name, "keep-alive");
	if (span_is(value, "close"))
		r->keep_alive = false;
	return true;
}

static bool is_hop_by_hop(const Response *r, struct span name)
{
	switch (name.n) {
	case 2:
		return span_is(name, "te");
	case 7:
		return span_is(name, "trailer") || (span_is(name, "upgrade") && r->status != 426);
	case 8:
		return span_is(name, "trailers");
	case 17:
		return span_is(name, "transfer-encoding");
	case 18:
		return span_is(name, "proxy-authenticate");
	case 19:
		return span_is(name, "proxy-authorization");
	default:
		return false;
	}
}

static bool read_length(Response *r, struct span value)
{
	bool is_second = r->length >= 0;

	r->length = span_number(value);
	if (r->length >= 0 && !is_second)
		return true;
	PyErr_SetString(PyExc_ValueError, "Content-Length must be a number, and stand once");
	return false;
}

static bool append_field(Response *r, struct span name, struct span value)
{
	if (!span_is_token(name) || span_has_controls(value)) {
		PyErr_Format(PyExc_ValueError,
			     "no header can be made of a name or value like this one's, from %.60s",
			     span_is_token(name) ? name.p : "(no name)");
		return false;
	}
	if (is_dropped(r, name, value))
		return true;
	if (is_hop_by_hop(r, name)) {
		PyErr_Format(PyExc_ValueError,
			     "%s concerns the connection, which is the server's: leave this header out",
			     name.p);
		return false;
	}
	if (name.n == 14 && span_is(name, "content-length")) {
		if (!read_length(r, value))
			return false;
		if (r->no_body)
			return true;
	}
	r->has_date = r->has_date || (name.n == 4 && span_is(name, "date"));
	r->has_server = r->has_server || (name.n == 6 && span_is(name, "server"));
	if (!reserve(r, name.n + value.n + 4))
		return false;
	put(r, name.p, name.n);
	put(r, ": ", 2);
	put(r, value.p, value.n);
	put(r, "\r\n", 2);
	return true;
}

static bool append_pair(Response *r, PyObject *pair)
{
	PyObject *name_bytes = NULL, *value_bytes = NULL;
	struct span name, value;
	bool ok = false;

	if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2)
		PyErr_Format(PyExc_TypeError, "headers must be tuples of two strings, not %R", pair);
	else
		ok = latin1(PyTuple_GetItem(pair, 0), "a header's name", &name_bytes, &name) &&
		     latin1(PyTuple_GetItem(pair, 1), "a header's value", &value_bytes, &value) &&
		     append_field(r, name, value);
	Py_XDECREF(name_bytes);
	Py_XDECREF(value_bytes);
	return ok;
}

static bool append_status(Response *r, PyObject *status)
{
	PyObject *bytes;
	struct span s;
	bool ok = latin1(status, "the status", &bytes, &s);

	/* One of 1xx is no answer yet. */
	if (ok && (s.n < 4 || s.p[0] < '2' || s.p[0] > '5' || s.p[1] < '0' || s.p[1] > '9' || s.p[2] < '0' ||
		   s.p[2] > '9' || s.p[3] != ' ' || span_has_controls(s))) {
		PyErr_Format(PyExc_ValueError, "the status must be like '200 OK', not %R", status);
		ok = false;
	}
	if (ok) {
		r->status = (s.p[0] - '0') * 100 + (s.p[1] - '0') * 10 + (s.p[2] - '0');
		r->no_body = r->status == 204 || r->status == 304;
		ok = append_text(r, "HTTP/1.1 ") && append(r, s.p, s.n) && append(r, "\r\n", 2);
	}
	Py_XDECREF(bytes);
	return ok;
}

/* Raises what exc_info has. */
static PyObject *raise_again(PyObject *exc_info)
{
	PyObject *kind, *value, *trace;

	if (!PyArg_ParseTuple(exc_info, "OOO", &kind, &value, &trace))
		return NULL;
	Py_INCREF(kind);
	Py_INCREF(value);
	Py_INCREF(trace);
	PyErr_Restore(kind, value, trace == Py_None ? NULL : trace);
	if (trace == Py_None)
		Py_DECREF(trace);
	return NULL;
}

static PyObject *response_write(PyObject *self, PyObject *data);
static PyMethodDef write_def = { "write", response_write, METH_O,
				 "write(data): sends bytes of the body; for applications that do not return "
				 "them." };

/* start_response(status, headers, exc_info=None) */
static PyObject *response_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = { "status", "headers", "exc_info", NULL };
	PyObject *status, *headers, *exc_info = Py_None;
	Response *r = (Response *)self;
	Py_ssize_t n;

	if (LIKELY(!kwargs && PyTuple_Size(args) == 2)) {
		status = PyTuple_GetItem(args, 0);
		headers = PyTuple_GetItem(args, 1);
	} else if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:start_response", words, &status, &headers,
						&exc_info)) {
		return NULL;
	}
	if (!r->conn)
		return PyErr_Format(PyExc_RuntimeError, "start_response() was called after the request's end"),
		       NULL;
	if (r->conn->is_taken) /* by a framework that always answers */
		return PyCFunction_New(&write_def, self);
	if (exc_info != Py_None && r->is_sent)
		return raise_again(exc_info);
	if (exc_info == Py_None && r->started)
		return PyErr_Format(PyExc_RuntimeError, "start_response() was called again, without exc_info"),
		       NULL;
	if (!PyList_Check(headers))
		return PyErr_Format(PyExc_TypeError, "headers must be a list, not %R", headers), NULL;
	r->size = 0;
	r->length = -1;
	r->started = r->has_date = r->has_server = false;
	if (!append_status(r, status))
		return hijack_start_response(r->conn, status, headers);
	n = PyList_Size(headers);
	for (Py_ssize_t i = 0; i < n; i++)
		if (!append_pair(r, PyList_GetItem(headers, i)))
			return NULL;
	r->started = true;
	return PyCFunction_New(&write_def, self);
}

/* The end of the head.  total: how long the body is, -1 if nobody knows. */
static bool finish_head(Response *r, int64_t total)
{
	struct server *s = r->conn->server;
	struct span stamp = server_stamp(s);
	char line[64];

	if (r->length < 0 && !r->no_body) {
		if (total > 0 || (total == 0 && !r->is_head)) { /* to a HEAD, some return nothing */
			snprintf(line, sizeof(line), "Content-Length: %lld\r\n", (long long)total);
			r->length = total;
		} else if (total < 0 && r->minor == 1) {
			snprintf(line, sizeof(line), "Transfer-Encoding: chunked\r\n");
			r->chunked = true;
		} else {
			*line = '\0';
			r->keep_alive = r->keep_alive && r->is_head;
		}
		if (!append_text(r, line))
			return false;
	}
	if (r->has_server) /* the application's own */
		stamp = (struct span){ s->stamp + s->date_at, s->stamp_size - s->date_at };
	if (r->has_date)
		stamp = (struct span){ s->stamp, r->has_server ? 0 : s->date_at };
	r->keep_alive = body_answered(r->body) && r->keep_alive && !s->stopping;
	r->is_sent = true;
	return append(r, stamp.p, stamp.n) && append_text(r, !r->keep_alive  ? "Connection: close\r\n\r\n"
							     : r->minor == 0 ? "Connection: keep-alive\r\n\r\n"
									     : "\r\n");
}

/* --- The body. */

static bool lacks_start(Response *r)
{
	bool lacks = !r->started && !r->conn->is_taken;

	if (lacks)
		PyErr_SetString(PyExc_RuntimeError, "the application has not called start_response()");
	return lacks;
}

static bool has_no_body(const Response *r)
{
	return r->is_head || r->no_body;
}

/* What is in `head`, and n bytes of the body in their frame. */
static bool write_piece(Response *r, const char *p, size_t n, bool last)
{
	bool framed = n && r->chunked, joined = n <= JOINED_MOST;
	struct iovec v[3];
	char size[24];
	int count = 0;

	if (framed && !append(r, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", n)))
		return false;
	if (joined && (!append(r, p, n) || (framed && !append(r, "\r\n", 2))))
		return false;
	if (r->size)
		v[count++] = (struct iovec){ r->head, r->size };
	if (!joined)
		v[count++] = (struct iovec){ (void *)p, n };
	if (!joined && framed)
		v[count++] = (struct iovec){ "\r\n", 2 };
	return !count || (last ? conn_write_last : conn_write)(r->conn, v, count);
}

/* A piece of the body, and the head if it is due.  last: it is all there is. */
static bool send_piece(Response *r, const char *p, size_t n, bool last)
{
	struct conn *c = r->conn;
	bool over = false;

	if (c->is_taken)
		return true;
	if (r->is_sent)
		r->size = 0;
	else if (!finish_head(r, last ? (int64_t)n : -1))
		return false;
	if (has_no_body(r)) {
		n = 0;
	} else if (r->length >= 0 && (int64_t)(c->sent + n) > r->length) {
		n = (size_t)(r->length - (int64_t)c->sent);
		over = true;
	}
	c->sent += n;
	if (!write_piece(r, p, n, last))
		return false;
	if (over)
		PyErr_SetString(PyExc_ValueError, "the application has sent more than its Content-Length");
	return !over;
}

static bool bytes_of(PyObject *o, struct span *s)
{
	char *p;
	Py_ssize_t n;

	if (!PyBytes_Check(o)) {
		PyErr_Format(PyExc_TypeError, "the body must consist of bytes, not %R", o);
		return false;
	}
	if (PyBytes_AsStringAndSize(o, &p, &n) < 0)
		return false;
	*s = (struct span){ p, (size_t)n };
	return true;
}

/* write(data), the callable that start_response() returns */
static PyObject *response_write(PyObject *self, PyObject *data)
{
	Response *r = (Response *)self;
	struct span s;

	if (!r->conn)
		return PyErr_Format(PyExc_RuntimeError, "write() was called after the request's end"), NULL;
	if (lacks_start(r) || !bytes_of(data, &s))
		return NULL;
	if (!send_piece(r, s.p, s.n, false)) {
		if (!PyErr_Occurred())
			PyErr_SetString(PyExc_OSError,
					"the client has closed the connection, or takes nothing more");
		return NULL;
	}
	Py_RETURN_NONE;
}

static bool send_each(Response *r, PyObject *result)
{
	PyObject *iterator = PyObject_GetIter(result), *item;
	bool ok = iterator != NULL;
	struct span s;

	while (ok && (item = PyIter_Next(iterator)) != NULL) {
		/* The head waits for the first bytes: until then the application may think better of it. */
		ok = bytes_of(item, &s) && (s.n == 0 || (!lacks_start(r) && send_piece(r, s.p, s.n, false)));
		Py_DECREF(item);
	}
	Py_XDECREF(iterator);
	return ok && !PyErr_Occurred();
}

/* A list or tuple: its length is known.  Nothing is joined that is large. */
static bool send_all(Response *r, PyObject *result)
{
	bool is_list = PyList_Check(result);
	Py_ssize_t count = is_list ? PyList_Size(result) : PyTuple_Size(result);
	int64_t total = 0;
	struct span s = { "", 0 };

	for (Py_ssize_t i = 0; i < count; i++) {
		if (!bytes_of(is_list ? PyList_GetItem(result, i) : PyTuple_GetItem(result, i), &s))
			return false;
		total += (int64_t)s.n;
	}
	if (lacks_start(r))
		return false;
	if (r->length >= 0 && total != r->length && !r->is_sent && !has_no_body(r)) {
		PyErr_Format(PyExc_ValueError,
			     "the application has returned %lld bytes, with a Content-Length of %lld",
			     (long long)total, (long long)r->length);
		return false;
	}
	if (count <= 1)
		return send_piece(r, s.p, s.n, true);
	if (r->length < 0 && !r->is_sent && !r->no_body) {
		char line[48];

		r->length = total;
		snprintf(line, sizeof(line), "Content-Length: %lld\r\n", (long long)total);
		if (!append_text(r, line))
			return false;
	}
	return send_each(r, result);
}

/* What begin_body() has not sent: a head without a body, the last chunk.  False: the body is not as it was
 * said. */
static bool end_body(Response *r)
{
	struct conn *c = r->conn;
	struct iovec v = { "0\r\n\r\n", 5 };

	if (lacks_start(r) || (!r->is_sent && !send_piece(r, "", 0, true)))
		return false;
	if (has_no_body(r) || c->is_taken)
		return true;
	if (r->chunked)
		return conn_write_last(c, &v, 1);
	if (r->length >= 0 && (int64_t)c->sent < r->length) {
		PyErr_Format(PyExc_ValueError,
			     "the application has sent %lld bytes, less than its Content-Length, %lld",
			     (long long)c->sent, (long long)r->length);
		return false;
	}
	return true;
}

/* Of a file, what is behind its position; the kernel sends it. */
static bool send_file(Response *r, PyObject *wrapper)
{
	struct conn *c = r->conn;
	int64_t rest, sent;
	struct iovec v;
	int fd = file_wrapper_open(wrapper, &rest);

	if (fd < 0 || r->is_sent)
		return send_each(r, wrapper);
	if (lacks_start(r) || !finish_head(r, rest))
		return false;
	v = (struct iovec){ r->head, r->size };
	if (!conn_write(c, &v, 1))
		return false;
	if (has_no_body(r))
		return true;
	sent = conn_send_file(c, fd, rest < r->length ? rest : r->length);
	c->sent += sent > 0 ? (uint64_t)sent : 0;
	return sent >= 0;
}

/* --- A request's answer. */

static PyObject *response_new(struct conn *c, const struct head *h, struct body *body, bool keep_alive)
{
	Response *r = PyObject_New(Response, response_type);

	if (!r)
		return NULL;
	memset((char *)r + sizeof(PyObject), 0, offsetof(Response, first) - sizeof(PyObject));
	r->conn = c;
	r->body = body;
	r->head = r->first;
	r->room = sizeof(r->first);
	r->length = -1;
	r->minor = h->minor;
	r->is_head = h->is_head;
	r->keep_alive = keep_alive;
	c->sent = 0;
	return (PyObject *)r;
}

static void response_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	Response *r = (Response *)self;

	if (r->head != r->first)
		free(r->head);
	PyObject_Free(self);
	Py_DECREF(type);
}

/* close() of an iterable that has one, whatever happened before; false: it has raised. */
static bool close_result(PyObject *result)
{
	PyObject *kind, *value, *trace, *done;
	bool ok;

	if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) /* their subclasses may have one */
		return true;
	PyErr_Fetch(&kind, &value, &trace);
	done = PyObject_HasAttrString(result, "close") ? PyObject_CallMethod(result, "close", NULL) : Py_None;
	ok = done != NULL;
	if (done && done != Py_None)
		Py_DECREF(done);
	if (kind)
		PyErr_Restore(kind, value, trace);
	return ok;
}

static bool send_result(Response *r, PyObject *result)
{
	bool ok;

	if (PyList_Check(result) || PyTuple_Check(result))
		ok = send_all(r, result);
	else if (Py_TYPE(result) == file_wrapper_type && !r->conn->is_taken)
		ok = send_file(r, result);
	else
		ok = send_each(r, result);
	ok = ok && end_body(r);
	return close_result(result) && ok;
}

/* An exception of the application's: told, and answered if nothing of an answer has gone out. */
static void answer_failure(Response *r, PyObject *env)
{
	struct conn *c = r->conn;
	bool is_exit = !PyErr_ExceptionMatches(PyExc_Exception);
	PyObject *kind, *value, *trace;

	if (is_exit)
		PyErr_Fetch(&kind, &value, &trace);
	else
		server_log_error(c->server, "the application has failed", env);
	c->server->errors++;
	if (!r->is_sent) {
		r->status = 500;
		respond_status(c, 500, r->is_head);
	}
	c->broken = true;
	if (is_exit)
		PyErr_Restore(kind, value, trace);
}

/* An exception that answers the request by itself has a method wsgi_answer(start_response): a refused WebSocket
 * does, which is the client's doing. */
static bool answer_itself(Response *r)
{
	PyObject *kind, *value, *trace, *result = NULL;
	bool ok = false;

	PyErr_Fetch(&kind, &value, &trace);
	PyErr_NormalizeException(&kind, &value, &trace);
	if (value && PyObject_HasAttrString(value, "wsgi_answer")) {
		r->started = false;
		result = PyObject_CallMethod(value, "wsgi_answer", "O", (PyObject *)r);
		ok = result && send_result(r, result);
		Py_XDECREF(result);
		Py_XDECREF(kind);
		Py_XDECREF(value);
		Py_XDECREF(trace);
	} else {
		PyErr_Restore(kind, value, trace);
	}
	return ok;
}

bool respond(struct conn *c, const struct head *h, PyObject *env, struct body *body, bool keep_alive,
	     int *status)
{
	Response *r = (Response *)response_new(c, h, body, keep_alive);
	PyObject *result = r ? PyObject_CallFunctionObjArgs(c->server->app, env, (PyObject *)r, NULL) : NULL;
	bool ok = false;

	if (!r)
		return false;
	if (result)
		ok = send_result(r, result);
	Py_XDECREF(result);
	hijack_end(c, env);
	if (!ok && PyErr_Occurred() && !c->is_taken && !r->is_sent)
		ok = answer_itself(r);
	if (!ok && PyErr_Occurred() && !c->is_taken) {
		if (body->error && !r->is_sent && PyErr_ExceptionMatches(PyExc_OSError)) {
			PyErr_Clear(); /* of wsgi.input: it is the client's doing */
			r->status = body->error;
			respond_status(c, body->error, r->is_head);
			c->broken = true;
		} else {
			answer_failure(r, env);
		}
	}
	ok = ok && r->keep_alive && !c->broken && !c->is_taken;
	*status = c->is_taken ? 101 : r->status;
	r->conn = NULL;
	Py_DECREF(r);
	return ok;
}

static const char *reason_of(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 408:
		return "Request Timeout";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 417:
		return "Expectation Failed";
	case 431:
		return "Request Header Fields Too Large";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Internal Server Error";
	}
}

void respond_status(struct conn *c, int status, bool head_only)
{
	struct span stamp = server_stamp(c->server);
	const char *reason = reason_of(status);
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%.*sConnection: "
			 "close\r\n\r\n%s%s",
			 status, reason, strlen(reason) + 1, (int)stamp.n, stamp.p, head_only ? "" : reason,
			 head_only ? "" : "\n");
	struct iovec v = { text, (size_t)n };

	c->refused = conn_write(c, &v, 1);
}

int response_init(PyObject *module)
{
	static PyType_Slot slots[] = {
		{ Py_tp_doc, (void *)"start_response() of PEP 3333." },
		{ Py_tp_dealloc, response_dealloc },
		{ Py_tp_call, response_call },
		{ 0, NULL },
	};
	static PyType_Spec spec = { "syncless.wsgi.Response", sizeof(Response), 0, Py_TPFLAGS_DEFAULT, slots };

	*(void **)&utf8_of = dlsym(RTLD_DEFAULT, "PyUnicode_AsUTF8AndSize");
	response_type = add_type(module, "Response", &spec);
	return response_type ? 0 : -1;
}
