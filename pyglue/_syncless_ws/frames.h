/* SPDX-License-Identifier: Apache-2.0
 *
 * The framing of RFC 6455, a server's side: bytes of a peer in, messages and control frames out.  wslay reads and
 * makes the frames; what they may be, one after the other, is decided here.  Knows neither Python nor sockets.
 *
 * Its layer of events is not used: that would allocate what a frame's head announces, and answer by itself.
 */
#ifndef SYNCLESS_FRAMES_H
#define SYNCLESS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wslay/wslay.h>

#define MOST_FRAMES 65536 /* of one message: each costs time, be it empty */
#define HEAD_BYTES 10	  /* at most, of what a server sends */

enum close_code {
	CLOSE_PROTOCOL = 1002,
	CLOSE_NO_CODE = 1005, /* never sent: the peer's Close had none */
	CLOSE_BAD_DATA = 1007,
	CLOSE_POLICY = 1008,
	CLOSE_TOO_BIG = 1009,
};

struct frames {
	wslay_frame_context_ptr wslay;
	const uint8_t *in; /* given to frames_feed(), and not read yet */
	size_t nin;
	uint64_t most;	   /* bytes of a message */
	bool may_compress; /* RSV1 has been negotiated */

	int opcode; /* of the message that is coming; 0: none is */
	bool compressed;
	int nframes;
	uint8_t *message; /* its bytes, unless one frame has all of them */
	size_t size, room;
	bool is_given; /* it has been told: the next call makes room */

	bool in_frame;
	uint64_t got; /* of that frame's payload */
	uint8_t control[125];

	bool closed;	 /* the peer has said Close: what follows is not looked at */
	int error;	 /* the code to close with; 0: all is well */
	const char *why; /* with error; a literal */
	uint8_t head[HEAD_BYTES];
	size_t head_size; /* what frames_head() makes */
};

struct frames_event {
	int opcode;	     /* of enum wslay_opcode, and no continuation */
	const uint8_t *data; /* until the next call of frames_next(); of a Close: the reason */
	size_t size;
	bool compressed; /* the data is, as RFC 7692 has it */
	int code;	 /* of a Close; CLOSE_NO_CODE */
};

enum frames_result { FRAMES_MORE, FRAMES_EVENT, FRAMES_ERROR };

/* 0 or -ENOMEM. */
int frames_init(struct frames *f, uint64_t most, bool may_compress);
void frames_clear(struct frames *f);

/* Bytes of the peer's, which must stay until frames_next() returns FRAMES_MORE. */
void frames_feed(struct frames *f, const void *data, size_t size);
/* The next event.  FRAMES_MORE: all that was fed has been used.  FRAMES_ERROR, then and from now on: the peer
 * breaks the rules; f->error and f->why say how. */
enum frames_result frames_next(struct frames *f, struct frames_event *e);
/* As if frames_next() had found it. */
void frames_fail(struct frames *f, int code, const char *why);

/* The head of a frame with this payload, in f->head, f->head_size bytes.  False: a control frame cannot have it. */
bool frames_head(struct frames *f, int opcode, const void *payload, size_t size, bool compressed);

/* May a Close have this code? */
bool frames_is_code(int code);

#endif
