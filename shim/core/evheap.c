/* SPDX-License-Identifier: Apache-2.0
 *
 * The spares behind evheap.h.  libev has a handful of arrays whose lengths follow from the highest descriptor and
 * the number of watchers.  Each can grow once before more watchers are started, and to twice what it
 * needs at most; so as many spares of that size, hardly ever touched, are enough.
 */
#include "evheap.h"
#include <stdlib.h>
#include <string.h>
#include "base.h"

#define SPARES 4 /* by descriptor, changes, what is pending, what the kernel tells */

struct block {
	size_t size;
	_Alignas(16) char bytes[];
};

static struct block *spares[SPARES];
static int nspares;
static size_t spare_size;

/* Two watchers a descriptor, 16 bytes for each, in an array that doubles; beyond a page it grows by pages. */
static size_t most_for(int fd_end)
{
	return 2 * 2 * 16 * ((size_t)fd_end + 64) + 8192;
}

int evheap_reserve(int fd_end)
{
	size_t need = most_for(fd_end);

	if (LIKELY(nspares == SPARES && spare_size >= need))
		return 0;
	if (spare_size < need) {
		while (nspares)
			free(spares[--nspares]);
		spare_size = most_for(2 * fd_end);
	}
	while (nspares < SPARES) {
		struct block *b = malloc(sizeof(*b) + spare_size);

		if (!b)
			return -ENOMEM;
		b->size = spare_size;
		spares[nspares++] = b;
	}
	return 0;
}

static struct block *use_spare(struct block *was, size_t size)
{
	struct block *b = nspares && size <= spare_size ? spares[--nspares] : NULL;

	if (b && was)
		memcpy(b->bytes, was->bytes, was->size);
	if (b)
		free(was);
	return b;
}

void *evheap_realloc(void *old, long size)
{
	struct block *was = old ? CONTAINER_OF(old, struct block, bytes) : NULL, *b;

	if (size <= 0) {
		free(was);
		return NULL;
	}
	if (was && (size_t)size <= was->size)
		return old;
	b = realloc(was, sizeof(*b) + (size_t)size);
	if (b)
		b->size = (size_t)size;
	else
		b = use_spare(was, (size_t)size);
	return b ? b->bytes : NULL;
}
