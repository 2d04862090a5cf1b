/* SPDX-License-Identifier: Apache-2.0
 *
 * Which flow holds a FILE's lock, where several live on one thread: the lock is libc's and recursive, and its
 * owner is the thread's record, so libc would let all of them in.
 *
 * Only of flows that borrow (coro.h), and only what they take through us: a lock that main took before there
 * was another flow is not known here, nor what libc's other calls take for a moment.  Greenlets of one thread
 * share what they lock by flockfile(), as they do an RLock; but not the inside of a call.
 *
 * And a call's turn at a FILE.  libc takes the lock inside every stdio call and sleeps on a futex of its own
 * when one is held, which would stop the host for as long as a parked coroutine has the FILE: by flockfile,
 * or inside a call of stdio that waits (streams.h).  So where coroutines exist each such call first takes the
 * lock here, by trying and parking; libc then finds it its caller's own, for it is recursive.
 */
#ifndef SYNCLESS_FILELOCK_H
#define SYNCLESS_FILELOCK_H

#include <stdio.h>
#include "coro.h"

/* True: a coroutine has the lock, parking for it if need be.  False: a native thread, which lets libc sleep
 * on it, or a signal handler.  Ends as a call does (coro_leave): what libc then does may take long. */
bool filelock_take(FILE *f, const char *why);
/* The same without waiting: is it the caller's? */
bool filelock_try(FILE *f);
/* After each use of the FILE, taken or not: somebody may wait for it here.  Keeps errno. */
void filelock_give(FILE *f, bool taken);

/* The rest of the block has its turn at f.  A cancelled thread gives it back as well. */
struct turn {
	FILE *f;
	bool taken;
};
static inline void turn_is_over(struct turn *t)
{
	filelock_give(t->f, t->taken);
}
#define IN_TURN(f, why)                                                                                        \
	struct turn turn __attribute__((cleanup(turn_is_over), unused)) = { f, filelock_take(f, why) }

/* Host only, and nothing here parks: */
/* Does another flow of the caller's thread hold f? */
bool filelock_is_anothers(struct coro *me, const FILE *f);
/* The caller has got libc's lock, once more.  Without memory for it nothing is noted. */
void filelock_note(struct coro *me, const FILE *f);
/* It gives one back. */
void filelock_release(struct coro *me, const FILE *f);
/* A flow that is not alone on its thread is about to wait inside libc's call on f, and has come back: any
 * other's call is not its own, though libc's lock is the thread's.  False: that need not be noted.  The
 * lock's own end wakes. */
bool filelock_enter(const FILE *f);
void filelock_leave(const FILE *f);
/* f is about to be no more. */
void filelock_forget(const FILE *f);

#endif
