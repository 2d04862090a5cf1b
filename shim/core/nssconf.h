/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom libc asks about users, groups, services and so on, by nsswitch.conf(5): files of this machine alone, or
 * somebody who may take his time.  (What the row `hosts` says is dnsconf.h's.)
 *
 * Host only.
 */
#ifndef SYNCLESS_NSSCONF_H
#define SYNCLESS_NSSCONF_H

#include "coro.h"

enum nss_database {
	NSS_PASSWD,
	NSS_GROUP,
	NSS_INITGROUPS,
	NSS_SHADOW,
	NSS_SERVICES,
	NSS_PROTOCOLS,
	NSS_NETWORKS,
	NSS_RPC,
	NSS_NETGROUP,
	NSS_DATABASES
};

struct nssconf {
	bool given[NSS_DATABASES]; /* there is a row */
	bool local[NSS_DATABASES];
};

/* The answer comes out of files: nobody is waited for.  As the file says now. */
bool nssconf_is_local(enum nss_database db);

/* The caller, if it is to park for an answer from it; NULL: the plain call it is. */
static inline struct coro *nss_caller(enum nss_database db)
{
	struct coro *me = coro_may_park();

	if (LIKELY(!me) || (nssconf_is_local(db) && coro_leave(true)))
		return NULL;
	return me;
}

/* The parser, which cuts the text up in place: text[len] must be writable and 0. */
void nssconf_parse(struct nssconf *conf, char *text, size_t len);

#endif
