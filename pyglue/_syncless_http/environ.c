/* SPDX-License-Identifier: Apache-2.0
 *
 * The environ of PEP 3333.  What all requests of a listener have in common is in server->base, which is copied;
 * keys of header fields are made once and kept.
 */
#include <stdlib.h>
#include <string.h>
#include "http.h"

#define KEYS 512      /* a power of two */
#define MOST_KEPT 384 /* what clients make up is not kept for ever */
#define LONGEST_KEPT 40
#define ROOM 8 /* CPython copies a dict as it stands if at most a third of it was deleted */

static PyObject *method_key, *path_key, *query_key, *uri_key, *protocol_key, *type_key, *length_key, *input_key,
	*addr_key, *port_key, *host_key, *cookie_key, *get, *post, *protocols[2];

static struct {
	char name[LONGEST_KEPT]; /* in lower case */
	size_t n;
	PyObject *key;
} kept[KEYS];
static int nkept;

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static PyObject *make_key(struct span name)
{
	char small[128], *text = name.n + 5 <= sizeof(small) ? small : malloc(name.n + 5);
	PyObject *key;

	if (!text)
		return PyErr_NoMemory();
	memcpy(text, "HTTP_", 5);
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		text[5 + i] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	}
	key = PyUnicode_DecodeLatin1(text, (Py_ssize_t)name.n + 5, NULL);
	if (text != small)
		free(text);
	return key;
}

static bool same_name(const char *low, struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (lower(name.p[i]) != low[i])
			return false;
	return true;
}

/* A new reference. */
static PyObject *key_of(struct span name)
{
	unsigned hash = 0;
	PyObject *key;

	if (name.n > LONGEST_KEPT)
		return make_key(name);
	for (size_t i = 0; i < name.n; i++)
		hash = hash * 31 + (unsigned char)lower(name.p[i]);
	for (;; hash++) {
		size_t at = hash & (KEYS - 1);

		if (kept[at].key && (kept[at].n != name.n || !same_name(kept[at].name, name)))
			continue;
		key = kept[at].key;
		if (!key) {
			key = make_key(name);
			if (!key || nkept == MOST_KEPT)
				return key;
			nkept++;
			for (size_t i = 0; i < name.n; i++)
				kept[at].name[i] = lower(name.p[i]);
			kept[at].n = name.n;
			kept[at].key = key;
		}
		Py_INCREF(key);
		return key;
	}
}

static bool put(PyObject *env, PyObject *key, PyObject *value)
{
	int r = value ? PyDict_SetItem(env, key, value) : -1;

	Py_XDECREF(value);
	return r == 0;
}

static PyObject *text(struct span s)
{
	return PyUnicode_DecodeLatin1(s.p, (Py_ssize_t)s.n, NULL);
}

/* %XX are bytes, which a str of PEP 3333 has as they are. */
static PyObject *decoded(struct span s)
{
	char *out;
	size_t n = 0;
	PyObject *result;

	if (!memchr(s.p, '%', s.n))
		return text(s);
	out = malloc(s.n);
	if (!out)
		return PyErr_NoMemory();
	for (size_t i = 0; i < s.n; i++) {
		bool coded = s.p[i] == '%' && i + 2 < s.n && hex_digit(s.p[i + 1]) >= 0 &&
			     hex_digit(s.p[i + 2]) >= 0;

		out[n++] = coded ? (char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2])) : s.p[i];
		i += coded ? 2 : 0;
	}
	result = PyUnicode_DecodeLatin1(out, (Py_ssize_t)n, NULL);
	free(out);
	return result;
}

/* Fields of one name are one, as RFC 9110 joins them; those of cookies, as RFC 6265. */
static PyObject *joined(PyObject *key, PyObject *before, struct span value)
{
	PyObject *more = text(value), *both;

	if (!more)
		return NULL;
	both = PyUnicode_FromFormat(key == cookie_key ? "%U; %U" : "%U, %U", before, more);
	Py_DECREF(more);
	return both;
}

/* A field "Proxy" would look like the variable that tells programs of a proxy. */
static bool is_left_out(struct span name)
{
	return (name.n == 14 && span_is(name, "content-length")) ||
	       (name.n == 12 && span_is(name, "content-type")) || (name.n == 5 && span_is(name, "proxy"));
}

static bool put_field(PyObject *env, const struct field *f)
{
	PyObject *key, *before;
	bool ok;

	if (is_left_out(f->name))
		return true;
	key = key_of(f->name);
	if (!key)
		return false;
	before = PyDict_GetItemWithError(env, key);
	ok = put(env, key, before ? joined(key, before, f->value) : text(f->value));
	Py_DECREF(key);
	return ok;
}

static PyObject *method_name(struct span method)
{
	PyObject *o = span_is_exactly(method, "GET") ? get : span_is_exactly(method, "POST") ? post : NULL;

	if (!o)
		return text(method);
	Py_INCREF(o);
	return o;
}

/* Makes place: in what PyDict_Copy() makes of it, so many more keys come in without another allocation. */
static bool make_room(PyObject *dict)
{
	char name[32];

	for (int i = 0; i < 2 * ROOM; i++) {
		snprintf(name, sizeof(name), "room %d", i % ROOM);
		if (i < ROOM && PyDict_SetItemString(dict, name, Py_None) < 0)
			return false;
		if (i >= ROOM && PyDict_DelItemString(dict, name) < 0)
			return false;
	}
	return true;
}

PyObject *environ_template(PyObject *base)
{
	PyObject *const each[] = { method_key, path_key, uri_key, protocol_key, input_key };
	PyObject *env = PyDict_Copy(base);
	bool ok = env != NULL;

	for (size_t i = 0; ok && i < sizeof(each) / sizeof(*each); i++)
		ok = PyDict_SetItem(env, each[i], Py_None) == 0;
	if (!ok || !make_room(env))
		Py_CLEAR(env);
	return env;
}

PyObject *environ_new(struct server *s, const struct conn *c, const struct head *h, PyObject *input)
{
	PyObject *env = PyDict_Copy(s->base);
	bool ok = env && put(env, method_key, method_name(h->method)) && put(env, path_key, decoded(h->path)) &&
		  put(env, uri_key, text(h->target)) &&
		  PyDict_SetItem(env, protocol_key, protocols[h->minor]) == 0 &&
		  PyDict_SetItem(env, input_key, input) == 0;

	if (ok && h->query.n)
		ok = put(env, query_key, text(h->query));
	if (ok && c->peer != Py_None)
		ok = PyDict_SetItem(env, addr_key, c->peer) == 0 &&
		     PyDict_SetItem(env, port_key, c->peer_port) == 0;
	if (ok && c->more)
		ok = PyDict_Update(env, c->more) == 0;
	if (ok && h->content_type.p)
		ok = put(env, type_key, text(h->content_type));
	if (ok && h->content_length >= 0)
		ok = put(env, length_key, PyUnicode_FromFormat("%lld", (long long)h->content_length));
	for (int i = 0; ok && i < h->nfields; i++)
		ok = put_field(env, &h->fields[i]);
	if (ok && h->authority.p) /* it counts, whatever Host says: RFC 9112, 3.2.2 */
		ok = put(env, host_key, text(h->authority));
	if (!ok)
		Py_CLEAR(env);
	return env;
}

int environ_init(void)
{
	static const struct {
		PyObject **where;
		const char *name;
	} names[] = {
		{ &method_key, "REQUEST_METHOD" },
		{ &path_key, "PATH_INFO" },
		{ &query_key, "QUERY_STRING" },
		{ &uri_key, "REQUEST_URI" },
		{ &protocol_key, "SERVER_PROTOCOL" },
		{ &type_key, "CONTENT_TYPE" },
		{ &length_key, "CONTENT_LENGTH" },
		{ &input_key, "wsgi.input" },
		{ &addr_key, "REMOTE_ADDR" },
		{ &port_key, "REMOTE_PORT" },
		{ &host_key, "HTTP_HOST" },
		{ &get, "GET" },
		{ &post, "POST" },
		{ &protocols[0], "HTTP/1.0" },
		{ &protocols[1], "HTTP/1.1" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!(*names[i].where = PyUnicode_InternFromString(names[i].name)))
			return -1;
	cookie_key = key_of((struct span){ "cookie", 6 });
	return cookie_key ? 0 : -1;
}
