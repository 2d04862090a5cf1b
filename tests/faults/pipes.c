/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes go from thread to thread: from a file by sendfile into a socket, through a pipe by read and write,
 * through a FIFO that is opened while the other end waits, to the one who checks them; and counts go by
 * eventfd.
 */
#include "fault.h"
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define TOTAL 300000
#define CHUNK 7000
#define TICKS 50
#define FIFO "fifo"

static int source, link_in[2], tube[2], ticks;

static bool put(int fd, const unsigned char *buf, size_t n, bool by_vector)
{
	for (size_t done = 0; done < n;) {
		struct iovec iov[2] = { { (void *)(buf + done), (n - done) / 2 },
					{ (void *)(buf + done + (n - done) / 2), n - done - (n - done) / 2 } };
		ssize_t r = by_vector ? writev(fd, iov, 2) : write(fd, buf + done, n - done);

		if (r < 0 && !told("write"))
			return false;
		done += r > 0 ? (size_t)r : 0;
	}
	return true;
}

static ssize_t get(int fd, unsigned char *buf, size_t n, bool by_vector)
{
	struct iovec iov[2] = { { buf, n / 2 }, { buf + n / 2, n - n / 2 } };
	ssize_t r;

	do
		r = by_vector ? readv(fd, iov, 2) : read(fd, buf, n);
	while (r < 0 && told("read"));
	return r;
}

static void *send_file(void *arg)
{
	off_t at = 0;

	while (at < TOTAL) {
		ssize_t r = sendfile(link_in[1], source, &at, (size_t)(TOTAL - at));

		if (r < 0 && !told("sendfile"))
			break;
	}
	close_it(link_in[1]);
	return arg;
}

/* From one to the other, and closes both. */
static void pump(int in, int out, bool by_vector)
{
	unsigned char buf[CHUNK];
	ssize_t n;

	while ((n = get(in, buf, sizeof(buf), by_vector)) > 0)
		if (!put(out, buf, (size_t)n, by_vector))
			break;
	close_it(in);
	close_it(out);
}

static int opened(int flags)
{
	int fd;

	do
		fd = open(FIFO, flags | O_CLOEXEC);
	while (fd == -1 && told("open"));
	return fd;
}

static void *to_pipe(void *arg)
{
	pump(link_in[0], tube[1], true);
	return arg;
}

/* Whoever cannot open his end must not keep the other one waiting for it: O_RDWR never waits. */
static void free_the_other(int fd)
{
	if (fd != -1)
		return;
	fd = open(FIFO, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	CHECK(fd != -1);
	sched_yield();
	usleep(20000);
	close(fd);
}

static void *to_fifo(void *arg)
{
	int out = opened(O_WRONLY);

	if (out != -1)
		pump(tube[0], out, false);
	else
		close_it(tube[0]);
	free_the_other(out);
	return arg;
}

static void *check(void *arg)
{
	unsigned char buf[CHUNK];
	int in = opened(O_RDONLY);
	size_t at = 0;
	ssize_t n;

	free_the_other(in);
	while (in != -1 && (n = get(in, buf, sizeof(buf), false)) > 0) {
		check_bytes(buf, (size_t)n, 1, at);
		at += (size_t)n;
	}
	if (in != -1 && at < TOTAL)
		peer_is_gone("the end");
	if (in != -1)
		close_it(in);
	return arg;
}

static void *tick(void *arg)
{
	for (int i = 0; i < TICKS; i++)
		while (eventfd_write(ticks, 1) == -1)
			told("eventfd_write"); /* who waits for it cannot know */
	return arg;
}

static void *count_ticks(void *arg)
{
	eventfd_t sum = 0, n;

	while (sum < TICKS) {
		int r = eventfd_read(ticks, &n);

		if (r == 0)
			sum += n;
		else
			told("eventfd_read");
	}
	return arg;
}

static void prepare(void)
{
	stream_pair(link_in);
	CHECK_EQ(pipe(tube), 0);
	ticks = eventfd(0, EFD_SEMAPHORE);
	CHECK_EQ(mkfifo(FIFO, 0600), 0);
}

static void clean(void)
{
	close(ticks);
	CHECK_EQ(unlink(FIFO), 0);
}

static void work(void)
{
	void *(*const all[])(void *) = { check, to_fifo, to_pipe, send_file, count_ticks, tick };
	pthread_t t[6];
	int n;

	for (n = 0; n < 6 && start_or_not(&t[n], all[n], NULL); n++)
		;
	switch (n) { /* what those would have closed that could not be made */
	case 0:
	case 1:
		close(tube[0]);
		if (n == 1)
			free_the_other(-1);
		/* fall through */
	case 2:
		close(link_in[0]);
		close(tube[1]);
		/* fall through */
	case 3:
		close(link_in[1]);
		break;
	case 5:
		tick(NULL);
	}
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

int main(void)
{
	unsigned char buf[TOTAL];

	source = open("source", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	fill(buf, sizeof(buf), 1, 0);
	CHECK_EQ(write(source, buf, sizeof(buf)), sizeof(buf));
	return run_rounds(prepare, work, clean);
}
