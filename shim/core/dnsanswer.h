/* SPDX-License-Identifier: Apache-2.0
 *
 * What a DNS server's answer says, read as libc's service `dns` reads it.  Pure functions of hostile bytes.
 */
#ifndef SYNCLESS_DNSANSWER_H
#define SYNCLESS_DNSANSWER_H

#include <nss.h>
#include "base.h"
#include "found.h"

#define DNS_HEADER_LEN 12

/* What the header says: the code, the number of answers, whether TCP would bring more, and whether it is no answer but
 * a hint to ask elsewhere; len >= DNS_HEADER_LEN. */
int dnsanswer_rcode(const unsigned char *wire);
int dnsanswer_count(const unsigned char *wire);
bool dnsanswer_is_truncated(const unsigned char *wire);
bool dnsanswer_is_lame(const unsigned char *wire);

/* For gethostbyname() and kin: the addresses of one type (ns_t_a, ns_t_aaaa) or the first name (ns_t_ptr).
 * *herr is set; with NSS_STATUS_TRYAGAIN and NETDB_INTERNAL there was no memory.  */
enum nss_status dnsanswer_host(const unsigned char *wire, size_t len, int type, struct found *to, int *herr);

/* For getaddrinfo(): addresses of both types, in addition to those that `to` has from another answer. */
enum nss_status dnsanswer_addrs(const unsigned char *wire, size_t len, struct found *to, int *herr);

#endif
