/* SPDX-License-Identifier: Apache-2.0
 *
 * See monitor.h.  While the host sleeps in the loop for long, so does the monitor.
 */
#include "monitor.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include "companion.h"
#include "coro.h"
#include "handoff.h"
#include "python.h"
#include "settings.h"
#include "sight.h"
#include "standby.h"
#include "thread.h"

#define IDLE_PERIODS 20 /* of the host, before the monitor naps */
#define CHAOS_ODDS 4	/* one tick in so many */
#define PATIENCE_WITHOUT_LOCK 4
#define PATIENCE_IN_CROWD 4 /* then the processors are shared by more, rather than by some alone */
#define SPARE_NS NS_PER_S   /* a spare kernel thread is kept, and the host away from home */

static void *monitor_main(void *arg);
static struct companion monitor = { .main = monitor_main, .stack_size = 256 << 10 };

/* The monitor's own.  The host has not come to the scheduler since. */
static struct {
	struct pulse last;
	int64_t since, waited_ns; /* the latter as of the first closer look, -1 before */
} pulse;
static int64_t last_handoff_ns;

/* An interpreter may be about to end. */
static bool is_needed(void)
{
	return (atomic_load(&green_alive) > 0 || handoff_counts.seats > 1) &&
	       (!python_is_here() || python_is_up());
}

static int64_t period_ns(void)
{
	int64_t ms = settings.handoff_ms > 0 ? settings.handoff_ms : 10000;

	if (settings.chaos_handoff)
		return NS_PER_MS;
	/* Half of what a thread may compute: it has been seen twice without a switch between by then. */
	if (python_is_here() && settings.preempt_ms > 0 && settings.preempt_ms < ms)
		ms = settings.preempt_ms;
	return ms * NS_PER_MS / 2;
}

/* How long the host's kernel thread has waited for a processor, since it is; 0 if the kernel does not tell. */
static int64_t host_waited_ns(void)
{
	char path[48], text[96], *end;
	long fd, n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", sched.host_tid);
	fd = raw4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = raw3(SYS_read, fd, text, sizeof(text) - 1);
	raw1(SYS_close, fd);
	text[n > 0 ? n : 0] = '\0';
	strtoll(text, &end, 10); /* what it has computed */
	return strtoll(end, NULL, 10);
}

static bool has_moved(void)
{
	return sched_has_moved(pulse.last);
}

static void take_pulse(void)
{
	pulse.last = sched_pulse();
	pulse.since = now_ns();
	pulse.waited_ns = -1;
}

/* Where threads were found asleep when they lost the scheduler, in no order: who sleeps there again need not
 * be waited for.  Of those that compute there is no place to be had; they are known by themselves
 * (handoff_patience_ns). */
static uintptr_t places[64];
static unsigned next_place;

static bool is_known(uintptr_t pc)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (places[i] == pc)
			return true;
	return false;
}

static void learn(uintptr_t pc)
{
	if (!is_known(pc))
		places[next_place++ % ARRAY_LEN(places)] = pc;
}

/* Those that sleep in the kernel need no processor. */
static bool is_crowded(void)
{
	int most = settings.hosts ? settings.hosts : handoff_cores() + 2;

	return atomic_load(&handoff_counts.alone) + 1 >= most && handoff_computing() + 1 >= most;
}

static bool is_patient(const struct sight *s, int64_t stuck_ns)
{
	int64_t patience = handoff_patience_ns(), own;

	if (s->state == SIGHT_SLEEPS)
		return !is_known(s->pc) && stuck_ns < patience;
	if (stuck_ns < patience)
		return true;
	if (stuck_ns >= PATIENCE_IN_CROWD * settings.handoff_ms * NS_PER_MS)
		return false;
	/* A crowded machine may just not have let it run; but what it has computed and slept counts in any case. */
	own = stuck_ns - (host_waited_ns() - pulse.waited_ns);
	return is_crowded() || (own * 4 < stuck_ns && own < patience);
}

/* patience: how many times as long as it takes otherwise. */
static void consider(int patience)
{
	int64_t stuck_ns = now_ns() - pulse.since;
	struct sight s;

	if (pulse.waited_ns < 0)
		pulse.waited_ns = host_waited_ns();
	sight_take(&s, sched.host_tid);
	if (is_patient(&s, stuck_ns / patience)) {
		if (stuck_ns / patience >= handoff_patience_ns() / 2)
			handoff_prepare();
		return;
	}
	if (has_moved() || handoff_try() != NULL)
		return;
	if (s.state == SIGHT_SLEEPS)
		learn(s.pc);
	last_handoff_ns = now_ns();
	take_pulse();
}

/* The host itself may hold the lock, inside a library that keeps it: then nothing is won, and nothing lost. */
void monitor_still_waits(void)
{
	if (!handoff_is_on())
		return;
	if (has_moved())
		take_pulse();
	else
		consider(PATIENCE_WITHOUT_LOCK);
}

/* The host has shown no sign of life since the last tick. */
static void look_closer(void)
{
	if (!companion_begin_work(&monitor))
		return;
	if (settings.preempt_ms)
		python_ask();
	/* The interpreter's lock was to be had, and still nobody else has run: the host is out without it. */
	if (handoff_is_on() && !has_moved())
		consider(1);
	companion_end_work(&monitor);
}

static void make_chaos(void)
{
	static unsigned seed = 1;

	if (rand_r(&seed) % CHAOS_ODDS == 0 && companion_begin_work(&monitor)) {
		if (handoff_try() == NULL)
			last_handoff_ns = now_ns();
		companion_end_work(&monitor);
	}
}

/* Nobody has needed the kernel threads for a while, or nobody is left who might. */
static bool wind_down(void)
{
	bool is_over = false;

	if (atomic_load(&green_alive) > 0 && now_ns() - last_handoff_ns < SPARE_NS)
		return handoff_counts.seats < 2;
	if (companion_begin_work(&monitor)) {
		is_over = handoff_wind_down();
		companion_end_work(&monitor);
	}
	return is_over;
}

/* The host sets idle and then looks at monitor_naps; we set that and then look at idle: one of us sees the
 * other. */
static void announce_nap(void)
{
	atomic_store(&sched.monitor_naps, true);
	if (!atomic_load(&sched.idle))
		monitor_host_woke();
}

void monitor_host_woke(void)
{
	atomic_store(&sched.monitor_naps, false);
	companion_wake(&monitor);
}

static void tick(int ending, int *idle)
{
	bool moved = sched_pulse().switches != pulse.last.switches;

	*idle = atomic_load(&sched.idle) && !moved ? *idle + 1 : 0;
	if (*idle == 0 && ending == 0 && settings.chaos_handoff)
		make_chaos();
	if (has_moved())
		take_pulse();
	else if (ending == 0)
		look_closer();
}

static void *monitor_main(void *arg)
{
	int ending = 0, idle = 0;

	raw2(SYS_prctl, PR_SET_NAME, "syncless-dog");
	atomic_store(&standby_thread, pthread_self());
	take_pulse();
	while (companion_rest(&monitor, period_ns()) && !companion_may_end(&monitor, is_needed, &ending)) {
		tick(ending, &idle);
		if ((idle >= IDLE_PERIODS || atomic_load(&green_alive) == 0) && wind_down() &&
		    idle >= IDLE_PERIODS)
			companion_nap(&monitor, announce_nap);
	}
	atomic_store(&standby_thread, 0);
	return arg;
}

void monitor_thread_started(void)
{
	bool asks = settings.preempt_ms && python_is_up() && python_can_ask();

	if (asks || handoff_is_on())
		companion_start(&monitor);
}

void monitor_before_handlers(void)
{
	companion_before_fork(&monitor);
}

/* One that asks waits for the interpreter's lock, which the forking thread holds. */
void monitor_before_fork(void)
{
	companion_before_fork(&monitor);
	handoff_before_fork();
}

void monitor_after_fork_child(void)
{
	companion_after_fork_child(&monitor);
	handoff_after_fork_child();
}
