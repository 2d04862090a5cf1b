/* SPDX-License-Identifier: Apache-2.0
 *
 * Look-ups that go on by themselves: getaddrinfo_a(), which libc does on threads of its own, and waiting for
 * them.  Nothing but the requests' own words tells that one is done; libc's gai_suspend() would read them on a
 * worker for as long as it waits, when they may be gone.  So a coroutine looks at them, after naps that grow.
 *
 * A request belongs to libc's thread until it is done: it must not lie on the stack of a greenlet, which moves.
 * GAI_WAIT begins and waits for copies on the heap.
 */
#include <netdb.h>
#include <string.h>
#include "coro.h"
#include "libc.h"
#include "wait.h"

#define FIRST_NAP_NS (100 * NS_PER_US)

static int count_going(const struct gaicb *const list[], int n)
{
	int going = 0;

	for (int i = 0; i < n; i++)
		going += list[i] && gai_error((struct gaicb *)list[i]) == EAI_INPROGRESS;
	return going;
}

/* Until no more than `left` go on: 0; EAI_AGAIN: the time is up; EAI_INTR; EAI_SYSTEM, with errno: ended early. */
static int await(struct coro *me, const struct gaicb *const list[], int n, int left, deadline_t until,
		 int flags, const char *why)
{
	struct nap nap = { FIRST_NAP_NS, flags };
	int saved = errno, r = 0;

	while (r == 0 && count_going(list, n) > left)
		r = wait_nap(me, &nap, until, why);
	if (r == -ETIMEDOUT)
		return EAI_AGAIN;
	if (r == -EINTR)
		return EAI_INTR;
	if (r < 0) {
		errno = -r;
		return EAI_SYSTEM;
	}
	errno = saved;
	return 0;
}

/* gai_suspend(3).  Parks: until one of the list that goes on is done, or the time is up.
 * Passes through: outside coroutines, and where none goes on.  Returns: libc's; EAI_INTR on any handler.
 * Differs: a cancellation point. */
EXPORT int gai_suspend(const struct gaicb *const list[], int n, const struct timespec *timeout)
{
	struct coro *me = coro_may_park();
	deadline_t until = timeout ? deadline_in(timespec_ns(timeout)) : NEVER;
	int going;

	if (LIKELY(!me) || ((going = count_going(list, n)) == 0 && coro_leave(true)))
		return libc.gai_suspend(list, n, timeout);
	return (int)coro_leave(await(me, list, n, going - 1, until, WAIT_INTR_ALWAYS, "gai_suspend"));
}

/* A request, with room for what its strings say. */
static struct gaicb *copy_of(const struct gaicb *from)
{
	size_t nname = from->ar_name ? strlen(from->ar_name) + 1 : 0,
	       nservice = from->ar_service ? strlen(from->ar_service) + 1 : 0;
	struct gaicb *to = calloc(1, sizeof(*to) + sizeof(struct addrinfo) + nname + nservice);
	struct addrinfo *hints = (struct addrinfo *)(to + 1);
	char *text = (char *)(hints + 1);

	if (!to)
		return NULL;
	if (from->ar_name)
		to->ar_name = memcpy(text, from->ar_name, nname);
	if (from->ar_service)
		to->ar_service = memcpy(text + nname, from->ar_service, nservice);
	if (from->ar_request) {
		*hints = *from->ar_request;
		to->ar_request = hints;
	}
	return to;
}

static void free_copies(struct gaicb **copies, int n)
{
	for (int i = 0; i < n; i++)
		free(copies[i]);
	free(copies);
}

/* NULL: no memory. */
static struct gaicb **copies_of(struct gaicb *const list[], int n)
{
	struct gaicb **copies = calloc((size_t)n + 1, sizeof(*copies));

	for (int i = 0; copies && i < n; i++) {
		if (!list[i] || (copies[i] = copy_of(list[i])) != NULL)
			continue;
		free_copies(copies, n);
		return NULL;
	}
	return copies;
}

static int begin_and_await(struct coro *me, struct gaicb *const list[], int n)
{
	struct gaicb **copies = copies_of(list, n);
	int r, ended;

	if (!copies)
		return EAI_MEMORY;
	r = libc.getaddrinfo_a(GAI_NOWAIT, copies, n, NULL);
	ended = await(me, (const struct gaicb *const *)copies, n, 0, NEVER, 0, "getaddrinfo_a");
	if (ended)
		return ended; /* the copies are libc's as long as it works on them: for ever, as far as we know */
	for (int i = 0; i < n; i++) {
		if (!list[i])
			continue;
		list[i]->ar_result = copies[i]->ar_result;
		list[i]->__return = copies[i]->__return;
	}
	free_copies(copies, n);
	return r;
}

/* getaddrinfo_a(3).  Parks: with GAI_WAIT, until all are done.  Passes through: GAI_NOWAIT.  errno, results: libc's.
 * Differs: a cancellation point. */
EXPORT int getaddrinfo_a(int mode, struct gaicb *list[], int n, struct sigevent *notify)
{
	struct coro *me = mode == GAI_WAIT ? coro_may_park() : NULL;

	if (LIKELY(!me))
		return libc.getaddrinfo_a(mode, list, n, notify);
	return (int)coro_leave(begin_and_await(me, list, n));
}
