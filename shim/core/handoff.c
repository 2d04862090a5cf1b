/* SPDX-License-Identifier: Apache-2.0
 *
 * Seats, and how a thread is left alone and comes back; see handoff.h. tests/model/handoff.pml is a model of
 * it.
 */
#include "handoff.h"
#include <link.h>
#include <linux/membarrier.h>
#include <linux/rseq.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "body.h"
#include "handler.h"
#include "hostlock.h"
#include "libc.h"
#include "loop.h"
#include "native.h"
#include "rawlock.h"
#include "settings.h"
#include "sight.h"
#include "sigmask.h"
#include "switch.h"

#define STACK_SIZE (256 << 10)
#define ALTSTACK_SIZE (64 << 10)
#define SEATS_MAX 512 /* also for threads that sleep */
#define LEARNED 3     /* hand-offs after which a thread is known to need them */
#define HANDOFFS_MAX 200
#if defined(__x86_64__)
#define RSEQ_SIGNATURE 0x53053053
#else
#define RSEQ_SIGNATURE 0xd428bc00
#endif

enum { SEAT_RESTS, SEAT_HOSTS, SEAT_ENDS };

/* 32 and 33: glibc waits for the answer of every kernel thread. */
static const uint64_t all_but_glibcs = ~(3ull << 31);

struct handoff_counts handoff_counts;

/* Which coroutine runs on which kernel thread does not change under it.  Signals are blocked by who holds it. */
static struct rawlock who_runs_where;

static struct seat first_seat;
static struct {
	struct rawlock lock;
	struct seat *spare;		 /* through next_spare */
	struct seat *ended;		 /* records for the next ones, likewise */
	_Atomic(struct seat *) all;	 /* through next; only ever added to, but in a forked child */
	_Atomic(const char *) forbidden; /* NULL, or by what */
	bool is_ready, failed;
	_Atomic bool making; /* a spare one is being made */
} seats;

/* --- Kernel threads. */

struct seat *handoff_seat_of(int tid)
{
	struct seat *s = atomic_load_explicit(&seats.all, memory_order_acquire);

	while (s && s->tid != tid)
		s = s->next;
	return s;
}

pthread_t sched_host_thread(void)
{
	return sched.seat->thread;
}

static void add_to_all(struct seat *s)
{
	struct seat *head = atomic_load(&seats.all);

	do
		s->next = head;
	while (!atomic_compare_exchange_weak(&seats.all, &head, s));
}

/* The kernel keeps the number of the processor in the record of the thread that it runs, as it thinks; code
 * that builds on that number being right (restartable sequences) must find that it is not kept. */
static void forget_rseq(void)
{
	const ptrdiff_t *offset = dlsym(RTLD_DEFAULT, "__rseq_offset");
	const unsigned *size = dlsym(RTLD_DEFAULT, "__rseq_size");
	struct rseq *area;

	if (!offset || !size || !*size)
		return;
	area = (struct rseq *)(switch_read_fs() + (unsigned long)*offset);
	raw4(SYS_rseq, area, sizeof(*area), RSEQ_FLAG_UNREGISTER, RSEQ_SIGNATURE);
	area->cpu_id = (uint32_t)RSEQ_CPU_ID_UNINITIALIZED;
}

void handoff_adopt_host(void)
{
	first_seat = (struct seat){
		.tid = sched.host_tid, .thread = sched.main->thread, .fs = sched.main->fs_base, .is_first = true
	};
	sched.seat = &first_seat;
	sched.main->outside = &first_seat.outside;
	add_to_all(&first_seat);
	handoff_counts.seats = 1;
	if (handoff_is_on())
		forget_rseq();
}

static struct seat *take_from(struct seat **list)
{
	struct seat *s;

	rawlock_take(&seats.lock);
	s = *list;
	if (s)
		*list = s->next_spare;
	rawlock_drop(&seats.lock);
	return s;
}

static void put_into(struct seat **list, struct seat *s)
{
	rawlock_take(&seats.lock);
	s->next_spare = *list;
	*list = s;
	rawlock_drop(&seats.lock);
}

static void put_spare(struct seat *s)
{
	atomic_store(&s->word, SEAT_RESTS);
	put_into(&seats.spare, s);
}

static struct seat *take_spare(void)
{
	return take_from(&seats.spare);
}

/* On the stack of the coroutine that the new host has switched to. */
static void arrived(struct coro *unused)
{
	(void)unused;
	sig_mask_moved();
	sig_apply_mask();
}

static void send_back(struct seat *s)
{
	struct coro *co = s->came;

	if (!co)
		return;
	s->came = NULL;
	rawlock_take(&who_runs_where);
	s->has_alone = false;
	rawlock_drop(&who_runs_where);
	atomic_fetch_sub(&handoff_counts.alone, 1);
	sched_push_back(co);
}

/* Signals for the process go to other kernel threads; but one for the first thread by its number means main. */
static void rest(struct seat *s)
{
	if (s->is_first)
		raw_restore_signals(&s->mask);
	while (atomic_load_explicit(&s->word, memory_order_acquire) == SEAT_RESTS)
		futex_wait(&s->word, SEAT_RESTS, NULL);
	if (s->is_first)
		raw_restore_signals(&all_but_glibcs);
}

/* The host is another kernel thread from now on. */
static void make_host_locked(struct seat *to)
{
	sched.current = NULL;
	sched.seat = to;
	sched.host_tid = to->tid;
}

void handoff_nudge(const struct coro *co, int sig, siginfo_t *info)
{
	struct seat *s = NULL;
	uint64_t mask;

	raw_block_signals(&mask);
	rawlock_take(&who_runs_where);
	if (atomic_load(&co->keeps) & KEEPS_ALONE)
		s = co->seat->has_alone ? co->seat : NULL;
	else if (co == sched.current && co->state == CORO_RUNNING)
		s = sched.seat;
	if (s) {
		s->nudged |= BIT(sig);
		raw4(SYS_rt_tgsigqueueinfo, sched.host_pid, s->tid, sig, info);
	}
	rawlock_drop(&who_runs_where);
	raw_restore_signals(&mask);
}

static void wake_host(struct seat *to)
{
	atomic_store(&to->word, SEAT_HOSTS);
	futex_wake(&to->word, 1);
}

static void pass_on_to_heir(struct seat *s)
{
	struct seat *heir = s->heir;

	s->heir = NULL;
	rawlock_take(&who_runs_where);
	make_host_locked(heir);
	rawlock_drop(&who_runs_where);
	send_back(s);
	wake_host(heir);
}

/* A seat's own flow, with signals blocked. */
static void seat_live(struct seat *s)
{
	for (;;) {
		if (s->heir)
			pass_on_to_heir(s);
		send_back(s);
		handler_drop_nudges(s->nudged);
		s->nudged = 0;
		put_spare(s);
		rest(s);
		if (atomic_load(&s->word) == SEAT_ENDS)
			return;
		sched_take_over(s, arrived);
	}
}

/* What runs on the body that is the first seat's own flow. */
static void *first_live(void *seat)
{
	for (;;)
		seat_live(seat);
	return NULL;
}

static void *spare_main(void *arg)
{
	struct seat *s = arg;
	stack_t alt = { .ss_size = ALTSTACK_SIZE, .ss_sp = s->altstack };

	raw2(SYS_prctl, PR_SET_NAME, "syncless-host");
	s->tid = (int)raw1(SYS_gettid, 0);
	s->thread = libc.pthread_self();
	s->fs = s->own_fs = switch_read_fs();
	if (alt.ss_sp)
		raw2(SYS_sigaltstack, &alt, NULL);
	atomic_store(&seats.making, false);
	seat_live(s);
	return NULL;
}

/* The first kernel thread's own stack is main's. */
static bool give_first_seat_a_flow(void)
{
	struct green *g;

	if (first_seat.sp)
		return true;
	if (body_take(NULL, &g) != 0)
		return false;
	body_make_seat(g, first_live, &first_seat);
	g->co.outside = &first_seat.outside;
	first_seat.own_fs = g->co.fs_base;
	first_seat.sp = g->co.sp;
	return true;
}

static struct seat *new_seat(void)
{
	struct seat *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->altstack = malloc(ALTSTACK_SIZE);
	add_to_all(s);
	return s;
}

static bool start_spare(void)
{
	struct seat *s;
	pthread_t t;

	if (atomic_load(&seats.making))
		return true;
	s = take_from(&seats.ended);
	if (!s && !(s = new_seat()))
		return false;
	atomic_store(&seats.making, true);
	if (native_start(&t, STACK_SIZE, spare_main, s) == 0) {
		if (++handoff_counts.seats > handoff_counts.most)
			handoff_counts.most = handoff_counts.seats;
		return true;
	}
	atomic_store(&seats.making, false);
	put_into(&seats.ended, s);
	return false;
}

/* --- May it be done? */

bool handoff_is_on(void)
{
	return settings.handoff_ms > 0 && !settings.ucontext && !seats.failed && !atomic_load(&seats.forbidden);
}

void handoff_forbid(const char *why)
{
	if (sched.main && !atomic_exchange(&seats.forbidden, why))
		say("%s() has changed the host's kernel thread: no hand-off from now on", why);
}

/* An allocator, or a clock, that takes locks of the program's kind would end calls of ours in the midst of others,
 * where we use it. */
static bool is_libcs(const char *name)
{
	Dl_info of_it, of_libc;
	const ElfW(Sym) *symbol = NULL;
	void *found = libc.dlsym(RTLD_DEFAULT, name);

	if (libc.dlsym(RTLD_DEFAULT, "__asan_init") || libc.dlsym(RTLD_DEFAULT, "__tsan_init"))
		return true;
	/* A program linked to fixed addresses has an entry of its own that leads to it. */
	if (dladdr1(found, &of_it, (void **)&symbol, RTLD_DL_SYMENT) && symbol && symbol->st_shndx == SHN_UNDEF)
		found = libc.dlsym(RTLD_NEXT, name);
	return libc.dladdr(found, &of_it) && libc.dladdr((void *)libc.read, &of_libc) &&
	       of_it.dli_fbase == of_libc.dli_fbase;
}

const char *handoff_obstacle(void)
{
	if (raw3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0)
		return "the kernel has no membarrier()";
	if (loop_is_one_threads())
		return "io_uring belongs to one kernel thread";
	if (!is_libcs("malloc"))
		return "the allocator is not libc's";
	return is_libcs("clock_gettime") ? NULL : "the clock is not libc's";
}

static void get_ready(void)
{
	const char *obstacle = handoff_obstacle();

	seats.is_ready = true;
	seats.failed = obstacle || !give_first_seat_a_flow();
	if (obstacle)
		say("%s: no hand-off", obstacle);
}

/* All that it takes but a spare kernel thread. */
static bool is_possible(void)
{
	if (handoff_is_on() && !seats.is_ready)
		get_ready();
	return handoff_is_on();
}

/* With `wanted` set and the host outside, so all of it stands still. */
static const char *refusal(const struct coro *co)
{
	const struct robust_list_head *head = NULL;
	size_t size;

	if (!co)
		return "the host is being changed";
	if (atomic_load(&co->keeps))
		return "its thread has coroutines";
	if (sched.in_handler)
		return "a signal handler";
	if (co->no_park)
		return "inside libc's own locks";
	if (sched.ncoro < 2)
		return "nobody else is there";
	if (hostlock_count() > 0)
		return "a mutex is held whose owner the kernel knows";
	if (raw3(SYS_get_robust_list, sched.host_tid, &head, &size) == 0 && head &&
	    head->list.next != (const struct robust_list *)head)
		return "a robust mutex is held";
	return NULL;
}

static void leave_alone(struct coro *co, struct seat *to)
{
	rawlock_take(&who_runs_where);
	co->state = CORO_ALONE;
	co->seat = sched.seat;
	co->seat->has_alone = true;
	atomic_fetch_or(&co->keeps, KEEPS_ALONE);
	make_host_locked(to);
	rawlock_drop(&who_runs_where);
	if (co->handoffs < HANDOFFS_MAX)
		co->handoffs++;
	atomic_fetch_add(&handoff_counts.handoffs, 1);
	atomic_fetch_add(&handoff_counts.alone, 1);
}

/* Scheduling of threads is by kernel thread, so what was set for the old host goes for the new one. */
static void follow_affinity(int from, int to)
{
	unsigned long was[128], is[128]; /* 8192 processors */
	long n = raw3(SYS_sched_getaffinity, from, sizeof(was), was);
	long m = raw3(SYS_sched_getaffinity, to, sizeof(is), is);

	if (n > 0 && (m != n || memcmp(was, is, (size_t)n)))
		raw3(SYS_sched_setaffinity, to, n, was);
}

void handoff_prepare(void)
{
	if (is_possible() && !__atomic_load_n(&seats.spare, __ATOMIC_RELAXED) &&
	    handoff_counts.seats < SEATS_MAX)
		start_spare();
}

static const char *try_now(void)
{
	const char *no = "the host is in a call of ours";
	int old_tid = sched.host_tid;
	struct seat *to;

	if (!is_possible())
		return "hand-off is off";
	to = take_spare();
	if (!to)
		return handoff_counts.seats < SEATS_MAX && start_spare()
			       ? "a kernel thread is being made for it"
			       : "no kernel thread is to be had";
	atomic_store(&sched.wanted, true);
	raw3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	if (atomic_load(&sched.seat->outside) && (no = refusal(sched.current)) == NULL)
		leave_alone(sched.current, to);
	atomic_store(&sched.wanted, false);
	if (no) {
		put_spare(to);
		return no;
	}
	follow_affinity(old_tid, to->tid);
	wake_host(to);
	return NULL;
}

static struct {
	_Atomic(const char *) why;
	_Atomic unsigned long switches;
} refused;

const char *handoff_try(void)
{
	unsigned long switches = atomic_load(&sched.switches);
	const char *why = try_now();

	atomic_store(&refused.why, handoff_is_on() ? why : NULL);
	atomic_store(&refused.switches, switches);
	return why;
}

const char *handoff_refused(unsigned long switches)
{
	return atomic_load(&refused.switches) == switches ? atomic_load(&refused.why) : NULL;
}

int handoff_computing(void)
{
	struct sight sight;
	int n = 0;

	for (struct seat *s = atomic_load(&seats.all); s; s = s->next) {
		if (!s->has_alone)
			continue;
		sight_take(&sight, s->tid);
		n += sight.state == SIGHT_RUNS;
	}
	return n;
}

int handoff_cores(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	return raw3(SYS_sched_getaffinity, 0, sizeof(set), &set) > 0 ? CPU_COUNT(&set) : 1;
}

/* A thread is looked at without care for its end: it is a number that may be wrong for once. */
int64_t handoff_patience_ns(void)
{
	const struct coro *co = __atomic_load_n(&sched.current, __ATOMIC_RELAXED);
	unsigned char handoffs = 0;

	if (co)
		sight_peek((uintptr_t)&co->handoffs, &handoffs, 1);
	return handoffs >= LEARNED ? 0 : settings.handoff_ms * NS_PER_MS;
}

static void retire(void)
{
	struct seat *s, *first = NULL;

	while ((s = take_spare()) != NULL) {
		if (s->is_first) {
			first = s;
			continue;
		}
		atomic_store(&s->word, SEAT_ENDS);
		futex_wake(&s->word, 1);
		libc.pthread_join(s->thread, NULL);
		s->tid = 0;
		put_into(&seats.ended, s);
		handoff_counts.seats--;
	}
	if (first)
		put_spare(first);
}

static bool take_first(void)
{
	struct seat **at, *s = NULL;

	rawlock_take(&seats.lock);
	for (at = &seats.spare; *at && !(*at)->is_first; at = &(*at)->next_spare)
		;
	if ((s = *at) != NULL)
		*at = s->next_spare;
	rawlock_drop(&seats.lock);
	return s != NULL;
}

bool handoff_wind_down(void)
{
	if (handoff_counts.seats < 2)
		return true;
	if (sched.seat != &first_seat) {
		atomic_store(&sched.homesick, true);
		loop_kick();
		return false;
	}
	retire();
	return handoff_counts.seats < 2;
}

struct seat *handoff_leave_for_home(void)
{
	atomic_store(&sched.homesick, false);
	if (sched.seat == &first_seat || !take_first())
		return NULL;
	raw_restore_signals(&all_but_glibcs);
	sched.seat->heir = &first_seat;
	return sched.seat;
}

/* --- The host's side, and that of one that is alone. */

bool handoff_settle(struct coro *me)
{
	/* A copy of the process, made behind our back, has no monitor. */
	while (atomic_load_explicit(&sched.wanted, memory_order_acquire) &&
	       raw1(SYS_getpid, 0) == sched.host_pid)
		raw1(SYS_sched_yield, 0);
	return !(atomic_load_explicit(&me->keeps, memory_order_acquire) & KEEPS_ALONE);
}

static bool in_own_handler(const struct coro *me)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return here >= me->handler_low && here < me->handler_high;
}

static void come_back(struct coro *me)
{
	struct seat *s = me->seat;

	me->handler_high = 0;
	raw4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all_but_glibcs, &s->mask, 8);
	s->came = me;
	switch_stack(&me->sp, s->sp, s->own_fs);
	sched_landed();
	if (me->has_pending)
		sig_run_pending(me);
}

/* Not in a vfork child, which has its parent's thread but not its kernel thread. */
bool handoff_may_come_back(const struct coro *me)
{
	return !me->no_park && !in_own_handler(me) && raw1(SYS_getpid, 0) == sched.host_pid;
}

bool handoff_come_back(struct coro *me)
{
	int saved = errno;

	if (!handoff_may_come_back(me))
		return false;
	come_back(me);
	errno = saved;
	return true;
}

void handoff_must_come_back(struct coro *me)
{
	if (!coro_hold(me))
		come_back(me);
}

__attribute__((destructor)) static void tell_counts(void)
{
	unsigned long n = atomic_load(&handoff_counts.handoffs);

	if (n)
		say("%lu hand-offs, at most %d kernel threads", n, handoff_counts.most);
}

/* The caller, who is the host's, makes the first kernel thread the host again. */
static void move_to_first(struct coro *me)
{
	struct seat *s = sched.seat;

	atomic_fetch_or(&me->keeps, KEEPS_ALONE);
	me->state = CORO_ALONE;
	me->seat = s;
	atomic_fetch_add(&handoff_counts.alone, 1);
	s->heir = &first_seat;
	come_back(me);
}

void handoff_before_fork(void)
{
	struct coro *me;

	if (atomic_load(&green_alive) > 0 || handoff_counts.seats < 2)
		return;
	me = coro_here();
	if (me && sched.seat != &first_seat && !atomic_load(&me->keeps) && coro_can_park(me) && take_first())
		move_to_first(me);
	retire();
}

void handoff_after_fork_child(void)
{
	seats.lock = (struct rawlock){ 0 };
	seats.spare = NULL;
	atomic_store(&seats.all, NULL);
	seats.ended = NULL;
	atomic_store(&seats.making, false);
	seats.is_ready = false;
	seats.failed = false;
	first_seat.sp = NULL;
	atomic_store(&handoff_counts.handoffs, 0);
	atomic_store(&handoff_counts.alone, 0);
	handoff_counts.seats = 0;
}
