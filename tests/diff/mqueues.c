/* SPDX-License-Identifier: Apache-2.0
 *
 * POSIX message queues: order, limits, waiting, and what ends it.
 */
#include "diff/others.h"
#include <mqueue.h>

#define MQ_MESSAGES 3
#define MQ_SIZE 16

/* It has no name any more, and goes with the process. */
static mqd_t make_mq(int flags)
{
	struct mq_attr attr = { .mq_maxmsg = MQ_MESSAGES, .mq_msgsize = MQ_SIZE };
	char name[64];
	mqd_t q;

	snprintf(name, sizeof(name), "/syncless-diff-%d", getpid());
	q = mq_open(name, flags | O_CREAT | O_EXCL, 0600, &attr);
	if (q == -1 && (errno == ENOSYS || errno == EACCES || errno == EMFILE))
		SKIP("no message queues here");
	CHECK(q != -1);
	CHECK_EQ(mq_unlink(name), 0);
	return q;
}

static ssize_t receive(mqd_t q)
{
	char text[MQ_SIZE];
	unsigned priority = 99;
	ssize_t n = R(mq_receive(q, text, sizeof(text), &priority));

	if (n >= 0) {
		SAY("priority %u", priority);
		SHOW(text, n);
	}
	return n;
}

static void *receives(void *q)
{
	blocks();
	receive(*(mqd_t *)q);
	return NULL;
}

static void *sends(void *q)
{
	blocks();
	R(mq_send(*(mqd_t *)q, "last", 4, 0));
	return NULL;
}

static void fill(mqd_t q)
{
	for (int i = 0; i < MQ_MESSAGES; i++)
		CHECK_EQ(mq_send(q, (char[]){ 'a' + i }, 1, 0), 0);
}

CASE(mq_order)
{
	mqd_t q = make_mq(O_RDWR);

	R(mq_send(q, "low", 3, 1));
	R(mq_send(q, "", 0, 7));
	R(mq_send(q, "low too", 7, 1));
	receive(q);
	receive(q);
	receive(q);
}

CASE(mq_bad_arguments)
{
	mqd_t q = make_mq(O_RDWR);
	char text[MQ_SIZE];
	struct timespec bad = { .tv_nsec = 1000000000 }, before = { .tv_sec = -1 };
	char *volatile nowhere = NULL;

	R(mq_receive(q, text, MQ_SIZE - 1, NULL));
	R(mq_send(q, "01234567890123456", MQ_SIZE + 1, 0));
	R(mq_send(q, "x", 1, 32768));
	R(mq_send(999, "x", 1, 0));
	R(mq_receive(999, text, MQ_SIZE, NULL));
	R(mq_timedreceive(q, text, MQ_SIZE, NULL, &bad));
	R(mq_timedreceive(q, text, MQ_SIZE, NULL, &before));
	R(mq_timedsend(q, "x", 1, 0, &bad));
	R(mq_send(q, nowhere, 1, 0));
	R(mq_send(q, "x", 1, 0));
	R(mq_receive(q, nowhere, MQ_SIZE, NULL));
	R(mq_receive(0, text, MQ_SIZE, NULL));
}

CASE(mq_one_way)
{
	char text[MQ_SIZE];
	mqd_t q = make_mq(O_WRONLY);

	R(mq_receive(q, text, MQ_SIZE, NULL));
	R(mq_close(q));
	R(mq_send(q, "x", 1, 0));
	q = make_mq(O_RDONLY);
	R(mq_send(q, "x", 1, 0));
}

CASE(mq_nonblocking)
{
	mqd_t q = make_mq(O_RDWR | O_NONBLOCK);
	char text[MQ_SIZE];
	struct timespec past = { 1, 0 };

	R(mq_receive(q, text, MQ_SIZE, NULL));
	R(mq_timedreceive(q, text, MQ_SIZE, NULL, &past));
	fill(q);
	R(mq_send(q, "x", 1, 0));
	R(mq_timedsend(q, "x", 1, 0, &past));
}

CASE(mq_made_nonblocking)
{
	struct mq_attr attr = { .mq_flags = O_NONBLOCK };
	mqd_t q = make_mq(O_RDWR);
	char text[MQ_SIZE];

	R(mq_setattr(q, &attr, NULL));
	R(mq_receive(q, text, MQ_SIZE, NULL));
	attr.mq_flags = 0;
	R(mq_setattr(q, &attr, NULL));
	R(mq_send(q, "x", 1, 0));
	receive(q);
}

CASE(mq_time_is_up)
{
	mqd_t q = make_mq(O_RDWR);
	char text[MQ_SIZE];
	struct timespec at, past = { 1, 0 };

	R(mq_timedreceive(q, text, MQ_SIZE, NULL, &past));
	at = in_ms(CLOCK_REALTIME, 20);
	LASTS(20, R(mq_timedreceive(q, text, MQ_SIZE, NULL, &at)));
	fill(q);
	R(mq_timedsend(q, "x", 1, 0, &past));
	at = in_ms(CLOCK_REALTIME, 20);
	LASTS(20, R(mq_timedsend(q, "x", 1, 0, &at)));
	R(mq_timedreceive(q, text, MQ_SIZE, NULL, &past));
	R(mq_timedsend(q, "x", 1, 0, &past));
}

CASE(mq_receive_waits)
{
	mqd_t q = make_mq(O_RDWR);
	struct flow *f = flow(receives, &q);

	await_blocked(1);
	R(mq_send(q, "hello", 5, 3));
	flow_end(f);
}

CASE(mq_send_waits)
{
	mqd_t q = make_mq(O_RDWR);
	struct flow *f;

	fill(q);
	f = flow(sends, &q);
	await_blocked(1);
	receive(q);
	flow_end(f);
	receive(q);
	receive(q);
	receive(q);
}

static void *receives_in_time(void *q)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 20000);
	char text[MQ_SIZE];

	blocks();
	R(mq_timedreceive(*(mqd_t *)q, text, sizeof(text), NULL, &at));
	return NULL;
}

static void *sends_in_time(void *q)
{
	struct timespec at = in_ms(CLOCK_REALTIME, 20000);

	blocks();
	R(mq_timedsend(*(mqd_t *)q, "x", 1, 0, &at));
	return NULL;
}

CASE(mq_in_time)
{
	mqd_t q = make_mq(O_RDWR);
	struct flow *f = flow(receives_in_time, &q);

	await_blocked(1);
	R(mq_send(q, "hello", 5, 3));
	flow_end(f);
	fill(q);
	f = flow(sends_in_time, &q);
	await_blocked(2);
	receive(q);
	flow_end(f);
}

CASE(mq_many_receivers)
{
	mqd_t q = make_mq(O_RDWR);
	char text[MQ_SIZE];
	struct flow *f[4];

	for (int i = 0; i < 4; i++)
		f[i] = flow(receives_in_time, &q);
	await_blocked(4);
	for (int i = 0; i < 5; i++)
		R(mq_send(q, "12345", 5, 0));
	for (int i = 0; i < 4; i++)
		flow_end(f[i]);
	R(mq_receive(q, text, MQ_SIZE, NULL));
}

static mqd_t shared;

static void sends_later(const struct other *o)
{
	other_says(o);
	other_awaits(o);
	says_as(99);
	R(mq_send(shared, "child", 5, 2));
}

CASE(mq_from_another_process)
{
	struct other o;
	struct flow *f;

	shared = make_mq(O_RDWR);
	o = other_process(sends_later);
	f = flow(receives, &shared);
	await_blocked(1);
	other_go_on(&o);
	flow_end(f);
	other_end(&o);
}

CASE_THREADS(mq_receive_interrupted)
{
	mqd_t q = make_mq(O_RDWR);

	flow_end(signalled(receives, &q, 0));
}

CASE_THREADS(mq_receive_restarted)
{
	mqd_t q = make_mq(O_RDWR);
	struct flow *f = signalled(receives, &q, SA_RESTART);

	R(mq_send(q, "after", 5, 0));
	flow_end(f);
}

CASE_THREADS(mq_timedreceive_interrupted)
{
	mqd_t q = make_mq(O_RDWR);

	flow_end(signalled(receives_in_time, &q, 0));
}

CASE_THREADS(mq_timedreceive_restarted)
{
	mqd_t q = make_mq(O_RDWR);
	struct flow *f = signalled(receives_in_time, &q, SA_RESTART);

	R(mq_send(q, "after", 5, 0));
	flow_end(f);
}

CASE_THREADS(mq_send_interrupted)
{
	mqd_t q = make_mq(O_RDWR);

	fill(q);
	flow_end(signalled(sends, &q, 0));
}

CASE_THREADS(mq_timedsend_restarted)
{
	mqd_t q = make_mq(O_RDWR);
	struct flow *f;

	fill(q);
	f = signalled(sends_in_time, &q, SA_RESTART);
	receive(q);
	flow_end(f);
}

CASE_THREADS(mq_receive_cancelled)
{
	mqd_t q = make_mq(O_RDWR);
	struct flow *f = flow(receives, &q);
	void *end;

	await_blocked(1);
	E(pthread_cancel(f->thread));
	end = flow_end(f);
	SAY("%s", end == PTHREAD_CANCELED ? "cancelled" : "ended");
	R(mq_send(q, "x", 1, 0));
	receive(q);
}
