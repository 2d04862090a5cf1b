/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of getaddrinfo()'s results: RFC 3484 and 6724 with libc's tables, and what the kernel says of this
 * machine's addresses.  System calls only, none of which waits for anybody; nothing here parks.
 */
#ifndef SYNCLESS_ADDRSORT_H
#define SYNCLESS_ADDRSORT_H

#include <netdb.h>
#include "base.h"

/* An address of this machine. */
struct own_addr {
	unsigned char bytes[16]; /* IPv4 ones as ::ffff:a.b.c.d */
	uint32_t index;		 /* of its interface */
	unsigned char prefix_len;
	bool deprecated, home;
};

struct own_addrs {
	bool ipv4, ipv6;       /* there is one besides loopback */
	struct own_addr *addr; /* by bytes; none is listed unless ipv6 is set, as libc has it */
	size_t n;
};

/* Asks the kernel.  Without an answer it is as if there were none. */
void own_addrs_read(struct own_addrs *own);
void own_addrs_free(struct own_addrs *own);

/* Puts the list into order; a canonical name stays with the first entry.  0 or -ENOMEM. */
int addrsort(struct addrinfo **list, const struct own_addrs *own);

#endif
