/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters and notices: eventfd, inotify.
 */
#include "diff/steps.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

/* --- eventfd */

CASE(eventfd_counts)
{
	int fd = eventfd(3, EFD_NONBLOCK);
	uint64_t n = 0;

	R(read(fd, &n, sizeof(n)));
	SAY("%d", (int)n);
	R(read(fd, &n, sizeof(n)));
	n = 5;
	R(write(fd, &n, sizeof(n)));
	R(write(fd, &n, sizeof(n)));
	R(eventfd_read(fd, &n));
	SAY("%d", (int)n);
	n = ~UINT64_C(0);
	R(write(fd, &n, sizeof(n)));
	R(eventfd_write(fd, ~UINT64_C(0) - 1));
	R(eventfd_write(fd, 1));
	R(read(fd, &n, 4));
	R(write(fd, &n, 4));
	R(eventfd(0, 77));
	R(lseek(fd, 0, SEEK_CUR));
}

CASE(eventfd_semaphore)
{
	int fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	uint64_t n = 0;

	for (int i = 0; i < 3; i++)
		R(read(fd, &n, sizeof(n)));
	SAY("%d", (int)n);
}

static int event;

static void *read_event(void *arg)
{
	uint64_t n = 0;

	(void)arg;
	blocks();
	R(read(event, &n, sizeof(n)));
	SAY("%d", (int)n);
	return NULL;
}

static void *write_event(void *arg)
{
	(void)arg;
	blocks();
	R(eventfd_write(event, 10));
	return NULL;
}

CASE(eventfd_waits)
{
	struct flow *f;

	event = eventfd(0, 0);
	f = flow(read_event, NULL);
	await_blocked(1);
	R(eventfd_write(event, 7));
	flow_end(f);
}

CASE(eventfd_full)
{
	uint64_t n = 0;
	struct flow *f;

	event = eventfd(0, 0);
	R(eventfd_write(event, ~UINT64_C(0) - 1));
	f = flow(write_event, NULL);
	await_blocked(1);
	R(read(event, &n, sizeof(n)));
	flow_end(f);
	R(read(event, &n, sizeof(n)));
	SAY("%d", (int)n);
}

static void *take_one(void *arg)
{
	uint64_t n = 0;

	(void)arg;
	blocks();
	R(read(event, &n, sizeof(n)));
	SAY("%d", (int)n);
	return NULL;
}

CASE(eventfd_semaphore_is_shared_out)
{
	struct flow *f[3];

	event = eventfd(0, EFD_SEMAPHORE);
	for (int i = 0; i < 3; i++)
		f[i] = flow(take_one, NULL);
	await_blocked(3);
	R(eventfd_write(event, 3));
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
}

CASE(eventfd_polled)
{
	struct pollfd pfd = { .fd = eventfd(0, 0), .events = POLLIN | POLLOUT };

	R(poll(&pfd, 1, 0));
	SAY("revents %x", pfd.revents);
	R(eventfd_write(pfd.fd, ~UINT64_C(0) - 1));
	R(poll(&pfd, 1, 0));
	SAY("revents %x", pfd.revents);
}

/* --- inotify */

CASE(inotify)
{
	int fd = inotify_init1(IN_NONBLOCK);
	char events[1024];

	R(read(fd, events, sizeof(events)));
	R(inotify_add_watch(fd, ".", IN_CREATE) > 0);
	close(open("created", O_CREAT | O_WRONLY, 0600));
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	R(poll(&pfd, 1, 20000));
	R(read(fd, events, 4));
	R(read(fd, events, sizeof(events)));
	SAY("mask %x name %s", ((struct inotify_event *)(void *)events)->mask,
	    ((struct inotify_event *)(void *)events)->name);
	R(inotify_add_watch(fd, "nowhere", IN_CREATE));
	R(inotify_rm_watch(fd, 77));
}

static int watched;

static void *read_inotify(void *arg)
{
	char events[1024];

	(void)arg;
	blocks();
	R(read(watched, events, sizeof(events)));
	return NULL;
}

CASE(inotify_waits)
{
	struct flow *f;

	watched = inotify_init();
	CHECK(inotify_add_watch(watched, ".", IN_CREATE) > 0);
	f = flow(read_inotify, NULL);
	await_blocked(1);
	close(open("created", O_CREAT | O_WRONLY, 0600));
	flow_end(f);
}
