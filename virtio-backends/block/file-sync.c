/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define WINDOW 64 /* segments of one system call */

int file_durability(const struct file *f, const struct blk_req *r)
{
	if (r->op == BLK_READ || f->cache == BLK_CACHE_UNSAFE)
		return 0;
	return f->cache == BLK_CACHE_WRITETHROUGH || (r->flags & BLK_F_FUA) ? RWF_DSYNC : 0;
}

/*
 * The page cache marks pages clean even when writing them back has failed, and tells it once: the next flush would promise what
 * is lost. With O_DIRECT nothing of ours is in that cache; with write-through nothing was promised before.
 */
void file_flush_failed(struct file *f, int error)
{
	if (f->cache == BLK_CACHE_WRITEBACK)
		__atomic_store_n(&f->flush_error, error, __ATOMIC_RELEASE);
}

/* ---- read, write ----------------------------------------------------------------------------- */

struct window {
	struct iovec iov[WINDOW];
	unsigned n;
	size_t size; /* bytes */
	bool aligned;
};

static bool segment_aligned(const struct file *f, const struct iovec *v)
{
	return !(((uintptr_t)v->iov_base & (f->mem_align - 1)) | (v->iov_len & (f->len_align - 1)));
}

bool file_is_aligned(const struct file *f, const struct blk_req *r)
{
	const struct iovec *v = giov_iovec(&r->data);

	for (unsigned i = 0; i < r->data.n; i++) {
		if (!segment_aligned(f, &v[i]))
			return false;
	}
	return true;
}

/* The segments of @r from byte @from on, as many as go into one system call. */
static void window_open(
	struct window *w, const struct file *f, const struct blk_req *r, uint64_t from)
{
	const struct iovec *v = giov_iovec(&r->data);

	w->n = 0;
	w->size = 0;
	w->aligned = true;
	for (unsigned i = 0; i < r->data.n && w->n < WINDOW; i++) {
		struct iovec part = v[i];

		if (from >= part.iov_len) {
			from -= part.iov_len;
			continue;
		}
		part.iov_base = (char *)part.iov_base + from;
		part.iov_len -= from;
		from = 0;
		w->aligned &= segment_aligned(f, &part);
		w->size += part.iov_len;
		w->iov[w->n++] = part;
	}
}

static ssize_t transfer(const struct file *f, const struct blk_req *r, const struct iovec *iov,
	unsigned n, uint64_t progress)
{
	ssize_t done;

	do {
		if (r->op == BLK_READ)
			done = preadv2(f->fd, iov, n, r->offset + progress, 0);
		else
			done = pwritev2(f->fd, iov, n, r->offset + progress, file_durability(f, r));
	} while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : done;
}

/* Through the worker's buffer, at most as much as it holds. */
static ssize_t transfer_bounced(
	const struct file *f, const struct blk_req *r, uint64_t progress, struct worker *self)
{
	struct iovec iov = {
		.iov_base = worker_buffer(self), .iov_len = MIN(r->len - progress, WORKER_BUFFER)};
	ssize_t done;

	if (!iov.iov_base)
		return -ENOMEM;
	if (r->op == BLK_WRITE)
		giov_read(&r->data, progress, iov.iov_base, iov.iov_len);
	done = transfer(f, r, &iov, 1, progress);
	if (r->op == BLK_READ && done > 0)
		giov_write(&r->data, progress, iov.iov_base, done);
	return done;
}

static ssize_t transfer_some(
	const struct file *f, const struct blk_req *r, uint64_t progress, struct worker *self)
{
	struct window w;
	ssize_t done;

	window_open(&w, f, r, progress);
	if (!f->direct || w.aligned) {
		done = transfer(f, r, w.iov, w.n, progress);
		/* O_DIRECT: aligned by what the kernel told or we found out, yet not enough for it here. */
		if (done != -EINVAL || !f->direct)
			return done;
	}
	return transfer_bounced(f, r, progress, self);
}

/* The end of the file, before that of the disk: it was cut under us, or what is behind was never written. */
static int at_end(const struct file *f, const struct blk_req *r, uint64_t progress)
{
	if (!f->grows || r->op != BLK_READ)
		return -EIO;
	giov_fill(&r->data, progress, 0, r->len - progress);
	return 0;
}

static int sync_rw(struct file *f, const struct blk_req *r, uint64_t progress, struct worker *self)
{
	/* O_DIRECT may have stopped within a block, at the end of a file that was cut. */
	if (f->direct)
		progress = align_down(progress, f->len_align);
	while (progress < r->len) {
		ssize_t done = transfer_some(f, r, progress, self);

		if (done < 0) {
			if (file_durability(f, r))
				file_flush_failed(f, done);
			return done;
		}
		if (!done || (f->direct && done % f->len_align))
			return at_end(f, r, progress + done);
		progress += done;
	}
	return 0;
}

/* ---- flush ----------------------------------------------------------------------------------- */

static int sync_flush(struct file *f)
{
	int err = __atomic_load_n(&f->flush_error, __ATOMIC_ACQUIRE);

	if (err)
		return err;
	if (fdatasync(f->fd) == 0)
		return 0;
	err = -errno;
	file_flush_failed(f, err);
	return err;
}

/* ---- discard, write zeroes ------------------------------------------------------------------- */

static int allocate(const struct file *f, int mode, const struct blk_req *r)
{
	int err;

	do
		err = fallocate(f->fd, mode | FALLOC_FL_KEEP_SIZE, r->offset, r->len) < 0 ? -errno
											  : 0;
	while (err == -EINTR);
	return err;
}

static bool is_unsupported(int err)
{
	return err == -EOPNOTSUPP || err == -ENOTTY || err == -ENOSYS || err == -EINVAL;
}

/* Discard is a hint: where it cannot be done, doing nothing fulfils it. */
static int sync_discard(struct file *f, const struct blk_req *r)
{
	uint64_t range[2] = {r->offset, r->len};
	int err;

	if (f->block_device)
		err = ioctl(f->fd, BLKDISCARD, range) < 0 ? -errno : 0;
	else
		err = allocate(f, FALLOC_FL_PUNCH_HOLE, r);
	return is_unsupported(err) ? 0 : err;
}

static int zeroes_by_hole(struct file *f, const struct blk_req *r)
{
	return allocate(f, FALLOC_FL_PUNCH_HOLE, r);
}

static int zeroes_by_range(struct file *f, const struct blk_req *r)
{
	int err = -EOPNOTSUPP;

	if (!__atomic_load_n(&f->no_zero_range, __ATOMIC_RELAXED))
		err = allocate(f, FALLOC_FL_ZERO_RANGE, r);
	if (err == -EOPNOTSUPP)
		__atomic_store_n(&f->no_zero_range, 1, __ATOMIC_RELAXED);
	return err;
}

/* For file systems that punch holes but do not zero ranges (tmpfs): the hole is allocated again. */
static int zeroes_by_hole_and_allocation(struct file *f, const struct blk_req *r)
{
	int err = f->block_device ? -EOPNOTSUPP : allocate(f, FALLOC_FL_PUNCH_HOLE, r);

	return err < 0 ? err : allocate(f, 0, r);
}

static int zeroes_by_device(struct file *f, const struct blk_req *r)
{
	uint64_t range[2] = {r->offset, r->len};

	if (!f->block_device)
		return -EOPNOTSUPP;
	return ioctl(f->fd, BLKZEROOUT, range) < 0 ? -errno : 0;
}

static int zeroes_by_writing(struct file *f, const struct blk_req *r)
{
	static const char zeroes[64 * KiB] __attribute__((aligned(WORKER_BUFFER_ALIGN)));

	for (uint64_t at = 0; at < r->len;) {
		size_t n = MIN(r->len - at, sizeof(zeroes));
		ssize_t done = pwrite(f->fd, zeroes, n, r->offset + at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		at += done;
	}
	return 0;
}

/* From the cheapest on; the first one that the file knows decides. */
static int (*const zero_and_unmap[])(struct file *f, const struct blk_req *r) = {
	zeroes_by_hole,
	zeroes_by_range,
	zeroes_by_device,
	zeroes_by_writing,
};

static int (*const zero_and_keep[])(struct file *f, const struct blk_req *r) = {
	zeroes_by_range,
	zeroes_by_hole_and_allocation,
	zeroes_by_device,
	zeroes_by_writing,
};

static int sync_zeroes(struct file *f, const struct blk_req *r)
{
	static_assert(ARRAY_SIZE(zero_and_unmap) == ARRAY_SIZE(zero_and_keep), "one loop for both");
	int err = -EOPNOTSUPP;

	for (unsigned i = 0; i < ARRAY_SIZE(zero_and_keep) && is_unsupported(err); i++)
		err = (r->flags & BLK_F_UNMAP ? zero_and_unmap : zero_and_keep)[i](f, r);
	if (!err && file_durability(f, r))
		err = sync_flush(f);
	return err;
}

int file_sync_run(struct file *f, const struct blk_req *r, uint64_t progress, struct worker *self)
{
	switch (r->op) {
	case BLK_READ:
	case BLK_WRITE: return sync_rw(f, r, progress, self);
	case BLK_FLUSH: return sync_flush(f);
	case BLK_DISCARD: return sync_discard(f, r);
	case BLK_WRITE_ZEROES: return sync_zeroes(f, r);
	default: return -EOPNOTSUPP;
	}
}
