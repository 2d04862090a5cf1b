/* SPDX-License-Identifier: Apache-2.0
 *
 * libc reuses a stack once the kernel has cleared a word in the thread's record.  The kernel thread on which a
 * green thread was born ends at once; were that word cleared, the stack of a living thread would be handed
 * out again.  Each thread here keeps a pattern on its stack while others come and go.
 */
#include "calls/blocked.h"

#define LIVING 50

static int gate[2];
static char *low[LIVING], *high[LIVING];

static void *keeper(void *arg)
{
	int me = *(int *)arg;
	volatile char mine[8192];
	char c;

	low[me] = (char *)mine;
	high[me] = (char *)mine + sizeof(mine);
	for (size_t i = 0; i < sizeof(mine); i++)
		mine[i] = (char)(me + i);
	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 0);
	for (size_t i = 0; i < sizeof(mine); i++)
		CHECK_EQ(mine[i], (char)(me + i));
	return NULL;
}

static void *passer(void *arg)
{
	volatile char mine[16384];

	memset((char *)mine, 0xee, sizeof(mine));
	for (int i = 0; i < LIVING; i++)
		CHECK((char *)mine >= high[i] || (char *)mine + sizeof(mine) <= low[i]);
	return arg;
}

int main(void)
{
	int ids[LIVING];
	pthread_t t[LIVING];

	CHECK_EQ(pipe(gate), 0);
	for (int i = 0; i < LIVING; i++) {
		ids[i] = i;
		t[i] = start(keeper, &ids[i]);
	}
	await_blocked(LIVING);
	for (int i = 0; i < 200; i++)
		finish(start(passer, NULL));
	CHECK_EQ(close(gate[1]), 0);
	for (int i = 0; i < LIVING; i++)
		finish(t[i]);
	return 0;
}
