/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq.h - a virtqueue, split (virtio 1.2 section 2.7) or packed (2.8), as a device sees it: requests to pop and to
 * push, no ring pointers.
 *
 * One owner thread, no lock. Everything in the rings is hostile: each word is loaded once into a local, checked, then
 * used; a chain is copied whole before the device sees it. A ring that breaks the rules breaks the device
 * (vdev_fail), never the process. Buffers are RAM only.
 *
 *	while ((n = vq_pop(q, &r)) > 0) {
 *		if (vq_read(r, 0, &hdr, sizeof(hdr)) < 0) …
 *		vq_payload_in(r, 0, len, &giov); … blk_submit()
 *	}
 *	…
 *	vq_push(r, written); vq_notify(q);
 *
 * Ring words are little-endian, and so is every host we build for.
 */
#ifndef VIRTIO_VQ_H
#define VIRTIO_VQ_H

#include "base/gmem.h"

#define VQ_SIZE_MAX  1024 /* entries of a queue of ours; the specification allows 32768 */
#define VQ_SEGS      16 /* segments kept in the request; longer chains borrow from the queue's pool */
#define VQ_LONG      32 /* chains longer than VQ_SEGS in flight at once; more wait in the ring */
#define VQ_WRAP      0x8000
#define VQ_SPLITS    4 /* entries kept free in each request for vq_payload_out() and vq_payload_in() */
#define VQ_CHAIN_MAX (UINT64_C(1) << 32) /* bytes of one chain, section 2.6.4 */

struct vq;
struct vdev;

/*
 * A popped chain: @out_size bytes the device reads, then @in_size bytes it writes (the order that section 2.6.4.2 demands).
 * Preallocated with the queue, valid from pop to push.
 */
struct vq_req {
	struct vq *vq;              /* NULL: free */
	uint64_t out_size, in_size; /* bytes */
	uint16_t n_out, n_in;       /* segments */
	uint16_t id;                /* head (split) or buffer id (packed) */
	uint16_t n_desc;            /* ring slots it takes (packed) */
	uint16_t slot;              /* of the queue's requests */
	uint16_t room;              /* entries at segs and gpas */
	int16_t long_buf;           /* of the queue's pool, -1: own_segs */
	struct iovec *segs; /* n_out + n_in; opened by vq*.c and, as struct giov, by engines */
	gpa_t *gpas;        /* of the segments: for the dirty log */
	void *device;       /* the device's own memory for this slot (vdev_ops->req_size bytes) */
	struct iovec own_segs[VQ_SEGS + VQ_SPLITS];
	gpa_t own_gpas[VQ_SEGS + VQ_SPLITS];
};

/* Rings as the driver has set them up, guest-controlled. */
struct vq_ring {
	uint16_t size;
	gpa_t desc, avail, used; /* packed: desc ring, driver area, device area */
	bool packed, event_idx, indirect, in_order, access_platform;
};

/* What a queue needs from the device core: how to fail and how to interrupt. Called on the owner thread. */
struct vq_host_ops {
	void (*fail)(void *opaque, struct vq *q, const char *why);
	void (*interrupt)(void *opaque, struct vq *q);
};

/*
 * Up to @max_size entries (at most VQ_SIZE_MAX), @req_size bytes of device memory for each request. Memory is taken from the host
 * as requests first need it. Main thread. Free with vq_free, which drops what is in flight; NULL is fine.
 */
struct vq *vq_new(struct gmem *gmem, unsigned index, uint16_t max_size, size_t req_size,
	const struct vq_host_ops *ops, void *opaque);
void vq_free(struct vq *q);

unsigned vq_index(const struct vq *q);

/*
 * Takes rings into service. Size a power of two (split) of at most max_size and not 0, alignments of section 2.6, each area
 * wholly in RAM: else -EINVAL or -EFAULT and @q stays down. @avail_idx and @used_idx: where to go on (0 after reset; packed:
 * offset, and VQ_WRAP when the wrap counter is 1, as it begins). Inside a qs section; any thread while nobody owns the queue.
 */
int vq_start(struct vq *q, const struct vq_ring *ring, uint16_t avail_idx, uint16_t used_idx);
/* Out of service: drops what is in flight, gives the ring memory back. Idempotent. */
void vq_stop(struct vq *q);
bool vq_is_up(const struct vq *q);

/* Where it stands, as vq_start() takes it: what was pushed counts as used. */
void vq_position(const struct vq *q, uint16_t *ret_avail, uint16_t *ret_used);

/*
 * From now until the next vq_start() nothing is read from or written to guest memory: the device is broken or may not master the
 * bus. vq_pop() then gives -EBADMSG, vq_push() forgets. Any thread.
 */
void vq_block(struct vq *q);

/* Requests popped and not yet pushed or dropped. */
unsigned vq_in_flight(const struct vq *q);

/* ---- owner thread, inside a qs section ---- */

/*
 * 1 and a request, 0 empty (or VQ_LONG reached, or the round is over: vq_kick_disable), -EBADMSG: the ring is broken, the
 * device has failed.
 */
int __must_check vq_pop(struct vq *q, struct vq_req **ret);
/* True when vq_pop() would find something; reads the ring. */
bool vq_has_work(struct vq *q);

/*
 * Hands the chain back with @written bytes at the start of its in part filled (clamped to in_size): no byte behind them was
 * touched. Staged: the driver sees it after the next vq_notify(). The request is gone.
 */
void vq_push(struct vq_req *r, uint64_t written);
/* Forgets a request without telling the driver: only when the device is being reset. */
void vq_drop(struct vq_req *r);
/* Pops back the chain popped last, as if it had not been: for a NIC that found its buffer too small. */
void vq_unpop(struct vq_req *r);

/*
 * Publishes what was pushed, as one batch, and interrupts if the driver wants it (flags or event index). The device core
 * calls it at the end of each round of the owner's loop; devices do not need to.
 */
void vq_notify(struct vq *q);

/*
 * Doorbell suppression while the device polls the ring. disable begins a round: vq_pop() gives at most as many requests as the
 * ring has entries, so that a driver who refills as fast as we pop does not keep the owner's loop. enable ends the round
 * and returns true if there is work: pop again, in a new round.
 */
void vq_kick_disable(struct vq *q);
bool __must_check vq_kick_enable(struct vq *q);

/* True once after vq_pop() left a chain in the ring because VQ_LONG was reached and one has been pushed since. */
bool vq_retry(struct vq *q);

/* Counts a doorbell. */
void vq_kicked(struct vq *q);

/* ---- contents, by byte offset within the out or the in part ---- */

/* All @n bytes or -EBADMSG (chain shorter than that, or the queue is blocked). Read each byte once. */
int __must_check vq_read(struct vq_req *r, uint64_t off, void *dst, size_t n);
int __must_check vq_write(struct vq_req *r, uint64_t off, const void *src, size_t n);

/*
 * A part as payload for a back-end: no copy, @ret points into the request and is valid until push. A segment is cut in two where
 * the part begins or ends inside it; VQ_SPLITS cuts are possible. 0 or -EBADMSG.
 */
int __must_check vq_payload_out(struct vq_req *r, uint64_t off, uint64_t n, struct giov *ret);
int __must_check vq_payload_in(struct vq_req *r, uint64_t off, uint64_t n, struct giov *ret);

/* Counters since vq_new, for statistics; owner thread writes, anyone reads. */
struct vq_stats {
	uint64_t requests, kicks, interrupts, errors;
};
void vq_get_stats(const struct vq *q, struct vq_stats *ret);

#endif
