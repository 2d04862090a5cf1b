/* SPDX-License-Identifier: Apache-2.0
 *
 * Code addresses and their names, for sight.h.
 *
 * dladdr() and dlsym() take the loader's lock, which the host holds if it is stuck in a constructor that
 * dlopen() runs.  dl_iterate_phdr() takes another, which is held while the list of objects changes and no
 * longer.  So the list tells the object, and the name is read from the object's file, whose full table of
 * symbols names static functions as well.
 *
 * The stack is searched, not unwound: for that the registers are missing.  A word counts as a return address
 * if it points into code and behind a call.  One that a deeper call has left there long ago passes, too; the
 * frames of libc that are searched through are small, so there are few.
 */
#include "sight.h"
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include "base.h"
#include "libc.h"
#include "loaded.h"
#include "rawlock.h"

#define SEGMENTS 1024
#define STACK_SEARCHED (64 << 10)

/* A child must not be forked while the list is locked for us. */
static struct rawlock listing;

static int list_objects(int (*see)(struct dl_phdr_info *, size_t, void *), void *arg)
{
	int r;

	rawlock_take(&listing);
	r = dl_iterate_phdr(see, arg);
	rawlock_drop(&listing);
	return r;
}

void symbol_before_fork(void)
{
	rawlock_take(&listing);
}

void symbol_after_fork(void)
{
	rawlock_drop(&listing);
}

/* --- Where there is code. */

static struct segment {
	uintptr_t lo, hi;
} segments[SEGMENTS];
static int segment_count;

/* Of an object that contains one of `passed_over` no segment is noted. */
static uintptr_t passed_over[4];

static int note_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (size_t i = 0; i < ARRAY_LEN(passed_over); i++)
		if (passed_over[i] && loaded_has(info, passed_over[i]))
			return 0;
	for (int i = 0; i < info->dlpi_phnum && segment_count < SEGMENTS; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t lo = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X))
			segments[segment_count++] = (struct segment){ lo, lo + p->p_memsz };
	}
	return 0;
}

static void find_segments(void)
{
	passed_over[0] = (uintptr_t)libc.read;
	passed_over[1] = (uintptr_t)getauxval(AT_BASE); /* the loader */
	passed_over[2] = (uintptr_t)getauxval(AT_SYSINFO_EHDR);
	passed_over[3] = (uintptr_t)find_segments;
	segment_count = 0;
	list_objects(note_segments, NULL);
}

static bool is_code(uintptr_t address)
{
	for (int i = 0; i < segment_count; i++)
		if (address - segments[i].lo < segments[i].hi - segments[i].lo)
			return true;
	return false;
}

#if defined(__x86_64__)
static bool follows_a_call(uintptr_t address)
{
	unsigned char code[8]; /* code[7 - n]: n bytes before */

	if (sight_peek(address - 7, code, 7) < 7)
		return false;
	if (code[2] == 0xe8)
		return true;
	for (int length = 2; length <= 7; length++) /* call *…, the opcode's extension being 2 */
		if (code[7 - length] == 0xff && (code[8 - length] & 0x38) == 0x10)
			return true;
	return false;
}
#else
static bool follows_a_call(uintptr_t address)
{
	uint32_t code;

	if (address % 4 || sight_peek(address - 4, &code, 4) < 4)
		return false;
	return (code & 0xfc000000) == 0x94000000 || (code & 0xfffffc1f) == 0xd63f0000; /* bl, blr */
}
#endif

static uintptr_t search_stack(uintptr_t sp)
{
	static uintptr_t words[512];
	uintptr_t end = sp + STACK_SEARCHED;

	for (size_t n; sp < end; sp += n * sizeof(words[0])) {
		n = sight_peek(sp, words, sizeof(words)) / sizeof(words[0]);
		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++)
			if (is_code(words[i]) && follows_a_call(words[i]))
				return words[i];
	}
	return 0;
}

bool symbol_is_ours(const struct sight *s)
{
	/* The linker's. */
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	extern const char _etext[] __attribute__((visibility("hidden")));

	return s->pc >= (uintptr_t)__ehdr_start && s->pc < (uintptr_t)_etext;
}

uintptr_t symbol_of_caller(const struct sight *s)
{
	find_segments();
	return is_code(s->pc) ? s->pc : search_stack(s->sp & ~(sizeof(uintptr_t) - 1));
}

/* --- What it is called. */

struct object {
	uintptr_t code, base;
	char path[256];
};

static int is_its_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct object *o = arg;

	(void)size;
	if (!loaded_has(info, o->code))
		return 0;
	o->base = info->dlpi_addr;
	snprintf(o->path, sizeof(o->path), "%s", info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe");
	return 1;
}

static bool read_at(int fd, void *to, size_t n, uint64_t offset)
{
	return raw4(SYS_pread64, fd, to, n, offset) == (long)n;
}

/* The table of symbols, the full one if it has not been stripped, and its strings. */
static bool find_tables(int fd, ElfW(Shdr) *symbols, ElfW(Shdr) *strings)
{
	ElfW(Ehdr) e;
	ElfW(Shdr) s;

	symbols->sh_type = SHT_NULL;
	if (!read_at(fd, &e, sizeof(e), 0) || memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_shentsize != sizeof(s))
		return false;
	for (int i = 0; i < e.e_shnum && read_at(fd, &s, sizeof(s), e.e_shoff + (uint64_t)i * sizeof(s)); i++)
		if (s.sh_type == SHT_SYMTAB || (s.sh_type == SHT_DYNSYM && symbols->sh_type == SHT_NULL))
			*symbols = s;
	return symbols->sh_type != SHT_NULL &&
	       read_at(fd, strings, sizeof(*strings), e.e_shoff + (uint64_t)symbols->sh_link * sizeof(s));
}

/* The function around `at`, an address as the file has them. */
static bool find_symbol(int fd, const ElfW(Shdr) *table, uint64_t at, ElfW(Sym) *found)
{
	static ElfW(Sym) some[256];
	uint64_t total = table->sh_size / sizeof(some[0]), n;

	for (uint64_t i = 0; i < total; i += n) {
		n = total - i < ARRAY_LEN(some) ? total - i : ARRAY_LEN(some);
		if (!read_at(fd, some, n * sizeof(some[0]), table->sh_offset + i * sizeof(some[0])))
			return false;
		for (uint64_t k = 0; k < n; k++)
			if (ELF64_ST_TYPE(some[k].st_info) == STT_FUNC && some[k].st_shndx != SHN_UNDEF &&
			    at - some[k].st_value < some[k].st_size) {
				*found = some[k];
				return true;
			}
	}
	return false;
}

/* " slow_read+0x12", or nothing.  `last` is an address inside the function. */
static void describe_function(const struct object *o, uintptr_t last, char *out, size_t size)
{
	ElfW(Shdr) symbols, strings;
	ElfW(Sym) found = { 0 };
	char name[64] = "";
	uint64_t at = o->code - o->base;
	long fd = raw4(SYS_openat, AT_FDCWD, o->path, O_RDONLY | O_CLOEXEC, 0);

	*out = '\0';
	if (fd < 0)
		return;
	if (find_tables((int)fd, &symbols, &strings) && find_symbol((int)fd, &symbols, last - o->base, &found))
		raw4(SYS_pread64, fd, name, sizeof(name) - 1, strings.sh_offset + found.st_name);
	raw1(SYS_close, fd);
	if (name[0])
		snprintf(out, size, " %s+0x%lx", name, (unsigned long)(at - found.st_value));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void symbol_describe(uintptr_t code, bool is_entry, char *out, size_t size)
{
	struct object o = { .code = code };
	char function[96], program[256];
	long n;

	if (!list_objects(is_its_object, &o)) {
		snprintf(out, size, "code at 0x%lx", (unsigned long)code);
		return;
	}
	/* A call may be a function's last instruction: then where it returns to is in the next one. */
	describe_function(&o, is_entry ? code : code - 1, function, sizeof(function));
	if (!strcmp(o.path, "/proc/self/exe")) {
		n = raw4(SYS_readlinkat, AT_FDCWD, o.path, program, sizeof(program) - 1);
		program[n > 0 ? n : 0] = '\0';
		memcpy(o.path, program, sizeof(o.path));
	}
	if (function[0])
		snprintf(out, size, "%.96s%s", base_name(o.path), function);
	else
		snprintf(out, size, "%.96s+0x%lx", base_name(o.path), (unsigned long)(code - o.base));
}
