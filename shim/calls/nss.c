/* SPDX-License-Identifier: Apache-2.0
 *
 * Users, groups, services, protocols, networks.  Where nsswitch.conf names nothing but files for them the call is
 * libc's at once: a worker would take longer than the file, and should the disk be slow, the host is handed off.
 * Everything else (LDAP, sssd, NIS, systemd) may wait for a server, under locks of libc, in modules whose calls
 * come through us: then libc's reentrant function runs on a native thread of the pool.
 *
 * The calls without _r answer in one place for the process, as libc's do, but there only the coroutine that has
 * asked writes, when it has its turn: until it parks again nobody takes its answer away.
 *
 * Contract of all.  Parks: while a worker asks.  Passes through: databases that are files.  errno, h_errno and
 * results: libc's.  No difference.
 */
#include <netdb.h>
#include <pwd.h>
#include <shadow.h>
#include <string.h>
#include "coro.h"
#include "greenlet.h"
#include "libc.h"
#include "lookup.h"
#include "nssconf.h"

enum what {
	PW_NAME,
	PW_UID,
	PW_NEXT,
	GR_NAME,
	GR_GID,
	GR_NEXT,
	SP_NAME,
	SERV_NAME,
	SERV_PORT,
	PROTO_NAME,
	PROTO_NUMBER,
	NET_NAME,
	NET_ADDR,
	RPC_NAME,
	RPC_NUMBER,
	WHATS
};

union entry {
	struct passwd pw;
	struct group gr;
	struct spwd sp;
	struct servent serv;
	struct protoent proto;
	struct netent net;
	struct rpcent rpc;
};

/* Where an entry points into the buffer. */
struct shape {
	size_t size;
	int nstrings;
	size_t strings[5];
	bool has_list;
	size_t list;
};

#define AT(type, field) offsetof(struct type, field)

static const struct shape
	pw_shape = { sizeof(struct passwd),
		     5,
		     { AT(passwd, pw_name), AT(passwd, pw_passwd), AT(passwd, pw_gecos), AT(passwd, pw_dir),
		       AT(passwd, pw_shell) },
		     false,
		     0 },
	gr_shape = { sizeof(struct group),
		     2,
		     { AT(group, gr_name), AT(group, gr_passwd) },
		     true,
		     AT(group, gr_mem) },
	sp_shape = { sizeof(struct spwd), 2, { AT(spwd, sp_namp), AT(spwd, sp_pwdp) }, false, 0 },
	serv_shape = { sizeof(struct servent),
		       2,
		       { AT(servent, s_name), AT(servent, s_proto) },
		       true,
		       AT(servent, s_aliases) },
	proto_shape = { sizeof(struct protoent), 1, { AT(protoent, p_name) }, true, AT(protoent, p_aliases) },
	net_shape = { sizeof(struct netent), 1, { AT(netent, n_name) }, true, AT(netent, n_aliases) },
	rpc_shape = { sizeof(struct rpcent), 1, { AT(rpcent, r_name) }, true, AT(rpcent, r_aliases) };

static const struct shape *const shapes[WHATS] = {
	[PW_NAME] = &pw_shape,	     [PW_UID] = &pw_shape,	    [PW_NEXT] = &pw_shape,
	[GR_NAME] = &gr_shape,	     [GR_GID] = &gr_shape,	    [GR_NEXT] = &gr_shape,
	[SP_NAME] = &sp_shape,	     [SERV_NAME] = &serv_shape,	    [SERV_PORT] = &serv_shape,
	[PROTO_NAME] = &proto_shape, [PROTO_NUMBER] = &proto_shape, [NET_NAME] = &net_shape,
	[NET_ADDR] = &net_shape,     [RPC_NAME] = &rpc_shape,	    [RPC_NUMBER] = &rpc_shape,
};

struct question {
	enum what what;
	const char *why;
	const char *name, *proto;
	long number;
	int family; /* of a network */
};

struct entry_lookup {
	struct lookup l;
	struct question q; /* its strings are copies, in text */
	union entry entry;
	void *found; /* NULL or &entry */
	int herr;
	bool grows; /* the room is ours: larger until the answer fits */
	struct lookup_room room;
	char text[];
};

static int ask(struct entry_lookup *e)
{
	const struct question *q = &e->q;
	char *buf = e->room.buf;
	size_t len = e->room.len;
	void *found = &e->found;

	switch (q->what) {
	case PW_NAME:
		return libc.getpwnam_r(q->name, &e->entry.pw, buf, len, found);
	case PW_UID:
		return libc.getpwuid_r((uid_t)q->number, &e->entry.pw, buf, len, found);
	case PW_NEXT:
		return libc.getpwent_r(&e->entry.pw, buf, len, found);
	case GR_NAME:
		return libc.getgrnam_r(q->name, &e->entry.gr, buf, len, found);
	case GR_GID:
		return libc.getgrgid_r((gid_t)q->number, &e->entry.gr, buf, len, found);
	case GR_NEXT:
		return libc.getgrent_r(&e->entry.gr, buf, len, found);
	case SP_NAME:
		return libc.getspnam_r(q->name, &e->entry.sp, buf, len, found);
	case SERV_NAME:
		return libc.getservbyname_r(q->name, q->proto, &e->entry.serv, buf, len, found);
	case SERV_PORT:
		return libc.getservbyport_r((int)q->number, q->proto, &e->entry.serv, buf, len, found);
	case PROTO_NAME:
		return libc.getprotobyname_r(q->name, &e->entry.proto, buf, len, found);
	case PROTO_NUMBER:
		return libc.getprotobynumber_r((int)q->number, &e->entry.proto, buf, len, found);
	case NET_NAME:
		return libc.getnetbyname_r(q->name, &e->entry.net, buf, len, found, &e->herr);
	case NET_ADDR:
		return libc.getnetbyaddr_r((uint32_t)q->number, q->family, &e->entry.net, buf, len, found,
					   &e->herr);
	case RPC_NAME:
		return libc.getrpcbyname_r(q->name, &e->entry.rpc, buf, len, found);
	default:
		return libc.getrpcbynumber_r((int)q->number, &e->entry.rpc, buf, len, found);
	}
}

static void run_entry(struct offload_job *job)
{
	struct entry_lookup *e = CONTAINER_OF(job, struct entry_lookup, l.job);

	lookup_begins(&e->l);
	do
		e->l.result = ask(e);
	while (e->l.result == ERANGE && e->grows && lookup_room_grow(&e->room));
	lookup_ends(&e->l);
}

static void free_entry(struct offload_job *job)
{
	struct entry_lookup *e = CONTAINER_OF(job, struct entry_lookup, l.job);

	free(e->room.memory);
	free(e);
}

static struct entry_lookup *entry_lookup(const struct question *q, const char *like, size_t len)
{
	size_t nname = q->name ? strlen(q->name) + 1 : 0, nproto = q->proto ? strlen(q->proto) + 1 : 0;
	struct entry_lookup *e = calloc(1, sizeof(*e) + nname + nproto);

	if (!e)
		return NULL;
	if (!lookup_room_make(&e->room, like, len)) {
		free(e);
		return NULL;
	}
	e->l.job.run = run_entry;
	e->l.job.abandoned = free_entry;
	e->q = *q;
	if (q->name)
		e->q.name = memcpy(e->text, q->name, nname);
	if (q->proto)
		e->q.proto = memcpy(e->text + nname, q->proto, nproto);
	return e;
}

/* The entry and its room as they are in the caller's memory. */
static void move_entry(const struct entry_lookup *e, void *entry, char *buf)
{
	const struct shape *s = shapes[e->q.what];
	char *to = entry;

	memcpy(buf, e->room.buf, e->room.len);
	memcpy(to, &e->entry, s->size);
	for (int i = 0; i < s->nstrings; i++) {
		char **p = (char **)(void *)(to + s->strings[i]);

		*p = lookup_moved(&e->room, buf, *p);
	}
	if (s->has_list)
		lookup_move_list(&e->room, buf, (char ***)(void *)(to + s->list));
}

/* Walks through all entries have one place in the process: other greenlets of the thread, which look to the program
 * as if they ran at other times, do not run meanwhile. */
static int run_lookup(struct coro *me, struct entry_lookup *e)
{
	bool is_walk = e->q.what == PW_NEXT || e->q.what == GR_NEXT, whole = greenlet_enter_whole(is_walk);
	int r = lookup_run(me, &e->l, is_walk ? 0 : WAITQ_CANCEL, e->q.why);

	greenlet_leave_whole(whole);
	return r;
}

/* The rest of a call with _r: it leaves. */
static int entry_r(struct coro *me, const struct question *q, void *entry, char *buf, size_t len, void *found,
		   int *herr)
{
	struct entry_lookup *e = entry_lookup(q, buf, len);
	void **answer = found;
	int r;

	*answer = NULL;
	r = e ? run_lookup(me, e) : ENOMEM;
	coro_leave(0);
	if (r) {
		if (herr)
			*herr = NETDB_INTERNAL;
		return errno = r;
	}
	r = e->l.result;
	if (e->found) {
		move_entry(e, entry, buf);
		*answer = entry;
	}
	if (herr)
		*herr = e->herr;
	errno = e->l.err;
	free_entry(&e->l.job);
	return r;
}

/* The same without _r. */
static void *entry_of(struct coro *me, const struct question *q)
{
	static struct {
		union entry entry;
		void *memory;
	} answers[WHATS];
	struct entry_lookup *e = entry_lookup(q, NULL, 1024);
	void *found = NULL, *old;
	int r;

	if (e)
		e->grows = true;
	r = e ? run_lookup(me, e) : ENOMEM;
	if (r) {
		coro_leave(0);
		errno = r;
		return NULL;
	}
	if (e->found) {
		old = answers[q->what].memory;
		answers[q->what].entry = e->entry;
		answers[q->what].memory = e->room.memory;
		e->room.memory = old;
		found = &answers[q->what].entry;
	} else if (q->what == NET_NAME || q->what == NET_ADDR) {
		h_errno = e->herr;
	}
	errno = e->l.err;
	free_entry(&e->l.job);
	coro_leave(0);
	return found;
}

/* getpwnam(3), getpwnam_r(3) */
EXPORT struct passwd *getpwnam(const char *name)
{
	struct coro *me = nss_caller(NSS_PASSWD);
	struct question q = { .what = PW_NAME, .why = "getpwnam", .name = name };

	return LIKELY(!me) ? libc.getpwnam(name) : entry_of(me, &q);
}

EXPORT int getpwnam_r(const char *restrict name, struct passwd *restrict entry, char *restrict buf, size_t len,
		      struct passwd **restrict found)
{
	struct coro *me = nss_caller(NSS_PASSWD);
	struct question q = { .what = PW_NAME, .why = "getpwnam_r", .name = name };

	if (LIKELY(!me))
		return libc.getpwnam_r(name, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getpwuid(3), getpwuid_r(3) */
EXPORT struct passwd *getpwuid(uid_t uid)
{
	struct coro *me = nss_caller(NSS_PASSWD);
	struct question q = { .what = PW_UID, .why = "getpwuid", .number = uid };

	return LIKELY(!me) ? libc.getpwuid(uid) : entry_of(me, &q);
}

EXPORT int getpwuid_r(uid_t uid, struct passwd *restrict entry, char *restrict buf, size_t len,
		      struct passwd **restrict found)
{
	struct coro *me = nss_caller(NSS_PASSWD);
	struct question q = { .what = PW_UID, .why = "getpwuid_r", .number = uid };

	if (LIKELY(!me))
		return libc.getpwuid_r(uid, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getpwent(3), getpwent_r(3) */
EXPORT struct passwd *getpwent(void)
{
	struct coro *me = nss_caller(NSS_PASSWD);
	struct question q = { .what = PW_NEXT, .why = "getpwent" };

	return LIKELY(!me) ? libc.getpwent() : entry_of(me, &q);
}

EXPORT int getpwent_r(struct passwd *restrict entry, char *restrict buf, size_t len,
		      struct passwd **restrict found)
{
	struct coro *me = nss_caller(NSS_PASSWD);
	struct question q = { .what = PW_NEXT, .why = "getpwent_r" };

	if (LIKELY(!me))
		return libc.getpwent_r(entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getgrnam(3), getgrnam_r(3) */
EXPORT struct group *getgrnam(const char *name)
{
	struct coro *me = nss_caller(NSS_GROUP);
	struct question q = { .what = GR_NAME, .why = "getgrnam", .name = name };

	return LIKELY(!me) ? libc.getgrnam(name) : entry_of(me, &q);
}

EXPORT int getgrnam_r(const char *restrict name, struct group *restrict entry, char *restrict buf, size_t len,
		      struct group **restrict found)
{
	struct coro *me = nss_caller(NSS_GROUP);
	struct question q = { .what = GR_NAME, .why = "getgrnam_r", .name = name };

	if (LIKELY(!me))
		return libc.getgrnam_r(name, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getgrgid(3), getgrgid_r(3) */
EXPORT struct group *getgrgid(gid_t gid)
{
	struct coro *me = nss_caller(NSS_GROUP);
	struct question q = { .what = GR_GID, .why = "getgrgid", .number = gid };

	return LIKELY(!me) ? libc.getgrgid(gid) : entry_of(me, &q);
}

EXPORT int getgrgid_r(gid_t gid, struct group *restrict entry, char *restrict buf, size_t len,
		      struct group **restrict found)
{
	struct coro *me = nss_caller(NSS_GROUP);
	struct question q = { .what = GR_GID, .why = "getgrgid_r", .number = gid };

	if (LIKELY(!me))
		return libc.getgrgid_r(gid, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getgrent(3), getgrent_r(3) */
EXPORT struct group *getgrent(void)
{
	struct coro *me = nss_caller(NSS_GROUP);
	struct question q = { .what = GR_NEXT, .why = "getgrent" };

	return LIKELY(!me) ? libc.getgrent() : entry_of(me, &q);
}

EXPORT int getgrent_r(struct group *restrict entry, char *restrict buf, size_t len,
		      struct group **restrict found)
{
	struct coro *me = nss_caller(NSS_GROUP);
	struct question q = { .what = GR_NEXT, .why = "getgrent_r" };

	if (LIKELY(!me))
		return libc.getgrent_r(entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getspnam(3), getspnam_r(3) */
EXPORT struct spwd *getspnam(const char *name)
{
	struct coro *me = nss_caller(NSS_SHADOW);
	struct question q = { .what = SP_NAME, .why = "getspnam", .name = name };

	return LIKELY(!me) ? libc.getspnam(name) : entry_of(me, &q);
}

EXPORT int getspnam_r(const char *restrict name, struct spwd *restrict entry, char *restrict buf, size_t len,
		      struct spwd **restrict found)
{
	struct coro *me = nss_caller(NSS_SHADOW);
	struct question q = { .what = SP_NAME, .why = "getspnam_r", .name = name };

	if (LIKELY(!me))
		return libc.getspnam_r(name, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getservbyname(3), getservbyname_r(3) */
EXPORT struct servent *getservbyname(const char *name, const char *proto)
{
	struct coro *me = nss_caller(NSS_SERVICES);
	struct question q = { .what = SERV_NAME, .why = "getservbyname", .name = name, .proto = proto };

	return LIKELY(!me) ? libc.getservbyname(name, proto) : entry_of(me, &q);
}

EXPORT int getservbyname_r(const char *restrict name, const char *restrict proto,
			   struct servent *restrict entry, char *restrict buf, size_t len,
			   struct servent **restrict found)
{
	struct coro *me = nss_caller(NSS_SERVICES);
	struct question q = { .what = SERV_NAME, .why = "getservbyname_r", .name = name, .proto = proto };

	if (LIKELY(!me))
		return libc.getservbyname_r(name, proto, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getservbyport(3), getservbyport_r(3) */
EXPORT struct servent *getservbyport(int port, const char *proto)
{
	struct coro *me = nss_caller(NSS_SERVICES);
	struct question q = { .what = SERV_PORT, .why = "getservbyport", .number = port, .proto = proto };

	return LIKELY(!me) ? libc.getservbyport(port, proto) : entry_of(me, &q);
}

EXPORT int getservbyport_r(int port, const char *restrict proto, struct servent *restrict entry,
			   char *restrict buf, size_t len, struct servent **restrict found)
{
	struct coro *me = nss_caller(NSS_SERVICES);
	struct question q = { .what = SERV_PORT, .why = "getservbyport_r", .number = port, .proto = proto };

	if (LIKELY(!me))
		return libc.getservbyport_r(port, proto, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getprotobyname(3), getprotobyname_r(3) */
EXPORT struct protoent *getprotobyname(const char *name)
{
	struct coro *me = nss_caller(NSS_PROTOCOLS);
	struct question q = { .what = PROTO_NAME, .why = "getprotobyname", .name = name };

	return LIKELY(!me) ? libc.getprotobyname(name) : entry_of(me, &q);
}

EXPORT int getprotobyname_r(const char *restrict name, struct protoent *restrict entry, char *restrict buf,
			    size_t len, struct protoent **restrict found)
{
	struct coro *me = nss_caller(NSS_PROTOCOLS);
	struct question q = { .what = PROTO_NAME, .why = "getprotobyname_r", .name = name };

	if (LIKELY(!me))
		return libc.getprotobyname_r(name, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getprotobynumber(3), getprotobynumber_r(3) */
EXPORT struct protoent *getprotobynumber(int number)
{
	struct coro *me = nss_caller(NSS_PROTOCOLS);
	struct question q = { .what = PROTO_NUMBER, .why = "getprotobynumber", .number = number };

	return LIKELY(!me) ? libc.getprotobynumber(number) : entry_of(me, &q);
}

EXPORT int getprotobynumber_r(int number, struct protoent *restrict entry, char *restrict buf, size_t len,
			      struct protoent **restrict found)
{
	struct coro *me = nss_caller(NSS_PROTOCOLS);
	struct question q = { .what = PROTO_NUMBER, .why = "getprotobynumber_r", .number = number };

	if (LIKELY(!me))
		return libc.getprotobynumber_r(number, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getnetbyname(3), getnetbyname_r(3) */
EXPORT struct netent *getnetbyname(const char *name)
{
	struct coro *me = nss_caller(NSS_NETWORKS);
	struct question q = { .what = NET_NAME, .why = "getnetbyname", .name = name };

	return LIKELY(!me) ? libc.getnetbyname(name) : entry_of(me, &q);
}

EXPORT int getnetbyname_r(const char *restrict name, struct netent *restrict entry, char *restrict buf,
			  size_t len, struct netent **restrict found, int *restrict herr)
{
	struct coro *me = nss_caller(NSS_NETWORKS);
	struct question q = { .what = NET_NAME, .why = "getnetbyname_r", .name = name };

	if (LIKELY(!me))
		return libc.getnetbyname_r(name, entry, buf, len, found, herr);
	return entry_r(me, &q, entry, buf, len, found, herr);
}

/* getnetbyaddr(3), getnetbyaddr_r(3) */
EXPORT struct netent *getnetbyaddr(uint32_t net, int family)
{
	struct coro *me = nss_caller(NSS_NETWORKS);
	struct question q = { .what = NET_ADDR, .why = "getnetbyaddr", .number = net, .family = family };

	return LIKELY(!me) ? libc.getnetbyaddr(net, family) : entry_of(me, &q);
}

EXPORT int getnetbyaddr_r(uint32_t net, int family, struct netent *restrict entry, char *restrict buf,
			  size_t len, struct netent **restrict found, int *restrict herr)
{
	struct coro *me = nss_caller(NSS_NETWORKS);
	struct question q = { .what = NET_ADDR, .why = "getnetbyaddr_r", .number = net, .family = family };

	if (LIKELY(!me))
		return libc.getnetbyaddr_r(net, family, entry, buf, len, found, herr);
	return entry_r(me, &q, entry, buf, len, found, herr);
}

/* getrpcbyname(3), getrpcbyname_r(3) */
EXPORT struct rpcent *getrpcbyname(const char *name)
{
	struct coro *me = nss_caller(NSS_RPC);
	struct question q = { .what = RPC_NAME, .why = "getrpcbyname", .name = name };

	return LIKELY(!me) ? libc.getrpcbyname(name) : entry_of(me, &q);
}

EXPORT int getrpcbyname_r(const char *restrict name, struct rpcent *restrict entry, char *restrict buf,
			  size_t len, struct rpcent **restrict found)
{
	struct coro *me = nss_caller(NSS_RPC);
	struct question q = { .what = RPC_NAME, .why = "getrpcbyname_r", .name = name };

	if (LIKELY(!me))
		return libc.getrpcbyname_r(name, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}

/* getrpcbynumber(3), getrpcbynumber_r(3) */
EXPORT struct rpcent *getrpcbynumber(int number)
{
	struct coro *me = nss_caller(NSS_RPC);
	struct question q = { .what = RPC_NUMBER, .why = "getrpcbynumber", .number = number };

	return LIKELY(!me) ? libc.getrpcbynumber(number) : entry_of(me, &q);
}

EXPORT int getrpcbynumber_r(int number, struct rpcent *restrict entry, char *restrict buf, size_t len,
			    struct rpcent **restrict found)
{
	struct coro *me = nss_caller(NSS_RPC);
	struct question q = { .what = RPC_NUMBER, .why = "getrpcbynumber_r", .number = number };

	if (LIKELY(!me))
		return libc.getrpcbynumber_r(number, entry, buf, len, found);
	return entry_r(me, &q, entry, buf, len, found, NULL);
}
