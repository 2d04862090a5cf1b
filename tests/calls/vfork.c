/* SPDX-License-Identifier: Apache-2.0
 *
 * A vfork child shares our memory: what it closes, dups or writes to in its own descriptor table must
 * change nothing for the parent, whose threads wait on the very same numbers, nor may it wake or park.
 */
#include "calls/blocked.h"
#include <poll.h>
#include <sys/wait.h>

static int p[2], q[2], s[2];

static void *read_one(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(c, 'p');
	return arg;
}

static void *poll_one(void *arg)
{
	struct pollfd f = { .fd = s[0], .events = POLLIN };

	about_to_block();
	CHECK_EQ(poll(&f, 1, -1), 1);
	CHECK_EQ(f.revents, POLLIN);
	return arg;
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void run_child(const char *program)
{
	char *const argv[] = { (char *)program, NULL };
	char *const envp[] = { NULL };
	int status;
	pid_t pid = vfork();

	CHECK(pid != -1);
	if (pid == 0) {
		close(p[0]);
		close(s[0]);
		dup2(q[1], s[1]);
		dup3(q[1], p[0], O_CLOEXEC);
		fcntl(q[1], F_SETFD, FD_CLOEXEC);
		close_range(200, ~0U, 0);
		if (write(q[1], "v", 1) != 1)
			_exit(9);
		execve(program, argv, envp);
		_exit(errno == ENOENT ? 44 : 45);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), strcmp(program, "/nonexistent") ? 0 : 44);
}

static void *run_both(void *arg)
{
	char c[2];

	run_child("/nonexistent");
	run_child("/bin/true");
	CHECK_EQ(read(q[0], c, 2), 2);
	return arg;
}

int main(void)
{
	pthread_t a, b;

	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(pipe(q), 0);
	stream_pair(s);
	a = start(read_one, NULL);
	b = start(poll_one, NULL);
	await_blocked(2);
	for (int i = 0; i < 3; i++) {
		run_both(NULL);
		finish(start(run_both, NULL));
	}
	CHECK_EQ(write(p[1], "p", 1), 1);
	CHECK_EQ(send(s[1], "s", 1, 0), 1);
	finish(a);
	finish(b);
	CHECK_VERIFY();
	return 0;
}
