// SPDX-License-Identifier: Apache-2.0
/*
 * What a call costs that has no reason to park, in ns.
 *
 *     passthrough alone|beside
 *
 * The same program runs with and without the preload; the difference is the
 * preload's.  The calls are the cheapest of their families: locks that are
 * free, which never enter the kernel, calls on a bad descriptor, which leave it
 * at once, and a recv on an empty socket that the program made non-blocking.  A call is timed in many short blocks and the fastest block
 * counts: noise only ever adds.
 *
 * "alone" is law 1: no thread but the caller.  "beside" first starts a thread
 * that sleeps until the end; with SYNCLESS_THREADS=all that one is green and
 * the caller runs on a host.  Prints one line "NAME NS" a call.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS 1000
#define CALLS 200

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t tokens, over;
static char byte;
static int empty[2]; /* a non-blocking socket pair */

static void call_mutex(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

static void call_sem(void)
{
	sem_trywait(&tokens);
}

static void call_recv(void)
{
	recv(-1, &byte, 1, 0);
}

static void call_recv_empty(void)
{
	recv(empty[0], &byte, 1, 0);
}

static void call_read(void)
{
	if (read(-1, &byte, 1) != -1)
		byte = 0;
}

static void call_poll(void)
{
	poll(NULL, 0, 0);
}

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static double fastest_ns(void (*call)(void))
{
	long long best = 1LL << 62;
	for (int block = 0; block < BLOCKS; block++) {
		long long began = now_ns();
		for (int i = 0; i < CALLS; i++)
			call();
		long long took = now_ns() - began;
		if (took < best)
			best = took;
	}
	return (double)best / CALLS;
}

static void *wait_until_over(void *unused)
{
	sem_wait(&over);
	return unused;
}

int main(int argc, char **argv)
{
	const struct {
		const char *name;
		void (*call)(void);
		int count; /* interposed calls in one of these */
	} calls[] = {
		{ "mutex_lock,unlock", call_mutex, 2 },
		{ "sem_trywait", call_sem, 1 },
		{ "recv(-1)", call_recv, 1 },
		{ "recv(empty)", call_recv_empty, 1 },
		{ "read(-1)", call_read, 1 },
		{ "poll(NULL,0,0)", call_poll, 1 },
	};
	pthread_t sleeper;
	int beside = argc == 2 && strcmp(argv[1], "beside") == 0;
	sem_init(&tokens, 0, 0);
	sem_init(&over, 0, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, empty) == -1)
		return 1;
	if (beside && pthread_create(&sleeper, NULL, wait_until_over, NULL) != 0)
		return 1;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		printf("%s %.3f\n", calls[i].name, fastest_ns(calls[i].call) / calls[i].count);
	if (beside) {
		sem_post(&over);
		pthread_join(sleeper, NULL);
	}
	return 0;
}
