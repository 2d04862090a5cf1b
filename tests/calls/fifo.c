/* SPDX-License-Identifier: Apache-2.0
 *
 * Named pipes and inotify: kinds that refuse RWF_NOWAIT, so that another way must be found to try
 * without waiting; two readers of one pipe get one message each and neither stops the process.
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
	CHECK_EQ(rmdir(dir), 0);
	return 0;
}
