/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of an I/O vector that is still to be done.  The caller's vector is not ours to change and a copy
 * of all of it could be 16 kB, so the rest is looked at through a window of a few entries.
 */
#ifndef SYNCLESS_IOV_H
#define SYNCLESS_IOV_H

#include <sys/uio.h>
#include "base.h"

#define IOV_WINDOW 16

static inline size_t iov_total(const struct iovec *iov, size_t n)
{
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += iov[i].iov_len;
	return total;
}

/* The next bytes, at most `limit`, of the vector after `skip`.  Returns how many entries of win are used. */
static inline int iov_window(struct iovec *win, const struct iovec *iov, size_t n, size_t skip, size_t limit)
{
	int used = 0;

	for (size_t i = 0; i < n && used < IOV_WINDOW && limit > 0; i++) {
		size_t len = iov[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		len -= skip;
		if (len > limit)
			len = limit;
		win[used++] = (struct iovec){ (char *)iov[i].iov_base + skip, len };
		limit -= len;
		skip = 0;
	}
	return used;
}

#endif
