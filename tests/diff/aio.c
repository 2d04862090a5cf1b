/* SPDX-License-Identifier: Apache-2.0
 *
 * Asynchronous I/O: requests, and waiting for them.
 */
#include "diff/ends.h"
#include <aio.h>

static struct aiocb request(int fd, int opcode, void *bytes, size_t n)
{
	return (struct aiocb){ .aio_fildes = fd,
			       .aio_lio_opcode = opcode,
			       .aio_buf = bytes,
			       .aio_nbytes = n,
			       .aio_sigevent.sigev_notify = SIGEV_NONE };
}

static struct aiocb waited_for;
static struct timespec *waited_until;

static void *suspends(void *arg)
{
	const struct aiocb *list[] = { NULL, &waited_for };

	(void)arg;
	blocks();
	R(aio_suspend(list, 2, waited_until));
	return NULL;
}

CASE(aio_of_a_file)
{
	int fd = make_file("0123456789");
	char c[4] = "";
	struct aiocb r = request(fd, LIO_READ, c, 4), w = request(fd, LIO_WRITE, "abc", 3),
		     bad = request(999, LIO_READ, c, 1);
	struct aiocb *list[] = { &r, NULL, &w }, *with_bad[] = { &w, &bad };
	const struct aiocb *one[] = { &r };

	w.aio_offset = 20;
	R(lio_listio(LIO_WAIT, list, 3, NULL));
	R(aio_return(&r));
	R(aio_return(&w));
	SHOW(c, 4);
	R(lio_listio(LIO_WAIT, with_bad, 2, NULL));
	SAY("%s, %s", errno_name(aio_error(&w)), errno_name(aio_error(&bad)));
	R(aio_read(&r));
	R(aio_suspend(one, 1, NULL));
	R(aio_return(&r));
	R(lio_listio(9, list, 3, NULL));
	R(lio_listio(LIO_WAIT, list, 0, NULL));
	w.aio_reqprio = -1;
	R(lio_listio(LIO_WAIT, &list[2], 1, NULL));
	r.aio_lio_opcode = LIO_NOP;
	R(lio_listio(LIO_WAIT, list, 1, NULL));
	R(aio_suspend(one, -1, NULL));
	one[0] = NULL;
	R(aio_suspend(one, 1, NULL));
	R(aio_suspend(one, 0, NULL));
}

CASE(aio_suspend_waits)
{
	int a[2];
	char c[8];
	struct flow *f;
	struct timespec zero = { 0, 0 }, some = ms_span(20), bad = { 0, -1 };
	const struct aiocb *list[] = { &waited_for };

	make_pipe(a);
	waited_for = request(a[0], LIO_READ, c, 8);
	R(aio_read(&waited_for));
	R(aio_suspend(list, 1, &zero));
	LASTS(20, R(aio_suspend(list, 1, &some)));
	(void)bad;
	f = flow(suspends, NULL);
	await_blocked(1);
	R(write(a[1], "hello", 5));
	flow_end(f);
	R(aio_return(&waited_for));
	R(aio_suspend64((const struct aiocb64 *const *)list, 1, NULL));
}

CASE_THREADS(aio_suspend_interrupted)
{
	int a[2];
	char c[8];
	struct flow *f;
	struct timespec long_time = { 20, 0 };

	make_pipe(a);
	waited_for = request(a[0], LIO_READ, c, 8);
	R(aio_read(&waited_for));
	on_signal(SIGUSR1, count_signal, 0);
	f = flow(suspends, NULL);
	await_blocked(1);
	E(pthread_kill(f->thread, SIGUSR1));
	flow_end(f);
	on_signal(SIGUSR1, count_signal, SA_RESTART);
	waited_until = &long_time;
	f = flow(suspends, NULL);
	await_blocked(2);
	E(pthread_kill(f->thread, SIGUSR1));
	flow_end(f);
	R(write(a[1], "hello", 5));
	waited_until = NULL;
	flow_end(flow(suspends, NULL));
}

static void *lists(void *list)
{
	blocks();
	R(lio_listio(LIO_WAIT, (struct aiocb *const *)list, 2, NULL));
	return NULL;
}

CASE(lio_listio_waits)
{
	int a[2], b[2];
	char c[8], d[8];
	struct aiocb first, second, *list[] = { &first, &second };
	struct flow *f;

	make_pipe(a);
	make_pipe(b);
	first = request(a[0], LIO_READ, c, 8);
	second = request(b[0], LIO_READ, d, 8);
	f = flow(lists, list);
	await_blocked(1);
	R(write(b[1], "b", 1));
	R(write(a[1], "aa", 2));
	flow_end(f);
	R(aio_return(&first));
	R(aio_return(&second));
}
