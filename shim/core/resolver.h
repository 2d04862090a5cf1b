/* SPDX-License-Identifier: Apache-2.0
 *
 * One question or two to one DNS server, through c-ares: sockets, ids, which reply belongs to which question.
 * resolver.c is the only file that knows c-ares.  Which servers to ask in which order is dnssend.c's business.
 *
 * Host only.
 */
#ifndef SYNCLESS_RESOLVER_H
#define SYNCLESS_RESOLVER_H

#include "base.h"
#include "coro.h"
#include "dnsconf.h"

#define RESOLVER_QUESTIONS 2

enum reply_kind {
	REPLY_GOT,	   /* `wire` is one, whatever it says */
	REPLY_SILENCE,	   /* none came in time */
	REPLY_GARBAGE,	   /* what came is too short for a message; libc then gives the server up */
	REPLY_UNREACHABLE, /* the network or the server's machine refused; err as errno, 0: it hung up */
	REPLY_NO_MEANS,	   /* no descriptor, no memory: err */
	REPLY_NO_NAME,	   /* nobody can be asked for such a name */
	REPLY_NOT_ASKED,
};

struct dns_reply {
	enum reply_kind kind;
	int err;
	unsigned char *wire; /* heap, the caller's; with REPLY_GOT only */
	size_t len;
};

/* How to ask. */
struct dns_ask {
	const struct dnsconf *conf;
	int server; /* its index in conf */
	bool tcp;
	int timeout_s; /* the same for all that ask this server in this way */
	const char *why;
};

/* Asks for the n record types of a name at once and parks until each has its reply. */
void resolver_ask(struct coro *me, const struct dns_ask *how, const char *name, const int *types, int n,
		  struct dns_reply *replies);

/* In a forked child: the sockets are closed, what was asked is forgotten. */
void resolver_after_fork_child(void);

#endif
