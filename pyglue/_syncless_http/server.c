/* SPDX-License-Identifier: Apache-2.0
 *
 * The module _syncless_http: Server, and a connection's requests one after the other.  Listening, accepting,
 * and keeping those who ask nothing for the moment is done in Python (syncless/wsgi): it happens once a
 * connection.
 */
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "http.h"

#include <structmember.h> /* wants Python.h first */

#define LINGER_BYTES (256 << 10)
#define SERVER_NAME "syncless"

struct span server_stamp(struct server *s)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm t;

	if (UNLIKELY(now != s->stamp_second)) {
		gmtime_r(&now, &t);
		s->stamp_size = (size_t)snprintf(s->stamp, sizeof(s->stamp),
						 "Server: " SERVER_NAME
						 "\r\nDate: %s, %02d %s %d %02d:%02d:%02d GMT\r\n",
						 days[t.tm_wday], t.tm_mday, months[t.tm_mon], t.tm_year + 1900,
						 t.tm_hour, t.tm_min, t.tm_sec);
		s->date_at = sizeof("Server: " SERVER_NAME "\r\n") - 1;
		s->stamp_second = now;
	}
	return (struct span){ s->stamp, s->stamp_size };
}

void server_log_error(struct server *s, const char *what, PyObject *env)
{
	PyObject *kind, *value, *trace, *done;

	PyErr_Fetch(&kind, &value, &trace);
	PyErr_NormalizeException(&kind, &value, &trace);
	if (value && trace)
		PyException_SetTraceback(value, trace);
	done = s->log_error == Py_None ? NULL
				       : PyObject_CallFunction(s->log_error, "sOO", what,
							       value ? value : Py_None, env ? env : Py_None);
	if (!done && PyErr_Occurred())
		PyErr_WriteUnraisable(s->log_error);
	Py_XDECREF(done);
	Py_XDECREF(kind);
	Py_XDECREF(value);
	Py_XDECREF(trace);
}

/* --- A connection. */

/* Has it begun as a handshake does, SSL 2.0's included?  No answer of ours would be understood. */
static bool is_tls(const struct conn *c)
{
	unsigned char first = (unsigned char)c->buf[c->begin];

	return c->requests == 0 && (first == 0x16 || first == 0x80);
}

/* The server stops: of requests only those are served that have come already, and the first one of a connection,
 * for which the client cannot have been told; that may take a tick. */
void take_no_more(struct conn *c)
{
	if (c->requests && !c->stream) /* to OpenSSL it would be an error, which the peer is told */
		shutdown(c->fd, SHUT_RD);
}

/* The next request's head.  *size: of it, when REQUEST. */
static enum next read_head(struct conn *c, size_t *size, int *status)
{
	const struct limits *limits = &c->server->limits;
	struct head_scan scan = { 0, 0, false };
	int64_t deadline = 0;

	for (;;) {
		size_t used = c->end - c->begin;
		ssize_t n = used ? head_end(&scan, c->buf + c->begin, used) : 0;

		*status = n < 0							 ? 400
			  : !scan.has_line && (int64_t)used > limits->line_bytes ? 414
			  : (int64_t)(n ? (size_t)n : used) > limits->head_bytes ? 431
										 : 0;
		if (*status)
			return is_tls(c) ? CLOSE : LINGER;
		if (n > 0) {
			*size = (size_t)n;
			return REQUEST;
		}
		if (used == 0 && c->is_watched)
			return IDLE;
		if (!conn_make_room(c, HEAD_ROOM))
			return CLOSE;
		if (used && !deadline)
			deadline = clock_ns() + limits->head_ns;
		else if (deadline && clock_ns() >= deadline) /* byte by byte, no read would be too late */
			return *status = 408, LINGER;
		c->waits_for_request = used == 0;
		if (used == 0 && c->server->stopping)
			take_no_more(c);
		n = conn_fill(c, deadline);
		c->waits_for_request = false;
		if (n == -ETIMEDOUT && used)
			return *status = 408, LINGER;
		if (n <= 0)
			return n == -ETIMEDOUT ? IDLE : CLOSE;
	}
}

static void log_access(struct server *s, PyObject *env, int status, uint64_t sent, int64_t began)
{
	PyObject *done;

	if (s->log_access == Py_None)
		return;
	done = PyObject_CallFunction(s->log_access, "OiKd", env, status, (unsigned long long)sent,
				     (double)(clock_ns() - began) / 1e9);
	if (!done)
		server_log_error(s, "the access log has failed", env);
	Py_XDECREF(done);
}

/* A request that the application is to answer. */
struct request {
	struct head head;
	struct body body;
	PyObject *input, *env; /* NULL: an exception is set */
};

/* Takes a head of so many bytes out of the buffer.  0, or the status that it deserves.  Its fields are of use for this
 * long only, and would be 4 kB more to be moved away whenever the application waits. */
static __attribute__((noinline)) int take_request(struct conn *c, size_t size, struct request *q)
{
	const struct limits *limits = &c->server->limits;
	const char *data = c->buf + c->begin;
	struct field fields[MAX_FIELDS];
	struct head *h = &q->head;
	int status = head_parse(h, fields, data, size, limits->fields);

	if (status)
		return status;
	if (h->target.p + h->target.n + sizeof(" HTTP/1.1\r\n") - 1 - data > limits->line_bytes)
		return 414;
	if (h->content_length > limits->body_bytes)
		return 413;
	c->begin += size;
	q->body = (struct body){
		.conn = c,
		.left = h->content_length > 0 ? h->content_length : 0,
		.chunked = h->chunked,
		.over = !h->chunked && h->content_length <= 0,
		.wants_continue =
			h->expects_continue && (h->chunked || h->content_length > 0) && c->begin == c->end,
		.chunks = { .most = limits->body_bytes, .trailer_room = limits->head_bytes },
	};
	q->input = input_new(&q->body);
	q->env = q->input ? environ_new(c->server, c, h, q->input) : NULL;
	h->fields = NULL;
	return 0;
}

static enum next serve_request(struct conn *c, struct request *q, int64_t began)
{
	struct server *s = c->server;
	bool keep = q->head.keep_alive && !s->stopping && c->requests < s->limits.requests;
	int status = 0;

	if (q->env) {
		c->env = q->env;
		keep = hijack_offer(c, &q->head, q->env) &&
		       respond(c, &q->head, q->env, &q->body, keep, &status);
		log_access(s, q->env, status, c->sent, began);
		c->env = NULL;
	}
	if (q->input)
		input_end(q->input);
	Py_XDECREF(q->env);
	Py_XDECREF(q->input);
	if (PyErr_Occurred())
		return CLOSE;
	if (keep && body_discard(&q->body))
		return REQUEST;
	return q->body.over && !q->body.error && !c->is_taken && c->begin == c->end ? CLOSE : LINGER;
}

static enum next serve_next(struct conn *c)
{
	struct server *s = c->server;
	struct request q;
	enum next next;
	size_t size;
	int64_t began;
	int status;

	next = read_head(c, &size, &status);
	if (next == IDLE || next == CLOSE)
		return next;
	began = s->log_access == Py_None ? 0 : clock_ns();
	q.head.is_head = false;
	if (next == REQUEST)
		status = take_request(c, size, &q);
	c->requests++;
	s->requests++;
	if (status) {
		s->errors++;
		respond_status(c, status, q.head.is_head);
		return LINGER;
	}
	return serve_request(c, &q, began);
}

/* What the client has sent and nobody reads would make close() a reset, and the answer could be lost with
 * it. */
static void linger(struct conn *c)
{
	size_t left = LINGER_BYTES;

	if (shutdown(c->fd, SHUT_WR) < 0)
		return;
	while (left) {
		ssize_t n;

		c->begin = c->end = 0;
		n = conn_fill(c, 0);
		if (n <= 0)
			break;
		left = (size_t)n < left ? left - (size_t)n : 0;
	}
}

void conn_set_up(int fd, bool is_tcp)
{
	struct timeval tick = { .tv_sec = TICK_MS / 1000, .tv_usec = TICK_MS % 1000 * 1000 };
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof(tick));
	if (is_tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void conn_enlist(struct conn *c)
{
	struct server *s = c->server;

	c->next = s->conns;
	c->link = &s->conns;
	if (c->next)
		c->next->link = &c->next;
	s->conns = c;
	s->nconns++;
}

void conn_delist(struct conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->server->nconns--;
}

void conn_end(struct conn *c)
{
	if (!c->is_over || c->users)
		return;
	conn_delist(c);
	if (c->fd >= 0)
		close(c->fd);
	free(c->held);
	free(c->buf);
	free(c);
}

/* Those of conn that need not be there. */
static void set_stream(struct conn *c, PyObject *stream, PyObject *more)
{
	c->stream = stream == Py_None ? NULL : stream;
	c->is_streams = stream != Py_None;
	c->more = more == Py_None ? NULL : more;
}

enum next conn_serve(struct conn *c)
{
	enum next next;

	while ((next = serve_next(c)) == REQUEST)
		if (c->begin != c->end)
			give_way_if_due(c->server);
	if (c->nheld)
		conn_flush(c);
	return next;
}

/* Calls of others that are inside end, for the connection has been shut down, and before its stream is closed and
 * its thread, which may be theirs, has gone.  Those of a thread that has gone already never end. */
static void await_users(struct conn *c)
{
	PyObject *kind, *value, *trace;
	int64_t until = clock_ns() + TICK_NS;

	PyErr_Fetch(&kind, &value, &trace); /* others would find it raised */
	while (c->users && clock_ns() < until)
		let_others_run(c->server, 1);
	PyErr_Restore(kind, value, trace);
}

void conn_finish(struct conn *c, enum next next)
{
	if (c->stream && !c->users && (next != IDLE || PyErr_Occurred()))
		stream_end(c);
	if (next == LINGER && !PyErr_Occurred() && !c->users) {
		c->broken = false;
		linger(c);
	}
	if (c->users) {
		shutdown(c->fd, SHUT_RDWR);
		await_users(c);
	}
	if (c->is_streams || (next == IDLE && !PyErr_Occurred()))
		c->fd = -1; /* the caller's */
	c->is_over = true;
	conn_end(c);
}

/* serve(fd, peer, port, requests, stream=None, more=None) */
static PyObject *server_serve(PyObject *self, PyObject *args)
{
	struct server *s = (struct server *)self;
	struct conn *c = calloc(1, sizeof(*c));
	PyObject *stream = Py_None, *more = Py_None;
	enum next next;
	int requests;

	if (!c)
		return PyErr_NoMemory();
	if (!PyArg_ParseTuple(args, "iOOi|OO:serve", &c->fd, &c->peer, &c->peer_port, &c->requests, &stream,
			      &more)) {
		free(c);
		return NULL;
	}
	set_stream(c, stream, more);
	c->server = s;
	conn_enlist(c);
	if (c->requests == 0)
		conn_set_up(c->fd, c->peer != Py_None);
	next = conn_serve(c);
	requests = next == IDLE ? c->requests : -1;
	conn_finish(c, next);
	return PyErr_Occurred() ? NULL : PyLong_FromLong(requests);
}

/* stop() */
static PyObject *server_stop(PyObject *self, PyObject *unused)
{
	struct server *s = (struct server *)self;

	(void)unused;
	s->stopping = true;
	for (struct conn *c = s->conns; c; c = c->next)
		if (c->waits_for_request)
			take_no_more(c);
	hijack_stop(s);
	workers_stop(s);
	Py_RETURN_NONE;
}

/* refuse(fd, stream=None): 503 */
static PyObject *server_refuse(PyObject *self, PyObject *args)
{
	struct conn c = { .server = (struct server *)self };
	PyObject *stream = Py_None;

	if (!PyArg_ParseTuple(args, "i|O:refuse", &c.fd, &stream))
		return NULL;
	set_stream(&c, stream, Py_None);
	conn_set_up(c.fd, true);
	respond_status(&c, 503, false);
	if (c.stream)
		stream_end(&c);
	shutdown(c.fd, SHUT_WR);
	if (stream == Py_None)
		close(c.fd);
	if (PyErr_Occurred())
		return NULL;
	Py_RETURN_NONE;
}

/* leave(stream) */
static PyObject *server_leave(PyObject *self, PyObject *stream)
{
	struct conn c = { .server = (struct server *)self, .stream = stream };

	stream_end(&c);
	if (PyErr_Occurred())
		return NULL;
	Py_RETURN_NONE;
}

/* trim() */
static PyObject *server_trim(PyObject *self, PyObject *unused)
{
	(void)self;
	(void)unused;
	malloc_trim(0);
	Py_RETURN_NONE;
}

static int server_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct server *s = (struct server *)self;
	struct limits *l = &s->limits;
	long long head_ms, idle_ms, body_ms, write_ms;

	if (kwargs && PyDict_Size(kwargs)) {
		PyErr_SetString(PyExc_TypeError, "Server takes no keywords");
		return -1;
	}
	if (!PyArg_ParseTuple(args, "OO!OO(LLLLLLLLii):Server", &s->app, &PyDict_Type, &s->base, &s->log_access,
			      &s->log_error, &l->head_bytes, &l->line_bytes, &l->body_bytes, &l->discard_bytes,
			      &head_ms, &idle_ms, &body_ms, &write_ms, &l->fields, &l->requests)) {
		s->app = s->base = s->log_access = s->log_error = NULL;
		return -1;
	}
	l->head_ns = head_ms * 1000000;
	l->idle_ns = idle_ms * 1000000;
	l->body_ns = body_ms * 1000000;
	l->write_ns = write_ms * 1000000;
	if (l->fields > MAX_FIELDS)
		l->fields = MAX_FIELDS;
	Py_INCREF(s->app);
	Py_INCREF(s->log_access);
	Py_INCREF(s->log_error);
	Py_INCREF(Py_None);
	s->follow = Py_None;
	s->base = environ_template(s->base);
	return s->base && workers_init(s) ? 0 : -1;
}

static void server_dealloc(PyObject *self)
{
	struct server *s = (struct server *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(s->app);
	Py_XDECREF(s->base);
	Py_XDECREF(s->log_access);
	Py_XDECREF(s->log_error);
	Py_XDECREF(s->follow);
	workers_end(s);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef server_methods[] = {
	{ "serve", server_serve, METH_VARARGS,
	  "serve(fd, peer, port, requests, stream=None, more=None): serves a connection, which has asked so "
	  "many requests before.  Returns how many they are when it asks nothing for a moment; -1: it is over, "
	  "and fd is closed unless it is that of stream, an ssl.SSLSocket.  more: a dict, for each environ." },
	{ "stop", server_stop, METH_NOARGS, "stop(): connections end after the request that they are in." },
	{ "add", workers_add, METH_VARARGS,
	  "add(fd, peer, port): a connection that the workers shall serve, and close in the end." },
	{ "work", workers_work, METH_NOARGS,
	  "work(): serves connections; True: there are enough who do; False: the server stops." },
	{ "refuse", server_refuse, METH_VARARGS,
	  "refuse(fd, stream=None): answers 503 and closes fd, unless it is that of stream." },
	{ "leave", server_leave, METH_O,
	  "leave(stream): tells the peer of an ssl.SSLSocket that no more is coming." },
	{ "trim", server_trim, METH_NOARGS,
	  "trim(): gives the kernel what connections have left of the heap." },
	{ NULL, NULL, 0, NULL },
};

static PyMemberDef server_members[] = {
	{ "follow", T_OBJECT, offsetof(struct server, follow), 0,
	  "called when another coroutine shall work(), as soon as it is its turn" },
	{ "threads", T_BOOL, offsetof(struct server, threads), 0, "those who work() are threads" },
	{ "active", T_INT, offsetof(struct server, nconns), READONLY, "connections that are being served" },
	{ "resting", T_INT, offsetof(struct server, nidle), READONLY, "those added that ask nothing" },
	{ "requests", T_ULONGLONG, offsetof(struct server, requests), READONLY, "requests so far" },
	{ "errors", T_ULONGLONG, offsetof(struct server, errors), READONLY,
	  "those that were wrong, or whose application failed" },
	{ NULL, 0, 0, 0, NULL },
};

PyTypeObject *add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
	PyObject *type = PyType_FromSpec(spec);

	Py_XINCREF(type);
	if (type && PyModule_AddObject(module, name, type) < 0)
		Py_CLEAR(type);
	return (PyTypeObject *)type;
}

static int add_server(PyObject *module)
{
	static PyType_Slot slots[] = {
		{ Py_tp_doc, (void *)"Server(app, base_environ, log_access, log_error, limits): see "
				     "syncless/wsgi/_server.py." },
		{ Py_tp_init, server_init },
		{ Py_tp_dealloc, server_dealloc },
		{ Py_tp_methods, server_methods },
		{ Py_tp_members, server_members },
		{ 0, NULL },
	};
	static PyType_Spec spec = { "syncless.wsgi.Server", sizeof(struct server), 0, Py_TPFLAGS_DEFAULT,
				    slots };

	return add_type(module, "Server", &spec) ? 0 : -1;
}

static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT,
					 "_syncless_http",
					 "The core of the HTTP server.",
					 -1,
					 NULL,
					 NULL,
					 NULL,
					 NULL,
					 NULL };

PyMODINIT_FUNC PyInit__syncless_http(void);
PyMODINIT_FUNC PyInit__syncless_http(void)
{
	PyObject *module = PyModule_Create(&definition);

	if (module &&
	    (stream_init() < 0 || input_init(module) < 0 || response_init(module) < 0 ||
	     file_init(module) < 0 || hijack_init(module) < 0 || environ_init() < 0 || add_server(module) < 0))
		Py_CLEAR(module);
	return module;
}
