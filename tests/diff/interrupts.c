/* SPDX-License-Identifier: Apache-2.0
 *
 * What a handler does to the call that it interrupts: signal(7), for calls on descriptors of all sorts.
 */
#include "diff/steps.h"
#include <poll.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <termios.h>

/* What the call works on, and what lets it go on if it was restarted. */
static int fds[2];
static char much[300000];

static void *in_read(void *arg)
{
	char text[16];

	blocks();
	SHOW(text, R(read(fds[0], text, sizeof(text))));
	return arg;
}

static void go_on_by_write(void)
{
	CHECK_EQ(write(fds[1], "12345678", 8), 8);
}

static void interrupted(int flags, void *(*fn)(void *), void (*go_on)(void))
{
	struct flow *f;

	on_signal(SIGUSR1, say_signal, flags);
	f = flow(fn, NULL);
	await_blocked(1);
	E(pthread_kill(thread_of(f), SIGUSR1));
	await_handler();
	go_on();
	flow_end(f);
}

static void make_pipe(void)
{
	CHECK_EQ(pipe(fds), 0);
}

static void make_eventfd(void)
{
	fds[0] = fds[1] = eventfd(0, 0);
}

static void make_tty(void)
{
	struct termios tio;

	CHECK_EQ(openpty(&fds[1], &fds[0], NULL, NULL, NULL), 0);
	CHECK_EQ(tcgetattr(fds[0], &tio), 0);
	cfmakeraw(&tio);
	CHECK_EQ(tcsetattr(fds[0], TCSANOW, &tio), 0);
}

CASE_THREADS(read_of_a_pipe)
{
	make_pipe();
	interrupted(0, in_read, go_on_by_write);
}

CASE_THREADS(read_of_a_pipe_restarted)
{
	make_pipe();
	interrupted(SA_RESTART, in_read, go_on_by_write);
}

CASE_THREADS(read_of_an_eventfd)
{
	make_eventfd();
	interrupted(0, in_read, go_on_by_write);
}

CASE_THREADS(read_of_an_eventfd_restarted)
{
	make_eventfd();
	interrupted(SA_RESTART, in_read, go_on_by_write);
}

CASE_THREADS(read_of_a_terminal)
{
	make_tty();
	interrupted(0, in_read, go_on_by_write);
}

CASE_THREADS(read_of_a_terminal_restarted)
{
	make_tty();
	interrupted(SA_RESTART, in_read, go_on_by_write);
}

static void go_on_by_time(void)
{
	struct itimerspec in = { .it_value.tv_nsec = 1 };

	CHECK_EQ(timerfd_settime(fds[0], 0, &in, NULL), 0);
}

CASE_THREADS(read_of_a_timerfd)
{
	fds[0] = timerfd_create(CLOCK_MONOTONIC, 0);
	interrupted(0, in_read, go_on_by_time);
}

CASE_THREADS(read_of_a_timerfd_restarted)
{
	fds[0] = timerfd_create(CLOCK_MONOTONIC, 0);
	interrupted(SA_RESTART, in_read, go_on_by_time);
}

static void *in_readv(void *arg)
{
	char a[2], b[2];
	struct iovec iov[2] = { { a, 2 }, { b, 2 } };

	blocks();
	R(readv(fds[0], iov, 2));
	return arg;
}

CASE_THREADS(readv_of_a_pipe_restarted)
{
	make_pipe();
	interrupted(SA_RESTART, in_readv, go_on_by_write);
}

/* --- Writing: what has been written counts */

static void *in_write_of_much(void *arg)
{
	blocks();
	R(write(fds[1], much, sizeof(much)));
	return arg;
}

static void *in_write_of_little(void *arg)
{
	blocks();
	R(write(fds[1], much, 100));
	return arg;
}

static void drain(void)
{
	set_nonblock(fds[0], true);
	for (int i = 0; i < 100; i++) {
		while (read(fds[0], much, sizeof(much)) > 0)
			;
		usleep(1000);
	}
}

static void fill(void)
{
	set_nonblock(fds[1], true);
	while (write(fds[1], much, 4096) > 0)
		;
	set_nonblock(fds[1], false);
}

CASE_THREADS(write_of_much)
{
	make_pipe();
	CHECK_EQ(fcntl(fds[1], F_SETPIPE_SZ, 8192), 8192);
	interrupted(0, in_write_of_much, drain);
}

CASE_THREADS(write_of_much_restarted)
{
	make_pipe();
	CHECK_EQ(fcntl(fds[1], F_SETPIPE_SZ, 8192), 8192);
	interrupted(SA_RESTART, in_write_of_much, drain);
}

CASE_THREADS(write_to_what_is_full)
{
	make_pipe();
	fill();
	interrupted(0, in_write_of_little, drain);
}

CASE_THREADS(write_to_what_is_full_restarted)
{
	make_pipe();
	fill();
	interrupted(SA_RESTART, in_write_of_little, drain);
}

/* --- Opening, accepting */

static void *in_open(void *arg)
{
	int fd;

	blocks();
	fd = open("fifo", O_RDONLY);
	SAY("%s", fd >= 0 ? "opened" : errno_name(errno));
	return arg;
}

static void open_other_end(void)
{
	CHECK(open("fifo", O_RDWR) >= 0);
	usleep(10000);
}

CASE_THREADS(open_of_a_fifo)
{
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	interrupted(0, in_open, open_other_end);
}

CASE_THREADS(open_of_a_fifo_restarted)
{
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	interrupted(SA_RESTART, in_open, open_other_end);
}

static struct sockaddr_in addr;

static void *in_accept(void *arg)
{
	int fd;

	blocks();
	fd = accept(fds[0], NULL, NULL);
	SAY("%s", fd >= 0 ? "accepted" : errno_name(errno));
	return arg;
}

static void connect_there(void)
{
	CHECK_EQ(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&addr, sizeof(addr)), 0);
}

CASE_THREADS(accept_call)
{
	fds[0] = tcp_listener(&addr, 3);
	interrupted(0, in_accept, connect_there);
}

CASE_THREADS(accept_call_restarted)
{
	fds[0] = tcp_listener(&addr, 3);
	interrupted(SA_RESTART, in_accept, connect_there);
}

static void *in_recv(void *arg)
{
	char c[100];

	blocks();
	R(recv(fds[0], c, 8, 0));
	return arg;
}

static void *in_recv_of_all(void *arg)
{
	char c[100];

	blocks();
	R(recv(fds[0], c, 100, MSG_WAITALL));
	return arg;
}

CASE_THREADS(recv_call)
{
	stream_pair(fds);
	interrupted(0, in_recv, go_on_by_write);
}

CASE_THREADS(recv_call_restarted)
{
	stream_pair(fds);
	interrupted(SA_RESTART, in_recv, go_on_by_write);
}

CASE_THREADS(recv_call_with_a_timeout)
{
	stream_pair(fds);
	set_timeo(fds[0], SO_RCVTIMEO, 20000);
	interrupted(SA_RESTART, in_recv, go_on_by_write);
}

CASE_THREADS(recv_of_all_with_some_there)
{
	stream_pair(fds);
	CHECK_EQ(write(fds[1], "abc", 3), 3);
	interrupted(0, in_recv_of_all, go_on_by_write);
}

CASE_THREADS(recv_of_all_with_some_there_restarted)
{
	stream_pair(fds);
	CHECK_EQ(write(fds[1], "abc", 3), 3);
	interrupted(SA_RESTART, in_recv_of_all, go_on_by_write);
}

static void *in_send_of_much(void *arg)
{
	blocks();
	R(send(fds[1], much, sizeof(much), 0) < (ssize_t)sizeof(much));
	return arg;
}

CASE_THREADS(send_of_much_restarted)
{
	stream_pair(fds);
	interrupted(SA_RESTART, in_send_of_much, drain);
}

/* --- Readiness: never restarted */

static void nothing(void)
{
}

static void *in_poll(void *arg)
{
	struct pollfd pfd = { .fd = fds[0], .events = POLLIN };

	blocks();
	R(poll(&pfd, 1, -1));
	return arg;
}

static void *in_ppoll(void *arg)
{
	struct pollfd pfd = { .fd = fds[0], .events = POLLIN };
	struct timespec span = ms_span(20000);
	sigset_t none;

	sigemptyset(&none);
	blocks();
	R(ppoll(&pfd, 1, &span, &none));
	return arg;
}

static void *in_select(void *arg)
{
	struct timeval tv = { .tv_sec = 20 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fds[0], &set);
	blocks();
	R(select(fds[0] + 1, &set, NULL, NULL, &tv));
	SAY("left %d", tv.tv_sec > 10 && tv.tv_sec <= 20);
	return arg;
}

static void *in_pselect(void *arg)
{
	struct timespec span = ms_span(20000);

	blocks();
	R(pselect(0, NULL, NULL, NULL, &span, NULL));
	SAY("left %ld", (long)span.tv_sec);
	return arg;
}

static void *in_epoll_wait(void *arg)
{
	struct epoll_event ev;

	blocks();
	R(epoll_wait(epoll_create1(0), &ev, 1, -1));
	return arg;
}

CASE_THREADS(poll_call)
{
	make_pipe();
	interrupted(SA_RESTART, in_poll, nothing);
}

CASE_THREADS(ppoll_call)
{
	make_pipe();
	interrupted(SA_RESTART, in_ppoll, nothing);
}

CASE_THREADS(select_call)
{
	make_pipe();
	interrupted(SA_RESTART, in_select, nothing);
}

CASE_THREADS(pselect_call)
{
	interrupted(SA_RESTART, in_pselect, nothing);
}

CASE_THREADS(epoll_wait_call)
{
	interrupted(SA_RESTART, in_epoll_wait, nothing);
}

/* --- Children */

static void *in_waitpid(void *arg)
{
	int status = 0;

	blocks();
	if (R(waitpid(-1, &status, 0) > 0))
		say_status("child", status);
	else
		SAY("%s", errno_name(errno));
	return arg;
}

static void child_that_hears(void)
{
	make_pipe();
	if (fork() == 0) {
		hear(fds[0]);
		_exit(4);
	}
}

CASE_THREADS(waitpid_call)
{
	child_that_hears();
	interrupted(0, in_waitpid, go_on_by_write);
}

CASE_THREADS(waitpid_call_restarted)
{
	child_that_hears();
	interrupted(SA_RESTART, in_waitpid, go_on_by_write);
}

/* --- Others' waits are their own */

CASE_THREADS(only_its_own_call_ends)
{
	struct flow *a, *b;

	make_pipe();
	on_signal(SIGUSR1, say_signal, 0);
	a = flow(in_read, NULL);
	b = flow(in_read, NULL);
	await_blocked(2);
	E(pthread_kill(thread_of(a), SIGUSR1));
	flow_end(a);
	go_on_by_write();
	flow_end(b);
}

static void *signal_main(void *arg)
{
	await_blocked(1);
	E(pthread_kill(*(pthread_t *)arg, SIGUSR1));
	return NULL;
}

CASE_MAIN(mains_own_call)
{
	pthread_t me = pthread_self();
	struct flow *f;
	char c;

	make_pipe();
	on_signal(SIGUSR1, say_signal, 0);
	f = flow(signal_main, &me);
	blocks();
	R(read(fds[0], &c, 1));
	flow_end(f);
}

static void *signal_process(void *arg)
{
	await_blocked(1);
	R(kill(getpid(), SIGUSR1));
	return arg;
}

/* Its handler may run on top of any green thread (law 11). */
static void count(int sig)
{
	(void)sig;
	signals_said++;
}

CASE_MAIN(mains_call_by_a_signal_of_the_process)
{
	struct flow *f;
	char c;

	make_pipe();
	on_signal(SIGUSR1, count, 0);
	f = flow(signal_process, NULL);
	blocks();
	R(read(fds[0], &c, 1));
	flow_end(f);
	SAY("handled %d", signals_said);
}

static void *signal_by_tid(void *arg)
{
	await_blocked(1);
	R(tgkill(getpid(), *(pid_t *)arg, SIGUSR1));
	return NULL;
}

static pid_t reader;

static void *read_by_tid(void *arg)
{
	reader = gettid();
	step(1);
	return in_read(arg);
}

CASE_THREADS(call_of_one_named_by_tid)
{
	struct flow *f, *g;

	make_pipe();
	on_signal(SIGUSR1, say_signal, 0);
	f = flow(read_by_tid, NULL);
	await_step(1);
	g = flow(signal_by_tid, &reader);
	flow_end(f);
	flow_end(g);
}
