/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the HTTP server's core share.  The style inside is the blocking one: a connection is served
 * by a coroutine that reads, calls the application and writes; libsyncless.so makes its recv() and send() wait.
 * The GIL is held throughout: a call that finds nothing parks the coroutine, which costs a switch and no
 * hand-over.  Only where there are threads is it left while one waits (conn.c).
 *
 *   span.c     words and numbers
 *   head.c     a request's head: the only user of the parser, with our own strict rules on top
 *   conn.c     a connection's buffer, reads and writes, and their deadlines; stream.c: those over TLS
 *   chunked.c  bodies in chunks
 *   body.c     a request's body, and wsgi.input
 *   environ.c  the dict
 *   response.c start_response(), heads, bodies; file.c: those that are files
 *   hijack.c   connections that an application takes over, for WebSocket say
 *   workers.c  connections at rest, and who serves those that ask something
 *   server.c   the module, the Server type, a connection's requests one after the other
 *
 * Built for the limited API of 3.9, as pyglue/_syncless is.  Nothing here lives on a C stack that others point
 * to.
 */
#ifndef SYNCLESS_HTTP_H
#define SYNCLESS_HTTP_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <sys/uio.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* --- span.c */

struct span {
	const char *p;
	size_t n;
};

bool span_is(struct span s, const char *lower); /* whatever its case */
bool span_is_exactly(struct span s, const char *text);
bool span_is_token(struct span s);     /* RFC 9110's, not empty */
bool span_has_controls(struct span s); /* besides tabs */
struct span span_trim(struct span s);  /* no blanks at its ends */
int64_t span_number(struct span s);    /* a decimal one; -1: it is none, or has more than 18 digits */
int hex_digit(char c);		       /* -1: it is none */

/* --- head.c */

#define MAX_FIELDS 128

struct field {
	struct span name, value; /* trimmed */
};

struct head {
	struct span method, target, query;
	struct span path;      /* "/" if there is none, a literal then, but for OPTIONS; empty for `*` */
	struct span authority; /* of an absolute target; p is NULL otherwise */
	struct span host, content_type;
	struct field *fields; /* nfields of them; NULL once the environ is made */
	int nfields;
	int minor;		/* of HTTP/1.x */
	int64_t content_length; /* -1: none was given */
	bool is_head, chunked, keep_alive, closes, expects_continue, upgrades;
};

/* Where a head ends, found while it comes in; all 0 to begin with. */
struct head_scan {
	size_t at, line; /* looked at so far; where the current line begins */
	bool has_line;	 /* the first one is complete */
};

/* How many of data's n bytes are the head, with its empty line; 0: not all is there yet; -1: it breaks the
 * rules. */
ssize_t head_end(struct head_scan *scan, const char *data, size_t n);

/* Reads a complete head, whose spans then point into data, and its fields into `fields`, which has room for MAX_FIELDS.
 * 0, or the status that it deserves. */
int head_parse(struct head *h, struct field *fields, const char *data, size_t n, int most_fields);

/* --- conn.c */

struct limits {
	int64_t head_bytes, line_bytes, body_bytes, discard_bytes;
	int64_t head_ns, idle_ns, body_ns,
		write_ns;     /* how long one may take; body and write: without any progress */
	int fields, requests; /* headers in a head; requests of a connection */
};

struct server;

struct conn {
	struct server *server;
	int fd;
	char *buf;
	size_t room, begin, end;    /* of buf: what has come and was not used is between the two */
	struct conn *next, **link;  /* in the server's list */
	PyObject *peer, *peer_port; /* str; of a Unix socket None */
	PyObject *stream, *more;    /* an ssl.SSLSocket, which owns fd; a dict for every environ.  NULL: none */
	int requests;
	bool waits_for_request; /* nothing of the next one has come */
	bool is_streams;	/* fd is its stream's to close */
	bool is_watched;	/* by the workers: without a request it does not wait, but rests */
	bool rests, has_news;	/* has_news: more may have come since the last read */
	bool is_drained;	/* that read took all there was */
	bool has_end;		/* the last one will find the end */
	struct conn *next_ready;
	int64_t idle_until;
	bool broken;   /* the peer is gone, or the stream is in no known state: nothing more is written */
	char *held; /* responses that wait for those of the requests right behind: nheld bytes; NULL: never any */
	size_t nheld;
	bool is_being_flushed; /* by another one than who serves it */
	uint64_t sent; /* bytes of the current response's body, or by the application that has taken it over */
	PyObject *env; /* borrowed, while a request is answered */
	PyObject *hijack; /* what the application may take it over by; NULL: it may not */
	bool is_taken, is_over;
	int users; /* calls of other coroutines that are inside (hijack.c) */
	bool refused;  /* an answer of the server's own was the last, and has gone out */
};

#define HEAD_ROOM 4096 /* for one read of a head */
#define TICK_MS 1000   /* SO_RCVTIMEO and SO_SNDTIMEO of each connection: so often deadlines are looked at */
#define TICK_NS (TICK_MS * INT64_C(1000000))

int64_t clock_ns(void);

/* Around what waits: nothing where connections are served by coroutines. */
PyThreadState *leave_gil(const struct server *s);
void take_gil(PyThreadState *state);

/* More bytes into the buffer, which must have room (conn_make_room).  > 0: so many; 0: the end; or a
 * negative errno: ETIMEDOUT when deadline has passed; EINTR with an exception set. */
ssize_t conn_fill(struct conn *c, int64_t deadline);
/* Room for n more bytes at the end.  False: no memory, with the exception. */
bool conn_make_room(struct conn *c, size_t n);
/* Writes all of it, after what is held; false: the connection is broken, perhaps with an exception set.  The spans are
 * used up. */
bool conn_write(struct conn *c, struct iovec *v, int n);
/* The same for the last of a response: it may be held, for those of requests that have come meanwhile to go out in the
 * same call.  It goes out before anything waits: by whoever reads or writes, else by a worker. */
bool conn_write_last(struct conn *c, struct iovec *v, int n);
/* What is held goes out.  conn_flush_now(): as far as it goes without waiting. */
bool conn_flush(struct conn *c);
void conn_flush_now(struct conn *c);
/* Sends count bytes of a file, as many as there are; how many it has sent, -1: broken. */
int64_t conn_send_file(struct conn *c, int file, int64_t count);

/* After a write that failed with a negative errno: the connection is broken, false.  One whose peer takes nothing
 * is reset when it is closed, or the kernel would keep for minutes what is still to be sent. */
bool conn_give_up(struct conn *c, int err);
/* By when the peer must take something, after a write that could not. */
int64_t conn_write_deadline(const struct conn *c);
/* n bytes of v are out. */
void conn_use_up(struct iovec **v, int *count, size_t n);

/* --- stream.c: the same for a connection over TLS */

int stream_init(void);
ssize_t stream_fill(struct conn *c, int64_t deadline);
bool stream_write(struct conn *c, struct iovec *v, int n);
int64_t stream_send_file(struct conn *c, int file, int64_t count);
/* Says that no more is coming, unless an answer was broken off; from now on it is a plain connection. */
void stream_end(struct conn *c);

/* --- chunked.c */

struct chunks {
	int64_t most, trailer_room; /* of the body's bytes there may be; of its trailers' */
	int64_t left;		    /* bytes of the body that come before the next line */
	int64_t total, excess;	    /* of the body so far; what its chunks cost beyond a fair amount */
	size_t looked;		    /* so much of the next line is known, and has no end */
	enum { CHUNK_SIZE, CHUNK_END, CHUNK_TRAILER, CHUNKS_OVER } next; /* the next line is this one's */
};

/* Takes the next line, which begins at data; not to be called when chunks->next is CHUNKS_OVER.  How long it
 * is, with its CRLF; 0: not all of it is there; negative: it breaks the rules, and deserves this status. */
ssize_t chunks_line(struct chunks *k, const char *data, size_t n);

/* --- body.c */

struct body {
	struct conn *conn;
	int64_t left; /* of the body, or of the current chunk */
	bool chunked;
	bool over;
	bool wants_continue, answered; /* 100 Continue is still to be said; it is too late for it */
	int error;		       /* status that the body deserves; 0: none */
	struct chunks chunks;
};

extern PyTypeObject *input_type;
int input_init(PyObject *module);
/* A wsgi.input; body may be NULL for none.  input_end(): the request is over, it is empty from now on. */
PyObject *input_new(struct body *body);
void input_end(PyObject *input);
/* The answer's head goes out.  False: what is left of the body will not be read to its end, so it is the
 * connection's last. */
bool body_answered(struct body *b);
/* Reads what the application has not, as far as the limits go.  True: the next request begins behind it. */
bool body_discard(struct body *b);

/* --- environ.c */

int environ_init(void);
/* A copy of what all environs of a server have, for server->base. */
PyObject *environ_template(PyObject *base);
PyObject *environ_new(struct server *s, const struct conn *c, const struct head *h, PyObject *input);

/* --- response.c */

extern PyTypeObject *response_type;
int response_init(PyObject *module);

/* Calls the application and sends what it answers.  True: the connection is in order, and may be kept. */
bool respond(struct conn *c, const struct head *h, PyObject *env, struct body *body, bool keep_alive,
	     int *status);
/* An answer of the server's own, after which the connection is closed. */
void respond_status(struct conn *c, int status, bool head_only);

/* --- file.c */

extern PyTypeObject *file_wrapper_type;
int file_init(PyObject *module);
/* The descriptor of a wrapper's file, its position put where the application left it, and how much comes behind; -1: it
 * is no regular file, or cannot tell. */
int file_wrapper_open(PyObject *wrapper, int64_t *rest);

/* --- hijack.c */

int hijack_init(PyObject *module);
/* Lets the application take the connection over, if the request asks for an Upgrade.  False: with an exception. */
bool hijack_offer(struct conn *c, const struct head *h, PyObject *env);
/* The application has returned, or raised, which is logged here.  What is no Exception stays raised. */
void hijack_end(struct conn *c, PyObject *env);
/* Tells all applications that have taken one over that the server stops. */
void hijack_stop(struct server *s);
/* start_response('WebSocket', headers) of 2010: the object that it returns.  NULL: with an exception, the one that
 * there is if the status is another. */
PyObject *hijack_start_response(struct conn *c, PyObject *status, PyObject *headers);
/* --- workers.c */

bool workers_init(struct server *s);
/* The server stops: those at rest go on as take_no_more() has it. */
void workers_stop(struct server *s);
/* The server goes. */
void workers_end(struct server *s);
/* No worker is to look at it any more. */
void workers_leave(struct conn *c);
/* Another worker shall be in the run queue.  Nothing if one is. */
void call_follower(struct server *s);
/* For so long; 0: for one turn.  Not sched_yield(), by which other processes would have the processor. */
void let_others_run(const struct server *s, int ms);
/* For one turn, if they have not run for a few milliseconds. */
void give_way_if_due(struct server *s);
PyObject *workers_add(PyObject *self, PyObject *args);
PyObject *workers_work(PyObject *self, PyObject *unused);

/* --- server.c */

#define EVENTS 64

/* What is to be done with a connection. */
enum next { IDLE, CLOSE, LINGER, REQUEST };

struct server {
	PyObject_HEAD PyObject *app, *base; /* base: a dict with what all environs have */
	PyObject *log_access, *log_error;   /* callables, or None */
	PyObject *follow;		    /* called for another worker, see workers.c; None: there are none */
	bool follower_is_due, has_leader;
	int epoll_fd, poke_fd, nidle; /* poke_fd: an eventfd by which the leader wakes; -1: there is none */
	int64_t turn;		      /* when the workers have let others run */
	struct conn *idle, **idle_end, *ready, **ready_end;
	char *spare_buf; /* HEAD_ROOM bytes; NULL: there is none */
	struct epoll_event events[EVENTS];
	int nholding; /* connections that hold something */
	struct limits limits;
	struct conn *conns;
	int nconns;
	bool stopping;
	char threads;		   /* workers are threads, not coroutines */
	uint64_t requests, errors; /* so far */
	char stamp[96];		   /* "Server: ...\r\nDate: ...\r\n" */
	size_t stamp_size, date_at;
	int64_t stamp_second;
};

/* Closes and frees what is_over, when it has no users any more. */
void conn_end(struct conn *c);
/* The server stops: of requests only those are served that have come already, and the first one of a connection. */
void take_no_more(struct conn *c);
/* Into and out of the list of those that are served. */
void conn_enlist(struct conn *c);
void conn_delist(struct conn *c);
void conn_set_up(int fd, bool is_tcp);
/* Serves requests until it is not REQUEST; all is written then. */
enum next conn_serve(struct conn *c);
/* Closes and frees it, after lingering if that is next. */
void conn_finish(struct conn *c, enum next next);
/* The header lines that all responses have, at most a second old. */
struct span server_stamp(struct server *s);
/* Tells log_error what is set, which then is no longer. */
void server_log_error(struct server *s, const char *what, PyObject *env);

/* Makes a type and adds it to the module; NULL with an exception. */
PyTypeObject *add_type(PyObject *module, const char *name, PyType_Spec *spec);

#endif
