/* SPDX-License-Identifier: Apache-2.0
 *
 * See watch.h.
 *
 * Outside our calls.  Whatever comes to the scheduler switches to another coroutine, begins a round or sleeps
 * in the loop; all three are on record anyway, so the host pays nothing for being watched.  If none of them
 * has happened for the time set, the host is stuck: in a system call that did not come through us, in one of
 * ours that may not park, or computing.  Of computing the host's own processor time counts: on a crowded
 * machine it may just not have had its turn.  It may go from one place to the next without the scheduler in
 * between: in a sleep its processor time stands still, and so it is another sleep if that has changed.
 *
 * A place is an address in the code of the program or one of its libraries, and the line of Python that led
 * there.  The first time that an address is met it is told at once; the line follows when the GIL can be had,
 * which is at once, too, if the stuck code has given it up, and else after it has come back.  Later only new
 * lines are told.  At most a hundredth of the time goes into looking.
 */
#include "watch.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include "companion.h"
#include "coro.h"
#include "handoff.h"
#include "python.h"
#include "settings.h"
#include "sight.h"
#include "thread.h"

#define PLACES 128
#define LEAST_REST_MS 5 /* shorter ones would cost more than a hundredth of a processor */

static void *watch_main(void *arg);
/* As large as it is, since finalizers of Python may come to run on it (python_where). */
static struct companion watch = { .main = watch_main, .stack_size = 1 << 20 };

/* All below is the watch's own but in a forked child, and at exit. */
static struct {
	struct pulse last;
	int64_t since;	    /* the first look at which the host was there */
	int64_t cpu_ns;	    /* what it had computed then */
	struct place *told; /* with the host there; NULL: nothing yet */
} pulse;

static struct place {
	uintptr_t code;
	uint64_t line; /* hash of the Python line's text; 0: none */
	unsigned long times;
	char text[640];
} places[PLACES];
static int place_count;
static int64_t rest_until;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
	char text[800];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n > 0)
		raw3(SYS_write, 2, text, n < (int)sizeof(text) ? n : (int)sizeof(text) - 1);
}

/* --- Places. */

static uint64_t hash(const char *text)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h;
}

static bool is_known_code(uintptr_t code)
{
	for (int i = 0; i < place_count; i++)
		if (places[i].code == code)
			return true;
	return false;
}

static struct place *place_of(uintptr_t code, const char *line)
{
	uint64_t h = *line ? hash(line) : 0;
	struct place *p = places;

	while (p < places + place_count && (p->code != code || p->line != h))
		p++;
	if (p == places + place_count && place_count < PLACES) {
		*p = (struct place){ .code = code, .line = h };
		if (++place_count == PLACES)
			tell("syncless: the blocking watch has seen %d places; it tells of no more\n", PLACES);
	}
	return p < places + PLACES ? p : NULL;
}

__attribute__((destructor)) static void tell_totals(void)
{
	for (int i = 0; settings.verbose && i < place_count; i++)
		tell("syncless: stuck %lu times: %s\n", places[i].times, places[i].text);
}

/* --- The host. */

static int64_t cpu_ns(clockid_t clock)
{
	struct timespec ts = { 0 };

	raw2(SYS_clock_gettime, clock, &ts);
	return timespec_ns(&ts);
}

/* The kernel's way to write the processor time of one thread: CPUCLOCK_PERTHREAD_MASK, CPUCLOCK_SCHED. */
static int64_t host_cpu_ns(void)
{
	return cpu_ns((clockid_t)((~(unsigned)sched.host_tid << 3) | 6));
}

static bool host_has_moved(void)
{
	return sched_has_moved(pulse.last);
}

static void take_pulse(int64_t now)
{
	pulse.last = sched_pulse();
	pulse.since = now;
	pulse.cpu_ns = host_cpu_ns();
	pulse.told = NULL;
}

struct subject {
	struct sight sight;
	int64_t cpu_ns;
	pthread_t thread;
	uintptr_t start; /* of a green thread; 0: the host's own flow */
	bool may_park;
	uintptr_t code;
	char what[352];
};

/* Its record may go the moment it runs on. */
static void find_out_who(struct subject *s)
{
	uintptr_t co = (uintptr_t)__atomic_load_n(&sched.current, __ATOMIC_RELAXED);
	struct green g;

	if (sight_peek(co, &g.co, sizeof(g.co)) < sizeof(g.co))
		return;
	s->thread = g.co.thread;
	s->may_park = !g.co.no_park && !sched.in_handler;
	if (g.co.green && sight_peek(co, &g, sizeof(g)) == sizeof(g))
		s->start = (uintptr_t)g.start;
}

/* Without a point of the code there is at least the thread; of a Python one its line says more. */
static void describe(struct subject *s)
{
	char call[160], where[208] = "";
	const char *in = ", in ";

	sight_describe(&s->sight, call, sizeof(call));
	if (s->sight.state == SIGHT_SLEEPS) {
		s->code = symbol_of_caller(&s->sight);
		if (!s->code)
			s->code = s->sight.pc;
		symbol_describe(s->code, false, where, sizeof(where));
	} else if (s->start && !python_is_here()) {
		s->code = s->start;
		in = " in a thread that began at ";
		symbol_describe(s->code, true, where, sizeof(where));
	}
	snprintf(s->what, sizeof(s->what), "%s%s%s", call, *where ? in : "", where);
}

static void tell_what(const struct subject *s, int64_t stuck_ns, int others)
{
	const char *refused = handoff_refused(pulse.last.switches);

	tell("syncless: stuck for %ld ms outside our calls: %s; others waiting: %d%s%s\n",
	     (long)(stuck_ns / NS_PER_MS), s->what, others, refused ? "; not handed off: " : "",
	     refused ? refused : "");
}

static bool has_stayed(const struct subject *s)
{
	return !host_has_moved() && (s->sight.state != SIGHT_SLEEPS || s->cpu_ns == host_cpu_ns());
}

/* The kernel thread that a new body begins on has not ended yet (body.c), or a lock of our own is held. */
static bool is_our_own_wait(const struct subject *s)
{
	return s->sight.call == SYS_futex && s->may_park && symbol_is_ours(&s->sight);
}

static void report(struct subject *s, int64_t stuck_ns, int others)
{
	char line[256] = "";
	bool is_new_code = place_count < PLACES && !is_known_code(s->code), there;
	struct place *p;

	if (is_new_code)
		tell_what(s, stuck_ns, others);
	if (!python_where(s->thread, line, sizeof(line)))
		line[0] = '\0';
	there = has_stayed(s);
	p = place_of(s->code, line);
	/* It computes on, where it did the last time. */
	if (!p || (p == pulse.told && s->sight.state == SIGHT_RUNS))
		return;
	pulse.told = p;
	if (p->times++ > 0)
		return;
	snprintf(p->text, sizeof(p->text), "%s%s%s", s->what, *line ? ", at " : "", line);
	if (!is_new_code)
		tell_what(s, stuck_ns, others);
	if (*line)
		tell("syncless:     %s %s\n", there ? "at" : "afterwards at", line);
}

static void look(int64_t now)
{
	struct subject s = { .cpu_ns = host_cpu_ns() };
	int64_t stuck_ns = now - pulse.since;
	int others = __atomic_load_n(&sched.ncoro, __ATOMIC_RELAXED) - 1;

	sight_take(&s.sight, sched.host_tid);
	if (s.sight.state == SIGHT_RUNS)
		stuck_ns = s.cpu_ns - pulse.cpu_ns;
	if (stuck_ns < settings.watch_ms * NS_PER_MS || others < 1)
		return;
	find_out_who(&s);
	if (is_our_own_wait(&s))
		return;
	describe(&s);
	if (!has_stayed(&s))
		return;
	report(&s, stuck_ns, others);
	pulse.since = now;
	pulse.cpu_ns = s.cpu_ns;
}

static void observe(void)
{
	int64_t now = now_ns(), began;

	if (host_has_moved()) {
		take_pulse(now);
	} else if (pulse.told && pulse.cpu_ns == host_cpu_ns()) {
		pulse.since = now; /* the same sleep */
	} else if (now - pulse.since >= settings.watch_ms * NS_PER_MS && now >= rest_until &&
		   companion_begin_work(&watch)) {
		began = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
		look(now);
		rest_until = now + 100 * (cpu_ns(CLOCK_THREAD_CPUTIME_ID) - began);
		companion_end_work(&watch);
	}
}

/* --- The thread. */

static bool is_needed(void)
{
	return atomic_load(&green_alive) > 0;
}

static void *watch_main(void *arg)
{
	int64_t half = settings.watch_ms * NS_PER_MS / 2, least = LEAST_REST_MS * NS_PER_MS;
	int ending = 0;

	raw2(SYS_prctl, PR_SET_NAME, "syncless-watch");
	take_pulse(now_ns());
	while (companion_rest(&watch, half > least ? half : least) &&
	       !companion_may_end(&watch, is_needed, &ending))
		observe();
	return arg;
}

void watch_thread_started(void)
{
	if (settings.watch_ms)
		companion_start(&watch);
}

void watch_before_fork(void)
{
	companion_before_fork(&watch);
	symbol_before_fork();
}

void watch_after_fork_parent(void)
{
	symbol_after_fork();
}

void watch_before_handlers(void)
{
	companion_before_fork(&watch);
}

void watch_after_fork_child(void)
{
	symbol_after_fork();
	companion_after_fork_child(&watch);
	place_count = 0;
	rest_until = 0;
}
