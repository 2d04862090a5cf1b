/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for a signal instead of handling it.  Who waits blocks what it waits for, as a rule in every thread:
 * then the kernel keeps what is sent to the process, and a signalfd tells the loop.  What is sent to a green
 * thread we keep (core/sigmask.c), and what the kernel delivers because another thread does not block it goes
 * through the stub (core/handler.c) to one who waits; of both a wake of the record tells.
 */
#include <string.h>
#include <sys/signalfd.h>
#include "handler.h"
#include "libc.h"
#include "raw.h"
#include "sigmask.h"
#include "wait.h"

/* A signal of the set that waits for me or for anybody; its number, or 0. */
static int take_waiting(struct coro *me, uint64_t set, siginfo_t *info)
{
	static const struct timespec at_once;
	long sig;

	for (uint64_t due; (due = set & sig_pending_of(me)) != 0;) {
		sig = __builtin_ctzll(due) + 1;
		if (sig_take(me, (int)sig, info))
			return (int)sig;
	}
	if ((sig = sig_take_of_process(set, info)) != 0)
		return (int)sig;
	do
		sig = raw4(SYS_rt_sigtimedwait, &set, info, &at_once, 8);
	while (sig > 0 && info->si_code == SI_QUEUE && info->si_ptr == &sig_nudge);
	return sig > 0 ? (int)sig : 0;
}

struct watch_for {
	struct coro *me;
	int fd;
};

static void stop_watching(void *arg)
{
	struct watch_for *w = arg;

	sig_await(w->me, 0);
	fd_closing(w->fd);
	raw1(SYS_close, w->fd);
}

/* The number of the signal, or -errno: -EAGAIN when the time is up, -EINTR after a handler. */
static int park_for_signal(struct coro *me, uint64_t set, siginfo_t *info, deadline_t until, const char *why)
{
	struct watch_for w = { me, (int)raw4(SYS_signalfd4, -1, &set, 8, SFD_CLOEXEC | SFD_NONBLOCK) };
	struct fdrec *f;
	int sig = 0, r = 0;

	if (w.fd < 0)
		return w.fd;
	fd_appeared(w.fd);
	pthread_cleanup_push(stop_watching, &w);
	sig_await(me, set);
	while ((sig = take_waiting(me, set, info)) == 0 && r == 0) {
		f = fd_record(w.fd);
		r = f ? wait_fd(me, f, WAIT_READ, until, WAIT_INTR_ALWAYS, why) : -errno;
	}
	pthread_cleanup_pop(1);
	if (me->has_pending)
		sig_run_pending(me);
	if (sig)
		return sig;
	return r == -ETIMEDOUT ? -EAGAIN : r;
}

static int await_signal(struct coro *me, const sigset_t *set, siginfo_t *info, deadline_t until,
			const char *why)
{
	uint64_t word = *(const uint64_t *)set & ~NEVER_BLOCKED;
	int saved = errno, sig = take_waiting(me, word, info);

	if (!sig && until != 0)
		sig = park_for_signal(me, word, info, until, why);
	else if (!sig)
		sig = -EAGAIN;
	errno = saved;
	return sig;
}

static int result_of(int sig, const siginfo_t *info, siginfo_t *out)
{
	if (sig < 0)
		return fail(-sig);
	if (!out)
		return sig;
	*out = *info;
	if (out->si_code == SI_TKILL) /* libc does not tell these two apart here */
		out->si_code = SI_USER;
	return sig;
}

/* sigtimedwait(2).  Parks: until a signal of the set is there, for the thread or the process, or the time is
 * up; a cancellation point.  Passes through: outside coroutines.
 * errno: EAGAIN when the time is up; EINTR after a handler, also with SA_RESTART; EINVAL; EMFILE.
 * Differs: a signal without a handler that some green thread does not block is not kept for who waits. */
EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *out, const struct timespec *timeout)
{
	struct coro *me = coro_enter();
	deadline_t until = NEVER;
	siginfo_t info;

	if (LIKELY(!me))
		return libc.sigtimedwait(set, out, timeout);
	if (timeout) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= NS_PER_S)
			return coro_leave(fail(EINVAL));
		until = timeout->tv_sec || timeout->tv_nsec ? deadline_in(timespec_ns(timeout)) : 0;
	}
	return coro_leave(result_of(await_signal(me, set, &info, until, "sigtimedwait"), &info, out));
}

/* sigwaitinfo(2).  The same without a time. */
EXPORT int sigwaitinfo(const sigset_t *set, siginfo_t *out)
{
	struct coro *me = coro_enter();
	siginfo_t info;

	if (LIKELY(!me))
		return libc.sigwaitinfo(set, out);
	return coro_leave(result_of(await_signal(me, set, &info, NEVER, "sigwaitinfo"), &info, out));
}

/* sigwait(3).  The same, but handlers do not end it.  Returns an error number. */
EXPORT int sigwait(const sigset_t *set, int *out)
{
	struct coro *me = coro_enter();
	siginfo_t info;
	int sig;

	if (LIKELY(!me))
		return libc.sigwait(set, out);
	do
		sig = await_signal(me, set, &info, NEVER, "sigwait");
	while (sig == -EINTR);
	coro_leave(0);
	if (sig < 0)
		return -sig;
	*out = sig;
	return 0;
}
