/* SPDX-License-Identifier: Apache-2.0
 *
 * The few instructions that C cannot say; one assembly file per architecture.
 */
#ifndef SYNCLESS_SWITCH_H
#define SYNCLESS_SWITCH_H

#include <stddef.h>

/* User code may write the thread register itself (FSGSBASE; always so on aarch64). */
extern unsigned char switch_fast_fs;

/* Saves the caller's registers on its stack and the stack pointer in *save_sp, then continues the
 * frame at load_sp as the thread of fs_base.  Returns when somebody continues the caller's frame. */
void switch_stack(void **save_sp, void *load_sp, unsigned long fs_base);

/* The same between two stacks of one thread. */
void switch_within(void **save_sp, void *load_sp);

/* A frame at the top of a new stack (16-byte aligned) which, when it is continued, calls entry(arg); entry must not
 * return. */
void *switch_prepare(void *top, void (*entry)(void *), void *arg);

struct coro;
/* Both in glibc's way (SYNCLESS_SWITCH=ucontext): slower by two system calls, for debuggers and tools that know it.  It
 * is for those that began so; whoever switches to one of them leaves a context behind as well. */
int switch_prepare_ucontext(struct coro *co, void *stack, size_t size, void (*entry)(void *), void *arg);
void switch_to_ucontext(struct coro *me, struct coro *next);

/* As switch_stack(), but ends this kernel thread in place of continuing another frame. */
void switch_publish_and_exit(void **save_sp);

/* clone(2) whose child continues the frame at frame_sp.  Returns the child's tid or -errno. */
long switch_clone(unsigned long flags, void *frame_sp, int *ptid, int *ctid, unsigned long tls);

unsigned long switch_read_fs(void);
void switch_set_fs(unsigned long base);
void switch_sigreturn(void);

/* The system call call[0] with its arguments, unless *broken is set: the result, or -errno.  A signal handler
 * that finds the program counter in here, and not at the end, may end it by putting it to `out`: -EINTR. */
long switch_breakable(const _Atomic int *broken, const long call[7]);
extern const char switch_breakable_end[], switch_breakable_out[];

void *switch_call_from(void *fn, const void *arg0, long arg1, void *via);

#endif
