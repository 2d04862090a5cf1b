/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what coroutines of syncless.h cost, and swapcontext() beside them, in ns of processor time: a word and a
 * number a line.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>
#include "../../../shim/syncless.h"

#pragma weak syncless_spawn
#pragma weak syncless_join
#pragma weak syncless_yield

enum { COROUTINES = 10, YIELDS = 200000, SPAWNS = 200000, SWAPS = 500000 };

static ucontext_t here, there;

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *yields(void *arg)
{
	for (int i = 0; i < YIELDS; i++)
		syncless_yield();
	return arg;
}

static void *nothing(void *arg)
{
	return arg;
}

static void swaps(void)
{
	for (;;)
		swapcontext(&there, &here);
}

int main(void)
{
	syncless_co *co[COROUTINES];
	double began;

	if (!syncless_spawn)
		return 1;
	began = cpu_ns();
	for (int i = 0; i < COROUTINES; i++)
		co[i] = syncless_spawn(yields, NULL, 0);
	for (int i = 0; i < COROUTINES; i++)
		syncless_join(co[i], NULL);
	printf("yield %.2f\n", (cpu_ns() - began) / COROUTINES / YIELDS);

	began = cpu_ns();
	for (int i = 0; i < SPAWNS; i++)
		syncless_join(syncless_spawn(nothing, NULL, 0), NULL);
	printf("spawn %.2f\n", (cpu_ns() - began) / SPAWNS);

	getcontext(&there);
	there.uc_stack.ss_sp = malloc(65536);
	there.uc_stack.ss_size = 65536;
	makecontext(&there, swaps, 0);
	began = cpu_ns();
	for (int i = 0; i < SWAPS; i++)
		swapcontext(&here, &there);
	printf("swapcontext %.2f\n", (cpu_ns() - began) / SWAPS / 2);
	return 0;
}
