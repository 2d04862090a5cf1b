/* SPDX-License-Identifier: Apache-2.0
 *
 * Values are each coroutine's and each thread's own, and are destroyed at the end.
 */
#include "api/coroutines.h"

static unsigned key;
static int destroyed;

static void destroy(void *value)
{
	destroyed += (int)(long)value;
}

static void *uses(void *arg)
{
	CHECK(!syncless_get(key));
	CHECK_EQ(syncless_set(key, arg), 0);
	syncless_yield();
	CHECK_EQ(syncless_get(key), arg);
	return NULL;
}

int main(void)
{
	syncless_co *a, *b;
	unsigned more, n = 0;

	NEED_LIBRARY();
	CHECK_EQ(syncless_key_create(&key, destroy), 0);
	CHECK_EQ(syncless_set(key, &key), 0);
	a = spawn(uses, (void *)1);
	b = spawn(uses, (void *)10);
	join(a);
	join(b);
	CHECK_EQ(destroyed, 11);
	CHECK_EQ(pthread_join(start(uses, (void *)100), NULL), 0);
	CHECK_EQ(destroyed, 111);
	CHECK_EQ(syncless_get(key), &key);
	syncless_set(key, NULL);
	while (syncless_key_create(&more, NULL) == 0)
		n++;
	CHECK_EQ(n, 63);
	CHECK_VERIFY();
	return 0;
}
