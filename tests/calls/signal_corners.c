/* SPDX-License-Identifier: Apache-2.0
 *
 * Corners of signals: handlers that are left by siglongjmp(), from a raise, from a fault and out of a blocking
 * call; queued signals in order; what sigaction tells; SA_RESETHAND; whose wait a signal of the process
 * ends; a computing thread that a native one sends a signal; deadly signals; the mask of a forked child.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define QUEUED	  (SIGRTMIN + 2)
#define RESTORER  0x4000000 /* the kernel's flag, set by libc */
#define SENDINGS  5

static sigjmp_buf before;
static volatile char *forbidden; /* a page that faults */
static int p[2];
static _Atomic int handled, spinning;
static volatile int order[SENDINGS], delivered;
static volatile pthread_t ran_in;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(before, 1);
}

static void count(int sig)
{
	(void)sig;
	handled++;
}

static void note_thread(int sig)
{
	(void)sig;
	ran_in = pthread_self();
}

static void note_value(int sig, siginfo_t *info, void *context)
{
	CHECK(context != NULL);
	CHECK_EQ(info->si_code, SI_QUEUE);
	CHECK_EQ(info->si_signo, sig);
	order[delivered++] = info->si_value.sival_int;
}

static void block(int sig, sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, old), 0);
}

static void *reads_one(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(p[0], &c, 1), 1);
	return arg;
}

/* ---- Jumps ---- */

static void *jumps(void *arg)
{
	sigset_t mask;

	for (volatile int i = 0; i < 3; i++) {
		if (!sigsetjmp(before, 1)) {
			raise(SIGUSR1);
			CHECK(false);
		}
		usleep(100);
	}
	for (volatile int i = 0; i < 3; i++) {
		if (!sigsetjmp(before, 1)) {
			*forbidden = 1;
			CHECK(false);
		}
		usleep(100);
	}
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	CHECK(!sigismember(&mask, SIGUSR1));
	CHECK(!sigismember(&mask, SIGSEGV));
	return arg;
}

static void alarm_in(long us)
{
	struct itimerval when = { .it_value.tv_usec = us };

	CHECK_EQ(setitimer(ITIMER_REAL, &when, NULL), 0);
}

static void jumps_out_of_read(void)
{
	int silent[2];
	char c;

	CHECK_EQ(pipe(silent), 0);
	for (volatile int i = 0; i < 3; i++) {
		if (!sigsetjmp(before, 1)) {
			alarm_in(5000);
			(void)!read(silent[0], &c, 1);
			CHECK(false);
		}
		usleep(100);
	}
}

static void all_jumps(void)
{
	pthread_t reader;

	forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(forbidden != MAP_FAILED);
	on_signal(SIGUSR1, jump, 0);
	on_signal(SIGSEGV, jump, SA_ONSTACK);
	on_signal(SIGALRM, jump, 0);
	reader = start(reads_one, NULL);
	await_blocked(1);
	jumps(NULL);
	finish(start(jumps, NULL));
	jumps_out_of_read();
	CHECK_EQ(write(p[1], "x", 1), 1);
	finish(reader);
}

/* ---- Queued signals ---- */

static void *opens_late(void *arg)
{
	sigset_t old, pending;

	block(QUEUED, &old);
	reads_one(NULL);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK(sigismember(&pending, QUEUED));
	CHECK_EQ(delivered, 0);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
	CHECK_EQ(delivered, SENDINGS);
	for (int i = 0; i < SENDINGS; i++)
		CHECK_EQ(order[i], i);
	return arg;
}

static void queue(void)
{
	struct sigaction sa = { .sa_sigaction = note_value, .sa_flags = SA_SIGINFO }, seen;
	pthread_t t;

	CHECK_EQ(sigaction(QUEUED, &sa, NULL), 0);
	CHECK_EQ(sigaction(QUEUED, NULL, &seen), 0);
	CHECK(seen.sa_sigaction == note_value);
	CHECK_EQ(seen.sa_flags & ~RESTORER, SA_SIGINFO);
	t = start(opens_late, NULL);
	await_blocked(2);
	for (int i = 0; i < SENDINGS; i++)
		CHECK_EQ(pthread_sigqueue(t, QUEUED, (union sigval){ .sival_int = i }), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	finish(t);
}

/* ---- Who gets it ---- */

static void *suspends(void *arg)
{
	sigset_t open;

	sigfillset(&open);
	sigdelset(&open, SIGUSR2);
	about_to_block();
	CHECK_ERRNO(sigsuspend(&open), EINTR);
	CHECK(pthread_equal(ran_in, pthread_self()));
	return arg;
}

static void only_one_lets_it_through(void)
{
	sigset_t all, old;
	pthread_t t;

	CHECK(signal(SIGUSR2, note_thread) == SIG_DFL);
	CHECK(signal(SIGUSR2, note_thread) == note_thread);
	sigfillset(&all);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, &old), 0);
	t = start(suspends, NULL);
	await_blocked(3);
	CHECK_EQ(kill(getpid(), SIGUSR2), 0);
	finish(t);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}

static void *polls(void *arg)
{
	about_to_block();
	CHECK_ERRNO(poll(NULL, 0, -1), EINTR);
	return arg;
}

static void once(void)
{
	struct sigaction seen;
	pthread_t t;

	on_signal(SIGUSR1, count, SA_RESETHAND);
	handled = 0;
	t = start(polls, NULL);
	await_blocked(4);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	finish(t);
	CHECK_EQ(handled, 1);
	CHECK_EQ(sigaction(SIGUSR1, NULL, &seen), 0);
	CHECK(seen.sa_handler == SIG_DFL);
}

static void *spins(void *arg)
{
	spinning = 1;
	while (!handled)
		;
	return arg;
}

static void *kills_spinning(void *arg)
{
	while (!spinning)
		usleep(100);
	usleep(3000);
	CHECK_EQ(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
	return NULL;
}

static void while_it_computes(void)
{
	pthread_t t, killer;

	on_signal(SIGUSR1, count, SA_RESTART);
	handled = 0;
	t = start(spins, NULL);
	killer = start_native(kills_spinning, &t);
	finish(t);
	finish(killer);
	CHECK_EQ(handled, 1);
}

static void *sleeps(void *arg)
{
	struct timespec span = ms_span(60);
	int64_t began = mono_ms();

	CHECK_EQ(nanosleep(&span, NULL), 0);
	CHECK(mono_ms() - began >= 60);
	return arg;
}

static void *computes(void *arg)
{
	int64_t began = mono_ms();

	while (mono_ms() - began < 30)
		;
	return arg;
}

/* A signal of the process ends main's sleep and nobody else's, whoever has the processor. */
static void ends_the_wait_of_main(void)
{
	struct timespec long_span = ms_span(100000);
	pthread_t t[3];

	on_signal(SIGALRM, count, SA_RESTART);
	handled = 0;
	t[0] = start(sleeps, NULL);
	t[1] = start(sleeps, NULL);
	t[2] = start(computes, NULL);
	alarm_in(10000);
	CHECK_ERRNO(nanosleep(&long_span, NULL), EINTR);
	CHECK_EQ(handled, 1);
	alarm_in(30000);
	CHECK_ERRNO(nanosleep(&long_span, NULL), EINTR);
	CHECK_EQ(handled, 2);
	for (int i = 0; i < 3; i++)
		finish(t[i]);
}

/* ---- Processes ---- */

static void is_terminated(void)
{
	pthread_t t = start(sleeps, NULL);

	usleep(1000);
	pthread_kill(t, SIGTERM);
	pause();
}

static void *aborts(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	abort();
}

static void aborts_in_thread(void)
{
	finish(start(aborts, NULL));
}

static int status_of_child(void (*body)(void))
{
	pid_t child = fork();
	int status;

	CHECK(child != -1);
	if (child == 0) {
		body();
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	return status;
}

static void has_usr2_blocked(void)
{
	sigset_t mask;

	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	CHECK(sigismember(&mask, SIGUSR2));
}

static void *forks(void *arg)
{
	block(SIGUSR2, NULL);
	CHECK_EQ(status_of_child(has_usr2_blocked), 0);
	return arg;
}

int main(void)
{
	CHECK_EQ(pipe(p), 0);
	all_jumps();
	queue();
	only_one_lets_it_through();
	once();
	while_it_computes();
	ends_the_wait_of_main();
	if (!is_emulated("a forked child cannot start threads")) {
		CHECK_EQ(status_of_child(is_terminated), SIGTERM);
		CHECK_EQ(WTERMSIG(status_of_child(aborts_in_thread)), SIGABRT);
	}
	finish(start(forks, NULL));
	forks(NULL);
	CHECK_VERIFY();
	return 0;
}
