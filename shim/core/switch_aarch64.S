/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing from one stack and thread identity to another, aarch64.
 *
 * The frame of a parked coroutine: x19-x30, d8-d15 and FPCR, which AAPCS64 says a call preserves.  TPIDR_EL0 is
 * the thread.  Nothing here touches thread-local storage, so a signal may land between any two lines.
 */
#if defined(__aarch64__)
#include <asm/unistd.h>

#define FRAME 176

	.macro save_frame
	sub	sp, sp, #FRAME
	.cfi_adjust_cfa_offset FRAME
	stp	x19, x20, [sp, #0]
	stp	x21, x22, [sp, #16]
	stp	x23, x24, [sp, #32]
	stp	x25, x26, [sp, #48]
	stp	x27, x28, [sp, #64]
	stp	x29, x30, [sp, #80]
	.cfi_rel_offset x29, 80
	.cfi_rel_offset x30, 88
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	.endm

	.macro load_registers
	ldp	d14, d15, [sp, #144]
	ldp	d12, d13, [sp, #128]
	ldp	d10, d11, [sp, #112]
	ldp	d8, d9, [sp, #96]
	ldp	x29, x30, [sp, #80]
	ldp	x27, x28, [sp, #64]
	ldp	x25, x26, [sp, #48]
	ldp	x23, x24, [sp, #32]
	ldp	x21, x22, [sp, #16]
	ldp	x19, x20, [sp, #0]
	add	sp, sp, #FRAME
	.cfi_adjust_cfa_offset -FRAME
	.endm

	.macro load_frame
	ldr	x9, [sp, #160]
	msr	fpcr, x9
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
	mov	x9, sp
	str	x9, [x0]
	mov	sp, x1
	msr	tpidr_el0, x2
	load_frame
	ret
	.cfi_endproc
	.size	switch_stack, . - switch_stack

/* void switch_within(void **save_sp, void *load_sp): see switch_x86_64.S */
	.globl	switch_within
	.hidden	switch_within
	.type	switch_within, @function
	.p2align 4
switch_within:
	.cfi_startproc
	save_frame
	mov	x10, sp
	str	x10, [x0]
	mov	sp, x1
	ldr	x11, [sp, #160]
	cmp	x9, x11
	b.eq	1f
	msr	fpcr, x11
1:	load_registers
	ret
	.cfi_endproc
	.size	switch_within, . - switch_within

/* Where a new stack begins: calls x19(x20), which does not return.  No caller: unwinding ends here. */
	.globl	switch_entry
	.hidden	switch_entry
	.type	switch_entry, @function
	.p2align 4
switch_entry:
	.cfi_startproc
	.cfi_undefined x30
	mov	x0, x20
	blr	x19
	brk	#1
	.cfi_endproc
	.size	switch_entry, . - switch_entry

/* void switch_publish_and_exit(void **save_sp): see switch_x86_64.S */
	.globl	switch_publish_and_exit
	.hidden	switch_publish_and_exit
	.type	switch_publish_and_exit, @function
	.p2align 4
switch_publish_and_exit:
	.cfi_startproc
	save_frame
	mov	x9, sp
	str	x9, [x0]
	mov	x0, #0
	mov	x8, #__NR_exit
	svc	#0
	brk	#0
	.cfi_endproc
	.size	switch_publish_and_exit, . - switch_publish_and_exit

/* long switch_clone(unsigned long flags, void *frame_sp, int *ptid, int *ctid, unsigned long tls); the kernel's
 * order here is flags, stack, parent tid, tls, child tid */
	.globl	switch_clone
	.hidden	switch_clone
	.type	switch_clone, @function
	.p2align 4
switch_clone:
	.cfi_startproc
	mov	x9, x3
	mov	x3, x4
	mov	x4, x9
	mov	x8, #__NR_clone
	svc	#0
	cbz	x0, 1f
	ret
	.cfi_adjust_cfa_offset FRAME
1:	load_frame
	ret
	.cfi_endproc
	.size	switch_clone, . - switch_clone

/* unsigned long switch_read_fs(void) */
	.globl	switch_read_fs
	.hidden	switch_read_fs
	.type	switch_read_fs, @function
switch_read_fs:
	.cfi_startproc
	mrs	x0, tpidr_el0
	ret
	.cfi_endproc
	.size	switch_read_fs, . - switch_read_fs

/* void switch_set_fs(unsigned long base) */
	.globl	switch_set_fs
	.hidden	switch_set_fs
	.type	switch_set_fs, @function
switch_set_fs:
	.cfi_startproc
	msr	tpidr_el0, x0
	ret
	.cfi_endproc
	.size	switch_set_fs, . - switch_set_fs

/* long switch_breakable(const _Atomic int *broken, const long call[7]): see switch_x86_64.S. */
	.globl	switch_breakable
	.hidden	switch_breakable
	.type	switch_breakable, @function
	.globl	switch_breakable_end
	.hidden	switch_breakable_end
	.globl	switch_breakable_out
	.hidden	switch_breakable_out
switch_breakable:
	.cfi_startproc
	mov	x9, x0
	ldr	x8, [x1]
	ldp	x2, x3, [x1, #24]
	ldp	x4, x5, [x1, #40]
	ldp	x0, x1, [x1, #8]
	ldr	w9, [x9]
	cbnz	w9, switch_breakable_out
	svc	#0
switch_breakable_end:
	ret
switch_breakable_out:
	mov	x0, #-4				/* EINTR */
	ret
	.cfi_endproc
	.size	switch_breakable, . - switch_breakable

/* The return trampoline of our own signal handlers. */
	.globl	switch_sigreturn
	.hidden	switch_sigreturn
	.type	switch_sigreturn, @function
switch_sigreturn:
	mov	x8, #__NR_rt_sigreturn
	svc	#0
	.size	switch_sigreturn, . - switch_sigreturn

/* void *switch_call_from(void *fn, const void *arg0, long arg1, void *via): x30 is `via`, a `ret` in the true
 * caller's object, which comes back here by a second return address; there is none on this architecture, so
 * the call is plain and the caller seen is ourselves. */
	.globl	switch_call_from
	.hidden	switch_call_from
	.type	switch_call_from, @function
switch_call_from:
	.cfi_startproc
	mov	x9, x0
	mov	x0, x1
	mov	x1, x2
	br	x9
	.cfi_endproc
	.size	switch_call_from, . - switch_call_from
#endif
	.section .note.GNU-stack, "", %progbits
