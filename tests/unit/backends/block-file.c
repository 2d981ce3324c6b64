/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file engine: what is written is what is read, in every cache mode and from any buffer; and how it fails. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "tests/unit/backends/blk-io.h"
#include "virtio-backends/block/drivers.h"

#define SIZE  (4 * MiB)
#define BLOCK 512
#define SLACK (32 * KiB) /* what a file system uses for itself */

static const char *small_fs; /* a tmpfs of 1 MiB of our own; NULL: may not mount */

struct fixture {
	char *path;
	struct loop *loop;
	struct blk *blk;
	struct blk_queue *q;
	unsigned events;
	struct blk_error_event event;
};

static void on_error(void *opaque, const struct blk_error_event *e)
{
	struct fixture *f = opaque;

	f->event = *e;
	f->events++;
}

static char *make_image(const char *dir, uint64_t size)
{
	char *path = g_strdup_printf("%s/vmmd-test-XXXXXX", dir);
	int fd = mkstemp(path);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(ftruncate(fd, size), ==, 0);
	close(fd);
	return path;
}

static struct blk *open_disk(const char *path, const struct blk_file_conf *conf, GError **error)
{
	struct blk_file_conf c = *conf;

	c.id = "disk0";
	c.fd = open(path, blk_file_open_flags(c.cache, c.readonly));
	g_assert_cmpint(c.fd, >=, 0);
	return blk_file_new(&c, error);
}

static void set_up_path(struct fixture *f, const char *path, struct blk_file_conf conf)
{
	g_autoptr(GError) error = NULL;

	f->loop = loop_new("test", &error);
	g_assert_no_error(error);
	f->path = g_strdup(path);
	conf.loop = f->loop;
	conf.error_event = on_error;
	conf.opaque = f;
	f->blk = open_disk(path, &conf, &error);
	g_assert_no_error(error);
	g_assert_nonnull(f->blk);
	g_assert_cmpint(blk_queue_open(f->blk, f->loop, &f->q), ==, 0);
}

static void set_up(struct fixture *f, const char *dir, uint64_t size, struct blk_file_conf conf)
{
	g_autofree char *path = make_image(dir, size);

	memset(f, 0, sizeof(*f));
	set_up_path(f, path, conf);
}

static void tear_down(struct fixture *f)
{
	blk_queue_close(f->q);
	blk_free(f->blk);
	loop_iterate(f->loop, 0); /* messages under way */
	loop_free(f->loop);
	if (f->path)
		unlink(f->path);
	g_free(f->path);
}

static void fill_random(uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = g_test_rand_int();
}

/* ---- content --------------------------------------------------------------------------------- */

struct mode {
	const char *dir;
	enum blk_cache cache;
};

/* Segments at any address and of any length that make up @len bytes of @memory. */
static unsigned scatter(struct iovec *segs, unsigned room, uint8_t *memory, size_t len)
{
	unsigned n = 0;
	size_t at = 0;

	while (at < len) {
		size_t part = g_test_rand_int_range(1, 3000);

		if (n + 1 == room || part > len - at)
			part = len - at;
		segs[n++] = (struct iovec){.iov_base = memory + at, .iov_len = part};
		at += part;
	}
	return n;
}

/* One random read or write of @model and of the disk, from a buffer of random alignment or of many segments. */
static void random_step(struct fixture *f, uint8_t *model, uint8_t *memory, bool unaligned)
{
	uint64_t len = g_test_rand_int_range(1, 128) * BLOCK;
	uint64_t offset = g_test_rand_int_range(0, (SIZE - len) / BLOCK + 1) * BLOCK;
	uint8_t *buf = memory + (unaligned ? g_test_rand_int_range(0, 4096) : 0);
	bool write = g_test_rand_bit();
	struct iovec segs[64];
	struct io io;
	unsigned n = 1;

	segs[0] = (struct iovec){.iov_base = buf, .iov_len = len};
	if (unaligned && g_test_rand_bit())
		n = scatter(segs, ARRAY_SIZE(segs), buf, len);
	io_init_segments(&io, write ? BLK_WRITE : BLK_READ, offset, segs, n);
	if (write) {
		fill_random(buf, len);
		memcpy(model + offset, buf, len);
		io.r.flags = g_test_rand_int_range(0, 20) ? 0 : BLK_F_FUA;
	}
	g_assert_cmpint(io_run(f->loop, f->q, &io), ==, 0);
	g_assert_true(memcmp(model + offset, buf, len) == 0);
	if (!g_test_rand_int_range(0, 30))
		g_assert_cmpint(do_io(f->loop, f->q, BLK_FLUSH, 0, NULL, 0), ==, 0);
}

static void test_random(const void *arg)
{
	const struct mode *m = arg;
	g_autofree uint8_t *model = g_malloc0(SIZE);
	g_autofree uint8_t *content = NULL;
	uint8_t *memory = aligned_alloc(4096, 128 * BLOCK + 4096);
	struct fixture f;
	size_t size;

	set_up(&f, m->dir, SIZE, (struct blk_file_conf){.cache = m->cache});
	for (int i = 0; i < 300; i++)
		random_step(&f, model, memory, i & 1);
	g_assert_cmpuint(f.events, ==, 0);
	g_assert_true(g_file_get_contents(f.path, (char **)&content, &size, NULL));
	g_assert_cmpmem(content, size, model, SIZE);
	tear_down(&f);
	free(memory);
}

/* More requests than the kernel takes at once, in one batch; each block says which one it is. */
static void test_batch(const void *arg)
{
	const struct mode *m = arg;
	enum { N = 900 };
	struct io *ios = g_new0(struct io, N);
	uint64_t *memory = aligned_alloc(4096, N * 4096);
	unsigned done = 0;
	struct fixture f;

	set_up(&f, m->dir, SIZE, (struct blk_file_conf){.cache = m->cache});
	for (int write = 1; write >= 0; write--) {
		memset(memory, 0, N * 4096);
		done = 0;
		for (unsigned i = 0; i < N; i++) {
			io_init(&ios[i], write ? BLK_WRITE : BLK_READ, i * 4096, memory + i * 512,
				4096);
			ios[i].total = &done;
			if (write)
				memory[i * 512] = i + 1;
			blk_submit(f.q, &ios[i].r);
		}
		g_assert_cmpuint(done, ==, 0);
		blk_commit(f.q);
		run_until(f.loop, &done, N);
		for (unsigned i = 0; i < N; i++) {
			g_assert_cmpint(ios[i].r.result, ==, 0);
			g_assert_cmpuint(ios[i].done, ==, 1);
			g_assert_cmpuint(memory[i * 512], ==, i + 1);
		}
	}
	tear_down(&f);
	free(memory);
	g_free(ios);
}

/* More segments than one system call takes, one byte each. */
static void test_many_segments(const void *arg)
{
	const struct mode *m = arg;
	enum { N = 4096 };
	struct iovec *segs = g_new(struct iovec, N);
	uint8_t *memory = g_malloc(2 * N), content[N];
	struct fixture f;
	struct io io;

	set_up(&f, m->dir, SIZE, (struct blk_file_conf){.cache = m->cache});
	fill_random(memory, 2 * N);
	for (unsigned i = 0; i < N; i++) {
		segs[i] = (struct iovec){.iov_base = memory + 2 * i, .iov_len = 1};
		content[i] = memory[2 * i];
	}
	io_init_segments(&io, BLK_WRITE, 8192, segs, N);
	g_assert_cmpint(io_run(f.loop, f.q, &io), ==, 0);
	memset(memory, 0, 2 * N);
	io_init_segments(&io, BLK_READ, 8192, segs, N);
	g_assert_cmpint(io_run(f.loop, f.q, &io), ==, 0);
	for (unsigned i = 0; i < N; i++) {
		g_assert_cmpuint(memory[2 * i], ==, content[i]);
		g_assert_cmpuint(memory[2 * i + 1], ==, 0); /* between two segments */
	}
	tear_down(&f);
	g_free(memory);
	g_free(segs);
}

/* ---- discard, write zeroes ------------------------------------------------------------------- */

static uint64_t blocks_used(const struct fixture *f)
{
	struct stat st;

	g_assert_cmpint(stat(f->path, &st), ==, 0);
	return st.st_blocks * 512;
}

static int do_zeroes(
	struct fixture *f, enum blk_op op, uint64_t offset, uint64_t len, unsigned flags)
{
	struct io io;

	io_init(&io, op, offset, NULL, len);
	io.r.flags = flags;
	return io_run(f->loop, f->q, &io);
}

static bool reads_as(struct fixture *f, uint64_t offset, uint64_t len, uint8_t byte)
{
	uint8_t *buf = aligned_alloc(4096, align_up(len, 4096));
	bool same = true;

	memset(buf, ~byte, len);
	g_assert_cmpint(do_io(f->loop, f->q, BLK_READ, offset, buf, len), ==, 0);
	for (uint64_t i = 0; i < len; i++)
		same &= buf[i] == byte;
	free(buf);
	return same;
}

static void test_zeroes(const void *arg)
{
	const struct mode *m = arg;
	uint8_t *buf = aligned_alloc(4096, MiB);
	struct blk_info info;
	struct fixture f;
	uint64_t full;

	set_up(&f, m->dir, SIZE, (struct blk_file_conf){.cache = m->cache});
	blk_get_info(f.blk, &info);
	g_assert_true(info.can_discard && info.can_write_zeroes);
	g_assert_cmpuint(info.max_discard, >=, MiB);
	memset(buf, 0xa5, MiB);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, 0, buf, MiB), ==, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_FLUSH, 0, NULL, 0), ==, 0);
	full = blocks_used(&f);
	g_assert_cmpuint(full, >=, MiB);

	/* Zeroes that keep their blocks, down to a single sector; the neighbours stay. */
	g_assert_cmpint(do_zeroes(&f, BLK_WRITE_ZEROES, 64 * KiB, 128 * KiB, 0), ==, 0);
	g_assert_cmpint(do_zeroes(&f, BLK_WRITE_ZEROES, 512, 512, 0), ==, 0);
	g_assert_true(reads_as(&f, 64 * KiB, 128 * KiB, 0));
	g_assert_true(reads_as(&f, 512, 512, 0));
	g_assert_true(reads_as(&f, 0, 512, 0xa5));
	g_assert_true(reads_as(&f, 1024, 63 * KiB, 0xa5));
	g_assert_true(reads_as(&f, 192 * KiB, 64 * KiB, 0xa5));
	g_assert_cmpint(do_io(f.loop, f.q, BLK_FLUSH, 0, NULL, 0), ==, 0);
	g_assert_cmpuint(blocks_used(&f), >=, full);

	/* Zeroes that may give them back, and discard. */
	g_assert_cmpint(
		do_zeroes(&f, BLK_WRITE_ZEROES, 256 * KiB, 256 * KiB, BLK_F_UNMAP | BLK_F_FUA), ==,
		0);
	g_assert_true(reads_as(&f, 256 * KiB, 256 * KiB, 0));
	g_assert_cmpuint(blocks_used(&f), <=, full - 256 * KiB + SLACK);
	g_assert_cmpint(do_zeroes(&f, BLK_DISCARD, 512 * KiB, 256 * KiB, 0), ==, 0);
	g_assert_cmpuint(blocks_used(&f), <=, full - 512 * KiB + SLACK);
	g_assert_true(reads_as(&f, 768 * KiB, 256 * KiB, 0xa5));
	tear_down(&f);
	free(buf);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void test_truncated(const void *arg)
{
	const struct mode *m = arg;
	uint8_t *buf = aligned_alloc(4096, 64 * KiB);
	struct fixture f;

	set_up(&f, m->dir, SIZE, (struct blk_file_conf){.cache = m->cache});
	memset(buf, 1, 64 * KiB);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, 0, buf, 64 * KiB), ==, 0);
	g_assert_cmpint(truncate(f.path, 20000), ==, 0); /* within a sector */
	g_assert_cmpint(do_io(f.loop, f.q, BLK_READ, 0, buf, 16 * KiB), ==, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_READ, 16 * KiB, buf, 16 * KiB), ==, -EIO);
	run_until(f.loop, &f.events, 1);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_READ, MiB, buf, 16 * KiB), ==, -EIO);
	run_until(f.loop, &f.events, 2);
	g_assert_cmpint(f.event.error, ==, EIO);
	g_assert_cmpint(f.event.op, ==, BLK_READ);
	g_assert_cmpstr(f.event.id, ==, "disk0");
	g_assert_false(f.event.parked);
	tear_down(&f);
	free(buf);
}

/* A disk that fills: parked with policy enospc, and written once there is room. */
static void test_full(void)
{
	g_autofree char *hog = NULL;
	uint8_t *buf = aligned_alloc(4096, 512 * KiB);
	struct fixture f;
	struct io io;

	if (!small_fs) {
		g_test_skip("needs a mount namespace");
		free(buf);
		return;
	}
	set_up(&f, small_fs, SIZE,
		(struct blk_file_conf){
			.cache = BLK_CACHE_WRITEBACK, .write_error = BLK_ERROR_ENOSPC});
	hog = make_image(small_fs, 0);
	memset(buf, 7, 512 * KiB);
	g_assert_true(g_file_set_contents(hog, (char *)buf, 512 * KiB, NULL));
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, 0, buf, 256 * KiB), ==, 0);

	io_init(&io, BLK_WRITE, MiB, buf, 512 * KiB);
	blk_submit(f.q, &io.r);
	blk_commit(f.q);
	run_until(f.loop, &f.events, 1);
	g_assert_cmpint(f.event.error, ==, ENOSPC);
	g_assert_true(f.event.parked);
	g_assert_cmpuint(io.done, ==, 0);

	/* Still no room: parked again. */
	blk_unpark(f.blk);
	run_until(f.loop, &f.events, 2);
	g_assert_cmpuint(io.done, ==, 0);
	g_assert_cmpint(unlink(hog), ==, 0);
	blk_unpark(f.blk);
	run_until(f.loop, &io.done, 1);
	g_assert_cmpint(io.r.result, ==, 0);
	g_assert_true(reads_as(&f, MiB, 512 * KiB, 7));
	tear_down(&f);
	free(buf);
}

static void test_full_report(void)
{
	uint8_t *buf = aligned_alloc(4096, MiB);
	struct blk_stats stats;
	struct fixture f;

	if (!small_fs) {
		g_test_skip("needs a mount namespace");
		free(buf);
		return;
	}
	set_up(&f, small_fs, SIZE, (struct blk_file_conf){.cache = BLK_CACHE_WRITEBACK});
	memset(buf, 7, MiB);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, 0, buf, MiB / 2), ==, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, MiB, buf, MiB), ==, -ENOSPC);
	blk_get_stats(f.blk, &stats);
	g_assert_cmpuint(stats.ops[BLK_WRITE], ==, 2);
	g_assert_cmpuint(stats.errors[BLK_WRITE], ==, 1);
	g_assert_cmpuint(stats.bytes[BLK_WRITE], ==, MiB / 2);
	tear_down(&f);
	free(buf);
}

/* ---- open ------------------------------------------------------------------------------------ */

static void check_refused(int fd, struct blk_file_conf conf, int code, const char *words)
{
	g_autoptr(GError) error = NULL;

	conf.id = "disk0";
	conf.fd = fd;
	g_assert_null(blk_file_new(&conf, &error));
	g_assert_error(error, VMMD_ERROR, code);
	g_assert_nonnull(strstr(error->message, "disk0"));
	if (!strstr(error->message, words))
		g_error("\"%s\" lacks \"%s\"", error->message, words);
	/* The descriptor was owned from the call on. */
	g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
}

static void test_open_errors(void)
{
	const struct blk_file_conf wb = {.cache = BLK_CACHE_WRITEBACK};
	const struct blk_file_conf wb_4k = {.cache = BLK_CACHE_WRITEBACK, .logical_block = 4096};
	const struct blk_file_conf wb_1k = {.cache = BLK_CACHE_WRITEBACK, .logical_block = 1024};
	g_autofree char *empty = make_image("/dev/shm", 0);
	g_autofree char *odd = make_image("/dev/shm", 1000);
	g_autofree char *good = make_image("/dev/shm", 512 * 9);
	int p[2], s[2];

	check_refused(open("/dev/shm", O_RDONLY), wb, VMMD_ERROR_INVALID, "a directory");
	check_refused(open("/dev/null", O_RDWR), wb, VMMD_ERROR_INVALID, "a character device");
	g_assert_cmpint(pipe(p), ==, 0);
	check_refused(p[0], wb, VMMD_ERROR_INVALID, "a fifo");
	close(p[1]);
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, s), ==, 0);
	check_refused(s[0], wb, VMMD_ERROR_INVALID, "a socket");
	close(s[1]);
	check_refused(open(empty, O_RDWR), wb, VMMD_ERROR_INVALID, "empty");
	check_refused(open(odd, O_RDWR), wb, VMMD_ERROR_INVALID, "truncate -s %512");
	check_refused(open(good, O_RDWR), wb_4k, VMMD_ERROR_INVALID, "truncate -s %4096");
	check_refused(open(good, O_RDWR), wb_1k, VMMD_ERROR_INVALID, "1024 is neither");
	check_refused(open(good, O_RDONLY), wb, VMMD_ERROR_INVALID, "read-only");
	check_refused(open(good, O_WRONLY), wb, VMMD_ERROR_INVALID, "reading");
	check_refused(open(good, O_PATH), wb, VMMD_ERROR_INVALID, "reading");
	check_refused(open(good, O_RDWR | O_DIRECT), wb, VMMD_ERROR_INVALID, "with O_DIRECT");
	check_refused(open(good, O_RDWR), (struct blk_file_conf){.cache = BLK_CACHE_NONE},
		VMMD_ERROR_INVALID, "without O_DIRECT");
	unlink(empty);
	unlink(odd);
	unlink(good);
}

static void test_info(void)
{
	struct blk_info info;
	struct fixture f;

	set_up(&f, "/dev/shm", SIZE, (struct blk_file_conf){.cache = BLK_CACHE_WRITEBACK});
	blk_get_info(f.blk, &info);
	g_assert_cmpuint(info.size, ==, SIZE);
	g_assert_cmpuint(info.logical_block, ==, 512);
	g_assert_cmpuint(info.physical_block, ==, 512);
	g_assert_false(info.readonly);
	g_assert_true(info.write_cache);
	g_assert_cmpstr(f.blk->ops->name, ==, "file");
	g_assert_cmpstr(f.blk->id, ==, "disk0");
	tear_down(&f);

	set_up(&f, "/dev/shm", SIZE,
		(struct blk_file_conf){
			.cache = BLK_CACHE_WRITETHROUGH, .readonly = true, .logical_block = 4096});
	blk_get_info(f.blk, &info);
	g_assert_cmpuint(info.logical_block, ==, 4096);
	g_assert_cmpuint(info.physical_block, ==, 4096);
	g_assert_true(info.readonly);
	g_assert_false(info.write_cache || info.can_discard || info.can_write_zeroes);
	tear_down(&f);
}

/* ---- block devices --------------------------------------------------------------------------- */

/*
 * A loop device over @path, or NULL when there is none to be had. It goes with its last user: *@ret_fd keeps it.
 */
static char *attach_loop(const char *path, int *ret_fd)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	g_autofree char *name = g_strdup_printf("/dev/loop%d", number);
	struct loop_config config = {.block_size = 512, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
	bool ok;

	*ret_fd = number < 0 ? -1 : open(name, O_RDWR | O_CLOEXEC);
	config.fd = open(path, O_RDWR | O_CLOEXEC);
	ok = *ret_fd >= 0 && ioctl(*ret_fd, LOOP_CONFIGURE, &config) == 0;
	close(config.fd);
	fd_close(&control);
	if (!ok)
		fd_close(ret_fd);
	return ok ? g_steal_pointer(&name) : NULL;
}

static void set_up_loop(struct fixture *f, const char *dev, enum blk_cache cache)
{
	memset(f, 0, sizeof(*f));
	set_up_path(f, dev, (struct blk_file_conf){.cache = cache});
	g_free(f->path);
	f->path = NULL; /* nothing to unlink */
}

static void test_block_device(void)
{
	g_autofree char *image = make_image("/dev/shm", SIZE);
	int loop_fd;
	g_autofree char *dev = attach_loop(image, &loop_fd);
	uint8_t *buf = aligned_alloc(4096, 256 * KiB);
	struct fixture f;
	struct blk_info info;

	unlink(image);
	if (!dev) {
		g_test_skip("no loop device to be had");
		free(buf);
		return;
	}
	set_up_loop(&f, dev, BLK_CACHE_NONE);
	blk_get_info(f.blk, &info);
	g_assert_cmpuint(info.size, ==, SIZE);
	g_assert_cmpuint(info.logical_block, ==, 512);
	g_assert_true(info.can_discard);
	memset(buf, 0x5a, 256 * KiB);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, 0, buf, 256 * KiB), ==, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_FLUSH, 0, NULL, 0), ==, 0);
	g_assert_true(reads_as(&f, 0, 256 * KiB, 0x5a));
	g_assert_cmpint(do_zeroes(&f, BLK_WRITE_ZEROES, 4096, 8192, BLK_F_UNMAP), ==, 0);
	g_assert_cmpint(do_zeroes(&f, BLK_WRITE_ZEROES, 16384, 8192, 0), ==, 0);
	g_assert_true(reads_as(&f, 4096, 8192, 0));
	g_assert_true(reads_as(&f, 16384, 8192, 0));
	g_assert_true(reads_as(&f, 12288, 4096, 0x5a));
	g_assert_cmpint(do_zeroes(&f, BLK_DISCARD, 128 * KiB, 64 * KiB, 0), ==, 0);
	g_assert_true(reads_as(&f, 192 * KiB, 64 * KiB, 0x5a));
	tear_down(&f);
	fd_close(&loop_fd);
	free(buf);
}

/*
 * A thin device without room behind it: writes are taken by the page cache, the flush fails, and every later flush fails too,
 * for what was dirty is lost.
 */
static void test_lost_writes(void)
{
	g_autofree char *image = NULL, *dev = NULL;
	uint8_t *buf = aligned_alloc(4096, MiB);
	struct fixture f;
	int loop_fd;

	if (small_fs) {
		image = make_image(small_fs, SIZE);
		dev = attach_loop(image, &loop_fd);
		unlink(image);
	}
	if (!dev) {
		g_test_skip("no loop device to be had");
		free(buf);
		return;
	}
	set_up_loop(&f, dev, BLK_CACHE_WRITEBACK);
	memset(buf, 1, MiB);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, 0, buf, MiB), ==, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, MiB, buf, MiB), ==, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_FLUSH, 0, NULL, 0), <, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_FLUSH, 0, NULL, 0), <, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_WRITE, 0, buf, 4096), ==, 0);
	g_assert_cmpint(do_io(f.loop, f.q, BLK_FLUSH, 0, NULL, 0), <, 0);
	tear_down(&f);
	fd_close(&loop_fd);
	free(buf);
}

/* ---- null ------------------------------------------------------------------------------------ */

static void test_null(void)
{
	struct loop *loop = loop_new("test", NULL);
	struct blk *b = blk_null_new("null0", SIZE + 100, false, loop);
	struct blk_queue *q;
	struct blk_info info;
	uint8_t buf[1024];

	blk_get_info(b, &info);
	g_assert_cmpuint(info.size, ==, SIZE);
	g_assert_cmpint(blk_queue_open(b, loop, &q), ==, 0);
	memset(buf, 0xff, sizeof(buf));
	g_assert_cmpint(do_io(loop, q, BLK_WRITE, 0, buf, sizeof(buf)), ==, 0);
	g_assert_cmpint(do_io(loop, q, BLK_READ, 0, buf, sizeof(buf)), ==, 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		g_assert_cmpuint(buf[i], ==, 0);
	g_assert_cmpint(do_io(loop, q, BLK_FLUSH, 0, NULL, 0), ==, 0);
	drain(loop, b);
	blk_drain_end(b);
	blk_queue_close(q);
	blk_free(b);
	loop_iterate(loop, 0);
	loop_free(loop);
}

/* ---- set-up ---------------------------------------------------------------------------------- */

/* In a mount namespace of our own, while there is one thread still. */
static void mount_small_fs(void)
{
	static char dir[] = "/tmp/vmmd-test-fs-XXXXXX";

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		!mkdtemp(dir))
		return;
	if (mount("none", dir, "tmpfs", 0, "size=1m") == 0)
		small_fs = dir;
	else
		rmdir(dir);
}

static void unmount_small_fs(void)
{
	if (!small_fs)
		return;
	umount2(small_fs, MNT_DETACH);
	rmdir(small_fs);
}

static bool has_direct(const char *dir)
{
	g_autofree char *path = make_image(dir, 4096);
	int fd = open(path, O_RDWR | O_DIRECT);

	unlink(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void add_modes(void)
{
	static const char *const names[] = {"none", "writeback", "writethrough", "unsafe"};
	const char *dirs[] = {"/dev/shm", g_get_tmp_dir()};
	static struct mode modes[ARRAY_SIZE(dirs) * ARRAY_SIZE(names)];

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		struct mode *m = &modes[i];
		static const struct {
			const char *name;
			void (*fn)(const void *arg);
		} tests[] = {
			{"random", test_random},
			{"batch", test_batch},
			{"many-segments", test_many_segments},
			{"zeroes", test_zeroes},
			{"truncated", test_truncated},
		};

		*m = (struct mode){
			.dir = dirs[i / ARRAY_SIZE(names)], .cache = i % ARRAY_SIZE(names)};
		if (m->cache == BLK_CACHE_NONE && !has_direct(m->dir))
			continue;
		/* Thousands of durable writes take too long on a real disk. */
		if (m->cache == BLK_CACHE_WRITETHROUGH && m->dir != dirs[0])
			continue;
		for (unsigned t = 0; t < ARRAY_SIZE(tests); t++) {
			g_autofree char *path = g_strdup_printf("/block-file/%s/%s/%s",
				tests[t].name, i < ARRAY_SIZE(names) ? "shm" : "tmp",
				names[m->cache]);

			g_test_add_data_func(path, m, tests[t].fn);
		}
	}
}

int main(int argc, char **argv)
{
	int ret;

	g_test_init(&argc, &argv, NULL);
	mount_small_fs();
	add_modes();
	g_test_add_func("/block-file/full/park", test_full);
	g_test_add_func("/block-file/full/report", test_full_report);
	g_test_add_func("/block-file/open-errors", test_open_errors);
	g_test_add_func("/block-file/info", test_info);
	g_test_add_func("/block-file/block-device", test_block_device);
	g_test_add_func("/block-file/lost-writes", test_lost_writes);
	g_test_add_func("/block-file/null", test_null);
	ret = g_test_run();
	unmount_small_fs();
	return ret;
}
