/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks, conditions, semaphores, barriers, joins and futexes between a thread that has lost the scheduler,
 * stuck or running on by itself, and those that have it: held by either, waited for by either, none lost,
 * none counted twice.
 */
#include "calls/handoff.h"
#include <linux/futex.h>
#include <semaphore.h>

#define CREW 4
#define TURNS 2000

static struct stuck s, crew[CREW];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static pthread_barrier_t barrier;
static sem_t sem;
static FILE *file;
static int blocked;

/* --- Held by one that is stuck, waited for by another. */

static void take_mutex(void)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
}
static void drop_mutex(void)
{
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}
static void take_recursive(void)
{
	CHECK_EQ(pthread_mutex_lock(&recursive), 0);
}
static void drop_recursive(void)
{
	CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
}
static void take_read(void)
{
	CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
}
static void take_write(void)
{
	CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
}
static void drop_rw(void)
{
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
}
static void take_sem(void)
{
	CHECK_EQ(sem_wait(&sem), 0);
}
static void drop_sem(void)
{
	CHECK_EQ(sem_post(&sem), 0);
}
static void take_spin(void)
{
	CHECK_EQ(pthread_spin_lock(&spin), 0);
}
static void drop_spin(void)
{
	CHECK_EQ(pthread_spin_unlock(&spin), 0);
}
static void take_file(void)
{
	flockfile(file);
}
static void drop_file(void)
{
	funlockfile(file);
}

static const struct kind {
	void (*take)(void), (*drop)(void), (*wait)(void);
	bool spins;
} kinds[] = {
	{ take_mutex, drop_mutex, take_mutex, false },
	{ take_recursive, drop_recursive, take_recursive, false },
	{ take_read, drop_rw, take_write, false },
	{ take_write, drop_rw, take_read, false },
	{ take_sem, drop_sem, take_sem, false },
	{ take_spin, drop_spin, take_spin, true },
	{ take_file, drop_file, take_file, false },
};

static const struct kind *kind;
static _Atomic bool has_it;

static void *stuck_owner(void *arg)
{
	kind->take();
	CHECK_EQ(get_stuck(arg), 1);
	CHECK(!has_it);
	kind->drop();
	return arg;
}

static void *contender(void *arg)
{
	if (!kind->spins)
		about_to_block();
	kind->wait();
	has_it = true;
	kind->drop();
	return arg;
}

static void held_by_a_stuck_one(void)
{
	pthread_t owner, other;

	for (kind = kinds; kind < kinds + sizeof(kinds) / sizeof(*kinds); kind++) {
		has_it = false;
		stuck_init(&s);
		owner = start(stuck_owner, &s);
		await_stuck(&s);
		other = start(contender, NULL);
		if (kind->spins)
			sched_yield();
		else
			await_blocked(++blocked);
		CHECK(!has_it);
		release(&s);
		finish(owner);
		finish(other);
		CHECK(has_it);
		stuck_close(&s);
	}
}

/* --- Waited for by one that is alone. */

static int step; /* under m */

static void *alone_waits(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	take_mutex();
	step = 1;
	CHECK_EQ(pthread_cond_signal(&c), 0);
	while (step == 1)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	drop_mutex();

	CHECK_EQ(get_stuck(arg), 1);
	take_sem();
	drop_sem();
	CHECK_EQ(get_stuck(arg), 1);
	CHECK(pthread_barrier_wait(&barrier) != EINVAL);
	return arg;
}

static void next_turn(struct stuck *one)
{
	await_stuck(one);
	release(one);
}

static void waited_for_by_one_alone(void)
{
	struct timespec soon;
	pthread_t t;

	stuck_init(&s);
	step = 0;
	t = start(alone_waits, &s);
	next_turn(&s);
	take_mutex();
	while (step == 0)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	step = 2;
	CHECK_EQ(pthread_cond_broadcast(&c), 0);
	soon = in_ms(CLOCK_REALTIME, 1);
	CHECK_EQ(pthread_cond_timedwait(&c, &m, &soon), ETIMEDOUT);
	drop_mutex();

	take_sem();
	next_turn(&s);
	sched_yield();
	drop_sem();
	next_turn(&s);
	CHECK(pthread_barrier_wait(&barrier) != EINVAL);
	CHECK(finish(t) == &s);
	stuck_close(&s);
}

/* --- A crew, all of whom have lost the scheduler at the same time, and main. */

static long count, left, right;

static void pause_at_times(int i)
{
	if (i % 50 == 0)
		inline_call(SYS_sched_yield, 0, 0, 0);
	if (i % 500 == 0)
		usleep(0);
}

static void counts(int i)
{
	take_mutex();
	count++;
	pause_at_times(i);
	drop_mutex();
}

static void counts_by_semaphore(int i)
{
	take_sem();
	count++;
	pause_at_times(i);
	drop_sem();
}

static void reads_or_writes(int i)
{
	if (i % 4) {
		take_read();
		CHECK_EQ(left, right);
		pause_at_times(i);
	} else {
		take_write();
		left++;
		pause_at_times(i);
		right++;
	}
	drop_rw();
}

static long queued, made, eaten;

/* Makers and eaters by turns, at most three in the queue. */
static void makes_and_eats(int i)
{
	take_mutex();
	while (queued == 3)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	queued++;
	made++;
	CHECK_EQ(pthread_cond_broadcast(&c), 0);
	drop_mutex();
	pause_at_times(i);
	take_mutex();
	while (queued == 0)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	queued--;
	eaten++;
	CHECK_EQ(pthread_cond_broadcast(&c), 0);
	drop_mutex();
}

static void (*work)(int);

static void *crew_member(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	for (int i = 0; i < TURNS; i++)
		work(i);
	return arg;
}

static void crew_works(void (*on)(int))
{
	pthread_t t[CREW];

	work = on;
	for (int i = 0; i < CREW; i++) {
		stuck_init(&crew[i]);
		t[i] = start(crew_member, &crew[i]);
	}
	for (int i = 0; i < CREW; i++)
		await_stuck(&crew[i]);
	for (int i = 0; i < CREW; i++)
		release(&crew[i]);
	for (int i = 0; i < TURNS; i++)
		work(i);
	for (int i = 0; i < CREW; i++) {
		finish(t[i]);
		stuck_close(&crew[i]);
	}
}

/* --- One that is alone, and that locks and unlocks all the time, is in nobody's way. */

static _Atomic bool over;
static _Atomic long locked;

static void *locks_on_and_on(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	for (; !over; locked++) {
		take_recursive();
		drop_recursive();
	}
	return arg;
}

static void alone_one_locks_beside_a_stuck_one(void)
{
	pthread_t busy, t;
	long seen;

	stuck_init(&s);
	busy = start(locks_on_and_on, &s);
	next_turn(&s);
	while (locked < 100)
		sched_yield();
	for (int i = 0; i < 5; i++) {
		stuck_init(&crew[0]);
		t = start(stuck_thread, &crew[0]);
		await_stuck(&crew[0]);
		seen = locked;
		while (locked < seen + 100)
			sched_yield();
		release(&crew[0]);
		finish(t);
		stuck_close(&crew[0]);
	}
	over = true;
	finish(busy);
	stuck_close(&s);
}

/* --- Joins, once, and the futex call. */

static pthread_t joined;

static void *joins(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	CHECK(finish(joined) == arg);
	return arg;
}

static void *ends_when_told(void *arg)
{
	take_mutex();
	while (step != 3)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	drop_mutex();
	return arg;
}

static void alone_one_joins(void)
{
	pthread_t t;

	stuck_init(&s);
	joined = start(ends_when_told, &s);
	t = start(joins, &s);
	next_turn(&s);
	sched_yield();
	take_mutex();
	step = 3;
	CHECK_EQ(pthread_cond_broadcast(&c), 0);
	drop_mutex();
	CHECK(finish(t) == &s);
	stuck_close(&s);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic int initialised;

static void initialise(void)
{
	CHECK_EQ(get_stuck(&s), 1);
	initialised++;
}

static void *wants_it(void *arg)
{
	if (arg)
		about_to_block();
	CHECK_EQ(pthread_once(&once, initialise), 0);
	CHECK_EQ(initialised, 1);
	return arg;
}

static void stuck_in_once(void)
{
	pthread_t a, b;

	stuck_init(&s);
	a = start(wants_it, NULL);
	await_stuck(&s);
	b = start(wants_it, &s);
	await_blocked(++blocked);
	CHECK_EQ(initialised, 0);
	release(&s);
	finish(a);
	finish(b);
	stuck_close(&s);
}

static uint32_t word;

static void *waits_on_word(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0)
		CHECK(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == 0 || errno == EAGAIN);
	return arg;
}

static void alone_one_waits_on_a_futex(void)
{
	pthread_t t;

	stuck_init(&s);
	t = start(waits_on_word, &s);
	next_turn(&s);
	sched_yield();
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	CHECK(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) <= 1);
	finish(t);
	stuck_close(&s);
}

int main(void)
{
	CHECK_EQ(sem_init(&sem, 0, 1), 0);
	CHECK_EQ(pthread_spin_init(&spin, 0), 0);
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
	file = tmpfile();
	CHECK(file != NULL);
	held_by_a_stuck_one();
	waited_for_by_one_alone();
	crew_works(counts);
	CHECK_EQ(count, (CREW + 1) * TURNS);
	crew_works(counts_by_semaphore);
	CHECK_EQ(count, 2 * (CREW + 1) * TURNS);
	crew_works(reads_or_writes);
	CHECK_EQ(left, (CREW + 1) * TURNS / 4);
	CHECK_EQ(right, left);
	crew_works(makes_and_eats);
	CHECK(queued == 0 && made == (CREW + 1) * TURNS && eaten == made);
	alone_one_locks_beside_a_stuck_one();
	alone_one_joins();
	stuck_in_once();
	alone_one_waits_on_a_futex();
	CHECK_EQ(fclose(file), 0);
	CHECK_VERIFY();
	return 0;
}
