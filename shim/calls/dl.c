/* SPDX-License-Identifier: Apache-2.0
 *
 * The loader.  dlopen() and dlclose() run constructors and destructors under the loader's lock; one that waits
 * leaves that lock held, and whoever comes next would stop the host on it.  So these two come one at a time
 * (cooplock.h), and dlsym() and dladdr(), which take the loader's lock for a moment only, first wait until
 * nobody is inside.
 *
 * dlopen() and dlsym() look at their return address to learn whose RUNPATH, namespace and place in the search
 * order apply.  Where nothing must follow, our wrapper is left by a jump, so libc sees the true caller.  A
 * dlopen() that an unlock must follow is called by way of a `ret` instruction inside the caller's object.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include "cooplock.h"
#include "coro.h"
#include "libc.h"
#include "lock.h"
#include "switch.h"

/* The oldest version of dlsym, which every glibc of the architecture has. */
#if defined(__x86_64__)
#define DLSYM_VERSION "GLIBC_2.2.5"
#else
#define DLSYM_VERSION "GLIBC_2.17"
#endif

static struct cooplock dl_lock;

/* Nothing green, or inside a signal handler: the call is libc's. */
static inline bool is_plain(void)
{
	return !locks_are_ours() || (coro_self && !coro_may_park());
}

/* In the child the thread that was inside may not exist. */
FORKED static void after_fork_child(void)
{
	cooplock_after_fork(&dl_lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, after_fork_child);
}

#if defined(__x86_64__)
#define RET 0xc3

struct search {
	uintptr_t caller;
	void *found;
};

static void *ret_in(uintptr_t from, uintptr_t to)
{
	return from < to ? memchr((void *)from, RET, to - from) : NULL;
}

/* A byte that decodes as `ret`, in the segment that the caller runs from.  The nearest after the call is most
 * likely a real one. */
static int look_in(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr, end = start + p->p_filesz;

		if (p->p_type != PT_LOAD || s->caller < start || s->caller >= end)
			continue;
		if ((p->p_flags & (PF_X | PF_R)) == (PF_X | PF_R)) {
			s->found = ret_in(s->caller, end);
			if (!s->found)
				s->found = ret_in(start, s->caller);
		}
		return 1;
	}
	return 0;
}

static void *open_for(const char *file, int mode, void *caller)
{
	struct search s = { .caller = (uintptr_t)caller };

	dl_iterate_phdr(look_in, &s);
	if (!s.found) /* generated code: libc would not know it either */
		return libc.dlopen(file, mode);
	return switch_call_from((void *)libc.dlopen, file, mode, s.found);
}
#else
/* The return address is a register here, and the call's own: libc sees us as the caller. */
static void *open_for(const char *file, int mode, void *caller)
{
	(void)caller;
	return libc.dlopen(file, mode);
}
#endif

__attribute__((noinline)) static void *open_locked(const char *file, int mode, void *caller)
{
	void *h;

	cooplock_take(&dl_lock, "dlopen");
	coro_leave(0); /* constructors are the program's code, and the disk may be slow */
	h = open_for(file, mode, caller);
	cooplock_drop(&dl_lock);
	if (h)
		borrowed_look();
	return h;
}

/* dlopen(3).  Parks: while another thread is in dlopen or dlclose, and where constructors do.
 * Passes through: nothing green; inside a signal handler. */
EXPORT void *dlopen(const char *file, int mode)
{
	if (LIKELY(is_plain()))
		return libc.dlopen(file, mode);
	return open_locked(file, mode, __builtin_return_address(0));
}

/* dlclose(3).  As dlopen(), for destructors. */
EXPORT int dlclose(void *h)
{
	int r;

	if (LIKELY(is_plain()))
		return libc.dlclose(h);
	cooplock_take(&dl_lock, "dlclose");
	coro_leave(0);
	r = libc.dlclose(h);
	cooplock_drop(&dl_lock);
	return r;
}

/* Waits until no other thread is inside dlopen or dlclose.  A native thread may block in libc as ever. */
__attribute__((noinline)) static void await_loader(const char *why)
{
	if (!atomic_load(&dl_lock.owner) || cooplock_is_mine(&dl_lock) || !coro_may_park())
		return;
	cooplock_take(&dl_lock, why);
	cooplock_drop(&dl_lock);
	coro_leave(0);
}

/* dlsym(3).  Parks: while another thread is in dlopen or dlclose.
 * Left by a jump in any case: RTLD_NEXT means next after the caller.  May be called by our own binding of the
 * table, before there is a libc.dlsym. */
EXPORT void *dlsym(void *restrict h, const char *restrict name)
{
	if (UNLIKELY(!libc.dlsym))
		libc.dlsym = (__typeof__(libc.dlsym))dlvsym(RTLD_NEXT, "dlsym", DLSYM_VERSION);
	if (locks_are_ours())
		await_loader("dlsym");
	return libc.dlsym(h, name);
}

/* dladdr(3).  Parks: while another thread is in dlopen or dlclose. */
EXPORT int dladdr(const void *addr, Dl_info *info)
{
	if (locks_are_ours())
		await_loader("dladdr");
	return libc.dladdr(addr, info);
}
