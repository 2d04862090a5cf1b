/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread_cancel(): a deferred request ends the thread in its next blocking call (or in the one it is
 * in), runs its cleanup handlers and destructors, and the join says PTHREAD_CANCELED; while disabled
 * nothing happens; mutex waits are no cancellation point; a condition wait has its mutex again first.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/wait.h>

static int p[2], s[2], listener, ep, cleaned, destroyed;
static sem_t sem;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_key_t key;
static pthread_t forever;

static void clean(void *arg)
{
	cleaned += *(int *)arg;
}

static void destroy(void *value)
{
	(void)value;
	destroyed++;
}

static void in_read(void) { char b; CHECK(read(p[0], &b, 1) == 99); }
static void in_recv(void) { char b; CHECK(recv(s[0], &b, 1, 0) == 99); }
static void in_accept(void) { CHECK(accept(listener, NULL, NULL) == 99); }
static void in_poll(void) { CHECK(poll(NULL, 0, -1) == 99); }
static void in_select(void) { CHECK(select(0, NULL, NULL, NULL, NULL) == 99); }
static void in_sleep(void) { CHECK(sleep(100000) == 99); }
static void in_pause(void) { CHECK(pause() == 99); }
static void in_sem(void) { CHECK(sem_wait(&sem) == 99); }
static void in_join(void) { CHECK(pthread_join(forever, NULL) == 99); }

static void in_epoll(void)
{
	struct epoll_event ev;

	CHECK(epoll_wait(ep, &ev, 1, -1) == 99);
}

static void unlock(void *arg)
{
	CHECK_EQ(pthread_mutex_unlock(arg), 0);
}

static void in_cond(void)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	pthread_cleanup_push(unlock, &m);
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(0);
}

static void (*const calls[])(void) = {
	in_read, in_recv, in_accept, in_poll, in_select, in_sleep, in_pause, in_sem, in_join, in_epoll, in_cond,
};
#define CALLS ((int)(sizeof(calls) / sizeof(calls[0])))

static void *victim(void *arg)
{
	int one = 1, ten = 10;

	CHECK_EQ(pthread_setspecific(key, &key), 0);
	pthread_cleanup_push(clean, &one);
	pthread_cleanup_push(clean, &ten);
	about_to_block();
	calls[*(int *)arg]();
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *disabled(void *arg)
{
	char b;
	int old;

	CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
	CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
	about_to_block();
	CHECK_EQ(read(p[0], &b, 1), 1);
	pthread_testcancel();
	*(int *)arg = 1;
	CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old), 0);
	pthread_testcancel();
	*(int *)arg = 2;
	return NULL;
}

static void *in_mutex(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	*(int *)arg = 3;
	usleep(1); /* the first cancellation point */
	*(int *)arg = 4;
	return NULL;
}

static void *waits_for_ever(void *arg)
{
	about_to_block();
	pause();
	return arg;
}

int main(void)
{
	struct sockaddr_in addr;
	int ids[CALLS], mark = 0, blocked = 1;
	pthread_t t;

	CHECK_EQ(pipe(p), 0);
	stream_pair(s);
	listener = tcp_listener(&addr, 1);
	ep = epoll_create1(EPOLL_CLOEXEC);
	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	CHECK_EQ(pthread_key_create(&key, destroy), 0);
	forever = start(waits_for_ever, NULL);
	for (int i = 0; i < CALLS; i++) {
		ids[i] = i;
		cleaned = destroyed = 0;
		t = start(victim, &ids[i]);
		await_blocked(++blocked);
		CHECK_EQ(pthread_cancel(t), 0);
		CHECK(finish(t) == PTHREAD_CANCELED);
		CHECK_EQ(cleaned, 11);
		CHECK_EQ(destroyed, 1);
	}
	CHECK_EQ(pthread_mutex_trylock(&m), 0); /* the cancelled condition wait had it again and let go */

	t = start(in_mutex, &mark);
	await_blocked(++blocked);
	CHECK_EQ(pthread_cancel(t), 0);
	sched_yield();
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
	CHECK(finish(t) == PTHREAD_CANCELED);
	CHECK_EQ(mark, 3);

	t = start(disabled, &mark);
	await_blocked(++blocked);
	CHECK_EQ(pthread_cancel(t), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK(finish(t) == PTHREAD_CANCELED);
	CHECK_EQ(mark, 1);
	CHECK_EQ(pthread_cancel(forever), 0);
	CHECK(finish(forever) == PTHREAD_CANCELED);
	CHECK_VERIFY();
	return 0;
}
