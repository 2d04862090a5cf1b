/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a list of look-ups and writes each result as one block of canonical text, so that two processes can
 * be compared: one under libsyncless.so, one with libc alone.
 *
 *     lookup main|thread|all|each <QUERIES >ANSWERS
 *
 * main: one after the other in the main thread.  thread: one after the other in a pthread.  all: each in a
 * pthread of its own, all at once, but for the calls that no two threads may make at a time.  each: likewise, as
 * soon as its line comes, with "." after its answer.
 * The tests in Python write the queries: a line is a call and its arguments with tabs between, where "-" is
 * NULL and "=text" a string in which \xHH is a byte.
 *
 * What is written is what the call promises: errno only where the result says EAI_SYSTEM or NETDB_INTERNAL,
 * h_errno only for a failure (with an _r call the thread's, too: CPython looks at that one), and "stale" for
 * what the call left as it was before, or returns of it.  Also whether all of an _r call's answer lies in the
 * caller's buffer, and on stderr which successful calls changed errno.  The results go back to libc's own
 * freeaddrinfo: who allocates otherwise would crash here, or under a sanitizer.
 */
#include "test.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <locale.h>
#include <net/if.h>
#include <netdb.h>
#include <stdarg.h>
#include <sys/un.h>

#define FIELDS 9
#define ERRNO_MAGIC 1234
#define HERR_MAGIC 4321

struct query {
	char *field[FIELDS]; /* missing ones are "" */
	char *answer;
	size_t length;
	bool errno_changed;
};

static char nothing[1];
static struct query *queries;
static size_t nqueries;
static void (*libc_freeaddrinfo)(struct addrinfo *);

static const struct name {
	int value;
	const char *name;
} eai_names[] = {
	{ 0, "0" },
	{ EAI_BADFLAGS, "EAI_BADFLAGS" },
	{ EAI_NONAME, "EAI_NONAME" },
	{ EAI_AGAIN, "EAI_AGAIN" },
	{ EAI_FAIL, "EAI_FAIL" },
	{ EAI_NODATA, "EAI_NODATA" },
	{ EAI_FAMILY, "EAI_FAMILY" },
	{ EAI_SOCKTYPE, "EAI_SOCKTYPE" },
	{ EAI_SERVICE, "EAI_SERVICE" },
	{ EAI_ADDRFAMILY, "EAI_ADDRFAMILY" },
	{ EAI_MEMORY, "EAI_MEMORY" },
	{ EAI_SYSTEM, "EAI_SYSTEM" },
	{ EAI_OVERFLOW, "EAI_OVERFLOW" },
	{ EAI_IDN_ENCODE, "EAI_IDN_ENCODE" },
	{ 0, NULL },
}, herr_names[] = {
	{ NETDB_INTERNAL, "NETDB_INTERNAL" },
	{ NETDB_SUCCESS, "NETDB_SUCCESS" },
	{ HOST_NOT_FOUND, "HOST_NOT_FOUND" },
	{ TRY_AGAIN, "TRY_AGAIN" },
	{ NO_RECOVERY, "NO_RECOVERY" },
	{ NO_DATA, "NO_DATA" },
	{ HERR_MAGIC, "stale" },
	{ 0, NULL },
}, family_names[] = {
	{ AF_UNSPEC, "unspec" },
	{ AF_INET, "inet" },
	{ AF_INET6, "inet6" },
	{ AF_UNIX, "unix" },
	{ 0, NULL },
};

static void put_name(FILE *out, const struct name *names, int value)
{
	for (; names->name; names++) {
		if (names->value == value) {
			fprintf(out, " %s", names->name);
			return;
		}
	}
	fprintf(out, " %d", value);
}

static void put_errno(FILE *out, int err)
{
	fprintf(out, " %s", err == ERRNO_MAGIC ? "stale" : strerrorname_np(err) ? strerrorname_np(err) : "?");
}

static void put_text(FILE *out, const char *s)
{
	if (!s) {
		fputs(" -", out);
		return;
	}
	fputs(" =", out);
	for (; *s; s++) {
		if (*s > ' ' && *s < 0x7f && *s != '\\')
			putc(*s, out);
		else
			fprintf(out, "\\x%02x", (unsigned char)*s);
	}
}

static void put_addr(FILE *out, int family, const void *addr)
{
	char text[INET6_ADDRSTRLEN];

	fprintf(out, " %s", inet_ntop(family, addr, text, sizeof(text)) ? text : "?");
}

/* Fields of a query. */

static int hex(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* In place; NULL for "-". */
static const char *text(char *field)
{
	char *to = field, *from = field + 1;

	if (*field != '=')
		return NULL;
	while (*from) {
		if (*from == '\\') {
			*to++ = (char)(hex(from[2]) << 4 | hex(from[3]));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return field;
}

static int number(const char *field)
{
	return (int)strtol(field, NULL, 0);
}

static size_t bytes(const char *field, unsigned char *to, size_t room)
{
	size_t n = 0;

	for (; field[0] && field[1] && n < room; field += 2)
		to[n++] = (unsigned char)(hex(field[0]) << 4 | hex(field[1]));
	return n;
}

/* getaddrinfo NODE SERVICE [FLAGS FAMILY SOCKTYPE PROTOCOL] */

static void put_addrinfo(FILE *out, const struct addrinfo *ai)
{
	const struct sockaddr_in6 *sin6 = (const void *)ai->ai_addr;
	const struct sockaddr_in *sin = (const void *)ai->ai_addr;

	fputs("\n ", out);
	put_name(out, family_names, ai->ai_family);
	fprintf(out, " type %d proto %d flags %#x", ai->ai_socktype, ai->ai_protocol, (unsigned)ai->ai_flags);
	CHECK(ai->ai_addr);
	CHECK_EQ(ai->ai_addr->sa_family, ai->ai_family);
	if (ai->ai_family == AF_INET) {
		CHECK_EQ(ai->ai_addrlen, sizeof(*sin));
		put_addr(out, AF_INET, &sin->sin_addr);
		fprintf(out, " port %d", ntohs(sin->sin_port));
	} else if (ai->ai_family == AF_INET6) {
		CHECK_EQ(ai->ai_addrlen, sizeof(*sin6));
		put_addr(out, AF_INET6, &sin6->sin6_addr);
		fprintf(out, " port %d scope %u flow %u", ntohs(sin6->sin6_port), sin6->sin6_scope_id,
			sin6->sin6_flowinfo);
	}
	put_text(out, ai->ai_canonname);
}

static void run_getaddrinfo(struct query *q, FILE *out)
{
	struct addrinfo hints = { 0 }, *found = (void *)&hints;
	const char *node = text(q->field[1]), *service = text(q->field[2]);
	bool has_hints = *q->field[3];
	int r, err;

	hints.ai_flags = number(q->field[3]);
	hints.ai_family = number(q->field[4]);
	hints.ai_socktype = number(q->field[5]);
	hints.ai_protocol = number(q->field[6]);
	h_errno = NETDB_SUCCESS; /* libc takes a stale one for its own */
	errno = ERRNO_MAGIC;
	r = getaddrinfo(node, service, has_hints ? &hints : NULL, &found);
	err = errno;
	put_name(out, eai_names, r);
	if (r) {
		if (r == EAI_SYSTEM)
			put_errno(out, err);
		if (found != &hints)
			fputs(" and a result", out);
		return;
	}
	q->errno_changed = err != ERRNO_MAGIC;
	for (struct addrinfo *ai = found; ai; ai = ai->ai_next)
		put_addrinfo(out, ai);
	libc_freeaddrinfo(found);
}

/* getnameinfo FAMILY BYTES PORT SCOPE SALEN HOSTLEN SERVLEN FLAGS: a length of -1 is the natural one, or
 * NULL */

static socklen_t make_sockaddr(struct query *q, struct sockaddr_storage *ss)
{
	struct sockaddr_in *sin = (void *)ss;
	struct sockaddr_in6 *sin6 = (void *)ss;
	struct sockaddr_un *sun = (void *)ss;
	int family = number(q->field[1]), salen = number(q->field[5]);
	socklen_t natural = sizeof(*ss);

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		bytes(q->field[2], (void *)&sin->sin_addr, 4);
		sin->sin_port = htons((uint16_t)number(q->field[3]));
		natural = sizeof(*sin);
	} else if (family == AF_INET6) {
		bytes(q->field[2], (void *)&sin6->sin6_addr, 16);
		sin6->sin6_port = htons((uint16_t)number(q->field[3]));
		sin6->sin6_scope_id = (uint32_t)number(q->field[4]);
		natural = sizeof(*sin6);
	} else if (family == AF_UNIX) {
		bytes(q->field[2], (void *)sun->sun_path, sizeof(sun->sun_path) - 1);
		natural = sizeof(*sun);
	}
	return salen == -1 ? natural : (socklen_t)salen;
}

static void run_getnameinfo(struct query *q, FILE *out)
{
	struct sockaddr_storage ss;
	socklen_t salen = make_sockaddr(q, &ss);
	int hostlen = number(q->field[6]), servlen = number(q->field[7]), flags = number(q->field[8]);
	char *host = hostlen < 0 ? NULL : malloc((size_t)hostlen + 1);
	char *serv = servlen < 0 ? NULL : malloc((size_t)servlen + 1);
	int r, err;

	if (host)
		strcpy(host + hostlen, ""); /* the bound: it must stay what it is */
	if (serv)
		strcpy(serv + servlen, "");
	errno = ERRNO_MAGIC;
	r = getnameinfo((void *)&ss, salen, host, host ? (socklen_t)hostlen : 0, serv,
			serv ? (socklen_t)servlen : 0, flags);
	err = errno;
	put_name(out, eai_names, r);
	if (r == EAI_SYSTEM)
		put_errno(out, err);
	if (r == 0) {
		q->errno_changed = err != ERRNO_MAGIC;
		put_text(out, hostlen > 0 ? host : NULL);
		put_text(out, servlen > 0 ? serv : NULL);
	}
	CHECK(!host || !host[hostlen]);
	CHECK(!serv || !serv[servlen]);
	free(host);
	free(serv);
}

/* gethostby*: NAME [FAMILY], or BYTES LENGTH FAMILY; with _r a buffer's size comes before those */

struct room {
	char *buf;
	size_t size;
};

static bool is_inside(const struct room *room, const void *p, size_t n)
{
	return !room || ((const char *)p >= room->buf && (const char *)p + n <= room->buf + room->size);
}

/* Text that has to lie in the room, if there is one. */
static void put_inside(FILE *out, const char *s, const struct room *room)
{
	if (is_inside(room, s, strlen(s) + 1))
		put_text(out, s);
	else
		fputs(" outside", out);
}

static void put_hostent(FILE *out, const struct hostent *ent, const struct room *room)
{
	put_name(out, family_names, ent->h_addrtype);
	fprintf(out, " length %d name", ent->h_length);
	put_inside(out, ent->h_name, room);
	fputs("\n  aliases", out);
	for (char **alias = ent->h_aliases; *alias; alias++)
		put_inside(out, *alias, room);
	for (char **addr = ent->h_addr_list; *addr; addr++) {
		fputs("\n ", out);
		put_addr(out, ent->h_addrtype, *addr);
		if (!is_inside(room, addr + 1, sizeof(*addr)) || !is_inside(room, *addr, (size_t)ent->h_length))
			fputs(" outside", out);
	}
}

static void put_herr(FILE *out, int herr, int err)
{
	put_name(out, herr_names, herr);
	if (herr == NETDB_INTERNAL)
		put_errno(out, err);
}

static void run_gethostby(struct query *q, FILE *out)
{
	const char *call = q->field[0];
	unsigned char addr[64];
	struct hostent *ent;
	int err;

	errno = ERRNO_MAGIC;
	h_errno = HERR_MAGIC;
	if (!strcmp(call, "gethostbyname")) {
		ent = gethostbyname(text(q->field[1]));
	} else if (!strcmp(call, "gethostbyname2")) {
		ent = gethostbyname2(text(q->field[1]), number(q->field[2]));
	} else {
		bytes(q->field[1], addr, sizeof(addr));
		ent = gethostbyaddr(addr, (socklen_t)number(q->field[2]), number(q->field[3]));
	}
	err = errno;
	if (ent) {
		q->errno_changed = err != ERRNO_MAGIC;
		put_hostent(out, ent, NULL);
	} else {
		fputs(" NULL", out);
		put_herr(out, h_errno, err);
	}
}

static int call_r(struct query *q, const char *name, const unsigned char *addr, struct hostent *ent,
		  const struct room *room, struct hostent **found, int *herr)
{
	const char *call = q->field[0];

	if (!strcmp(call, "gethostbyname_r"))
		return gethostbyname_r(name, ent, room->buf, room->size, found, herr);
	if (!strcmp(call, "gethostbyname2_r"))
		return gethostbyname2_r(name, number(q->field[3]), ent, room->buf, room->size, found, herr);
	return gethostbyaddr_r(addr, (socklen_t)number(q->field[3]), number(q->field[4]), ent, room->buf, room->size,
			       found, herr);
}

/* A size with "+" in front is doubled until it is enough, as each caller of these does. */
static void run_gethostby_r(struct query *q, FILE *out)
{
	bool grows = q->field[1][0] == '+';
	struct room room = { NULL, (size_t)number(q->field[1]) };
	struct hostent ent, *found;
	unsigned char addr[64];
	const char *name = text(q->field[2]);
	int r, herr, err;

	if (!name)
		bytes(q->field[2], addr, sizeof(addr));
	for (;; room.size *= 2) {
		room.buf = realloc(room.buf, room.size);
		found = (void *)&room;
		errno = ERRNO_MAGIC;
		herr = h_errno = HERR_MAGIC;
		r = call_r(q, name, addr, &ent, &room, &found, &herr);
		err = errno;
		if (!grows || r != ERANGE || room.size > 1 << 24)
			break;
		CHECK(found == NULL);
		CHECK_EQ(herr, NETDB_INTERNAL);
	}
	put_errno(out, r);
	if (found) {
		CHECK(found == &ent);
		CHECK_EQ(r, 0);
		q->errno_changed = err != ERRNO_MAGIC;
		put_hostent(out, &ent, &room);
	} else {
		fputs(" NULL", out);
		put_herr(out, herr, err);
		put_name(out, herr_names, h_errno);
	}
	free(room.buf);
}

static void run_query(struct query *q)
{
	FILE *out = open_memstream(&q->answer, &q->length);
	const char *call = q->field[0];

	CHECK(out);
	fputs(call, out);
	if (!strcmp(call, "getaddrinfo"))
		run_getaddrinfo(q, out);
	else if (!strcmp(call, "getnameinfo"))
		run_getnameinfo(q, out);
	else if (strstr(call, "_r"))
		run_gethostby_r(q, out);
	else
		run_gethostby(q, out);
	putc('\n', out);
	fclose(out);
}

/* False at the end.  field[0] is the memory of all. */
static bool read_query(struct query *q)
{
	char *line = NULL, *rest;
	size_t room = 0;
	ssize_t n = getline(&line, &room, stdin);

	if (n <= 0) {
		free(line);
		return false;
	}
	line[n - 1] = '\0';
	rest = line;
	memset(q, 0, sizeof(*q));
	for (int i = 0; i < FIELDS; i++)
		q->field[i] = rest ? strsep(&rest, "\t") : nothing;
	return true;
}

static void free_query(struct query *q)
{
	free(q->answer);
	free(q->field[0]);
}

static void read_queries(void)
{
	struct query q;

	while (read_query(&q)) {
		queries = reallocarray(queries, nqueries + 1, sizeof(*queries));
		queries[nqueries++] = q;
	}
}

static void *run_one(void *q)
{
	run_query(q);
	return NULL;
}

static void *run_each(void *arg)
{
	for (size_t i = 0; i < nqueries; i++)
		run_query(&queries[i]);
	return arg;
}

/* gethostbyname(3) and its kin answer in memory of the process. */
static bool is_unsafe(const struct query *q)
{
	return !strncmp(q->field[0], "gethostby", 9) && !strstr(q->field[0], "_r");
}

static void *run_unsafe(void *arg)
{
	for (size_t i = 0; i < nqueries; i++)
		if (is_unsafe(&queries[i]))
			run_query(&queries[i]);
	return arg;
}

/* A thread each, but those that would overwrite each other's answers share one. */
static void run_at_once(void)
{
	pthread_t *threads = calloc(nqueries, sizeof(*threads)), unsafe = start(run_unsafe, NULL);

	for (size_t i = 0; i < nqueries; i++)
		if (!is_unsafe(&queries[i]))
			threads[i] = start(run_one, &queries[i]);
	for (size_t i = 0; i < nqueries; i++)
		if (!is_unsafe(&queries[i]))
			CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(pthread_join(unsafe, NULL), 0);
	free(threads);
}

static void run_as_they_come(void)
{
	struct query q;

	while (read_query(&q)) {
		CHECK_EQ(pthread_join(start(run_one, &q), NULL), 0);
		printf("%s.\n", q.answer);
		fflush(stdout);
		free_query(&q);
	}
}

int main(int argc, char **argv)
{
	const char *how = argc == 2 ? argv[1] : "";

	libc_freeaddrinfo = (void (*)(struct addrinfo *))dlsym(dlopen("libc.so.6", RTLD_LAZY), "freeaddrinfo");
	CHECK(libc_freeaddrinfo);
	setlocale(LC_ALL, ""); /* AI_IDN looks at it */
	if (!strcmp(how, "each"))
		run_as_they_come();
	else
		read_queries();
	if (!strcmp(how, "main"))
		run_each(NULL);
	else if (!strcmp(how, "thread"))
		CHECK_EQ(pthread_join(start(run_each, NULL), NULL), 0);
	else if (!strcmp(how, "all"))
		run_at_once();
	else
		CHECK(!strcmp(how, "each"));
	for (size_t i = 0; i < nqueries; i++) {
		printf("%zu %s", i, queries[i].answer);
		if (queries[i].errno_changed)
			dprintf(2, "errno changed by %zu\n", i);
		free_query(&queries[i]);
	}
	free(queries);
	CHECK_VERIFY();
	return 0;
}
