/* SPDX-License-Identifier: Apache-2.0
 *
 * env: SYNCLESS_FILES=offload SYNCLESS_OFFLOAD_THREADS=2
 *
 * With SYNCLESS_FILES=offload a thread that is kept by a file keeps no other: here by a page that must first
 * be fetched (userfaultfd), which is what a slow disk is to a write.  More at once than there are workers
 * stand in line, and one that is closed before its turn is not made on whatever has its number by then.  (That
 * results are the same: tests/diff/offloaded.c.)
 */
#include "calls/blocked.h"
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PAGE 4096

static int temporary(void)
{
	char path[] = "/tmp/syncless-offload-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	CHECK(fd != -1);
	CHECK_EQ(unlink(path), 0);
	return fd;
}

/* Pages that are not there until fetch(). */
static int faults;

static char *absent_page(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register r = { .range = { (uintptr_t)page, PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	CHECK(page != MAP_FAILED);
	CHECK_EQ(ioctl(faults, UFFDIO_REGISTER, &r), 0);
	return page;
}

static void await_fault(void)
{
	struct pollfd p = { .fd = faults, .events = POLLIN };
	struct uffd_msg m;

	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK_EQ(read(faults, &m, sizeof(m)), sizeof(m));
	CHECK_EQ(m.event, UFFD_EVENT_PAGEFAULT);
}

static void fetch(char *page)
{
	static char content[PAGE];
	struct uffdio_copy c = { .dst = (uintptr_t)page, .src = (uintptr_t)content, .len = PAGE };

	memset(content, 'x', PAGE);
	CHECK_EQ(ioctl(faults, UFFDIO_COPY, &c), 0);
}

struct writing {
	int fd, err;
	const char *page;
};

static void *writes(void *arg)
{
	struct writing *w = arg;

	errno = 1234;
	about_to_block();
	if (w->err) {
		CHECK_ERRNO(write(w->fd, w->page, PAGE), w->err);
	} else {
		CHECK_EQ(write(w->fd, w->page, PAGE), PAGE);
		CHECK_EQ(errno, 1234);
	}
	return NULL;
}

static void check_content(int fd)
{
	char got[PAGE + 1];

	CHECK_EQ(pread(fd, got, sizeof(got), 0), PAGE);
	CHECK(got[0] == 'x' && got[PAGE - 1] == 'x');
}

/* The poll, the sleep and the small write of main go on beside it. */
static void others_run(void)
{
	struct writing w = { .fd = temporary(), .page = absent_page() };
	pthread_t t = start(writes, &w);
	int other = temporary();

	await_fault();
	for (int i = 0; i < 5; i++)
		CHECK_EQ(usleep(1000), 0);
	CHECK_EQ(write(other, "y", 1), 1);
	CHECK_EQ(fsync(other), 0);
	fetch((char *)w.page);
	finish(t);
	check_content(w.fd);
	close(other);
	close(w.fd);
}

/* Two keep both workers; the third has not begun when it is closed. */
static void closed_in_line(void)
{
	struct writing w[3];
	pthread_t t[3];
	int other = temporary(), again;
	struct stat st;

	for (int i = 0; i < 3; i++) {
		w[i] = (struct writing){ .fd = temporary(), .page = absent_page(), .err = i < 2 ? 0 : EBADF };
		t[i] = start(writes, &w[i]);
		if (i < 2)
			await_fault();
	}
	await_blocked(4);
	CHECK_EQ(close(w[2].fd), 0);
	again = fcntl(other, F_DUPFD_CLOEXEC, w[2].fd);
	CHECK_EQ(again, w[2].fd);
	for (int i = 0; i < 2; i++)
		fetch((char *)w[i].page);
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	CHECK_EQ(fstat(other, &st), 0);
	CHECK_EQ(st.st_size, 0);
	for (int i = 0; i < 2; i++)
		check_content(w[i].fd);
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (faults == -1)
		SKIP("no userfaultfd here");
	CHECK_EQ(ioctl(faults, UFFDIO_API, &api), 0);
	others_run();
	if (is_green())
		closed_in_line();
	CHECK_VERIFY();
	return 0;
}
