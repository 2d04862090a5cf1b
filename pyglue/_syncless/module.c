/* SPDX-License-Identifier: Apache-2.0
 *
 * The module _syncless: Task, and the functions of the running one.  syncless/_glue.py loads it and adds what
 * is simpler to say in Python; users see neither.
 */
#include <math.h>
#include "glue_py.h"

static Task *current_task(void)
{
	Carrier *c = carrier_mine();

	return c ? carrier_current(c) : NULL;
}

static PyObject *new_reference(Task *t)
{
	Py_XINCREF(t);
	return (PyObject *)t;
}

static PyObject *current(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return new_reference(current_task());
}

static PyObject *main_task(PyObject *self, PyObject *unused)
{
	Carrier *c = carrier_mine();
	PyObject *g = c ? PyObject_GetAttrString(c->birthplace, "parent") : NULL;
	Task *t = g ? task_of(g) : NULL;

	(void)self, (void)unused;
	if (g && !t && (t = task_adopt(c, g)) && carrier_current(c) == t)
		shim->landed(t->flow);
	Py_XDECREF(g);
	return new_reference(t);
}

static PyObject *schedule(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return task_schedule();
}

static PyObject *park(PyObject *self, PyObject *args)
{
	PyObject *o = NULL;
	int64_t deadline;
	Task *me;
	int r;

	(void)self;
	if (!PyArg_ParseTuple(args, "|O:park", &o) || task_deadline(o, &deadline) < 0)
		return NULL;
	me = current_task();
	if (!me)
		return NULL;
	r = task_park(me, deadline, "park");
	return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *sleep_for(PyObject *self, PyObject *arg)
{
	double seconds = PyFloat_AsDouble(arg);
	int64_t deadline;
	Task *me;
	int r = 1;

	(void)self;
	if (seconds == -1 && PyErr_Occurred())
		return NULL;
	if (isnan(seconds))
		return PyErr_Format(PyExc_ValueError, "sleep() wants a number of seconds, not NaN"), NULL;
	if (seconds <= 0)
		return task_schedule();
	me = current_task();
	if (!me)
		return NULL;
	deadline = seconds > 9e9 ? NEVER : task_now() + (int64_t)(seconds * 1e9);
	while (r > 0)
		r = task_park(me, deadline, "sleep");
	if (r < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *ready_tasks(PyObject *self, PyObject *unused)
{
	Carrier *c = carrier_mine();
	PyObject *list = c ? PyList_New(0) : NULL;

	(void)self, (void)unused;
	for (struct flow *f = list ? shim->ready_first(c->shims) : NULL; f; f = shim->ready_after(f))
		if (PyList_Append(list, shim->flow_data(f)) < 0) {
			Py_DECREF(list);
			return NULL;
		}
	return list;
}

static PyObject *ready_count(PyObject *self, PyObject *unused)
{
	Carrier *c = carrier_mine();

	(void)self, (void)unused;
	return c ? PyLong_FromLong(shim->ready_count(c->shims)) : NULL;
}

static PyObject *keep(PyObject **where, PyObject *o)
{
	Py_INCREF(o);
	set_ref(where, o);
	Py_RETURN_NONE;
}

static PyObject *set_expired(PyObject *self, PyObject *fn)
{
	(void)self;
	return keep(&expired_hook, fn);
}

static PyObject *set_interrupt(PyObject *self, PyObject *type)
{
	(void)self;
	return keep(&interrupt_class, type);
}

static PyObject *set_hub_hooks(PyObject *self, PyObject *args)
{
	PyObject *find, *hold;

	(void)self;
	if (!PyArg_ParseTuple(args, "OO", &find, &hold))
		return NULL;
	Py_DECREF(keep(&find_hub_hook, find));
	return keep(&hold_hub_hook, hold);
}

/* Of interrupt_class. */
static PyObject *raise_due(PyObject *self, PyObject *unused)
{
	Task *me = current_task();

	(void)self, (void)unused;
	if (!me || task_raise_due(me) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *hear(PyObject *self, PyObject *unused)
{
	Task *me;

	(void)self, (void)unused;
	if (!shim)
		Py_RETURN_NONE;
	shim->pose_as_main(false);
	me = current_task();
	if (!me || task_hear(me) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* Has the interpreter call hear(); only its main thread may say so, for which a green one poses meanwhile. */
static PyObject *listen(PyObject *self, PyObject *unused)
{
	PyObject *me = current(self, unused); /* the process has a host now, so the shim sees the handler */
	PyObject *module = me ? PyImport_ImportModule("_signal") : NULL;
	PyObject *handler = module ? PyObject_GetAttrString(self, "hear") : NULL, *r = NULL;

	if (handler) {
		shim->pose_as_main(true);
		r = PyObject_CallMethod(module, "signal", "iO", GLUE_SIGNAL, handler);
		shim->pose_as_main(false);
	}
	Py_XDECREF(handler);
	Py_XDECREF(module);
	Py_XDECREF(me);
	return r;
}

static PyObject *verify(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	if (!shim_is_here())
		return NULL;
	if (shim->verify() < 0)
		return PyErr_Format(PyExc_AssertionError,
				    "an invariant of the scheduler does not hold, see stderr"),
		       NULL;
	Py_RETURN_NONE;
}

static PyObject *is_preloaded(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return PyBool_FromLong(shim != NULL);
}

static PyMethodDef functions[] = {
	{ "current", current, METH_NOARGS, "The task of the running greenlet." },
	{ "main", main_task, METH_NOARGS, "The task of the thread's main greenlet." },
	{ "schedule", schedule, METH_NOARGS, "The others that are ready run first." },
	{ "park", park, METH_VARARGS,
	  "Waits for unpark(), until a time.monotonic_ns() at most; False: that has come." },
	{ "sleep", sleep_for, METH_O, "Waits for so many seconds; 0: lets the others run." },
	{ "ready_tasks", ready_tasks, METH_NOARGS, "The run queue of the thread, without the running task." },
	{ "ready_count", ready_count, METH_NOARGS, "Its length." },
	{ "set_expired", set_expired, METH_O,
	  "fn(task): the exception that is due when a task's limit has passed." },
	{ "set_hub_hooks", set_hub_hooks, METH_VARARGS,
	  "fn(): the thread's hub, or None.  fn(hub): keeps it from its end; returns fn() that undoes that." },
	{ "set_interrupt", set_interrupt, METH_O, "The exception class whose making raises what is due." },
	{ "raise_due", raise_due, METH_NOARGS, "Raises what is due for the running task." },
	{ "hear", hear, METH_VARARGS, "The handler of the signal by which CPython's calls raise what is due." },
	{ "listen", listen, METH_NOARGS,
	  "Makes hear() the handler of that signal; in main or in a green thread." },
	{ "verify", verify, METH_NOARGS, "Checks the invariants of the scheduler." },
	{ "is_preloaded", is_preloaded, METH_NOARGS, "Is libsyncless.so in this process, and switched on?" },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	"_syncless",
	"The scheduler of Syncless and greenlets.",
	-1,
	functions,
	NULL,
	NULL,
	NULL,
	NULL,
};

PyMODINIT_FUNC PyInit__syncless(void);
PyMODINIT_FUNC PyInit__syncless(void)
{
	PyObject *module;

	if (names_find() < 0)
		return NULL;
	module = PyModule_Create(&definition);
	if (!module || task_init(module) < 0 || block_init(module) < 0 || carrier_init(module) < 0) {
		Py_XDECREF(module);
		return NULL;
	}
	return module;
}
