/* SPDX-License-Identifier: Apache-2.0
 *
 * The raw questions to name servers: res_query() and kin, which answer with the packet.  libc's own function
 * asks, on a worker (core/lookup.h), with a copy of the caller's resolver state: that may lie on a stack which
 * moves while the caller is parked, or belong to all coroutines of a thread (_res), and the caller may be
 * cancelled and close it.  So RES_STAYOPEN keeps nothing open, and of what the resolver leaves in the state the
 * caller gets res_h_errno.
 *
 * The calls without `n` ask with the state of their thread, which libc first makes or, when resolv.conf has
 * changed, makes anew; a packet that is made and thrown away has it do so here.
 *
 * Contract of all.  Park: while a server is asked.  Pass through: SYNCLESS_DNS=libc, and states that nobody has
 * initialised.  errno, h_errno, results: libc's.  No difference but that about RES_STAYOPEN.
 */
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <string.h>
#include "coro.h"
#include "libc.h"
#include "lookup.h"
#include "settings.h"

enum what { ASK_QUERY, ASK_SEARCH, ASK_DOMAIN, ASK_SEND };

struct question {
	enum what what;
	const char *why;
	const char *name, *domain;
	int class, type;
	const unsigned char *packet; /* ASK_SEND */
	int len;
};

struct res_lookup {
	struct lookup l;
	struct question q; /* what it points to are copies, in bytes */
	struct __res_state state;
	unsigned char *answer;
	int room;
	unsigned char bytes[];
};

/* libc compares some of these pointers with where they should point in the state. */
static void relocate(struct __res_state *s, const struct __res_state *from)
{
	for (int i = 0; i <= MAXDNSRCH; i++) {
		uintptr_t offset = (uintptr_t)s->dnsrch[i] - (uintptr_t)from->defdname;

		if (offset < sizeof(s->defdname))
			s->dnsrch[i] = s->defdname + offset;
	}
}

static bool is_ipv6(const struct __res_state *s, int i)
{
	return i < s->nscount && s->nsaddr_list[i].sin_family == 0 && s->_u._ext.nsaddrs[i];
}

/* Those of IPv6, which lie on the heap; libc makes such copies of the others when it first asks.  False: no memory. */
static bool copy_servers(struct __res_state *s)
{
	struct sockaddr_in6 *copy[MAXNS] = { NULL };
	bool ok = true;

	for (int i = 0; i < MAXNS; i++) {
		if (!is_ipv6(s, i))
			continue;
		copy[i] = malloc(sizeof(*copy[i]));
		if (copy[i])
			*copy[i] = *s->_u._ext.nsaddrs[i];
		ok &= copy[i] != NULL;
	}
	memcpy(s->_u._ext.nsaddrs, copy, sizeof(copy));
	return ok;
}

static bool copy_state(struct __res_state *s, const struct __res_state *from)
{
	*s = *from;
	s->options &= ~(unsigned long)RES_STAYOPEN;
	s->_vcsock = -1;
	s->_u._ext.nscount = 0;
	for (int i = 0; i < MAXNS; i++)
		s->_u._ext.nssocks[i] = -1;
	relocate(s, from);
	return copy_servers(s);
}

static void free_res(struct offload_job *job)
{
	struct res_lookup *r = CONTAINER_OF(job, struct res_lookup, l.job);

	for (int i = 0; i < MAXNS; i++)
		free(r->state._u._ext.nsaddrs[i]);
	free(r);
}

static int ask(struct res_lookup *r)
{
	const struct question *q = &r->q;

	switch (q->what) {
	case ASK_QUERY:
		return libc.res_nquery(&r->state, q->name, q->class, q->type, r->answer, r->room);
	case ASK_SEARCH:
		return libc.res_nsearch(&r->state, q->name, q->class, q->type, r->answer, r->room);
	case ASK_DOMAIN:
		return libc.res_nquerydomain(&r->state, q->name, q->domain, q->class, q->type, r->answer,
					     r->room);
	default:
		return libc.res_nsend(&r->state, q->packet, q->len, r->answer, r->room);
	}
}

static void run_res(struct offload_job *job)
{
	struct res_lookup *r = CONTAINER_OF(job, struct res_lookup, l.job);

	lookup_begins(&r->l);
	r->l.result = ask(r);
	lookup_ends(&r->l);
}

static const void *put(unsigned char **at, const void *from, size_t size)
{
	void *to = *at;

	if (!from)
		return NULL;
	*at += size;
	return memcpy(to, from, size);
}

static size_t size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* What stands in the caller's buffer for the answer stays there as far as libc does not write. */
static struct res_lookup *res_lookup(const struct question *q, const struct __res_state *state,
				     unsigned char *answer, int room)
{
	size_t nname = size_of(q->name), ndomain = size_of(q->domain), npacket = q->packet ? (size_t)q->len : 0;
	struct res_lookup *r = calloc(1, sizeof(*r) + nname + ndomain + npacket + (size_t)room);
	unsigned char *at;

	if (!r)
		return NULL;
	r->l.job = (struct offload_job){ .run = run_res, .abandoned = free_res };
	r->q = *q;
	at = r->bytes;
	r->q.name = put(&at, q->name, nname);
	r->q.domain = put(&at, q->domain, ndomain);
	r->q.packet = put(&at, q->packet, npacket);
	r->answer = memcpy(at, answer, (size_t)room);
	r->room = room;
	if (copy_state(&r->state, state))
		return r;
	free_res(&r->l.job);
	return NULL;
}

/* The rest of a call: it leaves. */
static int park(struct coro *me, const struct question *q, struct __res_state *state, unsigned char *answer,
		int room)
{
	struct res_lookup *r = res_lookup(q, state, answer, room);
	int err = r ? lookup_run(me, &r->l, WAITQ_CANCEL, q->why) : ENOMEM, result;

	coro_leave(0);
	if (err) {
		h_errno = state->res_h_errno = NETDB_INTERNAL;
		return fail(err);
	}
	memcpy(answer, r->answer, (size_t)room);
	state->res_h_errno = r->state.res_h_errno;
	errno = r->l.err;
	result = r->l.result;
	free_res(&r->l.job);
	return result;
}

/* The caller, if it is to park. */
static struct coro *parks_with(const struct __res_state *state, int room)
{
	struct coro *me = settings.dns == DNS_LIBC ? NULL : coro_may_park();

	if (LIKELY(!me) || ((room < 0 || (state && !(state->options & RES_INIT))) && coro_leave(true)))
		return NULL;
	return me;
}

/* The thread's, as its next question would find it; NULL: libc cannot make it. */
static struct __res_state *own_state(void)
{
	unsigned char packet[NS_PACKETSZ];
	int saved = errno;

	res_mkquery(ns_o_query, ".", ns_c_in, ns_t_ns, NULL, 0, NULL, packet, sizeof(packet));
	errno = saved;
	return _res.options & RES_INIT ? &_res : NULL;
}

/* The same for the calls without `n`; *state is filled. */
static struct coro *parks_with_own(struct __res_state **state, int room)
{
	struct coro *me = parks_with(NULL, room);

	if (LIKELY(!me))
		return NULL;
	*state = own_state();
	if (*state)
		return me;
	coro_leave(0);
	return NULL;
}

/* res_nquery(3) */
EXPORT int res_nquery(res_state state, const char *name, int class, int type, unsigned char *answer, int room)
{
	struct coro *me = parks_with(state, room);
	struct question q = {
		.what = ASK_QUERY, .why = "res_nquery", .name = name, .class = class, .type = type
	};

	return LIKELY(!me) ? libc.res_nquery(state, name, class, type, answer, room)
			   : park(me, &q, state, answer, room);
}
EXPORT_ALIAS(__res_nquery, res_nquery);

/* res_nsearch(3) */
EXPORT int res_nsearch(res_state state, const char *name, int class, int type, unsigned char *answer, int room)
{
	struct coro *me = parks_with(state, room);
	struct question q = {
		.what = ASK_SEARCH, .why = "res_nsearch", .name = name, .class = class, .type = type
	};

	return LIKELY(!me) ? libc.res_nsearch(state, name, class, type, answer, room)
			   : park(me, &q, state, answer, room);
}
EXPORT_ALIAS(__res_nsearch, res_nsearch);

/* res_nquerydomain(3) */
EXPORT int res_nquerydomain(res_state state, const char *name, const char *domain, int class, int type,
			    unsigned char *answer, int room)
{
	struct coro *me = parks_with(state, room);
	struct question q = { .what = ASK_DOMAIN,
			      .why = "res_nquerydomain",
			      .name = name,
			      .domain = domain,
			      .class = class,
			      .type = type };

	return LIKELY(!me) ? libc.res_nquerydomain(state, name, domain, class, type, answer, room)
			   : park(me, &q, state, answer, room);
}
EXPORT_ALIAS(__res_nquerydomain, res_nquerydomain);

/* res_nsend(3) */
EXPORT int res_nsend(res_state state, const unsigned char *packet, int len, unsigned char *answer, int room)
{
	struct coro *me = parks_with(state, room);
	struct question q = { .what = ASK_SEND, .why = "res_nsend", .packet = packet, .len = len };

	return LIKELY(!me) ? libc.res_nsend(state, packet, len, answer, room)
			   : park(me, &q, state, answer, room);
}
EXPORT_ALIAS(__res_nsend, res_nsend);

/* res_query(3) */
EXPORT int res_query(const char *name, int class, int type, unsigned char *answer, int room)
{
	struct __res_state *state;
	struct coro *me = parks_with_own(&state, room);
	struct question q = {
		.what = ASK_QUERY, .why = "res_query", .name = name, .class = class, .type = type
	};

	return LIKELY(!me) ? libc.res_query(name, class, type, answer, room)
			   : park(me, &q, state, answer, room);
}
EXPORT_ALIAS(__res_query, res_query);

/* res_search(3) */
EXPORT int res_search(const char *name, int class, int type, unsigned char *answer, int room)
{
	struct __res_state *state;
	struct coro *me = parks_with_own(&state, room);
	struct question q = {
		.what = ASK_SEARCH, .why = "res_search", .name = name, .class = class, .type = type
	};

	return LIKELY(!me) ? libc.res_search(name, class, type, answer, room)
			   : park(me, &q, state, answer, room);
}
EXPORT_ALIAS(__res_search, res_search);

/* res_querydomain(3) */
EXPORT int res_querydomain(const char *name, const char *domain, int class, int type, unsigned char *answer,
			   int room)
{
	struct __res_state *state;
	struct coro *me = parks_with_own(&state, room);
	struct question q = { .what = ASK_DOMAIN,
			      .why = "res_querydomain",
			      .name = name,
			      .domain = domain,
			      .class = class,
			      .type = type };

	return LIKELY(!me) ? libc.res_querydomain(name, domain, class, type, answer, room)
			   : park(me, &q, state, answer, room);
}
EXPORT_ALIAS(__res_querydomain, res_querydomain);

/* res_send(3) */
EXPORT int res_send(const unsigned char *packet, int len, unsigned char *answer, int room)
{
	struct __res_state *state;
	struct coro *me = parks_with_own(&state, room);
	struct question q = { .what = ASK_SEND, .why = "res_send", .packet = packet, .len = len };

	return LIKELY(!me) ? libc.res_send(packet, len, answer, room) : park(me, &q, state, answer, room);
}
EXPORT_ALIAS(__res_send, res_send);
