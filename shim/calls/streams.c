/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a FILE meets the kernel.  Inside libc stdio reads and writes by system calls of its own, which no
 * preload sees; but it comes to them through a table of functions that each FILE points to.  Which tables a
 * FILE may have libc checks; what stands in them it does not.  So when the first coroutine is made, our
 * read() and write() are put in the place of libc's there, and from then on whatever goes through a FILE
 * parks where it would have blocked, in the middle of fread, scanf, getline or a flush, as a thread would
 * have waited there: __uflow of a getc_unlocked() that was compiled into the program, getpass() and exit()
 * included.  Flows that are no coroutines get libc's functions.
 *
 * The tables lie in libc's part that is read-only after relocation; they are known by what stands in them,
 * which has exported names.  Where they are not found stdio stays as it is: a thread in it is handed off.
 *
 * Parked so a coroutine has the FILE's lock, which our calls wait for (core/filelock.h).  It must not have
 * the lock of the list of all FILEs, which every fopen takes; hence streams_flush_all().
 */
#include "streams.h"
#include <link.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fdtab.h"
#include "filelock.h"
#include "libc.h"
#include "loaded.h"
#include "raw.h"
#include "settings.h"

/* Bits of FILE._flags and _flags2 that have no public name. */
#define IS_UNBUFFERED 0x0002
#define HAS_ENDED 0x0010
#define HAS_FAILED 0x0020
#define IS_LINE_WISE 0x0200
#define IS_NOCANCEL 0x0002

/* Places in a table (struct _IO_jump_t, unchanged since glibc 2.1). */
enum { TABLE_UNDERFLOW = 4, TABLE_READ = 14, TABLE_WRITE = 15, TABLE_CLOSE = 17, TABLE_LENGTH = 21 };

typedef ssize_t transfer_fn(FILE *f, void *buf, ssize_t n);
typedef int simple_fn(FILE *f);

bool streams_are_blocking;

static struct {
	transfer_fn *read, *write;
	simple_fn *underflow, *wide_underflow, *close;
} libcs;

/* A coroutine that may be parked inside libc. */
struct passage {
	struct coro *me;
	FILE *f;
	bool is_inside, is_noted, cancel_disabled;
	struct _pthread_cleanup_buffer *cleanups;
};

void _pthread_cleanup_push(struct _pthread_cleanup_buffer *b, void (*fn)(void *), void *arg);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *b, int execute);

static void never(void *arg)
{
	(void)arg;
}

/* libc has the thread's cleanups in a list through its frames; each flow of a thread must see its own alone. */
static struct _pthread_cleanup_buffer *swap_cleanups(struct _pthread_cleanup_buffer *others)
{
	struct _pthread_cleanup_buffer b, *mine;

	_pthread_cleanup_push(&b, never, NULL);
	mine = b.__prev;
	b.__prev = others;
	_pthread_cleanup_pop(&b, 0);
	return mine;
}

static struct passage begin_passage(FILE *f)
{
	struct passage p = { .me = coro_self,
			     .f = f,
			     .is_inside = !atomic_load_explicit(coro_self->outside, memory_order_relaxed),
			     .cancel_disabled = coro_self->cancel_disabled };

	/* libc does not let a thread be cancelled in the files of its own, and in those opened with "c". */
	if (UNLIKELY(f->_flags2 & IS_NOCANCEL))
		p.me->cancel_disabled = true;
	if (UNLIKELY(p.me->borrows_tls || p.me->carrier) && coro_may_park()) {
		p.is_noted = filelock_enter(f);
		p.cleanups = swap_cleanups(NULL);
	}
	return p;
}

static void end_passage(struct passage *p)
{
	if (UNLIKELY(p->f->_flags2 & IS_NOCANCEL))
		p->me->cancel_disabled = p->cancel_disabled;
	if (UNLIKELY(p->cleanups != NULL))
		swap_cleanups(p->cleanups);
	if (UNLIKELY(p->is_noted))
		filelock_leave(p->f);
	if (p->is_inside) /* read() and write() have left; the call that reads a FILE, c-ares' for one, has not */
		coro_host();
}

#define PASSAGE(f) struct passage passage __attribute__((cleanup(end_passage), unused)) = begin_passage(f)

static PARKING ssize_t read_here(FILE *f, void *buf, ssize_t n)
{
	PASSAGE(f);
	return read(f->_fileno, buf, (size_t)n);
}

/* What libc opens for itself (zones, maps, tables of names) it reads with locks of its own in hand, so nobody
 * else may get a turn. */
static bool is_libcs_own(const FILE *f)
{
	return UNLIKELY(f->_flags2 & IS_NOCANCEL) && fd_never_waits(fd_kind(f->_fileno));
}

static ssize_t read_for_file(FILE *f, void *buf, ssize_t n)
{
	return LIKELY(coro_self != NULL) && !is_libcs_own(f) ? read_here(f, buf, n) : libcs.read(f, buf, n);
}

/* As libc's, on the other side of the system call: how much was written, and the FILE knows of an error. */
static PARKING ssize_t write_here(FILE *f, const char *buf, ssize_t n)
{
	ssize_t done = 0;

	PASSAGE(f);
	while (done < n) {
		ssize_t r = write(f->_fileno, buf + done, (size_t)(n - done));

		if (r < 0) {
			f->_flags |= HAS_FAILED;
			break;
		}
		done += r;
	}
	if (f->_offset >= 0)
		f->_offset += done;
	return done;
}

static ssize_t write_for_file(FILE *f, void *buf, ssize_t n)
{
	return LIKELY(coro_self != NULL) ? write_here(f, buf, n) : libcs.write(f, buf, n);
}

/* Before it reads for a FILE without a buffer, or with lines for one, libc writes what stdout holds if that
 * has lines for a buffer: under stdout's lock, on which it would sleep.  So that is done here, where it
 * parks. */
static void flush_stdout(const FILE *f)
{
	FILE *out = stdout;
	bool taken;

	if (!(f->_flags & (IS_UNBUFFERED | IS_LINE_WISE)) || (f->_flags & HAS_ENDED) || f == out)
		return;
	taken = filelock_take(out, "fflush");
	if (taken && __flbf(out) && __fpending(out))
		libc.fflush(out);
	filelock_give(out, taken);
}

static int underflow_for_file(FILE *f)
{
	if (LIKELY(coro_self != NULL))
		flush_stdout(f);
	return libcs.underflow(f);
}

static int wide_underflow_for_file(FILE *f)
{
	if (LIKELY(coro_self != NULL))
		flush_stdout(f);
	return libcs.wide_underflow(f);
}

static int close_for_file(FILE *f)
{
	if (streams_are_ours())
		fd_closing(f->_fileno);
	return libcs.close(f);
}

/* --- Bring-up. */

static void *named(const char *name)
{
	return libc.dlsym(RTLD_NEXT, name);
}

static bool is_table(void *const *at)
{
	return !at[0] && !at[1] && at[TABLE_READ] == (void *)libcs.read &&
	       at[TABLE_WRITE] == (void *)libcs.write;
}

static void replace(void **at, const void *theirs, void *ours)
{
	if (*at == theirs)
		__atomic_store_n(at, ours, __ATOMIC_RELEASE);
}

static void fill_table(void **at)
{
	replace(&at[TABLE_UNDERFLOW], (void *)libcs.underflow, (void *)underflow_for_file);
	replace(&at[TABLE_UNDERFLOW], (void *)libcs.wide_underflow, (void *)wide_underflow_for_file);
	replace(&at[TABLE_CLOSE], (void *)libcs.close, (void *)close_for_file);
	replace(&at[TABLE_WRITE], (void *)libcs.write, (void *)write_for_file);
	replace(&at[TABLE_READ], (void *)libcs.read, (void *)read_for_file);
}

struct range {
	void **begin, **end;
	uintptr_t page, page_end; /* what the loader has made read-only */
};

static int find_range(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct range *r = arg;

	(void)size;
	if (!loaded_has(info, (uintptr_t)libcs.read))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_GNU_RELRO)
			continue;
		r->page = begin & -page;
		r->page_end = (begin + p->p_memsz) & -page;
		r->begin = (void **)((begin + sizeof(void *) - 1) & -sizeof(void *));
		r->end = (void **)((begin + p->p_memsz) & -sizeof(void *));
	}
	return 1;
}

static int fill_tables(const struct range *r)
{
	int filled = 0;

	for (void **at = r->begin; at + TABLE_LENGTH <= r->end; at++) {
		if (is_table(at)) {
			fill_table(at);
			filled++;
		}
	}
	return filled;
}

static bool find_names(void)
{
	libcs.read = (transfer_fn *)named("_IO_file_read");
	libcs.write = (transfer_fn *)named("_IO_file_write");
	libcs.underflow = (simple_fn *)named("_IO_file_underflow");
	libcs.wide_underflow = (simple_fn *)named("_IO_wfile_underflow");
	libcs.close = (simple_fn *)named("_IO_file_close");
	return libcs.read && libcs.write && libcs.underflow && libcs.wide_underflow && libcs.close;
}

int streams_bring_up(void)
{
	static bool done;
	struct range r = { 0 };
	long refused = -ENOSYS;
	int filled = 0;

	if (done)
		return 0;
	if (find_names() && dl_iterate_phdr(find_range, &r) && r.begin)
		refused = raw3(SYS_mprotect, r.page, r.page_end - r.page, PROT_READ | PROT_WRITE);
	if (refused == -ENOMEM)
		return -ENOMEM;
	done = true;
	if (!refused) {
		filled = fill_tables(&r);
		raw3(SYS_mprotect, r.page, r.page_end - r.page, PROT_READ);
	}
	streams_are_blocking = !filled;
	if (!filled)
		say("stdio inside this libc is not ours: it blocks");
	return 0;
}

/* --- All of them.  libc would write them under the lock of their list. */

struct _IO_FILE *_IO_iter_begin(void), *_IO_iter_end(void), *_IO_iter_next(struct _IO_FILE *),
	*_IO_iter_file(struct _IO_FILE *);
void _IO_list_lock(void), _IO_list_unlock(void);

/* A FILE that is in the list is there as long as the list is locked. */
static bool is_listed_locked(const FILE *f)
{
	for (FILE *i = _IO_iter_begin(); i != _IO_iter_end(); i = _IO_iter_next(i))
		if (_IO_iter_file(i) == f)
			return true;
	return false;
}

/* libc's own flush at exit takes no FILE's lock; nor does it wait for one. */
#define PASSES_AT_EXIT 4

enum claim { CLAIM_GONE, CLAIM_MINE, CLAIM_ANOTHERS };

static enum claim claim(FILE *f)
{
	enum claim is = CLAIM_GONE;

	_IO_list_lock();
	if (is_listed_locked(f))
		is = filelock_try(f) ? CLAIM_MINE : CLAIM_ANOTHERS;
	_IO_list_unlock();
	return is;
}

/* Who has it may close it meanwhile. */
static bool claim_in_turn(FILE *f)
{
	struct waiter *w = waitq_mine(NULL);
	enum claim is;

	waitq_add(w, f);
	while ((is = claim(f)) == CLAIM_ANOTHERS) {
		waitq_wait(w, deadline_in(10 * NS_PER_MS), 0, "fflush");
		waitq_add(w, f);
	}
	waitq_leave(w);
	return is == CLAIM_MINE;
}

/* Those that hold something, on the heap; how many, -1: no memory. */
static int list_pending(FILE ***files)
{
	FILE **more;
	int n = 0, room = 0;

	*files = NULL;
	_IO_list_lock();
	for (FILE *i = _IO_iter_begin(); n >= 0 && i != _IO_iter_end(); i = _IO_iter_next(i)) {
		if (!__fpending(_IO_iter_file(i)))
			continue;
		if (n == room) {
			room = room ? room * 2 : 16;
			more = realloc(*files, (size_t)room * sizeof(*more));
			*files = more ? more : *files;
			n = more ? n : -1;
		}
		if (n >= 0)
			(*files)[n++] = _IO_iter_file(i);
	}
	_IO_list_unlock();
	return n;
}

/* One of them; true: nothing to write is left, or it is gone. */
static bool flush_one(FILE *f, bool waits)
{
	int r = 0;

	if (!coro_host() || !(waits ? claim_in_turn(f) : claim(f) == CLAIM_MINE))
		return true;
	coro_leave(0);
	if (__fpending(f))
		r = libc.fflush(f);
	filelock_give(f, true);
	return r == 0;
}

/* How many there were; -1: no memory. */
static int flush_pending(bool waits, bool *good)
{
	FILE **files;
	int n = list_pending(&files);

	for (int i = 0; i < n; i++)
		*good &= flush_one(files[i], waits);
	free(files);
	coro_leave(0);
	return n;
}

bool streams_flush_all(void)
{
	bool good = true;

	if (!coro_may_park() || flush_pending(true, &good) < 0)
		return libc.fflush(NULL) == 0;
	return good;
}

void streams_flush_at_exit(void *arg)
{
	const struct coro *me = coro_self;

	(void)arg;
	/* Greenlets have no interpreter any more. */
	if (!me || me->carrier || me->flow_of)
		return;
	/* While it waits, others may write more. */
	for (int i = 0; i < PASSES_AT_EXIT && coro_may_park(); i++)
		if (flush_pending(false, &(bool){ true }) <= 0)
			break;
}
