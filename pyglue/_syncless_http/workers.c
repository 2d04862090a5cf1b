/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections that ask nothing have no coroutine.  They are in an epoll set and in a list, the one whose time is over
 * first at its head.
 *
 * Workers, which are coroutines or green threads, serve those that have something to say.  One of them leads: it waits for the set, and
 * serves what that tells of, one after the other.  Before it begins it sees to it that a follower is in the run queue,
 * whose turn comes as soon as an application waits: the follower then serves the rest, and leads.  So a connection is
 * served on the stack of whoever has it, and while no application waits there is no switch between connections at
 * all.  Who finds that another one leads is spare.
 *
 * The set is told by edges: of a connection that is being served, the news is noted, and it does not rest before it has
 * read all that is there.  A read that was not filled was the last one (epoll(7)), but for the one that finds the end.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "http.h"

#define FLUSH_AGAIN_MS 100 /* of clients that do not take what they have asked for */
#define MS INT64_C(1000000)

static int64_t coarse_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void let_others_run(const struct server *s, int ms)
{
	PyThreadState *state = leave_gil(s);

	poll(NULL, 0, ms);
	take_gil(state);
}

void give_way_if_due(struct server *s)
{
	int64_t now = coarse_ns(); /* a few milliseconds, each time that it changes */

	if (LIKELY(now == s->turn) || s->threads) /* the interpreter sees to it that threads take turns */
		return;
	s->turn = now;
	let_others_run(s, 0);
}

void call_follower(struct server *s)
{
	PyObject *done;

	if (s->follower_is_due || s->follow == Py_None)
		return;
	s->follower_is_due = true;
	done = PyObject_CallFunctionObjArgs(s->follow, NULL);
	if (!done) {
		s->follower_is_due = false;
		PyErr_WriteUnraisable(s->follow);
	}
	Py_XDECREF(done);
}

/* --- At rest. */

static void wake(struct conn *c)
{
	struct server *s = c->server;

	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	else
		s->idle_end = c->link;
	s->nidle--;
	c->rests = false;
	conn_enlist(c);
}

static void rest(struct conn *c)
{
	struct server *s = c->server;

	if (s->stopping)
		take_no_more(c);
	c->rests = true;
	c->idle_until = coarse_ns() + (s->stopping ? TICK_NS : s->limits.idle_ns);
	c->next = NULL;
	c->link = s->idle_end;
	*s->idle_end = c;
	s->idle_end = &c->next;
	s->nidle++;
}

/* Its buffer is the next one's. */
static void give_up_buffers(struct conn *c)
{
	struct server *s = c->server;

	free(c->held);
	if (!s->spare_buf && c->room == HEAD_ROOM)
		s->spare_buf = c->buf;
	else
		free(c->buf);
	c->held = c->buf = NULL;
	c->room = c->begin = c->end = 0;
}

void workers_leave(struct conn *c)
{
	if (c->is_watched) /* closing does not do it: others may have its description, too */
		epoll_ctl(c->server->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	c->is_watched = false;
}

static void end(struct conn *c, enum next next)
{
	PyObject *peer = c->peer, *port = c->peer_port;

	workers_leave(c);
	conn_finish(c, next);
	Py_DECREF(peer);
	Py_DECREF(port);
}

/* --- Served. */

/* What has come, without waiting for it.  REQUEST: there is something; IDLE: nothing; CLOSE: it is over. */
static enum next read_news(struct conn *c)
{
	ssize_t n;

	c->has_news = false;
	if (!c->buf && c->server->spare_buf) {
		c->buf = c->server->spare_buf;
		c->room = HEAD_ROOM;
		c->server->spare_buf = NULL;
	}
	if (!conn_make_room(c, HEAD_ROOM))
		return CLOSE;
	n = recv(c->fd, c->buf + c->end, c->room - c->end, MSG_DONTWAIT);
	c->is_drained = n < (ssize_t)(c->room - c->end);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? IDLE : CLOSE;
	c->end += (size_t)n;
	return REQUEST;
}

static void append_ready(struct conn *c)
{
	c->next_ready = NULL;
	*c->server->ready_end = c;
	c->server->ready_end = &c->next_ready;
}

static struct conn *next_ready(struct server *s)
{
	struct conn *c = s->ready;

	if (c && !(s->ready = c->next_ready))
		s->ready_end = &s->ready;
	return c;
}

static void serve(struct conn *c)
{
	enum next next = read_news(c);

	if (next == REQUEST)
		next = conn_serve(c);
	if (next != IDLE) {
		end(c, next);
	} else if (c->has_news || !c->is_drained || c->has_end) {
		append_ready(c);
	} else {
		give_up_buffers(c);
		conn_delist(c);
		rest(c);
	}
}

/* --- The leader. */

static void take_events(struct server *s, int n)
{
	for (int i = 0; i < n; i++) {
		struct conn *c = s->events[i].data.ptr;

		if (!c) /* poke_fd */
			continue;
		c->has_news = true;
		c->has_end |= (s->events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
		if (!c->rests)
			continue;
		wake(c);
		append_ready(c);
	}
}

static void end_those_whose_time_is_over(struct server *s)
{
	int64_t now = coarse_ns();

	while (s->idle && s->idle->idle_until <= now) {
		struct conn *c = s->idle;

		wake(c);
		end(c, CLOSE);
	}
}

/* Connections that come to rest meanwhile do so for as long as any. */
static int longest_wait_ms(const struct server *s)
{
	int64_t left = s->idle ? s->idle->idle_until - coarse_ns() : s->limits.idle_ns;

	if (s->nholding && left > FLUSH_AGAIN_MS * MS)
		left = FLUSH_AGAIN_MS * MS;
	return left < 0 ? 0 : left > INT32_MAX * MS ? INT32_MAX : (int)((left + MS - 1) / MS);
}

/* Waits until some are ready, or looks at least.  False: with an exception. */
static bool lead(struct server *s)
{
	PyThreadState *state;
	int n, wait_ms;

	s->has_leader = true;
	let_others_run(s, 0); /* a busy set is never waited for, and then it is the others' turn here */
	wait_ms = longest_wait_ms(s);
	state = leave_gil(s);
	n = epoll_wait(s->epoll_fd, s->events, EVENTS, wait_ms);
	take_gil(state);
	s->turn = coarse_ns(); /* others had theirs; else it were due after the first of the requests that came */
	s->has_leader = false;
	if (n >= 0) {
		take_events(s, n);
		end_those_whose_time_is_over(s);
		return true;
	}
	if (errno == EINTR && PyErr_CheckSignals() == 0)
		return true;
	if (!PyErr_Occurred())
		PyErr_SetFromErrno(PyExc_OSError);
	call_follower(s); /* somebody else must lead */
	return false;
}

static void flush_held(struct server *s)
{
	for (struct conn *c = s->conns; c && s->nholding; c = c->next)
		if (c->nheld && !c->is_being_flushed)
			conn_flush_now(c);
}

PyObject *workers_work(PyObject *self, PyObject *unused)
{
	struct server *s = (struct server *)self;
	struct conn *c;

	(void)unused;
	s->follower_is_due = false;
	for (;;) {
		if (s->nholding)
			flush_held(s);
		c = next_ready(s);
		if (!c && s->stopping && (s->has_leader || !s->nidle))
			Py_RETURN_FALSE;
		if (!c && s->has_leader)
			Py_RETURN_TRUE;
		if (!c && !lead(s))
			return NULL;
		if (!c)
			continue;
		if (!s->has_leader)
			call_follower(s);
		serve(c);
		if (PyErr_Occurred())
			return NULL;
		if (s->ready)
			give_way_if_due(s);
	}
}

/* --- */

PyObject *workers_add(PyObject *self, PyObject *args)
{
	struct server *s = (struct server *)self;
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c };

	if (!c)
		return PyErr_NoMemory();
	if (!PyArg_ParseTuple(args, "iOO:add", &c->fd, &c->peer, &c->peer_port)) {
		free(c);
		return NULL;
	}
	conn_set_up(c->fd, c->peer != Py_None);
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) {
		close(c->fd);
		free(c);
		Py_RETURN_NONE;
	}
	Py_INCREF(c->peer);
	Py_INCREF(c->peer_port);
	c->server = s;
	c->is_watched = c->is_drained = true;
	rest(c);
	if (s->stopping)
		call_follower(s);
	Py_RETURN_NONE;
}

bool workers_init(struct server *s)
{
	s->idle_end = &s->idle;
	s->ready_end = &s->ready;
	s->poke_fd = -1;
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		PyErr_SetFromErrno(PyExc_OSError);
	return s->epoll_fd >= 0;
}

void workers_stop(struct server *s)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	for (struct conn *c = s->idle; c; c = c->next) {
		take_no_more(c);
		c->idle_until = coarse_ns() + TICK_NS;
	}
	if (s->poke_fd < 0 && (s->poke_fd = eventfd(1, EFD_CLOEXEC)) >= 0)
		epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->poke_fd, &event);
}

void workers_end(struct server *s)
{
	if (!s->idle_end) /* it was never begun */
		return;
	while (s->idle) {
		struct conn *c = s->idle;

		wake(c);
		end(c, CLOSE);
	}
	free(s->spare_buf);
	if (s->poke_fd >= 0)
		close(s->poke_fd);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
}
