/* SPDX-License-Identifier: Apache-2.0
 *
 * A signal that comes when a call has begun and does not wait yet ends it.  We try without waiting first; its
 * handler has run by the time that we wait.
 *
 * Each call is made by a child that its parent traces.  After a system call that says where we are, the signal is
 * sent upon the next one: natively that is the call itself.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include "test.h"

static int ends[2], gate[2], pipes[2], listener, epfd;
static volatile sig_atomic_t handled;

static void note(int sig)
{
	(void)sig;
	handled++;
}

static void *waits(void *arg)
{
	char byte;

	CHECK_EQ(read(gate[0], &byte, 1), 0);
	return arg;
}

static long by_recv(void)
{
	char byte;

	return recv(ends[0], &byte, 1, 0);
}

static long by_read(void)
{
	char byte;

	return read(pipes[0], &byte, 1);
}

static long by_accept(void)
{
	return accept(listener, NULL, NULL);
}

static long by_poll(void)
{
	struct pollfd p = { .fd = ends[0], .events = POLLIN };

	return poll(&p, 1, -1);
}

static long by_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	return select(ends[0] + 1, &set, NULL, NULL, NULL);
}

static long by_epoll_wait(void)
{
	struct epoll_event ev;

	return epoll_wait(epfd, &ev, 1, -1);
}

static sigset_t none; /* for the calls that swap the mask, and look once more before they do */

static long by_ppoll(void)
{
	struct pollfd p = { .fd = ends[0], .events = POLLIN };

	return ppoll(&p, 1, NULL, &none);
}

static long by_pselect(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	return pselect(ends[0] + 1, &set, NULL, NULL, NULL, &none);
}

static long by_epoll_pwait(void)
{
	struct epoll_event ev;

	return epoll_pwait(epfd, &ev, 1, -1, &none);
}

/* A thread waits, so that the scheduler is there. */
static void be_traced(long (*call)(void))
{
	struct sigaction act = { .sa_handler = note };
	pthread_t thread;

	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	CHECK_EQ(pthread_create(&thread, NULL, waits, NULL), 0);
	CHECK_EQ(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
	CHECK_EQ(raise(SIGSTOP), 0);
	syscall(SYS_getppid);
	CHECK_ERRNO(call(), EINTR);
	CHECK_EQ(handled, 1);
	_exit(0);
}

/* Until the next stop at a system call; what else stops it is passed on.  Its number as it begins, -1 as it ends. */
static long next_stop(pid_t pid)
{
	struct __ptrace_syscall_info info;
	int status, sig = 0;

	do {
		CHECK_EQ(ptrace(PTRACE_SYSCALL, pid, 0, sig), 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSTOPPED(status));
		sig = WSTOPSIG(status);
	} while (sig != (SIGTRAP | 0x80));
	CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0);
	return info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
}

static void trace(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
	while (next_stop(pid) != SYS_getppid)
		;
	CHECK_EQ(next_stop(pid), -1);
	CHECK(next_stop(pid) >= 0);
	CHECK_EQ(syscall(SYS_tgkill, pid, pid, SIGUSR1), 0);
	CHECK_EQ(ptrace(PTRACE_DETACH, pid, 0, 0), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

static void run(long (*call)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		be_traced(call);
	trace(pid);
}

static void make_descriptors(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN };

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(pipe(pipes), 0);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_EQ(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	CHECK_EQ(listen(listener, 1), 0);
	epfd = epoll_create1(0);
	CHECK_EQ(epoll_ctl(epfd, EPOLL_CTL_ADD, ends[0], &ev), 0);
}

int main(void)
{
	if (is_emulated("it has no ptrace()"))
		return 0;
	make_descriptors();
	run(by_recv);
	run(by_read);
	run(by_accept);
	run(by_poll);
	run(by_select);
	run(by_epoll_wait);
	run(by_ppoll);
	run(by_pselect);
	run(by_epoll_pwait);
	return 0;
}
