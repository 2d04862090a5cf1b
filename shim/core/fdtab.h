/* SPDX-License-Identifier: Apache-2.0
 *
 * What we know of each file descriptor.
 *
 * Facts about epoll(7) that decide the design.  epoll keys on the pair (number, open file
 * description), not on the number.  Closing a number removes its registration only when no dup keeps
 * the description alive; until then events go on arriving under the old number.  A reused number is a
 * new key, which libev does not notice by itself.  A forked child shares the parent's epoll set, and a
 * deletion there deletes the parent's registration.
 *
 * Consequences.  (1) Every close that passes through us ends the waits on the number and stops its
 * watchers before the system call; a native thread leaves a note which the host reads before it next
 * looks at any record.  (2) Every call that returns a new number forgets what the number was, for the
 * closes that did not pass through us.  (3) The child never touches the parent's epoll set.  (4) A
 * spurious event is harmless: every waiter tries its call again.
 *
 * Price: one byte per fd for all, a record only for those that ever had to wait.
 *
 * The kernel's O_NONBLOCK flag is always the application's own, since sockets are tried with
 * MSG_DONTWAIT and pipes with RWF_NOWAIT; only connect() has no such way and borrows the flag for the
 * length of one system call.  FD_NONBLOCK caches the flag of descriptions that we saw made and that
 * nobody else has; where another process or a dup may change it behind our back (FD_SHARED) the kernel
 * is asked before each park.
 */
#ifndef SYNCLESS_FDTAB_H
#define SYNCLESS_FDTAB_H

#include "base.h"
#include "coro.h"

enum { WAIT_READ = 1, WAIT_WRITE = 2, WAIT_CLOSED = 4 };

/* A byte for each descriptor: a kind and what is known of it. */
enum fd_kind {
	FD_UNKNOWN,
	FD_SOCKET,
	FD_PIPE,  /* pipes, FIFOs, eventfds, timerfds: RWF_NOWAIT works or is found not to */
	FD_SLOW,  /* ttys and other pollable devices: poll, then call */
	FD_FILE,  /* regular files, directories, block devices: never "would block" */
	FD_INERT, /* epoll refused it: it has no events at all */
	FD_BAD,	  /* not open, or beyond our table; never stored */
	FD_KIND_MASK = 0x07,
	FD_NO_NOWAIT_WRITE = 0x08, /* RWF_NOWAIT was refused */
	FD_NONBLOCK = 0x10,	   /* the app's O_NONBLOCK; means nothing beside FD_SHARED */
	FD_TIMEO = 0x20,	   /* SO_RCVTIMEO or SO_SNDTIMEO may be set; so may they beside FD_SHARED */
	FD_NO_NOWAIT_READ = 0x40,
	FD_LOWAT = 0x40,  /* of a socket: SO_RCVLOWAT may be more than 1 */
	FD_SHARED = 0x80, /* flags may change without our seeing it, and others may take what is there */
};

struct watch;
typedef void fd_server(int fd, short event, void *arg);

struct fdrec {
	int fd;
	bool stream;	  /* SOCK_STREAM: a short read means empty */
	bool datagrams;	  /* another kind of socket */
	bool maybe_empty; /* the last read was short: park before trying */
	bool unwatchable; /* the loop was refused it at the last wait (epolls nested too deep, too many watches) */
	unsigned due_round;		  /* when the one last woken runs: till then events are no news */
	int64_t rcvtimeo_ns, sndtimeo_ns; /* -1: none */
	struct fdwait *waits, *waits_tail;
	struct watch *watch; /* loop.c's; NULL until first watched */
	fd_server *serve;    /* it is the core's own, see fd_serve() */
	void *serve_arg;
};

/* No kind and no record lies from here on.  Before the first coroutine only sockets are noted, of which it matters later
 * who has made them; so a process that opens others and never makes one pays a load for each, and a fork, which walks
 * the table, nothing. */
extern _Atomic int fd_known_end;

static inline bool fd_may_be_known(int fd)
{
	return fd < atomic_load_explicit(&fd_known_end, memory_order_relaxed);
}

/* The kind byte of fd, found by fstat the first time. */
int fd_kind(int fd);
/* What the app just created (-1: nothing): known without asking.  From any thread. */
void fd_created(int fd, int kind);
/* The same for a descriptor of which only the number is known, e.g. from open() or SCM_RIGHTS. */
void fd_appeared(int fd);
/* Adds bits to what is known of fd. */
void fd_mark(int fd, int bits);
/* epoll refused fd. */
void fd_found_inert(int fd);

static inline bool fd_is_socket(int fd)
{
	return (fd_kind(fd) & FD_KIND_MASK) == FD_SOCKET;
}

/* A call on it cannot wait. */
static inline bool fd_never_waits(int kind)
{
	return (kind & FD_KIND_MASK) >= FD_FILE;
}

/* A call on it cannot wait, as far as is known without asking.  From any thread, and vfork children. */
bool fd_is_known_file(int fd);

/* The app's O_NONBLOCK. */
bool fd_is_nonblock(int fd);
/* One poll(2) with timeout 0; errors count as ready.  Leaves errno alone. */
bool fd_is_ready(int fd, short poll_events);
/* The same; which events there are. */
short fd_events(int fd, short poll_events);
/* An integer option of level SOL_SOCKET; 0: it has none.  Leaves errno alone. */
int fd_option(int fd, int option);
/* A unix socket: its errors and ends are told otherwise than those of the net. */
bool fd_is_unix(int fd);
/* Is this process the one whose descriptors the table is about, not a vfork child of it? */
bool fd_in_our_process(void);

/* The record of fd, made if need be; NULL with errno set (EBADF, ENOMEM).  Host only.  Reads the notes first:
 * pointers to other records are void afterwards. */
struct fdrec *fd_record(int fd);
/* The record if there is one. */
struct fdrec *fd_lookup(int fd);

/* After a call said EAGAIN: the record to wait on, with the timeout of now, or NULL when the app wants to see that
 * EAGAIN (errno is EAGAIN then) or there is no record to be had (errno says why). */
struct fdrec *fd_to_wait(int fd, short want);

/* Whether the last read left a stream empty: then a try is wasted, park at once.  Host only. */
bool fd_is_dry(int fd);
void fd_note_read(int fd, bool was_short);

/* Ends all waits on fd with -EBADF and forgets it.  Before close(2), from any thread of this process;
 * does nothing in a vfork child. */
void fd_closing_known(int fd);
static inline void fd_closing(int fd)
{
	if (fd_may_be_known(fd))
		fd_closing_known(fd);
}
void fd_closing_range(unsigned first, unsigned last);
/* fd was shut down: who waits to write looks again, since a unix socket raises no event for it.  `peers`: also those
 * on all other sockets, of which one may have this for a peer. */
void fd_shut_down(int fd, bool peers);
/* dup and kin: both numbers now share flags.  from != to. */
void fd_duplicated(int from, int to);
/* The app changed flags or socket timeouts of fd through us. */
void fd_set_nonblock(int fd, bool on);
void fd_timeouts_changed(int fd);

/* A descriptor of the core's own, fresh from the kernel: the loop calls `serve`, which must not park, while it is
 * ready for `want` (0: no longer), and with WAIT_CLOSED if the application closes the number.  0 or -errno. */
int fd_serve(int fd, short want, fd_server *serve, void *arg);

/* Waiters, and how many there are. */
extern int fd_waiting;
void fdwait_add(struct fdrec *f, struct fdwait *w, struct coro *co, short want);
void fdwait_remove(struct fdwait *w);

/* A stake in nothing but the end of fd, whatever it is: closed(), which must not park, is called when somebody
 * is about to close the number, before it can be another's.  The record it is in must stay where it is. */
struct fdguard {
	struct fdwait wait;
	void (*closed)(struct fdguard *);
};
/* `closed` is set, the rest zero.  Without effect on a number that is not open. */
void fd_guard(struct fdguard *g, struct coro *me, int fd);
void fd_unguard(struct fdguard *g);

/* Called by the loop. */
short fd_fired(struct fdrec *f, short events);
/* Has the last one woken for f not had its turn yet?  Then an event that nobody waits for says nothing. */
static inline bool fd_wake_is_due(const struct fdrec *f)
{
	int rounds = (int)(f->due_round - sched.round);

	return rounds > 0 || (rounds == 0 && sched.mid_round);
}

void fd_drain_notes(void);
/* Also in processes without green threads: the child has copies of all descriptions. */
void fd_after_fork_parent(void);
FORKED void fd_after_fork_child(void);
int fd_verify(void);

#endif
