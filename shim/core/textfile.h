/* SPDX-License-Identifier: Apache-2.0
 *
 * Small files below /etc that are kept in parsed form until they change.  Read by raw system calls: a lookup must
 * not enter our own wrappers, and the descriptor is gone before anybody else runs.
 */
#ifndef SYNCLESS_TEXTFILE_H
#define SYNCLESS_TEXTFILE_H

#include "base.h"

/* What tells one content of a path from the next, as libc tells it (all zero: no such file). */
struct textfile_id {
	uint64_t dev, ino;
	int64_t size, mtime, ctime;
};

void textfile_identify(const char *path, struct textfile_id *id);
bool textfile_same(const struct textfile_id *a, const struct textfile_id *b);

/* The whole text, NUL-terminated, to be freed; NULL with *err set (a regular file of 64 MB at most). */
char *textfile_read(const char *path, size_t *len, int *err);

/* Cuts the next line off: *cursor moves behind it, its newline becomes a NUL.  NULL at the end.  A NUL byte in
 * the text ends the line that it stands in, as it does for libc, which reads lines as strings. */
char *textfile_line(char **cursor, char *end);

/* The next run of characters that are not in `blanks`, cut off in the same way; NULL if there is none. */
#define TEXTFILE_SPACE " \t\n\v\f\r"
char *textfile_word(char **line, const char *blanks);

#endif
