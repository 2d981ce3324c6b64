/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver's side of a virtqueue (virtio 1.2, chapter 2.6 to 2.8), whatever its ring format.
 * Everything is plain memory at ring 3; only vq_kick() touches the device.
 */
#ifndef BENCH_GUEST_VIRTQUEUE_H
#define BENCH_GUEST_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VQ_MAX_SIZE     256
#define VQ_MAX_SEGMENTS 4

struct vq_segment {
	void *at;
	uint32_t len;
	bool device_writes; /* those that the device reads come first */
};

struct vq;

/* A ring format. */
struct vq_format {
	/* Allocate the three areas of the ring. */
	void (*layout)(struct vq *q);
	/* Make the chain available; false if it does not fit now. */
	bool (*add)(struct vq *q, const struct vq_segment *s, unsigned int n, unsigned int id);
	/* Does the device want to be told of what was added since the last call? */
	bool (*wants_kick)(struct vq *q);
	/* Take one used chain; false if there is none. */
	bool (*get)(struct vq *q, unsigned int *id, uint32_t *len);
	/* Ask for an interrupt at the next used chain; true if one is there already. */
	bool (*arm)(struct vq *q);
};

extern const struct vq_format vq_split; /* split.c */

struct vq {
	const struct vq_format *format;
	uint16_t size, index;
	bool event_index, indirect;
	bool interrupts;              /* wait by interrupt, otherwise by polling */
	uintptr_t notify;             /* address of the doorbell */
	void *desc, *driver, *device; /* the areas: descriptors, available, used */
	struct vq_indirect *tables;   /* one per chain, with indirect */
	uint16_t id_of[VQ_MAX_SIZE];  /* descriptor to the caller's id */
	uint16_t free_head, n_free;
	uint16_t next_avail, kicked, next_used;
	uint64_t doorbells, waits; /* statistics */
};

struct vq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vq_indirect {
	struct vq_desc desc[VQ_MAX_SEGMENTS];
};

/* Allocate and empty a queue; notify is filled in by virtio_start_queue(). */
void vq_init(struct vq *q, const struct vq_format *format, uint16_t size);

/* Offer a chain. @id, below VQ_MAX_SIZE, comes back from vq_get(). False if the ring is full. */
bool vq_add(struct vq *q, const struct vq_segment *s, unsigned int n, unsigned int id);

/* Ring the doorbell if the device wants it. */
void vq_kick(struct vq *q);

/* Take a used chain: its id and the bytes that the device says it has written. */
bool vq_get(struct vq *q, unsigned int *id, uint32_t *len);

/*
 * Until a used chain may be there. The guest fails if a polled device has not answered for ten seconds;
 * a device that owes an interrupt is waited for without limit.
 */
void vq_wait(struct vq *q);

#endif
