/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding of the table.  Done once, by the constructor, before any other object's constructor runs (our
 * object is linked with -z initfirst), so no wrapper ever finds an empty entry and none asks.
 */
#include "libc.h"

struct libc_calls libc;

struct row {
	const char *name, *version;
	size_t offset;
	bool optional;
};

#define CALL(symbol, family, policy) { #symbol, NULL, offsetof(struct libc_calls, symbol), false },
#define VERSIONED(symbol, version, family, policy)                                                           \
	{ #symbol, version, offsetof(struct libc_calls, symbol), false },
#define OPTIONAL(symbol, family, policy) { #symbol, NULL, offsetof(struct libc_calls, symbol), true },
#define ALIAS(spelling, symbol)
#define CHECKED(spelling, symbol)
#define LEFT(symbol, cause)
static const struct row rows[] = {
#include "../calls.def"
};

/* A versioned row asks for its version first: an older RTLD_NEXT gives the oldest (glibc bug 14932). On an
 * architecture that never had the old one, that version does not exist. */
static void *find(const struct row *r)
{
	void *p = r->version ? dlvsym(RTLD_NEXT, r->name, r->version) : NULL;

	return p ? p : dlsym(RTLD_NEXT, r->name);
}

/* Stands in for what this libc has not got; the one who calls it is told so. */
static long not_here(void)
{
	errno = ENOSYS;
	return -1;
}

int libc_bind(const char **missing)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		void *p = find(&rows[i]);

		if (!p && !rows[i].optional) {
			*missing = rows[i].name;
			err = -ENOENT;
			p = (void *)not_here;
		}
		*(void **)((char *)&libc + rows[i].offset) = p;
	}
	return err;
}
