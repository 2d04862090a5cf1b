/* SPDX-License-Identifier: Apache-2.0
 *
 * Cancellation points, pthreads(7): a thread that is to be cancelled calls something that need not wait.
 */
#include "diff/steps.h"
#include <limits.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <termios.h>

static int p[2], s[2];
static char text[16];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;

static void *cancel_myself_in(void *arg)
{
	CHECK_EQ(pthread_cancel(pthread_self()), 0);
	(*(void (**)(void))arg)();
	SAY("goes on");
	return NULL;
}

static void try_point(void (*point)(void))
{
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(write(p[1], "something", 9), 9);
	stream_pair(s);
	CHECK_EQ(write(s[1], "something", 9), 9);
	CHECK_EQ(sem_init(&sem, 0, 1), 0);
	SAY("cancelled: %d", flow_end(flow(cancel_myself_in, &point)) == PTHREAD_CANCELED);
}

/* What follows is the call. */
#define POINT(name)                                                                                            \
	static void point_##name(void);                                                                        \
	CASE_THREADS(name)                                                                                     \
	{                                                                                                      \
		try_point(point_##name);                                                                       \
	}                                                                                                      \
	static void point_##name(void)

/* Where the thread is not cancelled the call says what it did. */

POINT(read_of_pipe)
{
	R(read(p[0], text, 4));
}

POINT(read_of_file)
{
	R(read(open("/dev/null", O_RDONLY | O_CLOEXEC), text, 4));
}

POINT(read_of_nothing)
{
	R(read(p[0], text, 0));
}

POINT(read_of_bad_descriptor)
{
	R(read(999, text, 4));
}

POINT(readv_of_pipe)
{
	struct iovec iov = { text, 4 };

	R(readv(p[0], &iov, 1));
}

POINT(write_to_pipe)
{
	R(write(p[1], "x", 1));
}

POINT(writev_to_pipe)
{
	struct iovec iov = { text, 4 };

	R(writev(p[1], &iov, 1));
}

POINT(open_of_file)
{
	R(open("nowhere", O_RDONLY));
}

POINT(openat_of_file)
{
	R(openat(AT_FDCWD, "nowhere", O_RDONLY));
}

POINT(close_of_pipe)
{
	R(close(p[0]));
}

POINT(close_of_bad_descriptor)
{
	R(close(999));
}

POINT(dup_of_pipe)
{
	R(dup2(p[0], 200));
}

POINT(fcntl_of_flags)
{
	R(fcntl(p[0], F_GETFD));
}

POINT(pread_of_file)
{
	R(pread(0, text, 4, 0));
}

POINT(pwrite_to_pipe)
{
	R(pwrite(p[1], "x", 1, 0));
}

POINT(creat_of_file)
{
	R(creat("nowhere/file", 0600));
}

POINT(fsync_of_pipe)
{
	R(fsync(p[0]));
}

POINT(fdatasync_of_pipe)
{
	R(fdatasync(p[0]));
}

POINT(tcdrain_of_pipe)
{
	R(tcdrain(p[0]));
}

POINT(recv_call)
{
	R(recv(s[0], text, 4, 0));
}

POINT(recvfrom_call)
{
	R(recvfrom(s[0], text, 4, 0, NULL, NULL));
}

POINT(recvmsg_call)
{
	struct iovec iov = { text, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	R(recvmsg(s[0], &msg, 0));
}

POINT(send_call)
{
	R(send(s[0], "x", 1, 0));
}

POINT(sendto_call)
{
	R(sendto(s[0], "x", 1, 0, NULL, 0));
}

POINT(sendmsg_call)
{
	struct iovec iov = { text, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	R(sendmsg(s[0], &msg, 0));
}

POINT(accept_call)
{
	R(accept(s[0], NULL, NULL));
}

POINT(connect_call)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };

	R(connect(s[0], (struct sockaddr *)&addr, sizeof(addr)));
}

POINT(shutdown_call)
{
	R(shutdown(s[0], SHUT_RDWR));
}

POINT(socket_call)
{
	R(socket(77, 0, 0));
}

POINT(poll_call)
{
	struct pollfd pfd = { .fd = p[0], .events = POLLIN };

	R(poll(&pfd, 1, 0));
}

POINT(ppoll_call)
{
	struct pollfd pfd = { .fd = p[0], .events = POLLIN };

	R(ppoll(&pfd, 1, NULL, NULL));
}

POINT(select_call)
{
	struct timeval none = { 0 };

	R(select(0, NULL, NULL, NULL, &none));
}

POINT(pselect_call)
{
	struct timespec none = { 0 };

	R(pselect(0, NULL, NULL, NULL, &none, NULL));
}

POINT(epoll_wait_call)
{
	struct epoll_event ev;

	R(epoll_wait(999, &ev, 1, 0));
}

POINT(sleep_of_no_time)
{
	R(sleep(0));
}

POINT(usleep_of_no_time)
{
	R(usleep(0));
}

POINT(nanosleep_of_no_time)
{
	struct timespec none = { 0 };

	R(nanosleep(&none, NULL));
}

POINT(nanosleep_of_bad_time)
{
	struct timespec bad = { .tv_nsec = -1 };

	R(nanosleep(&bad, NULL));
}

POINT(clock_nanosleep_of_no_time)
{
	struct timespec none = { 0 };

	E(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &none, NULL));
}

POINT(sched_yield_call)
{
	R(sched_yield());
}

POINT(waitpid_without_children)
{
	R(waitpid(-1, NULL, WNOHANG));
}

POINT(wait_without_children)
{
	R(wait(NULL));
}

POINT(waitid_without_children)
{
	R(waitid(P_ALL, 0, NULL, WEXITED | WNOHANG));
}

POINT(sigtimedwait_of_no_time)
{
	struct timespec none = { 0 };
	sigset_t set = set_of(SIGUSR1, 0);

	R(sigtimedwait(&set, NULL, &none));
}

POINT(sigwait_of_pending)
{
	sigset_t set = set_of(SIGUSR1, 0);
	int sig;

	change_mask(SIG_BLOCK, SIGUSR1, 0);
	CHECK_EQ(raise(SIGUSR1), 0);
	SAY("%d", sigwait(&set, &sig));
}

POINT(sem_wait_with_token)
{
	R(sem_wait(&sem));
}

POINT(sem_timedwait_with_token)
{
	R(sem_timedwait(&sem, AT(CLOCK_REALTIME, 100)));
}

POINT(sem_trywait_call)
{
	R(sem_trywait(&sem));
}

POINT(sem_post_call)
{
	R(sem_post(&sem));
}

static void unlock(void *arg)
{
	(void)arg;
	E(pthread_mutex_unlock(&m));
}

POINT(cond_timedwait_of_past)
{
	struct timespec past = { .tv_sec = 1 };

	CHECK_EQ(pthread_mutex_lock(&m), 0);
	pthread_cleanup_push(unlock, NULL);
	E(pthread_cond_timedwait(&c, &m, &past));
	pthread_cleanup_pop(1);
}

POINT(cond_signal_call)
{
	E(pthread_cond_signal(&c));
}

POINT(mutex_calls)
{
	E(pthread_mutex_lock(&m));
	E(pthread_mutex_unlock(&m));
	E(pthread_mutex_trylock(&m));
	E(pthread_mutex_timedlock(&m, AT(CLOCK_REALTIME, 10)));
	E(pthread_mutex_unlock(&m));
}

POINT(rwlock_calls)
{
	E(pthread_rwlock_rdlock(&rw));
	E(pthread_rwlock_unlock(&rw));
	E(pthread_rwlock_wrlock(&rw));
	E(pthread_rwlock_unlock(&rw));
}

static void *stay(void *arg)
{
	for (;;)
		sigsuspend(&(sigset_t){ 0 });
	return arg;
}

POINT(join_of_one_that_runs)
{
	E(pthread_join(start(stay, NULL), NULL));
}

POINT(getters)
{
	R(getpid() > 0);
	R(gettid() > 0);
	E(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL));
	R(kill(getpid(), 0));
	R(sigpending(&(sigset_t){ 0 }));
	R(lseek(p[0], 0, SEEK_CUR));
	R(getsockopt(s[0], SOL_SOCKET, SO_ERROR, text, &(socklen_t){ 4 }));
}
