/* SPDX-License-Identifier: Apache-2.0
 *
 * Words and numbers of HTTP, as the heads of requests and of responses have them.
 */
#include <string.h>
#include "http.h"

/* tchar of RFC 9110, 5.6.2 */
static const bool in_token[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true,	 ['#'] = true,
	['$'] = true,	      ['%'] = true,	    ['&'] = true,	  ['\''] = true, ['*'] = true,
	['+'] = true,	      ['-'] = true,	    ['.'] = true,	  ['^'] = true,	 ['_'] = true,
	['`'] = true,	      ['|'] = true,	    ['~'] = true,
};

bool span_is(struct span s, const char *lower)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!lower[i] || (c >= 'A' && c <= 'Z' ? c + 32 : c) != lower[i])
			return false;
	}
	return !lower[s.n];
}

bool span_is_exactly(struct span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

bool span_is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!in_token[(unsigned char)s.p[i]])
			return false;
	return s.n > 0;
}

bool span_has_controls(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' ? s.p[i] != '\t' : s.p[i] == 0x7f)
			return true;
	return false;
}

struct span span_trim(struct span s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t'))
		s = (struct span){ s.p + 1, s.n - 1 };
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

int64_t span_number(struct span s)
{
	int64_t n = 0;

	if (s.n == 0 || s.n > 18)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		n = n * 10 + (s.p[i] - '0');
	}
	return n;
}

int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}
