/* SPDX-License-Identifier: Apache-2.0
 *
 * io_uring under libev's back end of 2019, at its two system calls: what that takes for granted of the ring and
 * later kernels do not grant, and how long to sleep.
 *
 * A request to poll holds the open file, so a removal that fails keeps a closed socket alive.  libev reuses the
 * entries of the queue without clearing them, and since Linux 5.13 a removal with events in it is an error.
 *
 * libev aborts on a poll that fails: of a number that somebody closed behind us, of a terminal that
 * changed its mode.  Such a failure becomes an event, and whoever waits finds out by his own call.  To have
 * seen them before libev does, completions are taken in nowhere but in our own calls (DEFER_TASKRUN, Linux
 * 6.1; on older kernels there is no io_uring), one of which comes before each round of libev's, if there are
 * any (TASKRUN_FLAG).
 *
 * Instead of libev's timerfd, the call that waits is given the time.
 */
#include <linux/io_uring.h>
#include <poll.h>
#include "evsys.h"
#include "raw.h"

#ifndef IORING_SETUP_DEFER_TASKRUN /* headers older than the kernel */
#define IORING_SETUP_TASKRUN_FLAG  (1U << 9)
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#define IORING_SQ_TASKRUN	   (1U << 2)
#endif

/* libev would begin with 32 and 64, and enter the kernel each time 32 watchers have changed. */
#define SUBMISSIONS 256
#define COMPLETIONS 2048

static struct {
	int fd;
	struct io_uring_params params;
	char *submissions, *completions; /* head, tail, mask and array at params' offsets */
	struct io_uring_sqe *entries;
	unsigned cleared; /* the submissions before this one are as they should be */
} ring;

#define SQ(name) ((unsigned *)(ring.submissions + ring.params.sq_off.name))
#define CQ(name) ((unsigned *)(ring.completions + ring.params.cq_off.name))

long evuring_setup(unsigned entries, struct io_uring_params *params)
{
	long fd;

	params->flags |= IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG;
	params->cq_entries = COMPLETIONS;
	fd = raw2(SYS_io_uring_setup, entries > SUBMISSIONS ? entries : SUBMISSIONS, params);
	ring.params = *params;
	ring.cleared = 0;
	return fd == -EINVAL ? -ENOSYS : fd; /* EINVAL: to libev, too many entries */
}

void evuring_mapped(int fd, int64_t offset, void *where)
{
	ring.fd = fd;
	if (offset == IORING_OFF_SQ_RING)
		ring.submissions = where;
	else if (offset == IORING_OFF_CQ_RING)
		ring.completions = where;
	else
		ring.entries = where;
}

/* Returns how many wait to be submitted, those included of which an earlier call was not rid. */
static unsigned clear_removals(void)
{
	unsigned tail = *SQ(tail), mask = *SQ(ring_mask);

	for (; ring.cleared != tail; ring.cleared++) {
		struct io_uring_sqe *e = &ring.entries[SQ(array)[ring.cleared & mask]];

		if (e->opcode == IORING_OP_POLL_REMOVE)
			e->poll32_events = 0;
	}
	return tail - __atomic_load_n(SQ(head), __ATOMIC_ACQUIRE);
}

static void turn_failures_into_events(void)
{
	struct io_uring_cqe *events = (struct io_uring_cqe *)CQ(cqes);
	unsigned tail = __atomic_load_n(CQ(tail), __ATOMIC_ACQUIRE), mask = *CQ(ring_mask);

	for (unsigned i = *CQ(head); i != tail; i++)
		if (events[i & mask].res < 0)
			events[i & mask].res = POLLERR;
}

static void enter(const struct timespec *ts, bool waits)
{
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)ts };

	raw6(SYS_io_uring_enter, ring.fd, clear_removals(), waits, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
	     (long)&arg, sizeof(arg));
	turn_failures_into_events();
}

void evuring_collect(void)
{
	unsigned flags = __atomic_load_n(SQ(flags), __ATOMIC_RELAXED);

	if (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW))
		enter(NULL, false);
}

/* What could not be submitted, for want of memory, is tried again by the next call: libev hears of no failure.
 * Returns to_submit. */
unsigned evuring_enter(unsigned to_submit, bool sleeps)
{
	struct timespec ts, *t = evsys_sleep(sleeps, &ts);

	enter(t, !t || ts.tv_sec || ts.tv_nsec);
	return to_submit;
}
