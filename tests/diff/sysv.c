/* SPDX-License-Identifier: Apache-2.0
 *
 * SysV message queues and semaphores: order, limits, waiting, and what ends it.
 */
#include "diff/others.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

/* --- SysV queues */

struct message {
	long type;
	char text[16];
};

static int make_queue(void)
{
	int q = msgget(IPC_PRIVATE, 0600);

	CHECK(q != -1);
	return q;
}

static void take(int q, long type, int flags)
{
	struct message m = { .type = -1 };
	ssize_t n = R(msgrcv(q, &m, sizeof(m.text), type, flags));

	if (n >= 0) {
		SAY("type %ld", m.type);
		SHOW(m.text, n);
	}
}

static void put(int q, long type, const char *text)
{
	struct message m = { .type = type };

	strcpy(m.text, text);
	R(msgsnd(q, &m, strlen(text), 0));
}

static void remove_queue(int q)
{
	R(msgctl(q, IPC_RMID, NULL));
}

/* As many bytes as one message has. */
static void make_small(int q, unsigned long bytes)
{
	struct msqid_ds ds;

	CHECK_EQ(msgctl(q, IPC_STAT, &ds), 0);
	ds.msg_qbytes = bytes;
	CHECK_EQ(msgctl(q, IPC_SET, &ds), 0);
}

static long taken_type;
static int queue;

static void *takes(void *arg)
{
	(void)arg;
	blocks();
	take(queue, taken_type, 0);
	return NULL;
}

static void *puts_one(void *text)
{
	struct message m = { .type = 5 };

	strcpy(m.text, (const char *)text);
	blocks();
	R(msgsnd(queue, &m, strlen(m.text), 0));
	return NULL;
}

CASE(msg_order_and_types)
{
	int q = make_queue();

	put(q, 3, "three");
	put(q, 1, "one");
	put(q, 2, "");
	put(q, 3, "three again");
	take(q, 3, 0);
	take(q, -2, 0);
	take(q, 2, MSG_EXCEPT);
	take(q, 0, 0);
	take(q, 0, IPC_NOWAIT);
	remove_queue(q);
}

CASE(msg_bad_arguments)
{
	struct message m = { .type = 0 };
	int q = make_queue();

	R(msgsnd(q, &m, 1, 0));
	m.type = -1;
	R(msgsnd(q, &m, 1, 0));
	R(msgsnd(q, NULL, 1, 0));
	m.type = 1;
	R(msgsnd(q, &m, (size_t)-1, 0));
	R(msgsnd(q, &m, 1 << 30, 0));
	R(msgsnd(-1, &m, 1, 0));
	R(msgrcv(-1, &m, 1, 0, 0));
	R(msgrcv(q, &m, (size_t)-1, 0, 0));
	put(q, 1, "0123456789");
	R(msgrcv(q, &m, 3, 0, 0));
	R(msgrcv(q, NULL, 3, 0, MSG_NOERROR));
	put(q, 1, "0123456789");
	R(msgrcv(q, &m, 3, 0, MSG_NOERROR));
	SHOW(m.text, 3);
	remove_queue(q);
	R(msgsnd(q, &m, 1, 0));
	R(msgrcv(q, &m, 1, 0, 0));
}

CASE(msg_without_waiting)
{
	struct message m = { .type = 1, .text = "x" };
	int q = make_queue();

	R(msgrcv(q, &m, 1, 0, IPC_NOWAIT));
	make_small(q, 2);
	R(msgsnd(q, &m, 2, IPC_NOWAIT));
	R(msgsnd(q, &m, 1, IPC_NOWAIT));
	R(msgrcv(q, &m, 2, 7, IPC_NOWAIT));
	remove_queue(q);
}

CASE(msgrcv_waits)
{
	struct flow *f;

	queue = make_queue();
	f = flow(takes, NULL);
	await_blocked(1);
	put(queue, 4, "four");
	flow_end(f);
	remove_queue(queue);
}

CASE(msgrcv_waits_for_its_type)
{
	struct flow *f;

	queue = make_queue();
	taken_type = 5;
	f = flow(takes, NULL);
	await_blocked(1);
	put(queue, 4, "four");
	put(queue, 5, "five");
	flow_end(f);
	take(queue, 0, 0);
	remove_queue(queue);
}

CASE(msgsnd_waits)
{
	struct flow *f;

	queue = make_queue();
	make_small(queue, 8);
	put(queue, 1, "1234567");
	f = flow(puts_one, "abc");
	await_blocked(1);
	take(queue, 0, 0);
	flow_end(f);
	take(queue, 0, 0);
	remove_queue(queue);
}

CASE(msgrcv_of_a_removed_queue)
{
	struct flow *f;

	queue = make_queue();
	f = flow(takes, NULL);
	await_blocked(1);
	remove_queue(queue);
	flow_end(f);
}

CASE(msgsnd_of_a_removed_queue)
{
	struct flow *f;

	queue = make_queue();
	make_small(queue, 1);
	put(queue, 1, "1");
	f = flow(puts_one, "a");
	await_blocked(1);
	remove_queue(queue);
	flow_end(f);
}

static void puts_later(const struct other *o)
{
	other_says(o);
	other_awaits(o);
	says_as(99);
	put(queue, 9, "from a child");
}

CASE(msg_from_another_process)
{
	struct other o;
	struct flow *f;

	queue = make_queue();
	o = other_process(puts_later);
	f = flow(takes, NULL);
	await_blocked(1);
	other_go_on(&o);
	flow_end(f);
	other_end(&o);
	remove_queue(queue);
}

static void *takes_five(void *arg)
{
	struct message m;
	long sum = 0;

	(void)arg;
	blocks();
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(msgrcv(queue, &m, sizeof(m.text), 0, 0), 1);
		sum += m.text[0];
	}
	return (void *)sum;
}

CASE(msg_many_receivers)
{
	struct flow *f[4];
	long sum = 0;

	queue = make_queue();
	for (int i = 0; i < 4; i++)
		f[i] = flow(takes_five, NULL);
	await_blocked(4);
	for (int i = 0; i < 20; i++) {
		struct message m = { .type = 1 + i % 3, .text = { (char)i } };

		CHECK_EQ(msgsnd(queue, &m, 1, 0), 0);
	}
	for (int i = 0; i < 4; i++)
		sum += (long)flow_end(f[i]);
	SAY("sum %ld", sum);
	take(queue, 0, IPC_NOWAIT);
	remove_queue(queue);
}

CASE_THREADS(msgrcv_interrupted)
{
	queue = make_queue();
	flow_end(signalled(takes, NULL, 0));
	put(queue, 1, "still there");
	take(queue, 0, 0);
	remove_queue(queue);
}

/* It is never restarted. */
CASE_THREADS(msgrcv_interrupted_with_restart)
{
	queue = make_queue();
	flow_end(signalled(takes, NULL, SA_RESTART));
	remove_queue(queue);
}

CASE_THREADS(msgsnd_interrupted)
{
	queue = make_queue();
	make_small(queue, 1);
	put(queue, 1, "1");
	flow_end(signalled(puts_one, "a", SA_RESTART));
	take(queue, 0, 0);
	take(queue, 0, IPC_NOWAIT);
	remove_queue(queue);
}

CASE_THREADS(msgrcv_cancelled)
{
	struct flow *f;
	void *end;

	queue = make_queue();
	f = flow(takes, NULL);
	await_blocked(1);
	E(pthread_cancel(f->thread));
	end = flow_end(f);
	SAY("%s", end == PTHREAD_CANCELED ? "cancelled" : "ended");
	put(queue, 1, "still there");
	take(queue, 0, 0);
	remove_queue(queue);
}

/* --- SysV semaphores */

static int set;

static int make_set(int first, int second)
{
	int s = semget(IPC_PRIVATE, 2, 0600);

	CHECK(s != -1);
	CHECK_EQ(semctl(s, 0, SETVAL, first), 0);
	CHECK_EQ(semctl(s, 1, SETVAL, second), 0);
	return s;
}

static void say_set(void)
{
	SAY("values %d %d", semctl(set, 0, GETVAL), semctl(set, 1, GETVAL));
}

static void remove_set(void)
{
	R(semctl(set, 0, IPC_RMID));
}

static void await_units(int number, int n)
{
	while (semctl(set, number, GETNCNT) != n)
		usleep(1000);
}

static void await_zero(int number, int n)
{
	while (semctl(set, number, GETZCNT) != n)
		usleep(1000);
}

static void change(int number, int by, int flags)
{
	struct sembuf op = { (unsigned short)number, (short)by, (short)flags };

	R(semop(set, &op, 1));
}

static void *takes_unit(void *arg)
{
	(void)arg;
	blocks();
	change(0, -1, 0);
	return NULL;
}

static void *takes_unit_and_tests(void *arg)
{
	takes_unit(arg);
	pthread_testcancel();
	return NULL;
}

static void *takes_unit_in_time(void *arg)
{
	struct sembuf op = { 0, -1, 0 };
	struct timespec long_time = { 20, 0 };

	(void)arg;
	blocks();
	R(semtimedop(set, &op, 1, &long_time));
	return NULL;
}

static void *awaits_zero(void *arg)
{
	(void)arg;
	blocks();
	change(0, 0, 0);
	return NULL;
}

static void *takes_of_both(void *arg)
{
	struct sembuf ops[] = { { 0, -1, 0 }, { 1, -2, 0 } };

	(void)arg;
	blocks();
	R(semop(set, ops, 2));
	return NULL;
}

CASE(sem_alone)
{
	struct sembuf ops[] = { { 0, 3, 0 }, { 0, -1, 0 }, { 1, 0, 0 }, { 0, -2, 0 }, { 0, 0, 0 } };

	set = make_set(0, 0);
	R(semop(set, ops, 5));
	say_set();
	change(1, 2, 0);
	change(1, -1, IPC_NOWAIT);
	change(1, 0, IPC_NOWAIT);
	change(0, -1, IPC_NOWAIT);
	say_set();
	remove_set();
}

CASE(sem_bad_arguments)
{
	struct sembuf ops[600] = { { 0, 1, 0 } }, none = { 7, 1, 0 }, much = { 0, 32767, 0 };
	struct timespec bad = { .tv_nsec = 1000000000 }, before = { .tv_sec = -1 };

	set = make_set(1, 0);
	R(semop(set, ops, 0));
	R(semop(set, ops, 501));
	R(semop(set, &none, 1));
	R(semop(set, &much, 1));
	R(semop(-1, ops, 1));
	R(semop(set, NULL, 1));
	R(semtimedop(set, ops, 1, &bad));
	R(semtimedop(set, ops, 1, &before));
	R(semtimedop(set, ops, 1, NULL));
	say_set();
	remove_set();
	R(semop(set, ops, 1));
}

/* What may wait and what may not, in one call: the one that cannot be done decides. */
CASE(sem_mixed_flags)
{
	struct sembuf ops[] = { { 0, -1, 0 }, { 1, -1, IPC_NOWAIT } };

	set = make_set(1, 0);
	R(semop(set, ops, 2));
	say_set();
	remove_set();
}

CASE(sem_waits)
{
	struct flow *f;

	set = make_set(0, 0);
	f = flow(takes_unit, NULL);
	await_blocked(1);
	await_units(0, 1);
	change(0, 2, 0);
	flow_end(f);
	say_set();
	remove_set();
}

CASE(sem_waits_for_zero)
{
	struct flow *f;

	set = make_set(2, 0);
	f = flow(awaits_zero, NULL);
	await_blocked(1);
	await_zero(0, 1);
	change(0, -1, 0);
	change(0, -1, 0);
	flow_end(f);
	remove_set();
}

CASE(sem_all_or_nothing)
{
	struct flow *f;

	set = make_set(1, 1);
	f = flow(takes_of_both, NULL);
	await_blocked(1);
	await_units(1, 1);
	say_set();
	change(1, 1, 0);
	flow_end(f);
	say_set();
	remove_set();
}

CASE(sem_many_operations)
{
	struct sembuf ops[40];

	set = make_set(0, 0);
	for (int i = 0; i < 40; i++)
		ops[i] = (struct sembuf){ (unsigned short)(i % 2), 1, 0 };
	R(semop(set, ops, 40));
	say_set();
	for (int i = 0; i < 40; i++)
		ops[i].sem_op = -1;
	R(semop(set, ops, 40));
	ops[39].sem_flg = IPC_NOWAIT;
	ops[39].sem_op = -9;
	for (int i = 0; i < 39; i++)
		ops[i].sem_op = 1;
	R(semop(set, ops, 40));
	say_set();
	remove_set();
}

CASE(sem_time_is_up)
{
	struct sembuf op = { 0, -1, 0 }, zero = { 1, 0, 0 };
	struct timespec none = { 0, 0 }, some = ms_span(20);

	set = make_set(0, 1);
	R(semtimedop(set, &op, 1, &none));
	LASTS(20, R(semtimedop(set, &op, 1, &some)));
	LASTS(20, R(semtimedop(set, &zero, 1, &some)));
	SAY("waiting: %d %d", semctl(set, 0, GETNCNT), semctl(set, 1, GETZCNT));
	remove_set();
}

CASE(sem_in_time)
{
	struct flow *f;

	set = make_set(0, 0);
	f = flow(takes_unit_in_time, NULL);
	await_blocked(1);
	await_units(0, 1);
	change(0, 1, 0);
	flow_end(f);
	say_set();
	remove_set();
}

CASE(sem_removed)
{
	struct flow *f;

	set = make_set(0, 0);
	f = flow(takes_unit, NULL);
	await_blocked(1);
	await_units(0, 1);
	remove_set();
	flow_end(f);
}

static void gives_with_undo(const struct other *o)
{
	says_as(99);
	change(0, 2, SEM_UNDO);
	change(1, -1, SEM_UNDO);
	other_says(o);
	other_awaits(o);
}

/* What a process did is taken back when it ends. */
CASE(sem_undo_of_a_process)
{
	struct other o;

	set = make_set(0, 1);
	o = other_process(gives_with_undo);
	say_set();
	other_go_on(&o);
	other_end(&o);
	say_set();
	remove_set();
}

static void *takes_with_undo(void *arg)
{
	(void)arg;
	blocks();
	change(0, -1, SEM_UNDO);
	return NULL;
}

/* A process whose flow has waited for its unit, and which gives it back by ending. */
static void waits_with_undo(const struct other *o)
{
	struct flow *f;

	flows_made = 50;
	other_says(o);
	f = flow(takes_with_undo, NULL);
	flow_end(f);
	says_as(60);
	say_set();
}

CASE(sem_undo_after_waiting)
{
	struct other o;

	set = make_set(0, 0);
	o = other_process(waits_with_undo);
	await_units(0, 1);
	change(0, 1, 0);
	other_end(&o);
	say_set();
	remove_set();
}

/* It is the process that gives back, not the thread. */
CASE(sem_undo_outlives_the_flow)
{
	struct flow *f;

	set = make_set(0, 0);
	f = flow(takes_with_undo, NULL);
	await_blocked(1);
	await_units(0, 1);
	change(0, 5, 0);
	flow_end(f);
	say_set();
	remove_set();
}

static void gives_later(const struct other *o)
{
	other_says(o);
	other_awaits(o);
	says_as(99);
	change(0, 1, 0);
}

CASE(sem_from_another_process)
{
	struct other o;
	struct flow *f;

	set = make_set(0, 0);
	o = other_process(gives_later);
	f = flow(takes_unit, NULL);
	await_blocked(1);
	other_go_on(&o);
	flow_end(f);
	SAY("last by %s", semctl(set, 0, GETPID) == getpid() ? "us" : "another");
	other_end(&o);
	remove_set();
}

CASE_THREADS(sem_interrupted)
{
	set = make_set(0, 0);
	flow_end(signalled(takes_unit, NULL, 0));
	SAY("waiting: %d", semctl(set, 0, GETNCNT));
	change(0, 1, 0);
	say_set();
	remove_set();
}

CASE_THREADS(sem_interrupted_with_restart)
{
	set = make_set(0, 0);
	flow_end(signalled(takes_unit_in_time, NULL, SA_RESTART));
	say_set();
	remove_set();
}

/* No cancellation point: the thread takes its unit first. */
CASE_THREADS(sem_cancelled)
{
	struct flow *f;
	void *end;

	set = make_set(0, 0);
	f = flow(takes_unit_and_tests, NULL);
	await_blocked(1);
	await_units(0, 1);
	E(pthread_cancel(f->thread));
	change(0, 1, 0);
	end = flow_end(f);
	SAY("%s", end == PTHREAD_CANCELED ? "cancelled" : "ended");
	say_set();
	remove_set();
}
