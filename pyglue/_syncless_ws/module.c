/* SPDX-License-Identifier: Apache-2.0
 *
 * The module _syncless_ws: the type Frames, frames.c for Python.  Loaded by the first WebSocket of a process.
 *
 * Built for the limited API of 3.9, as its neighbours are.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>
#include "frames.h"

typedef struct {
	PyObject_HEAD struct frames frames;
} Frames;

/* (-1, why, code) */
static PyObject *error_of(const struct frames *f)
{
	return Py_BuildValue("(isi)", -1, f->why, f->error);
}

static PyObject *text_of(struct frames *f, const struct frames_event *e)
{
	PyObject *text = PyUnicode_DecodeUTF8((const char *)e->data, (Py_ssize_t)e->size, NULL);

	if (!text && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
		PyErr_Clear();
		frames_fail(f, CLOSE_BAD_DATA, "text is not UTF-8");
	}
	return text;
}

/* (opcode, payload, compressed), of a Close (opcode, reason, code); or error_of() */
static PyObject *tuple_of(struct frames *f, const struct frames_event *e)
{
	bool is_close = e->opcode == WSLAY_CONNECTION_CLOSE;
	bool is_text = is_close || (e->opcode == WSLAY_TEXT_FRAME && !e->compressed);
	PyObject *payload =
		is_text ? text_of(f, e) : PyBytes_FromStringAndSize((const char *)e->data, (Py_ssize_t)e->size);

	if (!payload)
		return PyErr_Occurred() ? NULL : error_of(f);
	return Py_BuildValue("(iNi)", e->opcode, payload, is_close ? e->code : e->compressed);
}

static bool append_next(struct frames *f, PyObject *events, bool *is_over)
{
	struct frames_event e;
	enum frames_result result = frames_next(f, &e);
	PyObject *tuple;
	int r;

	*is_over = result != FRAMES_EVENT;
	if (result == FRAMES_MORE)
		return true;
	tuple = result == FRAMES_ERROR ? error_of(f) : tuple_of(f, &e);
	if (!tuple)
		return false;
	*is_over = f->error != 0;
	r = PyList_Append(events, tuple);
	Py_DECREF(tuple);
	return r == 0;
}

static PyObject *frames_py_feed(PyObject *self, PyObject *args)
{
	struct frames *f = &((Frames *)self)->frames;
	PyObject *events;
	const char *data;
	Py_ssize_t size;
	bool is_over = false;

	if (!PyArg_ParseTuple(args, "y#:feed", &data, &size))
		return NULL;
	events = PyList_New(0);
	frames_feed(f, data, (size_t)size);
	while (events && !is_over)
		if (!append_next(f, events, &is_over))
			Py_CLEAR(events);
	frames_feed(f, NULL, 0);
	return events;
}

static PyObject *frames_py_begun(PyObject *self, PyObject *unused)
{
	const struct frames *f = &((Frames *)self)->frames;

	(void)unused;
	return PyBool_FromLong(f->opcode || f->in_frame);
}

static PyObject *frames_py_head(PyObject *self, PyObject *args)
{
	struct frames *f = &((Frames *)self)->frames;
	int opcode, compressed = 0;
	const char *payload;
	Py_ssize_t size;

	if (!PyArg_ParseTuple(args, "iy#|p:head", &opcode, &payload, &size, &compressed))
		return NULL;
	if (!frames_head(f, opcode, payload, (size_t)size, compressed))
		return PyErr_Format(PyExc_ValueError, "a control frame has 125 bytes at most, not %zd", size),
		       NULL;
	return PyBytes_FromStringAndSize((const char *)f->head, (Py_ssize_t)f->head_size);
}

static int frames_py_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct frames *f = &((Frames *)self)->frames;
	long long most;
	int may_compress;

	if (kwargs && PyDict_Size(kwargs)) {
		PyErr_SetString(PyExc_TypeError, "Frames takes no keywords");
		return -1;
	}
	if (!PyArg_ParseTuple(args, "Lp:Frames", &most, &may_compress))
		return -1;
	if (most < 0 || f->wslay) {
		PyErr_SetString(PyExc_ValueError, "Frames is made once, for messages of 0 bytes or more");
		return -1;
	}
	if (frames_init(f, (uint64_t)most, may_compress) < 0) {
		PyErr_NoMemory();
		return -1;
	}
	return 0;
}

static void frames_py_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);

	frames_clear(&((Frames *)self)->frames);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{ "feed", frames_py_feed, METH_VARARGS,
	  "feed(data): what these bytes of the peer's complete, a list of (opcode, str or bytes, compressed), "
	  "(8, reason, code), and at its end perhaps (-1, why, code): the peer breaks the rules." },
	{ "begun", frames_py_begun, METH_NOARGS, "begun(): has a message begun, or a frame?" },
	{ "head", frames_py_head, METH_VARARGS,
	  "head(opcode, payload, compressed=False): the head (bytes) of a frame with this payload." },
	{ NULL, NULL, 0, NULL },
};

static int add_frames(PyObject *module)
{
	static PyType_Slot slots[] = {
		{ Py_tp_doc, (void *)"Frames(max_message, may_compress): the framing of one WebSocket." },
		{ Py_tp_init, frames_py_init },
		{ Py_tp_dealloc, frames_py_dealloc },
		{ Py_tp_methods, methods },
		{ 0, NULL },
	};
	static PyType_Spec spec = { "syncless.websocket.Frames", sizeof(Frames), 0, Py_TPFLAGS_DEFAULT, slots };
	PyObject *type = PyType_FromSpec(&spec);

	if (type && PyModule_AddObject(module, "Frames", type) < 0) {
		Py_DECREF(type);
		return -1;
	}
	return type ? 0 : -1;
}

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, "_syncless_ws", "The framing of WebSocket.", -1, NULL, NULL, NULL, NULL, NULL
};

PyMODINIT_FUNC PyInit__syncless_ws(void);
PyMODINIT_FUNC PyInit__syncless_ws(void)
{
	PyObject *module = PyModule_Create(&definition);

	if (module && add_frames(module) < 0)
		Py_CLEAR(module);
	return module;
}
