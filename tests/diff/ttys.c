/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals: a pair of a pseudo-terminal's ends, raw and by lines.
 */
#include "diff/steps.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

static void make_tty(bool raw)
{
	struct termios tio;

	CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
	CHECK_EQ(tcgetattr(slave, &tio), 0);
	if (raw)
		cfmakeraw(&tio);
	tio.c_lflag &= ~(tcflag_t)ECHO;
	CHECK_EQ(tcsetattr(slave, TCSANOW, &tio), 0);
}

static void *read_slave(void *arg)
{
	char text[32];

	(void)arg;
	blocks();
	SHOW(text, R(read(slave, text, sizeof(text))));
	return NULL;
}

/* What a terminal makes of one write passes through the hands of a worker of the kernel's: it comes in pieces at times. */
static ssize_t read_all(int fd, char *text, size_t count)
{
	size_t got = 0;

	while (got < count) {
		ssize_t n = read(fd, text + got, count - got);

		if (n <= 0)
			return n;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

CASE(raw_gives_what_is_there)
{
	struct flow *f;
	char text[32];

	make_tty(true);
	f = flow(read_slave, NULL);
	await_blocked(1);
	R(write(master, "ab", 2));
	flow_end(f);
	R(write(slave, "x\n", 2));
	SHOW(text, R(read(master, text, sizeof(text))));
}

CASE(lines_are_waited_for)
{
	struct flow *f;

	make_tty(false);
	f = flow(read_slave, NULL);
	await_blocked(1);
	R(write(master, "ab", 2));
	R(write(master, "c\nde\n", 5));
	flow_end(f);
	read_slave(NULL);
}

CASE(lines_in_pieces)
{
	char text[32];

	make_tty(false);
	R(write(master, "hello\n", 6));
	SHOW(text, R(read(slave, text, 2)));
	SHOW(text, R(read(slave, text, sizeof(text))));
}

CASE(end_of_file_character)
{
	char text[32];

	make_tty(false);
	R(write(master, "ab\004", 3));
	SHOW(text, R(read(slave, text, sizeof(text))));
	R(write(master, "\004", 1));
	R(read(slave, text, sizeof(text)));
}

CASE(erased_and_translated)
{
	char text[32];

	make_tty(false);
	R(write(master, "abX\177c\r", 6));
	SHOW(text, R(read(slave, text, sizeof(text))));
	R(write(slave, "a\nb", 3));
	SHOW(text, read_all(master, text, 4));
}

CASE(nonblocking)
{
	char text[32];

	make_tty(false);
	set_nonblock(slave, true);
	R(read(slave, text, sizeof(text)));
	R(write(master, "ab", 2));
	R(read(slave, text, sizeof(text)));
	R(write(master, "\n", 1));
	struct pollfd pfd = { .fd = slave, .events = POLLIN };
	R(poll(&pfd, 1, 20000));
	SHOW(text, R(read(slave, text, sizeof(text))));
}

/* VMIN and VTIME */
static void set_counts(int min, int time)
{
	struct termios tio;

	CHECK_EQ(tcgetattr(slave, &tio), 0);
	tio.c_cc[VMIN] = (cc_t)min;
	tio.c_cc[VTIME] = (cc_t)time;
	CHECK_EQ(tcsetattr(slave, TCSANOW, &tio), 0);
}

CASE(neither_count_nor_time)
{
	char text[32];

	make_tty(true);
	set_counts(0, 0);
	R(read(slave, text, sizeof(text)));
	R(write(master, "ab", 2));
	struct pollfd pfd = { .fd = slave, .events = POLLIN };
	R(poll(&pfd, 1, 20000));
	SHOW(text, R(read(slave, text, sizeof(text))));
}

CASE(time_without_count)
{
	char text[32];

	make_tty(true);
	set_counts(0, 1);
	LASTS(90, R(read(slave, text, sizeof(text))));
}

CASE(count_without_time)
{
	struct flow *f;

	make_tty(true);
	set_counts(3, 0);
	f = flow(read_slave, NULL);
	await_blocked(1);
	R(write(master, "ab", 2));
	usleep(5000);
	R(write(master, "cd", 2));
	flow_end(f);
}

CASE(other_end_closed)
{
	struct flow *f;
	char text[32];

	make_tty(true);
	f = flow(read_slave, NULL);
	await_blocked(1);
	R(close(master));
	flow_end(f);
	R(write(slave, "x", 1));
	R(read(slave, text, sizeof(text)));
}

CASE(slave_closed)
{
	char text[32];

	make_tty(true);
	R(write(slave, "last", 4));
	R(close(slave));
	SHOW(text, R(read(master, text, sizeof(text))));
	R(read(master, text, sizeof(text)));
	struct pollfd pfd = { .fd = master, .events = POLLIN };
	R(poll(&pfd, 1, 0));
	SAY("revents %x", pfd.revents);
}

static void *write_much(void *arg)
{
	static char much[50000];

	(void)arg;
	memset(much, 'm', sizeof(much));
	blocks();
	R(write(slave, much, sizeof(much)));
	return NULL;
}

CASE(writer_waits_until_all_is_written)
{
	struct flow *f;
	char some[4000];
	long sum = 0;

	make_tty(true);
	f = flow(write_much, NULL);
	await_blocked(1);
	while (sum < 50000) {
		ssize_t n = read(master, some, sizeof(some));

		CHECK(n > 0);
		sum += n;
	}
	SAY("%ld", sum);
	flow_end(f);
}

CASE(controls)
{
	struct winsize size = { .ws_row = 33, .ws_col = 99 };
	int n = 0;

	make_tty(true);
	R(ioctl(master, TIOCSWINSZ, &size));
	size = (struct winsize){ 0 };
	R(ioctl(slave, TIOCGWINSZ, &size));
	SAY("%d %d", size.ws_row, size.ws_col);
	R(write(master, "abc", 3));
	struct pollfd pfd = { .fd = slave, .events = POLLIN };
	R(poll(&pfd, 1, 20000));
	R(ioctl(slave, FIONREAD, &n));
	SAY("%d", n);
	R(tcflush(slave, TCIFLUSH));
	R(ioctl(slave, FIONREAD, &n));
	SAY("%d", n);
	R(isatty(slave));
	R(isatty(0));
	R(isatty(999));
	R(tcgetpgrp(slave));
}

CASE(interrupt_character)
{
	pid_t pid;
	char c;

	make_tty(false);
	pid = fork();
	if (pid == 0) {
		says_as(CHILD_FLOW);
		signal(SIGINT, SIG_DFL);
		CHECK(setsid() != -1);
		CHECK_EQ(ioctl(slave, TIOCSCTTY, 0), 0);
		CHECK_EQ(write(slave, "x", 1), 1);
		for (;;)
			pause();
	}
	R(read(master, &c, 1));
	R(write(master, "\003", 1));
	child_end(pid);
}
