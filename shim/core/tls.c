/* SPDX-License-Identifier: Apache-2.0
 *
 * What a thread leaves behind in thread-local storage: its destructors are run and the storage is made
 * new, so that the next thread on this body cannot tell it from a fresh one.
 *
 * C++ destructors are registered inside libc; __call_tls_dtors (GLIBC_PRIVATE, 2.28 to today) runs them.
 * Those of pthread keys are not to be had from libc, so the keys are noted as they are made.  Variables are
 * reset from the PT_TLS image of each loaded object; libc's and the dynamic linker's are left alone (they
 * hold the malloc cache and pointers that must stay), and so are ours.
 */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <locale.h>
#include <netdb.h>
#include <string.h>
#include "libc.h"
#include "thread.h"

typedef void (*destroy_fn)(void *);

static void (*call_tls_dtors)(void);
static _Atomic(destroy_fn) destroy[PTHREAD_KEYS_MAX];
static _Atomic bool in_use[PTHREAD_KEYS_MAX];
static _Atomic unsigned keys_end; /* no key at or above this was ever made */
static uintptr_t libc_base, ld_base, our_base;

static uintptr_t base_of(const void *p)
{
	Dl_info info;

	return p && dladdr(p, &info) ? (uintptr_t)info.dli_fbase : 0;
}

int tls_init(void)
{
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
	uselocale(LC_GLOBAL_LOCALE);
	h_errno = 0;
	errno = 0;
	libc.pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	libc.pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	green_native_depth = 0;
}
