/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding of the table.  Done once, by the constructor, before any other object's constructor runs (our
 * object is linked with -z initfirst), so no wrapper ever finds an empty entry and none asks.
 */
#include "libc.h"
#include <gnu/libc-version.h>

struct libc_calls libc;

struct row {
	const char *name, *version;
	size_t offset;
	bool optional;
	int since; /* glibc 2.n */
};

#define CALL(symbol, family, policy) { #symbol, NULL, offsetof(struct libc_calls, symbol), false, 0 },
#define VERSIONED(symbol, version, family, policy)                                                             \
	{ #symbol, version, offsetof(struct libc_calls, symbol), false, 0 },
#define OPTIONAL(symbol, family, policy) { #symbol, NULL, offsetof(struct libc_calls, symbol), true, 0 },
#define NEWER(symbol, minor, family, policy)                                                                   \
	{ #symbol, NULL, offsetof(struct libc_calls, symbol), true, minor },
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

/* n of glibc 2.n. */
static int minor_version(void)
{
	const char *p = gnu_get_libc_version();
	int n = 0;

	while (*p && *p++ != '.')
		;
	for (; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + *p - '0';
	return n;
}

int libc_bind(const char **missing)
{
	int err = 0, minor = minor_version();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* A search in vain would take from the heap, for the words about it. */
		void *p = rows[i].since <= minor ? find(&rows[i]) : NULL;

		if (!p && !rows[i].optional) {
			*missing = rows[i].name;
			err = -ENOENT;
			p = (void *)not_here;
		}
		*(void **)((char *)&libc + rows[i].offset) = p;
	}
	return err;
}
