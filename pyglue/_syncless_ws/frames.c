/* SPDX-License-Identifier: Apache-2.0
 *
 * See frames.h.  A message is gathered as its bytes come, never as its heads announce, and one that lies whole in
 * what has been read, as most do, is not copied.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "frames.h"

#define KEPT_ROOM 16384 /* between two messages; a peer that is idle shall not cost more */

static ssize_t give_bytes(uint8_t *to, size_t n, int flags, void *data)
{
	struct frames *f = data;

	(void)flags;
	if (n > f->nin)
		n = f->nin;
	if (n) {
		memcpy(to, f->in, n);
		f->in += n;
		f->nin -= n;
	}
	return (ssize_t)n;
}

/* First comes the head, then the payload, which the caller sends from where it is. */
static ssize_t take_head(const uint8_t *from, size_t n, int flags, void *data)
{
	struct frames *f = data;

	(void)flags;
	if (f->head_size == 0 && n <= sizeof(f->head)) {
		memcpy(f->head, from, n);
		f->head_size = n;
	}
	return (ssize_t)n;
}

int frames_init(struct frames *f, uint64_t most, bool may_compress)
{
	struct wslay_frame_callbacks callbacks = { take_head, give_bytes, NULL };

	*f = (struct frames){ .most = most, .may_compress = may_compress };
	return wslay_frame_context_init(&f->wslay, &callbacks, f) == 0 ? 0 : -ENOMEM;
}

void frames_clear(struct frames *f)
{
	wslay_frame_context_free(f->wslay);
	free(f->message);
	*f = (struct frames){ 0 };
}

void frames_feed(struct frames *f, const void *data, size_t size)
{
	f->in = data;
	f->nin = size;
}

void frames_fail(struct frames *f, int code, const char *why)
{
	if (!f->error) {
		f->error = code;
		f->why = why;
	}
}

static bool fail(struct frames *f, int code, const char *why)
{
	frames_fail(f, code, why);
	return false;
}

bool frames_is_code(int code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

/* --- What may come when. */

static bool begin_message(struct frames *f, const struct wslay_frame_iocb *io)
{
	if (f->opcode)
		return fail(f, CLOSE_PROTOCOL, "a message has begun within another one");
	f->opcode = io->opcode;
	f->compressed = io->rsv != 0;
	f->nframes = 0;
	f->size = 0;
	return true;
}

static bool begin_frame(struct frames *f, const struct wslay_frame_iocb *io)
{
	bool is_first = io->opcode == WSLAY_TEXT_FRAME || io->opcode == WSLAY_BINARY_FRAME;

	f->in_frame = true;
	f->got = 0;
	if (!io->mask)
		return fail(f, CLOSE_PROTOCOL, "a frame is not masked");
	if (io->rsv && !(io->rsv == WSLAY_RSV1_BIT && f->may_compress && is_first))
		return fail(f, CLOSE_PROTOCOL, "a reserved bit is set");
	if (io->opcode == WSLAY_CONNECTION_CLOSE || io->opcode == WSLAY_PING || io->opcode == WSLAY_PONG)
		return true;
	if (io->opcode != WSLAY_CONTINUATION_FRAME && !is_first)
		return fail(f, CLOSE_PROTOCOL, "an opcode is unknown");
	if (is_first && !begin_message(f, io))
		return false;
	if (!f->opcode)
		return fail(f, CLOSE_PROTOCOL, "there is no message to continue");
	if (++f->nframes > MOST_FRAMES)
		return fail(f, CLOSE_POLICY, "a message consists of too many frames");
	return io->payload_length <= f->most - f->size || fail(f, CLOSE_TOO_BIG, "a message is too long");
}

/* --- Payloads. */

static bool append(struct frames *f, const uint8_t *data, size_t size)
{
	if (f->size + size > f->room) {
		size_t room = f->room ? f->room : 1024;
		uint8_t *message;

		while (room < f->size + size)
			room *= 2;
		message = realloc(f->message, room);
		if (!message)
			return fail(f, CLOSE_TOO_BIG, "there is no memory for a message");
		f->message = message;
		f->room = room;
	}
	if (size)
		memcpy(f->message + f->size, data, size);
	f->size += size;
	return true;
}

static bool is_whole(const struct frames *f, const struct wslay_frame_iocb *io)
{
	return io->fin && f->nframes == 1 && io->data_length == io->payload_length;
}

static bool take_payload(struct frames *f, const struct wslay_frame_iocb *io)
{
	bool is_control = wslay_is_ctrl_frame(io->opcode);

	if (is_control && io->data_length) /* wslay has seen to it that there are 125 at most */
		memcpy(f->control + f->got, io->data, io->data_length);
	if (!is_control && !is_whole(f, io) && !append(f, io->data, io->data_length))
		return false;
	f->got += io->data_length;
	return true;
}

static bool tell_close(struct frames *f, struct frames_event *e)
{
	*e = (struct frames_event){ .opcode = WSLAY_CONNECTION_CLOSE, .code = CLOSE_NO_CODE };
	if (f->got == 1)
		return fail(f, CLOSE_PROTOCOL, "a Close has half a code");
	if (f->got) {
		e->code = f->control[0] << 8 | f->control[1];
		e->data = f->control + 2;
		e->size = (size_t)f->got - 2;
		if (!frames_is_code(e->code))
			return fail(f, CLOSE_PROTOCOL, "a Close has a code that none may have");
	}
	f->closed = true;
	return true;
}

/* A frame is complete.  True: and e is what it comes to. */
static bool end_frame(struct frames *f, const struct wslay_frame_iocb *io, struct frames_event *e)
{
	f->in_frame = false;
	if (io->opcode == WSLAY_CONNECTION_CLOSE)
		return tell_close(f, e);
	if (wslay_is_ctrl_frame(io->opcode)) {
		*e = (struct frames_event){ io->opcode, f->control, (size_t)f->got, false, 0 };
		return true;
	}
	if (!io->fin)
		return false;
	*e = (struct frames_event){ f->opcode, f->message, f->size, f->compressed, 0 };
	if (is_whole(f, io)) {
		e->data = io->data;
		e->size = io->data_length;
	}
	f->opcode = 0;
	f->is_given = true;
	return true;
}

static void forget_message(struct frames *f)
{
	f->is_given = false;
	f->size = 0;
	if (f->room > KEPT_ROOM) {
		free(f->message);
		f->message = NULL;
		f->room = 0;
	}
}

enum frames_result frames_next(struct frames *f, struct frames_event *e)
{
	if (f->is_given)
		forget_message(f);
	while (!f->error && !f->closed) {
		struct wslay_frame_iocb io = { 0 };
		ssize_t n = wslay_frame_recv(f->wslay, &io);

		if (n == WSLAY_ERR_WANT_READ)
			return FRAMES_MORE;
		if (n < 0)
			fail(f, CLOSE_PROTOCOL, "the head of a frame is wrong");
		else if ((f->in_frame || begin_frame(f, &io)) && take_payload(f, &io) &&
			 f->got == io.payload_length && end_frame(f, &io, e))
			return FRAMES_EVENT;
	}
	return f->error ? FRAMES_ERROR : FRAMES_MORE;
}

bool frames_head(struct frames *f, int opcode, const void *payload, size_t size, bool compressed)
{
	struct wslay_frame_iocb io = {
		.fin = 1,
		.rsv = compressed ? WSLAY_RSV1_BIT : WSLAY_RSV_NONE,
		.opcode = (uint8_t)opcode,
		.payload_length = size,
		.data = payload,
		.data_length = size,
	};

	f->head_size = 0;
	return wslay_frame_send(f->wslay, &io) >= 0;
}
