/* SPDX-License-Identifier: Apache-2.0
 *
 * A resolver that is wrong in one way for each of a few names.  test_same.py preloads it in the library's
 * place, to see that its comparison would find each.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static int asks_for(const char *name, const char *lie)
{
	return name && !strncmp(name, lie, strlen(lie)) && strstr(name, ".lie.hosts");
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(
			RTLD_NEXT, "getaddrinfo");
	int err = errno, r = real(node, service, hints, found);

	if (r)
		return r;
	errno = err;
	if (asks_for(node, "order")) {
		struct addrinfo *first = *found, *second = first->ai_next;

		first->ai_next = second->ai_next;
		second->ai_next = first;
		*found = second;
	}
	if (asks_for(node, "canonname"))
		(*found)->ai_canonname[0] = 'C';
	if (asks_for(node, "port"))
		((struct sockaddr_in *)(*found)->ai_addr)->sin_port ^= 1;
	if (asks_for(node, "errno"))
		errno = EAGAIN;
	if (asks_for(node, "code")) {
		freeaddrinfo(*found);
		*found = (void *)hints;
		return EAI_FAIL;
	}
	return 0;
}

int getnameinfo(const struct sockaddr *addr, socklen_t length, char *host, socklen_t host_room, char *serv,
		socklen_t serv_room, int flags)
{
	int (*real)(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int) =
		(int (*)(const struct sockaddr *, socklen_t, char *, socklen_t, char *, socklen_t, int))dlsym(
			RTLD_NEXT, "getnameinfo");
	int r = real(addr, length, host, host_room, serv, serv_room, flags);

	if (!r && serv)
		serv[0] = 'X';
	return r;
}

int gethostbyname_r(const char *name, struct hostent *ent, char *buf, size_t size,
		    struct hostent **found, int *herr)
{
	(void)name, (void)ent, (void)buf, (void)size;
	*found = NULL;
	*herr = TRY_AGAIN;
	return 0;
}

struct hostent *gethostbyname(const char *name)
{
	struct hostent *(*real)(const char *) = (struct hostent *(*)(const char *))dlsym(RTLD_NEXT, "gethostbyname");
	struct hostent *ent = real(name);

	if (ent && ent->h_aliases[0])
		ent->h_aliases[0] = NULL;
	return ent;
}
