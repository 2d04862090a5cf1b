/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread's locale, which a switch between native coroutines carries along (core/borrowed.h).
 */
#include "borrowed.h"
#include "libc.h"

extern locale_t __uselocale(locale_t locale);

/* uselocale(3).  Parks: never.  errno: libc's. */
EXPORT locale_t uselocale(locale_t locale)
{
	return borrowed_uselocale(locale);
}
EXPORT_ALIAS(__uselocale, uselocale);
