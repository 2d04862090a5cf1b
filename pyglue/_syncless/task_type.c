/* SPDX-License-Identifier: Apache-2.0
 *
 * Task as Python sees it: methods, attributes, and the type.  What they do to its life is in task.c.
 */
#include "glue_py.h"
#include <structmember.h>

PyTypeObject *task_type;

static PyObject *task_start(PyObject *self, PyObject *unused)
{
	Task *t = (Task *)self;
	Carrier *c;

	(void)unused;
	if (t->started)
		return PyErr_Format(PyExc_RuntimeError, "the task has been started before"), NULL;
	if (!t->fn || !PyCallable_Check(t->fn))
		return PyErr_Format(PyExc_TypeError, "the task's fn must be callable, not %R",
				    t->fn ? t->fn : Py_None),
		       NULL;
	c = carrier_mine();
	if (!c)
		return NULL;
	if (!t->args && !(t->args = PyTuple_New(0)))
		return NULL;
	t->context = names.context_copy_current();
	t->flow = t->context ? shim->flow_new(c->shims, t, FLOW_OWN) : NULL;
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
		PyErr_SetString(PyExc_RuntimeError,
				t->ended ? "the task has ended" : "the task has not been started");
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
		return PyErr_Format(PyExc_RuntimeError,
				    "the running task cannot be taken out of the run queue"),
		       NULL;
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
	carrier_let_hub_go_on(me->carrier, me);
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
	{ "greenlet", T_OBJECT, FIELD(greenlet), READONLY,
	  "Its greenlet; None: it has not begun, or has ended." },
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
	{ "set_limit", task_set_limit, METH_O,
	  "No wait of it goes on beyond that time.monotonic_ns(); None: no limit." },
	{ "join", task_join, METH_VARARGS,
	  "Waits for its end, until a time.monotonic_ns() at most; has it come?" },
	{ NULL, NULL, 0, NULL },
};

static int task_set_up(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = { "fn", "args", "kwargs", NULL };
	PyObject *fn = NULL, *positional = NULL, *named = NULL;
	Task *t = (Task *)self;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO!O:Task", words, &fn, &PyTuple_Type, &positional,
					 &named))
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
	Py_CLEAR(t->hold);
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

	task_type = (PyTypeObject *)PyType_FromSpec(&spec);
	silent = PyTuple_Pack(1, greenlets.exit);
	if (task_registry_init() < 0 || !task_type || !silent ||
	    PyObject_SetAttrString((PyObject *)task_type, "silent", silent) < 0)
		return -1;
	Py_DECREF(silent);
	Py_INCREF(task_type);
	return PyModule_AddObject(module, "Task", (PyObject *)task_type);
}
