/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for the stacks of green threads.
 *
 * glibc maps each stack alone and guards it by mprotect: two mappings a thread, and vm.max_map_count (65,530)
 * ends the game near 21,800 threads.  Here several stacks share a mapping, and where the kernel knows
 * MADV_GUARD_INSTALL (Linux 6.13) a guard does not split it; neighbouring slabs are one mapping to it.
 *
 * A piece is, from below: guard, then `size` bytes.  Pieces of one size and guard are kept in a free list for
 * ever; their memory goes back to the kernel, their addresses do not.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "rawlock.h"
#include "thread.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define NO_ADVICE 0x5a5a /* EINVAL, from any kernel */
#define PER_SLAB 8
#define SLAB_MAX (128u << 20) /* a slab is no larger: an address space may be limited */

struct piece {
	struct piece *next;
	char *base;
};

struct size_class {
	struct size_class *next;
	size_t size, guard;
	struct piece *free;
};

static struct rawlock lock;
static struct size_class *classes;
static struct piece *spare; /* list nodes without a piece */

static struct size_class *class_of(size_t size, size_t guard)
{
	struct size_class *c;

	for (c = classes; c; c = c->next)
		if (c->size == size && c->guard == guard)
			return c;
	c = malloc(sizeof(*c));
	if (!c)
		return NULL;
	*c = (struct size_class){ classes, size, guard, NULL };
	return classes = c;
}

/* An emulated kernel may say yes to advice that it has never heard of: then no yes of its counts.  Under the lock. */
static bool advice_counts(void)
{
	static enum { UNASKED, COUNTS, IS_NOTHING } advice;

	if (advice == UNASKED)
		advice = raw3(SYS_madvise, 0, 0, NO_ADVICE) < 0 ? COUNTS : IS_NOTHING;
	return advice == COUNTS;
}

static int set_guard(char *base, size_t guard)
{
	if (!guard || (advice_counts() && raw3(SYS_madvise, base, guard, MADV_GUARD_INSTALL) == 0))
		return 0;
	return (int)raw3(SYS_mprotect, base, guard, PROT_NONE);
}

static void keep(struct size_class *c, char *base)
{
	struct piece *p = spare;

	if (p)
		spare = p->next;
	else
		p = malloc(sizeof(*p));
	if (!p)
		return; /* an address range is lost, nothing else */
	p->base = base;
	p->next = c->free;
	c->free = p;
}

static int add_slab(struct size_class *c)
{
	size_t piece = c->guard + c->size;
	int n = piece * PER_SLAB <= SLAB_MAX ? PER_SLAB : 1;
	char *slab;

	for (;; n = 1) {
		slab = mmap(NULL, piece * (size_t)n, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
		if (slab != MAP_FAILED)
			break;
		if (n == 1)
			return -ENOMEM;
	}
	/* A huge page under a stack that uses two small ones would be 2 MB a thread. */
	raw3(SYS_madvise, slab, piece * (size_t)n, MADV_NOHUGEPAGE);
	for (int i = n - 1; i >= 0; i--)
		if (set_guard(slab + piece * (size_t)i, c->guard) == 0)
			keep(c, slab + piece * (size_t)i);
	return c->free ? 0 : -ENOMEM;
}

int stack_take(size_t size, size_t guard, char **stack)
{
	struct size_class *c;
	struct piece *p;
	int err = -ENOMEM;

	rawlock_take(&lock);
	c = class_of(size, guard);
	if (c && (c->free || (err = add_slab(c)) == 0)) {
		p = c->free;
		c->free = p->next;
		*stack = p->base + guard;
		p->next = spare;
		spare = p;
		err = 0;
	}
	rawlock_drop(&lock);
	return err;
}

void stack_give(char *stack, size_t size, size_t guard)
{
	raw3(SYS_madvise, stack, size, MADV_DONTNEED);
	rawlock_take(&lock);
	keep(class_of(size, guard), stack - guard);
	rawlock_drop(&lock);
}

void stack_trim(char *stack, void *sp)
{
	/* The page of sp and one below stay: the frames of the idle body and their next calls. */
	char *end = (char *)(((uintptr_t)sp & ~4095ul) - 4096);

	if (end > stack)
		raw3(SYS_madvise, stack, end - stack, MADV_DONTNEED);
}

void stack_before_fork(void)
{
	rawlock_take(&lock);
}

void stack_after_fork(void)
{
	rawlock_drop(&lock);
}
