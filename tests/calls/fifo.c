/* SPDX-License-Identifier: Apache-2.0
 *
 * Named pipes and inotify: kinds that refuse RWF_NOWAIT, so that another way must be found to try
 * without waiting; two readers of one pipe get one message each and neither stops the process.  An open() that
 * waits for the other end leaves nothing behind when a signal ends it.
 */
#include "calls/blocked.h"
#include <sys/inotify.h>
#include <sys/stat.h>

static int fifo;
static char dir[] = "/tmp/syncless-fifo-XXXXXX";

static void *read_one(void *arg)
{
	char c;

	(void)arg;
	about_to_block();
	CHECK_EQ(read(fifo, &c, 1), 1);
	return NULL;
}

static void *make_file(void *arg)
{
	(void)arg;
	await_blocked(3);
	CHECK_EQ(mkdir("made", 0700), 0);
	return NULL;
}

static void *opens(void *error)
{
	int fd, err = *(int *)error;

	errno = 1234;
	about_to_block();
	fd = open("fifo", O_RDONLY | O_CLOEXEC);
	if (err) {
		CHECK_EQ(fd, -1);
		CHECK_EQ(errno, err);
	} else {
		CHECK(fd != -1);
		CHECK_EQ(errno, 1234);
		CHECK_EQ(close(fd), 0);
	}
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

/* No writer meets the one that has left. */
static void interrupted_open(void)
{
	int err = EINTR, none = 0, writer;
	pthread_t t;

	CHECK_EQ(mkfifo("fifo", 0600), 0);
	on_signal(SIGUSR1, nothing, 0);
	t = start(opens, &err);
	await_blocked(4);
	CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
	finish(t);
	CHECK_ERRNO(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	t = start(opens, &none);
	await_blocked(5);
	writer = open("fifo", O_WRONLY | O_CLOEXEC);
	CHECK(writer != -1);
	finish(t);
	CHECK_EQ(close(writer), 0);
	CHECK_EQ(unlink("fifo"), 0);
}

int main(void)
{
	pthread_t a, b;
	char buf[512];
	int watch;

	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(chdir(dir), 0);
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	fifo = open("fifo", O_RDWR | O_CLOEXEC);
	unlink("fifo");
	CHECK(fifo != -1);
	a = start(read_one, NULL);
	b = start(read_one, NULL);
	await_blocked(2);
	CHECK_EQ(write(fifo, "1", 1), 1);
	sched_yield();
	CHECK_EQ(write(fifo, "2", 1), 1);
	finish(a);
	finish(b);

	watch = inotify_init1(IN_CLOEXEC);
	CHECK(inotify_add_watch(watch, ".", IN_CREATE) != -1);
	a = start(make_file, NULL);
	about_to_block();
	CHECK(read(watch, buf, sizeof(buf)) > 0);
	finish(a);
	CHECK_EQ(rmdir("made"), 0);
	interrupted_open();
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
