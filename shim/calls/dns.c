/* SPDX-License-Identifier: Apache-2.0
 *
 * Names.  SYNCLESS_DNS says who looks them up for a coroutine: the core (cares), parked on sockets; libc on a native
 * thread of the pool (thread), which is also where the core sends what only libc can do; or libc at once (libc), which
 * blocks all.
 *
 * What needs no lookup is libc's in any case: numeric names, and whatever it refuses without looking.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include "coro.h"
#include "hostent.h"
#include "libc.h"
#include "lookup.h"
#include "namedb.h"
#include "settings.h"

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

/* By libc's reading: also 127.1 and fe80::1%eth0. */
static bool is_address(const char *s)
{
	char ipv6[INET6_ADDRSTRLEN];
	unsigned char addr[16];
	size_t n = strcspn(s, "%");

	if (inet_aton(s, (struct in_addr *)(void *)addr) && !s[strcspn(s, " \t\n\v\f\r")])
		return true;
	if (n >= sizeof(ipv6))
		return false;
	memcpy(ipv6, s, n);
	ipv6[n] = '\0';
	return inet_pton(AF_INET6, ipv6, addr) == 1;
}

#define AI_KNOWN                                                                                               \
	(AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | AI_IDN |          \
	 AI_CANONIDN | AI_NUMERICSERV | 0x300 /* two old ones about IDN, which it ignores */)

/* What libc answers without asking anybody: no name, or hints that it refuses. */
static bool needs_no_host(const char *node, const struct addrinfo *hints)
{
	if (!node || !strcmp(node, "*") || is_address(node))
		return true;
	if (!hints)
		return false;
	return (hints->ai_flags & AI_NUMERICHOST) || (hints->ai_flags & ~AI_KNOWN) ||
	       (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET && hints->ai_family != AF_INET6);
}

/* A service's name stands in a file, unless nsswitch.conf says otherwise. */
static bool needs_no_service(const char *service, const struct addrinfo *hints)
{
	struct dnsconf *conf;
	bool local;

	if (!service || is_number(service) || (hints && hints->ai_flags & AI_NUMERICSERV))
		return true;
	conf = settings.dns == DNS_CARES ? dnsconf_get() : NULL;
	local = conf && conf->services_local;
	dnsconf_put(conf);
	return local;
}

/* Or libc is to do it at once. */
static bool needs_no_lookup(const char *node, const char *service, const struct addrinfo *hints)
{
	return settings.dns == DNS_LIBC || (needs_no_host(node, hints) && needs_no_service(service, hints));
}

static void run_addr(struct offload_job *job)
{
	struct addr_lookup *a = CONTAINER_OF(job, struct addr_lookup, l.job);

	lookup_begins(&a->l);
	a->l.result = libc.getaddrinfo(a->node, a->service, a->has_hints ? &a->hints : NULL, &a->found);
	lookup_ends(&a->l);
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

static int addrinfo_by_worker(struct coro *me, const char *node, const char *service,
			      const struct addrinfo *hints, struct addrinfo **found)
{
	struct addr_lookup *a = addr_lookup(node, service, hints);
	int r;

	if (!a)
		return EAI_MEMORY;
	r = lookup_run(me, &a->l, WAITQ_CANCEL, "getaddrinfo");
	if (r) {
		errno = r;
		return EAI_SYSTEM;
	}
	r = a->l.result;
	if (r == 0)
		*found = a->found;
	else
		errno = a->l.err;
	free(a);
	return r;
}

/* getaddrinfo(3).  Parks: while a server or a worker is asked.  Passes through: numeric names, and what libc refuses
 * at once.  errno: libc's with EAI_SYSTEM, else untouched. */
EXPORT int getaddrinfo(const char *restrict node, const char *restrict service,
		       const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
	struct coro *me = coro_may_park();
	int r = NAMEDB_ELSEWHERE;

	if (LIKELY(!me) || (needs_no_lookup(node, service, hints) && coro_leave(true)))
		return libc.getaddrinfo(node, service, hints, found);
	if (settings.dns == DNS_CARES && !needs_no_host(node, hints))
		r = namedb_addrinfo(me, node, service, hints, found, libc.getaddrinfo);
	if (r == NAMEDB_ELSEWHERE)
		r = addrinfo_by_worker(me, node, service, hints, found);
	return coro_leave(r);
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

	lookup_begins(&n->l);
	n->l.result = libc.getnameinfo((struct sockaddr *)&n->addr, n->addr_len, n->host, n->host_len,
				       n->service, n->service_len, n->flags);
	lookup_ends(&n->l);
}

static struct name_lookup *name_lookup(const struct sockaddr *addr, socklen_t addr_len, bool host,
				       socklen_t host_len, bool service, socklen_t service_len, int flags)
{
	struct name_lookup *n = calloc(1, sizeof(*n) + host_len + service_len);

	if (!n)
		return NULL;
	n->l.job.run = run_name;
	n->l.job.abandoned = lookup_free;
	memcpy(&n->addr, addr, addr_len);
	n->addr_len = addr_len;
	n->host_len = host_len;
	n->service_len = service_len;
	n->flags = flags;
	n->host = host ? n->text : NULL;
	n->service = service ? n->text + host_len : NULL;
	return n;
}

static int nameinfo_by_worker(struct coro *me, const struct sockaddr *addr, socklen_t addr_len, char *host,
			      socklen_t host_len, char *service, socklen_t service_len, int flags)
{
	struct name_lookup *n = name_lookup(addr, addr_len, host, host_len, service, service_len, flags);
	int r;

	if (!n)
		return EAI_MEMORY;
	r = lookup_run(me, &n->l, WAITQ_CANCEL, "getnameinfo");
	if (r) {
		errno = r;
		return EAI_SYSTEM;
	}
	r = n->l.result;
	if (r != 0)
		errno = n->l.err;
	if (r == 0 && host)
		strcpy(host, n->host);
	if (r == 0 && service)
		strcpy(service, n->service);
	free(n);
	return r;
}

static bool has_ip(const struct sockaddr *addr, socklen_t len)
{
	return addr && len >= sizeof(sa_family_t) &&
	       ((addr->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) ||
		(addr->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)));
}

/* The name of the host; EAI_NONAME: it has none, NAMEDB_ELSEWHERE. */
static int host_name_of(struct coro *me, const struct sockaddr *addr, char *host, socklen_t len)
{
	struct found found __attribute__((cleanup(found_clear))) = { 0 };
	const void *bytes = &((const struct sockaddr_in *)(const void *)addr)->sin_addr;
	struct dns_error e;
	int family = addr->sa_family, status;

	if (family == AF_INET6)
		bytes = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
	status = namedb_addr(me, bytes, &family, &found, &e);
	if (status == NAMEDB_ELSEWHERE)
		return status;
	if (status != NSS_STATUS_SUCCESS) {
		if (e.herr == NETDB_INTERNAL) {
			errno = e.err;
			return e.err == ENOMEM ? EAI_MEMORY : EAI_SYSTEM;
		}
		return e.herr == TRY_AGAIN ? EAI_AGAIN : EAI_NONAME;
	}
	if (strlen(found.name) >= len)
		return EAI_OVERFLOW;
	strcpy(host, found.name);
	return 0;
}

/* A valid IP address, and flags that libc knows. */
static bool may_have_name(const struct sockaddr *addr, socklen_t len, int flags)
{
	return has_ip(addr, len) && len <= sizeof(struct sockaddr_storage) &&
	       !(flags & ~(NI_NUMERICHOST | NI_NUMERICSERV | NI_NOFQDN | NI_NAMEREQD | NI_DGRAM | NI_IDN |
			   0xc0 /* two old ones about IDN, which it ignores */));
}

static int park_nameinfo(struct coro *me, const struct sockaddr *addr, socklen_t addr_len, char *host,
			 socklen_t host_len, char *service, socklen_t service_len, int flags)
{
	bool named = host && host_len && !(flags & NI_NUMERICHOST);
	bool local = !service || !service_len || (flags & NI_NUMERICSERV) || needs_no_service("", NULL);
	int r = NAMEDB_ELSEWHERE;

	if (!named && local)
		return libc.getnameinfo(addr, addr_len, host, host_len, service, service_len, flags);
	if (settings.dns == DNS_CARES && named && local && !(flags & (NI_NOFQDN | NI_IDN)))
		r = host_name_of(me, addr, host, host_len);
	if (r == NAMEDB_ELSEWHERE)
		return nameinfo_by_worker(me, addr, addr_len, host_len ? host : NULL, host_len,
					  service_len ? service : NULL, service_len, flags);
	if (r == EAI_NONAME && !(flags & NI_NAMEREQD)) /* its number stands in for its name */
		return libc.getnameinfo(addr, addr_len, host, host_len, service, service_len,
					flags | NI_NUMERICHOST);
	return r ? r : libc.getnameinfo(addr, addr_len, NULL, 0, service, service_len, flags & ~NI_NAMEREQD);
}

/* getnameinfo(3).  As getaddrinfo(). */
EXPORT int getnameinfo(const struct sockaddr *restrict addr, socklen_t addr_len, char *restrict host,
		       socklen_t host_len, char *restrict service, socklen_t service_len, int flags)
{
	struct coro *me = coro_may_park();
	int saved = errno, r;

	if (LIKELY(!me) ||
	    ((settings.dns == DNS_LIBC || !may_have_name(addr, addr_len, flags)) && coro_leave(true)))
		return libc.getnameinfo(addr, addr_len, host, host_len, service, service_len, flags);
	r = park_nameinfo(me, addr, addr_len, host, host_len, service, service_len, flags);
	if (r == 0)
		errno = saved;
	return coro_leave(r);
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
	struct lookup_room room;
	char text[];
};

static int ask(struct host_lookup *h)
{
	struct host_query *q = &h->q;
	int *herr = &h->herr;

	if (!q->name)
		return libc.gethostbyaddr_r(q->addr, q->addr_len, q->family, &h->ent, h->room.buf, h->room.len,
					    &h->found, herr);
	if (q->family)
		return libc.gethostbyname2_r(q->name, q->family, &h->ent, h->room.buf, h->room.len, &h->found,
					     herr);
	return libc.gethostbyname_r(q->name, &h->ent, h->room.buf, h->room.len, &h->found, herr);
}

static void run_host(struct offload_job *job)
{
	struct host_lookup *h = CONTAINER_OF(job, struct host_lookup, l.job);

	lookup_begins(&h->l);
	do
		h->l.result = ask(h);
	while (h->l.result == ERANGE && h->grows && lookup_room_grow(&h->room));
	lookup_ends(&h->l);
}

static void free_host(struct host_lookup *h)
{
	free(h->room.memory);
	free(h);
}

static void abandon_host(struct offload_job *job)
{
	free_host(CONTAINER_OF(job, struct host_lookup, l.job));
}

/* `like`: the caller's buffer. */
static struct host_lookup *host_lookup(const struct host_query *q, const char *like, size_t buf_len)
{
	size_t size = q->name ? strlen(q->name) + 1 : q->addr_len;
	struct host_lookup *h = calloc(1, sizeof(*h) + size);

	if (!h)
		return NULL;
	if (!lookup_room_make(&h->room, like, buf_len)) {
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
	return h;
}

static void move_answer(struct host_lookup *h, struct hostent *ent, char *buf)
{
	memcpy(buf, h->room.buf, h->room.len);
	*ent = h->ent;
	ent->h_name = lookup_moved(&h->room, buf, ent->h_name);
	lookup_move_list(&h->room, buf, &ent->h_aliases);
	lookup_move_list(&h->room, buf, &ent->h_addr_list);
}

static int host_by_worker_r(struct coro *me, const struct host_query *q, struct hostent *ent, char *buf,
			    size_t len, struct hostent **found, int *herr, const char *why)
{
	struct host_lookup *h = host_lookup(q, buf, len);
	int r;

	if (!h) {
		*herr = NETDB_INTERNAL;
		return errno = ENOMEM;
	}
	r = lookup_run(me, &h->l, WAITQ_CANCEL, why);
	if (r) {
		*herr = NETDB_INTERNAL;
		return errno = r;
	}
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

/* The core's answer: an enum nss_status or NAMEDB_ELSEWHERE; *family of the answer. */
static int host_by_core(struct coro *me, const struct host_query *q, int *family, struct found *to,
			struct dns_error *e)
{
	*family = q->family ? q->family : AF_INET;
	if (settings.dns != DNS_CARES)
		return NAMEDB_ELSEWHERE;
	return q->name ? namedb_host(me, q->name, *family, to, e) : namedb_addr(me, q->addr, family, to, e);
}

/* What gethostbyname_r() returns, and leaves in errno, for a status without an answer. */
static int failure_of(int status, const struct dns_error *e)
{
	if (status == NSS_STATUS_NOTFOUND)
		return 0;
	if (e->herr != NETDB_INTERNAL && status == NSS_STATUS_TRYAGAIN)
		return errno = EAGAIN;
	return e->err ? errno = e->err : errno;
}

static int park_host_r(struct coro *me, const struct host_query *q, struct hostent *ent, char *buf, size_t len,
		       struct hostent **found, int *herr, const char *why)
{
	struct found answer __attribute__((cleanup(found_clear))) = { 0 };
	struct dns_error e;
	int family, status;

	*found = NULL;
	status = host_by_core(me, q, &family, &answer, &e);
	if (status == NAMEDB_ELSEWHERE)
		return host_by_worker_r(me, q, ent, buf, len, found, herr, why);
	*herr = e.herr;
	if (status != NSS_STATUS_SUCCESS)
		return failure_of(status, &e);
	if (!hostent_write(&answer, family, ent, buf, len)) {
		*herr = NETDB_INTERNAL;
		return errno = ERANGE;
	}
	*found = ent;
	return 0;
}

/* The calls without _r answer in one place for the process, as libc's do.  Only coroutines come here. */
static struct hostent the_answer;
static void *the_memory;

static struct hostent *host_by_worker(struct coro *me, const struct host_query *q, const char *why)
{
	struct host_lookup *h = host_lookup(q, NULL, 1024);
	struct hostent *found = NULL;
	int r;

	if (!h) {
		h_errno = NETDB_INTERNAL;
		return NULL;
	}
	h->grows = true;
	r = lookup_run(me, &h->l, WAITQ_CANCEL, why);
	if (r) {
		h_errno = NETDB_INTERNAL;
		errno = r;
		return NULL;
	}
	if (h->found) {
		void *old = the_memory;

		the_answer = h->ent;
		the_memory = h->room.memory;
		h->room.memory = old;
		found = &the_answer;
	} else {
		h_errno = h->herr;
		errno = h->l.err;
	}
	free_host(h);
	return found;
}

static struct hostent *park_host(struct coro *me, const struct host_query *q, const char *why)
{
	struct found answer __attribute__((cleanup(found_clear))) = { 0 };
	struct dns_error e;
	int family, status = host_by_core(me, q, &family, &answer, &e);
	size_t size;
	void *memory;

	if (status == NAMEDB_ELSEWHERE)
		return host_by_worker(me, q, why);
	if (status != NSS_STATUS_SUCCESS) {
		failure_of(status, &e);
		h_errno = e.herr;
		return NULL;
	}
	size = hostent_size(&answer);
	memory = malloc(size);
	if (!memory) {
		h_errno = NETDB_INTERNAL;
		return NULL;
	}
	hostent_write(&answer, family, &the_answer, memory, size);
	free(the_memory);
	the_memory = memory;
	return &the_answer;
}

static struct hostent *left_with(struct hostent *answer)
{
	coro_leave(0);
	return answer;
}

/* No lookup, or none that libc would begin. */
static bool needs_no_name(const char *name, int family)
{
	return settings.dns == DNS_LIBC || is_address(name) || (family != AF_INET && family != AF_INET6);
}

static bool needs_no_addr(const void *addr, socklen_t len, int family)
{
	static const unsigned char unspecified[16];

	if (settings.dns == DNS_LIBC)
		return true;
	if (family == AF_INET6)
		return len != 16 || !memcmp(addr, unspecified, 16);
	return family != AF_INET || len != 4;
}

/* gethostbyname(3) and kin.  Park: while a server or a worker is asked.  Pass through: numeric names, and what libc
 * refuses at once.  h_errno and errno: libc's. */
EXPORT struct hostent *gethostbyname(const char *name)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .name = name };

	if (LIKELY(!me) || (needs_no_name(name, AF_INET) && coro_leave(true)))
		return libc.gethostbyname(name);
	return left_with(park_host(me, &q, "gethostbyname"));
}

EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .name = name, .family = family };

	if (LIKELY(!me) || (needs_no_name(name, family) && coro_leave(true)))
		return libc.gethostbyname2(name, family);
	return left_with(park_host(me, &q, "gethostbyname2"));
}

EXPORT struct hostent *gethostbyaddr(const void *addr, socklen_t len, int family)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .addr = addr, .addr_len = len, .family = family };

	if (LIKELY(!me) || (needs_no_addr(addr, len, family) && coro_leave(true)))
		return libc.gethostbyaddr(addr, len, family);
	return left_with(park_host(me, &q, "gethostbyaddr"));
}

EXPORT int gethostbyname_r(const char *restrict name, struct hostent *restrict ent, char *restrict buf,
			   size_t len, struct hostent **restrict found, int *restrict herr)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .name = name };

	if (LIKELY(!me) || (needs_no_name(name, AF_INET) && coro_leave(true)))
		return libc.gethostbyname_r(name, ent, buf, len, found, herr);
	return coro_leave(park_host_r(me, &q, ent, buf, len, found, herr, "gethostbyname_r"));
}

EXPORT int gethostbyname2_r(const char *restrict name, int family, struct hostent *restrict ent,
			    char *restrict buf, size_t len, struct hostent **restrict found, int *restrict herr)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .name = name, .family = family };

	if (LIKELY(!me) || (needs_no_name(name, family) && coro_leave(true)))
		return libc.gethostbyname2_r(name, family, ent, buf, len, found, herr);
	return coro_leave(park_host_r(me, &q, ent, buf, len, found, herr, "gethostbyname2_r"));
}

EXPORT int gethostbyaddr_r(const void *restrict addr, socklen_t addr_len, int family,
			   struct hostent *restrict ent, char *restrict buf, size_t len,
			   struct hostent **restrict found, int *restrict herr)
{
	struct coro *me = coro_may_park();
	struct host_query q = { .addr = addr, .addr_len = addr_len, .family = family };

	if (LIKELY(!me) || (needs_no_addr(addr, addr_len, family) && coro_leave(true)))
		return libc.gethostbyaddr_r(addr, addr_len, family, ent, buf, len, found, herr);
	return coro_leave(park_host_r(me, &q, ent, buf, len, found, herr, "gethostbyaddr_r"));
}
