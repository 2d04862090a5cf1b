/* SPDX-License-Identifier: Apache-2.0
 *
 * An object with thread-local storage is loaded while many threads are parked: each of them must find its
 * own initialised copy afterwards, the dynamic kind and the static one (initial-exec) alike; the latter also where the
 * object has no other, so that nobody ever asks the loader for an address in it.
 */
#include "calls/blocked.h"
#include <dlfcn.h>

#define N 100

static const char source[] =
	"__thread int dynamic = 11;\n"
	"__thread int is __attribute__((tls_model(\"initial-exec\"))) = 22;\n"
	"int next_dynamic(void) { return ++dynamic; }\n"
	"int next_static(void) { return ++is; }\n";
static const char static_source[] =
	"__thread int only __attribute__((tls_model(\"initial-exec\"))) = 33;\n"
	"int next_only(void) { return ++only; }\n";

static char dir[32];
static int gate[2];
static int (*next_dynamic)(void), (*next_static)(void), (*next_only)(void);

static void *worker(void *arg)
{
	char c;

	about_to_block();
	CHECK_EQ(read(gate[0], &c, 1), 0);
	for (int i = 1; i < 5; i++) {
		CHECK_EQ(next_dynamic(), 11 + i);
		CHECK_EQ(next_static(), 22 + i);
		CHECK_EQ(next_only(), 33 + i);
		sched_yield();
	}
	return arg;
}

static void *load(const char *name, const char *text)
{
	char command[256], object[32];
	FILE *f;
	void *h = NULL;

	snprintf(object, sizeof(object), "./%s.so", name);
	strcpy(dir, "/tmp/syncless-tls-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(chdir(dir), 0);
	f = fopen("tls.c", "w");
	CHECK(fputs(text, f) >= 0);
	CHECK_EQ(fclose(f), 0);
	snprintf(command, sizeof(command), "unset LD_PRELOAD; %s -shared -fPIC -o %s tls.c >/dev/null 2>&1",
		 getenv("CC") ? getenv("CC") : "cc", object);
	if (system(command) == 0)
		CHECK((h = dlopen(object, RTLD_NOW)) != NULL);
	unlink(object);
	unlink("tls.c");
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(rmdir(dir), 0);
	return h;
}

int main(void)
{
	pthread_t t[N];
	void *h, *only;

	CHECK_EQ(pipe(gate), 0);
	for (int i = 0; i < N; i++)
		t[i] = start(worker, NULL);
	await_blocked(N);
	h = load("both", source);
	only = load("static", static_source);
	if (!h || !only)
		SKIP("no C compiler to build the object with");
	next_dynamic = (int (*)(void))dlsym(h, "next_dynamic");
	next_static = (int (*)(void))dlsym(h, "next_static");
	next_only = (int (*)(void))dlsym(only, "next_only");
	CHECK(next_dynamic && next_static && next_only);
	CHECK_EQ(close(gate[1]), 0);
	for (int i = 0; i < N; i++)
		finish(t[i]);
	for (int i = 0; i < 5; i++) { /* and in threads that are made, or recycled, later */
		CHECK_EQ(pipe(gate), 0);
		t[0] = start(worker, NULL);
		CHECK_EQ(close(gate[1]), 0);
		finish(t[0]);
		CHECK_EQ(close(gate[0]), 0);
	}
	return 0;
}
