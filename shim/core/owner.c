/* SPDX-License-Identifier: Apache-2.0
 *
 * See owner.h.  A lock that bears the thread's tid belongs to the thread's own flow, which does not run while a
 * guest does: libc must not be asked about it, for it would take the guest for that owner.
 */
#include "owner.h"
#include <limits.h>
#include "body.h"
#include "libc.h"

int owner_number(struct coro *co)
{
	if (!co->is_guest)
		return co->tid;
	if (!co->owner_number)
		co->owner_number = body_next_tid();
	return co->owner_number;
}

static int owner_of(const pthread_mutex_t *m)
{
	return __atomic_load_n(&m->__data.__owner, __ATOMIC_RELAXED);
}

static void set_owner(pthread_mutex_t *m, int owner)
{
	__atomic_store_n(&m->__data.__owner, owner, __ATOMIC_RELAXED);
}

static bool is_recursive(const pthread_mutex_t *m)
{
	return (m->__data.__kind & 3) == PTHREAD_MUTEX_RECURSIVE;
}

bool owner_holds(const struct coro *guest, const pthread_mutex_t *m)
{
	return guest->owner_number && owner_of(m) == guest->owner_number;
}

int owner_trylock(struct coro *guest, pthread_mutex_t *m)
{
	int err;

	if (owner_holds(guest, m)) {
		if (!is_recursive(m))
			return EBUSY;
		if (m->__data.__count == UINT_MAX)
			return EAGAIN;
		m->__data.__count++;
		return 0;
	}
	if (owner_of(m) == guest->tid)
		return EBUSY;
	err = libc.pthread_mutex_trylock(m);
	if (err == 0)
		set_owner(m, owner_number(guest));
	return err;
}

int owner_unlock(struct coro *guest, pthread_mutex_t *m)
{
	if (!owner_holds(guest, m))
		return EPERM;
	if (is_recursive(m) && m->__data.__count > 1) {
		m->__data.__count--;
		return 0;
	}
	set_owner(m, guest->tid);
	return libc.pthread_mutex_unlock(m);
}

static int writer_of(const pthread_rwlock_t *rw)
{
	return __atomic_load_n(&rw->__data.__cur_writer, __ATOMIC_RELAXED);
}

bool owner_writes(const struct coro *guest, const pthread_rwlock_t *rw)
{
	return guest->owner_number && writer_of(rw) == guest->owner_number;
}

int owner_trywrlock(struct coro *guest, pthread_rwlock_t *rw)
{
	int err = libc.pthread_rwlock_trywrlock(rw);

	if (err == 0)
		__atomic_store_n(&rw->__data.__cur_writer, owner_number(guest), __ATOMIC_RELAXED);
	return err;
}

void owner_before_rwunlock(struct coro *guest, pthread_rwlock_t *rw)
{
	if (owner_writes(guest, rw))
		__atomic_store_n(&rw->__data.__cur_writer, guest->tid, __ATOMIC_RELAXED);
}
