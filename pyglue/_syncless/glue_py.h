/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the module share.  It is built for the limited API of 3.9, so that one object serves every
 * Python that the shim does; the few functions that this API lacks are looked up (names.c).
 *
 *   module.c   the functions of the module, and its start
 *   task.c     a task's life; task_type.c: the type, as Python sees it
 *   carrier.c  a thread that has tasks: the GIL, switches, and the greenlet that begins others
 *   block.c    the base of with-blocks that learn at their end what is due
 *   names.c    what is looked up: in CPython, in the greenlet package, in the shim
 *   chunks.c   memory for the frames of tasks
 */
#ifndef SYNCLESS_GLUE_PY_H
#define SYNCLESS_GLUE_PY_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include "glue.h"

#define NEVER INT64_MAX

/* Steals o.  The old one goes last: its end may run any code. */
static inline void set_ref(PyObject **where, PyObject *o)
{
	PyObject *old = *where;

	*where = o;
	Py_XDECREF(old);
}

/* --- names.c.  NULL: the shim is not preloaded. */
extern const struct glue_calls *shim;

extern struct greenlet_api {
	PyObject *type, *exit; /* greenlet.greenlet, greenlet.GreenletExit */
	PyObject *(*new)(PyObject *run, PyObject *parent);
	PyObject *(*get_current)(void); /* a new reference */
	PyObject *(*switch_to)(PyObject *g, PyObject *args, PyObject *kwargs);
} greenlets;

extern struct python_names {
	void *(*thread_state_unchecked)(void);
	PyObject *(*context_copy_current)(void);
	int (*context_enter)(PyObject *), (*context_exit)(PyObject *);
} names;

/* 0; -1 with an ImportError. */
int names_find(void);
/* Connects to the shim.  False with a RuntimeError that says what to do. */
bool shim_connect(const struct glue_hooks *hooks);
bool shim_is_here(void); /* or a RuntimeError */

/* --- chunks.c: from now on. */
void chunks_keep(void);

/* --- carrier.c */

typedef struct task Task;

/* It ends with the thread, by the dictionary of the thread state; its tasks may still point to it then. */
typedef struct {
	PyObject_HEAD
	struct carrier *shims; /* NULL: the thread has ended */
	PyThreadState *state;
	unsigned long ident;
	bool is_main;	      /* the interpreter's main thread: there its signal handlers run */
	bool has_interrupt;   /* interrupt_class is to be raised in its thread */
	unsigned generation;  /* of the process, see carrier_generation */
	PyObject *birthplace; /* the greenlet that all tasks begin from */
	Task *current;	      /* the last one known to run; strong */
	Task *hub;	      /* gevent's or eventlet's, see carrier.c; strong */
	Task *begins;	      /* what the birthplace is to begin; borrowed, it is in no queue meanwhile */
} Carrier;

/* Bumped in each forked child. */
extern unsigned carrier_generation;

/* The calling thread's, borrowed.  NULL with a RuntimeError. */
Carrier *carrier_mine(void);
/* The task of the running greenlet, borrowed; made for one that is not ours.  NULL with an error. */
Task *carrier_current(Carrier *c);
/* t runs, though the scheduler did not switch to it: who did so, the one that ran before, is t's resumer. */
void carrier_found(Carrier *c, Task *t);
/* t, which runs, is to wait or to give way: a hub that it has come from goes on meanwhile. */
void carrier_let_hub_go_on(Carrier *c, Task *t);
int carrier_init(PyObject *module);

/* --- task.c and task_type.c */

struct task {
	PyObject_HEAD
	PyObject *dict, *weakrefs;
	PyObject *fn, *args, *kwargs;
	PyObject *context;
	PyObject *result, *exception;
	PyObject *on_end, *on_uncaught;
	PyObject *timeouts; /* a list, for the Python side; NULL: empty */
	PyObject *waiters;  /* list of tasks that wait for the end; NULL: none */
	PyObject *thrown;   /* an exception that is due; NULL: none */
	PyObject *greenlet; /* strong, but of a foreign one, which must be able to die, borrowed */
	Task *resumer;	    /* who ran when others than the scheduler resumed it; strong */
	PyObject *watch;    /* of a foreign one: a weak reference that tells of its end */
	PyObject *hold;	    /* while it waits, on a hub that has resumed it: fn() that lets go; NULL: none */
	Carrier *carrier;   /* strong; NULL: not started */
	struct flow *flow;
	int64_t limit; /* NEVER: none */
	bool started, begun, ended, foreign;
	bool told;	      /* a driver has returned an error instead of what is due */
	bool in_park, permit; /* of task_park(): an unpark() that comes before it counts */
};

extern PyTypeObject *task_type;
/* fn(task), asked which exception is due when a task's limit has passed; and the class whose making raises it. */
extern PyObject *expired_hook, *interrupt_class;
/* fn(): the greenlet that is the thread's hub, or None.  fn(greenlet): keeps that hub from its end until what this
 * returns is called; or None: it has none.  NULL: not set. */
extern PyObject *find_hub_hook, *hold_hub_hook;

int task_init(PyObject *module);
int task_registry_init(void);
/* The exception that is set, which no longer is then; a new reference. */
PyObject *task_raised(void);
/* A task for a greenlet that we have not made; registered; borrowed.  It runs now. */
Task *task_adopt(Carrier *c, PyObject *greenlet);
/* By its greenlet; borrowed; NULL without an error: none. */
Task *task_of(PyObject *greenlet);
/* Makes its greenlet.  0, or -1 with an error. */
int task_begin(Task *t, PyObject *parent);
/* An error is set, by a hook that was called on the way of t: it is shown, but Ctrl-C and its like are due for t. */
void task_hook_failed(Task *t, PyObject *hook);
/* Lets go of a hub. */
void task_let_go(Task *t);
/* It has ended without having run, by the error that is set. */
void task_end_unbegun(Task *t);
/* A new flow if the old one is of another process.  0 or -1 with MemoryError. */
int task_renew_flow(Task *t, Carrier *c);
/* Is something to be raised in it?  With or without the GIL. */
bool task_is_due(const Task *t);
/* Raises what is due: -1; 0: nothing is. */
int task_raise_due(Task *t);
/* The interpreter's handler of GLUE_SIGNAL.  -1: raised. */
int task_hear(Task *t);
/* What a call of the running task has been ended early for, if it has not been raised, and will not be now; a
 * new reference, or NULL, also with an error. */
PyObject *task_take_delivered(Task *t);
/* task_park() returns, or the next one does.  From any thread. */
void task_unpark(Task *t);
/* The running task waits.  1: unparked, 0: the deadline has come, -1 with the exception that was due. */
int task_park(Task *t, int64_t deadline, const char *why);
PyObject *task_schedule(void);
int64_t task_now(void);
/* None or an int of ns.  -1 with an error. */
int task_deadline(PyObject *o, int64_t *deadline);

/* --- block.c */

int block_init(PyObject *module);

#endif
