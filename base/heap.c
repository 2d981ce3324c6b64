/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/heap.h"

#include <glib.h>

void heap_init(struct heap *h, size_t pos_offset)
{
	*h = (struct heap){.pos_offset = pos_offset};
}

void heap_done(struct heap *h)
{
	g_free(h->entries);
	*h = (struct heap){.pos_offset = h->pos_offset};
}

static unsigned *item_pos(const struct heap *h, void *item)
{
	return (unsigned *)((char *)item + h->pos_offset);
}

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
	return a->deadline != b->deadline ? a->deadline < b->deadline : a->seq < b->seq;
}

static void place(struct heap *h, unsigned pos, struct heap_entry e)
{
	h->entries[pos] = e;
	*item_pos(h, e.item) = pos;
}

/* Finds the place of @e from the hole at @pos, first towards the root, then towards the leaves. */
static void sift(struct heap *h, unsigned pos, struct heap_entry e)
{
	unsigned child;

	for (; pos > 1 && before(&e, &h->entries[pos / 2]); pos /= 2)
		place(h, pos, h->entries[pos / 2]);
	for (; (child = 2 * pos) <= h->n; pos = child) {
		if (child < h->n && before(&h->entries[child + 1], &h->entries[child]))
			child++;
		if (!before(&h->entries[child], &e))
			break;
		place(h, pos, h->entries[child]);
	}
	place(h, pos, e);
}

void heap_set(struct heap *h, void *item, int64_t deadline)
{
	struct heap_entry e = {.deadline = deadline, .seq = h->seq++, .item = item};
	unsigned pos = *item_pos(h, item);

	if (!pos) {
		pos = ++h->n;
		if (pos >= h->room) {
			h->room = MAX(16, 2 * h->room);
			h->entries = g_renew(struct heap_entry, h->entries, h->room);
		}
	}
	sift(h, pos, e);
}

void heap_remove(struct heap *h, void *item)
{
	unsigned pos = *item_pos(h, item);
	struct heap_entry last;

	if (!pos)
		return;
	*item_pos(h, item) = 0;
	last = h->entries[h->n--];
	if (last.item != item)
		sift(h, pos, last);
}
