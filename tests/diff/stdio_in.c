/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading through a FILE: whatever the call wants comes in pieces, and in each gap the reader waits while the
 * flow that writes goes on.
 *
 * timeout: 120
 */
#include "diff/stream.h"
#include <stdio_ext.h>

/* A reader is a flow; flow 0 says the pieces. */
static struct flow *read_by(void *(*fn)(void *), struct stream *s)
{
	struct flow *f = flow(fn, s);

	await_blocked(1);
	return f;
}

static void pieces(enum kind kind, void *(*fn)(void *), const char *first, const char *second, bool ends)
{
	struct stream *s = new_stream(kind, "r");
	struct flow *f = read_by(fn, s);

	tell_and_await(s, first);
	SAY("the first is taken");
	if (second)
		tell(s, second);
	if (ends)
		hang_up(s);
	flow_end(f);
	close_stream(s);
}

/* --- Blocks */

static void *read_block(void *arg)
{
	struct stream *s = arg;
	char buf[64] = "";

	blocks();
	R(fread(buf, 1, 20, s->f));
	SHOW(buf, 20);
	R(feof(s->f));
	R(ferror(s->f));
	return NULL;
}

CASE(fread_waits_for_all_of_a_pipe)
{
	pieces(PIPE, read_block, "0123456789", "abcdefghij", false);
}
CASE(fread_waits_for_all_of_a_socket)
{
	pieces(UNIX_SOCKET, read_block, "0123456789", "abcdefghij", false);
}
CASE(fread_waits_for_all_of_tcp)
{
	pieces(TCP_SOCKET, read_block, "0123456789", "abcdefghij", false);
}
CASE(fread_waits_for_all_of_a_terminal)
{
	pieces(TERMINAL, read_block, "0123456789", "abcdefghij", false);
}
CASE(fread_ends_short_at_the_end_of_a_pipe)
{
	pieces(PIPE, read_block, "0123456789", "abc", true);
}
CASE(fread_ends_short_at_the_end_of_a_socket)
{
	pieces(UNIX_SOCKET, read_block, "0123456789", NULL, true);
}

static void *read_records(void *arg)
{
	struct stream *s = arg;
	char buf[64] = "";

	blocks();
	R(fread(buf, 8, 3, s->f));
	SHOW(buf, 20);
	return NULL;
}

CASE(fread_counts_whole_records)
{
	pieces(PIPE, read_records, "0123456789", "abcdefghij", true);
}

/* More than a buffer: libc reads past it. */
static void *read_much(void *arg)
{
	struct stream *s = arg;
	char *buf = calloc(1, 100000);

	blocks();
	R(fread(buf, 1, 100000, s->f));
	SHOW(buf + 99990, 10);
	free(buf);
	return NULL;
}

CASE(fread_of_more_than_a_buffer)
{
	struct stream *s = new_stream(PIPE, "r");
	struct flow *f = read_by(read_much, s);
	char text[1001] = "";

	memset(text, 'x', 999);
	for (int i = 0; i < 100; i++) {
		text[999] = (char)('0' + i % 10);
		tell(s, text);
	}
	flow_end(f);
	close_stream(s);
}

static void *read_unlocked(void *arg)
{
	struct stream *s = arg;
	char buf[64] = "";

	blocks();
	R(fread_unlocked(buf, 1, 20, s->f));
	SHOW(buf, 20);
	return NULL;
}

CASE(fread_unlocked)
{
	pieces(PIPE, read_unlocked, "0123456789", "abcdefghij", false);
}

static void *read_without_buffer(void *arg)
{
	struct stream *s = arg;
	char buf[64] = "";

	R(setvbuf(s->f, NULL, _IONBF, 0));
	blocks();
	R(fread(buf, 1, 20, s->f));
	SHOW(buf, 20);
	R(getc(s->f));
	return NULL;
}

CASE(fread_without_a_buffer)
{
	pieces(PIPE, read_without_buffer, "0123456789", "abcdefghij!", false);
}
CASE(fread_without_a_buffer_of_a_socket)
{
	pieces(UNIX_SOCKET, read_without_buffer, "0123456789", "abcdefghij!", false);
}

/* --- Lines */

static void *get_line(void *arg)
{
	struct stream *s = arg;
	char line[64] = "";

	blocks();
	P(fgets(line, sizeof(line), s->f));
	SHOW(line, (long)strlen(line));
	P(fgets(line, 4, s->f));
	SHOW(line, (long)strlen(line));
	P(fgets(line, sizeof(line), s->f));
	R(feof(s->f));
	return NULL;
}

CASE(fgets_waits_for_the_whole_line)
{
	pieces(PIPE, get_line, "half ", "a line\nabc", true);
}
CASE(fgets_of_a_socket)
{
	pieces(UNIX_SOCKET, get_line, "half ", "a line\nabc", true);
}
CASE(fgets_of_tcp)
{
	pieces(TCP_SOCKET, get_line, "half ", "a line\nabc", true);
}

static void *get_line_unlocked(void *arg)
{
	struct stream *s = arg;
	char line[64] = "";

	blocks();
	P(fgets_unlocked(line, sizeof(line), s->f));
	SHOW(line, (long)strlen(line));
	return NULL;
}

CASE(fgets_unlocked)
{
	pieces(PIPE, get_line_unlocked, "half ", "a line\n", false);
}

static void *get_any_line(void *arg)
{
	struct stream *s = arg;
	char *line = NULL;
	size_t room = 0;

	blocks();
	R(getline(&line, &room, s->f));
	SHOW(line, (long)strlen(line));
	R(getdelim(&line, &room, ';', s->f));
	SHOW(line, (long)strlen(line));
	R(getline(&line, &room, s->f));
	R(getline(&line, &room, s->f));
	R(feof(s->f));
	free(line);
	return NULL;
}

CASE(getline_waits_for_the_whole_line)
{
	pieces(PIPE, get_any_line, "half ", "a line\none;rest", true);
}
CASE(getline_of_a_socket)
{
	pieces(UNIX_SOCKET, get_any_line, "half ", "a line\none;rest", true);
}

/* A cooked terminal gives a line when it is whole. */
CASE(fgets_of_a_cooked_terminal)
{
	struct stream *s = malloc(sizeof(*s));
	struct termios tio;
	struct flow *f;
	int near;

	CHECK_EQ(openpty(&s->far, &near, NULL, NULL, NULL), 0);
	CHECK_EQ(tcgetattr(near, &tio), 0);
	tio.c_lflag &= ~(tcflag_t)ECHO;
	CHECK_EQ(tcsetattr(near, TCSANOW, &tio), 0);
	s->f = fdopen(near, "r");
	f = read_by(get_line, s);
	tell(s, "half ");
	sched_yield();
	tell(s, "a line\nab\n\004");
	flow_end(f);
	close_stream(s);
}

/* --- Characters */

static void *get_chars(void *arg)
{
	struct stream *s = arg;

	blocks();
	R(fgetc(s->f));
	R(getc(s->f));
	R(ungetc('u', s->f));
	R(getc_unlocked(s->f));
	R(getc_unlocked(s->f));
	R(fgetc_unlocked(s->f));
	R(getc(s->f));
	R(feof(s->f));
	return NULL;
}

CASE(characters)
{
	pieces(PIPE, get_chars, "a", "bcd", true);
}
CASE(characters_of_a_terminal)
{
	pieces(TERMINAL, get_chars, "a", "bcde", false);
}

static void *get_word(void *arg)
{
	struct stream *s = arg;

	blocks();
	R(getw(s->f));
	return NULL;
}

CASE(getw_waits_for_the_whole_word)
{
	pieces(PIPE, get_word, "ab", "cd", false);
}

extern int __uflow(FILE *f), __underflow(FILE *f);

static void *flow_under(void *arg)
{
	struct stream *s = arg;

	blocks();
	R(__underflow(s->f));
	R(__uflow(s->f));
	R(__uflow(s->f));
	return NULL;
}

CASE(underflow_and_uflow)
{
	pieces(PIPE, flow_under, "a", "b", false);
}

/* --- scanf */

static void *scan(void *arg)
{
	struct stream *s = arg;
	char word[16] = "";
	int a = 0, b = 0;

	blocks();
	R(fscanf(s->f, "%d %15s %d", &a, word, &b));
	SAY("%d %s %d", a, word, b);
	R(getc(s->f));
	return NULL;
}

CASE(scanf_across_pieces)
{
	pieces(PIPE, scan, "12", "34 word 5;", false);
}
CASE(scanf_across_pieces_of_a_socket)
{
	pieces(UNIX_SOCKET, scan, "1234 w", "ord 5;", false);
}
CASE(scanf_across_pieces_of_a_terminal)
{
	pieces(TERMINAL, scan, "1234 w", "ord 5;", false);
}
CASE(scanf_to_the_end)
{
	pieces(PIPE, scan, "1234 w", "ord ", true);
}
CASE(scanf_of_nothing)
{
	pieces(PIPE, scan, "", NULL, true);
}
CASE(scanf_of_what_does_not_match)
{
	pieces(PIPE, scan, "12", "x", true);
}

static int scan_list(FILE *f, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = vfscanf(f, format, ap);
	va_end(ap);
	return r;
}

static void *scan_by_list(void *arg)
{
	struct stream *s = arg;
	double d = 0;
	char *text = NULL;

	blocks();
	R(scan_list(s->f, "%lf", &d));
	SAY("%g", d);
	R(scan_list(s->f, " %m[a-z]", &text));
	SAY("%s", text ? text : "none");
	free(text);
	return NULL;
}

CASE(vfscanf_across_pieces)
{
	pieces(PIPE, scan_by_list, "1.", "25 abc;", false);
}

/* stdin is any FILE. */
static void *scan_stdin(void *arg)
{
	struct stream *s = arg;
	char line[20] = "";
	int n = 0;

	stdin = s->f;
	blocks();
	R(scanf("%d", &n));
	SAY("%d", n);
	R(getchar());
	R(getchar_unlocked());
	P(fgets(line, sizeof(line), stdin));
	SHOW(line, (long)strlen(line));
	return NULL;
}

CASE(scanf_and_getchar_of_stdin)
{
	pieces(PIPE, scan_stdin, "4", "2;.rest\n", false);
}

/* --- Wide characters */

static void *get_wide(void *arg)
{
	struct stream *s = arg;
	wchar_t line[20] = L"";
	int n = 0;

	blocks();
	R((int)fgetwc(s->f));
	P(fgetws(line, 20, s->f));
	SAY("%d wide", (int)wcslen(line));
	R(fwscanf(s->f, L"%d", &n));
	SAY("%d", n);
	R((int)getwc(s->f));
	R((int)ungetwc(L'w', s->f));
	R((int)getwc(s->f));
	R((int)getwc(s->f));
	R(fwide(s->f, 0) > 0);
	return NULL;
}

CASE(wide_characters)
{
	pieces(PIPE, get_wide, "a", "half a line\n42;", true);
}
CASE(wide_characters_of_a_socket)
{
	pieces(UNIX_SOCKET, get_wide, "ahalf ", "a line\n42;", true);
}

/* --- What ends a wait */

static void *get_after_end(void *arg)
{
	struct stream *s = arg;

	blocks();
	R(getc(s->f));
	R(getc(s->f));
	R(feof(s->f));
	clearerr(s->f);
	R(feof(s->f));
	blocks();
	R(getc(s->f));
	return NULL;
}

/* The end of a terminal's line is the end for once. */
CASE(clearerr_after_the_end_of_a_terminal)
{
	struct stream *s = malloc(sizeof(*s));
	struct flow *f;
	int near;

	CHECK_EQ(openpty(&s->far, &near, NULL, NULL, NULL), 0);
	s->f = fdopen(near, "r");
	f = read_by(get_after_end, s);
	tell(s, "\004");
	await_blocked(2);
	tell(s, "x\n");
	flow_end(f);
	close_stream(s);
}

static _Atomic int handled;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

static void interrupt(const struct flow *f)
{
	CHECK_EQ(pthread_kill(f->thread, SIGUSR1), 0);
	while (!handled)
		sched_yield();
}

static void *get_interrupted(void *arg)
{
	struct stream *s = arg;
	char line[20] = "";

	blocks();
	P(fgets(line, sizeof(line), s->f));
	R(ferror(s->f));
	R(feof(s->f));
	clearerr(s->f);
	P(fgets(line, sizeof(line), s->f));
	SHOW(line, (long)strlen(line));
	return NULL;
}

CASE_THREADS(a_signal_ends_fgets)
{
	struct stream *s = new_stream(PIPE, "r");
	struct flow *f;

	on_signal(SIGUSR1, on_usr1, 0);
	f = read_by(get_interrupted, s);
	interrupt(f);
	tell(s, "line\n");
	flow_end(f);
	close_stream(s);
}

static void *get_restarted(void *arg)
{
	struct stream *s = arg;
	char line[20] = "";

	blocks();
	P(fgets(line, sizeof(line), s->f));
	SHOW(line, (long)strlen(line));
	R(ferror(s->f));
	return NULL;
}

CASE_THREADS(a_restarting_signal_does_not_end_fgets)
{
	struct stream *s = new_stream(PIPE, "r");
	struct flow *f;

	on_signal(SIGUSR1, on_usr1, SA_RESTART);
	f = read_by(get_restarted, s);
	interrupt(f);
	tell(s, "line\n");
	flow_end(f);
	close_stream(s);
}

static void *get_cancelled(void *arg)
{
	struct stream *s = arg;

	blocks();
	R(getc(s->f));
	return NULL;
}

/* Who is cancelled gives the FILE's lock back. */
CASE_THREADS(cancellation_frees_the_lock)
{
	struct stream *s = new_stream(PIPE, "r");
	struct flow *f = read_by(get_cancelled, s);

	CHECK_EQ(pthread_cancel(f->thread), 0);
	SAY("cancelled: %d", flow_end(f) == PTHREAD_CANCELED);
	R(ftrylockfile(s->f));
	funlockfile(s->f);
	tell(s, "x");
	R(getc(s->f));
	close_stream(s);
}

static void *read_in_time(void *arg)
{
	struct stream *s = arg;

	LASTS(20, R(getc(s->f)));
	R(ferror(s->f));
	return NULL;
}

CASE(a_timeout_of_the_socket_ends_getc)
{
	struct stream *s = new_stream(UNIX_SOCKET, "r");

	set_timeo(fileno(s->f), SO_RCVTIMEO, 20);
	flow_end(flow(read_in_time, s));
	close_stream(s);
}

CASE(a_nonblocking_descriptor_does_not_wait)
{
	struct stream *s = new_stream(PIPE, "r");
	char line[20] = "";

	set_nonblock(fileno(s->f), true);
	P(fgets(line, sizeof(line), s->f));
	R(ferror(s->f));
	clearerr(s->f);
	tell(s, "ab");
	R(getc(s->f));
	R(getc(s->f));
	R(getc(s->f));
	close_stream(s);
}

/* --- Several at one FILE */

static void *get_a_line(void *arg)
{
	struct stream *s = arg;
	char line[20] = "";

	blocks();
	P(fgets(line, sizeof(line), s->f));
	SHOW(line, (long)strlen(line));
	return NULL;
}

/* The second waits for the FILE, the first for the line. */
CASE(lines_go_to_those_who_wait_in_turn)
{
	struct stream *s = new_stream(PIPE, "r");
	struct flow *f[3];

	for (int i = 0; i < 3; i++) {
		f[i] = flow(get_a_line, s);
		await_blocked(i + 1);
	}
	tell(s, "first\nsecond\nthird\n");
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	close_stream(s);
}

static void *try_while_read(void *arg)
{
	struct stream *s = arg;

	R(ftrylockfile(s->f) != 0);
	blocks();
	R(feof(s->f)); /* after the reader */
	return NULL;
}

CASE(a_reader_has_the_lock)
{
	struct stream *s = new_stream(PIPE, "r");
	struct flow *reader = flow(get_a_line, s), *other;

	await_blocked(1);
	other = flow(try_while_read, s);
	await_blocked(2);
	tell(s, "line\n");
	flow_end(reader);
	flow_end(other);
	close_stream(s);
}

/* --- stdout is written before a terminal is read. */

static void *ask(void *arg)
{
	struct stream **s = arg;
	char line[20] = "";

	stdout = s[1]->f;
	setvbuf(stdout, NULL, _IOLBF, 4096);
	setvbuf(s[0]->f, NULL, _IOLBF, 4096);
	R(printf("name? "));
	blocks();
	P(fgets(line, sizeof(line), s[0]->f));
	SHOW(line, (long)strlen(line));
	return NULL;
}

CASE(the_prompt_is_out_before_the_answer_is_awaited)
{
	struct stream *s[2] = { new_stream(TERMINAL, "r"), new_stream(PIPE, "w") };
	FILE *was = stdout;
	struct flow *f = flow(ask, s);
	char prompt[20] = "";

	await_blocked(1);
	R(read(s[1]->far, prompt, sizeof(prompt)));
	SHOW(prompt, 6);
	tell(s[0], "me\n");
	flow_end(f);
	stdout = was;
	close_stream(s[0]);
	close_stream(s[1]);
}
