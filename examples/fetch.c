/* SPDX-License-Identifier: Apache-2.0
 *
 * Fetches everything it is told at once, in the simplest style there is: a coroutine for each, and in it the
 * blocking calls of whichever library knows how.
 *
 *     cc -o fetch examples/fetch.c $(pkg-config --cflags --libs syncless libcurl libpq libssl libcrypto)
 *     ./fetch https://example.org/ 'postgresql://me@there/db#SELECT now()' tls://example.org:443/
 *
 * By the beginning of its name one is fetched by libcurl, by libpq (the query stands behind the #), or by plain
 * OpenSSL (tls://, an HTTP/1.0 request).  Prints a line for each, in their order: its size and first line, or
 * what went wrong.  SSL_CERT_FILE names other certificates to trust than the system's.
 */
#include <curl/curl.h>
#include <libpq-fe.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "syncless.h"

#define STACK (256 << 10) /* these libraries have large buffers on it */

struct fetch {
	char *url;
	FILE *to; /* collects `text` */
	char *text;
	size_t size;
	char error[CURL_ERROR_SIZE]; /* empty: it went well */
	syncless_co *co;
};

static void by_curl(struct fetch *f)
{
	CURL *curl = curl_easy_init();
	const char *trusted = getenv("SSL_CERT_FILE");

	curl_easy_setopt(curl, CURLOPT_URL, f->url);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, f->to);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, f->error);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (trusted)
		curl_easy_setopt(curl, CURLOPT_CAINFO, trusted);
	if (curl_easy_perform(curl) == CURLE_OK)
		f->error[0] = '\0';
	curl_easy_cleanup(curl);
}

static void by_libpq(struct fetch *f)
{
	char *url = strdup(f->url), *query = strchr(url, '#');
	PGconn *connection;
	PGresult *result;

	if (query)
		*query++ = '\0';
	connection = PQconnectdb(url);
	result = PQexec(connection, query ? query : "SELECT version()");
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		snprintf(f->error, sizeof(f->error), "%s", PQerrorMessage(connection));
	for (int row = 0; row < PQntuples(result); row++)
		for (int column = 0; column < PQnfields(result); column++)
			fprintf(f->to, "%s%c", PQgetvalue(result, row, column),
				column + 1 < PQnfields(result) ? '\t' : '\n');
	PQclear(result);
	PQfinish(connection);
	free(url);
}

static void converse(struct fetch *f, BIO *bio, const char *host, const char *path)
{
	char buf[4096];
	SSL *ssl;
	int n;

	BIO_get_ssl(bio, &ssl);
	SSL_set_tlsext_host_name(ssl, host);
	SSL_set1_host(ssl, host);
	if (BIO_do_connect(bio) > 0 && BIO_do_handshake(bio) > 0 &&
	    BIO_printf(bio, "GET /%s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host) > 0)
		while ((n = BIO_read(bio, buf, sizeof(buf))) > 0)
			fwrite(buf, 1, (size_t)n, f->to);
	/* Of this coroutine: errors of the others are not among them. */
	if (ERR_peek_error())
		ERR_error_string_n(ERR_get_error(), f->error, sizeof(f->error));
}

static void by_openssl(struct fetch *f)
{
	char *host = strdup(f->url + strlen("tls://")), *path = strchr(host, '/'), *port;
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	BIO *bio;

	if (path)
		*path++ = '\0';
	SSL_CTX_set_default_verify_paths(context);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF); /* as many servers end */
	bio = BIO_new_ssl_connect(context);
	BIO_set_conn_hostname(bio, host);
	if ((port = strchr(host, ':')))
		*port = '\0';
	converse(f, bio, host, path ? path : "");
	BIO_free_all(bio);
	SSL_CTX_free(context);
	free(host);
}

static void *fetch(void *arg)
{
	struct fetch *f = arg;

	f->to = open_memstream(&f->text, &f->size);
	if (!strncmp(f->url, "postgresql:", 11))
		by_libpq(f);
	else if (!strncmp(f->url, "tls:", 4))
		by_openssl(f);
	else
		by_curl(f);
	fclose(f->to);
	return NULL;
}

int main(int argc, char **argv)
{
	struct fetch *all = calloc((size_t)argc, sizeof(*all));
	int failed = 0;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (int i = 1; i < argc; i++) {
		all[i].url = argv[i];
		all[i].co = syncless_spawn(fetch, &all[i], STACK);
		if (!all[i].co) {
			perror("syncless_spawn");
			return 2;
		}
	}
	for (int i = 1; i < argc; i++) {
		struct fetch *f = &all[i];

		syncless_join(f->co, NULL);
		if (f->error[0])
			printf("failed: %.*s\n", (int)strcspn(f->error, "\n"), f->error);
		else
			printf("%zu bytes: %.*s\n", f->size, (int)strcspn(f->text, "\r\n"), f->text);
		failed |= f->error[0] != '\0';
		free(f->text);
	}
	free(all);
	return failed;
}
