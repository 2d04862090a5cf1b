/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols by the loader's own list of objects, without a call of the loader: what dlsym() needs before it has a
 * dlsym(), and to learn what we export.  Runs before any constructor.
 */
#ifndef SYNCLESS_LOADED_H
#define SYNCLESS_LOADED_H

#include <stdbool.h>
#include <stdint.h>

struct dl_phdr_info;
struct link_map;

/* What the first object behind ours defines by that name, in its default version, as dlsym(RTLD_NEXT) finds it;
 * NULL: none does, or it takes more to find it. */
void *loaded_next(const char *name);
/* What ours does. */
void *loaded_own(const char *name);
/* Is that the first one behind the object of `map`? */
bool loaded_is_next(const struct link_map *map, const char *name);
/* Does one of the object's segments hold the address? */
bool loaded_has(const struct dl_phdr_info *info, uintptr_t address);

#endif
