/* SPDX-License-Identifier: Apache-2.0
 *
 * An echo server with a thread for each connection, and clients, each of which talks by other calls.
 */
#include "fault.h"
#include <stddef.h>
#include <sys/un.h>
#include <sys/uio.h>

#define CLIENTS 6
#define TOTAL 60000
#define CHUNK 5000

/* One way to send and one to receive, both possibly short. */
struct tongue {
	const char *name;
	ssize_t (*send)(int fd, void *buf, size_t n);
	ssize_t (*recv)(int fd, void *buf, size_t n);
};

static ssize_t plain_send(int fd, void *buf, size_t n)
{
	return send(fd, buf, n, MSG_NOSIGNAL);
}

static ssize_t plain_recv(int fd, void *buf, size_t n)
{
	return recv(fd, buf, n, 0);
}

static ssize_t addressed_send(int fd, void *buf, size_t n)
{
	return sendto(fd, buf, n, MSG_NOSIGNAL, NULL, 0);
}

static ssize_t addressed_recv(int fd, void *buf, size_t n)
{
	return recvfrom(fd, buf, n, 0, NULL, NULL);
}

static ssize_t written(int fd, void *buf, size_t n)
{
	return write(fd, buf, n);
}

static ssize_t read_in(int fd, void *buf, size_t n)
{
	return read(fd, buf, n);
}

/* Three pieces, one of them empty. */
static void cut(struct iovec iov[3], void *buf, size_t n)
{
	iov[0] = (struct iovec){ buf, n / 3 };
	iov[1] = (struct iovec){ buf, 0 };
	iov[2] = (struct iovec){ (char *)buf + n / 3, n - n / 3 };
}

static ssize_t vector_send(int fd, void *buf, size_t n)
{
	struct iovec iov[3];

	cut(iov, buf, n);
	return writev(fd, iov, 3);
}

static ssize_t vector_recv(int fd, void *buf, size_t n)
{
	struct iovec iov[3];

	cut(iov, buf, n);
	return readv(fd, iov, 3);
}

static ssize_t message_send(int fd, void *buf, size_t n)
{
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	cut(iov, buf, n);
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static ssize_t message_recv(int fd, void *buf, size_t n)
{
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	cut(iov, buf, n);
	return recvmsg(fd, &msg, 0);
}

static ssize_t whole_recv(int fd, void *buf, size_t n)
{
	return recv(fd, buf, n, MSG_WAITALL);
}

static ssize_t many_send(int fd, void *buf, size_t n)
{
	struct iovec iov = { buf, n };
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	int r = sendmmsg(fd, &msg, 1, MSG_NOSIGNAL);

	return r == 1 ? (ssize_t)msg.msg_len : r;
}

static ssize_t many_recv(int fd, void *buf, size_t n)
{
	struct iovec iov = { buf, n };
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	int r = recvmmsg(fd, &msg, 1, 0, NULL);

	return r == 1 ? (ssize_t)msg.msg_len : r;
}

static const struct tongue tongues[CLIENTS] = {
	{ "recv", plain_send, plain_recv },
	{ "recvfrom", addressed_send, addressed_recv },
	{ "read", written, read_in },
	{ "readv", vector_send, vector_recv },
	{ "recvmsg", message_send, whole_recv },
	{ "recvmmsg", many_send, many_recv },
};

/* The server sends and receives in one way for all: recvmsg. */
static const struct tongue servers = { "server's recvmsg", message_send, message_recv };

/* All of it; false: one side has given up. */
static bool send_all(const struct tongue *how, int fd, unsigned char *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = how->send(fd, buf + done, n - done);

		if (r < 0 && !told(how->name))
			return false;
		done += r > 0 ? (size_t)r : 0;
	}
	return true;
}

/* What there is, up to n; 0: the end, or one side has given up. */
static size_t recv_some(const struct tongue *how, int fd, unsigned char *buf, size_t n)
{
	ssize_t r;

	do
		r = how->recv(fd, buf, n);
	while (r < 0 && told(how->name));
	return r < 0 ? 0 : (size_t)r;
}

static int listener;
static struct sockaddr_storage address;
static socklen_t address_len;

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	unsigned char buf[CHUNK];
	size_t n;

	while ((n = recv_some(&servers, fd, buf, sizeof(buf))) > 0)
		if (!send_all(&servers, fd, buf, n))
			break;
	close_it(fd);
	return NULL;
}

/* Until the listener is shut down, which no fault may keep it from seeing. */
static void *accept_all(void *arg)
{
	pthread_t t[CLIENTS];
	int n = 0;

	for (bool four = false;; four = !four) {
		int fd = four ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : accept(listener, NULL, NULL);

		if (fd == -1 && errno == EINVAL)
			break;
		if (fd == -1) {
			told("accept"); /* the connection is still to be had, or was lost for its client */
			continue;
		}
		CHECK(n < CLIENTS);
		if (start_or_not(&t[n], serve, (void *)(intptr_t)fd))
			n++;
		else
			close_it(fd);
	}
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	return arg;
}

static bool connect_it(int fd)
{
	int r = connect(fd, (struct sockaddr *)&address, address_len);

	while (r == -1 && told("connect")) /* it goes on by itself, and a second call waits for it */
		r = connect(fd, (struct sockaddr *)&address, address_len);
	return r == 0;
}

static int connected(void)
{
	int fd;

	do
		fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while (fd == -1 && told("socket"));
	if (fd != -1 && !connect_it(fd)) {
		close_it(fd);
		return -1;
	}
	return fd;
}

static void *talk(void *arg)
{
	unsigned me = (unsigned)(intptr_t)arg;
	unsigned char buf[CHUNK];
	int fd = connected();

	for (size_t at = 0; fd != -1 && at < TOTAL; at += CHUNK) {
		size_t have = 0, n;

		fill(buf, CHUNK, me, at);
		if (!send_all(&tongues[me], fd, buf, CHUNK))
			break;
		memset(buf, 0, CHUNK);
		while (have < CHUNK && (n = recv_some(&tongues[me], fd, buf + have, CHUNK - have)) > 0)
			have += n;
		check_bytes(buf, have, me, at);
		if (have < CHUNK) {
			peer_is_gone(tongues[me].name);
			break;
		}
	}
	if (fd != -1)
		close_it(fd);
	return NULL;
}

static int listening(int family)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in;
	static int number;
	int fd, n;

	if (family == AF_INET)
		return tcp_listener(&in, CLIENTS);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	n = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "syncless-%d-%d", getpid(), number++);
	CHECK_EQ(bind(fd, (struct sockaddr *)&un,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)),
		 0);
	CHECK_EQ(listen(fd, 2), 0); /* which clients find full */
	return fd;
}

static int listeners[2];

static void prepare(void)
{
	listeners[0] = listening(AF_INET);
	listeners[1] = listening(AF_UNIX);
}

static void clean(void)
{
	close(listeners[0]);
	close(listeners[1]);
}

static void let_talk(void)
{
	pthread_t acceptor, t[CLIENTS];
	bool runs[CLIENTS];

	address_len = sizeof(address);
	CHECK_EQ(getsockname(listener, (struct sockaddr *)&address, &address_len), 0);
	if (!start_or_not(&acceptor, accept_all, NULL))
		return;
	for (int i = 0; i < CLIENTS; i++)
		runs[i] = start_or_not(&t[i], talk, (void *)(intptr_t)i);
	for (int i = 0; i < CLIENTS; i++)
		if (runs[i])
			CHECK_EQ(pthread_join(t[i], NULL), 0);
	while (shutdown(listener, SHUT_RDWR) == -1)
		told("shutdown");
	CHECK_EQ(pthread_join(acceptor, NULL), 0);
}

static void work(void)
{
	for (int i = 0; i < 2; i++) {
		listener = listeners[i];
		let_talk();
	}
}

int main(void)
{
	return run_rounds(prepare, work, clean);
}
