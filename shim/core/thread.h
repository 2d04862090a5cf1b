/* SPDX-License-Identifier: Apache-2.0
 *
 * Green threads: pthreads of glibc that have everything but a kernel thread.
 *
 * Files: body.c makes and unmakes the bodies (stack, TLS, struct pthread) and keeps idle ones for reuse;
 * stack.c hands out the memory; tls.c runs destructors and makes TLS new; green.c is a thread's life from
 * pthread_create to join; main_exit.c is the end of the one that has no body.
 */
#ifndef SYNCLESS_THREAD_H
#define SYNCLESS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include "base.h"
#include "coro.h"

/* Who moves a thread to which state:
 *   ALIVE    its creator, before it is launched
 *   ENDED    itself, off its own stack (green.c: after_end): joiners may take the result
 *   JOINED   the one joiner, or nobody if it was detached: the body is idle or back with glibc      */
enum green_life { GREEN_NEW, GREEN_ALIVE, GREEN_ENDED, GREEN_JOINED };

struct green {
	struct coro co;
	_Atomic int life;
	_Atomic bool detached;
	_Atomic(struct coro *) joiner; /* or JOINER_NATIVE */
	void *(*start)(void *);
	void *arg;
	void *result;
	bool retired;	/* left by pthread_exit or cancellation: glibc's record says "exiting" for ever; or TLS stays old */
	bool is_seat;	/* it is a seat's own flow, `start`, for ever (handoff.h) */
	bool going_home; /* the next switch to it is on a kernel thread of its own (body.c) */
	bool own_stack; /* the application's memory (pthread_attr_setstack) */
	char *stack;	/* our piece otherwise */
	size_t stack_size, guard_size;
	int *tid_word;		/* where glibc's record keeps the tid */
	int *home_word;		/* where glibc wants the kernel to clear it */
	_Atomic int clear_word; /* where the kernel clears it while the body has no kernel thread */
	struct green *next_idle;
};

#define JOINER_NATIVE ((struct coro *)1)

/* The record of a thread; NULL for native ones (but the host's own flow has one, with green == NULL).
 * Like any pthread call: undefined for a thread that was joined. */
struct coro *coro_of(pthread_t t);

/* The tid word of glibc's record of t (green or native), NULL where its place is not known. */
int *thread_tid_word(pthread_t t);

/* As pthread_create.  Returns an error number; GREEN_NOT_HERE when this thread must be native. */
#define GREEN_NOT_HERE (-1)
int green_create(pthread_t *t, const pthread_attr_t *attr, void *(*start)(void *), void *arg);

/* The scheduler is there, with the caller's process's main thread, or one made for it, as the host.  0 or -errno. */
int green_bring_up(void);
void green_before_fork(void);
void green_after_fork_parent(void);
FORKED void green_after_fork_child(void);

/* The caller's thread ends with this value (pthread_exit, cancellation). */
_Noreturn void green_exit(struct coro *me, void *result);

/* Joins.  0 or an error number (ESRCH, EINVAL, EDEADLK, EBUSY, ETIMEDOUT).  A cancellation point. */
int green_join(struct coro *target, void **result, deadline_t until);
int green_tryjoin(struct coro *target, void **result);
int green_detach(struct coro *target);

/* main_exit.c: the end of the thread that runs main(), which has no body of ours. */
void main_exit_begins(struct coro *me, void *result);
void main_exit_last_ended(void); /* green_alive has become 0 */
int main_exit_join(struct coro *me, void **result, deadline_t until);

/* Depth of native_threads() of the calling thread: > 0 makes the threads it creates native. */
extern __thread int green_native_depth __attribute__((tls_model("initial-exec")));

/* Live green threads (ended ones not counted). */
extern _Atomic int green_alive;

/* Held while a transient kernel thread exists (body.c); the set-id family takes it. */
void body_creation_lock(void);
void body_creation_unlock(void);

void body_before_fork(void);
void body_after_fork_parent(void);
void body_after_fork_child(void);

/* tls.c */
int tls_init(void);
void tls_run_destructors(void);	 /* of the calling thread: C++ first, then TSD, as glibc does */
bool tls_can_be_made_new(void); /* the calling thread's; false: it has variables at unknown places */
void tls_make_new(void);	 /* the calling thread's TLS as in a new thread */
void tls_note_key(pthread_key_t key, void (*destroy)(void *));
FORKED void tls_forget_key(pthread_key_t key);

/* stack.c: 0 or -ENOMEM.  The piece has a guard below it. */
int stack_take(size_t size, size_t guard, char **stack);
void stack_give(char *stack, size_t size, size_t guard);
void stack_before_fork(void);
void stack_after_fork(void);
/* Gives the memory of an idle stack back to the kernel but for the pages above sp. */
void stack_trim(char *stack, void *sp);

#endif
