/* SPDX-License-Identifier: Apache-2.0
 *
 * A thousand threads look a name up at once, several times over, in several ways; each must get its own answer.
 * test_crowd.py's server holds all answers back until it has all questions, so none of the look-ups can have
 * waited for another one.
 *
 *     crowd THREADS ROUNDS
 */
#include "calls/blocked.h"
#include <netdb.h>
#include <sys/resource.h>

static int nthreads, round_now;
static pthread_barrier_t barrier;

/* What the server gives the n-th. */
static in_addr_t address_of(int n)
{
	return htonl((uint32_t)(10 << 24 | 7 << 16 | n));
}

static void by_getaddrinfo(const char *name, int n)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;

	CHECK_EQ(getaddrinfo(name, "80", &hints, &found), 0);
	CHECK_EQ(found->ai_family, AF_INET);
	CHECK_EQ(((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr, address_of(n));
	CHECK(!found->ai_next);
	freeaddrinfo(found);
}

static void by_gethostbyname(const char *name, int n)
{
	struct hostent ent, *found;
	char buf[4096];
	int herr;

	CHECK_EQ(gethostbyname_r(name, &ent, buf, sizeof(buf), &found, &herr), 0);
	CHECK(found == &ent);
	CHECK_EQ(*(in_addr_t *)ent.h_addr_list[0], address_of(n));
	CHECK(!strcmp(ent.h_name, name));
}

static void by_gethostbyaddr(const char *name, int n)
{
	in_addr_t addr = htonl(ntohl(address_of(n)) + ((uint32_t)round_now << 16));
	struct hostent ent, *found;
	char buf[4096];
	int herr;

	CHECK_EQ(gethostbyaddr_r(&addr, sizeof(addr), AF_INET, &ent, buf, sizeof(buf), &found, &herr), 0);
	CHECK(found == &ent);
	CHECK(!strcmp(ent.h_name, name));
}

static void by_getnameinfo(const char *name, int n)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	char host[256];

	sin.sin_addr.s_addr = htonl(ntohl(address_of(n)) + ((uint32_t)round_now << 16));
	CHECK_EQ(getnameinfo((void *)&sin, sizeof(sin), host, sizeof(host), NULL, 0, NI_NAMEREQD), 0);
	CHECK(!strcmp(host, name));
}

static void *look_up(void *arg)
{
	static void (*const ways[])(const char *, int) = { by_getaddrinfo, by_gethostbyname, by_gethostbyaddr,
							   by_getnameinfo };
	int n = (int)(intptr_t)arg;
	char name[64];

	pthread_barrier_wait(&barrier);
	snprintf(name, sizeof(name), "r%d-n%d.crowd.test", round_now, n);
	ways[round_now % 4](name, n);
	return NULL;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	pthread_t *threads;

	CHECK_EQ(argc, 3);
	nthreads = atoi(argv[1]);
	/* libc has a socket for each look-up */
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
	threads = calloc((size_t)nthreads, sizeof(*threads));
	CHECK_EQ(pthread_barrier_init(&barrier, NULL, (unsigned)nthreads), 0);
	for (round_now = 0; round_now < atoi(argv[2]); round_now++) {
		for (int n = 0; n < nthreads; n++)
			threads[n] = start(look_up, (void *)(intptr_t)n);
		for (int n = 0; n < nthreads; n++)
			finish(threads[n]);
	}
	free(threads);
	CHECK_VERIFY();
	return 0;
}
