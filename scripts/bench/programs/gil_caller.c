// SPDX-License-Identifier: Apache-2.0
/*
 * A C library with a thread of its own that calls back into Python.
 *
 * The thread is made here and not by the Python runtime, so it stays native in
 * either program.  It takes the GIL again and again, as a callback from an
 * audio or a message queue library does, and records how long each wait took.
 */
#include <Python.h>
#include <pthread.h>
#include <time.h>

static pthread_t thread;
static double *waits_ms;
static int wanted;

int gil_caller_start(double *into, int count);
void gil_caller_join(void);

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void *call_back(void *unused)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	for (int i = 0; i < wanted; i++) {
		double began = now_ms();
		PyGILState_STATE state = PyGILState_Ensure();
		waits_ms[i] = now_ms() - began;
		PyGILState_Release(state);
		nanosleep(&pause, NULL);
	}
	return unused;
}

/* Fills into[0..count); the caller keeps it alive until gil_caller_join. */
int gil_caller_start(double *into, int count)
{
	waits_ms = into;
	wanted = count;
	return pthread_create(&thread, NULL, call_back, NULL);
}

void gil_caller_join(void)
{
	pthread_join(thread, NULL);
}
