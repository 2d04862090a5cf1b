/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing from one stack and thread identity to another, x86-64.
 *
 * A parked coroutine is one word: the stack pointer under which its callee-saved registers and
 * floating point control words lie (the System V ABI lets everything else be clobbered by a call).
 * The FS base is the thread: errno, pthread_self() and all __thread data follow it.  Nothing here
 * touches the red zone or thread-local storage, so a signal may land between any two lines.
 */
#if defined(__x86_64__)
#include <asm/unistd.h>

	.macro save_frame
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	.endm

	.macro load_registers
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	popq	%r14
	.cfi_adjust_cfa_offset -8
	popq	%r13
	.cfi_adjust_cfa_offset -8
	popq	%r12
	.cfi_adjust_cfa_offset -8
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.endm

	.macro load_frame
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	load_registers
	.endm

	.text

/* void switch_stack(void **save_sp, void *load_sp, unsigned long fs_base) */
	.globl	switch_stack
	.hidden	switch_stack
	.type	switch_stack, @function
	.p2align 4
switch_stack:
	.cfi_startproc
	save_frame
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	cmpb	$0, switch_fast_fs(%rip)
	je	1f
	wrfsbase %rdx
	load_frame
	ret
	.cfi_adjust_cfa_offset 56
1:	movl	$__NR_arch_prctl, %eax
	movl	$0x1002, %edi			/* ARCH_SET_FS */
	movq	%rdx, %rsi
	syscall
	load_frame
	ret
	.cfi_endproc
	.size	switch_stack, . - switch_stack

/* void switch_within(void **save_sp, void *load_sp): the same between stacks of one thread.  The floating point
 * control words are loaded only where they differ: that costs more than all else here. */
	.globl	switch_within
	.hidden	switch_within
	.type	switch_within, @function
	.p2align 4
switch_within:
	.cfi_startproc
	save_frame
	movl	(%rsp), %eax
	movzwl	4(%rsp), %ecx
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	cmpl	(%rsp), %eax
	jne	1f
	cmpw	4(%rsp), %cx
	jne	1f
2:	load_registers
	ret
	.cfi_adjust_cfa_offset 56
1:	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	jmp	2b
	.cfi_endproc
	.size	switch_within, . - switch_within

/* Where a new stack begins: calls r12(r13), which does not return.  No caller: unwinding ends here. */
	.globl	switch_entry
	.hidden	switch_entry
	.type	switch_entry, @function
	.p2align 4
switch_entry:
	.cfi_startproc
	.cfi_undefined rip
	movq	%r13, %rdi
	callq	*%r12
	ud2
	.cfi_endproc
	.size	switch_entry, . - switch_entry

/* void switch_publish_and_exit(void **save_sp): leaves a resumable frame behind and ends the kernel
 * thread from registers alone: once the kernel clears the tid address another thread may already be
 * running on this very stack. */
	.globl	switch_publish_and_exit
	.hidden	switch_publish_and_exit
	.type	switch_publish_and_exit, @function
	.p2align 4
switch_publish_and_exit:
	.cfi_startproc
	save_frame
	movq	%rsp, (%rdi)
	xorl	%edi, %edi
	movl	$__NR_exit, %eax
	syscall
	ud2
	.cfi_endproc
	.size	switch_publish_and_exit, . - switch_publish_and_exit

/* long switch_clone(unsigned long flags, void *frame_sp, int *ptid, int *ctid, unsigned long tls):
 * a new kernel thread continues the frame that another switch_* left; the caller gets its tid. */
	.globl	switch_clone
	.hidden	switch_clone
	.type	switch_clone, @function
	.p2align 4
switch_clone:
	.cfi_startproc
	movq	%rcx, %r10
	movl	$__NR_clone, %eax
	syscall
	testq	%rax, %rax
	je	1f
	ret
	.cfi_adjust_cfa_offset 56
1:	load_frame
	ret
	.cfi_endproc
	.size	switch_clone, . - switch_clone

/* unsigned long switch_read_fs(void), for CPUs that let user code do it */
	.globl	switch_read_fs
	.hidden	switch_read_fs
	.type	switch_read_fs, @function
switch_read_fs:
	.cfi_startproc
	movq	%fs:0, %rax			/* the ABI keeps the base at its own address */
	ret
	.cfi_endproc
	.size	switch_read_fs, . - switch_read_fs

/* void switch_set_fs(unsigned long base) */
	.globl	switch_set_fs
	.hidden	switch_set_fs
	.type	switch_set_fs, @function
switch_set_fs:
	.cfi_startproc
	cmpb	$0, switch_fast_fs(%rip)
	je	1f
	wrfsbase %rdi
	ret
1:	movl	$__NR_arch_prctl, %eax
	movq	%rdi, %rsi
	movl	$0x1002, %edi
	syscall
	ret
	.cfi_endproc
	.size	switch_set_fs, . - switch_set_fs

/* long switch_breakable(const _Atomic int *broken, const long call[7]): the system call, unless *broken, or
 * -EINTR.  What interrupts it before it has done anything sends it to switch_breakable_out (errand.h), with the
 * program counter between the two labels: at a system call, the kernel puts it back to where that begins. */
	.globl	switch_breakable
	.hidden	switch_breakable
	.type	switch_breakable, @function
	.globl	switch_breakable_end
	.hidden	switch_breakable_end
	.globl	switch_breakable_out
	.hidden	switch_breakable_out
	.p2align 4
switch_breakable:
	.cfi_startproc
	movq	%rdi, %r11
	movq	(%rsi), %rax
	movq	8(%rsi), %rdi
	movq	24(%rsi), %rdx
	movq	32(%rsi), %r10
	movq	40(%rsi), %r8
	movq	48(%rsi), %r9
	movq	16(%rsi), %rsi
	cmpl	$0, (%r11)
	jne	switch_breakable_out
	syscall
switch_breakable_end:
	ret
switch_breakable_out:
	movq	$-4, %rax			/* EINTR */
	ret
	.cfi_endproc
	.size	switch_breakable, . - switch_breakable

/* The return trampoline of our own signal handlers (SA_RESTORER). */
	.globl	switch_sigreturn
	.hidden	switch_sigreturn
	.type	switch_sigreturn, @function
switch_sigreturn:
	movl	$__NR_rt_sigreturn, %eax
	syscall
	.size	switch_sigreturn, . - switch_sigreturn

/* void *switch_call_from(void *fn, const void *arg0, long arg1, void *via): calls fn(arg0, arg1) so that
 * fn sees `via`, a `ret` instruction in the true caller's object, as its return address.  dlopen looks
 * there to find whose RUNPATH and namespace apply. */
	.globl	switch_call_from
	.hidden	switch_call_from
	.type	switch_call_from, @function
	.p2align 4
switch_call_from:
	.cfi_startproc
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	leaq	1f(%rip), %r8
	pushq	%r8
	pushq	%rcx
	jmp	*%rax
1:	ret
	.cfi_endproc
	.size	switch_call_from, . - switch_call_from
#endif
	.section .note.GNU-stack, "", %progbits
