/* SPDX-License-Identifier: Apache-2.0
 *
 * recvfrom and sendto: addresses, messages to nobody, queues that are full, errors that come back.
 */
#include "diff/net.h"

CASE(recvfrom_udp)
{
	struct sockaddr_in a, b, from = { 0 };
	socklen_t len = sizeof(from), none = 0;
	int s = udp_socket(&a), t = udp_socket(&b);
	char buf[8];

	R(sendto(s, "abc", 3, 0, inet(&b), sizeof(b)));
	R(sendto(s, "de", 2, 0, inet(&b), sizeof(b)));
	SHOW(buf, R(recvfrom(t, buf, 8, 0, inet(&from), &len)));
	SAY("length %u, the sender %d", len, !memcmp(&from, &a, sizeof(a)));
	SHOW(buf, R(recvfrom(t, buf, 8, 0, inet(&from), &none)));
	SAY("length %u", none);
}

static void *do_recvfrom(void *fd)
{
	struct sockaddr_un from;
	socklen_t len = sizeof(from);
	char buf[8];

	memset(&from, 0, sizeof(from));
	blocks();
	SHOW(buf, R(recvfrom(of(fd), buf, sizeof(buf), 0, (struct sockaddr *)&from, &len)));
	SAY("length %u, family %d", len, from.sun_family);
	return NULL;
}

CASE(recvfrom_waits_unix)
{
	struct sockaddr_un name, mine;
	socklen_t len, own;
	int t = unix_bound(SOCK_DGRAM, &name, &len, "to"), s = socket(AF_UNIX, SOCK_DGRAM, 0);
	int u = unix_bound(SOCK_DGRAM, &mine, &own, "u");
	struct flow *f = blocked_flow(do_recvfrom, num(t));

	R(sendto(s, "abc", 3, 0, (struct sockaddr *)&name, len));
	flow_end(f);
	f = blocked_flow(do_recvfrom, num(t));
	R(sendto(u, "def", 3, 0, (struct sockaddr *)&name, len));
	flow_end(f);
}

CASE(recvfrom_of_streams)
{
	struct sockaddr_in from = { 0 };
	socklen_t len = sizeof(from);
	int s[2];
	char buf[8];

	tcp_pair(s);
	R(send(s[1], "abcd", 4, 0));
	R(recvfrom(s[0], buf, 1, 0, inet(&from), &len));
	SAY("length %u, family %d", len, from.sin_family);
	len = sizeof(from);
	R(recvfrom(s[0], buf, 2, MSG_WAITALL, inet(&from), &len));
	SAY("length %u, family %d", len, from.sin_family);
	R(recvfrom(s[0], buf, 1, MSG_WAITALL, inet(&from), NULL));
}

CASE(sendto_of_streams)
{
	struct sockaddr_in to;
	int s[2];

	tcp_listener(&to, 1);
	tcp_pair(s);
	R(sendto(s[0], "x", 1, 0, inet(&to), sizeof(to)));
	stream_pair(s);
	R(sendto(s[0], "x", 1, 0, inet(&to), sizeof(to)));
}

CASE(sendto_nowhere)
{
	struct sockaddr_un name;
	socklen_t len = unix_name(&name, "nowhere");
	struct sockaddr_in bad = { .sin_family = AF_INET };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), udp = udp_socket(&bad);

	R(sendto(s, "x", 1, 0, (struct sockaddr *)&name, len));
	R(send(s, "x", 1, 0));
	bad.sin_port = 0;
	R(sendto(udp, "x", 1, 0, inet(&bad), sizeof(bad)));
	R(sendto(udp, "x", 1, 0, inet(&bad), 3));
	R(send(udp, "x", 1, 0));
}

static void *do_sendto(void *arg)
{
	struct sockaddr_un name;
	socklen_t len = unix_name(&name, "queue");

	blocks();
	R(sendto(of(arg), "last", 4, 0, (struct sockaddr *)&name, len));
	return NULL;
}

/* A queue that no event tells of: the sender is not connected to it. */
CASE(sendto_full_queue)
{
	struct sockaddr_un name;
	socklen_t len;
	int t = unix_bound(SOCK_DGRAM, &name, &len, "queue"), s = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct flow *f;
	char buf[8];
	long n;

	while (sendto(s, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&name, len) == 1)
		;
	f = blocked_flow(do_sendto, num(s));
	do
		n = recv(t, buf, sizeof(buf), 0);
	while (n == 1);
	SHOW(buf, n);
	flow_end(f);
}

CASE(udp_unreachable)
{
	struct sockaddr_in a, b;
	int s = udp_socket(&a), t = udp_socket(&b);
	char c;

	R(connect(s, inet(&b), sizeof(b)));
	R(close(t));
	R(send(s, "x", 1, 0));
	R(recv(s, &c, 1, 0));
	R(send(s, "x", 1, 0));
	R(send(s, "x", 1, 0));
	R(recv(s, &c, 1, MSG_DONTWAIT));
}

CASE(udp_unreachable_under_recv)
{
	struct sockaddr_in a, b;
	int s = udp_socket(&a), t = udp_socket(&b);
	struct flow *f;

	R(connect(s, inet(&b), sizeof(b)));
	R(close(t));
	f = blocked_flow(do_recv, num(s));
	R(send(s, "x", 1, 0));
	flow_end(f);
}
