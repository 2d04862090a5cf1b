/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, as far as they can be looked up without a name server: numbers, localhost, services, in both
 * directions.
 */
#include "fault.h"
#include <netdb.h>

#define THREADS 4

/* True: it is to be made again. */
static bool told_name(const char *call, int err)
{
	if (err == EAI_SYSTEM)
		return told(call);
	CHECK(fault_hits() > 0);
	CHECK(err == EAI_MEMORY || err == EAI_AGAIN || err == EAI_FAIL || err == EAI_NONAME ||
	      err == EAI_NODATA || err == EAI_SERVICE);
	gave_up++;
	return false;
}

static void look_up(const char *node, const char *service, int flags)
{
	struct addrinfo hints = { .ai_flags = flags, .ai_socktype = SOCK_STREAM }, *list;
	char host[NI_MAXHOST], port[NI_MAXSERV];
	int err;

	do
		err = getaddrinfo(node, service, &hints, &list);
	while (err && told_name("getaddrinfo", err));
	if (err)
		return;
	do
		err = getnameinfo(list->ai_addr, list->ai_addrlen, host, sizeof(host), port, sizeof(port),
				  NI_NUMERICHOST | NI_NUMERICSERV);
	while (err && told_name("getnameinfo", err));
	if (!err) {
		CHECK(!strcmp(host, "127.0.0.1") || !strcmp(host, "::1"));
		CHECK(!strcmp(port, "80"));
	}
	freeaddrinfo(list);
}

static void look_up_host(void)
{
	struct hostent entry, *found = NULL;
	char buf[2000];
	int err, h_err = 0;

	do
		err = gethostbyname_r("localhost", &entry, buf, sizeof(buf), &found, &h_err);
	while (err && is_transient(err) && told_error("gethostbyname_r", err));
	if (found)
		CHECK_EQ(entry.h_length, 4);
	else {
		CHECK(fault_hits() > 0);
		gave_up++;
	}
}

static void *look(void *arg)
{
	look_up("127.0.0.1", "80", AI_NUMERICHOST);
	look_up("localhost", "http", 0);
	look_up(NULL, "80", 0);
	look_up_host();
	return arg;
}

static void work(void)
{
	pthread_t t[THREADS];
	bool runs[THREADS];

	for (int i = 0; i < THREADS; i++)
		runs[i] = start_or_not(&t[i], look, NULL);
	for (int i = 0; i < THREADS; i++)
		if (runs[i])
			CHECK_EQ(pthread_join(t[i], NULL), 0);
}

static void nothing(void)
{
}

int main(void)
{
	return run_rounds(nothing, work, nothing);
}
