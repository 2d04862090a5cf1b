/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an answer of a DNS server: a success has found something, and nothing is found that the answer
 * does not have.  (A failure may have found something, too: the answer broke off.)  The first byte of the
 * input says what was asked for.
 */
#include "fuzz.h"
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include "dnsanswer.h"

static void check(const struct found *found, enum nss_status status, int herr, int records)
{
	if (status == NSS_STATUS_SUCCESS)
		HOLDS(herr == NETDB_SUCCESS && found->name);
	else
		HOLDS(herr != NETDB_SUCCESS);
	HOLDS(found->naddrs <= (size_t)records && found->naliases <= (size_t)records);
	HOLDS(!found->name || strlen(found->name) < NS_MAXDNAME);
	for (size_t i = 0; i < found->naliases; i++)
		HOLDS(strlen(found->aliases[i]) < NS_MAXDNAME);
	for (size_t i = 0; i < found->naddrs; i++)
		HOLDS(found->addrs[i].family == AF_INET || found->addrs[i].family == AF_INET6);
}

static void as_host(const unsigned char *wire, size_t size, int type, int records)
{
	struct found found = { 0 };
	int herr = -100;
	enum nss_status status = dnsanswer_host(wire, size, type, &found, &herr);

	check(&found, status, herr, records);
	for (size_t i = 0; i < found.naddrs; i++)
		HOLDS(found.addrs[i].family == (type == ns_t_a ? AF_INET : AF_INET6));
	HOLDS(type != ns_t_ptr || found.naddrs == 0);
	HOLDS(type == ns_t_ptr || status != NSS_STATUS_SUCCESS || found.naddrs > 0);
	found_clear(&found);
}

/* Twice: getaddrinfo adds one answer's to the other's. */
static void as_addrs(const unsigned char *wire, size_t size, int records)
{
	struct found found = { 0 };
	size_t before;
	int herr = -100;
	enum nss_status status = dnsanswer_addrs(wire, size, &found, &herr);

	check(&found, status, herr, records);
	HOLDS(status != NSS_STATUS_SUCCESS || found.naddrs > 0);
	before = found.naddrs;
	status = dnsanswer_addrs(wire, size, &found, &herr);
	check(&found, status, herr, 2 * records);
	HOLDS(found.naddrs == 2 * before);
	found_clear(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *wire;
	int records = 0;

	if (size == 0)
		return 0;
	wire = copy_of(data + 1, size - 1);
	if (size - 1 >= DNS_HEADER_LEN) {
		records = dnsanswer_count(wire);
		HOLDS(dnsanswer_rcode(wire) >= 0 && dnsanswer_rcode(wire) < 16);
	}
	if (data[0] == 'a')
		as_host(wire, size - 1, ns_t_a, records);
	else if (data[0] == '6')
		as_host(wire, size - 1, ns_t_aaaa, records);
	else if (data[0] == 'p')
		as_host(wire, size - 1, ns_t_ptr, records);
	else
		as_addrs(wire, size - 1, records);
	free(wire);
	return 0;
}
