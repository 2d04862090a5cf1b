/* SPDX-License-Identifier: Apache-2.0
 *
 * read, write and their vectors, on whatever a number may stand for.  How a call is tried without waiting
 * depends on the kind; O_NONBLOCK, which other processes may share, is never touched:
 *
 *   sockets                    MSG_DONTWAIT
 *   pipes, eventfds, timerfds  RWF_NOWAIT
 *   what refuses that          poll(2) first, then the plain call, cut to what poll's word is good for
 *   files, /dev/null           the plain call: they never say EAGAIN
 *
 *   files, if SYNCLESS_FILES says so   by a worker (transfer.h)
 *
 * A blocking write is over when all is written; what comes after its first bytes (an error, a signal, a
 * timeout) makes it return their count.
 */
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include "coro.h"
#include "errand.h"
#include "fdtab.h"
#include "iov.h"
#include "libc.h"
#include "raw.h"
#include "sending.h"
#include "transfer.h"
#include "wait.h"

static ssize_t negative_errno(ssize_t r)
{
	return r == -1 ? -errno : r;
}

static bool is_refused(ssize_t r)
{
	return r == -EOPNOTSUPP || r == -ENOSYS;
}

/* An offset of -1 stands for the file's own. */
static ssize_t nowait(long call, int fd, const struct iovec *iov, int n)
{
	return raw6(call, fd, (long)iov, n, -1, 0, RWF_NOWAIT);
}

/* --- Reading. */

static ssize_t read_socket(int fd, const struct iovec *iov, int n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };

	if (n == 1)
		return negative_errno(libc.recv(fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT));
	return negative_errno(libc.recvmsg(fd, &msg, MSG_DONTWAIT));
}

static ssize_t read_plainly(int fd, const struct iovec *iov, int n)
{
	if (n == 1)
		return negative_errno(libc.read(fd, iov->iov_base, iov->iov_len));
	return negative_errno(libc.readv(fd, iov, n));
}

static ssize_t try_read(int fd, const struct iovec *iov, int n)
{
	int kind = fd_kind(fd);
	ssize_t r;

	if ((kind & FD_KIND_MASK) == FD_SOCKET)
		return read_socket(fd, iov, n);
	if ((kind & FD_KIND_MASK) == FD_PIPE && !(kind & FD_NO_NOWAIT_READ)) {
		r = nowait(SYS_preadv2, fd, iov, n);
		if (!is_refused(r))
			return r;
		fd_mark(fd, FD_NO_NOWAIT_READ);
	}
	/* A non-blocking terminal may give what poll() does not count as ready. */
	if (!fd_is_ready(fd, POLLIN) && !fd_is_nonblock(fd))
		return -EAGAIN;
	return read_plainly(fd, iov, n);
}

static bool is_slow(int fd)
{
	return (fd_kind(fd) & FD_KIND_MASK) == FD_SLOW;
}

/* A terminal that does not give lines may be told not to wait for a first byte, or only for so long (MIN and TIME
 * of termios(3)).  True: a read that finds nothing until w->until returns 0. */
static bool is_content_with_nothing(struct io_wait *w)
{
	struct termios tio;

	if (!is_slow(w->fd) || raw3(SYS_ioctl, w->fd, TCGETS, &tio) < 0)
		return false;
	if ((tio.c_lflag & ICANON) || tio.c_cc[VMIN] != 0)
		return false;
	w->until = deadline_in(tio.c_cc[VTIME] * 100 * NS_PER_MS);
	return true;
}

/* A read that waited while the other end of a terminal went away fails; one that comes later finds the end. */
static bool was_hung_up(int fd)
{
	struct termios tio;

	return is_slow(fd) && raw3(SYS_ioctl, fd, TCGETS, &tio) == -EIO;
}

/* The rest of a read that has found nothing.  -errno. */
static ssize_t await_input(struct io_wait *w, const struct iovec *iov, int n)
{
	bool nothing_will_do = is_content_with_nothing(w);
	ssize_t r = -EAGAIN;

	while (r == -EAGAIN) {
		r = wait_io(w);
		if (r < 0)
			return r == -EAGAIN && nothing_will_do ? 0 : r;
		r = try_read(w->fd, iov, n);
	}
	return r == 0 && was_hung_up(w->fd) ? -EIO : r;
}

/* SO_RCVLOWAT: a read of a stream waits for so much.  The kernel raises no event for less: look as time passes. */
static ssize_t read_up_to_mark(struct io_wait *w, const struct iovec *iov, int n, ssize_t done)
{
	size_t total = iov_total(iov, (size_t)n), low = (size_t)fd_option(w->fd, SO_RCVLOWAT);
	struct iovec win[IOV_WINDOW];
	ssize_t r;

	if (fd_option(w->fd, SO_TYPE) != SOCK_STREAM)
		return done;
	if (low > total)
		low = total;
	io_progress(w);
	while ((size_t)done < low) {
		w->fruitless = IO_FRUITLESS_MAX;
		if (wait_io(w) < 0)
			break;
		r = try_read(w->fd, win, iov_window(win, iov, (size_t)n, (size_t)done, SSIZE_MAX));
		if (r == 0 || (r < 0 && r != -EAGAIN))
			break;
		done += r > 0 ? r : 0;
	}
	return done;
}

/* As libc: -1 and errno, which a success leaves alone. */
static PARKING ssize_t park_read(struct coro *me, int fd, const struct iovec *iov, int n, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_READ, .why = why };
	int saved = errno;
	ssize_t r = fd_is_dry(fd) ? -EAGAIN : try_read(fd, iov, n);

	if (UNLIKELY(r == -ENOTSOCK)) { /* the number has changed its meaning behind our back */
		fd_appeared(fd);
		r = try_read(fd, iov, n);
	}
	if (r == -EAGAIN && iov_total(iov, (size_t)n) > 0)
		r = await_input(&w, iov, n);
	if (UNLIKELY(r > 0 && (fd_kind(fd) & FD_LOWAT)) && fd_is_socket(fd))
		r = read_up_to_mark(&w, iov, n, r);
	if (r == -ESHUTDOWN || (r == -EAGAIN && iov_total(iov, (size_t)n) == 0))
		r = 0; /* readv(2) of nothing: recvmsg(2) would wait, it does not */
	if (r < 0)
		return fail((int)-r);
	if (n == 1)
		fd_note_read(fd, r > 0 && (size_t)r < iov->iov_len);
	errno = saved;
	return r;
}

static PARKING ssize_t transfer(struct coro *me, bool writes, int fd, const struct iovec *iov, int n,
				const char *why)
{
	int saved = errno;
	long r = transfer_of_file(me, &(struct transfer){ writes, fd, iov, n, -1, 0, why });

	if (r < 0)
		return fail((int)-r);
	errno = saved;
	return r;
}

/* The rest of a call: it leaves.  Before a plain call, for the disk may be slow. */
static PARKING ssize_t read_one(struct coro *me, int fd, void *buf, size_t len, const char *why)
{
	struct iovec iov = { buf, len };

	if (len && transfer_offloads(fd))
		return coro_leave(transfer(me, false, fd, &iov, 1, why));
	if ((!len || fd_never_waits(fd_kind(fd))) && coro_leave(true))
		return libc.read(fd, buf, len);
	return coro_leave(park_read(me, fd, &iov, 1, why));
}

/* One that is alone does not come back for a file: the disk may be what keeps it away, again and again. */
static inline struct coro *enter(int fd)
{
	const struct coro *me = coro_self;

	if (LIKELY(!me))
		return NULL;
	if (UNLIKELY(atomic_load_explicit(&me->keeps, memory_order_relaxed) & KEEPS_ALONE) && fd_is_known_file(fd) &&
	    !coro_cancel_due(me))
		return NULL;
	return UNLIKELY(me->carrier != NULL) && fd_never_waits(fd_kind(fd)) ? coro_enter_file() : coro_enter();
}

static PARKING ssize_t read_here(int fd, void *buf, size_t len)
{
	struct coro *me = enter(fd);

	if (!me)
		return libc.read(fd, buf, len);
	return read_one(me, fd, buf, len, "read");
}

/* read(2).  Parks: until there is something to read, or SO_RCVTIMEO.  Passes through: files, non-blocking
 * descriptors, a count of 0.
 * errno: the kernel's; EAGAIN on timeout; EINTR as for SA_RESTART; EBADF if closed while parked.
 * Differs: the kernel lets a read outlive close(2); we end it. */
EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	if (LIKELY(!coro_self))
		return libc.read(fd, buf, len);
	return read_here(fd, buf, len);
}
EXPORT_ALIAS(__read, read);

/* readv(2).  As read(). */
EXPORT ssize_t readv(int fd, const struct iovec *iov, int n)
{
	struct coro *me = enter(fd);

	if (UNLIKELY(me && n > 0 && n <= IOV_MAX) && transfer_offloads(fd))
		return coro_leave(transfer(me, false, fd, iov, n, "readv"));
	if (LIKELY(!me) || ((n <= 0 || n > IOV_MAX || fd_never_waits(fd_kind(fd))) && coro_leave(true)))
		return libc.readv(fd, iov, n);
	return coro_leave(park_read(me, fd, iov, n, "readv"));
}

/* eventfd_read(3).  As read(). */
EXPORT int eventfd_read(int fd, eventfd_t *value)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.eventfd_read(fd, value);
	return read_one(me, fd, value, sizeof(*value), "eventfd_read") == sizeof(*value) ? 0 : -1;
}

/* --- Writing. */

static ssize_t write_socket(const struct io_wait *w, const struct iovec *iov, int n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };
	int flags = sending_flags(w);

	if (n == 1)
		return negative_errno(libc.send(w->fd, iov->iov_base, iov->iov_len, flags));
	return negative_errno(libc.sendmsg(w->fd, &msg, flags));
}

static ssize_t write_plainly(int fd, const struct iovec *iov, int n)
{
	if (n == 1)
		return negative_errno(libc.write(fd, iov->iov_base, iov->iov_len));
	return negative_errno(libc.writev(fd, iov, n));
}

/* A "writable" terminal has room for 256 bytes at least (the unit of the kernel's tty buffers), half of that
 * if each may become two by output processing. */
#define TTY_ROOM 128

static bool is_terminal(int fd)
{
	struct termios tio;

	return raw3(SYS_ioctl, fd, TCGETS, &tio) == 0;
}

#define PTMX makedev(5, 2) /* opening it again would make another terminal */

/* A non-blocking description of the same terminal, for us alone.  -errno where there is none to be had. */
static long reopen_terminal(int fd)
{
	char path[] = "/proc/self/fd/\0\0\0\0\0\0\0\0\0\0";
	struct stat st;
	int digits = 1;

	if (raw2(SYS_fstat, fd, &st) < 0 || st.st_rdev == PTMX)
		return -ENXIO;
	for (int n = fd; n >= 10; n /= 10)
		digits++;
	for (int n = fd; digits > 0; n /= 10)
		path[sizeof("/proc/self/fd/") - 2 + (size_t)digits--] = (char)('0' + n % 10);
	return raw4(SYS_openat, AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
}

/* Much at once: as much as fits, in one piece, that other writers cannot come between. */
static ssize_t write_terminal(int fd, const struct iovec *iov, int n)
{
	struct iovec win[IOV_WINDOW];
	long own = reopen_terminal(fd);
	ssize_t r;

	if (own < 0)
		return write_plainly(fd, win, iov_window(win, iov, (size_t)n, 0, TTY_ROOM));
	r = raw3(SYS_writev, own, iov, n);
	raw1(SYS_close, own);
	return r;
}

/* poll(2) has said "writable": as much of this as surely does not wait. */
static ssize_t write_what_fits(int fd, int kind, const struct iovec *iov, int n)
{
	struct iovec win[IOV_WINDOW];
	size_t total = iov_total(iov, (size_t)n);

	if (kind == FD_PIPE && total > PIPE_BUF)
		return write_plainly(fd, win, iov_window(win, iov, (size_t)n, 0, PIPE_BUF));
	if (kind == FD_SLOW && total > TTY_ROOM && is_terminal(fd))
		return write_terminal(fd, iov, n);
	return write_plainly(fd, iov, n);
}

static ssize_t try_write(const struct io_wait *w, const struct iovec *iov, int n)
{
	int fd = w->fd, kind = fd_kind(fd);
	ssize_t r;

	if ((kind & FD_KIND_MASK) == FD_SOCKET)
		return write_socket(w, iov, n);
	if ((kind & FD_KIND_MASK) == FD_PIPE && !(kind & FD_NO_NOWAIT_WRITE)) {
		r = sending_to_pipe(w->me, fd, iov, n);
		if (!is_refused(r))
			return r;
		fd_mark(fd, FD_NO_NOWAIT_WRITE);
	}
	if (fd_is_nonblock(fd))
		return write_plainly(fd, iov, n);
	if (!fd_is_ready(fd, POLLOUT))
		return -EAGAIN;
	return write_what_fits(fd, kind & FD_KIND_MASK, iov, n);
}

/* What is left of the vector after `done`. */
static ssize_t try_rest(const struct io_wait *w, const struct iovec *iov, int n, size_t done)
{
	struct iovec win[IOV_WINDOW];

	return try_write(w, win, iov_window(win, iov, (size_t)n, done, SSIZE_MAX));
}

/* Writes what is left of the vector after its first `done` bytes, which are written.  Returns the sum. */
static size_t write_rest(struct io_wait *w, const struct iovec *iov, int n, size_t done)
{
	size_t total = iov_total(iov, (size_t)n);
	ssize_t r;

	io_progress(w);
	while (done < total) {
		r = try_rest(w, iov, n, done);
		if (r > 0) {
			done += (size_t)r;
			io_progress(w);
		} else if (r != -EAGAIN || sending_wait(w) < 0) {
			break;
		}
	}
	return done;
}

static PARKING ssize_t park_write(struct coro *me, int fd, const struct iovec *iov, int n, const char *why)
{
	struct io_wait w = { .me = me, .fd = fd, .want = WAIT_WRITE, .why = why };
	int saved = errno;
	ssize_t r = try_write(&w, iov, n);

	if (UNLIKELY(r == -ENOTSOCK)) {
		fd_appeared(fd);
		r = try_write(&w, iov, n);
	}
	while (r == -EAGAIN) {
		r = sending_wait(&w);
		if (r < 0)
			return fail((int)-r);
		r = try_write(&w, iov, n);
	}
	if (r > 0 && (n > 1 || (size_t)r < iov->iov_len))
		r = (ssize_t)write_rest(&w, iov, n, (size_t)r);
	if (r < 0)
		return fail(fd_is_socket(fd) ? sending_error(&w, (int)-r, 0) : (int)-r);
	errno = saved;
	return r;
}

/* As read_one(). */
static PARKING ssize_t write_one(struct coro *me, int fd, const void *buf, size_t len, const char *why)
{
	struct iovec iov = { (void *)buf, len };
	int kind = fd_kind(fd);

	if (len && transfer_offloads(fd))
		return coro_leave(transfer(me, true, fd, &iov, 1, why));
	if ((fd_never_waits(kind) || (!len && (kind & FD_KIND_MASK) != FD_SOCKET)) && coro_leave(true))
		return libc.write(fd, buf, len);
	return coro_leave(park_write(me, fd, &iov, 1, why));
}

static PARKING ssize_t write_here(int fd, const void *buf, size_t len)
{
	struct coro *me = enter(fd);

	if (!me)
		return libc.write(fd, buf, len);
	return write_one(me, fd, buf, len, "write");
}

/* write(2).  Parks: until all is written, or SO_SNDTIMEO.  Passes through: files, non-blocking descriptors.
 * errno: the kernel's; EAGAIN on timeout; EINTR as for SA_RESTART; EBADF if closed while parked; none of them
 * once a byte is written.
 * Differs: close(2) ends it.  A large write to a terminal or a FIFO goes out in pieces. */
EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	if (LIKELY(!coro_self))
		return libc.write(fd, buf, len);
	return write_here(fd, buf, len);
}
EXPORT_ALIAS(__write, write);

/* writev(2).  As write(). */
EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	struct coro *me = enter(fd);

	if (UNLIKELY(me && n > 0 && n <= IOV_MAX) && transfer_offloads(fd))
		return coro_leave(transfer(me, true, fd, iov, n, "writev"));
	if (LIKELY(!me) || ((n <= 0 || n > IOV_MAX || fd_never_waits(fd_kind(fd))) && coro_leave(true)))
		return libc.writev(fd, iov, n);
	return coro_leave(park_write(me, fd, iov, n, "writev"));
}

/* eventfd_write(3).  As write(). */
EXPORT int eventfd_write(int fd, eventfd_t value)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me))
		return libc.eventfd_write(fd, value);
	return write_one(me, fd, &value, sizeof(value), "eventfd_write") == sizeof(value) ? 0 : -1;
}

/* --- sendfile, whose only word about waiting is O_NONBLOCK of the descriptor it writes to. */

/* Borrows the flag for the length of the system call, as connect() does. */
static ssize_t sendfile_without_waiting(int out, int in, off_t *offset, size_t count)
{
	int on = 1, off = 0;
	ssize_t r;

	raw3(SYS_ioctl, out, FIONBIO, &on);
	r = negative_errno(libc.sendfile(out, in, offset, count));
	raw3(SYS_ioctl, out, FIONBIO, &off);
	return r;
}

/* The flag is others' as well: so much as can surely be taken, read and then sent. */
static ssize_t copy_without_waiting(const struct io_wait *w, int in, off_t *offset, size_t count)
{
	char buf[16384];
	off_t at = offset ? *offset : lseek(in, 0, SEEK_CUR);
	struct iovec iov = { buf, count < sizeof(buf) ? count : sizeof(buf) };
	ssize_t r = at < 0 ? -errno : negative_errno(pread(in, buf, iov.iov_len, at));

	if (r <= 0)
		return r;
	iov.iov_len = (size_t)r;
	r = try_write(w, &iov, 1);
	if (r > 0 && offset)
		*offset += r;
	else if (r > 0)
		lseek(in, r, SEEK_CUR);
	return r;
}

static PARKING ssize_t park_sendfile(struct coro *me, int out, int in, off_t *offset, size_t count)
{
	struct io_wait w = { .me = me, .fd = out, .want = WAIT_WRITE, .why = "sendfile" };
	int saved = errno;
	size_t done = 0;
	ssize_t r = 0;

	while (done < count) {
		if (fd_kind(out) & FD_SHARED)
			r = copy_without_waiting(&w, in, offset, count - done);
		else
			r = sendfile_without_waiting(out, in, offset, count - done);
		if (r == 0)
			break; /* the end of the file */
		if (r > 0) {
			done += (size_t)r;
			w.fruitless = 0; /* no io_progress(): here the kernel raises SIGPIPE, too */
			if ((fd_kind(out) & FD_KIND_MASK) == FD_PIPE)
				break;
		} else if (r != -EAGAIN || (r = wait_io(&w)) < 0) {
			break;
		}
	}
	if (!done && r < 0)
		return fail((int)-r);
	errno = saved;
	return (ssize_t)done;
}

static bool sends_plainly(int out, int in)
{
	return fd_never_waits(fd_kind(out)) || (fd_kind(in) & FD_KIND_MASK) != FD_FILE || fd_is_nonblock(out);
}

/* sendfile(2).  Parks: until all is written, or SO_SNDTIMEO; to a pipe, until something is.  Passes through:
 * non-blocking and never waiting `out`, and what is not a file that can be read at any place.
 * errno: as write(). */
EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	struct coro *me = coro_enter();

	if (LIKELY(!me) || (sends_plainly(out, in) && coro_leave(true)))
		return libc.sendfile(out, in, offset, count);
	return coro_leave(park_sendfile(me, out, in, offset, count));
}

/* sendfile64: what a program built with _FILE_OFFSET_BITS=64 calls; off_t has 64 bits here as well. */
EXPORT ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
	_Static_assert(sizeof(off_t) == sizeof(off64_t), "one body for both");
	return sendfile(out, in, (off_t *)offset, count);
}

/* --- tcdrain. */

static long drain_by_worker(struct coro *me, int fd)
{
	struct errand *e = errand_new(0);

	if (!e)
		return -ENOMEM;
	e->call[0] = SYS_ioctl;
	e->call[1] = fd;
	e->call[2] = TCSBRK;
	e->call[3] = 1;
	return errand_end(me, e,
			  errand_run(me, e, fd, OFFLOAD_LONG, WAIT_INTR_RESTART | WAITQ_CANCEL, "tcdrain"));
}

/* Is there output that has not left yet? */
static bool has_output(int fd)
{
	int queued = 0;

	return raw3(SYS_ioctl, fd, TIOCOUTQ, &queued) == 0 && queued > 0;
}

/* tcdrain(3).  Parks: until all output is transmitted.  Passes through: no output is queued.
 * errno: the kernel's; EINTR as for SA_RESTART; EBADF if closed while parked. */
EXPORT int tcdrain(int fd)
{
	struct coro *me = coro_enter();
	int saved = errno;
	long r;

	if (LIKELY(!me) || (!has_output(fd) && coro_leave(true)))
		return libc.tcdrain(fd);
	r = drain_by_worker(me, fd);
	if (r < 0)
		return (int)coro_leave(fail((int)-r));
	errno = saved;
	return (int)coro_leave(0);
}
