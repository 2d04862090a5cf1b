/* SPDX-License-Identifier: Apache-2.0
 *
 * A coroutine that holds a FILE's lock across a wait keeps the others out of it, the host's own flow included,
 * though libc takes them all for one thread; for itself the lock is recursive.
 */
#include "api/coroutines.h"

static FILE *file;

static void *printer(void *arg)
{
	CHECK(ftrylockfile(file) != 0);
	CHECK(fputs(arg, file) >= 0);
	return arg;
}

static void *file_owner(void *arg)
{
	syncless_co *other;

	flockfile(file);
	flockfile(file);
	other = spawn(printer, "second ");
	CHECK(fputs("fir", file) >= 0);
	syncless_yield();
	funlockfile(file);
	syncless_yield();
	CHECK(fputs("st ", file) >= 0);
	funlockfile(file);
	join(other);
	CHECK_EQ(ftrylockfile(file), 0);
	funlockfile(file);
	return arg;
}

static void check_file(void)
{
	char line[64];

	file = tmpfile();
	CHECK(file);
	join(spawn(file_owner, NULL));
	file_owner(NULL);
	rewind(file);
	CHECK(fgets(line, sizeof(line), file));
	CHECK(!strcmp(line, "first second first second "));
	flockfile(file);
	CHECK_EQ(fclose(file), 0);
	/* libc gives the memory to the next one. */
	file = tmpfile();
	CHECK(file);
	join(spawn(file_owner, NULL));
	CHECK_EQ(fclose(file), 0);
}

int main(void)
{
	NEED_LIBRARY();
	check_file();
	CHECK_VERIFY();
	return 0;
}
