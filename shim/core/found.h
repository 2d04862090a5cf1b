/* SPDX-License-Identifier: Apache-2.0
 *
 * What a lookup has found so far: a name, other names, addresses, in the order in which the services gave them.
 * All of it lies on the heap and is the record's own.
 */
#ifndef SYNCLESS_FOUND_H
#define SYNCLESS_FOUND_H

#include "base.h"

struct found_addr {
	int family;		 /* AF_INET or AF_INET6 */
	unsigned char bytes[16]; /* network order; the first 4 for AF_INET */
};

struct found {
	char *name; /* canonical; NULL: none given */
	char **aliases;
	struct found_addr *addrs;
	size_t naliases, naddrs;
};

static inline size_t found_addr_len(int family)
{
	return family == 2 /* AF_INET */ ? 4 : 16;
}

/* 0 or -ENOMEM; the text is copied. */
int found_set_name(struct found *f, const char *name);
int found_add_alias(struct found *f, const char *name);
int found_add_addr(struct found *f, int family, const void *bytes);

/* Leaves it empty.  Fits __attribute__((cleanup)): a cancelled thread unwinds through lookups. */
void found_clear(struct found *f);

#endif
