/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gmem.h - guest memory: blocks of host memory, and the map that says where the guest sees them.
 *
 *	block  "ram0" 3 GiB           map  0x0000000000 +0xa0000    ram0+0
 *	block  "bios" 256 KiB              0x00000e0000 +0x20000    bios+0x20000  read-only
 *	                                   0x0000100000 +0xbff00000 ram0+0x100000
 *	                                   0x0100000000 +…          ram0+0xc0000000
 *
 * A block is one mapping of host memory, reference counted; it outlives its places in the map. The map is
 * immutable and swapped whole (gmem_map_commit), so lookups take no lock; a thread looks up inside a qs
 * section (qs.h). RAM only, never MMIO: no access through here re-enters a device.
 *
 * Every byte in guest memory changes under our feet: read it ONCE into a host structure, check that, use
 * that. No pointer into guest memory leaves gmem.c and virtio-backends/virtio/vq*.c; payload travels as
 * struct giov, which only back-end engines open.
 */
#ifndef BASE_GMEM_H
#define BASE_GMEM_H

#include <glib.h>
#include <sys/uio.h>

#include "base/util.h"

/* A guest physical address. A type of its own, so that sums are made by gpa_add() only. */
typedef struct {
	uint64_t v;
} gpa_t;

#define GPA(x) ((gpa_t){.v = (x)})

/* False on overflow, @ret_sum then untouched. */
static inline bool __must_check gpa_add(gpa_t a, uint64_t n, gpa_t *ret_sum)
{
	uint64_t v;

	if (__builtin_add_overflow(a.v, n, &v))
		return false;
	ret_sum->v = v;
	return true;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

enum gmem_kind {
	GMEM_PRIVATE, /* anonymous, transparent huge pages: the fast default */
	GMEM_SHARED,  /* memfd: for consumers in other processes (vhost-user, in-place upgrade) */
};

struct gmem_block_conf {
	const char *name; /* stable: log, state, vhost-user; copied */
	uint64_t size;    /* bytes, a multiple of 4 KiB (of page_size if that is set), not 0 */
	enum gmem_kind kind;
	uint64_t page_size; /* 0: the host's default; 2 MiB or 1 GiB: hugetlb pages, reserved now */
	bool prealloc;      /* touch every page now; failure is an error here, not a SIGBUS later */
};

struct gmem_block;

/*
 * Memory reads as zero. The caller owns one reference. Main thread.
 * Errors: too little memory or too few huge pages (the message says how many are free).
 */
struct gmem_block *gmem_block_new(const struct gmem_block_conf *conf, GError **error);
struct gmem_block *gmem_block_ref(struct gmem_block *b);
void gmem_block_unref(struct gmem_block *b); /* NULL is fine; unmaps with the last one */

const char *gmem_block_name(const struct gmem_block *b);
uint64_t gmem_block_size(const struct gmem_block *b);
int gmem_block_fd(const struct gmem_block *b); /* memfd of a shared block, else -1; borrowed */

/*
 * Host address of byte 0. For accelerators (memory slots) and for vq*.c; nobody else: see the head of this file.
 */
void *gmem_block_hva(const struct gmem_block *b);

/*
 * Copies host bytes into a block regardless of any map (firmware, ROM contents, a device's own memory). -ERANGE outside.
 */
int gmem_block_load(struct gmem_block *b, uint64_t offset, const void *src, size_t n);
/* Copies out of a block, as a device reads its own memory. -ERANGE outside. */
int gmem_block_read(const struct gmem_block *b, uint64_t offset, void *dst, size_t n);

/* ---- the map --------------------------------------------------------------------------------- */

struct gmem_range {
	gpa_t gpa;
	uint64_t size;
	struct gmem_block *block; /* borrowed here; the map takes its own reference */
	uint64_t offset;          /* of gpa within the block */
	bool readonly;            /* device writes fail with -EACCES */
};

struct gmem;

/* An empty map, owned by the caller. */
struct gmem *gmem_new(void);
void gmem_free(struct gmem *g);

/*
 * Replaces the whole map by @ranges (any order, copied). Lookups in progress finish on the old one.
 * -EINVAL when ranges overlap, wrap or leave their block. Callers serialise themselves.
 */
int gmem_map_commit(struct gmem *g, const struct gmem_range *ranges, size_t n);

/*
 * Calls @fn for each range of the present map in ascending order until it returns non-zero, and returns
 * that. Inside a qs section.
 */
int gmem_map_foreach(
	struct gmem *g, int (*fn)(const struct gmem_range *r, void *opaque), void *opaque);

/* Changes with each commit: whoever caches a translation compares. Any thread. */
uint64_t gmem_generation(struct gmem *g);

/* Sum of the writable ranges, bytes. */
uint64_t gmem_ram_size(struct gmem *g);

/* ---- copying access -------------------------------------------------------------------------- */

/*
 * Copy all @n bytes or nothing observable is promised: -EFAULT when a byte has no RAM behind it, -EACCES for
 * a write to a read-only range. May cross ranges. Any thread inside a qs section. Writes mark the dirty log.
 */
int __must_check gmem_read(struct gmem *g, gpa_t gpa, void *dst, size_t n);
int __must_check gmem_write(struct gmem *g, gpa_t gpa, const void *src, size_t n);
int __must_check gmem_fill(struct gmem *g, gpa_t gpa, uint8_t byte, uint64_t n);

/*
 * Host address of [@gpa, @gpa + @n) if it is RAM and contiguous, else NULL; @writable asks for write
 * permission. Valid inside the qs section, or for as long as the caller holds the block (@ret_block, referenced
 * for the caller unless NULL). Only for gmem.c and vq*.c.
 */
void *gmem_hva(struct gmem *g, gpa_t gpa, uint64_t n, bool writable, struct gmem_block **ret_block);

/* ---- payload --------------------------------------------------------------------------------- */

/*
 * A list of guest memory segments on its way from a device to a back-end engine. Made by vq.c, by
 * giov_from_gpa() for bus-master devices, or over host memory by giov_from_buf(). The segment array belongs
 * to whoever made it and stays until the request completes. The blocks behind it stay mapped because a
 * block leaves a machine only after its devices are quiesced.
 */
struct giov {
	const struct iovec *segs__; /* opened by giov_iovec() only */
	unsigned n;
	size_t size; /* bytes in all */
};

/* For engines in virtio-backends/{block,net,char,vhost-user}: the segments as the kernel wants them. */
static inline const struct iovec *giov_iovec(const struct giov *v)
{
	return v->segs__;
}

/*
 * Appends [@gpa, @gpa + @n) to the @room entries at @segs, of which *@used are taken. -EFAULT as gmem_read,
 * -E2BIG when there are too few entries. Inside a qs section.
 */
int __must_check giov_add_gpa(struct gmem *g, gpa_t gpa, uint64_t n, bool writable,
	struct iovec *segs, unsigned room, unsigned *used);

/*
 * The first @n entries at @segs, filled by giov_slice(), giov_add_gpa() and giov_from_buf(), as one payload of @size bytes:
 * for devices that put several behind each other.
 */
static inline struct giov giov_from_segs(const struct iovec *segs, unsigned n, size_t size)
{
	return (struct giov){.segs__ = segs, .n = n, .size = size};
}

/* Host memory as payload (emulated devices with their own buffers, tests). @seg is one entry of the caller. */
struct giov giov_from_buf(struct iovec *seg, void *buf, size_t n);

/*
 * The part [@off, @off + @n) of @v, using @segs (@room entries, at least @v->n) for its segments.
 * -ERANGE when it does not fit.
 */
int __must_check giov_slice(const struct giov *v, size_t off, size_t n, struct iovec *segs,
	unsigned room, struct giov *ret);

/* Copy between payload and host memory, at most @n bytes from offset @off; returns the bytes copied. */
size_t giov_read(const struct giov *v, size_t off, void *dst, size_t n);
size_t giov_write(const struct giov *v, size_t off, const void *src, size_t n);
size_t giov_fill(const struct giov *v, size_t off, uint8_t byte, size_t n);

/* ---- dirty log ------------------------------------------------------------------------------- */

#define GMEM_PAGE_SIZE UINT64_C(4096)

/*
 * While on, pages written by devices are marked, one bit per 4 KiB page of a block. Vcpu writes are
 * logged by the accelerator (accel.h) and merged by its dirty_sync through gmem_dirty_mark_block().
 */
int gmem_dirty_start(struct gmem *g);
void gmem_dirty_stop(struct gmem *g);
bool gmem_dirty_on(const struct gmem *g);

/* Marks [@gpa, @gpa + @n) if logging is on; on completion of a device write. Any thread, qs section. */
void gmem_dirty_mark(struct gmem *g, gpa_t gpa, uint64_t n);
void gmem_dirty_mark_block(struct gmem_block *b, uint64_t offset, uint64_t n);

/*
 * Moves the marks of @b into @bitmap (one bit a page, little-endian words, room for all pages of the
 * block) by OR, clears them, and returns how many pages were newly moved.
 */
uint64_t gmem_dirty_take(struct gmem_block *b, uint64_t *bitmap);

#endif
