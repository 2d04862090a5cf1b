/* SPDX-License-Identifier: Apache-2.0
 *
 * hosts(5), as libc's service `files` reads it, kept parsed until the file changes.  Host only; nothing here parks.
 */
#ifndef SYNCLESS_HOSTS_H
#define SYNCLESS_HOSTS_H

#include <nss.h>
#include "base.h"
#include "found.h"

struct hosts_line {
	struct found_addr addr;
	int first_name, nnames; /* in names: the canonical one, then the aliases */
};

struct hosts {
	char *text; /* what the names point into */
	struct hosts_line *lines;
	const char **names;
	unsigned *hashes; /* of the names, whatever their case */
	int nlines, nnames;
};

/* The table in force.  NULL: the file cannot be read, or no memory (*err). */
const struct hosts *hosts_get(int *err);

/* Parses text[0..len), which is cut up in place and becomes the table's; text[len] must be writable and 0.
 * 0 or -ENOMEM, and the text is freed. */
int hosts_parse(struct hosts *h, char *text, size_t len);
void hosts_free(struct hosts *h);

/* Lines that have an address of the family (AF_UNSPEC: either) and bear the name.  `multi`: all of them, else the
 * first.  Success, not found, or NSS_STATUS_TRYAGAIN for no memory.  */
enum nss_status hosts_by_name(const struct hosts *h, const char *name, int family, bool multi,
			      struct found *to);
enum nss_status hosts_by_addr(const struct hosts *h, const void *addr, int family, struct found *to);

#endif
