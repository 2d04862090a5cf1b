/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that has tasks.  Here is all that this module does with the GIL and with switches between greenlets;
 * when, is the shim's business (shim/core/greenlet.c).
 *
 * A greenlet begins on the stack of whoever switches to it first, above all that this one has there.  If a task
 * began from the depth of another one's call, and a third from that one's, the stack and the interpreter's
 * count of recursions would grow with each.  So all of them begin from one greenlet, the birthplace, which has
 * no frames to speak of; it is also their parent, so each end leads back to it, and it goes on with whoever is
 * next.  It never waits itself.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "glue_py.h"

unsigned carrier_generation;

static PyTypeObject *carrier_type;

/* --- Hooks */

static bool hook_has_gil(void)
{
	PyThreadState *mine = PyGILState_GetThisThreadState();

	return mine && names.thread_state_unchecked() == mine;
}

static void hook_take_gil(void *carrier)
{
	PyEval_RestoreThread(((Carrier *)carrier)->state);
}

static void hook_drop_gil(void *carrier)
{
	(void)carrier;
	PyEval_SaveThread();
}

static void set_current(Carrier *c, Task *t)
{
	Task *old = c->current;

	if (old == t)
		return;
	Py_XINCREF(t);
	c->current = t;
	if (t && t->hold)
		task_let_go(t);
	Py_XDECREF(old);
}

void carrier_found(Carrier *c, Task *t)
{
	if (c->current == t)
		return;
	if (c->current && c->current->hold && !shim->is_waiting(c->current->flow))
		task_let_go(c->current);
	Py_XINCREF(c->current);
	set_ref((PyObject **)&t->resumer, (PyObject *)c->current);
	set_current(c, t);
}

/* --- Hubs
 *
 * gevent and eventlet have a greenlet in each thread that runs a loop and resumes others, who switch back to it
 * when they wait in its manner.  Under us they may wait in ours as well: in a driver, in a call of coio.  The hub has
 * others to run meanwhile, and wants nothing that its switch returns; so it is made ready as if they had switched
 * back, and their own turn comes when what they wait for has.
 *
 * gevent's hub ends when nothing waits by it, and tells main so.  It does not know of those that wait by us:
 * they have a hold on it.
 */

static bool is_imported(PyObject *modules, const char *name)
{
	return PyDict_GetItemString(modules, name) != NULL;
}

/* Has either library been imported?  In most programs neither has, and each wait asks: they are looked for when
 * the number of modules has changed. */
static bool may_have_hub(void)
{
	static Py_ssize_t count;
	static bool may;
	PyObject *modules = PyImport_GetModuleDict(); /* borrowed */

	if (modules && PyDict_Size(modules) != count) {
		count = PyDict_Size(modules);
		may = is_imported(modules, "gevent") || is_imported(modules, "eventlet");
	}
	return may && find_hub_hook;
}

static bool is_stale(const Task *t)
{
	return t->ended || shim->flow_is_stale(t->flow);
}

/* It may have resumed t before it has ever waited, in this process; then it is unknown. */
static void look_for_hub(Carrier *c, Task *t)
{
	PyObject *g = PyObject_CallFunctionObjArgs(find_hub_hook, NULL);
	Task *hub = g && g != Py_None ? task_of(g) : NULL;
	bool is_new = false;

	if (hub && is_stale(hub))
		is_new = task_renew_flow(hub, c) == 0;
	else if (!hub && g && g != Py_None)
		is_new = (hub = task_adopt(c, g)) != NULL;
	if (is_new) {
		shim->landed(hub->flow); /* and has left for t */
		shim->landed(t->flow);
	}
	if (PyErr_Occurred())
		task_hook_failed(t, find_hub_hook);
	Py_XINCREF(hub);
	set_ref((PyObject **)&c->hub, (PyObject *)hub);
	Py_XDECREF(g);
}

static bool has_left(const Task *t)
{
	return t && !t->ended && t->greenlet && !shim->is_waiting(t->flow);
}

void carrier_let_hub_go_on(Carrier *c, Task *t)
{
	task_let_go(t);
	if ((!c->hub || is_stale(c->hub)) && may_have_hub())
		look_for_hub(c, t);
	if (c->hub == t || !has_left(c->hub))
		return;
	shim->left(c->hub->flow);
	t->hold = PyObject_CallFunctionObjArgs(hold_hub_hook, c->hub->greenlet, NULL);
	if (!t->hold)
		task_hook_failed(t, hold_hub_hook);
	if (t->hold == Py_None)
		Py_CLEAR(t->hold);
}

/* The exception that is set is what gevent's hub tells main when nothing waits by it. */
static bool is_loop_exit(void)
{
	PyObject *type, *value, *traceback, *name;
	bool is;

	PyErr_Fetch(&type, &value, &traceback);
	name = PyObject_GetAttrString(type, "__name__");
	is = name && PyUnicode_CompareWithASCIIString(name, "LoopExit") == 0;
	Py_XDECREF(name);
	PyErr_Restore(type, value, traceback);
	return is;
}

static struct flow *hook_current(void *carrier)
{
	PyObject *type, *value, *traceback;
	Carrier *c = carrier;
	Task *t;

	PyErr_Fetch(&type, &value, &traceback);
	t = carrier_current(c);
	if (t)
		carrier_let_hub_go_on(c, t);
	PyErr_Restore(type, value, traceback); /* or forgets ours: then the thread waits */
	return t ? t->flow : NULL;
}

/* What somebody has raised in a task that waits is due for it from now on. */
static void note_thrown(Task *t)
{
	set_ref(&t->thrown, task_raised());
	shim->set_due(t->flow, true);
}

static bool hook_switch_to(void *carrier, void *from_data, void *to_data)
{
	Carrier *c = carrier;
	Task *from = from_data, *to = to_data;
	PyObject *type, *value, *traceback, *r, *target, *mine = from->greenlet;

	PyErr_Fetch(&type, &value, &traceback);
	Py_INCREF(from);
	Py_INCREF(mine);
	if (to->greenlet) {
		set_current(c, to);
		target = to->greenlet;
	} else {
		c->begins = to;
		target = c->birthplace;
	}
	r = greenlets.switch_to(target, NULL, NULL);
	carrier_found(c, from);
	if (!r && is_loop_exit()) { /* no news to somebody who waits by us */
		PyErr_Clear();
		r = (Py_INCREF(Py_None), Py_None);
	}
	if (!r)
		note_thrown(from);
	Py_XDECREF(r);
	Py_DECREF(mine);
	Py_DECREF(from);
	PyErr_Restore(type, value, traceback);
	return r != NULL;
}

/* Between bytecodes only the main thread hears signals (for sure from 3.13 on), so others are told in this way
 * that a driver has been ended early: what task_hear() would do. */
static void interrupt(Carrier *c, Task *t, bool may_run_its_course)
{
	bool had_gil = hook_has_gil();

	if (!had_gil)
		hook_take_gil(c);
	if (may_run_its_course && !t->told) {
		t->told = true;
		shim->forget_deliveries(t->flow);
	} else {
		c->has_interrupt = true;
		PyThreadState_SetAsyncExc(c->ident, interrupt_class);
	}
	if (!had_gil)
		hook_drop_gil(c);
}

/* By a signal that only CPython hears: it makes its own calls raise what is due.  Drivers in C try again after
 * EINTR: in the end they are told ECANCELED, and return an error of theirs.  That comes first, and runs through
 * what except and finally it meets; task_hear() sees to it that what is due is raised later. */
static int hook_deliver(void *carrier, void *task, int nth)
{
	Carrier *c = carrier;
	void (*handler)(int) = shim->signal_handler();

	if (!task_is_due(task))
		return 0;
	if (handler) {
		if (!c->is_main)
			shim->pose_as_main(true);
		handler(GLUE_SIGNAL);
		if (nth % GLUE_DELIVERIES)
			return EINTR;
	}
	if (!handler || !c->is_main)
		interrupt(c, task, handler != NULL);
	return ECANCELED;
}

static const struct glue_hooks hooks = {
	.has_gil = hook_has_gil,
	.take_gil = hook_take_gil,
	.drop_gil = hook_drop_gil,
	.current = hook_current,
	.switch_to = hook_switch_to,
	.deliver = hook_deliver,
};

/* --- The birthplace */

/* What a greenlet of others has raised in its parent, which is the birthplace since a task has made it.
 * gevent's hub does so whenever nothing of gevent waits, and lives on: tasks of ours may still have something
 * to do for it. */
static void show_stray(void)
{
	if (is_loop_exit())
		PyErr_Clear();
	else
		PyErr_WriteUnraisable(NULL);
}

/* A task that was resumed by others than the scheduler has ended, and who did that would never run again.
 * gevent's hub resumes several without a wait in between that would show it, so `resumer` may be one of these:
 * it must not be woken.
 *
 * It has its turn like others: a hub that comes first may find that it has nothing to wait for, and tell the
 * main greenlet so, which is ready. */
static Task *resumer_of(const Carrier *c, const Task *t)
{
	Task *resumer;

	if (!t || !t->ended || !t->resumer)
		return NULL;
	resumer = c->hub && !c->hub->ended ? c->hub : t->resumer;
	return has_left(resumer) ? resumer : NULL;
}

/* self: a capsule of the carrier, not the carrier, which ends this greenlet when it ends. */
static PyObject *live(PyObject *self, PyObject *unused)
{
	Carrier *c = PyCapsule_GetPointer(self, NULL);
	unsigned born = carrier_generation;

	(void)unused;
	for (;;) {
		Task *t, *resumer;
		PyObject *r;

		/* A task that has forked ends in the child: the last of a process that was its alone. */
		if (born != carrier_generation)
			Py_Exit(0);
		t = c->begins;
		resumer = resumer_of(c, c->current);
		c->begins = NULL;
		if (resumer)
			shim->left(resumer->flow);
		if (!t) {
			set_current(c, NULL); /* it has ended: it shall not outlive a wait of all others */
			t = shim->flow_data(shim->next(c->shims));
		}
		if (!t->greenlet && (t->thrown ? task_raise_due(t) : task_begin(t, c->birthplace)) < 0) {
			task_end_unbegun(t);
			continue;
		}
		set_current(c, t);
		r = greenlets.switch_to(t->greenlet, NULL, NULL);
		/* The thread ends, and the carrier is no more. */
		if (!r && PyErr_ExceptionMatches(greenlets.exit)) {
			PyErr_Clear();
			Py_RETURN_NONE;
		}
		if (!r)
			show_stray();
		Py_XDECREF(r);
	}
}

static PyMethodDef live_def = { "birthplace", live, METH_NOARGS, NULL };

/* --- The type */

/* Of the capsule in the thread state's dictionary: the thread ends.  Tasks that still wait are never run again. */
static void thread_ends(PyObject *capsule)
{
	Carrier *c = PyCapsule_GetPointer(capsule, NULL);
	PyObject *birthplace = c->birthplace;

	if (c->shims && c->generation == carrier_generation)
		shim->carrier_end(c->shims);
	c->shims = NULL;
	c->birthplace = NULL;
	Py_XDECREF(birthplace);
	set_current(c, NULL);
	Py_CLEAR(c->hub);
	Py_DECREF(c);
}

static void carrier_dealloc(PyObject *self)
{
	Carrier *c = (Carrier *)self;
	PyTypeObject *type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	Py_CLEAR(c->birthplace);
	Py_CLEAR(c->current);
	Py_CLEAR(c->hub);
	((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
	Py_DECREF(type);
}

static int carrier_traverse(PyObject *self, visitproc visit, void *arg)
{
	Carrier *c = (Carrier *)self;

	Py_VISIT(Py_TYPE(self));
	Py_VISIT(c->birthplace);
	Py_VISIT(c->current);
	Py_VISIT(c->hub);
	return 0;
}

static PyType_Slot carrier_slots[] = {
	{ Py_tp_dealloc, carrier_dealloc },
	{ Py_tp_traverse, carrier_traverse },
	{ 0, NULL },
};
static PyType_Spec carrier_spec = {
	.name = "_syncless.Carrier",
	.basicsize = sizeof(Carrier),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = carrier_slots,
};

static unsigned long main_ident(void)
{
	PyObject *threading = PyImport_ImportModule("threading");
	PyObject *main = threading ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
	PyObject *ident = main ? PyObject_GetAttrString(main, "ident") : NULL;
	unsigned long n = ident && ident != Py_None ? PyLong_AsUnsignedLong(ident) : 0;

	Py_XDECREF(ident);
	Py_XDECREF(main);
	Py_XDECREF(threading);
	return n;
}

/* A greenlet's first parent is whoever makes it; the birthplace outlives every other one but the main. */
static PyObject *make_birthplace(Carrier *c)
{
	PyObject *capsule = PyCapsule_New(c, NULL, NULL);
	PyObject *run = capsule ? PyCFunction_New(&live_def, capsule) : NULL;
	PyObject *main = greenlets.get_current(), *parent;
	PyObject *g;

	while (main && (parent = PyObject_GetAttrString(main, "parent")) != NULL && parent != Py_None) {
		Py_DECREF(main);
		main = parent;
	}
	g = run && main ? greenlets.new(run, main) : NULL;
	Py_XDECREF(capsule);
	Py_XDECREF(run);
	Py_XDECREF(main);
	return g;
}

static Carrier *make_carrier(struct carrier *shims)
{
	PyObject *dict = PyThreadState_GetDict();
	allocfunc alloc = (allocfunc)PyType_GetSlot(carrier_type, Py_tp_alloc);
	Carrier *c = (Carrier *)alloc(carrier_type, 0);
	PyObject *end;

	if (!c)
		return NULL;
	c->state = PyThreadState_Get();
	c->ident = (unsigned long)pthread_self();
	c->generation = carrier_generation;
	c->is_main = c->ident == main_ident();
	c->birthplace = make_birthplace(c);
	end = c->birthplace ? PyCapsule_New(c, NULL, thread_ends) : NULL;
	if (!end) {
		Py_DECREF(c);
		return NULL;
	}
	chunks_keep();
	c->shims = shims;
	if (!dict || PyDict_SetItemString(dict, "syncless carrier", end) < 0)
		c = NULL;
	Py_DECREF(end); /* the dictionary has it, or it ends here */
	if (c)
		shim->carrier_set_data(shims, c);
	return c;
}

static Carrier *fail(int err)
{
	if (err == EPERM)
		PyErr_SetString(PyExc_RuntimeError,
				"this is a kernel thread of its own: coroutines run in the main "
				"thread and in green ones");
	else
		PyErr_Format(PyExc_RuntimeError,
			     "coroutines do not work in this process (%s); see `syncless doctor`",
			     strerror(err));
	return NULL;
}

Carrier *carrier_mine(void)
{
	struct carrier *shims;
	Carrier *c;

	if (!shim_is_here())
		return NULL;
	shims = shim->carrier_get();
	if (!shims)
		return fail(errno);
	c = shim->carrier_data(shims);
	return c ? c : make_carrier(shims);
}

Task *carrier_current(Carrier *c)
{
	PyObject *g = greenlets.get_current();
	Task *t = c->current;

	if (!g)
		return NULL;
	Py_DECREF(g); /* it runs */
	if (t && t->greenlet == g && !shim->flow_is_stale(t->flow))
		return t;
	t = task_of(g);
	if (t ? task_renew_flow(t, c) < 0 : !(t = task_adopt(c, g)))
		return NULL;
	shim->landed(t->flow);
	carrier_found(c, t);
	return t;
}

static void after_fork_child(void)
{
	carrier_generation++;
}

int carrier_init(PyObject *module)
{
	(void)module;
	carrier_type = (PyTypeObject *)PyType_FromSpec(&carrier_spec);
	if (!carrier_type)
		return -1;
	pthread_atfork(NULL, NULL, after_fork_child);
	shim_connect(&hooks);
	return 0;
}
