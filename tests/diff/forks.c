/* SPDX-License-Identifier: Apache-2.0
 *
 * fork: what the child has, what it has not, and how it ends.
 */
#include "diff/steps.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int p[2];

/* --- What the child sees */

static void say_ids(void *arg)
{
	pid_t *parent = arg;

	SAY("parent %d own %d tid %d", getppid() == *parent, getpid() != *parent, gettid() == getpid());
	SAY("raw tid %d", syscall(SYS_gettid) == getpid());
}

CASE(ids)
{
	pid_t me = getpid();

	child_end(child(say_ids, &me));
}

static int variable = 1;

static void change_variable(void *arg)
{
	(void)arg;
	variable = 2;
	SAY("variable %d", variable);
}

CASE(memory_is_ones_own)
{
	child_end(child(change_variable, NULL));
	SAY("variable %d", variable);
}

static void share_offset(void *fd)
{
	char c = 0;

	R(read(*(int *)fd, &c, 1));
	SAY("%c", c);
}

CASE(files_are_shared)
{
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	char c = 0;

	CHECK_EQ(write(fd, "abc", 3), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	child_end(child(share_offset, &fd));
	R(read(fd, &c, 1));
	SAY("%c", c);
}

static void close_own(void *arg)
{
	(void)arg;
	R(close(p[0]));
	R(close(p[1]));
}

CASE(descriptors_are_ones_own)
{
	CHECK_EQ(pipe(p), 0);
	child_end(child(close_own, NULL));
	R(write(p[1], "x", 1));
	hear(p[0]);
}

static void *stay(void *arg)
{
	blocks();
	hear(p[0]);
	SAY("goes on");
	return arg;
}

static void count_threads(void *arg)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	(void)arg;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Threads:", 8))
			SAY("threads %d", atoi(line + 8));
	fclose(f);
}

CASE(only_the_caller_is_there)
{
	struct flow *f;

	CHECK_EQ(pipe(p), 0);
	f = flow(stay, NULL);
	await_blocked(1);
	child_end(child(count_threads, NULL));
	tell(p[1]);
	flow_end(f);
}

static void take_and_release(void *arg)
{
	(void)arg;
	E(pthread_mutex_trylock(&m));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_unlock(&m));
}

static void make_mutex(int type)
{
	pthread_mutexattr_t attr;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_settype(&attr, type), 0);
	CHECK_EQ(pthread_mutex_init(&m, &attr), 0);
}

CASE(own_lock_is_held_in_the_child)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	child_end(child(take_and_release, NULL));
	E(pthread_mutex_trylock(&m));
	E(pthread_mutex_unlock(&m));
}

static void *hold(void *arg)
{
	E(pthread_mutex_lock(&m));
	stay(NULL);
	E(pthread_mutex_unlock(&m));
	return arg;
}

static void try_only(void *arg)
{
	(void)arg;
	E(pthread_mutex_trylock(&m));
}

CASE(anothers_lock_stays_locked)
{
	struct flow *f;

	make_mutex(PTHREAD_MUTEX_NORMAL);
	CHECK_EQ(pipe(p), 0);
	f = flow(hold, NULL);
	await_blocked(1);
	child_end(child(try_only, NULL));
	tell(p[1]);
	flow_end(f);
}

static void say_specific(void *arg)
{
	SAY("value %ld", (long)pthread_getspecific(*(pthread_key_t *)arg));
}

CASE_THREADS(specific_data)
{
	pthread_key_t key;

	CHECK_EQ(pthread_key_create(&key, NULL), 0);
	CHECK_EQ(pthread_setspecific(key, (void *)5), 0);
	child_end(child(say_specific, &key));
}

/* --- What the child can do */

static void *same(void *arg)
{
	SAY("a thread of the child");
	return arg;
}

static void make_threads(void *arg)
{
	pthread_t t[3];
	void *result;

	(void)arg;
	for (long i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, same, (void *)i), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(pthread_join(t[i], &result), 0);
		SAY("result %ld", (long)result);
	}
}

CASE_THREADS(threads_of_the_child)
{
	child_end(child(make_threads, NULL));
}

static void sleep_and_poll(void *arg)
{
	struct pollfd pfd = { .fd = p[0], .events = POLLIN };

	(void)arg;
	LASTS(10, R(usleep(10000)));
	R(poll(&pfd, 1, 10));
	tell(p[1]);
	R(poll(&pfd, 1, 20000));
	hear(p[0]);
}

CASE(child_waits)
{
	CHECK_EQ(pipe(p), 0);
	child_end(child(sleep_and_poll, NULL));
}

static void talk(void *arg)
{
	int *s = arg;
	char c;

	close(s[0]);
	R(recv(s[1], &c, 1, 0));
	R(send(s[1], "y", 1, 0));
	R(recv(s[1], &c, 1, 0));
}

CASE(child_talks)
{
	int s[2];
	char c;
	pid_t pid;

	stream_pair(s);
	pid = child(talk, s);
	close(s[1]);
	R(send(s[0], "x", 1, 0));
	R(recv(s[0], &c, 1, 0));
	R(shutdown(s[0], SHUT_WR));
	child_end(pid);
}

static void *talk_as_flow(void *arg)
{
	char c;

	blocks();
	R(recv(*(int *)arg, &c, 1, 0));
	return NULL;
}

static void close_and_leave(void *arg)
{
	R(close(*(int *)arg));
}

/* The parent's wait on the same socket is none of the child's business. */
CASE(child_closes_what_the_parent_waits_for)
{
	struct flow *f;
	int s[2];

	stream_pair(s);
	f = flow(talk_as_flow, &s[1]);
	await_blocked(1);
	child_end(child(close_and_leave, &s[1]));
	R(send(s[0], "x", 1, 0));
	flow_end(f);
}

static void wait_on_inherited(void *arg)
{
	struct epoll_event ev;

	R(epoll_wait(*(int *)arg, &ev, 1, 20000));
	SAY("events %x data %d", ev.events, ev.data.fd);
}

CASE(inherited_epoll)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = 7 };
	int ep = epoll_create1(0);
	pid_t pid;

	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
	pid = child(wait_on_inherited, &ep);
	tell(p[1]);
	child_end(pid);
}

static sem_t sem;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static bool ready;

static void *wait_somehow(void *arg)
{
	struct pollfd pfd = { .fd = p[0], .events = POLLIN };

	blocks();
	switch ((long)arg) {
	case 0:
		R(poll(&pfd, 1, -1));
		break;
	case 1:
		LASTS(30, R(usleep(30000)));
		break;
	case 2:
		R(sem_wait(&sem));
		break;
	default:
		CHECK_EQ(pthread_mutex_lock(&m), 0);
		while (!ready)
			CHECK_EQ(pthread_cond_wait(&c, &m), 0);
		CHECK_EQ(pthread_mutex_unlock(&m), 0);
		SAY("ready");
	}
	return NULL;
}

static void close_all_and_wait(void *arg)
{
	(void)arg;
	R(close_range(3, ~0u, 0));
	R(usleep(2000));
	R(sem_trywait(&sem));
	E(pthread_mutex_lock(&m));
	E(pthread_cond_broadcast(&c));
	E(pthread_mutex_unlock(&m));
	R(pipe(p));
	tell(p[1]);
	hear(p[0]);
}

/* Whatever the child does to its copies. */
CASE(waits_of_the_parent_go_on)
{
	struct flow *f[4];

	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	for (long i = 0; i < 4; i++)
		f[i] = flow(wait_somehow, (void *)i);
	await_blocked(4);
	child_end(child(close_all_and_wait, NULL));
	tell(p[1]);
	R(sem_post(&sem));
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	ready = true;
	E(pthread_cond_signal(&c));
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	for (int i = 0; i < 4; i++)
		flow_end(f[i]);
}

static void *fork_and_wait(void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit((int)(long)arg);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	say_status("child", status);
	return NULL;
}

CASE(forks_of_many_flows)
{
	struct flow *f[8];

	for (long i = 0; i < 8; i++)
		f[i] = flow(fork_and_wait, (void *)i);
	for (int i = 0; i < 8; i++)
		flow_end(f[i]);
}

static void fork_on(void *arg)
{
	long depth = (long)arg;
	int status;
	pid_t pid;

	SAY("depth %ld", depth);
	if (depth == 3)
		_exit(3);
	pid = fork();
	if (pid == 0) {
		fork_on((void *)(depth + 1));
		_exit((int)depth + 1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	say_status("grandchild", status);
}

CASE(child_forks)
{
	child_end(child(fork_on, (void *)1));
}

static void return_from_fork(void *arg)
{
	sem_t s;

	(void)arg;
	CHECK_EQ(sem_init(&s, 0, 0), 0);
	R(sem_timedwait(&s, AT(CLOCK_REALTIME, 10)));
	R(sem_post(&s));
	R(sem_wait(&s));
}

CASE(semaphores_of_the_child)
{
	child_end(child(return_from_fork, NULL));
}

/* --- Signals */

static void say_pending(void *arg)
{
	sigset_t set, mask;

	(void)arg;
	CHECK_EQ(sigpending(&set), 0);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	SAY("pending %d blocked %d", sigismember(&set, SIGUSR1), sigismember(&mask, SIGUSR1));
	raise(SIGUSR1);
	CHECK_EQ(sigpending(&set), 0);
	SAY("pending %d", sigismember(&set, SIGUSR1));
	CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &mask, NULL), 0);
}

CASE(pending_signals_are_not_inherited)
{
	sigset_t set;

	on_signal(SIGUSR1, say_signal, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	R(raise(SIGUSR1));
	child_end(child(say_pending, NULL));
}

static void await_signal(void *arg)
{
	sigset_t open;

	(void)arg;
	sigemptyset(&open);
	R(sigsuspend(&open));
}

CASE(handlers_and_masks_are_inherited)
{
	sigset_t set;
	pid_t pid;

	on_signal(SIGUSR1, say_signal, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	pid = child(await_signal, NULL);
	R(kill(pid, SIGUSR1));
	child_end(pid);
}

static void be_killed(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

CASE(child_is_killed)
{
	pid_t pid = child(be_killed, NULL);

	R(kill(pid, SIGTERM));
	child_end(pid);
}

static void alarm_left(void *arg)
{
	(void)arg;
	R(alarm(0)); /* not inherited */
}

CASE(alarm_is_not_inherited)
{
	signal(SIGALRM, SIG_IGN);
	alarm(100);
	child_end(child(alarm_left, NULL));
	R(alarm(0) > 90);
}

/* --- Handlers of fork, and ends */

static void prepare_1(void)
{
	SAY("prepare 1");
}

static void prepare_2(void)
{
	SAY("prepare 2");
}

static void parent_1(void)
{
	SAY("parent 1");
}

static void parent_2(void)
{
	SAY("parent 2");
}

static void child_1(void)
{
	says_as(CHILD_FLOW);
	SAY("child 1");
}

static void child_2(void)
{
	SAY("child 2");
}

static void nothing(void *arg)
{
	(void)arg;
	SAY("runs");
}

CASE(order_of_handlers)
{
	E(pthread_atfork(prepare_1, parent_1, child_1));
	E(pthread_atfork(prepare_2, parent_2, child_2));
	child_end(child(nothing, NULL));
}

static void lock_it(void)
{
	E(pthread_mutex_lock(&m));
}

static void unlock_it(void)
{
	E(pthread_mutex_unlock(&m));
}

static void unlock_in_child(void)
{
	says_as(CHILD_FLOW);
	E(pthread_mutex_unlock(&m));
}

/* A lock that others hold when the fork begins: prepare waits for it. */
CASE(handlers_that_take_a_lock)
{
	struct flow *f;

	make_mutex(PTHREAD_MUTEX_NORMAL);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(pthread_atfork(lock_it, unlock_it, unlock_in_child), 0);
	f = flow(hold, NULL);
	await_blocked(1);
	tell(p[1]);
	child_end(child(take_and_release, NULL));
	flow_end(f);
}

static void at_exit(void)
{
	SAY("exit handler");
}

static void call_exit(void *arg)
{
	(void)arg;
	exit(5);
}

static void call_quick_exit(void *arg)
{
	(void)arg;
	quick_exit(6);
}

static void call__exit(void *arg)
{
	(void)arg;
	_exit(7);
}

CASE(ends)
{
	atexit(at_exit);
	at_quick_exit(at_exit);
	child_end(child(call_exit, NULL));
	child_end(child(call_quick_exit, NULL));
	child_end(child(call__exit, NULL));
	child_end(child(nothing, NULL));
	_exit(0);
}

static void leave_by_pthread_exit(void *arg)
{
	atexit(at_exit);
	pthread_exit(arg);
}

CASE_THREADS(child_ends_by_pthread_exit)
{
	child_end(child(leave_by_pthread_exit, NULL));
}

static void unflushed(void *arg)
{
	(void)arg;
	printf("100 from the buffer\n");
	exit(0);
}

CASE(child_flushes_its_buffer)
{
	child_end(child(unflushed, NULL));
}

static pid_t forked_in_thread;

static void *fork_in_thread(void *arg)
{
	forked_in_thread = child(nothing, NULL);
	return arg;
}

CASE(another_waits_for_the_child)
{
	flow_end(flow(fork_in_thread, NULL));
	child_end(forked_in_thread);
}

CASE(no_children)
{
	int status = 0;

	R(wait(&status));
	R(waitpid(-1, &status, WNOHANG));
	R(waitpid(1, &status, 0));
	R(waitpid(getpid(), &status, 0));
	R(waitpid(-1, &status, 0x7777));
}

static void *wait_for_any(void *arg)
{
	int status;

	(void)arg;
	blocks();
	R(wait(&status) > 0);
	say_status("child", status);
	return NULL;
}

CASE(each_waiter_gets_one)
{
	struct flow *f[2];

	CHECK_EQ(pipe(p), 0);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			hear(p[0]);
			_exit(4);
		}
	}
	for (int i = 0; i < 2; i++)
		f[i] = flow(wait_for_any, NULL);
	await_blocked(2);
	tell(p[1]);
	tell(p[1]);
	for (int i = 0; i < 2; i++)
		flow_end(f[i]);
	R(wait(NULL));
}
