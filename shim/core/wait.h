/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs by which a libc call waits for something other than a lock (those are in waitq.h).
 *
 * All return 0 or a negative errno, never touch errno, and take an absolute deadline, so calling again
 * after a spurious wake cannot lengthen the wait.  All are cancellation points: a cancelled thread does not
 * return from them, a native coroutine gets -ECANCELED or -ETIME.  `flags` says what a signal does:
 *
 *   WAIT_INTR_ALWAYS   poll, select, sleep, and socket calls with a timeout: each handler ends them
 *   WAIT_INTR_RESTART  read, recv, accept, waitpid: a handler with SA_RESTART does not  (signal(7))
 *
 * `why` is the name of the call, a literal; it is kept in the record for traces.
 */
#ifndef SYNCLESS_WAIT_H
#define SYNCLESS_WAIT_H

#include <poll.h>
#include <sys/types.h>
#include "base.h"
#include "coro.h"
#include "fdtab.h"
#include "waitq.h"

#define WAIT_INTR_ALWAYS WAITQ_INTR
/* Sleeps: besides, an event loop that lives in a greenlet and is switched to shall look at what is new. */
#define WAIT_SLEEP (WAITQ_INTR | WAITQ_NUDGE)
/* poll and its kin, which have looked before they wait: also a signal that came meanwhile. */
#define WAIT_POLL (WAIT_SLEEP | WAITQ_KEEP)
#define WAIT_INTR_RESTART (WAITQ_INTR | WAITQ_RESTART)

/* What signal(7) says of a call that has, or has not, a timeout on its socket. */
static inline int wait_flags_for(deadline_t until)
{
	return until == NEVER ? WAIT_INTR_RESTART : WAIT_INTR_ALWAYS;
}

/* For calls that block and are no cancellation points (flock, semop): of those who may want to end the wait of
 * a coroutine, pthread_cancel() of a thread is not one. */
static inline int wait_flag_of_no_cancellation_point(const struct coro *me)
{
	return me->is_routine || me->carrier || me->has_limit ? WAITQ_CANCEL : 0;
}

/* Parks until f is ready for `want` (WAIT_READ or WAIT_WRITE).  0: try the call again (ready, or spurious);
 * -EBADF: closed meanwhile; -ETIMEDOUT; -EINTR; -ENOMEM, -EMFILE.  f may be gone after any return but 0. */
int wait_fd(struct coro *me, struct fdrec *f, short want, deadline_t until, int flags, const char *why);

/* A call on one descriptor that is tried without blocking and waits in between.  Lives on the caller's stack;
 * nobody else points to it.  Filled by the caller: all above `until`. */
struct io_wait {
	struct coro *me;
	int fd;
	short want;	  /* WAIT_READ, WAIT_WRITE */
	const char *why;  /* the call */
	deadline_t until; /* 0: not begun; from SO_RCVTIMEO or SO_SNDTIMEO at the first wait */
	int fruitless;	  /* waits since the last progress, see io_progress() */
	bool has_some; /* the call has something to return: whatever ends a wait, a handler with SA_RESTART as well */
};

/* A part of what the call is to do is done. */
static inline void io_progress(struct io_wait *w)
{
	w->fruitless = 0;
	w->has_some = true;
}

/* So many waits in a row that brought nothing show that the descriptor's events do not mean what we wait for
 * (an unconnected unix datagram socket is always "writable"): from then on time passes instead, 1 to 8 ms. */
#define IO_FRUITLESS_MAX 8

/* After a try said EAGAIN.  0: try again.  -EAGAIN: the app wants to see that EAGAIN, or its timeout is over;
 * -EINTR as signal(7) says; -EBADF: closed meanwhile; -ESHUTDOWN: a socket of datagrams was shut down for reading,
 * which only a call that waits is told, by a 0; -ENOMEM …
 * The flag O_NONBLOCK and the timeout are what they were at the first wait: later changes are for later calls. */
int wait_io(struct io_wait *w);

/* Parks until one of the n entries may be ready (fd < 0 entries are skipped, `events` as for poll(2), revents
 * is not touched).  0: look again by a poll of timeout 0; -ETIMEDOUT; -EINTR; -ENOMEM.  n may be 0. */
int wait_many(struct coro *me, const struct pollfd *fds, nfds_t n, deadline_t until, int flags,
	      const char *why);

/* Parks until the deadline.  0: it has passed; -EINTR. */
int wait_until(struct coro *me, deadline_t until, int flags, const char *why);

/* Of a caller that can only look again and again: how long until it does, and what ends the wait (`flags`). */
struct nap {
	int64_t ns;
	int flags;
};
/* Parks for a nap; the next one is twice as long, up to 4 ms, and a signal since the first of them ends it.
 * 0: look again; -ETIMEDOUT: `until` has come; -EINTR, -ECANCELED. */
int wait_nap(struct coro *me, struct nap *nap, deadline_t until, const char *why);

/* Parks until the process behind pidfd, a number fresh from the kernel, can be waited for.  0: look again;
 * -EINTR, -ENOMEM.  The caller says fd_closing() before it closes pidfd. */
int wait_pidfd(struct coro *me, int pidfd, int flags, const char *why);

#endif
