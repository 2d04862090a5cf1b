/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that holds a mutex with priority inheritance, a robust one or one shared between processes keeps
 * the scheduler: the kernel knows the kernel thread that it runs on as the owner.  Natively the others go
 * on all the same; here they go on as soon as it has let go.
 */
#include "calls/handoff.h"
#include <dirent.h>
#include <sys/mman.h>

#define LOOKS 40       /* of the monitor, in which nothing may happen */
#define LONGEST_MS 500 /* if it has stopped looking */

static struct stuck s;
static pthread_mutex_t *m;
static _Atomic long runs;
static _Atomic bool over;

/* How often our own kernel threads have slept. */
static long naps(void)
{
	struct dirent *entry;
	DIR *tasks = opendir("/proc/self/task");
	long sum = 0;

	CHECK(tasks != NULL);
	while ((entry = readdir(tasks))) {
		char path[300], text[2048], *found;
		int fd;
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd == -1 ? 0 : read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		found = strstr(text, "\nvoluntary_ctxt_switches:");
		if (found && !strncmp(text, "Name:\tsyncless-", 15))
			sum += atol(found + 25);
	}
	closedir(tasks);
	return sum;
}

static void let_monitor_look(void)
{
	int64_t latest = mono_ms() + LONGEST_MS;

	for (long enough = naps() + LOOKS; naps() < enough && mono_ms() < latest;)
		usleep(1000);
}

static void *holds_it(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(m), 0);
	CHECK_EQ(get_stuck(arg), 1);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(get_stuck(arg), 1);
	return arg;
}

static void *goes_on(void *arg)
{
	for (; !over; runs++)
		sched_yield();
	return arg;
}

/* A kernel thread of its own. */
static void *judges(void *arg)
{
	long seen;

	await_stuck(arg);
	if (is_green()) {
		seen = runs;
		let_monitor_look();
		CHECK_EQ(runs, seen);
	}
	release(arg);
	await_stuck(arg);
	for (seen = runs; runs < seen + 10;)
		usleep(1000);
	release(arg);
	return arg;
}

static void held_back(void (*set)(pthread_mutexattr_t *attr))
{
	pthread_mutexattr_t attr;
	pthread_t judge, holder, other;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	set(&attr);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
	over = false;
	stuck_init(&s);
	judge = start_native(judges, &s);
	other = start(goes_on, NULL);
	holder = start(holds_it, &s);
	finish(holder);
	over = true;
	finish(other);
	finish(judge);
	stuck_close(&s);
	CHECK_EQ(pthread_mutex_destroy(m), 0);
}

static void inherits(pthread_mutexattr_t *attr)
{
	CHECK_EQ(pthread_mutexattr_setprotocol(attr, PTHREAD_PRIO_INHERIT), 0);
}

static void is_robust(pthread_mutexattr_t *attr)
{
	CHECK_EQ(pthread_mutexattr_setrobust(attr, PTHREAD_MUTEX_ROBUST), 0);
}

static void is_shared(pthread_mutexattr_t *attr)
{
	CHECK_EQ(pthread_mutexattr_setpshared(attr, PTHREAD_PROCESS_SHARED), 0);
}

/* --- Locked by one who lost the scheduler before. */

static _Atomic int inside;

static void *locks_after_it(void *arg)
{
	CHECK_EQ(get_stuck(arg), 1);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(pthread_mutex_lock(m), 0);
		CHECK_EQ(inside++, 0);
		inline_call(SYS_sched_yield, 0, 0, 0);
		CHECK_EQ(--inside, 0);
		CHECK_EQ(pthread_mutex_unlock(m), 0);
		if (i % 10 == 0)
			CHECK_EQ(get_stuck(arg), 1);
	}
	return arg;
}

static void locked_later(void (*set)(pthread_mutexattr_t *attr))
{
	struct stuck both[2];
	pthread_mutexattr_t attr;
	pthread_t t[2];

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	set(&attr);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
	for (int i = 0; i < 2; i++) {
		stuck_init(&both[i]);
		t[i] = start(locks_after_it, &both[i]);
	}
	for (int n = 0; n < 6; n++)
		for (int i = 0; i < 2; i++) {
			await_stuck(&both[i]);
			release(&both[i]);
		}
	for (int i = 0; i < 2; i++) {
		finish(t[i]);
		stuck_close(&both[i]);
	}
	CHECK_EQ(pthread_mutex_destroy(m), 0);
}

int main(void)
{
	if (getenv("EMULATOR"))
		SKIP("emulated: there are no robust lists");
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(m != MAP_FAILED);
	held_back(inherits);
	held_back(is_robust);
	held_back(is_shared);
	locked_later(inherits);
	locked_later(is_robust);
	locked_later(is_shared);
	CHECK_VERIFY();
	return 0;
}
