/* SPDX-License-Identifier: Apache-2.0
 *
 * The table behind fdtab.h: chunks of 1,024, allocated when first touched and never freed, so that
 * native threads may look without a lock.  Records are made and freed by the host alone.
 */
#include "fdtab.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>
#include "libc.h"
#include "loop.h"
#include "raw.h"

#define CHUNK 1024
#define CHUNKS 1024

enum note { NOTE_CLOSING, NOTE_SHUT_DOWN, NOTE_PEERS_SHUT_DOWN, NOTES };

struct chunk {
	_Atomic unsigned char kind[CHUNK];
	_Atomic(struct fdrec *) rec[CHUNK];
	/* Notes to the host (consequence 1): what native threads and signal handlers close or shut down. */
	_Atomic bool noted;
	_Atomic uint64_t notes[NOTES][CHUNK / 64];
};

/* The first is there from the start: what is tracked before any green thread costs no system call. */
static struct chunk first_chunk;
static _Atomic(struct chunk *) chunks[CHUNKS] = { &first_chunk };

static _Atomic bool any_noted;

int fd_waiting;

_Atomic int fd_known_end;

static void free_dropped(void);

static struct chunk *far_chunk(int fd, bool make)
{
	unsigned i = (unsigned)fd / CHUNK;
	struct chunk *c, *none = NULL;

	if (fd < 0 || i >= CHUNKS)
		return NULL;
	c = atomic_load_explicit(&chunks[i], memory_order_acquire);
	if (c || !make)
		return c;
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		return NULL;
	if (!atomic_compare_exchange_strong(&chunks[i], &none, c)) {
		munmap(c, sizeof(*c));
		c = none;
	}
	return c;
}

static inline struct chunk *chunk_of(int fd, bool make)
{
	return LIKELY((unsigned)fd < CHUNK) ? &first_chunk : far_chunk(fd, make);
}

static _Atomic unsigned char *kind_of(int fd, bool make)
{
	struct chunk *c = chunk_of(fd, make);

	return c ? &c->kind[fd % CHUNK] : NULL;
}

#define MEM_MAJOR 1 /* /dev/null, zero, full, random, urandom … */
#define KMSG_MINOR 11

static int classify_device(dev_t dev)
{
	return major(dev) == MEM_MAJOR && minor(dev) != KMSG_MINOR ? FD_FILE : FD_SLOW;
}

static int classify(int fd)
{
	struct stat st;

	if (raw2(SYS_fstat, fd, &st) < 0)
		return FD_BAD;
	if (S_ISSOCK(st.st_mode))
		return FD_SOCKET;
	if (S_ISFIFO(st.st_mode))
		return FD_PIPE;
	if (S_ISCHR(st.st_mode))
		return classify_device(st.st_rdev);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		return FD_FILE;
	return FD_PIPE; /* anonymous inodes: eventfd and friends */
}

static void store_kind(_Atomic unsigned char *k, int fd, int kind)
{
	int end = atomic_load_explicit(&fd_known_end, memory_order_relaxed);

	while (UNLIKELY(fd >= end) && kind != FD_UNKNOWN &&
	       !atomic_compare_exchange_weak(&fd_known_end, &end, fd + 1))
		;
	atomic_store_explicit(k, (unsigned char)kind, memory_order_relaxed);
}

int fd_kind(int fd)
{
	_Atomic unsigned char *k = kind_of(fd, true);
	int kind;

	if (!k)
		return FD_BAD;
	kind = atomic_load_explicit(k, memory_order_relaxed);
	if (LIKELY(kind & FD_KIND_MASK))
		return kind;
	kind = classify(fd);
	if (kind == FD_BAD)
		return FD_BAD;
	kind |= FD_SHARED; /* we did not see it made */
	store_kind(k, fd, kind);
	return kind;
}

bool fd_is_known_file(int fd)
{
	const _Atomic unsigned char *k = kind_of(fd, false);

	return k && fd_never_waits(atomic_load_explicit(k, memory_order_relaxed));
}

/* Bits of an unknown kind would outlive what they were said of. */
static void change_bits(int fd, int clear, int set)
{
	_Atomic unsigned char *k = kind_of(fd, false);
	unsigned char old = k ? atomic_load_explicit(k, memory_order_relaxed) : FD_UNKNOWN;

	while ((old & FD_KIND_MASK) && (unsigned char)((old & ~clear) | set) != old)
		if (atomic_compare_exchange_weak_explicit(k, &old, (unsigned char)((old & ~clear) | set),
							  memory_order_relaxed, memory_order_relaxed))
			break;
}

void fd_mark(int fd, int bits)
{
	change_bits(fd, 0, bits);
}

void fd_found_inert(int fd)
{
	change_bits(fd, FD_KIND_MASK, FD_INERT);
}

static bool is_nonblock(int fd, int kind)
{
	long flags;

	if (!(kind & FD_SHARED))
		return kind & FD_NONBLOCK;
	flags = raw2(SYS_fcntl, fd, F_GETFL);
	return flags >= 0 && (flags & O_NONBLOCK);
}

bool fd_is_nonblock(int fd)
{
	return is_nonblock(fd, fd_kind(fd));
}

short fd_events(int fd, short poll_events)
{
	struct pollfd p = { .fd = fd, .events = poll_events };
	struct timespec zero = { 0, 0 };
	long r;

	do /* a signal that was not for this thread of ours */
		r = raw6(SYS_ppoll, (long)&p, 1, (long)&zero, 0, 0, 0);
	while (r == -EINTR);
	return r < 0 ? POLLERR : p.revents;
}

bool fd_is_ready(int fd, short poll_events)
{
	return fd_events(fd, poll_events) != 0;
}

int fd_option(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return raw6(SYS_getsockopt, fd, SOL_SOCKET, option, (long)&value, (long)&len, 0) < 0 ? 0 : value;
}

bool fd_is_unix(int fd)
{
	return fd_option(fd, SO_DOMAIN) == AF_UNIX;
}

struct fdrec *fd_lookup(int fd)
{
	struct chunk *c = chunk_of(fd, false);

	return c ? atomic_load_explicit(&c->rec[fd % CHUNK], memory_order_acquire) : NULL;
}

static int64_t timeo_ns(int fd, int option)
{
	struct timeval tv = { 0 };
	socklen_t len = sizeof(tv);

	if (raw6(SYS_getsockopt, fd, SOL_SOCKET, option, (long)&tv, (long)&len, 0) < 0)
		return -1;
	if (!tv.tv_sec && !tv.tv_usec)
		return -1;
	return tv.tv_sec * NS_PER_S + tv.tv_usec * NS_PER_US;
}

static void read_timeout(struct fdrec *f, short want)
{
	if (want == WAIT_READ)
		f->rcvtimeo_ns = timeo_ns(f->fd, SO_RCVTIMEO);
	else
		f->sndtimeo_ns = timeo_ns(f->fd, SO_SNDTIMEO);
}

static void read_timeouts(struct fdrec *f)
{
	read_timeout(f, WAIT_READ);
	read_timeout(f, WAIT_WRITE);
}

static void read_socket_options(struct fdrec *f, int kind)
{
	if (kind & (FD_TIMEO | FD_SHARED))
		read_timeouts(f);
	f->stream = fd_option(f->fd, SO_TYPE) == SOCK_STREAM;
	f->datagrams = !f->stream;
}

struct fdrec *fd_record(int fd)
{
	struct chunk *c;
	struct fdrec *f;
	int kind;

	fd_drain_notes();
	c = chunk_of(fd, true);
	f = c ? atomic_load_explicit(&c->rec[fd % CHUNK], memory_order_relaxed) : NULL;
	if (LIKELY(f != NULL))
		return f;
	kind = fd_kind(fd);
	if (kind == FD_BAD) {
		errno = c || fd < 0 ? EBADF : ENOMEM;
		return NULL;
	}
	free_dropped();
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->fd = fd;
	f->rcvtimeo_ns = f->sndtimeo_ns = -1;
	if ((kind & FD_KIND_MASK) == FD_SOCKET)
		read_socket_options(f, kind);
	atomic_store_explicit(&c->rec[fd % CHUNK], f, memory_order_release);
	return f;
}

struct fdrec *fd_to_wait(int fd, short want)
{
	int kind = fd_kind(fd);
	struct fdrec *f;

	if (is_nonblock(fd, kind)) {
		errno = EAGAIN;
		return NULL;
	}
	f = fd_record(fd);
	if (f && (kind & FD_SHARED) && (kind & FD_KIND_MASK) == FD_SOCKET)
		read_timeout(f, want); /* it may have been set by another number */
	return f;
}

bool fd_is_dry(int fd)
{
	struct fdrec *f = fd_lookup(fd);

	return f && f->maybe_empty && !(fd_kind(fd) & (FD_SHARED | FD_NONBLOCK));
}

void fd_note_read(int fd, bool was_short)
{
	struct fdrec *f = fd_lookup(fd);

	if (f && f->stream)
		f->maybe_empty = was_short;
}

void fdwait_add(struct fdrec *f, struct fdwait *w, struct coro *co, short want)
{
	w->co = co;
	w->rec = f;
	w->want = want;
	w->got = 0;
	w->next = NULL;
	w->prev = f->waits_tail;
	fd_waiting++;
	if (f->waits_tail)
		f->waits_tail->next = w;
	else
		f->waits = w;
	f->waits_tail = w;
}

void fdwait_remove(struct fdwait *w)
{
	struct fdrec *f = w->rec;

	if (!f)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		f->waits = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		f->waits_tail = w->prev;
	w->rec = NULL;
	fd_waiting--;
}

/* Events never reach one that wants nothing but WAIT_CLOSED. */
static void fire(struct fdwait *w, short events)
{
	struct coro *co = w->co;

	w->got = events;
	w->rec->due_round = sched.round + 1;
	fdwait_remove(w);
	if (UNLIKELY(w->want == WAIT_CLOSED)) {
		struct fdguard *g = CONTAINER_OF(w, struct fdguard, wait);

		g->closed(g);
	} else {
		coro_ready(co);
	}
}

void fd_guard(struct fdguard *g, struct coro *me, int fd)
{
	int saved = errno;
	struct fdrec *f = fd_record(fd);

	errno = saved;
	if (f)
		fdwait_add(f, &g->wait, me, WAIT_CLOSED);
}

void fd_unguard(struct fdguard *g)
{
	fdwait_remove(&g->wait);
}

/* Marks who can go on; returns the events nobody waits for any more.  A reader that waits for this fd
 * alone will consume, so one per direction is enough (the watcher is level-triggered: if it does not
 * consume, the next poll wakes the next); a poller of many only looks, so all of those wake. */
short fd_fired(struct fdrec *f, short events)
{
	short left = events, unwanted = events;

	f->maybe_empty = false;
	for (struct fdwait *w = f->waits, *next; w; w = next) {
		bool polls = w != &w->co->fdwait;

		next = w->next;
		unwanted &= (short)~w->want;
		if (!(w->want & (polls ? events : left)))
			continue;
		if (!polls)
			left &= (short)~w->want;
		fire(w, w->want & events);
	}
	return unwanted;
}

static void end_waits(struct fdrec *f)
{
	while (f->waits)
		fire(f->waits, WAIT_CLOSED);
}

/* Host only: the number means nothing to us from here on.  The kind goes last, the loop asks for it. */
static void forget(int fd)
{
	struct chunk *c = chunk_of(fd, false);
	struct fdrec *f = c ? atomic_load_explicit(&c->rec[fd % CHUNK], memory_order_relaxed) : NULL;
	fd_server *serve = f ? f->serve : NULL;
	void *arg = serve ? f->serve_arg : NULL;

	if (f) {
		end_waits(f);
		loop_unwatch(f);
		atomic_store_explicit(&c->rec[fd % CHUNK], NULL, memory_order_relaxed);
		free(f);
	}
	if (c)
		atomic_store_explicit(&c->kind[fd % CHUNK], FD_UNKNOWN, memory_order_relaxed);
	if (serve)
		serve(fd, WAIT_CLOSED, arg);
}

int fd_serve(int fd, short want, fd_server *serve, void *arg)
{
	struct fdrec *f = want ? fd_record(fd) : fd_lookup(fd);

	if (!f)
		return want ? -errno : 0;
	f->serve = want ? serve : NULL;
	f->serve_arg = arg;
	return loop_watch_only(f, want);
}

/* A vfork child runs in our memory under another pid; only then is getpid() not our own. */
bool fd_in_our_process(void)
{
	return raw1(SYS_getpid, 0) == sched.host_pid;
}

static void wake_writers(struct fdrec *f)
{
	for (struct fdwait *w = f ? f->waits : NULL, *next; w; w = next) {
		next = w->next;
		if (w->want & WAIT_WRITE)
			fire(w, WAIT_WRITE);
	}
}

static void all_look_again(int fd)
{
	(void)fd;
	for (int i = 0; i < CHUNKS; i++)
		for (int k = 0; k < CHUNK && atomic_load_explicit(&chunks[i], memory_order_acquire); k++)
			wake_writers(fd_lookup(i * CHUNK + k));
}

/* Host only.  Under other numbers of the same file there may be writers, too. */
static void look_again(int fd)
{
	wake_writers(fd_lookup(fd));
	if (fd_kind(fd) & FD_SHARED)
		all_look_again(fd);
}

/* Outermost flag last; the drain clears it first: a note is seen by this drain or by the next. */
static void leave_note(int fd, enum note note)
{
	struct chunk *c = chunk_of(fd, false);

	atomic_fetch_or(&c->notes[note][fd % CHUNK / 64], 1ull << (fd % 64));
	atomic_store(&c->noted, true);
	atomic_store(&any_noted, true);
	loop_kick();
}

static void act_or_note(int fd, enum note note, void (*act)(int fd))
{
	bool was_outside, here = coro_begin_moment(&was_outside);

	if (here && !sched.in_handler)
		act(fd);
	else
		leave_note(fd, note);
	if (here)
		coro_end_moment(was_outside);
}

void fd_shut_down(int fd, bool peers)
{
	if (LIKELY(!sched.main || !chunk_of(fd, false)) || !fd_in_our_process())
		return;
	if (peers)
		act_or_note(fd, NOTE_PEERS_SHUT_DOWN, all_look_again);
	else
		act_or_note(fd, NOTE_SHUT_DOWN, look_again);
}

HOT void fd_closing_known(int fd)
{
	struct chunk *c = chunk_of(fd, false);

	if (!c)
		return;
	if (LIKELY(!atomic_load_explicit(&c->rec[fd % CHUNK], memory_order_acquire))) {
		/* Harmless in a vfork child: it is found again by fstat. */
		atomic_store_explicit(&c->kind[fd % CHUNK], FD_UNKNOWN, memory_order_relaxed);
		return;
	}
	if (!fd_in_our_process())
		return;
	act_or_note(fd, NOTE_CLOSING, forget);
}

void fd_closing_range(unsigned first, unsigned last)
{
	if (sched.main && !fd_in_our_process())
		return;
	for (unsigned i = first / CHUNK; i < CHUNKS && i <= last / CHUNK; i++) {
		if (!atomic_load_explicit(&chunks[i], memory_order_acquire))
			continue;
		for (unsigned k = 0; k < CHUNK; k++) {
			unsigned fd = i * CHUNK + k;

			if (fd >= first && fd <= last)
				fd_closing((int)fd);
		}
	}
}

static void drain_chunk(int i, struct chunk *c, enum note note, void (*act)(int fd))
{
	for (int k = 0; k < CHUNK / 64; k++) {
		uint64_t bits = atomic_exchange(&c->notes[note][k], 0);

		for (; bits; bits &= bits - 1)
			act(i * CHUNK + k * 64 + __builtin_ctzll(bits));
	}
}

void fd_drain_notes(void)
{
	if (LIKELY(!atomic_load_explicit(&any_noted, memory_order_acquire)))
		return;
	atomic_store(&any_noted, false);
	for (int i = 0; i < CHUNKS; i++) {
		struct chunk *c = atomic_load(&chunks[i]);

		if (!c || !atomic_exchange(&c->noted, false))
			continue;
		drain_chunk(i, c, NOTE_CLOSING, forget);
		drain_chunk(i, c, NOTE_SHUT_DOWN, look_again);
		drain_chunk(i, c, NOTE_PEERS_SHUT_DOWN, all_look_again);
	}
}

HOT void fd_created(int fd, int kind)
{
	struct chunk *c;

	if (fd < 0 || (!sched.main && (kind & FD_KIND_MASK) != FD_SOCKET && !fd_may_be_known(fd)))
		return;
	c = chunk_of(fd, kind != FD_UNKNOWN);
	if (!c)
		return;
	if (UNLIKELY(atomic_load_explicit(&c->rec[fd % CHUNK], memory_order_acquire)))
		fd_closing(fd); /* its close did not pass through us */
	store_kind(&c->kind[fd % CHUNK], fd, kind);
}

void fd_appeared(int fd)
{
	fd_created(fd, FD_UNKNOWN);
}

void fd_duplicated(int from, int to)
{
	fd_appeared(to);
	fd_mark(from, FD_SHARED); /* `to` will be found to be so */
}

HOT void fd_set_nonblock(int fd, bool on)
{
	change_bits(fd, FD_NONBLOCK, on ? FD_NONBLOCK : 0);
}

void fd_timeouts_changed(int fd)
{
	struct fdrec *f = fd_lookup(fd);

	fd_mark(fd, FD_TIMEO);
	if (f && fd_in_our_process())
		read_timeouts(f);
}

void fd_after_fork_parent(void)
{
	int end = atomic_load(&fd_known_end);

	for (int i = 0; i * CHUNK < end; i++)
		for (int fd = i * CHUNK; atomic_load(&chunks[i]) && fd < end && fd < (i + 1) * CHUNK; fd++)
			fd_mark(fd, FD_SHARED);
}

/* In a forked child's handlers the locks of the allocator may be held: one that is not libc's lets them go in a
 * handler of its own, which comes later.  So what is dropped there is freed when it is next wanted. */
static struct fdrec *dropped;

/* The waits are not touched: whose they were may be gone already. */
static void drop_record(struct chunk *c, unsigned k)
{
	struct fdrec *f = atomic_load(&c->rec[k]);

	if (!f)
		return;
	f->serve_arg = dropped;
	dropped = f;
	atomic_store(&c->rec[k], NULL);
}

static void free_dropped(void)
{
	while (dropped) {
		struct fdrec *f = dropped;

		dropped = f->serve_arg;
		free(f->watch); /* of a loop that will never run */
		free(f);
	}
}

static void drop_records_and_notes(void)
{
	for (unsigned i = 0; i < CHUNKS; i++) {
		struct chunk *c = atomic_load(&chunks[i]);

		for (unsigned k = 0; c && k < CHUNK; k++)
			drop_record(c, k);
		for (unsigned k = 0; c && k < NOTES * CHUNK / 64; k++)
			atomic_store(&c->notes[k % NOTES][k / NOTES], 0);
	}
	atomic_store(&any_noted, false);
}

/* The child's descriptors are copies of the parent's: shared, and nobody waits on them.  Without green threads
 * no page is touched that need not be, each of which would be a fault. */
void fd_after_fork_child(void)
{
	int end = atomic_load(&fd_known_end);

	for (int i = 0; i * CHUNK < end; i++) {
		struct chunk *c = atomic_load(&chunks[i]);

		for (int k = 0; c && k < CHUNK && i * CHUNK + k < end; k++)
			if (atomic_load(&c->kind[k]))
				atomic_store(&c->kind[k], FD_UNKNOWN);
	}
	if (sched.main)
		drop_records_and_notes();
	if (coro_self && coro_self->fdwait.rec) { /* forked by a handler under the wait, which looks again */
		coro_self->fdwait.rec = NULL;
		coro_self->fdwait.got = WAIT_CLOSED;
	}
	if (fd_waiting)
		fd_waiting = 0;
}

int fd_verify(void)
{
	for (unsigned i = 0; i < CHUNKS; i++) {
		struct chunk *c = atomic_load(&chunks[i]);

		for (unsigned k = 0; c && k < CHUNK; k++) {
			struct fdrec *f = atomic_load(&c->rec[k]);

			if (f && f->fd != (int)(i * CHUNK + k))
				return -1;
			for (struct fdwait *w = f ? f->waits : NULL; w; w = w->next)
				if (w->rec != f || (w->next ? w->next->prev != w : f->waits_tail != w))
					return -1;
		}
	}
	return 0;
}
