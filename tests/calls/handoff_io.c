/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that has lost the scheduler goes on to whatever waits: sockets, pipes, poll, select and epoll,
 * sleeps, names, streams and children, beside others that wait for the same; and what it opened or closed
 * meanwhile the others know.
 */
#include "calls/handoff.h"
#include <netdb.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

#define READERS 4

static struct stuck s, crew[READERS];
static int pair[2], made[2];

/* --- One after the other, alone at the beginning of each. */

static void sleeps(void)
{
	int64_t began = mono_ms();

	CHECK_EQ(usleep(2000), 0);
	CHECK(mono_ms() - began >= 2);
}

static void talks(void)
{
	char byte;

	CHECK_EQ(send(pair[0], "q", 1, 0), 1);
	CHECK_EQ(recv(pair[0], &byte, 1, 0), 1);
	CHECK_EQ(byte, 'q');
}

static void polls(void)
{
	struct pollfd f = { .fd = pair[0], .events = POLLIN };
	char byte;

	CHECK_EQ(poll(&f, 1, 1), 0);
	CHECK_EQ(send(pair[0], "q", 1, 0), 1);
	CHECK_EQ(poll(&f, 1, -1), 1);
	CHECK_EQ(recv(pair[0], &byte, 1, MSG_DONTWAIT), 1);
}

static void selects(void)
{
	fd_set set;
	char byte;

	FD_ZERO(&set);
	FD_SET(pair[0], &set);
	CHECK_EQ(send(pair[0], "q", 1, 0), 1);
	CHECK_EQ(select(pair[0] + 1, &set, NULL, NULL, NULL), 1);
	CHECK_EQ(recv(pair[0], &byte, 1, MSG_DONTWAIT), 1);
}

static void uses_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = 7 };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	char byte;

	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, pair[0], &ev), 0);
	CHECK_EQ(send(pair[0], "q", 1, 0), 1);
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK_EQ(ev.data.fd, 7);
	CHECK_EQ(recv(pair[0], &byte, 1, MSG_DONTWAIT), 1);
	CHECK_EQ(close(ep), 0);
}

static void connects(void)
{
	struct sockaddr_in addr;
	int listener = tcp_listener(&addr, 1), fd = socket(AF_INET, SOCK_STREAM, 0), peer;
	char byte;

	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	peer = accept(listener, NULL, NULL);
	CHECK(peer != -1);
	set_timeo(peer, SO_RCVTIMEO, 1);
	CHECK_ERRNO(recv(peer, &byte, 1, 0), EAGAIN);
	CHECK_EQ(close(fd), 0);
	CHECK_EQ(recv(peer, &byte, 1, 0), 0);
	CHECK_EQ(close(peer), 0);
	CHECK_EQ(close(listener), 0);
}

static void resolves(void)
{
	struct addrinfo *found, hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };

	CHECK_EQ(getaddrinfo("127.0.0.1", "80", &hints, &found), 0);
	freeaddrinfo(found);
	hints.ai_flags = 0;
	CHECK_EQ(getaddrinfo("localhost", NULL, &hints, &found), 0);
	freeaddrinfo(found);
}

static void uses_streams(void)
{
	FILE *f = tmpfile();
	char line[20];

	CHECK(f != NULL);
	CHECK_EQ(fprintf(f, "%d\n", 12345), 6);
	rewind(f);
	CHECK(fgets(line, sizeof(line), f) == line);
	CHECK(!strcmp(line, "12345\n"));
	CHECK_EQ(fclose(f), 0);
}

static void waits_for_a_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(9);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 9);
}

/* By a number that was another's a moment ago. */
static void opens_and_closes(void)
{
	CHECK_EQ(close(made[0]), 0);
	CHECK_EQ(close(made[1]), 0);
	CHECK_EQ(pipe(made), 0);
}

static void (*const deeds[])(void) = {
	sleeps,	  talks,    polls,	  selects,	     uses_epoll,
	connects, resolves, uses_streams, waits_for_a_child, opens_and_closes,
};
#define DEEDS ((int)(sizeof(deeds) / sizeof(*deeds)))

static void *does_it_all(void *arg)
{
	for (int i = 0; i < DEEDS; i++) {
		CHECK_EQ(get_stuck(arg), 1);
		deeds[i]();
	}
	return arg;
}

static void *echoes(void *arg)
{
	char byte;

	while (recv(pair[1], &byte, 1, 0) == 1)
		CHECK_EQ(send(pair[1], &byte, 1, 0), 1);
	return arg;
}

static void *reads_what_was_made(void *arg)
{
	char byte;

	about_to_block();
	CHECK_EQ(read(made[0], &byte, 1), 1);
	CHECK_EQ(byte, 'm');
	return arg;
}

static void each_deed(void)
{
	pthread_t t, echo, reader;

	stuck_init(&s);
	stream_pair(pair);
	CHECK_EQ(pipe(made), 0);
	echo = start(echoes, NULL);
	t = start(does_it_all, &s);
	for (int i = 0; i < DEEDS; i++) {
		await_stuck(&s);
		release(&s);
	}
	finish(t);
	reader = start(reads_what_was_made, NULL);
	await_blocked(1);
	CHECK_EQ(write(made[1], "m", 1), 1);
	finish(reader);
	CHECK_EQ(shutdown(pair[0], SHUT_WR), 0);
	finish(echo);
	CHECK_EQ(close(pair[0]) | close(pair[1]) | close(made[0]) | close(made[1]), 0);
	stuck_close(&s);
}

/* --- Files: nobody waits for one, so it stays where it is. */

static void *stays_for_files(void *arg)
{
	int fd = memfd_create("file", MFD_CLOEXEC), tid;
	char text[4] = "";
	struct iovec iov = { (void *)"bc", 2 }, into = { text + 1, 2 };

	CHECK_EQ(write(fd, "a", 1), 1);
	CHECK_EQ(get_stuck(arg), 1);
	tid = kernel_tid();
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		CHECK_EQ(write(fd, "a", 1), 1);
		CHECK_EQ(writev(fd, &iov, 1), 2);
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		CHECK_EQ(read(fd, text, 1), 1);
		CHECK_EQ(readv(fd, &into, 1), 2);
		CHECK(!strcmp(text, "abc"));
	}
	CHECK_EQ(kernel_tid(), tid);
	CHECK_EQ(close(fd), 0);
	return arg;
}

static void files(void)
{
	pthread_t t;

	stuck_init(&s);
	t = start(stays_for_files, &s);
	await_stuck(&s);
	release(&s);
	finish(t);
	stuck_close(&s);
}

/* --- Several that come back to one descriptor at once. */

static _Atomic int got;

static void *reads_of_the_same(void *arg)
{
	char byte;

	for (int i = 0; i < 50; i++) {
		if (i % 10 == 0)
			CHECK_EQ(get_stuck(arg), 1);
		CHECK_EQ(read(pair[0], &byte, 1), 1);
		got++;
	}
	return arg;
}

static void one_descriptor(void)
{
	pthread_t t[READERS];

	stream_pair(pair);
	got = 0;
	for (int i = 0; i < READERS; i++) {
		stuck_init(&crew[i]);
		t[i] = start(reads_of_the_same, &crew[i]);
	}
	for (int n = 0; n < 5; n++) {
		for (int i = 0; i < READERS; i++)
			await_stuck(&crew[i]);
		for (int i = 0; i < READERS; i++)
			release(&crew[i]);
		/* Whoever reads more is stuck earlier. */
		for (int i = 0; i < 10 * READERS; i++) {
			CHECK_EQ(write(pair[1], "x", 1), 1);
			sched_yield();
		}
	}
	for (int i = 0; i < READERS; i++) {
		finish(t[i]);
		stuck_close(&crew[i]);
	}
	CHECK_EQ(got, 50 * READERS);
	CHECK_EQ(close(pair[0]) | close(pair[1]), 0);
}

int main(void)
{
	each_deed();
	files();
	one_descriptor();
	CHECK_VERIFY();
	return 0;
}
