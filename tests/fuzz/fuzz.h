/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share.  Each is a program of libFuzzer's: it feeds a parser of shim/core/ or of
 * pyglue/_syncless_http/ with bytes, under AddressSanitizer and UBSan, and checks what must hold of any result.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(cond)                                                                                          \
	do {                                                                                                 \
		if (!(cond)) {                                                                               \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);            \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

/* A copy of just that size, behind which a sanitizer sees each step. */
static inline void *copy_of(const void *data, size_t size)
{
	void *copy = malloc(size ? size : 1);

	HOLDS(copy);
	return memcpy(copy, data, size);
}

/* With the NUL behind it that parsers of text ask for. */
static inline char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	HOLDS(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
