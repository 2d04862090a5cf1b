/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at the host from another thread while it does not come to the scheduler.
 *
 * Nothing here disturbs it: no signal, no ptrace, no lock that it could hold.  It may go on at any moment, so
 * its memory is read by a system call that fails where a pointer would fault, and what is found is true only
 * if the caller sees afterwards that the host has not moved.  All of it is for one thread at a time.
 */
#ifndef SYNCLESS_SIGHT_H
#define SYNCLESS_SIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sight_state {
	SIGHT_NONE,   /* the kernel does not tell */
	SIGHT_RUNS,   /* on a processor, or about to be */
	SIGHT_SLEEPS, /* in `call` */
};

struct sight {
	enum sight_state state;
	long call; /* its number; -1: in none, but for a page of its memory */
	unsigned long first_arg;
	uintptr_t sp, pc;
};

/* sight.c */
void sight_take(struct sight *s, int tid);
/* "system call read(fd 5, /tmp/fifo)" or "computing" … */
void sight_describe(const struct sight *s, char *out, size_t size);
/* How many of n bytes at `at` could be read. */
size_t sight_peek(uintptr_t at, void *to, size_t n);

/* symbol.c */
/* Does the point of s lie in our own code? */
bool symbol_is_ours(const struct sight *s);
/* Where the program or a library of its own is at: of the code addresses at the point of s, and then up its
 * stack, the first that is neither the loader's, libc's nor ours.  0: none was found. */
uintptr_t symbol_of_caller(const struct sight *s);
/* "libfoo.so slow_read+0x12", or "libfoo.so+0x1234" where the file names no function there.  Unless it is the
 * entry of a function, `code` is where a call returns to. */
void symbol_describe(uintptr_t code, bool is_entry, char *out, size_t size);
void symbol_before_fork(void);
void symbol_after_fork(void);

#endif
