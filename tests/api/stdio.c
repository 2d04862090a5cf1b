/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams and commands in coroutines: what cancellation and deadlines make of them, and that two flows of one
 * thread that are parked inside libc leave nothing of theirs in the thread's record.
 */
#include "api/coroutines.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio_ext.h>
#include <sys/wait.h>

void _pthread_cleanup_push(struct _pthread_cleanup_buffer *b, void (*fn)(void *), void *arg);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *b, int execute);

struct stream {
	FILE *f;
	int far;
};

static struct stream stream(const char *mode)
{
	bool reads = *mode == 'r';
	struct stream s;
	int end[2];

	CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
	s.f = fdopen(end[!reads], mode);
	s.far = end[reads];
	CHECK(s.f);
	return s;
}

static void close_stream(struct stream *s)
{
	__fpurge(s->f);
	CHECK_EQ(fclose(s->f), 0);
	CHECK_EQ(close(s->far), 0);
}

/* --- Ended early */

static void *gets_nothing(void *arg)
{
	struct stream *s = arg;
	char line[20];

	CHECK(!fgets(line, sizeof(line), s->f));
	CHECK_EQ(errno, ECANCELED);
	CHECK(ferror(s->f));
	return arg;
}

static void *is_late(void *arg)
{
	struct stream *s = arg;
	int n;

	syncless_deadline(5000000);
	CHECK_EQ(fscanf(s->f, "%d", &n), EOF);
	CHECK_EQ(errno, ETIME);
	return arg;
}

static void reading(void)
{
	struct stream s = stream("r");
	syncless_co *co = spawn(gets_nothing, &s);
	char line[20];

	syncless_yield();
	syncless_cancel(co);
	join(co);
	clearerr(s.f);
	join(spawn(is_late, &s));
	clearerr(s.f);
	CHECK_EQ(write(s.far, "line\n", 5), 5);
	CHECK(fgets(line, sizeof(line), s.f));
	CHECK(!strcmp(line, "line\n"));
	close_stream(&s);
}

static void *runs_too_long(void *arg)
{
	syncless_deadline(20000000);
	CHECK_ERRNO(system("exec sleep 60"), ETIME);
	CHECK_ERRNO(wait(NULL), ECHILD);
	return arg;
}

static void *is_told_to_stop(void *arg)
{
	CHECK_ERRNO(system("exec sleep 60"), ECANCELED);
	return arg;
}

static void *closes_too_long(void *arg)
{
	FILE *f = popen("read x; exit 1", "w");

	CHECK(f);
	syncless_deadline(1);
	CHECK_ERRNO(pclose(f), ETIME);
	return arg;
}

static void commands(void)
{
	syncless_co *co;

	join(spawn(runs_too_long, NULL));
	co = spawn(is_told_to_stop, NULL);
	syncless_yield();
	syncless_cancel(co);
	join(co);
	CHECK_ERRNO(wait(NULL), ECHILD);
	join(spawn(closes_too_long, NULL));
	/* Somebody takes the child's status; nobody knows when. */
	while (waitpid(-1, NULL, WNOHANG) != -1)
		syncless_yield();
}

/* --- Two inside libc */

static void *writes_much(void *arg)
{
	struct stream *s = arg;

	CHECK_EQ(fprintf(s->f, "%200000d", 7), 200000);
	CHECK_EQ(fflush(s->f), 0);
	return arg;
}

static void drain(const struct stream *s)
{
	char buf[65536];
	ssize_t n;

	for (long total = 0; total < 200000; total += n) {
		n = read(s->far, buf, sizeof(buf));
		CHECK(n > 0);
	}
}

static void *cleanups(void)
{
	struct _pthread_cleanup_buffer b;

	_pthread_cleanup_push(&b, (void (*)(void *))free, NULL);
	_pthread_cleanup_pop(&b, 0);
	return b.__prev;
}

static void two_inside(void)
{
	struct stream s[2] = { stream("w"), stream("w") };
	void *before = cleanups();
	syncless_co *co[2];

	for (int i = 0; i < 2; i++) {
		co[i] = spawn(writes_much, &s[i]);
		syncless_yield();
		CHECK_EQ(cleanups(), before);
	}
	for (int i = 0; i < 2; i++) {
		drain(&s[i]);
		join(co[i]);
		CHECK_EQ(cleanups(), before);
		close_stream(&s[i]);
	}
}

int main(void)
{
	NEED_LIBRARY();
	reading();
	commands();
	two_inside();
	CHECK_VERIFY();
	return 0;
}
