/* SPDX-License-Identifier: Apache-2.0
 *
 * The two names by which compiled cleanup code refers to libgcc_s.  Cancellation unwinds through our frames, so
 * they need cleanup code; but to load libgcc_s into every process for that would cost each some hundred kB.
 * So these stand in, and look for the library when something is unwound: then libc has loaded it already.
 */
#include <unwind.h>
#include <stdlib.h>
#include "libc.h"

static void *find(const char *name)
{
	void *lib = libc.dlopen("libgcc_s.so.1", RTLD_NOW);
	void *p = lib ? libc.dlsym(lib, name) : NULL;

	if (!p)
		abort(); /* nothing can be unwound without it; libc says the same */
	return p;
}

_Unwind_Reason_Code __gcc_personality_v0(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
					 struct _Unwind_Exception *e, struct _Unwind_Context *context);

__attribute__((visibility("hidden"))) _Unwind_Reason_Code
__gcc_personality_v0(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
		     struct _Unwind_Exception *e, struct _Unwind_Context *context)
{
	static __typeof__(__gcc_personality_v0) *real;

	if (!real)
		real = (__typeof__(real))find("__gcc_personality_v0");
	return real(version, actions, class, e, context);
}

void _Unwind_Resume(struct _Unwind_Exception *e)
{
	static __typeof__(_Unwind_Resume) *real;

	if (!real)
		real = (__typeof__(real))find("_Unwind_Resume");
	real(e);
	__builtin_unreachable();
}
