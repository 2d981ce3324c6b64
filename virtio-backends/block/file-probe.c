/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"

#define BLOCK_MIN 512
#define BLOCK_MAX 4096

int blk_file_open_flags(enum blk_cache cache, bool readonly)
{
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;

	return cache == BLK_CACHE_NONE ? flags | O_DIRECT : flags;
}

/* ---- what the descriptor is ------------------------------------------------------------------ */

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return "a directory";
	case S_IFIFO: return "a fifo";
	case S_IFSOCK: return "a socket";
	case S_IFCHR: return "a character device";
	default: return "an anonymous descriptor";
	}
}

static bool check_flags(struct file *f, const struct blk_file_conf *conf, GError **error)
{
	int flags = fcntl(f->fd, F_GETFL);
	int access = flags & O_ACCMODE;

	if (flags < 0)
		return err_set_errno(error, errno, "disk %s: descriptor %d", conf->id, f->fd);
	if (access == O_WRONLY || (flags & O_PATH))
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: the image is not opened for reading", conf->id);
	if (access == O_RDONLY && !conf->readonly)
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: the image is opened read-only, but the disk is not read-only",
			conf->id);
	f->direct = flags & O_DIRECT;
	if (f->direct != (conf->cache == BLK_CACHE_NONE))
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: the image is opened %s O_DIRECT, its cache mode is %s", conf->id,
			f->direct ? "with" : "without", f->direct ? "not none" : "none");
	return true;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void file_sizes(struct file *f, const struct stat *st)
{
	f->info.size = st->st_size;
	f->info.logical_block = BLOCK_MIN;
	f->info.physical_block = BLOCK_MIN;
	f->info.discard_align = st->st_blksize;
}

static bool device_sizes(struct file *f, const char *id, GError **error)
{
	int logical = 0;
	unsigned physical = 0, opt = 0;
	uint64_t size = 0;

	if (ioctl(f->fd, BLKGETSIZE64, &size) < 0 || ioctl(f->fd, BLKSSZGET, &logical) < 0 ||
		ioctl(f->fd, BLKPBSZGET, &physical) < 0)
		return err_set_errno(
			error, errno, "disk %s: cannot read the sizes of the block device", id);
	ioctl(f->fd, BLKIOOPT, &opt); /* 0: unknown */
	f->info.size = size;
	f->info.logical_block = logical;
	f->info.physical_block = MAX(physical, (unsigned)logical);
	f->info.opt_io = opt;
	f->info.discard_align = f->info.physical_block;
	return true;
}

/* What the operator has asked for replaces what the host says, if the host can do it. */
static bool choose_blocks(struct file *f, const struct blk_file_conf *conf, GError **error)
{
	struct blk_info *info = &f->info;
	uint32_t host = f->block_device ? info->logical_block : BLOCK_MIN;

	if (conf->logical_block)
		info->logical_block = conf->logical_block;
	info->physical_block = MAX(
		conf->physical_block ? conf->physical_block : info->physical_block,
		info->logical_block);
	if (info->logical_block != BLOCK_MIN && info->logical_block != BLOCK_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: logical block size %u is neither 512 nor 4096", conf->id,
			info->logical_block);
	if (!is_power_of_2(info->physical_block))
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: physical block size %u is not a power of two", conf->id,
			info->physical_block);
	if (info->logical_block < host)
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: logical block size %u is less than the %u bytes of the host's "
			"device",
			conf->id, info->logical_block, host);
	return true;
}

static bool check_size(const struct file *f, const char *id, GError **error)
{
	const struct blk_info *info = &f->info;

	if (!info->size)
		return err_set(
			error, VMMD_ERROR_INVALID, "disk %s: the image is empty (0 bytes)", id);
	if (info->size % info->logical_block)
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: the image's size of %" G_GUINT64_FORMAT
			" bytes is not a multiple of its %u-byte blocks: "
			"lengthen it to %" G_GUINT64_FORMAT " (truncate -s %%%u)",
			id, info->size, info->logical_block,
			align_up(info->size, info->logical_block), info->logical_block);
	return true;
}

/* ---- O_DIRECT -------------------------------------------------------------------------------- */

/* What the kernel says (Linux 6.1 and later): 1, 0 it does not say, -EOPNOTSUPP no O_DIRECT for this file. */
static int alignment_told(struct file *f)
{
	struct statx stx;

	if (statx(f->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) < 0 ||
		!(stx.stx_mask & STATX_DIOALIGN))
		return 0;
	if (!stx.stx_dio_offset_align)
		return -EOPNOTSUPP;
	f->mem_align = stx.stx_dio_mem_align;
	f->len_align = stx.stx_dio_offset_align;
	return 1;
}

/* Reads the first @n bytes into well aligned memory: 0 or -errno. */
static int try_read(const struct file *f, uint32_t n)
{
	static char buf[BLOCK_MAX] __attribute__((aligned(BLOCK_MAX)));
	ssize_t got;

	do
		got = pread(f->fd, buf, MIN(n, sizeof(buf)), 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : 0;
}

/* Before Linux 6.1: the smallest length that can be read; addresses are taken to need the same. */
static int find_alignment(struct file *f)
{
	int err = -EINVAL;

	for (uint32_t n = BLOCK_MIN; n <= BLOCK_MAX && err == -EINVAL; n *= 2) {
		f->mem_align = n;
		f->len_align = n;
		err = try_read(f, n);
	}
	return err;
}

static bool probe_direct(struct file *f, const char *id, GError **error)
{
	int err = alignment_told(f);

	if (err >= 0)
		err = err ? try_read(f, f->len_align) : find_alignment(f);
	if (err == -EINVAL || err == -EOPNOTSUPP)
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"disk %s: the file system of the image has no O_DIRECT: choose another "
			"cache mode than none",
			id);
	if (err < 0)
		return err_set_errno(error, -err, "disk %s: cannot read the image", id);
	if (f->info.logical_block < f->len_align)
		return err_set(error, VMMD_ERROR_UNSUPPORTED,
			"disk %s: the host reads this image with O_DIRECT in units of %u bytes, "
			"more than the logical block "
			"size of %u: choose logical block size 4096 or another cache mode than "
			"none",
			id, f->len_align, f->info.logical_block);
	f->info.physical_block = MAX(f->info.physical_block, f->len_align);
	return true;
}

/* ---- discard --------------------------------------------------------------------------------- */

/* A limit of a block device's queue, or @unknown: sysfs is not there in a sandbox. */
static uint64_t queue_limit(dev_t dev, const char *name, uint64_t unknown)
{
	static const char *const of_what[] = {
		"queue", "../queue"}; /* a disk's own, a partition's disk's */
	uint64_t limit = unknown;

	for (unsigned i = 0; i < ARRAY_SIZE(of_what); i++) {
		g_autofree char *path = g_strdup_printf(
			"/sys/dev/block/%u:%u/%s/%s", major(dev), minor(dev), of_what[i], name);
		g_autofree char *text = NULL;

		if (g_file_get_contents(path, &text, NULL, NULL)) {
			limit = g_ascii_strtoull(text, NULL, 10);
			break;
		}
	}
	return limit;
}

/* Files: by punching a hole where there is nothing, behind the end. */
static bool can_discard(const struct file *f, const struct stat *st)
{
	if (f->block_device)
		return queue_limit(st->st_rdev, "discard_max_bytes", 1) > 0;
	return fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       align_up(f->info.size, BLOCK_MAX), BLOCK_MAX) == 0;
}

static void probe_discard(struct file *f, const struct stat *st)
{
	struct blk_info *info = &f->info;

	info->can_write_zeroes = !info->readonly;
	info->can_discard = !info->readonly && can_discard(f, st);
	info->max_discard = FILE_MAX_DISCARD;
	if (f->block_device)
		info->discard_align = queue_limit(
			st->st_rdev, "discard_granularity", info->discard_align);
	info->discard_align = MAX(info->discard_align, info->logical_block);
}

bool file_probe(struct file *f, const struct blk_file_conf *conf, GError **error)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return err_set_errno(error, errno, "disk %s: descriptor %d", conf->id, f->fd);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(error, VMMD_ERROR_INVALID,
			"disk %s: the image is %s, not a file or block device", conf->id,
			kind_of(st.st_mode));
	f->block_device = S_ISBLK(st.st_mode);
	f->cache = conf->cache;
	f->nowait_read = 1;
	f->nowait_write = 1;
	f->info.readonly = conf->readonly;
	f->info.write_cache = conf->cache == BLK_CACHE_NONE || conf->cache == BLK_CACHE_WRITEBACK;
	if (!check_flags(f, conf, error))
		return false;
	file_sizes(f, &st);
	if (f->block_device && !device_sizes(f, conf->id, error))
		return false;
	if (!choose_blocks(f, conf, error))
		return false;
	f->grows = conf->grows && !f->block_device;
	if (f->grows)
		f->info.size = align_up(f->info.size, f->info.logical_block);
	if (!check_size(f, conf->id, error))
		return false;
	if (f->direct && !probe_direct(f, conf->id, error))
		return false;
	probe_discard(f, &st);
	return true;
}
