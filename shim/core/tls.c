/* SPDX-License-Identifier: Apache-2.0
 *
 * What a thread leaves behind in thread-local storage: its destructors are run and the storage is made
 * new, so that the next thread on this body cannot tell it from a fresh one.
 *
 * C++ destructors are registered inside libc; __call_tls_dtors (GLIBC_PRIVATE, 2.28 to today) runs them.
 * Those of pthread keys are not to be had from libc, so the keys are noted as they are made.  Variables are
 * reset from the PT_TLS image of each loaded object; libc's and the dynamic linker's are left alone (they
 * hold the malloc cache and pointers that must stay), and so are ours.
 *
 * Where an object that was loaded later has its variables in the static block, the loader knows no address
 * for a thread that was made before, though code has used them: it adds an offset to the thread pointer and
 * asks nobody.  Such a body is not used again.
 */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <locale.h>
#include <netdb.h>
#include <string.h>
#include "borrowed.h"
#include "libc.h"
#include "thread.h"

typedef void (*destroy_fn)(void *);

static void (*call_tls_dtors)(void);
static _Atomic(destroy_fn) destroy[PTHREAD_KEYS_MAX];
static _Atomic bool in_use[PTHREAD_KEYS_MAX];
static _Atomic unsigned keys_end; /* no key at or above this was ever made */
static uintptr_t libc_base, ld_base, our_base;
static size_t first_modules;			 /* the ids of those that came with the program */
static _Atomic unsigned long long harmless_adds; /* so many loads have brought nothing that is suspect */

static uintptr_t base_of(const void *p)
{
	Dl_info info;

	return p && dladdr(p, &info) ? (uintptr_t)info.dli_fbase : 0;
}

static int count_module(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size, (void)unused;
	if (info->dlpi_tls_modid > first_modules)
		first_modules = info->dlpi_tls_modid;
	return 0;
}

int tls_init(void)
{
	dl_iterate_phdr(count_module, NULL);
	call_tls_dtors = (void (*)(void))dlvsym(RTLD_DEFAULT, "__call_tls_dtors", "GLIBC_PRIVATE");
	libc_base = base_of((void *)libc.read);
	ld_base = base_of(dlsym(RTLD_DEFAULT, "__tls_get_addr"));
	our_base = base_of((void *)tls_init);
	return call_tls_dtors && libc_base && our_base ? 0 : -ENOSYS;
}

void tls_note_key(pthread_key_t key, void (*fn)(void *))
{
	unsigned end = atomic_load(&keys_end);

	if (key >= PTHREAD_KEYS_MAX)
		return;
	atomic_store(&destroy[key], fn);
	atomic_store(&in_use[key], true);
	while (key >= end && !atomic_compare_exchange_weak(&keys_end, &end, key + 1))
		;
}

void tls_forget_key(pthread_key_t key)
{
	if (key >= PTHREAD_KEYS_MAX)
		return;
	atomic_store(&in_use[key], false);
	atomic_store(&destroy[key], NULL);
}

/* One round over all keys; true if any destructor ran. */
static bool destroy_values(void)
{
	bool any = false;

	for (pthread_key_t key = 0; key < atomic_load(&keys_end); key++) {
		destroy_fn fn;
		void *value;

		if (!atomic_load_explicit(&in_use[key], memory_order_relaxed))
			continue;
		value = pthread_getspecific(key);
		fn = atomic_load(&destroy[key]);
		if (!value)
			continue;
		pthread_setspecific(key, NULL);
		if (fn) {
			fn(value);
			any = true;
		}
	}
	return any;
}

void tls_run_destructors(void)
{
	call_tls_dtors();
	for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS && destroy_values(); round++)
		;
	for (pthread_key_t key = 0; key < atomic_load(&keys_end); key++)
		if (atomic_load_explicit(&in_use[key], memory_order_relaxed) && pthread_getspecific(key))
			pthread_setspecific(key, NULL);
}

#if defined(__x86_64__)
static bool may_be_static(const struct dl_phdr_info *info)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_DYNAMIC)
			continue;
		for (ElfW(Dyn) *d = (void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr); d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_FLAGS)
				return d->d_un.d_val & DF_STATIC_TLS;
	}
	return false;
}
#else
/* Each access goes by a descriptor, for which the loader takes static room while there is any: no flag tells. */
static bool may_be_static(const struct dl_phdr_info *info)
{
	return info->dlpi_tls_modid != 0;
}
#endif

struct search {
	unsigned long long adds;
	bool suspects, found;
};

static int search_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;

	(void)size;
	s->adds = info->dlpi_adds;
	if (s->adds == atomic_load(&harmless_adds))
		return 1;
	if (info->dlpi_tls_modid > first_modules && may_be_static(info)) {
		s->suspects = true;
		s->found |= !info->dlpi_tls_data;
	}
	return 0;
}

bool tls_can_be_made_new(void)
{
	struct search s = { 0 };

	dl_iterate_phdr(search_module, &s);
	if (!s.suspects)
		atomic_store(&harmless_adds, s.adds);
	return !s.found;
}

/* dlpi_tls_data is the calling thread's copy: it follows the FS base; NULL where none was made yet. */
static int reset_module(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size, (void)unused;
	if (!info->dlpi_tls_data)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type != PT_TLS)
			continue;
		if (info->dlpi_addr == libc_base || info->dlpi_addr == ld_base || info->dlpi_addr == our_base)
			return 0;
		memcpy(info->dlpi_tls_data, (void *)(info->dlpi_addr + ph->p_vaddr), ph->p_filesz);
		memset((char *)info->dlpi_tls_data + ph->p_filesz, 0, ph->p_memsz - ph->p_filesz);
	}
	return 0;
}

void tls_make_new(void)
{
	dl_iterate_phdr(reset_module, NULL);
	borrowed_uselocale(LC_GLOBAL_LOCALE);
	h_errno = 0;
	errno = 0;
	libc.pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	libc.pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	green_native_depth = 0;
}
