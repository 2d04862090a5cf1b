/* SPDX-License-Identifier: Apache-2.0
 *
 * See sight.h.  Where a sleeping thread is, the kernel tells in /proc/self/task/TID/syscall: the number, the
 * six arguments, sp and pc.
 */
#include "sight.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include "base.h"
#include "raw.h"

#define PAGE 4096

/* Those that wait for something, by themselves or for a disk; others are told by their number. */
/* clang-format off */
static const struct call {
	short number;
	bool fd_first;
	const char *name;
} calls[] = {
#define FD(name) { SYS_##name, true, #name }
#define NO_FD(name) { SYS_##name, false, #name }
	FD(read), FD(write), FD(readv), FD(writev), FD(pread64), FD(pwrite64), FD(preadv), FD(pwritev),
	FD(preadv2), FD(pwritev2), FD(recvfrom), FD(recvmsg), FD(recvmmsg), FD(sendto), FD(sendmsg),
	FD(sendmmsg), FD(accept), FD(accept4), FD(connect), FD(fsync), FD(fdatasync), FD(sync_file_range),
	FD(syncfs), FD(ioctl), FD(fcntl), FD(flock), FD(ftruncate), FD(fallocate), FD(sendfile), FD(splice),
	FD(tee), FD(vmsplice), FD(copy_file_range), FD(getdents64), FD(fstat), FD(close), FD(epoll_pwait),
	FD(io_uring_enter), NO_FD(ppoll), NO_FD(pselect6), NO_FD(nanosleep), NO_FD(clock_nanosleep),
	NO_FD(futex), NO_FD(wait4), NO_FD(waitid), NO_FD(rt_sigtimedwait), NO_FD(rt_sigsuspend),
	NO_FD(openat), NO_FD(newfstatat), NO_FD(statx), NO_FD(readlinkat), NO_FD(faccessat), NO_FD(mkdirat),
	NO_FD(unlinkat), NO_FD(renameat2), NO_FD(truncate), NO_FD(statfs), NO_FD(sync), NO_FD(mount),
	NO_FD(umount2), NO_FD(execve), NO_FD(clone), NO_FD(mmap), NO_FD(munmap), NO_FD(mprotect),
	NO_FD(madvise), NO_FD(msync), NO_FD(mlock), NO_FD(semtimedop), NO_FD(semop), NO_FD(msgrcv),
	NO_FD(msgsnd), NO_FD(mq_timedreceive), NO_FD(mq_timedsend), NO_FD(io_getevents), NO_FD(getrandom),
	NO_FD(restart_syscall),
#ifdef SYS_poll /* architectures as old as x86 have these as well */
	FD(epoll_wait), NO_FD(poll), NO_FD(select), NO_FD(pause), NO_FD(open), NO_FD(stat), NO_FD(lstat),
	NO_FD(access), NO_FD(readlink), NO_FD(mkdir), NO_FD(rmdir), NO_FD(unlink), NO_FD(rename),
	NO_FD(fork), NO_FD(vfork),
#endif
};
/* clang-format on */

static const struct call *call_of(long number)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (calls[i].number == number)
			return &calls[i];
	return NULL;
}

void sight_take(struct sight *s, int tid)
{
	char text[256];
	unsigned long arg[6];
	long fd, n;

	*s = (struct sight){ .state = SIGHT_NONE, .call = -1 };
	snprintf(text, sizeof(text), "/proc/self/task/%d/syscall", tid);
	fd = raw4(SYS_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	n = raw3(SYS_read, fd, text, sizeof(text) - 1);
	raw1(SYS_close, fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	if (!strncmp(text, "running", 7)) {
		s->state = SIGHT_RUNS;
	} else if (sscanf(text, "-1 %lx %lx", &s->sp, &s->pc) == 2) {
		s->state = SIGHT_SLEEPS;
	} else if (sscanf(text, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &s->call, &arg[0], &arg[1], &arg[2],
			  &arg[3], &arg[4], &arg[5], &s->sp, &s->pc) == 9) {
		s->state = SIGHT_SLEEPS;
		s->first_arg = arg[0];
	}
}

static void describe_fd(const char *name, int fd, char *out, size_t size)
{
	char link[32], file[128];
	long n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = raw4(SYS_readlinkat, AT_FDCWD, link, file, sizeof(file) - 1);
	file[n > 0 ? n : 0] = '\0';
	snprintf(out, size, "system call %s(fd %d%s%s)", name, fd, n > 0 ? ", " : "", file);
}

void sight_describe(const struct sight *s, char *out, size_t size)
{
	const struct call *c = call_of(s->call);

	if (s->state == SIGHT_NONE)
		snprintf(out, size, "the kernel does not tell where");
	else if (s->state == SIGHT_RUNS)
		snprintf(out, size, "computing");
	else if (s->call < 0)
		snprintf(out, size, "waiting for a page of memory");
	else if (!c)
		snprintf(out, size, "system call %ld", s->call);
	else if (c->fd_first)
		describe_fd(c->name, (int)s->first_arg, out, size);
	else
		snprintf(out, size, "system call %s", c->name);
}

/* A page at a time: the kernel may refuse the whole of a piece of which it can read a part. */
size_t sight_peek(uintptr_t at, void *to, size_t n)
{
	long self = raw1(SYS_getpid, 0), r;
	size_t done = 0;

	while (done < n) {
		size_t here = PAGE - (at + done) % PAGE;
		struct iovec local = { (char *)to + done, here < n - done ? here : n - done };
		struct iovec remote = { (void *)(at + done), local.iov_len };

		r = raw6(SYS_process_vm_readv, self, (long)&local, 1, (long)&remote, 1, 0);
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	return done;
}
