/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the head of a request.  Where it ends does not depend on the pieces in which it comes; what is
 * accepted is accepted by a second reader, too, which is written from the grammar of RFC 9112 and knows no
 * parser; and both have found the same.  The first byte of the input says how large the pieces are.
 */
#include "fuzz.h"
#include <strings.h>
#include <sys/mman.h>
#include "http.h"

enum { AREA = 1 << 16, FIELDS = 40 };

/* A copy whose end is that of what may be read: the parser comes from a library that no sanitizer has seen. */
static const char *guarded(const uint8_t *data, size_t n)
{
	static char *area;

	if (!area) {
		area = mmap(NULL, 2 * AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		HOLDS(area != MAP_FAILED && mprotect(area + AREA, AREA, PROT_NONE) == 0);
	}
	HOLDS(n <= AREA);
	return memcpy(area + AREA - n, data, n);
}

static ssize_t end_in_pieces(const uint8_t *data, size_t n, size_t piece)
{
	struct head_scan scan = { 0, 0, false };

	for (size_t have = 0; have < n;) {
		ssize_t end;

		have = n - have < piece ? n : have + piece;
		end = head_end(&scan, guarded(data, have), have);
		if (end)
			return end;
	}
	return 0;
}

/* --- The second reader. */

struct reader {
	const char *p, *end;
};

static bool eat(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n))
		return false;
	r->p += n;
	return true;
}

static bool is_tchar(int c)
{
	return c > ' ' && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_name_char(int c)
{
	return is_tchar(c) && c != '_';
}

static bool is_target_char(int c)
{
	return c > ' ' && c < 0x7f && c != '#';
}

static bool is_value_char(int c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

static struct span eat_all(struct reader *r, bool (*is_one)(int))
{
	struct span s = { r->p, 0 };

	while (r->p < r->end && is_one((unsigned char)*r->p))
		r->p++;
	s.n = (size_t)(r->p - s.p);
	return s;
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t';
}

static bool same(struct span a, struct span b)
{
	return a.p == b.p && a.n == b.n;
}

static struct span read_value(struct reader *r)
{
	struct span s;

	eat_all(r, is_blank);
	s = eat_all(r, is_value_char);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct known {
	int hosts, lengths, encodings;
	struct span host;
	long long length;
};

static bool is_called(struct span name, const char *what)
{
	return name.n == strlen(what) && !strncasecmp(name.p, what, name.n);
}

static void note(struct known *known, struct span name, struct span value)
{
	char text[24] = "";

	if (is_called(name, "Host")) {
		known->hosts++;
		known->host = value;
	} else if (is_called(name, "Transfer-Encoding")) {
		known->encodings++;
		HOLDS(is_called(value, "chunked"));
	} else if (is_called(name, "Content-Length")) {
		char *end;

		known->lengths++;
		HOLDS(value.n > 0 && value.n < sizeof(text));
		memcpy(text, value.p, value.n);
		HOLDS(strspn(text, "0123456789") == value.n);
		known->length = strtoll(text, &end, 10);
		HOLDS(!*end);
	}
}

static void check_fields(const struct head *h, struct reader *r, struct known *known)
{
	for (int i = 0; i < h->nfields; i++) {
		struct span name = eat_all(r, is_name_char), value;

		HOLDS(name.n > 0 && eat(r, ":"));
		value = read_value(r);
		HOLDS(eat(r, "\r\n"));
		HOLDS(same(name, h->fields[i].name));
		HOLDS(value.n == h->fields[i].value.n && (value.n == 0 || value.p == h->fields[i].value.p));
		note(known, name, value);
	}
	HOLDS(eat(r, "\r\n") && r->p == r->end);
}

static void check_known(const struct head *h, const struct known *known)
{
	HOLDS(known->hosts <= 1 && known->lengths <= 1 && known->encodings <= 1);
	HOLDS(known->lengths + known->encodings <= 1);
	HOLDS(h->chunked == (known->encodings == 1) && (!h->chunked || h->minor == 1));
	HOLDS(h->content_length == (known->lengths ? known->length : -1));
	HOLDS(known->hosts == 1 || h->minor == 0);
	HOLDS(!known->hosts || known->host.n == h->host.n);
	for (size_t i = 0; i < known->host.n; i++)
		HOLDS(!strchr("@/\\#?, \t", known->host.p[i]));
}

static void check_target(const struct head *h, struct span target)
{
	const char *end = target.p + target.n;

	HOLDS(same(target, h->target) && target.n > 0);
	HOLDS(h->query.p >= target.p && h->query.p + h->query.n <= end);
	HOLDS(h->query.n == 0 || (h->query.p[-1] == '?' && h->query.p + h->query.n == end));
	HOLDS((h->path.n == 1 && *h->path.p == '/') || (h->path.p >= target.p && h->path.p + h->path.n <= end));
	HOLDS(h->path.n ? *h->path.p == '/' && !memchr(h->path.p, '?', h->path.n)
			: h->method.n == 7 && !memcmp(h->method.p, "OPTIONS", 7));
	if (*target.p == '/') {
		HOLDS(!h->authority.p && (target.n == 1 || h->path.p == target.p));
	} else if (target.n > 1) {
		HOLDS(!strncasecmp(target.p, "http", 4) && h->authority.n > 0);
		HOLDS(!memcmp(h->authority.p - 3, "://", 3) && h->authority.p + h->authority.n <= end);
	}
}

/* What is accepted. */
static void check(const struct head *h, const char *data, size_t n, int most)
{
	struct reader r = { data, data + n };
	struct known known = { 0 };
	struct span method, target;

	while (eat(&r, "\r\n"))
		;
	method = eat_all(&r, is_tchar);
	HOLDS(method.n > 0 && same(method, h->method) && eat(&r, " "));
	target = eat_all(&r, is_target_char);
	HOLDS(eat(&r, " HTTP/1."));
	HOLDS(r.p < r.end && *r.p >= '0' && *r.p <= '9' && h->minor == (*r.p != '0'));
	r.p++;
	HOLDS(eat(&r, "\r\n"));
	check_target(h, target);
	HOLDS(h->nfields <= most);
	check_fields(h, &r, &known);
	check_known(h, &known);
	HOLDS(h->is_head == (method.n == 4 && !memcmp(method.p, "HEAD", 4)));
}

static bool is_a_status(int status)
{
	return status == 400 || status == 417 || status == 431 || status == 501 || status == 505;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct head_scan scan = { 0, 0, false };
	static struct field fields[2][MAX_FIELDS];
	static struct head first, second;
	const char *text;
	ssize_t end;
	int status;

	if (size == 0)
		return 0;
	end = head_end(&scan, guarded(data + 1, size - 1), size - 1);
	HOLDS(end >= -1 && end <= (ssize_t)size - 1);
	HOLDS(end_in_pieces(data + 1, size - 1, 1 + data[0] % 64) == end);
	if (end <= 0)
		return 0;
	memset(&first, 0x5a, sizeof(first));
	memset(&second, 0xa5, sizeof(second));
	text = guarded(data + 1, (size_t)end);
	status = head_parse(&first, fields[0], text, (size_t)end, FIELDS);
	HOLDS(head_parse(&second, fields[1], text, (size_t)end, FIELDS) == status);
	if (status) {
		HOLDS(is_a_status(status));
		return 0;
	}
	HOLDS(first.keep_alive == second.keep_alive && first.upgrades == second.upgrades);
	HOLDS(first.expects_continue == second.expects_continue);
	check(&first, text, (size_t)end, FIELDS);
	return 0;
}
