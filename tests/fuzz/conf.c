/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as resolv.conf, nsswitch.conf, host.conf, $RES_OPTIONS or $LOCALDOMAIN, in any order and number:
 * parts begin with a byte that says which.  What is configured stays within libc's limits; those of timeout
 * and attempts are upper ones alone.
 */
#include "fuzz.h"
#include "dnsconf.h"
#include "nssconf.h"

enum { PARTS_END = 0xff };

/* nsswitch.conf has more readers than one. */
static void parse_databases(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);
	struct nssconf conf = { 0 };

	nssconf_parse(&conf, text, size);
	for (int i = 0; i < NSS_DATABASES; i++)
		HOLDS(conf.given[i] || !conf.local[i]);
	free(text);
}

static void parse_part(struct dnsconf *conf, int kind, const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);

	if (kind == 'r')
		HOLDS(dnsconf_parse_resolv(conf, text, size) == 0);
	else if (kind == 'n')
		dnsconf_parse_nsswitch(conf, text, size);
	else if (kind == 'h')
		dnsconf_parse_hostconf(conf, text, size);
	else if (kind == 'o')
		HOLDS(dnsconf_parse_options(conf, text) == 0);
	else if (kind == 's')
		HOLDS(dnsconf_set_search(conf, text) == 0);
	free(text);
	if (kind == 'n')
		parse_databases(data, size);
}

static void check(const struct dnsconf *conf)
{
	HOLDS(conf->nservers >= 0 && conf->nservers <= DNS_SERVERS_MAX);
	for (int i = 0; i < conf->nservers; i++)
		HOLDS(conf->server[i].any.sa_family == AF_INET || conf->server[i].any.sa_family == AF_INET6);
	HOLDS(conf->ndots >= 0 && conf->ndots <= 15);
	HOLDS(conf->timeout_s <= 30 && conf->attempts <= 5);
	HOLDS(conf->for_libc || (conf->nsteps >= 0 && conf->nsteps <= DNS_SERVICES_MAX));
	for (int i = 0; i < conf->nsteps; i++)
		HOLDS(conf->step[i].service <= SERVICE_OTHER);
	HOLDS(conf->nsearch >= 0);
	for (int i = 0; i < conf->nsearch; i++)
		HOLDS(strlen(conf->search[i]) < 100000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dnsconf *conf = dnsconf_default();

	HOLDS(conf);
	check(conf);
	while (size > 0) {
		const uint8_t *end = memchr(data + 1, PARTS_END, size - 1);
		size_t length = end ? (size_t)(end - data) : size;

		parse_part(conf, data[0], data + 1, length - 1);
		check(conf);
		data += length + (end != NULL);
		size -= length + (end != NULL);
	}
	dnsconf_put(conf);
	return 0;
}
