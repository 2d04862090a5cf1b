/* SPDX-License-Identifier: Apache-2.0
 *
 * The service `dns`: which names to ask for (search list, ndots), and what the replies come to.  Statuses and h_errno
 * values are those of libc's own service, since nsswitch.conf's actions and the codes of getaddrinfo() depend on them.
 *
 * All park the caller.  Host only.
 */
#ifndef SYNCLESS_DNSSEARCH_H
#define SYNCLESS_DNSSEARCH_H

#include <nss.h>
#include "coro.h"
#include "dnsconf.h"
#include "found.h"

/* What a service says beside its status. */
struct dns_error {
	int herr; /* as h_errno */
	int err;  /* as errno; 0: it does not change */
};

/* Addresses of both families, for getaddrinfo(). */
enum nss_status dns_addrs(struct coro *me, const struct dnsconf *conf, const char *name, struct found *to,
			  struct dns_error *e);

/* Addresses of one family.  `checked`: a name that can be no host's is not asked for (gethostbyname()). */
enum nss_status dns_host(struct coro *me, const struct dnsconf *conf, const char *name, int family,
			 bool checked, struct found *to, struct dns_error *e);

/* The name of an address; mapped IPv6 addresses are asked for as IPv4 ones, and *family says so. */
enum nss_status dns_name(struct coro *me, const struct dnsconf *conf, const void *addr, int *family,
			 struct found *to, struct dns_error *e);

#endif
