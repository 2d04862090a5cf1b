/* SPDX-License-Identifier: Apache-2.0
 *
 * The door between loop.c and the system calls of libev's object (evsys.c; those of io_uring: evuring.c).
 */
#ifndef SYNCLESS_EVSYS_H
#define SYNCLESS_EVSYS_H

#include <limits.h>
#include "base.h"

/* libev's own descriptors, -1 where there is none: the set, the eventfd, io_uring's ring and its timer. */
extern int evsys_own[4];
extern int evsys_epoll_fd; /* one of them */

/* The lowest of libev's own descriptors from fd on; UINT_MAX: none. */
static inline unsigned evsys_next_own(unsigned fd)
{
	unsigned next = UINT_MAX;

	for (size_t i = 0; i < ARRAY_LEN(evsys_own); i++)
		if ((unsigned)evsys_own[i] >= fd && (unsigned)evsys_own[i] < next)
			next = (unsigned)evsys_own[i];
	return next;
}

/* When the poll that is about to start must be back; 0: at once, NEVER: an event only. */
extern deadline_t evsys_sleep_until;
/* How long a poll may sleep that libev lets sleep or not; NULL: until an event. */
struct timespec *evsys_sleep(bool sleeps, struct timespec *ts);

/* libev aborts when it is given no eventfd, so there is one before its loop is made.  0, or -1 and errno. */
int evsys_make_event_fd(void);
/* Of a loop that came to nothing, or the copies of a forked child. */
void evsys_close_own(void);

/* io_uring's two calls, and where libev maps the ring (evuring.c).  A descriptor or -errno; to_submit. */
struct io_uring_params;
long evuring_setup(unsigned entries, struct io_uring_params *params);
unsigned evuring_enter(unsigned to_submit, bool sleeps);
void evuring_mapped(int fd, int64_t offset, void *where);
/* Before each round of libev's. */
void evuring_collect(void);

#endif
