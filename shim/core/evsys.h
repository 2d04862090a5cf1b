/* SPDX-License-Identifier: Apache-2.0
 *
 * The door between loop.c and the system calls of libev's object (evsys.c).
 */
#ifndef SYNCLESS_EVSYS_H
#define SYNCLESS_EVSYS_H

#include "base.h"

/* libev's own descriptors: a forked child closes its copies, the application's close_range() must not. */
extern int evsys_epoll_fd, evsys_event_fd;
/* When the poll that is about to start must be back; 0: at once, NEVER: an event only. */
extern deadline_t evsys_sleep_until;

#endif
