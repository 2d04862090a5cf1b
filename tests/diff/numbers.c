/* SPDX-License-Identifier: Apache-2.0
 *
 * syscall(2), the second half: time, signals, processes and threads, queues and semaphores by their numbers.  For
 * descriptors see syscalls.c.
 */
#include "diff/diff.h"
#include <mqueue.h>
#include <poll.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NOWHERE ((void *)8)

/* --- Time */

CASE(nanosleep_by_number)
{
	struct timespec ts = ms_span(10), bad = { 0, -1 }, rem = { 7, 7 };

	LASTS(10, R(syscall(SYS_nanosleep, &ts, &rem)));
	SAY("rem %ld.%ld", (long)rem.tv_sec, rem.tv_nsec);
	R(syscall(SYS_nanosleep, &bad, &rem));
	R(syscall(SYS_nanosleep, NULL, &rem));
	R(syscall(SYS_nanosleep, NOWHERE, NULL));
}

CASE(clock_nanosleep_by_number)
{
	struct timespec ts = ms_span(10), at = in_ms(CLOCK_MONOTONIC, 10), bad = { 0, 1000000000 };

	LASTS(10, R(syscall(SYS_clock_nanosleep, (long)CLOCK_MONOTONIC, 0L, &ts, NULL)));
	R(syscall(SYS_clock_nanosleep, (long)CLOCK_MONOTONIC, (long)TIMER_ABSTIME, &at, NULL));
	R(syscall(SYS_clock_nanosleep, (long)CLOCK_REALTIME, 0L, &bad, NULL));
	R(syscall(SYS_clock_nanosleep, 77L, 0L, &ts, NULL));
	R(syscall(SYS_clock_nanosleep, (long)CLOCK_THREAD_CPUTIME_ID, 0L, &ts, NULL));
}

CASE(sched_yield_by_number)
{
	R(syscall(SYS_sched_yield));
}

/* --- Signals */

static volatile sig_atomic_t caught;

static void note(int sig)
{
	caught = sig;
}

struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

CASE_THREADS(rt_sigaction_reads_handlers)
{
	struct kernel_action k = { 0 };
	struct sigaction sa = { .sa_handler = note };

	sigaddset(&sa.sa_mask, SIGUSR2);
	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	R(syscall(SYS_rt_sigaction, (long)SIGUSR1, NULL, &k, 8L));
	SAY("ours %d, mask %lx", k.handler == note, (long)k.mask);
	R(syscall(SYS_rt_sigaction, (long)SIGUSR2, NULL, &k, 8L));
	SAY("default %d, mask %lx", k.handler == SIG_DFL, (long)k.mask);
	R(syscall(SYS_rt_sigaction, (long)SIGUSR2, NULL, &k, 16L));
	R(syscall(SYS_rt_sigaction, 0L, NULL, &k, 8L));
	R(syscall(SYS_rt_sigaction, 65L, NULL, &k, 8L));
}

CASE_MAIN(rt_sigaction_sets_handlers)
{
	struct kernel_action k = { 0 }, was;
	struct sigaction sa = { .sa_handler = note };

	/* what returns from a handler is libc's affair */
	CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
	CHECK_EQ(syscall(SYS_rt_sigaction, (long)SIGUSR2, NULL, &k, 8L), 0);
	R(syscall(SYS_rt_sigaction, (long)SIGUSR1, &k, &was, 8L));
	SAY("was default %d", was.handler == SIG_DFL);
	CHECK_EQ(raise(SIGUSR1), 0);
	SAY("caught %d", caught == SIGUSR1);
	k.handler = SIG_IGN;
	R(syscall(SYS_rt_sigaction, (long)SIGUSR1, &k, &was, 8L));
	SAY("was ours %d", was.handler == note);
	CHECK_EQ(raise(SIGUSR1), 0);
	k.handler = note;
	R(syscall(SYS_rt_sigaction, (long)SIGKILL, &k, NULL, 8L));
}

CASE_THREADS(rt_sigprocmask_by_number)
{
	uint64_t usr1 = 1ull << (SIGUSR1 - 1), was = 77, all = ~0ull;

	R(syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &usr1, &was, 8L));
	SAY("was %lx", (long)was);
	R(syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, NULL, &was, 8L));
	SAY("is %lx", (long)was);
	R(syscall(SYS_rt_sigprocmask, (long)SIG_UNBLOCK, &usr1, NULL, 8L));
	R(syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, NULL, &was, 8L));
	SAY("is %lx", (long)was);
	R(syscall(SYS_rt_sigprocmask, 77L, &usr1, NULL, 8L));
	R(syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &usr1, NULL, 16L));
	R(syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &all, NULL, 8L));
	R(syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, NULL, &was, 8L));
	SAY("kill and stop: %lx", (long)(was & (1u << (SIGKILL - 1) | 1u << (SIGSTOP - 1))));
}

CASE_THREADS(rt_sigpending_by_number)
{
	uint64_t usr1 = 1ull << (SIGUSR1 - 1), set = 77;

	R(syscall(SYS_rt_sigpending, &set, 8L));
	SAY("pending %lx", (long)set);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &usr1, NULL, 8L), 0);
	R(syscall(SYS_tgkill, (long)getpid(), syscall(SYS_gettid), (long)SIGUSR1));
	R(syscall(SYS_rt_sigpending, &set, 8L));
	SAY("pending %lx", (long)set);
	R(syscall(SYS_rt_sigpending, &set, 128L));
}

CASE_THREADS(rt_sigtimedwait_by_number)
{
	uint64_t usr1 = 1ull << (SIGUSR1 - 1);
	struct timespec ts = ms_span(10), bad = { 0, -1 };
	siginfo_t info;

	CHECK_EQ(syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &usr1, NULL, 8L), 0);
	LASTS(10, R(syscall(SYS_rt_sigtimedwait, &usr1, &info, &ts, 8L)));
	R(syscall(SYS_tkill, syscall(SYS_gettid), (long)SIGUSR1));
	R(syscall(SYS_rt_sigtimedwait, &usr1, &info, NULL, 8L));
	SAY("signo %d", info.si_signo);
	R(syscall(SYS_rt_sigtimedwait, &usr1, &info, &bad, 8L));
	R(syscall(SYS_rt_sigtimedwait, &usr1, &info, &ts, 9L));
}

static pthread_t target;

static void *signal_it(void *arg)
{
	await_blocked(1);
	CHECK_EQ(pthread_kill(target, SIGUSR1), 0);
	return arg;
}

CASE_THREADS(rt_sigsuspend_by_number)
{
	uint64_t usr1 = 1ull << (SIGUSR1 - 1), none = 0, was;
	struct flow *f;

	on_signal(SIGUSR1, note, SA_RESTART);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, (long)SIG_BLOCK, &usr1, NULL, 8L), 0);
	target = pthread_self();
	f = flow(signal_it, NULL);
	blocks();
	R(syscall(SYS_rt_sigsuspend, &none, 8L));
	SAY("caught %d", caught == SIGUSR1);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, NULL, &was, 8L), 0);
	SAY("mask %lx", (long)was);
	flow_end(f);
	R(syscall(SYS_rt_sigsuspend, &none, 4L));
}

CASE_THREADS(nanosleep_is_interrupted)
{
	struct timespec ts = { 1000, 0 }, rem = { 0, 0 };
	struct flow *f;

	on_signal(SIGUSR1, note, 0);
	target = pthread_self();
	f = flow(signal_it, NULL);
	blocks();
	R(syscall(SYS_nanosleep, &ts, &rem));
	SAY("rem %d", rem.tv_sec > 900);
	flow_end(f);
}

CASE_THREADS(kill_a_thread_by_number)
{
	R(syscall(SYS_tgkill, (long)getpid(), syscall(SYS_gettid), 0L));
	R(syscall(SYS_tkill, syscall(SYS_gettid), 0L));
	R(syscall(SYS_tgkill, (long)getpid(), 0L, 0L));
	R(syscall(SYS_tkill, -1L, 0L));
	R(syscall(SYS_tgkill, (long)getpid(), syscall(SYS_gettid), 99L));
}

CASE_THREADS(sigaltstack_by_number)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, old,
		small = { .ss_sp = stack, .ss_size = 16 };

	R(syscall(SYS_sigaltstack, &ss, NULL));
	R(syscall(SYS_sigaltstack, NULL, &old));
	SAY("same %d, flags %x", old.ss_sp == stack, old.ss_flags);
	R(syscall(SYS_sigaltstack, &small, NULL));
}

/* --- Processes and threads */

static int status_of(pid_t pid)
{
	int status = 0;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static pid_t child_that_ends(int code)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(code);
	return pid;
}

CASE(wait4_by_number)
{
	struct rusage usage = { 0 };
	int status = 0;
	pid_t pid = child_that_ends(3);

	R(syscall(SYS_wait4, (long)pid, &status, 0L, &usage) == pid);
	SAY("status %x", status);
	R(syscall(SYS_wait4, -1L, &status, 0L, NULL));
	R(syscall(SYS_wait4, -1L, &status, 0xffff0000L, NULL));
}

CASE(waitid_by_number)
{
	struct rusage usage;
	siginfo_t info = { 0 };
	pid_t pid = child_that_ends(4);

	memset(&usage, 0xff, sizeof(usage));
	R(syscall(SYS_waitid, (long)P_PID, (long)pid, &info, (long)(WEXITED | WNOWAIT), &usage));
	SAY("status %d, code %d, usage %d", info.si_status, info.si_code, usage.ru_nswap == 0);
	R(syscall(SYS_waitid, (long)P_PID, (long)pid, &info, (long)WEXITED, NULL));
	R(syscall(SYS_waitid, (long)P_PID, (long)pid, &info, (long)WEXITED, &usage));
	pid = child_that_ends(5);
	R(syscall(SYS_waitid, (long)P_ALL, 0L, NULL, (long)WEXITED, &usage));
	R(syscall(SYS_waitid, (long)P_ALL, 0L, &info, 0L, &usage));
}

CASE(waitid_waits_for_resources)
{
	struct rusage usage;
	siginfo_t info = { 0 };
	int gate[2];
	char c;
	pid_t pid;

	CHECK_EQ(pipe(gate), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(read(gate[0], &c, 1) == 1 ? 6 : 7);
	R(syscall(SYS_waitid, (long)P_PID, (long)pid, &info, (long)(WEXITED | WNOHANG), &usage));
	SAY("pid %d", info.si_pid);
	CHECK_EQ(write(gate[1], "x", 1), 1);
	R(syscall(SYS_waitid, (long)P_PID, (long)pid, &info, (long)WEXITED, &usage));
	SAY("status %d", info.si_status);
}

CASE(clone_as_fork)
{
	long pid = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
	struct timespec ts = ms_span(1);

	if (pid == 0) { /* it waits as any other process does */
		nanosleep(&ts, NULL);
		_exit(poll(NULL, 0, 1) == 0 ? 8 : 9);
	}
	SAY("status %x", status_of((pid_t)pid));
#ifdef SYS_fork
	pid = syscall(SYS_fork);
	if (pid == 0)
		_exit(poll(NULL, 0, 1) == 0 ? 8 : 9);
	SAY("status %x", status_of((pid_t)pid));
#else
	SAY("status %x", 8 << 8);
#endif
}

CASE(execve_by_number)
{
	char *args[] = { "sh", "-c", "exit $CODE", NULL }, *env[] = { "CODE=21", NULL };
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		syscall(SYS_execve, "/bin/sh", args, env);
		_exit(1);
	}
	SAY("status %x", status_of(pid));
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, (long)AT_FDCWD, "/bin/sh", args, env, 0L);
		_exit(1);
	}
	SAY("status %x", status_of(pid));
	R(syscall(SYS_execve, "/no such program", args, env));
	R(syscall(SYS_execveat, (long)AT_FDCWD, "/bin", args, env, 0L));
}

static void *end_by_number(void *arg)
{
	SAY("ends");
	syscall(SYS_exit, 0L);
	SAY("still here");
	return arg;
}

CASE_THREADS(exit_ends_the_thread_alone)
{
	struct timespec ts = ms_span(1);

	flow_end(flow(end_by_number, NULL));
	R(nanosleep(&ts, NULL));
	flow_end(flow(end_by_number, NULL));
}

CASE(exit_group_ends_all)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		syscall(SYS_exit_group, 11L);
	SAY("status %x", status_of(pid));
	pid = fork();
	if (pid == 0)
		syscall(SYS_exit, 12L);
	SAY("status %x", status_of(pid));
}

CASE(threads_by_number)
{
	cpu_set_t set;
	struct sched_param param = { 77 };
	struct timespec ts;
	long tid = syscall(SYS_gettid);

	R(syscall(SYS_gettid) == gettid());
	R(syscall(SYS_sched_getaffinity, tid, (long)sizeof(set), &set) > 0);
	R(syscall(SYS_sched_setaffinity, tid, (long)sizeof(set), &set));
	R(syscall(SYS_sched_getscheduler, tid));
	R(syscall(SYS_sched_getparam, tid, &param));
	SAY("priority %d", param.sched_priority);
	R(syscall(SYS_sched_setscheduler, tid, (long)SCHED_OTHER, &param));
	R(syscall(SYS_sched_rr_get_interval, tid, &ts));
	R(syscall(SYS_getpriority, (long)PRIO_PROCESS, tid));
	R(syscall(SYS_ioprio_get, 1L, tid) >= 0);
}

CASE_THREADS(prctl_by_number)
{
	char name[16] = "";

	R(syscall(SYS_prctl, (long)PR_SET_NAME, "by number", 0L, 0L, 0L));
	R(syscall(SYS_prctl, (long)PR_GET_NAME, name, 0L, 0L, 0L));
	SAY("name %s", name);
	R(syscall(SYS_prctl, 99999L, 0L, 0L, 0L, 0L));
}

CASE(ids_by_number)
{
	R(syscall(SYS_setuid, (long)getuid()));
	R(syscall(SYS_setgid, (long)getgid()));
	R(syscall(SYS_setresuid, -1L, -1L, -1L));
	R(syscall(SYS_setresgid, -1L, -1L, -1L));
	R(syscall(SYS_setreuid, -1L, -1L));
	R(syscall(SYS_setregid, -1L, -1L));
	R(syscall(SYS_setfsuid, -1L) == (long)geteuid());
	R(syscall(SYS_setfsgid, -1L) == (long)getegid());
	R(syscall(SYS_personality, 0xffffffffL));
	R(syscall(SYS_unshare, 0L));
	R(syscall(SYS_setns, -1L, 0L));
}

/* --- Queues and semaphores */

CASE(message_queue_of_system_v)
{
	struct {
		long type;
		char text[8];
	} m = { 3, "abc" };
	int id = msgget(IPC_PRIVATE, 0600);

	CHECK(id >= 0);
	R(syscall(SYS_msgrcv, id, &m, 8L, 0L, (long)IPC_NOWAIT));
	R(syscall(SYS_msgsnd, id, &m, 4L, 0L));
	m.text[0] = '\0';
	R(syscall(SYS_msgrcv, id, &m, 8L, 0L, 0L));
	SAY("type %ld, text %s", m.type, m.text);
	CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
	R(syscall(SYS_msgsnd, id, &m, 4L, 0L));
}

CASE(semaphore_of_system_v)
{
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, 0 }, try = { 0, -1, IPC_NOWAIT };
	struct timespec ts = ms_span(10);
	int id = semget(IPC_PRIVATE, 1, 0600);

	CHECK(id >= 0);
	R(syscall(SYS_semtimedop, id, &try, 1L, NULL));
	LASTS(10, R(syscall(SYS_semtimedop, id, &down, 1L, &ts)));
	R(syscall(SYS_semtimedop, id, &up, 1L, NULL));
#ifdef SYS_semop
	R(syscall(SYS_semop, id, &down, 1L));
#else
	R(syscall(SYS_semtimedop, id, &down, 1L, NULL));
#endif
	CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
}

CASE(message_queue_of_posix)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	char name[64], text[8] = "";
	unsigned prio = 77;
	struct timespec past = { 1, 0 };
	mqd_t q;

	snprintf(name, sizeof(name), "/syncless-syscalls-%d", getpid());
	q = mq_open(name, O_CREAT | O_RDWR, 0600, &attr);
	CHECK(q != (mqd_t)-1);
	CHECK_EQ(mq_unlink(name), 0);
	R(syscall(SYS_mq_timedreceive, (long)q, text, 8L, &prio, &past));
	R(syscall(SYS_mq_timedsend, (long)q, "abc", 4L, 5L, NULL));
	R(syscall(SYS_mq_timedsend, (long)q, "abc", 4L, 5L, &past));
	R(syscall(SYS_mq_timedreceive, (long)q, text, 8L, &prio, NULL));
	SAY("text %s, priority %u", text, prio);
	R(syscall(SYS_mq_timedreceive, (long)q, text, 2L, &prio, NULL));
}

CASE(others_are_the_kernels)
{
	R(syscall(SYS_getpid) == getpid());
	R(syscall(SYS_getppid) == getppid());
	R(syscall(99999L));
	R(syscall(-1L));
	R(syscall(SYS_getrandom, NULL, 0L, 0L));
}
