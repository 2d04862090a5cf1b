/* SPDX-License-Identifier: Apache-2.0
 *
 * Read-write locks: who gets in beside whom, and in which order.
 */
#include "diff/steps.h"

static pthread_rwlock_t own = PTHREAD_RWLOCK_INITIALIZER, *rw = &own;

static void make(int preference, int shared)
{
	pthread_rwlockattr_t attr;

	CHECK_EQ(pthread_rwlockattr_init(&attr), 0);
	CHECK_EQ(pthread_rwlockattr_setkind_np(&attr, preference), 0);
	CHECK_EQ(pthread_rwlockattr_setpshared(&attr, shared), 0);
	CHECK_EQ(pthread_rwlock_init(rw, &attr), 0);
}

CASE(attributes)
{
	pthread_rwlockattr_t attr;
	int value;

	E(pthread_rwlockattr_init(&attr));
	E(pthread_rwlockattr_setkind_np(&attr, 77));
	E(pthread_rwlockattr_setpshared(&attr, 77));
	E(pthread_rwlockattr_getkind_np(&attr, &value));
	SAY("kind %d", value);
	E(pthread_rwlockattr_getpshared(&attr, &value));
	SAY("shared %d", value);
	E(pthread_rwlockattr_destroy(&attr));
}

CASE(own_read)
{
	E(pthread_rwlock_rdlock(rw));
	E(pthread_rwlock_rdlock(rw));
	E(pthread_rwlock_tryrdlock(rw));
	E(pthread_rwlock_trywrlock(rw));
	for (int i = 0; i < 3; i++)
		E(pthread_rwlock_unlock(rw));
	E(pthread_rwlock_trywrlock(rw));
	E(pthread_rwlock_unlock(rw));
	E(pthread_rwlock_destroy(rw));
}

static void own_write(int shared)
{
	struct timespec past = { .tv_sec = 1 };

	make(PTHREAD_RWLOCK_PREFER_READER_NP, shared);
	E(pthread_rwlock_wrlock(rw));
	E(pthread_rwlock_wrlock(rw));
	E(pthread_rwlock_rdlock(rw));
	E(pthread_rwlock_tryrdlock(rw));
	E(pthread_rwlock_trywrlock(rw));
	E(pthread_rwlock_timedrdlock(rw, &past));
	E(pthread_rwlock_timedwrlock(rw, &past));
	E(pthread_rwlock_unlock(rw));
	E(pthread_rwlock_tryrdlock(rw));
	E(pthread_rwlock_unlock(rw));
}

CASE(own_write)
{
	own_write(PTHREAD_PROCESS_PRIVATE);
}

CASE(own_write_shared)
{
	own_write(PTHREAD_PROCESS_SHARED);
}

static void *read_it(void *arg)
{
	(void)arg;
	E(pthread_rwlock_tryrdlock(rw));
	blocks();
	E(pthread_rwlock_rdlock(rw));
	E(pthread_rwlock_unlock(rw));
	return NULL;
}

static void *write_it(void *arg)
{
	(void)arg;
	E(pthread_rwlock_trywrlock(rw));
	blocks();
	E(pthread_rwlock_wrlock(rw));
	E(pthread_rwlock_unlock(rw));
	return NULL;
}

static void readers_after_writer(int shared)
{
	struct flow *a, *b;

	make(PTHREAD_RWLOCK_PREFER_READER_NP, shared);
	E(pthread_rwlock_wrlock(rw));
	a = flow(read_it, NULL);
	b = flow(read_it, NULL);
	await_blocked(2);
	E(pthread_rwlock_unlock(rw));
	flow_end(a);
	flow_end(b);
	E(pthread_rwlock_trywrlock(rw));
	E(pthread_rwlock_unlock(rw));
}

CASE(readers_after_writer)
{
	readers_after_writer(PTHREAD_PROCESS_PRIVATE);
}

CASE(readers_after_writer_shared)
{
	readers_after_writer(PTHREAD_PROCESS_SHARED);
}

static void writer_after_readers(int shared)
{
	struct flow *f;

	make(PTHREAD_RWLOCK_PREFER_READER_NP, shared);
	E(pthread_rwlock_rdlock(rw));
	E(pthread_rwlock_rdlock(rw));
	f = flow(write_it, NULL);
	await_blocked(1);
	E(pthread_rwlock_unlock(rw));
	E(pthread_rwlock_unlock(rw));
	flow_end(f);
	E(pthread_rwlock_trywrlock(rw));
	E(pthread_rwlock_unlock(rw));
}

CASE(writer_after_readers)
{
	writer_after_readers(PTHREAD_PROCESS_PRIVATE);
}

CASE(writer_after_readers_shared)
{
	writer_after_readers(PTHREAD_PROCESS_SHARED);
}

CASE(writer_after_writer)
{
	struct flow *a, *b;

	E(pthread_rwlock_wrlock(rw));
	a = flow(write_it, NULL);
	await_blocked(1);
	b = flow(write_it, NULL);
	await_blocked(2);
	E(pthread_rwlock_unlock(rw));
	flow_end(a);
	flow_end(b);
}

static void *look_in(void *arg)
{
	(void)arg;
	if (E(pthread_rwlock_tryrdlock(rw)) == 0)
		E(pthread_rwlock_unlock(rw));
	if (E(pthread_rwlock_timedrdlock(rw, AT(CLOCK_REALTIME, 15))) == 0)
		E(pthread_rwlock_unlock(rw));
	return NULL;
}

static void reader_beside_waiting_writer(int preference)
{
	struct flow *writer;

	make(preference, PTHREAD_PROCESS_PRIVATE);
	E(pthread_rwlock_rdlock(rw));
	writer = flow(write_it, NULL);
	await_blocked(1);
	flow_end(flow(look_in, NULL));
	E(pthread_rwlock_unlock(rw));
	flow_end(writer);
}

CASE(reader_beside_waiting_writer)
{
	reader_beside_waiting_writer(PTHREAD_RWLOCK_PREFER_READER_NP);
}

CASE(reader_beside_preferred_writer)
{
	reader_beside_waiting_writer(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
}

CASE(reader_beside_writer_preferred_in_name)
{
	reader_beside_waiting_writer(PTHREAD_RWLOCK_PREFER_WRITER_NP);
}

static void *read_behind(void *arg)
{
	(void)arg;
	E(pthread_rwlock_rdlock(rw));
	E(pthread_rwlock_unlock(rw));
	return NULL;
}

static void *give_up_writing(void *arg)
{
	(void)arg;
	blocks();
	E(pthread_rwlock_clockwrlock(rw, CLOCK_MONOTONIC, AT(CLOCK_MONOTONIC, 30)));
	return NULL;
}

/* The readers behind it need not wait for it any more. */
CASE(preferred_writer_gives_up)
{
	struct flow *writer, *reader;

	make(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP, PTHREAD_PROCESS_PRIVATE);
	E(pthread_rwlock_rdlock(rw));
	writer = flow(give_up_writing, NULL);
	await_blocked(1);
	reader = flow(read_behind, NULL);
	flow_end(writer);
	flow_end(reader);
	E(pthread_rwlock_unlock(rw));
}

static void *for_a_time(void *arg)
{
	struct timespec past = { .tv_sec = 1 }, early = { .tv_sec = -1 }, bad = { .tv_nsec = 1000000000 };

	(void)arg;
	LASTS(15, E(pthread_rwlock_timedrdlock(rw, AT(CLOCK_REALTIME, 15))));
	LASTS(15, E(pthread_rwlock_timedwrlock(rw, AT(CLOCK_REALTIME, 15))));
	LASTS(15, E(pthread_rwlock_clockrdlock(rw, CLOCK_MONOTONIC, AT(CLOCK_MONOTONIC, 15))));
	LASTS(15, E(pthread_rwlock_clockwrlock(rw, CLOCK_MONOTONIC, AT(CLOCK_MONOTONIC, 15))));
	E(pthread_rwlock_timedrdlock(rw, &past));
	E(pthread_rwlock_timedwrlock(rw, &early));
	E(pthread_rwlock_timedrdlock(rw, &bad));
	E(pthread_rwlock_timedwrlock(rw, &bad));
	E(pthread_rwlock_clockrdlock(rw, CLOCK_BOOTTIME, &past));
	E(pthread_rwlock_clockwrlock(rw, 77, &past));
	return NULL;
}

static void timed(int shared)
{
	struct timespec past = { .tv_sec = 1 }, bad = { .tv_nsec = 1000000000 };

	make(PTHREAD_RWLOCK_PREFER_READER_NP, shared);
	E(pthread_rwlock_timedrdlock(rw, &past)); /* it is free */
	E(pthread_rwlock_unlock(rw));
	E(pthread_rwlock_timedwrlock(rw, &bad));
	E(pthread_rwlock_timedwrlock(rw, &past));
	flow_end(flow(for_a_time, NULL));
	E(pthread_rwlock_unlock(rw));
}

CASE(timed)
{
	timed(PTHREAD_PROCESS_PRIVATE);
}

CASE(timed_shared)
{
	timed(PTHREAD_PROCESS_SHARED);
}

static void *unlock_anothers(void *arg)
{
	(void)arg;
	E(pthread_rwlock_unlock(rw));
	return NULL;
}

CASE(reader_unlocked_by_another)
{
	E(pthread_rwlock_rdlock(rw));
	flow_end(flow(unlock_anothers, NULL));
	E(pthread_rwlock_trywrlock(rw));
	E(pthread_rwlock_unlock(rw));
}

static int told[2], heard[2];

static void hold_as_child(void *arg)
{
	if (arg)
		E(pthread_rwlock_wrlock(rw));
	else
		E(pthread_rwlock_rdlock(rw));
	tell(heard[1]);
	hear(told[0]);
	E(pthread_rwlock_unlock(rw));
}

static pid_t holder(bool writes)
{
	pid_t pid;

	rw = shared_page();
	make(PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_PROCESS_SHARED);
	CHECK_EQ(pipe(told), 0);
	CHECK_EQ(pipe(heard), 0);
	pid = child(hold_as_child, writes ? rw : NULL);
	hear(heard[0]);
	return pid;
}

CASE(another_process_writes)
{
	pid_t pid = holder(true);

	E(pthread_rwlock_tryrdlock(rw));
	E(pthread_rwlock_trywrlock(rw));
	tell(told[1]);
	E(pthread_rwlock_rdlock(rw));
	E(pthread_rwlock_unlock(rw));
	child_end(pid);
}

CASE(another_process_reads)
{
	pid_t pid = holder(false);

	E(pthread_rwlock_tryrdlock(rw));
	E(pthread_rwlock_unlock(rw));
	E(pthread_rwlock_trywrlock(rw));
	tell(told[1]);
	E(pthread_rwlock_wrlock(rw));
	E(pthread_rwlock_unlock(rw));
	child_end(pid);
}

/* --- Spin locks */

static pthread_spinlock_t spin;

static void *spin_for_it(void *arg)
{
	(void)arg;
	E(pthread_spin_trylock(&spin));
	step(1);
	E(pthread_spin_lock(&spin));
	E(pthread_spin_unlock(&spin));
	return NULL;
}

CASE(spin_lock)
{
	struct flow *f;

	E(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE));
	E(pthread_spin_lock(&spin));
	E(pthread_spin_trylock(&spin));
	f = flow(spin_for_it, NULL);
	await_step(1);
	E(pthread_spin_unlock(&spin));
	flow_end(f);
	E(pthread_spin_trylock(&spin));
	E(pthread_spin_destroy(&spin));
}
