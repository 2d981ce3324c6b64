/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blk-tape.h - a protocol node in memory that records what is written and flushed, so that it can be cut at any point.
 */
#ifndef TESTS_UNIT_BLK_TAPE_H
#define TESTS_UNIT_BLK_TAPE_H

#include "virtio-backends/block/node.h"

/* A write, in the order in which they ended; or the end of a flush. */
struct tape_event {
	bool flush;
	unsigned covers; /* of a flush: events before this one are durable */
	uint64_t offset, len;
	uint8_t *bytes;
};

/* A node over a copy of the @n bytes at @bytes, up to @room bytes long. */
struct node *tape_new(const uint8_t *bytes, uint64_t n, uint64_t room);

/* How many events there are. Any thread. */
unsigned tape_length(struct node *n);
const struct tape_event *tape_event(struct node *n, unsigned i);

/*
 * What a cut after the first @events events leaves, to be freed: all that a flush covers, of the rest each write by chance whole, in
 * part (sectors of 512 bytes from its start) or not at all.
 */
uint8_t *tape_cut(struct node *n, unsigned events, uint64_t *ret_len);

#endif
