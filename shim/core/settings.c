/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the environment from the array that the constructor was given: libc's own getenv() may not work yet.
 * An unknown value counts as not given, and is told when SYNCLESS_VERBOSE is set (the launcher refuses it).
 */
#include "settings.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base.h"
#include "raw.h"

/* Until they have been read, threads are native.  We may be called before libc's own constructor: to look for a
 * Python by dlopen() would then have that one run with no environment, and the program would have none. */
struct settings settings = { .enabled = true,
			     .threads = THREADS_NONE,
			     .preempt_ms = 5,
			     .handoff_ms = 10,
			     .offload_threads = 16,
			     .dlsym = true };

void say(const char *format, ...)
{
	char line[256] = "syncless: ";
	va_list ap;
	int n;

	if (!settings.verbose)
		return;
	va_start(ap, format);
	n = vsnprintf(line + 10, sizeof(line) - 11, format, ap);
	va_end(ap);
	n = n < 0 ? 0 : n > (int)sizeof(line) - 12 ? (int)sizeof(line) - 12 : n;
	line[10 + n] = '\n';
	raw3(SYS_write, 2, line, 11 + n);
}

static const char *lookup(char **env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=' && (*env)[len + 1])
			return *env + len + 1;
	return NULL;
}

static void read_number(char **env, const char *name, int lowest, int highest, int *value)
{
	const char *text = lookup(env, name);
	char *end;
	long n;

	if (!text)
		return;
	n = strtol(text, &end, 10);
	if (*end || n < lowest || n > highest)
		say("%s=%s is no number from %d to %d; %d is used", name, text, lowest, highest, *value);
	else
		*value = (int)n;
}

/* One of the names, by its place in the list; the first one is the default. */
static int read_choice(char **env, const char *name, const char *const *names)
{
	const char *text = lookup(env, name);

	for (int i = 0; text && names[i]; i++)
		if (!strcmp(text, names[i]))
			return i;
	if (text)
		say("%s=%s is unknown; %s is used", name, text, names[0]);
	return 0;
}

/* The children of this process start without us: our name goes out of LD_PRELOAD.  The array and its strings
 * are the process's own, and environ will be this array. */
static void drop_from_preload(char **env)
{
	for (; env && *env; env++) {
		char *out, *p = *env;

		if (strncmp(p, "LD_PRELOAD=", 11))
			continue;
		out = p += 11;
		while (*p) {
			size_t len = strcspn(p, ": ");
			bool ours = memmem(p, len, "libsyncless.so", 14) != NULL;

			if (!ours) {
				memmove(out, p, len);
				out += len;
			}
			p += len;
			if (*p) {
				if (!ours)
					*out++ = *p;
				p++;
			}
		}
		*out = '\0';
	}
}

void settings_read(char **env)
{
	const char *text;

	settings.verbose = (text = lookup(env, "SYNCLESS_VERBOSE")) && strcmp(text, "0");
	settings.enabled = !(text = lookup(env, "SYNCLESS")) || strcmp(text, "0");
	settings.threads = (enum which_threads)read_choice(
		env, "SYNCLESS_THREADS", (const char *const[]){ "python", "all", "none", NULL });
	settings.ucontext =
		read_choice(env, "SYNCLESS_SWITCH", (const char *const[]){ "own", "ucontext", NULL });
	settings.dns = (enum who_resolves)read_choice(env, "SYNCLESS_DNS",
						      (const char *const[]){ "cares", "thread", "libc", NULL });
	settings.dlsym = !read_choice(env, "SYNCLESS_DLSYM", (const char *const[]){ "1", "0", NULL });
	settings.backend = (enum backend)read_choice(
		env, "SYNCLESS_BACKEND", (const char *const[]){ "epoll", "poll", "select", "io_uring", NULL });
	read_number(env, "SYNCLESS_PREEMPT_MS", 0, 10000, &settings.preempt_ms);
	read_number(env, "SYNCLESS_HANDOFF_MS", 0, 60000, &settings.handoff_ms);
	read_number(env, "SYNCLESS_HOSTS", 0, 1024, &settings.hosts);
	settings.chaos_handoff =
		read_choice(env, "SYNCLESS_CHAOS", (const char *const[]){ "none", "handoff", NULL });
	read_number(env, "SYNCLESS_WATCH_MS", 0, 60000, &settings.watch_ms);
	settings.offload_files =
		read_choice(env, "SYNCLESS_FILES", (const char *const[]){ "plain", "offload", NULL });
	read_number(env, "SYNCLESS_OFFLOAD_THREADS", 1, 1024, &settings.offload_threads);
	if ((text = lookup(env, "SYNCLESS_INHERIT")) && !strcmp(text, "0"))
		drop_from_preload(env);
	if (!settings.enabled)
		settings.threads = THREADS_NONE;
}
