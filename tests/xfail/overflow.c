/* SPDX-License-Identifier: Apache-2.0
 *
 * A green thread writes behind its block of memory: `make check-asan` must see this, or its silence about
 * the other programs means nothing.
 */
#include "test.h"
#include <sched.h>

static void *worker(void *arg)
{
	volatile char *block = arg;

	sched_yield();
	block[8] = 1;
	return NULL;
}

int main(void)
{
	char *block = (char *)malloc(8);

	CHECK_EQ(pthread_join(start(worker, block), NULL), 0);
	free(block);
	return 0;
}
