/* SPDX-License-Identifier: Apache-2.0
 *
 * See errmove.h.
 */
#include "errmove.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "libc.h"

enum {
	QUEUE_MAX = 16,	 /* libcrypto's own; what is older it forgets */
	DATA_IS_TEXT = 2 /* ERR_TXT_STRING */
};

/* How an error is packed into a long. */
#define SYSTEM_ERROR 0x80000000UL
#define REASON_OF_SYSTEM 0x7fffffffUL
#define REASON 0x7fffffUL
enum { LIB_SHIFT = 23, LIB_MASK = 0xff, LIB_SYSTEM = 2 };

struct entry {
	unsigned long code;
	int line;
	char *file, *func, *data; /* NULL: none */
};

struct queue {
	int n;
	struct entry entry[QUEUE_MAX];
};

bool errmove_bind(struct errmove *m, void *handle)
{
	m->peek = (__typeof__(m->peek))libc.dlsym(handle, "ERR_peek_error");
	m->get = (__typeof__(m->get))libc.dlsym(handle, "ERR_get_error_all");
	m->begin = (__typeof__(m->begin))libc.dlsym(handle, "ERR_new");
	m->set_debug = (__typeof__(m->set_debug))libc.dlsym(handle, "ERR_set_debug");
	m->set = (__typeof__(m->set))libc.dlsym(handle, "ERR_set_error");
	return m->peek && m->get && m->begin && m->set_debug && m->set;
}

/* libcrypto's strings are good until it uses their place again. */
static char *copy(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

void *errmove_take(const struct errmove *m)
{
	const char *file, *func, *data;
	struct queue *q;
	struct entry e;
	int flags;

	if (LIKELY(!m->peek()))
		return NULL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	while (q->n < QUEUE_MAX && (e.code = m->get(&file, &e.line, &func, &data, &flags)) != 0) {
		e.file = copy(file);
		e.func = copy(func);
		e.data = flags & DATA_IS_TEXT ? copy(data) : NULL;
		q->entry[q->n++] = e;
	}
	return q;
}

static void put_one(const struct errmove *m, const struct entry *e)
{
	bool system = e->code & SYSTEM_ERROR;
	int lib = system ? LIB_SYSTEM : (int)(e->code >> LIB_SHIFT & LIB_MASK);
	int reason = (int)(e->code & (system ? REASON_OF_SYSTEM : REASON));

	m->begin();
	m->set_debug(e->file, e->line, e->func);
	if (e->data)
		m->set(lib, reason, "%s", e->data);
	else
		m->set(lib, reason, NULL);
}

void errmove_put(const struct errmove *m, void *queue)
{
	struct queue *q = queue;

	for (int i = 0; i < q->n; i++)
		put_one(m, &q->entry[i]);
	errmove_free(q);
}

void errmove_free(void *queue)
{
	struct queue *q = queue;

	for (int i = 0; i < q->n; i++) {
		free(q->entry[i].file);
		free(q->entry[i].func);
		free(q->entry[i].data);
	}
	free(q);
}
