/* SPDX-License-Identifier: Apache-2.0
 *
 * See borrowed.h.
 *
 * libcrypto keeps each thread's queue of errors in a record of its own making, under a key that it tells
 * nobody; but ERR_get_state() tells the record, and the key is the one that has it.  That call makes libcrypto
 * ready for use, so it is made where nobody can be inside its initialisation: when the first coroutine is made,
 * and when an object has just been loaded.  Where no key has the record the errors are moved one by one
 * (errmove.h).
 *
 * libcrypto frees such a record with its thread only.  One whose flow has ended is emptied and given to the
 * next flow, so there are never more of them than there were flows at once that used libcrypto.  Each is in one
 * place at a time: under the key of a thread, in the record of a flow that is away, or idle; so it stays,
 * whoever else switches.
 */
#include "borrowed.h"
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include "cooplock.h"
#include "errmove.h"
#include "libc.h"
#include "rawlock.h"

#define BEING_MADE ((void *)-1) /* libcrypto's mark in place of a record */

enum { NAMES_MAX = 8 };

__thread locale_t borrowed_locale __attribute__((tls_model("initial-exec")));
ptrdiff_t borrowed_errno_at, borrowed_h_errno_at;
_Atomic int borrowed_libs;
_Atomic bool borrowed_in_use;

struct lib {
	bool moves; /* the errors of a flow that is away are a queue of errmove.h; else libcrypto's record */
	struct errmove move;

	pthread_key_t key;
	void (*clear_error)(void);
	void **idle; /* records of flows that have ended; under idle_lock */
	int nidle, room;
};

static struct lib libs[BORROWED_LIBS];
static struct rawlock idle_lock;

__attribute__((constructor)) static void measure(void)
{
	borrowed_errno_at = (char *)&errno - (char *)&borrowed_locale;
	borrowed_h_errno_at = (char *)&h_errno - (char *)&borrowed_locale;
}

locale_t borrowed_uselocale(locale_t locale)
{
	locale_t old = libc.uselocale(locale);

	if (locale && old)
		borrowed_locale = locale == LC_GLOBAL_LOCALE ? NULL : locale;
	return old;
}

static bool find_key(const void *record, pthread_key_t *key)
{
	for (pthread_key_t k = 0; k < PTHREAD_KEYS_MAX; k++) {
		if (pthread_getspecific(k) == record) {
			*key = k;
			return true;
		}
	}
	return false;
}

static void add_lib(void *handle)
{
	void *(*get_state)(void) = (__typeof__(get_state))libc.dlsym(handle, "ERR_get_state");
	struct lib found = { .clear_error =
				     (__typeof__(found.clear_error))libc.dlsym(handle, "ERR_clear_error") };
	int n = atomic_load(&borrowed_libs);
	void *record;

	if (!found.clear_error || n == BORROWED_LIBS)
		return;
	for (int i = 0; i < n; i++)
		if (libs[i].clear_error == found.clear_error)
			return;
	record = get_state ? get_state() : NULL;
	found.moves = !record || !find_key(record, &found.key);
	if (found.moves) {
		if (!errmove_bind(&found.move, handle))
			return;
		found.move.peek(); /* it may be what makes it ready */
	}
	libs[n] = found;
	atomic_store(&borrowed_libs, n + 1);
}

struct names {
	char *name[NAMES_MAX];
	int n;
};

static int note_name(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct names *names = arg;
	const char *slash = strrchr(info->dlpi_name, '/');

	(void)size;
	if (slash && !strncmp(slash + 1, "libcrypto", 9) && names->n < NAMES_MAX)
		names->name[names->n++] = strdup(info->dlpi_name);
	return 0;
}

void borrowed_look(void)
{
	static struct cooplock looking;
	struct names names = { .n = 0 };
	int saved = errno;

	if (!atomic_load(&borrowed_in_use))
		return;
	cooplock_take(&looking, "dlopen");
	add_lib(RTLD_DEFAULT);
	/* The one of a Python module is in nobody's global scope. */
	dl_iterate_phdr(note_name, &names);
	for (int i = 0; i < names.n; i++) {
		void *handle = names.name[i] ? libc.dlopen(names.name[i], RTLD_LAZY | RTLD_NOLOAD) : NULL;

		/* Never closed: the key is libcrypto's for as long as we use it. */
		if (handle)
			add_lib(handle);
		free(names.name[i]);
	}
	cooplock_drop(&looking);
	errno = saved;
}

void borrowed_start(void)
{
	if (!atomic_exchange(&borrowed_in_use, true))
		borrowed_look();
}

static void *take_idle(struct lib *lib)
{
	void *record = NULL;

	if (!lib->nidle)
		return NULL;
	rawlock_take(&idle_lock);
	if (lib->nidle)
		record = lib->idle[--lib->nidle];
	rawlock_drop(&idle_lock);
	return record;
}

static void give_idle(struct lib *lib, void *record)
{
	int room = lib->room ? lib->room * 2 : 16;
	void **more;

	rawlock_take(&idle_lock);
	if (lib->nidle == lib->room && (more = realloc(lib->idle, (size_t)room * sizeof(*more))) != NULL) {
		lib->idle = more;
		lib->room = room;
	}
	if (lib->nidle < lib->room)
		lib->idle[lib->nidle++] = record;
	rawlock_drop(&idle_lock);
}

/* Nobody's any more. */
static void discard(struct lib *lib, void *errors)
{
	if (!errors || errors == BEING_MADE)
		return;
	if (lib->moves)
		errmove_free(errors);
	else
		give_idle(lib, errors);
}

static void *take_record(const struct lib *lib)
{
	void *record = pthread_getspecific(lib->key);

	if (record)
		pthread_setspecific(lib->key, NULL);
	return record;
}

static void put_record(struct lib *lib, void *record)
{
	bool used = !record && (record = take_idle(lib)) != NULL;

	/* Of a flow that has not left, since others have switched away from it. */
	discard(lib, take_record(lib));
	if (record)
		pthread_setspecific(lib->key, record);
	if (used)
		lib->clear_error();
}

void borrowed_leave_errors(struct borrowed *b)
{
	for (int i = 0, n = atomic_load(&borrowed_libs); i < n; i++) {
		discard(&libs[i], b->errors[i]); /* it has not entered, since others have switched to it */
		b->errors[i] = libs[i].moves ? errmove_take(&libs[i].move) : take_record(&libs[i]);
	}
}

void borrowed_enter_errors(struct borrowed *b)
{
	for (int i = 0, n = atomic_load(&borrowed_libs); i < n; i++) {
		if (!libs[i].moves)
			put_record(&libs[i], b->errors[i]);
		else if (b->errors[i])
			errmove_put(&libs[i].move, b->errors[i]);
		b->errors[i] = NULL;
	}
}

void borrowed_end(struct borrowed *b)
{
	for (int i = 0; i < BORROWED_LIBS; i++)
		discard(&libs[i], b->errors[i]);
	memset(b, 0, sizeof(*b));
}

void borrowed_after_fork_child(void)
{
	idle_lock = (struct rawlock){ 0 };
}
