/* SPDX-License-Identifier: Apache-2.0
 *
 * select and pselect: the three sets, what is left in them, and what is left of the time.
 */
#include "diff/mask.h"
#include "diff/net.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>

static fd_set in, out, ex;

static void ask(int nothing, ...)
{
	va_list ap;
	int fd;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	va_start(ap, nothing);
	while ((fd = va_arg(ap, int)) != -1) {
		FD_SET(fd, &in);
		FD_SET(fd, &out);
		FD_SET(fd, &ex);
	}
	va_end(ap);
}

static void say_sets(const char *what, int fd)
{
	SAY("  %s: %d %d %d", what, !!FD_ISSET(fd, &in), !!FD_ISSET(fd, &out), !!FD_ISSET(fd, &ex));
}

CASE(select_at_once)
{
	int s[2], t[2];

	tcp_pair(s);
	R(pipe(t));
	ask(0, s[0], t[0], t[1], -1);
	R(select(FD_SETSIZE, &in, &out, &ex, NULL));
	say_sets("tcp", s[0]);
	say_sets("reading end", t[0]);
	say_sets("writing end", t[1]);
	R(send(s[1], "a!", 2, MSG_OOB));
	ask(0, s[0], -1);
	R(select(s[0] + 1, &in, &out, &ex, NULL));
	say_sets("with urgent data", s[0]);
	R(close(t[1]));
	ask(0, t[0], -1);
	R(select(t[0] + 1, &in, NULL, NULL, NULL));
	say_sets("end of pipe", t[0]);
	ask(0, s[0], -1);
	R(select(s[0], &in, &out, &ex, &(struct timeval){ 0 }));
	say_sets("beyond nfds", s[0]);
}

CASE(select_of_ends)
{
	int s[2];

	tcp_pair(s);
	R(shutdown(s[1], SHUT_WR));
	ask(0, s[0], -1);
	R(select(s[0] + 1, &in, &out, &ex, NULL));
	say_sets("shut", s[0]);
	R(close(s[1]));
	R(send(s[0], "x", 1, 0));
	ask(0, s[0], -1);
	R(select(s[0] + 1, &in, &out, &ex, NULL));
	say_sets("reset", s[0]);
	R(pipe(s));
	R(close(s[0]));
	ask(0, s[1], -1);
	R(select(s[1] + 1, &in, &out, &ex, NULL));
	say_sets("nobody reads", s[1]);
}

CASE(select_of_files)
{
	int file = open("file", O_CREAT | O_RDWR, 0600);

	ask(0, file, -1);
	R(select(file + 1, &in, &out, &ex, NULL));
	say_sets("file", file);
	ask(0, file, -1);
	R(select(file + 1, NULL, NULL, &ex, &(struct timeval){ 0, 20000 }));
	say_sets("file", file);
}

CASE(select_timeouts)
{
	int s[2];
	struct timeval tv = { 0, 20000 };

	stream_pair(s);
	ask(0, s[0], -1);
	LASTS(20, R(select(s[0] + 1, &in, NULL, NULL, &tv)));
	SAY("left %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
	say_sets("set", s[0]);
	tv = (struct timeval){ 0, 0 };
	ask(0, s[0], -1);
	R(select(s[0] + 1, &in, NULL, NULL, &tv));
	say_sets("set", s[0]);
	tv = (struct timeval){ 0, 20000 };
	LASTS(20, R(select(0, NULL, NULL, NULL, &tv)));
	SAY("left %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
	tv = (struct timeval){ 100, 0 };
	do_send(num(s[1]));
	ask(0, s[0], -1);
	R(select(s[0] + 1, &in, NULL, NULL, &tv));
	SAY("most is left: %d", tv.tv_sec >= 90 && tv.tv_sec <= 100);
}

CASE(select_odd_timeouts)
{
	int s[2];
	struct timeval tv = { 0, 3000000 }, negative = { -1, 0 }, negative2 = { 0, -1 }, huge = { 1L << 62, 0 };

	stream_pair(s);
	ask(0, s[0], -1);
	R(select(s[0] + 1, NULL, &out, NULL, &tv));
	SAY("left more than two seconds: %d", tv.tv_sec == 2 && tv.tv_usec < 1000000);
	R(select(s[0] + 1, NULL, &out, NULL, &negative));
	R(select(s[0] + 1, NULL, &out, NULL, &negative2));
	SAY("%ld %ld, %ld %ld", (long)negative.tv_sec, (long)negative.tv_usec, (long)negative2.tv_sec,
	    (long)negative2.tv_usec);
	say_sets("after errors", s[0]);
	ask(0, s[0], -1);
	R(select(s[0] + 1, NULL, &out, NULL, &huge));
}

CASE(select_errors)
{
	int s[2], closed;
	struct timeval tv = { 5, 0 };

	stream_pair(s);
	closed = dup(s[0]);
	R(close(closed));
	ask(0, s[0], closed, -1);
	R(select(closed + 1, &in, NULL, NULL, NULL));
	say_sets("asked", s[0]);
	R(select(closed + 1, &in, NULL, NULL, &tv));
	SAY("time is left: %d", tv.tv_sec >= 4);
	R(select(-1, &in, NULL, NULL, &tv));
	R(select(s[0] + 1, NULL, NULL, NULL, &(struct timeval){ 0, 10 }));
}

CASE(select_bad_pointers)
{
	int s[2];
	fd_set *bad = nowhere;

	stream_pair(s);
	R(select(s[0] + 1, bad, NULL, NULL, NULL));
	R(select(s[0] + 1, NULL, bad, NULL, NULL));
	R(select(s[0] + 1, NULL, NULL, bad, NULL));
	R(select(0, bad, NULL, NULL, &(struct timeval){ 0, 10 }));
	R(pselect(s[0] + 1, bad, NULL, NULL, NULL, NULL));
}

CASE(select_read_only_set)
{
	int s[2];
	fd_set *room = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	stream_pair(s);
	FD_SET(s[0], room);
	R(mprotect(room, 4096, PROT_READ));
	R(select(s[0] + 1, NULL, room, NULL, NULL));
	R(select(s[0] + 1, room, NULL, NULL, &(struct timeval){ 0, 10 }));
}

CASE(pselect_timeouts)
{
	int s[2];
	struct timespec ts = { 0, 20000000 }, bad = { 0, 1000000000 }, negative = { -1, 0 };

	stream_pair(s);
	ask(0, s[0], -1);
	LASTS(20, R(pselect(s[0] + 1, &in, NULL, NULL, &ts, NULL)));
	SAY("%ld %ld", (long)ts.tv_sec, ts.tv_nsec);
	R(pselect(s[0] + 1, &in, NULL, NULL, &bad, NULL));
	R(pselect(s[0] + 1, &in, NULL, NULL, &negative, NULL));
	R(pselect(-1, &in, NULL, NULL, &ts, NULL));
	ask(0, s[0], -1);
	R(pselect(s[0] + 1, &in, &out, NULL, NULL, NULL));
	say_sets("pselect", s[0]);
}

/* --- Waits */

static void *do_select(void *arg)
{
	int fd = of(arg);
	fd_set r, x;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	x = r;
	blocks();
	R(select(fd + 1, &r, NULL, &x, NULL));
	SAY("  %d %d", !!FD_ISSET(fd, &r), !!FD_ISSET(fd, &x));
	return NULL;
}

static void wait_meanwhile(int fd, void *(*act)(void *), int on)
{
	struct flow *f = blocked_flow(do_select, num(fd));

	act(num(on));
	flow_end(f);
}

static void *send_urgent(void *fd)
{
	R(send(of(fd), "!", 1, MSG_OOB));
	return NULL;
}

CASE(select_waits)
{
	int s[2];

	tcp_pair(s);
	wait_meanwhile(s[0], do_send, s[1]);
	do_recv(num(s[0]));
	wait_meanwhile(s[0], send_urgent, s[1]);
	R(recv(s[0], &s[1], 1, MSG_OOB));
	stream_pair(s);
	wait_meanwhile(s[0], do_close, s[1]);
	R(pipe(s));
	wait_meanwhile(s[0], do_close, s[1]);
}

static void *do_select_out(void *arg)
{
	int fd = of(arg);
	fd_set w;

	FD_ZERO(&w);
	FD_SET(fd, &w);
	blocks();
	R(select(fd + 1, NULL, &w, NULL, NULL));
	SAY("  %d", !!FD_ISSET(fd, &w));
	return NULL;
}

CASE(select_waits_for_room)
{
	int s[2];
	struct flow *f;

	stream_pair(s);
	fill(s[0]);
	f = blocked_flow(do_select_out, num(s[0]));
	R(close(s[1]));
	flow_end(f);
}

CASE(select_high_numbers)
{
	int s[2], high;
	struct rlimit limit;
	unsigned long *set = calloc(4096 / 64, sizeof(*set)), *want = calloc(4096 / 64, sizeof(*want));
	struct flow *f;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	stream_pair(s);
	high = fcntl(s[0], F_DUPFD, 3000);
	want[high / 64] = set[high / 64] = 1ul << (high % 64);
	R(select(high + 1, (fd_set *)(void *)set, NULL, NULL, &(struct timeval){ 0, 10000 }));
	SAY("cleared %d", set[high / 64] == 0);
	set[high / 64] = want[high / 64];
	f = when_blocked(do_send, num(s[1]));
	blocks();
	R(select(4096, (fd_set *)(void *)set, NULL, NULL, NULL));
	SAY("set %d", set[high / 64] == want[high / 64]);
	flow_end(f);
}

/* A set of fd_set's size, and nfds as large as the limit. */
CASE(select_of_getdtablesize)
{
	int s[2];
	struct timeval tv = { 0, 10000 };

	stream_pair(s);
	ask(0, s[0], -1);
	R(select(getdtablesize() > 4096 ? getdtablesize() : 4096, &in, NULL, NULL, &tv) <= 0);
}

/* --- Masks */

CASE_THREADS(pselect_pending_signal)
{
	int s[2];
	struct timespec zero = { 0, 0 };

	prepare_mask();
	stream_pair(s);
	E(pthread_kill(pthread_self(), SIGUSR1));
	ask(0, s[0], -1);
	R(pselect(s[0] + 1, &in, NULL, NULL, NULL, &none));
	say_sets("interrupted", s[0]);
	SAY("caught %d", caught);
	E(pthread_kill(pthread_self(), SIGUSR1));
	R(pselect(0, NULL, NULL, NULL, &zero, &none));
	SAY("caught %d", caught);
	E(pthread_kill(pthread_self(), SIGUSR1));
	ask(0, s[0], -1);
	R(pselect(s[0] + 1, NULL, &out, NULL, NULL, &none));
	say_sets("ready", s[0]);
	SAY("caught %d", caught);
}

static void *pselect_masked(void *arg)
{
	int fd = of(arg);
	fd_set r;

	FD_ZERO(&r);
	FD_SET(fd, &r);
	blocks();
	R(pselect(fd + 1, &r, NULL, NULL, NULL, &usr1));
	SAY("caught %d", caught);
	E(pthread_sigmask(SIG_UNBLOCK, &usr1, NULL));
	SAY("caught %d", caught);
	return NULL;
}

CASE_THREADS(pselect_blocks_signal)
{
	int s[2];
	struct flow *f;

	prepare_mask();
	stream_pair(s);
	f = blocked_flow(pselect_masked, num(s[0]));
	E(pthread_kill(f->thread, SIGUSR1));
	do_send(num(s[1]));
	flow_end(f);
}
