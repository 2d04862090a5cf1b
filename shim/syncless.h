/* SPDX-License-Identifier: Apache-2.0
 *
 * The public C API of libsyncless.so.
 *
 * A program links to it (pkg-config syncless), or declares the functions weak and tests them for NULL: then the
 * same binary runs with and without the preload.  Coroutines made here are scheduled with the green threads of
 * the process; libc's blocking calls park them.  They share the thread-local storage of the thread that hosts
 * them, but each has its own stack, errno, h_errno, locale (uselocale), OpenSSL error queue and signal mask,
 * and is an owner of its own to mutexes, read-write locks and FILEs.  To pthread_self() they are all that one
 * thread.
 *
 * Calls that wait are marked "parks".  In a coroutine they let others run; in a kernel thread of its own they
 * block it.  Once a coroutine is cancelled every such call, and each of libc's that would wait, fails with
 * ECANCELED; once its deadline has passed, with ETIME.
 */
#ifndef SYNCLESS_H
#define SYNCLESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Coroutines */

/* A coroutine.  Valid until it has been joined, or, if it was detached, until it has ended. */
typedef struct syncless_co syncless_co;

/* Makes one that calls start(arg) when its turn comes.  stack_size in bytes, rounded up to pages; 0: 64 kB; at least
 * 16 kB.  There is a guard page below.  NULL with errno: ENOMEM; EAGAIN: coroutines do not work here.  Any thread. */
syncless_co *syncless_spawn(void *(*start)(void *arg), void *arg, size_t stack_size);

/* Parks until co has ended, stores what start() returned in *result (if not NULL) and frees co.  0, or an error number:
 * EDEADLK (co is the caller), EINVAL (detached), ECANCELED, ETIME.  One caller only.  Any thread. */
int syncless_join(syncless_co *co, void **result);

/* Nobody will join it; it is freed when it ends.  0 or EINVAL (detached already).  Any thread. */
int syncless_detach(syncless_co *co);

/* The caller's own; NULL outside of coroutines made by syncless_spawn(). */
syncless_co *syncless_self(void);

/* Lets every other one that is ready run once.  Does nothing in a native thread. */
void syncless_yield(void);

/* Parks for so many nanoseconds.  0, or -1 with errno ECANCELED, ETIME, or EINTR (a signal handler ran). */
int syncless_sleep(int64_t nanoseconds);

/* The calls of co that wait fail from now on with ECANCELED, also the one that it waits in; locks of mutexes do not.  co
 * must not have been joined.  Any thread. */
void syncless_cancel(syncless_co *co);

/* No call of the caller's that waits goes on for longer than this many nanoseconds from now; negative: no limit.  The
 * call that is ended fails with ETIME, and so do later ones until a new deadline is set.  Returns how much was
 * left of the old one, negative: there was none.  Only in coroutines made by syncless_spawn(); elsewhere it
 * does nothing. */
int64_t syncless_deadline(int64_t nanoseconds);

/* --- Values of a coroutine, where thread-specific data would be the whole thread's */

/* A new key; destroy (if not NULL) is called at the end of each coroutine whose value is not NULL.  0 or EAGAIN (64 keys
 * are in use).  Keys are for ever.  Any thread. */
int syncless_key_create(unsigned *key, void (*destroy)(void *value));
/* The calling coroutine's value, NULL at first; outside of coroutines the thread's. */
void *syncless_get(unsigned key);
/* 0 or ENOMEM. */
int syncless_set(unsigned key, void *value);

/* --- Channels: queues of elements of one size, for coroutines and threads alike */

typedef struct syncless_channel syncless_channel;

/* capacity: so many elements wait in it before senders park; 0: each sender waits for its receiver.  NULL: ENOMEM. */
syncless_channel *syncless_channel_new(size_t element_size, size_t capacity);
/* Parks while it is full.  0, or -1 with errno EPIPE (closed), ECANCELED, ETIME. */
int syncless_channel_send(syncless_channel *ch, const void *element);
/* Parks while it is empty.  1: *element is the oldest; 0: it is closed and empty; -1 with errno ECANCELED, ETIME. */
int syncless_channel_receive(syncless_channel *ch, void *element);
/* Whoever waits, and all who come later, learn that it is closed.  What is in it can still be received. */
void syncless_channel_close(syncless_channel *ch);
/* Nobody may use it any more. */
void syncless_channel_free(syncless_channel *ch);

/* --- The process */

struct syncless_stats {
	size_t size;	       /* of this struct as the caller knows it; set by the caller */
	uint64_t switches;     /* from one coroutine to another, since the start */
	int64_t green_threads; /* alive now */
	int64_t coroutines;    /* likewise, those of syncless_spawn() */
	uint64_t handoffs;     /* so often has a thread been left to itself on its kernel thread */
};
/* 0 or EINVAL (size).  Any thread. */
int syncless_get_stats(struct syncless_stats *stats);

/* +1: threads that the calling thread creates from now on are kernel threads, for work that runs in C and
 * should run beside the others; -1 ends it.  Calls nest.  Any thread. */
void syncless_native_threads(int delta);

/* Walks every structure of the scheduler and checks its invariants.  0: all hold; -1: one does not, and stderr
 * says which part.  From a coroutine, a green thread or the thread that hosts them; elsewhere 0. */
int syncless_verify(void);

/* How many green threads live (not ended).  Any thread. */
int syncless_green_threads(void);

/* Writes what `syncless doctor` wants to know of this process, a line for each fact, to fd.  Any thread. */
void syncless_report(int fd);

#ifdef __cplusplus
}
#endif
#endif
