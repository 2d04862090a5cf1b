/* SPDX-License-Identifier: Apache-2.0
 *
 * c-ares, kept in one room.
 *
 * A channel is a socket to one server that some lookups share.  It takes LOOKUPS_MAX of them (one over TCP: servers
 * may hang up after one) and is destroyed when its last one has ended: an idle process has no socket of ours open, a
 * thousand lookups at once need sixteen, and no port is used for so long that it could be guessed.  c-ares makes one
 * try and passes on whatever comes.  There is no thread and no timer of our own: sockets are served by the
 * loop, and each waiting coroutine's deadline is the time at which c-ares wants to be called again.
 *
 * The numbers of our sockets are the application's to close (daemons close all they find).  A close through us is told
 * by fd_serve(); one behind our back is found out by the inode before each use, for by then the number may be
 * somebody else's.
 *
 * Memory: a question lies on the heap and is freed by its callback, the only moment at which c-ares lets go of it.
 * Until then it may have lost its asking, which is the coroutine's and lies on the heap because stacks may move.
 */
#include "resolver.h"
#include <ares.h>
#include <arpa/nameser.h>
#include <fcntl.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "dnsanswer.h"
#include "fdtab.h"
#include "raw.h"
#include "waitq.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* newer c-ares has newer names beside the old */

enum { LOOKUPS_MAX = 64, SOCKETS_MAX = 16, EDNS_SIZE = 1200, QUERY_MAX = 12 + 256 + 4 + 11 };

struct question;

struct channel {
	struct channel *next;
	ares_channel ares;
	struct dnsconf *conf; /* a reference */
	int server;
	bool tcp;
	int started;	       /* lookups, ever */
	int users;	       /* those whose coroutines wait; it dies with the last */
	int socket_err;	       /* why the last socket could not be had */
	int network_err;       /* what the network last said of it */
	struct question *open; /* those that c-ares has */
	struct own_socket {
		int fd; /* -1: free */
		ino_t inode;
	} sockets[SOCKETS_MAX];
};

struct question {
	struct question *next, *prev; /* in channel->open */
	struct channel *channel;
	struct asking *asking; /* NULL: nobody waits any more */
	struct dns_reply *reply;
	uint16_t id;
};

struct asking {
	int left; /* questions without a reply */
	struct dns_reply replies[RESOLVER_QUESTIONS];
};

static struct channel *channels;

/* --- Replies */

static void unlink_question(struct question *q)
{
	if (q->prev)
		q->prev->next = q->next;
	else
		q->channel->open = q->next;
	if (q->next)
		q->next->prev = q->prev;
}

/* The reply stands in the asking. */
static void settle(struct question *q)
{
	struct asking *a = q->asking;

	q->asking = NULL;
	if (--a->left == 0)
		waitq_wake(a, 1);
}

static struct question *find_question(const struct channel *ch, uint16_t id)
{
	struct question *q = ch->open;

	while (q && q->id != id)
		q = q->next;
	return q;
}

static void take_garbage(struct channel *ch, const unsigned char *bytes)
{
	struct question *q = find_question(ch, (uint16_t)(bytes[0] << 8 | bytes[1]));

	if (!q || !q->asking)
		return;
	q->reply->kind = REPLY_GARBAGE;
	settle(q);
}

static void fill_reply(struct dns_reply *reply, const struct channel *ch, int status, const void *wire,
		       size_t len)
{
	unsigned char *copy = status == ARES_SUCCESS && len > 0 ? malloc(len) : NULL;

	if (copy)
		*reply = (struct dns_reply){ .kind = REPLY_GOT, .wire = memcpy(copy, wire, len), .len = len };
	else if (status == ARES_SUCCESS || status == ARES_ENOMEM)
		*reply = (struct dns_reply){ .kind = REPLY_NO_MEANS, .err = ENOMEM };
	else if (status == ARES_ETIMEOUT)
		*reply = (struct dns_reply){ .kind = REPLY_SILENCE };
	else if (ch->socket_err && ch->socket_err != EAFNOSUPPORT)
		*reply = (struct dns_reply){ .kind = REPLY_NO_MEANS, .err = ch->socket_err };
	else
		*reply = (struct dns_reply){ .kind = REPLY_UNREACHABLE, .err = ch->network_err };
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *wire, int len)
{
	struct question *q = arg;

	(void)timeouts;
	unlink_question(q);
	if (q->asking) {
		fill_reply(q->reply, q->channel, status, wire, len > 0 ? (size_t)len : 0);
		settle(q);
	}
	free(q);
}

/* --- Sockets */

static struct own_socket *find_socket(struct channel *ch, int fd)
{
	struct own_socket *s = ch->sockets;

	while (s < ch->sockets + SOCKETS_MAX && s->fd != fd)
		s++;
	return s < ch->sockets + SOCKETS_MAX ? s : NULL;
}

static bool is_ours(const struct own_socket *s)
{
	struct stat st;

	return s && fstat(s->fd, &st) == 0 && st.st_ino == s->inode;
}

static ares_socket_t open_socket(int family, int type, int protocol, void *arg)
{
	struct channel *ch = arg;
	struct own_socket *s = find_socket(ch, -1);
	struct stat st;
	long fd;

	if (!s)
		return fail(ch->socket_err = EMFILE);
	fd = raw3(SYS_socket, family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (fd < 0)
		return fail(ch->socket_err = (int)-fd);
	ch->socket_err = ch->network_err = 0;
	fd_created((int)fd, FD_SOCKET);
	if (fstat((int)fd, &st) < 0)
		st.st_ino = 0;
	*s = (struct own_socket){ (int)fd, st.st_ino };
	return (ares_socket_t)fd;
}

static int close_socket(ares_socket_t fd, void *arg)
{
	struct own_socket *s = find_socket(arg, fd);

	if (!s)
		return 0;
	if (is_ours(s)) {
		fd_serve(fd, 0, NULL, NULL);
		fd_closing(fd);
		raw1(SYS_close, fd);
	}
	s->fd = -1;
	return 0;
}

/* The border to c-ares, for what may fail for the network's reasons. */
static long done(struct channel *ch, long r)
{
	if (r >= 0)
		return r;
	if (r != -EAGAIN && r != -EINPROGRESS && r != -EINTR)
		ch->network_err = (int)-r;
	return fail((int)-r);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len, void *arg)
{
	return is_ours(find_socket(arg, fd)) ? (int)done(arg, raw3(SYS_connect, fd, to, len)) : fail(EBADF);
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t len, int flags, struct sockaddr *from,
			    ares_socklen_t *from_len, void *arg)
{
	struct channel *ch = arg;
	long n;

	if (!is_ours(find_socket(ch, fd)))
		return fail(EBADF);
	n = raw6(SYS_recvfrom, fd, (long)buf, (long)len, flags, (long)from, (long)from_len);
	if (n >= 2 && n < DNS_HEADER_LEN && !ch->tcp)
		take_garbage(ch, (const unsigned char *)buf);
	return done(ch, n);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int n, void *arg)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)n };

	if (!is_ours(find_socket(arg, fd)))
		return fail(EBADF);
	return done(arg, raw3(SYS_sendmsg, fd, &msg, MSG_NOSIGNAL));
}

static const struct ares_socket_functions socket_calls = { open_socket, close_socket, connect_socket, receive,
							   send_parts };

/* The loop's callback.  c-ares finds a closed one out when it tries to use it. */
static void serve(int fd, short event, void *arg)
{
	struct channel *ch = arg;
	bool closed = event & WAIT_CLOSED;

	if (closed && find_socket(ch, fd))
		find_socket(ch, fd)->inode = 0;
	ares_process_fd(ch->ares, closed || (event & WAIT_READ) ? fd : ARES_SOCKET_BAD,
			event & WAIT_WRITE ? fd : ARES_SOCKET_BAD);
}

static void socket_state(void *arg, ares_socket_t fd, int reads, int writes)
{
	short want = (short)((reads ? WAIT_READ : 0) | (writes ? WAIT_WRITE : 0));

	if (is_ours(find_socket(arg, fd)))
		fd_serve(fd, want, serve, arg); /* without memory for it the question times out */
}

/* --- Channels */

static void write_server(const union dns_server *server, struct ares_addr_port_node *node)
{
	*node = (struct ares_addr_port_node){ .family = server->any.sa_family };
	if (server->any.sa_family == AF_INET)
		memcpy(&node->addr.addr4, &server->in.sin_addr, sizeof(server->in.sin_addr));
	else
		memcpy(&node->addr.addr6, &server->in6.sin6_addr, sizeof(server->in6.sin6_addr));
}

/* Everything is said here, so that c-ares reads no file of its own. */
static int init_ares(struct channel *ch, const struct dns_ask *how)
{
	struct ares_addr_port_node node;
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC |
			 (how->tcp ? ARES_FLAG_USEVC : 0) | (how->conf->edns ? ARES_FLAG_EDNS : 0),
		.ednspsz = EDNS_SIZE,
		.timeout = how->timeout_s * 1000,
		.tries = 1,
		.lookups = (char[]){ "b" },
		.resolvconf_path = (char[]){ "/dev/null" },
		.sock_state_cb = socket_state,
		.sock_state_cb_data = ch,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS |
		   ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_SERVERS | ARES_OPT_RESOLVCONF |
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE | ARES_OPT_EDNSPSZ;

#ifdef ARES_OPT_QUERY_CACHE
	mask |= ARES_OPT_QUERY_CACHE; /* of none: .qcache_max_ttl is 0 */
#endif
	if (ares_init_options(&ch->ares, &o, mask) != ARES_SUCCESS)
		return -ENOMEM;
	ares_set_socket_functions(ch->ares, &socket_calls, ch);
	write_server(&how->conf->server[how->server], &node);
	if (ares_set_servers_ports(ch->ares, &node) == ARES_SUCCESS)
		return 0;
	ares_destroy(ch->ares);
	return -ENOMEM;
}

static struct channel *new_channel(const struct dns_ask *how)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return NULL;
	for (int i = 0; i < SOCKETS_MAX; i++)
		ch->sockets[i].fd = -1;
	if (init_ares(ch, how) < 0) {
		free(ch);
		return NULL;
	}
	ch->conf = (struct dnsconf *)how->conf;
	ch->conf->refs++;
	ch->server = how->server;
	ch->tcp = how->tcp;
	ch->next = channels;
	return channels = ch;
}

static bool has_room(const struct channel *ch, const struct dns_ask *how)
{
	return ch->conf == how->conf && ch->server == how->server && !ch->tcp && !how->tcp &&
	       ch->started < LOOKUPS_MAX;
}

static struct channel *join_channel(const struct dns_ask *how)
{
	struct channel *ch = channels;

	while (ch && !has_room(ch, how))
		ch = ch->next;
	if (!ch)
		ch = new_channel(how);
	if (ch) {
		ch->started++;
		ch->users++;
	}
	return ch;
}

static void leave_channel(struct channel *ch)
{
	struct channel **link = &channels;

	if (--ch->users > 0)
		return;
	while (*link != ch)
		link = &(*link)->next;
	*link = ch->next;
	ares_destroy(ch->ares); /* calls back for whatever was abandoned */
	dnsconf_put(ch->conf);
	free(ch);
}

/* --- Questions */

static uint16_t random_id(void)
{
	uint16_t id;

	if (raw3(SYS_getrandom, &id, sizeof(id), 0) != sizeof(id))
		id = (uint16_t)now_ns();
	return id;
}

static unsigned char *put16(unsigned char *p, unsigned value)
{
	*p++ = (unsigned char)(value >> 8);
	*p++ = (unsigned char)value;
	return p;
}

/* The question's bytes, by libc's reading of the name; -1 if it is none. */
static int write_query(unsigned char *to, const struct dnsconf *conf, const char *name, int type, uint16_t id)
{
	unsigned char packed[NS_MAXCDNAME], *p = to;
	size_t len = 0;

	if (ns_name_pton(name, packed, sizeof(packed)) < 0)
		return -1;
	while (packed[len])
		len += packed[len] + 1u;
	p = put16(p, id);
	p = put16(p,
		  0x0100u | (conf->trust_ad ? 0x0020u : 0)); /* recursion desired; authentic data understood */
	p = put16(p, 1);
	p = put16(put16(p, 0), 0);
	p = put16(p, conf->edns);
	memcpy(p, packed, len + 1);
	p = put16(p + len + 1, (unsigned)type);
	p = put16(p, ns_c_in);
	if (conf->edns) {
		*p++ = 0;
		p = put16(p, ns_t_opt);
		p = put16(p, EDNS_SIZE);
		p = put16(put16(put16(p, 0), 0), 0);
	}
	return (int)(p - to);
}

static void no_reply(struct asking *a, int i, enum reply_kind kind)
{
	a->replies[i] = (struct dns_reply){ .kind = kind, .err = kind == REPLY_NO_MEANS ? ENOMEM : 0 };
	a->left--;
}

static void ask_one(struct channel *ch, struct asking *a, int i, const char *name, int type)
{
	unsigned char query[QUERY_MAX];
	struct question *q = calloc(1, sizeof(*q));
	int len;

	if (!q) {
		no_reply(a, i, REPLY_NO_MEANS);
		return;
	}
	do
		q->id = random_id();
	while (find_question(ch, q->id));
	len = write_query(query, ch->conf, name, type, q->id);
	if (len < 0) {
		free(q);
		no_reply(a, i, REPLY_NO_NAME);
		return;
	}
	q->channel = ch;
	q->asking = a;
	q->reply = &a->replies[i];
	q->next = ch->open;
	if (q->next)
		q->next->prev = q;
	ch->open = q;
	ares_send(ch->ares, query, len, on_reply, q);
}

static void forget_asking(struct channel *ch, struct asking *a)
{
	for (struct question *q = ch->open; q; q = q->next)
		if (q->asking == a)
			q->asking = NULL;
	for (int i = 0; i < RESOLVER_QUESTIONS; i++)
		free(a->replies[i].wire);
	free(a);
}

/* When c-ares wants to be called though no socket is ready. */
static deadline_t next_call(struct channel *ch)
{
	struct timeval tv, *left = ares_timeout(ch->ares, NULL, &tv);

	return left ? deadline_in(left->tv_sec * NS_PER_S + left->tv_usec * NS_PER_US + NS_PER_MS) : NEVER;
}

/* 0, or why the wait was ended early; then the asking is no more. */
static int await(struct coro *me, struct channel *ch, struct asking *a, const char *why)
{
	while (a->left > 0) {
		struct waiter *w = waitq_mine(NULL);
		int r;

		waitq_add(w, a);
		r = waitq_wait(w, next_call(ch), WAITQ_CANCEL, why);
		if (r == -ETIMEDOUT)
			ares_process_fd(ch->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		if (r == -ECANCELED) {
			forget_asking(ch, a);
			leave_channel(ch);
			return coro_ended_early(me);
		}
	}
	return 0;
}

static void no_means(struct dns_reply *replies, int n, int err)
{
	for (int i = 0; i < n; i++)
		replies[i] = (struct dns_reply){ .kind = REPLY_NO_MEANS, .err = err };
}

void resolver_ask(struct coro *me, const struct dns_ask *how, const char *name, const int *types, int n,
		  struct dns_reply *replies)
{
	int saved = errno, r;
	struct channel *ch = join_channel(how);
	struct asking *a = ch ? calloc(1, sizeof(*a)) : NULL;

	if (!a) {
		if (ch)
			leave_channel(ch);
		no_means(replies, n, ENOMEM);
		errno = saved;
		return;
	}
	a->left = n;
	for (int i = 0; i < n; i++)
		ask_one(ch, a, i, name, types[i]);
	r = await(me, ch, a, how->why);
	if (r == 0) {
		memcpy(replies, a->replies, (size_t)n * sizeof(*replies));
		free(a);
		leave_channel(ch);
	} else {
		no_means(replies, n, -r);
	}
	errno = saved;
}

/* The channels stay behind: their lists are c-ares' own, and its way to free them calls back. */
void resolver_after_fork_child(void)
{
	for (struct channel *ch = channels; ch; ch = ch->next)
		for (int i = 0; i < SOCKETS_MAX; i++)
			if (ch->sockets[i].fd >= 0 && is_ours(&ch->sockets[i]))
				raw1(SYS_close, ch->sockets[i].fd);
	channels = NULL;
}
