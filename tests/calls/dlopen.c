/* SPDX-License-Identifier: Apache-2.0
 *
 * dlopen() of an object whose constructor waits: a second dlopen() and a dlsym() wait for it, threads that
 * start, sleep and end go on, and dlclose() runs the destructor.  The object is built here.
 */
#include "calls/blocked.h"
#include <dlfcn.h>

static const char source[] =
	"#include <unistd.h>\n"
	"__thread int local = 5;\n"
	"static int made;\n"
	"__attribute__((constructor)) static void make(void) { char c; made = read(90, &c, 1) == 1; }\n"
	"__attribute__((destructor)) static void end(void) { if (write(91, \"E\", 1) != 1) _exit(9); }\n"
	"int was_made(void) { return made; }\n"
	"int bump(void) { return ++local; }\n";

static int gate[2], ends[2]; /* the object knows them as 90 and 91 */
static char dir[] = "/tmp/syncless-dlopen-XXXXXX";

static bool build(void)
{
	char command[256];
	FILE *f = fopen("slow.c", "w");

	CHECK(f != NULL);
	CHECK(fputs(source, f) >= 0);
	CHECK_EQ(fclose(f), 0);
	snprintf(command, sizeof(command),
		 "unset LD_PRELOAD; %s -shared -fPIC -o slow.so slow.c >/dev/null 2>&1 && cp slow.so slow2.so",
		 getenv("CC") ? getenv("CC") : "cc");
	return system(command) == 0;
}

static void *opener(void *arg)
{
	void *h;
	int (*was_made)(void), (*bump)(void);

	about_to_block();
	h = dlopen(arg, RTLD_NOW | RTLD_LOCAL);
	CHECK(h != NULL);
	was_made = (int (*)(void))dlsym(h, "was_made");
	bump = (int (*)(void))dlsym(h, "bump");
	CHECK(was_made && bump);
	CHECK(was_made());
	CHECK_EQ(bump(), 6);
	sched_yield();
	CHECK_EQ(bump(), 7);
	return h;
}

static void *quick(void *arg)
{
	usleep(1000);
	return arg;
}

static void *looks_up(void *arg)
{
	about_to_block();
	CHECK(dlsym(RTLD_DEFAULT, "getpid") != NULL);
	return arg;
}

static int ended(void)
{
	char c;
	int n = 0;

	while (read(ends[0], &c, 1) == 1)
		n++;
	return n;
}

static void clean(void)
{
	CHECK_EQ(unlink("slow.c"), 0);
	unlink("slow.so");
	unlink("slow2.so");
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(rmdir(dir), 0);
}

int main(void)
{
	pthread_t a, b, c, looking;
	void *ha, *hb, *hc;

	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(chdir(dir), 0);
	if (!build()) {
		clean();
		SKIP("no C compiler to build the object with");
	}
	CHECK_EQ(pipe(gate), 0);
	CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
	CHECK_EQ(dup2(gate[0], 90), 90);
	CHECK_EQ(dup2(ends[1], 91), 91);
	a = start(opener, "./slow.so");
	await_blocked(1);
	b = start(opener, "./slow.so");
	c = start(opener, "./slow2.so");
	await_blocked(3);
	finish(start(quick, NULL));
	looking = start(looks_up, NULL); /* the kernel's threads wait for the loader here as well */
	await_blocked(4);
	CHECK_EQ(write(gate[1], "ab", 2), 2);
	finish(looking);
	ha = finish(a);
	hb = finish(b);
	hc = finish(c);
	CHECK(ha == hb && ha != hc);
	CHECK_EQ(dlclose(ha), 0);
	CHECK_EQ(ended(), 0);
	CHECK_EQ(dlclose(hb), 0);
	CHECK_EQ(ended(), 1);
	CHECK_EQ(dlclose(hc), 0);
	CHECK(dlopen("./nonexistent.so", RTLD_NOW) == NULL);
	CHECK(strstr(dlerror(), "nonexistent") != NULL);
	clean();
	return 0;
}
