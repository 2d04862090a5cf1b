/* SPDX-License-Identifier: Apache-2.0
 *
 * getaddrinfo, getnameinfo, gethostbyname_r and freeaddrinfo for numeric names and localhost: answers
 * and error codes of libc, also in many threads at once, and errno is not touched by success.
 */
#include "calls/blocked.h"
#include <netdb.h>

static void numeric(void)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *ai;
	struct sockaddr_in *sin;
	char host[64], serv[16];

	CHECK_EQ(getaddrinfo("127.0.0.7", "8080", &hints, &ai), 0);
	sin = (struct sockaddr_in *)ai->ai_addr;
	CHECK_EQ(ntohs(sin->sin_port), 8080);
	CHECK_EQ(ntohl(sin->sin_addr.s_addr), 0x7f000007);
	CHECK(ai->ai_next == NULL);
	CHECK_EQ(getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), serv, sizeof(serv),
			     NI_NUMERICHOST | NI_NUMERICSERV), 0);
	CHECK(!strcmp(host, "127.0.0.7") && !strcmp(serv, "8080"));
	CHECK_EQ(getnameinfo(ai->ai_addr, ai->ai_addrlen, host, 3, NULL, 0, NI_NUMERICHOST), EAI_OVERFLOW);
	CHECK_EQ(getnameinfo(ai->ai_addr, 2, host, sizeof(host), NULL, 0, NI_NUMERICHOST), EAI_FAMILY);
	freeaddrinfo(ai);
	CHECK_EQ(getaddrinfo("not a number", NULL, &hints, &ai), EAI_NONAME);
	CHECK_EQ(getaddrinfo(NULL, NULL, &hints, &ai), EAI_NONAME);
	hints.ai_family = 9999;
	CHECK_EQ(getaddrinfo("127.0.0.1", NULL, &hints, &ai), EAI_FAMILY);
	hints.ai_family = AF_INET6;
	CHECK_EQ(getaddrinfo("::1", NULL, &hints, &ai), 0);
	CHECK_EQ(ai->ai_family, AF_INET6);
	freeaddrinfo(ai);
}

static void localhost(void)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *ai;
	struct hostent ent, *result;
	char buf[2048];
	int herr;

	CHECK_EQ(getaddrinfo("localhost", NULL, &hints, &ai), 0);
	CHECK_EQ(ntohl(((struct sockaddr_in *)ai->ai_addr)->sin_addr.s_addr), INADDR_LOOPBACK);
	freeaddrinfo(ai);
	CHECK_EQ(gethostbyname_r("localhost", &ent, buf, sizeof(buf), &result, &herr), 0);
	CHECK(result == &ent);
	CHECK_EQ(ent.h_addrtype, AF_INET);
	CHECK_EQ(((unsigned char *)ent.h_addr_list[0])[0], 127);
	CHECK_EQ(gethostbyname_r("127.0.0.9", &ent, buf, sizeof(buf), &result, &herr), 0);
	CHECK_EQ(((unsigned char *)ent.h_addr_list[0])[3], 9);
	CHECK_EQ(gethostbyname_r("localhost", &ent, buf, 1, &result, &herr), ERANGE);
	CHECK_EQ(gethostbyname2_r("::1", AF_INET6, &ent, buf, sizeof(buf), &result, &herr), 0);
	CHECK_EQ(ent.h_length, 16);
}

static void *worker(void *arg)
{
	numeric();
	localhost();
	return arg;
}

int main(void)
{
	pthread_t t[10];

	for (int i = 0; i < 10; i++)
		t[i] = start(worker, NULL);
	worker(NULL);
	for (int i = 0; i < 10; i++)
		finish(t[i]);
	return 0;
}
