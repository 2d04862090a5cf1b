/* SPDX-License-Identifier: Apache-2.0
 *
 * Servers in turn, as libc's res_send() asks them: one name, one or two types of record, the first server that has a
 * reply to at least one of them.
 */
#ifndef SYNCLESS_DNSSEND_H
#define SYNCLESS_DNSSEND_H

#include "resolver.h"

struct dns_sent {
	int err;       /* why there is no reply, as errno: ETIMEDOUT, ECONNREFUSED, …; 0: a server hung up */
	bool no_name;  /* the name cannot be asked for */
	bool garbage;  /* what came last was too short for a message */
	bool servfail; /* the last error that a server gave was SERVFAIL */
};

/* True: one of replies has a message to be read; the others have none.  Parks.  Host only. */
bool dns_send(struct coro *me, const struct dnsconf *conf, const char *name, const int *types, int n,
	      struct dns_reply *replies, struct dns_sent *sent, const char *why);

void dns_drop_replies(struct dns_reply *replies);

#endif
