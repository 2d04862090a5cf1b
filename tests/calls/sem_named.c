/* SPDX-License-Identifier: Apache-2.0
 *
 * Semaphores of sem_open() carry no mark that they are shared, yet another process may post them: a
 * thread that waits on one is woken by the child's post, and the others run meanwhile.
 */
#include "calls/blocked.h"
#include <semaphore.h>
#include <sys/wait.h>

static sem_t *go, *done;

static void *waiter(void *arg)
{
	about_to_block();
	CHECK_EQ(sem_wait(go), 0);
	return arg;
}

static sem_t *open_sem(const char *which)
{
	char name[64];
	sem_t *s;

	snprintf(name, sizeof(name), "/syncless-test-%d-%s", getpid(), which);
	s = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	if (s == SEM_FAILED && (errno == ENOSYS || errno == EACCES || errno == ENOENT))
		SKIP("no shared memory file system");
	CHECK(s != SEM_FAILED);
	CHECK_EQ(sem_unlink(name), 0);
	return s;
}

int main(void)
{
	struct timespec at;
	int status;
	pthread_t t;
	pid_t pid;

	go = open_sem("go");
	done = open_sem("done");
	pid = fork();
	if (pid == 0) {
		while (sem_wait(done) == -1)
			CHECK_EQ(errno, EINTR);
		_exit(sem_post(go) || sem_post(go));
	}
	t = start(waiter, NULL);
	await_blocked(1);
	at = in_ms(CLOCK_REALTIME, 5);
	CHECK_ERRNO(sem_timedwait(go, &at), ETIMEDOUT);
	CHECK_ERRNO(sem_trywait(go), EAGAIN);
	CHECK_EQ(sem_post(done), 0);
	finish(t);
	CHECK_EQ(sem_wait(go), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	t = start(waiter, NULL);
	await_blocked(2);
	CHECK_EQ(sem_post(go), 0); /* and within the process */
	finish(t);
	CHECK_EQ(sem_close(go), 0);
	CHECK_EQ(sem_close(done), 0);
	return 0;
}
