/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/lines.h"

#include <string.h>

void lines_init(struct lines *l, size_t max)
{
	l->part = g_string_new(NULL);
	l->max = max;
}

void lines_done(struct lines *l)
{
	if (l->part)
		g_string_free(l->part, TRUE);
	l->part = NULL;
}

bool lines_feed(struct lines *l, const char *bytes, size_t n,
	bool (*fn)(void *opaque, const char *line, size_t len), void *opaque)
{
	while (n) {
		const char *nl = memchr(bytes, '\n', n);
		size_t take = nl ? (size_t)(nl - bytes) : n;
		bool ok = true;

		if (take > l->max - l->part->len)
			return false;
		g_string_append_len(l->part, bytes, (gssize)take);
		if (!nl)
			return true;
		if (l->part->len)
			ok = fn(opaque, l->part->str, l->part->len);
		if (!ok)
			return false;
		g_string_truncate(l->part, 0);
		bytes += take + 1;
		n -= take + 1;
	}
	return true;
}
