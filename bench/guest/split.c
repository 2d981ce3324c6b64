/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Split virtqueues (virtio 1.2, 2.7). */
#include "virtqueue.h"
#include "io.h"
#include "lib.h"

#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4

#define NO_INTERRUPT 1 /* available ring flags */
#define NO_NOTIFY    1 /* used ring flags */

#define QUEUE_ALIGN 4096

struct avail {
	uint16_t flags, idx;
	uint16_t ring[]; /* and behind it used_event */
};

struct used {
	uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[]; /* and behind it avail_event */
};

static volatile struct avail *avail_of(const struct vq *q)
{
	return q->driver;
}

static volatile struct used *used_of(const struct vq *q)
{
	return q->device;
}

static volatile uint16_t *used_event(const struct vq *q)
{
	return &avail_of(q)->ring[q->size];
}

static uint16_t avail_event(const struct vq *q)
{
	return *(volatile uint16_t *)&used_of(q)->ring[q->size];
}

/*
 * Ask for no interrupt. With the event index the flag is without effect and the event is put where
 * the index has just been, 65535 chains away.
 */
static void disarm(struct vq *q)
{
	if (q->event_index)
		*used_event(q) = q->next_used - 1;
	else
		avail_of(q)->flags = NO_INTERRUPT;
}

static void split_layout(struct vq *q)
{
	struct vq_desc *desc;

	q->desc = desc = pool_alloc(q->size * sizeof(*desc), QUEUE_ALIGN);
	q->driver = pool_alloc(6 + 2 * q->size, QUEUE_ALIGN);
	q->device = pool_alloc(6 + 8 * q->size, QUEUE_ALIGN);
	for (unsigned int i = 0; i < q->size; i++)
		desc[i].next = i + 1;
	q->n_free = q->size;
	disarm(q);
}

/* Chain the segments through desc[first] and on; next holds the successors already. */
static uint16_t fill(
	struct vq_desc *desc, uint16_t first, const struct vq_segment *s, unsigned int n)
{
	uint16_t i = first;

	for (; n; n--, s++) {
		desc[i].addr = (uintptr_t)s->at;
		desc[i].len = s->len;
		desc[i].flags = (n > 1 ? DESC_NEXT : 0) | (s->device_writes ? DESC_WRITE : 0);
		i = desc[i].next;
	}
	return i;
}

static uint16_t fill_indirect(
	struct vq *q, uint16_t head, const struct vq_segment *s, unsigned int n)
{
	struct vq_desc *desc = q->desc, *table = q->tables[head].desc;

	for (unsigned int i = 0; i < n; i++)
		table[i].next = i + 1;
	fill(table, 0, s, n);
	desc[head].addr = (uintptr_t)table;
	desc[head].len = n * sizeof(*table);
	desc[head].flags = DESC_INDIRECT;
	return desc[head].next;
}

static bool split_add(struct vq *q, const struct vq_segment *s, unsigned int n, unsigned int id)
{
	uint16_t head = q->free_head, need = q->indirect ? 1 : n;

	if (q->n_free < need)
		return false;
	q->free_head = q->indirect ? fill_indirect(q, head, s, n) : fill(q->desc, head, s, n);
	q->n_free -= need;
	q->id_of[head] = id;
	avail_of(q)->ring[q->next_avail % q->size] = head;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	avail_of(q)->idx = ++q->next_avail;
	return true;
}

/* 2.7.10: the event index says behind which chain the device wants to be told. */
static bool split_wants_kick(struct vq *q)
{
	uint16_t added = q->next_avail - q->kicked;
	uint16_t behind = q->next_avail - avail_event(q) - 1;

	if (!added)
		return false;
	q->kicked = q->next_avail;
	return q->event_index ? behind < added : !(used_of(q)->flags & NO_NOTIFY);
}

static void give_back(struct vq *q, uint16_t head)
{
	struct vq_desc *desc = q->desc;
	uint16_t last = head, n = 1;

	for (; desc[last].flags & DESC_NEXT; n++)
		last = desc[last].next;
	desc[last].next = q->free_head;
	q->free_head = head;
	q->n_free += n;
}

static bool split_get(struct vq *q, unsigned int *id, uint32_t *len)
{
	volatile struct used *u = used_of(q);
	uint16_t slot = q->next_used % q->size, head;

	if (u->idx == q->next_used)
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	head = u->ring[slot].id % q->size;
	*len = u->ring[slot].len;
	*id = q->id_of[head];
	give_back(q, head);
	q->next_used++;
	disarm(q);
	return true;
}

static bool split_arm(struct vq *q)
{
	if (q->interrupts && q->event_index)
		*used_event(q) = q->next_used;
	else if (q->interrupts)
		avail_of(q)->flags = 0;
	full_barrier();
	return used_of(q)->idx != q->next_used;
}

const struct vq_format vq_split = {
	.layout = split_layout,
	.add = split_add,
	.wants_kick = split_wants_kick,
	.get = split_get,
	.arm = split_arm,
};
