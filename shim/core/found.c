/* SPDX-License-Identifier: Apache-2.0
 *
 * See found.h.
 */
#include "found.h"
#include <stdlib.h>
#include <string.h>

/* Room for one more in an array that grows by doubling: it is full when its length is a power of two. */
static void *with_room(void *array, size_t n, size_t size)
{
	return n && (n & (n - 1)) ? array : realloc(array, (n ? 2 * n : 1) * size);
}

int found_set_name(struct found *f, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	free(f->name);
	f->name = copy;
	return 0;
}

int found_add_alias(struct found *f, const char *name)
{
	char **list = with_room(f->aliases, f->naliases, sizeof(*list)), *copy;

	if (!list)
		return -ENOMEM;
	f->aliases = list;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	list[f->naliases++] = copy;
	return 0;
}

int found_add_addr(struct found *f, int family, const void *bytes)
{
	struct found_addr *list = with_room(f->addrs, f->naddrs, sizeof(*list));

	if (!list)
		return -ENOMEM;
	f->addrs = list;
	list[f->naddrs] = (struct found_addr){ .family = family };
	memcpy(list[f->naddrs++].bytes, bytes, found_addr_len(family));
	return 0;
}

void found_clear(struct found *f)
{
	for (size_t i = 0; i < f->naliases; i++)
		free(f->aliases[i]);
	free(f->aliases);
	free(f->addrs);
	free(f->name);
	*f = (struct found){ 0 };
}
