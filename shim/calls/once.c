/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_once() and call_once(): ours from the start of the process, for native threads too, because libc's
 * holds later callers on a futex that we never see, and the initialiser may park.
 *
 * The word is as libc has it, since headers compile looks at it into programs: 0 new, 2 done, bit 0 in
 * progress.  Above that libc keeps a fork count, and we the process id, to the same end: what a thread of the
 * parent was doing when it forked is new in the child.
 *
 * An initialiser that does not return (pthread_exit, cancellation, a C++ exception) leaves the word new.  A
 * cleanup attribute sees to it, which unwinding runs only in objects compiled with -fexceptions.
 */
#include <limits.h>
#include "coro.h"
#include "libc.h"
#include "raw.h"
#include "waitq.h"

#ifndef __EXCEPTIONS
#error "compile with -fexceptions"
#endif

enum { ONCE_IN_PROGRESS = 1, ONCE_DONE = 2, ONCE_PROCESS_SHIFT = 2 };

extern int __pthread_once(pthread_once_t *once, void (*init)(void));

struct attempt {
	int *word;
	int outcome; /* what the word becomes */
};

static void end_attempt(struct attempt *a)
{
	__atomic_store_n(a->word, a->outcome, __ATOMIC_SEQ_CST);
	if (waitq_has_waiters(a->word))
		waitq_wake(a->word, INT_MAX);
}

static void initialise(int *word, void (*init)(void))
{
	__attribute__((cleanup(end_attempt))) struct attempt a = { word, 0 };

	init();
	a.outcome = ONCE_DONE;
}

static void await_change(int *word, int in_progress)
{
	struct waiter native, *w = waitq_mine(&native);
	int saved = errno;

	waitq_add(w, word);
	if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == in_progress)
		waitq_wait(w, NEVER, 0, "pthread_once");
	else
		waitq_leave(w);
	errno = saved;
	coro_leave(0);
}

static __attribute__((noinline)) void run_once(int *word, void (*init)(void))
{
	int in_progress = (int)raw1(SYS_getpid, 0) << ONCE_PROCESS_SHIFT | ONCE_IN_PROGRESS;

	for (;;) {
		int seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);

		if (seen & ONCE_DONE)
			return;
		if (seen == in_progress) {
			await_change(word, in_progress);
		} else if (__atomic_compare_exchange_n(word, &seen, in_progress, false, __ATOMIC_ACQ_REL,
						       __ATOMIC_RELAXED)) {
			initialise(word, init);
			return;
		}
	}
}

/* pthread_once(3).  Parks: while another thread runs the initialiser.  No cancellation point itself. */
EXPORT int pthread_once(pthread_once_t *once, void (*init)(void))
{
	if (UNLIKELY(!(__atomic_load_n(once, __ATOMIC_ACQUIRE) & ONCE_DONE)))
		run_once(once, init);
	return 0;
}
EXPORT_ALIAS(__pthread_once, pthread_once);

_Static_assert(sizeof(once_flag) == sizeof(pthread_once_t), "once_flag is not a pthread_once_t");

/* call_once(3).  As pthread_once(). */
EXPORT void call_once(once_flag *flag, void (*init)(void))
{
	pthread_once((pthread_once_t *)flag, init);
}
