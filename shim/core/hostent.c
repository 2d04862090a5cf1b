/* SPDX-License-Identifier: Apache-2.0
 *
 * See hostent.h.  Pointers first, addresses next, text last, so that only the start must be aligned.
 */
#include "hostent.h"
#include <string.h>

size_t hostent_size(const struct found *f)
{
	size_t text = f->name ? strlen(f->name) + 1 : 1;

	for (size_t i = 0; i < f->naliases; i++)
		text += strlen(f->aliases[i]) + 1;
	return sizeof(char *) - 1 + (f->naliases + f->naddrs + 2) * sizeof(char *) + f->naddrs * 16 + text;
}

static char *put_text(char **at, const char *text)
{
	char *to = *at;

	*at = stpcpy(to, text) + 1;
	return to;
}

bool hostent_write(const struct found *f, int family, struct hostent *ent, char *buf, size_t len)
{
	size_t size = found_addr_len(family);
	char **pointers, *at;

	if (hostent_size(f) > len)
		return false;
	buf += -(uintptr_t)buf % sizeof(char *);
	pointers = (char **)(void *)buf;
	at = buf + (f->naliases + f->naddrs + 2) * sizeof(char *);
	*ent = (struct hostent){ .h_addrtype = family, .h_length = (int)size, .h_addr_list = pointers };
	for (size_t i = 0; i < f->naddrs; i++, at += size)
		*pointers++ = memcpy(at, f->addrs[i].bytes, size);
	*pointers++ = NULL;
	ent->h_aliases = pointers;
	ent->h_name = put_text(&at, f->name ? f->name : "");
	for (size_t i = 0; i < f->naliases; i++)
		*pointers++ = put_text(&at, f->aliases[i]);
	*pointers = NULL;
	return true;
}
