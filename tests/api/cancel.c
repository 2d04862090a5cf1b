/* SPDX-License-Identifier: Apache-2.0
 *
 * syncless_cancel() and syncless_deadline(): the call that waits fails, and so do later ones; what need not wait
 * works on; mutexes are not given up.
 */
#include "api/coroutines.h"
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <time.h>

static int s[2];
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void *waits(void *arg)
{
	struct pollfd p = { .fd = s[0], .events = POLLIN };
	struct timespec minute = { .tv_sec = 60 };
	int err = (int)(long)arg;
	char c;

	CHECK_ERRNO(recv(s[0], &c, 1, 0), err);
	CHECK_ERRNO(poll(&p, 1, -1), err);
	CHECK_ERRNO(poll(&p, 1, 60000), err);
	CHECK_ERRNO(read(s[0], &c, 1), err);
	CHECK_ERRNO(sem_wait(&sem), err);
	CHECK_ERRNO(nanosleep(&minute, NULL), err);
	CHECK_ERRNO(syncless_sleep(1000000000), err);
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	CHECK_EQ(pthread_cond_wait(&cond, &mutex), err);
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	CHECK_EQ(send(s[0], "x", 1, 0), 1);
	CHECK_EQ(recv(s[1], &c, 1, 0), 1);
	return arg;
}

static void *hits_deadline(void *arg)
{
	int64_t left;

	CHECK_EQ(syncless_deadline(20000000), -1);
	waits((void *)(long)ETIME);
	left = syncless_deadline(-1);
	CHECK_EQ(left, 0);
	CHECK_EQ(syncless_sleep(1000000), 0);
	CHECK_EQ(syncless_deadline(-1), -1);
	return arg;
}

static void *own_timeout_comes_first(void *arg)
{
	struct timeval tv = { .tv_usec = 5000 };
	char c;

	CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	syncless_deadline(60000000000);
	CHECK_ERRNO(recv(s[0], &c, 1, 0), EAGAIN);
	tv.tv_usec = 0;
	CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	return arg;
}

static void *holds(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	syncless_yield();
	syncless_yield();
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	return arg;
}

static void *locks(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(&mutex), 0);
	CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
	return arg;
}

static void *joins(void *arg)
{
	CHECK_EQ(syncless_join(arg, NULL), ECANCELED);
	return NULL;
}

int main(void)
{
	syncless_co *co, *other;

	NEED_LIBRARY();
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(sem_init(&sem, 0, 0), 0);

	co = spawn(waits, (void *)(long)ECANCELED);
	syncless_yield();
	syncless_cancel(co);
	CHECK_EQ(join(co), ECANCELED);

	co = spawn(waits, (void *)(long)ECANCELED); /* before it has begun */
	syncless_cancel(co);
	CHECK_EQ(join(co), ECANCELED);

	join(spawn(hits_deadline, NULL));
	join(spawn(own_timeout_comes_first, NULL));

	other = spawn(holds, NULL);
	syncless_yield();
	co = spawn(locks, NULL);
	syncless_yield();
	syncless_cancel(co);
	join(co);
	join(other);

	other = spawn(waits, (void *)(long)ECANCELED);
	co = spawn(joins, other);
	syncless_yield();
	syncless_cancel(co);
	join(co);
	syncless_cancel(other);
	join(other);
	CHECK_VERIFY();
	return 0;
}
