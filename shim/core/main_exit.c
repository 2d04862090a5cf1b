/* SPDX-License-Identifier: Apache-2.0
 *
 * main's pthread_exit.  glibc unwinds to below main() and destroys thread-specific data in rounds before it
 * ends the kernel thread; that thread is the host, so in the last round we do not come back: it drives the
 * loop until the last green thread has ended, which ends the process with 0.
 *
 * Programs let threads use variables of main() after that, which natively stay as they were, for nobody
 * runs on that stack again.  Here somebody does, so what main's frames held is saved, and put back from a place
 * below all of them.
 */
#include "thread.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "handoff.h"
#include "libc.h"

static pthread_key_t key;
static bool gone; /* joiners wait on its address */
static void *value_of_main;
static struct {
	char *low; /* where the stack ended at pthread_exit */
	char *copy;
	size_t size;
	int round;
} saved;

#define COPY_MAX (4 << 20)

__attribute__((noinline, no_sanitize_address)) static void save_main_stack(void)
{
	extern void *__libc_stack_end;

	saved.low = __builtin_frame_address(0);
	saved.size = (size_t)((char *)__libc_stack_end - saved.low);
	if (saved.size < COPY_MAX)
		saved.copy = malloc(saved.size);
	if (saved.copy)
		memcpy(saved.copy, saved.low, saved.size);
}

/* Runs below saved.low.  `used` is as high as frames of ours and libc's have come meanwhile. */
__attribute__((noinline, noreturn, no_sanitize_address)) static void park_main(char *used)
{
	size_t changed = used > saved.low ? (size_t)(used - saved.low) : 0;

	handoff_must_come_back(sched.main);
	if (saved.copy)
		memcpy(saved.low, saved.copy, changed < saved.size ? changed : saved.size);
	gone = true;
	waitq_wake(&gone, INT_MAX);
	while (atomic_load(&green_alive) > 0)
		sched_park(sched.main, "pthread_exit", -1);
	exit(0);
}

static void on_main_exit(void *value)
{
	char *here = __builtin_frame_address(0);
	volatile char *room;

	if (++saved.round < PTHREAD_DESTRUCTOR_ITERATIONS) {
		pthread_setspecific(key, value);
		return;
	}
	room = __builtin_alloca(here > saved.low ? (size_t)(here - saved.low) + 4096 : 16);
	room[0] = 0;
	park_main(here + 512);
}

void main_exit_begins(struct coro *me, void *result)
{
	value_of_main = result;
	if (pthread_key_create(&key, on_main_exit) != 0)
		return;
	pthread_setspecific(key, me);
	save_main_stack();
}

void main_exit_last_ended(void)
{
	if (gone)
		coro_ready(sched.main);
}

int main_exit_join(struct coro *me, void **result, deadline_t until)
{
	struct waiter *w = &me->waiter;
	int r = 0;

	while (!gone && r == 0) {
		waitq_add(w, &gone);
		r = waitq_wait(w, until, WAITQ_CANCEL, "pthread_join");
		if (r == -ECANCELED)
			r = coro_ended_early(me);
	}
	if (gone && result)
		*result = value_of_main;
	return -r;
}
