/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands in each entry of the table of real calls until it is bound (libc.c): a stub of eight bytes, in the
 * order of the table.  Its address tells the entry; every register that an argument may be in is kept.
 */
#define CALL(symbol, family, policy) STUB(symbol)
#define VERSIONED(symbol, version, family, policy) STUB(symbol)
#define OPTIONAL(symbol, family, policy) STUB(symbol)
#define NEWER(symbol, minor, family, policy) STUB(symbol)
#define ALIAS(spelling, symbol)
#define CHECKED(spelling, symbol)
#define LEFT(symbol, cause)

	.text
	.hidden	libc, libc_bind_early
	.balign	16

#if defined(__x86_64__)

#define STUB(symbol)                                                                                         \
	.globl early_##symbol; .hidden early_##symbol; .type early_##symbol, @function;                      \
early_##symbol: call bind_first; .balign 8;

first:
#include "../calls.def"

	.type	bind_first, @function
bind_first:
	.cfi_startproc
	.cfi_adjust_cfa_offset 8
	pushq	%rax
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%r8
	pushq	%r9
	.cfi_adjust_cfa_offset 56
	subq	$136, %rsp
	.cfi_adjust_cfa_offset 136
	movups	%xmm0, (%rsp)
	movups	%xmm1, 16(%rsp)
	movups	%xmm2, 32(%rsp)
	movups	%xmm3, 48(%rsp)
	movups	%xmm4, 64(%rsp)
	movups	%xmm5, 80(%rsp)
	movups	%xmm6, 96(%rsp)
	movups	%xmm7, 112(%rsp)
	call	libc_bind_early
	movups	(%rsp), %xmm0
	movups	16(%rsp), %xmm1
	movups	32(%rsp), %xmm2
	movups	48(%rsp), %xmm3
	movups	64(%rsp), %xmm4
	movups	80(%rsp), %xmm5
	movups	96(%rsp), %xmm6
	movups	112(%rsp), %xmm7
	addq	$136, %rsp
	.cfi_adjust_cfa_offset -136
	popq	%r9
	popq	%r8
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	popq	%rax
	popq	%r11			/* the stub's address, and five bytes */
	.cfi_adjust_cfa_offset -64
	leaq	first+5(%rip), %r10
	subq	%r10, %r11
	leaq	libc(%rip), %r10
	jmp	*(%r10,%r11)
	.cfi_endproc
	.size	bind_first, . - bind_first

#elif defined(__aarch64__)

#define STUB(symbol)                                                                                         \
	.globl early_##symbol; .hidden early_##symbol; .type early_##symbol, @function;                      \
early_##symbol: adr x16, .; b bind_first;

first:
#include "../calls.def"

	.type	bind_first, @function
bind_first:
	.cfi_startproc
	stp	x29, x30, [sp, -224]!
	.cfi_adjust_cfa_offset 224
	.cfi_rel_offset 29, 0
	.cfi_rel_offset 30, 8
	mov	x29, sp
	stp	x0, x1, [sp, 16]
	stp	x2, x3, [sp, 32]
	stp	x4, x5, [sp, 48]
	stp	x6, x7, [sp, 64]
	stp	x8, x16, [sp, 80]
	stp	q0, q1, [sp, 96]
	stp	q2, q3, [sp, 128]
	stp	q4, q5, [sp, 160]
	stp	q6, q7, [sp, 192]
	bl	libc_bind_early
	ldp	x0, x1, [sp, 16]
	ldp	x2, x3, [sp, 32]
	ldp	x4, x5, [sp, 48]
	ldp	x6, x7, [sp, 64]
	ldp	x8, x16, [sp, 80]
	ldp	q0, q1, [sp, 96]
	ldp	q2, q3, [sp, 128]
	ldp	q4, q5, [sp, 160]
	ldp	q6, q7, [sp, 192]
	ldp	x29, x30, [sp], 224
	.cfi_adjust_cfa_offset -224
	.cfi_restore 29
	.cfi_restore 30
	adr	x17, first
	sub	x16, x16, x17
	adrp	x17, libc
	add	x17, x17, :lo12:libc
	ldr	x17, [x17, x16]
	br	x17
	.cfi_endproc
	.size	bind_first, . - bind_first

#endif

	.section .note.GNU-stack, "", %progbits
