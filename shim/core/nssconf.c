/* SPDX-License-Identifier: Apache-2.0
 *
 * See nssconf.h.
 */
#include "nssconf.h"
#include <stdlib.h>
#include <string.h>
#include "textfile.h"

#define PATH "/etc/nsswitch.conf"

static const char *const names[NSS_DATABASES] = {
	[NSS_PASSWD] = "passwd",     [NSS_GROUP] = "group",	  [NSS_INITGROUPS] = "initgroups",
	[NSS_SHADOW] = "shadow",     [NSS_SERVICES] = "services", [NSS_PROTOCOLS] = "protocols",
	[NSS_NETWORKS] = "networks", [NSS_RPC] = "rpc",		  [NSS_NETGROUP] = "netgroup",
};

static int database_named(const char *name)
{
	for (int i = 0; i < NSS_DATABASES; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

/* Those that libc reads itself.  systemd's, which most distributions have in the row, asks a server. */
static bool is_file(const char *service)
{
	return !strcmp(service, "files") || !strcmp(service, "db");
}

/* What stands in brackets is about what was found. */
static bool are_files(char *services)
{
	char *word;

	while ((word = textfile_word(&services, TEXTFILE_SPACE))) {
		if (*word == '[') {
			while (word && !strchr(word, ']'))
				word = textfile_word(&services, TEXTFILE_SPACE);
			if (!word)
				return true;
		} else if (!is_file(word)) {
			return false;
		}
	}
	return true;
}

void nssconf_parse(struct nssconf *conf, char *text, size_t len)
{
	char *cursor = text, *line, *colon, *name;
	int db;

	while ((line = textfile_line(&cursor, text + len))) {
		line[strcspn(line, "#")] = '\0';
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		name = textfile_word(&line, TEXTFILE_SPACE);
		db = name ? database_named(name) : -1;
		if (db < 0)
			continue;
		conf->given[db] = true;
		conf->local[db] = are_files(colon + 1);
	}
}

/* libc asks files where there is no row, but for these, of which it would ask a server. */
static void complete(struct nssconf *conf)
{
	for (int i = 0; i < NSS_DATABASES; i++)
		if (!conf->given[i])
			conf->local[i] = i != NSS_NETWORKS && i != NSS_NETGROUP;
	if (!conf->given[NSS_INITGROUPS])
		conf->local[NSS_INITGROUPS] = conf->local[NSS_GROUP];
}

static void read_again(struct nssconf *conf)
{
	size_t len = 0;
	int err = 0;
	char *text = textfile_read(PATH, &len, &err);

	*conf = (struct nssconf){ 0 };
	if (text)
		nssconf_parse(conf, text, len);
	free(text);
	if (text || err == ENOENT)
		complete(conf);
}

bool nssconf_is_local(enum nss_database db)
{
	static struct nssconf conf;
	static struct textfile_id id;
	static bool is_read;
	struct textfile_id now;

	textfile_identify(PATH, &now);
	if (!is_read || !textfile_same(&now, &id)) {
		read_again(&conf);
		id = now;
		is_read = true;
	}
	return conf.local[db];
}
