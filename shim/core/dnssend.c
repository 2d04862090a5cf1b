/* SPDX-License-Identifier: Apache-2.0
 *
 * See dnssend.h.  What counts as a reply, when the next server is asked and which errno is left when there is none are
 * libc's rules, since callers see them in EAI_ codes and in the way through nsswitch.conf.
 */
#include "dnssend.h"
#include <arpa/nameser.h>
#include <stdlib.h>
#include "dnsanswer.h"

/* libc waits for TCP as long as the kernel does. */
#define TCP_TIMEOUT_S 60

struct sending {
	struct coro *me;
	const struct dnsconf *conf;
	const char *name, *why;
	const int *types;
	int n;
	struct dns_reply *replies;
	struct dns_sent *sent;
	bool tcp; /* from the first truncated reply on */
	bool last_round;
	bool heard; /* some server, or nothing for the whole of the timeout */
	int tcp_err;
};

enum next { NEXT_SERVER, ANSWERED, GIVE_UP };

void dns_drop_replies(struct dns_reply *replies)
{
	for (int i = 0; i < RESOLVER_QUESTIONS; i++) {
		free(replies[i].wire);
		replies[i] = (struct dns_reply){ .kind = REPLY_NOT_ASKED };
	}
}

static bool got(const struct dns_reply *r)
{
	return r->kind == REPLY_GOT;
}

/* Over UDP a server that says so, or has nothing to say, is passed over. */
static bool is_refusal(const struct dns_reply *r)
{
	int rcode = dnsanswer_rcode(r->wire);

	return rcode == ns_r_servfail || rcode == ns_r_notimpl || rcode == ns_r_refused ||
	       dnsanswer_is_lame(r->wire);
}

static int timeout_of(const struct sending *s, int server)
{
	int seconds = s->conf->timeout_s << server;

	if (s->tcp)
		return TCP_TIMEOUT_S;
	if (server > 0)
		seconds /= s->conf->nservers;
	return seconds > 0 ? seconds : 1;
}

static void ask(struct sending *s, int server, int first, int n)
{
	struct dns_ask how = {
		.conf = s->conf,
		.server = server,
		.tcp = s->tcp,
		.timeout_s = timeout_of(s, server),
		.why = s->why,
	};

	resolver_ask(s->me, &how, s->name, s->types + first, n, s->replies + first);
}

static const struct dns_reply *first_of(const struct sending *s, enum reply_kind kind)
{
	for (int i = 0; i < s->n; i++)
		if (s->replies[i].kind == kind)
			return &s->replies[i];
	return NULL;
}

/* A refusal is noted and counts as no reply.  How many were refusals. */
static int drop_refusals(struct sending *s)
{
	int refusals = 0;

	for (int i = 0; i < s->n; i++) {
		struct dns_reply *r = &s->replies[i];

		if (!got(r) || !is_refusal(r))
			continue;
		refusals++;
		s->sent->servfail = dnsanswer_rcode(r->wire) == ns_r_servfail;
		free(r->wire);
		*r = (struct dns_reply){ .kind = REPLY_NOT_ASKED };
	}
	return refusals;
}

static bool is_truncated(const struct sending *s)
{
	for (int i = 0; i < s->n; i++)
		if (got(&s->replies[i]) && dnsanswer_is_truncated(s->replies[i].wire))
			return true;
	return false;
}

static enum next try_tcp(struct sending *s, int server)
{
	const struct dns_reply *r;

	s->tcp = s->last_round = true;
	for (int tries = 0; tries < 2; tries++) {
		dns_drop_replies(s->replies);
		ask(s, server, 0, s->n);
		r = first_of(s, REPLY_UNREACHABLE);
		if (!r || r->err != ECONNRESET)
			break;
	}
	if ((r = first_of(s, REPLY_NO_MEANS)))
		s->tcp_err = r->err;
	else if ((r = first_of(s, REPLY_UNREACHABLE)))
		s->tcp_err = r->err;
	else if (first_of(s, REPLY_SILENCE))
		s->tcp_err = ETIMEDOUT;
	else
		return ANSWERED;
	return NEXT_SERVER;
}

/* One of two has no reply: there are servers and firewalls that let only one question pass at a time.  So the first
 * one is asked again by itself, then the second one, which may do without. */
static enum next ask_singly(struct sending *s, int server)
{
	if (s->replies[0].kind == REPLY_SILENCE) {
		ask(s, server, 0, 1);
		drop_refusals(s);
		if (!got(&s->replies[0]))
			return NEXT_SERVER;
	}
	for (int tries = 0; tries < 2 && s->replies[1].kind == REPLY_SILENCE; tries++)
		ask(s, server, 1, 1);
	drop_refusals(s);
	return ANSWERED;
}

static enum next try_udp(struct sending *s, int server)
{
	int refusals;

	dns_drop_replies(s->replies);
	ask(s, server, 0, s->conf->single_request ? 1 : s->n);
	if (s->n == 2 && s->conf->single_request && got(&s->replies[0]) && !is_refusal(&s->replies[0]))
		ask(s, server, 1, 1);
	s->heard |= first_of(s, REPLY_GOT) || first_of(s, REPLY_SILENCE) || first_of(s, REPLY_GARBAGE);
	if (first_of(s, REPLY_NO_MEANS) || first_of(s, REPLY_NO_NAME))
		return GIVE_UP;
	refusals = drop_refusals(s);
	if (!first_of(s, REPLY_GOT) || first_of(s, REPLY_UNREACHABLE) || first_of(s, REPLY_GARBAGE))
		return NEXT_SERVER;
	if (refusals == 0 && first_of(s, REPLY_SILENCE) && ask_singly(s, server) == NEXT_SERVER)
		return NEXT_SERVER;
	return is_truncated(s) ? try_tcp(s, server) : ANSWERED;
}

/* With `rotate` each sending begins at the next server. */
static int first_server(const struct dnsconf *conf)
{
	static unsigned turn;

	if (!conf->rotate)
		return 0;
	if (!turn)
		turn = (unsigned)now_ns();
	return (int)(turn++ % (unsigned)conf->nservers);
}

static enum next ask_servers(struct sending *s)
{
	int first = first_server(s->conf);
	enum next next = NEXT_SERVER;

	for (int round = 0; round < s->conf->attempts && !s->last_round; round++)
		for (int i = 0; i < s->conf->nservers && next == NEXT_SERVER; i++) {
			int server = (first + i) % s->conf->nservers;

			next = s->tcp ? try_tcp(s, server) : try_udp(s, server);
		}
	return next;
}

bool dns_send(struct coro *me, const struct dnsconf *conf, const char *name, const int *types, int n,
	      struct dns_reply *replies, struct dns_sent *sent, const char *why)
{
	struct sending s = { .me = me,
			     .conf = conf,
			     .name = name,
			     .why = why,
			     .types = types,
			     .n = n,
			     .replies = replies,
			     .sent = sent,
			     .tcp = conf->use_tcp };
	const struct dns_reply *r;

	*sent = (struct dns_sent){ 0 };
	if (ask_servers(&s) == ANSWERED)
		return true;
	if ((r = first_of(&s, REPLY_NO_MEANS)))
		sent->err = r->err;
	else if (first_of(&s, REPLY_NO_NAME))
		sent->no_name = true;
	else if (s.tcp)
		sent->err = s.tcp_err;
	else
		sent->err = s.heard ? ETIMEDOUT : ECONNREFUSED;
	sent->garbage = first_of(&s, REPLY_GARBAGE) != NULL;
	dns_drop_replies(replies);
	return false;
}
