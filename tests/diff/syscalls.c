/* SPDX-License-Identifier: Apache-2.0
 *
 * Each call that has a wrapper, by its number: the kernel's results, and its own conventions where libc has
 * others (timeouts in which it writes what is left, masks of one word with their size).
 */
#include "diff/diff.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NOWHERE ((void *)8)

static int pair[2], ends[2];

static void make_pair(void)
{
	stream_pair(pair);
}

static void make_pipe(void)
{
	CHECK_EQ(pipe(ends), 0);
}

static void *write_to(void *arg)
{
	await_blocked(1);
	R(write(*(int *)arg, "bytes", 5));
	return NULL;
}

/* --- Reading and writing */

CASE(read_waits)
{
	char c[8] = "";
	struct flow *f;

	make_pipe();
	f = flow(write_to, &ends[1]);
	blocks();
	R(syscall(SYS_read, ends[0], c, 8L));
	SHOW(c, 5);
	flow_end(f);
	close(ends[1]);
	R(syscall(SYS_read, ends[0], c, 8L));
	R(syscall(SYS_read, ends[0], c, 0L));
	R(syscall(SYS_read, 999, c, 8L));
	R(syscall(SYS_read, ends[1], NOWHERE, 8L));
}

CASE(write_and_errors)
{
	signal(SIGPIPE, SIG_IGN);
	make_pipe();
	R(syscall(SYS_write, ends[1], "abc", 3L));
	R(syscall(SYS_write, ends[0], "abc", 3L));
	close(ends[0]);
	R(syscall(SYS_write, ends[1], "abc", 3L));
	R(syscall(SYS_write, 999, "abc", 3L));
}

CASE(readv_and_writev)
{
	char a[4] = "", b[4] = "";
	struct iovec out[] = { { "ab", 2 }, { "cdef", 4 } }, in[] = { { a, 3 }, { b, 3 } };
	struct flow *f;

	make_pair();
	f = flow(write_to, &pair[1]);
	blocks();
	R(syscall(SYS_readv, pair[0], in, 2L));
	SHOW(a, 3);
	SHOW(b, 2);
	flow_end(f);
	R(syscall(SYS_writev, pair[0], out, 2L));
	R(syscall(SYS_readv, pair[1], in, 2L));
	SHOW(a, 3);
	R(syscall(SYS_readv, pair[1], in, -1L));
	R(syscall(SYS_writev, pair[1], out, 5000L));
}

CASE(pread64_and_pwrite64)
{
	char a[8] = "";
	struct iovec out = { "xyz", 3 }, in = { a, 8 };
	int fd = open("file", O_CREAT | O_RDWR, 0600);

	R(syscall(SYS_pwrite64, fd, "abcdef", 6L, 1L));
	R(syscall(SYS_pread64, fd, a, 8L, 2L));
	SHOW(a, 5);
	R(syscall(SYS_pwritev, fd, &out, 1L, 0L, 0L));
	R(syscall(SYS_preadv, fd, &in, 1L, 0L, 0L));
	SHOW(a, 7);
	R(syscall(SYS_pread64, fd, a, 8L, -1L));
	R(syscall(SYS_fsync, fd));
	R(syscall(SYS_fdatasync, fd));
	R(syscall(SYS_sync_file_range, fd, 0L, 0L, 0L));
	R(syscall(SYS_fsync, 999L));
	make_pipe();
	R(syscall(SYS_pread64, ends[0], a, 8L, 0L));
	R(syscall(SYS_fsync, ends[0]));
}

CASE(preadv2_and_pwritev2)
{
	char a[8] = "";
	struct iovec out = { "abcdef", 6 }, in = { a, 8 };
	int fd = open("file", O_CREAT | O_RDWR, 0600);

	R(syscall(SYS_pwritev2, fd, &out, 1L, 2L, 0L, 0L));
	R(syscall(SYS_preadv2, fd, &in, 1L, 3L, 0L, 0L));
	SHOW(a, 5);
	R(syscall(SYS_preadv2, fd, &in, 1L, -1L, -1L, 0L));
	R(syscall(SYS_preadv2, fd, &in, 1L, 0L, 0L, 0x4000000L));
	make_pipe();
	R(syscall(SYS_preadv2, ends[0], &in, 1L, 0L, 0L, 0L));
	R(syscall(SYS_preadv2, ends[0], &in, 1L, -1L, -1L, 8L /* RWF_NOWAIT */));
}

CASE(sendfile_between_files_and_a_socket)
{
	off_t at = 1;
	char c[8] = "";
	int fd = open("file", O_CREAT | O_RDWR, 0600);

	CHECK_EQ(write(fd, "abcdef", 6), 6);
	make_pair();
	R(syscall(SYS_sendfile, pair[0], fd, &at, 3L));
	SAY("offset %ld", (long)at);
	R(read(pair[1], c, 8));
	SHOW(c, 3);
	R(syscall(SYS_sendfile, pair[0], fd, NULL, 3L));
	R(syscall(SYS_sendfile, 999, fd, NULL, 3L));
}

CASE(splice_tee_vmsplice)
{
	int other[2];
	char c[8] = "";
	struct iovec v = { "abcdef", 6 };

	make_pipe();
	CHECK_EQ(pipe(other), 0);
	R(syscall(SYS_vmsplice, ends[1], &v, 1L, 0L));
	R(syscall(SYS_tee, ends[0], other[1], 4L, 0L));
	R(syscall(SYS_splice, ends[0], NULL, other[1], NULL, 2L, 0L));
	R(read(other[0], c, 8));
	SHOW(c, 6);
	R(syscall(SYS_splice, ends[0], NULL, 999, NULL, 2L, 0L));
}

/* --- Sockets */

CASE(recvfrom_and_sendto)
{
	char c[8] = "";
	struct flow *f;

	make_pair();
	f = flow(write_to, &pair[1]);
	blocks();
	R(syscall(SYS_recvfrom, pair[0], c, 8L, 0L, NULL, NULL));
	SHOW(c, 5);
	flow_end(f);
	R(syscall(SYS_recvfrom, pair[0], c, 8L, (long)MSG_DONTWAIT, NULL, NULL));
	R(syscall(SYS_sendto, pair[0], "xyz", 3L, 0L, NULL, 0L));
	R(syscall(SYS_recvfrom, pair[1], c, 8L, (long)MSG_PEEK, NULL, NULL));
	close(pair[1]);
	R(syscall(SYS_sendto, pair[0], "xyz", 3L, (long)MSG_NOSIGNAL, NULL, 0L));
}

CASE(recvmsg_and_sendmsg)
{
	char c[8] = "";
	struct iovec in = { c, 8 }, out = { "message", 7 };
	struct msghdr to = { .msg_iov = &out, .msg_iovlen = 1 }, from = { .msg_iov = &in, .msg_iovlen = 1 };
	struct flow *f;

	make_pair();
	f = flow(write_to, &pair[1]);
	blocks();
	R(syscall(SYS_recvmsg, pair[0], &from, 0L));
	SHOW(c, 5);
	flow_end(f);
	R(syscall(SYS_sendmsg, pair[0], &to, 0L));
	R(syscall(SYS_recvmsg, pair[1], &from, 0L));
	SAY("flags %x", from.msg_flags);
	R(syscall(SYS_recvmsg, 999, &from, 0L));
}

CASE(recvmmsg_and_sendmmsg)
{
	char c[2][8] = { "", "" };
	struct iovec out[] = { { "one", 3 }, { "three", 5 } }, in[] = { { c[0], 8 }, { c[1], 8 } };
	struct mmsghdr to[2] = { { .msg_hdr = { .msg_iov = &out[0], .msg_iovlen = 1 } },
				 { .msg_hdr = { .msg_iov = &out[1], .msg_iovlen = 1 } } };
	struct mmsghdr from[2] = { { .msg_hdr = { .msg_iov = &in[0], .msg_iovlen = 1 } },
				   { .msg_hdr = { .msg_iov = &in[1], .msg_iovlen = 1 } } };
	struct timespec ts = { 5, 0 };
	int s[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
	R(syscall(SYS_sendmmsg, s[0], to, 2L, 0L));
	SAY("lengths %u %u", to[0].msg_len, to[1].msg_len);
	R(syscall(SYS_recvmmsg, s[1], from, 2L, 0L, &ts));
	SAY("lengths %u %u", from[0].msg_len, from[1].msg_len);
	SHOW(c[1], 5);
	R(syscall(SYS_recvmmsg, s[1], from, 2L, (long)MSG_DONTWAIT, NULL));
	ts.tv_nsec = -1;
	R(syscall(SYS_recvmmsg, s[1], from, 2L, 0L, &ts));
}

static struct sockaddr_in addr;

static void *connect_once(void *arg)
{
	int fd = (int)syscall(SYS_socket, (long)AF_INET, (long)SOCK_STREAM, 0L);

	await_blocked(1);
	R(syscall(SYS_connect, fd, &addr, (long)sizeof(addr)));
	R(syscall(SYS_shutdown, fd, (long)SHUT_WR));
	return arg;
}

CASE(accept_and_connect)
{
	int listener = tcp_listener(&addr, 5), fd;
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	struct flow *f = flow(connect_once, NULL);
	char c;

	blocks();
	fd = (int)syscall(SYS_accept, listener, &peer, &len);
	SAY("accepted %d, family %d, length %u", fd >= 0, peer.sin_family, len);
	flow_end(f);
	R(syscall(SYS_read, fd, &c, 1L));
	R(syscall(SYS_accept, fd, NULL, NULL));
	R(syscall(SYS_accept, 999, NULL, NULL));
}

CASE(accept4_flags)
{
	int listener = tcp_listener(&addr, 5), fd, client = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_EQ(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
	fd = (int)syscall(SYS_accept4, listener, NULL, NULL, (long)(SOCK_NONBLOCK | SOCK_CLOEXEC));
	SAY("flags %x %x", fcntl(fd, F_GETFL) & O_NONBLOCK, fcntl(fd, F_GETFD));
	R(syscall(SYS_accept4, listener, NULL, NULL, 77L));
	set_nonblock(listener, true);
	R(syscall(SYS_accept4, listener, NULL, NULL, 0L));
}

CASE(connect_refused)
{
	int listener = tcp_listener(&addr, 5), fd = socket(AF_INET, SOCK_STREAM, 0);

	close(listener);
	R(syscall(SYS_connect, fd, &addr, (long)sizeof(addr)));
	R(syscall(SYS_connect, 999, &addr, (long)sizeof(addr)));
	R(syscall(SYS_connect, fd, &addr, 3L));
}

/* --- Descriptors */

CASE(socket_and_socketpair)
{
	int s[2], fd = (int)syscall(SYS_socket, (long)AF_UNIX, (long)(SOCK_STREAM | SOCK_NONBLOCK), 0L);
	char c;

	SAY("flags %x", fcntl(fd, F_GETFL) & O_NONBLOCK);
	R(syscall(SYS_socket, 12345L, (long)SOCK_STREAM, 0L));
	R(syscall(SYS_socketpair, (long)AF_UNIX, (long)(SOCK_STREAM | SOCK_NONBLOCK), 0L, s));
	R(syscall(SYS_read, s[0], &c, 1L));
	R(syscall(SYS_socketpair, (long)AF_INET, (long)SOCK_STREAM, 0L, s));
}

static void *read_byte(void *arg)
{
	char c;

	blocks();
	R(read(*(int *)arg, &c, 1));
	return NULL;
}

CASE(close_frees_the_number)
{
	make_pair();
	R(syscall(SYS_close, pair[0]));
	R(syscall(SYS_close, pair[0]));
	SAY("again %d", open("/dev/null", O_RDONLY) == pair[0]);
	R(syscall(SYS_read, pair[0], NULL, 0L));
	R(syscall(SYS_close, -1L));
}

CASE(dup_and_dup3)
{
	int other[2], fd, same;
	struct flow *f;

	make_pair();
	stream_pair(other);
	fd = (int)syscall(SYS_dup, pair[0]);
	same = (int)syscall(SYS_dup3, pair[0], other[0], (long)O_CLOEXEC);
	SAY("same %d, flags %x", same == other[0], fcntl(same, F_GETFD));
	f = flow(read_byte, &same);
	await_blocked(1);
	R(syscall(SYS_write, pair[1], "x", 1L));
	flow_end(f);
	R(syscall(SYS_dup3, pair[0], pair[0], 0L));
	R(syscall(SYS_dup3, 999, fd, 0L));
	R(syscall(SYS_dup, 999L));
#ifdef SYS_dup2
	R(syscall(SYS_dup2, 999L, fd));
	SAY("dup2 %d", syscall(SYS_dup2, pair[1], fd) == fd);
	R(syscall(SYS_dup2, fd, fd) == fd);
#else
	R(-1 * 0);
	SAY("dup2 1");
#endif
}

CASE(close_range)
{
	int fds[4];

	for (int i = 0; i < 4; i++)
		fds[i] = dup2(1, 200 + i);
	R(syscall(SYS_close_range, 201L, 202L, 0L));
	for (int i = 0; i < 4; i++)
		R(fcntl(fds[i], F_GETFD));
	R(syscall(SYS_close_range, 202L, 201L, 0L));
	R(syscall(SYS_close_range, 200L, 203L, 77L));
	R(syscall(SYS_close_range, 200L, 203L, 4L /* CLOEXEC */));
	R(fcntl(200, F_GETFD));
}

CASE(fcntl_of_flags)
{
	char c;
	long flags;

	make_pair();
	flags = R(syscall(SYS_fcntl, pair[0], (long)F_GETFL));
	R(syscall(SYS_fcntl, pair[0], (long)F_SETFL, flags | O_NONBLOCK));
	R(read(pair[0], &c, 1));
	R(syscall(SYS_fcntl, pair[0], (long)F_SETFL, flags));
	R(syscall(SYS_fcntl, pair[0], (long)F_GETFL));
	R(syscall(SYS_fcntl, pair[0], (long)F_SETFD, 1L));
	R(syscall(SYS_fcntl, pair[0], (long)F_GETFD));
	R(syscall(SYS_fcntl, pair[0], (long)F_DUPFD, 300L));
	R(syscall(SYS_fcntl, pair[0], 12345L, 0L));
	R(syscall(SYS_fcntl, 999L, (long)F_GETFL));
}

CASE(ioctl_of_a_socket)
{
	int on = 1, n = 0;
	char c;

	make_pair();
	CHECK_EQ(write(pair[1], "abc", 3), 3);
	R(syscall(SYS_ioctl, pair[0], 0x541bL /* FIONREAD */, &n));
	SAY("n %d", n);
	R(syscall(SYS_ioctl, pair[1], 0x5421L /* FIONBIO */, &on));
	R(read(pair[1], &c, 1));
	R(syscall(SYS_ioctl, pair[1], 0x1234L, &on));
}

CASE(pipe2_and_eventfd2)
{
	uint64_t value = 0;
	int fds[2], fd;

	R(syscall(SYS_pipe2, fds, (long)O_NONBLOCK));
	R(syscall(SYS_read, fds[0], &value, 8L));
	R(syscall(SYS_pipe2, fds, 77L));
	fd = (int)syscall(SYS_eventfd2, 3L, (long)EFD_NONBLOCK);
	R(syscall(SYS_read, fd, &value, 8L));
	SAY("value %d", (int)value);
	R(syscall(SYS_read, fd, &value, 8L));
	R(syscall(SYS_eventfd2, 3L, 77L));
}

CASE(openat_of_files)
{
	int fd = (int)syscall(SYS_openat, (long)AT_FDCWD, "file", (long)(O_CREAT | O_RDWR | O_EXCL), 0640L);

	R(syscall(SYS_write, fd, "abc", 3L));
	R(syscall(SYS_openat, (long)AT_FDCWD, "file", (long)(O_CREAT | O_EXCL), 0640L));
	R(syscall(SYS_openat, (long)AT_FDCWD, "nothing", (long)O_RDONLY, 0L));
	R(syscall(SYS_openat, 999L, "nothing", (long)O_RDONLY, 0L));
}

static void *open_writer(void *arg)
{
	int fd;

	await_blocked(1);
	fd = (int)syscall(SYS_openat, (long)AT_FDCWD, "fifo", (long)O_WRONLY, 0L);
	R(syscall(SYS_write, fd, "f", 1L));
	return arg;
}

CASE(openat_waits_for_a_fifo)
{
	struct flow *f;
	char c;
	int fd;

	CHECK_EQ(mkfifo("fifo", 0600), 0);
	f = flow(open_writer, NULL);
	blocks();
	fd = (int)syscall(SYS_openat, (long)AT_FDCWD, "fifo", (long)O_RDONLY, 0L);
	R(syscall(SYS_read, fd, &c, 1L));
	flow_end(f);
}

CASE(setsockopt_of_a_timeout)
{
	struct timeval tv = { 0, 20000 };
	char c;

	make_pair();
	R(syscall(SYS_setsockopt, pair[0], (long)SOL_SOCKET, (long)SO_RCVTIMEO, &tv, (long)sizeof(tv)));
	LASTS(20, R(syscall(SYS_read, pair[0], &c, 1L)));
	R(syscall(SYS_setsockopt, pair[0], (long)SOL_SOCKET, 9999L, &tv, (long)sizeof(tv)));
}

CASE(flock_of_a_file)
{
	int a = open("file", O_CREAT | O_RDWR, 0600), b = open("file", O_RDWR);

	R(syscall(SYS_flock, a, (long)LOCK_EX));
	R(syscall(SYS_flock, b, (long)(LOCK_EX | LOCK_NB)));
	R(syscall(SYS_flock, a, (long)LOCK_UN));
	R(syscall(SYS_flock, b, (long)LOCK_EX));
	R(syscall(SYS_flock, b, 77L));
}

/* --- Readiness */

static void *make_ready(void *arg)
{
	await_blocked(1);
	CHECK_EQ(write(pair[1], "r", 1), 1);
	return arg;
}

CASE(ppoll_writes_what_is_left)
{
	struct pollfd p;
	struct timespec ts = ms_span(20), longer = { 1000, 0 }, bad = { 0, -1 }, zero = { 0, 0 };
	struct flow *f;

	make_pair();
	p = (struct pollfd){ .fd = pair[0], .events = POLLIN };
	LASTS(20, R(syscall(SYS_ppoll, &p, 1L, &ts, NULL, 8L)));
	SAY("left %ld.%ld", (long)ts.tv_sec, ts.tv_nsec);
	f = flow(make_ready, NULL);
	blocks();
	R(syscall(SYS_ppoll, &p, 1L, &longer, NULL, 8L));
	SAY("revents %x, less is left: %d", p.revents, longer.tv_sec < 1000 && longer.tv_sec > 900);
	flow_end(f);
	R(syscall(SYS_ppoll, &p, 1L, &bad, NULL, 8L));
	R(syscall(SYS_ppoll, &p, 1L, &zero, NULL, 8L));
}

CASE(ppoll_with_a_constant_timeout)
{
	static const struct timespec constant = { 0, 5000000 };
	struct timespec *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page->tv_nsec = 5000000;
	CHECK_EQ(mprotect(page, 4096, PROT_READ), 0);
	LASTS(5, R(syscall(SYS_ppoll, NULL, 0L, &constant, NULL, 8L)));
	LASTS(5, R(syscall(SYS_ppoll, NULL, 0L, page, NULL, 8L)));
	SAY("still %ld", page->tv_nsec);
}

CASE(ppoll_with_a_mask)
{
	uint64_t mask = 1u << (SIGUSR1 - 1);
	struct timespec ts = ms_span(5);

	R(syscall(SYS_ppoll, NULL, 0L, &ts, &mask, 8L));
	ts = ms_span(5);
	R(syscall(SYS_ppoll, NULL, 0L, &ts, &mask, 128L));
	R(syscall(SYS_ppoll, NULL, 0L, &ts, &mask, 0L));
}

CASE(pselect6_writes_what_is_left)
{
	struct {
		const void *mask;
		size_t size;
	} pack = { NULL, 8 };
	struct timespec ts = ms_span(20), longer = { 1000, 0 }, bad = { -1, 0 };
	struct flow *f;
	fd_set in;

	make_pair();
	FD_ZERO(&in);
	FD_SET(pair[0], &in);
	LASTS(20, R(syscall(SYS_pselect6, pair[0] + 1, &in, NULL, NULL, &ts, NULL)));
	SAY("left %ld.%ld, set %d", (long)ts.tv_sec, ts.tv_nsec, FD_ISSET(pair[0], &in));
	FD_SET(pair[0], &in);
	f = flow(make_ready, NULL);
	blocks();
	R(syscall(SYS_pselect6, pair[0] + 1, &in, NULL, NULL, &longer, &pack));
	SAY("set %d, less is left: %d", FD_ISSET(pair[0], &in), longer.tv_sec < 1000 && longer.tv_sec > 900);
	flow_end(f);
	R(syscall(SYS_pselect6, pair[0] + 1, &in, NULL, NULL, &bad, NULL));
	R(syscall(SYS_pselect6, -1L, &in, NULL, NULL, &ts, NULL));
	pack.mask = &in;
	pack.size = 3;
	R(syscall(SYS_pselect6, pair[0] + 1, &in, NULL, NULL, &ts, &pack));
}

CASE(epoll_by_number)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 7 }, out = { 0 };
	struct timespec ts = ms_span(10), bad = { 0, 1000000000 };
	uint64_t mask = 0;
	struct flow *f;
	int ep = (int)syscall(SYS_epoll_create1, (long)EPOLL_CLOEXEC);

	make_pair();
	R(syscall(SYS_epoll_ctl, ep, (long)EPOLL_CTL_ADD, pair[0], &e));
	LASTS(10, R(syscall(SYS_epoll_pwait, ep, &out, 1L, 10L, NULL, 8L)));
	f = flow(make_ready, NULL);
	blocks();
	R(syscall(SYS_epoll_pwait, ep, &out, 1L, -1L, &mask, 8L));
	SAY("events %x, data %u", out.events, out.data.u32);
	flow_end(f);
	R(syscall(SYS_epoll_pwait, ep, &out, 1L, 0L, &mask, 9L));
	R(syscall(SYS_epoll_pwait, ep, &out, 0L, 0L, NULL, 8L));
	R(syscall(SYS_epoll_pwait, 999L, &out, 1L, 0L, NULL, 8L));
#ifdef SYS_epoll_pwait2
	R(syscall(SYS_epoll_pwait2, ep, &out, 1L, &ts, NULL, 8L));
	R(syscall(SYS_epoll_pwait2, ep, &out, 1L, &bad, NULL, 8L));
	R(syscall(SYS_epoll_pwait2, ep, &out, 1L, &ts, &mask, 9L));
	SAY("left as it was: %d", ts.tv_nsec == 10000000);
#endif
	R(syscall(SYS_epoll_create1, 77L));
}

#ifdef SYS_poll
CASE(poll_by_number)
{
	struct pollfd p;
	struct flow *f;

	make_pair();
	p = (struct pollfd){ .fd = pair[0], .events = POLLIN };
	LASTS(10, R(syscall(SYS_poll, &p, 1L, 10L)));
	R(syscall(SYS_poll, NULL, 0L, 0L));
	f = flow(make_ready, NULL);
	blocks();
	R(syscall(SYS_poll, &p, 1L, -1L));
	SAY("revents %x", p.revents);
	flow_end(f);
}

CASE(select_by_number)
{
	struct timeval tv = { 0, 20000 }, longer = { 1000, 0 }, bad = { -1, 0 };
	struct flow *f;
	fd_set in;

	make_pair();
	FD_ZERO(&in);
	FD_SET(pair[0], &in);
	LASTS(20, R(syscall(SYS_select, pair[0] + 1L, &in, NULL, NULL, &tv)));
	SAY("left %ld.%ld", (long)tv.tv_sec, (long)tv.tv_usec);
	FD_SET(pair[0], &in);
	f = flow(make_ready, NULL);
	blocks();
	R(syscall(SYS_select, pair[0] + 1L, &in, NULL, NULL, &longer));
	SAY("less is left: %d", longer.tv_sec < 1000 && longer.tv_sec > 900);
	flow_end(f);
	R(syscall(SYS_select, pair[0] + 1L, &in, NULL, NULL, &bad));
}

CASE(epoll_wait_by_number)
{
	struct epoll_event e = { .events = EPOLLIN }, out;
	int ep = (int)syscall(SYS_epoll_create, 1L);
	struct flow *f;

	make_pair();
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, pair[0], &e), 0);
	LASTS(10, R(syscall(SYS_epoll_wait, ep, &out, 1L, 10L)));
	f = flow(make_ready, NULL);
	blocks();
	R(syscall(SYS_epoll_wait, ep, &out, 1L, -1L));
	flow_end(f);
	R(syscall(SYS_epoll_create, 0L));
}

CASE(old_makers_of_descriptors)
{
	int fds[2], fd = (int)syscall(SYS_creat, "made", 0600L);
	uint64_t value;

	R(syscall(SYS_write, fd, "abc", 3L));
	fd = (int)syscall(SYS_open, "made", (long)O_RDONLY, 0L);
	R(syscall(SYS_read, fd, &value, 8L));
	R(syscall(SYS_open, "nothing", (long)O_RDONLY, 0L));
	R(syscall(SYS_pipe, fds));
	R(syscall(SYS_write, fds[1], "x", 1L));
	fd = (int)syscall(SYS_eventfd, 5L);
	R(syscall(SYS_read, fd, &value, 8L));
	SAY("value %d", (int)value);
}
#endif
