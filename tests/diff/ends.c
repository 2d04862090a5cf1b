/* SPDX-License-Identifier: Apache-2.0
 *
 * Ends of threads: cancellation, cleanup handlers, destructors of thread-specific data.
 */
#include "diff/steps.h"
#include <limits.h>
#include <poll.h>

static int p[2];
static pthread_key_t key, second;

static void say_cleanup(void *arg)
{
	SAY("cleanup %s", (const char *)arg);
}

static void end_cancelled(struct flow *f)
{
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
}

/* Cancels a thread that waits in fn. */
static void cancel_in(void *(*fn)(void *))
{
	struct flow *f;

	CHECK_EQ(pipe(p), 0);
	f = flow(fn, NULL);
	await_blocked(1);
	E(pthread_cancel(thread_of(f)));
	end_cancelled(f);
}

static void *in_read(void *arg)
{
	char c;

	pthread_cleanup_push(say_cleanup, "outer");
	pthread_cleanup_push(say_cleanup, "inner");
	blocks();
	R(read(p[0], &c, 1));
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return arg;
}

CASE_THREADS(cancelled_in_read)
{
	cancel_in(in_read);
}

static void *in_sleep(void *arg)
{
	pthread_cleanup_push(say_cleanup, "sleep");
	blocks();
	R(sleep(20));
	pthread_cleanup_pop(0);
	return arg;
}

CASE_THREADS(cancelled_in_sleep)
{
	cancel_in(in_sleep);
}

static void *in_nanosleep(void *arg)
{
	struct timespec span = ms_span(20000);

	blocks();
	R(nanosleep(&span, NULL));
	return arg;
}

CASE_THREADS(cancelled_in_nanosleep)
{
	cancel_in(in_nanosleep);
}

static void *in_poll(void *arg)
{
	struct pollfd pfd = { .fd = p[0], .events = POLLIN };

	blocks();
	R(poll(&pfd, 1, -1));
	return arg;
}

CASE_THREADS(cancelled_in_poll)
{
	cancel_in(in_poll);
}

static void *in_select(void *arg)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(p[0], &set);
	blocks();
	R(select(p[0] + 1, &set, NULL, NULL, NULL));
	return arg;
}

CASE_THREADS(cancelled_in_select)
{
	cancel_in(in_select);
}

static void *in_pause(void *arg)
{
	blocks();
	R(pause());
	return arg;
}

CASE_THREADS(cancelled_in_pause)
{
	cancel_in(in_pause);
}

static void *in_sigwait(void *arg)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	E(pthread_sigmask(SIG_BLOCK, &set, NULL));
	blocks();
	E(sigwait(&set, &sig));
	return arg;
}

CASE_THREADS(cancelled_in_sigwait)
{
	cancel_in(in_sigwait);
}

static void *in_waitpid(void *arg)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	blocks();
	waitpid(pid, NULL, 0);
	SAY("not reached");
	return arg;
}

CASE_THREADS(cancelled_in_waitpid)
{
	cancel_in(in_waitpid);
}

static void *in_write(void *arg)
{
	char *much = calloc(1, 1 << 20);

	pthread_cleanup_push(free, much);
	blocks();
	write(p[1], much, 1 << 20);
	pthread_cleanup_pop(1);
	SAY("not reached");
	return arg;
}

CASE_THREADS(cancelled_in_write)
{
	cancel_in(in_write);
}

static void *in_accept(void *arg)
{
	struct sockaddr_in addr;
	int listener = tcp_listener(&addr, 1);

	blocks();
	R(accept(listener, NULL, NULL));
	return arg;
}

CASE_THREADS(cancelled_in_accept)
{
	cancel_in(in_accept);
}

/* --- States and types */

static void *disable_for_a_while(void *arg)
{
	int old = -1;
	char c;

	E(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
	SAY("old %d", old);
	blocks();
	R(read(p[0], &c, 1));
	pthread_testcancel();
	E(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old));
	SAY("old %d", old);
	pthread_testcancel();
	SAY("not reached");
	return arg;
}

CASE_THREADS(disabled)
{
	struct flow *f;

	CHECK_EQ(pipe(p), 0);
	f = flow(disable_for_a_while, NULL);
	await_blocked(1);
	E(pthread_cancel(thread_of(f)));
	tell(p[1]);
	end_cancelled(f);
}

CASE_THREADS(states_and_types)
{
	int old = -1;

	E(pthread_setcancelstate(77, &old));
	E(pthread_setcanceltype(77, &old));
	E(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old));
	SAY("old %d", old);
	E(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old));
	SAY("old %d", old);
	E(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL));
}

static void *cancel_myself_at_once(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	SAY("cancels itself");
	pthread_cancel(pthread_self());
	SAY("not reached");
	return arg;
}

CASE_THREADS(asynchronous_by_itself)
{
	end_cancelled(flow(cancel_myself_at_once, NULL));
}

static void *cancel_myself_later(void *arg)
{
	E(pthread_cancel(pthread_self()));
	SAY("goes on");
	E(pthread_mutex_lock(&(pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER));
	pthread_testcancel();
	SAY("not reached");
	return arg;
}

CASE_THREADS(deferred_by_itself)
{
	end_cancelled(flow(cancel_myself_later, NULL));
}

static void *call_with_it_due(void *arg)
{
	char c;

	E(pthread_cancel(pthread_self()));
	tell(p[1]); /* a cancellation point, although it need not wait */
	R(read(p[0], &c, 1));
	return arg;
}

CASE_THREADS(due_before_a_call_that_need_not_wait)
{
	char c;

	CHECK_EQ(pipe2(p, O_NONBLOCK), 0);
	end_cancelled(flow(call_with_it_due, NULL));
	R(read(p[0], &c, 1));
}

CASE_THREADS(of_one_that_has_ended)
{
	struct flow *f = flow(in_read, NULL);

	CHECK_EQ(pipe(p), 0);
	pthread_cancel(thread_of(f));
	end_cancelled(f);
}

static void *end_and_wait(void *arg)
{
	step(1);
	return arg;
}

CASE_THREADS(after_the_end)
{
	struct flow *f = flow(end_and_wait, NULL);

	await_step(1);
	usleep(10000);
	E(pthread_cancel(thread_of(f)));
	E(pthread_kill(thread_of(f), 0));
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
}

/* --- Cleanup handlers */

static void *pop_and_exit(void *arg)
{
	pthread_cleanup_push(say_cleanup, "first");
	pthread_cleanup_push(say_cleanup, "second");
	pthread_cleanup_push(say_cleanup, "third");
	pthread_cleanup_pop(1);
	pthread_exit(arg);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
}

CASE_THREADS(cleanup_on_exit)
{
	SAY("result %ld", (long)flow_end(flow(pop_and_exit, (void *)8)));
}

static void *just_return(void *arg)
{
	pthread_cleanup_push(say_cleanup, "popped");
	pthread_cleanup_pop(0);
	return arg;
}

CASE_THREADS(no_cleanup_when_popped)
{
	SAY("result %ld", (long)flow_end(flow(just_return, (void *)8)));
}

static void sleep_in_cleanup(void *arg)
{
	int state;

	(void)arg;
	usleep(5000); /* a cancellation point, but it is on its way out already */
	SAY("slept");
	pthread_testcancel();
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	SAY("state %d", state);
}

static void *in_read_with_slow_cleanup(void *arg)
{
	char c;

	pthread_cleanup_push(sleep_in_cleanup, NULL);
	blocks();
	read(p[0], &c, 1);
	pthread_cleanup_pop(0);
	return arg;
}

CASE_THREADS(cleanup_that_waits)
{
	cancel_in(in_read_with_slow_cleanup);
}

/* --- Thread-specific data */

static void say_value(void *value)
{
	SAY("destructor of %ld", (long)value);
}

static void set_again(void *value)
{
	SAY("destructor of %ld", (long)value);
	CHECK_EQ(pthread_setspecific(key, (char *)value + 1), 0);
}

static void set_the_other(void *value)
{
	SAY("destructor of %ld", (long)value);
	CHECK_EQ(pthread_setspecific(second, (char *)value + 100), 0);
}

static void *set_both(void *arg)
{
	E(pthread_setspecific(key, (void *)1));
	E(pthread_setspecific(second, (void *)2));
	return arg;
}

static void *set_first(void *arg)
{
	E(pthread_setspecific(key, (void *)1));
	return arg;
}

CASE_THREADS(destructors)
{
	E(pthread_key_create(&key, say_value));
	E(pthread_key_create(&second, say_value));
	flow_end(flow(set_both, NULL));
	SAY("mine %ld", (long)pthread_getspecific(key));
}

CASE_THREADS(no_destructor)
{
	E(pthread_key_create(&key, NULL));
	E(pthread_key_create(&second, say_value));
	flow_end(flow(set_both, NULL));
}

CASE_THREADS(destructor_that_sets_again)
{
	E(pthread_key_create(&key, set_again));
	flow_end(flow(set_first, NULL));
}

CASE_THREADS(destructor_that_sets_another)
{
	E(pthread_key_create(&key, set_the_other));
	E(pthread_key_create(&second, say_value));
	flow_end(flow(set_first, NULL));
}

CASE_THREADS(destructor_of_an_earlier_key)
{
	E(pthread_key_create(&second, say_value));
	E(pthread_key_create(&key, set_the_other));
	flow_end(flow(set_first, NULL));
}

static void *set_and_delete(void *arg)
{
	set_both(arg);
	E(pthread_key_delete(key));
	return arg;
}

CASE_THREADS(deleted_key)
{
	E(pthread_key_create(&key, say_value));
	E(pthread_key_create(&second, say_value));
	flow_end(flow(set_and_delete, NULL));
	E(pthread_key_delete(key));
	E(pthread_setspecific(key, (void *)1));
	SAY("%ld", (long)pthread_getspecific(key));
	E(pthread_key_create(&key, say_value)); /* the same number, a new key */
	SAY("%ld", (long)pthread_getspecific(key));
}

CASE_THREADS(bad_keys)
{
	E(pthread_setspecific(5000, (void *)1));
	E(pthread_key_delete(5000));
	SAY("%ld", (long)pthread_getspecific(5000));
}

CASE_THREADS(too_many_keys)
{
	pthread_key_t k;
	int n = 0;

	while (pthread_key_create(&k, NULL) == 0)
		n++;
	SAY("enough: %d", n > PTHREAD_KEYS_MAX - 32 && n <= PTHREAD_KEYS_MAX);
	E(pthread_key_create(&k, NULL));
	E(pthread_key_delete(k));
	E(pthread_key_create(&k, NULL));
}

static void *set_then_exit(void *arg)
{
	pthread_cleanup_push(say_cleanup, "first, then destructors");
	set_both(arg);
	pthread_exit(arg);
	pthread_cleanup_pop(0);
}

CASE_THREADS(cleanup_before_destructors)
{
	E(pthread_key_create(&key, say_value));
	E(pthread_key_create(&second, say_value));
	flow_end(flow(set_then_exit, NULL));
}

static void sleep_in_destructor(void *value)
{
	usleep(5000);
	SAY("destructor of %ld sets %ld", (long)value, (long)pthread_getspecific(key));
}

CASE_THREADS(destructor_that_waits)
{
	E(pthread_key_create(&key, sleep_in_destructor));
	flow_end(flow(set_first, NULL));
}

static void *high_key(void *arg)
{
	E(pthread_setspecific(*(pthread_key_t *)arg, (void *)3)); /* beyond those that need no memory */
	return NULL;
}

CASE_THREADS(key_of_the_second_level)
{
	pthread_key_t k = 0;

	while (k < 100)
		CHECK_EQ(pthread_key_create(&k, say_value), 0);
	flow_end(flow(high_key, &k));
}

CASE_MAIN(destructors_of_main)
{
	E(pthread_key_create(&key, say_value));
	set_first(NULL);
	pthread_exit(NULL);
}
