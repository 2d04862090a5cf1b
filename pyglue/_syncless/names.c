/* SPDX-License-Identifier: Apache-2.0
 *
 * What is found at run time.  The greenlet package publishes a table of functions in a capsule, whose order is
 * fixed (its header greenlet.h, from 1.0 on).
 */
#include <dlfcn.h>
#include "glue_py.h"

const struct glue_calls *shim;
struct greenlet_api greenlets;
struct python_names names;

enum { GREENLET_TYPE = 0, GREENLET_EXIT = 2, GREENLET_NEW = 3, GREENLET_GET_CURRENT = 4, GREENLET_SWITCH = 6 };

static int find_greenlets(void)
{
	void **table = PyCapsule_Import("greenlet._C_API", 0);

	if (!table) {
		PyErr_Clear();
		PyErr_SetString(PyExc_ImportError, "syncless needs the package greenlet for coroutines: "
						   "python3 -m pip install greenlet");
		return -1;
	}
	greenlets.type = table[GREENLET_TYPE];
	greenlets.exit = table[GREENLET_EXIT];
	*(void **)&greenlets.new = table[GREENLET_NEW];
	*(void **)&greenlets.get_current = table[GREENLET_GET_CURRENT];
	*(void **)&greenlets.switch_to = table[GREENLET_SWITCH];
	return 0;
}

/* The state of this module is the process's, and so is the scheduler. */
static bool is_main_interpreter(void)
{
	PyInterpreterState *(*main_one)(void);

	*(void **)&main_one = dlsym(RTLD_DEFAULT, "PyInterpreterState_Main");
	if (main_one && main_one() == PyInterpreterState_Get())
		return true;
	PyErr_SetString(PyExc_ImportError, "coroutines of syncless run in the main interpreter only");
	return false;
}

int names_find(void)
{
	void *unchecked = dlsym(RTLD_DEFAULT, "PyThreadState_GetUnchecked");

	if (!unchecked)
		unchecked = dlsym(RTLD_DEFAULT, "_PyThreadState_UncheckedGet");
	*(void **)&names.thread_state_unchecked = unchecked;
	*(void **)&names.context_copy_current = dlsym(RTLD_DEFAULT, "PyContext_CopyCurrent");
	*(void **)&names.context_enter = dlsym(RTLD_DEFAULT, "PyContext_Enter");
	*(void **)&names.context_exit = dlsym(RTLD_DEFAULT, "PyContext_Exit");
	if (!unchecked || !names.context_copy_current || !names.context_enter || !names.context_exit) {
		PyErr_SetString(PyExc_ImportError, "this Python has not the functions that syncless needs");
		return -1;
	}
	return is_main_interpreter() ? find_greenlets() : -1;
}

bool shim_connect(const struct glue_hooks *hooks)
{
	const struct glue_calls *(*connect)(int, const struct glue_hooks *);

	*(void **)&connect = dlsym(RTLD_DEFAULT, "syncless_glue");
	if (connect)
		shim = connect(SYNCLESS_GLUE_VERSION, hooks);
	return shim != NULL;
}

bool shim_is_here(void)
{
	if (!shim)
		PyErr_SetString(PyExc_RuntimeError, "libsyncless.so is not preloaded: start the program by "
						    "`syncless run PROGRAM`");
	return shim != NULL;
}
