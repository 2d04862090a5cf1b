/* SPDX-License-Identifier: Apache-2.0
 *
 * Task: a greenlet that the scheduler knows.
 *
 * One that start() was called of refers to itself until it has ended, like a running thread.  Its greenlet is
 * made when it begins.  Greenlets that others have made get a task when they first wait in a thread that has
 * tasks, for as long as they live.  `by_greenlet` has both.
 *
 * thrown is written with the GIL, by any thread.  All else of a task belongs to its own thread.
 */
#include "glue_py.h"
#include <errno.h>
#include <time.h>

PyObject *expired_hook, *interrupt_class, *find_hub_hook, *hold_hub_hook;

static PyObject *by_greenlet; /* {address of a greenlet: task} */

int64_t task_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int task_deadline(PyObject *o, int64_t *deadline)
{
	*deadline = NEVER;
	if (!o || o == Py_None)
		return 0;
	*deadline = PyLong_AsLongLong(o);
	return *deadline == -1 && PyErr_Occurred() ? -1 : 0;
}

/* --- By greenlet */

int task_registry_init(void)
{
	by_greenlet = PyDict_New();
	return by_greenlet ? 0 : -1;
}

static int enter(Task *t)
{
	PyObject *key = PyLong_FromVoidPtr(t->greenlet);
	int r = key ? PyDict_SetItem(by_greenlet, key, (PyObject *)t) : -1;

	Py_XDECREF(key);
	return r;
}

static void leave(Task *t)
{
	PyObject *key = PyLong_FromVoidPtr(t->greenlet);

	if (!key || PyDict_DelItem(by_greenlet, key) < 0)
		PyErr_Clear();
	Py_XDECREF(key);
}

Task *task_of(PyObject *greenlet)
{
	PyObject *key = PyLong_FromVoidPtr(greenlet), *t;

	t = key ? PyDict_GetItemWithError(by_greenlet, key) : NULL;
	Py_XDECREF(key);
	PyErr_Clear();
	return (Task *)t;
}

int task_renew_flow(Task *t, Carrier *c)
{
	if (t->flow && !shim->flow_is_stale(t->flow))
		return 0;
	if (t->flow)
		shim->flow_free(t->flow);
	t->flow = shim->flow_new(c->shims, t, t->foreign ? FLOW_FOREIGN : FLOW_OWN);
	Py_INCREF(c);
	set_ref((PyObject **)&t->carrier, (PyObject *)c);
	if (!t->flow)
		PyErr_NoMemory();
	return t->flow ? 0 : -1;
}

static Task *new_task(void)
{
	return (Task *)PyObject_CallFunctionObjArgs((PyObject *)task_type, NULL);
}

/* A foreign greenlet has ended.  self: a capsule of its task, which is alive: it has the weak reference. */
static PyObject *greenlet_gone(PyObject *self, PyObject *ref)
{
	Task *t = PyCapsule_GetPointer(self, NULL);

	(void)ref;
	Py_INCREF(t);
	t->ended = true;
	task_let_go(t);
	leave(t);
	t->greenlet = NULL;
	Py_DECREF(t);
	Py_RETURN_NONE;
}

static PyMethodDef gone_def = { "gone", greenlet_gone, METH_O, NULL };

static int watch_for_end(Task *t)
{
	PyObject *capsule = PyCapsule_New(t, NULL, NULL);
	PyObject *callback = capsule ? PyCFunction_New(&gone_def, capsule) : NULL;

	t->watch = callback ? PyWeakref_NewRef(t->greenlet, callback) : NULL;
	Py_XDECREF(callback);
	Py_XDECREF(capsule);
	return t->watch ? 0 : -1;
}

static bool is_main_greenlet(PyObject *g)
{
	PyObject *parent = PyObject_GetAttrString(g, "parent");
	bool is = parent == Py_None;

	if (!parent)
		PyErr_Clear();
	Py_XDECREF(parent);
	return is;
}

void task_hook_failed(Task *t, PyObject *hook)
{
	if (PyErr_ExceptionMatches(PyExc_Exception) || t->thrown || t->ended) {
		PyErr_WriteUnraisable(hook);
	} else {
		set_ref(&t->thrown, task_raised());
		shim->set_due(t->flow, true);
	}
}

void task_let_go(Task *t)
{
	PyObject *hold = t->hold, *type, *value, *traceback, *r;

	if (!hold)
		return;
	t->hold = NULL;
	PyErr_Fetch(&type, &value, &traceback);
	r = PyObject_CallFunctionObjArgs(hold, NULL);
	if (!r)
		task_hook_failed(t, hold);
	Py_XDECREF(r);
	Py_DECREF(hold);
	PyErr_Restore(type, value, traceback);
}

Task *task_adopt(Carrier *c, PyObject *greenlet)
{
	Task *t = new_task();

	if (!t)
		return NULL;
	t->foreign = t->started = t->begun = true;
	t->greenlet = greenlet;
	Py_INCREF(c);
	t->carrier = c;
	t->flow = shim->flow_new(c->shims, t, is_main_greenlet(greenlet) ? FLOW_ROOT : FLOW_FOREIGN);
	if (!t->flow || watch_for_end(t) < 0 || enter(t) < 0) {
		if (!t->flow)
			PyErr_NoMemory();
		t->greenlet = NULL;
		Py_DECREF(t);
		return NULL;
	}
	Py_DECREF(t); /* by_greenlet has it */
	return t;
}

/* --- What is due */

PyObject *task_raised(void)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback)
		PyException_SetTraceback(value, traceback);
	Py_XDECREF(type);
	Py_XDECREF(traceback);
	return value;
}

bool task_is_due(const Task *t)
{
	return t->thrown || (t->limit != NEVER && task_now() >= t->limit);
}

static PyObject *take_due(Task *t)
{
	PyObject *exc = t->thrown;

	t->thrown = NULL;
	t->told = false;
	if (t->carrier && t->carrier->has_interrupt) {
		t->carrier->has_interrupt = false;
		PyThreadState_SetAsyncExc(t->carrier->ident, NULL);
	}
	if (!exc && task_is_due(t) && expired_hook)
		exc = PyObject_CallFunctionObjArgs(expired_hook, t, NULL);
	if (exc == Py_None)
		Py_CLEAR(exc);
	if (t->flow)
		shim->set_due(t->flow, t->thrown != NULL);
	return exc;
}

int task_raise_due(Task *t)
{
	PyObject *exc = take_due(t);

	if (!exc)
		return PyErr_Occurred() ? -1 : 0;
	PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
	Py_DECREF(exc);
	return -1;
}

/* The interpreter's own calls look for signals when they have failed for the first time.  Later it is not in
 * one, it runs the program again: a driver's error is on its way.  That shall not be cut short; what is due
 * waits for the next call, the end of a block or of the task.  A program that tries again gets it here the
 * second time. */
int task_hear(Task *t)
{
	int n = t->flow ? shim->deliveries(t->flow) : 0;

	if (n == 0)
		return 0;
	if (n % GLUE_DELIVERIES == 1 || t->told)
		return task_raise_due(t);
	t->told = true;
	shim->forget_deliveries(t->flow);
	return 0;
}

PyObject *task_take_delivered(Task *t)
{
	if (!t->flow || !task_is_due(t) || (!t->told && shim->deliveries(t->flow) == 0))
		return NULL;
	return take_due(t);
}

void task_unpark(Task *t)
{
	t->permit = true;
	if (t->in_park && t->flow)
		shim->unpark(t->flow);
}

int task_park(Task *t, int64_t deadline, const char *why)
{
	int r = 0;

	carrier_let_hub_go_on(t->carrier, t);
	t->in_park = true;
	if (!t->permit)
		r = shim->park(t->flow, deadline, why);
	t->in_park = t->permit = false;
	if (r == -ECANCELED && task_raise_due(t) < 0)
		return -1;
	if (r == -EINTR && PyErr_CheckSignals() < 0)
		return -1;
	return r != -ETIMEDOUT;
}

/* --- Its life */

static void wake_waiters(Task *t)
{
	PyObject *waiters = t->waiters;

	t->waiters = NULL;
	for (Py_ssize_t i = 0; waiters && i < PyList_Size(waiters); i++) {
		Task *w = (Task *)PyList_GetItem(waiters, i);

		task_unpark(w);
	}
	Py_XDECREF(waiters);
}

static bool ends_silently(Task *t)
{
	PyObject *silent = PyObject_GetAttrString((PyObject *)t, "silent");
	int is = silent ? PyErr_GivenExceptionMatches((PyObject *)Py_TYPE(t->exception), silent) : 0;

	PyErr_Clear();
	Py_XDECREF(silent);
	return is;
}

static void show(PyObject *exc)
{
	PyObject *hook = PySys_GetObject("excepthook"), *traceback = PyException_GetTraceback(exc), *r;

	r = hook ? PyObject_CallFunctionObjArgs(hook, Py_TYPE(exc), exc, traceback ? traceback : Py_None, NULL)
		 : NULL;
	if (!r)
		PyErr_WriteUnraisable(hook);
	Py_XDECREF(r);
	Py_XDECREF(traceback);
}

static void call_with_task(PyObject *fn, Task *t)
{
	PyObject *r = PyObject_CallFunctionObjArgs(fn, t, NULL);

	if (!r)
		PyErr_WriteUnraisable(fn);
	Py_XDECREF(r);
}

static void tell_end(Task *t)
{
	if (t->exception && !ends_silently(t)) {
		if (t->on_uncaught)
			call_with_task(t->on_uncaught, t);
		else
			show(t->exception);
	}
	if (t->waiters)
		wake_waiters(t);
	if (t->on_end)
		call_with_task(t->on_end, t);
}

/* result: stolen; NULL: the error that is set. */
static void finish(Task *t, PyObject *result)
{
	t->ended = true;
	task_let_go(t);
	if (t->greenlet)
		carrier_found(t->carrier, t);
	if (result)
		t->result = result;
	else
		t->exception = task_raised();
	Py_CLEAR(t->fn);
	Py_CLEAR(t->args);
	Py_CLEAR(t->kwargs);
	Py_CLEAR(t->context);
	t->limit = NEVER;
	if (t->flow)
		shim->set_limit(t->flow, NEVER);
	tell_end(t);
	/* Nothing waits from here on. */
	if (t->flow)
		shim->flow_free(t->flow);
	t->flow = NULL;
	if (t->greenlet)
		leave(t);
	Py_CLEAR(t->greenlet);
	Py_CLEAR(t->thrown);
}

void task_end_unbegun(Task *t)
{
	t->begun = true;
	finish(t, NULL);
	Py_DECREF(t); /* start() */
}

/* It ends by a driver's error that stands for something else. */
static void raise_delivered(Task *t)
{
	PyObject *type, *value, *traceback, *due;

	PyErr_Fetch(&type, &value, &traceback);
	due = task_take_delivered(t);
	if (!due) {
		PyErr_Clear();
		PyErr_Restore(type, value, traceback);
		return;
	}
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback)
		PyException_SetTraceback(value, traceback);
	PyException_SetCause(due, value);
	PyErr_Restore((Py_INCREF(Py_TYPE(due)), (PyObject *)Py_TYPE(due)), due, traceback);
	Py_XDECREF(type);
}

static PyObject *run(PyObject *self, PyObject *unused)
{
	Task *t = (Task *)self;
	PyObject *context = t->context, *r = NULL, *type, *value, *traceback;

	(void)unused;
	Py_XINCREF(context);
	if (!context || names.context_enter(context) == 0) {
		r = PyObject_Call(t->fn, t->args, t->kwargs);
		if (!r)
			raise_delivered(t);
		PyErr_Fetch(&type, &value, &traceback);
		if (context && names.context_exit(context) < 0)
			PyErr_Clear();
		PyErr_Restore(type, value, traceback);
	}
	Py_XDECREF(context);
	finish(t, r);
	Py_DECREF(t); /* start(); the caller has another reference */
	Py_RETURN_NONE;
}

static PyMethodDef run_def = { "run", run, METH_NOARGS, NULL };

int task_begin(Task *t, PyObject *parent)
{
	PyObject *f = PyCFunction_New(&run_def, (PyObject *)t);

	t->begun = true;
	t->greenlet = f ? greenlets.new(f, parent) : NULL;
	Py_XDECREF(f);
	return t->greenlet && enter(t) == 0 ? 0 : -1;
}
