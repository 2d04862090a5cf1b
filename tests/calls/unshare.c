/* SPDX-License-Identifier: Apache-2.0
 *
 * unshare and setns, in a thread and in main while there is one, also by way of syscall(2): nothing to do is done,
 * and the kernel's errors come through.  Natively what they change is the caller's alone, so no more is asked here.
 */
#include "test.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#define NO_FLAG 0x1 /* a bit of CSIGNAL, which clone(2) knows and unshare(2) does not */

static void *ask(void *arg)
{
	int null = open("/dev/null", O_RDONLY);

	CHECK_EQ(unshare(0), 0);
	CHECK_EQ(syscall(SYS_unshare, 0), 0);
	CHECK_ERRNO(unshare(NO_FLAG), EINVAL);
	CHECK_ERRNO(syscall(SYS_unshare, NO_FLAG), EINVAL);
	CHECK_ERRNO(setns(-1, 0), EBADF);
	CHECK_ERRNO(syscall(SYS_setns, -1, 0), EBADF);
	CHECK_ERRNO(setns(null, 0), EINVAL);
	CHECK_EQ(close(null), 0);
	usleep(0); /* and waiting goes on */
	CHECK_VERIFY();
	return arg;
}

int main(void)
{
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, ask, NULL), 0);
	ask(NULL);
	CHECK_EQ(pthread_join(t, NULL), 0);
	ask(NULL);
	return 0;
}
