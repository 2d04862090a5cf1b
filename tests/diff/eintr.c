/* SPDX-License-Identifier: Apache-2.0
 *
 * What a handler does to a call that waits: each call, with a handler that was installed with SA_RESTART and with
 * one that was not, with and without a timeout of the socket's.
 */
#include "diff/net.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

/* Two ends of something.  The call waits on [0]; [1] feeds it, should it go on. */
static int fd[2];

static struct sockaddr_in addr;

/* --- Calls */

static void call_recv(void)
{
	char c;

	R(recv(fd[0], &c, 1, 0));
}

static void call_recv_waitall(void)
{
	char buf[2];

	R(recv(fd[0], buf, 2, MSG_WAITALL));
}

static void call_recvfrom(void)
{
	char c;

	R(recvfrom(fd[0], &c, 1, MSG_PEEK, NULL, NULL));
}

static void call_recvmsg(void)
{
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	R(recvmsg(fd[0], &msg, 0));
}

static void call_recvmmsg(void)
{
	char c;
	struct iovec iov = { &c, 1 };
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	R(recvmmsg(fd[0], &vec, 1, 0, NULL));
}

static void call_recvmmsg_timeout(void)
{
	char c;
	struct iovec iov = { &c, 1 };
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	struct timespec ts = { 1000, 0 };

	R(recvmmsg(fd[0], &vec, 1, 0, &ts));
}

static void call_read(void)
{
	char c;

	R(read(fd[0], &c, 1));
}

static void call_readv(void)
{
	char c[2];
	struct iovec iov[2] = { { c, 1 }, { c + 1, 1 } };

	R(readv(fd[0], iov, 2));
}

static void call_eventfd_read(void)
{
	eventfd_t n;

	R(eventfd_read(fd[0], &n));
}

static void call_send(void)
{
	R(send(fd[0], "x", 1, 0));
}

static void call_sendto(void)
{
	R(sendto(fd[0], "x", 1, 0, NULL, 0));
}

static void call_sendmsg(void)
{
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	R(sendmsg(fd[0], &msg, 0));
}

static void call_sendmmsg(void)
{
	struct iovec iov = { "x", 1 };
	struct mmsghdr vec = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	R(sendmmsg(fd[0], &vec, 1, 0));
}

static void call_write(void)
{
	R(write(fd[0], "x", 1));
}

static void call_writev(void)
{
	struct iovec iov[2] = { { "x", 1 }, { "y", 1 } };

	R(writev(fd[0], iov, 2));
}

static void call_eventfd_write(void)
{
	R(eventfd_write(fd[0], 1));
}

static void call_accept(void)
{
	FD(accept(fd[0], NULL, NULL));
}

static void call_accept4(void)
{
	FD(accept4(fd[0], NULL, NULL, SOCK_CLOEXEC));
}

static void call_poll(void)
{
	struct pollfd p = { .fd = fd[0], .events = POLLIN, .revents = -1 };

	R(poll(&p, 1, -1));
	say_bits(&p, 1);
}

static void call_poll_timeout(void)
{
	R(poll(NULL, 0, 1000000));
}

static void call_ppoll(void)
{
	struct pollfd p = { .fd = fd[0], .events = POLLIN, .revents = -1 };
	struct timespec ts = { 1000, 0 };

	R(ppoll(&p, 1, &ts, NULL));
	SAY("%ld", (long)ts.tv_sec);
}

static void call_select(void)
{
	fd_set set;
	struct timeval tv = { 1000, 0 };

	FD_ZERO(&set);
	FD_SET(fd[0], &set);
	R(select(fd[0] + 1, &set, NULL, NULL, &tv));
	SAY("set %d, most is left %d", !!FD_ISSET(fd[0], &set), tv.tv_sec > 900 && tv.tv_sec < 1000);
}

static void call_pselect(void)
{
	R(pselect(0, NULL, NULL, NULL, NULL, NULL));
}

static int epoll_of_it(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev), 0);
	return ep;
}

static int ep;

static void call_epoll_wait(void)
{
	struct epoll_event ev;

	R(epoll_wait(ep, &ev, 1, -1));
}

static void call_epoll_wait_timeout(void)
{
	struct epoll_event ev;

	R(epoll_wait(ep, &ev, 1, 1000000));
}

static void call_epoll_pwait(void)
{
	struct epoll_event ev;

	R(epoll_pwait(ep, &ev, 1, -1, NULL));
}

static void call_epoll_pwait2(void)
{
	struct epoll_event ev;
	struct timespec ts = { 1000, 0 };

	R(epoll_pwait2(ep, &ev, 1, &ts, NULL));
}

static void call_connect(void)
{
	R(connect(fd[0], inet(&addr), sizeof(addr)));
}

static void call_connect_unix(void)
{
	struct sockaddr_un name;
	socklen_t len = unix_name(&name, "eintr");

	R(connect(fd[0], (struct sockaddr *)&name, len));
}

/* --- What they wait on, and what ends those that go on */

static void make_stream(void)
{
	stream_pair(fd);
}

static void make_tcp(void)
{
	tcp_pair(fd);
}

static void make_timed(void)
{
	stream_pair(fd);
	set_timeo(fd[0], SO_RCVTIMEO, 1000000);
	set_timeo(fd[0], SO_SNDTIMEO, 1000000);
}

static void make_datagrams(void)
{
	pair_of(SOCK_DGRAM, fd);
}

static void make_pipe(void)
{
	CHECK_EQ(pipe(fd), 0);
}

static void make_full_pipe(void)
{
	int p[2];
	static char room[4096];

	CHECK_EQ(pipe2(p, O_NONBLOCK), 0);
	while (write(p[1], room, sizeof(room)) > 0)
		;
	fd[0] = p[1];
	fd[1] = p[0];
	set_nonblock(fd[0], false);
}

static void make_fifo(void)
{
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	fd[0] = open("fifo", O_RDWR);
	fd[1] = open("fifo", O_WRONLY);
}

static void make_full(void)
{
	stream_pair(fd);
	fill(fd[0]);
}

static void make_full_timed(void)
{
	make_full();
	set_timeo(fd[0], SO_SNDTIMEO, 1000000);
}

static void make_eventfd(void)
{
	fd[0] = fd[1] = eventfd(0, 0);
}

static void make_full_eventfd(void)
{
	make_eventfd();
	CHECK_EQ(eventfd_write(fd[0], 0xfffffffffffffffe), 0);
}

static void make_timerfd(void)
{
	fd[0] = fd[1] = timerfd_create(CLOCK_MONOTONIC, 0);
}

static void make_listener(void)
{
	fd[0] = tcp_listener(&addr, 5);
}

static void make_shared_listener(void)
{
	fd[0] = dup(tcp_listener(&addr, 5));
}

static void make_timed_listener(void)
{
	make_listener();
	set_timeo(fd[0], SO_RCVTIMEO, 1000000);
}

static void make_epoll(void)
{
	stream_pair(fd);
	ep = epoll_of_it();
}

static void make_unanswered(void)
{
	full_listener(&addr);
	fd[0] = tcp_socket();
}

static void make_unanswered_timed(void)
{
	make_unanswered();
	set_timeo(fd[0], SO_SNDTIMEO, 1000000);
}

static void make_unix_backlog(void)
{
	struct sockaddr_un name;
	socklen_t len;
	int first = socket(AF_UNIX, SOCK_STREAM, 0);

	fd[1] = unix_bound(SOCK_STREAM, &name, &len, "eintr");
	CHECK_EQ(listen(fd[1], 0), 0);
	CHECK_EQ(connect(first, (struct sockaddr *)&name, len), 0);
	fd[0] = socket(AF_UNIX, SOCK_STREAM, 0);
}

static void feed(void)
{
	CHECK_EQ(write(fd[1], "xy", 2), 2);
}

static void feed_eventfd(void)
{
	CHECK_EQ(eventfd_write(fd[1], 1), 0);
}

static void feed_timerfd(void)
{
	struct itimerspec soon = { .it_value.tv_nsec = 1 };

	CHECK_EQ(timerfd_settime(fd[0], 0, &soon, NULL), 0);
}

static void take(void)
{
	static char room[1 << 16];

	set_nonblock(fd[1], true);
	while (read(fd[1], room, sizeof(room)) > 0)
		;
}

static void take_eventfd(void)
{
	struct pollfd p = { .fd = fd[1], .events = POLLIN };
	eventfd_t n;

	if (poll(&p, 1, 0) == 1) /* O_NONBLOCK would be the writer's as well, whose write begins again */
		eventfd_read(fd[1], &n);
}

static void come(void)
{
	int s = tcp_socket();

	CHECK_EQ(connect(s, inet(&addr), sizeof(addr)), 0);
}

static void let_in(void)
{
	set_nonblock(fd[1], true);
	while (accept(fd[1], NULL, NULL) != -1)
		;
}

/* Nothing ends it: it never goes on. */
static void nothing(void)
{
}

static void *run(void *call)
{
	blocks();
	((void (*)(void))call)();
	return NULL;
}

static void trial(void (*make)(void), void (*call)(void), void (*go_on)(void), int flags)
{
	struct flow *f;

	on_signal(SIGUSR1, count_signal, flags);
	make();
	f = blocked_flow(run, (void *)call);
	E(pthread_kill(f->thread, SIGUSR1));
	await_caught(1);
	go_on();
	flow_end(f);
	SAY("O_NONBLOCK %x", fcntl(fd[0], F_GETFL) & O_NONBLOCK);
}

#define TRIAL(name, make, call, go_on)                                                                         \
	CASE_THREADS(name##_ended)                                                                             \
	{                                                                                                      \
		trial(make, call, go_on, 0);                                                                   \
	}                                                                                                      \
	CASE_THREADS(name##_restarted)                                                                         \
	{                                                                                                      \
		trial(make, call, go_on, SA_RESTART);                                                          \
	}

TRIAL(recv, make_stream, call_recv, feed)
TRIAL(recv_tcp, make_tcp, call_recv, feed)
TRIAL(recv_timed, make_timed, call_recv, feed)
TRIAL(recv_waitall, make_stream, call_recv_waitall, feed)
TRIAL(recv_waitall_timed, make_timed, call_recv_waitall, feed)
TRIAL(recvfrom, make_datagrams, call_recvfrom, feed)
TRIAL(recvmsg, make_stream, call_recvmsg, feed)
TRIAL(recvmsg_timed, make_timed, call_recvmsg, feed)
TRIAL(recvmmsg, make_datagrams, call_recvmmsg, feed)
TRIAL(recvmmsg_timeout, make_datagrams, call_recvmmsg_timeout, feed)
TRIAL(recvmmsg_timed, make_timed, call_recvmmsg, feed)
TRIAL(read, make_stream, call_read, feed)
TRIAL(read_timed, make_timed, call_read, feed)
TRIAL(read_pipe, make_pipe, call_read, feed)
TRIAL(read_fifo, make_fifo, call_read, feed)
TRIAL(read_timerfd, make_timerfd, call_eventfd_read, feed_timerfd)
TRIAL(readv, make_pipe, call_readv, feed)
TRIAL(eventfd_read, make_eventfd, call_eventfd_read, feed_eventfd)
TRIAL(send, make_full, call_send, take)
TRIAL(send_timed, make_full_timed, call_send, take)
TRIAL(sendto, make_full, call_sendto, take)
TRIAL(sendmsg, make_full, call_sendmsg, take)
TRIAL(sendmmsg, make_full, call_sendmmsg, take)
TRIAL(sendmmsg_timed, make_full_timed, call_sendmmsg, take)
TRIAL(write, make_full, call_write, take)
TRIAL(write_timed, make_full_timed, call_write, take)
TRIAL(write_pipe, make_full_pipe, call_write, take)
TRIAL(writev, make_full_pipe, call_writev, take)
TRIAL(eventfd_write, make_full_eventfd, call_eventfd_write, take_eventfd)
TRIAL(accept, make_listener, call_accept, come)
TRIAL(accept_timed, make_timed_listener, call_accept, come)
TRIAL(accept_shared, make_shared_listener, call_accept, come)
TRIAL(accept4, make_listener, call_accept4, come)
TRIAL(poll, make_stream, call_poll, feed)
TRIAL(poll_timeout, make_stream, call_poll_timeout, nothing)
TRIAL(ppoll, make_stream, call_ppoll, feed)
TRIAL(select, make_stream, call_select, feed)
TRIAL(pselect, make_stream, call_pselect, nothing)
TRIAL(epoll_wait, make_epoll, call_epoll_wait, feed)
TRIAL(epoll_wait_timeout, make_epoll, call_epoll_wait_timeout, feed)
TRIAL(epoll_pwait, make_epoll, call_epoll_pwait, feed)
TRIAL(epoll_pwait2, make_epoll, call_epoll_pwait2, feed)
TRIAL(connect_unix, make_unix_backlog, call_connect_unix, let_in)

/* It goes on by itself, but nothing here would end it. */
CASE_THREADS(connect_ended)
{
	trial(make_unanswered, call_connect, nothing, 0);
	set_nonblock(fd[0], true);
	R(connect(fd[0], inet(&addr), sizeof(addr)));
}

CASE_THREADS(connect_timed_restarted)
{
	trial(make_unanswered_timed, call_connect, nothing, SA_RESTART);
}

/* --- After the first bytes a handler makes the call return their count, whatever its flags. */

static void call_recv_much(void)
{
	char buf[8];

	SHOW(buf, R(recv(fd[0], buf, sizeof(buf), MSG_WAITALL)));
}

static void some_first(int flags)
{
	struct flow *f;

	on_signal(SIGUSR1, count_signal, flags);
	stream_pair(fd);
	CHECK_EQ(send(fd[1], "abc", 3, 0), 3);
	f = blocked_flow(run, (void *)call_recv_much);
	E(pthread_kill(f->thread, SIGUSR1));
	await_caught(1);
	R(send(fd[1], "defgh", 5, MSG_DONTWAIT));
	flow_end(f);
}

CASE_THREADS(recv_waitall_some_ended)
{
	some_first(0);
}

CASE_THREADS(recv_waitall_some_restarted)
{
	some_first(SA_RESTART);
}

static void call_send_much(void)
{
	long n = send(fd[0], much, MUCH, 0);

	SAY("some were sent: %d", n > 0 && n < MUCH);
}

static void call_write_much(void)
{
	long n = write(fd[0], much, MUCH);

	SAY("some were written: %d", n > 0 && n < MUCH);
}

static void some_sent(void (*make)(void), void (*call)(void), int flags)
{
	struct flow *f;

	on_signal(SIGUSR1, count_signal, flags);
	make();
	f = blocked_flow(run, (void *)call);
	E(pthread_kill(f->thread, SIGUSR1));
	flow_end(f);
	SAY("caught %d", caught);
}

static void make_writing_pipe(void)
{
	int p[2];

	CHECK_EQ(pipe(p), 0);
	fd[0] = p[1];
	fd[1] = p[0];
}

CASE_THREADS(send_some)
{
	some_sent(make_stream, call_send_much, 0);
}

CASE_THREADS(send_some_restarted)
{
	some_sent(make_tcp, call_send_much, SA_RESTART);
}

CASE_THREADS(write_some)
{
	some_sent(make_writing_pipe, call_write_much, 0);
}

CASE_THREADS(write_some_restarted)
{
	some_sent(make_stream, call_write_much, SA_RESTART);
}

/* An ignored signal, and one for another flow, end nothing. */
CASE_THREADS(ignored_signal)
{
	struct flow *f;

	signal(SIGUSR1, SIG_IGN);
	stream_pair(fd);
	f = blocked_flow(run, (void *)call_poll);
	E(pthread_kill(f->thread, SIGUSR1));
	sched_yield();
	feed();
	flow_end(f);
}

CASE_THREADS(signal_of_another)
{
	struct flow *f;

	on_signal(SIGUSR1, count_signal, 0);
	stream_pair(fd);
	f = blocked_flow(run, (void *)call_recv);
	E(pthread_kill(pthread_self(), SIGUSR1));
	SAY("caught %d", caught);
	feed();
	flow_end(f);
}
