/* SPDX-License-Identifier: Apache-2.0
 *
 * syncless.h: channels, out of a mutex and two conditions of our own calls, which park a coroutine and block a thread.
 *
 * The ring has one place more than the capacity for each sender that hands over directly: with capacity 0 a sender puts
 * its element there and stays until a receiver has taken it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base.h"
#include "syncless.h"

struct syncless_channel {
	pthread_mutex_t lock;
	pthread_cond_t readable, writable, taken;
	size_t size, room, capacity; /* of an element, of the ring, as asked for */
	size_t first, n;
	uint64_t sent, received; /* ever */
	bool closed;
	char ring[];
};

EXPORT syncless_channel *syncless_channel_new(size_t size, size_t capacity)
{
	size_t room = capacity ? capacity : 1, bytes;
	syncless_channel *ch;

	if (__builtin_mul_overflow(room, size, &bytes) || __builtin_add_overflow(bytes, sizeof(*ch), &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	ch = calloc(1, bytes);
	if (!ch)
		return NULL;
	pthread_mutex_init(&ch->lock, NULL);
	pthread_cond_init(&ch->readable, NULL);
	pthread_cond_init(&ch->writable, NULL);
	pthread_cond_init(&ch->taken, NULL);
	ch->size = size;
	ch->room = room;
	ch->capacity = capacity;
	return ch;
}

static char *place(syncless_channel *ch, size_t i)
{
	return ch->ring + (ch->first + i) % ch->room * ch->size;
}

/* With capacity 0: till the element that was the count-th is taken.  If the sender cannot wait for that, or nobody will
 * come, it is taken back: it is the last one in the ring. */
static int await_taking(syncless_channel *ch, uint64_t count)
{
	int err = 0;

	while (ch->received < count && !ch->closed && err == 0)
		err = pthread_cond_wait(&ch->taken, &ch->lock);
	if (ch->received >= count)
		return 0;
	ch->n--;
	ch->sent--;
	pthread_cond_signal(&ch->writable);
	return err ? err : EPIPE;
}

EXPORT int syncless_channel_send(syncless_channel *ch, const void *element)
{
	int err = 0;

	pthread_mutex_lock(&ch->lock);
	while (ch->n == ch->room && !ch->closed && err == 0)
		err = pthread_cond_wait(&ch->writable, &ch->lock);
	if (err == 0 && ch->closed)
		err = EPIPE;
	if (err == 0) {
		memcpy(place(ch, ch->n++), element, ch->size);
		ch->sent++;
		pthread_cond_signal(&ch->readable);
		if (ch->capacity == 0)
			err = await_taking(ch, ch->sent);
	} else {
		pthread_cond_signal(&ch->writable); /* a wake that was ours goes on to the next one */
	}
	pthread_mutex_unlock(&ch->lock);
	return err ? fail(err) : 0;
}

EXPORT int syncless_channel_receive(syncless_channel *ch, void *element)
{
	int err = 0, got = 0;

	pthread_mutex_lock(&ch->lock);
	while (ch->n == 0 && !ch->closed && err == 0)
		err = pthread_cond_wait(&ch->readable, &ch->lock);
	if (err == 0 && ch->n > 0) {
		memcpy(element, place(ch, 0), ch->size);
		ch->first = (ch->first + 1) % ch->room;
		ch->n--;
		ch->received++;
		got = 1;
		pthread_cond_signal(&ch->writable);
		if (ch->capacity == 0)
			pthread_cond_broadcast(&ch->taken);
	} else if (err) {
		pthread_cond_signal(&ch->readable);
	}
	pthread_mutex_unlock(&ch->lock);
	return err ? fail(err) : got;
}

EXPORT void syncless_channel_close(syncless_channel *ch)
{
	pthread_mutex_lock(&ch->lock);
	ch->closed = true;
	pthread_cond_broadcast(&ch->readable);
	pthread_cond_broadcast(&ch->writable);
	pthread_cond_broadcast(&ch->taken);
	pthread_mutex_unlock(&ch->lock);
}

EXPORT void syncless_channel_free(syncless_channel *ch)
{
	if (!ch)
		return;
	pthread_mutex_destroy(&ch->lock);
	pthread_cond_destroy(&ch->readable);
	pthread_cond_destroy(&ch->writable);
	pthread_cond_destroy(&ch->taken);
	free(ch);
}
