/* SPDX-License-Identifier: Apache-2.0
 *
 * Users, groups, services, networks by the machine's own files.
 */
#include "diff/diff.h"
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <shadow.h>

#define ROOM 4096

static void show_list(char *const *list)
{
	for (; list && *list; list++)
		SAY("    %s", *list);
}

static void show_passwd(const struct passwd *pw)
{
	if (pw)
		SAY("  %s:%s:%u:%u:%s:%s:%s", pw->pw_name, pw->pw_passwd, pw->pw_uid, pw->pw_gid, pw->pw_gecos,
		    pw->pw_dir, pw->pw_shell);
}

static void show_group(const struct group *gr)
{
	if (!gr)
		return;
	SAY("  %s:%s:%u", gr->gr_name, gr->gr_passwd, gr->gr_gid);
	show_list(gr->gr_mem);
}

static void show_service(const struct servent *s)
{
	if (!s)
		return;
	SAY("  %s %d/%s", s->s_name, ntohs(s->s_port), s->s_proto);
	show_list(s->s_aliases);
}

static void show_protocol(const struct protoent *p)
{
	if (!p)
		return;
	SAY("  %s %d", p->p_name, p->p_proto);
	show_list(p->p_aliases);
}

static void show_net(const struct netent *n)
{
	if (!n)
		return;
	SAY("  %s %x family %d", n->n_name, n->n_net, n->n_addrtype);
	show_list(n->n_aliases);
}

static void show_rpc(const struct rpcent *r)
{
	if (!r)
		return;
	SAY("  %s %d", r->r_name, r->r_number);
	show_list(r->r_aliases);
}

/* --- Users */

CASE(user_by_name)
{
	show_passwd(P(getpwnam("root")));
	show_passwd(P(getpwnam("daemon")));
	show_passwd(P(getpwnam("nobody")));
}

CASE(user_unknown)
{
	P(getpwnam("no such user"));
	P(getpwnam(""));
	P(getpwuid(3999999999u));
	P(getpwuid(123456));
}

CASE(user_by_number)
{
	show_passwd(P(getpwuid(0)));
	show_passwd(P(getpwuid(1)));
	show_passwd(P(getpwuid(65534)));
}

CASE(user_into_a_buffer)
{
	struct passwd pw, *found;
	char buf[ROOM];

	E(getpwnam_r("root", &pw, buf, sizeof(buf), &found));
	SAY("found %d, inside %d", found == &pw, pw.pw_dir >= buf && pw.pw_dir < buf + sizeof(buf));
	show_passwd(found);
	E(getpwuid_r(1, &pw, buf, sizeof(buf), &found));
	show_passwd(found);
}

CASE(user_unknown_into_a_buffer)
{
	struct passwd pw, *found = &pw;
	char buf[ROOM];

	E(getpwnam_r("no such user", &pw, buf, sizeof(buf), &found));
	SAY("found %d", found != NULL);
	found = &pw;
	E(getpwuid_r(3999999999u, &pw, buf, sizeof(buf), &found));
	SAY("found %d", found != NULL);
}

CASE(user_into_a_small_buffer)
{
	struct passwd pw, *found = &pw;
	char buf[ROOM];

	for (size_t n = 0; n < 120; n += 17) {
		E(getpwnam_r("root", &pw, buf, n, &found));
		SAY("%zu bytes: found %d", n, found != NULL);
	}
}

/* How many bytes are enough depends on where they lie. */
CASE(user_into_the_smallest_buffer)
{
	char room[ROOM] __attribute__((aligned(16)));
	struct passwd pw, *found;

	for (int shift = 0; shift < 16; shift += 3) {
		size_t n = 1;

		while (getpwnam_r("root", &pw, room + shift, n, &found) == ERANGE)
			n++;
		SAY("shift %d: %zu", shift, n);
		show_passwd(found);
	}
}

CASE(users_one_by_one)
{
	setpwent();
	for (int i = 0; i < 5; i++)
		show_passwd(P(getpwent()));
	setpwent();
	show_passwd(P(getpwent()));
	endpwent();
}

CASE(users_to_the_end)
{
	int n = 0;

	setpwent();
	errno = UNTOUCHED;
	while (getpwent())
		n++;
	SAY("%d, then %s", n, errno_name(errno));
	P(getpwent());
	endpwent();
	show_passwd(P(getpwent()));
	endpwent();
}

CASE(users_one_by_one_into_a_buffer)
{
	struct passwd pw, *found = &pw;
	char buf[ROOM];

	setpwent();
	E(getpwent_r(&pw, buf, 10, &found));
	SAY("found %d", found != NULL);
	E(getpwent_r(&pw, buf, sizeof(buf), &found));
	show_passwd(found);
	while (getpwent_r(&pw, buf, sizeof(buf), &found) == 0)
		;
	E(getpwent_r(&pw, buf, sizeof(buf), &found));
	SAY("found %d", found != NULL);
	endpwent();
}

CASE(answers_stand_apart)
{
	struct passwd *a = getpwnam("root"), *b;
	struct group *g = getgrnam("daemon");

	show_passwd(a);
	show_group(g);
	b = getpwuid(1);
	show_passwd(a);
	show_passwd(b);
	SAY("the same place %d", getpwnam("daemon") == a);
	show_passwd(a);
}

static void *ask_many(void *arg)
{
	struct passwd pw, *found;
	char buf[ROOM];

	for (int i = 0; i < 20; i++) {
		CHECK_EQ(getpwuid_r((uid_t)(long)arg, &pw, buf, sizeof(buf), &found), 0);
		CHECK(found && pw.pw_uid == (uid_t)(long)arg);
	}
	show_passwd(&pw);
	return NULL;
}

CASE(users_asked_for_at_once)
{
	struct flow *f[3];

	for (long i = 0; i < 3; i++)
		f[i] = flow(ask_many, (void *)i);
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
}

CASE(shadow)
{
	struct spwd sp, *found = P(getspnam("root"));
	char buf[ROOM];

	if (found)
		SAY("  %s:%ld", found->sp_namp, found->sp_max);
	P(getspnam("no such user"));
	E(getspnam_r("root", &sp, buf, sizeof(buf), &found));
	if (found)
		SAY("  %s:%ld", sp.sp_namp, sp.sp_max);
	E(getspnam_r("root", &sp, buf, 3, &found));
	E(getspnam_r("no such user", &sp, buf, sizeof(buf), &found));
}

/* --- Groups */

CASE(group_by_name)
{
	show_group(P(getgrnam("root")));
	show_group(P(getgrnam("adm")));
	P(getgrnam("no such group"));
}

CASE(group_by_number)
{
	show_group(P(getgrgid(0)));
	show_group(P(getgrgid(4)));
	P(getgrgid(3999999999u));
}

CASE(group_into_a_buffer)
{
	struct group gr, *found;
	char buf[ROOM];

	E(getgrnam_r("root", &gr, buf, sizeof(buf), &found));
	SAY("inside %d", (char *)gr.gr_mem >= buf && (char *)gr.gr_mem < buf + sizeof(buf));
	show_group(found);
	E(getgrgid_r(1, &gr, buf, sizeof(buf), &found));
	show_group(found);
	E(getgrgid_r(3999999999u, &gr, buf, sizeof(buf), &found));
	SAY("found %d", found != NULL);
	for (size_t n = 0; n < 60; n += 9) {
		E(getgrnam_r("root", &gr, buf, n, &found));
		SAY("%zu bytes: found %d", n, found != NULL);
	}
}

CASE(groups_one_by_one)
{
	struct group gr, *found;
	char buf[ROOM];
	int n = 0;

	setgrent();
	for (int i = 0; i < 3; i++)
		show_group(P(getgrent()));
	E(getgrent_r(&gr, buf, sizeof(buf), &found));
	show_group(found);
	errno = UNTOUCHED;
	while (getgrent())
		n++;
	SAY("%d more, then %s", n, errno_name(errno));
	endgrent();
}

CASE(groups_of_a_user)
{
	gid_t groups[8] = { 0 };
	int n = 8;

	R(getgrouplist("root", 0, groups, &n));
	SAY("n %d, first %u", n, groups[0]);
	n = 8;
	R(getgrouplist("no such user", 77, groups, &n));
	SAY("n %d, first %u", n, groups[0]);
	n = 0;
	R(getgrouplist("root", 0, groups, &n));
	SAY("n %d", n);
}

CASE(netgroups)
{
	R(innetgr("no such netgroup", "host", "user", NULL));
	R(innetgr("no such netgroup", NULL, NULL, NULL));
}

CASE_THREADS(initgroups_as_root)
{
	R(initgroups("root", 0));
	R(getgroups(0, NULL));
	R(initgroups("no such user", 0));
	R(getgroups(0, NULL));
}

/* --- Services, protocols, networks, programs */

CASE(service_by_name)
{
	show_service(P(getservbyname("http", "tcp")));
	show_service(P(getservbyname("domain", "udp")));
	show_service(P(getservbyname("domain", NULL)));
	show_service(P(getservbyname("www", "tcp")));
	P(getservbyname("http", "no such protocol"));
	P(getservbyname("no such service", "tcp"));
}

CASE(service_by_port)
{
	show_service(P(getservbyport(htons(80), "tcp")));
	show_service(P(getservbyport(htons(53), NULL)));
	P(getservbyport(htons(1), "udp"));
	P(getservbyport(-1, NULL));
}

CASE(service_into_a_buffer)
{
	struct servent s, *found;
	char buf[ROOM];

	E(getservbyname_r("http", "tcp", &s, buf, sizeof(buf), &found));
	show_service(found);
	E(getservbyport_r(htons(22), NULL, &s, buf, sizeof(buf), &found));
	show_service(found);
	E(getservbyname_r("no such service", NULL, &s, buf, sizeof(buf), &found));
	SAY("found %d", found != NULL);
	E(getservbyname_r("http", "tcp", &s, buf, 8, &found));
	SAY("found %d", found != NULL);
}

CASE(protocols)
{
	struct protoent p, *found;
	char buf[ROOM];

	show_protocol(P(getprotobyname("tcp")));
	show_protocol(P(getprotobyname("TCP")));
	P(getprotobyname("no such protocol"));
	show_protocol(P(getprotobynumber(17)));
	P(getprotobynumber(-1));
	E(getprotobyname_r("udp", &p, buf, sizeof(buf), &found));
	show_protocol(found);
	E(getprotobynumber_r(1, &p, buf, sizeof(buf), &found));
	show_protocol(found);
	E(getprotobynumber_r(1, &p, buf, 4, &found));
	E(getprotobynumber_r(999, &p, buf, sizeof(buf), &found));
	SAY("found %d", found != NULL);
}

CASE(networks)
{
	struct netent n, *found;
	char buf[ROOM];
	int herr = 99;

	show_net(P(getnetbyname("loopback")));
	h_errno = 99;
	P(getnetbyname("no such network"));
	SAY("h_errno %d", h_errno);
	show_net(P(getnetbyaddr(127u << 24, AF_INET)));
	h_errno = 99;
	P(getnetbyaddr(10, AF_INET));
	SAY("h_errno %d", h_errno);
	E(getnetbyname_r("loopback", &n, buf, sizeof(buf), &found, &herr));
	show_net(found);
	SAY("herr %d", herr);
	E(getnetbyaddr_r(1, AF_INET, &n, buf, sizeof(buf), &found, &herr));
	SAY("found %d, herr %d", found != NULL, herr);
	E(getnetbyname_r("loopback", &n, buf, 4, &found, &herr));
	SAY("found %d, herr %d", found != NULL, herr);
}

CASE(programs)
{
	struct rpcent r, *found;
	char buf[ROOM];

	show_rpc(P(getrpcbyname("portmapper")));
	show_rpc(P(getrpcbynumber(100003)));
	P(getrpcbyname("no such program"));
	P(getrpcbynumber(1));
	E(getrpcbyname_r("nfs", &r, buf, sizeof(buf), &found));
	show_rpc(found);
	E(getrpcbynumber_r(100000, &r, buf, sizeof(buf), &found));
	show_rpc(found);
	E(getrpcbynumber_r(100000, &r, buf, 6, &found));
}
