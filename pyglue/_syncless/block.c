/* SPDX-License-Identifier: Apache-2.0
 *
 * Block: the base of what a with statement enters and that must know at its end whether a call in it has been
 * ended early for something that is still to be raised.  Only C can ask: a function in Python would look for
 * signals at its first instruction, and so be left by an exception before it has done anything.
 */
#include "glue_py.h"

/* __exit__: leave(the block's exception or None, what is due or None), whose result says whether all is well. */
static PyObject *block_exit(PyObject *self, PyObject *args)
{
	PyObject *type, *value, *traceback, *due = NULL, *r;
	Carrier *c = shim ? carrier_mine() : NULL;
	Task *me = c ? carrier_current(c) : NULL;

	PyErr_Clear(); /* nothing can be due here */
	if (!PyArg_ParseTuple(args, "OOO:__exit__", &type, &value, &traceback))
		return NULL;
	if (me && !(due = task_take_delivered(me)) && PyErr_Occurred())
		return NULL;
	r = PyObject_CallMethod(self, "leave", "OO", value, due ? due : Py_None);
	Py_XDECREF(due);
	return r;
}

static PyMethodDef methods[] = {
	{ "__exit__", block_exit, METH_VARARGS, NULL },
	{ NULL, NULL, 0, NULL },
};
static PyType_Slot slots[] = {
	{ Py_tp_methods, methods },
	{ Py_tp_doc, "A with-block whose end is told what is due: leave(exception, due) -> bool." },
	{ 0, NULL },
};
static PyType_Spec spec = {
	.name = "_syncless.Block",
	.basicsize = sizeof(PyObject),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.slots = slots,
};

int block_init(PyObject *module)
{
	PyObject *type = PyType_FromSpec(&spec);

	return type ? PyModule_AddObject(module, "Block", type) : -1;
}
