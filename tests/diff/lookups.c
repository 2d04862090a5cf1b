/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to a name server that is another flow; look-ups that go on by themselves; and the log, as far as it comes
 * out on stderr.
 */
#include "diff/diff.h"
#include <netdb.h>
#include <resolv.h>
#include <syslog.h>

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
