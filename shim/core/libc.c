/* SPDX-License-Identifier: Apache-2.0
 *
 * Binding of the table.  Done once, by the constructor, before any other object's constructor runs (our
 * object is linked with -z initfirst), so no wrapper asks whether it has been.  Only one object can be the first,
 * the last that wants to; and resolvers of IFUNCs run before any.  Whoever calls us from there meets a stub of
 * early.S in each entry, which has the table bound and goes on into the entry that was meant.
 */
#include "libc.h"
#include <gnu/libc-version.h>

#define CALL(symbol, family, policy) extern void early_##symbol(void) __attribute__((visibility("hidden")));
#define VERSIONED(symbol, version, family, policy) CALL(symbol, family, policy)
#define OPTIONAL(symbol, family, policy) CALL(symbol, family, policy)
#define NEWER(symbol, minor, family, policy) CALL(symbol, family, policy)
#define ALIAS(spelling, symbol)
#define CHECKED(spelling, symbol)
#define LEFT(symbol, cause)
#include "../calls.def"
#undef CALL

#define CALL(symbol, family, policy) .symbol = (void *)early_##symbol,
struct libc_calls libc __attribute__((visibility("hidden"))) = {
#include "../calls.def"
};
#undef CALL
#undef VERSIONED
#undef OPTIONAL
#undef NEWER

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

	/* Not a stub, by way of which all would be bound once more: dlsym() looks for it itself. */
	libc.dlsym = NULL;
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

/* From early.S.  The constructor binds once more, and says what is missing. */
void libc_bind_early(void)
{
	const char *missing;
	int saved = errno;

	libc_bind(&missing);
	errno = saved;
}
