/* SPDX-License-Identifier: Apache-2.0
 *
 * See dnsanswer.h.  Names are unpacked and checked by libc's own ns_name_unpack(), ns_name_ntop() and res_hnok().
 *
 * As in libc, the answer to a question is the chain of aliases that begins with the question's name, each CNAME being
 * taken for the next link whoever it belongs to, and the records of the asked type that belong to the last link then
 * known.  A broken record makes the whole answer worthless.
 */
#include "dnsanswer.h"
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

#define HOST_NAME_MAX_LEN 257 /* with its NUL */

struct reader {
	const unsigned char *wire, *at, *end;
	int left;      /* records of the answer section */
	unsigned type; /* of the question */
	bool broken;
	char link[NS_MAXDNAME];	 /* whose records count */
	char owner[NS_MAXDNAME]; /* of the record */
};

struct record {
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

bool dnsanswer_is_truncated(const unsigned char *wire)
{
	return wire[2] & 2;
}

/* Not authoritative, of a server that does not recurse, and empty: it only says that another one should be asked. */
bool dnsanswer_is_lame(const unsigned char *wire)
{
	bool authoritative = wire[2] & 4, recurses = wire[3] & 0x80;

	return dnsanswer_rcode(wire) == ns_r_noerror && dnsanswer_count(wire) == 0 && !authoritative &&
	       !recurses && get16(wire + 10) == 0;
}

/* How many bytes the name takes at p; -1: it is none. */
static int read_name(const struct reader *r, const unsigned char *p, char *name)
{
	unsigned char packed[NS_MAXCDNAME];
	int n = ns_name_unpack(r->wire, r->end, p, packed, sizeof(packed));

	return n < 0 || ns_name_ntop(packed, name, NS_MAXDNAME) < 0 ? -1 : n;
}

/* The question's name stands there in full. */
static int question_len(const struct reader *r)
{
	const unsigned char *p = r->at;

	while (p < r->end && *p && *p < 64)
		p += *p + 1;
	return p < r->end && *p == 0 ? (int)(p + 1 - r->at) : -1;
}

/* To the first record.  False: not the answer to one question. */
static bool open_answer(struct reader *r, const unsigned char *wire, size_t len)
{
	int n;

	*r = (struct reader){ .wire = wire, .at = wire + DNS_HEADER_LEN, .end = wire + len };
	if (len < DNS_HEADER_LEN || get16(wire + 4) != 1)
		return false;
	r->left = dnsanswer_count(wire);
	n = question_len(r);
	if (n < 0 || r->end - r->at < n + 4 || read_name(r, r->at, r->link) < 0)
		return false;
	r->type = get16(r->at + n);
	r->at += n + 4;
	return true;
}

/* The next record; false at the end, and before a broken one, which it notes. */
static bool next_record(struct reader *r, struct record *rec)
{
	int n;

	if (r->left-- <= 0)
		return false;
	r->broken = true;
	n = read_name(r, r->at, r->owner);
	if (n < 0 || r->end - r->at < n + 10)
		return false;
	r->at += n;
	*rec = (struct record){ get16(r->at), get16(r->at + 2), r->at + 10, get16(r->at + 8) };
	if ((size_t)(r->end - rec->data) < rec->len)
		return false;
	r->at = rec->data + rec->len;
	r->broken = false;
	return true;
}

/* The alias's target is the next link. */
static bool follow(struct reader *r, const struct record *rec)
{
	r->broken = read_name(r, rec->data, r->link) < 0;
	return !r->broken;
}

static bool fits_host(const char *name)
{
	return strlen(name) < HOST_NAME_MAX_LEN && res_hnok(name);
}

/* An address of the asked type and of the name that counts. */
static bool is_wanted(const struct reader *r, const struct record *rec, unsigned type)
{
	return rec->type == type && !strcasecmp(r->owner, r->link) && rec->len == (type == ns_t_a ? 4 : 16);
}

static int family_of(unsigned type)
{
	return type == ns_t_a ? AF_INET : AF_INET6;
}

static enum nss_status verdict(int *herr, int code, enum nss_status status)
{
	*herr = code;
	return status;
}

static enum nss_status worthless(int *herr)
{
	return verdict(herr, NO_RECOVERY, NSS_STATUS_UNAVAIL);
}

static enum nss_status no_memory(int *herr)
{
	return verdict(herr, NETDB_INTERNAL, NSS_STATUS_TRYAGAIN);
}

/* --- getaddrinfo */

enum nss_status dnsanswer_addrs(const unsigned char *wire, size_t len, struct found *to, int *herr)
{
	struct reader r;
	struct record rec;
	char canonical[NS_MAXDNAME];
	size_t before = to->naddrs;

	if (!open_answer(&r, wire, len))
		return worthless(herr);
	if (r.left == 0 || !res_hnok(r.link))
		return verdict(herr, HOST_NOT_FOUND, NSS_STATUS_NOTFOUND);
	strcpy(canonical, r.link);
	while (next_record(&r, &rec)) {
		if (rec.type == ns_t_cname) {
			if (!follow(&r, &rec))
				break;
			if (fits_host(r.link))
				strcpy(canonical, r.link);
		} else if ((r.type == ns_t_a || r.type == ns_t_aaaa) && is_wanted(&r, &rec, r.type)) {
			if ((!to->name && found_set_name(to, canonical) < 0) ||
			    found_add_addr(to, family_of(r.type), rec.data) < 0)
				return no_memory(herr);
		}
	}
	if (r.broken)
		return worthless(herr);
	if (to->naddrs == before)
		return verdict(herr, HOST_NOT_FOUND, NSS_STATUS_NOTFOUND);
	return verdict(herr, NETDB_SUCCESS, NSS_STATUS_SUCCESS);
}

/* --- gethostbyname and kin */

static enum nss_status take_name(struct reader *r, const struct record *rec, struct found *to, int *herr)
{
	char name[NS_MAXDNAME];

	if (read_name(r, rec->data, name) < 0)
		return worthless(herr);
	if (!fits_host(name))
		return verdict(herr, NO_RECOVERY, NSS_STATUS_NOTFOUND);
	return found_set_name(to, name) < 0 ? no_memory(herr) : verdict(herr, NETDB_SUCCESS, NSS_STATUS_SUCCESS);
}

static enum nss_status first_name(struct reader *r, struct found *to, int *herr)
{
	struct record rec;

	while (next_record(r, &rec)) {
		if (rec.class != ns_c_in)
			continue;
		if (rec.type == ns_t_cname) {
			if (!follow(r, &rec))
				break;
		} else if (rec.type == ns_t_ptr && !strcasecmp(r->owner, r->link)) {
			return take_name(r, &rec, to, herr);
		}
	}
	return r->broken ? worthless(herr) : verdict(herr, NO_RECOVERY, NSS_STATUS_TRYAGAIN);
}

/* The name so far is an alias of the new one. */
static bool push_name(struct found *to, const char *name)
{
	if (to->name && found_add_alias(to, to->name) < 0)
		return false;
	return found_set_name(to, name) == 0;
}

static enum nss_status all_addresses(struct reader *r, unsigned type, struct found *to, int *herr)
{
	struct record rec;

	if (dnsanswer_rcode(r->wire) == ns_r_nxdomain || !fits_host(r->link))
		return verdict(herr, HOST_NOT_FOUND, NSS_STATUS_NOTFOUND);
	if (!push_name(to, r->link))
		return no_memory(herr);
	while (next_record(r, &rec)) {
		if (rec.class != ns_c_in)
			continue;
		if (rec.type == ns_t_cname) {
			if (!follow(r, &rec))
				break;
			if (fits_host(r->link) && !push_name(to, r->link))
				return no_memory(herr);
		} else if (is_wanted(r, &rec, type)) {
			if (found_add_addr(to, family_of(type), rec.data) < 0)
				return no_memory(herr);
		}
	}
	if (r->broken)
		return worthless(herr);
	if (!to->naddrs)
		return verdict(herr, NO_RECOVERY, NSS_STATUS_TRYAGAIN);
	return verdict(herr, NETDB_SUCCESS, NSS_STATUS_SUCCESS);
}

enum nss_status dnsanswer_host(const unsigned char *wire, size_t len, int type, struct found *to, int *herr)
{
	struct reader r;

	if (!open_answer(&r, wire, len))
		return worthless(herr);
	return type == ns_t_ptr ? first_name(&r, to, herr) : all_addresses(&r, (unsigned)type, to, herr);
}
