/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap.h - timers in order of their deadline: a binary heap whose items know their place, so that one can be
 * moved or removed from the middle. Items with the same deadline leave in the order in which they were set.
 *
 * An item is any structure with a member `unsigned pos`, whose offset the heap is told; 0 means not in the heap.
 * Not locked.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/util.h"

struct heap_entry {
	int64_t deadline;
	uint64_t seq; /* of setting: decides between equal deadlines */
	void *item;
};

struct heap {
	struct heap_entry *entries; /* entries[0] is not used: pos 0 means not in the heap */
	unsigned n, room;
	uint64_t seq;
	size_t pos_offset;
};

/* An empty heap of items that keep their place at @pos_offset. */
void heap_init(struct heap *h, size_t pos_offset);
void heap_done(struct heap *h);

/* Puts @item in with @deadline, or moves it there. */
void heap_set(struct heap *h, void *item, int64_t deadline);
/* Idempotent. */
void heap_remove(struct heap *h, void *item);

/* The entry that is first to leave, or NULL. Valid until the next change. */
static inline const struct heap_entry *heap_first(const struct heap *h)
{
	return h->n ? &h->entries[1] : NULL;
}

#endif
