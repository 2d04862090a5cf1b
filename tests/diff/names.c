/* SPDX-License-Identifier: Apache-2.0
 *
 * Users, groups, services, networks by the machine's own files; questions to a name server that is another flow;
 * look-ups that go on by themselves; and the log, as far as it comes out on stderr.
 */
#include "diff/diff.h"
#include <grp.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <pwd.h>
#include <resolv.h>
#include <shadow.h>
#include <syslog.h>

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

/* --- Look-ups that go on by themselves */

static struct gaicb *request(const char *name, const char *service)
{
	struct gaicb *r = calloc(1, sizeof(*r));
	struct addrinfo *hints = calloc(1, sizeof(*hints));

	*hints = (struct addrinfo){ .ai_family = AF_INET,
				    .ai_socktype = SOCK_STREAM,
				    .ai_flags = AI_NUMERICHOST };
	*r = (struct gaicb){ .ar_name = name, .ar_service = service, .ar_request = hints };
	return r;
}

static void show_request(struct gaicb *r)
{
	struct sockaddr_in *in;

	R(gai_error(r));
	if (gai_error(r) || !r->ar_result)
		return;
	in = (struct sockaddr_in *)r->ar_result->ai_addr;
	SAY("  %x %d", ntohl(in->sin_addr.s_addr), ntohs(in->sin_port));
	freeaddrinfo(r->ar_result);
	r->ar_result = NULL;
}

CASE(requests_are_awaited)
{
	struct gaicb *list[] = { request("127.0.0.1", "80"), NULL, request("not numeric", NULL),
				 request("10.0.0.1", NULL) };

	R(getaddrinfo_a(GAI_WAIT, list, 4, NULL));
	show_request(list[0]);
	show_request(list[2]);
	show_request(list[3]);
}

CASE(requests_go_on)
{
	struct gaicb *list[] = { request("127.0.0.1", "80") };
	const struct gaicb *const *waiting = (const struct gaicb *const *)list;
	int r;

	R(getaddrinfo_a(GAI_NOWAIT, list, 1, NULL));
	while ((r = gai_suspend(waiting, 1, NULL)) == 0)
		;
	SAY("all done: %d", r == EAI_ALLDONE);
	show_request(list[0]);
	R(gai_suspend(waiting, 1, NULL));
	R(gai_cancel(list[0]));
}

CASE(requests_of_none)
{
	struct gaicb *none[] = { NULL };

	R(getaddrinfo_a(GAI_WAIT, none, 1, NULL));
	R(getaddrinfo_a(GAI_WAIT, none, 0, NULL));
	R(gai_suspend((const struct gaicb *const *)none, 1, NULL));
	R(getaddrinfo_a(99, none, 1, NULL));
}

/* --- A name server */

static int server;

static void *answer(void *arg)
{
	unsigned char packet[512];
	struct sockaddr_in from;
	socklen_t len;

	for (long i = 0; i < (long)arg; i++) {
		ssize_t n;

		len = sizeof(from);
		n = recvfrom(server, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len);
		CHECK(n > 12);
		packet[2] |= 0x80;	 /* an answer */
		if (packet[13] == 'n') { /* "no…": there is no such name */
			packet[3] |= 3;
		} else {
			static const unsigned char rr[] = {
				0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7
			};

			packet[7] = 1;
			packet[11] = 0; /* no EDNS in it */
			n = 12 + (long)strlen((char *)packet + 12) + 1 + 4;
			memcpy(packet + n, rr, sizeof(rr));
			n += sizeof(rr);
		}
		CHECK_EQ(sendto(server, packet, (size_t)n, 0, (struct sockaddr *)&from, len), n);
	}
	return NULL;
}

static void ask_server(struct __res_state *state)
{
	struct sockaddr_in addr;

	server = udp_socket(&addr);
	state->nscount = 1;
	state->nsaddr_list[0] = addr;
	state->retry = 1;
	state->retrans = 20;
	state->options &= ~(unsigned long)(RES_USE_EDNS0 | RES_DNSRCH | RES_DEFNAMES);
}

/* But for the id, which is random. */
static void show_answer(unsigned char *a, int n)
{
	if (n > 2)
		SHOW(a + 2, n - 2);
}

CASE(res_query)
{
	unsigned char a[512] = { 0 };
	struct flow *f;

	CHECK_EQ(res_init(), 0);
	ask_server(&_res);
	f = flow(answer, (void *)2);
	show_answer(a, R(res_query("host.test", C_IN, T_A, a, sizeof(a))));
	h_errno = 99;
	R(res_query("no.test", C_IN, T_A, a, sizeof(a)));
	SAY("h_errno %d, of the state %d, code %d", h_errno, _res.res_h_errno, a[3] & 15);
	flow_end(f);
}

CASE(res_nquery)
{
	struct __res_state state = { 0 };
	unsigned char a[512] = { 0 };
	struct flow *f;

	CHECK_EQ(res_ninit(&state), 0);
	ask_server(&state);
	f = flow(answer, (void *)2);
	show_answer(a, R(res_nquery(&state, "host.test", C_IN, T_A, a, sizeof(a))));
	h_errno = 99;
	R(res_nquery(&state, "no.test", C_IN, T_A, a, sizeof(a)));
	SAY("h_errno %d, of the state %d", h_errno, state.res_h_errno);
	flow_end(f);
	res_nclose(&state);
}

CASE(res_search_and_querydomain)
{
	unsigned char a[512] = { 0 };
	struct flow *f;

	CHECK_EQ(res_init(), 0);
	ask_server(&_res);
	f = flow(answer, (void *)3);
	show_answer(a, R(res_search("host.test.", C_IN, T_A, a, sizeof(a))));
	show_answer(a, R(res_querydomain("host", "test", C_IN, T_A, a, sizeof(a))));
	show_answer(a, R(res_querydomain("host.", NULL, C_IN, T_A, a, sizeof(a))));
	flow_end(f);
}

CASE(res_nsearch_and_nquerydomain)
{
	struct __res_state state = { 0 };
	unsigned char a[512] = { 0 };
	struct flow *f;

	CHECK_EQ(res_ninit(&state), 0);
	ask_server(&state);
	f = flow(answer, (void *)2);
	show_answer(a, R(res_nsearch(&state, "host.test.", C_IN, T_A, a, sizeof(a))));
	show_answer(a, R(res_nquerydomain(&state, "host", "test", C_IN, T_A, a, sizeof(a))));
	flow_end(f);
	res_nclose(&state);
}

CASE(res_send)
{
	struct __res_state state = { 0 };
	unsigned char q[512], a[512] = { 0 };
	struct flow *f;
	int n;

	CHECK_EQ(res_init(), 0);
	ask_server(&_res);
	f = flow(answer, (void *)1);
	n = res_mkquery(QUERY, "host.test", C_IN, T_A, NULL, 0, NULL, q, sizeof(q));
	CHECK(n > 0);
	show_answer(a, R(res_send(q, n, a, sizeof(a))));
	flow_end(f);
	CHECK_EQ(res_ninit(&state), 0);
	ask_server(&state);
	f = flow(answer, (void *)1);
	show_answer(a, R(res_nsend(&state, q, n, a, sizeof(a))));
	flow_end(f);
	res_nclose(&state);
}

CASE(res_small_answer)
{
	unsigned char a[512];
	struct flow *f;

	CHECK_EQ(res_init(), 0);
	ask_server(&_res);
	memset(a, 'x', sizeof(a));
	R(res_query("host.test", C_IN, T_A, a, 5));
	SHOW(a, 6);
	R(res_query("host.test", C_IN, T_A, a, 0));
	f = flow(answer, (void *)1);
	R(res_query("host.test", C_IN, T_A, a, 20) > 0);
	SHOW(a + 20, 4);
	close(server); /* that one was asked again by TCP, where nobody is */
	flow_end(f);
}

CASE(res_refuses)
{
	struct __res_state state = { 0 };
	unsigned char a[512];
	char label[80];

	memset(label, 'l', sizeof(label));
	label[70] = '\0';
	CHECK_EQ(res_ninit(&state), 0);
	h_errno = 99;
	R(res_nquery(&state, label, C_IN, T_A, a, sizeof(a)));
	SAY("h_errno %d, of the state %d", h_errno, state.res_h_errno);
	state.nscount = 0;
	R(res_nsend(&state, a, 30, a, sizeof(a)));
	res_nclose(&state);
}

CASE(res_of_nobody)
{
	unsigned char a[512];

	CHECK_EQ(res_init(), 0);
	ask_server(&_res);
	close(server);
	h_errno = 99;
	R(res_query("host.test", C_IN, T_A, a, sizeof(a)));
	SAY("h_errno %d, of the state %d", h_errno, _res.res_h_errno);
}

/* --- The log */

static int err_pipe[2];

static void catch_stderr(void)
{
	CHECK_EQ(pipe2(err_pipe, O_NONBLOCK), 0);
	CHECK_EQ(dup2(err_pipe[1], 2), 2);
}

static void show_stderr(void)
{
	char text[1024];
	ssize_t n = read(err_pipe[0], text, sizeof(text));

	SHOW(text, n > 0 ? n : 0);
}

CASE(log_on_stderr)
{
	catch_stderr();
	openlog("names", LOG_PERROR, LOG_USER);
	syslog(LOG_INFO, "number %d, text %s", 7, "seven");
	show_stderr();
	syslog(LOG_ERR | LOG_DAEMON, "with its end\n");
	show_stderr();
	errno = ENOENT;
	syslog(LOG_WARNING, "because: %m");
	show_stderr();
	syslog(LOG_WARNING, "%s", "");
	show_stderr();
	closelog();
	syslog(LOG_ERR, "for nobody");
	show_stderr();
}

CASE(log_leaves_errno)
{
	catch_stderr();
	openlog("names", LOG_PERROR, LOG_USER);
	errno = UNTOUCHED;
	syslog(LOG_INFO, "errno");
	SAY("errno %s", errno_name(errno));
	show_stderr();
	closelog();
}

CASE(log_mask)
{
	catch_stderr();
	openlog("names", LOG_PERROR, LOG_USER);
	R(setlogmask(0));
	R(setlogmask(LOG_UPTO(LOG_WARNING)));
	R(setlogmask(0));
	syslog(LOG_INFO, "not shown");
	show_stderr();
	syslog(LOG_ERR, "shown");
	show_stderr();
	R(setlogmask(LOG_UPTO(LOG_DEBUG)));
	syslog(LOG_DEBUG, "shown, too");
	show_stderr();
	closelog();
}

static void log_list(int priority, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsyslog(priority, format, ap);
	va_end(ap);
}

CASE(log_by_list)
{
	char longer[3000];

	catch_stderr();
	openlog("names", LOG_PERROR, LOG_LOCAL0);
	log_list(LOG_NOTICE, "%d %s %c %5.2f", 1, "two", '3', 4.0);
	show_stderr();
	memset(longer, 'l', sizeof(longer));
	longer[2990] = '\0';
	log_list(LOG_NOTICE, "%s", longer);
	show_stderr();
	closelog();
}

CASE(log_unknown_priority)
{
	char text[512];
	ssize_t n;

	catch_stderr();
	openlog("names", LOG_PERROR, LOG_USER);
	syslog(1 << 20 | LOG_INFO, "what");
	n = read(err_pipe[0], text, sizeof(text) - 1); /* it has the pid in it */
	text[n > 0 ? n : 0] = '\0';
	SAY("told %d, said %d", strstr(text, "unknown facility/priority: 100006") != NULL,
	    strstr(text, "what") != NULL);
	closelog();
}

static void *log_some(void *arg)
{
	for (int i = 0; i < 5; i++)
		syslog(LOG_INFO, "%s %d", (char *)arg, i);
	return NULL;
}

CASE(log_of_two)
{
	struct flow *a, *b;
	char text[1024];
	ssize_t n;
	int lines = 0;

	catch_stderr();
	openlog("names", LOG_PERROR, LOG_USER);
	a = flow(log_some, "a");
	b = flow(log_some, "b");
	flow_end(a);
	flow_end(b);
	n = read(err_pipe[0], text, sizeof(text));
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	SAY("%d lines", lines);
	closelog();
}
