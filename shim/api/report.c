/* SPDX-License-Identifier: Apache-2.0
 *
 * What only a process under the preload can know of itself, for `syncless doctor`: one key=value a line.
 * It looks and changes nothing.
 *
 *   glibc=VERSION
 *   fast_fs=1                  the FS base is switched by an instruction; 0: by a system call
 *   tid_offset=N               in glibc's thread record; -1 until the first green thread, and where not found
 *   setting=NAME=VALUE         in force, which is not always what was asked for
 *   hosts=N                    that many compute at once before the scheduler is handed off less readily
 *   no_handoff=REASON          it is not, here
 *   calls=N                    exported rows of the table
 *   missing=SYMBOL             this libc has none of it
 *   taken=SYMBOL OBJECT        another object comes before us: programs call that one
 *   behind=SYMBOL OBJECT       another object lies between us and libc: we call that one
 *   left=SYMBOL CAUSE          the rows LEFT of calls.def
 */
#include <gnu/libc-version.h>
#include "handoff.h"
#include "libc.h"
#include "loop.h"
#include "settings.h"
#include "streams.h"
#include "switch.h"
#include "syncless.h"
#include "thread.h"

static const struct row {
	const char *symbol;
	void *const *entry; /* NULL: another spelling of one that has it, or perhaps too new for this libc */
	const char *cause;  /* of what is left to libc; else NULL */
} rows[] = {
#define ENTRY(symbol) { #symbol, (void *const *)&libc.symbol, NULL },
#define CALL(symbol, family, policy) ENTRY(symbol)
#define VERSIONED(symbol, version, family, policy) ENTRY(symbol)
#define OPTIONAL(symbol, family, policy) ENTRY(symbol)
#define NEWER(symbol, minor, family, policy) { #symbol, NULL, NULL },
#define ALIAS(spelling, symbol) { #spelling, NULL, NULL },
#define CHECKED(spelling, symbol) { #spelling, NULL, NULL },
#define LEFT(symbol, cause) { #symbol, NULL, cause },
#include "../calls.def"
};

/* The object that p lies in; "" if none.  Objects are told apart by the address of this string. */
static const char *object_of(const void *p)
{
	Dl_info info;

	return p && libc.dladdr(p, &info) ? info.dli_fname : "";
}

static void report_entry(int fd, const char *symbol, const void *real)
{
	const char *object = object_of(real);

	if (!*object || object == object_of((void *)report_entry)) /* or the stand-in of core/libc.c */
		dprintf(fd, "missing=%s\n", symbol);
	else if (object != object_of((void *)gnu_get_libc_version))
		dprintf(fd, "behind=%s %s\n", symbol, object);
}

static void report_table(int fd)
{
	const char *ours = object_of((void *)report_table);
	void *program = libc.dlopen(NULL, RTLD_LAZY); /* RTLD_DEFAULT would find us first (-Bsymbolic) */
	int calls = 0;

	for (const struct row *r = rows; r < rows + ARRAY_LEN(rows); r++) {
		const char *first;

		if (r->cause) {
			dprintf(fd, "left=%s %s\n", r->symbol, r->cause);
			continue;
		}
		calls++;
		if (r->entry)
			report_entry(fd, r->symbol, *r->entry);
		first = object_of(libc.dlsym(program, r->symbol));
		if (first != ours)
			dprintf(fd, "taken=%s %s\n", r->symbol, first);
	}
	libc.dlclose(program);
	dprintf(fd, "calls=%d\n", calls);
}

static const char *const threads[] = {
	[THREADS_PYTHON] = "python",
	[THREADS_ALL] = "all",
	[THREADS_NONE] = "none",
};
static const char *const dns[] = { [DNS_CARES] = "cares", [DNS_THREAD] = "thread", [DNS_LIBC] = "libc" };

static void report_handoff(int fd)
{
	const char *obstacle = settings.ucontext ? "SYNCLESS_SWITCH=ucontext" : handoff_obstacle();

	dprintf(fd, "setting=SYNCLESS_HANDOFF_MS=%d\n", settings.handoff_ms);
	dprintf(fd, "setting=SYNCLESS_HOSTS=%d\n", settings.hosts);
	if (settings.chaos_handoff)
		dprintf(fd, "setting=SYNCLESS_CHAOS=handoff\n");
	dprintf(fd, "hosts=%d\n", settings.hosts ? settings.hosts : handoff_cores() + 2);
	if (obstacle)
		dprintf(fd, "no_handoff=%s\n", obstacle);
}

EXPORT void syncless_report(int fd)
{
	int *tid = thread_tid_word(pthread_self()), libev[2];

	loop_version(libev);
	dprintf(fd, "glibc=%s\n", gnu_get_libc_version());
	dprintf(fd, "libev=%d.%d\n", libev[0], libev[1]);
	dprintf(fd, "backend=%s\n", loop_backend());
	dprintf(fd, "fast_fs=%d\n", switch_fast_fs);
	dprintf(fd, "tid_offset=%td\n", tid ? (char *)tid - (char *)pthread_self() : -1);
	dprintf(fd, "blocking_stdio=%d\n", streams_are_blocking);
	dprintf(fd, "setting=SYNCLESS=%d\n", settings.enabled);
	dprintf(fd, "setting=SYNCLESS_THREADS=%s\n", threads[settings.threads]);
	dprintf(fd, "setting=SYNCLESS_PREEMPT_MS=%d\n", settings.preempt_ms);
	report_handoff(fd);
	dprintf(fd, "setting=SYNCLESS_DNS=%s\n", dns[settings.dns]);
	dprintf(fd, "setting=SYNCLESS_DLSYM=%d\n", settings.dlsym);
	dprintf(fd, "setting=SYNCLESS_WATCH_MS=%d\n", settings.watch_ms);
	dprintf(fd, "setting=SYNCLESS_OFFLOAD_THREADS=%d\n", settings.offload_threads);
	dprintf(fd, "setting=SYNCLESS_FILES=%s\n", settings.offload_files ? "offload" : "plain");
	report_table(fd);
}
