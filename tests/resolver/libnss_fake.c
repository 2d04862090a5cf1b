/* SPDX-License-Identifier: Apache-2.0
 *
 * An NSS module, for worlds whose nsswitch.conf names one that is neither files nor dns.  It knows names
 * under "fake", and says of some that it cannot tell.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum nss_status _nss_fake_gethostbyname2_r(const char *name, int family, struct hostent *ent, char *buf,
					   size_t size, int *err, int *herr);
enum nss_status _nss_fake_gethostbyname_r(const char *name, struct hostent *ent, char *buf, size_t size,
					  int *err, int *herr);
enum nss_status _nss_fake_gethostbyaddr_r(const void *addr, socklen_t length, int family, struct hostent *ent,
					  char *buf, size_t size, int *err, int *herr);

static enum nss_status say(enum nss_status status, int *err, int error, int *herr, int host_error)
{
	*err = error;
	*herr = host_error;
	return status;
}

static enum nss_status answer(const char *name, int family, const char *address, struct hostent *ent, char *buf,
			      size_t size, int *err, int *herr)
{
	size_t length = strlen(name) + 1, skip = -(uintptr_t)buf % sizeof(char *);
	char **list = (char **)(buf + skip);

	if (size < skip + 4 * sizeof(char *) + 16 + length)
		return say(NSS_STATUS_TRYAGAIN, err, ERANGE, herr, NETDB_INTERNAL);
	ent->h_aliases = list;
	ent->h_addr_list = list + 1;
	list[0] = NULL;
	list[1] = (char *)(list + 3);
	list[2] = NULL;
	inet_pton(family, address, list[1]);
	ent->h_name = memcpy(list[1] + 16, name, length);
	ent->h_addrtype = family;
	ent->h_length = family == AF_INET ? 4 : 16;
	return say(NSS_STATUS_SUCCESS, err, 0, herr, NETDB_SUCCESS);
}

enum nss_status _nss_fake_gethostbyname2_r(const char *name, int family, struct hostent *ent, char *buf,
					   size_t size, int *err, int *herr)
{
	if (!strcmp(name, "again.fake"))
		return say(NSS_STATUS_TRYAGAIN, err, EAGAIN, herr, TRY_AGAIN);
	if (!strcmp(name, "fail.fake"))
		return say(NSS_STATUS_UNAVAIL, err, EIO, herr, NO_RECOVERY);
	if (!strcmp(name, "unavail.fake"))
		return say(NSS_STATUS_UNAVAIL, err, ENOENT, herr, NETDB_INTERNAL);
	if (family == AF_INET6 && (!strcmp(name, "both.fake") || !strcmp(name, "v6.fake")))
		return answer(name, family, "2001:db8:6::1", ent, buf, size, err, herr);
	if (family == AF_INET && (!strcmp(name, "both.fake") || !strcmp(name, "one.fake")))
		return answer(name, family, "192.0.6.1", ent, buf, size, err, herr);
	if (!strcmp(name, "both.fake") || !strcmp(name, "v6.fake") || !strcmp(name, "one.fake") ||
	    !strcmp(name, "nodata.fake"))
		return say(NSS_STATUS_NOTFOUND, err, ENOENT, herr, NO_DATA);
	return say(NSS_STATUS_NOTFOUND, err, ENOENT, herr, HOST_NOT_FOUND);
}

enum nss_status _nss_fake_gethostbyname_r(const char *name, struct hostent *ent, char *buf, size_t size,
					  int *err, int *herr)
{
	return _nss_fake_gethostbyname2_r(name, AF_INET, ent, buf, size, err, herr);
}

enum nss_status _nss_fake_gethostbyaddr_r(const void *addr, socklen_t length, int family, struct hostent *ent,
					  char *buf, size_t size, int *err, int *herr)
{
	if (length == 4 && !memcmp(addr, "\xc0\0\6\1", 4))
		return answer("reverse.fake", family, "192.0.6.1", ent, buf, size, err, herr);
	return say(NSS_STATUS_NOTFOUND, err, ENOENT, herr, HOST_NOT_FOUND);
}

/* --- Users: those whose names begin with "slow" are told when somebody who listens at GATE lets us pass. */

#define GATE "/mnt/lookups/gate"

enum nss_status _nss_fake_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size, int *err);
enum nss_status _nss_fake_initgroups_dyn(const char *user, gid_t group, long *n, long *room, gid_t **groups,
					 long limit, int *err);

static int number_of(const char *name)
{
	return strncmp(name, "slow", 4) ? -1 : atoi(name + 4);
}

static void pass_gate(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = GATE };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c;

	while (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		usleep(1000); /* it may not be there yet */
	while (read(fd, &c, 1) > 0)
		;
	close(fd);
}

enum nss_status _nss_fake_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size, int *err)
{
	int n = number_of(name);

	if (n < 0) {
		*err = ENOENT;
		return NSS_STATUS_NOTFOUND;
	}
	pass_gate();
	if (size < strlen(name) + 1) {
		*err = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	*pw = (struct passwd){ .pw_name = strcpy(buf, name), .pw_uid = 7000 + (uid_t)n, .pw_gid = 5 };
	pw->pw_passwd = pw->pw_gecos = pw->pw_dir = pw->pw_shell = buf + strlen(name);
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_fake_initgroups_dyn(const char *user, gid_t group, long *n, long *room, gid_t **groups,
					 long limit, int *err)
{
	(void)group, (void)limit;
	if (number_of(user) < 0) {
		*err = ENOENT;
		return NSS_STATUS_NOTFOUND;
	}
	pass_gate();
	if (*n < *room)
		(*groups)[(*n)++] = 7777;
	return NSS_STATUS_SUCCESS;
}
