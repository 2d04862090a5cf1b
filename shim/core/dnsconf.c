/* SPDX-License-Identifier: Apache-2.0
 *
 * See dnsconf.h.  The limits are libc's own, from resolv.conf(5).
 */
#include "dnsconf.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "textfile.h"

#define BLANKS " \t" /* of resolv.conf: a carriage return is part of a word, as in libc */

enum { NDOTS_MAX = 15, TIMEOUT_MAX = 30, ATTEMPTS_MAX = 5, DNS_PORT = 53 };

/* --- resolv.conf(5) */

int dnsconf_set_search(struct dnsconf *conf, const char *domains)
{
	char *text = strdup(domains), *rest = text, *word;
	char **list = text ? malloc((strlen(text) / 2 + 1) * sizeof(*list)) : NULL;
	int n = 0;

	if (!list) {
		free(text);
		return -ENOMEM;
	}
	while ((word = textfile_word(&rest, BLANKS)))
		list[n++] = word;
	free(conf->search);
	free(conf->search_text);
	conf->search = list;
	conf->search_text = text;
	conf->nsearch = n;
	return 0;
}

static int capped(const char *number, int most)
{
	int n = atoi(number);

	return n <= most ? n : most;
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static void set_option(struct dnsconf *conf, const char *word)
{
	static const struct {
		const char *name;
		size_t flag;
	} flags[] = {
		{ "rotate", offsetof(struct dnsconf, rotate) },
		{ "edns0", offsetof(struct dnsconf, edns) },
		{ "no_tld_query", offsetof(struct dnsconf, no_tld_query) },
		{ "no-tld-query", offsetof(struct dnsconf, no_tld_query) },
		{ "use-vc", offsetof(struct dnsconf, use_tcp) },
		{ "single-request", offsetof(struct dnsconf, single_request) }, /* and -reopen */
		{ "trust-ad", offsetof(struct dnsconf, trust_ad) },
		{ "no-aaaa", offsetof(struct dnsconf, no_aaaa) },
	};

	if (starts_with(word, "ndots:"))
		conf->ndots = capped(word + 6, NDOTS_MAX) & NDOTS_MAX; /* libc keeps four bits of it */
	else if (starts_with(word, "timeout:"))
		conf->timeout_s = capped(word + 8, TIMEOUT_MAX);
	else if (starts_with(word, "attempts:"))
		conf->attempts = capped(word + 9, ATTEMPTS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (starts_with(word, flags[i].name))
			*(bool *)((char *)conf + flags[i].flag) = true;
}

int dnsconf_parse_options(struct dnsconf *conf, const char *options)
{
	char *text = strdup(options), *rest = text, *word;

	if (!text)
		return -ENOMEM;
	while ((word = textfile_word(&rest, BLANKS)))
		set_option(conf, word);
	free(text);
	return 0;
}

/* The scope of an IPv6 server: an interface's name for link-local addresses, or a number. */
static uint32_t scope_of(const struct in6_addr *addr, const char *scope)
{
	uint32_t index =
		IN6_IS_ADDR_LINKLOCAL(addr) || IN6_IS_ADDR_MC_LINKLOCAL(addr) ? if_nametoindex(scope) : 0;

	return index ? index : (uint32_t)strtoul(scope, NULL, 10);
}

static void add_server(struct dnsconf *conf, char *word)
{
	union dns_server *server = &conf->server[conf->nservers];
	char *scope;

	if (conf->nservers == DNS_SERVERS_MAX)
		return;
	*server = (union dns_server){ 0 };
	if (inet_aton(word, &server->in.sin_addr) && !word[strcspn(word, TEXTFILE_SPACE)]) {
		server->in.sin_family = AF_INET;
		server->in.sin_port = htons(DNS_PORT);
		conf->nservers++;
		return;
	}
	*server = (union dns_server){ 0 };
	scope = strchr(word, '%');
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, word, &server->in6.sin6_addr) != 1)
		return;
	server->in6.sin6_family = AF_INET6;
	server->in6.sin6_port = htons(DNS_PORT);
	server->in6.sin6_scope_id = scope ? scope_of(&server->in6.sin6_addr, scope) : 0;
	conf->for_libc |= server->in6.sin6_scope_id != 0; /* c-ares cannot be told of it */
	conf->nservers++;
}

/* Behind a keyword that starts the line and is followed by a blank; NULL if the line is another one. */
static char *behind(char *line, const char *keyword)
{
	size_t n = strlen(keyword);

	return !strncmp(line, keyword, n) && (line[n] == ' ' || line[n] == '\t') ? line + n : NULL;
}

int dnsconf_parse_resolv(struct dnsconf *conf, char *text, size_t len)
{
	char *cursor = text, *line, *rest, *word;
	int r = 0;

	while (r == 0 && (line = textfile_line(&cursor, text + len))) {
		if ((rest = behind(line, "nameserver"))) {
			if ((word = textfile_word(&rest, BLANKS)))
				add_server(conf, word);
		} else if ((rest = behind(line, "domain"))) {
			if ((word = textfile_word(&rest, BLANKS)))
				r = dnsconf_set_search(conf, word);
		} else if ((rest = behind(line, "search"))) {
			if (rest[strspn(rest, " \t")])
				r = dnsconf_set_search(conf, rest);
		} else if ((rest = behind(line, "options"))) {
			r = dnsconf_parse_options(conf, rest);
		} else if (behind(line, "sortlist")) {
			conf->for_libc = true;
		}
	}
	return r;
}

/* --- nsswitch.conf(5) */

static enum dns_service service_named(const char *name, size_t len)
{
	if (len == 5 && !memcmp(name, "files", 5))
		return SERVICE_FILES;
	if (len == 3 && !memcmp(name, "dns", 3))
		return SERVICE_DNS;
	return SERVICE_OTHER;
}

static bool word_is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

/* By the place in dns_step.returns; -1: no such status. */
static int status_named(const char *text, size_t len)
{
	static const char *const names[] = { "TRYAGAIN", "UNAVAIL", "NOTFOUND", "SUCCESS" };

	for (int i = 0; i < 4; i++)
		if (word_is(text, len, names[i]))
			return i;
	return -1;
}

static const char *skip_blanks(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* One `status=action` of the bracket; NULL: not understood. */
static const char *parse_action(const char *p, struct dns_step *step)
{
	bool others = *p == '!', returns;
	size_t len;
	int status;

	p += others;
	len = strcspn(p, " \t=]");
	status = status_named(p, len);
	p = skip_blanks(p + len);
	if (status < 0 || *p != '=')
		return NULL;
	p = skip_blanks(p + 1);
	len = strcspn(p, " \t=]");
	returns = word_is(p, len, "return");
	if (!returns && !word_is(p, len, "continue"))
		return NULL; /* or it is MERGE, which the database of hosts does not know */
	for (int i = 0; i < 4; i++)
		if ((i == status) != others)
			step->returns[i] = returns;
	return skip_blanks(p + len);
}

/* The steps of a line of services; how many, or -1: for libc. */
static int parse_services(const char *p, struct dns_step *steps)
{
	int n = 0;

	for (p = skip_blanks(p); *p; p = skip_blanks(p)) {
		size_t len = strcspn(p, " \t\r\f\v[");

		if (n == DNS_SERVICES_MAX || len == 0)
			return -1;
		steps[n] = (struct dns_step){ .service = service_named(p, len) };
		steps[n].returns[NSS_STATUS_SUCCESS + 2] = true;
		p = skip_blanks(p + len);
		if (*p == '[') {
			p = skip_blanks(p + 1);
			do
				p = parse_action(p, &steps[n]);
			while (p && *p && *p != ']');
			if (!p || !*p)
				return -1;
			p++;
		}
		n++;
	}
	return n;
}

static bool are_local(const char *services)
{
	char *text = strdup(services), *rest = text, *word;
	bool local = text != NULL;

	while (local && (word = textfile_word(&rest, TEXTFILE_SPACE)))
		local = !strcmp(word, "files") || !strcmp(word, "db") || *word == '[';
	free(text);
	return local;
}

void dnsconf_parse_nsswitch(struct dnsconf *conf, char *text, size_t len)
{
	char *cursor = text, *line;

	while ((line = textfile_line(&cursor, text + len))) {
		char *p = (char *)skip_blanks(line);
		size_t n = strcspn(p, " \t\r\f\v:");

		if (n == 5 && !memcmp(p, "hosts", 5)) {
			conf->nsteps = parse_services(p + n + strspn(p + n, " \t\r\f\v:"), conf->step);
			conf->for_libc |= conf->nsteps <= 0;
		} else if (n == 8 && !memcmp(p, "services", 8)) {
			conf->services_local = are_local(p + n + strspn(p + n, " \t\r\f\v:"));
		}
	}
}

/* --- host.conf(5) */

void dnsconf_parse_hostconf(struct dnsconf *conf, char *text, size_t len)
{
	char *cursor = text, *line, *word;

	while ((line = textfile_line(&cursor, text + len))) {
		char *value;

		if (!(word = textfile_word(&line, TEXTFILE_SPACE)) || *word == '#')
			continue;
		value = textfile_word(&line, TEXTFILE_SPACE);
		if (!strcasecmp(word, "multi") && value)
			conf->multi = !strncasecmp(value, "on", 2);
		else if (!strcasecmp(word, "reorder") && value)
			conf->for_libc |= !strncasecmp(value, "on", 2);
		else if (!strcasecmp(word, "trim"))
			conf->for_libc = true;
	}
}

/* --- All of it */

struct dnsconf *dnsconf_default(void)
{
	struct dnsconf *conf = calloc(1, sizeof(*conf));

	if (!conf)
		return NULL;
	conf->refs = 1;
	conf->ndots = 1;
	conf->timeout_s = 5;
	conf->attempts = 2;
	conf->services_local = true;
	conf->nsteps = parse_services("files dns", conf->step);
	return conf;
}

void dnsconf_put(struct dnsconf *conf)
{
	if (!conf || --conf->refs > 0)
		return;
	free(conf->search);
	free(conf->search_text);
	free(conf);
}

/* The last two are read once in a process, as by libc. */
enum { RESOLV, NSSWITCH, NWATCHED, HOSTCONF = NWATCHED, GAICONF, NFILES };

static const char *const paths[NFILES] = { "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf",
					   "/etc/gai.conf" };
static struct textfile_id ids[NWATCHED];
static struct dnsconf *in_force;
static struct dnsconf *read_once; /* of which the flags of those two files count */

static bool says_something(char *text, size_t len)
{
	char *cursor = text, *line, *word;

	while ((line = textfile_line(&cursor, text + len)))
		if ((word = textfile_word(&line, TEXTFILE_SPACE)) && *word != '#')
			return true;
	return false;
}

static int parse_file(struct dnsconf *conf, int which, char *text, size_t len)
{
	switch (which) {
	case RESOLV:
		return dnsconf_parse_resolv(conf, text, len);
	case NSSWITCH:
		dnsconf_parse_nsswitch(conf, text, len);
		return 0;
	case HOSTCONF:
		dnsconf_parse_hostconf(conf, text, len);
		return 0;
	default:
		conf->sorted_by_libc = says_something(text, len);
		return 0;
	}
}

static int read_files(struct dnsconf *conf, int from, int to)
{
	int r = 0;

	for (int i = from; i < to && r == 0; i++) {
		size_t len = 0;
		int err = 0;
		char *text = textfile_read(paths[i], &len, &err);

		if (text)
			r = parse_file(conf, i, text, len);
		else if (err == ENOMEM)
			r = -ENOMEM;
		free(text);
	}
	return r;
}

/* What stands in for files that say nothing of servers or domains. */
static int complete(struct dnsconf *conf)
{
	char host[256] = "";
	const char *dot;

	if (conf->nservers == 0)
		add_server(conf, (char[]){ "127.0.0.1" });
	if (conf->search || gethostname(host, sizeof(host) - 1) < 0 || !(dot = strchr(host, '.')))
		return 0;
	return dnsconf_set_search(conf, dot + 1);
}

static int apply_environment(struct dnsconf *conf)
{
	static const char *const for_libc[] = {
		"HOSTALIASES",	  "RESOLV_HOST_CONF",	     "RESOLV_MULTI",
		"RESOLV_REORDER", "RESOLV_ADD_TRIM_DOMAINS", "RESOLV_OVERRIDE_TRIM_DOMAINS"
	};
	const char *domains = getenv("LOCALDOMAIN"), *options = getenv("RES_OPTIONS");
	int r = domains ? dnsconf_set_search(conf, domains) : 0;

	for (size_t i = 0; i < ARRAY_LEN(for_libc); i++)
		conf->for_libc |= getenv(for_libc[i]) != NULL;
	return r == 0 && options ? dnsconf_parse_options(conf, options) : r;
}

static int add_read_once(struct dnsconf *conf)
{
	if (!read_once && (read_once = dnsconf_default()) && read_files(read_once, NWATCHED, NFILES) < 0) {
		dnsconf_put(read_once);
		read_once = NULL;
	}
	if (!read_once)
		return -ENOMEM;
	conf->multi = read_once->multi;
	conf->sorted_by_libc = read_once->sorted_by_libc;
	conf->for_libc |= read_once->for_libc;
	return 0;
}

static struct dnsconf *load(void)
{
	struct dnsconf *conf = dnsconf_default();

	if (conf && (read_files(conf, 0, NWATCHED) < 0 || add_read_once(conf) < 0 ||
		     apply_environment(conf) < 0 || complete(conf) < 0)) {
		dnsconf_put(conf);
		conf = NULL;
	}
	return conf;
}

struct dnsconf *dnsconf_get(void)
{
	struct textfile_id now[NWATCHED];
	struct dnsconf *fresh;
	int saved = errno;

	for (int i = 0; i < NWATCHED; i++)
		textfile_identify(paths[i], &now[i]);
	if (!in_force || memcmp(now, ids, sizeof(now)) != 0) {
		fresh = load();
		if (fresh) {
			dnsconf_put(in_force);
			in_force = fresh;
			memcpy(ids, now, sizeof(ids));
		}
	}
	if (in_force)
		in_force->refs++;
	errno = saved;
	return in_force;
}
