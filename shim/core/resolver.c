/* SPDX-License-Identifier: Apache-2.0
 *
 * c-ares, kept in one room.
 *
 * A channel is a set of sockets that some lookups share.  It takes LOOKUPS_MAX of them and is destroyed when its last
 * one has ended: an idle process has no socket of ours open, a thousand lookups at once need sixteen, and no port is
 * used for so long that it could be guessed.  There is no thread and no timer of our own: sockets are served by the
 * loop, and each waiting coroutine's deadline is the time at which c-ares wants to be called again.
 *
 * The numbers of our sockets are the application's to close (daemons close all they find).  A close through us is told
 * by fd_serve(); one behind our back is found out by the inode before each use, for by then the number may be
 * somebody else's.
 *
 * Memory: an asking lies on the heap, since c-ares points to it.  Its coroutine frees it, or, if that was cancelled,
 * the callback does.
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
#include "fdtab.h"
#include "raw.h"
#include "waitq.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* newer c-ares has newer names beside the old */

enum { LOOKUPS_MAX = 64, SOCKETS_MAX = 16, EDNS_SIZE = 1200, QUERY_MAX = 12 + 256 + 4 + 11 };

struct asking;

struct channel {
	struct channel *next;
	ares_channel ares;
	struct dnsconf *conf; /* a reference */
	int started;	      /* lookups, ever */
	int users;	      /* those whose coroutines wait; it dies with the last */
	int socket_err;	      /* why the last socket could not be had */
	struct asking *asked; /* all that are in flight */
	struct own_socket {
		int fd; /* -1: free */
		ino_t inode;
	} sockets[SOCKETS_MAX];
};

struct asking {
	struct asking *next, *prev; /* in channel->asked */
	struct channel *channel;
	int left; /* questions without a reply */
	bool abandoned;
	struct question {
		struct asking *asking;
		uint16_t id;
		bool open;
		struct dns_reply reply;
	} questions[RESOLVER_QUESTIONS];
};

static struct channel *channels;

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

static int done(long r)
{
	return r < 0 ? fail((int)-r) : (int)r;
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

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len, void *arg)
{
	return is_ours(find_socket(arg, fd)) ? done(raw3(SYS_connect, fd, to, len)) : fail(EBADF);
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t len, int flags, struct sockaddr *from,
			    ares_socklen_t *from_len, void *arg)
{
	if (!is_ours(find_socket(arg, fd)))
		return fail(EBADF);
	return done(raw6(SYS_recvfrom, fd, (long)buf, (long)len, flags, (long)from, (long)from_len));
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int n, void *arg)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)n };

	if (!is_ours(find_socket(arg, fd)))
		return fail(EBADF);
	return done(raw3(SYS_sendmsg, fd, &msg, MSG_NOSIGNAL));
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

static int server_list(const struct dnsconf *conf, struct ares_addr_port_node *nodes)
{
	for (int i = 0; i < conf->nservers; i++) {
		const union dns_server *s = &conf->server[i];

		nodes[i] = (struct ares_addr_port_node){ .family = s->any.sa_family };
		if (s->any.sa_family == AF_INET)
			memcpy(&nodes[i].addr.addr4, &s->in.sin_addr, sizeof(s->in.sin_addr));
		else
			memcpy(&nodes[i].addr.addr6, &s->in6.sin6_addr, sizeof(s->in6.sin6_addr));
		nodes[i].next = i + 1 < conf->nservers ? &nodes[i + 1] : NULL;
	}
	return conf->nservers;
}

/* Everything is said here, so that c-ares reads no file of its own. */
static int init_ares(struct channel *ch, const struct dnsconf *conf)
{
	struct ares_addr_port_node nodes[DNS_SERVERS_MAX];
	struct ares_options o = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | (conf->use_tcp ? ARES_FLAG_USEVC : 0) |
			 (conf->edns ? ARES_FLAG_EDNS : 0),
		.timeout = conf->timeout_s > 0 ? conf->timeout_s * 1000 : 1000,
		.tries = conf->attempts > 0 ? conf->attempts : 1,
		.ednspsz = EDNS_SIZE,
		.lookups = (char[]){ "b" },
		.resolvconf_path = (char[]){ "/dev/null" },
		.sock_state_cb = socket_state,
		.sock_state_cb_data = ch,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_EDNSPSZ |
		   ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_SERVERS |
		   ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB | (conf->rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);

#ifdef ARES_OPT_QUERY_CACHE
	mask |= ARES_OPT_QUERY_CACHE; /* of none: .qcache_max_ttl is 0 */
#endif
	if (ares_init_options(&ch->ares, &o, mask) != ARES_SUCCESS)
		return -ENOMEM;
	ares_set_socket_functions(ch->ares, &socket_calls, ch);
	server_list(conf, nodes);
	if (ares_set_servers_ports(ch->ares, nodes) == ARES_SUCCESS)
		return 0;
	ares_destroy(ch->ares);
	return -ENOMEM;
}

static struct channel *new_channel(struct dnsconf *conf)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return NULL;
	for (int i = 0; i < SOCKETS_MAX; i++)
		ch->sockets[i].fd = -1;
	if (init_ares(ch, conf) < 0) {
		free(ch);
		return NULL;
	}
	ch->conf = conf;
	conf->refs++;
	ch->next = channels;
	return channels = ch;
}

static struct channel *join_channel(struct dnsconf *conf)
{
	struct channel *ch = channels;

	while (ch && (ch->conf != conf || ch->started >= LOOKUPS_MAX))
		ch = ch->next;
	if (!ch)
		ch = new_channel(conf);
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

static bool id_is_taken(const struct channel *ch, uint16_t id)
{
	for (const struct asking *a = ch->asked; a; a = a->next)
		for (int i = 0; i < RESOLVER_QUESTIONS; i++)
			if (a->questions[i].open && a->questions[i].id == id)
				return true;
	return false;
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
	p = put16(p, 0x0100u | (conf->trust_ad ? 0x0020u : 0)); /* recursion desired; authentic data understood */
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

static void unlink_asking(struct asking *a)
{
	if (a->prev)
		a->prev->next = a->next;
	else
		a->channel->asked = a->next;
	if (a->next)
		a->next->prev = a->prev;
}

static void free_asking(struct asking *a)
{
	for (int i = 0; i < RESOLVER_QUESTIONS; i++)
		free(a->questions[i].reply.wire);
	free(a);
}

static int error_of(const struct asking *a, int status)
{
	switch (status) {
	case ARES_ECONNREFUSED:
		return a->channel->socket_err ? -a->channel->socket_err : -ECONNREFUSED;
	case ARES_ENOMEM:
		return -ENOMEM;
	default:
		return -ETIMEDOUT; /* also for servers that refuse: libc went on to the next one till none was left */
	}
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *wire, int len)
{
	struct question *q = arg;
	struct asking *a = q->asking;
	struct dns_reply *reply = &q->reply;

	(void)timeouts;
	q->open = false;
	reply->servfail = status == ARES_ESERVFAIL;
	reply->wire = status == ARES_SUCCESS && len > 0 ? malloc((size_t)len) : NULL;
	if (reply->wire) {
		memcpy(reply->wire, wire, (size_t)len);
		reply->len = (size_t)len;
		reply->err = 0;
	} else {
		reply->err = status == ARES_SUCCESS ? -ENOMEM : error_of(a, status);
	}
	if (--a->left > 0)
		return;
	if (!a->abandoned) {
		waitq_wake(a, 1);
		return;
	}
	unlink_asking(a);
	free_asking(a);
}

static void ask_one(struct asking *a, struct question *q, const char *name, int type)
{
	unsigned char query[QUERY_MAX];
	int len;

	do
		q->id = random_id();
	while (id_is_taken(a->channel, q->id));
	len = write_query(query, a->channel->conf, name, type, q->id);
	if (len < 0) {
		q->reply.err = -EINVAL;
		a->left--;
		return;
	}
	q->asking = a;
	q->open = true;
	ares_send(a->channel->ares, query, len, on_reply, q);
}

static struct asking *start_asking(struct channel *ch, const char *name, const int *types, int n)
{
	struct asking *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->channel = ch;
	a->left = n;
	a->next = ch->asked;
	if (a->next)
		a->next->prev = a;
	ch->asked = a;
	for (int i = 0; i < n; i++)
		ask_one(a, &a->questions[i], name, types[i]);
	return a;
}

/* When c-ares wants to be called though no socket is ready. */
static deadline_t next_call(struct channel *ch)
{
	struct timeval tv, *left = ares_timeout(ch->ares, NULL, &tv);

	return left ? deadline_in(left->tv_sec * NS_PER_S + left->tv_usec * NS_PER_US + NS_PER_MS) : NEVER;
}

static void await(struct coro *me, struct asking *a, const char *why)
{
	struct channel *ch = a->channel;

	while (a->left > 0) {
		struct waiter *w = waitq_mine(NULL);
		int r;

		waitq_add(w, a);
		r = waitq_wait(w, next_call(ch), WAITQ_CANCEL, why);
		if (r == -ETIMEDOUT)
			ares_process_fd(ch->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		if (r == -ECANCELED) {
			a->abandoned = true;
			if (a->left == 0) {
				unlink_asking(a);
				free_asking(a);
			}
			leave_channel(ch);
			green_act_on_cancel(me);
		}
	}
}

static void fail_all(struct dns_reply *replies, int n, int err)
{
	for (int i = 0; i < n; i++)
		replies[i] = (struct dns_reply){ .err = err };
}

void resolver_ask(struct coro *me, const struct dnsconf *conf, const char *name, const int *types, int n,
		  struct dns_reply *replies, const char *why)
{
	int saved = errno;
	struct channel *ch = join_channel((struct dnsconf *)conf);
	struct asking *a = ch ? start_asking(ch, name, types, n) : NULL;

	if (a) {
		await(me, a, why);
		for (int i = 0; i < n; i++) {
			replies[i] = a->questions[i].reply;
			a->questions[i].reply.wire = NULL;
		}
		unlink_asking(a);
		free_asking(a);
	} else {
		fail_all(replies, n, -ENOMEM);
	}
	if (ch)
		leave_channel(ch);
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
