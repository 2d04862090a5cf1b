/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to DNS servers, through c-ares: which server, when to ask again, when to take TCP.  resolver.c is the only
 * file that knows c-ares.  What to ask and what the answer means is dnssearch.c's and dnsanswer.c's business.
 *
 * Host only.
 */
#ifndef SYNCLESS_RESOLVER_H
#define SYNCLESS_RESOLVER_H

#include "base.h"
#include "coro.h"
#include "dnsconf.h"

#define RESOLVER_QUESTIONS 2

struct dns_reply {
	int err;		   /* 0: `wire` is an answer.  -ETIMEDOUT: no server gave one, -ECONNREFUSED: none is
				      there, -EMFILE and kin: our side; -EINVAL: no such name can be asked for */
	bool servfail;		   /* the last one said SERVFAIL */
	unsigned char *wire;	   /* heap, the caller's */
	size_t len;
};

/* Asks the servers of conf for the n record types of one name at once and parks until each reply is there. */
void resolver_ask(struct coro *me, const struct dnsconf *conf, const char *name, const int *types, int n,
		  struct dns_reply *replies, const char *why);

/* In a forked child: the sockets are closed, what was asked is forgotten. */
void resolver_after_fork_child(void);

#endif
