/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lines.h - a byte stream cut at newlines, with a bound on each line.
 */
#ifndef API_LINES_H
#define API_LINES_H

#include <glib.h>
#include <stdbool.h>

struct lines {
	GString *part; /* of a line that has not ended */
	size_t max;    /* bytes of a line */
};

void lines_init(struct lines *l, size_t max);
void lines_done(struct lines *l);

/*
 * Takes @n bytes and calls @fn for each line that is now complete (without its newline, not
 * NUL-terminated; empty lines are left out) until it returns false. False: a line is too long, or
 * @fn said so; @l may then only be given to lines_done().
 */
bool lines_feed(struct lines *l, const char *bytes, size_t n,
	bool (*fn)(void *opaque, const char *line, size_t len), void *opaque);

#endif
