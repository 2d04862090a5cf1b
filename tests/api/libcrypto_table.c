/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for a libcrypto whose queue of errors lies under no key of its own: the few calls of OpenSSL 3 that
 * have to do with it, and a queue in thread-local storage.  As there, strings are good until their place is
 * used again.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { N = 16, TEXT = 2 };

static __thread struct {
	int first, last; /* it is empty when they are the same */
	struct entry {
		unsigned long code;
		int line;
		char file[32], func[32], data[64];
	} entry[N + 1];
} queue;

void ERR_clear_error(void);
void ERR_new(void);
void ERR_set_debug(const char *file, int line, const char *func);
void ERR_set_error(int lib, int reason, const char *format, ...);
unsigned long ERR_peek_error(void);
unsigned long ERR_get_error_all(const char **file, int *line, const char **func, const char **data, int *flags);

static int after(int place)
{
	return (place + 1) % (N + 1);
}

void ERR_clear_error(void)
{
	memset(&queue, 0, sizeof(queue));
}

void ERR_new(void)
{
	queue.last = after(queue.last);
	if (queue.last == queue.first)
		queue.first = after(queue.first);
	memset(&queue.entry[queue.last], 0, sizeof(queue.entry[0]));
}

void ERR_set_debug(const char *file, int line, const char *func)
{
	struct entry *e = &queue.entry[queue.last];

	snprintf(e->file, sizeof(e->file), "%s", file ? file : "");
	snprintf(e->func, sizeof(e->func), "%s", func ? func : "");
	e->line = line;
}

void ERR_set_error(int lib, int reason, const char *format, ...)
{
	struct entry *e = &queue.entry[queue.last];
	va_list ap;

	e->code = lib == 2 ? 0x80000000UL | (unsigned)reason : (unsigned long)lib << 23 | (unsigned)reason;
	if (!format)
		return;
	va_start(ap, format);
	vsnprintf(e->data, sizeof(e->data), format, ap);
	va_end(ap);
}

unsigned long ERR_peek_error(void)
{
	return queue.first == queue.last ? 0 : queue.entry[after(queue.first)].code;
}

unsigned long ERR_get_error_all(const char **file, int *line, const char **func, const char **data, int *flags)
{
	struct entry *e;

	if (queue.first == queue.last)
		return 0;
	queue.first = after(queue.first);
	e = &queue.entry[queue.first];
	*file = e->file;
	*line = e->line;
	*func = e->func;
	*data = e->data;
	*flags = e->data[0] ? TEXT : 0;
	return e->code;
}
