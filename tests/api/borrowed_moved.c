/* SPDX-License-Identifier: Apache-2.0
 *
 * Queues of errors that a switch must move, since libcrypto keeps them under no key: each coroutine finds its
 * own with all that an error says, and the last of a coroutine that ends are nobody's.
 */
#include "api/coroutines.h"
#include <dlfcn.h>

static void (*new_error)(void);
static void (*set_debug)(const char *file, int line, const char *func);
static void (*set_error)(int lib, int reason, const char *format, ...);
static unsigned long (*peek_error)(void);
static unsigned long (*get_error)(const char **file, int *line, const char **func, const char **data,
				  int *flags);

enum { LIB = 42, SYSTEM = 2 };

static void put(int lib, int reason, const char *data)
{
	new_error();
	set_debug("file.c", reason + 1000, "function");
	if (data)
		set_error(lib, reason, "%s", data);
	else
		set_error(lib, reason, NULL);
}

static void expect(int lib, int reason, const char *text)
{
	const char *file, *func, *data;
	unsigned long code;
	int line, flags;

	code = get_error(&file, &line, &func, &data, &flags);
	CHECK_EQ(code, lib == SYSTEM ? 0x80000000UL + reason : ((unsigned long)lib << 23) + reason);
	CHECK_EQ(line, reason + 1000);
	CHECK(!strcmp(file, "file.c"));
	CHECK(!strcmp(func, "function"));
	CHECK_EQ(flags, text ? 2 : 0);
	CHECK(!text || !strcmp(data, text));
}

static void *own_errors(void *arg)
{
	int mine = (int)(long)arg;
	char text[] = "text ?";

	text[5] = (char)('a' + mine);
	CHECK_EQ(peek_error(), 0);
	put(LIB, mine, text);
	syncless_yield();
	put(SYSTEM, mine, NULL);
	syncless_yield();
	/* More than fit: the oldest are forgotten. */
	for (int i = 0; i < 15; i++)
		put(LIB, mine + i, NULL);
	syncless_yield();
	expect(SYSTEM, mine, NULL);
	for (int i = 0; i < 15; i++) {
		expect(LIB, mine + i, NULL);
		syncless_yield();
	}
	CHECK_EQ(peek_error(), 0);
	put(LIB, mine, text);
	syncless_yield();
	expect(LIB, mine, text);
	put(LIB, mine, NULL);
	return arg;
}

static void *load(const char *name)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 100);

	CHECK(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, name);
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

int main(void)
{
	enum { N = 20 };
	syncless_co *co[N];
	void *lib;

	NEED_LIBRARY();
	lib = load("libcrypto_table.so");
	CHECK(lib);
	new_error = (__typeof__(new_error))dlsym(lib, "ERR_new");
	set_debug = (__typeof__(set_debug))dlsym(lib, "ERR_set_debug");
	set_error = (__typeof__(set_error))dlsym(lib, "ERR_set_error");
	peek_error = (__typeof__(peek_error))dlsym(lib, "ERR_peek_error");
	get_error = (__typeof__(get_error))dlsym(lib, "ERR_get_error_all");
	put(LIB, 300, "main's");
	for (int round = 0; round < 3; round++) {
		for (long i = 0; i < N; i++)
			co[i] = spawn(own_errors, (void *)i);
		for (int i = 0; i < N; i++)
			join(co[i]);
	}
	expect(LIB, 300, "main's");
	CHECK_EQ(peek_error(), 0);
	CHECK_VERIFY();
	return 0;
}
