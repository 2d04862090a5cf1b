/* SPDX-License-Identifier: Apache-2.0
 *
 * getaddrinfo() over the services, see namedb.h.  The steps are libc's: sockets' types from the service, addresses
 * from the services of nsswitch.conf, the product of both, its order.  What libc can say without a lookup (is the
 * service known, which types it has) it is asked.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "addrsort.h"
#include "namedb.h"
#include "namedb_steps.h"

/* One call. */
struct request {
	struct coro *me;
	const struct dnsconf *conf;
	const char *node;
	struct addrinfo hints;	/* family narrowed by AI_ADDRCONFIG */
	struct addrinfo *types; /* libc's: an entry for each type of socket, with protocol and port */
	struct own_addrs own;
	bool own_known;
	struct found found;
	size_t mapped; /* so many IPv4 addresses at the end of found are wanted as IPv6 */
	bool got_ipv6;
	struct dns_error e; /* of the last service */
};

/* --- Addresses */

static int memory_or_system(const struct dns_error *e)
{
	return e->err == ENOMEM ? EAI_MEMORY : EAI_SYSTEM;
}

/* IPv4 without a canonical name goes the way of gethostbyname2_r(), and has its codes. */
static int find_ipv4(struct request *q)
{
	int status = walk_host(q->me, q->conf, q->node, AF_INET, &q->found, &q->e);

	switch (status) {
	case NAMEDB_ELSEWHERE:
	case NSS_STATUS_SUCCESS:
		return status == NSS_STATUS_SUCCESS ? 0 : status;
	case NSS_STATUS_NOTFOUND:
		return q->e.herr == NO_DATA ? EAI_NODATA : EAI_NONAME;
	default:
		if (q->e.herr == NETDB_INTERNAL)
			return memory_or_system(&q->e);
		return q->e.herr == TRY_AGAIN ? EAI_AGAIN : EAI_NODATA;
	}
}

/* Why there is nothing of one family, or of both when they are asked for together.  A name that is not known at all
 * counts as PRESENT: it is told by there being no address. */
enum absence { PRESENT, WITHOUT_DATA, NOT_NOW };

static enum absence absence_of(const struct dns_error *e)
{
	return e->herr == TRY_AGAIN ? NOT_NOW : e->herr == NO_DATA ? WITHOUT_DATA : PRESENT;
}

/* One family from one service, in addition to what the other family gave.  EAI_ code. */
static int add_family(struct request *q, enum dns_service service, int family, enum nss_status *status,
		      enum absence *absence)
{
	struct found more __attribute__((cleanup(found_clear))) = { 0 };

	*absence = PRESENT;
	*status = service == SERVICE_FILES ? step_hosts(q->conf, q->node, family, &more, &q->e)
					   : dns_host(q->me, q->conf, q->node, family,
						      !(q->hints.ai_flags & AI_CANONNAME), &more, &q->e);
	if (*status != NSS_STATUS_SUCCESS) {
		if (q->e.herr == NETDB_INTERNAL)
			return memory_or_system(&q->e);
		*absence = absence_of(&q->e);
		return 0;
	}
	for (size_t i = 0; i < more.naddrs; i++)
		if (found_add_addr(&q->found, family, more.addrs[i].bytes) < 0)
			return EAI_MEMORY;
	if (!q->found.name && more.name && found_set_name(&q->found, more.name) < 0)
		return EAI_MEMORY;
	q->got_ipv6 = family == AF_INET6;
	q->mapped = family == AF_INET && q->hints.ai_family == AF_INET6 ? more.naddrs : 0;
	return 0;
}

/* Each family by itself: IPv6, then IPv4 if it is wanted or may stand in.  EAI_ code. */
static int add_families(struct request *q, enum dns_service service, enum nss_status *status,
			enum absence absent[2])
{
	enum nss_status ipv6 = NSS_STATUS_UNAVAIL;
	int family = q->hints.ai_family, flags = q->hints.ai_flags, r = 0;

	*status = NSS_STATUS_UNAVAIL;
	if (family == AF_INET6) {
		r = add_family(q, service, AF_INET6, &ipv6, &absent[0]);
		absent[1] = absent[0];
		*status = ipv6;
	}
	if (r == 0 && (family == AF_INET || ((flags & AI_V4MAPPED) && ((flags & AI_ALL) || !q->got_ipv6)))) {
		r = add_family(q, service, AF_INET, status, &absent[0]);
		if (family == AF_INET) {
			absent[1] = absent[0];
			ipv6 = *status;
		}
	}
	if (ipv6 == NSS_STATUS_SUCCESS || *status == NSS_STATUS_SUCCESS)
		*status = NSS_STATUS_SUCCESS;
	else if (ipv6 == NSS_STATUS_TRYAGAIN || (*status == NSS_STATUS_UNAVAIL && ipv6 != NSS_STATUS_UNAVAIL))
		*status = ipv6;
	return r;
}

/* Both families at once. */
static void find_both(struct request *q, enum dns_service service, enum nss_status *status,
		      enum absence absent[2])
{
	*status = service == SERVICE_FILES ? step_hosts(q->conf, q->node, AF_UNSPEC, &q->found, &q->e)
					   : dns_addrs(q->me, q->conf, q->node, &q->found, &q->e);
	absent[0] = absent[1] = *status == NSS_STATUS_SUCCESS ? PRESENT : absence_of(&q->e);
	if (*status != NSS_STATUS_SUCCESS)
		found_clear(&q->found);
}

/* EAI_ code; NAMEDB_ELSEWHERE. */
static int find_in_services(struct request *q)
{
	enum nss_status status = NSS_STATUS_UNAVAIL;
	enum absence absent[2] = { PRESENT, PRESENT }; /* of the last family asked for, and of IPv6 */
	int r = 0;

	for (int i = 0; i < q->conf->nsteps; i++) {
		const struct dns_step *step = &q->conf->step[i];

		if (step->service == SERVICE_OTHER)
			return NAMEDB_ELSEWHERE;
		found_clear(&q->found);
		q->got_ipv6 = false;
		q->mapped = 0;
		absent[0] = PRESENT;
		if (q->hints.ai_family == AF_UNSPEC)
			find_both(q, step->service, &status, absent);
		else if ((r = add_families(q, step->service, &status, absent)))
			return r;
		if (step_is_final(step, status))
			break;
	}
	if ((status == NSS_STATUS_TRYAGAIN || status == NSS_STATUS_UNAVAIL) && q->e.herr == NETDB_INTERNAL)
		return memory_or_system(&q->e);
	if (absent[0] && absent[1])
		return absent[0] == NOT_NOW && absent[1] == NOT_NOW ? EAI_AGAIN : EAI_NODATA;
	return q->found.naddrs ? 0 : EAI_NONAME;
}

/* --- The list */

static bool wants_addr(const struct request *q, const struct sockaddr_in6 *in6)
{
	return !(q->got_ipv6 && (q->hints.ai_flags & (AI_V4MAPPED | AI_ALL)) == AI_V4MAPPED &&
		 in6->sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr));
}

static socklen_t write_sockaddr(const struct request *q, size_t i, struct sockaddr_in6 *to)
{
	const struct found_addr *addr = &q->found.addrs[i];
	struct sockaddr_in *in = (void *)to;

	*to = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	if (addr->family == AF_INET6) {
		memcpy(&to->sin6_addr, addr->bytes, 16);
	} else if (i + q->mapped >= q->found.naddrs) {
		to->sin6_addr.s6_addr[10] = to->sin6_addr.s6_addr[11] = 0xff;
		memcpy(to->sin6_addr.s6_addr + 12, addr->bytes, 4);
	} else {
		*in = (struct sockaddr_in){ .sin_family = AF_INET };
		memcpy(&in->sin_addr, addr->bytes, 4);
		return sizeof(*in);
	}
	return sizeof(*to);
}

/* One block for an entry and its address: that is what freeaddrinfo() frees. */
static struct addrinfo *new_entry(const struct request *q, const struct addrinfo *type, const void *sa,
				  socklen_t len)
{
	struct addrinfo *entry = malloc(sizeof(*entry) + len);

	if (!entry)
		return NULL;
	*entry = (struct addrinfo){
		.ai_flags = q->hints.ai_flags,
		.ai_family = ((const struct sockaddr *)sa)->sa_family,
		.ai_socktype = type->ai_socktype,
		.ai_protocol = type->ai_protocol,
		.ai_addrlen = len,
		.ai_addr = (struct sockaddr *)(entry + 1),
	};
	memcpy(entry->ai_addr, sa, len);
	/* The port has the same place in both families. */
	((struct sockaddr_in *)(void *)entry->ai_addr)->sin_port =
		((const struct sockaddr_in *)(const void *)type->ai_addr)->sin_port;
	return entry;
}

/* EAI_ code; *naddrs: of how many addresses. */
static int make_list(const struct request *q, struct addrinfo **list, int *naddrs)
{
	struct addrinfo **link = list;
	struct sockaddr_in6 sa;

	*list = NULL;
	*naddrs = 0;
	for (size_t i = 0; i < q->found.naddrs; i++) {
		socklen_t len = write_sockaddr(q, i, &sa);

		if (!wants_addr(q, &sa))
			continue;
		for (const struct addrinfo *type = q->types; type; type = type->ai_next) {
			if (!(*link = new_entry(q, type, &sa, len)))
				return EAI_MEMORY;
			link = &(*link)->ai_next;
		}
		++*naddrs;
	}
	return *list ? 0 : EAI_NONAME;
}

static int name_list(const struct request *q, struct addrinfo *list)
{
	if (!(q->hints.ai_flags & AI_CANONNAME))
		return 0;
	list->ai_canonname = strdup(q->found.name ? q->found.name : q->node);
	return list->ai_canonname ? 0 : EAI_MEMORY;
}

/* As in libc, *result is not touched by a failure. */
static int finish_list(struct request *q, struct addrinfo **result)
{
	struct addrinfo *list;
	int naddrs, r = make_list(q, &list, &naddrs);

	if (r == 0)
		r = name_list(q, list);
	if (r == 0 && naddrs > 1) {
		if (!q->own_known)
			own_addrs_read(&q->own);
		r = addrsort(&list, &q->own) < 0 ? EAI_MEMORY : 0;
	}
	if (r)
		freeaddrinfo(list);
	else
		*result = list;
	return r;
}

/* --- The request */

/* AI_ADDRCONFIG: no family that this machine has no address of. */
static int narrow_family(struct request *q)
{
	int family = q->hints.ai_family;

	if (!(q->hints.ai_flags & AI_ADDRCONFIG))
		return 0;
	own_addrs_read(&q->own);
	q->own_known = true;
	if (family == AF_UNSPEC && q->own.ipv4 != q->own.ipv6)
		q->hints.ai_family = q->own.ipv4 ? AF_INET : AF_INET6;
	if ((family == AF_INET && !q->own.ipv4) || (family == AF_INET6 && !q->own.ipv6))
		return EAI_NONAME;
	return 0;
}

/* Which types of socket, by libc itself: it is asked about an address that it need not look up. */
static int find_types(struct request *q, const char *service, addrinfo_call *services)
{
	bool given = service && *service && strcmp(service, "*") != 0;
	struct addrinfo hints = {
		.ai_flags = (q->hints.ai_flags & AI_NUMERICSERV) | AI_PASSIVE,
		.ai_family = AF_INET,
		.ai_socktype = q->hints.ai_socktype,
		.ai_protocol = q->hints.ai_protocol,
	};

	if (given)
		return services(NULL, service, &hints, &q->types);
	hints.ai_flags = AI_NUMERICHOST;
	return services("0.0.0.0", NULL, &hints, &q->types);
}

/* Non-ASCII names and the way back from punycode are libidn2's, which libc loads. */
static bool needs_idn(const struct request *q)
{
	const char *p = q->node;

	if ((q->hints.ai_flags & AI_CANONIDN) && (q->hints.ai_flags & AI_CANONNAME))
		return true;
	while (*p && !((unsigned char)*p & 0x80))
		p++;
	return *p && (q->hints.ai_flags & AI_IDN);
}

static int look_up(struct request *q, const char *service, struct addrinfo **result, addrinfo_call *services)
{
	int r;

	if (q->conf->for_libc || q->conf->sorted_by_libc || needs_idn(q) ||
	    (service && !q->conf->services_local && service[strspn(service, "0123456789")]))
		return NAMEDB_ELSEWHERE;
	if ((r = narrow_family(q)) || (r = find_types(q, service, services)))
		return r;
	if (q->hints.ai_family == AF_INET && !(q->hints.ai_flags & AI_CANONNAME))
		r = find_ipv4(q);
	else
		r = find_in_services(q);
	return r ? r : finish_list(q, result);
}

static void end_request(struct request *q)
{
	if (q->types)
		freeaddrinfo(q->types);
	own_addrs_free(&q->own);
	found_clear(&q->found);
	dnsconf_put((struct dnsconf *)q->conf);
}

int namedb_addrinfo(struct coro *me, const char *node, const char *service, const struct addrinfo *hints,
		    struct addrinfo **result, addrinfo_call *services)
{
	static const struct addrinfo defaults = { .ai_flags = AI_V4MAPPED | AI_ADDRCONFIG };
	struct request q __attribute__((cleanup(end_request))) = { .me = me, .node = node };
	int saved = errno, r;

	q.hints = hints ? *hints : defaults;
	q.conf = dnsconf_get();
	r = q.conf ? look_up(&q, service, result, services) : EAI_MEMORY;
	if (r != EAI_SYSTEM)
		errno = saved;
	else if (q.e.err)
		errno = q.e.err;
	return r;
}
