/* SPDX-License-Identifier: Apache-2.0
 *
 * How names are to be looked up: resolv.conf(5), the lines `hosts` and `services` of nsswitch.conf(5), host.conf(5),
 * and the environment that overrides them, as libc reads them.  Read again when a file has changed.
 *
 * What is rare and would need a second copy of libc's code (sortlist, gai.conf, HOSTALIASES, trim, reorder, MERGE)
 * is recognised only: such a configuration says `for_libc`, and lookups go to libc on a worker thread.
 *
 * Host only.  A lookup that parks holds a reference; what it holds is never changed.
 */
#ifndef SYNCLESS_DNSCONF_H
#define SYNCLESS_DNSCONF_H

#include <netinet/in.h>
#include <nss.h>
#include "base.h"

#define DNS_SERVERS_MAX 3 /* libc's MAXNS */
#define DNS_SERVICES_MAX 8

enum dns_service { SERVICE_FILES, SERVICE_DNS, SERVICE_OTHER };

struct dns_step {
	enum dns_service service;
	bool returns[4]; /* by enum nss_status + 2: the answer of this service is final */
};

union dns_server {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct dnsconf {
	int refs;
	bool for_libc;	     /* all lookups */
	bool sorted_by_libc; /* getaddrinfo's: gai.conf says something */
	bool services_local; /* names of services come from files alone */
	bool multi;	     /* host.conf: all lines of the hosts file count */

	int nsteps;
	struct dns_step step[DNS_SERVICES_MAX];

	int nservers;
	union dns_server server[DNS_SERVERS_MAX];
	int ndots, timeout_s, attempts;
	bool rotate, use_tcp, edns, trust_ad, no_aaaa, no_tld_query, single_request;
	int nsearch;
	char **search; /* heap; so are the strings, which lie in search_text */
	char *search_text;
};

/* The configuration in force, with a reference; NULL: no memory. */
struct dnsconf *dnsconf_get(void);
void dnsconf_put(struct dnsconf *conf);

/* The parsers, which know neither files nor the environment.  Each text is cut up in place: text[len] must be
 * writable and 0.  0 or -ENOMEM. */
int dnsconf_parse_resolv(struct dnsconf *conf, char *text, size_t len);
int dnsconf_parse_options(struct dnsconf *conf, const char *options);
int dnsconf_set_search(struct dnsconf *conf, const char *domains);
void dnsconf_parse_nsswitch(struct dnsconf *conf, char *text, size_t len);
void dnsconf_parse_hostconf(struct dnsconf *conf, char *text, size_t len);

/* A configuration as it is when no file says anything; NULL: no memory. */
struct dnsconf *dnsconf_default(void);

#endif
