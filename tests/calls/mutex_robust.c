/* SPDX-License-Identifier: Apache-2.0
 *
 * Robust mutexes: when the owner thread ends without an unlock the next locker gets EOWNERDEAD and can
 * make the mutex consistent; without that it becomes ENOTRECOVERABLE.  Between processes the same,
 * when the owning process dies.
 */
#include "calls/blocked.h"
#include <sys/mman.h>
#include <sys/wait.h>

static pthread_mutex_t *m;

static void init(int shared)
{
	pthread_mutexattr_t attr;

	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQ(pthread_mutexattr_setpshared(&attr, shared), 0);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
}

static void *die_holding(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(m), 0);
	return arg;
}

static void *hold_until_blocked(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(m), 0);
	await_blocked(*(int *)arg);
	return NULL;
}

static void between_threads(void)
{
	int one = 1;
	pthread_t t;

	init(PTHREAD_PROCESS_PRIVATE);
	finish(start(die_holding, NULL));
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);

	t = start(hold_until_blocked, &one);
	while (pthread_mutex_trylock(m) == 0) {
		CHECK_EQ(pthread_mutex_unlock(m), 0);
		sched_yield();
	}
	about_to_block();
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_unlock(m), 0); /* not made consistent */
	CHECK_EQ(pthread_mutex_lock(m), ENOTRECOVERABLE);
	finish(t);
	CHECK_EQ(pthread_mutex_destroy(m), 0);
}

static void *fork_holder(void *arg)
{
	int held[2], go[2], status;
	char c;
	pid_t pid;

	CHECK_EQ(pipe(held), 0);
	CHECK_EQ(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(pthread_mutex_lock(m), 0);
		CHECK_EQ(write(held[1], "h", 1), 1);
		CHECK_EQ(read(go[0], &c, 1), 1);
		_exit(0);
	}
	CHECK_EQ(read(held[0], &c, 1), 1);
	CHECK_EQ(pthread_mutex_trylock(m), EBUSY);
	CHECK_EQ(write(go[1], "g", 1), 1);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	return arg;
}

int main(void)
{
	if (getenv("EMULATOR"))
		SKIP("emulated: there are no robust lists, which outlive a thread");
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(m != MAP_FAILED);
	between_threads();
	init(PTHREAD_PROCESS_SHARED);
	fork_holder(NULL);
	finish(start(fork_holder, NULL));
	return 0;
}
