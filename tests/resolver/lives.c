/* SPDX-License-Identifier: Apache-2.0
 *
 * Look-ups among the other things that programs do: fork, close all files, cancel, signals.  test_lives.py
 * runs one of these at a time, plainly and preloaded, against a server which
 *
 *     answers hold<n>.x.test only after release.x.test has been asked for, and
 *     answers await<n>.x.test only after n of those have been asked for.
 */
#include "calls/blocked.h"
#include <netdb.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define CROWD 10

extern int close_range(unsigned from, unsigned to, int flags);

static in_addr_t look_up(const char *name)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
	in_addr_t addr;
	int r = getaddrinfo(name, NULL, &hints, &found);

	if (r)
		dprintf(2, "%s: %s\n", name, gai_strerror(r));
	CHECK_EQ(r, 0);
	addr = ((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr;
	freeaddrinfo(found);
	return addr;
}

/* By name, by address, from the server and from the hosts file. */
static void look_up_all(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr("192.0.2.1") };
	struct hostent ent, *found;
	char host[256], buf[4096];
	int herr;

	CHECK_EQ(look_up("v4.x.test"), inet_addr("192.0.2.2"));
	CHECK_EQ(look_up("one.hosts"), inet_addr("10.0.0.1"));
	CHECK_EQ(getnameinfo((void *)&sin, sizeof(sin), host, sizeof(host), NULL, 0, NI_NAMEREQD), 0);
	CHECK(!strcmp(host, "both.x.test"));
	CHECK_EQ(gethostbyname_r("fifty.x.test", &ent, buf, sizeof(buf), &found, &herr), 0);
	CHECK(found == &ent);
}

static void *look_up_in_thread(void *arg)
{
	look_up_all();
	return arg;
}

static void *look_up_held(void *arg)
{
	char name[32];

	snprintf(name, sizeof(name), "hold%d.x.test", (int)(intptr_t)arg);
	return (void *)(intptr_t)look_up(name);
}

static void hold(pthread_t *threads, int n)
{
	char name[32];

	for (int i = 0; i < n; i++)
		threads[i] = start(look_up_held, (void *)(intptr_t)i);
	snprintf(name, sizeof(name), "await%d.x.test", n);
	look_up(name);
}

static void release(pthread_t *threads, int n)
{
	look_up("release.x.test");
	for (int i = 0; i < n; i++)
		CHECK_EQ((in_addr_t)(intptr_t)finish(threads[i]), htonl(0xc0000700 + (uint32_t)i));
}

static void await_child(pid_t child)
{
	int status;

	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

/* The child looks up while the parent's look-ups are under way.  Not in threads of its own: libc 2.36 would
 * give one the stack of a thread of the parent's, and with it a socket that the parent is listening on. */
static void *fork_while_held(void *arg)
{
	pthread_t threads[CROWD];
	pid_t child;

	look_up_all();
	hold(threads, CROWD);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		look_up_all();
		_exit(0);
	}
	await_child(child);
	look_up_all();
	release(threads, CROWD);
	look_up_all();
	return arg;
}

/* Both ask at the same time, so that each must hear its own answers. */
static void *fork_then_both(void *arg)
{
	pid_t children[CROWD];

	look_up_all();
	for (int i = 0; i < CROWD; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (children[i] == 0) {
			for (int n = 0; n < 20; n++)
				look_up_all();
			finish(start(look_up_in_thread, NULL));
			_exit(0);
		}
		look_up_all();
	}
	for (int i = 0; i < CROWD; i++)
		await_child(children[i]);
	return arg;
}

/* As daemons do, with whatever they find. */
static void *close_each(void *arg)
{
	for (int round = 0; round < 3; round++) {
		look_up_all();
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
		look_up_all();
	}
	return arg;
}

static void *close_by_range(void *arg)
{
	for (int round = 0; round < 3; round++) {
		look_up_all();
		CHECK_EQ(close_range(3, ~0U, 0), 0);
		look_up_all();
		closefrom(3);
		look_up_all();
	}
	return arg;
}

/* Closed, and the number taken by a file of the program's: what it holds stays as it is. */
static void *close_and_reuse(void *arg)
{
	int pipes[20][2];
	char c;

	look_up_all();
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(pipe(pipes[i]), 0);
	look_up_all();
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(fcntl(pipes[i][0], F_SETFL, O_NONBLOCK), 0);
		CHECK_ERRNO(read(pipes[i][0], &c, 1), EAGAIN);
		CHECK_EQ(write(pipes[i][1], "x", 1), 1);
		CHECK_EQ(read(pipes[i][0], &c, 1), 1);
	}
	return arg;
}

static void *cancel(void *arg)
{
	pthread_t threads[CROWD];

	for (int round = 0; round < 3; round++) {
		void *result;

		hold(threads, CROWD);
		CHECK_EQ(pthread_cancel(threads[0]), 0);
		CHECK_EQ(pthread_join(threads[0], &result), 0);
		CHECK(result == PTHREAD_CANCELED);
		look_up_all();
		look_up("release.x.test");
		for (int i = 1; i < CROWD; i++)
			CHECK_EQ((in_addr_t)(intptr_t)finish(threads[i]), htonl(0xc0000700 + (uint32_t)i));
		look_up_all();
	}
	return arg;
}

static void *look_up_uncancelled(void *arg)
{
	int old;

	CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
	look_up_held(arg);
	CHECK_EQ(pthread_setcancelstate(old, &old), 0);
	return arg;
}

static void *cancel_disabled(void *arg)
{
	pthread_t t = start(look_up_uncancelled, (void *)7);

	look_up("await1.x.test");
	CHECK_EQ(pthread_cancel(t), 0);
	look_up("release.x.test");
	CHECK(finish(t) == (void *)7);
	return arg;
}

static _Atomic int handled;

static void handle(int sig)
{
	(void)sig;
	handled++;
}

/* A look-up does not end with EINTR. */
static void *signals(void *arg)
{
	struct sigaction act = { .sa_handler = handle };
	pthread_t threads[CROWD];

	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	hold(threads, CROWD);
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(pthread_kill(threads[i], SIGUSR1), 0);
	look_up_all();
	release(threads, CROWD);
	CHECK(handled > 0);
	return arg;
}

/* Without a file left, a look-up fails as libc's does; with one again, it works.  The hosts file is still known from
 * before, so the name is one that a server must be asked for. */
static void *no_files(void *arg)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
	struct rlimit files = { 128, 128 };
	int fds[1024], n = 0, r;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	look_up_all();
	while (n < 1024 && (fds[n] = dup(2)) >= 0)
		n++;
	CHECK(n < 1024);
	r = getaddrinfo("multi.x.test", NULL, &hints, &found);
	while (n > 0)
		close(fds[--n]);
	printf("without files: %s\n", gai_strerror(r));
	if (r == 0)
		freeaddrinfo(found);
	look_up_all();
	return arg;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void *(*fn)(void *);
	} lives[] = {
		{ "fork_while_held", fork_while_held },
		{ "fork_then_both", fork_then_both },
		{ "close_each", close_each },
		{ "close_by_range", close_by_range },
		{ "close_and_reuse", close_and_reuse },
		{ "cancel", cancel },
		{ "cancel_disabled", cancel_disabled },
		{ "signals", signals },
		{ "no_files", no_files },
	};

	CHECK_EQ(argc, 2);
	for (size_t i = 0; i < sizeof(lives) / sizeof(*lives); i++) {
		if (!strcmp(argv[1], lives[i].name)) {
			finish(start(lives[i].fn, NULL));
			printf("%s done\n", argv[1]);
			return 0;
		}
	}
	CHECK(!"such a life");
}
