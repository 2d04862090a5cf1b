/* SPDX-License-Identifier: Apache-2.0
 *
 * Is memory that the application names there?  Where the kernel would say EFAULT, and we read or write in its
 * place, we ask it first: an atomic addition of 0 by futex(2), which changes nothing.
 */
#ifndef SYNCLESS_PROBE_H
#define SYNCLESS_PROBE_H

#include <linux/futex.h>
#include "base.h"
#include "raw.h"

#define PROBE_PAGE 4096u
/* What lies so little above the caller's frame is its callers' own. */
#define PROBE_STACK 4096u

static inline bool probe_word(uintptr_t at)
{
	at &= ~(uintptr_t)3;
	return raw6(SYS_futex, (long)at, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, 0, (long)at,
		    FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)) >= 0;
}

/* All n bytes at p can be written, and read. */
static inline bool mem_is_writable(const void *p, size_t n)
{
	uintptr_t at = (uintptr_t)p, end = at + n;

	if (n == 0 || at - (uintptr_t)__builtin_frame_address(0) < PROBE_STACK)
		return true;
	if (end < at)
		return false;
	for (; at < end; at = (at & ~(uintptr_t)(PROBE_PAGE - 1)) + PROBE_PAGE)
		if (!probe_word(at))
			return false;
	return true;
}

#endif
