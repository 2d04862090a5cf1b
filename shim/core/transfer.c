/* SPDX-License-Identifier: Apache-2.0
 *
 * See transfer.h.
 */
#include "transfer.h"
#include <string.h>
#include <sys/stat.h>
#include "errand.h"
#include "iov.h"
#include "raw.h"
#include "sigmask.h"

bool transfer_is_slow(int fd)
{
	struct stat st;

	return raw2(SYS_fstat, fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* Where greenlets are, the stack may be moved away meanwhile, and what lies on it with it. */
static bool must_be_copied(const struct coro *me)
{
	return me->carrier || me->flow_of;
}

/* In data: the vector, then its bytes if they are copied. */
static char *bytes_of(const struct errand *e, int n)
{
	return (char *)e->data + (size_t)n * sizeof(struct iovec);
}

static void copy_out(const struct transfer *t, const struct errand *e, size_t left)
{
	const char *from = bytes_of(e, t->n);

	for (int i = 0; i < t->n && left > 0; i++) {
		size_t len = t->iov[i].iov_len < left ? t->iov[i].iov_len : left;

		memcpy(t->iov[i].iov_base, from, len);
		from += len;
		left -= len;
	}
}

static void copy_in(const struct transfer *t, struct errand *e)
{
	struct iovec *v = (struct iovec *)e->data;
	char *to = bytes_of(e, t->n);

	for (int i = 0; i < t->n; i++) {
		v[i].iov_base = to;
		if (t->writes && t->iov[i].iov_len)
			memcpy(to, t->iov[i].iov_base, t->iov[i].iov_len);
		to += t->iov[i].iov_len;
	}
}

static void put_arguments(struct errand *e, const struct transfer *t)
{
	long call[7] = {
		t->writes ? SYS_pwritev2 : SYS_preadv2, t->fd, (long)e->data, t->n, t->offset, 0, t->flags
	};

	memcpy(e->call, call, sizeof(call));
}

long transfer_by_worker(struct coro *me, const struct transfer *t, enum offload_kind kind, int flags)
{
	size_t vector = (size_t)t->n * sizeof(struct iovec), total = iov_total(t->iov, (size_t)t->n);
	bool copied = must_be_copied(me);
	struct errand *e = errand_new(vector + (copied ? total : 0));
	int sig;
	long r;

	if (!e)
		return -ENOMEM;
	memcpy(e->data, t->iov, vector);
	if (copied)
		copy_in(t, e);
	put_arguments(e, t);
	r = errand_run(me, e, t->fd, kind, flags, t->why);
	if (copied && !t->writes && r > 0)
		copy_out(t, e, (size_t)r);
	sig = e->raised;
	r = errand_end(me, e, r);
	if (sig)
		sig_send(me, sig);
	return r;
}

static bool is_at_end(const struct transfer *t, long got)
{
	struct stat st;
	long at = t->offset == -1 ? raw3(SYS_lseek, t->fd, 0, SEEK_CUR) : t->offset + got;

	return raw2(SYS_fstat, t->fd, &st) == 0 && S_ISREG(st.st_mode) && at >= st.st_size;
}

/* Reads what is in memory, if that is all of it.  -EAGAIN: it is not, and nothing has been read. */
static long try_cached(const struct transfer *t, size_t total)
{
	long r = raw6(SYS_preadv2, t->fd, (long)t->iov, t->n, t->offset, 0, t->flags | RWF_NOWAIT);

	if (r <= 0 || (size_t)r == total || is_at_end(t, r))
		return r;
	if (t->offset == -1)
		raw3(SYS_lseek, t->fd, -r, SEEK_CUR);
	return -EAGAIN;
}

long transfer_of_file(struct coro *me, const struct transfer *t)
{
	size_t total = iov_total(t->iov, (size_t)t->n);
	long r = t->writes ? -EAGAIN : try_cached(t, total);

	if (r == -EAGAIN || r == -EOPNOTSUPP)
		r = transfer_by_worker(me, t, OFFLOAD_SHORT, 0);
	return r;
}
