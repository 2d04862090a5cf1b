/* SPDX-License-Identifier: Apache-2.0
 *
 * Which flow holds a FILE's lock, where several live on one thread: the lock is libc's and recursive, and its
 * owner is the thread's record, so libc would let all of them in.
 *
 * Only of flows that borrow (coro.h), and only what they take through us: a lock that main took before there
 * was another flow is not known here, nor what libc's other calls take for a moment.
 *
 * Host only.  Nothing here parks.
 */
#ifndef SYNCLESS_FILELOCK_H
#define SYNCLESS_FILELOCK_H

#include <stdio.h>
#include "coro.h"

/* Does another flow of the caller's thread hold f? */
bool filelock_is_anothers(struct coro *me, const FILE *f);
/* The caller has got libc's lock, once more.  Without memory for it nothing is noted. */
void filelock_note(struct coro *me, const FILE *f);
/* It gives one back. */
void filelock_release(struct coro *me, const FILE *f);
/* f is about to be no more. */
void filelock_forget(const FILE *f);

#endif
