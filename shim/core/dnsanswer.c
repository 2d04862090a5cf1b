/* SPDX-License-Identifier: Apache-2.0
 *
 * See dnsanswer.h.  Names are unpacked and checked by libc's own ns_name_unpack(), ns_name_ntop() and res_hnok().
 *
 * An answer is read record by record up to the first one that is broken; what came before counts.
 */
#include "dnsanswer.h"
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

#define HOST_NAME_MAX_LEN 256 /* with its NUL */
#define ALIASES_MAX	  47

struct reader {
	const unsigned char *wire, *at, *end;
	int left;	       /* records of the answer section */
	int (*ok)(const char *); /* what names of owners must be */
};

struct record {
	char owner[NS_MAXDNAME];
	unsigned type, class;
	const unsigned char *data;
	size_t len;
};

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

int dnsanswer_rcode(const unsigned char *wire)
{
	return wire[3] & 15;
}

int dnsanswer_count(const unsigned char *wire)
{
	return (int)get16(wire + 6);
}

/* How many bytes the name takes at p; -1: it is none. */
static int read_name(const struct reader *r, const unsigned char *p, char *name)
{
	unsigned char packed[NS_MAXCDNAME];
	int n = ns_name_unpack(r->wire, r->end, p, packed, sizeof(packed));

	return n < 0 || ns_name_ntop(packed, name, NS_MAXDNAME) < 0 ? -1 : n;
}

/* To the first record.  NSS_STATUS_UNAVAIL: what was asked does not stand in the answer, or cannot. */
static enum nss_status open_answer(struct reader *r, const unsigned char *wire, size_t len,
				   int (*ok)(const char *), char *question)
{
	int n;

	*r = (struct reader){ wire, wire + DNS_HEADER_LEN, wire + len, 0, ok };
	if (len < DNS_HEADER_LEN || get16(wire + 4) != 1)
		return NSS_STATUS_UNAVAIL;
	r->left = dnsanswer_count(wire);
	n = read_name(r, r->at, question);
	if (n < 0 || !ok(question) || r->end - r->at < n + 4)
		return NSS_STATUS_UNAVAIL;
	r->at += n + 4;
	return NSS_STATUS_SUCCESS;
}

/* The next record of the Internet's class; false at the end and before a broken one. */
static bool next_record(struct reader *r, struct record *rec)
{
	while (r->left-- > 0 && r->at < r->end) {
		int n = read_name(r, r->at, rec->owner);

		if (n < 0 || !r->ok(rec->owner) || r->end - r->at < n + 10)
			return false;
		r->at += n;
		rec->type = get16(r->at);
		rec->class = get16(r->at + 2);
		rec->len = get16(r->at + 8);
		rec->data = r->at + 10;
		if ((size_t)(r->end - rec->data) < rec->len)
			return false;
		r->at = rec->data + rec->len;
		if (rec->class == ns_c_in)
			return true;
	}
	return false;
}

/* The name that a record's data is; false: none, or no host's. */
static bool name_in(const struct reader *r, const struct record *rec, int (*ok)(const char *), char *name)
{
	return read_name(r, rec->data, name) >= 0 && ok(name) && strlen(name) < HOST_NAME_MAX_LEN;
}

static bool is_address(const struct record *rec)
{
	return rec->type == ns_t_a || rec->type == ns_t_aaaa;
}

static int family_of(const struct record *rec)
{
	return rec->type == ns_t_a ? AF_INET : AF_INET6;
}

static enum nss_status no_memory(int *herr)
{
	*herr = NETDB_INTERNAL;
	return NSS_STATUS_TRYAGAIN;
}

/* --- getaddrinfo */

enum nss_status dnsanswer_addrs(const unsigned char *wire, size_t len, struct found *to, int *herr)
{
	struct reader r;
	struct record rec;
	char owner[NS_MAXDNAME]; /* whose addresses count: the question's, then what it is an alias of */
	size_t before = to->naddrs;
	bool aliased = false;

	if (open_answer(&r, wire, len, res_hnok, owner) != NSS_STATUS_SUCCESS) {
		*herr = NO_RECOVERY;
		return NSS_STATUS_UNAVAIL;
	}
	if (r.left == 0) {
		*herr = HOST_NOT_FOUND;
		return NSS_STATUS_NOTFOUND;
	}
	while (next_record(&r, &rec)) {
		if (strcasecmp(rec.owner, owner) != 0)
			continue;
		if (rec.type == ns_t_cname) {
			if (!name_in(&r, &rec, res_hnok, owner))
				break;
			aliased = true;
		} else if (is_address(&rec)) {
			if (rec.len != found_addr_len(family_of(&rec)))
				break;
			if ((!to->name && found_set_name(to, owner) < 0) ||
			    found_add_addr(to, family_of(&rec), rec.data) < 0)
				return no_memory(herr);
		}
	}
	*herr = to->naddrs > before ? NETDB_SUCCESS : aliased ? HOST_NOT_FOUND : NETDB_INTERNAL;
	return to->naddrs > before ? NSS_STATUS_SUCCESS : aliased ? NSS_STATUS_NOTFOUND : NSS_STATUS_TRYAGAIN;
}

/* --- gethostbyname and kin */

static enum nss_status first_name(struct reader *r, char *owner, struct found *to, int *herr)
{
	struct record rec;
	char target[NS_MAXDNAME];

	while (next_record(r, &rec)) {
		if (rec.type == ns_t_cname) {
			if (!name_in(r, &rec, res_dnok, target))
				break;
			strcpy(owner, target);
		} else if (rec.type == ns_t_ptr && !strcasecmp(rec.owner, owner)) {
			if (read_name(r, rec.data, target) < 0 || !res_hnok(target))
				break;
			if (found_set_name(to, target) < 0)
				return no_memory(herr);
			*herr = NETDB_SUCCESS;
			return NSS_STATUS_SUCCESS;
		}
	}
	*herr = NO_RECOVERY;
	return NSS_STATUS_TRYAGAIN;
}

/* True: go on. */
static bool add_record(struct reader *r, const struct record *rec, unsigned type, char *owner, struct found *to,
		       bool *memory)
{
	if (rec->type == ns_t_cname) {
		if (to->naliases == ALIASES_MAX)
			return true;
		if (!name_in(r, rec, res_hnok, owner))
			return false;
		*memory = found_add_alias(to, rec->owner) == 0;
		return *memory;
	}
	if (rec->type != type || strcasecmp(rec->owner, owner) != 0)
		return true;
	if (rec->len != found_addr_len(family_of(rec)))
		return false;
	*memory = (to->name || found_set_name(to, rec->owner) == 0) &&
		  found_add_addr(to, family_of(rec), rec->data) == 0;
	return *memory;
}

static enum nss_status all_addresses(struct reader *r, unsigned type, char *owner, struct found *to, int *herr)
{
	struct record rec;
	bool memory = true;

	while (next_record(r, &rec) && add_record(r, &rec, type, owner, to, &memory))
		;
	if (!memory)
		return no_memory(herr);
	*herr = to->naddrs ? NETDB_SUCCESS : NO_RECOVERY;
	if (to->naddrs)
		return NSS_STATUS_SUCCESS;
	return to->naliases ? NSS_STATUS_NOTFOUND : NSS_STATUS_TRYAGAIN;
}

enum nss_status dnsanswer_host(const unsigned char *wire, size_t len, int type, struct found *to, int *herr)
{
	struct reader r;
	char owner[NS_MAXDNAME];

	if (open_answer(&r, wire, len, type == ns_t_ptr ? res_dnok : res_hnok, owner) != NSS_STATUS_SUCCESS) {
		*herr = NO_RECOVERY;
		return NSS_STATUS_UNAVAIL;
	}
	if (type == ns_t_ptr)
		return first_name(&r, owner, to, herr);
	if (strlen(owner) >= HOST_NAME_MAX_LEN - 1) {
		*herr = NO_RECOVERY;
		return NSS_STATUS_TRYAGAIN;
	}
	return all_addresses(&r, (unsigned)type, owner, to, herr);
}
