/* SPDX-License-Identifier: Apache-2.0
 *
 * See standby.h.  The host sets idle and then looks at the word; the thread sets the word and then looks at idle:
 * one of them sees the other.
 */
#include "standby.h"
#include "coro.h"
#include "rawlock.h"
#include "thread.h"

_Atomic pthread_t standby_thread;
_Atomic int standby_word;

bool standby_applies(void)
{
	return !atomic_load(&sched.idle) && atomic_load(&green_alive) > 0;
}

int standby_wait(deadline_t until)
{
	long r = 0;

	atomic_store(&standby_word, 1);
	while (!atomic_load(&sched.idle) && atomic_load(&standby_word) && r != -ETIMEDOUT)
		r = futex_wait(&standby_word, 1, until == NEVER ? NULL : &until);
	atomic_store(&standby_word, 0);
	return r == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

void standby_wake(void)
{
	if (atomic_exchange(&standby_word, 0))
		futex_wake(&standby_word, 1);
}
