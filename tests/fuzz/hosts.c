/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as a hosts file: what the table says lies in the text, and each entry is found again by its names
 * and by its address.
 */
#include "fuzz.h"
#include <netinet/in.h>
#include "hosts.h"

/* Each costs a walk over the table. */
#define LINES_TRIED 20
#define NAMES_TRIED 5

static bool has_addr(const struct found *found, const struct found_addr *addr)
{
	for (size_t i = 0; i < found->naddrs; i++)
		if (found->addrs[i].family == addr->family &&
		    !memcmp(found->addrs[i].bytes, addr->bytes, found_addr_len(addr->family)))
			return true;
	return false;
}

static bool has_name(const struct found *found, const char *name)
{
	if (found->name && !strcasecmp(found->name, name))
		return true;
	for (size_t i = 0; i < found->naliases; i++)
		if (!strcasecmp(found->aliases[i], name))
			return true;
	return false;
}

static void check_name(const struct hosts *h, const struct hosts_line *line, const char *name)
{
	struct found all = { 0 }, one = { 0 };

	HOLDS(hosts_by_name(h, name, line->addr.family, true, &all) == NSS_STATUS_SUCCESS);
	HOLDS(has_addr(&all, &line->addr) && has_name(&all, name));
	HOLDS(hosts_by_name(h, name, line->addr.family, false, &one) == NSS_STATUS_SUCCESS);
	HOLDS(one.naddrs == 1 && has_addr(&all, &one.addrs[0]));
	found_clear(&all);
	found_clear(&one);
}

static void check_line(const struct hosts *h, const struct hosts_line *line, const char *end)
{
	struct found found = { 0 };

	HOLDS(line->addr.family == AF_INET || line->addr.family == AF_INET6);
	HOLDS(line->nnames > 0 && line->first_name >= 0 && line->first_name + line->nnames <= h->nnames);
	for (int i = line->first_name; i < line->first_name + line->nnames; i++) {
		HOLDS(h->names[i] >= h->text && h->names[i] + strlen(h->names[i]) <= end);
		if (i - line->first_name < NAMES_TRIED)
			check_name(h, line, h->names[i]);
	}
	HOLDS(hosts_by_addr(h, line->addr.bytes, line->addr.family, &found) == NSS_STATUS_SUCCESS);
	HOLDS(has_addr(&found, &line->addr));
	found_clear(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hosts h;
	struct found found = { 0 };

	HOLDS(hosts_parse(&h, text_of(data, size), size) == 0);
	for (int i = 0; i < h.nlines && i < LINES_TRIED; i++)
		check_line(&h, &h.lines[i], h.text + size);
	/* A name with a blank in it stands in no file. */
	HOLDS(hosts_by_name(&h, "no such", AF_UNSPEC, true, &found) == NSS_STATUS_NOTFOUND);
	HOLDS(found.naddrs == 0);
	found_clear(&found);
	hosts_free(&h);
	return 0;
}
