/* SPDX-License-Identifier: Apache-2.0
 * env: SYNCLESS_HANDOFF_MS=0
 *
 * An object that was opened with RTLD_DEEPBIND waits as the program does; one in a namespace of its own calls its
 * own libc, and works.
 */
#include "calls/blocked.h"
#include <dlfcn.h>

static int ends[2];
static int (*reads)(int);

static void *reader(void *arg)
{
	about_to_block();
	CHECK_EQ(reads(ends[0]), 1);
	return arg;
}

static void find_object(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 16);

	CHECK(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, "libreads.so");
}

int main(void)
{
	char path[4096];
	pthread_t t;
	void *h;

#ifdef __SANITIZE_ADDRESS__
	SKIP("AddressSanitizer refuses RTLD_DEEPBIND");
#endif
	find_object(path, sizeof(path));
	CHECK_EQ(pipe(ends), 0);
	h = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	CHECK(h != NULL);
	reads = (int (*)(int))dlsym(h, "reads");
	t = start(reader, NULL);
	await_blocked(1);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	finish(t);
	CHECK_EQ(dlclose(h), 0);
	h = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
	CHECK(h != NULL);
	reads = (int (*)(int))dlsym(h, "reads");
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_EQ(reads(ends[0]), 1);
	CHECK_VERIFY();
	return 0;
}
