/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of a flow that is alone: nobody to switch to, nothing that ends a wait but a time.
 */
#include "diff/diff.h"
#include <poll.h>

CASE(poll_of_nothing)
{
	LASTS(20, R(poll(NULL, 0, 20)));
	R(poll(NULL, 0, 0));
}

CASE(nanosleep)
{
	struct timespec ts = ms_span(10), bad = { .tv_nsec = 1000000000 };

	LASTS(10, R(nanosleep(&ts, NULL)));
	R(nanosleep(&bad, NULL));
	bad = (struct timespec){ .tv_sec = -1 };
	R(nanosleep(&bad, NULL));
}

CASE(read_of_closed_descriptor)
{
	char c;

	R(read(999, &c, 1));
	R(write(999, &c, 1));
	R(recv(999, &c, 1, 0));
}
