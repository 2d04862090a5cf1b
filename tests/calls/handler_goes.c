/* SPDX-License-Identifier: Apache-2.0
 *
 * env: SYNCLESS_CHAOS=handoff
 *
 * What came before main's handler went is for that handler, whichever kernel thread was given it: a timer that
 * has been stopped does not end a process that then takes its handler away, and does not reach another handler
 * that is set then.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/time.h>

#define ROUNDS 400
#define THREADS 2

static volatile int came, came_late;
static _Atomic bool done;

static void handler(int sig)
{
	(void)sig;
	came++;
}

static void next_handler(int sig)
{
	(void)sig;
	came_late++;
}

static void set_timer(int us)
{
	struct itimerval it = { .it_interval.tv_usec = us, .it_value.tv_usec = us };

	CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
}

/* It often loses the scheduler, and is then met by signals of the process. */
static void *nap_and_compute(void *arg)
{
	while (!done) {
		usleep(500);
		for (volatile int i = 0; i < 300000; i++)
			;
	}
	return arg;
}

int main(void)
{
	void (*const after[])(int) = { SIG_DFL, SIG_IGN, next_handler };
	pthread_t t[THREADS];

	if (is_emulated("qemu keeps a signal, and asks for its action later"))
		return 0;
	for (int i = 0; i < THREADS; i++)
		t[i] = start(nap_and_compute, NULL);

	for (int i = 0; i < ROUNDS; i++) {
		on_signal(SIGALRM, handler, i % 2 ? SA_RESTART : 0);
		set_timer(100);
		poll(NULL, 0, 0); /* has the scheduler again, on whichever kernel thread */
		for (int64_t end = mono_ms() + 4; mono_ms() < end;)
			;
		set_timer(0);
		on_signal(SIGALRM, after[i % 3], 0);
		poll(NULL, 0, 0);
		CHECK_EQ(came_late, 0);
	}
	CHECK(came > 0);
	done = true;
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	return 0;
}
