/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked about users and groups without an entry as the answer (those are nss.c's): the groups of a user,
 * netgroups, and the beginning and end of a walk through all entries.
 *
 * Contract of all.  Parks: while a worker asks.  Passes through: databases that are files.  errno and results:
 * libc's.  No difference.
 */
#include <netdb.h>
#include <pwd.h>
#include <string.h>
#include "greenlet.h"
#include "libc.h"
#include "lookup.h"
#include "nssconf.h"

enum deed { PW_FIRST, PW_END, GR_FIRST, GR_END, IN_NETGROUP };

struct deed_lookup {
	struct lookup l;
	enum deed deed;
	char *word[4]; /* of a netgroup: it, host, user, domain; in text, or NULL */
	char text[];
};

static void run_deed(struct offload_job *job)
{
	struct deed_lookup *d = CONTAINER_OF(job, struct deed_lookup, l.job);

	lookup_begins(&d->l);
	switch (d->deed) {
	case PW_FIRST:
		libc.setpwent();
		break;
	case PW_END:
		libc.endpwent();
		break;
	case GR_FIRST:
		libc.setgrent();
		break;
	case GR_END:
		libc.endgrent();
		break;
	case IN_NETGROUP:
		d->l.result = libc.innetgr(d->word[0], d->word[1], d->word[2], d->word[3]);
		break;
	}
	lookup_ends(&d->l);
}

static struct deed_lookup *deed_lookup(enum deed deed, const char *const word[4])
{
	struct deed_lookup *d;
	size_t size = 0;
	char *at;

	for (int i = 0; word && i < 4; i++)
		size += word[i] ? strlen(word[i]) + 1 : 0;
	d = calloc(1, sizeof(*d) + size);
	if (!d)
		return NULL;
	d->l.job = (struct offload_job){ .run = run_deed, .abandoned = lookup_free };
	d->deed = deed;
	at = d->text;
	for (int i = 0; word && i < 4; i++) {
		if (!word[i])
			continue;
		d->word[i] = at;
		at = stpcpy(at, word[i]) + 1;
	}
	return d;
}

/* The rest of a call: it leaves.  As nss.c's: greenlets share the place of a walk. */
static int do_deed(struct coro *me, enum deed deed, const char *const word[4], const char *why)
{
	struct deed_lookup *d = deed_lookup(deed, word);
	bool is_walk = deed != IN_NETGROUP, whole = greenlet_enter_whole(is_walk);
	int r = d ? lookup_run(me, &d->l, is_walk ? 0 : WAITQ_CANCEL, why) : ENOMEM;

	greenlet_leave_whole(whole);
	coro_leave(0);
	if (r) {
		errno = r;
		return 0;
	}
	r = d->l.result;
	errno = d->l.err;
	free(d);
	return r;
}

/* setpwent(3), endpwent(3), setgrent(3), endgrent(3) */
EXPORT void setpwent(void)
{
	struct coro *me = nss_caller(NSS_PASSWD);

	if (LIKELY(!me))
		libc.setpwent();
	else
		do_deed(me, PW_FIRST, NULL, "setpwent");
}

EXPORT void endpwent(void)
{
	struct coro *me = nss_caller(NSS_PASSWD);

	if (LIKELY(!me))
		libc.endpwent();
	else
		do_deed(me, PW_END, NULL, "endpwent");
}

EXPORT void setgrent(void)
{
	struct coro *me = nss_caller(NSS_GROUP);

	if (LIKELY(!me))
		libc.setgrent();
	else
		do_deed(me, GR_FIRST, NULL, "setgrent");
}

EXPORT void endgrent(void)
{
	struct coro *me = nss_caller(NSS_GROUP);

	if (LIKELY(!me))
		libc.endgrent();
	else
		do_deed(me, GR_END, NULL, "endgrent");
}

/* innetgr(3) */
EXPORT int innetgr(const char *netgroup, const char *host, const char *user, const char *domain)
{
	struct coro *me = nss_caller(NSS_NETGROUP);
	const char *const word[4] = { netgroup, host, user, domain };

	if (LIKELY(!me))
		return libc.innetgr(netgroup, host, user, domain);
	return do_deed(me, IN_NETGROUP, word, "innetgr");
}

struct groups_lookup {
	struct lookup l;
	gid_t group;
	int n;
	char *user; /* behind the groups */
	gid_t groups[];
};

static void run_groups(struct offload_job *job)
{
	struct groups_lookup *g = CONTAINER_OF(job, struct groups_lookup, l.job);

	lookup_begins(&g->l);
	g->l.result = libc.getgrouplist(g->user, g->group, g->groups, &g->n);
	lookup_ends(&g->l);
}

/* getgrouplist(3) */
EXPORT int getgrouplist(const char *user, gid_t group, gid_t *groups, int *n)
{
	struct coro *me = nss_caller(NSS_INITGROUPS);
	size_t room = *n > 0 ? (size_t)*n : 0, size = room * sizeof(*groups);
	struct groups_lookup *g;
	int r;

	if (LIKELY(!me))
		return libc.getgrouplist(user, group, groups, n);
	g = calloc(1, sizeof(*g) + size + strlen(user) + 1);
	if (g) {
		g->l.job = (struct offload_job){ .run = run_groups, .abandoned = lookup_free };
		g->group = group;
		g->n = *n;
		g->user = strcpy((char *)g->groups + size, user);
	}
	r = g ? lookup_run(me, &g->l, WAITQ_CANCEL, "getgrouplist") : ENOMEM;
	coro_leave(0);
	if (r)
		return fail(r);
	r = g->l.result;
	errno = g->l.err;
	*n = g->n;
	memcpy(groups, g->groups, ((size_t)g->n < room ? (size_t)g->n : room) * sizeof(*groups));
	free(g);
	return r;
}
