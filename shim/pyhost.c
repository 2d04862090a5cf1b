/* SPDX-License-Identifier: Apache-2.0
 *
 * The host is a Python process: which threads are its own, who makes a computing one give way, and in which line
 * one is.
 *
 * No header and no library of Python is used: names of its stable interface are looked up, so one
 * libsyncless.so serves every version.
 *
 * A thread that the runtime makes is one of `threading`, or faulthandler's watchdog, which must stay native, or an
 * extension's.  The record that the runtime hands to its new thread, {function, argument}, tells: faulthandler
 * has no argument, an extension a function of its own.
 * An audit hook would hear of `_thread.start_*` only from 3.12 on, would cost something at every audited event, and
 * one put in before the interpreter starts makes `python -X dev` abort at its end: CPython 3.12 and 3.13 free its
 * entry by another allocator than has made it.
 *
 * A free-threaded Python keeps its threads: it has no GIL by which a computing one would give way, and they are
 * there to run on several cores.
 *
 * When the host has not switched for a while the monitor (core/monitor.h) asks for the GIL; the eval loop then drops
 * it and waits until it has been taken, which parks, and so the others run and take it; the monitor itself only if
 * nobody does (standby.h).
 */
#include "python.h"
#include <link.h>
#include <stdio.h>
#include <string.h>
#include "coro.h"
#include "fdtab.h"
#include "greenlet.h"
#include "libc.h"
#include "settings.h"
#include "wait.h"

static struct {
	int (*Py_IsInitialized)(void);
	int (*Py_IsFinalizing)(void); /* _Py_IsFinalizing up to 3.12 */
	void *(*PyInterpreterState_Main)(void);
	void *(*PyThreadState_GetUnchecked)(void); /* _PyThreadState_UncheckedGet up to 3.12 */
	void *(*PyThreadState_GetInterpreter)(void *ts);
	void *(*PyThreadState_New)(void *interp);
	void (*PyThreadState_Clear)(void *ts);
	void (*PyThreadState_DeleteCurrent)(void);
	void (*PyEval_RestoreThread)(void *ts);
	int (**PyOS_InputHook)(void);
	void **_PyOS_ReadlineTState; /* whose thread reads a line */
	/* For the watch. */
	void *(*PySys_GetObject)(const char *name);
	void *(*PyObject_CallNoArgs)(void *callable);
	void *(*PyObject_GetAttrString)(void *o, const char *name);
	void *(*PyLong_FromUnsignedLong)(unsigned long);
	void *(*PyDict_GetItem)(void *dict, void *key);
	void *(*PyFrame_GetCode)(void *frame);
	int (*PyFrame_GetLineNumber)(void *frame);
	const char *(*PyUnicode_AsUTF8)(void *);
	void (*Py_DecRef)(void *);
	void (*PyErr_Clear)(void);
	int (*PyGC_Disable)(void), (*PyGC_Enable)(void); /* from 3.10 on */
} py;

static uintptr_t runtime_lo, runtime_hi; /* where the runtime's code lies */

static int note_range(struct dl_phdr_info *info, size_t size, void *address)
{
	uintptr_t lo = UINTPTR_MAX, hi = 0;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD)
			continue;
		lo = at < lo ? at : lo;
		hi = at + ph->p_memsz > hi ? at + ph->p_memsz : hi;
	}
	if ((uintptr_t)address < lo || (uintptr_t)address >= hi)
		return 0;
	runtime_lo = lo;
	runtime_hi = hi;
	return 1;
}

static void find_names_for_watch(void *object)
{
	py.PySys_GetObject = dlsym(object, "PySys_GetObject");
	py.PyObject_CallNoArgs = dlsym(object, "PyObject_CallNoArgs");
	py.PyObject_GetAttrString = dlsym(object, "PyObject_GetAttrString");
	py.PyLong_FromUnsignedLong = dlsym(object, "PyLong_FromUnsignedLong");
	py.PyDict_GetItem = dlsym(object, "PyDict_GetItem");
	py.PyFrame_GetCode = dlsym(object, "PyFrame_GetCode");
	py.PyFrame_GetLineNumber = dlsym(object, "PyFrame_GetLineNumber");
	py.PyUnicode_AsUTF8 = dlsym(object, "PyUnicode_AsUTF8");
	py.Py_DecRef = dlsym(object, "Py_DecRef");
	py.PyErr_Clear = dlsym(object, "PyErr_Clear");
	py.PyGC_Disable = dlsym(object, "PyGC_Disable");
	py.PyGC_Enable = dlsym(object, "PyGC_Enable");
}

static uintptr_t lock_lo, lock_hi; /* where its locks wait, in an interpreter that has other waits by semaphore */

static void find_lock_function(void *object)
{
	Dl_info info;
	const ElfW(Sym) *symbol = NULL;
	void *lock = dlsym(object, "PyThread_acquire_lock_timed");

	if (!dlsym(object, "_PyParkingLot_Park") || !lock)
		return;
	if (!dladdr1(lock, &info, (void **)&symbol, RTLD_DL_SYMENT) || !symbol)
		return;
	lock_lo = (uintptr_t)lock;
	lock_hi = lock_lo + symbol->st_size;
}

static bool find_names(void *object)
{
	void *recent = dlsym(object, "PySys_AddAuditHook"); /* since 3.8: older ones hand over another record */

	if (!recent)
		return false;
	if (dlsym(object, "_Py_DecRefShared")) { /* the ABI of free-threaded builds has it, no other */
		settings.threads = THREADS_NONE;
		say("this Python has no GIL; threads stay native");
		return false;
	}
	py.Py_IsInitialized = dlsym(object, "Py_IsInitialized");
	py.Py_IsFinalizing = dlsym(object, "Py_IsFinalizing");
	if (!py.Py_IsFinalizing)
		py.Py_IsFinalizing = dlsym(object, "_Py_IsFinalizing");
	py.PyInterpreterState_Main = dlsym(object, "PyInterpreterState_Main");
	py.PyThreadState_GetUnchecked = dlsym(object, "PyThreadState_GetUnchecked");
	if (!py.PyThreadState_GetUnchecked)
		py.PyThreadState_GetUnchecked = dlsym(object, "_PyThreadState_UncheckedGet");
	py.PyThreadState_GetInterpreter = dlsym(object, "PyThreadState_GetInterpreter");
	py.PyThreadState_New = dlsym(object, "PyThreadState_New");
	py.PyThreadState_Clear = dlsym(object, "PyThreadState_Clear");
	py.PyThreadState_DeleteCurrent = dlsym(object, "PyThreadState_DeleteCurrent");
	py.PyEval_RestoreThread = dlsym(object, "PyEval_RestoreThread");
	py.PyOS_InputHook = dlsym(object, "PyOS_InputHook");
	py._PyOS_ReadlineTState = dlsym(object, "_PyOS_ReadlineTState");
	if (settings.watch_ms)
		find_names_for_watch(object);
	dl_iterate_phdr(note_range, recent);
	find_lock_function(object);
	return true;
}

/* The loader looks it up.  A dlsym() in vain would leave its error message in the program's heap, and all that the
 * program allocates would lie elsewhere: a page copied to an address of other alignment can take twice the time. */
extern int PySys_AddAuditHook(void) __attribute__((weak, visibility("default")));

void python_boot(void)
{
	if (PySys_AddAuditHook)
		find_names(RTLD_DEFAULT);
}

bool python_is_runtime(const void *caller)
{
	return (uintptr_t)caller >= runtime_lo && (uintptr_t)caller < runtime_hi;
}

bool python_parks_thread(const void *caller)
{
	return lock_hi && python_is_runtime(caller) &&
	       ((uintptr_t)caller < lock_lo || (uintptr_t)caller >= lock_hi);
}

/* A program that embeds Python may have loaded it long after our constructor ran. */
static bool boot_late(const char *caller_object)
{
	void *object = libc.dlopen(caller_object, RTLD_LAZY | RTLD_NOLOAD);
	bool found = object && find_names(object);

	if (object)
		libc.dlclose(object);
	return found;
}

static bool is_named(const char *path, const char *prefix)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash && !strncmp(slash + 1, prefix, strlen(prefix));
}

/* The exception among C libraries: libcurl makes a thread for each name it resolves. */
static bool is_libcurl(const void *caller)
{
	Dl_info info;

	return py.Py_IsInitialized && py.Py_IsInitialized() && dladdr(caller, &info) &&
	       is_named(info.dli_fname, "libcurl");
}

static bool is_of_threading(const void *arg)
{
	void *const *record = arg;

	return record && python_is_runtime(record[0]) && record[1];
}

/* Threads of sub-interpreters stay native.  The monitor asks for the GIL in the name of the main interpreter,
 * which one that computes in another does not hear; from 3.12 on that may even have a GIL of its own. */
static bool is_of_subinterpreter(void)
{
	void *ts = py.PyThreadState_GetUnchecked ? py.PyThreadState_GetUnchecked() : NULL;

	return ts && py.PyThreadState_GetInterpreter(ts) != py.PyInterpreterState_Main();
}

bool python_makes_green(const void *caller, const void *arg)
{
	static _Atomic(const void *) stranger; /* the last one that the question was answered for by no */
	Dl_info info;

	if (!runtime_hi && caller == atomic_load_explicit(&stranger, memory_order_relaxed))
		return false;
	if (!runtime_hi && !(dladdr(caller, &info) && boot_late(info.dli_fname))) {
		atomic_store_explicit(&stranger, caller, memory_order_relaxed);
		return false;
	}
	return python_is_runtime(caller) ? is_of_threading(arg) && !is_of_subinterpreter() : is_libcurl(caller);
}

bool python_is_up(void)
{
	return py.Py_IsInitialized && py.Py_IsInitialized() && !(py.Py_IsFinalizing && py.Py_IsFinalizing());
}

/* --- Where a thread is, for the watch. */

bool python_is_here(void)
{
	return runtime_hi != 0;
}

static bool describe_frame(void *frame, char *out, size_t size)
{
	void *code = py.PyFrame_GetCode(frame);
	void *file = py.PyObject_GetAttrString(code, "co_filename");
	void *function = py.PyObject_GetAttrString(code, "co_name");
	const char *path = file ? py.PyUnicode_AsUTF8(file) : NULL;
	const char *name = function ? py.PyUnicode_AsUTF8(function) : NULL;

	snprintf(out, size, "%s:%d (%s)", path ? path : "?", py.PyFrame_GetLineNumber(frame),
		 name ? name : "?");
	py.Py_DecRef(function);
	py.Py_DecRef(file);
	py.Py_DecRef(code);
	return path || name;
}

/* With the GIL. */
static bool describe_place(pthread_t thread, char *out, size_t size)
{
	void *current_frames = py.PySys_GetObject("_current_frames");
	void *frames = current_frames ? py.PyObject_CallNoArgs(current_frames) : NULL;
	void *ident = frames ? py.PyLong_FromUnsignedLong(thread) : NULL;
	void *frame = ident ? py.PyDict_GetItem(frames, ident) : NULL;
	bool found = frame && describe_frame(frame, out, size);

	py.Py_DecRef(ident);
	py.Py_DecRef(frames);
	py.PyErr_Clear();
	return found;
}

/* --- Who lets go of the GIL in short pieces.
 *
 * The interpreter lets others have the GIL while it hashes a block or reads what has come.  Natively a thread that
 * waits for it runs then.  Here that would be another coroutine, and no call of ours lets it: the GIL is had by a
 * mutex that is free.  But whoever locks that holds no lock of the interpreter's, so it is a place to give way.  It
 * is told by the address that the lock is called from, which is learned from the first of our own threads that has
 * the GIL: the first lock that PyEval_RestoreThread() takes is that one. */

#define TURN_NS (50 * NS_PER_US)

_Atomic(const void *) python_gil_site;
_Atomic bool python_seeks_gil_site;
static _Atomic pthread_t seeker;

static void begin_seeking(void)
{
	if (atomic_load(&python_gil_site))
		return;
	atomic_store(&seeker, pthread_self());
	atomic_store(&python_seeks_gil_site, true);
}

void python_found_lock(const void *caller)
{
	if (atomic_load(&seeker) != pthread_self() || !python_is_runtime(caller))
		return;
	atomic_store(&python_gil_site, caller);
	atomic_store(&python_seeks_gil_site, false);
}

/* Not where our own code has called the interpreter, which it does in the midst of a wait of a greenlet. */
static bool may_end_turn(const struct coro *me)
{
	return !(me->carrier && greenlet_is_whole(me)) && coro_can_park(me) && fd_in_our_process();
}

/* A turn counts from the first time that its thread wants the GIL. */
static void look_at_turn(struct coro *me)
{
	static unsigned long turn;
	static int64_t since;
	unsigned long switches = atomic_load_explicit(&sched.switches, memory_order_relaxed);
	int64_t t = now_ns();
	int saved = errno;

	if (switches != turn) {
		turn = switches;
		since = t;
	} else if (t - since >= TURN_NS && may_end_turn(me)) {
		sched_yield_thread(me);
		since = now_ns();
		errno = saved;
	}
}

PARKING void python_wants_gil(void)
{
	bool was_outside;

	if (!coro_begin_moment(&was_outside))
		return;
	look_at_turn(coro_self);
	if (was_outside)
		coro_leave(0);
}

/* Answered by whichever of the watch and the monitor gets the GIL first: code that has held it all the while
 * goes on as soon as one of them has had it.  The GIL protects all of it but `asked`. */
static struct {
	_Atomic bool asked;
	pthread_t thread;
	bool found;
	char text[256];
} where;

/* The dictionary and the frames might set off a collection, and that the program's finalizers, here. */
static void answer_if_asked(void)
{
	bool collects;

	if (LIKELY(!atomic_exchange(&where.asked, false)))
		return;
	collects = py.PyGC_Disable && py.PyGC_Disable();
	where.found = describe_place(where.thread, where.text, sizeof(where.text));
	if (collects)
		py.PyGC_Enable();
}

/* A thread of ours has the GIL once.  It has it when nobody else wants it.  Its state does not outlive that: the
 * program can count the interpreter's threads. */
static void pass_through_gil(void)
{
	void *ts = py.PyThreadState_New(py.PyInterpreterState_Main());

	if (!ts)
		return;
	begin_seeking();
	py.PyEval_RestoreThread(ts);
	answer_if_asked();
	py.PyThreadState_Clear(ts);
	py.PyThreadState_DeleteCurrent();
}

bool python_where(pthread_t thread, char *out, size_t size)
{
	if (!python_is_up() || !py.PyFrame_GetCode)
		return false;
	where.thread = thread;
	where.found = false;
	atomic_store(&where.asked, true);
	pass_through_gil();
	if (atomic_exchange(&where.asked, false) || !where.found)
		return false;
	snprintf(out, size, "%s", where.text);
	return true;
}

/* --- The monitor's part. */

bool python_can_ask(void)
{
	return py.PyThreadState_New != NULL;
}

void python_ask(void)
{
	if (python_can_ask() && python_is_up())
		pass_through_gil();
}

/* --- main in input(). */

bool python_owes_eintr;

/* The interpreter calls this, without the GIL, before it reads a line from the terminal by fgets().  A signal that
 * ends the wait here would have ended that call.  GNU readline calls it, too, but after each select(), which parks
 * by itself, also when a signal has ended that: there the hook must not wait.  Nor for a program,
 * by posix._inputhook(): the REPL of 3.13 reads more than a line at once, and then nothing more need come. */
static int input_hook(void)
{
	bool by_program = py._PyOS_ReadlineTState && !*py._PyOS_ReadlineTState;
	bool by_fgets = !by_program && python_is_runtime(__builtin_return_address(0)) &&
			!libc.dlsym(RTLD_DEFAULT, "rl_callback_read_char");
	struct coro *me = by_fgets ? coro_may_park() : NULL;
	struct fdrec *f = me ? fd_record(0) : NULL;

	if (f && wait_fd(me, f, WAIT_READ, NEVER, WAIT_INTR_ALWAYS, "input") == -EINTR)
		python_owes_eintr = true;
	if (me)
		coro_leave(0);
	return 0;
}

void python_thread_started(void)
{
	if (!python_is_up())
		return;
	if (py.PyOS_InputHook && !*py.PyOS_InputHook)
		*py.PyOS_InputHook = input_hook;
}

void python_after_fork_child(void)
{
	atomic_store(&where.asked, false);
}
