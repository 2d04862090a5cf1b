/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the shim, which knows no Python, and _syncless, the module that does (pyglue/_syncless).  Private:
 * both are built from one tree, and syncless_glue() refuses another version.
 *
 * Words.  A flow is the record of one greenlet in the scheduler: what waits and is resumed.  A carrier is a
 * thread, the host's own or a green one, that has such flows.  They share its stack, so one of them runs while
 * the others are ready, parked, or left by a greenlet switch of the program's own; of the latter we know
 * nothing until they wait.
 *
 * Everything here is called on the host by the carrier's own thread, with the GIL, unless it says otherwise.
 */
#ifndef SYNCLESS_GLUE_H
#define SYNCLESS_GLUE_H

#include <stdbool.h>
#include <stdint.h>

#define SYNCLESS_GLUE_VERSION 1

/* The number of a signal that no kernel sends: it makes CPython run a handler where it looks for signals.
 * glibc keeps it for itself, so sigaction(2) of it fails for everybody, but for the module: there it only notes
 * the handler. */
#define GLUE_SIGNAL 33

/* A C driver tries again after EINTR, so every fourth end of its waits is ECANCELED; see hook_deliver(). */
#define GLUE_DELIVERIES 4

struct flow;
struct carrier;

/* Whose greenlet it is: the module's own, the thread's main one, or another library's, which may be a hub. */
enum flow_kind { FLOW_OWN, FLOW_ROOT, FLOW_FOREIGN };

/* What the shim asks of the module. */
struct glue_hooks {
	/* Does the calling thread hold the GIL?  With or without it. */
	bool (*has_gil)(void);
	/* Takes it, which may park the thread as a whole, and gives it back. */
	void (*take_gil)(void *carrier_data);
	void (*drop_gil)(void *carrier_data);
	/* The flow of the greenlet that runs; NULL: there is none to be had, the thread waits as a whole. */
	struct flow *(*current)(void *carrier_data);
	/* From the greenlet of the flow with the data `from`, which runs, to that of `to`.  Returns when
	 * somebody has switched back, whoever it was: false if that was to raise an exception in it, which is
	 * then what is due for `from`. */
	bool (*switch_to)(void *carrier_data, void *from, void *to);
	/* A call of the flow that waits in libc has ended early for the nth time since something became due for
	 * it.  Returns what it fails with: EINTR or ECANCELED; 0: nothing is due.  Without the GIL. */
	int (*deliver)(void *carrier_data, void *flow_data, int nth);
};

/* What the shim does for the module. */
struct glue_calls {
	/* The calling thread's; made if need be, by which the process gets its host.  NULL with errno: EPERM
	 * (this is a native thread), ENOMEM, EAGAIN (coroutines do not work here).  `data` is what hooks get. */
	struct carrier *(*carrier_get)(void);
	void *(*carrier_data)(struct carrier *c);
	void (*carrier_set_data)(struct carrier *c, void *data);
	/* Nothing of it will run any more; its thread ends. */
	void (*carrier_end)(struct carrier *c);

	/* Parked.  NULL: no memory. */
	struct flow *(*flow_new)(struct carrier *c, void *data, enum flow_kind kind);
	/* Its greenlet has ended, or never began. */
	void (*flow_free)(struct flow *f);
	/* Its thread has ended, or this is a child forked since: every call with it does nothing, and it is to
	 * be freed. */
	bool (*flow_is_stale)(const struct flow *f);
	void *(*flow_data)(const struct flow *f);

	/* Into the run queue: at its end, or as the next.  Nothing if it is there.  The flow must not be the
	 * running one. */
	void (*ready)(struct flow *f);
	void (*ready_next)(struct flow *f);
	/* Out of it; the flow is parked then. */
	void (*unready)(struct flow *f);
	bool (*is_ready)(const struct flow *f);
	/* In it, or parked. */
	bool (*is_waiting)(const struct flow *f);
	/* How many are in it. */
	int (*ready_count)(const struct carrier *c);
	struct flow *(*ready_first)(const struct carrier *c);
	struct flow *(*ready_after)(const struct flow *f);

	/* The running flow waits until unpark(), which need not be for it: loops on its condition.  0;
	 * -ETIMEDOUT; -ECANCELED: something is due, which the caller raises; -EINTR: a signal's handler.
	 * deadline: CLOCK_MONOTONIC in ns, INT64_MAX: none. */
	int (*park)(struct flow *f, int64_t deadline, const char *why);
	/* The running flow to the end of the queue.  May return early if something is due. */
	void (*yield)(struct flow *f);
	/* From any thread, with or without the GIL. */
	void (*unpark)(struct flow *f);
	/* Something is due for f, or no longer: its waits end early. */
	void (*set_due)(struct flow *f, bool due);
	/* How many waits of f in libc have ended early since something became due; and from 0 again. */
	int (*deliveries)(const struct flow *f);
	void (*forget_deliveries)(struct flow *f);
	/* No wait of f goes on beyond it; INT64_MAX: no limit. */
	void (*set_limit)(struct flow *f, int64_t deadline);

	/* For the greenlet that starts others and is resumed by their ends: the next one to run, which it must
	 * then switch to.  Waits for it. */
	struct flow *(*next)(struct carrier *c);
	/* The greenlet of `f` has left for one that has ended: ready, if it does not run or wait. */
	void (*left)(struct flow *f);
	/* The greenlet of `f` runs, though it was not switched to from here. */
	void (*landed)(struct flow *f);
	/* CPython's own C handler of signals; NULL as long as it has not been set for GLUE_SIGNAL.  Any thread. */
	void (*(*signal_handler)(void))(int);
	/* From now on, until the next call that waits, or false: the interpreter takes the calling thread for
	 * its main one. */
	void (*pose_as_main)(bool pose);
	/* The walk over everything; 0 or -1. */
	int (*verify)(void);
};

/* Exchanges the two.  NULL: another version, or greenlets do not work here. */
const struct glue_calls *syncless_glue(int version, const struct glue_hooks *hooks);

#endif
