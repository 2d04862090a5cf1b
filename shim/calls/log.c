/* SPDX-License-Identifier: Apache-2.0
 *
 * The log.  syslog() sends a datagram, which waits when the daemon does not read, with a lock of libc held.  So
 * for a coroutine a worker makes the call, and all that takes that lock, with the finished text: what the
 * caller's arguments, errno (%m) and locale say is written by the caller itself.
 *
 * fork() waits for such workers: the lock would stay taken in the child, for ever.
 *
 * Contract of all.  Park: while the worker is in the call.  Pass through: priorities that the mask leaves out.
 * errno: libc's.  No difference.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "coro.h"
#include "libc.h"
#include "lookup.h"

enum deed { WRITE, OPEN, CLOSE, MASK };

struct log_job {
	struct lookup l;
	enum deed deed;
	int priority, options, facility; /* or the mask */
	const char *ident;		 /* the caller's: libc keeps the pointer */
	char text[];
};

static _Atomic int mask = 0xff; /* libc's, as far as it was set through us */
static _Atomic int under_way;	/* workers in libc, or about to be */

static void one_less(void)
{
	if (atomic_fetch_sub(&under_way, 1) == 1 && waitq_has_waiters(&under_way))
		waitq_wake(&under_way, INT_MAX);
}

static void before_fork(void)
{
	struct waiter native, *w;

	if (LIKELY(!atomic_load(&under_way)) || (coro_self && !coro_may_park()))
		return;
	w = waitq_mine(&native);
	for (;;) {
		waitq_add(w, &under_way);
		if (!atomic_load(&under_way))
			break;
		waitq_wait(w, NEVER, 0, "fork");
	}
	waitq_leave(w);
}

FORKED static void after_fork_child(void)
{
	atomic_store(&under_way, 0);
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(before_fork, NULL, after_fork_child);
}

static void run_log(struct offload_job *job)
{
	struct log_job *j = CONTAINER_OF(job, struct log_job, l.job);

	lookup_begins(&j->l);
	switch (j->deed) {
	case WRITE:
		libc.syslog(j->priority, "%s", j->text);
		break;
	case OPEN:
		libc.openlog(j->ident, j->options, j->facility);
		break;
	case CLOSE:
		libc.closelog();
		break;
	case MASK:
		j->l.result = libc.setlogmask(j->priority);
		break;
	}
	lookup_ends(&j->l);
	one_less();
}

static struct log_job *log_job(enum deed deed, size_t len)
{
	struct log_job *j = calloc(1, sizeof(*j) + len);

	if (!j)
		return NULL;
	j->l.job = (struct offload_job){ .run = run_log, .abandoned = lookup_free };
	j->deed = deed;
	return j;
}

/* The rest of a call: it leaves. */
static int run(struct coro *me, struct log_job *j, const char *why)
{
	int err, r;

	atomic_fetch_add(&under_way, 1);
	err = lookup_run(me, &j->l, WAITQ_CANCEL, why);
	coro_leave(0);
	if (err) {
		errno = err;
		return 0;
	}
	r = j->l.result;
	errno = j->l.err;
	free(j);
	return r;
}

/* By glibc's flag of -D_FORTIFY_SOURCE, or -1. */
static int format(char *to, size_t room, int flag, const char *text, va_list ap)
{
	return flag < 0 ? vsnprintf(to, room, text, ap) : __vsnprintf_chk(to, room, flag, (size_t)-1, text, ap);
}

static bool is_masked(int priority)
{
	return !(atomic_load_explicit(&mask, memory_order_relaxed) & LOG_MASK(LOG_PRI(priority)));
}

/* False: for libc. */
static bool park_log(int priority, int flag, const char *text, va_list ap)
{
	struct coro *me = coro_enter();
	struct log_job *j = NULL;
	int saved = errno, n = -1;
	va_list again;

	if (LIKELY(!me) || (is_masked(priority) && coro_leave(true)))
		return false;
	va_copy(again, ap);
	n = format(NULL, 0, flag, text, again);
	va_end(again);
	if (n >= 0)
		j = log_job(WRITE, (size_t)n + 1);
	errno = saved;
	if (!j) {
		coro_leave(0);
		return false;
	}
	va_copy(again, ap);
	format(j->text, (size_t)n + 1, flag, text, again);
	va_end(again);
	coro_host(); /* the program may have conversions of its own (register_printf_function) */
	errno = saved;
	j->priority = priority;
	run(me, j, "syslog");
	return true;
}

/* syslog(3) */
EXPORT void syslog(int priority, const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	if (!park_log(priority, -1, text, ap))
		libc.vsyslog(priority, text, ap);
	va_end(ap);
}

EXPORT void vsyslog(int priority, const char *text, va_list ap)
{
	if (!park_log(priority, -1, text, ap))
		libc.vsyslog(priority, text, ap);
}

EXPORT void __syslog_chk(int priority, int flag, const char *text, ...)
{
	va_list ap;

	va_start(ap, text);
	if (!park_log(priority, flag, text, ap))
		libc.__vsyslog_chk(priority, flag, text, ap);
	va_end(ap);
}

EXPORT void __vsyslog_chk(int priority, int flag, const char *text, va_list ap)
{
	if (!park_log(priority, flag, text, ap))
		libc.__vsyslog_chk(priority, flag, text, ap);
}

/* NULL: for libc. */
static struct log_job *deed_of(struct coro **me, enum deed deed)
{
	struct log_job *j;

	*me = coro_may_park();
	if (LIKELY(!*me))
		return NULL;
	j = log_job(deed, 0);
	if (!j)
		coro_leave(0);
	return j;
}

/* openlog(3), closelog(3), setlogmask(3) */
EXPORT void openlog(const char *ident, int options, int facility)
{
	struct coro *me;
	struct log_job *j = deed_of(&me, OPEN);

	if (LIKELY(!j)) {
		libc.openlog(ident, options, facility);
		return;
	}
	j->ident = ident;
	j->options = options;
	j->facility = facility;
	run(me, j, "openlog");
}

EXPORT void closelog(void)
{
	struct coro *me;
	struct log_job *j = deed_of(&me, CLOSE);

	if (LIKELY(!j))
		libc.closelog();
	else
		run(me, j, "closelog");
}

EXPORT int setlogmask(int new)
{
	struct coro *me;
	struct log_job *j = deed_of(&me, MASK);
	int old;

	if (j)
		j->priority = new;
	old = LIKELY(!j) ? libc.setlogmask(new) : run(me, j, "setlogmask");
	if (new)
		atomic_store(&mask, new);
	return old;
}
