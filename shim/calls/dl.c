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
 *
 * Two ways lead past a preload and are closed (SYNCLESS_DLSYM=0 leaves them open): a symbol of libc that is asked
 * for by a handle, as ctypes.CDLL("libc.so.6") does, and objects opened with RTLD_DEEPBIND, which bind to libc
 * before us.  dlsym(RTLD_NEXT) is never changed: it is how those who take the place of calls, as we do, find what
 * is behind them.  Nor is what a handle gives if another such object stands between us and libc, which may be
 * looking for libc's own.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include "cooplock.h"
#include "coro.h"
#include "libc.h"
#include "loaded.h"
#include "lock.h"
#include "python.h"
#include "settings.h"
#include "switch.h"

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

/* An object that binds before us is of no use to green threads, if there may be any. */
static bool must_bind_to_us(void)
{
	return settings.dlsym && settings.threads != THREADS_NONE &&
	       (settings.threads == THREADS_ALL || python_is_here() || locks_are_ours());
}

__attribute__((noinline)) static int without_deepbind(const char *file, int mode)
{
	if (!must_bind_to_us())
		return mode;
	say("%s is opened without RTLD_DEEPBIND, or its calls would not park", file ? file : "the program");
	return mode & ~RTLD_DEEPBIND;
}

/* dlopen(3).  Parks: while another thread is in dlopen or dlclose, and where constructors do.
 * Passes through: nothing green; inside a signal handler.
 * Differs: RTLD_DEEPBIND is ignored where threads may be green. */
EXPORT void *dlopen(const char *file, int mode)
{
	if (UNLIKELY(mode & RTLD_DEEPBIND))
		mode = without_deepbind(file, mode);
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

/* Before there is a libc.dlsym: our own binding of the table comes through here. */
__attribute__((noinline)) static void bind_first(void)
{
	libc.dlsym = (__typeof__(libc.dlsym))loaded_next("dlsym");
	libc.dlvsym = (__typeof__(libc.dlvsym))loaded_next("dlvsym");
}

/* Ours in place of what libc has by that name; else what was found. */
__attribute__((noinline)) static void *or_ours(void *found, const char *name)
{
	void *own = found ? loaded_own(name) : NULL, *next;

	if (!own || own == found)
		return found;
	next = libc.dlsym(RTLD_NEXT, name);
	if (!next)
		dlerror(); /* the caller's look has succeeded */
	return next == found ? own : found;
}

/* dlsym(3).  Parks: while another thread is in dlopen or dlclose.
 * For RTLD_NEXT and RTLD_DEFAULT left by a jump: who calls decides what is found, and we are.
 * Differs: what is libc's, asked for by a handle, is ours if we have it. */
EXPORT void *dlsym(void *restrict h, const char *restrict name)
{
	if (UNLIKELY(!libc.dlsym))
		bind_first();
	if (locks_are_ours())
		await_loader("dlsym");
	if (h == RTLD_NEXT || h == RTLD_DEFAULT || !settings.dlsym)
		return libc.dlsym(h, name);
	return or_ours(libc.dlsym(h, name), name);
}

/* We come first for the caller, as far as names go. */
__attribute__((noinline)) static bool is_found_here(void *h, const char *name, void *caller)
{
	struct link_map *map;
	Dl_info info;

	if (!loaded_own(name))
		return false;
	return h == RTLD_DEFAULT ||
	       (dladdr1(caller, &info, (void **)&map, RTLD_DL_LINKMAP) && loaded_is_next(map, name));
}

/* dlvsym(3).  As dlsym().  Our symbols have no versions, so the loader passes us over; but where libc's version
 * is the one that we stand for, we are found as by dlsym(). */
EXPORT void *dlvsym(void *restrict h, const char *restrict name, const char *restrict version)
{
	bool is_pseudo = h == RTLD_NEXT || h == RTLD_DEFAULT;

	if (UNLIKELY(!libc.dlvsym))
		bind_first();
	if (locks_are_ours())
		await_loader("dlvsym");
	if (!settings.dlsym || (is_pseudo && !is_found_here(h, name, __builtin_return_address(0))))
		return libc.dlvsym(h, name, version);
	return or_ours(libc.dlvsym(h == RTLD_DEFAULT ? RTLD_NEXT : h, name, version), name);
}

/* dladdr(3).  Parks: while another thread is in dlopen or dlclose. */
EXPORT int dladdr(const void *addr, Dl_info *info)
{
	if (locks_are_ours())
		await_loader("dladdr");
	return libc.dladdr(addr, info);
}
