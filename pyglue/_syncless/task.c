/* SPDX-License-Identifier: Apache-2.0
 *
 * Task: a greenlet that the scheduler knows.
 *
 * One that start() was called of refers to itself until it has ended, like a running thread.  Its greenlet is made when it
 * begins.  Greenlets that others have made get a task when they first wait in a thread that has tasks, for as long as they
 * live.  `by_greenlet` has both.
 *
 * thrown is written with the GIL, by any thread.  All else of a task belongs to its own thread.
 */
#include "glue_py.h"
#include <errno.h>
#include <structmember.h>
#include <time.h>

PyTypeObject *task_type;
PyObject *expired_hook, *interrupt_class;

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
	t->flow = shim->flow_new(c->shims, t, false);
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

Task *task_adopt(Carrier *c, PyObject *greenlet)
{
	Task *t = new_task();

	if (!t)
		return NULL;
	t->foreign = t->started = t->begun = true;
	t->greenlet = greenlet;
	Py_INCREF(c);
	t->carrier = c;
	t->flow = shim->flow_new(c->shims, t, is_main_greenlet(greenlet));
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
	if (t->carrier && t->carrier->interrupted) {
		t->carrier->interrupted = false;
		PyThreadState_SetAsyncExc(t->carrier->ident, NULL);
	}
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

/* The interpreter's own calls look for signals when they have failed for the first time.  Later it is not in one, it runs
 * the program again: a driver's error is on its way.  That shall not be cut short; what is due waits for the next
 * call, the end of a block or of the task.  A program that tries again gets it here the second time. */
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

	r = hook ? PyObject_CallFunctionObjArgs(hook, Py_TYPE(exc), exc, traceback ? traceback : Py_None, NULL) : NULL;
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

static void keep_exception(Task *t)
{
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	PyErr_NormalizeException(&type, &value, &traceback);
	if (traceback)
		PyException_SetTraceback(value, traceback);
	Py_XDECREF(type);
	Py_XDECREF(traceback);
	t->exception = value;
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
	if (t->greenlet)
		carrier_found(t->carrier, t);
	if (result)
		t->result = result;
	else
		keep_exception(t);
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

/* --- Methods */

static PyObject *task_start(PyObject *self, PyObject *unused)
{
	Task *t = (Task *)self;
	Carrier *c;

	(void)unused;
	if (t->started)
		return PyErr_Format(PyExc_RuntimeError, "the task has been started before"), NULL;
	if (!t->fn || !PyCallable_Check(t->fn))
		return PyErr_Format(PyExc_TypeError, "the task's fn must be callable, not %R", t->fn ? t->fn : Py_None), NULL;
	c = carrier_mine();
	if (!c)
		return NULL;
	if (!t->args && !(t->args = PyTuple_New(0)))
		return NULL;
	t->context = names.context_copy_current();
	t->flow = t->context ? shim->flow_new(c->shims, t, false) : NULL;
	if (!t->flow)
		return t->context ? PyErr_NoMemory() : NULL;
	Py_INCREF(c);
	t->carrier = c;
	if (t->limit != NEVER)
		shim->set_limit(t->flow, t->limit);
	t->started = true;
	Py_INCREF(t);
	shim->ready(t->flow);
	Py_INCREF(t);
	return self;
}

static bool runs_now(const Task *t)
{
	Carrier *c = t->started && !t->ended ? carrier_mine() : NULL;

	if (!c)
		PyErr_Clear();
	return c && c == t->carrier && carrier_current(c) == t;
}

static bool is_of_this_thread(const Task *t)
{
	Carrier *c = shim ? carrier_mine() : NULL;

	if (!c)
		PyErr_Clear();
	return c && c == t->carrier;
}

static PyObject *exception_from(PyObject *o)
{
	if (PyExceptionInstance_Check(o)) {
		Py_INCREF(o);
		return o;
	}
	if (PyExceptionClass_Check(o))
		return PyObject_CallFunctionObjArgs(o, NULL);
	return PyErr_Format(PyExc_TypeError, "throw() wants an exception, not %R", o), NULL;
}

static PyObject *task_throw(PyObject *self, PyObject *arg)
{
	Task *t = (Task *)self;
	PyObject *exc = exception_from(arg);

	if (!exc)
		return NULL;
	if (t->ended) {
		Py_DECREF(exc);
		Py_RETURN_NONE;
	}
	if (runs_now(t)) {
		PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
		Py_DECREF(exc);
		return NULL;
	}
	if (!t->started || (!t->begun && is_of_this_thread(t))) {
		bool was_started = t->started;

		if (t->flow)
			shim->unready(t->flow);
		PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
		Py_DECREF(exc);
		t->started = true;
		if (!was_started)
			Py_INCREF(t);
		task_end_unbegun(t);
		Py_RETURN_NONE;
	}
	set_ref(&t->thrown, exc);
	shim->set_due(t->flow, true);
	Py_RETURN_NONE;
}

static PyObject *task_unpark_method(PyObject *self, PyObject *unused)
{
	(void)unused;
	if (!((Task *)self)->ended)
		task_unpark((Task *)self);
	Py_RETURN_NONE;
}

static bool may_be_queued(const Task *t)
{
	if (!t->flow)
		PyErr_SetString(PyExc_RuntimeError, t->ended ? "the task has ended" : "the task has not been started");
	else if (!is_of_this_thread(t))
		PyErr_SetString(PyExc_RuntimeError, "the task belongs to another thread");
	else
		return true;
	return false;
}

static PyObject *task_insert(PyObject *self, PyObject *unused)
{
	Task *t = (Task *)self;

	(void)unused;
	if (!may_be_queued(t))
		return NULL;
	if (!runs_now(t))
		shim->ready(t->flow);
	Py_RETURN_NONE;
}

static PyObject *task_insert_next(PyObject *self, PyObject *unused)
{
	Task *t = (Task *)self;

	(void)unused;
	if (!may_be_queued(t))
		return NULL;
	if (!runs_now(t))
		shim->ready_next(t->flow);
	Py_RETURN_NONE;
}

static PyObject *task_remove(PyObject *self, PyObject *unused)
{
	Task *t = (Task *)self;

	(void)unused;
	if (!may_be_queued(t))
		return NULL;
	if (runs_now(t))
		return PyErr_Format(PyExc_RuntimeError, "the running task cannot be taken out of the run queue"), NULL;
	shim->unready(t->flow);
	Py_RETURN_NONE;
}

static PyObject *task_set_limit(PyObject *self, PyObject *arg)
{
	Task *t = (Task *)self;

	if (task_deadline(arg, &t->limit) < 0)
		return NULL;
	if (t->flow)
		shim->set_limit(t->flow, t->limit);
	if (t->told && !task_is_due(t))
		t->told = false;
	Py_RETURN_NONE;
}

static int await_end(Task *t, Task *me, int64_t deadline)
{
	int r = 1;

	if (!t->waiters && !(t->waiters = PyList_New(0)))
		return -1;
	if (PyList_Append(t->waiters, (PyObject *)me) < 0)
		return -1;
	while (!t->ended && r > 0)
		r = task_park(me, deadline, "join");
	for (Py_ssize_t i = 0; t->waiters && i < PyList_Size(t->waiters); i++)
		if (PyList_GetItem(t->waiters, i) == (PyObject *)me) {
			PyObject *type, *value, *traceback;

			PyErr_Fetch(&type, &value, &traceback);
			PySequence_DelItem(t->waiters, i);
			PyErr_Restore(type, value, traceback);
			break;
		}
	return t->ended && r >= 0 ? 1 : r;
}

static PyObject *task_join(PyObject *self, PyObject *args)
{
	Task *t = (Task *)self, *me;
	PyObject *o = NULL;
	int64_t deadline;
	Carrier *c;
	int r;

	if (!PyArg_ParseTuple(args, "|O:join", &o) || task_deadline(o, &deadline) < 0)
		return NULL;
	if (t->ended)
		Py_RETURN_TRUE;
	c = carrier_mine();
	me = c ? carrier_current(c) : NULL;
	if (!me)
		return NULL;
	if (me == t)
		return PyErr_Format(PyExc_RuntimeError, "a task cannot wait for its own end"), NULL;
	Py_INCREF(me);
	r = await_end(t, me, deadline);
	Py_DECREF(me);
	return r < 0 ? NULL : PyBool_FromLong(r);
}

PyObject *task_schedule(void)
{
	Carrier *c = carrier_mine();
	Task *me = c ? carrier_current(c) : NULL;

	if (!me)
		return NULL;
	shim->yield(me->flow);
	if ((me->thrown || me->limit != NEVER) && task_is_due(me) && task_raise_due(me) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* --- Attributes */

static PyObject *get_alive(PyObject *self, void *closure)
{
	(void)closure;
	return PyBool_FromLong(((Task *)self)->started && !((Task *)self)->ended);
}

static PyObject *get_is_ready(PyObject *self, void *closure)
{
	const Task *t = (Task *)self;

	(void)closure;
	return PyBool_FromLong(t->flow && shim->is_ready(t->flow));
}

static PyObject *get_timeouts(PyObject *self, void *closure)
{
	Task *t = (Task *)self;

	(void)closure;
	if (!t->timeouts && !(t->timeouts = PyList_New(0)))
		return NULL;
	Py_INCREF(t->timeouts);
	return t->timeouts;
}

static PyGetSetDef getset[] = {
	{ "alive", get_alive, NULL, "Started and not ended.", NULL },
	{ "is_ready", get_is_ready, NULL, "In the run queue.", NULL },
	{ "timeouts", get_timeouts, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

#define FIELD(name) offsetof(Task, name)
static PyMemberDef members[] = {
	{ "fn", T_OBJECT, FIELD(fn), 0, "What it calls." },
	{ "args", T_OBJECT, FIELD(args), 0, NULL },
	{ "kwargs", T_OBJECT, FIELD(kwargs), 0, NULL },
	{ "result", T_OBJECT, FIELD(result), READONLY, "What fn returned; None till then." },
	{ "exception", T_OBJECT, FIELD(exception), READONLY, "The exception that ended it, or None." },
	{ "on_end", T_OBJECT, FIELD(on_end), 0, NULL },
	{ "on_uncaught", T_OBJECT, FIELD(on_uncaught), 0, NULL },
	{ "greenlet", T_OBJECT, FIELD(greenlet), READONLY, "Its greenlet; None: it has not begun, or has ended." },
	{ "started", T_BOOL, FIELD(started), READONLY, NULL },
	{ "begun", T_BOOL, FIELD(begun), READONLY, NULL },
	{ "ended", T_BOOL, FIELD(ended), READONLY, NULL },
	{ "__dictoffset__", T_PYSSIZET, FIELD(dict), READONLY, NULL },
	{ "__weaklistoffset__", T_PYSSIZET, FIELD(weakrefs), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyMethodDef methods[] = {
	{ "start", task_start, METH_NOARGS, "Puts it into the run queue of the calling thread; returns it." },
	{ "throw", task_throw, METH_O, "Raises an exception in it, where it waits." },
	{ "unpark", task_unpark_method, METH_NOARGS, "Ends its park()." },
	{ "insert", task_insert, METH_NOARGS, "To the end of the run queue." },
	{ "insert_next", task_insert_next, METH_NOARGS, "To the head of the run queue." },
	{ "remove", task_remove, METH_NOARGS, "Out of the run queue; it is parked." },
	{ "set_limit", task_set_limit, METH_O, "No wait of it goes on beyond that time.monotonic_ns(); None: no limit." },
	{ "join", task_join, METH_VARARGS, "Waits for its end, until a time.monotonic_ns() at most; has it come?" },
	{ NULL, NULL, 0, NULL },
};

static int task_set_up(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = { "fn", "args", "kwargs", NULL };
	PyObject *fn = NULL, *positional = NULL, *named = NULL;
	Task *t = (Task *)self;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO!O:Task", words, &fn, &PyTuple_Type, &positional, &named))
		return -1;
	if (named == Py_None)
		named = NULL;
	Py_XINCREF(fn);
	Py_XINCREF(positional);
	Py_XINCREF(named);
	set_ref(&t->fn, fn);
	set_ref(&t->args, positional);
	set_ref(&t->kwargs, named);
	return 0;
}

static PyObject *task_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	Task *t = (Task *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);

	(void)args, (void)kwargs;
	if (t)
		t->limit = NEVER;
	return (PyObject *)t;
}

static int task_traverse(PyObject *self, visitproc visit, void *arg)
{
	Task *t = (Task *)self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(t->dict);
	Py_VISIT(t->fn);
	Py_VISIT(t->args);
	Py_VISIT(t->kwargs);
	Py_VISIT(t->context);
	Py_VISIT(t->result);
	Py_VISIT(t->exception);
	Py_VISIT(t->on_end);
	Py_VISIT(t->on_uncaught);
	Py_VISIT(t->timeouts);
	Py_VISIT(t->waiters);
	Py_VISIT(t->thrown);
	Py_VISIT(t->carrier);
	if (!t->foreign)
		Py_VISIT(t->greenlet);
	return 0;
}

static int task_clear(PyObject *self)
{
	Task *t = (Task *)self;

	Py_CLEAR(t->dict);
	Py_CLEAR(t->fn);
	Py_CLEAR(t->args);
	Py_CLEAR(t->kwargs);
	Py_CLEAR(t->context);
	Py_CLEAR(t->result);
	Py_CLEAR(t->exception);
	Py_CLEAR(t->on_end);
	Py_CLEAR(t->on_uncaught);
	Py_CLEAR(t->timeouts);
	Py_CLEAR(t->waiters);
	Py_CLEAR(t->thrown);
	return 0;
}

static void task_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	Task *t = (Task *)self;

	PyObject_GC_UnTrack(self);
	if (t->weakrefs)
		PyObject_ClearWeakRefs(self);
	if (t->flow)
		shim->flow_free(t->flow);
	task_clear(self);
	Py_CLEAR(t->watch);
	Py_CLEAR(t->resumer);
	if (!t->foreign)
		Py_CLEAR(t->greenlet);
	Py_CLEAR(t->carrier);
	((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
	Py_DECREF(type);
}

static PyType_Slot slots[] = {
	{ Py_tp_new, task_new },
	{ Py_tp_init, task_set_up },
	{ Py_tp_dealloc, task_dealloc },
	{ Py_tp_traverse, task_traverse },
	{ Py_tp_clear, task_clear },
	{ Py_tp_methods, methods },
	{ Py_tp_members, members },
	{ Py_tp_getset, getset },
	{ Py_tp_doc, "A greenlet that the scheduler knows: what waits, and is resumed." },
	{ 0, NULL },
};
static PyType_Spec spec = {
	.name = "_syncless.Task",
	.basicsize = sizeof(Task),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
	.slots = slots,
};

int task_init(PyObject *module)
{
	PyObject *silent;

	by_greenlet = PyDict_New();
	task_type = (PyTypeObject *)PyType_FromSpec(&spec);
	silent = PyTuple_Pack(1, greenlets.exit);
	if (!by_greenlet || !task_type || !silent ||
	    PyObject_SetAttrString((PyObject *)task_type, "silent", silent) < 0)
		return -1;
	Py_DECREF(silent);
	Py_INCREF(task_type);
	return PyModule_AddObject(module, "Task", (PyObject *)task_type);
}
