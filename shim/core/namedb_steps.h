/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two walks through the services (namedb.c, addrinfo.c) have in common.
 */
#ifndef SYNCLESS_NAMEDB_STEPS_H
#define SYNCLESS_NAMEDB_STEPS_H

#include "namedb.h"

/* The service `files`, by name.  AF_UNSPEC: each address in its own family. */
enum nss_status step_hosts(const struct dnsconf *conf, const char *name, int family, struct found *to,
			   struct dns_error *e);

/* namedb_host() with a configuration that the caller holds. */
int walk_host(struct coro *me, const struct dnsconf *conf, const char *name, int family, struct found *to,
	      struct dns_error *e);

/* Is the status of this service the walk's? */
bool step_is_final(const struct dns_step *step, enum nss_status status);

#endif
