/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev.h - the interface between a character device (serial port, console, monitor) and its stream on the
 * host (pty, socket, file, fd, null).
 *
 * One front per chardev. All calls and callbacks are on the loop given to chardev_attach().
 */
#ifndef BASE_CHARDEV_H
#define BASE_CHARDEV_H

#include <glib.h>
#include <sys/types.h>

#include "base/util.h"

struct loop;
struct chardev;

struct chardev_front {
	/* How many bytes the front takes now; 0 stops reading until chardev_accept_input(). */
	size_t (*can_read)(void *opaque);
	/* @n is at most what can_read said. */
	void (*read)(void *opaque, const uint8_t *buf, size_t n);
	/* The peer came or went (sockets, ptys). May be NULL. */
	void (*opened)(void *opaque, bool open);
	/* After a short write: there is room again. May be NULL. */
	void (*writable)(void *opaque);
};

struct chardev_ops {
	const char *name;
	int (*attach)(struct chardev *c, struct loop *loop);
	void (*detach)(struct chardev *c);
	ssize_t (*write)(struct chardev *c, const uint8_t *buf, size_t n);
	void (*accept_input)(struct chardev *c);
	void (*free)(struct chardev *c);
};

struct chardev {
	const struct chardev_ops *ops;
	char *id;
	struct loop *loop;
	const struct chardev_front *front;
	void *opaque;
};

/* Connects the front and starts on @loop. -EBUSY when it has one. Main thread. */
int chardev_attach(
	struct chardev *c, struct loop *loop, const struct chardev_front *front, void *opaque);
void chardev_detach(struct chardev *c); /* idempotent */

/*
 * Writes without blocking; returns the bytes taken (0 when full: writable() will be called). Where nobody listens
 * bytes are taken and kept in the back-end's history or dropped, as that back-end documents: a guest never
 * blocks on its console.
 */
ssize_t chardev_write(struct chardev *c, const uint8_t *buf, size_t n);

/* can_read() would now return more than before. */
void chardev_accept_input(struct chardev *c);

void chardev_free(struct chardev *c); /* NULL is fine */

#endif
