/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a body in chunks.  What it consists of, where it ends and whether it is a good one do not
 * depend on the pieces in which it comes, and are what a second reader finds that has all of it at once.  The
 * first byte of the input says how large the pieces are, the second what the limits are.
 */
#include "fuzz.h"
#include "http.h"

struct outcome {
	int status;  /* what it deserves; 0: none, so far */
	bool over;   /* it has ended, */
	size_t used; /* here */
	size_t n;
	uint8_t body[8192]; /* what it consists of: n bytes */
};

static void take(struct outcome *o, const uint8_t *data, size_t n)
{
	HOLDS(o->n + n <= sizeof(o->body));
	memcpy(o->body + o->n, data, n);
	o->n += n;
	o->used += n;
}

/* As body.c goes through it. */
static void decode(struct outcome *o, const uint8_t *data, size_t size, size_t piece, int64_t most,
		   int64_t room)
{
	struct chunks k = { .most = most, .trailer_room = room };
	size_t have = 0;

	while (!o->over && !o->status) {
		char *text = copy_of(data + o->used, have - o->used);
		ssize_t n = k.left ? 0 : chunks_line(&k, text, have - o->used);

		free(text);
		HOLDS(k.left >= 0 && k.total >= 0);
		if (n < 0) {
			o->status = (int)-n;
		} else if (n > 0) {
			o->used += (size_t)n;
			o->over = k.next == CHUNKS_OVER;
		} else if (k.left && have > o->used) {
			size_t more = have - o->used;

			more = (int64_t)more < k.left ? more : (size_t)k.left;
			take(o, data + o->used, more);
			k.left -= (int64_t)more;
		} else if (have < size) {
			have = size - have < piece ? size : have + piece;
		} else {
			break;
		}
	}
}

/* --- The second reader. */

enum { LINE = 4096, DIGITS = 15 };

/* The next line; its size with CRLF, 0: it has no end yet, -1: it is none. */
static long line_of(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < LINE && p[i] != '\n'; i++)
		;
	if (i == n)
		return 0;
	if (i == LINE)
		return -1;
	if (i == 0 || p[i - 1] != '\r')
		return -1;
	for (size_t j = 0; j < i - 1; j++)
		if (p[j] == 0x7f || (p[j] >= 0 && p[j] < ' ' && p[j] != '\t'))
			return -1;
	return (long)i + 1;
}

static bool is_trailer(const char *p, size_t n)
{
	size_t name =
		strspn(p, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return name > 0 && name < n && p[name] == ':';
}

static int read_trailers(struct outcome *o, const char *text, size_t size, int64_t room)
{
	for (;;) {
		long n = line_of(text + o->used, size - o->used);

		if (n <= 0)
			return n < 0 ? 400 : 0;
		room -= n;
		if (room < 0)
			return 431;
		if (n > 2 && !is_trailer(text + o->used, (size_t)n - 2))
			return 400;
		o->used += (size_t)n;
		o->over = n == 2;
		if (o->over)
			return 0;
	}
}

/* The status; 0 also if there is not all of it. */
static int read_all(struct outcome *o, const char *text, size_t size, int64_t most, int64_t room)
{
	int64_t total = 0, excess = 0;

	for (;;) {
		long n = line_of(text + o->used, size - o->used);
		size_t digits = strspn(text + o->used, "0123456789abcdefABCDEF"), have;
		int64_t chunk;

		if (n <= 0)
			return n < 0 ? 400 : 0;
		chunk = (int64_t)strtoull(text + o->used, NULL, 16);
		if (digits == 0 || digits > DIGITS || ((long)digits < n - 2 && text[o->used + digits] != ';'))
			return 400;
		total += chunk;
		if (total > most)
			return 413;
		excess += n - 2 - 16 - 2 * chunk;
		excess = excess < 0 ? 0 : excess;
		if (excess > 16384)
			return 400;
		o->used += (size_t)n;
		if (chunk == 0)
			return read_trailers(o, text, size, room);
		have = size - o->used;
		have = (int64_t)have < chunk ? have : (size_t)chunk;
		take(o, (const uint8_t *)text + o->used, have);
		if ((int64_t)have < chunk || size - o->used == 0)
			return 0;
		n = line_of(text + o->used, size - o->used);
		if (n != 2)
			return n ? 400 : 0;
		o->used += 2;
	}
}

static void same(const struct outcome *a, const struct outcome *b)
{
	HOLDS(a->status == b->status);
	HOLDS(a->over == b->over && a->used == b->used);
	HOLDS(a->n == b->n && !memcmp(a->body, b->body, a->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, pieces, second;
	int64_t most, room;
	char *text;

	if (size < 2 || size > sizeof(whole.body))
		return 0;
	most = data[1] & 1 ? 64 : 1 << 30;
	room = data[1] & 2 ? 64 : 32768;
	whole.n = whole.used = pieces.n = pieces.used = second.n = second.used = 0;
	whole.over = pieces.over = second.over = false;
	whole.status = pieces.status = 0;
	decode(&whole, data + 2, size - 2, size, most, room);
	decode(&pieces, data + 2, size - 2, 1 + data[0] % 64, most, room);
	same(&whole, &pieces);
	text = text_of(data + 2, size - 2);
	second.status = read_all(&second, text, size - 2, most, room);
	free(text);
	same(&whole, &second);
	return 0;
}
