/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections that an application takes over, to speak another protocol on them: environ['syncless.hijack'] of a
 * request that asks for an Upgrade and has no body.  What it gets is a Connection, whose bytes come and go by
 * conn.c, whatever may lie beneath.  Nothing of the server's is written any more; when the application has
 * returned the connection is closed.
 *
 * Other coroutines may still be within recv() or sendall() at that time, with the buffer.  So such a connection
 * goes with the last of them (conn_end).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "http.h"

#include <structmember.h> /* wants Python.h first */

#define LEAST_ROOM 4096 /* for a read: what most messages need, and many connections have */
#define MOST_ROOM 65536 /* when they come fast */
#define LONGEST_TICK_NS (3600 * INT64_C(1000000000))
#define NEVER INT64_MAX

typedef struct {
	PyObject_HEAD struct conn *conn; /* NULL: the request is over */
	PyObject *server;		 /* which must outlive the calls that are inside */
	PyObject *stream;		 /* of TLS, likewise; NULL: none */
	PyObject *on_stop, *on_end;	 /* callables, or NULL */
	bool is_taken, receives;
	bool is_cut;	 /* TLS has been ended: nothing comes any more */
	size_t room;	 /* for the next read */
	int64_t tick_ns; /* SO_RCVTIMEO */
} Connection;

static PyTypeObject *connection_type;

/* --- Its life. */

static PyObject *take(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = { "stop", "end", NULL };
	PyObject *on_stop = Py_None, *on_end = Py_None;
	Connection *t = (Connection *)self;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:hijack", words, &on_stop, &on_end))
		return NULL;
	if (!t->conn || t->is_taken || t->conn->sent)
		return PyErr_Format(PyExc_RuntimeError, "the connection cannot be taken over %s",
				    !t->conn	  ? "after the request's end"
				    : t->is_taken ? "twice"
						  : "when an answer has begun"),
		       NULL;
	t->is_taken = t->conn->is_taken = true;
	workers_leave(t->conn);
	Py_INCREF(on_stop);
	Py_INCREF(on_end);
	t->on_stop = on_stop;
	t->on_end = on_end;
	Py_INCREF(self);
	return self;
}

bool hijack_offer(struct conn *c, const struct head *h, PyObject *env)
{
	static PyMethodDef method = {
		"hijack", (PyCFunction)(void (*)(void))take, METH_VARARGS | METH_KEYWORDS,
		"hijack(stop=None, end=None): takes the connection over; a Connection.\n\n"
		"stop()       is called when the server stops; it must not wait\n"
		"end(error)   is called when the application has returned, or has raised error (else None).\n"
		"             True: the error needs no log"
	};
	Connection *t;
	PyObject *call;
	int r = -1;

	if (!h->upgrades || h->minor == 0 || h->chunked || h->content_length > 0 ||
	    !PyDict_GetItemString(env, "HTTP_UPGRADE"))
		return true;
	t = PyObject_New(Connection, connection_type);
	if (!t)
		return false;
	t->conn = c;
	t->server = (PyObject *)c->server;
	Py_INCREF(t->server);
	t->stream = c->stream;
	Py_XINCREF(t->stream);
	t->on_stop = t->on_end = NULL;
	t->is_taken = t->receives = t->is_cut = false;
	t->room = LEAST_ROOM;
	t->tick_ns = TICK_NS;
	c->hijack = (PyObject *)t;
	call = PyCFunction_New(&method, c->hijack);
	if (call)
		r = PyDict_SetItemString(env, "syncless.hijack", call);
	Py_XDECREF(call);
	return r == 0;
}

static void set_tick(Connection *t, int64_t ns)
{
	struct timeval tick = { .tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000 };

	if (setsockopt(t->conn->fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick)) == 0)
		t->tick_ns = ns;
}

/* Asks the application's side to end.  True: what it has raised, if anything, needs no log. */
static bool tell_end(Connection *t, PyObject *error)
{
	PyObject *done = PyObject_CallFunctionObjArgs(t->on_end, error, NULL);
	bool is_quiet = done && PyObject_IsTrue(done) == 1;

	Py_XDECREF(done);
	if (!done)
		server_log_error(t->conn->server, "the end of a connection has failed", NULL);
	return is_quiet;
}

void hijack_end(struct conn *c, PyObject *env)
{
	Connection *t = (Connection *)c->hijack;
	PyObject *kind, *value, *trace;
	bool is_quiet = false;

	if (!t)
		return;
	PyErr_Fetch(&kind, &value, &trace);
	PyErr_NormalizeException(&kind, &value, &trace);
	if (t->is_taken && t->on_end != Py_None)
		is_quiet = tell_end(t, value ? value : Py_None);
	PyErr_Restore(kind, value, trace);
	if (t->is_taken && kind && PyErr_ExceptionMatches(PyExc_Exception)) {
		c->server->errors += !is_quiet;
		if (is_quiet)
			PyErr_Clear();
		else
			server_log_error(c->server, "the application has failed", env);
	}
	if (t->is_taken)
		set_tick(t, TICK_NS); /* for linger() */
	t->conn = NULL;
	Py_CLEAR(t->on_stop); /* they know who has t, as a rule, and no collector looks here */
	Py_CLEAR(t->on_end);
	c->hijack = NULL;
	Py_DECREF(t);
}

void hijack_stop(struct server *s)
{
	PyObject *calls = PyList_New(0);

	for (struct conn *c = s->conns; calls && c; c = c->next) {
		Connection *t = (Connection *)c->hijack;

		if (t && t->is_taken && t->on_stop != Py_None && PyList_Append(calls, t->on_stop) < 0)
			break;
	}
	for (Py_ssize_t i = 0; calls && i < PyList_Size(calls); i++) {
		PyObject *done = PyObject_CallFunctionObjArgs(PyList_GetItem(calls, i), NULL);

		if (!done)
			server_log_error(s, "a connection was not told that the server stops", NULL);
		Py_XDECREF(done);
	}
	Py_XDECREF(calls);
}

PyObject *hijack_start_response(struct conn *c, PyObject *status, PyObject *headers)
{
	PyObject *module, *socket;

	if (!PyUnicode_Check(status) || PyUnicode_CompareWithASCIIString(status, "WebSocket") != 0)
		return NULL;
	PyErr_Clear();
	module = PyImport_ImportModule("syncless.websocket");
	socket = module ? PyObject_CallMethod(module, "_start_response", "OO", c->env, headers) : NULL;
	Py_XDECREF(module);
	return socket;
}

/* --- Its bytes. */

/* The connection, for a call that may wait; NULL with an exception: there is none. */
static struct conn *enter(Connection *t)
{
	if (!t->conn)
		PyErr_SetString(PyExc_ConnectionError, "the request is over, and the connection with it");
	else
		t->conn->users++;
	return t->conn;
}

static void leave(struct conn *c)
{
	c->users--;
	conn_end(c);
}

/* In nanoseconds of clock_ns(); false with an exception. */
static bool read_deadline(PyObject *o, int64_t *deadline)
{
	double seconds = o == Py_None ? INFINITY : PyFloat_AsDouble(o);

	if (PyErr_Occurred())
		return false;
	*deadline = seconds < 9e9 ? (int64_t)(seconds * 1e9) : NEVER;
	return true;
}

/* recv() comes up for air when the deadline has passed, and not much later; over TLS once in TICK_MS. */
static void tick_for(Connection *t, int64_t deadline)
{
	int64_t left = deadline == NEVER ? LONGEST_TICK_NS : deadline - clock_ns();

	if (t->stream)
		return;
	if (left < 1000000)
		left = 1000000;
	if (left > LONGEST_TICK_NS)
		left = LONGEST_TICK_NS;
	if (t->tick_ns < left || t->tick_ns > left + left / 8)
		set_tick(t, left + left / 16);
}

static PyObject *raise_failure(int err)
{
	if (err == EINTR) /* with an exception */
		return NULL;
	if (err == ETIMEDOUT) {
		PyErr_SetString(PyExc_TimeoutError, "nothing has come until the deadline");
		return NULL;
	}
	errno = err;
	return PyErr_SetFromErrno(PyExc_OSError);
}

/* The buffer is empty.  One that was large for a while is not kept: there may be many, and quiet ones. */
static bool make_room(Connection *t, struct conn *c)
{
	if (c->room > 2 * t->room) {
		free(c->buf);
		c->buf = NULL;
		c->room = 0;
	}
	c->begin = c->end = 0;
	return conn_make_room(c, t->room);
}

/* False: with an exception. */
static bool fill(Connection *t, struct conn *c, int64_t deadline)
{
	ssize_t n;

	if (!make_room(t, c))
		return false;
	tick_for(t, deadline);
	t->receives = true;
	n = conn_fill(c, deadline);
	t->receives = false;
	if (n < 0)
		raise_failure((int)-n);
	else if ((size_t)n == c->room && t->room < MOST_ROOM)
		t->room *= 2;
	else if ((size_t)n < t->room / 4 && t->room > LEAST_ROOM)
		t->room /= 2;
	return n >= 0;
}

/* recv(size, deadline=None) */
static PyObject *connection_recv(PyObject *self, PyObject *args)
{
	Connection *t = (Connection *)self;
	PyObject *until = Py_None, *result = NULL;
	int64_t deadline;
	Py_ssize_t size;
	struct conn *c;

	if (!PyArg_ParseTuple(args, "n|O:recv", &size, &until) || !read_deadline(until, &deadline))
		return NULL;
	if (size <= 0 || t->receives)
		return PyErr_Format(PyExc_ValueError, size <= 0 ? "recv() wants a size above 0"
								: "another coroutine is in recv()"),
		       NULL;
	c = enter(t);
	if (!c)
		return NULL;
	if (t->is_cut || c->begin < c->end || fill(t, c, deadline)) {
		if ((size_t)size > c->end - c->begin)
			size = (Py_ssize_t)(c->end - c->begin);
		result = PyBytes_FromStringAndSize(c->buf + c->begin, size);
		c->begin += (size_t)size;
	}
	leave(c);
	return result;
}

/* sendall(data, more=b'') */
static PyObject *connection_sendall(PyObject *self, PyObject *args)
{
	const char *data, *more = "";
	Py_ssize_t size, more_size = 0;
	struct iovec v[2];
	struct conn *c;
	bool ok;

	if (!PyArg_ParseTuple(args, "y#|y#:sendall", &data, &size, &more, &more_size))
		return NULL;
	c = enter((Connection *)self);
	if (!c)
		return NULL;
	v[0] = (struct iovec){ (void *)data, (size_t)size };
	v[1] = (struct iovec){ (void *)more, (size_t)more_size };
	ok = conn_write(c, v, more_size ? 2 : 1);
	if (ok)
		c->sent += (uint64_t)(size + more_size);
	leave(c);
	if (!ok && !PyErr_Occurred())
		PyErr_SetString(PyExc_ConnectionError, "the client is gone, or takes nothing more");
	if (!ok)
		return NULL;
	Py_RETURN_NONE;
}

/* shutdown(how) */
static PyObject *connection_shutdown(PyObject *self, PyObject *args)
{
	Connection *t = (Connection *)self;
	int how;

	if (!PyArg_ParseTuple(args, "i:shutdown", &how))
		return NULL;
	if (how == SHUT_WR && t->conn && t->conn->stream && !t->conn->users) {
		stream_end(t->conn);
		t->is_cut = true;
		if (PyErr_Occurred())
			return NULL;
	}
	if (t->conn && shutdown(t->conn->fd, how) < 0 && errno != ENOTCONN)
		return PyErr_SetFromErrno(PyExc_OSError);
	Py_RETURN_NONE;
}

static PyObject *connection_stopping(PyObject *self, void *unused)
{
	(void)unused;
	return PyBool_FromLong(((struct server *)((Connection *)self)->server)->stopping);
}

static void connection_dealloc(PyObject *self)
{
	Connection *t = (Connection *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(t->server);
	Py_XDECREF(t->stream);
	Py_XDECREF(t->on_stop);
	Py_XDECREF(t->on_end);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{ "recv", connection_recv, METH_VARARGS,
	  "recv(size, deadline=None): bytes, at least one and size at most, b'' at the end.  deadline: of "
	  "time.monotonic(), in seconds; TimeoutError when it has passed.  One coroutine at a time may be in "
	  "it." },
	{ "sendall", connection_sendall, METH_VARARGS,
	  "sendall(data, more=b''): writes both (bytes).  ConnectionError: the client is gone, or has taken "
	  "nothing for the server's write_seconds." },
	{ "shutdown", connection_shutdown, METH_VARARGS,
	  "shutdown(how): as of a socket; SHUT_RDWR ends the calls that wait.  Over TLS nothing is received "
	  "after SHUT_WR." },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef getters[] = {
	{ "stopping", connection_stopping, NULL, "the server stops (bool)", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

int hijack_init(PyObject *module)
{
	static PyType_Slot slots[] = {
		{ Py_tp_doc, (void *)"A connection that an application has taken over." },
		{ Py_tp_dealloc, connection_dealloc },
		{ Py_tp_methods, methods },
		{ Py_tp_getset, getters },
		{ 0, NULL },
	};
	static PyType_Spec spec = { "syncless.wsgi.Connection", sizeof(Connection), 0, Py_TPFLAGS_DEFAULT,
				    slots };

	connection_type = add_type(module, "Connection", &spec);
	return connection_type ? 0 : -1;
}
