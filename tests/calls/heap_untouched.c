/* SPDX-License-Identifier: Apache-2.0
 *
 * The preload takes nothing from the program's heap before main(): what the program allocates lies where it lies
 * without.  The speed of copies depends on the alignment of their buffers, so a few bytes more at the start could
 * make a program that gains nothing from us half as fast.
 */
#include "test.h"
#include <stdlib.h>

int main(int argc, char **argv)
{
	unsigned long ours = (unsigned long)malloc(96) & 0xfff, plain = 0;
	char command[512];
	const char *emulator = getenv("EMULATOR");
	FILE *child;

	(void)argv;
	if (argc > 1) {
		printf("%lu\n", ours);
		return 0;
	}
#if defined(__SANITIZE_ADDRESS__)
	puts("the heap is the sanitizer's");
	return 77;
#endif
	snprintf(command, sizeof(command), "LD_PRELOAD= %s %s plainly", emulator ? emulator : "", argv[0]);
	child = popen(command, "r");
	CHECK(child != NULL);
	CHECK_EQ(fscanf(child, "%lu", &plain), 1);
	CHECK_EQ(pclose(child), 0);
	CHECK_EQ(ours, plain);
	return 0;
}
