/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of a request.  http-parser takes it apart: of the two kept parsers for C it is the one that Debian
 * 12 has; llhttp, its successor, is packaged from 13 on, and would go in here and nowhere else.  It is lenient
 * where two servers in a row could understand a request differently, so what is lenient about it is refused
 * before and after:
 *
 *   a bare CR or LF, NUL and other control characters, folded lines, spaces beside a name's colon, names that are no
 *   tokens or have an underscore, more than one space in the first line, a target with what is not ASCII or with
 *   a fragment, %00, two Hosts or none in HTTP/1.1, two Content-Lengths or one that is no number, Content-Length
 *   together with Transfer-Encoding, Transfer-Encoding in HTTP/1.0
 *
 * all get a 400.  What is understood and not supported gets what RFC 9110 has for it: 417, 431, 501, 505.
 */
#include <http_parser.h>
#include <string.h>
#include "http.h"

static bool is_token(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^`|~", c));
}

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

bool span_is(struct span s, const char *lower)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!lower[i] || (c >= 'A' && c <= 'Z' ? c + 32 : c) != lower[i])
			return false;
	}
	return !lower[s.n];
}

/* --- What the parser tells. */

static struct head *head_of(http_parser *p)
{
	return p->data;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
	head_of(p)->target = (struct span){ at, n };
	return 0;
}

static int on_name(http_parser *p, const char *at, size_t n)
{
	struct head *h = head_of(p);

	if (h->nfields == MAX_FIELDS)
		return -1;
	h->fields[h->nfields++] = (struct field){ { at, n }, { at, 0 } };
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct head *h = head_of(p);

	while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	h->fields[h->nfields - 1].value = (struct span){ at, n };
	return 0;
}

/* 1: the parser shall not go on to a body. */
static int on_complete(http_parser *p)
{
	(void)p;
	return 1;
}

static const http_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_complete,
};

/* --- The rules on top. */

static bool is_host(struct span host)
{
	for (size_t i = 0; i < host.n; i++) {
		unsigned char c = (unsigned char)host.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c && strchr("-._~!$&'()*+;=:[]%", c))))
			return false;
	}
	return true;
}

static int read_length(struct head *h, struct span value)
{
	int64_t n = 0;

	if (h->content_length >= 0 || value.n == 0 || value.n > 18)
		return 400;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return 400;
		n = n * 10 + (value.p[i] - '0');
	}
	h->content_length = n;
	return 0;
}

static int read_encoding(struct head *h, struct span value)
{
	if (h->chunked || h->minor == 0)
		return 400;
	if (!span_is(value, "chunked"))
		return 501;
	h->chunked = true;
	return 0;
}

/* Calls of a comma-separated list. */
static void read_connection(struct head *h, struct span value)
{
	const char *p = value.p, *end = value.p + value.n;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
		struct span word = { p, (size_t)(stop - p) };

		while (word.n && (*word.p == ' ' || *word.p == '\t'))
			word = (struct span){ word.p + 1, word.n - 1 };
		while (word.n && (word.p[word.n - 1] == ' ' || word.p[word.n - 1] == '\t'))
			word.n--;
		if (span_is(word, "close"))
			h->keep_alive = false;
		else if (span_is(word, "keep-alive") && h->minor == 0)
			h->keep_alive = true;
		else if (span_is(word, "upgrade"))
			h->upgrades = true;
		p = stop + 1;
	}
}

static int read_field(struct head *h, const struct field *f)
{
	for (size_t i = 0; i < f->name.n; i++)
		if (!is_token((unsigned char)f->name.p[i])) /* no underscore either */
			return 400;
	switch (f->name.n) {
	case 4:
		if (!span_is(f->name, "host"))
			return 0;
		if (h->host.p || !is_host(f->value))
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
		if (span_is(f->name, "content-type"))
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

/* The path and the query of an origin-form or absolute target; `*` for OPTIONS. */
static int read_target(struct head *h)
{
	struct span t = h->target, path = t;
	const char *mark;

	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.p[i] > 0x7e || t.p[i] == '#' ||
		    (t.n - i > 2 && !memcmp(t.p + i, "%00", 3)))
			return 400;
	if (*t.p != '/' && !(t.n == 1 && *t.p == '*' && !strcmp(h->method, "OPTIONS"))) {
		size_t skip = t.n > 7 && span_is((struct span){ t.p, 7 }, "http://")	? 7
			      : t.n > 8 && span_is((struct span){ t.p, 8 }, "https://") ? 8
											: 0;

		if (!skip)
			return 400;
		path = (struct span){ t.p + skip, t.n - skip };
		h->authority = (struct span){ path.p, strcspn(path.p, "/? ") };
		if (h->authority.n == 0 || !is_host(h->authority))
			return 400;
		path = (struct span){ path.p + h->authority.n, path.n - h->authority.n };
	}
	mark = memchr(path.p, '?', path.n);
	h->query = mark ? (struct span){ mark + 1, (size_t)(path.p + path.n - mark - 1) }
			: (struct span){ path.p, 0 };
	h->path = (struct span){ path.p, mark ? (size_t)(mark - path.p) : path.n };
	return 0;
}

/* METHOD SP target SP HTTP/1.x CRLF, with exactly these spaces. */
static int check_first_line(const struct head *h, const char *line)
{
	size_t method = strlen(h->method);
	const char *version = h->target.p + h->target.n;

	return h->target.p == line + method + 1 && *version == ' ' && version[1] == 'H' && version[9] == '\r';
}

static int status_of(enum http_errno err, const struct head *h)
{
	switch (err) {
	case HPE_INVALID_METHOD:
		return 501;
	case HPE_CB_header_field:
	case HPE_HEADER_OVERFLOW:
		return 431;
	default:
		return h->nfields == MAX_FIELDS ? 431 : 400;
	}
}

/* A first word that is a token, but no method of the parser's, is not implemented; any other is wrong. */
static bool begins_with_token(const char *data, size_t n)
{
	size_t i = 0;

	while (i < n && is_token((unsigned char)data[i]))
		i++;
	return i > 0 && i < n && data[i] == ' ';
}

int head_parse(struct head *h, const char *data, size_t n, int most_fields)
{
	http_parser parser;
	enum http_errno err;
	int status;

	while (n > 2 && data[0] == '\r')
		data += 2, n -= 2;
	h->nfields = 0;
	h->content_length = -1;
	h->target = h->authority = h->host = h->content_type = (struct span){ NULL, 0 };
	h->chunked = h->expects_continue = h->upgrades = false;
	http_parser_init(&parser, HTTP_REQUEST);
	parser.data = h;
	http_parser_execute(&parser, &settings, data, n);
	err = HTTP_PARSER_ERRNO(&parser);
	if (err == HPE_INVALID_METHOD && !begins_with_token(data, n))
		return 400;
	if (err != HPE_OK)
		return status_of(err, h);
	if (parser.http_major != 1)
		return parser.http_major == 0 ? 400 : 505;
	h->method = http_method_str(parser.method);
	h->is_head = parser.method == HTTP_HEAD;
	h->minor = parser.http_minor > 1 ? 1 : parser.http_minor;
	h->keep_alive = h->minor == 1;
	if (parser.method == HTTP_CONNECT)
		return 501;
	if (!h->target.p || !check_first_line(h, data) || (status = read_target(h)) != 0)
		return 400;
	if (h->nfields > most_fields)
		return 431;
	for (int i = 0; i < h->nfields; i++)
		if ((status = read_field(h, &h->fields[i])) != 0)
			return status;
	if ((h->chunked && h->content_length >= 0) || (h->minor == 1 && !h->host.p))
		return 400;
	return 0;
}
