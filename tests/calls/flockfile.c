/* SPDX-License-Identifier: Apache-2.0
 *
 * FILE locks: a thread that holds flockfile() across a wait keeps others out of that FILE, whatever stdio
 * call they use, and lets them run; the lock is recursive for its owner.
 */
#include "calls/blocked.h"

static FILE *f;
static int gate[2], stage;

static void *holder(void *arg)
{
	char c;

	flockfile(f);
	flockfile(f);
	fputs("held ", f);
	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 1);
	fputs("still held ", f);
	funlockfile(f);
	sched_yield();
	CHECK_EQ(stage, 0);
	fputs("to the end\n", f);
	funlockfile(f);
	return arg;
}

static void *by_fputs(void *arg)
{
	CHECK(ftrylockfile(f) != 0);
	about_to_block();
	CHECK(fputs("after\n", f) >= 0);
	stage++;
	return arg;
}

static void *by_printf(void *arg)
{
	about_to_block();
	CHECK_EQ(fprintf(f, "after\n"), 6);
	stage++;
	return arg;
}

static void *by_lock(void *arg)
{
	about_to_block();
	flockfile(f);
	fputs("aft", f);
	sched_yield();
	fputs("er\n", f);
	stage++;
	funlockfile(f);
	return arg;
}

int main(void)
{
	pthread_t t[4];
	char line[64];

	f = tmpfile();
	CHECK(f != NULL);
	CHECK_EQ(pipe(gate), 0);
	t[0] = start(holder, NULL);
	await_blocked(1);
	t[1] = start(by_fputs, NULL);
	t[2] = start(by_printf, NULL);
	t[3] = start(by_lock, NULL);
	await_blocked(4);
	CHECK_EQ(stage, 0);
	CHECK_EQ(write(gate[1], "g", 1), 1);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	rewind(f);
	CHECK(fgets(line, sizeof(line), f) != NULL);
	CHECK(!strcmp(line, "held still held to the end\n"));
	for (int i = 0; i < 3; i++) {
		CHECK(fgets(line, sizeof(line), f) != NULL);
		CHECK(!strcmp(line, "after\n"));
	}
	CHECK(fgets(line, sizeof(line), f) == NULL);
	return 0;
}
