/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for signals: sigwait and kin, sigsuspend, pause, signalfd.
 */
#include "diff/steps.h"
#include <poll.h>
#include <sys/signalfd.h>

static sigset_t block(int a, int b)
{
	sigset_t set = set_of(a, b);

	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	return set;
}

static void say_wait(int r, const siginfo_t *info)
{
	SAY("SIG%s code %d value %d", sigabbrev_np(r), info->si_code,
	    info->si_code == SI_QUEUE ? info->si_value.sival_int : 0);
}

CASE_THREADS(pending_already)
{
	sigset_t set = block(SIGUSR1, SIGUSR2);
	struct timespec none = { 0 };
	siginfo_t info;
	int sig = 0;

	R(raise(SIGUSR2));
	R(raise(SIGUSR1));
	E(sigwait(&set, &sig));
	SAY("SIG%s", sigabbrev_np(sig));
	say_wait(R(sigwaitinfo(&set, &info)), &info);
	R(sigtimedwait(&set, &info, &none));
	E(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){ .sival_int = 4 }));
	say_wait(R(sigtimedwait(&set, &info, &none)), &info);
}

CASE_THREADS(real_time_in_order)
{
	sigset_t set = block(SIGRTMIN, SIGRTMIN + 1);
	siginfo_t info;

	for (int i = 0; i < 4; i++)
		E(pthread_sigqueue(pthread_self(), SIGRTMIN + (i + 1) % 2, (union sigval){ .sival_int = i }));
	for (int i = 0; i < 4; i++) {
		R(sigwaitinfo(&set, &info) - SIGRTMIN);
		SAY("value %d", info.si_value.sival_int);
	}
}

CASE(timed)
{
	sigset_t set = block(SIGUSR1, 0);
	struct timespec span = ms_span(15), none = { 0 }, bad = { .tv_nsec = 1000000000 },
			negative = { .tv_sec = -1 };
	siginfo_t info;

	LASTS(15, R(sigtimedwait(&set, &info, &span)));
	R(sigtimedwait(&set, NULL, &none));
	R(sigtimedwait(&set, &info, &bad));
	R(sigtimedwait(&set, &info, &negative));
}

static void *wait_for_usr1(void *arg)
{
	sigset_t set = block(SIGUSR1, 0);
	siginfo_t info;

	blocks();
	say_wait(R(sigwaitinfo(&set, &info)), &info);
	return arg;
}

CASE_THREADS(sent_to_who_waits)
{
	struct flow *f = flow(wait_for_usr1, NULL);

	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

CASE_THREADS(queued_for_who_waits)
{
	struct flow *f = flow(wait_for_usr1, NULL);

	await_blocked(1);
	E(pthread_sigqueue(thread_of(f), SIGUSR1, (union sigval){ .sival_int = 8 }));
	flow_end(f);
}

CASE_MAIN(sent_to_the_process)
{
	struct flow *f;

	block(SIGUSR1, 0);
	f = flow(wait_for_usr1, NULL);
	await_blocked(1);
	R(kill(getpid(), SIGUSR1));
	flow_end(f);
}

CASE_MAIN(each_takes_one)
{
	struct flow *f[3];

	block(SIGUSR1, 0);
	for (int i = 0; i < 3; i++)
		f[i] = flow(wait_for_usr1, NULL);
	await_blocked(3);
	for (int i = 0; i < 3; i++)
		E(pthread_kill(thread_of(f[i]), SIGUSR1));
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
}

CASE_MAIN(main_waits)
{
	sigset_t set = block(SIGCHLD, 0);
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(4);
	R(sigwaitinfo(&set, &info) == SIGCHLD);
	SAY("code %d status %d child %d", info.si_code, info.si_status, info.si_pid == pid);
	child_end(pid);
}

static void *wait_beside_handler(void *arg)
{
	sigset_t set = block(SIGUSR1, 0);
	struct timespec span = ms_span(20000);
	int sig;

	blocks();
	switch ((long)arg) {
	case 0:
		R(sigwaitinfo(&set, NULL));
		break;
	case 1:
		R(sigtimedwait(&set, NULL, &span));
		break;
	default:
		SAY("%d", sigwait(&set, &sig));
	}
	return NULL;
}

static void meet_handler(long which, int flags)
{
	struct flow *f;

	on_signal(SIGUSR2, say_signal, flags);
	f = flow(wait_beside_handler, (void *)which);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR2));
	if (which == 2)
		E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

CASE_THREADS(handler_ends_sigwaitinfo)
{
	meet_handler(0, 0);
}

CASE_THREADS(handler_that_restarts_ends_sigwaitinfo)
{
	meet_handler(0, SA_RESTART);
}

CASE_THREADS(handler_ends_sigtimedwait)
{
	meet_handler(1, SA_RESTART);
}

CASE_THREADS(handler_does_not_end_sigwait)
{
	meet_handler(2, 0);
}

/* --- sigsuspend, pause */

static void *suspend(void *arg)
{
	sigset_t open, now;

	block(SIGUSR1, SIGUSR2);
	sigemptyset(&open);
	sigaddset(&open, SIGUSR2);
	blocks();
	R(sigsuspend(&open));
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	SAY("blocked again: %d %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
	return arg;
}

CASE_THREADS(suspended)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, SA_RESTART);
	on_signal(SIGUSR2, say_signal, 0);
	f = flow(suspend, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR2)); /* which it blocks, still */
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

CASE_THREADS(suspended_with_one_pending)
{
	sigset_t open;

	on_signal(SIGUSR1, say_signal, 0);
	block(SIGUSR1, 0);
	R(raise(SIGUSR1));
	sigemptyset(&open);
	R(sigsuspend(&open));
	SAY("signals_said %d", signals_said);
}

static void *pause_once(void *arg)
{
	blocks();
	R(pause());
	return arg;
}

CASE_THREADS(paused)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, SA_RESTART);
	f = flow(pause_once, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

CASE_THREADS(paused_beside_an_ignored_one)
{
	struct flow *f;

	signal(SIGUSR2, SIG_IGN);
	on_signal(SIGUSR1, say_signal, 0);
	f = flow(pause_once, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR2));
	usleep(5000);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

/* --- signalfd */

static void say_record(int fd)
{
	struct signalfd_siginfo found[2];
	ssize_t n = R(read(fd, found, sizeof(found)));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(found[0]); i++)
		SAY("SIG%s code %d int %d", sigabbrev_np((int)found[i].ssi_signo), found[i].ssi_code,
		    found[i].ssi_int);
}

CASE_MAIN(signalfd_of_pending)
{
	sigset_t set = block(SIGUSR1, SIGUSR2);
	int fd = signalfd(-1, &set, SFD_NONBLOCK);

	R(read(fd, &set, sizeof(set)));
	R(kill(getpid(), SIGUSR1));
	R(kill(getpid(), SIGUSR2));
	say_record(fd);
	say_record(fd);
	R(read(fd, &set, 3));
}

static int sfd;

static void *read_record(void *arg)
{
	blocks();
	say_record(sfd);
	return arg;
}

CASE_MAIN(signalfd_of_the_process)
{
	sigset_t set = block(SIGUSR1, 0);
	struct flow *f;

	sfd = signalfd(-1, &set, 0);
	f = flow(read_record, NULL);
	await_blocked(1);
	R(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 12 }));
	flow_end(f);
}

CASE_MAIN(signalfd_polled)
{
	sigset_t set = block(SIGUSR1, 0);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	R(poll(&pfd, 1, 0));
	R(kill(getpid(), SIGUSR1));
	R(poll(&pfd, 1, 20000));
	SAY("revents %x", pfd.revents);
	say_record(fd);
	R(signalfd(fd, &set, 0) == fd);
	R(signalfd(0, &set, 0));
	R(signalfd(-1, &set, 77));
}
