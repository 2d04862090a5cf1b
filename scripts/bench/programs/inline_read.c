// SPDX-License-Identifier: Apache-2.0
/*
 * A C library that reads by a system call instruction of its own, as Go's and
 * Rust's runtimes and some drivers do: nobody can take the place of that call.
 */
#include <sys/syscall.h>

long inline_read(int fd, char *into, long size);

long inline_read(int fd, char *into, long size)
{
#if defined(__x86_64__)
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_read), "D"(fd), "S"(into), "d"(size)
			 : "rcx", "r11", "memory");
	return result;
#else
	register long x8 __asm__("x8") = SYS_read, x0 __asm__("x0") = fd, x2 __asm__("x2") = size;
	register char *x1 __asm__("x1") = into;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
#endif
}
