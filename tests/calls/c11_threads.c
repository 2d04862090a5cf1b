/* SPDX-License-Identifier: Apache-2.0
 *
 * C11 threads: thrd_create, thrd_join, thrd_exit, thrd_detach, thrd_sleep, thrd_yield, mutexes of each
 * kind, conditions, thread-specific storage; their results are thrd_*, never errno values.
 */
#include "calls/blocked.h"
#include <threads.h>

static mtx_t m, rec, timed;
static cnd_t c;
static tss_t key;
static int flag, destroyed;

static void destroy(void *value)
{
	destroyed += *(int *)value;
}

static int worker(void *arg)
{
	static int one = 1;

	CHECK_EQ(tss_set(key, &one), thrd_success);
	CHECK_EQ(mtx_lock(&m), thrd_success);
	flag++;
	CHECK_EQ(cnd_signal(&c), thrd_success);
	CHECK_EQ(mtx_unlock(&m), thrd_success);
	if (arg)
		thrd_exit(77);
	return 33;
}

static int contender(void *arg)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 10);

	CHECK_EQ(mtx_trylock(&m), thrd_busy);
	CHECK_EQ(mtx_trylock(&rec), thrd_busy);
	CHECK_EQ(mtx_timedlock(&timed, &at), thrd_timedout);
	about_to_block();
	CHECK_EQ(mtx_lock(&rec), thrd_success);
	CHECK_EQ(mtx_unlock(&rec), thrd_success);
	return arg == NULL;
}

int main(void)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 10), nap = ms_span(5);
	thrd_t t;
	int r;

	CHECK_EQ(mtx_init(&m, mtx_plain), thrd_success);
	CHECK_EQ(mtx_init(&rec, mtx_plain | mtx_recursive), thrd_success);
	CHECK_EQ(mtx_init(&timed, mtx_timed), thrd_success);
	CHECK_EQ(cnd_init(&c), thrd_success);
	CHECK_EQ(tss_create(&key, destroy), thrd_success);

	CHECK_EQ(mtx_lock(&m), thrd_success);
	CHECK_EQ(thrd_create(&t, worker, NULL), thrd_success);
	while (!flag)
		CHECK_EQ(cnd_wait(&c, &m), thrd_success);
	CHECK_EQ(cnd_timedwait(&c, &m, &at), thrd_timedout);
	CHECK_EQ(mtx_unlock(&m), thrd_success);
	CHECK_EQ(thrd_join(t, &r), thrd_success);
	CHECK_EQ(r, 33);
	CHECK_EQ(thrd_create(&t, worker, &m), thrd_success);
	CHECK_EQ(thrd_join(t, &r), thrd_success);
	CHECK_EQ(r, 77);
	CHECK_EQ(destroyed, 2);
	CHECK(tss_get(key) == NULL);

	CHECK_EQ(mtx_lock(&m), thrd_success);
	CHECK_EQ(mtx_lock(&rec), thrd_success);
	CHECK_EQ(mtx_lock(&rec), thrd_success);
	CHECK_EQ(mtx_trylock(&rec), thrd_success);
	CHECK_EQ(mtx_lock(&timed), thrd_success);
	CHECK_EQ(thrd_create(&t, contender, NULL), thrd_success);
	await_blocked(1);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(mtx_unlock(&rec), thrd_success);
	CHECK_EQ(thrd_join(t, &r), thrd_success);
	CHECK_EQ(r, 1);
	CHECK_EQ(mtx_unlock(&m), thrd_success);
	CHECK_EQ(cnd_broadcast(&c), thrd_success);
	CHECK_EQ(thrd_sleep(&nap, NULL), 0);
	thrd_yield();
	CHECK(thrd_equal(thrd_current(), thrd_current()));
	CHECK_EQ(thrd_create(&t, worker, NULL), thrd_success);
	CHECK_EQ(thrd_detach(t), thrd_success);
	mtx_lock(&m);
	while (flag < 3)
		cnd_wait(&c, &m);
	mtx_unlock(&m);
	return 0;
}
