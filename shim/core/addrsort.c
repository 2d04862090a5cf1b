/* SPDX-License-Identifier: Apache-2.0
 *
 * See addrsort.h.  Every rule is named by its number in RFC 3484, which libc's comments and documentation use.
 */
#include "addrsort.h"
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "raw.h"

/* --- What the kernel says: one dump of addresses, or of links, over a netlink socket (rtnetlink(7)) */

typedef bool netlink_taker(const struct nlmsghdr *msg, void *arg); /* false: enough */

static void take_messages(int fd, const struct sockaddr_nl *self, netlink_taker *take, void *arg)
{
	_Alignas(struct nlmsghdr) char buf[8192];

	for (;;) {
		long n = raw6(SYS_recvfrom, fd, (long)buf, sizeof(buf), 0, 0, 0);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return;
		for (const struct nlmsghdr *m = (void *)buf; NLMSG_OK(m, n); m = NLMSG_NEXT(m, n)) {
			if (m->nlmsg_pid != self->nl_pid)
				continue;
			if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR || !take(m, arg))
				return;
		}
	}
}

static void dump(int type, netlink_taker *take, void *arg)
{
	struct {
		struct nlmsghdr head;
		struct rtgenmsg body;
		char pad[3];
	} request = { .head = { .nlmsg_len = sizeof(request),
				.nlmsg_type = (unsigned short)type,
				.nlmsg_flags = NLM_F_ROOT | NLM_F_MATCH | NLM_F_REQUEST } };
	struct sockaddr_nl self = { .nl_family = AF_NETLINK }, kernel = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(self);
	int fd = (int)raw3(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return;
	if (raw3(SYS_bind, fd, &self, sizeof(self)) == 0 && raw3(SYS_getsockname, fd, &self, &len) == 0 &&
	    raw6(SYS_sendto, fd, (long)&request, sizeof(request), 0, (long)&kernel, sizeof(kernel)) > 0)
		take_messages(fd, &self, take, arg);
	raw1(SYS_close, fd);
}

static void map_ipv4(unsigned char *to, const void *ipv4)
{
	memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	memcpy(to + 12, ipv4, 4);
}

static const void *address_in(const struct nlmsghdr *msg, const struct ifaddrmsg *head)
{
	const struct rtattr *attr = IFA_RTA(head);
	size_t left = msg->nlmsg_len - NLMSG_LENGTH(sizeof(*head));
	const void *local = NULL;

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == IFA_ADDRESS)
			return RTA_DATA(attr);
		if (attr->rta_type == IFA_LOCAL)
			local = RTA_DATA(attr);
	}
	return local;
}

static bool take_addr(const struct nlmsghdr *msg, void *arg)
{
	struct own_addrs *own = arg;
	const struct ifaddrmsg *head = NLMSG_DATA(msg);
	const void *addr = msg->nlmsg_type == RTM_NEWADDR ? address_in(msg, head) : NULL;
	struct own_addr *list;

	if (!addr || (head->ifa_family != AF_INET && head->ifa_family != AF_INET6))
		return true;
	if (head->ifa_family == AF_INET)
		own->ipv4 |= *(const in_addr_t *)addr != htonl(INADDR_LOOPBACK);
	else
		own->ipv6 |= !IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)addr);
	list = own->n & (own->n - 1) ? own->addr
				     : realloc(own->addr, (own->n ? 2 * own->n : 1) * sizeof(*list));
	if (!list)
		return false;
	own->addr = list;
	list += own->n++;
	*list = (struct own_addr){
		.index = head->ifa_index,
		.prefix_len = head->ifa_prefixlen,
		.deprecated = head->ifa_flags & (IFA_F_DEPRECATED | IFA_F_OPTIMISTIC),
		.home = head->ifa_flags & IFA_F_HOMEADDRESS,
	};
	if (head->ifa_family == AF_INET)
		map_ipv4(list->bytes, addr);
	else
		memcpy(list->bytes, addr, 16);
	return true;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(((const struct own_addr *)a)->bytes, ((const struct own_addr *)b)->bytes, 16);
}

void own_addrs_read(struct own_addrs *own)
{
	*own = (struct own_addrs){ 0 };
	dump(RTM_GETADDR, take_addr, own);
	if (!own->ipv6) {
		free(own->addr);
		own->addr = NULL;
		own->n = 0;
	}
	if (own->n)
		qsort(own->addr, own->n, sizeof(*own->addr), by_bytes);
}

void own_addrs_free(struct own_addrs *own)
{
	free(own->addr);
	*own = (struct own_addrs){ 0 };
}

struct link_query {
	uint32_t index;
	bool native;
};

static bool take_link(const struct nlmsghdr *msg, void *arg)
{
	struct link_query *q = arg;
	const struct ifinfomsg *head = NLMSG_DATA(msg);

	if (msg->nlmsg_type != RTM_NEWLINK || (uint32_t)head->ifi_index != q->index)
		return true;
	q->native = head->ifi_type != ARPHRD_TUNNEL6 && head->ifi_type != ARPHRD_TUNNEL &&
		    head->ifi_type != ARPHRD_SIT;
	return false;
}

/* --- libc's tables.  All is compared as IPv6, IPv4 in its mapped form. */

struct policy {
	unsigned char prefix[16];
	unsigned bits;
	int value;
};

static const struct policy labels[] = {
	{ { [15] = 1 }, 128, 0 },		 /* ::1 */
	{ { 0x20, 0x02 }, 16, 2 },		 /* 6to4 */
	{ { 0 }, 96, 3 },			 /* IPv4 compatible */
	{ { [10] = 0xff, [11] = 0xff }, 96, 4 }, /* IPv4 */
	{ { 0xfe, 0xc0 }, 10, 5 },		 /* site-local */
	{ { 0xfc }, 7, 6 },			 /* unique local */
	{ { 0x20, 0x01 }, 32, 7 },		 /* Teredo */
	{ { 0 }, 0, 1 },
};

static const struct policy precedences[] = {
	{ { [15] = 1 }, 128, 50 },		  /* ::1 */
	{ { 0x20, 0x02 }, 16, 30 },		  /* 6to4 */
	{ { 0 }, 96, 20 },			  /* IPv4 compatible */
	{ { [10] = 0xff, [11] = 0xff }, 96, 10 }, /* IPv4 */
	{ { 0 }, 0, 40 },
};

static bool has_prefix(const unsigned char *bytes, const struct policy *p)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;

	return !memcmp(bytes, p->prefix, whole) &&
	       (!rest ||
		(bytes[whole] & (0xff00 >> rest) & 0xff) == (p->prefix[whole] & (0xff00 >> rest) & 0xff));
}

static int value_of(const unsigned char *bytes, const struct policy *table)
{
	while (!has_prefix(bytes, table))
		table++;
	return table->value;
}

enum { SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14 };

/* rule 2's and 8's */
static int scope_of(const unsigned char *bytes, int family)
{
	const struct in6_addr *in6 = (const void *)bytes;

	if (family == AF_INET)
		return bytes[12] == 127 || (bytes[12] == 169 && bytes[13] == 254) ? SCOPE_LINK : SCOPE_GLOBAL;
	if (IN6_IS_ADDR_MULTICAST(in6))
		return bytes[1] & 15;
	if (IN6_IS_ADDR_LINKLOCAL(in6) || IN6_IS_ADDR_LOOPBACK(in6))
		return SCOPE_LINK;
	return IN6_IS_ADDR_SITELOCAL(in6) ? SCOPE_SITE : SCOPE_GLOBAL;
}

/* --- One result, and what there is to know of it */

struct candidate {
	struct addrinfo *entry;
	size_t place;			/* in the order of the services */
	unsigned char to[16], from[16]; /* from: the address that the kernel would send with */
	int family;
	bool reachable; /* `from` is known */
	int scope, from_scope;
	const struct own_addr *own; /* of `from`; may be NULL */
	int native;		    /* rule 7; -1: not asked yet */
};

static uint32_t index_of(const struct candidate *c)
{
	return c->own ? c->own->index : UINT32_MAX;
}

static void read_sockaddr(const struct sockaddr *sa, unsigned char *to)
{
	if (sa->sa_family == AF_INET)
		map_ipv4(to, &((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	else
		memcpy(to, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
}

/* The socket that destinations are tried with; an IPv6 one serves for IPv4 as well, as in libc. */
struct probe {
	int fd, family;
};

static void open_probe(struct probe *p, int family)
{
	if (p->fd >= 0)
		raw1(SYS_close, p->fd);
	p->family = family;
	p->fd = (int)raw3(SYS_socket, family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static bool source_for(struct probe *p, const struct addrinfo *entry, struct sockaddr_in6 *from)
{
	socklen_t len = sizeof(*from);
	long r = raw3(SYS_connect, p->fd, entry->ai_addr, entry->ai_addrlen);

	if (r == -EAFNOSUPPORT && p->family == AF_INET6 && entry->ai_family == AF_INET) {
		open_probe(p, AF_INET); /* IPv6 sockets may be for IPv6 only */
		r = raw3(SYS_connect, p->fd, entry->ai_addr, entry->ai_addrlen);
	}
	return r == 0 && raw3(SYS_getsockname, p->fd, from, &len) == 0;
}

static const struct own_addr *find_own(const struct own_addrs *own, const struct candidate *c, int probe_family)
{
	struct own_addr key;

	if (!own->n)
		return NULL;
	memcpy(key.bytes, c->from, 16);
	if (probe_family == AF_INET && key.bytes[12] == 127) /* all of 127/8 is the loopback interface's one */
		memcpy(key.bytes + 12, (unsigned char[]){ 127, 0, 0, 1 }, 4);
	return bsearch(&key, own->addr, own->n, sizeof(key), by_bytes);
}

static void find_source(struct candidate *c, struct probe *p, const struct own_addrs *own)
{
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };
	struct sockaddr_in6 from;

	if (p->fd < 0 || (p->family == AF_INET && c->family == AF_INET6))
		open_probe(p, c->family);
	else
		raw3(SYS_connect, p->fd, &nothing, sizeof(nothing));
	c->reachable = source_for(p, c->entry, &from);
	if (!c->reachable)
		return;
	read_sockaddr((struct sockaddr *)&from, c->from);
	c->from_scope = scope_of(c->from, c->family);
	c->own = find_own(own, c, p->family);
}

static bool same_destination(const struct addrinfo *a, const struct addrinfo *b)
{
	return a->ai_addrlen == b->ai_addrlen && !memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen);
}

static void examine(struct candidate *all, size_t n, const struct own_addrs *own)
{
	struct probe probe = { .fd = -1 };

	for (size_t i = 0; i < n; i++) {
		struct candidate *c = &all[i];

		if (i && same_destination(all[i - 1].entry, c->entry)) {
			struct addrinfo *entry = c->entry;

			*c = all[i - 1]; /* for another protocol */
			c->entry = entry;
			c->place = i;
			continue;
		}
		c->place = i;
		c->family = c->entry->ai_family;
		c->native = -1;
		read_sockaddr(c->entry->ai_addr, c->to);
		c->scope = scope_of(c->to, c->family);
		find_source(c, &probe, own);
	}
	if (probe.fd >= 0)
		raw1(SYS_close, probe.fd);
}

/* --- The rules.  Each says < 0 if a comes first, > 0 if b, 0 if it does not decide. */

static int prefer(bool a, bool b)
{
	return (int)b - (int)a;
}

static int matching_bits(const unsigned char *a, const unsigned char *b, int from, int to)
{
	int n = from;

	while (n < to && !((a[n / 8] ^ b[n / 8]) & (0x80 >> n % 8)))
		n++;
	return n - from;
}

/* An IPv4 prefix counts only within the source's own network; without a list of addresses that is one host. */
static int ipv4_bits(const struct candidate *c)
{
	int bits = matching_bits(c->to, c->from, 96, 128);
	int prefix = c->own && c->own->prefix_len ? c->own->prefix_len : 32;

	return bits >= prefix ? bits : 0;
}

/* From the first 32-bit word on in which either differs, as libc counts. */
static int ipv6_bits(const struct candidate *c, const struct candidate *other)
{
	for (int word = 0; word < 4; word++)
		if (memcmp(c->to + 4 * word, c->from + 4 * word, 4) != 0 ||
		    memcmp(other->to + 4 * word, other->from + 4 * word, 4) != 0)
			return matching_bits(c->to, c->from, 32 * word, 32 * word + 32);
	return 0;
}

static int rule_9(const struct candidate *a, const struct candidate *b)
{
	if (!a->reachable || a->family != b->family)
		return 0;
	if (a->family == AF_INET)
		return ipv4_bits(b) - ipv4_bits(a);
	return ipv6_bits(b, a) - ipv6_bits(a, b);
}

static bool is_native(struct candidate *c)
{
	struct link_query q = { .index = index_of(c) };

	if (c->native < 0) {
		dump(RTM_GETLINK, take_link, &q);
		c->native = q.native;
	}
	return c->native;
}

static int rule_7(struct candidate *a, struct candidate *b)
{
	if (!a->reachable || index_of(a) == index_of(b))
		return 0;
	return prefer(is_native(a), is_native(b));
}

static bool has_matching_label(const struct candidate *c)
{
	return value_of(c->to, labels) == value_of(c->from, labels);
}

/* Rules 2 to 5, which compare sources: rule 1 has seen to it that both or neither are known. */
static int compare_sources(const struct candidate *a, const struct candidate *b)
{
	int r;

	if (!a->reachable)
		return 0;
	if ((r = prefer(a->scope == a->from_scope, b->scope == b->from_scope)))
		return r;
	if ((r = prefer(!(a->own && a->own->deprecated), !(b->own && b->own->deprecated))))
		return r;
	if ((r = prefer(a->own && a->own->home, b->own && b->own->home)))
		return r;
	return prefer(has_matching_label(a), has_matching_label(b));
}

static int compare(const void *pa, const void *pb)
{
	struct candidate *a = (struct candidate *)pa, *b = (struct candidate *)pb;
	int r;

	if ((r = prefer(a->reachable, b->reachable)))
		return r;
	if ((r = compare_sources(a, b)))
		return r;
	if ((r = value_of(b->to, precedences) - value_of(a->to, precedences)))
		return r;
	if ((r = rule_7(a, b)))
		return r;
	if ((r = a->scope - b->scope))
		return r;
	if ((r = rule_9(a, b)))
		return r;
	return a->place < b->place ? -1 : 1;
}

int addrsort(struct addrinfo **list, const struct own_addrs *own)
{
	struct candidate *all;
	char *name = (*list)->ai_canonname;
	size_t n = 0, i = 0;

	for (const struct addrinfo *p = *list; p; p = p->ai_next)
		n++;
	all = calloc(n, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (struct addrinfo *p = *list; p; p = p->ai_next)
		all[i++].entry = p;
	(*list)->ai_canonname = NULL;
	examine(all, n, own);
	qsort(all, n, sizeof(*all), compare);
	for (i = 0; i < n; i++)
		all[i].entry->ai_next = i + 1 < n ? all[i + 1].entry : NULL;
	*list = all[0].entry;
	(*list)->ai_canonname = name;
	free(all);
	return 0;
}
