/* SPDX-License-Identifier: Apache-2.0
 *
 * fork() beside a thread that has lost the scheduler, and from one: the child has one thread, which starts
 * others, and in which a stuck one does not stop them either; setuid() and its kind reach the stuck ones.
 */
#include "calls/handoff.h"
#include <spawn.h>
#include <sys/stat.h>

static struct stuck s, own;
static volatile int prepared;

static void *ordinary(void *arg)
{
	usleep(100);
	return arg;
}

static void prepare(void)
{
	prepared++;
}

/* All that can be done in the parent can be done here. */
static void child(void)
{
	pthread_t t, u;

	stuck_init(&own);
	t = start(stuck_thread, &own);
	await_stuck(&own);
	u = start(ordinary, &own);
	finish(u);
	release(&own);
	finish(t);
	CHECK_VERIFY();
}

static void stuck_child(void)
{
	int pid = getpid();

	child();
	CHECK_EQ(getpid(), pid);
	CHECK_EQ(gettid(), pid);
}

static void beside_a_stuck_one(void)
{
	pthread_t t;

	stuck_init(&s);
	t = start(stuck_thread, &s);
	await_stuck(&s);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(in_child(stuck_child), 0);
		finish(start(ordinary, NULL));
	}
	CHECK(kill(getpid(), 0) == 0 && s.left == 0); /* it still is */
	release(&s);
	finish(t);
	stuck_close(&s);
}

static void *forks_alone(void *arg)
{
	for (int i = 0; i < 5; i++) {
		int before = prepared;

		CHECK_EQ(get_stuck(arg), 1);
		CHECK_EQ(in_child(stuck_child), 0);
		CHECK_EQ(prepared, before + 1);
	}
	return arg;
}

static void from_one_alone(void)
{
	pthread_t t;

	stuck_init(&s);
	t = start(forks_alone, &s);
	for (int i = 0; i < 5; i++) {
		await_stuck(&s);
		release(&s);
	}
	finish(t);
	stuck_close(&s);
}

static void *forks_from_beside_main(void *arg)
{
	await_stuck(arg);
	CHECK_EQ(in_child(stuck_child), 0);
	release(arg);
	return arg;
}

static void beside_a_stuck_main(void)
{
	pthread_t t;

	stuck_init(&s);
	t = start(forks_from_beside_main, &s);
	CHECK_EQ(get_stuck(&s), 1);
	finish(t);
	stuck_close(&s);
}

/* --- A child that shares our memory, and is stuck before it becomes another program. */

static char fifo[64];
extern char **environ;

static void *spawns(void *arg)
{
	char *argv[] = { (char *)"true", NULL };
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
	CHECK_EQ(posix_spawn_file_actions_addopen(&actions, 0, fifo, O_RDONLY, 0), 0);
	CHECK_EQ(posix_spawnp(&pid, "true", &actions, NULL, argv, environ), 0);
	CHECK_EQ(posix_spawn_file_actions_destroy(&actions), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return arg;
}

/* The kernel lets the thread go on when the child's open() has found a writer. */
static void beside_one_that_spawns(void)
{
	char folder[] = "/tmp/handoff-XXXXXX";
	pthread_t t;
	int fd;

	CHECK(mkdtemp(folder) != NULL);
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	for (int i = 0; i < 5; i++) {
		t = start(spawns, NULL);
		sched_yield();
		fd = open(fifo, O_WRONLY);
		CHECK(fd != -1);
		finish(t);
		CHECK_EQ(close(fd), 0);
	}
	CHECK_EQ(unlink(fifo), 0);
	CHECK_EQ(rmdir(folder), 0);
}

/* --- Ids. */

static _Atomic int raw_uid;

static void *knows_its_id(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	raw_uid = (int)inline_call(SYS_getuid, 0, 0, 0);
	return arg;
}

static void *changes_ids(void *arg)
{
	uid_t r, e, saved;

	CHECK_EQ(getresuid(&r, &e, &saved), 0);
	CHECK_EQ(setresuid(r, e, saved), 0);
	CHECK_EQ(setegid(getegid()), 0);
	return arg;
}

static void *changes_ids_alone(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	return changes_ids(arg);
}

static void ids_of_all(void)
{
	pthread_t t, u;

	stuck_init(&s);
	stuck_init(&own);
	t = start(knows_its_id, &s);
	await_stuck(&s);
	changes_ids(NULL);
	finish(start(changes_ids, NULL));
	u = start(changes_ids_alone, &own);
	await_stuck(&own);
	release(&own);
	finish(u);
	release(&s);
	finish(t);
	CHECK_EQ(raw_uid, getuid());
	stuck_close(&own);
	stuck_close(&s);
}

#define NOBODY 65534

static void *becomes_nobody(void *arg)
{
	if (arg)
		CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	CHECK_ERRNO(setresuid(0, 0, 0), EPERM);
	CHECK_EQ(inline_call(SYS_getuid, 0, 0, 0), NOBODY);
	return arg;
}

static pthread_t one_knows_its_id(void)
{
	pthread_t t;

	stuck_init(&s);
	stuck_init(&own);
	t = start(knows_its_id, &s);
	await_stuck(&s);
	return t;
}

static void all_are_nobody(pthread_t t)
{
	CHECK_EQ(inline_call(SYS_getuid, 0, 0, 0), NOBODY);
	release(&s);
	finish(t);
	CHECK_EQ(raw_uid, NOBODY);
}

static void main_becomes_nobody(void)
{
	pthread_t t = one_knows_its_id();

	becomes_nobody(NULL);
	all_are_nobody(t);
}

static void thread_becomes_nobody(void)
{
	pthread_t t = one_knows_its_id();

	finish(start(becomes_nobody, NULL));
	all_are_nobody(t);
}

static void stuck_one_becomes_nobody(void)
{
	pthread_t t = one_knows_its_id(), u = start(becomes_nobody, &own);

	await_stuck(&own);
	release(&own);
	finish(u);
	all_are_nobody(t);
}

int main(void)
{
	if (is_emulated("a fork beside the monitor is a fault of qemu's"))
		return 0;
	CHECK_EQ(pthread_atfork(prepare, NULL, NULL), 0);
	beside_a_stuck_one();
	from_one_alone();
	beside_a_stuck_main();
	beside_one_that_spawns();
	ids_of_all();
	if (getuid() == 0) {
		CHECK_EQ(in_child(main_becomes_nobody), 0);
		CHECK_EQ(in_child(thread_becomes_nobody), 0);
		CHECK_EQ(in_child(stuck_one_becomes_nobody), 0);
	}
	CHECK_VERIFY();
	return 0;
}
