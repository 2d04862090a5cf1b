/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that talk through FILEs on pipes and sockets, read what a shell says, and load a library; what fails is
 * below stdio, in the reads and writes that its tables lead to, and in what those calls need.
 *
 * A FILE that writes has no buffer: what libc has in one when a write fails is lost, natively as well.
 */
#include "fault.h"
#include <dlfcn.h>
#include <sys/socket.h>

#define TOTAL 60000
#define PIECE 3000
#define SHELLS 3
#define SAID "said by a shell\n"

struct link {
	int in, out;
	unsigned seed;
};

/* NULL: given up, and the descriptor is closed. */
static FILE *opened(int fd, const char *mode)
{
	FILE *f;

	do
		f = fdopen(fd, mode);
	while (!f && told("fdopen"));
	if (!f)
		close_it(fd);
	return f;
}

static void closed(FILE *f)
{
	if (fclose(f) == EOF)
		told("fclose"); /* the descriptor is gone all the same */
}

static void *write_to_file(void *arg)
{
	struct link *l = arg;
	FILE *f = opened(l->out, "w");
	unsigned char buf[PIECE];
	size_t done = 0;

	if (!f)
		return arg;
	CHECK_EQ(setvbuf(f, NULL, _IONBF, 0), 0);
	while (done < TOTAL) {
		fill(buf, sizeof(buf), l->seed, done);
		done += fwrite(buf, 1, sizeof(buf) - done % PIECE, f);
		if (ferror(f)) {
			if (!told("fwrite"))
				break;
			clearerr(f);
		}
	}
	closed(f);
	return arg;
}

static void *read_from_file(void *arg)
{
	struct link *l = arg;
	FILE *f = opened(l->in, "r");
	unsigned char buf[PIECE];
	size_t at = 0, n;

	while (f && !feof(f)) {
		n = fread(buf, 1, sizeof(buf), f);
		check_bytes(buf, n, l->seed, at);
		at += n;
		if (ferror(f)) {
			if (!told("fread"))
				break;
			clearerr(f);
		}
	}
	if (f && at < TOTAL && feof(f))
		peer_is_gone("the end");
	if (f)
		closed(f);
	return arg;
}

/* What a shell says that fork(), a pipe or memory was refused to, is nothing. */
static void hear_a_shell(void)
{
	char text[100];
	size_t n = 0;
	FILE *f;

	do
		f = popen("echo said by a shell", "r");
	while (!f && told("popen"));
	if (!f)
		return;
	while (!feof(f)) {
		n += fread(text + n, 1, sizeof(text) - n, f);
		if (ferror(f)) {
			if (!told("fread"))
				break;
			clearerr(f);
		}
	}
	if (feof(f)) {
		CHECK_EQ(n, sizeof(SAID) - 1);
		CHECK(!memcmp(text, SAID, n));
	}
	while (pclose(f) == -1)
		if (!told("pclose") || errno == ECHILD)
			break;
}

static void *hear_shells(void *arg)
{
	for (int i = 0; i < SHELLS; i++)
		hear_a_shell();
	return arg;
}

static void *load(void *arg)
{
	void *lib = dlopen("libm.so.6", RTLD_NOW);
	double (*root)(double);

	CHECK(lib != NULL);
	*(void **)&root = dlsym(lib, "sqrt");
	CHECK(root != NULL);
	CHECK_EQ((int)root(81), 9);
	CHECK_EQ(dlclose(lib), 0);
	return arg;
}

static struct link links[2];

static void nothing(void)
{
}

static void prepare(void)
{
	int p[2], s[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	links[0] = (struct link){ p[0], p[1], 1 };
	links[1] = (struct link){ s[0], s[1], 2 };
}

static void start_link(struct link *l, pthread_t *t, int *n)
{
	if (start_or_not(&t[*n], read_from_file, l))
		++*n;
	else
		close_it(l->in);
	if (start_or_not(&t[*n], write_to_file, l))
		++*n;
	else
		close_it(l->out);
}

static void work(void)
{
	pthread_t t[6];
	int n = 0;

	start_link(&links[0], t, &n);
	start_link(&links[1], t, &n);
	n += start_or_not(&t[n], hear_shells, NULL);
	n += start_or_not(&t[n], load, NULL);
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

int main(void)
{
	return run_rounds(prepare, work, nothing);
}
