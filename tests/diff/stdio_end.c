/* SPDX-License-Identifier: Apache-2.0
 *
 * How the writing of a FILE ends early, and what exit does with what is left.
 *
 * timeout: 120
 */
#include "diff/stream.h"
#include <stdio_ext.h>

/* --- exit: what is left is written, while others go on. */

static void *swallow(void *arg)
{
	struct stream *s = arg;
	char buf[4096];

	blocks();
	while (read(s->far, buf, sizeof(buf)) > 0)
		;
	return NULL;
}

static void exit_with_much_left(void)
{
	struct stream *s = narrow_stream(PIPE);
	char *text = alphabet(300000);

	flow(swallow, s);
	await_blocked(1);
	hold_back(s->f, 400000);
	R(fwrite(text, 1, 300000, s->f));
	exit(0);
}

CASE(exit_writes_what_is_left)
{
	exit_with_much_left();
}
CASE_MAIN(exit_of_main_writes_what_is_left)
{
	exit_with_much_left();
}

static void *hold_it(void *arg)
{
	struct stream *s = arg;
	char c;

	flockfile(s->f);
	fputs("held", s->f);
	blocks();
	R(read(s[1].far, &c, 1));
	return NULL;
}

/* Who has a FILE for ever does not keep the process. */
CASE(exit_does_not_wait_for_a_lock)
{
	struct stream *s = malloc(2 * sizeof(*s));

	s[0] = open_stream(PIPE, "w");
	s[1] = open_stream(UNIX_SOCKET, "r");
	s[1].far = dup(s[1].far);
	flow(hold_it, s);
	await_blocked(1);
	R(ftrylockfile(s->f) != 0);
	exit(0);
}

static void say_at_exit(void)
{
	SAY("exit handlers run");
}

CASE(exit_runs_handlers_and_then_writes)
{
	struct stream *s = narrow_stream(PIPE);

	flow(swallow, s);
	await_blocked(1);
	atexit(say_at_exit);
	for (int i = 0; i < 10000; i++)
		fputs("line\n", s->f);
	R(__fpending(s->f) > 0);
	exit(0);
}

/* --- What goes wrong */

CASE(a_pipe_without_readers)
{
	struct stream *s = new_stream(PIPE, "w");

	signal(SIGPIPE, SIG_IGN);
	close(s->far);
	R(fputs("lost", s->f));
	R(fflush(s->f));
	R(ferror(s->f));
	clearerr(s->f);
	R(putc('x', s->f));
	R(fclose(s->f));
	R(dprintf(-1, "x"));
	R(dprintf(-1, "%s", ""));
	free(s);
}

static void fill(int fd)
{
	char buf[4096] = "";

	set_nonblock(fd, true);
	while (write(fd, buf, sizeof(buf)) > 0)
		;
	while (write(fd, buf, 1) > 0)
		;
	set_nonblock(fd, false);
}

static void *break_off(void *arg)
{
	struct stream *s = arg;

	R(fputs("text", s->f));
	blocks();
	R(fflush(s->f));
	R(ferror(s->f));
	return NULL;
}

CASE(the_reader_goes_meanwhile)
{
	struct stream *s = narrow_stream(PIPE);
	struct flow *f;

	signal(SIGPIPE, SIG_IGN);
	fill(fileno(s->f));
	f = flow(break_off, s);
	await_blocked(1);
	close(s->far);
	flow_end(f);
	fclose(s->f);
	free(s);
}

static _Atomic int handled;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

CASE_THREADS(a_signal_ends_fflush)
{
	struct stream *s = narrow_stream(PIPE);
	struct flow *f;

	on_signal(SIGUSR1, on_usr1, 0);
	fill(fileno(s->f));
	f = flow(break_off, s);
	await_blocked(1);
	CHECK_EQ(pthread_kill(f->thread, SIGUSR1), 0);
	while (!handled)
		sched_yield();
	flow_end(f);
	close(s->far);
	free(s);
}

CASE_THREADS(cancellation_in_fflush_frees_the_lock)
{
	struct stream *s = narrow_stream(PIPE);
	struct flow *f;

	fill(fileno(s->f));
	f = flow(break_off, s);
	await_blocked(1);
	CHECK_EQ(pthread_cancel(f->thread), 0);
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
	R(ftrylockfile(s->f));
	__fpurge(s->f);
	close(s->far);
	free(s);
}

CASE(a_timeout_of_the_socket_ends_fflush)
{
	struct stream *s = new_stream(UNIX_SOCKET, "w");

	fill(fileno(s->f));
	set_timeo(fileno(s->f), SO_SNDTIMEO, 20);
	R(fputs("text", s->f));
	LASTS(20, R(fflush(s->f)));
	R(ferror(s->f));
	__fpurge(s->f);
	close_stream(s);
}

CASE(a_nonblocking_descriptor_does_not_wait)
{
	struct stream *s = narrow_stream(PIPE);

	fill(fileno(s->f));
	set_nonblock(fileno(s->f), true);
	R(fputs("text", s->f));
	R(fflush(s->f));
	R(ferror(s->f));
	R(dprintf(fileno(s->f), "text"));
	__fpurge(s->f);
	close_stream(s);
}
