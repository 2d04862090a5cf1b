/* SPDX-License-Identifier: Apache-2.0
 *
 * Many who wait at once, in libc's own functions: for a name server, for a module of NSS, for the log daemon.
 * test_waits.py runs one of these at a time, plainly and preloaded, where nothing is handed off: whoever does not
 * park stops the process.  Its server is that of lives.c; libnss_fake.so asks at GATE, which is ours.
 */
#include "calls/blocked.h"
#include <arpa/nameser.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <resolv.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>

#define CROWD 10
#define GATE "/mnt/lookups/gate"

/* --- The name server */

/* The last byte of the one address in the answer, which ends with it. */
static int answered(const unsigned char *answer, int n)
{
	CHECK(n > 12);
	CHECK_EQ(answer[7], 1);
	return answer[n - 1];
}

static int ask(const char *name)
{
	unsigned char answer[512];

	return answered(answer, res_query(name, ns_c_in, ns_t_a, answer, sizeof(answer)));
}

static int ask_by_state(const char *name)
{
	struct __res_state state = { 0 };
	unsigned char answer[512];
	int found;

	CHECK_EQ(res_ninit(&state), 0);
	found = answered(answer, res_nsearch(&state, name, ns_c_in, ns_t_a, answer, sizeof(answer)));
	res_nclose(&state);
	return found;
}

static void *ask_held(void *arg)
{
	int n = (int)(intptr_t)arg;
	char name[32];

	snprintf(name, sizeof(name), "hold%d.x.test", n);
	CHECK_EQ(n % 2 ? ask(name) : ask_by_state(name), n);
	return NULL;
}

static void ask_of(const char *word, int n)
{
	char name[32];

	snprintf(name, sizeof(name), "%s%d.x.test", word, n);
	CHECK_EQ(ask(name), n);
}

static void res_queries(void)
{
	pthread_t t[CROWD];

	for (int i = 0; i < CROWD; i++)
		t[i] = start(ask_held, (void *)(intptr_t)i);
	ask_of("await", CROWD);
	CHECK_EQ(ask("release.x.test"), 0);
	for (int i = 0; i < CROWD; i++)
		finish(t[i]);
}

/* Their states and buffers go before the answers come. */
static void res_cancel(void)
{
	pthread_t t[CROWD];

	for (int i = 0; i < CROWD; i++)
		t[i] = start(ask_held, (void *)(intptr_t)i);
	ask_of("await", CROWD);
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(pthread_cancel(t[i]), 0);
	for (int i = 0; i < CROWD; i++)
		CHECK(finish(t[i]) == PTHREAD_CANCELED);
	CHECK_EQ(ask("release.x.test"), 0);
	res_queries();
}

static void requests(void)
{
	struct gaicb *list[CROWD];
	char name[CROWD][32];
	int done = 0;

	for (int i = 0; i < CROWD; i++) {
		snprintf(name[i], sizeof(name[i]), "hold%d.x.test", i);
		list[i] = calloc(1, sizeof(*list[i]));
		list[i]->ar_name = name[i];
	}
	CHECK_EQ(getaddrinfo_a(GAI_NOWAIT, list, CROWD, NULL), 0);
	ask_of("await", CROWD);
	CHECK_EQ(ask("release.x.test"), 0);
	while (done < CROWD) {
		gai_suspend((const struct gaicb *const *)list, CROWD, NULL);
		done = 0;
		for (int i = 0; i < CROWD; i++)
			done += gai_error(list[i]) != EAI_INPROGRESS;
	}
	for (int i = 0; i < CROWD; i++) {
		CHECK_EQ(gai_error(list[i]), 0);
		freeaddrinfo(list[i]->ar_result);
		free(list[i]);
	}
}

static void *await_requests(void *arg)
{
	struct gaicb one = { .ar_name = "hold1.x.test" }, two = { .ar_name = "hold2.x.test" };
	struct gaicb *list[] = { &one, &two };

	CHECK_EQ(getaddrinfo_a(GAI_WAIT, list, 2, NULL), 0);
	CHECK_EQ(gai_error(&one) | gai_error(&two), 0);
	freeaddrinfo(one.ar_result);
	freeaddrinfo(two.ar_result);
	return arg;
}

static void requests_awaited(void)
{
	pthread_t t = start(await_requests, NULL);

	ask_of("await", 2);
	CHECK_EQ(ask("release.x.test"), 0);
	finish(t);
}

/* --- The module */

static int gate;

static void make_gate(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = GATE };

	unlink(GATE);
	gate = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(gate, (struct sockaddr *)&at, sizeof(at)), 0);
	CHECK_EQ(listen(gate, CROWD), 0);
}

static void *user_r(void *arg)
{
	struct passwd pw, *found;
	char buf[1000], name[32];

	snprintf(name, sizeof(name), "slow%d", (int)(intptr_t)arg);
	CHECK_EQ(getpwnam_r(name, &pw, buf, sizeof(buf), &found), 0);
	CHECK(found == &pw && !strcmp(pw.pw_name, name));
	CHECK_EQ(pw.pw_uid, 7000 + (uid_t)(intptr_t)arg);
	return arg;
}

static void *user(void *arg)
{
	struct passwd *pw = getpwnam("slow3");

	CHECK(pw && !strcmp(pw->pw_name, "slow3"));
	CHECK_EQ(pw->pw_uid, 7003);
	return arg;
}

static void *groups(void *arg)
{
	gid_t list[8];
	int n = 8;

	CHECK_EQ(getgrouplist("slow4", 5, list, &n), 2);
	CHECK_EQ(list[0] + list[1], 5 + 7777);
	return arg;
}

static void let_pass(int n)
{
	int fds[CROWD];

	for (int i = 0; i < n; i++)
		CHECK((fds[i] = accept(gate, NULL, NULL)) >= 0);
	for (int i = 0; i < n; i++)
		CHECK_EQ(close(fds[i]), 0);
}

static void users(void)
{
	pthread_t t[CROWD];

	make_gate();
	for (int i = 0; i < CROWD; i++)
		t[i] = start(user_r, (void *)(intptr_t)i);
	let_pass(CROWD);
	for (int i = 0; i < CROWD; i++)
		finish(t[i]);
	t[0] = start(user, NULL);
	let_pass(1);
	finish(t[0]);
	t[0] = start(groups, NULL);
	let_pass(1);
	finish(t[0]);
}

static void users_cancelled(void)
{
	pthread_t t[3] = { start(user_r, (void *)1), start(user, NULL), start(groups, NULL) };
	int fds[3];

	make_gate();
	for (int i = 0; i < 3; i++)
		CHECK((fds[i] = accept(gate, NULL, NULL)) >= 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_cancel(t[i]), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(close(fds[i]), 0);
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	users();
}

/* --- The log */

#define MESSAGES 60

static void *log_many(void *arg)
{
	for (int i = 0; i < MESSAGES; i++)
		syslog(LOG_INFO, "message %d", i);
	return arg;
}

static void *change_log(void *arg)
{
	openlog("other", 0, LOG_USER);
	CHECK_EQ(setlogmask(0), 0xff);
	return arg;
}

static int make_daemon(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void hear(int fd, char *text, size_t size)
{
	ssize_t n = recv(fd, text, size - 1, 0);

	CHECK(n > 0);
	text[n] = '\0';
}

static void log_daemon(void)
{
	int fd = make_daemon();
	pthread_t a, b;

	openlog("waits", LOG_PID, LOG_DAEMON);
	a = start(log_many, NULL);
	b = start(change_log, NULL);
	for (int i = 0; i < MESSAGES; i++) {
		char text[256], expected[64];

		hear(fd, text, sizeof(text));
		snprintf(expected, sizeof(expected), ": message %d", i);
		CHECK(strstr(text, expected) && (strstr(text, " waits[") || strstr(text, " other:")));
		CHECK(!strncmp(text, "<30>", 4) || !strncmp(text, "<14>", 4));
	}
	finish(a);
	finish(b);
	closelog();
	CHECK_EQ(close(fd), 0);
}

static void *fork_and_log(void *arg)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		syslog(LOG_INFO, "of the child");
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return arg;
}

/* While the daemon does not listen. */
static void log_fork(void)
{
	int fd = make_daemon(), heard = 0;
	pthread_t a = start(log_many, NULL), b;
	char text[256];

	while (heard < 20) { /* from here on it waits more often than not */
		hear(fd, text, sizeof(text));
		heard++;
	}
	b = start(fork_and_log, NULL);
	for (; heard <= MESSAGES; heard++)
		hear(fd, text, sizeof(text));
	finish(a);
	finish(b);
	CHECK_EQ(close(fd), 0);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} ways[] = {
		{ "res_queries", res_queries },
		{ "res_cancel", res_cancel },
		{ "requests", requests },
		{ "requests_awaited", requests_awaited },
		{ "users", users },
		{ "users_cancelled", users_cancelled },
		{ "log_daemon", log_daemon },
		{ "log_fork", log_fork },
	};

	CHECK_EQ(argc, 2);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (!strcmp(argv[1], ways[i].name)) {
			ways[i].fn();
			CHECK_VERIFY();
			printf("%s done\n", argv[1]);
			return 0;
		}
	}
	CHECK(!"such a way to wait");
}
