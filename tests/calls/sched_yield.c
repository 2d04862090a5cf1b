/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop over sched_yield(), usleep(0), nanosleep of nothing or a non-blocking poll, waiting for a
 * word that another thread will write, ends: each of them lets the others run.
 */
#include "calls/blocked.h"
#include <poll.h>

static _Atomic int turn;

static void yield_by(int way)
{
	struct timespec zero = { 0, 0 };

	switch (way % 5) {
	case 0:
		sched_yield();
		break;
	case 1:
		usleep(0);
		break;
	case 2:
		nanosleep(&zero, NULL);
		break;
	case 3:
		poll(NULL, 0, 0);
		break;
	case 4:
		clock_nanosleep(CLOCK_MONOTONIC, 0, &zero, NULL);
		break;
	}
}

static void *player(void *arg)
{
	int me = *(int *)arg;

	for (int i = 0; i < 50; i++) {
		while (atomic_load(&turn) % 3 != me)
			yield_by(i);
		atomic_fetch_add(&turn, 1);
	}
	return NULL;
}

int main(void)
{
	int ids[] = { 0, 1, 2 };
	pthread_t a = start(player, &ids[1]), b = start(player, &ids[2]);

	player(&ids[0]);
	finish(a);
	finish(b);
	CHECK_EQ(turn, 150);
	return 0;
}
