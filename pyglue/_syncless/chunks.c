/* SPDX-License-Identifier: Apache-2.0
 *
 * From 3.11 on the first Python frame of each greenlet makes CPython map 16 kB for its frames, and its end
 * unmaps them: two system calls and some page faults, half of what it costs to begin and end a task.  A few
 * such pieces are kept here.
 *
 * They come by the arena allocator, which the interpreters of a process share: hence the lock, which nobody
 * waits for.
 */
#include "glue_py.h"
#include <dlfcn.h>
#include <stdatomic.h>

enum { CHUNK = 16 << 10, KEPT_MAX = 128 };

/* CPython's PyObjectArenaAllocator. */
struct arena_allocator {
	void *context;
	void *(*alloc)(void *context, size_t size);
	void (*free)(void *context, void *p, size_t size);
};

static struct arena_allocator below;
static void *kept[KEPT_MAX];
static int nkept;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void *chunk_alloc(void *context, size_t size)
{
	void *p = NULL;

	if (size == CHUNK && !atomic_flag_test_and_set(&busy)) {
		if (nkept > 0)
			p = kept[--nkept];
		atomic_flag_clear(&busy);
	}
	return p ? p : below.alloc(context, size);
}

static void chunk_free(void *context, void *p, size_t size)
{
	if (size == CHUNK && !atomic_flag_test_and_set(&busy)) {
		if (nkept < KEPT_MAX) {
			kept[nkept++] = p;
			p = NULL;
		}
		atomic_flag_clear(&busy);
	}
	if (p)
		below.free(context, p, size);
}

void chunks_keep(void)
{
	void (*get)(struct arena_allocator *), (*set)(const struct arena_allocator *);
	static bool done;

	*(void **)&get = dlsym(RTLD_DEFAULT, "PyObject_GetArenaAllocator");
	*(void **)&set = dlsym(RTLD_DEFAULT, "PyObject_SetArenaAllocator");
	if (done || !get || !set)
		return;
	done = true;
	get(&below);
	set(&(struct arena_allocator){ below.context, chunk_alloc, chunk_free });
}
