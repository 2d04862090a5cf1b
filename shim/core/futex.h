/* SPDX-License-Identifier: Apache-2.0
 *
 * futex(2) for coroutines and native threads, of which libstdc++, Rust, GLib and abseil make their locks.
 */
#ifndef SYNCLESS_FUTEX_H
#define SYNCLESS_FUTEX_H

/* The call with number n and arguments a, as syscall(2) makes it: -1 and errno.  Only where locks are ours. */
long futex_call(long n, const long *a);

#endif
