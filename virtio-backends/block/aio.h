/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aio.h - one libaio context: batches in, completions out.
 *
 * Completions are read in user space: the kernel maps the completion ring at the address that is the context's id, and
 * a reader that advances the ring's head needs no system call. Layout and protocol are those of struct aio_ring in the
 * kernel's fs/aio.c, told by its magic number and its incompatible-features word; where these differ io_getevents(2) is
 * used instead. An eventfd, if requests name one (io_set_eventfd), tells when to look.
 *
 * One thread at a time.
 */
#ifndef BLOCK_AIO_H
#define BLOCK_AIO_H

#include <libaio.h>

#include "base/util.h"

struct aio {
	io_context_t ctx;
	struct aio_ring *ring; /* NULL: not readable in user space */
	unsigned room;         /* requests it takes at once */
	unsigned in_flight;
};

/*
 * Makes a context for @room requests, or for fewer, at least @room_min, if the host has no more to give (fs.aio-max-nr). 0 or
 * -errno: -EAGAIN none left, -ENOSYS no libaio in this kernel.
 */
int aio_init(struct aio *a, unsigned room, unsigned room_min);
void aio_done(struct aio *a); /* idempotent; waits for what is in flight */

/*
 * Submits @n requests in order, as many as the kernel takes: their count, or -errno if it refuses the first. -EAGAIN when
 * in_flight has reached room, or from the kernel.
 */
int aio_submit(struct aio *a, struct iocb **iocbs, unsigned n);

/* True when aio_reap() would find something. No system call unless the ring cannot be read. */
bool aio_ready(const struct aio *a);

/* Takes at most @n completions; their count. */
unsigned aio_reap(struct aio *a, struct io_event *events, unsigned n);

#endif
