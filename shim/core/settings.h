/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment's words, read once by the constructor and constant from then on.
 */
#ifndef SYNCLESS_SETTINGS_H
#define SYNCLESS_SETTINGS_H

#include <stdbool.h>

enum which_threads { THREADS_PYTHON, THREADS_ALL, THREADS_NONE };

enum who_resolves { DNS_CARES, DNS_THREAD, DNS_LIBC };
enum backend { BACKEND_EPOLL, BACKEND_POLL, BACKEND_SELECT, BACKEND_IO_URING };

struct settings {
	bool enabled;		    /* SYNCLESS=0 clears it */
	bool verbose;		    /* SYNCLESS_VERBOSE */
	enum which_threads threads; /* SYNCLESS_THREADS */
	int preempt_ms;		    /* SYNCLESS_PREEMPT_MS; 0: never */
	bool ucontext;		    /* SYNCLESS_SWITCH=ucontext */
	enum who_resolves dns;	    /* SYNCLESS_DNS */
	bool dlsym;		    /* SYNCLESS_DLSYM */
	int handoff_ms;		    /* SYNCLESS_HANDOFF_MS; 0: never */
	int hosts;		    /* SYNCLESS_HOSTS; 0: by the number of processors */
	bool chaos_handoff;	    /* SYNCLESS_CHAOS=handoff */
	int watch_ms;		    /* SYNCLESS_WATCH_MS; 0: no watch */
	int offload_threads;	    /* SYNCLESS_OFFLOAD_THREADS */
	bool offload_files;	    /* SYNCLESS_FILES=offload */
	enum backend backend;	    /* SYNCLESS_BACKEND */
};
extern struct settings settings;

void settings_read(char **environ_of_start);
/* One line on stderr, "syncless: …", if SYNCLESS_VERBOSE; safe in any state. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
