/* SPDX-License-Identifier: Apache-2.0
 *
 * The descriptors that a message of a unix socket carries (unix(7), SCM_RIGHTS and SCM_PIDFD).
 */
#ifndef SYNCLESS_PASSED_H
#define SYNCLESS_PASSED_H

#include <string.h>
#include <sys/socket.h>

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

/* Calls note() with each, if the call that moved the message returned n >= 0.  Returns n. */
static inline ssize_t each_passed(const struct msghdr *msg, ssize_t n, void (*note)(int fd))
{
	struct msghdr *m = (struct msghdr *)msg;

	if (n < 0 || !m->msg_controllen)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const unsigned char *at = CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || (c->cmsg_type != SCM_RIGHTS && c->cmsg_type != SCM_PIDFD))
			continue;
		for (size_t left = c->cmsg_len - CMSG_LEN(0); left >= sizeof(int); left -= sizeof(int)) {
			int fd;

			memcpy(&fd, at, sizeof(fd));
			at += sizeof(fd);
			note(fd);
		}
	}
	return n;
}

#endif
