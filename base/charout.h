/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * charout.h - bytes on their way from any thread to a chardev, which belongs to its loop's thread.
 *
 * A vCPU that writes a register puts a byte here and goes on; the loop writes what has gathered in one call. Owned by
 * the device that puts. Lock order: device < charout.
 */
#ifndef BASE_CHAROUT_H
#define BASE_CHAROUT_H

#include <pthread.h>

#include "base/chardev.h"
#include "base/loop.h"

#define CHAROUT_SIZE 2048 /* bytes; a power of two */

struct charout {
	struct chardev *chr; /* [c] NULL: everything is taken and dropped */
	struct loop *loop;   /* [c] */
	/* After charout_has_room() said no: bytes have gone. Loop thread, nothing locked. May be NULL. */
	void (*room)(void *opaque);
	void *opaque;

	struct loop_call call;
	pthread_mutex_t lock;
	unsigned head, len; /* lock: of the ring */
	bool waiting;       /* lock: room() is due */
	uint8_t buf[CHAROUT_SIZE];
};

/* @chr is attached by the owner, on @loop. */
void charout_init(struct charout *o, struct chardev *chr, struct loop *loop,
	void (*room)(void *opaque), void *opaque);
/* Offers what is left to the chardev once more. Before it is detached; loop thread, no puts any more. Of zeroes: nothing. */
void charout_done(struct charout *o);

/* Takes as many of the @n bytes as there is room for, and returns that. Any thread. */
size_t charout_put(struct charout *o, const uint8_t *buf, size_t n);
/* True when @n bytes would be taken now; else room() will be called. Any thread. */
bool charout_has_room(struct charout *o, size_t n);

/* To be called by the owner's chardev_front->writable. Loop thread. */
void charout_writable(struct charout *o);

#endif
