/* SPDX-License-Identifier: Apache-2.0
 *
 * File locks by flock() and lockf(), among open files and among processes; waiting, and what ends it.
 */
#include "diff/filelocks.h"
#include <sys/file.h>

/* --- flock */

CASE(flock_alone)
{
	int fd = open_file(O_RDWR);

	R(flock(fd, LOCK_EX));
	R(flock(fd, LOCK_EX));
	R(flock(fd, LOCK_SH));
	R(flock(fd, LOCK_UN));
	R(flock(fd, LOCK_UN));
	R(flock(fd, LOCK_SH | LOCK_NB));
	R(flock(fd, LOCK_EX | LOCK_NB));
}

CASE(flock_bad_arguments)
{
	int fd = open_file(O_RDWR), path = open("file", O_PATH | O_CLOEXEC), ends[2];

	R(flock(fd, 0));
	R(flock(fd, LOCK_NB));
	R(flock(fd, LOCK_SH | LOCK_EX));
	R(flock(fd, 64));
	R(flock(path, LOCK_SH));
	R(flock(999, LOCK_EX));
	R(flock(-1, LOCK_EX));
	CHECK_EQ(pipe(ends), 0);
	R(flock(ends[0], LOCK_EX));
}

CASE(flock_without_waiting)
{
	int a = open_file(O_RDWR), b = open_file(O_RDONLY), c = dup(a);

	R(flock(a, LOCK_EX));
	R(flock(b, LOCK_EX | LOCK_NB));
	R(flock(b, LOCK_SH | LOCK_NB));
	R(flock(c, LOCK_SH | LOCK_NB));
	R(flock(b, LOCK_SH | LOCK_NB));
	R(flock(c, LOCK_UN));
	R(flock(b, LOCK_EX | LOCK_NB));
}

static void *wants_exclusive(void *fd)
{
	blocks();
	R(flock(*(int *)fd, LOCK_EX));
	return NULL;
}

static void *wants_shared(void *fd)
{
	blocks();
	R(flock(*(int *)fd, LOCK_SH));
	return NULL;
}

CASE(flock_waits_for_unlock)
{
	int a = open_file(O_RDWR), b = open_file(O_RDWR);
	struct flow *f;

	R(flock(a, LOCK_EX));
	f = flow(wants_exclusive, &b);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	R(flock(a, LOCK_UN));
	flow_end(f);
	R(flock(a, LOCK_SH | LOCK_NB));
}

CASE(flock_waits_for_close)
{
	int a = open_file(O_RDWR), b = open_file(O_RDWR);
	struct flow *f;

	R(flock(a, LOCK_EX));
	f = flow(wants_shared, &b);
	await_blocked(1);
	R(close(a));
	flow_end(f);
}

CASE(flock_waits_for_downgrade)
{
	int a = open_file(O_RDWR), b = open_file(O_RDWR);
	struct flow *f;

	R(flock(a, LOCK_EX));
	f = flow(wants_shared, &b);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	R(flock(a, LOCK_SH));
	flow_end(f);
	R(flock(b, LOCK_EX | LOCK_NB));
}

CASE(flock_two_readers_then_a_writer)
{
	int a = open_file(O_RDWR), b = open_file(O_RDWR), c = open_file(O_RDWR);
	struct flow *f;

	R(flock(a, LOCK_SH));
	R(flock(b, LOCK_SH));
	f = flow(wants_exclusive, &c);
	await_blocked(1);
	R(flock(a, LOCK_UN));
	await_lock_waiters(getpid(), 1);
	R(flock(b, LOCK_UN));
	flow_end(f);
}

/* The kernel gives up the shared lock before it waits for the exclusive one. */
CASE(flock_upgrade)
{
	int a = open_file(O_RDWR), b = open_file(O_RDWR);
	struct flow *f;

	R(flock(a, LOCK_SH));
	R(flock(b, LOCK_SH));
	f = flow(wants_exclusive, &a);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	R(flock(b, LOCK_EX | LOCK_NB));
	R(flock(b, LOCK_UN));
	flow_end(f);
}

static void has_file(const struct other *o)
{
	int fd = open_file(O_RDWR);

	CHECK_EQ(flock(fd, LOCK_EX), 0);
	other_says(o);
	other_awaits(o);
}

CASE(flock_of_a_process_that_ends)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_file);
	struct flow *f = flow(wants_exclusive, &fd);

	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	R(flock(fd, LOCK_SH | LOCK_NB));
	other_go_on(&o);
	flow_end(f);
	other_end(&o);
}

static int counted, most_at_once, at_once;

static void *counts_alone(void *arg)
{
	int fd = open_file(O_RDWR);

	(void)arg;
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(flock(fd, LOCK_EX), 0);
		if (++at_once > most_at_once)
			most_at_once = at_once;
		counted++;
		sched_yield();
		at_once--;
		CHECK_EQ(flock(fd, LOCK_UN), 0);
	}
	close(fd);
	return NULL;
}

CASE(flock_of_many)
{
	struct flow *f[8];

	for (int i = 0; i < 8; i++)
		f[i] = flow(counts_alone, NULL);
	for (int i = 0; i < 8; i++)
		flow_end(f[i]);
	SAY("%d times, at most %d at once", counted, most_at_once);
}

/* After the end of a wait nobody has the lock. */
static void nobody_took_it(int holder)
{
	int fd = open_file(O_RDWR);

	R(flock(holder, LOCK_UN));
	R(flock(fd, LOCK_EX | LOCK_NB));
}

CASE_THREADS(flock_interrupted)
{
	int a = open_file(O_RDWR), b = open_file(O_RDWR);
	struct flow *f;

	on_signal(SIGUSR1, count_signal, 0);
	R(flock(a, LOCK_EX));
	f = flow(wants_exclusive, &b);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	E(pthread_kill(f->thread, SIGUSR1));
	flow_end(f);
	nobody_took_it(a);
}

CASE_THREADS(flock_restarted)
{
	int a = open_file(O_RDWR), b = open_file(O_RDWR);
	struct flow *f;

	on_signal(SIGUSR1, count_signal, SA_RESTART);
	R(flock(a, LOCK_EX));
	f = flow(wants_exclusive, &b);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	E(pthread_kill(f->thread, SIGUSR1));
	await_signal(1);
	await_lock_waiters(getpid(), 1);
	R(flock(a, LOCK_UN));
	flow_end(f);
}

/* It is no cancellation point: the lock comes, and then the thread ends. */
static void *wants_and_tests(void *fd)
{
	blocks();
	R(flock(*(int *)fd, LOCK_EX));
	pthread_testcancel();
	SAY("not cancelled");
	return NULL;
}

CASE_THREADS(flock_cancelled)
{
	int a = open_file(O_RDWR), b = open_file(O_RDWR);
	struct flow *f;
	void *end;

	R(flock(a, LOCK_EX));
	f = flow(wants_and_tests, &b);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	E(pthread_cancel(f->thread));
	R(flock(a, LOCK_UN));
	end = flow_end(f);
	SAY("%s", end == PTHREAD_CANCELED ? "cancelled" : "ended");
}

/* --- lockf */

static void *wants_section(void *fd)
{
	blocks();
	R(lockf(*(int *)fd, F_LOCK, 20));
	return NULL;
}

static void *wants_section64(void *fd)
{
	blocks();
	R(lockf64(*(int *)fd, F_LOCK, 20));
	return NULL;
}

CASE(lockf_alone)
{
	int fd = open_file(O_RDWR), in = open_file(O_RDONLY);

	R(lockf(fd, F_TEST, 10));
	R(lockf(fd, F_LOCK, 10));
	R(lockf(fd, F_TLOCK, 10));
	R(lockf(fd, F_TEST, 10));
	R(lockf(fd, F_ULOCK, 10));
	R(lockf64(fd, F_LOCK, 0));
	R(lockf64(fd, F_ULOCK, 0));
	R(lockf(in, F_LOCK, 10));
	R(lockf(999, F_LOCK, 10));
	R(lockf(fd, 9, 10));
	R(lockf(fd, F_LOCK, -1));
}

CASE(lockf_without_waiting)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);

	R(lockf(fd, F_TEST, 10));
	R(lockf(fd, F_TEST, 11));
	R(lockf(fd, F_TLOCK, 0));
	R(lockf(fd, F_LOCK, 10));
	other_end(&o);
}

CASE(lockf_waits)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f = flow(wants_section, &fd);

	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	other_go_on(&o);
	flow_end(f);
	look_at(fd, "a section");
	other_end(&o);
}

CASE(lockf64_waits)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	CHECK_EQ(lseek(fd, 5, SEEK_SET), 5);
	f = flow(wants_section64, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	other_go_on(&o);
	flow_end(f);
	look_at(fd, "a section");
	other_end(&o);
}

CASE_THREADS(lockf_interrupted)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	on_signal(SIGUSR1, count_signal, 0);
	f = flow(wants_section, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	E(pthread_kill(f->thread, SIGUSR1));
	flow_end(f);
	nobody_has_range(fd, &o);
}

/* All three kinds at once: record locks and flock() do not know of each other, OFD and record locks do. */
CASE(kinds_of_locks)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 0, 10);
	int a = open_file(O_RDWR), b = open_file(O_RDWR);

	R(flock(a, LOCK_EX));
	R(fcntl(b, F_SETLKW, &w));
	R(fcntl(a, F_OFD_SETLK, &w));
	R(flock(b, LOCK_SH | LOCK_NB));
}
