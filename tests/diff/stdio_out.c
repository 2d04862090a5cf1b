/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing through a FILE into what is full: the writer waits, in the midst of its call, while the flow that
 * reads goes on.
 *
 * timeout: 120
 */
#include "diff/stream.h"
#include <err.h>
#include <error.h>
#include <fcntl.h>
#include <stdio_ext.h>

#define MUCH 1000000

/* --- One flow writes; flow 0 reads what comes, to the end, and says how much it was and whether it was
 * right. */

static void drain(int fd)
{
	char *buf = malloc(65536);
	long total = 0, bad = 0;
	ssize_t n;

	while ((n = read(fd, buf, 65536)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			bad += buf[i] != 'a' + (total + i) % 26;
		total += n;
	}
	SAY("%ld bytes, %ld wrong", total, bad);
	free(buf);
}

/* The writer closes its FILE. */
static void written_by(enum kind kind, void *(*fn)(void *))
{
	struct stream *s = narrow_stream(kind);
	struct flow *f = flow(fn, s);

	await_blocked(1);
	drain(s->far);
	flow_end(f);
	close(s->far);
	free(s);
}

static void *write_block(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(MUCH);

	blocks();
	R(fwrite(text, 1, MUCH, s->f));
	R(ferror(s->f));
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(fwrite_into_a_full_pipe)
{
	written_by(PIPE, write_block);
}
CASE(fwrite_into_a_full_socket)
{
	written_by(UNIX_SOCKET, write_block);
}
CASE(fwrite_into_full_tcp)
{
	written_by(TCP_SOCKET, write_block);
}

static void *write_records(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(MUCH);

	blocks();
	R(fwrite_unlocked(text, 1000, 100, s->f));
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(fwrite_unlocked_of_records)
{
	written_by(PIPE, write_records);
}

static void *write_strings(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(26 * 100);
	int good = 0;

	blocks();
	for (int i = 0; i < 50; i++)
		good += fputs(text, s->f) >= 0;
	for (int i = 0; i < 50; i++)
		good += fputs_unlocked(text, s->f) >= 0;
	R(good);
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(fputs_into_a_full_pipe)
{
	written_by(PIPE, write_strings);
}
CASE(fputs_into_a_full_socket)
{
	written_by(UNIX_SOCKET, write_strings);
}

static void *write_chars(void *arg)
{
	struct stream *s = arg;
	int good = 0;

	blocks();
	for (int i = 0; i < 26000; i++)
		good += (i % 3 == 0   ? putc('a' + i % 26, s->f)
			 : i % 3 == 1 ? putc_unlocked('a' + i % 26, s->f)
				      : fputc('a' + i % 26, s->f)) == 'a' + i % 26;
	R(good);
	R(fclose(s->f));
	return NULL;
}

CASE(putc_into_a_full_pipe)
{
	written_by(PIPE, write_chars);
}

static void *write_chars_at_once(void *arg)
{
	struct stream *s = arg;

	setvbuf(s->f, NULL, _IONBF, 0);
	return write_chars(s);
}

CASE(putc_without_a_buffer)
{
	written_by(PIPE, write_chars_at_once);
}

static void *write_formatted(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(26 * 100);
	int good = 0;

	blocks();
	for (int i = 0; i < 50; i++)
		good += fprintf(s->f, "%s%c%.25s", text, 'a', text + 1) == 2626;
	R(good);
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(fprintf_into_a_full_pipe)
{
	written_by(PIPE, write_formatted);
}
CASE(fprintf_into_a_full_socket)
{
	written_by(UNIX_SOCKET, write_formatted);
}

static void *write_formatted_at_once(void *arg)
{
	struct stream *s = arg;

	setvbuf(s->f, NULL, _IONBF, 0);
	return write_formatted(s);
}

CASE(fprintf_without_a_buffer)
{
	written_by(PIPE, write_formatted_at_once);
}

static void *write_long_format(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(260000);

	blocks();
	R(fprintf(s->f, "%s", text));
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(fprintf_of_more_than_fits)
{
	written_by(PIPE, write_long_format);
}

static void *write_to_descriptor(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(260000);

	blocks();
	R(dprintf(fileno(s->f), "%s", text));
	R(dprintf(fileno(s->f), "%.0s", text));
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(dprintf_into_a_full_pipe)
{
	written_by(PIPE, write_to_descriptor);
}
CASE(dprintf_into_a_full_socket)
{
	written_by(UNIX_SOCKET, write_to_descriptor);
}

static void *write_wide(void *arg)
{
	struct stream *s = arg;
	wchar_t line[27] = L"abcdefghijklmnopqrstuvwxyz";
	int good = 0;

	blocks();
	for (int i = 0; i < 500; i++) {
		good += fputws(line, s->f) >= 0;
		good += fwprintf(s->f, L"%ls", line) == 26;
		good += fputwc(L'a', s->f) == L'a' && putwc(L'b', s->f) == L'b' && fputws(line + 2, s->f) >= 0;
	}
	R(good);
	R(fclose(s->f));
	return NULL;
}

CASE(wide_into_a_full_pipe)
{
	written_by(PIPE, write_wide);
}

static void *write_to_stdout(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(26 * 100);
	FILE *was = stdout;
	int good = 0;

	stdout = s->f;
	blocks();
	for (int i = 0; i < 50; i++) {
		good += printf("%s", text) == 2600;
		good += putchar('a') == 'a' && putchar_unlocked('b') == 'b' && fputs(text + 2, stdout) >= 0;
	}
	stdout = was;
	R(good);
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(stdout_into_a_full_pipe)
{
	written_by(PIPE, write_to_stdout);
}

static void *write_lines(void *arg)
{
	struct stream *s = arg;
	int good = 0;

	blocks();
	setvbuf(s->f, NULL, _IOLBF, 1000);
	for (int i = 0; i < 10000; i++)
		good += fprintf(s->f, "%d\n", i % 10) == 2;
	R(good);
	R(fclose(s->f));
	return NULL;
}

CASE(lines_into_a_full_pipe)
{
	struct stream *s = narrow_stream(PIPE);
	struct flow *f = flow(write_lines, s);
	char buf[4096];
	long total = 0;
	ssize_t n;

	await_blocked(1);
	while ((n = read(s->far, buf, sizeof(buf))) > 0)
		total += n;
	SAY("%ld bytes", total);
	flow_end(f);
	close(s->far);
	free(s);
}

/* --- What has been held back */

static void *flush(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(20000);

	hold_back(s->f, 32768);
	R(fwrite(text, 1, 20000, s->f));
	R(__fpending(s->f));
	blocks();
	R(fflush(s->f));
	R(__fpending(s->f));
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(fflush_into_a_full_pipe)
{
	written_by(PIPE, flush);
}
CASE(fflush_into_a_full_socket)
{
	written_by(UNIX_SOCKET, flush);
}

static void *flush_by_close(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(20000);

	hold_back(s->f, 32768);
	R(fwrite(text, 1, 20000, s->f));
	blocks();
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(fclose_into_a_full_pipe)
{
	written_by(PIPE, flush_by_close);
}

static void *flush_all(void *arg)
{
	struct stream *s = arg;
	FILE *file = tmpfile();
	char *text = alphabet(20000), buf[20] = "";

	hold_back(s->f, 32768);
	R(fwrite(text, 1, 20000, s->f));
	R(fputs("in a file", file));
	blocks();
	R(fflush(NULL));
	R(__fpending(s->f));
	R(pread(fileno(file), buf, 20, 0));
	R(fclose(s->f));
	R(fclose(file));
	free(text);
	return NULL;
}

CASE(fflush_of_all)
{
	written_by(PIPE, flush_all);
}

static void *flush_by_fcloseall(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(20000);

	hold_back(s->f, 32768);
	R(fwrite(text, 1, 20000, s->f));
	blocks();
	R(fcloseall());
	R(__fpending(s->f));
	R(close(fileno(s->f)));
	free(text);
	return NULL;
}

CASE(fcloseall_writes_first)
{
	written_by(PIPE, flush_by_fcloseall);
}

static void *flush_by_freopen(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(20000);

	hold_back(s->f, 32768);
	R(fwrite(text, 1, 20000, s->f));
	blocks();
	P(freopen("/dev/null", "w", s->f));
	R(fputs("nothing", s->f));
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(freopen_writes_first)
{
	written_by(PIPE, flush_by_freopen);
}

static void *flush_by_seek(void *arg)
{
	struct stream *s = arg;
	char *text = alphabet(20000);

	hold_back(s->f, 32768);
	R(fwrite(text, 1, 20000, s->f));
	blocks();
	R(fseek(s->f, 0, SEEK_SET));
	R(ftell(s->f));
	R(fclose(s->f));
	free(text);
	return NULL;
}

CASE(fseek_writes_first)
{
	written_by(PIPE, flush_by_seek);
}

/* --- Several at one FILE, and what libc says on stderr */

static void *write_in_turn(void *arg)
{
	static _Atomic int number;
	struct stream *s = arg;
	char line[1001];
	int good = 0;

	memset(line, 'a' + number++, 999);
	line[999] = '\n';
	line[1000] = '\0';
	for (int i = 0; i < 40; i++)
		good += fputs(line, s->f) >= 0;
	R(good);
	return NULL;
}

CASE(lines_of_several_stay_whole)
{
	struct stream *s = narrow_stream(PIPE);
	FILE *in = fdopen(s->far, "r");
	struct flow *f[3];
	char line[1002];
	int whole = 0, lines = 0;

	for (int i = 0; i < 3; i++)
		f[i] = flow(write_in_turn, s);
	for (int i = 0; i < 120 && fgets(line, sizeof(line), in); i++) {
		lines++;
		whole += strlen(line) == 1000 && line[0] == line[500] && line[0] == line[998];
		if (lines == 116) /* what the last of them may still hold */
			break;
	}
	SAY("%d whole", whole);
	for (int i = 0; i < 3; i++)
		flow_end(f[i]);
	R(fclose(s->f));
	R(fclose(in));
	free(s);
}

static void *complain(void *arg)
{
	struct stream *s = arg;
	FILE *was = stderr;

	stderr = s->f;
	setvbuf(stderr, NULL, _IONBF, 0);
	blocks();
	for (int i = 0; i < 200; i++) {
		errno = EACCES;
		perror("perror of a hundred words");
		psignal(SIGHUP, "psignal");
	}
	stderr = was;
	R(fclose(s->f));
	return NULL;
}

CASE(perror_into_a_full_pipe)
{
	struct stream *s = narrow_stream(PIPE);
	struct flow *f = flow(complain, s);
	FILE *in = fdopen(s->far, "r");
	char line[100];
	int lines = 0;

	await_blocked(1);
	while (fgets(line, sizeof(line), in))
		lines += !strcmp(line, lines % 2 ? "psignal: Hangup\n"
						 : "perror of a hundred words: Permission denied\n");
	SAY("%d lines", lines);
	flow_end(f);
	R(fclose(in));
	free(s);
}

static void *complain_otherwise(void *arg)
{
	struct stream *s = arg;
	FILE *was = stderr;

	stderr = s->f;
	setvbuf(stderr, NULL, _IONBF, 0);
	blocks();
	for (int i = 0; i < 200; i++) {
		errno = EACCES;
		warn("warn %d", 1);
		warnx("warnx %d", 2);
		error(0, ENOENT, "error %d", 3);
		error_at_line(0, 0, "place", 4, "error %d", 4);
	}
	stderr = was;
	R(fclose(s->f));
	return NULL;
}

/* The words after the program's name. */
static bool is_complaint(const char *line, int number)
{
	static const char *const words[] = {
		": warn 1: Permission denied\n",
		": warnx 2\n",
		": error 3: No such file or directory\n",
		":place:4: error 4\n",
	};
	const char *after = strrchr(line, '/');

	after = strchr(after ? after : line, ':');
	return after && !strcmp(after, words[number % 4]);
}

CASE(warn_and_error_into_a_full_pipe)
{
	struct stream *s = narrow_stream(PIPE);
	struct flow *f = flow(complain_otherwise, s);
	FILE *in = fdopen(s->far, "r");
	char line[300];
	int lines = 0, good = 0;

	await_blocked(1);
	while (fgets(line, sizeof(line), in))
		good += is_complaint(line, lines++);
	SAY("%d lines, %d good", lines, good);
	flow_end(f);
	R(fclose(in));
	free(s);
}

static void *end_badly(void *arg)
{
	stderr = arg;
	err(7, "this is the %s", "end");
	return NULL;
}

CASE(err_ends_the_process)
{
	char line[300] = "";
	int status, end[2];
	ssize_t n;
	pid_t pid;

	CHECK_EQ(pipe(end), 0);
	pid = fork();
	if (pid == 0) {
		FILE *f = fdopen(end[1], "w");

		errno = EACCES;
		flow_end(flow(end_badly, f));
	}
	close(end[1]);
	n = read(end[0], line, sizeof(line) - 1);
	R(n > 0 && strstr(line, ": this is the end: ") != NULL);
	R(waitpid(pid, &status, 0) == pid);
	SAY("exit code %d", WEXITSTATUS(status));
}

/* --- fclose and who waits for its descriptor's number */

CASE(a_number_that_a_file_had_is_new_to_the_next)
{
	struct stream *s = new_stream(PIPE, "r");
	int number = fileno(s->f), end[2];
	char c;

	tell(s, "x");
	R(getc(s->f));
	R(fclose(s->f));
	stream_pair(end);
	CHECK(end[0] == number || end[1] == number);
	CHECK_EQ(write(end[1], "y", 1), 1);
	R(read(end[0], &c, 1));
	close(end[0]);
	close(end[1]);
	close(s->far);
	free(s);
}
