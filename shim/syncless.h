/* SPDX-License-Identifier: Apache-2.0
 *
 * The public C API of libsyncless.so.  A program need not link to it: declare the functions weak and test them
 * for NULL, then the same binary runs with and without the preload.
 */
#ifndef SYNCLESS_H
#define SYNCLESS_H

#ifdef __cplusplus
extern "C" {
#endif

/* +1: threads that the calling thread creates from now on are kernel threads, for work that runs in C and
 * should run beside the others; -1 ends it.  Calls nest.  Any thread. */
void syncless_native_threads(int delta);

/* Walks every structure of the scheduler and checks its invariants.  0: all hold; -1: one does not, and stderr
 * says which part.  From a green thread or the thread that hosts them; elsewhere 0. */
int syncless_verify(void);

/* How many green threads live (not ended).  Any thread. */
int syncless_green_threads(void);

/* Writes what this process knows of itself to fd: a key=value a line (api/report.c), which `syncless doctor` reads.
 * Any thread. */
void syncless_report(int fd);

#ifdef __cplusplus
}
#endif
#endif
