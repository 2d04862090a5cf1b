/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers that ask first: poll, ppoll, select, pselect, epoll_wait, epoll_pwait; each for three writers at
 * once, on descriptors that do not block.
 */
#include "fault.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define WRITERS 3
#define TOTAL 20000
#define CHUNK 1000

/* Until one of the descriptors may be read.  Sets `may[i]`. */
typedef int ask(const int *fds, bool *may);

static int by_poll(const int *fds, bool *may)
{
	struct pollfd p[WRITERS];
	int r;

	for (int i = 0; i < WRITERS; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	r = poll(p, WRITERS, -1);
	for (int i = 0; i < WRITERS; i++)
		may[i] = r > 0 && p[i].revents;
	return r;
}

/* With POLLPRI, which is a question for an epoll set of the library's own. */
static int by_ppoll(const int *fds, bool *may)
{
	struct timespec span = ms_span(100000);
	struct pollfd p[WRITERS];
	int r;

	for (int i = 0; i < WRITERS; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN | POLLPRI | POLLRDHUP };
	r = ppoll(p, WRITERS, &span, NULL);
	for (int i = 0; i < WRITERS; i++)
		may[i] = r > 0 && p[i].revents;
	return r;
}

static int fill_set(const int *fds, fd_set *set)
{
	int top = -1;

	FD_ZERO(set);
	for (int i = 0; i < WRITERS; i++)
		if (fds[i] != -1) {
			FD_SET(fds[i], set);
			top = fds[i] > top ? fds[i] : top;
		}
	return top + 1;
}

static int by_select(const int *fds, bool *may)
{
	struct timeval span = { .tv_sec = 100 };
	fd_set set;
	int r = select(fill_set(fds, &set), &set, NULL, NULL, &span);

	for (int i = 0; i < WRITERS; i++)
		may[i] = r > 0 && fds[i] != -1 && FD_ISSET(fds[i], &set);
	return r;
}

static int by_pselect(const int *fds, bool *may)
{
	fd_set set;
	int r = pselect(fill_set(fds, &set), &set, NULL, NULL, NULL, NULL);

	for (int i = 0; i < WRITERS; i++)
		may[i] = r > 0 && fds[i] != -1 && FD_ISSET(fds[i], &set);
	return r;
}

static int make_set(const int *fds)
{
	int ep;

	do
		ep = epoll_create1(EPOLL_CLOEXEC);
	while (ep == -1 && told("epoll_create1"));
	for (int i = 0; ep != -1 && i < WRITERS; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = (unsigned)i };

		if (fds[i] != -1)
			CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &ev), 0);
	}
	return ep;
}

static int by_set(const int *fds, bool *may, bool with_mask)
{
	struct epoll_event ev[WRITERS];
	int ep = make_set(fds), r;

	if (ep == -1) {
		errno = EAGAIN;
		return -2;
	}
	r = with_mask ? epoll_pwait(ep, ev, WRITERS, 100000, NULL) : epoll_wait(ep, ev, WRITERS, -1);
	memset(may, 0, WRITERS);
	for (int i = 0; i < r; i++)
		may[ev[i].data.u32] = true;
	int err = errno;
	close_it(ep);
	errno = err;
	return r;
}

static int by_epoll_wait(const int *fds, bool *may)
{
	return by_set(fds, may, false);
}

static int by_epoll_pwait(const int *fds, bool *may)
{
	return by_set(fds, may, true);
}

static ask *const asks[] = { by_poll, by_ppoll, by_select, by_pselect, by_epoll_wait, by_epoll_pwait };
#define ASKS ((int)(sizeof(asks) / sizeof(asks[0])))

static int wires[ASKS][WRITERS][2];

static void *write_slowly(void *arg)
{
	int fd = ((int *)arg)[1];
	unsigned char buf[CHUNK];

	for (size_t at = 0; at < TOTAL; at += CHUNK) {
		size_t done = 0;

		fill(buf, CHUNK, 7, at);
		while (done < CHUNK) {
			ssize_t r = send(fd, buf + done, CHUNK - done, MSG_NOSIGNAL);

			if (r < 0 && !told("send"))
				goto out;
			done += r > 0 ? (size_t)r : 0;
		}
		sched_yield();
	}
out:
	close_it(fd);
	return NULL;
}

/* True: there may be more. */
static bool read_one(int fd, size_t *at)
{
	unsigned char buf[CHUNK];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EAGAIN || told("read");
	if (n == 0 && *at < TOTAL)
		peer_is_gone("the end");
	check_bytes(buf, (size_t)n, 7, *at);
	*at += (size_t)n;
	return n > 0;
}

static void *read_all(void *arg)
{
	int which = (int)(intptr_t)arg, fds[WRITERS], left = WRITERS;
	size_t at[WRITERS] = { 0 };
	bool may[WRITERS];

	for (int i = 0; i < WRITERS; i++)
		fds[i] = wires[which][i][0];
	while (left) {
		int r = asks[which](fds, may);

		if (r == -1 && !told("the question"))
			break;
		for (int i = 0; r > 0 && i < WRITERS; i++)
			if (fds[i] != -1 && may[i] && !read_one(fds[i], &at[i])) {
				close_it(fds[i]);
				fds[i] = -1;
				left--;
			}
	}
	for (int i = 0; i < WRITERS; i++)
		if (fds[i] != -1)
			close_it(fds[i]);
	return NULL;
}

static void prepare(void)
{
	for (int i = 0; i < ASKS; i++)
		for (int k = 0; k < WRITERS; k++) {
			stream_pair(wires[i][k]);
			set_nonblock(wires[i][k][0], true);
		}
}

static void nothing(void)
{
}

static void work(void)
{
	pthread_t t[ASKS][WRITERS + 1];
	bool runs[ASKS][WRITERS + 1];

	for (int i = 0; i < ASKS; i++) {
		runs[i][WRITERS] = start_or_not(&t[i][WRITERS], read_all, (void *)(intptr_t)i);
		for (int k = 0; k < WRITERS; k++) {
			runs[i][k] = start_or_not(&t[i][k], write_slowly, wires[i][k]);
			if (!runs[i][WRITERS])
				close(wires[i][k][0]);
			if (!runs[i][k])
				close(wires[i][k][1]);
		}
	}
	for (int i = 0; i < ASKS; i++)
		for (int k = 0; k <= WRITERS; k++)
			if (runs[i][k])
				CHECK_EQ(pthread_join(t[i][k], NULL), 0);
}

int main(void)
{
	return run_rounds(prepare, work, nothing);
}
