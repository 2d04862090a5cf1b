/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of a request.  A kept parser for C takes it apart.  That is http-parser, which all of Debian from
 * 12 on has, and as an archive; its successor llhttp is packaged from 13 on, and is taken with
 * `make HTTP_PARSER=llhttp`: HAVE_LLHTTP, in this file and nowhere else.  Both are lenient where two servers in
 * a row could understand a request differently, so what is lenient about them is refused before and after:
 *
 *   a bare CR or LF, NUL and other control characters, folded lines, spaces beside a name's colon, names that
 *   are no tokens or have an underscore, more than one space in the first line, a target with what is not
 *   ASCII or with a fragment, %00 in its path, two Hosts or none in HTTP/1.1, one that is no host and port,
 *   two Content-Lengths or one that is no number, Content-Length together with Transfer-Encoding,
 *   Transfer-Encoding in HTTP/1.0 or without chunked as its last word
 *
 * all get a 400.  What is understood and not supported gets what RFC 9110 has for it: 417, 431, 501, 505.
 * Characters that RFC 3986 has in no URI but browsers send in queries, such as | and ", are left to the
 * application.
 */
#include <arpa/inet.h>
#include <string.h>
#include "http.h"

#ifdef HAVE_LLHTTP
#include <llhttp.h>
#else
#include <http_parser.h>
#endif

ssize_t head_end(struct head_scan *scan, const char *data, size_t n)
{
	size_t i;

	for (i = scan->at; i < n; i++) {
		unsigned char c = (unsigned char)data[i];

		if (LIKELY(c > ' ' && c != 0x7f))
			continue;
		if (c == ' ' || c == '\t') {
			if (i == scan->line)
				return -1; /* folded, or before the first word */
		} else if (c == '\r') {
			if (i + 1 == n)
				break;
			if (data[i + 1] != '\n')
				return -1;
			if (i == scan->line && scan->has_line)
				return (ssize_t)i + 2;
			scan->has_line = scan->has_line || i > scan->line;
			scan->line = i + 2;
			i++;
		} else {
			return -1;
		}
	}
	scan->at = i;
	return 0;
}

/* --- The parser. */

#ifdef HAVE_LLHTTP
typedef llhttp_t parser;
typedef llhttp_settings_t parser_settings;
#else
typedef http_parser parser;
typedef http_parser_settings parser_settings;
#endif

struct parsing {
	struct head *head;
	bool complete;
};

static struct head *head_of(parser *p)
{
	return ((struct parsing *)p->data)->head;
}

static int on_url(parser *p, const char *at, size_t n)
{
	head_of(p)->target = (struct span){ at, n };
	return 0;
}

static int on_name(parser *p, const char *at, size_t n)
{
	struct head *h = head_of(p);

	if (h->nfields == MAX_FIELDS)
		return -1;
	h->fields[h->nfields++] = (struct field){ { at, n }, { at, 0 } };
	return 0;
}

static int on_value(parser *p, const char *at, size_t n)
{
	struct head *h = head_of(p);

	h->fields[h->nfields - 1].value = span_trim((struct span){ at, n });
	return 0;
}

/* 1: the parser shall not go on to a body. */
static int on_complete(parser *p)
{
	((struct parsing *)p->data)->complete = true;
	return 1;
}

static const parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_complete,
};

#ifdef HAVE_LLHTTP
static void start(parser *p)
{
	llhttp_init(p, HTTP_REQUEST, &settings);
	llhttp_set_lenient_version(p, 1); /* there are answers for others */
}

static void feed(parser *p, const char *data, size_t n)
{
	llhttp_execute(p, data, n);
}
#else
static void start(parser *p)
{
	http_parser_init(p, HTTP_REQUEST);
}

static void feed(parser *p, const char *data, size_t n)
{
	http_parser_execute(p, &settings, data, n);
}
#endif

/* Reads from the space behind the method.  0, or the status that it deserves. */
static int parse(struct head *h, const char *data, size_t n)
{
	struct parsing parsing = { h, false };
	parser p;

	start(&p);
	p.data = &parsing;
	/* Any token is a method (RFC 9110, 9.1), but the parser has a list of its own: it is told of a GET. */
	feed(&p, "GET", 3);
	feed(&p, data, n);
	if (!parsing.complete)
		return h->nfields == MAX_FIELDS ? 431 : 400;
	if (p.http_major != 1)
		return p.http_major == 0 ? 400 : 505;
	h->minor = p.http_minor > 1 ? 1 : p.http_minor;
	return 0;
}

/* --- The rules on top. */

static bool is_ipv6(const char *p, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;

	if (n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	return inet_pton(AF_INET6, text, &addr) == 1;
}

/* How long the name at its beginning is.  RFC 3986, 3.2.2, but without the comma, which two joined ones would
 * have. */
static size_t reg_name(struct span s)
{
	size_t i = 0;

	for (; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%' && s.n - i > 2 && hex_digit(s.p[i + 1]) >= 0 && hex_digit(s.p[i + 2]) >= 0)
			i += 2;
		else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			   (c && strchr("-._~!$&'()*+;=", c))))
			break;
	}
	return i;
}

/* host [ ":" port ] */
static bool is_authority(struct span s)
{
	const char *bracket = s.n && *s.p == '[' ? memchr(s.p, ']', s.n) : NULL;
	size_t i = bracket ? (size_t)(bracket + 1 - s.p) : reg_name(s);

	if (i == 0 || (bracket && !is_ipv6(s.p + 1, i - 2)))
		return false;
	if (i < s.n && s.p[i++] != ':')
		return false;
	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return i == s.n;
}

static int read_length(struct head *h, struct span value)
{
	if (h->content_length >= 0)
		return 400;
	h->content_length = span_number(value);
	return h->content_length < 0 ? 400 : 0;
}

/* The next member of a comma-separated list, whose rest stays in it; false: there is none. */
static bool next_member(struct span *list, struct span *member)
{
	const char *comma;

	if (!list->p)
		return false;
	comma = memchr(list->p, ',', list->n);
	*member = span_trim((struct span){ list->p, comma ? (size_t)(comma - list->p) : list->n });
	*list = comma ? (struct span){ comma + 1, (size_t)(list->p + list->n - comma - 1) }
		      : (struct span){ NULL, 0 };
	return true;
}

/* chunked must be the last one, and stand once (RFC 9112, 6.1 and 6.3); nobody here decodes what stands before
 * it. */
static int read_encoding(struct head *h, struct span value)
{
	struct span coding;
	int codings = 0;

	if (h->chunked || h->minor == 0)
		return 400;
	while (next_member(&value, &coding)) {
		if (h->chunked || coding.n == 0)
			return 400;
		h->chunked = span_is(coding, "chunked");
		codings++;
	}
	return !h->chunked ? 400 : codings > 1 ? 501 : 0;
}

static void read_connection(struct head *h, struct span value)
{
	struct span option;

	while (next_member(&value, &option)) {
		if (span_is(option, "close"))
			h->closes = true;
		else if (span_is(option, "keep-alive"))
			h->keep_alive = true;
		else if (span_is(option, "upgrade"))
			h->upgrades = h->minor == 1; /* not in HTTP/1.0: RFC 9110, 7.8 */
	}
}

static int read_field(struct head *h, const struct field *f)
{
	if (!span_is_token(f->name) || memchr(f->name.p, '_', f->name.n))
		return 400;
	switch (f->name.n) {
	case 4:
		if (!span_is(f->name, "host"))
			return 0;
		if (h->host.p || (f->value.n && !is_authority(f->value)))
			return 400;
		h->host = f->value;
		return 0;
	case 6:
		if (!span_is(f->name, "expect") || h->minor == 0)
			return 0;
		h->expects_continue = true;
		return span_is(f->value, "100-continue") ? 0 : 417;
	case 10:
		if (span_is(f->name, "connection"))
			read_connection(h, f->value);
		return 0;
	case 12:
		if (span_is(f->name, "content-type")) /* the last of several: RFC 9110, 8.3 */
			h->content_type = f->value;
		return 0;
	case 14:
		return span_is(f->name, "content-length") ? read_length(h, f->value) : 0;
	case 17:
		return span_is(f->name, "transfer-encoding") ? read_encoding(h, f->value) : 0;
	default:
		return 0;
	}
}

/* How long "http://" at its beginning is; 0: it is not there. */
static size_t scheme(struct span t)
{
	for (size_t n = 7; n <= 8; n++)
		if (t.n > n && span_is((struct span){ t.p, n }, n == 7 ? "http://" : "https://"))
			return n;
	return 0;
}

/* The path and the query of an origin-form or absolute target. */
static int read_target(struct head *h)
{
	bool is_options = span_is_exactly(h->method, "OPTIONS");
	struct span t = h->target, path = t;
	const char *mark;

	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] <= ' ' || t.p[i] > '~' || t.p[i] == '#') /* to http-parser, a tab is good */
			return 400;
	if (is_options && t.n == 1 && *t.p == '*') {
		path.n = 0;
	} else if (*t.p != '/') {
		size_t skip = scheme(t);

		if (!skip)
			return 400;
		path = (struct span){ t.p + skip, t.n - skip };
		h->authority = (struct span){ path.p, strcspn(path.p, "/? ") };
		if (!is_authority(h->authority))
			return 400;
		path = (struct span){ path.p + h->authority.n, path.n - h->authority.n };
	}
	mark = memchr(path.p, '?', path.n);
	h->query = mark ? (struct span){ mark + 1, (size_t)(path.p + path.n - mark - 1) }
			: (struct span){ path.p, 0 };
	h->path = (struct span){ path.p, mark ? (size_t)(mark - path.p) : path.n };
	if (h->path.n == 0 && !is_options) /* RFC 9110, 4.2.3 */
		h->path = (struct span){ "/", 1 };
	return memmem(h->path.p, h->path.n, "%00", 3) ? 400 : 0;
}

/* SP target SP HTTP/1.x CRLF, with exactly these spaces; http-parser knows Http\1.1 as well. */
static bool is_first_line(const struct head *h)
{
	const char *version = h->target.p + h->target.n;

	return h->target.p == h->method.p + h->method.n + 1 && !memcmp(version, " HTTP/1.", 8) &&
	       version[9] == '\r';
}

int head_parse(struct head *h, struct field *fields, const char *data, size_t n, int most_fields)
{
	const char *space;
	int status;

	while (n > 2 && data[0] == '\r')
		data += 2, n -= 2;
	space = memchr(data, ' ', n);
	h->method = (struct span){ data, space ? (size_t)(space - data) : 0 };
	if (!span_is_token(h->method))
		return 400;
	h->fields = fields;
	h->nfields = 0;
	h->content_length = -1;
	h->target = h->authority = h->host = h->content_type = (struct span){ NULL, 0 };
	h->chunked = h->closes = h->expects_continue = h->upgrades = false;
	if (span_is_exactly(h->method, "CONNECT")) /* whose target has a form of its own */
		return 501;
	if ((status = parse(h, space, n - h->method.n)) != 0)
		return status;
	h->is_head = span_is_exactly(h->method, "HEAD");
	h->keep_alive = h->minor == 1;
	if (!h->target.p || !is_first_line(h) || (status = read_target(h)) != 0)
		return 400;
	if (h->nfields > most_fields)
		return 431;
	for (int i = 0; i < h->nfields; i++)
		if ((status = read_field(h, &h->fields[i])) != 0)
			return status;
	h->keep_alive = h->keep_alive && !h->closes;
	if ((h->chunked && h->content_length >= 0) || (h->minor == 1 && !h->host.p))
		return 400;
	return 0;
}
