/* SPDX-License-Identifier: Apache-2.0
 *
 * See textfile.h.
 */
#include "textfile.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "raw.h"

#define LARGEST (64 << 20)

void textfile_identify(const char *path, struct textfile_id *id)
{
	struct stat st;
	int saved = errno;

	*id = (struct textfile_id){ 0 };
	if (stat(path, &st) == 0)
		*id = (struct textfile_id){
			.dev = st.st_dev,
			.ino = st.st_ino,
			.size = st.st_size,
			.mtime = timespec_ns(&st.st_mtim),
			.ctime = timespec_ns(&st.st_ctim),
		};
	errno = saved;
}

bool textfile_same(const struct textfile_id *a, const struct textfile_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static long read_all(int fd, char *to, size_t len)
{
	size_t have = 0;
	long n = 1;

	while (have < len && (n = raw3(SYS_read, fd, to + have, len - have)) != 0) {
		if (n < 0 && n != -EINTR)
			return n;
		have += n < 0 ? 0 : (size_t)n;
	}
	return (long)have;
}

static char *read_open_file(int fd, size_t *len, int *err)
{
	struct stat st;
	char *text;
	long n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > LARGEST) {
		*err = EINVAL;
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text) {
		*err = ENOMEM;
		return NULL;
	}
	n = read_all(fd, text, (size_t)st.st_size);
	if (n < 0) {
		*err = (int)-n;
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*len = (size_t)n;
	return text;
}

char *textfile_read(const char *path, size_t *len, int *err)
{
	int saved = errno;
	long fd = raw4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	char *text;

	if (fd < 0) {
		*err = (int)-fd;
		return NULL;
	}
	text = read_open_file((int)fd, len, err);
	raw1(SYS_close, fd);
	errno = saved;
	return text;
}

char *textfile_line(char **cursor, char *end)
{
	char *line = *cursor, *newline;

	if (line >= end)
		return NULL;
	newline = memchr(line, '\n', (size_t)(end - line));
	*cursor = newline ? newline + 1 : end;
	if (newline)
		*newline = '\0';
	return line;
}

char *textfile_word(char **line, const char *blanks)
{
	char *word = *line + strspn(*line, blanks), *end = word + strcspn(word, blanks);

	if (end == word)
		return NULL;
	*line = end + (*end != '\0');
	*end = '\0';
	return word;
}
