/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of a green thread: a real pthread of glibc whose kernel thread has ended.
 */
#ifndef SYNCLESS_BODY_H
#define SYNCLESS_BODY_H

#include "thread.h"

/* A body for this attr (NULL: the defaults): an idle one, or a new one.  0 or an error number;
 * GREEN_NOT_HERE when glibc and we do not understand each other. */
int body_take(const pthread_attr_t *attr, struct green **g);

/* The thread on it has ended and was joined or detached; nobody runs on its stack.  From any thread. */
void body_give(struct green *g);

/* The body becomes a flow that no coroutine is: it is entered by a switch on a kernel thread that is not the
 * host, and flow(arg) never returns. */
void body_make_seat(struct green *g, void *(*flow)(void *), void *arg);

/* What a new body runs each time it is switched to for a new life (green.c). */
void green_live(struct green *g);

/* The place of the tid in glibc's record, and what else must be known.  0 or -ENOSYS. */
int body_init(void);

/* The tid of the next green thread: above any of the kernel's, below FUTEX_TID_MASK. */
int body_next_tid(void);

#endif
