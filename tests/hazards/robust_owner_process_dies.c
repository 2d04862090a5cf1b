/* SPDX-License-Identifier: Apache-2.0
 *
 * When a process dies the kernel walks the list of robust mutexes of each of its kernel threads.  A mutex
 * that a green thread had locked must stand on a list the kernel knows, with an owner it knows, or
 * the peer waits for ever instead of getting EOWNERDEAD.
 */
#include "calls/blocked.h"
#include <sys/mman.h>
#include <sys/wait.h>

static pthread_mutex_t *m;
static int held[2];

static void *lock_and_stay(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(m), 0);
	CHECK_EQ(write(held[1], "h", 1), 1);
	pause();
	return arg;
}

static void *take_over(void *arg)
{
	struct timespec far = in_ms(CLOCK_REALTIME, 1000000);
	pid_t pid = fork();
	char c;

	if (pid == 0) {
		start(lock_and_stay, NULL);
		for (;;)
			pause();
	}
	CHECK_EQ(read(held[0], &c, 1), 1);
	CHECK_EQ(pthread_mutex_trylock(m), EBUSY);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(pthread_mutex_timedlock(m, &far), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	return arg;
}

int main(void)
{
	pthread_mutexattr_t attr;

	if (getenv("EMULATOR"))
		SKIP("emulated: there are no robust lists, which outlive a thread");
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(m != MAP_FAILED);
	CHECK_EQ(pipe(held), 0);
	CHECK_EQ(pthread_mutexattr_init(&attr), 0);
	CHECK_EQ(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
	CHECK_EQ(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
	take_over(NULL);
	finish(start(take_over, NULL));
	return 0;
}
