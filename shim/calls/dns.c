/* SPDX-License-Identifier: Apache-2.0
 *
 * Names.  libc's resolver and the NSS modules it loads block in their own ways, so a lookup runs on a native
 * thread of the pool while its coroutine is parked.  What the caller gave is copied, and the answer is made on
 * the heap: a caller that is cancelled leaves the job behind, which then frees itself.
 *
 * Where no lookup is needed (numeric names) the call is made at once.  Where no worker can be had it is made at
 * once too, and blocks.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include "coro.h"
#include "libc.h"
#include "offload.h"

/* What each lookup starts with.  run() leaves the result and the worker's errno in it. */
struct lookup {
	struct offload_job job;
	int result;
	int err;
};

static void free_job(struct offload_job *job)
{
	free(job);
}

/* Runs it on a worker, or here if there is none.  It is the caller's again. */
static void run_lookup(struct coro *me, struct lookup *l, const char *why)
{
	int r = offload_run(me, &l->job, OFFLOAD_SHORT, NEVER, WAITQ_CANCEL, why);

	if (r == -ECANCELED)
		green_act_on_cancel(me);
	if (r < 0)
		l->job.run(&l->job);
}

/* getaddrinfo */

struct addr_lookup {
	struct lookup l;
	struct addrinfo hints, *found;
	bool has_hints;
	char *node, *service; /* in text, or NULL */
	char text[];
};

static bool is_number(const char *s)
{
	size_t n = s ? strspn(s, "0123456789") : 0;

	return n > 0 && !s[n];
}

static bool is_address(const char *s)
{
	unsigned char addr[16];

	return inet_pton(AF_INET, s, addr) == 1 || inet_pton(AF_INET6, s, addr) == 1;
}

/* No name in it that somebody would have to be asked for. */
static bool is_numeric(const char *node, const char *service, const struct addrinfo *hints)
{
	bool host = !node || (hints && hints->ai_flags & AI_NUMERICHOST) || is_address(node);
	bool port = !service || (hints && hints->ai_flags & AI_NUMERICSERV) || is_number(service);

	return host && port;
}

static void run_addr(struct offload_job *job)
{
	struct addr_lookup *a = CONTAINER_OF(job, struct addr_lookup, l.job);

	a->l.result = libc.getaddrinfo(a->node, a->service, a->has_hints ? &a->hints : NULL, &a->found);
	a->l.err = errno;
}

static void abandon_addr(struct offload_job *job)
{
	struct addr_lookup *a = CONTAINER_OF(job, struct addr_lookup, l.job);

	if (a->l.result == 0)
		freeaddrinfo(a->found);
	free(a);
}

static struct addr_lookup *addr_lookup(const char *node, const char *service, const struct addrinfo *hints)
{
	size_t nnode = node ? strlen(node) + 1 : 0, nservice = service ? strlen(service) + 1 : 0;
	struct addr_lookup *a = calloc(1, sizeof(*a) + nnode + nservice);

	if (!a)
		return NULL;
	a->l.job.run = run_addr;
	a->l.job.abandoned = abandon_addr;
	if (node)
		a->node = memcpy(a->text, node, nnode);
	if (service)
		a->service = memcpy(a->text + nnode, service, nservice);
	a->has_hints = hints != NULL;
	if (hints)
		a->hints = *hints;
	return a;
}

/* getaddrinfo(3).  Parks: while a worker looks the name up.  Passes through: numeric names.
 * Returns libc's codes; errno: libc's with EAI_SYSTEM. */
EXPORT int getaddrinfo(const char *restrict node, const char *restrict service,
		       const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
	struct coro *me = coro_may_park();
	struct addr_lookup *a;
	int r;

	if (LIKELY(!me) || is_numeric(node, service, hints))
		return libc.getaddrinfo(node, service, hints, found);
	a = addr_lookup(node, service, hints);
	if (!a)
		return EAI_MEMORY;
	run_lookup(me, &a->l, "getaddrinfo");
	r = a->l.result;
	if (r == 0)
		*found = a->found;
	else
		errno = a->l.err;
	free(a);
	return r;
}

/* getnameinfo */

struct name_lookup {
	struct lookup l;
	struct sockaddr_storage addr;
	socklen_t addr_len, host_len, service_len;
	int flags;
	char *host, *service; /* in text, or NULL */
	char text[];
};

static void run_name(struct offload_job *job)
{
	struct name_lookup *n = CONTAINER_OF(job, struct name_lookup, l.job);

	n->l.result = libc.getnameinfo((struct sockaddr *)&n->addr, n->addr_len, n->host, n->host_len,
				       n->service, n->service_len, n->flags);
	n->l.err = errno;
}

static struct name_lookup *name_lookup(const struct sockaddr *addr, socklen_t addr_len, bool host,
				       socklen_t host_len, bool service, socklen_t service_len, int flags)
{
	struct name_lookup *n = calloc(1, sizeof(*n) + host_len + service_len);

	if (!n)
		return NULL;
	n->l.job.run = run_name;
	n->l.job.abandoned = free_job;
	memcpy(&n->addr, addr, addr_len);
	n->addr_len = addr_len;
	n->host_len = host_len;
	n->service_len = service_len;
	n->flags = flags;
	n->host = host ? n->text : NULL;
	n->service = service ? n->text + host_len : NULL;
	return n;
}

static bool needs_no_lookup(bool host, bool service, int flags)
{
	return (!host || flags & NI_NUMERICHOST) && (!service || flags & NI_NUMERICSERV);
}

/* getnameinfo(3).  As getaddrinfo(). */
EXPORT int getnameinfo(const struct sockaddr *restrict addr, socklen_t addr_len, char *restrict host,
		       socklen_t host_len, char *restrict service, socklen_t service_len, int flags)
{
	struct coro *me = coro_may_park();
	bool wants_host = host && host_len, wants_service = service && service_len;
	struct name_lookup *n;
	int r;

	if (LIKELY(!me) || needs_no_lookup(wants_host, wants_service, flags) ||
	    addr_len > sizeof(struct sockaddr_storage))
		return libc.getnameinfo(addr, addr_len, host, host_len, service, service_len, flags);
	n = name_lookup(addr, addr_len, wants_host, wants_host ? host_len : 0, wants_service,
			wants_service ? service_len : 0, flags);
	if (!n)
		return EAI_MEMORY;
	run_lookup(me, &n->l, "getnameinfo");
	r = n->l.result;
	if (r != 0)
		errno = n->l.err;
	if (r == 0 && wants_host)
		strcpy(host, n->host);
	if (r == 0 && wants_service)
		strcpy(service, n->service);
	free(n);
	return r;
}

/* gethostbyname and kin */

/* By name with a family (0: as the resolver is set), or by address. */
struct host_query {
	const char *name;
	const void *addr; /* if name is NULL */
	socklen_t addr_len;
	int family;
};

struct host_lookup {
	struct lookup l;
	struct host_query q; /* points into text */
	struct hostent ent, *found;
	int herr;
	bool grows; /* the buffer is ours: larger until the answer fits */
	char *buf;
	size_t buf_len;
	void *memory; /* that buf lies in */
	char text[];
};

static int ask(struct host_lookup *h)
{
	struct host_query *q = &h->q;
	int *herr = &h->herr;

	if (!q->name)
		return libc.gethostbyaddr_r(q->addr, q->addr_len, q->family, &h->ent, h->buf, h->buf_len,
					    &h->found, herr);
	if (q->family)
		return libc.gethostbyname2_r(q->name, q->family, &h->ent, h->buf, h->buf_len, &h->found, herr);
	return libc.gethostbyname_r(q->name, &h->ent, h->buf, h->buf_len, &h->found, herr);
}

static bool grow(struct host_lookup *h)
{
	void *bigger = realloc(h->memory, h->buf_len * 2);

	if (!bigger)
		return false;
	h->memory = h->buf = bigger;
	h->buf_len *= 2;
	return true;
}

static void run_host(struct offload_job *job)
{
	struct host_lookup *h = CONTAINER_OF(job, struct host_lookup, l.job);

	do
		h->l.result = ask(h);
	while (h->l.result == ERANGE && h->grows && grow(h));
	h->l.err = errno;
}

static void free_host(struct host_lookup *h)
{
	free(h->memory);
	free(h);
}

static void abandon_host(struct offload_job *job)
{
	free_host(CONTAINER_OF(job, struct host_lookup, l.job));
}

/* libc aligns what it puts into the buffer by address: `like` says how the caller's lies. */
static struct host_lookup *host_lookup(const struct host_query *q, const char *like, size_t buf_len)
{
	size_t size = q->name ? strlen(q->name) + 1 : q->addr_len, shift = (uintptr_t)like % 16;
	struct host_lookup *h = calloc(1, sizeof(*h) + size);

	if (!h)
		return NULL;
	h->memory = malloc(buf_len + shift);
	if (!h->memory) {
		free(h);
		return NULL;
	}
	h->l.job.run = run_host;
	h->l.job.abandoned = abandon_host;
	h->q = *q;
	memcpy(h->text, q->name ? q->name : q->addr, size);
	if (q->name)
		h->q.name = h->text;
	else
		h->q.addr = h->text;
	h->buf = (char *)h->memory + shift;
	h->buf_len = buf_len;
	return h;
}

/* What pointed into the job's buffer points to the same place in the caller's copy of it. */
static char *moved(const struct host_lookup *h, char *to, void *p)
{
	uintptr_t offset = (uintptr_t)p - (uintptr_t)h->buf;

	return offset < h->buf_len ? to + offset : p;
}

static void move_list(const struct host_lookup *h, char *to, char ***list)
{
	if (!*list)
		return;
	*list = (char **)(void *)moved(h, to, *list);
	for (char **p = *list; *p; p++)
		*p = moved(h, to, *p);
}

static void move_answer(struct host_lookup *h, struct hostent *ent, char *buf)
{
	memcpy(buf, h->buf, h->buf_len);
	*ent = h->ent;
	ent->h_name = moved(h, buf, ent->h_name);
	move_list(h, buf, &ent->h_aliases);
	move_list(h, buf, &ent->h_addr_list);
}

static int park_host_r(struct coro *me, const struct host_query *q, struct hostent *ent, char *buf, size_t len,
		       struct hostent **found, int *herr, const char *why)
{
	struct host_lookup *h = host_lookup(q, buf, len);
	int r;

	*found = NULL;
	if (!h) {
		*herr = NETDB_INTERNAL;
		return errno = ENOMEM;
	}
	run_lookup(me, &h->l, why);
	r = h->l.result;
	*herr = h->herr;
	if (h->found) {
		move_answer(h, ent, buf);
		*found = ent;
	} else {
		errno = h->l.err;
	}
	free_host(h);
	return r;
}

/* The calls without _r answer in one place for the process, as libc's do.  Only coroutines come here. */
static struct hostent *park_host(struct coro *me, const struct host_query *q, const char *why)
{
	static struct hostent answer;
	static void *memory;
	struct host_lookup *h = host_lookup(q, NULL, 1024);
	struct hostent *found = NULL;

	if (!h) {
		h_errno = NETDB_INTERNAL;
		return NULL;
	}
	h->grows = true;
	run_lookup(me, &h->l, why);
	if (h->found) {
		void *old = memory;

		answer = h->ent;
		memory = h->memory;
		h->memory = old;
		found = &answer;
	} else {
		h_errno = h->herr;
		errno = h->l.err;
	}
	free_host(h);
	return found;
}

/* gethostbyname(3) and kin.  Park: while a worker looks the name up.  Numeric names pass through.
 * h_errno and errno: libc's. */
EXPORT struct hostent *gethostbyname(const char *name)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .name = name };

	if (LIKELY(!me) || is_address(name))
		return libc.gethostbyname(name);
	return park_host(me, &q, "gethostbyname");
}

EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .name = name, .family = family };

	if (LIKELY(!me) || is_address(name))
		return libc.gethostbyname2(name, family);
	return park_host(me, &q, "gethostbyname2");
}

EXPORT struct hostent *gethostbyaddr(const void *addr, socklen_t len, int family)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .addr = addr, .addr_len = len, .family = family };

	if (LIKELY(!me))
		return libc.gethostbyaddr(addr, len, family);
	return park_host(me, &q, "gethostbyaddr");
}

EXPORT int gethostbyname_r(const char *restrict name, struct hostent *restrict ent, char *restrict buf,
			   size_t len, struct hostent **restrict found, int *restrict herr)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .name = name };

	if (LIKELY(!me) || is_address(name))
		return libc.gethostbyname_r(name, ent, buf, len, found, herr);
	return park_host_r(me, &q, ent, buf, len, found, herr, "gethostbyname_r");
}

EXPORT int gethostbyname2_r(const char *restrict name, int family, struct hostent *restrict ent,
			    char *restrict buf, size_t len, struct hostent **restrict found, int *restrict herr)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .name = name, .family = family };

	if (LIKELY(!me) || is_address(name))
		return libc.gethostbyname2_r(name, family, ent, buf, len, found, herr);
	return park_host_r(me, &q, ent, buf, len, found, herr, "gethostbyname2_r");
}

EXPORT int gethostbyaddr_r(const void *restrict addr, socklen_t addr_len, int family,
			   struct hostent *restrict ent, char *restrict buf, size_t len,
			   struct hostent **restrict found, int *restrict herr)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .addr = addr, .addr_len = addr_len, .family = family };

	if (LIKELY(!me))
		return libc.gethostbyaddr_r(addr, addr_len, family, ent, buf, len, found, herr);
	return park_host_r(me, &q, ent, buf, len, found, herr, "gethostbyaddr_r");
}
