/* SPDX-License-Identifier: Apache-2.0
 *
 * libev, kept in one room.  The loop of the host thread, the watchers of each fd, and the system calls
 * that libev's object is linked to in place of libc's (it must not enter our own wrappers, and its
 * poll must sleep to the nanosecond that our timers ask for).
 */
#include "loop.h"
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "coro.h"
#include "evheap.h"
#include "evsys.h"
#include "fdtab.h"
#include "raw.h"
#include "settings.h"
#include "timer.h"

struct watch {
	ev_io read, write;
	struct fdrec *rec;
};

static struct ev_loop *loop;
static ev_async kick;

/* Debian's libev.a refers to stderr by an absolute relocation, which a shared object cannot take. */
__attribute__((visibility("hidden"))) FILE *syncless_ev_stderr;

static void on_kick(struct ev_loop *l, ev_async *w, int revents)
{
	(void)l, (void)w, (void)revents; /* the poll has ended, which is all a kick is for */
}

static struct ev_loop *new_loop(unsigned backend)
{
	struct ev_loop *l = NULL;

	errno = ENOMEM; /* unless a system call says otherwise */
	ev_set_allocator(evheap_realloc);
	if (evsys_make_event_fd() == 0 && evheap_reserve(evsys_own[0] + 1) == 0)
		l = ev_loop_new(EVFLAG_NOENV | backend);
	if (!l)
		evsys_close_own();
	return l;
}

int loop_init(void)
{
	static const unsigned backends[] = { [BACKEND_EPOLL] = EVBACKEND_EPOLL,
					     [BACKEND_POLL] = EVBACKEND_POLL,
					     [BACKEND_SELECT] = EVBACKEND_SELECT,
					     [BACKEND_IO_URING] = EVBACKEND_IOURING };
	int saved = errno, err;

	if (loop)
		return 0;
	syncless_ev_stderr = stderr;
	loop = new_loop(backends[settings.backend]);
	if (!loop && settings.backend != BACKEND_EPOLL) {
		say("SYNCLESS_BACKEND: libev or the kernel refuses (%s); epoll is used", strerror(errno));
		loop = new_loop(EVBACKEND_EPOLL);
	}
	err = errno;
	errno = saved;
	if (!loop)
		return -err;
	ev_async_init(&kick, on_kick);
	ev_async_start(loop, &kick);
	return 0;
}

/* io_uring's ring takes calls from the thread that made it, and its requests end with theirs (evuring.c). */
bool loop_is_one_threads(void)
{
	return loop ? ev_backend(loop) == EVBACKEND_IOURING : settings.backend == BACKEND_IO_URING;
}

const char *loop_backend(void)
{
	unsigned backend = loop ? ev_backend(loop) : 0;

	switch (backend) {
	case EVBACKEND_POLL:
		return "poll";
	case EVBACKEND_SELECT:
		return "select";
	case EVBACKEND_IOURING:
		return "io_uring";
	default:
		return "epoll";
	}
}

void loop_version(int version[2])
{
	version[0] = ev_version_major();
	version[1] = ev_version_minor();
}

void loop_kick(void)
{
	if (loop)
		ev_async_send(loop, &kick);
}

static void finish(struct fdrec *f, ev_io *w, short event)
{
	if (UNLIKELY(f->serve))
		f->serve(f->fd, event, f->serve_arg); /* may stop and free the watcher */
	else if ((fd_fired(f, event) & event) && !fd_wake_is_due(f))
		ev_io_stop(loop, w);
}

/* libev has stopped the watcher, and would believe when it is started again that the kernel knows it. */
static void refused(struct fdrec *f, ev_io *w, int event)
{
	ev_io_set(w, f->fd, event);
	f->unwatchable = true;
}

static void on_read(struct ev_loop *l, ev_io *w, int revents)
{
	struct watch *x = CONTAINER_OF(w, struct watch, read);

	(void)l;
	if (UNLIKELY(revents & EV_ERROR))
		refused(x->rec, w, EV_READ);
	finish(x->rec, w, WAIT_READ);
}

static void on_write(struct ev_loop *l, ev_io *w, int revents)
{
	struct watch *x = CONTAINER_OF(w, struct watch, write);

	(void)l;
	if (UNLIKELY(revents & EV_ERROR))
		refused(x->rec, w, EV_WRITE);
	finish(x->rec, w, WAIT_WRITE);
}

static struct watch *watch_of(struct fdrec *f)
{
	struct watch *x = f->watch;

	if (x)
		return x;
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	ev_io_init(&x->read, on_read, f->fd, EV_READ);
	ev_io_init(&x->write, on_write, f->fd, EV_WRITE);
	x->rec = f;
	return f->watch = x;
}

int loop_watch(struct fdrec *f, short want)
{
	int saved = errno, r = loop_init(); /* a forked child has none yet */
	struct watch *x = r < 0 ? NULL : watch_of(f);

	if (x && evheap_reserve(f->fd + 1) < 0)
		x = NULL; /* the record keeps it */
	errno = saved;	  /* calloc's */
	if (!x)
		return r < 0 ? r : -ENOMEM;
	if ((want & WAIT_READ) && !ev_is_active(&x->read))
		ev_io_start(loop, &x->read);
	if ((want & WAIT_WRITE) && !ev_is_active(&x->write))
		ev_io_start(loop, &x->write);
	return 0;
}

int loop_watch_only(struct fdrec *f, short want)
{
	struct watch *x = f->watch;

	if (x && !(want & WAIT_READ))
		ev_io_stop(loop, &x->read);
	if (x && !(want & WAIT_WRITE))
		ev_io_stop(loop, &x->write);
	return want ? loop_watch(f, want) : 0;
}

static void run_once(deadline_t until)
{
	int saved = errno; /* that of the coroutine whose stack this is */

	evsys_sleep_until = until;
	if (ev_backend(loop) == EVBACKEND_IOURING)
		evuring_collect();
	ev_run(loop, until ? EVRUN_ONCE : EVRUN_NOWAIT);
	errno = saved;
}

void loop_unwatch(struct fdrec *f)
{
	struct watch *x = f->watch;
	bool active;

	if (!x)
		return;
	active = ev_is_active(&x->read) || ev_is_active(&x->write);
	ev_io_stop(loop, &x->read);
	ev_io_stop(loop, &x->write);
	free(x);
	f->watch = NULL;
	/* epoll: closing ends the kernel's registration only if nobody else holds the description.  io_uring: the
	 * request itself holds it, and the peer would see no end before the loop's next round.  (In a callback of
	 * that loop's, this has to do.) */
	if (ev_backend(loop) == EVBACKEND_EPOLL && (fd_kind(f->fd) & FD_SHARED))
		raw4(SYS_epoll_ctl, evsys_epoll_fd, EPOLL_CTL_DEL, f->fd, 0);
	if (ev_backend(loop) == EVBACKEND_IOURING && active && !ev_depth(loop))
		run_once(0);
}

/* No loop to be had (EMFILE): timers still run; descriptors are not waited for, loop_watch() says why. */
static void sleep_without_loop(void)
{
	int64_t left = timer_next() == NEVER ? NEVER : timer_next() - now_ns();
	struct timespec ts = ns_timespec(left < 0 ? 0 : left > 10 * NS_PER_MS ? 10 * NS_PER_MS : left);

	raw2(SYS_nanosleep, &ts, 0);
}

void loop_run(bool block)
{
	int saved = errno;

	if (LIKELY(loop_init() == 0))
		run_once(block ? timer_next() : 0);
	else if (block)
		sleep_without_loop();
	loop_settle(timer_next() != NEVER ? now_ns() : 0);
	errno = saved;
}

void loop_settle(int64_t t)
{
	waitq_drain_deferred();
	fd_drain_notes();
	sched_drain_remote();
	if (timer_next() != NEVER)
		timer_expire(t);
}

void loop_after_fork_child(void)
{
	if (!loop)
		return;
	/* The set and the ring are shared with the parent: closing our copies of their numbers is all that is
	 * allowed.  The rest of the old loop is left as it is; it costs a few kilobytes once per fork. */
	evsys_close_own();
	loop = NULL;
}
