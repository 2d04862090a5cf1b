/* SPDX-License-Identifier: Apache-2.0
 *
 * wsgi.file_wrapper: an iterable of a file's blocks, in whose place the kernel sends the file, if it is one.
 */
#include <sys/stat.h>
#include <unistd.h>
#include "http.h"

PyTypeObject *file_wrapper_type;

typedef struct {
	PyObject_HEAD PyObject *file;
	Py_ssize_t block;
} FileWrapper;

int file_wrapper_open(PyObject *wrapper, int64_t *rest)
{
	FileWrapper *w = (FileWrapper *)wrapper;
	PyObject *number = PyObject_CallMethod(w->file, "fileno", NULL), *position = NULL;
	int fd = number ? (int)PyLong_AsLong(number) : -1;
	struct stat st;
	off_t at;

	if (fd >= 0 && !PyErr_Occurred())
		position = PyObject_CallMethod(w->file, "tell", NULL);
	at = position ? (off_t)PyLong_AsLongLong(position) : -1;
	Py_XDECREF(number);
	Py_XDECREF(position);
	if (PyErr_Occurred()) {
		PyErr_Clear();
		return -1;
	}
	if (at < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || lseek(fd, at, SEEK_SET) != at)
		return -1;
	*rest = st.st_size > at ? st.st_size - at : 0;
	return fd;
}

static int wrapper_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	FileWrapper *w = (FileWrapper *)self;
	PyObject *file;
	Py_ssize_t block = 8192;

	if (kwargs && PyDict_Size(kwargs)) {
		PyErr_SetString(PyExc_TypeError, "file_wrapper takes no keywords");
		return -1;
	}
	if (!PyArg_ParseTuple(args, "O|n:file_wrapper", &file, &block))
		return -1;
	Py_INCREF(file);
	Py_XDECREF(w->file);
	w->file = file;
	w->block = block;
	return 0;
}

static void wrapper_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(((FileWrapper *)self)->file);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyObject *wrapper_iter(PyObject *self)
{
	Py_INCREF(self);
	return self;
}

static PyObject *wrapper_next(PyObject *self)
{
	FileWrapper *w = (FileWrapper *)self;
	PyObject *data = PyObject_CallMethod(w->file, "read", "n", w->block);

	if (data && PyObject_Size(data) == 0)
		Py_CLEAR(data);
	return data;
}

static PyObject *wrapper_close(PyObject *self, PyObject *unused)
{
	FileWrapper *w = (FileWrapper *)self;

	(void)unused;
	if (!PyObject_HasAttrString(w->file, "close"))
		Py_RETURN_NONE;
	return PyObject_CallMethod(w->file, "close", NULL);
}

static PyMethodDef wrapper_methods[] = {
	{ "close", wrapper_close, METH_NOARGS, "close(): closes the file." },
	{ NULL, NULL, 0, NULL },
};

int file_init(PyObject *module)
{
	static PyType_Slot slots[] = {
		{ Py_tp_doc, (void *)"file_wrapper(file, block_size=8192): a body that is the rest of a file; "
				     "the kernel sends it." },
		{ Py_tp_init, wrapper_init },
		{ Py_tp_dealloc, wrapper_dealloc },
		{ Py_tp_iter, wrapper_iter },
		{ Py_tp_iternext, wrapper_next },
		{ Py_tp_methods, wrapper_methods },
		{ 0, NULL },
	};
	static PyType_Spec spec = { "syncless.wsgi.FileWrapper", sizeof(FileWrapper), 0, Py_TPFLAGS_DEFAULT,
				    slots };

	file_wrapper_type = add_type(module, "FileWrapper", &spec);
	return file_wrapper_type ? 0 : -1;
}
