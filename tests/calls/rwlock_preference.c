/* SPDX-License-Identifier: Apache-2.0
 *
 * Which side a read-write lock prefers while a writer waits: by default a new reader still gets in (so
 * that a reader may read again), with PREFER_WRITER_NONRECURSIVE it waits behind the writer.
 */
#include "calls/blocked.h"

static pthread_rwlock_t rw;
static int order, writer_came, reader_came;

static void *writer(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
	writer_came = ++order;
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	return arg;
}

static void *reader(void *arg)
{
	about_to_block();
	CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
	reader_came = ++order;
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	return arg;
}

static void init(int kind)
{
	pthread_rwlockattr_t attr;
	int got;

	CHECK_EQ(pthread_rwlockattr_init(&attr), 0);
	CHECK_EQ(pthread_rwlockattr_setkind_np(&attr, kind), 0);
	CHECK_EQ(pthread_rwlockattr_getkind_np(&attr, &got), 0);
	CHECK_EQ(got, kind);
	CHECK_EQ(pthread_rwlock_init(&rw, &attr), 0);
	CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
}

int main(void)
{
	pthread_t r, w;

	init(PTHREAD_RWLOCK_PREFER_READER_NP);
	w = start(writer, NULL);
	await_blocked(1);
	CHECK_EQ(pthread_rwlock_rdlock(&rw), 0);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	finish(start(reader, NULL));
	CHECK_EQ(writer_came, 0);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	finish(w);
	CHECK_EQ(pthread_rwlock_destroy(&rw), 0);

	order = writer_came = reader_came = 0;
	init(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	w = start(writer, NULL);
	await_blocked(3);
	CHECK_EQ(pthread_rwlock_tryrdlock(&rw), EBUSY);
	r = start(reader, NULL);
	await_blocked(4);
	CHECK_EQ(order, 0);
	CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
	finish(w);
	finish(r);
	CHECK_EQ(writer_came, 1);
	CHECK_EQ(reader_came, 2);
	CHECK_EQ(pthread_rwlock_destroy(&rw), 0);
	return 0;
}
