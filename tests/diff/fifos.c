/* SPDX-License-Identifier: Apache-2.0
 *
 * What opens a FIFO waits for its other end, whichever call it is; of a file it waits for nothing.
 */
#include "diff/diff.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

static void *other_end(void *flags)
{
	int fd;

	await_blocked(1);
	fd = open("fifo", (int)(long)flags);
	CHECK(fd >= 0);
	if ((long)flags == O_WRONLY)
		CHECK_EQ(write(fd, "word\n", 5), 5);
	return (void *)(long)fd;
}

static void say_flags(int fd)
{
	SAY("  flags %x, descriptor flags %x", fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK),
	    fcntl(fd, F_GETFD));
}

static void opened(int fd, struct flow *other)
{
	say_flags(fd);
	close((int)(long)flow_end(other));
}

CASE(open_waits_for_a_writer)
{
	struct flow *other;
	int fd;

	CHECK_EQ(mkfifo("fifo", 0600), 0);
	other = flow(other_end, (void *)O_WRONLY);
	blocks();
	fd = open("fifo", O_RDONLY | O_CLOEXEC);
	opened(fd, other);
	CHECK_EQ(close(fd), 0);
}

CASE(creat_waits_for_a_reader)
{
	struct flow *other;
	int fd;

	CHECK_EQ(mkfifo("fifo", 0600), 0);
	other = flow(other_end, (void *)O_RDONLY);
	blocks();
	fd = creat("fifo", 0600);
	opened(fd, other);
	signal(SIGPIPE, SIG_IGN);
	R(write(fd, "x", 1));
	CHECK_EQ(close(fd), 0);
}

static void open_stream(const char *mode, int others_flags)
{
	struct flow *other = flow(other_end, (void *)(long)others_flags);
	char line[8] = "";
	FILE *file;

	blocks();
	file = P(fopen("fifo", mode));
	opened(fileno(file), other);
	if (others_flags == O_WRONLY) {
		P(fgets(line, sizeof(line), file));
		SHOW(line, strlen(line));
	}
	R(fclose(file));
}

CASE(fopen_waits_for_a_writer)
{
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	open_stream("r", O_WRONLY);
}

CASE(fopen_waits_for_a_reader)
{
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	open_stream("we", O_RDONLY);
}

CASE(fopen_to_append)
{
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	open_stream("a", O_RDONLY);
}

CASE(fopen_of_both_ends)
{
	FILE *file;

	CHECK_EQ(mkfifo("fifo", 0600), 0);
	file = P(fopen("fifo", "r+"));
	say_flags(fileno(file));
	R(fclose(file));
}

CASE(fopen_with_a_wrong_mode)
{
	CHECK_EQ(mkfifo("fifo", 0600), 0);
	P(fopen("fifo", "q"));
	P(fopen("fifo", ""));
	P(fopen("nothing", "r"));
	P(fopen("fifo", "wx"));
}

CASE(creat_and_fopen_of_a_file)
{
	struct stat st;
	FILE *file;
	int fd;

	umask(022);
	fd = creat("file", 0666);
	CHECK_EQ(write(fd, "12345", 5), 5);
	say_flags(fd);
	CHECK_EQ(close(fd), 0);
	file = P(fopen("file", "a+"));
	R(fputs("678", file));
	R(fclose(file));
	R(stat("file", &st));
	SAY("  mode %o, %ld bytes", st.st_mode, (long)st.st_size);
	R(close(creat("file", 0600)));
	R(stat("file", &st));
	SAY("  mode %o, %ld bytes", st.st_mode, (long)st.st_size);
	R(creat("nowhere/file", 0600));
}
