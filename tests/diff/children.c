/* SPDX-License-Identifier: Apache-2.0
 *
 * Children of fork, and whom their ends are told to.
 *
 * timeout: 120
 */
#include "diff/kids.h"
#include "diff/parked.h"

/* --- Who waits for one */

static void wait_and_let_go(int code)
{
	struct question q = { .k = kid(code) };
	struct flow *f = flow(wait_for_it, &q);

	await_blocked(1);
	let_go(&q.k);
	flow_end(f);
}

CASE(waitpid_gets_an_exit_code)
{
	wait_and_let_go(7);
}
CASE(waitpid_gets_a_signal)
{
	wait_and_let_go(-SIGTERM);
}
CASE(waitpid_gets_a_kill)
{
	wait_and_let_go(-SIGKILL);
}

CASE(waitpid_of_who_has_ended)
{
	struct kid k = kid(3);
	int status = -1;

	let_go(&k);
	await_end(k.pid);
	R(waitpid(k.pid, &status, 0) == k.pid);
	say_status(status);
	R(waitpid(k.pid, &status, 0));
}

CASE(a_status_goes_to_who_asked)
{
	struct question q[3];
	struct flow *f[3];

	for (int i = 0; i < 3; i++) {
		q[i] = (struct question){ .k = kid(10 + i) };
		f[i] = flow(wait_for_it, &q[i]);
		await_blocked(i + 1);
	}
	for (int i = 2; i >= 0; i--) {
		let_go(&q[i].k);
		flow_end(f[i]);
	}
}

static void *wait_for_any(void *arg)
{
	int status = -1;

	blocks();
	R(wait(&status) > 0);
	say_status(status);
	return arg;
}

/* Who asks for one does not get, and does not lose, another's. */
CASE(one_that_is_asked_for_and_any)
{
	struct question q = { .k = kid(5) };
	struct kid other = kid(6);
	struct flow *one = flow(wait_for_it, &q), *any;

	await_blocked(1);
	any = flow(wait_for_any, NULL);
	await_blocked(2);
	let_go(&other);
	flow_end(any);
	let_go(&q.k);
	flow_end(one);
	R(wait(NULL));
}

static void *count_any(void *arg)
{
	int status = -1;

	blocks();
	if (wait(&status) > 0 && WIFEXITED(status))
		(*(_Atomic int *)arg) += WEXITSTATUS(status);
	return NULL;
}

CASE(each_of_three_goes_to_one_of_three)
{
	static _Atomic int sum;
	struct kid k[3] = { kid(1), kid(10), kid(100) };
	struct flow *f[3];

	for (int i = 0; i < 3; i++) {
		f[i] = flow(count_any, &sum);
		await_blocked(i + 1);
	}
	for (int i = 0; i < 3; i++)
		let_go(&k[i]);
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	SAY("sum %d", sum);
	R(wait(NULL));
}

static void *wait_in_vain(void *arg)
{
	struct question *q = arg;

	blocks();
	R(waitpid(q->k.pid, NULL, 0));
	return NULL;
}

static _Atomic int took, missed;

static void *race(void *arg)
{
	struct question *q = arg;
	pid_t r;

	blocks();
	r = waitpid(q->k.pid, NULL, 0);
	took += r == q->k.pid;
	missed += r == -1 && errno == ECHILD;
	return NULL;
}

CASE(three_ask_for_the_same)
{
	struct question q = { .k = kid(4) };
	struct flow *f[3];

	for (int i = 0; i < 3; i++) {
		f[i] = flow(race, &q);
		await_blocked(i + 1);
	}
	let_go(&q.k);
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	SAY("%d took it, %d missed it", took, missed);
}

/* --- Stops */

CASE(stops_and_continues)
{
	struct kid k = kid(0);
	int status = -1;

	CHECK_EQ(kill(k.pid, SIGSTOP), 0);
	R(waitpid(k.pid, &status, WUNTRACED) == k.pid);
	say_status(status);
	R(waitpid(k.pid, &status, WUNTRACED | WNOHANG));
	CHECK_EQ(kill(k.pid, SIGCONT), 0);
	R(waitpid(k.pid, &status, WCONTINUED) == k.pid);
	say_status(status);
	R(waitpid(k.pid, &status, WUNTRACED | WCONTINUED | WNOHANG));
	let_go(&k);
	R(waitpid(k.pid, &status, WUNTRACED | WCONTINUED) == k.pid);
	say_status(status);
}

CASE(a_stop_is_told_to_who_waits)
{
	struct question q = { .k = kid(0), .options = WUNTRACED };
	struct flow *f = flow(wait_for_it, &q);

	await_blocked(1);
	CHECK_EQ(kill(q.k.pid, SIGSTOP), 0);
	flow_end(f);
	q.options = WCONTINUED;
	f = flow(wait_for_it, &q);
	await_blocked(2);
	CHECK_EQ(kill(q.k.pid, SIGCONT), 0);
	flow_end(f);
	q.options = 0;
	let_go(&q.k);
	flow_end(flow(wait_for_it, &q));
}

/* Who does not ask for stops is not told of any. */
CASE(a_stop_is_not_told_to_others)
{
	struct question q = { .k = kid(9) };
	struct flow *f = flow(wait_for_it, &q);
	int status = -1;

	await_blocked(1);
	CHECK_EQ(kill(q.k.pid, SIGSTOP), 0);
	R(waitpid(q.k.pid, &status, WUNTRACED) == q.k.pid);
	say_status(status);
	CHECK_EQ(kill(q.k.pid, SIGCONT), 0);
	let_go(&q.k);
	flow_end(f);
}

/* --- Nobody wants to know */

static void *wait_until_none(void *arg)
{
	blocks();
	R(wait(NULL));
	return arg;
}

static void ignored_children(void *(*fn)(void *))
{
	struct question a = { .k = kid(1) };
	struct kid b = kid(2);
	struct flow *f = flow(fn, &a);

	await_blocked(1);
	let_go(&a.k);
	SAY("one has ended");
	let_go(&b);
	flow_end(f);
}

CASE(sigchld_is_ignored)
{
	signal(SIGCHLD, SIG_IGN);
	ignored_children(wait_until_none);
}

CASE(sigchld_is_ignored_and_one_is_waited_for)
{
	signal(SIGCHLD, SIG_IGN);
	ignored_children(wait_in_vain);
}

CASE(no_zombies_are_wanted)
{
	struct sigaction sa = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };

	CHECK_EQ(sigaction(SIGCHLD, &sa, NULL), 0);
	ignored_children(wait_until_none);
}

/* --- Signals */

static _Atomic int handled;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

static void *wait_interrupted(void *arg)
{
	struct question *q = arg;
	int status = -1;

	blocks();
	if (R(waitpid(q->k.pid, &status, 0) == q->k.pid))
		say_status(status);
	else
		SAY("%s", strerrorname_np(errno));
	return NULL;
}

static void wait_and_signal(int flags)
{
	struct question q = { .k = kid(7) };
	struct flow *f;

	on_signal(SIGUSR1, on_usr1, flags);
	f = flow(wait_interrupted, &q);
	await_blocked(1);
	CHECK_EQ(pthread_kill(f->thread, SIGUSR1), 0);
	while (!handled)
		sched_yield();
	if (flags == SA_RESTART)
		let_go(&q.k);
	flow_end(f);
	if (flags != SA_RESTART)
		let_go(&q.k);
}

CASE_THREADS(a_signal_ends_waitpid)
{
	wait_and_signal(0);
}
CASE_THREADS(a_restarting_signal_does_not)
{
	wait_and_signal(SA_RESTART);
}

static _Atomic int chld;

static void on_chld(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (sig == SIGCHLD && info->si_code == CLD_EXITED && info->si_status == 7)
		chld++;
}

CASE_MAIN(sigchld_is_the_programs)
{
	struct sigaction sa = { .sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct question q = { .k = kid(7) };
	struct flow *f;

	CHECK_EQ(sigaction(SIGCHLD, &sa, NULL), 0);
	f = flow(wait_for_it, &q);
	await_blocked(1);
	let_go(&q.k);
	flow_end(f);
	while (!chld)
		sched_yield();
	SAY("handled %d", chld);
}

static void *wait_cancelled(void *arg)
{
	struct question *q = arg;

	blocks();
	R(waitpid(q->k.pid, NULL, 0));
	return NULL;
}

CASE_THREADS(cancellation_takes_no_child)
{
	struct question q = { .k = kid(7) };
	struct flow *f = flow(wait_cancelled, &q);
	int status;

	await_blocked(1);
	CHECK_EQ(pthread_cancel(f->thread), 0);
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
	let_go(&q.k);
	R(waitpid(q.k.pid, &status, 0) == q.k.pid);
	say_status(status);
}

/* --- fork while others wait for all kinds of things */

static void *forker(void *arg)
{
	struct timespec ts = ms_span(5);
	int status, end[2];
	pid_t pid;
	char c;

	CHECK_EQ(pipe(end), 0);
	pid = fork();
	if (pid == 0) {
		says_as(100);
		R(write(end[1], "c", 1));
		R(read(end[0], &c, 1));
		R(nanosleep(&ts, NULL));
		_exit(3);
	}
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	return arg;
}

CASE(fork_beside_parked_ones)
{
	struct flow *f[4];

	CHECK_EQ(pipe(park_pipe), 0);
	pthread_mutex_lock(&mutex);
	f[0] = flow(park_in_read, NULL);
	f[1] = flow(park_in_lock, NULL);
	f[2] = flow(park_in_sleep, NULL);
	await_blocked(3);
	f[3] = flow(forker, NULL);
	flow_end(f[3]);
	pthread_mutex_unlock(&mutex);
	CHECK_EQ(write(park_pipe[1], "x", 1), 1);
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
}

/* The child's children are its own. */
CASE(a_childs_children)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct kid k = kid(6);

		says_as(100);
		let_go(&k);
		R(wait(&status) == k.pid);
		say_status(status);
		R(wait(NULL));
		_exit(5);
	}
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	R(wait(NULL));
}

static void *fork_many(void *arg)
{
	int good = 0;

	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();
		int status = -1;

		if (pid == 0)
			_exit(i);
		good += waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == i;
	}
	R(good);
	return arg;
}

CASE(several_fork_at_once)
{
	struct flow *f[4];

	for (int i = 0; i < 4; i++)
		f[i] = flow(fork_many, NULL);
	for (int i = 0; i < 4; i++)
		flow_end(f[i]);
	R(wait(NULL));
}

/* exit of a child does not wait for the flows of its parent. */
CASE(exit_of_a_child)
{
	struct flow *f;
	pid_t pid;
	int status;

	CHECK_EQ(pipe(park_pipe), 0);
	f = flow(park_in_read, NULL);
	await_blocked(1);
	pid = fork();
	if (pid == 0)
		exit(4);
	R(waitpid(pid, &status, 0) == pid);
	say_status(status);
	CHECK_EQ(write(park_pipe[1], "x", 1), 1);
	flow_end(f);
}
