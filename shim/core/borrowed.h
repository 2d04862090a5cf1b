/* SPDX-License-Identifier: Apache-2.0
 *
 * What each of several flows on one thread must have of its own, though it lies in the thread's storage: errno,
 * h_errno, the locale of uselocale(), and the error queues of OpenSSL.
 *
 * Whoever switches between two flows of a thread, be they native coroutines or greenlets, calls
 * borrowed_leave() for the one that leaves, before, and borrowed_enter() for the one that has come back or
 * begins, after the switch, both on that thread.  A zeroed record is that of a new thread; borrowed_end() takes
 * what is left of one.
 *
 * A queue of errors is not copied if libcrypto finds it by a pthread key: the flow's own is put there.  So a
 * switch in a process without libcrypto costs some loads, and one with it two calls more.
 */
#ifndef SYNCLESS_BORROWED_H
#define SYNCLESS_BORROWED_H

#include <locale.h>
#include <stdatomic.h>
#include <stddef.h>
#include "base.h"

#define BORROWED_LIBS 2 /* libcryptos in a process: the system's, and one that a Python wheel brings along */

struct borrowed {
	int saved_errno, saved_h_errno;
	locale_t locale;	     /* NULL: the process's */
	void *errors[BORROWED_LIBS]; /* libcrypto's records, or queues; NULL: none yet */
};

/* What the calling thread gave uselocale(); NULL: the process's. */
extern __thread locale_t borrowed_locale __attribute__((tls_model("initial-exec")));
/* Where errno and h_errno lie, from there: libc's variables are as far from ours in each thread, and a sum is
 * cheaper than libc's calls that tell. */
extern ptrdiff_t borrowed_errno_at, borrowed_h_errno_at;
/* How many libcryptos were found. */
extern _Atomic int borrowed_libs;
extern _Atomic bool borrowed_in_use;

/* There are, or will be, flows that share a thread's storage. */
void borrowed_start(void);
static inline void borrowed_begin(void)
{
	if (UNLIKELY(!atomic_load_explicit(&borrowed_in_use, memory_order_relaxed)))
		borrowed_start();
}

/* Something has been loaded: it may be libcrypto.  May park. */
void borrowed_look(void);

/* uselocale(3), remembered. */
FORKED locale_t borrowed_uselocale(locale_t locale);

void borrowed_leave_errors(struct borrowed *b);
void borrowed_enter_errors(struct borrowed *b);

static inline int *borrowed_word(ptrdiff_t at)
{
	return (int *)((char *)&borrowed_locale + at);
}

static inline void borrowed_leave(struct borrowed *b)
{
	b->saved_errno = *borrowed_word(borrowed_errno_at);
	b->saved_h_errno = *borrowed_word(borrowed_h_errno_at);
	b->locale = borrowed_locale;
	if (UNLIKELY(atomic_load_explicit(&borrowed_libs, memory_order_relaxed)))
		borrowed_leave_errors(b);
}

static inline void borrowed_enter(struct borrowed *b)
{
	if (UNLIKELY(b->locale != borrowed_locale))
		borrowed_uselocale(b->locale ? b->locale : LC_GLOBAL_LOCALE);
	if (UNLIKELY(atomic_load_explicit(&borrowed_libs, memory_order_relaxed)))
		borrowed_enter_errors(b);
	*borrowed_word(borrowed_h_errno_at) = b->saved_h_errno;
	*borrowed_word(borrowed_errno_at) = b->saved_errno;
}

/* The flow has ended, and another has entered in its place.  From any thread. */
void borrowed_end(struct borrowed *b);

FORKED void borrowed_after_fork_child(void);

#endif
