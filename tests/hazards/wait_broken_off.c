/* SPDX-License-Identifier: Apache-2.0
 *
 * A wait in the kernel that a signal breaks off just when its end comes: either the call has what it waited
 * for, or somebody else can have it.  Units of a semaphore, messages and locks are counted.
 */
#include "calls/blocked.h"
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#define THREADS 4
#define ROUNDS 150

struct message {
	long type;
	char byte;
};

static int set, queue;
static _Atomic int taken, received, interrupted, has_lock, stop;

static void nothing(int sig)
{
	(void)sig;
}

static void *takes_units(void *arg)
{
	struct sembuf op = { 0, -1, 0 };

	(void)arg;
	while (!stop) {
		if (semop(set, &op, 1) == 0) {
			taken++;
		} else {
			CHECK_EQ(errno, EINTR);
			interrupted++;
		}
	}
	return NULL;
}

static void *takes_messages(void *arg)
{
	struct message m;
	ssize_t n;

	(void)arg;
	while (!stop) {
		n = msgrcv(queue, &m, 1, 0, 0);
		if (n == 1) {
			received++;
		} else {
			CHECK_EQ(errno, EINTR);
			interrupted++;
		}
	}
	return NULL;
}

static void *takes_lock(void *arg)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)arg;
	CHECK(fd != -1);
	while (!stop) {
		if (flock(fd, LOCK_EX) == 0) {
			CHECK_EQ(has_lock++, 0);
			sched_yield();
			CHECK_EQ(--has_lock, 0);
			CHECK_EQ(flock(fd, LOCK_UN), 0);
			taken++;
		} else {
			CHECK_EQ(errno, EINTR);
			interrupted++;
		}
		sched_yield();
	}
	close(fd);
	return NULL;
}

static void gives_unit(void)
{
	struct sembuf op = { 0, 1, 0 };

	CHECK_EQ(semop(set, &op, 1), 0);
}

static void gives_message(void)
{
	struct message m = { 1, 'x' };

	CHECK_EQ(msgsnd(queue, &m, 1, 0), 0);
}

static void signal_all(pthread_t *t)
{
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_kill(t[i], SIGUSR1), 0);
}

/* Until all of them have seen `stop`: a signal may come before a wait begins. */
static void end_all(pthread_t *t)
{
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		while (pthread_tryjoin_np(t[i], NULL) != 0) {
			pthread_kill(t[i], SIGUSR1);
			usleep(1000);
		}
}

static void rounds(void *(*takes)(void *), void (*gives)(void))
{
	pthread_t t[THREADS];

	stop = 0;
	for (int i = 0; i < THREADS; i++)
		t[i] = start(takes, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 3)
			signal_all(t);
		if (gives)
			gives();
		if (i % 3 == 0)
			signal_all(t);
		if (i % 4 == 0)
			usleep(200);
		else
			sched_yield();
	}
	end_all(t);
}

int main(void)
{
	struct msqid_ds ds;

	on_signal(SIGUSR1, nothing, 0);
	set = semget(IPC_PRIVATE, 1, 0600);
	CHECK(set != -1);
	CHECK_EQ(semctl(set, 0, SETVAL, 0), 0);
	rounds(takes_units, gives_unit);
	CHECK_EQ(taken + semctl(set, 0, GETVAL), ROUNDS);
	CHECK_EQ(semctl(set, 0, GETNCNT), 0);
	CHECK_EQ(semctl(set, 0, IPC_RMID), 0);

	queue = msgget(IPC_PRIVATE, 0600);
	CHECK(queue != -1);
	rounds(takes_messages, gives_message);
	CHECK_EQ(msgctl(queue, IPC_STAT, &ds), 0);
	CHECK_EQ(received + (int)ds.msg_qnum, ROUNDS);
	CHECK_EQ(msgctl(queue, IPC_RMID, NULL), 0);

	rounds(takes_lock, NULL);
	CHECK(interrupted > 0);
	CHECK_VERIFY();
	return 0;
}
