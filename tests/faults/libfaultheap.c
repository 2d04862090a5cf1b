/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap, as libsyncless.so uses it: allocations made from its code fail when libfault.so says so, and those
 * that live are counted, so that a program can say whether any was lost.  Everybody else's pass.
 *
 * An object of its own, because where an allocator is not libc's own, nothing is handed off.
 */
#include "fault.h"
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include "../../shim/core/raw.h"

#define PUBLIC __attribute__((visibility("default")))
#define ROOM (1 << 16)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);

static uintptr_t text_start, text_end;

/* What lives, by open addressing; with bit 1 if realloc() made it: an array that has grown stays so. */
static uintptr_t table[ROOM];
static _Atomic int table_lock;
static long live, filled, arrays;

#define GONE 1
#define ARRAY 2

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	if (!strstr(info->dlpi_name, "libsyncless.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X)) {
			text_start = info->dlpi_addr + p->p_vaddr;
			text_end = text_start + p->p_memsz;
		}
	}
	return 1;
}

static bool is_ours(const void *caller)
{
	return (uintptr_t)caller >= text_start && (uintptr_t)caller < text_end;
}

/* By the process's number: a child that was forked while another thread had it would wait for ever. */
static void take_lock(void)
{
	int self = (int)raw1(SYS_getpid, 0), owner = 0;

	while (!atomic_compare_exchange_strong(&table_lock, &owner, self))
		if (owner == self)
			owner = 0;
}

static unsigned place_of(uintptr_t p)
{
	return (unsigned)((p >> 4) * 2654435761u) % ROOM;
}

static void *born(void *p, int kind)
{
	unsigned i;

	if (!p)
		return p;
	take_lock();
	for (i = place_of((uintptr_t)p); table[i] > GONE; i = (i + 1) % ROOM)
		;
	filled += !table[i];
	table[i] = (uintptr_t)p | kind;
	live++;
	arrays += kind == ARRAY;
	atomic_store(&table_lock, 0);
	if (filled > ROOM / 4 * 3) {
		dprintf(2, "libfaultheap.so: the table is full\n");
		_exit(1);
	}
	return p;
}

static void died(void *p)
{
	if (!p || !live)
		return;
	take_lock();
	for (unsigned i = place_of((uintptr_t)p); table[i]; i = (i + 1) % ROOM)
		if ((table[i] & ~(uintptr_t)ARRAY) == (uintptr_t)p) {
			arrays -= (table[i] & ARRAY) != 0;
			live--;
			table[i] = GONE;
			break;
		}
	atomic_store(&table_lock, 0);
}

PUBLIC long fault_heap_live(void)
{
	return live - arrays;
}

PUBLIC long fault_heap_arrays(void)
{
	return arrays;
}

/* Fails also if that was told to a call that succeeds without: realloc() to something smaller. */
static bool fails(const char *name, _Atomic int *number)
{
	if (!fault_is_due(name, number))
		return false;
	errno = ENOMEM;
	return true;
}

PUBLIC void *malloc(size_t size)
{
	static _Atomic int number = -1;

	if (!is_ours(__builtin_return_address(0)))
		return __libc_malloc(size);
	return fails("malloc", &number) ? NULL : born(__libc_malloc(size), 0);
}

PUBLIC void *calloc(size_t n, size_t size)
{
	static _Atomic int number = -1;

	if (!is_ours(__builtin_return_address(0)))
		return __libc_calloc(n, size);
	return fails("calloc", &number) ? NULL : born(__libc_calloc(n, size), 0);
}

PUBLIC void *realloc(void *old, size_t size)
{
	static _Atomic int number = -1;
	void *p;

	if (!is_ours(__builtin_return_address(0))) {
		died(old);
		return __libc_realloc(old, size);
	}
	if (fails("realloc", &number))
		return NULL;
	died(old);
	p = __libc_realloc(old, size);
	return born(p ? p : size ? old : NULL, ARRAY);
}

PUBLIC void free(void *p)
{
	died(p);
	__libc_free(p);
}

PUBLIC int posix_memalign(void **p, size_t alignment, size_t size)
{
	static _Atomic int number = -1;
	bool ours = is_ours(__builtin_return_address(0));

	if (ours && fails("posix_memalign", &number))
		return ENOMEM;
	*p = __libc_memalign(alignment, size);
	if (ours)
		born(*p, 0);
	return *p ? 0 : ENOMEM;
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size)
{
	static _Atomic int number = -1;

	if (!is_ours(__builtin_return_address(0)))
		return __libc_memalign(alignment, size);
	return fails("aligned_alloc", &number) ? NULL : born(__libc_memalign(alignment, size), 0);
}

PUBLIC char *strdup(const char *text)
{
	static _Atomic int number = -1;
	bool ours = is_ours(__builtin_return_address(0));
	size_t size = strlen(text) + 1;
	char *p;

	if (ours && fails("strdup", &number))
		return NULL;
	p = __libc_malloc(size);
	if (ours)
		born(p, 0);
	return p ? memcpy(p, text, size) : NULL;
}

static __typeof__(mmap) *libc_mmap;

__attribute__((constructor)) static void look(void)
{
	libc_mmap = (__typeof__(mmap) *)dlsym(RTLD_NEXT, "mmap");
	dl_iterate_phdr(find_text, NULL);
}

PUBLIC void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	static _Atomic int number = -1;

	if (is_ours(__builtin_return_address(0)) && fails("mmap", &number))
		return MAP_FAILED;
	if (!libc_mmap) /* a constructor that runs before ours */
		look();
	return (void *)libc_mmap(addr, len, prot, flags, fd, offset);
}
