/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of thread-specific data: libc's own, and noted on the way, since only we run the destructors of a
 * green thread (core/tls.c).  Natively, too, before there is any green thread: keys are made early.
 */
#include "libc.h"
#include "thread.h"

extern int __pthread_key_create(pthread_key_t *key, void (*destroy)(void *));

/* pthread_key_create(3).  Parks: never. */
EXPORT int pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
	int err = libc.pthread_key_create(key, destroy);

	if (err == 0)
		tls_note_key(*key, destroy);
	return err;
}
EXPORT_ALIAS(__pthread_key_create, pthread_key_create);

/* pthread_key_delete(3).  Parks: never. */
EXPORT int pthread_key_delete(pthread_key_t key)
{
	tls_forget_key(key);
	return libc.pthread_key_delete(key);
}

/* tss_create(3).  Parks: never. */
EXPORT int tss_create(tss_t *key, tss_dtor_t destroy)
{
	int r = libc.tss_create(key, destroy);

	if (r == thrd_success)
		tls_note_key(*key, destroy);
	return r;
}

/* tss_delete(3).  Parks: never. */
EXPORT void tss_delete(tss_t key)
{
	tls_forget_key(key);
	libc.tss_delete(key);
}
