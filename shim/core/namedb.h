/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and addresses through the services of nsswitch.conf, in place of libc's getaddrinfo() and gethostbyname_r()
 * family: the same results, codes and order, but whoever has to wait for a server parks.
 *
 * NAMEDB_ELSEWHERE: the configuration names a service, or the caller wants something, that only libc knows; nothing
 * has been done.  The caller then lets libc do it on a worker thread.
 *
 * Host only.
 */
#ifndef SYNCLESS_NAMEDB_H
#define SYNCLESS_NAMEDB_H

#include <netdb.h>
#include <nss.h>
#include "coro.h"
#include "dnsconf.h"
#include "dnssearch.h"
#include "found.h"

#define NAMEDB_ELSEWHERE 1000 /* no status, no EAI_ code, no errno */

/* By name, as gethostbyname2_r() looks it up: an enum nss_status. */
int namedb_host(struct coro *me, const char *name, int family, struct found *to, struct dns_error *e);
/* By address; *family as it is in the answer. */
int namedb_addr(struct coro *me, const void *addr, int *family, struct found *to, struct dns_error *e);

/* getaddrinfo(3) for a node that is no numeric address, with hints that libc accepts.  EAI_ code; errno is set with
 * EAI_SYSTEM and else not touched.  `services` is libc's getaddrinfo, which is asked about the service alone. */
typedef int addrinfo_call(const char *, const char *, const struct addrinfo *, struct addrinfo **);
int namedb_addrinfo(struct coro *me, const char *node, const char *service, const struct addrinfo *hints,
		    struct addrinfo **result, addrinfo_call *services);

#endif
