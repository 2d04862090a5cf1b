/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals: a read waits for a whole line or the end, a write for room, and O_NONBLOCK of the terminal, which
 * other processes share, stays as it was.  Terminals know no MSG_DONTWAIT and no RWF_NOWAIT.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <pty.h>
#include <termios.h>

static int master, slave;

static void *type_line(void *arg)
{
	(void)arg;
	await_blocked(1);
	CHECK_EQ(write(master, "half", 4), 4);
	sched_yield();
	CHECK_EQ(write(master, " line\nrest", 10), 10);
	return NULL;
}

static void *read_master(void *arg)
{
	size_t want = *(size_t *)arg;
	char buf[512];

	for (ssize_t n; want; want -= n) {
		n = read(master, buf, sizeof(buf));
		CHECK(n > 0);
	}
	return NULL;
}

/* A change of mode wakes a reader for nothing. */
static void *change_and_hang_up(void *arg)
{
	struct termios *tio = arg;

	await_blocked(2);
	for (int i = 0; i < 2; i++) {
		tio->c_lflag ^= ICANON;
		CHECK_EQ(tcsetattr(slave, TCSADRAIN, tio), 0);
		CHECK_EQ(poll(NULL, 0, 1), 0); /* for the loop to come round */
	}
	CHECK_EQ(close(master), 0);
	return NULL;
}

int main(void)
{
	struct termios tio;
	char buf[64], *much;
	size_t size = 100000;
	pthread_t t;

	if (openpty(&master, &slave, NULL, NULL, NULL) == -1)
		SKIP("no pseudo terminals here");
	CHECK_EQ(tcgetattr(slave, &tio), 0);
	tio.c_lflag &= ~ECHO;
	tio.c_oflag &= ~OPOST;
	CHECK_EQ(tcsetattr(slave, TCSANOW, &tio), 0);

	t = start(type_line, NULL);
	errno = 1234;
	about_to_block();
	CHECK_EQ(read(slave, buf, sizeof(buf)), 10);
	CHECK_EQ(errno, 1234);
	CHECK(!memcmp(buf, "half line\n", 10));
	finish(t);
	CHECK(!(fcntl(slave, F_GETFL) & O_NONBLOCK));
	set_nonblock(slave, true);
	CHECK_ERRNO(read(slave, buf, sizeof(buf)), EAGAIN);
	set_nonblock(slave, false);
	CHECK_EQ(write(master, "\n", 1), 1);
	CHECK_EQ(read(slave, buf, sizeof(buf)), 5);

	much = calloc(1, size);
	memset(much, 'm', size);
	t = start(read_master, &size);
	CHECK_EQ(write(slave, much, size), size);
	finish(t);
	CHECK(!(fcntl(slave, F_GETFL) & O_NONBLOCK));
	free(much);

	t = start(change_and_hang_up, &tio);
	about_to_block();
	CHECK(read(slave, buf, sizeof(buf)) <= 0); /* 0, or EIO when it is just happening */
	finish(t);
	return 0;
}
