/* SPDX-License-Identifier: Apache-2.0
 *
 * Fails calls that libsyncless.so makes.  In LD_PRELOAD it stands behind that, so RTLD_NEXT, by which the
 * shim finds libc's entries, finds ours first; each has the name of a row of calls.def and passes its call on.
 * tests/faults/inject runs programs so.
 *
 *     FAULT=NAME:FIRST-LAST/STEP:WHAT    of the calls of NAME since fault_arm(true), these, counted from 1
 *
 * WHAT is an errno, with which the call fails undone; or one with @after, and it is done first; or "short":
 * half of what it was to transfer.  A NAME is a symbol, "raw_" and a system call that the shim makes
 * without libc, or "malloc" and kin, by libfaultheap.so.  FAULT=count lets all pass and says, when
 * disarmed, how many there were.
 *
 * Raw system calls are told by a seccomp filter, which looks at the address that they are made from, to a
 * supervisor: a process of its own, since no signal handler of this one could run wherever the shim is.
 */
#include "fault.h"
#include <dlfcn.h>
#include <link.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "../../shim/core/raw.h"

#define PUBLIC __attribute__((visibility("default")))
#define NAMES 256
#define SHORT 0 /* in place of an errno */

enum how { BEFORE, AFTER };

/* Shared with forked children and with the supervisor. */
struct shared {
	_Atomic bool armed;
	_Atomic long hits;
	_Atomic long calls[NAMES]; /* by the number of the name */
	char names[NAMES][40];
	_Atomic int count;
	_Atomic int lock;
};
static struct shared *shared;

static struct {
	char name[40];
	long first, last, step;
	int err;
	enum how how;
	bool counts; /* FAULT=count */
} fault;

/* Is this call of `name` to fail?  Its number is kept by the caller, from -1 on. */
static bool is_due(const char *name, _Atomic int *number)
{
	long n;

	if (!shared || !atomic_load(&shared->armed))
		return false;
	if (!fault.counts && strcmp(name, fault.name))
		return false;
	if (atomic_load(number) < 0) {
		while (atomic_exchange(&shared->lock, 1))
			;
		if (atomic_load(number) < 0 && shared->count < NAMES) {
			strcpy(shared->names[shared->count], name);
			atomic_store(number, shared->count++);
		}
		atomic_store(&shared->lock, 0);
	}
	n = atomic_fetch_add(&shared->calls[atomic_load(number)], 1) + 1;
	if (fault.counts || n < fault.first || n > fault.last || (n - fault.first) % fault.step)
		return false;
	atomic_fetch_add(&shared->hits, 1);
	return true;
}

/* --- libc's entries.  All pass eight words, more than any of them takes. */

struct entry {
	const char *name;
	_Atomic int number;
	long (*real)(long, ...);
};

static void find(struct entry *e)
{
	if (!e->real)
		e->real = (long (*)(long, ...))dlsym(RTLD_NEXT, e->name);
}

/* pthread_* and some others return their error. */
static bool returns_error(const char *name)
{
	static const char *const others[] = { "clock_nanosleep", "sigwait" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcmp(name, others[i]))
			return true;
	return !strncmp(name, "pthread_", 8);
}

static long failed(const struct entry *e)
{
	if (returns_error(e->name))
		return fault.err;
	errno = fault.err;
	return -1;
}

static long call(const struct entry *e, const long *a)
{
	return e->real(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
}

/* An eventfd takes eight bytes or none. */
static long half(long n)
{
	return n > 1 && n != 8 ? n / 2 : n;
}

/* Of a vector, half of the first that has anything. */
static struct iovec half_of(const struct iovec *iov, long n)
{
	struct iovec first = { NULL, 0 };

	for (long i = 0; i < n && !first.iov_len; i++)
		first = iov[i];
	first.iov_len = (size_t)half((long)first.iov_len);
	return first;
}

static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(name, *list))
			return true;
	return false;
}

static long call_short(const struct entry *e, long *a)
{
	static const char *const plain[] = { "read", "write", "recv", "send", "recvfrom", "sendto", NULL };
	static const char *const vectors[] = { "readv", "writev", NULL };
	static const char *const messages[] = { "recvmsg", "sendmsg", NULL };
	static const char *const many[] = { "recvmmsg", "sendmmsg", NULL };
	struct iovec piece;

	if (is_one_of(e->name, plain))
		a[2] = half(a[2]);
	else if (is_one_of(e->name, many))
		a[2] = 1;
	else if (is_one_of(e->name, vectors)) {
		piece = half_of((struct iovec *)a[1], a[2]);
		a[1] = (long)&piece;
		a[2] = 1;
	} else if (is_one_of(e->name, messages)) {
		struct msghdr *msg = (struct msghdr *)a[1], whole = *msg;
		long r;

		piece = half_of(msg->msg_iov, (long)msg->msg_iovlen);
		msg->msg_iov = &piece;
		msg->msg_iovlen = 1;
		r = call(e, a);
		msg->msg_iov = whole.msg_iov;
		msg->msg_iovlen = whole.msg_iovlen;
		return r;
	} else if (!strncmp(e->name, "sendfile", 8)) {
		a[3] = half(a[3]);
	}
	return call(e, a);
}

/* The kernel neither breaks off nor refuses to read a regular file, and libc's own readers do not expect it. */
static bool is_plain_read(const struct entry *e, const long *a)
{
	struct stat st;

	return !strcmp(e->name, "read") && fstat((int)a[0], &st) == 0 && S_ISREG(st.st_mode);
}

static long pass(struct entry *e, long *a)
{
	find(e);
	if (is_plain_read(e, a) || !is_due(e->name, &e->number))
		return call(e, a);
	if (fault.err == SHORT)
		return call_short(e, a);
	if (fault.how == AFTER) {
		long r = call(e, a);

		/* A connect() that is through, or has failed, does not say EINTR. */
		if (!strcmp(e->name, "connect") && ((int)r == 0 || errno != EINPROGRESS))
			return r;
	}
	return failed(e);
}

#define ENTRY(symbol)                                                                                          \
	static struct entry entry_##symbol = { #symbol, -1, NULL };                                            \
	PUBLIC long fault_##symbol(long, long, long, long, long, long, long, long) __asm__(#symbol);           \
	long fault_##symbol(long a, long b, long c, long d, long e, long f, long g, long h)                    \
	{                                                                                                      \
		long args[] = { a, b, c, d, e, f, g, h };                                                      \
                                                                                                               \
		return pass(&entry_##symbol, args);                                                            \
	}

/* By the families of calls.def.  Those which nothing of ours can fail in pass untouched: who unlocks a mutex or
 * looks a symbol up has no error to handle. */
#define FAMILY_socket(symbol) ENTRY(symbol)
#define FAMILY_receive(symbol) ENTRY(symbol)
#define FAMILY_send(symbol) ENTRY(symbol)
#define FAMILY_file(symbol) ENTRY(symbol)
#define FAMILY_filelocks(symbol) ENTRY(symbol)
#define FAMILY_fd(symbol) ENTRY(symbol)
#define FAMILY_ready(symbol) ENTRY(symbol)
#define FAMILY_epoll(symbol) ENTRY(symbol)
#define FAMILY_time(symbol) ENTRY(symbol)
#define FAMILY_thread(symbol) ENTRY(symbol)
#define FAMILY_join(symbol) ENTRY(symbol)
#define FAMILY_sem(symbol) ENTRY(symbol)
#define FAMILY_syscall(symbol) ENTRY(symbol)
#define FAMILY_sigwait(symbol) ENTRY(symbol)
#define FAMILY_process(symbol) ENTRY(symbol)
#define FAMILY_mutex(symbol)
#define FAMILY_rwlock(symbol)
#define FAMILY_cond(symbol)
#define FAMILY_barrier(symbol)
#define FAMILY_once(symbol)
#define FAMILY_cancel(symbol)
#define FAMILY_tsd(symbol)
#define FAMILY_locale(symbol)
#define FAMILY_ids(symbol)
#define FAMILY_setid(symbol)
#define FAMILY_signal(symbol)
#define FAMILY_dl(symbol)
#define FAMILY_stdio(symbol)
#define FAMILY_dns(symbol)
#define FAMILY_aio(symbol)
#define FAMILY_disk(symbol)
#define FAMILY_exec(symbol)
#define FAMILY_gai(symbol)
#define FAMILY_log(symbol)
#define FAMILY_members(symbol)
#define FAMILY_nss(symbol)
#define FAMILY_queues(symbol)
#define FAMILY_resolv(symbol)
#define FAMILY_shell(symbol)
#define FAMILY_spawn(symbol)
#define FAMILY_splice(symbol)
#define FAMILY_stdio_error(symbol)
#define FAMILY_stdio_format(symbol)
#define FAMILY_stdio_state(symbol)

#define CALL(symbol, family, policy) FAMILY_##family(symbol)
#define VERSIONED(symbol, version, family, policy) FAMILY_##family(symbol)
#define OPTIONAL(symbol, family, policy) FAMILY_##family(symbol)
#define NEWER(symbol, minor, family, policy) FAMILY_##family(symbol)
#define ALIAS(spelling, symbol)
#define CHECKED(spelling, symbol)
#define LEFT(symbol, cause)
#include "../../shim/calls.def"
#undef CALL
#undef VERSIONED
#undef OPTIONAL
#undef NEWER
#undef ALIAS
#undef CHECKED
#undef LEFT

/* --- What the programs and libfaultheap.so ask. */

PUBLIC bool fault_is_due(const char *name, _Atomic int *number)
{
	return is_due(name, number);
}

PUBLIC int fault_errno(void)
{
	return fault.err;
}

PUBLIC long fault_hits(void)
{
	return shared ? atomic_load(&shared->hits) : 0;
}

PUBLIC void fault_arm(bool on)
{
	if (!shared)
		return;
	atomic_store(&shared->armed, on);
	for (int i = 0; fault.counts && !on && i < shared->count; i++)
		dprintf(2, "calls: %s %ld\n", shared->names[i], atomic_load(&shared->calls[i]));
}

/* --- Raw system calls. */

#define RAW(name)                                                                                              \
	{                                                                                                      \
		"raw_" #name, SYS_##name, -1                                                                   \
	}
static struct raw {
	const char *name;
	int nr;
	_Atomic int number;
} raws[] = {
	RAW(bind),	  RAW(connect),	     RAW(dup3),	       RAW(epoll_create1), RAW(epoll_ctl),
	RAW(epoll_pwait), RAW(epoll_pwait2), RAW(eventfd2),    RAW(fcntl),	   RAW(fstat),
	RAW(futex),	  RAW(getrandom),    RAW(getsockname), RAW(getsockopt),	   RAW(ioctl),
	RAW(madvise),	  RAW(membarrier),   RAW(mprotect),    RAW(nanosleep),	   RAW(openat),
	RAW(pidfd_open),  RAW(ppoll),	     RAW(preadv2),     RAW(pwritev2),	   RAW(read),
	RAW(recvfrom),	  RAW(sendmsg),	     RAW(sendto),      RAW(signalfd4),	   RAW(socket),
	RAW(waitid),	  RAW(write),
};
#define RAWS ((int)(sizeof(raws) / sizeof(raws[0])))

static bool is_watched(const struct raw *r)
{
	return fault.counts || !strcmp(r->name, fault.name);
}

struct text {
	uintptr_t start, end;
};

/* The executable segment of libsyncless.so. */
static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct text *text = arg;

	(void)size;
	if (!strstr(info->dlpi_name, "libsyncless.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X))
			*text = (struct text){ info->dlpi_addr + p->p_vaddr,
					       info->dlpi_addr + p->p_vaddr + p->p_memsz };
	}
	return 1;
}

#define INSTRUCTION(field) offsetof(struct seccomp_data, field)
#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(at))
#define IF_EQUAL(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(k), yes, no)
#define IF_AT_LEAST(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)(k), yes, no)
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (unsigned)(what))

/* -1, or the descriptor by which the supervisor is told of calls from `text`.  The filter's words have 32 bits: one
 * for the half that may be another at the end of the text, one for the distance from its start. */
static int install_filter(struct text text)
{
	struct sock_filter code[16 + RAWS] = {
		LOAD(INSTRUCTION(instruction_pointer) + 4),
		IF_EQUAL(text.start >> 32, 2, 0),
		IF_EQUAL(text.end >> 32, 1, 0),
		ANSWER(SECCOMP_RET_ALLOW),
		LOAD(INSTRUCTION(instruction_pointer)),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, (unsigned)text.start),
		IF_AT_LEAST(text.end - text.start, 0, 1),
		ANSWER(SECCOMP_RET_ALLOW),
		LOAD(INSTRUCTION(nr)),
	};
	unsigned short n = 9;
	struct sock_fprog program = { .filter = code };
	unsigned char watched = 0;

	for (int i = 0; i < RAWS; i++)
		watched += is_watched(&raws[i]);
	for (int i = 0; i < RAWS; i++)
		if (is_watched(&raws[i]))
			code[n++] = (struct sock_filter)IF_EQUAL(raws[i].nr, watched--, 0);
	code[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)ANSWER(SECCOMP_RET_USER_NOTIF);
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return (int)raw3(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
}

static struct raw *raw_of(int nr)
{
	for (int i = 0; i < RAWS; i++)
		if (raws[i].nr == nr)
			return &raws[i];
	_exit(1);
}

/* The kernel breaks off no wake, and refuses none. */
static bool can_fail(const struct seccomp_data *asked)
{
	int command = (int)asked->args[1] & FUTEX_CMD_MASK;

	return asked->nr != SYS_futex || (command != FUTEX_WAKE && command != FUTEX_WAKE_BITSET);
}

/* Until the program has ended, whose `pidfd` tells so. */
static void supervise(int listener, int pidfd)
{
	struct pollfd p[2] = { { .fd = listener, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };

	for (;;) {
		struct seccomp_notif asked = { 0 };
		struct seccomp_notif_resp answer = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
		struct raw *r;

		if (raw6(SYS_ppoll, (long)p, 2, 0, 0, 0, 0) > 0 && !(p[0].revents & POLLIN) && p[1].revents)
			raw1(SYS_exit_group, 0);
		if (!(p[0].revents & POLLIN) || raw3(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
			continue;
		answer.id = asked.id;
		r = raw_of(asked.data.nr);
		if (can_fail(&asked.data) && is_due(r->name, &r->number)) {
			answer.flags = 0;
			answer.error = -fault.err;
		}
		raw3(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

/* Forked twice, so that the program has no child that it does not know of.  Bare system calls: nothing of
 * libc's is to notice. */
static void start_supervisor(void)
{
	struct text text = { 0, 0 };
	int pidfd, listener;
	long child;

	dl_iterate_phdr(find_text, &text);
	if (!text.start)
		return;
	pidfd = (int)raw2(SYS_pidfd_open, getpid(), 0);
	listener = install_filter(text);
	if (pidfd < 0 || listener < 0)
		SKIP("no seccomp notifications here");
	child = raw6(SYS_clone, 0, 0, 0, 0, 0, 0);
	if (child == 0) {
		if (raw6(SYS_clone, 0, 0, 0, 0, 0, 0) == 0)
			supervise(listener, pidfd);
		raw1(SYS_exit_group, 0);
	}
	raw4(SYS_wait4, child, 0, __WALL, 0);
	raw1(SYS_close, listener);
	raw1(SYS_close, pidfd);
}

/* --- FAULT */

static const struct {
	const char *name;
	int value;
} errnos[] = {
	{ "short", SHORT },
	{ "EINTR", EINTR },
	{ "EAGAIN", EAGAIN },
	{ "ENOMEM", ENOMEM },
	{ "EMFILE", EMFILE },
	{ "ENFILE", ENFILE },
	{ "ENOSPC", ENOSPC },
	{ "ECONNRESET", ECONNRESET },
	{ "ENOBUFS", ENOBUFS },
	{ "EIO", EIO },
	{ "EPIPE", EPIPE },
	{ "ECONNABORTED", ECONNABORTED },
	{ "ECONNREFUSED", ECONNREFUSED },
	{ "ETIMEDOUT", ETIMEDOUT },
	{ "ENOSYS", ENOSYS },
	{ "EPERM", EPERM },
};

static void refuse(const char *text)
{
	dprintf(2, "libfault.so: FAULT=%s is not NAME:FIRST-LAST/STEP:WHAT\n", text);
	_exit(2);
}

static void parse(const char *text)
{
	char what[40], after[8] = "";
	int n;

	fault.counts = !strcmp(text, "count");
	if (fault.counts)
		return;
	n = sscanf(text, "%39[^:]:%ld-%ld/%ld:%39[^@]%7s", fault.name, &fault.first, &fault.last, &fault.step,
		   what, after);
	if (n < 5 || fault.step < 1)
		refuse(text);
	fault.how = !strcmp(after, "@after") ? AFTER : BEFORE;
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (!strcmp(errnos[i].name, what)) {
			fault.err = errnos[i].value;
			return;
		}
	refuse(text);
}

static bool needs_supervisor(void)
{
	return fault.counts || !strncmp(fault.name, "raw_", 4);
}

__attribute__((constructor)) static void set_up(void)
{
	const char *text = getenv("FAULT");

	if (!text)
		return;
	parse(text);
	unsetenv("FAULT"); /* programs that this one executes are not meant */
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (needs_supervisor())
		start_supervisor();
}
