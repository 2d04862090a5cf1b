/* SPDX-License-Identifier: Apache-2.0
 *
 * What the thread code asks of the Python side (pyhost.c), which may not be there at all.
 */
#ifndef SYNCLESS_PYTHON_H
#define SYNCLESS_PYTHON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* The constructor's part: looks whether this process has a Python. */
void python_boot(void);
/* Is this pthread_create, called from `caller` with `arg` for the new thread, the one of a threading.Thread? */
bool python_makes_green(const void *caller, const void *arg);
/* A green thread was started: main's input() must let others run. */
void python_thread_started(void);
/* Must the caller's call end with EINTR for a signal that came while input() let others run?  Once. */
extern bool python_owes_eintr;
static inline bool python_pays_eintr(void)
{
	return __builtin_expect(python_owes_eintr, 0) && !(python_owes_eintr = false);
}
/* The monitor, a native thread, has the GIL for a moment; who computes with it gives way meanwhile. */
bool python_can_ask(void);
void python_ask(void);
/* Where the interpreter locks the mutex of its GIL, to have it; NULL until somebody has had to ask for it. */
extern _Atomic(const void *) python_gil_site;
/* A coroutine is about to do that: it has no lock of the interpreter's.  Parks: when it has had the host for long
 * enough. */
void python_wants_gil(void);
/* Any thread but a coroutine locks a mutex there. */
extern _Atomic bool python_seeks_gil_site;
void python_found_lock(const void *caller);
bool python_is_here(void);
/* The interpreter has begun and does not end yet. */
bool python_is_up(void);
/* Does the interpreter itself call us from there? */
bool python_is_runtime(const void *caller);
/* The same, and not for a lock of Python code: a semaphore in which the interpreter parks a thread (3.13 and later). */
bool python_parks_thread(const void *caller);
/* "app.py:17 (fn)", where that thread is in Python; false: nowhere.  Waits for the GIL as long as it takes.  For
 * the watch only. */
bool python_where(pthread_t thread, char *out, size_t size);
void python_after_fork_child(void);

#endif
