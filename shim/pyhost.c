/* SPDX-License-Identifier: Apache-2.0
 *
 * The host is a Python process: which threads are its own, and who makes a computing one give way.
 *
 * No header and no library of Python is used: a dozen names of its stable interface are looked up, so one
 * libsyncless.so serves every version.
 *
 * A thread that the runtime makes is one of `threading`, or faulthandler's watchdog, which must stay native, or an
 * extension's.  The record that the runtime hands to its new thread, {function, argument}, tells: faulthandler
 * has no argument, an extension a function of its own.
 * An audit hook would hear of `_thread.start_*` only from 3.12 on, would cost something at every audited event, and
 * one put in before the interpreter starts makes `python -X dev` abort at its end: CPython 3.12 and 3.13 free its
 * entry by another allocator than has made it.
 *
 * The watchdog is a native thread that lives while green threads do.  When the host has not switched for one
 * period it asks for the GIL; the eval loop then drops it and waits until it has been taken, which parks, and so
 * the others run and take it; the watchdog itself only if nobody does (standby.h).  While the host sleeps in the
 * loop for long, so does the watchdog.
 */
#include "python.h"
#include <link.h>
#include <string.h>
#include <sys/prctl.h>
#include "companion.h"
#include "coro.h"
#include "libc.h"
#include "raw.h"
#include "settings.h"
#include "standby.h"
#include "thread.h"
#include "wait.h"

static struct {
	int (*Py_IsInitialized)(void);
	int (*Py_IsFinalizing)(void); /* _Py_IsFinalizing up to 3.12 */
	void *(*PyInterpreterState_Main)(void);
	void *(*PyThreadState_New)(void *interp);
	void (*PyEval_RestoreThread)(void *ts);
	void *(*PyEval_SaveThread)(void);
	int (**PyOS_InputHook)(void);
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

static bool find_names(void *object)
{
	void *recent = dlsym(object, "PySys_AddAuditHook"); /* since 3.8: older ones hand over another record */

	if (!recent)
		return false;
	py.Py_IsInitialized = dlsym(object, "Py_IsInitialized");
	py.Py_IsFinalizing = dlsym(object, "Py_IsFinalizing");
	if (!py.Py_IsFinalizing)
		py.Py_IsFinalizing = dlsym(object, "_Py_IsFinalizing");
	py.PyInterpreterState_Main = dlsym(object, "PyInterpreterState_Main");
	py.PyThreadState_New = dlsym(object, "PyThreadState_New");
	py.PyEval_RestoreThread = dlsym(object, "PyEval_RestoreThread");
	py.PyEval_SaveThread = dlsym(object, "PyEval_SaveThread");
	py.PyOS_InputHook = dlsym(object, "PyOS_InputHook");
	dl_iterate_phdr(note_range, recent);
	return true;
}

void python_boot(void)
{
	find_names(RTLD_DEFAULT);
}

static bool is_runtime(const void *caller)
{
	return (uintptr_t)caller >= runtime_lo && (uintptr_t)caller < runtime_hi;
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

	return record && is_runtime(record[0]) && record[1];
}

bool python_makes_green(const void *caller, const void *arg)
{
	Dl_info info;

	if (!runtime_hi && !(dladdr(caller, &info) && boot_late(info.dli_fname)))
		return false;
	return is_runtime(caller) ? is_of_threading(arg) : is_libcurl(caller);
}

/* --- The watchdog. */

#define IDLE_PERIODS 20 /* of the host, before the watchdog naps */

static void *dog_main(void *arg);
static struct companion dog = { .main = dog_main, .stack_size = 256 << 10 };
static void *dog_thread_state; /* kept for the next watchdog: freeing it would need the GIL */

static bool interpreter_is_up(void)
{
	return py.Py_IsInitialized && py.Py_IsInitialized() && !(py.Py_IsFinalizing && py.Py_IsFinalizing());
}

/* The interpreter may be about to end. */
static bool dog_is_needed(void)
{
	return atomic_load(&green_alive) > 0 && interpreter_is_up();
}

static void ask(void)
{
	if (!companion_begin_work(&dog))
		return;
	if (!dog_thread_state)
		dog_thread_state = py.PyThreadState_New(py.PyInterpreterState_Main());
	if (dog_thread_state) {
		py.PyEval_RestoreThread(dog_thread_state); /* returns when nobody else wants the GIL */
		py.PyEval_SaveThread();
	}
	companion_end_work(&dog);
}

/* The host sets idle and then looks at watch_naps; we set that and then look at idle: one of us sees the other. */
static void announce_nap(void)
{
	atomic_store(&sched.watch_naps, true);
	if (!atomic_load(&sched.idle))
		python_host_woke();
}

void python_host_woke(void)
{
	atomic_store(&sched.watch_naps, false);
	companion_wake(&dog);
}

static void *dog_main(void *arg)
{
	/* Half of what a thread may compute: it has been seen twice without a switch between by then. */
	int64_t period = settings.preempt_ms * NS_PER_MS / 2;
	unsigned long seen = 0, now;
	int ending = 0, idle = 0;

	raw2(SYS_prctl, PR_SET_NAME, "syncless-dog");
	atomic_store(&standby_thread, pthread_self());
	while (companion_rest(&dog, period) && !companion_may_end(&dog, dog_is_needed, &ending)) {
		now = atomic_load_explicit(&sched.switches, memory_order_relaxed);
		idle = atomic_load(&sched.idle) && now == seen ? idle + 1 : 0;
		if (now == seen && ending == 0 && idle == 0)
			ask();
		if (idle >= IDLE_PERIODS)
			companion_nap(&dog, announce_nap);
		seen = now;
	}
	atomic_store(&standby_thread, 0);
	return arg;
}

/* --- main in input(). */

bool python_owes_eintr;

/* The interpreter calls this, without the GIL, before it reads a line from the terminal by fgets().  A signal that
 * ends the wait here would have ended that call.  GNU readline calls it, too, but after each select(), which parks
 * by itself, also when a signal has ended that: there the hook must not wait. */
static int input_hook(void)
{
	bool by_fgets = is_runtime(__builtin_return_address(0)) && !libc.dlsym(RTLD_DEFAULT, "rl_callback_read_char");
	struct coro *me = by_fgets ? coro_may_park() : NULL;
	struct fdrec *f = me ? fd_record(0) : NULL;

	if (f && wait_fd(me, f, WAIT_READ, NEVER, WAIT_INTR_ALWAYS, "input") == -EINTR)
		python_owes_eintr = true;
	return 0;
}

void python_thread_started(void)
{
	if (!interpreter_is_up())
		return;
	if (py.PyOS_InputHook && !*py.PyOS_InputHook)
		*py.PyOS_InputHook = input_hook;
	if (settings.preempt_ms && py.PyThreadState_New)
		companion_start(&dog);
}

/* One that asks waits for the GIL, which the forking thread holds. */
void python_before_fork(void)
{
	companion_before_fork(&dog);
}

void python_after_fork_child(void)
{
	companion_after_fork_child(&dog);
	dog_thread_state = NULL; /* the interpreter frees the states of threads that did not survive */
}
