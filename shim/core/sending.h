/* SPDX-License-Identifier: Apache-2.0
 *
 * What a blocking send is told of a broken connection.  The kernel's own wait for room tells it otherwise than a try
 * that finds it broken: a unix socket its pending error first, and no SIGPIPE; and after the first bytes nothing at
 * all, so that the next call is told.
 */
#ifndef SYNCLESS_SENDING_H
#define SYNCLESS_SENDING_H

#include <sys/uio.h>
#include "base.h"
#include "wait.h"

/* What a try of w's call adds to the caller's flags for send(2). */
int sending_flags(const struct io_wait *w);
/* A try has failed for good, with nothing sent.  Which error to tell; raises the SIGPIPE that sending_flags() held
 * back, unless the caller has said MSG_NOSIGNAL. */
int sending_error(const struct io_wait *w, int err, int flags);
/* wait_io(), which is also over (-EPIPE) when the connection breaks after the first bytes. */
int sending_wait(struct io_wait *w);

/* pwritev2(2) on a pipe, with a SIGPIPE for the calling coroutine, not its kernel thread.  -errno. */
long sending_to_pipe(struct coro *me, int fd, const struct iovec *iov, int n);

#endif
