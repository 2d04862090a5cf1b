/* SPDX-License-Identifier: Apache-2.0
 *
 * See loaded.h.  Each object's own hash table (DT_GNU_HASH) is asked.
 */
#include "loaded.h"
#include <link.h>
#include <stddef.h>
#include <stdint.h>

/* DT_GNU_HASH; `bloom` words of the size of an address follow, then the buckets, then the chains. */
struct table {
	uint32_t nbuckets, first_symbol, nbloom, bloom_shift;
};

/* glibc has relocated the addresses in the dynamic section, but for objects that it does not write to. */
static uintptr_t address(const struct link_map *map, ElfW(Sxword) tag)
{
	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
		if (d->d_tag == tag)
			return d->d_un.d_ptr < map->l_addr ? map->l_addr + d->d_un.d_ptr : d->d_un.d_ptr;
	return 0;
}

/* Not strcmp(): a sanitizer takes its place, and may not be up yet. */
static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static uint32_t hash(const char *name)
{
	uint32_t h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h;
}

/* Its value is the address.  One that is chosen at run time (STT_GNU_IFUNC) is for the loader to choose. */
static bool is_plain(const ElfW(Sym) * symbol)
{
	unsigned type = symbol->st_info & 0xf;

	return symbol->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_NOTYPE || type == STT_OBJECT);
}

#define OLD_VERSION 0x8000 /* of a symbol that has a newer one, or is for old programs alone */

static void *find(const struct link_map *map, const char *name)
{
	const struct table *t = (const struct table *)address(map, DT_GNU_HASH);
	const ElfW(Sym) *symbols = (const ElfW(Sym) *)address(map, DT_SYMTAB);
	const ElfW(Half) *versions = (const ElfW(Half) *)address(map, DT_VERSYM);
	const char *names = (const char *)address(map, DT_STRTAB);
	const uint32_t *buckets, *chain;
	uint32_t h = hash(name), i;

	if (!t || !symbols || !names || !t->nbuckets)
		return NULL;
	buckets = (const uint32_t *)((const ElfW(Addr) *)(t + 1) + t->nbloom);
	chain = buckets + t->nbuckets;
	i = buckets[h % t->nbuckets];
	if (i < t->first_symbol)
		return NULL;
	for (;; i++) {
		uint32_t have = chain[i - t->first_symbol];

		if ((have | 1) == (h | 1) && is_plain(&symbols[i]) &&
		    !(versions && (versions[i] & OLD_VERSION)) && same(names + symbols[i].st_name, name))
			return (void *)(map->l_addr + symbols[i].st_value);
		if (have & 1)
			return NULL;
	}
}

static const struct link_map *ours(void)
{
	static const struct link_map *found;

	if (!found)
		for (found = _r_debug.r_map; found && found->l_ld != _DYNAMIC;)
			found = found->l_next;
	return found;
}

void *loaded_next(const char *name)
{
	const struct link_map *map = ours();
	void *p = NULL;

	while (!p && map && (map = map->l_next) != NULL)
		p = find(map, name);
	return p;
}

void *loaded_own(const char *name)
{
	const struct link_map *map = ours();

	return map ? find(map, name) : NULL;
}

/* The list is walked as far as ours: all of these were there at the start, and stay. */
bool loaded_is_next(const struct link_map *map, const char *name)
{
	const struct link_map *own = ours(), *at = _r_debug.r_map;
	bool behind = false;

	for (; at && at != own; at = at->l_next) {
		if (behind && find(at, name))
			return false;
		behind |= at == map;
	}
	return behind && at && find(at, name);
}

bool loaded_has(const struct dl_phdr_info *info, uintptr_t address)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && address - info->dlpi_addr - p->p_vaddr < p->p_memsz)
			return true;
	}
	return false;
}
