/* SPDX-License-Identifier: Apache-2.0
 *
 * What belongs to a thread survives its waits: errno, h_errno, __thread variables, the locale set by
 * uselocale, the floating point environment, pthread_self and the cancel state.
 */
#include "calls/blocked.h"
#include <locale.h>
#include <netdb.h>
#ifdef __x86_64__
#include <xmmintrin.h>
#else /* elsewhere <fenv.h> would need another library */
#define _MM_ROUND_NEAREST 0
#define _MM_ROUND_DOWN 0
#define _MM_ROUND_UP 0
#define _MM_SET_ROUNDING_MODE(mode) ((void)(mode))
#define _MM_GET_ROUNDING_MODE() 0
#endif

#define N 10

static _Thread_local int local = 5;
static _Thread_local char zeroed[5000];

static void *worker(void *arg)
{
	int me = *(int *)arg, old;
	locale_t loc = newlocale(LC_ALL_MASK, "C", 0);
	pthread_t self = pthread_self();

	CHECK_EQ(errno, 0);
	CHECK_EQ(local, 5);
	for (size_t i = 0; i < sizeof(zeroed); i++)
		CHECK_EQ(zeroed[i], 0);
	CHECK(uselocale(0) == LC_GLOBAL_LOCALE);
	CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
	CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
	_MM_SET_ROUNDING_MODE(me % 2 ? _MM_ROUND_UP : _MM_ROUND_DOWN);
	uselocale(loc);
	local = me;
	memset(zeroed, me, sizeof(zeroed));
	errno = 1000 + me;
	h_errno = 2000 + me;
	for (int i = 0; i < 5; i++) {
		if (i % 2)
			sched_yield();
		else
			usleep(200);
		CHECK_EQ(errno, 1000 + me);
		CHECK_EQ(h_errno, 2000 + me);
		CHECK_EQ(local, me);
		CHECK_EQ(zeroed[4999], me);
		CHECK(uselocale(0) == loc);
		CHECK_EQ(_MM_GET_ROUNDING_MODE(), me % 2 ? _MM_ROUND_UP : _MM_ROUND_DOWN);
		CHECK(pthread_equal(self, pthread_self()));
	}
	CHECK_EQ(pthread_setcancelstate(old, &old), 0);
	CHECK_EQ(old, PTHREAD_CANCEL_DISABLE);
	return NULL;
}

int main(void)
{
	int ids[N];
	pthread_t t[N];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			ids[i] = i + 1;
			t[i] = start(worker, &ids[i]);
		}
		for (int i = 0; i < N; i++)
			finish(t[i]);
	}
	CHECK_EQ(_MM_GET_ROUNDING_MODE(), _MM_ROUND_NEAREST);
	return 0;
}
