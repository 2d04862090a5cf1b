/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies in the storage of the thread that all coroutines share, and is still each one's own: errno,
 * h_errno, the locale, and libcrypto's queue of errors, which one finds as it left it however it was switched
 * away from.
 */
#include "api/coroutines.h"
#include <dlfcn.h>
#include <link.h>
#include <locale.h>
#include <netdb.h>

static void (*put_error)(int library, int reason, const char *format, ...);
static void (*new_error)(void);
static unsigned long (*get_error)(void);
static unsigned long (*peek_error)(void);
static void *(*get_state)(void);
static int (*set_mark)(void);
static int (*pop_to_mark)(void);

static void *own_host_error(void *arg)
{
	CHECK_EQ(h_errno, 0);
	CHECK_EQ(errno, 0);
	h_errno = (int)(long)arg;
	errno = (int)(long)arg + 10;
	for (int i = 0; i < 3; i++) {
		syncless_yield();
		CHECK_EQ(h_errno, (long)arg);
		CHECK_EQ(errno, (long)arg + 10);
	}
	return arg;
}

static locale_t c_locale, utf8_locale;

static void *own_locale(void *arg)
{
	locale_t mine = arg;

	CHECK_EQ(uselocale(NULL), LC_GLOBAL_LOCALE);
	CHECK_EQ(uselocale(mine), LC_GLOBAL_LOCALE);
	for (int i = 0; i < 3; i++) {
		syncless_yield();
		CHECK_EQ(uselocale(NULL), mine);
		CHECK_EQ(MB_CUR_MAX, mine == c_locale ? 1 : 6);
	}
	CHECK_EQ(uselocale(LC_GLOBAL_LOCALE), mine);
	syncless_yield();
	CHECK_EQ(uselocale(NULL), LC_GLOBAL_LOCALE);
	CHECK_EQ(uselocale(mine), LC_GLOBAL_LOCALE);
	return arg;
}

static void *yields(void *arg)
{
	CHECK_EQ(uselocale(NULL), LC_GLOBAL_LOCALE);
	for (int i = 0; i < 3; i++)
		sched_yield();
	CHECK_EQ(uselocale(NULL), LC_GLOBAL_LOCALE);
	return arg;
}

static void check_locale(void)
{
	syncless_co *co[3];
	pthread_t t;

	c_locale = newlocale(LC_ALL_MASK, "C", NULL);
	utf8_locale = newlocale(LC_ALL_MASK, "C.UTF-8", NULL);
	CHECK(c_locale);
	if (!utf8_locale)
		SKIP("no C.UTF-8 here");
	CHECK_EQ(uselocale(utf8_locale), LC_GLOBAL_LOCALE);
	co[0] = spawn(own_locale, c_locale);
	co[1] = spawn(own_locale, utf8_locale);
	co[2] = spawn(own_locale, c_locale);
	t = start(yields, NULL);
	for (int i = 0; i < 3; i++)
		join(co[i]);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_EQ(uselocale(NULL), utf8_locale);
	CHECK_EQ(uselocale(LC_GLOBAL_LOCALE), utf8_locale);
}

static void put(int reason)
{
	new_error();
	put_error(42, reason, NULL);
}

/* The reason in a packed error. */
static unsigned long next_reason(void)
{
	return get_error() & 0xfff;
}

static void *own_errors(void *arg)
{
	int mine = (int)(long)arg;

	CHECK_EQ(peek_error(), 0);
	for (int i = 0; i < 3; i++) {
		put(mine + i);
		syncless_yield();
	}
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(next_reason(), mine + i);
		syncless_yield();
	}
	CHECK_EQ(peek_error(), 0);
	/* A mark is kept as well; the last error is left for nobody. */
	put(mine);
	CHECK_EQ(set_mark(), 1);
	put(mine + 1);
	syncless_yield();
	CHECK_EQ(pop_to_mark(), 1);
	CHECK_EQ(peek_error() & 0xfff, mine);
	return get_state();
}

static void *no_errors(void *arg)
{
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(peek_error(), 0);
		syncless_yield();
	}
	return arg;
}

static void *other_thread(void *arg)
{
	put(7);
	for (int i = 0; i < 5; i++)
		sched_yield();
	CHECK_EQ(next_reason(), 7);
	CHECK_EQ(peek_error(), 0);
	return arg;
}

static void check_errors(void)
{
	enum { N = 20, ROUNDS = 50 };
	static void *states[N * ROUNDS];
	syncless_co *co[N], *quiet;
	int nstates = 0;
	pthread_t t;

	put(300);
	for (int round = 0; round < ROUNDS; round++) {
		for (long i = 0; i < N; i++)
			co[i] = spawn(own_errors, (void *)(i * 10 + 1));
		quiet = spawn(no_errors, NULL);
		t = start(other_thread, NULL);
		for (int i = 0; i < N; i++) {
			void *state = join(co[i]);
			int seen = 0;

			while (seen < nstates && states[seen] != state)
				seen++;
			if (seen == nstates)
				states[nstates++] = state;
		}
		join(quiet);
		CHECK_EQ(pthread_join(t, NULL), 0);
	}
	CHECK_EQ(next_reason(), 300);
	CHECK_EQ(peek_error(), 0);
	/* libcrypto frees none of them, so they must be used again. */
	CHECK(nstates >= N);
	CHECK(nstates <= 2 * N);
}

static bool load_crypto(void)
{
	void *lib = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return false;
	new_error = (__typeof__(new_error))dlsym(lib, "ERR_new");
	put_error = (__typeof__(put_error))dlsym(lib, "ERR_set_error");
	get_error = (__typeof__(get_error))dlsym(lib, "ERR_get_error");
	peek_error = (__typeof__(peek_error))dlsym(lib, "ERR_peek_error");
	get_state = (__typeof__(get_state))dlsym(lib, "ERR_get_state");
	set_mark = (__typeof__(set_mark))dlsym(lib, "ERR_set_mark");
	pop_to_mark = (__typeof__(pop_to_mark))dlsym(lib, "ERR_pop_to_mark");
	return new_error && put_error && get_error && peek_error && get_state && set_mark && pop_to_mark;
}

int main(void)
{
	syncless_co *co[3];

	NEED_LIBRARY();
	h_errno = TRY_AGAIN;
	for (long i = 0; i < 3; i++)
		co[i] = spawn(own_host_error, (void *)(i + 1));
	for (int i = 0; i < 3; i++)
		join(co[i]);
	CHECK_EQ(h_errno, TRY_AGAIN);
	check_locale();
	if (!load_crypto())
		SKIP("no libcrypto.so.3 here");
	check_errors();
	CHECK_VERIFY();
	return 0;
}
