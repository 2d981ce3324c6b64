/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream.h - what character back-ends with descriptors have in common: a peer that comes and goes, and output that
 * never waits for it.
 *
 *	write() ──► history ──► peer          one system call a round of the loop, not one a byte
 *	               ▲  ▲
 *	            sent  head
 *
 * All output goes into the history; `sent` is how far the peer has got. A peer that reads too slowly is overtaken and
 * loses the oldest bytes; a new one begins `replay` bytes before the head. Where no peer is, nothing is lost but what falls out of
 * the history.
 *
 * A descriptor is watched only for what is wanted of it, so that a level-triggered hang-up cannot spin the loop. All of it runs on
 * the loop of chardev_attach(); only the statistics are for any thread.
 */
#ifndef CHAR_STREAM_H
#define CHAR_STREAM_H

#include "base/loop.h"
#include "virtio-backends/char/drivers.h"
#include "virtio-backends/char/history.h"

struct stream;

struct stream_ops {
	void (*start)(struct stream *s); /* attached: look for a peer */
	void (*stop)(struct stream *s);  /* detached: let go of the loop and of the peer */
	/* The last chance for a peer that waits to be let in; NULL: there is no such peer. */
	void (*admit)(struct stream *s);
	/* The peer will give (@which is s->in) or take (s->out) nothing more; its last input has been read. */
	void (*hangup)(struct stream *s, struct loop_fd *which);
	void (*free)(struct stream *s); /* releases what the kind has added, not @s */
	bool watch_hangup; /* also while the front takes no input, which is then given up */
};

struct stream {
	struct chardev chr;
	const struct stream_ops *ops;
	struct history history;
	size_t replay;          /* bytes that a new peer gets of what was before it */
	uint64_t sent;          /* position of the next byte for the peer */
	struct loop_fd in, out; /* -1: none. Never the same number: epoll knows a descriptor once */
	bool connected;
	bool in_unpollable; /* a regular file: always ready, which epoll cannot say */
	bool started, freed;
	struct loop_call service; /* start, flush, read from a file, free: what is due */
	struct chardev_stats stats;
};

void stream_init(struct stream *s, const struct chardev_ops *chr_ops, const struct stream_ops *ops,
	const char *id, size_t replay);

/* The operations of struct chardev_ops. */
int stream_attach(struct chardev *c, struct loop *loop);
void stream_detach(struct chardev *c);
ssize_t stream_write(struct chardev *c, const uint8_t *buf, size_t n);
void stream_accept_input(struct chardev *c);
void stream_free(struct chardev *c);

/* There is a peer at s->in and s->out (both non-blocking): replays to it, and tells the front if @tell. */
void stream_connect(struct stream *s, bool tell);
/* There is none any more; the descriptors stay open. */
void stream_disconnect(struct stream *s, bool tell);

/* Gives the front what it takes of what can be read. False at the end of the stream or after an error. */
bool stream_read(struct stream *s);

#endif
