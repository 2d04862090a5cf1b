/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for libev, which ends the process when it gets none.  So it is set aside before libev can want it, at
 * a place that can still say ENOMEM.
 */
#ifndef SYNCLESS_EVHEAP_H
#define SYNCLESS_EVHEAP_H

/* Before a watcher is started on a descriptor below fd_end: 0, and whatever libev wants of evheap_realloc() until the
 * next call, it gets; or -ENOMEM.  Host only. */
int evheap_reserve(int fd_end);

/* realloc() for ev_set_allocator(); a size of 0 frees. */
void *evheap_realloc(void *old, long size);

#endif
