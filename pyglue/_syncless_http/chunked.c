/* SPDX-License-Identifier: Apache-2.0
 *
 * A body in chunks, taken apart line by line.  This is done here since http-parser, as it is packaged, does
 * not look at the CRLF behind a chunk, and two servers could disagree on where a request ends.  Only the exact
 * form is taken: hexadecimal digits, an extension or none, CRLF; trailers must be fields, and are dropped.
 */
#include <string.h>
#include "http.h"

#define LONGEST_LINE 4096 /* of a chunk's size, or of a trailer, with its CRLF */
#define LONGEST_SIZE 15	  /* in digits */

/* What chunks may cost beyond their bytes: each 16 bytes and twice its own, and this much in all. */
#define EXCESS_FREE 16
#define MOST_EXCESS 16384

/* -1: it is none. */
static int64_t read_size(struct span line)
{
	int64_t size = 0;
	size_t i;

	for (i = 0; i < line.n && hex_digit(line.p[i]) >= 0; i++) {
		if (i == LONGEST_SIZE)
			return -1;
		size = size * 16 + hex_digit(line.p[i]);
	}
	return i > 0 && (i == line.n || line.p[i] == ';') ? size : -1;
}

static int begin_chunk(struct chunks *k, struct span line)
{
	int64_t size = read_size(line);

	if (size < 0)
		return 400;
	k->next = size ? CHUNK_END : CHUNK_TRAILER;
	k->total += size;
	if (k->total > k->most)
		return 413;
	k->excess += (int64_t)line.n - EXCESS_FREE - 2 * size;
	if (k->excess < 0)
		k->excess = 0;
	if (k->excess > MOST_EXCESS)
		return 400;
	k->left = size;
	return 0;
}

static int drop_trailer(struct chunks *k, struct span line)
{
	const char *colon = memchr(line.p, ':', line.n);

	k->trailer_room -= (int64_t)line.n + 2;
	if (k->trailer_room < 0)
		return 431;
	if (line.n == 0)
		k->next = CHUNKS_OVER;
	else if (!colon || !span_is_token((struct span){ line.p, (size_t)(colon - line.p) }))
		return 400;
	return 0;
}

static int take_line(struct chunks *k, struct span line)
{
	switch (k->next) {
	case CHUNK_SIZE:
		return begin_chunk(k, line);
	case CHUNK_END:
		k->next = CHUNK_SIZE;
		return line.n ? 400 : 0;
	default:
		return drop_trailer(k, line);
	}
}

ssize_t chunks_line(struct chunks *k, const char *data, size_t n)
{
	const char *lf = memchr(data + k->looked, '\n', n - k->looked);
	size_t size = lf ? (size_t)(lf - data) + 1 : n;
	struct span line = { data, size - 2 };
	int status;

	if (size > LONGEST_LINE)
		return -400;
	if (!lf) {
		k->looked = n;
		return 0;
	}
	k->looked = 0;
	k->left = 0;
	if (size < 2 || lf[-1] != '\r' || span_has_controls(line))
		return -400;
	status = take_line(k, line);
	return status ? -status : (ssize_t)size;
}
