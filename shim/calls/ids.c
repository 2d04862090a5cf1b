/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls that name a thread to the kernel.  A green thread's tid is its own invention (core/body.c), so it
 * is answered by gettid() and understood here, and the kernel is told the host's: scheduling, affinity and
 * CPU time are those of the kernel thread that runs it.  libc's calls by pthread_t hand over the tid in
 * their target's record; for one of ours they are given the pthread_t of the host's own kernel thread, whose
 * record holds its tid.  Where they need the record itself, the host's tid is on loan in it.
 *
 * Names of green threads are recorded, not applied: the kernel would rename the process.
 *
 * Contract of all: never park.  Pass through: native threads as targets.  errno: the kernel's.
 */
#include "libc.h"
#include <stdarg.h>
#include <string.h>
#include "greenlet.h"
#include "handler.h"
#include "handoff.h"
#include "rawlock.h"
#include "sigmask.h"
#include "thread.h"

#define TID_MAX_LIMIT (1 << 22) /* of the kernel, see proc(5) on pid_max; ours lie above */

static bool is_green(const struct coro *co)
{
	return co && co->green;
}

/* The thread whose record holds the tid of the kernel thread that t runs on.  After a hand-off main's own names
 * another one, too. */
static pthread_t on_kernel(pthread_t t)
{
	return UNLIKELY(coro_of(t) != NULL) ? sched_host_thread() : t;
}

/* The caller's record, for what is its own: it may have lost the scheduler.  NULL also in a vfork child. */
static struct coro *myself(void)
{
	struct coro *me = coro_self;

	return LIKELY(!me) || raw1(SYS_getpid, 0) != sched.host_pid ? NULL : me;
}

/* gettid(2).  Differs: a green thread has its own, above the kernel's range. */
EXPORT pid_t gettid(void)
{
	struct coro *me = myself();

	return LIKELY(!me) ? libc.gettid() : me->tid;
}

/* pthread_self(3).  Differs: while an exception is to be raised in a greenlet of another thread, the interpreter, which
 * only asks the main one for exceptions, is told that it is that (greenlet.h). */
EXPORT pthread_t pthread_self(void)
{
	struct coro *me = coro_self;

	if (UNLIKELY(me && me->carrier) && greenlet_poses(me, __builtin_return_address(0)))
		return sched.main->thread;
	return libc.pthread_self();
}

/* pthread_getattr_np(3) reads the target's record and asks for its affinity.  The lock keeps two loans
 * apart.  While we are inside nobody else has the scheduler, so the target does not run on what is lent; one
 * that is alone does, and could take a lock in the host's name.  To libc our stacks are the application's own,
 * which have no guard. */
EXPORT int pthread_getattr_np(pthread_t t, pthread_attr_t *attr)
{
	static struct rawlock loan;
	struct coro *co = coro_of(t);
	int *word = UNLIKELY(is_green(co)) ? thread_tid_word(t) : NULL;
	int err, tid;

	if (LIKELY(!word))
		return libc.pthread_getattr_np(t, attr);
	coro_here();
	rawlock_take(&loan);
	tid = *word;
	*word = sched.host_tid;
	err = libc.pthread_getattr_np(t, attr);
	*word = tid;
	rawlock_drop(&loan);
	if (!err && !co->green->own_stack)
		err = pthread_attr_setguardsize(attr, co->green->guard_size);
	return coro_leave(err);
}

/* pthread_getaffinity_np(3) */
EXPORT int pthread_getaffinity_np(pthread_t t, size_t size, cpu_set_t *set)
{
	return libc.pthread_getaffinity_np(on_kernel(t), size, set);
}

/* pthread_setaffinity_np(3) */
EXPORT int pthread_setaffinity_np(pthread_t t, size_t size, const cpu_set_t *set)
{
	return libc.pthread_setaffinity_np(on_kernel(t), size, set);
}

/* pthread_getschedparam(3) */
EXPORT int pthread_getschedparam(pthread_t t, int *policy, struct sched_param *param)
{
	return libc.pthread_getschedparam(on_kernel(t), policy, param);
}

/* pthread_setschedparam(3) */
EXPORT int pthread_setschedparam(pthread_t t, int policy, const struct sched_param *param)
{
	return libc.pthread_setschedparam(on_kernel(t), policy, param);
}

/* pthread_setschedprio(3) */
EXPORT int pthread_setschedprio(pthread_t t, int prio)
{
	return libc.pthread_setschedprio(on_kernel(t), prio);
}

/* pthread_getcpuclockid(3).  Differs: the clock counts the host, all green threads together. */
EXPORT int pthread_getcpuclockid(pthread_t t, clockid_t *clock)
{
	return libc.pthread_getcpuclockid(on_kernel(t), clock);
}

/* A green thread that was never named has the process's name, as it would have inherited it.  One that was has
 * a mark behind the name, which may be empty. */
#define NAMED(co) ((co)->name[sizeof((co)->name) - 1])

static int read_name(const struct coro *co, char *name, size_t size)
{
	if (size < sizeof(co->name))
		return ERANGE;
	if (!NAMED(co))
		return libc.pthread_getname_np(sched.main->thread, name, size);
	memcpy(name, co->name, sizeof(co->name) - 1);
	name[sizeof(co->name) - 1] = '\0';
	return 0;
}

static void set_name(struct coro *co, const char *name)
{
	size_t len = strnlen(name, sizeof(co->name) - 1);

	memcpy(co->name, name, len);
	memset(co->name + len, 0, sizeof(co->name) - len);
	NAMED(co) = 1;
}

/* pthread_getname_np(3) */
EXPORT int pthread_getname_np(pthread_t t, char *name, size_t size)
{
	struct coro *co = coro_of(t);

	if (LIKELY(!is_green(co)))
		return libc.pthread_getname_np(t, name, size);
	return read_name(co, name, size);
}

/* pthread_setname_np(3).  Differs: recorded only. */
EXPORT int pthread_setname_np(pthread_t t, const char *name)
{
	struct coro *co = coro_of(t);

	if (LIKELY(!is_green(co)))
		return libc.pthread_setname_np(t, name);
	if (strnlen(name, sizeof(co->name)) == sizeof(co->name))
		return ERANGE;
	set_name(co, name);
	return 0;
}

static int prctl_name(struct coro *me, int option, char *name)
{
	int err;

	if (option == PR_SET_NAME) {
		set_name(me, name);
		return 0;
	}
	err = read_name(me, name, sizeof(me->name));
	return err ? fail(err) : 0;
}

/* What confines the kernel thread that runs all coroutines: the next host would be free of it. */
static bool confines(int option)
{
	return option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP || option == PR_CAPBSET_DROP;
}

static int confine(int option, const unsigned long arg[4])
{
	if (coro_host())
		handoff_forbid("prctl");
	return coro_leave(libc.prctl(option, arg[0], arg[1], arg[2], arg[3]));
}

/* prctl(2): the name of a green thread is recorded only; all else is the host's.  Five longs, like glibc's.
 * Differs: after one that confines the thread there is no hand-off. */
EXPORT int prctl(int option, ...)
{
	unsigned long arg[4];
	struct coro *me;
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		arg[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (UNLIKELY(option == PR_SET_NAME || option == PR_GET_NAME)) {
		me = myself();
		if (is_green(me))
			return prctl_name(me, option, (char *)arg[0]);
	}
	if (UNLIKELY(confines(option)) && myself())
		return confine(option, arg);
	return libc.prctl(option, arg[0], arg[1], arg[2], arg[3]);
}

/* In place of a tid that the application names: the host's for one of ours, whose ring is for it alone. */
static int kernel_tid(int tid)
{
	if (LIKELY(tid <= TID_MAX_LIMIT))
		return tid;
	coro_host();
	return coro_leave(coro_kernel_tid(tid));
}

/* sched_getaffinity(2) */
EXPORT int sched_getaffinity(pid_t tid, size_t size, cpu_set_t *set)
{
	return libc.sched_getaffinity(kernel_tid(tid), size, set);
}

/* sched_setaffinity(2) */
EXPORT int sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *set)
{
	return libc.sched_setaffinity(kernel_tid(tid), size, set);
}

/* sched_getscheduler(2) */
EXPORT int sched_getscheduler(pid_t tid)
{
	return libc.sched_getscheduler(kernel_tid(tid));
}

/* sched_setscheduler(2) */
EXPORT int sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
	return libc.sched_setscheduler(kernel_tid(tid), policy, param);
}

/* sched_getparam(2) */
EXPORT int sched_getparam(pid_t tid, struct sched_param *param)
{
	return libc.sched_getparam(kernel_tid(tid), param);
}

/* sched_setparam(2) */
EXPORT int sched_setparam(pid_t tid, const struct sched_param *param)
{
	return libc.sched_setparam(kernel_tid(tid), param);
}

static id_t kernel_who(int which, id_t who)
{
	return which == PRIO_PROCESS ? (id_t)kernel_tid((int)who) : who;
}

/* getpriority(2) */
EXPORT int getpriority(__priority_which_t which, id_t who)
{
	return libc.getpriority(which, kernel_who(which, who));
}

/* setpriority(2) */
EXPORT int setpriority(__priority_which_t which, id_t who, int prio)
{
	return libc.setpriority(which, kernel_who(which, who), prio);
}

/* The host has other threads' signals too.  Where nobody handles this one and somebody does not block it, it would
 * be the end of the process. */
static bool host_may_get(int sig)
{
	sigset_t blocked;

	if (sig < 1 || sig > SIGNALS)
		return false;
	sig_read_kernel_mask(&blocked);
	return sigismember(&blocked, sig) || handler_is_real(handler_action(sig).handler);
}

/* timer_create(2).  Passes through: all timers but those that signal one thread.
 * Differs: the signal of one for a green thread is taken by whoever would take one sent to the process; EINVAL
 * where that would end the process. */
EXPORT int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
	struct sigevent for_host;

	if (LIKELY(!event || event->sigev_notify != SIGEV_THREAD_ID) || !host_may_get(event->sigev_signo))
		return libc.timer_create(clock, event, timer);
	for_host = *event;
	for_host._sigev_un._tid = kernel_tid(event->_sigev_un._tid);
	return libc.timer_create(clock, &for_host, timer);
}
