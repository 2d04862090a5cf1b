/* SPDX-License-Identifier: Apache-2.0
 *
 * See hosts.h.
 */
#include "hosts.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "textfile.h"

/* --- Parsing */

static unsigned hash_name(const char *s)
{
	unsigned h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s)) * 16777619u;
	return h;
}

static bool grow_lines(struct hosts *h)
{
	size_t n = (size_t)h->nlines;
	struct hosts_line *lines;

	if (n & (n - 1))
		return true;
	lines = realloc(h->lines, (n ? 2 * n : 1) * sizeof(*lines));
	if (lines)
		h->lines = lines;
	return lines != NULL;
}

static bool add_name(struct hosts *h, const char *name)
{
	size_t n = (size_t)h->nnames;

	if (!(n & (n - 1))) {
		size_t more = n ? 2 * n : 1;
		const char **names = realloc(h->names, more * sizeof(*names));
		unsigned *hashes = names ? realloc(h->hashes, more * sizeof(*hashes)) : NULL;

		if (names)
			h->names = names;
		if (!hashes)
			return false;
		h->hashes = hashes;
	}
	h->names[n] = name;
	h->hashes[n] = hash_name(name);
	h->nnames++;
	return true;
}

static bool parse_addr(const char *word, struct found_addr *addr)
{
	*addr = (struct found_addr){ .family = AF_INET };
	if (inet_pton(AF_INET, word, addr->bytes) == 1)
		return true;
	*addr = (struct found_addr){ .family = AF_INET6 };
	return inet_pton(AF_INET6, word, addr->bytes) == 1;
}

/* False: no memory.  A line that makes no sense is left out. */
static bool parse_line(struct hosts *h, char *line)
{
	struct hosts_line parsed = { .first_name = h->nnames };
	char *word;

	line[strcspn(line, "#")] = '\0';
	word = textfile_word(&line, TEXTFILE_SPACE);
	if (!word || !parse_addr(word, &parsed.addr))
		return true;
	if (!(word = textfile_word(&line, TEXTFILE_SPACE)))
		word = line + strlen(line); /* an address without a name has the empty one */
	do
		if (!add_name(h, word))
			return false;
	while ((word = textfile_word(&line, TEXTFILE_SPACE)));
	parsed.nnames = h->nnames - parsed.first_name;
	if (!grow_lines(h))
		return false;
	h->lines[h->nlines++] = parsed;
	return true;
}

int hosts_parse(struct hosts *h, char *text, size_t len)
{
	char *cursor = text, *line;

	*h = (struct hosts){ .text = text };
	while ((line = textfile_line(&cursor, text + len)))
		if (!parse_line(h, line)) {
			hosts_free(h);
			return -ENOMEM;
		}
	return 0;
}

void hosts_free(struct hosts *h)
{
	free(h->text);
	free(h->lines);
	free(h->names);
	free(h->hashes);
	*h = (struct hosts){ 0 };
}

/* --- Looking up */

/* The line's address as one of that family, by libc's rules: ::1 and mapped addresses have an IPv4 form. */
static bool addr_as(const struct found_addr *from, int family, struct found_addr *to)
{
	const struct in6_addr *in6 = (const struct in6_addr *)(const void *)from->bytes;

	*to = *from;
	if (family == AF_UNSPEC || from->family == family)
		return true;
	if (family != AF_INET)
		return false;
	*to = (struct found_addr){ .family = AF_INET };
	if (IN6_IS_ADDR_V4MAPPED(in6))
		memcpy(to->bytes, from->bytes + 12, 4);
	else if (IN6_IS_ADDR_LOOPBACK(in6))
		memcpy(to->bytes, &(in_addr_t){ htonl(INADDR_LOOPBACK) }, 4);
	else
		return false;
	return true;
}

static bool bears(const struct hosts *h, const struct hosts_line *line, const char *name, unsigned hash)
{
	for (int i = line->first_name; i < line->first_name + line->nnames; i++)
		if (h->hashes[i] == hash && !strcasecmp(h->names[i], name))
			return true;
	return false;
}

/* The names of a further line are aliases of the first one, and so is its canonical name if it is another.  For
 * getaddrinfo (AF_UNSPEC) there are no aliases. */
static bool add_line(const struct hosts *h, const struct hosts_line *line, struct found *to)
{
	const char *const *names = h->names + line->first_name;
	bool first = !to->name;

	if (first && found_set_name(to, names[0]) < 0)
		return false;
	for (int i = 1; i < line->nnames; i++)
		if (found_add_alias(to, names[i]) < 0)
			return false;
	return first || !strcmp(to->name, names[0]) || found_add_alias(to, names[0]) == 0;
}

enum nss_status hosts_by_name(const struct hosts *h, const char *name, int family, bool multi, struct found *to)
{
	unsigned hash = hash_name(name);
	struct found_addr addr;

	for (int i = 0; i < h->nlines && (multi || to->naddrs == 0); i++) {
		const struct hosts_line *line = &h->lines[i];

		if (!bears(h, line, name, hash) || !addr_as(&line->addr, family, &addr))
			continue;
		if (!add_line(h, line, to) || found_add_addr(to, addr.family, addr.bytes) < 0)
			return NSS_STATUS_TRYAGAIN;
	}
	return to->naddrs ? NSS_STATUS_SUCCESS : NSS_STATUS_NOTFOUND;
}

enum nss_status hosts_by_addr(const struct hosts *h, const void *bytes, int family, struct found *to)
{
	struct found_addr addr;

	for (int i = 0; i < h->nlines; i++) {
		const struct hosts_line *line = &h->lines[i];

		if (!addr_as(&line->addr, family, &addr) ||
		    memcmp(addr.bytes, bytes, found_addr_len(family)) != 0)
			continue;
		if (!add_line(h, line, to) || found_add_addr(to, family, bytes) < 0)
			return NSS_STATUS_TRYAGAIN;
		return NSS_STATUS_SUCCESS;
	}
	return NSS_STATUS_NOTFOUND;
}

/* --- The table in force */

static struct hosts in_force;
static struct textfile_id in_force_id;
static bool loaded;

const struct hosts *hosts_get(int *err)
{
	struct textfile_id now;
	struct hosts fresh;
	size_t len = 0;
	char *text;

	textfile_identify("/etc/hosts", &now);
	if (loaded && textfile_same(&now, &in_force_id))
		return &in_force;
	text = textfile_read("/etc/hosts", &len, err);
	if (!text || hosts_parse(&fresh, text, len) < 0) {
		if (text)
			*err = ENOMEM;
		return NULL;
	}
	hosts_free(&in_force);
	in_force = fresh;
	in_force_id = now;
	loaded = true;
	return &in_force;
}
