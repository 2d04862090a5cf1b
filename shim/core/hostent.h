/* SPDX-License-Identifier: Apache-2.0
 *
 * struct hostent, which points into one buffer: the caller's or one of ours.
 */
#ifndef SYNCLESS_HOSTENT_H
#define SYNCLESS_HOSTENT_H

#include <netdb.h>
#include "found.h"

/* How many bytes the answer takes, wherever the buffer lies. */
size_t hostent_size(const struct found *f);
/* Writes it into buf; false: more than len bytes. */
bool hostent_write(const struct found *f, int family, struct hostent *ent, char *buf, size_t len);

#endif
