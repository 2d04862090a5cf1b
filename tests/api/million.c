/* SPDX-License-Identifier: Apache-2.0
 * timeout: 120
 *
 * A million coroutines, a thousand at a time, and no growth over ten rounds of them; a hundred thousand at once.
 */
#include "api/coroutines.h"

enum { ROUND = 100000, BATCH = 1000 };

static void *yields(void *arg)
{
	syncless_yield();
	return arg;
}

static long resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long total, resident;

	CHECK(f && fscanf(f, "%ld %ld", &total, &resident) == 2);
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void run_round(void)
{
	static syncless_co *co[BATCH];

	for (int done = 0; done < ROUND; done += BATCH) {
		for (long i = 0; i < BATCH; i++)
			co[i] = spawn(yields, (void *)i);
		for (long i = 0; i < BATCH; i++)
			CHECK_EQ(join(co[i]), i);
	}
}

int main(void)
{
	static syncless_co *all[ROUND];
	struct syncless_stats stats = { .size = sizeof(stats) };
	long after_second = 0, at_once;

	NEED_LIBRARY();
	for (int round = 0; round < 10; round++) {
		run_round();
		if (round == 1)
			after_second = resident_kb();
	}
	CHECK(resident_kb() - after_second < 1024);
	at_once = is_emulated("a guard takes a mapping, and there are 65,530") ? ROUND / 5 : ROUND;
	for (long i = 0; i < at_once; i++)
		all[i] = spawn(yields, (void *)i);
	syncless_get_stats(&stats);
	CHECK_EQ(stats.coroutines, at_once);
	for (long i = 0; i < at_once; i++)
		CHECK_EQ(join(all[i]), i);
	CHECK_VERIFY();
	return 0;
}
