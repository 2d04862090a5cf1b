/* SPDX-License-Identifier: Apache-2.0
 *
 * connect, accept, listen, shutdown: who waits, who is refused, what a socket is worth afterwards.
 */
#include "diff/net.h"

static struct sockaddr_in addr;

static void say_error(int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	SAY("  SO_ERROR %s", err ? errno_name(err) : "0");
}

/* --- connect */

CASE(connect_at_once)
{
	int listener = tcp_listener(&addr, 5), fd = tcp_socket();

	R(connect(fd, inet(&addr), sizeof(addr)));
	R(connect(fd, inet(&addr), sizeof(addr)));
	say_error(fd);
	FD(accept(listener, NULL, NULL));
}

static int unused_port(void)
{
	int fd = tcp_listener(&addr, 1);

	return close(fd);
}

CASE(connect_refused_twice)
{
	int fd = tcp_socket();

	unused_port();
	R(connect(fd, inet(&addr), sizeof(addr)));
	say_error(fd);
	R(connect(fd, inet(&addr), sizeof(addr)));
}

CASE(connect_after_refusal)
{
	int fd = tcp_socket(), listener = tcp_socket();

	unused_port();
	R(bind(listener, inet(&addr), sizeof(addr)));
	R(connect(fd, inet(&addr), sizeof(addr)));
	R(listen(listener, 1));
	R(connect(fd, inet(&addr), sizeof(addr)));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
}

CASE(connect_nonblocking)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	full_listener(&addr);
	R(connect(fd, inet(&addr), sizeof(addr)));
	R(connect(fd, inet(&addr), sizeof(addr)));
	R(poll(&p, 1, 0));
}

CASE(connect_nonblocking_refused)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	unused_port();
	R(connect(fd, inet(&addr), sizeof(addr)));
	R(poll(&p, 1, -1));
	say_bits(&p, 1);
	say_error(fd);
	say_error(fd);
}

CASE(connect_times_out)
{
	int fd = tcp_socket();

	full_listener(&addr);
	set_timeo(fd, SO_SNDTIMEO, 30);
	LASTS(20, R(connect(fd, inet(&addr), sizeof(addr))));
	SAY("O_NONBLOCK %x", fcntl(fd, F_GETFL) & O_NONBLOCK);
	LASTS(20, R(connect(fd, inet(&addr), sizeof(addr))));
	say_error(fd);
}

CASE(connect_ignores_receive_timeout)
{
	int fd = tcp_socket();

	tcp_listener(&addr, 1);
	set_timeo(fd, SO_RCVTIMEO, 1);
	R(connect(fd, inet(&addr), sizeof(addr)));
}

static void *accept_all(void *listener)
{
	int fd;

	while ((fd = accept4(of(listener), NULL, NULL, 0)) != -1)
		close(fd);
	return NULL;
}

CASE(connect_waits_for_backlog)
{
	struct sockaddr_un name;
	socklen_t len;
	int listener = unix_bound(SOCK_STREAM, &name, &len, "backlog");
	int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);
	struct flow *f;

	R(connect(a, (struct sockaddr *)&name, len));
	R(listen(listener, 0));
	R(connect(a, (struct sockaddr *)&name, len));
	f = when_blocked(accept_all, num(listener));
	blocks();
	R(connect(b, (struct sockaddr *)&name, len));
	R(shutdown(listener, SHUT_RDWR));
	flow_end(f);
}

CASE(connect_unix_times_out)
{
	struct sockaddr_un name;
	socklen_t len;
	int listener = unix_bound(SOCK_STREAM, &name, &len, "full");
	int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);

	R(listen(listener, 0));
	R(connect(a, (struct sockaddr *)&name, len));
	set_timeo(b, SO_SNDTIMEO, 30);
	LASTS(20, R(connect(b, (struct sockaddr *)&name, len)));
	set_nonblock(b, true);
	R(connect(b, (struct sockaddr *)&name, len));
}

/* The listener goes while a connect waits for room. */
CASE(connect_unix_listener_closed)
{
	struct sockaddr_un name;
	socklen_t len;
	int listener = unix_bound(SOCK_STREAM, &name, &len, "gone");
	int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);
	struct flow *f;

	R(listen(listener, 0));
	R(connect(a, (struct sockaddr *)&name, len));
	f = when_blocked(do_close, num(listener));
	blocks();
	R(connect(b, (struct sockaddr *)&name, len));
	flow_end(f);
}

CASE(connect_unix_nobody)
{
	struct sockaddr_un name;
	socklen_t len = unix_name(&name, "nobody");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	R(connect(fd, (struct sockaddr *)&name, len));
	name = (struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = "missing" };
	R(connect(fd, (struct sockaddr *)&name, sizeof(name)));
	close(open("missing", O_CREAT | O_WRONLY, 0600));
	R(connect(fd, (struct sockaddr *)&name, sizeof(name)));
}

CASE(connect_unix_wrong_type)
{
	struct sockaddr_un name;
	socklen_t len;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unix_bound(SOCK_DGRAM, &name, &len, "dgram");
	R(connect(fd, (struct sockaddr *)&name, len));
}

CASE(connect_bad_arguments)
{
	int fd = tcp_socket(), s[2], file = open("/dev/null", O_RDONLY);
	struct sockaddr_in other = { .sin_family = 99 };

	tcp_listener(&addr, 1);
	R(connect(-1, inet(&addr), sizeof(addr)));
	R(connect(999, inet(&addr), sizeof(addr)));
	R(connect(file, inet(&addr), sizeof(addr)));
	R(connect(fd, inet(&addr), 3));
	R(connect(fd, inet(&addr), 0));
	R(connect(fd, inet(&addr), (socklen_t)-1));
	R(connect(fd, inet(&addr), 1000));
	R(connect(fd, nowhere, sizeof(addr)));
	R(connect(fd, inet(&other), sizeof(other)));
	stream_pair(s);
	R(connect(s[0], inet(&addr), sizeof(addr)));
}

CASE(connect_unreachable)
{
	int fd = tcp_socket();
	struct sockaddr_in all = { .sin_family = AF_INET, .sin_port = 99, .sin_addr.s_addr = INADDR_BROADCAST };

	R(connect(fd, inet(&all), sizeof(all)));
	all.sin_addr.s_addr = htonl(0xe0000001); /* a group */
	R(connect(fd, inet(&all), sizeof(all)));
}

CASE(connect_listening)
{
	int fd = tcp_listener(&addr, 1);

	R(connect(fd, inet(&addr), sizeof(addr)));
}

CASE(connect_udp)
{
	struct sockaddr_in a, b, none = { .sin_family = AF_UNSPEC };
	int s = udp_socket(&a), t = udp_socket(&b);
	char c;

	R(connect(s, inet(&b), sizeof(b)));
	R(connect(s, inet(&b), sizeof(b)));
	R(send(s, "x", 1, 0));
	R(recv(t, &c, 1, 0));
	R(connect(s, inet(&none), sizeof(none)));
	R(send(s, "x", 1, 0));
	R(sendto(s, "x", 1, 0, inet(&b), sizeof(b)));
}

CASE(connect_tcp_to_itself_ends)
{
	struct sockaddr_in none = { .sin_family = AF_UNSPEC };
	int fd = tcp_socket();

	tcp_listener(&addr, 1);
	R(connect(fd, inet(&addr), sizeof(addr)));
	R(connect(fd, inet(&none), sizeof(none)));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(connect(fd, inet(&addr), sizeof(addr)));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
}

CASE(shutdown_under_connect)
{
	int fd = tcp_socket();
	struct flow *f;

	full_listener(&addr);
	f = when_blocked(do_shut_both, num(fd));
	blocks();
	R(connect(fd, inet(&addr), sizeof(addr)));
	flow_end(f);
}

CASE(recv_and_send_before_connect)
{
	int fd = tcp_socket();
	char c;

	R(recv(fd, &c, 1, 0));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(read(fd, &c, 1));
	R(shutdown(fd, SHUT_WR));
	on_signal(SIGPIPE, count_signal, 0);
	R(send(fd, "x", 1, 0));
	SAY("SIGPIPE %d times", caught);
}

/* --- accept */

static void *do_connect(void *arg)
{
	int fd = tcp_socket();

	(void)arg;
	R(connect(fd, inet(&addr), sizeof(addr)));
	return num(fd);
}

static void say_peer(const struct sockaddr_in *peer, socklen_t len)
{
	SAY("  length %u, family %d, address %x", len, peer->sin_family, ntohl(peer->sin_addr.s_addr));
}

CASE(accept_waits)
{
	int listener = tcp_listener(&addr, 5), fd;
	struct sockaddr_in peer = { 0 };
	socklen_t len = sizeof(peer);
	struct flow *f = when_blocked(do_connect, NULL);

	blocks();
	fd = FD(accept(listener, inet(&peer), &len));
	say_peer(&peer, len);
	SAY("flags %x, %x", fcntl(fd, F_GETFL) & O_NONBLOCK, fcntl(fd, F_GETFD));
	flow_end(f);
}

CASE(accept4_waits)
{
	int listener = tcp_listener(&addr, 5), fd;
	struct sockaddr_in peer = { 0 };
	socklen_t len = 4;
	struct flow *f = when_blocked(do_connect, NULL);
	char c;

	blocks();
	fd = FD(accept4(listener, inet(&peer), &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
	say_peer(&peer, len);
	SAY("flags %x, %x", fcntl(fd, F_GETFL) & O_NONBLOCK, fcntl(fd, F_GETFD));
	R(recv(fd, &c, 1, 0));
	flow_end(f);
}

CASE(accept_shared_listener)
{
	int listener = tcp_listener(&addr, 5), other = dup(listener), fd;
	struct sockaddr_in peer = { 0 };
	socklen_t len = sizeof(peer);
	struct flow *f = when_blocked(do_connect, NULL);

	blocks();
	fd = FD(accept(other, inet(&peer), &len));
	say_peer(&peer, len);
	SAY("flags %x, %x", fcntl(fd, F_GETFL) & O_NONBLOCK, fcntl(fd, F_GETFD));
	flow_end(f);
}

CASE(accept_times_out)
{
	int listener = tcp_listener(&addr, 5), fd, client = tcp_socket();
	char c;

	set_timeo(listener, SO_RCVTIMEO, 20);
	LASTS(10, R(accept(listener, NULL, NULL)));
	LASTS(10, R(accept4(listener, NULL, NULL, SOCK_CLOEXEC)));
	R(connect(client, inet(&addr), sizeof(addr)));
	fd = FD(accept(listener, NULL, NULL));
	LASTS(10, R(recv(fd, &c, 1, 0)));
}

CASE(accept_nonblocking)
{
	int listener = tcp_listener(&addr, 5), fd;
	struct flow *f;

	set_nonblock(listener, true);
	R(accept(listener, NULL, NULL));
	f = flow(do_connect, NULL);
	flow_end(f);
	fd = FD(accept(listener, NULL, NULL));
	SAY("O_NONBLOCK %x", fcntl(fd, F_GETFL) & O_NONBLOCK);
}

CASE(accept_bad_arguments)
{
	int listener = tcp_listener(&addr, 5), s[2], fd = tcp_socket(), udp, file = open("/dev/null", O_RDONLY);
	struct sockaddr_in other;

	R(accept(-1, NULL, NULL));
	R(accept(999, NULL, NULL));
	R(accept(file, NULL, NULL));
	R(accept(fd, NULL, NULL));
	R(accept4(listener, NULL, NULL, 0x40000000));
	stream_pair(s);
	R(accept(s[0], NULL, NULL));
	udp = udp_socket(&other);
	R(accept(udp, NULL, NULL));
	pair_of(SOCK_DGRAM, s);
	R(accept(s[0], NULL, NULL));
}

static void accept_to(int listener)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer), negative = (socklen_t)-1;

	for (int i = 0; i < 4; i++)
		flow_end(flow(do_connect, NULL));
	R(accept(listener, inet(&peer), NULL));
	R(accept(listener, nowhere, &len));
	R(accept(listener, inet(&peer), nowhere));
	R(accept(listener, inet(&peer), &negative));
	SAY("left: %d",
	    fcntl(listener, F_SETFL, O_NONBLOCK) == 0 && accept(listener, NULL, NULL) == -1 ? 0 : 1);
}

CASE(accept_bad_addresses)
{
	accept_to(tcp_listener(&addr, 5));
}

CASE(accept_bad_addresses_shared)
{
	accept_to(dup(tcp_listener(&addr, 5)));
}

CASE(shutdown_under_accept)
{
	int listener = tcp_listener(&addr, 5);
	struct flow *f = when_blocked(do_shut_both, num(listener));

	blocks();
	R(accept(listener, NULL, NULL));
	flow_end(f);
	R(accept(listener, NULL, NULL));
	R(listen(listener, 5));
	set_nonblock(listener, true);
	R(accept(listener, NULL, NULL));
}

CASE(shutdown_rd_under_unix_accept)
{
	struct sockaddr_un name;
	socklen_t len;
	int listener = unix_bound(SOCK_STREAM, &name, &len, "accept");
	struct flow *f;

	R(listen(listener, 5));
	f = when_blocked(do_shut_rd, num(listener));
	blocks();
	R(accept(listener, NULL, NULL));
	flow_end(f);
}

/* One that is reset before it is accepted. */
CASE(accept_of_reset_connection)
{
	int listener = tcp_listener(&addr, 5), fd = tcp_socket();
	struct linger now = { .l_onoff = 1 };
	char c;

	R(connect(fd, inet(&addr), sizeof(addr)));
	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	R(close(fd));
	fd = FD(accept(listener, NULL, NULL));
	R(recv(fd, &c, 1, 0));
	R(recv(fd, &c, 1, 0));
}

CASE(accept_unix_names)
{
	struct sockaddr_un name, peer = { 0 };
	socklen_t len, n = sizeof(peer);
	int listener = unix_bound(SOCK_STREAM, &name, &len, "names"), fd = socket(AF_UNIX, SOCK_STREAM, 0);

	R(listen(listener, 5));
	R(connect(fd, (struct sockaddr *)&name, len));
	FD(accept(listener, (struct sockaddr *)&peer, &n));
	SAY("length %u, family %d", n, peer.sun_family);
	n = sizeof(peer);
	R(getpeername(fd, (struct sockaddr *)&peer, &n));
	SAY("the listener's name: %d", n == len && !memcmp(&peer, &name, len));
}

CASE(accept_seqpacket)
{
	struct sockaddr_un name;
	socklen_t len;
	int listener = unix_bound(SOCK_SEQPACKET, &name, &len, "seq"), fd = socket(AF_UNIX, SOCK_SEQPACKET, 0),
	    t;
	char buf[8];

	R(listen(listener, 5));
	R(connect(fd, (struct sockaddr *)&name, len));
	t = FD(accept(listener, NULL, NULL));
	R(send(fd, "abc", 3, 0));
	R(send(fd, "de", 2, 0));
	SHOW(buf, R(recv(t, buf, sizeof(buf), 0)));
	SHOW(buf, R(recv(t, buf, 1, 0)));
	R(close(fd));
	R(recv(t, buf, 1, 0));
}

/* Each connection goes to one of those that wait. */
static _Atomic int accepted;

static void *accept_one(void *listener)
{
	int fd;

	blocks();
	fd = accept(of(listener), NULL, NULL);
	SAY("accepted %d", fd != -1);
	accepted++;
	return NULL;
}

CASE(accept_by_several)
{
	int listener = tcp_listener(&addr, 5);
	struct flow *f[3];

	for (int i = 0; i < 3; i++)
		f[i] = blocked_flow(accept_one, num(listener));
	for (int i = 0; i < 3; i++)
		flow_end(flow(do_connect, NULL));
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	SAY("%d accepted", accepted);
}

/* --- shutdown */

CASE(shutdown_errors)
{
	int fd = tcp_socket(), s[2];
	struct sockaddr_in other;

	R(shutdown(-1, SHUT_RD));
	R(shutdown(open("/dev/null", O_RDONLY), SHUT_RD));
	R(shutdown(fd, SHUT_RDWR));
	R(shutdown(udp_socket(&other), SHUT_RD));
	stream_pair(s);
	R(shutdown(s[0], 3));
	R(shutdown(s[0], SHUT_RD));
	R(shutdown(s[0], SHUT_RD));
}

CASE(shutdown_halves_tcp)
{
	int s[2];
	char buf[8];

	tcp_pair(s);
	R(send(s[0], "ab", 2, 0));
	R(shutdown(s[0], SHUT_WR));
	SHOW(buf, R(recv(s[1], buf, sizeof(buf), 0)));
	R(recv(s[1], buf, sizeof(buf), 0));
	R(send(s[1], "cd", 2, 0));
	SHOW(buf, R(recv(s[0], buf, sizeof(buf), 0)));
	R(send(s[0], "x", 1, MSG_NOSIGNAL));
}

CASE(shutdown_halves_unix)
{
	int s[2];
	char buf[8];

	stream_pair(s);
	R(send(s[1], "ab", 2, 0));
	R(shutdown(s[0], SHUT_RD));
	SHOW(buf, R(recv(s[0], buf, sizeof(buf), 0)));
	R(recv(s[0], buf, sizeof(buf), 0));
	R(send(s[1], "x", 1, MSG_NOSIGNAL));
	R(send(s[0], "x", 1, MSG_NOSIGNAL));
	R(recv(s[1], buf, sizeof(buf), 0));
}

static void shut_under_recv(int s[2], void *(*how)(void *), int which)
{
	struct flow *f = blocked_flow(do_recv, num(s[0]));

	how(num(s[which]));
	flow_end(f);
	do_recv(num(s[0]));
}

CASE(shutdown_rd_under_tcp_recv)
{
	int s[2];

	tcp_pair(s);
	shut_under_recv(s, do_shut_rd, 0);
}

CASE(shutdown_rd_under_unix_recv)
{
	int s[2];

	stream_pair(s);
	shut_under_recv(s, do_shut_rd, 0);
}

CASE(shutdown_wr_of_peer_under_recv)
{
	int s[2];

	tcp_pair(s);
	shut_under_recv(s, do_shut_wr, 1);
}

CASE(shutdown_under_unconnected_udp_recv)
{
	struct sockaddr_in other;
	int s = udp_socket(&other);
	struct flow *f = blocked_flow(do_recv, num(s));

	do_shut_rd(num(s));
	flow_end(f);
}

CASE(shutdown_under_unix_dgram_recv)
{
	int s[2];
	struct flow *f;

	pair_of(SOCK_DGRAM, s);
	f = blocked_flow(do_recv, num(s[0]));
	do_shut_rd(num(s[0]));
	flow_end(f);
}

static void *send_x(void *fd)
{
	blocks();
	return do_send(fd);
}

static void shut_under_blocked_send(int s[2], void *(*how)(void *), int which)
{
	struct flow *f;

	on_signal(SIGPIPE, count_signal, 0);
	fill(s[0]);
	f = blocked_flow(send_x, num(s[0]));
	how(num(s[which]));
	flow_end(f);
	SAY("SIGPIPE %d times", caught);
}

CASE(shutdown_wr_under_tcp_send)
{
	int s[2];

	tcp_pair(s);
	shut_under_blocked_send(s, do_shut_wr, 0);
}

CASE(shutdown_wr_under_unix_send)
{
	int s[2];

	stream_pair(s);
	shut_under_blocked_send(s, do_shut_wr, 0);
}

CASE(shutdown_rd_of_peer_under_unix_send)
{
	int s[2];

	stream_pair(s);
	shut_under_blocked_send(s, do_shut_rd, 1);
}

CASE(peer_closed_under_unix_send)
{
	int s[2];

	stream_pair(s);
	shut_under_blocked_send(s, do_close, 1);
}
