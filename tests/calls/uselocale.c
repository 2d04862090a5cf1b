/* SPDX-License-Identifier: Apache-2.0
 *
 * uselocale(): each thread's locale is its own across its waits, a new thread has the process's, and a bad one
 * changes nothing.
 */
#include "calls/blocked.h"
#include <locale.h>

extern locale_t __uselocale(locale_t locale); /* what libstdc++ calls */

static locale_t c_locale;
static int gate[2];

static void *in_c(void *arg)
{
	char c;

	CHECK_EQ(uselocale(NULL), LC_GLOBAL_LOCALE);
	CHECK_EQ(__uselocale(c_locale), LC_GLOBAL_LOCALE);
	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 1);
	CHECK_EQ(uselocale(NULL), c_locale);
	CHECK_EQ(uselocale(LC_GLOBAL_LOCALE), c_locale);
	CHECK_EQ(uselocale(NULL), LC_GLOBAL_LOCALE);
	CHECK_EQ(uselocale(c_locale), LC_GLOBAL_LOCALE);
	return arg;
}

static void *in_none(void *arg)
{
	CHECK_EQ(__uselocale(NULL), LC_GLOBAL_LOCALE);
	return arg;
}

int main(void)
{
	pthread_t t;

	c_locale = newlocale(LC_ALL_MASK, "C", NULL);
	CHECK(c_locale);
	CHECK_EQ(pipe(gate), 0);
	t = start(in_c, NULL);
	await_blocked(1);
	CHECK_EQ(uselocale(NULL), LC_GLOBAL_LOCALE);
	finish(start(in_none, NULL));
	CHECK_EQ(write(gate[1], "g", 1), 1);
	finish(t);
	finish(start(in_none, NULL)); /* where the stack of the first one is used again */
	CHECK_EQ(uselocale(NULL), LC_GLOBAL_LOCALE);
	return 0;
}
