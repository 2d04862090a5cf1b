/* SPDX-License-Identifier: Apache-2.0
 *
 * The border of shim/core/coro.h itself, between two kernel threads: coro_here(), coro_may_park() and
 * coro_leave() as they are compiled, with a monitor that takes the scheduler away as often as it can.
 *
 * The monitor is the new host, too, until the other comes back; so nothing is switched.  What only the host may
 * touch is plain memory: two that are inside at once are a failed CHECK, or, with -fsanitize=thread, a race.
 * That they never are, handoff.pml tells.  This tells of the code whether it is what was modelled, and not for
 * sure: without the barrier some runs in ten fail.
 */
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include "coro.h"
#include "handoff.h"
#include "test.h"

#define TRIES 30000
#define HANDOFFS 200

__thread struct coro *coro_self __attribute__((tls_model("initial-exec")));
struct sched sched;

static struct seat first;
static struct coro main_flow = { .outside = &first.outside };

static const char *inside; /* the host's */
static long visits;

static _Atomic(struct coro *) came;
static _Atomic bool turn, settling, is_over;

bool sig_in_handler(void)
{
	return false;
}

bool handoff_settle(struct coro *me)
{
	atomic_store(&settling, true);
	while (atomic_load_explicit(&sched.wanted, memory_order_acquire))
		sched_yield();
	atomic_store(&settling, false);
	return !(atomic_load_explicit(&me->keeps, memory_order_acquire) & KEEPS_ALONE);
}

bool handoff_come_back(struct coro *me)
{
	atomic_store(&came, me);
	while (!atomic_exchange(&turn, false))
		sched_yield();
	return true;
}

static void visit(const char *who)
{
	CHECK(inside == NULL);
	inside = who;
	atomic_signal_fence(memory_order_seq_cst);
	visits++;
	CHECK(inside == who);
	inside = NULL;
}

static void call_that_never_parks(void)
{
	if (coro_here())
		visit("never parks");
	coro_leave(0);
}

static void call_that_may_park(void)
{
	CHECK(coro_may_park() == &main_flow);
	visit("may park");
	coro_leave(0);
}

/* About as long as the monitor's barrier takes; else its look would hardly ever find the other outside. */
static void compute(unsigned *seed)
{
	for (volatile int n = rand_r(seed) % 16384; n > 0; n--)
		;
}

static void *application(void *arg)
{
	unsigned seed = 1;

	coro_self = arg;
	while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
		for (int n = rand_r(&seed) % 256; n > 0; n--)
			call_that_never_parks();
		if (rand_r(&seed) % 64 == 0)
			compute(&seed);
		call_that_may_park();
	}
	return NULL;
}

static void be_host(void)
{
	struct coro *co;

	while (!(co = atomic_exchange(&came, NULL))) {
		visit("another");
		sched_yield();
	}
	atomic_fetch_and(&co->keeps, ~KEEPS_ALONE);
	atomic_store(&turn, true);
}

/* handoff.c's try_now().  Its next one is a millisecond away, so nobody still waits for the last. */
static bool try_to_hand_off(void)
{
	bool done;

	while (atomic_load(&settling))
		sched_yield();
	atomic_store(&sched.wanted, true);
	CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
	done = atomic_load(&first.outside);
	if (done) {
		visit("the monitor");
		atomic_fetch_or(&main_flow.keeps, KEEPS_ALONE);
	}
	atomic_store(&sched.wanted, false);
	return done;
}

int main(void)
{
	int handoffs = 0, tries = 0;
	pthread_t t;

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0)
		SKIP("no membarrier()");
	CHECK_EQ(pthread_create(&t, NULL, application, &main_flow), 0);
	for (; handoffs < HANDOFFS || tries < TRIES; tries++)
		if (try_to_hand_off()) {
			be_host();
			handoffs++;
		}
	atomic_store(&is_over, true);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK(inside == NULL && visits > handoffs);
	return 0;
}
