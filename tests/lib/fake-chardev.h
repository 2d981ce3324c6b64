/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-chardev.h - a character stream whose other end is the test.
 */
#ifndef TESTS_LIB_FAKE_CHARDEV_H
#define TESTS_LIB_FAKE_CHARDEV_H

#include "base/chardev.h"

struct fake_chardev {
	struct chardev chr;
	GByteArray *output; /* what the front wrote; a test may empty it */
	GByteArray *input;  /* not taken by the front yet */
	size_t room;        /* bytes that are taken before a write comes back short */
};

/* Room without bound. */
struct fake_chardev *fake_chardev_new(void);
/* Also chardev_free(). */
void fake_chardev_free(struct fake_chardev *f);

/* Bytes for the front: as many as it takes now, the rest when it says chardev_accept_input(). */
void fake_chardev_input(struct fake_chardev *f, const void *buf, size_t n);
/* The peer comes or goes. */
void fake_chardev_open(struct fake_chardev *f, bool open);
/* From now on @n more bytes are taken; more than none calls writable(). */
void fake_chardev_set_room(struct fake_chardev *f, size_t n);
/* What was written so far as text, and forgets it. g_free() it. */
char *fake_chardev_take(struct fake_chardev *f);

#endif
