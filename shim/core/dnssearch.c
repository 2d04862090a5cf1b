/* SPDX-License-Identifier: Apache-2.0
 *
 * See dnssearch.h.
 */
#include "dnssearch.h"
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "dnsanswer.h"
#include "dnssend.h"

/* One search: a name, one or two types of record, and what has come of it so far. */
struct search {
	struct coro *me;
	const struct dnsconf *conf;
	const char *why;
	int types[RESOLVER_QUESTIONS], n;
	struct dns_reply replies[RESOLVER_QUESTIONS]; /* of the last name asked for */
	int herr, err;				      /* err: why no server has answered the last one */
	bool servfail; /* the last one came to nothing because of a server, not for want of one */
};

/* The caller's h_errno follows, as in libc: programs look at it after calls that have an argument for it, too. */
static void note(struct search *s, int herr)
{
	s->herr = h_errno = herr;
}

static bool answered(const struct dns_reply *r)
{
	return r->wire && r->len >= DNS_HEADER_LEN;
}

static bool has_data(const struct dns_reply *r)
{
	return answered(r) && dnsanswer_rcode(r->wire) == ns_r_noerror && dnsanswer_count(r->wire) > 0;
}

/* Why there is no data, from the first reply that has a reason. */
static int herr_of(const struct search *s)
{
	int rcode = ns_r_noerror;

	for (int i = 0; i < s->n; i++)
		if (answered(&s->replies[i]) && rcode == ns_r_noerror)
			rcode = dnsanswer_rcode(s->replies[i].wire);
	switch (rcode) {
	case ns_r_nxdomain:
		return HOST_NOT_FOUND;
	case ns_r_servfail:
		return TRY_AGAIN;
	case ns_r_noerror:
		return NO_DATA;
	default:
		return NO_RECOVERY;
	}
}

/* Asks for exactly this name.  True: some reply has data.  With `no-aaaa` the IPv4 addresses are asked for in place of
 * IPv6 ones, only to learn whether there is such a name. */
static bool ask(struct search *s, const char *name)
{
	const int ipv4 = ns_t_a;
	bool hidden = s->n == 1 && s->types[0] == ns_t_aaaa && s->conf->no_aaaa;
	struct dns_sent sent;

	dns_drop_replies(s->replies);
	s->err = 0;
	s->servfail = false;
	if (!dns_send(s->me, s->conf, name, hidden ? &ipv4 : s->types, s->n, s->replies, &sent, s->why)) {
		/* libc has room for a whole message there, and reads what is not in a short one as no data. */
		note(s, sent.no_name ? NO_RECOVERY : hidden && sent.garbage ? NO_DATA : TRY_AGAIN);
		s->err = sent.err;
		s->servfail = sent.servfail;
		return false;
	}
	if (!hidden && (has_data(&s->replies[0]) || has_data(&s->replies[1])))
		return true;
	note(s, herr_of(s));
	s->servfail = s->herr == TRY_AGAIN;
	return false;
}

static bool ask_in_domain(struct search *s, const char *name, const char *domain)
{
	char full[NS_MAXDNAME];

	if (strlen(name) + strlen(domain) + 2 >= sizeof(full)) {
		note(s, NO_RECOVERY);
		return false;
	}
	strcpy(stpcpy(stpcpy(full, name), "."), domain);
	return ask(s, full);
}

static bool ask_as_is(struct search *s, const char *name)
{
	size_t len = strlen(name);

	if (len > 0 && len < NS_MAXDNAME)
		return ask(s, name);
	note(s, NO_RECOVERY);
	return false;
}

enum walk { WALK_FOUND, WALK_OVER, WALK_NO_SERVER };

struct walked {
	bool searched, root, nodata, servfail;
};

/* Through the domains of the search list, till one has data or it makes no sense to go on. */
static enum walk walk_domains(struct search *s, const char *name, struct walked *w)
{
	for (int i = 0; i < s->conf->nsearch; i++) {
		const char *domain = s->conf->search[i];
		bool servfail;

		domain += *domain == '.';
		w->root |= !*domain;
		w->searched = true;
		if (ask_in_domain(s, name, domain))
			return WALK_FOUND;
		if (s->err == ECONNREFUSED) {
			note(s, TRY_AGAIN);
			return WALK_NO_SERVER;
		}
		servfail = s->herr == TRY_AGAIN && s->servfail;
		w->nodata |= s->herr == NO_DATA;
		w->servfail |= servfail;
		if (s->herr != NO_DATA && s->herr != HOST_NOT_FOUND && !servfail)
			break;
	}
	return WALK_OVER;
}

/* True: s->replies have data.  Else s->herr says why not. */
static bool search(struct search *s, const char *name)
{
	struct walked w = { 0 };
	size_t len = strlen(name);
	bool absolute = len && name[len - 1] == '.', tried = false;
	int dots = 0, first_herr = 0;

	for (const char *p = name; *p; p++)
		dots += *p == '.';
	note(s, HOST_NOT_FOUND);
	if (absolute || dots >= s->conf->ndots) {
		if (ask_as_is(s, name))
			return true;
		if (absolute)
			return false;
		tried = true;
		first_herr = s->herr;
	}
	if (!absolute) {
		enum walk walk = walk_domains(s, name, &w);

		if (walk != WALK_OVER)
			return walk == WALK_FOUND;
	}
	if (!tried && !w.root && (dots || !w.searched || !s->conf->no_tld_query) && ask_as_is(s, name))
		return true;
	if (tried)
		note(s, first_herr);
	else if (w.nodata)
		note(s, NO_DATA);
	else if (w.servfail)
		note(s, TRY_AGAIN);
	return false;
}

/* libc's service tells by errno whether a server was there. */
static enum nss_status failed(const struct search *s, struct dns_error *e)
{
	e->herr = s->herr;
	e->err = s->herr == TRY_AGAIN ? EAGAIN : 0;
	switch (s->err) {
	case 0:
		return NSS_STATUS_NOTFOUND;
	case ECONNREFUSED:
	case ETIMEDOUT:
		return NSS_STATUS_UNAVAIL;
	default: /* our own trouble: descriptors, memory */
		e->herr = NETDB_INTERNAL;
		e->err = s->err;
		return NSS_STATUS_UNAVAIL;
	}
}

static void finish(struct search *s, enum nss_status status, struct dns_error *e)
{
	dns_drop_replies(s->replies);
	if (status == NSS_STATUS_TRYAGAIN && e->herr == NETDB_INTERNAL)
		e->err = ENOMEM;
	else if (status == NSS_STATUS_UNAVAIL)
		e->err = EMSGSIZE; /* a broken message */
}

enum nss_status dns_addrs(struct coro *me, const struct dnsconf *conf, const char *name, struct found *to,
			  struct dns_error *e)
{
	struct search s = { .me = me,
			    .conf = conf,
			    .why = "getaddrinfo",
			    .types = { ns_t_a, ns_t_aaaa },
			    .n = conf->no_aaaa ? 1 : 2 };
	enum nss_status status = NSS_STATUS_NOTFOUND, second;

	*e = (struct dns_error){ .herr = HOST_NOT_FOUND };
	if (!res_hnok(name))
		return NSS_STATUS_NOTFOUND;
	if (!search(&s, name)) {
		status = failed(&s, e);
		dns_drop_replies(s.replies);
		return status;
	}
	if (answered(&s.replies[0]))
		status = dnsanswer_addrs(s.replies[0].wire, s.replies[0].len, to, &e->herr);
	if (answered(&s.replies[1]) && status != NSS_STATUS_UNAVAIL) {
		second = dnsanswer_addrs(s.replies[1].wire, s.replies[1].len, to, &e->herr);
		if (status != NSS_STATUS_SUCCESS && second != NSS_STATUS_NOTFOUND)
			status = second;
	}
	finish(&s, status, e);
	return status;
}

enum nss_status dns_host(struct coro *me, const struct dnsconf *conf, const char *name, int family,
			 bool checked, struct found *to, struct dns_error *e)
{
	struct search s = { .me = me,
			    .conf = conf,
			    .why = "gethostbyname",
			    .types = { family == AF_INET ? ns_t_a : ns_t_aaaa },
			    .n = 1 };
	enum nss_status status;

	*e = (struct dns_error){ .herr = HOST_NOT_FOUND };
	if (checked && !res_hnok(name))
		return NSS_STATUS_NOTFOUND;
	if (!search(&s, name)) {
		status = failed(&s, e);
		dns_drop_replies(s.replies);
		return status;
	}
	status = dnsanswer_host(s.replies[0].wire, s.replies[0].len, s.types[0], to, &e->herr);
	finish(&s, status, e);
	return status;
}

static void write_reverse(char *to, const unsigned char *bytes, int family)
{
	if (family == AF_INET) {
		sprintf(to, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1], bytes[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		to += sprintf(to, "%x.%x.", bytes[i] & 15, bytes[i] >> 4);
	strcpy(to, "ip6.arpa");
}

/* ::ffff:a.b.c.d and ::a.b.c.d, but not ::1 */
static bool holds_ipv4(const unsigned char *bytes)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff }, compatible[12] = { 0 },
				   one[4] = { [3] = 1 };

	return !memcmp(bytes, mapped, 12) ||
	       (!memcmp(bytes, compatible, 12) && memcmp(bytes + 12, one, 4) != 0);
}

enum nss_status dns_name(struct coro *me, const struct dnsconf *conf, const void *addr, int *family,
			 struct found *to, struct dns_error *e)
{
	struct search s = { .me = me, .conf = conf, .why = "gethostbyaddr", .types = { ns_t_ptr }, .n = 1 };
	const unsigned char *bytes = addr;
	enum nss_status status;
	char name[80];

	*e = (struct dns_error){ 0 };
	if (*family == AF_INET6 && holds_ipv4(bytes)) {
		*family = AF_INET;
		bytes += 12;
	}
	write_reverse(name, bytes, *family);
	if (!ask(&s, name)) {
		failed(&s, e);
		e->err = e->herr == NETDB_INTERNAL ? e->err : 0;
		dns_drop_replies(s.replies);
		return NSS_STATUS_NOTFOUND;
	}
	status = dnsanswer_host(s.replies[0].wire, s.replies[0].len, ns_t_ptr, to, &e->herr);
	if (status == NSS_STATUS_SUCCESS && found_add_addr(to, *family, bytes) < 0) {
		e->herr = NETDB_INTERNAL;
		status = NSS_STATUS_TRYAGAIN;
	}
	finish(&s, status, e);
	return status;
}
