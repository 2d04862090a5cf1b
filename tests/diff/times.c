/* SPDX-License-Identifier: Apache-2.0
 *
 * Sleeps, and the timers of the kernel.
 */
#include "diff/steps.h"
#include <poll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static const struct timespec past = { .tv_sec = 1 }, early = { .tv_sec = -1 }, bad = { .tv_nsec = 1000000000 },
			     negative = { .tv_nsec = -1 }, none;

/* --- Sleeps */

static void sleep_on(clockid_t clock)
{
	struct timespec span = ms_span(15);

	LASTS(15, E(clock_nanosleep(clock, 0, &span, NULL)));
	LASTS(15, E(clock_nanosleep(clock, TIMER_ABSTIME, AT(clock, 15), NULL)));
	E(clock_nanosleep(clock, TIMER_ABSTIME, &past, NULL));
	E(clock_nanosleep(clock, 0, &none, NULL));
	E(clock_nanosleep(clock, 0, &early, NULL));
	E(clock_nanosleep(clock, 0, &bad, NULL));
	E(clock_nanosleep(clock, 0, &negative, NULL));
	E(clock_nanosleep(clock, TIMER_ABSTIME, &bad, NULL));
	E(clock_nanosleep(clock, TIMER_ABSTIME, &early, NULL));
}

CASE(sleep_on_realtime)
{
	sleep_on(CLOCK_REALTIME);
}

CASE(sleep_on_monotonic)
{
	sleep_on(CLOCK_MONOTONIC);
}

CASE(sleep_on_boottime)
{
	sleep_on(CLOCK_BOOTTIME);
}

CASE(sleep_on_tai)
{
	sleep_on(CLOCK_TAI);
}

CASE(sleep_on_other_clocks)
{
	struct timespec span = ms_span(1);

	E(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &span, NULL));
	E(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &span, NULL));
	E(clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &span, NULL));
	E(clock_nanosleep(CLOCK_REALTIME_COARSE, 0, &span, NULL));
	E(clock_nanosleep(77, 0, &span, NULL));
	E(clock_nanosleep(-1, 0, &span, NULL));
}

CASE(sleep_with_bad_pointers)
{
	void *page = no_memory();

	R(nanosleep(page, NULL));
	E(clock_nanosleep(CLOCK_MONOTONIC, 0, page, NULL));
	E(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, page, NULL));
	R(syscall(SYS_nanosleep, NULL, NULL));
}

CASE(sleep_by_syscall)
{
	struct timespec span = ms_span(15);

	LASTS(15, R(syscall(SYS_nanosleep, &span, NULL)));
	R(syscall(SYS_nanosleep, &bad, NULL));
	LASTS(15, R(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &span, NULL)));
	R(syscall(SYS_clock_nanosleep, 77, 0, &span, NULL));
}

CASE(usleep_and_sleep)
{
	LASTS(15, R(usleep(15000)));
	R(usleep(0));
	R(sleep(0));
	LASTS(20, R(usleep(20000)));
}

static void *sleep_until_signal(void *arg)
{
	struct timespec span = ms_span(20000), rem = { 0 };

	blocks();
	switch ((long)arg) {
	case 0:
		R(nanosleep(&span, &rem));
		break;
	case 1:
		E(clock_nanosleep(CLOCK_MONOTONIC, 0, &span, &rem));
		break;
	case 2:
		rem.tv_sec = 5;
		E(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, AT(CLOCK_MONOTONIC, 20000), &rem));
		SAY("left: %ld", (long)rem.tv_sec); /* as it was */
		return NULL;
	case 3:
		rem.tv_sec = sleep(20);
		break;
	case 4:
		R(usleep(20000000));
		return NULL;
	case 5:
		R(nanosleep(&span, &span)); /* one may be the other */
		rem = span;
		break;
	default:
		R(nanosleep(&span, NULL));
		return NULL;
	}
	SAY("left: %d", rem.tv_sec > 10 && rem.tv_sec <= 20);
	return NULL;
}

static void handler_meets(long which, int flags)
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, flags);
	f = flow(sleep_until_signal, (void *)which);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	flow_end(f);
}

CASE_THREADS(handler_meets_nanosleep)
{
	handler_meets(0, 0);
}

CASE_THREADS(handler_that_restarts_meets_nanosleep)
{
	handler_meets(0, SA_RESTART);
}

CASE_THREADS(handler_meets_clock_nanosleep)
{
	handler_meets(1, SA_RESTART);
}

CASE_THREADS(handler_meets_absolute_sleep)
{
	handler_meets(2, SA_RESTART);
}

CASE_THREADS(handler_meets_sleep)
{
	handler_meets(3, SA_RESTART);
}

CASE_THREADS(handler_meets_usleep)
{
	handler_meets(4, 0);
}

CASE_THREADS(handler_meets_sleep_into_its_span)
{
	handler_meets(5, 0);
}

CASE_THREADS(handler_meets_sleep_without_rest)
{
	handler_meets(6, 0);
}

static void *sleep_beside_ignored(void *arg)
{
	struct timespec span = ms_span(60);

	(void)arg;
	blocks();
	LASTS(60, R(nanosleep(&span, NULL)));
	return NULL;
}

CASE_THREADS(ignored_signal_meets_sleep)
{
	struct flow *f;

	on_signal(SIGUSR1, SIG_IGN, 0);
	f = flow(sleep_beside_ignored, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	R(kill(getpid(), SIGCHLD)); /* whose default is nothing */
	flow_end(f);
}

/* --- alarm, setitimer: of the process, whose main thread takes the signal first */

CASE_MAIN(alarm_ends_pause)
{
	on_signal(SIGALRM, say_signal, 0);
	R(alarm(100));
	R(alarm(1) > 90);
	LASTS(990, R(pause()));
	R(alarm(0));
}

CASE_MAIN(itimer_ends_sleep)
{
	struct itimerval in = { .it_value.tv_usec = 20000 }, left;

	on_signal(SIGALRM, say_signal, 0);
	R(setitimer(ITIMER_REAL, &in, NULL));
	R(sleep(20) > 10);
	R(getitimer(ITIMER_REAL, &left));
	SAY("left %ld %ld", (long)left.it_value.tv_sec, (long)left.it_value.tv_usec);
}

static _Atomic int ticks;

static void tick(int sig)
{
	(void)sig;
	if (++ticks == 3)
		setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
}

CASE_MAIN(itimer_repeats)
{
	struct itimerval in = { { .tv_usec = 5000 }, { .tv_usec = 5000 } },
			 bad_one = { .it_value.tv_usec = 1000000 };

	on_signal(SIGALRM, tick, SA_RESTART);
	R(setitimer(ITIMER_REAL, &in, NULL));
	while (ticks < 3)
		usleep(1000);
	SAY("ticks %d", ticks);
	R(setitimer(ITIMER_REAL, &bad_one, NULL));
	R(setitimer(77, &in, NULL));
}

CASE_MAIN(itimer_of_cpu_time)
{
	struct itimerval in = { .it_value.tv_usec = 10000 };

	on_signal(SIGVTALRM, tick, 0);
	R(setitimer(ITIMER_VIRTUAL, &in, NULL));
	while (!ticks) /* it computes */
		;
	SAY("ticks %d", ticks);
}

/* --- timer_create */

static _Atomic int given;
static pthread_t notified_in;

static void on_info(int sig, siginfo_t *info, void *context)
{
	(void)context;
	SAY("SIG%s code %d value %d", sigabbrev_np(sig), info->si_code, info->si_value.sival_int);
	given++;
}

static void on_tick(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	given += info->si_code == SI_TIMER;
}

static void start_timer(timer_t t, long ms)
{
	struct itimerspec in = { .it_value = ms_span(ms) };

	R(timer_settime(t, 0, &in, NULL));
}

CASE_MAIN(timer_that_signals)
{
	struct sigaction sa = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR2,
			       .sigev_value.sival_int = 42 };
	struct itimerspec left;
	timer_t t;

	CHECK_EQ(sigaction(SIGUSR2, &sa, NULL), 0);
	R(timer_create(CLOCK_MONOTONIC, &ev, &t));
	start_timer(t, 10);
	while (!given)
		usleep(1000);
	R(timer_gettime(t, &left));
	SAY("left %ld", (long)left.it_value.tv_nsec);
	R(timer_getoverrun(t));
	R(timer_delete(t));
}

static void notify(union sigval value)
{
	notified_in = pthread_self();
	given = value.sival_int;
}

CASE(timer_that_starts_a_thread)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = 43 };
	timer_t t;

	ev.sigev_notify_function = notify;
	R(timer_create(CLOCK_MONOTONIC, &ev, &t));
	start_timer(t, 10);
	while (!given)
		usleep(1000);
	SAY("given %d, here: %d", given, pthread_equal(notified_in, pthread_self()));
	R(timer_delete(t));
}

CASE(timer_without_notice)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };
	struct itimerspec bad_one = { .it_value.tv_nsec = 1000000000 };
	timer_t t;

	R(timer_create(CLOCK_REALTIME, &ev, &t));
	start_timer(t, 10000);
	R(timer_settime(t, 0, &bad_one, NULL));
	R(timer_delete(t));
	R(timer_create(77, &ev, &t));
}

CASE_MAIN(timer_that_signals_a_thread)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };
	siginfo_t info;
	sigset_t set;
	timer_t t;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	E(pthread_sigmask(SIG_BLOCK, &set, NULL));
	ev._sigev_un._tid = gettid();
	R(timer_create(CLOCK_MONOTONIC, &ev, &t));
	start_timer(t, 10);
	R(sigwaitinfo(&set, &info) == SIGRTMIN);
	SAY("code %d", info.si_code);
	R(timer_delete(t));
	ev._sigev_un._tid = 1 << 30;
	R(timer_create(CLOCK_MONOTONIC, &ev, &t));
}

static timer_t timer_for_me(int sig)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sig };
	timer_t t = NULL;

	ev._sigev_un._tid = gettid();
	R(timer_create(CLOCK_MONOTONIC, &ev, &t));
	start_timer(t, 10);
	return t;
}

static void *wait_for_own(void *arg)
{
	sigset_t set = set_of(SIGRTMIN, 0);
	timer_t t = timer_for_me(SIGRTMIN);
	siginfo_t info;

	R(sigwaitinfo(&set, &info) == SIGRTMIN);
	SAY("code %d", info.si_code);
	R(timer_delete(t));
	return arg;
}

static void *handle_own(void *arg)
{
	timer_t t = timer_for_me(SIGRTMIN);

	while (!given)
		usleep(1000);
	R(timer_delete(t));
	return arg;
}

CASE_MAIN(timer_for_a_thread_that_waits)
{
	change_mask(SIG_BLOCK, SIGRTMIN, 0);
	flow_end(flow(wait_for_own, NULL));
}

CASE_MAIN(timer_for_a_thread_with_handler)
{
	install(SIGRTMIN, on_tick, SA_RESTART);
	flow_end(flow(handle_own, NULL));
	SAY("given %d", given);
}

/* --- timerfd */

static int timer_fd(int flags, long first_ms, long interval_ms)
{
	struct itimerspec in = { ms_span(interval_ms), ms_span(first_ms) };
	int fd = timerfd_create(CLOCK_MONOTONIC, flags);

	CHECK(fd != -1);
	R(timerfd_settime(fd, 0, &in, NULL));
	return fd;
}

CASE(timerfd)
{
	int fd = timer_fd(0, 15, 0);
	uint64_t n = 0;

	LASTS(14, R(read(fd, &n, sizeof(n))));
	SAY("expired %d", (int)n);
	R(read(fd, &n, 7));
	R(write(fd, &n, sizeof(n)));
	R(close(fd));
}

CASE(timerfd_repeats)
{
	int fd = timer_fd(0, 5, 5);
	uint64_t n[3] = { 0 };

	usleep(30000);
	R(read(fd, n, sizeof(n[0])));
	SAY("expired enough: %d", n[0] >= 5);
	R(read(fd, n, sizeof(n)));
}

CASE(timerfd_nonblocking)
{
	int fd = timer_fd(TFD_NONBLOCK, 15, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	R(read(fd, &n, sizeof(n)));
	R(poll(&p, 1, 20000));
	R(read(fd, &n, sizeof(n)));
	R(read(fd, &n, sizeof(n)));
}

CASE(timerfd_misuse)
{
	struct itimerspec in = { .it_value = bad };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	R(timerfd_create(77, 0));
	R(timerfd_create(CLOCK_MONOTONIC, 77));
	R(timerfd_settime(fd, 0, &in, NULL));
	R(timerfd_settime(0, 0, &in, NULL));
	R(timerfd_gettime(999, &in));
	R(fcntl(fd, F_GETFD));
}

static int rearmed;

static void *read_rearmed(void *arg)
{
	uint64_t n = 0;

	(void)arg;
	blocks();
	R(read(rearmed, &n, sizeof(n)));
	SAY("expired %d", (int)n);
	return NULL;
}

CASE(timerfd_armed_under_a_reader)
{
	struct itimerspec in = { .it_value.tv_nsec = 1 };
	struct flow *f;

	rearmed = timerfd_create(CLOCK_REALTIME, 0);
	f = flow(read_rearmed, NULL);
	await_blocked(1);
	R(timerfd_settime(rearmed, 0, &in, NULL));
	flow_end(f);
}

CASE(timerfd_until)
{
	struct itimerspec in = { .it_value = past };
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	uint64_t n = 0;

	R(timerfd_settime(fd, TFD_TIMER_ABSTIME, &in, NULL));
	struct pollfd p = { .fd = fd, .events = POLLIN };
	R(poll(&p, 1, 20000));
	R(read(fd, &n, sizeof(n)));
	SAY("expired %d", (int)n);
	in.it_value = in_ms(CLOCK_REALTIME, 100000);
	R(timerfd_settime(fd, TFD_TIMER_ABSTIME, &in, NULL));
	R(timerfd_gettime(fd, &in));
	SAY("left %d", in.it_value.tv_sec > 80 && in.it_value.tv_sec <= 100);
	in = (struct itimerspec){ 0 };
	R(timerfd_settime(fd, 0, &in, &in));
	SAY("was %d", in.it_value.tv_sec > 80 && in.it_value.tv_sec <= 100);
	R(read(fd, &n, sizeof(n)));
}

CASE_MAIN(timer_repeats)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec in = { ms_span(2), ms_span(2) }, none_left = { 0 };
	timer_t t;

	install(SIGRTMIN + 1, on_tick, SA_RESTART);
	R(timer_create(CLOCK_REALTIME, &ev, &t));
	R(timer_settime(t, 0, &in, NULL));
	while (given < 5)
		usleep(500);
	R(timer_settime(t, 0, &none_left, &in));
	SAY("interval %ld", in.it_interval.tv_nsec);
	R(timer_delete(t));
}

CASE_MAIN(timer_overruns)
{
	sigset_t set = set_of(SIGUSR2, 0);
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	struct itimerspec in = { ms_span(1), ms_span(1) };
	siginfo_t info;
	timer_t t;

	change_mask(SIG_BLOCK, SIGUSR2, 0);
	R(timer_create(CLOCK_MONOTONIC, &ev, &t));
	R(timer_settime(t, 0, &in, NULL));
	usleep(30000);
	R(sigwaitinfo(&set, &info));
	SAY("code %d overrun %d", info.si_code, info.si_overrun >= 10);
	SAY("overrun %d", timer_getoverrun(t) >= 10);
	R(timer_delete(t));
}
