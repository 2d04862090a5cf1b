/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a WebSocket client's, in any pieces: no message is longer than it may be, no control frame than
 * 125 bytes, no Close has a code that none may have; after an error and after a Close nothing comes any more;
 * and the pieces make no difference.
 */
#include "fuzz.h"
#include "frames.h"

#define MOST 3000 /* bytes of a message */

struct seen {
	int nevents, error;
	uint64_t sum; /* of all that was told */
	bool is_closed;
};

static void add(struct seen *s, const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		s->sum = s->sum * 31 + ((const uint8_t *)data)[i] + 1;
}

static void look_at(struct seen *s, const struct frames_event *e)
{
	HOLDS(!s->is_closed && !s->error);
	HOLDS(e->size <= (wslay_is_ctrl_frame(e->opcode) ? 125 : MOST));
	HOLDS(e->opcode == WSLAY_TEXT_FRAME || e->opcode == WSLAY_BINARY_FRAME ||
	      wslay_is_ctrl_frame(e->opcode));
	HOLDS(!e->compressed || !wslay_is_ctrl_frame(e->opcode));
	if (e->opcode == WSLAY_CONNECTION_CLOSE) {
		HOLDS(e->code == CLOSE_NO_CODE ? e->size == 0 : frames_is_code(e->code) && e->size <= 123);
		s->is_closed = true;
	}
	s->nevents++;
	add(s, &e->opcode, sizeof(e->opcode));
	add(s, &e->compressed, sizeof(e->compressed));
	add(s, e->data, e->size);
}

static void feed(struct frames *f, struct seen *s, const uint8_t *data, size_t size)
{
	uint8_t *copy = copy_of(data, size);
	enum frames_result result;
	struct frames_event e;

	frames_feed(f, copy, size);
	while ((result = frames_next(f, &e)) == FRAMES_EVENT)
		look_at(s, &e);
	HOLDS((result == FRAMES_ERROR) == (f->error != 0));
	HOLDS(!s->error || s->error == f->error);
	HOLDS(!f->error || (frames_is_code(f->error) && f->why));
	s->error = f->error;
	free(copy);
}

/* step: bytes of a piece; 0: all at once. */
static struct seen play(const uint8_t *data, size_t size, size_t step, bool may_compress)
{
	struct seen s = { 0 };
	struct frames f;

	HOLDS(frames_init(&f, MOST, may_compress) == 0);
	for (size_t at = 0; at < size; at += step ? step : size)
		feed(&f, &s, data + at, step && step < size - at ? step : size - at);
	frames_clear(&f);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool may_compress = size && data[0] & 1;
	size_t step = size ? 1 + data[0] / 2 : 1;
	struct seen whole, pieces;

	if (size == 0)
		return 0;
	whole = play(data + 1, size - 1, 0, may_compress);
	pieces = play(data + 1, size - 1, step, may_compress);
	HOLDS(whole.nevents == pieces.nevents && whole.error == pieces.error && whole.sum == pieces.sum);
	return 0;
}
