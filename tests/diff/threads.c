/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads: their beginning, their end, who waits for it, and what names them.
 */
#include "diff/steps.h"
#include <limits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static pthread_t made(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, fn, arg), 0);
	return t;
}

static void *same(void *arg)
{
	return arg;
}

static void *leave(void *arg)
{
	pthread_exit(arg);
}

static int told[2];

static void *stay_until_told(void *arg)
{
	blocks();
	hear(told[0]);
	return arg;
}

static pthread_t made_to_stay(void)
{
	CHECK_EQ(pipe(told), 0);
	return made(stay_until_told, (void *)5);
}

static void say_join(pthread_t t)
{
	void *result = NULL;

	if (E(pthread_join(t, &result)) == 0)
		SAY("result %ld", (long)result);
}

/* --- Results and joins */

CASE_THREADS(results)
{
	say_join(made(same, (void *)3));
	say_join(made(leave, (void *)4));
	E(pthread_join(made(same, NULL), NULL));
}

CASE_THREADS(join_oneself)
{
	E(pthread_join(pthread_self(), NULL));
	E(pthread_tryjoin_np(pthread_self(), NULL));
}

CASE_THREADS(join_of_detached)
{
	pthread_t t = made_to_stay();
	void *result;

	E(pthread_detach(t));
	E(pthread_detach(t));
	E(pthread_join(t, &result));
	E(pthread_tryjoin_np(t, &result));
	E(pthread_timedjoin_np(t, &result, AT(CLOCK_REALTIME, 5)));
	tell(told[1]);
}

CASE_THREADS(tryjoin)
{
	pthread_t t = made_to_stay();
	void *result = NULL;

	E(pthread_tryjoin_np(t, &result));
	tell(told[1]);
	while (pthread_tryjoin_np(t, &result) == EBUSY)
		sched_yield();
	SAY("result %ld", (long)result);
}

CASE_THREADS(timedjoin)
{
	pthread_t t = made_to_stay();
	struct timespec past = { .tv_sec = 1 };
	void *result = NULL;

	LASTS(15, E(pthread_timedjoin_np(t, &result, AT(CLOCK_REALTIME, 15))));
	LASTS(15, E(pthread_clockjoin_np(t, &result, CLOCK_MONOTONIC, AT(CLOCK_MONOTONIC, 15))));
	E(pthread_timedjoin_np(t, &result, &past));
	E(pthread_clockjoin_np(t, &result, CLOCK_BOOTTIME, &past));
	E(pthread_clockjoin_np(t, &result, 77, &past));
	tell(told[1]);
	E(pthread_timedjoin_np(t, &result, AT(CLOCK_REALTIME, 20000)));
	SAY("result %ld", (long)result);
}

CASE_THREADS(timedjoin_of_one_that_has_ended)
{
	struct timespec past = { .tv_sec = 1 };
	pthread_t t = made(same, (void *)6);
	void *result = NULL;

	usleep(20000);
	while (pthread_timedjoin_np(t, &result, &past) == ETIMEDOUT)
		sched_yield();
	SAY("result %ld", (long)result);
}

static void *join_it(void *arg)
{
	blocks();
	E(pthread_join(*(pthread_t *)arg, NULL));
	return NULL;
}

CASE_THREADS(detached_while_joined)
{
	pthread_t t = made_to_stay();
	struct flow *f = flow(join_it, &t);

	await_blocked(2);
	E(pthread_detach(t));
	tell(told[1]);
	flow_end(f);
}

static void *give_up_joining(void *arg)
{
	E(pthread_timedjoin_np(*(pthread_t *)arg, NULL, AT(CLOCK_REALTIME, 20)));
	return NULL;
}

CASE_THREADS(another_joiner_after_one_gave_up)
{
	pthread_t t = made_to_stay();

	flow_end(flow(give_up_joining, &t));
	tell(told[1]);
	say_join(t);
}

CASE_THREADS(cancelled_joiner)
{
	pthread_t t = made_to_stay();
	struct flow *f = flow(join_it, &t);

	await_blocked(2);
	E(pthread_cancel(thread_of(f)));
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
	tell(told[1]);
	say_join(t);
}

CASE_THREADS(detached_from_the_start)
{
	pthread_attr_t attr;
	pthread_t t;

	CHECK_EQ(pipe(told), 0);
	CHECK_EQ(pthread_attr_init(&attr), 0);
	E(pthread_attr_setdetachstate(&attr, 77));
	E(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	E(pthread_create(&t, &attr, stay_until_told, NULL));
	E(pthread_join(t, NULL));
	E(pthread_detach(t));
	tell(told[1]);
}

/* --- Main's end, exit */

static void *outlive_main(void *arg)
{
	(void)arg;
	usleep(30000);
	SAY("goes on");
	return NULL;
}

CASE_MAIN(main_leaves_first)
{
	flow(outlive_main, NULL);
	SAY("leaves");
	pthread_exit(NULL);
}

static void *join_main(void *arg)
{
	say_join(*(pthread_t *)arg);
	return NULL;
}

CASE_MAIN(main_is_joined)
{
	static pthread_t me;

	me = pthread_self();
	flow(join_main, &me);
	pthread_exit((void *)9);
}

static void at_exit(void)
{
	SAY("exit handler");
}

static void *exit_from_here(void *arg)
{
	(void)arg;
	SAY("exits");
	exit(0);
}

CASE_MAIN(exit_by_another)
{
	atexit(at_exit);
	flow_end(flow(exit_from_here, NULL));
	SAY("not reached");
}

CASE_MAIN(main_is_cancelled_by_itself)
{
	flow(outlive_main, NULL);
	E(pthread_cancel(pthread_self()));
	pthread_testcancel();
	SAY("not reached");
}

/* --- Attributes */

CASE_THREADS(attributes)
{
	pthread_attr_t attr;
	size_t size = 0;
	int value = 0;

	CHECK_EQ(pthread_attr_init(&attr), 0);
	E(pthread_attr_setstacksize(&attr, 100));
	E(pthread_attr_setstacksize(&attr, 1 << 20));
	E(pthread_attr_setguardsize(&attr, 100));
	E(pthread_attr_setscope(&attr, PTHREAD_SCOPE_PROCESS));
	E(pthread_attr_setinheritsched(&attr, 77));
	E(pthread_attr_setschedpolicy(&attr, 77));
	E(pthread_attr_getstacksize(&attr, &size));
	SAY("stack %zu", size);
	E(pthread_attr_getguardsize(&attr, &size));
	SAY("guard %zu", size);
	E(pthread_attr_getscope(&attr, &value));
	SAY("scope %d", value);
	E(pthread_attr_destroy(&attr));
}

/* The argument: how large the stack was to be at least.  It may be somewhat larger. */
static void *say_attributes(void *arg)
{
	size_t wanted = (size_t)arg;
	pthread_attr_t attr;
	size_t size = 0, guard = 0;
	void *low = NULL;
	int state = 0;

	E(pthread_getattr_np(pthread_self(), &attr));
	E(pthread_attr_getstack(&attr, &low, &size));
	E(pthread_attr_getguardsize(&attr, &guard));
	E(pthread_attr_getdetachstate(&attr, &state));
	SAY("stack %zu guard %zu state %d", size >= wanted && size < wanted + 4096 ? wanted : size, guard,
	    state);
	SAY("here: %d", (char *)&attr > (char *)low && (char *)&attr < (char *)low + size);
	E(pthread_attr_destroy(&attr));
	return NULL;
}

CASE_THREADS(attributes_of_a_thread)
{
	pthread_attr_t attr;
	size_t size;

	CHECK_EQ(pthread_getattr_default_np(&attr), 0);
	CHECK_EQ(pthread_attr_getstacksize(&attr, &size), 0);
	flow_end(flow(say_attributes, (void *)size));
}

CASE_THREADS(stack_size)
{
	pthread_attr_t attr;

	CHECK_EQ(pthread_attr_init(&attr), 0);
	E(pthread_attr_setstacksize(&attr, 192 << 10));
	E(pthread_attr_setguardsize(&attr, 8192));
	flow_end(flow_with(&attr, say_attributes, (void *)(192 << 10)));
	E(pthread_attr_setguardsize(&attr, 0));
	flow_end(flow_with(&attr, say_attributes, (void *)(192 << 10)));
}

CASE_THREADS(stack_of_the_program)
{
	pthread_attr_t attr;
	void *stack = NULL;

	CHECK_EQ(posix_memalign(&stack, 4096, 256 << 10), 0);
	CHECK_EQ(pthread_attr_init(&attr), 0);
	E(pthread_attr_setstack(&attr, stack, 100));
	E(pthread_attr_setstack(&attr, stack, 256 << 10));
	flow_end(flow_with(&attr, say_attributes, (void *)(256 << 10)));
}

CASE_THREADS(stack_too_large)
{
	pthread_attr_t attr;
	pthread_t t;

	CHECK_EQ(pthread_attr_init(&attr), 0);
	E(pthread_attr_setstacksize(&attr, (size_t)1 << 48));
	E(pthread_create(&t, &attr, same, NULL));
}

static void *say_mask(void *arg)
{
	sigset_t now;

	(void)arg;
	E(pthread_sigmask(SIG_BLOCK, NULL, &now));
	SAY("USR1 %d USR2 %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
	return NULL;
}

CASE_THREADS(mask_is_inherited_or_given)
{
	sigset_t set;
	pthread_attr_t attr;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	E(pthread_sigmask(SIG_BLOCK, &set, NULL));
	flow_end(flow(say_mask, NULL));
	CHECK_EQ(pthread_attr_init(&attr), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	E(pthread_attr_setsigmask_np(&attr, &set));
	flow_end(flow_with(&attr, say_mask, NULL));
}

/* --- Names, ids, the scheduler of the kernel */

static void say_name(void)
{
	char name[16] = "";

	E(pthread_getname_np(pthread_self(), name, sizeof(name)));
	SAY("name %s", name);
}

static void *name_myself(void *arg)
{
	say_name();
	E(pthread_setname_np(pthread_self(), "fifteen letters"));
	say_name();
	return arg;
}

CASE_THREADS(names)
{
	char name[16] = "";

	E(pthread_setname_np(pthread_self(), "sixteen letters!"));
	E(pthread_setname_np(pthread_self(), "first"));
	flow_end(flow(name_myself, NULL));
	say_name();
	E(pthread_setname_np(pthread_self(), ""));
	E(pthread_getname_np(pthread_self(), name, 15));
	E(pthread_getname_np(pthread_self(), name, sizeof(name)));
	SAY("name %s", name);
}

CASE_THREADS(name_of_another)
{
	pthread_t t = made_to_stay();
	char name[16] = "";

	E(pthread_setname_np(t, "other"));
	E(pthread_getname_np(t, name, sizeof(name)));
	SAY("name %s", name);
	tell(told[1]);
	say_join(t);
}

static void *tid_of(void *arg)
{
	CHECK_EQ(gettid(), syscall(SYS_gettid));
	SAY("main: %d", gettid() == getpid());
	return arg ? (void *)(long)gettid() : NULL;
}

CASE_THREADS(ids)
{
	long mine = (long)tid_of(&told), its = (long)flow_end(flow(tid_of, &told));

	SAY("same: %d", mine == its);
	SAY("equal: %d", !!pthread_equal(pthread_self(), pthread_self()));
}

CASE_THREADS(scheduling)
{
	struct sched_param param = { .sched_priority = 77 };
	int policy = -1;

	E(pthread_getschedparam(pthread_self(), &policy, &param));
	SAY("policy %d priority %d", policy, param.sched_priority);
	param.sched_priority = 1;
	E(pthread_setschedparam(pthread_self(), SCHED_OTHER, &param));
	E(pthread_setschedparam(pthread_self(), 77, &param));
	param.sched_priority = 0;
	E(pthread_setschedparam(pthread_self(), SCHED_BATCH, &param));
	E(pthread_setschedprio(pthread_self(), 77));
	R(sched_getscheduler(0) == SCHED_BATCH);
	R(sched_getscheduler(gettid()) == SCHED_BATCH);
	R(sched_getparam(gettid(), &param));
	R(getpriority(PRIO_PROCESS, (id_t)gettid()));
}

CASE_THREADS(affinity)
{
	cpu_set_t set, now;

	CPU_ZERO(&set);
	E(pthread_setaffinity_np(pthread_self(), sizeof(set), &set));
	E(pthread_getaffinity_np(pthread_self(), sizeof(set), &set));
	E(pthread_setaffinity_np(pthread_self(), sizeof(set), &set));
	E(pthread_getaffinity_np(pthread_self(), 1, &set));
	R(sched_getaffinity(gettid(), sizeof(now), &now));
	R(!!CPU_EQUAL(&set, &now));
}

CASE_THREADS(cpu_clock)
{
	struct timespec ts;
	clockid_t clock;

	E(pthread_getcpuclockid(pthread_self(), &clock));
	R(clock_gettime(clock, &ts));
	R(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
}

static void *set_errno(void *arg)
{
	SAY("errno %d", errno);
	errno = EXDEV;
	return arg;
}

CASE_THREADS(errno_is_ones_own)
{
	errno = ENOTTY;
	flow_end(flow(set_errno, NULL));
	SAY("errno %s", errno_name(errno));
}

static __thread int own_variable = 4;

static void *change_variable(void *arg)
{
	SAY("%d", own_variable++);
	return arg;
}

CASE_THREADS(thread_local_is_new_each_time)
{
	for (int i = 0; i < 3; i++)
		flow_end(flow(change_variable, NULL));
	SAY("%d", own_variable);
}

static void *name_by_prctl(void *arg)
{
	char name[16] = "";

	R(prctl(PR_SET_NAME, "by prctl, and too long"));
	R(prctl(PR_GET_NAME, name));
	SAY("name %s", name);
	say_name();
	return arg;
}

CASE_THREADS(names_by_prctl)
{
	flow_end(flow(name_by_prctl, NULL));
	say_name();
}

static void *make_more(void *arg)
{
	long depth = (long)arg;

	if (depth == 0)
		return NULL;
	return (char *)finish(made(make_more, (void *)(depth - 1))) + 1;
}

CASE_THREADS(threads_of_threads)
{
	say_join(made(make_more, (void *)20));
}

static void *add_one(void *arg)
{
	(*(_Atomic int *)arg)++;
	return arg;
}

CASE_THREADS(many)
{
	pthread_t t[200];
	_Atomic int sum = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++)
			t[i] = made(add_one, &sum);
		for (int i = 200; i-- > 0;)
			CHECK_EQ(pthread_join(t[i], NULL), 0);
	}
	SAY("%d", sum);
}

static void *detach_myself(void *arg)
{
	E(pthread_detach(pthread_self()));
	E(pthread_detach(pthread_self()));
	step(1);
	return arg;
}

CASE_THREADS(detached_by_itself)
{
	flow(detach_myself, NULL);
	await_step(1);
	usleep(5000);
	SAY("goes on");
}

CASE_MAIN(attributes_of_main)
{
	pthread_attr_t attr;
	size_t size = 0;
	void *low = NULL;
	int state;

	made(same, NULL);
	E(pthread_getattr_np(pthread_self(), &attr));
	E(pthread_attr_getstack(&attr, &low, &size));
	E(pthread_attr_getdetachstate(&attr, &state));
	SAY("here: %d state %d", (char *)&attr > (char *)low && (char *)&attr < (char *)low + size, state);
}

static void *call_itself(void *arg)
{
	volatile char frame[4096];

	frame[0] = (char)(long)arg;
	if (arg == &told)
		return NULL;
	return (char *)call_itself((char *)arg + 1) + frame[0];
}

static void overflow(void *arg)
{
	pthread_join(made(call_itself, arg), NULL);
}

CASE_THREADS(stack_overflow)
{
	child_end(child(overflow, NULL));
}
