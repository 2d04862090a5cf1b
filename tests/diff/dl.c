/* SPDX-License-Identifier: Apache-2.0
 *
 * Symbols of libc by name and handle, which are the ones that the program calls, and by which calls wait as these
 * do; what the loader says of others.
 */
#include "diff/diff.h"
#include <dlfcn.h>
#include <gnu/lib-names.h>
#include <poll.h>
#include <semaphore.h>

#if defined(__x86_64__)
#define OLDEST "GLIBC_2.2.5"
#else
#define OLDEST "GLIBC_2.17"
#endif

extern ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
extern int __poll(struct pollfd *fds, nfds_t n, int timeout);

static void *libc(void)
{
	void *h = dlopen(LIBC_SO, RTLD_LAZY);

	CHECK(h != NULL);
	return h;
}

#define SAME(handle, name) SAY("%s is the program's: %d", #name, dlsym(handle, #name) == (void *)name)

CASE(by_handle_of_libc)
{
	void *h = libc();

	SAME(h, read);
	SAME(h, write);
	SAME(h, close);
	SAME(h, recv);
	SAME(h, poll);
	SAME(h, accept);
	SAME(h, select);
	SAME(h, open);
	SAME(h, fcntl);
	SAME(h, nanosleep);
	SAME(h, fork);
	SAME(h, syscall);
	SAME(h, dlsym);
	SAME(h, dlopen);
	SAME(h, printf);
	SAME(h, getenv);
	SAME(h, malloc);
}

CASE(threads_by_handle_of_libc)
{
	void *h = libc();

	SAME(h, pthread_create);
	SAME(h, pthread_mutex_lock);
	SAME(h, pthread_cond_wait);
	SAME(h, pthread_once);
	SAME(h, sem_wait);
	SAME(h, pthread_getspecific);
}

CASE(other_names_by_handle_of_libc)
{
	void *h = libc();

	SAME(h, __recv_chk);
	SAME(h, __poll);
}

CASE(by_handles_whose_needs_have_it)
{
	static const char *const names[] = { LIBM_SO, LIBPTHREAD_SO, LIBRESOLV_SO };

	for (int i = 0; i < 3; i++) {
		void *h = dlopen(names[i], RTLD_LAZY);

		SAY("%s: %d", names[i], h != NULL);
		SAME(h, read);
		SAME(h, pthread_create);
	}
}

CASE(by_handle_of_the_program)
{
	void *h = dlopen(NULL, RTLD_LAZY);

	SAME(h, read);
	SAME(h, pthread_create);
	SAME(h, getenv);
}

CASE(by_pseudo_handles)
{
	SAME(RTLD_DEFAULT, read);
	SAME(RTLD_DEFAULT, sem_wait);
	SAME(RTLD_NEXT, read);
	SAME(RTLD_NEXT, getenv);
}

CASE(by_version)
{
	void *h = libc();

	SAY("read: %d", dlvsym(h, "read", OLDEST) == (void *)read);
	SAY("getenv: %d", dlvsym(h, "getenv", OLDEST) == (void *)getenv);
	SAY("by default: %d", dlvsym(RTLD_DEFAULT, "read", OLDEST) == (void *)read);
	SAY("next: %d", dlvsym(RTLD_NEXT, "read", OLDEST) != NULL);
}

CASE(unknown_version)
{
	void *h = libc();

	dlerror();
	SAY("found: %d", dlvsym(h, "read", "GLIBC_77") != NULL);
	SAY("error: %s", dlerror());
	SAY("no more: %d", dlerror() == NULL);
}

CASE(unknown_symbol)
{
	void *h = libc();

	dlerror();
	SAY("found: %d", dlsym(h, "no_such_symbol") != NULL);
	SAY("error: %d", strstr(dlerror(), "no_such_symbol") != NULL);
	SAY("found: %d", dlsym(h, "syncless_verify") != NULL);
	SAY("found: %d", dlsym(h, "") != NULL);
	dlerror();
}

CASE(success_leaves_no_error)
{
	void *h = libc();

	dlerror();
	SAY("found: %d",
	    dlsym(h, "read") && dlsym(h, "closefrom") && dlsym(h, "epoll_pwait2") && dlsym(h, "getpwnam"));
	SAY("error: %d", dlerror() != NULL);
}

CASE(unknown_object)
{
	SAY("opened: %d", dlopen("./no-such-object.so", RTLD_NOW) != NULL);
	SAY("error: %d", strstr(dlerror(), "no-such-object.so") != NULL);
	SAY("opened: %d", dlopen("./no-such-object.so", RTLD_NOW | RTLD_DEEPBIND) != NULL);
	SAY("opened: %d", dlopen(LIBC_SO, RTLD_NOW | RTLD_NOLOAD) != NULL);
	SAY("opened: %d", dlopen(LIBC_SO, 0) != NULL);
	dlerror();
}

static int pair[2];

static void *write_one(void *arg)
{
	await_blocked(1);
	CHECK_EQ(write(pair[1], "x", 1), 1);
	return arg;
}

CASE(recv_by_handle_waits)
{
	ssize_t (*recv_by_handle)(int, void *, size_t, int) = (__typeof__(recv_by_handle))dlsym(libc(), "recv");
	struct flow *f;
	char c;

	stream_pair(pair);
	f = flow(write_one, NULL);
	blocks();
	R(recv_by_handle(pair[0], &c, 1, 0));
	flow_end(f);
}

CASE(poll_by_version_waits)
{
	int (*poll_by_version)(struct pollfd *, nfds_t, int) =
		(__typeof__(poll_by_version))dlvsym(libc(), "poll", OLDEST);
	struct pollfd p;
	struct flow *f;

	stream_pair(pair);
	p = (struct pollfd){ .fd = pair[0], .events = POLLIN };
	f = flow(write_one, NULL);
	blocks();
	R(poll_by_version(&p, 1, -1));
	flow_end(f);
}

static sem_t *sem;

static void *post(void *arg)
{
	int (*sem_post_by_handle)(sem_t *) = (__typeof__(sem_post_by_handle))dlsym(libc(), "sem_post");

	await_blocked(1);
	R(sem_post_by_handle(sem));
	return arg;
}

CASE(sem_wait_by_handle_waits)
{
	int (*sem_wait_by_handle)(sem_t *) = (__typeof__(sem_wait_by_handle))dlsym(libc(), "sem_wait");
	struct flow *f;

	sem = calloc(1, sizeof(*sem));
	CHECK_EQ(sem_init(sem, 0, 0), 0);
	f = flow(post, NULL);
	blocks();
	R(sem_wait_by_handle(sem));
	flow_end(f);
}

static void *sleeper(void *arg)
{
	R(usleep(1000));
	return arg;
}

CASE_THREADS(pthread_create_by_handle)
{
	int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		(__typeof__(create))dlsym(libc(), "pthread_create");
	pthread_t t;

	E(create(&t, NULL, sleeper, NULL));
	E(pthread_join(t, NULL));
}

CASE(where_a_function_lies)
{
	Dl_info info;

	R(dladdr((void *)getenv, &info) != 0);
	SAY("%s", info.dli_sname);
	R(dladdr((void *)8, &info));
}
