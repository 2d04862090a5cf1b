/* SPDX-License-Identifier: Apache-2.0
 *
 * What a family of the differential suite begins with.
 *
 * A case is one behaviour of libc and the kernel.  It does not say what should happen: it says what did, a
 * line for each call with its result, its errno and what it stored, and tests/diff/harness runs it in four
 * worlds and compares the lines:
 *
 *   plain      threads, without the preload: the oracle
 *   native     preloaded, but all threads are kernel threads (SYNCLESS_THREADS=none)
 *   green      preloaded, every thread is a green thread
 *   coroutine  preloaded, the flows are coroutines of syncless_spawn(), in one thread
 *
 * A case is made of flows, which are threads or coroutines; it runs in flow 0 itself.  Lines are compared flow by
 * flow, so flows need not be in step; but what a line says must not depend on luck: no addresses, pids, fd numbers
 * that others may take, or times.  blocks() and await_blocked(n) put one flow's call after another's wait.
 *
 *     CASE(recv_takes_what_is_there)         a case for all worlds
 *     CASE_THREADS(...)                      not as coroutines: about pthreads, thread-specific data, signals to one
 *     CASE_MAIN(...)                         likewise, and flow 0 is the process's main thread
 *
 *     R(read(fd, buf, 4));                   says the call's text, its result, and errno if it is -1, or if it changed
 *     E(pthread_mutex_lock(&m));             the same for calls that return an error number
 *     P(fgets(line, 9, file));               the same for pointers, of which only NULL is told apart
 *     SAY("revents %x", p.revents);          anything else
 *     SHOW(buf, n);                          bytes
 *     LASTS(20, R(poll(NULL, 0, 20)));       whether it took so many milliseconds at least
 */
#ifndef TESTS_DIFF_H
#define TESTS_DIFF_H

#include "calls/blocked.h"
#include <stdarg.h>
#include "../../shim/syncless.h"

#pragma weak syncless_spawn
#pragma weak syncless_join
#pragma weak syncless_key_create
#pragma weak syncless_get
#pragma weak syncless_set

#define UNTOUCHED 1234 /* what errno is before each call */
#define COROUTINE_STACK (256 << 10)

enum { IN_ALL, IN_THREADS, IN_MAIN };

struct diff_case {
	const char *name;
	void (*run)(void);
	int where;
	struct diff_case *next;
};

static struct diff_case *diff_cases;

#define DIFF_CASE(name_, where_)                                                                             \
	static void case_##name_(void);                                                                      \
	static void __attribute__((constructor)) add_##name_(void)                                           \
	{                                                                                                    \
		static struct diff_case c = { #name_, case_##name_, where_, NULL };                          \
                                                                                                             \
		c.next = diff_cases;                                                                         \
		diff_cases = &c;                                                                             \
	}                                                                                                    \
	static void case_##name_(void)

#define CASE(name) DIFF_CASE(name, IN_ALL)
#define CASE_THREADS(name) DIFF_CASE(name, IN_THREADS)
#define CASE_MAIN(name) DIFF_CASE(name, IN_MAIN)

/* --- Flows */

struct flow {
	int number;
	void *(*fn)(void *);
	void *arg;
	pthread_t thread;
	syncless_co *co;
};

static __thread struct flow *flow_of_thread;
static unsigned flow_key;
static _Atomic int flows_made;

static inline bool as_coroutines(void)
{
	return env_is("DIFF_WORLD", "coroutine");
}

static inline struct flow *flow_self(void)
{
	return as_coroutines() ? (struct flow *)syncless_get(flow_key) : flow_of_thread;
}

static inline void *flow_run(void *arg)
{
	struct flow *f = (struct flow *)arg;

	if (as_coroutines())
		CHECK_EQ(syncless_set(flow_key, f), 0);
	else
		flow_of_thread = f;
	return f->fn(f->arg);
}

/* Starts fn(arg) as a flow.  Flows are numbered in the order in which they are made. */
static inline struct flow *flow(void *(*fn)(void *), void *arg)
{
	struct flow *f = (struct flow *)calloc(1, sizeof(*f));

	*f = (struct flow){ .number = atomic_fetch_add(&flows_made, 1), .fn = fn, .arg = arg };
	if (as_coroutines()) {
		f->co = syncless_spawn(flow_run, f, COROUTINE_STACK);
		CHECK(f->co);
	} else {
		CHECK_EQ(pthread_create(&f->thread, NULL, flow_run, f), 0);
	}
	return f;
}

/* Waits for its end; what fn returned. */
static inline void *flow_end(struct flow *f)
{
	void *result = NULL;

	if (f->co)
		CHECK_EQ(syncless_join(f->co, &result), 0);
	else
		CHECK_EQ(pthread_join(f->thread, &result), 0);
	free(f);
	return result;
}

/* The caller is about to make the call for which await_blocked() waits. */
static inline void blocks(void)
{
	about_to_block();
}

/* --- Lines */

/* No cancellation point, as libc's write would make it where that is its own. */
static inline void __attribute__((format(printf, 1, 2))) SAY(const char *format, ...)
{
	struct flow *me = flow_self();
	int saved = errno, state;
	char line[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	dprintf(1, "%d %s\n", me ? me->number : 0, line);
	pthread_setcancelstate(state, NULL);
	errno = saved;
}

/* A forked child says its lines as a flow of this number, above all that the case makes. */
static inline void says_as(int number)
{
	static struct flow child;

	child.number = number;
	if (as_coroutines())
		CHECK_EQ(syncless_set(flow_key, &child), 0);
	else
		flow_of_thread = &child;
}

static inline const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "?";
}

static inline void diff_result(const char *call, long long r, int err, bool is_failure)
{
	if (is_failure)
		SAY("%s = %lld %s", call, r, errno_name(err));
	else if (err != UNTOUCHED)
		SAY("%s = %lld, errno became %s", call, r, errno_name(err));
	else
		SAY("%s = %lld", call, r);
	errno = err;
}

#define R(call)                                                                                              \
	({                                                                                                   \
		errno = UNTOUCHED;                                                                           \
		__typeof__(call) diff_r_ = (call);                                                           \
		diff_result(#call, (long long)diff_r_, errno, diff_r_ == (__typeof__(call))-1);              \
		diff_r_;                                                                                     \
	})

#define E(call)                                                                                              \
	({                                                                                                   \
		errno = UNTOUCHED;                                                                           \
		int diff_r_ = (call), diff_e_ = errno;                                                       \
		SAY("%s: %s%s", #call, diff_r_ ? errno_name(diff_r_) : "0",                                  \
		    diff_e_ == UNTOUCHED ? "" : ", errno changed");                                          \
		diff_r_;                                                                                     \
	})

#define P(call)                                                                                              \
	({                                                                                                   \
		errno = UNTOUCHED;                                                                           \
		__typeof__(call) diff_p_ = (call);                                                           \
		int diff_e_ = errno;                                                                         \
		if (diff_p_)                                                                                 \
			SAY("%s: not NULL", #call);                                                          \
		else                                                                                         \
			SAY("%s: NULL %s", #call, diff_e_ == UNTOUCHED ? "" : errno_name(diff_e_));          \
		errno = diff_e_;                                                                             \
		diff_p_;                                                                                     \
	})

static inline void SHOW(const void *bytes, long n)
{
	const unsigned char *b = (const unsigned char *)bytes;
	char text[1024];
	int at = 0;

	for (long i = 0; i < n && at < (int)sizeof(text) - 8; i++)
		at += b[i] >= ' ' && b[i] < 127 && b[i] != '\\' ?
			      snprintf(text + at, sizeof(text) - at, "%c", b[i]) :
			      snprintf(text + at, sizeof(text) - at, "\\x%02x", b[i]);
	text[at] = '\0';
	SAY("  %ld bytes: %s", n, text);
}

#define LASTS(ms, call)                                                                                      \
	({                                                                                                   \
		int64_t diff_t_ = mono_ms();                                                                 \
		__typeof__(call) diff_l_ = (call);                                                           \
		int diff_le_ = errno;                                                                        \
		/* the kernel's timers and mono_ms() round */                                                \
		SAY("  lasted %d ms: %s", (int)(ms), mono_ms() - diff_t_ >= (ms) - 1 ? "yes" : "no");        \
		errno = diff_le_;                                                                            \
		diff_l_;                                                                                     \
	})

/* --- The program: names without argument, else the case of that name */

static inline void *diff_body(void *arg)
{
	((struct diff_case *)arg)->run();
	CHECK_VERIFY();
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const where[] = { "all", "threads", "main" };
	struct diff_case *c;

	for (c = diff_cases; c; c = c->next)
		if (argc < 2)
			dprintf(1, "%s %s\n", c->name, where[c->where]);
		else if (!strcmp(c->name, argv[1]))
			break;
	if (argc < 2)
		return 0;
	if (!c) {
		dprintf(2, "%s: no such case: %s\n", argv[0], argv[1]);
		return 2;
	}
	if (as_coroutines())
		CHECK_EQ(syncless_key_create(&flow_key, NULL), 0);
	if (c->where == IN_MAIN) {
		flows_made = 1;
		diff_body(c);
	} else {
		flow_end(flow(diff_body, c));
	}
	return 0;
}

#endif
