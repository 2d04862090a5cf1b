/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk through the services for gethostbyname_r() and its kin; see namedb.h.  Each walk holds on to the configuration
 * that it began with.
 */
#include "namedb.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include "hosts.h"
#include "namedb_steps.h"

/* Of the service `files`, whose only failure is memory. */
static enum nss_status with_herr(enum nss_status status, struct dns_error *e)
{
	*e = (struct dns_error){ .herr = status == NSS_STATUS_SUCCESS ? NETDB_SUCCESS : HOST_NOT_FOUND };
	if (status == NSS_STATUS_TRYAGAIN)
		*e = (struct dns_error){ .herr = NETDB_INTERNAL, .err = ENOMEM };
	return status;
}

static enum nss_status step_without_hosts(int err, struct dns_error *e)
{
	*e = (struct dns_error){ .herr = err == EAGAIN ? TRY_AGAIN : NO_DATA, .err = err };
	return err == EAGAIN ? NSS_STATUS_TRYAGAIN : NSS_STATUS_UNAVAIL;
}

enum nss_status step_hosts(const struct dnsconf *conf, const char *name, int family, struct found *to,
			   struct dns_error *e)
{
	int err = 0;
	const struct hosts *hosts = hosts_get(&err);
	enum nss_status status;

	if (!hosts)
		return step_without_hosts(err, e);
	status = hosts_by_name(hosts, name, family, conf->multi, to);
	return with_herr(status, e);
}

bool step_is_final(const struct dns_step *step, enum nss_status status)
{
	return step->returns[status + 2];
}

/* libc does not look up what begins like an address and holds nothing but what an address can hold; nor, for IPv4,
 * what has a colon.  (Real addresses do not come here.) */
static bool looks_numeric(const char *name, int family)
{
	size_t len = strlen(name);
	bool hex = isxdigit((unsigned char)*name), colon = strchr(name, ':') != NULL;

	if (isdigit((unsigned char)*name) && !name[strspn(name, "0123456789.")] && name[len - 1] != '.')
		return true;
	if (*name != ':' && !(hex && colon))
		return false;
	return family == AF_INET || (!name[strspn(name, "0123456789abcdefABCDEF:.")] && name[len - 1] != '.');
}

int walk_host(struct coro *me, const struct dnsconf *conf, const char *name, int family, struct found *to,
	      struct dns_error *e)
{
	int status = NSS_STATUS_UNAVAIL;

	*e = (struct dns_error){ .herr = HOST_NOT_FOUND };
	if (looks_numeric(name, family))
		return NSS_STATUS_NOTFOUND;
	for (int i = 0; i < conf->nsteps; i++) {
		const struct dns_step *step = &conf->step[i];

		if (step->service == SERVICE_OTHER)
			return NAMEDB_ELSEWHERE;
		found_clear(to);
		status = step->service == SERVICE_FILES ? step_hosts(conf, name, family, to, e)
							: dns_host(me, conf, name, family, true, to, e);
		if (step_is_final(step, status))
			break;
	}
	return status;
}

static void put_conf(struct dnsconf **conf)
{
	dnsconf_put(*conf);
}

static int without_memory(struct dns_error *e)
{
	*e = (struct dns_error){ .herr = NETDB_INTERNAL, .err = ENOMEM };
	return NSS_STATUS_TRYAGAIN;
}

int namedb_host(struct coro *me, const char *name, int family, struct found *to, struct dns_error *e)
{
	struct dnsconf *conf __attribute__((cleanup(put_conf))) = dnsconf_get();

	if (!conf)
		return without_memory(e);
	return conf->for_libc ? NAMEDB_ELSEWHERE : walk_host(me, conf, name, family, to, e);
}

static enum nss_status addr_in_hosts(const void *addr, int family, struct found *to, struct dns_error *e)
{
	int err = 0;
	const struct hosts *hosts = hosts_get(&err);
	enum nss_status status;

	if (!hosts)
		return step_without_hosts(err, e);
	status = hosts_by_addr(hosts, addr, family, to);
	return with_herr(status, e);
}

static int walk_addr(struct coro *me, const struct dnsconf *conf, const void *addr, int *family,
		     struct found *to, struct dns_error *e)
{
	int status = NSS_STATUS_UNAVAIL, asked = *family;

	*e = (struct dns_error){ .herr = HOST_NOT_FOUND };
	for (int i = 0; i < conf->nsteps; i++) {
		const struct dns_step *step = &conf->step[i];

		if (step->service == SERVICE_OTHER)
			return NAMEDB_ELSEWHERE;
		found_clear(to);
		*family = asked;
		status = step->service == SERVICE_FILES ? addr_in_hosts(addr, asked, to, e)
							: dns_name(me, conf, addr, family, to, e);
		if (step_is_final(step, status))
			break;
	}
	return status;
}

int namedb_addr(struct coro *me, const void *addr, int *family, struct found *to, struct dns_error *e)
{
	struct dnsconf *conf __attribute__((cleanup(put_conf))) = dnsconf_get();

	if (!conf)
		return without_memory(e);
	return conf->for_libc ? NAMEDB_ELSEWHERE : walk_addr(me, conf, addr, family, to, e);
}
