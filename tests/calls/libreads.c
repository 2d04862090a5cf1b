/* SPDX-License-Identifier: Apache-2.0
 *
 * What deepbind.c opens.
 */
#include <unistd.h>

int reads(int fd);

int reads(int fd)
{
	char c;

	return (int)read(fd, &c, 1);
}
