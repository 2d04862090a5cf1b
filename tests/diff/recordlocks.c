/* SPDX-License-Identifier: Apache-2.0
 *
 * File locks by fcntl(): those of processes and of open file descriptions; ranges, waiting, deadlocks.
 */
#include "diff/filelocks.h"

static struct flock wanted;

CASE(record_alone)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 0, 10), r = range(F_RDLCK, SEEK_SET, 5, 0),
		     u = range(F_UNLCK, SEEK_SET, 0, 0);
	int fd = open_file(O_RDWR);

	R(fcntl(fd, F_SETLKW, &w));
	R(fcntl(fd, F_SETLKW, &r));
	R(fcntl(fd, F_SETLK, &w));
	R(fcntl(fd, F_GETLK, &w));
	say_range("nobody's", &w, 0);
	R(fcntl(fd, F_SETLKW, &u));
	R(fcntl64(fd, F_SETLKW, &r));
}

CASE(record_bad_arguments)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 0, 1), r = range(F_RDLCK, SEEK_SET, 0, 1),
		     whence = range(F_WRLCK, 9, 0, 1), type = range(9, SEEK_SET, 0, 1),
		     before = range(F_WRLCK, SEEK_SET, -1, 1), below = range(F_WRLCK, SEEK_CUR, -1, 1),
		     backwards = range(F_WRLCK, SEEK_SET, 5, -6), back = range(F_WRLCK, SEEK_SET, 5, -5),
		     huge = range(F_WRLCK, SEEK_SET, INT64_MAX, INT64_MAX);
	int fd = open_file(O_RDWR), in = open_file(O_RDONLY), out = open_file(O_WRONLY), ends[2];

	R(fcntl(fd, F_SETLKW, &whence));
	R(fcntl(fd, F_SETLKW, &type));
	R(fcntl(fd, F_SETLKW, &before));
	R(fcntl(fd, F_SETLKW, &below));
	R(fcntl(fd, F_SETLKW, &backwards));
	R(fcntl(fd, F_SETLKW, &back));
	R(fcntl(fd, F_SETLKW, &huge));
	R(fcntl(fd, F_SETLKW, NULL));
	R(fcntl(fd, F_OFD_SETLKW, NULL));
	R(fcntl(in, F_SETLKW, &w));
	R(fcntl(in, F_SETLKW, &r));
	R(fcntl(out, F_SETLKW, &r));
	R(fcntl(out, F_SETLKW, &w));
	R(fcntl(999, F_SETLKW, &w));
	CHECK_EQ(pipe(ends), 0);
	R(fcntl(ends[1], F_SETLKW, &w));
}

static void *wants_range(void *fd)
{
	blocks();
	R(fcntl(*(int *)fd, F_SETLKW, &wanted));
	return NULL;
}

CASE(record_of_another_process)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flock w = range(F_WRLCK, SEEK_SET, 0, 0), beside = range(F_WRLCK, SEEK_SET, 0, 10);

	R(fcntl(fd, F_SETLK, &w));
	R(fcntl(fd, F_GETLK, &w));
	say_range("in the way", &w, o.pid);
	R(fcntl(fd, F_SETLKW, &beside));
	other_end(&o);
}

CASE(record_waits_for_unlock)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	wanted = range(F_WRLCK, SEEK_SET, 0, 0);
	f = flow(wants_range, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	other_go_on(&o);
	flow_end(f);
	other_heard(&o);
	other_end(&o);
}

CASE(record_waits_for_end_of_process)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	wanted = range(F_RDLCK, SEEK_SET, 15, 100);
	f = flow(wants_range, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	kill(o.pid, SIGKILL);
	flow_end(f);
	SAY("still %d waiters", lock_waiters(getpid()));
}

/* Two waiters of one process do not exclude each other. */
CASE(record_two_waiters_of_one_process)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f, *g;

	wanted = range(F_WRLCK, SEEK_SET, 12, 2);
	f = flow(wants_range, &fd);
	g = flow(wants_range, &fd);
	await_blocked(2);
	await_lock_waiters(getpid(), 2);
	other_go_on(&o);
	flow_end(f);
	flow_end(g);
	other_end(&o);
}

/* Relative to where the file is when the call is made, not when the lock comes. */
CASE(record_from_the_position)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	wanted = range(F_WRLCK, SEEK_CUR, 2, 3);
	CHECK_EQ(lseek(fd, 10, SEEK_SET), 10);
	f = flow(wants_range, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	R(lseek(fd, 1000, SEEK_SET));
	other_go_on(&o);
	flow_end(f);
	say_range("wanted", &wanted, 0);
	look_at(fd, "from the position");
	other_end(&o);
}

CASE(record_from_the_end)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	wanted = range(F_WRLCK, SEEK_END, -5, 3);
	CHECK_EQ(ftruncate(fd, 20), 0);
	f = flow(wants_range, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	CHECK_EQ(ftruncate(fd, 100), 0);
	other_go_on(&o);
	flow_end(f);
	look_at(fd, "from the end");
	other_end(&o);
}

static int deadlock_fd;

/* Has 10 to 20, then wants 0 to 10. */
static void wants_more(const struct other *o)
{
	struct flock has = range(F_WRLCK, SEEK_SET, 10, 10), wants = range(F_WRLCK, SEEK_SET, 0, 10);
	int fd = open_file(O_RDWR);

	CHECK_EQ(fcntl(fd, F_SETLK, &has), 0);
	other_says(o);
	other_awaits(o);
	says_as(99);
	R(fcntl(fd, F_SETLKW, &wants));
}

CASE(deadlock_told_to_the_second)
{
	struct flock has = range(F_WRLCK, SEEK_SET, 0, 10), wants = range(F_WRLCK, SEEK_SET, 10, 10),
		     all = range(F_UNLCK, SEEK_SET, 0, 0);
	int fd = open_file(O_RDWR);
	struct other o = other_process(wants_more);

	R(fcntl(fd, F_SETLKW, &has));
	other_go_on(&o);
	await_lock_waiters(o.pid, 1);
	R(fcntl(fd, F_SETLKW, &wants));
	R(fcntl(fd, F_SETLKW, &all));
	other_end(&o);
}

/* The other process is told, since ours already waits. */
CASE(deadlock_told_to_the_other)
{
	struct flock has = range(F_WRLCK, SEEK_SET, 0, 10);
	struct other o = other_process(wants_more);
	struct flow *f;

	deadlock_fd = open_file(O_RDWR);
	wanted = range(F_WRLCK, SEEK_SET, 10, 10);
	R(fcntl(deadlock_fd, F_SETLKW, &has));
	f = flow(wants_range, &deadlock_fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	other_go_on(&o);
	flow_end(f);
	other_end(&o);
}

CASE(deadlock_of_lockf)
{
	struct flock all = range(F_UNLCK, SEEK_SET, 0, 0);
	int fd = open_file(O_RDWR);
	struct other o = other_process(wants_more);

	R(lockf(fd, F_LOCK, 10));
	other_go_on(&o);
	await_lock_waiters(o.pid, 1);
	R(lseek(fd, 10, SEEK_SET));
	R(lockf(fd, F_LOCK, 10));
	R(fcntl(fd, F_SETLKW, &all));
	other_end(&o);
}

CASE_THREADS(record_interrupted)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	on_signal(SIGUSR1, count_signal, 0);
	wanted = range(F_WRLCK, SEEK_SET, 0, 0);
	f = flow(wants_range, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	E(pthread_kill(f->thread, SIGUSR1));
	flow_end(f);
	nobody_has_range(fd, &o);
}

CASE_THREADS(record_restarted)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	on_signal(SIGUSR1, count_signal, SA_RESTART);
	wanted = range(F_WRLCK, SEEK_SET, 0, 0);
	f = flow(wants_range, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	E(pthread_kill(f->thread, SIGUSR1));
	await_signal(1);
	await_lock_waiters(getpid(), 1);
	other_go_on(&o);
	flow_end(f);
	other_end(&o);
}

CASE_THREADS(record_cancelled)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;
	void *end;

	wanted = range(F_WRLCK, SEEK_SET, 0, 0);
	f = flow(wants_range, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	E(pthread_cancel(f->thread));
	end = flow_end(f);
	SAY("%s", end == PTHREAD_CANCELED ? "cancelled" : "ended");
	nobody_has_range(fd, &o);
}

static void *signals_main(void *pid)
{
	await_lock_waiters(*(pid_t *)pid, 1);
	kill(*(pid_t *)pid, SIGUSR1);
	return NULL;
}

/* A signal of the process finds the main thread in its wait. */
CASE_MAIN(record_interrupted_in_main)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 0, 0);
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	pid_t pid = getpid();
	struct flow *f;

	on_signal(SIGUSR1, count_signal, 0);
	f = flow(signals_main, &pid);
	R(fcntl(fd, F_SETLKW, &w));
	flow_end(f);
	SAY("%d signals", signals_handled);
	nobody_has_range(fd, &o);
}

/* A child has none of its parent's locks; and any close() of the file drops those of the process. */
CASE(record_not_inherited_and_dropped_by_close)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 3, 4);
	int fd = open_file(O_RDWR), again;

	R(fcntl(fd, F_SETLKW, &w));
	look_at(fd, "of the parent");
	again = open_file(O_RDWR);
	R(close(again));
	look_at(fd, "after the close");
}

CASE(record_closed_while_waiting)
{
	int fd = open_file(O_RDWR), again = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	wanted = range(F_WRLCK, SEEK_SET, 0, 0);
	f = flow(wants_range, &fd);
	await_blocked(1);
	await_lock_waiters(getpid(), 1);
	R(close(fd));
	other_go_on(&o);
	flow_end(f);
	other_heard(&o);
	(void)again;
	other_end(&o);
}

/* --- Locks of open file descriptions */

static void *wants_ofd(void *fd)
{
	blocks();
	R(fcntl(*(int *)fd, F_OFD_SETLKW, &wanted));
	return NULL;
}

CASE(ofd_alone)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 0, 10), u = range(F_UNLCK, SEEK_SET, 2, 2), owned = w;
	int fd = open_file(O_RDWR);

	owned.l_pid = getpid();
	R(fcntl(fd, F_OFD_SETLKW, &w));
	R(fcntl(fd, F_OFD_SETLKW, &u));
	R(fcntl(fd, F_OFD_SETLKW, &owned));
	R(fcntl64(fd, F_OFD_SETLKW, &w));
}

CASE(ofd_among_flows)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 0, 10), u = range(F_UNLCK, SEEK_SET, 0, 0);
	int a = open_file(O_RDWR), b = open_file(O_RDWR);
	struct flow *f;

	R(fcntl(a, F_OFD_SETLKW, &w));
	R(fcntl(b, F_OFD_SETLK, &w));
	wanted = range(F_RDLCK, SEEK_SET, 5, 100);
	f = flow(wants_ofd, &b);
	await_blocked(1);
	R(fcntl(a, F_OFD_SETLK, &u));
	flow_end(f);
	R(fcntl(a, F_OFD_SETLK, &w));
}

CASE(ofd_against_a_process)
{
	int fd = open_file(O_RDWR);
	struct other o = other_process(has_range);
	struct flow *f;

	wanted = range(F_WRLCK, SEEK_SET, 0, 0);
	f = flow(wants_ofd, &fd);
	await_blocked(1);
	other_go_on(&o);
	flow_end(f);
	other_end(&o);
}

CASE_THREADS(ofd_interrupted)
{
	struct flock w = range(F_WRLCK, SEEK_SET, 0, 10), u = range(F_UNLCK, SEEK_SET, 0, 0);
	int a = open_file(O_RDWR), b = open_file(O_RDWR), c = open_file(O_RDWR);
	struct flow *f;

	on_signal(SIGUSR1, count_signal, 0);
	R(fcntl(a, F_OFD_SETLKW, &w));
	wanted = w;
	f = flow(wants_ofd, &b);
	await_blocked(1);
	E(pthread_kill(f->thread, SIGUSR1));
	flow_end(f);
	R(fcntl(a, F_OFD_SETLK, &u));
	R(fcntl(c, F_OFD_SETLK, &w));
}
