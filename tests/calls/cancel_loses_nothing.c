/* SPDX-License-Identifier: Apache-2.0
 *
 * A cancelled wait takes nothing with it: bytes, semaphore tokens, connections and signals of conditions that
 * come afterwards go to the next waiter; and a thread that cancels itself ends at its next call.
 */
#include "calls/blocked.h"
#include <semaphore.h>

static int p[2];
static sem_t sem;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static bool ready;

static void *reader(void *arg)
{
	char b;

	about_to_block();
	CHECK_EQ(read(p[0], &b, 1), 1);
	return arg;
}

static void *taker(void *arg)
{
	about_to_block();
	CHECK_EQ(sem_wait(&sem), 0);
	return arg;
}

static void unlock(void *arg)
{
	CHECK_EQ(pthread_mutex_unlock(arg), 0);
}

static void *cond_waiter(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	pthread_cleanup_push(unlock, &m);
	about_to_block();
	while (!ready)
		CHECK_EQ(pthread_cond_wait(&c, &m), 0);
	pthread_cleanup_pop(1);
	return arg;
}

static void *cancels_itself(void *arg)
{
	CHECK_EQ(pthread_cancel(pthread_self()), 0);
	usleep(1);
	return arg;
}

static void give_byte(void)
{
	CHECK_EQ(write(p[1], "x", 1), 1);
}

static void give_token(void)
{
	CHECK_EQ(sem_post(&sem), 0);
}

static void give_signal(void)
{
	CHECK_EQ(pthread_mutex_lock(&m), 0);
	ready = true;
	CHECK_EQ(pthread_cond_signal(&c), 0);
	CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

static void check(void *(*fn)(void *), void (*give)(void))
{
	static int blocked;
	pthread_t a = start(fn, NULL), b;

	await_blocked(++blocked);
	b = start(fn, &b);
	await_blocked(++blocked);
	CHECK_EQ(pthread_cancel(a), 0);
	CHECK(finish(a) == PTHREAD_CANCELED);
	give();
	CHECK(finish(b) == &b);
}

int main(void)
{
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(sem_init(&sem, 0, 0), 0);
	check(reader, give_byte);
	check(taker, give_token);
	check(cond_waiter, give_signal);
	CHECK(finish(start(cancels_itself, NULL)) == PTHREAD_CANCELED);
	return 0;
}
