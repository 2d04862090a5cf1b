/* SPDX-License-Identifier: Apache-2.0
 *
 * Coroutines of syncless.h: channels, joins, deadlines, and pipes between them.
 */
#include "fault.h"

#pragma weak syncless_spawn
#pragma weak syncless_join
#pragma weak syncless_sleep
#pragma weak syncless_channel_new
#pragma weak syncless_channel_send
#pragma weak syncless_channel_receive
#pragma weak syncless_channel_close
#pragma weak syncless_channel_free
#pragma weak syncless_deadline

#define PAIRS 5
#define VALUES 30

struct pair {
	syncless_channel *channel;
	int wire[2];
};

static void *produce(void *arg)
{
	struct pair *p = arg;

	for (int i = 0; i < VALUES; i++) {
		if (syncless_channel_send(p->channel, &i) == -1) {
			CHECK_EQ(errno, EPIPE);
			peer_is_gone("syncless_channel_send");
			break;
		}
		while (write(p->wire[1], &i, sizeof(i)) == -1)
			if (!told("write")) {
				i = VALUES;
				break;
			}
	}
	syncless_channel_close(p->channel);
	close_it(p->wire[1]);
	return arg;
}

/* What comes by the pipe may come in two pieces. */
static bool read_value(int fd, int *value)
{
	size_t have = 0;

	while (have < sizeof(*value)) {
		ssize_t r = read(fd, (char *)value + have, sizeof(*value) - have);

		if (r == 0 || (r < 0 && !told("read")))
			return false;
		have += r > 0 ? (size_t)r : 0;
	}
	return true;
}

static void *consume(void *arg)
{
	struct pair *p = arg;
	int value, by_wire, n = 0;

	CHECK_EQ(syncless_deadline(100000000000), -1);
	while (syncless_channel_receive(p->channel, &value) == 1) {
		CHECK_EQ(value, n++);
		if (n % 10 == 0)
			CHECK_EQ(syncless_sleep(100000), 0);
		if (!read_value(p->wire[0], &by_wire)) {
			peer_is_gone("read");
			break;
		}
		CHECK_EQ(by_wire, value);
	}
	close_it(p->wire[0]);
	while (syncless_channel_receive(p->channel, &value) == 1)
		;
	if (n < VALUES && !gave_up)
		peer_is_gone("syncless_channel_receive");
	return arg;
}

static syncless_co *spawned(void *(*fn)(void *), struct pair *p)
{
	syncless_co *co;

	co = syncless_spawn(fn, p, 0);
	if (!co) {
		CHECK(fault_hits() > 0);
		if (errno != EAGAIN) /* which says that coroutines do not work here */
			told("syncless_spawn");
		gave_up++;
	}
	return co;
}

static struct pair pairs[PAIRS];

static void prepare(void)
{
	for (int i = 0; i < PAIRS; i++)
		CHECK_EQ(pipe2(pairs[i].wire, O_CLOEXEC), 0);
}

static void nothing(void)
{
}

static bool open_pair(struct pair *p)
{
	p->channel = syncless_channel_new(sizeof(int), 3);
	if (p->channel)
		return true;
	CHECK_EQ(errno, ENOMEM);
	gave_up++;
	close(p->wire[0]);
	close(p->wire[1]);
	return false;
}

static void work(void)
{
	syncless_co *co[PAIRS][2] = { { NULL } };

	for (int i = 0; i < PAIRS; i++) {
		if (!open_pair(&pairs[i]))
			continue;
		co[i][0] = spawned(consume, &pairs[i]);
		co[i][1] = spawned(produce, &pairs[i]);
		if (!co[i][1]) {
			syncless_channel_close(pairs[i].channel);
			close(pairs[i].wire[1]);
		}
		if (!co[i][0]) {
			syncless_channel_close(pairs[i].channel);
			close(pairs[i].wire[0]);
		}
	}
	for (int i = 0; i < PAIRS; i++) {
		for (int k = 0; k < 2; k++)
			if (co[i][k])
				CHECK_EQ(syncless_join(co[i][k], NULL), 0);
		if (pairs[i].channel)
			syncless_channel_free(pairs[i].channel);
	}
}

int main(void)
{
	if (!syncless_spawn)
		SKIP("about nothing but the library");
	return run_rounds(prepare, work, nothing);
}
