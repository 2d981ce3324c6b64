/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block device through its registers and rings, over a disk whose requests complete when the test says so.
 */
#include <string.h>

#include "tests/lib/fake-blk.h"
#include "tests/lib/virtio-rig.h"
#include "virtio-backends/devices/devices.h"

#define DISK (1 * MiB)
#define DATA 0x800000 /* guest address of the test's buffers */

enum {
	F_SIZE_MAX = 1,
	F_SEG_MAX = 2,
	F_RO = 5,
	F_BLK_SIZE = 6,
	F_FLUSH = 9,
	F_TOPOLOGY = 10,
	F_CONFIG_WCE = 11,
	F_MQ = 12,
	F_DISCARD = 13,
	F_WRITE_ZEROES = 14
};
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2, S_NONE = 0xaa };

struct fixture {
	struct vrig rig;
	struct fake_blk *disk;
	uint64_t next; /* free guest memory */
};

static void set_prop(struct dev *d, const char *name, const char *value)
{
	g_autoptr(GError) error = NULL;
	const struct prop *p = prop_find(d->ops->props, name);

	g_assert_nonnull(p);
	g_assert_true(prop_set_text(p, d, value, &error));
	g_assert_no_error(error);
}

static void setup(struct fixture *f, const void *data)
{
	vrig_init(&f->rig);
	f->next = DATA;
	f->disk = fake_blk_new(f->rig.loop, DISK);
	virtio_blk_set_backend(vrig_new(&f->rig, &virtio_blk_pci_ops), &f->disk->blk);
	set_prop(f->rig.dev, "serial", "SER1AL");
	set_prop(f->rig.dev, "packed", "on");
}

static void teardown(struct fixture *f, const void *data)
{
	fake_blk_hold(f->disk, false);
	while (fake_blk_complete(f->disk))
		vrig_settle(&f->rig);
	vrig_unplug(&f->rig);
	fake_blk_free(f->disk);
	vrig_done(&f->rig);
}

/* ---- requests ---- */

struct request {
	uint64_t header, data, status;
	uint32_t len;
	int id;
};

static struct request add_chain(
	struct fixture *f, unsigned q, uint32_t type, uint64_t sector, uint32_t len, bool in)
{
	struct request r = {.header = f->next, .len = len};
	uint32_t head[2] = {type, 0};
	uint8_t none = S_NONE;
	struct guest_buf bufs[3];
	unsigned n = 0;

	r.data = r.header + 16;
	r.status = r.data + len;
	f->next = align_up(r.status + 1, 64);
	guest_write(f->rig.gmem, r.header, head, 8);
	guest_write(f->rig.gmem, r.header + 8, &sector, 8);
	guest_write(f->rig.gmem, r.status, &none, 1);
	bufs[n++] = (struct guest_buf){r.header, 16, false};
	if (len)
		bufs[n++] = (struct guest_buf){r.data, len, in};
	bufs[n++] = (struct guest_buf){r.status, 1, true};
	r.id = guest_vq_add(&f->rig.vq[q], bufs, n, 0);
	g_assert_cmpint(r.id, >=, 0);
	return r;
}

static uint8_t status_of(struct fixture *f, const struct request *r)
{
	uint8_t s;

	guest_read(f->rig.gmem, r->status, &s, 1);
	return s;
}

/* One request from submission to its status. */
static uint8_t run(
	struct fixture *f, uint32_t type, uint64_t sector, void *buf, uint32_t len, bool in)
{
	struct request r = add_chain(f, 0, type, sector, len, in);
	uint32_t used;

	if (!in && len)
		guest_write(f->rig.gmem, r.data, buf, len);
	vrig_publish(&f->rig, 0);
	g_assert_cmpint(vrig_wait_used(&f->rig, 0, &used), ==, r.id);
	g_assert_cmpuint(used, ==, in ? len + 1 : 1);
	if (in && len)
		guest_read(f->rig.gmem, r.data, buf, len);
	f->next = DATA;
	return status_of(f, &r);
}

static void test_read_write(struct fixture *f, const void *data)
{
	uint8_t out[4096], in[4096];

	vrig_plug(&f->rig);
	vrig_start(&f->rig, VIRTIO_BIT(F_FLUSH), 1, 64);
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7);
	g_assert_cmpuint(run(f, T_OUT, 8, out, sizeof(out), false), ==, S_OK);
	g_assert_cmpint(memcmp(f->disk->data + 8 * 512, out, sizeof(out)), ==, 0);
	g_assert_cmpuint(run(f, T_IN, 8, in, sizeof(in), true), ==, S_OK);
	g_assert_cmpint(memcmp(in, out, sizeof(out)), ==, 0);
	g_assert_cmpuint(vrig_msis(&f->rig, 1), ==, 2);
}

/* ---- features and configuration, section 5.2.3 and 5.2.4 ---- */

enum {
	CFG_CAPACITY = 0,
	CFG_SIZE_MAX = 8,
	CFG_SEG_MAX = 12,
	CFG_BLK_SIZE = 20,
	CFG_PHYSICAL_EXP = 24,
	CFG_ALIGNMENT = 25,
	CFG_MIN_IO = 26,
	CFG_OPT_IO = 28,
	CFG_WRITEBACK = 32,
	CFG_NUM_QUEUES = 34,
	CFG_MAX_DISCARD = 36,
	CFG_MAX_DISCARD_SEG = 40,
	CFG_DISCARD_ALIGN = 44,
	CFG_MAX_ZEROES = 48,
	CFG_MAX_ZEROES_SEG = 52,
	CFG_MAY_UNMAP = 56
};

static uint64_t config(struct fixture *f, unsigned off, unsigned size)
{
	return vrig_read(&f->rig, f->rig.config + off, size);
}

static bool offered(struct fixture *f, unsigned bit)
{
	return vrig_features(&f->rig) & VIRTIO_BIT(bit);
}

static void test_plain_features(struct fixture *f, const void *data)
{
	set_prop(f->rig.dev, "queue-size", "64");
	vrig_plug(&f->rig);
	g_assert_true(offered(f, F_SEG_MAX));
	g_assert_true(offered(f, F_BLK_SIZE));
	g_assert_true(offered(f, F_TOPOLOGY));
	g_assert_true(offered(f, F_FLUSH));
	g_assert_true(offered(f, F_CONFIG_WCE));
	g_assert_true(offered(f, F_DISCARD));
	g_assert_true(offered(f, F_WRITE_ZEROES));
	g_assert_false(offered(f, F_SIZE_MAX));
	g_assert_false(offered(f, F_RO));
	g_assert_false(offered(f, F_MQ));
	g_assert_cmphex(vrig_cfg_read(&f->rig, PCI_DEVICE_ID, 2), ==, 0x1042);
	g_assert_cmphex(vrig_cfg_read(&f->rig, PCI_CLASS, 1), ==, 0x01);
	g_assert_cmpuint(config(f, CFG_CAPACITY, 8), ==, DISK / 512);
	g_assert_cmpuint(config(f, CFG_SEG_MAX, 4), ==, 62);
	g_assert_cmpuint(config(f, CFG_BLK_SIZE, 4), ==, 512);
	g_assert_cmpuint(config(f, CFG_PHYSICAL_EXP, 1), ==, 0);
	g_assert_cmpuint(config(f, CFG_WRITEBACK, 1), ==, 1);
	g_assert_cmpuint(config(f, CFG_NUM_QUEUES, 2), ==, 1);
	g_assert_cmpuint(config(f, CFG_MAX_DISCARD, 4), ==, UINT32_MAX / 512);
	g_assert_cmpuint(config(f, CFG_MAX_DISCARD_SEG, 4), ==, 1);
	g_assert_cmpuint(config(f, CFG_DISCARD_ALIGN, 4), ==, 1);
	g_assert_cmpuint(config(f, CFG_MAX_ZEROES, 4), ==, UINT32_MAX / 512);
	g_assert_cmpuint(config(f, CFG_MAX_ZEROES_SEG, 4), ==, 1);
	g_assert_cmpuint(config(f, CFG_MAY_UNMAP, 1), ==, 1);
}

/* What the disk says decides what is offered. */
static void test_disk_decides(struct fixture *f, const void *data)
{
	f->disk->info.readonly = true;
	f->disk->info.write_cache = false;
	f->disk->info.logical_block = 4096;
	f->disk->info.physical_block = 16384;
	f->disk->info.opt_io = 65536;
	f->disk->info.max_transfer = 256 * 1024;
	set_prop(f->rig.dev, "num-queues", "4");
	vrig_plug(&f->rig);
	g_assert_true(offered(f, F_RO));
	g_assert_true(offered(f, F_MQ));
	g_assert_true(offered(f, F_SIZE_MAX));
	g_assert_false(offered(f, F_FLUSH));
	g_assert_false(offered(f, F_CONFIG_WCE));
	g_assert_false(offered(f, F_DISCARD));
	g_assert_false(offered(f, F_WRITE_ZEROES));
	g_assert_cmpuint(config(f, CFG_BLK_SIZE, 4), ==, 4096);
	g_assert_cmpuint(config(f, CFG_PHYSICAL_EXP, 1), ==, 2);
	g_assert_cmpuint(config(f, CFG_MIN_IO, 2), ==, 4);
	g_assert_cmpuint(config(f, CFG_OPT_IO, 4), ==, 16);
	g_assert_cmpuint(config(f, CFG_WRITEBACK, 1), ==, 0);
	g_assert_cmpuint(config(f, CFG_NUM_QUEUES, 2), ==, 4);
	g_assert_cmpuint(vrig_common(&f->rig, VRIG_NUM_QUEUES, 2), ==, 4);
	/* As many segments of that size as make one request the disk takes. */
	g_assert_cmpuint(config(f, CFG_SEG_MAX, 4) * config(f, CFG_SIZE_MAX, 4), ==, 256 * 1024);
	g_assert_cmpuint(config(f, CFG_SIZE_MAX, 4), >=, 4096);
	/* The driver may not write what it may read. */
	vrig_start(&f->rig, VIRTIO_BIT(F_RO), 4, 64);
	uint8_t buf[4096] = {0};

	g_assert_cmpuint(run(f, T_IN, 0, buf, 4096, true), ==, S_OK);
	g_assert_cmpuint(run(f, T_OUT, 0, buf, 4096, false), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_IN, 0, buf, 512, true), ==, S_IOERR); /* not a whole block */
}

static void test_properties_decide(struct fixture *f, const void *data)
{
	set_prop(f->rig.dev, "discard", "off");
	set_prop(f->rig.dev, "write-zeroes", "off");
	set_prop(f->rig.dev, "config-wce", "off");
	set_prop(f->rig.dev, "packed", "off");
	vrig_plug(&f->rig);
	g_assert_false(offered(f, F_DISCARD));
	g_assert_false(offered(f, F_WRITE_ZEROES));
	g_assert_false(offered(f, F_CONFIG_WCE));
	g_assert_false(offered(f, VIRTIO_F_RING_PACKED));
	g_assert_true(offered(f, F_FLUSH));
}

static void test_bad_properties(void)
{
	struct fixture f = {0};
	g_autoptr(GError) error = NULL;

	setup(&f, NULL);
	set_prop(f.rig.dev, "queue-size", "100");
	g_assert_false(dev_realize(f.rig.dev, &error));
	g_assert_nonnull(strstr(error->message, "queue-size 100"));
	g_clear_error(&error);
	vrig_new(&f.rig, &virtio_blk_pci_ops);
	g_assert_false(dev_realize(f.rig.dev, &error));
	g_assert_nonnull(strstr(error->message, "no disk"));
	f.rig.dev = NULL;
	teardown(&f, NULL);
}

/* ---- each kind of request ---- */

static const uint64_t all = VIRTIO_BIT(F_FLUSH) | VIRTIO_BIT(F_CONFIG_WCE) | VIRTIO_BIT(F_DISCARD) |
			    VIRTIO_BIT(F_WRITE_ZEROES);

struct range {
	uint64_t sector;
	uint32_t sectors, flags;
};

static uint8_t run_range(
	struct fixture *f, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct range r = {sector, sectors, flags};

	return run(f, type, 0, &r, sizeof(r), false);
}

static void test_discard(struct fixture *f, const void *data)
{
	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 1, 64);
	memset(f->disk->data, 0x11, DISK);
	g_assert_cmpuint(run_range(f, T_DISCARD, 2, 4, 0), ==, S_OK);
	g_assert_cmphex(f->disk->data[2 * 512 - 1], ==, 0x11);
	g_assert_cmphex(f->disk->data[2 * 512], ==, 0);
	g_assert_cmphex(f->disk->data[6 * 512 - 1], ==, 0);
	g_assert_cmphex(f->disk->data[6 * 512], ==, 0x11);
	g_assert_cmpuint(fake_blk_submitted(f->disk, BLK_DISCARD), ==, 1);
	/* Section 5.2.6.2. */
	g_assert_cmpuint(run_range(f, T_DISCARD, 2, 4, 1), ==, S_UNSUPP);
	g_assert_cmpuint(run_range(f, T_DISCARD, 2, 4, 0x80000000), ==, S_UNSUPP);
	g_assert_cmpuint(run_range(f, T_DISCARD, DISK / 512 - 1, 2, 0), ==, S_IOERR);
	g_assert_cmpuint(run_range(f, T_DISCARD, UINT64_MAX / 512 + 2, 2, 0), ==, S_IOERR);
	g_assert_cmpuint(run_range(f, T_DISCARD, 0, 0, 0), ==, S_IOERR);

	struct range two[2] = {{0, 1, 0}, {4, 1, 0}};

	g_assert_cmpuint(run(f, T_DISCARD, 0, two, sizeof(two), false), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_DISCARD, 0, two, 8, false), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_DISCARD, 0, NULL, 0, false), ==, S_IOERR);
	g_assert_cmpuint(fake_blk_submitted(f->disk, BLK_DISCARD), ==, 1);
	/* Not without negotiation. */
	vrig_start(&f->rig, 0, 1, 64);
	g_assert_cmpuint(run_range(f, T_DISCARD, 2, 4, 0), ==, S_UNSUPP);
	g_assert_cmpuint(run_range(f, T_WRITE_ZEROES, 2, 4, 0), ==, S_UNSUPP);
}

/* ---- what the front asks of the disk: a look at each request ---- */

static struct {
	struct blk_ops ops;
	const struct blk_ops *real;
	unsigned flags;
	uint64_t len;
} spy;

static void spy_submit(struct blk_queue *q, struct blk_req *r)
{
	spy.flags = r->flags;
	spy.len = r->len;
	spy.real->submit(q, r);
}

static void spy_on(struct fixture *f)
{
	spy.real = f->disk->blk.ops;
	spy.ops = *spy.real;
	spy.ops.submit = spy_submit;
	f->disk->blk.ops = &spy.ops;
}

static void test_write_zeroes(struct fixture *f, const void *data)
{
	spy_on(f);
	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 1, 64);
	memset(f->disk->data, 0x11, DISK);
	g_assert_cmpuint(run_range(f, T_WRITE_ZEROES, 2, 4, 0), ==, S_OK);
	g_assert_cmpuint(spy.flags & BLK_F_UNMAP, ==, 0);
	g_assert_cmpuint(spy.len, ==, 4 * 512);
	g_assert_cmpuint(run_range(f, T_WRITE_ZEROES, 8, 4, 1), ==, S_OK);
	g_assert_cmpuint(spy.flags & BLK_F_UNMAP, ==, BLK_F_UNMAP);
	g_assert_cmphex(f->disk->data[2 * 512], ==, 0);
	g_assert_cmphex(f->disk->data[12 * 512 - 1], ==, 0);
	g_assert_cmpuint(run_range(f, T_WRITE_ZEROES, 8, 4, 2), ==, S_UNSUPP);
	g_assert_cmpuint(run_range(f, T_WRITE_ZEROES, DISK / 512, 1, 0), ==, S_IOERR);
	g_assert_cmpuint(fake_blk_submitted(f->disk, BLK_WRITE_ZEROES), ==, 2);
}

static void test_flush(struct fixture *f, const void *data)
{
	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 1, 64);
	g_assert_cmpuint(run(f, T_FLUSH, 0, NULL, 0, false), ==, S_OK);
	g_assert_cmpuint(fake_blk_submitted(f->disk, BLK_FLUSH), ==, 1);
	fake_blk_fail(f->disk, BLK_FLUSH, 1, -EIO, false);
	g_assert_cmpuint(run(f, T_FLUSH, 0, NULL, 0, false), ==, S_IOERR);
}

/* Section 5.2.5: write-back or write-through, by CONFIG_WCE or by the lack of FLUSH. */
static void test_write_cache(struct fixture *f, const void *data)
{
	uint8_t sector[512] = {0};

	spy_on(f);
	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 1, 64);
	g_assert_cmpuint(run(f, T_OUT, 0, sector, 512, false), ==, S_OK);
	g_assert_cmpuint(spy.flags, ==, 0);
	vrig_write(&f->rig, f->rig.config + CFG_WRITEBACK, 1, 0);
	g_assert_cmpuint(config(f, CFG_WRITEBACK, 1), ==, 0);
	g_assert_cmpuint(run(f, T_OUT, 0, sector, 512, false), ==, S_OK);
	g_assert_cmpuint(spy.flags, ==, BLK_F_FUA);
	/* It survives a quiesce, and not a reset. */
	vrig_quiesce(&f->rig);
	vrig_resume(&f->rig);
	g_assert_cmpuint(run(f, T_OUT, 0, sector, 512, false), ==, S_OK);
	g_assert_cmpuint(spy.flags, ==, BLK_F_FUA);
	vrig_start(&f->rig, VIRTIO_BIT(F_FLUSH), 1, 64);
	g_assert_cmpuint(config(f, CFG_WRITEBACK, 1), ==, 1);
	g_assert_cmpuint(run(f, T_OUT, 0, sector, 512, false), ==, S_OK);
	g_assert_cmpuint(spy.flags, ==, 0);
	/* Without CONFIG_WCE the byte is read-only, nothing else is writable ever. */
	vrig_write(&f->rig, f->rig.config + CFG_WRITEBACK, 1, 0);
	g_assert_cmpuint(config(f, CFG_WRITEBACK, 1), ==, 1);
	vrig_write(&f->rig, f->rig.config, 4, 0);
	g_assert_cmpuint(config(f, CFG_CAPACITY, 4), ==, DISK / 512);
	/* A driver that cannot flush. */
	vrig_start(&f->rig, 0, 1, 64);
	g_assert_cmpuint(run(f, T_OUT, 0, sector, 512, false), ==, S_OK);
	g_assert_cmpuint(spy.flags, ==, BLK_F_FUA);
}

static void test_get_id(struct fixture *f, const void *data)
{
	char id[32] = {0};

	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 1, 64);
	g_assert_cmpuint(run(f, T_GET_ID, 0, id, 20, true), ==, S_OK);
	g_assert_cmpmem(id, 20, "SER1AL\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	g_assert_cmpuint(run(f, T_GET_ID, 0, id, 3, true), ==, S_OK);
	g_assert_cmpuint(run(f, T_GET_ID, 0, id, 32, true), ==, S_OK);
	g_assert_cmpuint(run(f, T_GET_ID, 0, NULL, 0, true), ==, S_OK);
}

/* ---- requests that cannot be ---- */

static void test_refused(struct fixture *f, const void *data)
{
	const uint64_t sectors = DISK / 512;
	uint8_t buf[2048];

	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 1, 64);
	g_assert_cmpuint(run(f, T_IN, sectors - 1, buf, 512, true), ==, S_OK);
	g_assert_cmpuint(run(f, T_IN, sectors - 1, buf, 1024, true), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_IN, sectors, buf, 512, true), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_IN, UINT64_MAX, buf, 512, true), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_IN, UINT64_MAX / 512 + 1, buf, 512, true), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_OUT, sectors, buf, 512, false), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_OUT, UINT64_MAX / 256, buf, 512, false), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_IN, 0, buf, 511, true), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_OUT, 0, buf, 513, false), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_IN, 0, buf, 0, true), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_OUT, 0, buf, 0, false), ==, S_IOERR);
	for (uint32_t type = 2; type < 20; type++) {
		if (type == T_FLUSH || type == T_GET_ID || type == T_DISCARD ||
			type == T_WRITE_ZEROES)
			continue;
		g_assert_cmpuint(run(f, type, 0, buf, 512, true), ==, S_UNSUPP);
	}
	g_assert_cmpuint(run(f, 0x80000000, 0, buf, 512, true), ==, S_UNSUPP);
	g_assert_cmpuint(run(f, UINT32_MAX, 0, buf, 512, false), ==, S_UNSUPP);
	g_assert_cmpuint(f->rig.dev->guest_errors, ==, 0);
}

static void test_disk_errors(struct fixture *f, const void *data)
{
	static const struct {
		int error;
		uint8_t status;
	} cases[] = {{-EIO, S_IOERR}, {-ENOSPC, S_IOERR}, {-EOPNOTSUPP, S_UNSUPP},
		{-ECANCELED, S_IOERR}};
	uint8_t buf[512];

	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 1, 64);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_blk_fail(f->disk, BLK_READ, 1, cases[i].error, false);
		g_assert_cmpuint(run(f, T_IN, 0, buf, 512, true), ==, cases[i].status);
		fake_blk_fail(f->disk, BLK_WRITE, 1, cases[i].error, false);
		g_assert_cmpuint(run(f, T_OUT, 0, buf, 512, false), ==, cases[i].status);
	}
	g_assert_cmpuint(run(f, T_IN, 0, buf, 512, true), ==, S_OK);
}

/* A chain without room for header or status breaks the device, and no request of that chain gets far. */
static void test_no_header(struct fixture *f, const void *data)
{
	static const struct {
		uint32_t out, in;
	} bad[] = {{15, 1}, {0, 513}, {16, 0}, {528, 0}};

	vrig_plug(&f->rig);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct guest_buf bufs[] = {
			{DATA, bad[i].out, false}, {DATA + 4096, bad[i].in, true}};
		uint32_t len;

		vrig_start(&f->rig, all, 1, 64);
		vrig_msis(&f->rig, -1);
		g_assert_cmpint(guest_vq_add(&f->rig.vq[0], bufs, 2, 0), >=, 0);
		vrig_publish(&f->rig, 0);
		vrig_settle(&f->rig);
		g_assert_cmphex(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
		g_assert_cmpuint(vrig_msis(&f->rig, 0), ==, 1);
		g_assert_cmpint(guest_vq_take(&f->rig.vq[0], &len), ==, -1);
		g_assert_cmpuint(f->rig.dev->guest_errors, ==, i + 1);
	}
	for (unsigned op = 0; op < BLK_OPS; op++)
		g_assert_cmpuint(fake_blk_submitted(f->disk, op), ==, 0);
}

/* However the driver cuts the chain, the bytes are the same: header and status are counted from its ends. */
static void test_any_layout(struct fixture *f, const void *data)
{
	static const uint32_t cuts[] = {1, 3, 7, 16, 17, 100, 511, 512, 513, 5000};
	uint8_t head[16] = {T_OUT}, bytes[1024], got[1025];

	vrig_plug(&f->rig);
	vrig_start(&f->rig, all | VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 1, 64);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(cuts); i++) {
		uint32_t cut = cuts[i / 2], total = sizeof(head) + sizeof(bytes);
		bool in = i % 2;
		uint64_t table = 0xc00000;
		struct guest_buf bufs[256];
		unsigned n = 0;

		if (total / cut > 200)
			cut = 8;
		memset(bytes, (int)i + 1, sizeof(bytes));
		head[0] = in ? T_IN : T_OUT;
		guest_write(f->rig.gmem, DATA, head, sizeof(head));
		if (in)
			memcpy(f->disk->data, bytes, sizeof(bytes));
		else
			guest_write(f->rig.gmem, DATA + sizeof(head), bytes, sizeof(bytes));
		for (uint32_t off = 0, end = in ? sizeof(head) : total; off < end; off += cut)
			bufs[n++] = (struct guest_buf){DATA + off, MIN(cut, end - off), false};
		for (uint32_t off = 0, end = in ? sizeof(bytes) + 1 : 1; off < end; off += cut)
			bufs[n++] = (struct guest_buf){
				DATA + 0x2000 + off, MIN(cut, end - off), true};
		g_assert_cmpint(guest_vq_add(&f->rig.vq[0], bufs, n, table), >=, 0);
		vrig_publish(&f->rig, 0);
		vrig_wait_used(&f->rig, 0, NULL);
		guest_read(f->rig.gmem, DATA + 0x2000, got, sizeof(got));
		g_assert_cmpuint(in ? got[1024] : got[0], ==, S_OK);
		g_assert_cmpmem(in ? got : f->disk->data, sizeof(bytes), bytes, sizeof(bytes));
	}
}

/* ---- many at once ---- */

static void test_batch(struct fixture *f, const void *data)
{
	struct request r[10];
	unsigned commits;
	uint32_t len;

	vrig_plug(&f->rig);
	vrig_start(&f->rig, all | VIRTIO_BIT(VIRTIO_F_EVENT_IDX), 1, 64);
	commits = f->disk->commits;
	vrig_msis(&f->rig, -1);
	for (unsigned i = 0; i < ARRAY_SIZE(r); i++)
		r[i] = add_chain(f, 0, T_IN, i, 512, true);
	vrig_publish(&f->rig, 0);
	vrig_settle(&f->rig);
	for (unsigned i = 0; i < ARRAY_SIZE(r); i++) {
		g_assert_cmpint(guest_vq_take(&f->rig.vq[0], &len), ==, r[i].id);
		g_assert_cmpuint(status_of(f, &r[i]), ==, S_OK);
	}
	g_assert_cmpuint(f->disk->commits - commits, ==, 1);
	g_assert_cmpuint(vrig_msis(&f->rig, 1), ==, 1);
}

/* Requests end in the order of the disk, not of the driver. */
static void test_out_of_order(struct fixture *f, const void *data)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		struct request slow, fast;

		if (!packed)
			vrig_plug(&f->rig);
		vrig_start(&f->rig, all | (packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0), 1, 64);
		fake_blk_hold(f->disk, true);
		slow = add_chain(f, 0, T_IN, 0, 512, true);
		vrig_publish(&f->rig, 0);
		vrig_settle(&f->rig);
		fake_blk_hold(f->disk, false);
		fast = add_chain(f, 0, T_IN, 1, 512, true);
		vrig_publish(&f->rig, 0);
		g_assert_cmpint(vrig_wait_used(&f->rig, 0, NULL), ==, fast.id);
		g_assert_cmpuint(status_of(f, &slow), ==, S_NONE);
		g_assert_true(fake_blk_complete(f->disk));
		g_assert_cmpint(vrig_wait_used(&f->rig, 0, NULL), ==, slow.id);
		g_assert_cmpuint(status_of(f, &slow), ==, S_OK);
	}
}

static void test_queues(struct fixture *f, const void *data)
{
	set_prop(f->rig.dev, "num-queues", "4");
	vrig_plug(&f->rig);
	vrig_start(&f->rig, all | VIRTIO_BIT(F_MQ), 4, 32);
	for (unsigned q = 0; q < 4; q++) {
		struct request r = add_chain(f, q, T_IN, q, 512, true);

		f->disk->data[q * 512] = (uint8_t)(q + 1);
		vrig_publish(&f->rig, q);
		g_assert_cmpint(vrig_wait_used(&f->rig, q, NULL), ==, r.id);
		g_assert_cmpuint(status_of(f, &r), ==, S_OK);
		g_assert_cmpuint(vrig_msis(&f->rig, (int)q + 1), ==, 1);

		uint8_t byte;

		guest_read(f->rig.gmem, r.data, &byte, 1);
		g_assert_cmpuint(byte, ==, q + 1);
	}
}

/* ---- resize ---- */

static void test_resize(struct fixture *f, const void *data)
{
	uint8_t buf[512];

	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 1, 64);
	g_assert_cmpuint(run(f, T_IN, DISK / 512, buf, 512, true), ==, S_IOERR);
	vrig_msis(&f->rig, -1);
	fake_blk_resize(f->disk, 2 * DISK);
	vrig_settle(&f->rig);
	g_assert_cmpuint(vrig_msis(&f->rig, 0), ==, 1);
	g_assert_cmpuint(config(f, CFG_CAPACITY, 8), ==, 2 * DISK / 512);
	g_assert_cmpuint(run(f, T_IN, DISK / 512, buf, 512, true), ==, S_OK);
	/* While nobody runs, too. */
	vrig_quiesce(&f->rig);
	fake_blk_resize(f->disk, DISK / 2);
	vrig_resume(&f->rig);
	g_assert_cmpuint(config(f, CFG_CAPACITY, 8), ==, DISK / 1024);
	g_assert_cmpuint(run(f, T_IN, DISK / 1024, buf, 512, true), ==, S_IOERR);
	g_assert_cmpuint(run(f, T_IN, DISK / 1024 - 1, buf, 512, true), ==, S_OK);
}

/* ---- reset, quiesce, park ---- */

static bool status_is_0(void *opaque)
{
	return vrig_status(opaque) == 0;
}

static void test_reset_in_flight(struct fixture *f, const void *data)
{
	struct request r[3];

	vrig_plug(&f->rig);
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, all | (packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0), 1, 64);
		fake_blk_hold(f->disk, true);
		for (unsigned i = 0; i < 3; i++)
			r[i] = add_chain(f, 0, T_OUT, i, 512, false);
		vrig_publish(&f->rig, 0);
		vrig_settle(&f->rig);
		g_assert_cmpuint(fake_blk_in_flight(f->disk), ==, 3);
		vrig_set_status(&f->rig, 0);
		for (unsigned i = 0; i < 3; i++) {
			vrig_settle(&f->rig);
			g_assert_cmphex(vrig_status(&f->rig), !=, 0);
			g_assert_true(fake_blk_complete(f->disk));
		}
		vrig_wait(&f->rig, status_is_0, &f->rig);
		for (unsigned i = 0; i < 3; i++)
			g_assert_cmpuint(status_of(f, &r[i]), ==, S_NONE);
		fake_blk_hold(f->disk, false);
	}
}

/* The policy "stop": the request stays in the device, over quiesce and resume, until the disk takes it again. */
static void test_park_and_resume(struct fixture *f, const void *data)
{
	struct request bad, good;
	uint32_t len;

	vrig_plug(&f->rig);
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, all | (packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0), 1, 64);
		fake_blk_fail(f->disk, BLK_WRITE, 1, -ENOSPC, true);
		bad = add_chain(f, 0, T_OUT, 5, 512, false);
		guest_write(f->rig.gmem, bad.data, "parked", 6);
		good = add_chain(f, 0, T_IN, 0, 512, true);
		vrig_publish(&f->rig, 0);
		g_assert_cmpint(vrig_wait_used(&f->rig, 0, NULL), ==, good.id);
		g_assert_cmpuint(fake_blk_parked(f->disk), ==, 1);
		for (unsigned i = 0; i < 3; i++) {
			vrig_quiesce(&f->rig);
			vrig_resume(&f->rig);
			g_assert_cmpint(guest_vq_take(&f->rig.vq[0], &len), ==, -1);
		}
		blk_unpark(&f->disk->blk);
		g_assert_cmpint(vrig_wait_used(&f->rig, 0, NULL), ==, bad.id);
		g_assert_cmpuint(status_of(f, &bad), ==, S_OK);
		g_assert_cmpmem(f->disk->data + 5 * 512, 6, "parked", 6);
		memset(f->disk->data, 0, DISK);
	}
}

/* The driver resets, or the machine does, while a request is parked: it is dropped, never to run. */
static void test_park_and_reset(struct fixture *f, const void *data)
{
	vrig_plug(&f->rig);
	for (unsigned i = 0; i < 3; i++) {
		struct request r;

		vrig_start(&f->rig, all, 1, 64);
		fake_blk_fail(f->disk, BLK_WRITE, 1, -EIO, true);
		r = add_chain(f, 0, T_OUT, 5, 512, false);
		guest_write(f->rig.gmem, r.data, "never", 5);
		vrig_publish(&f->rig, 0);
		vrig_settle(&f->rig);
		g_assert_cmpuint(fake_blk_parked(f->disk), ==, 1);
		if (i == 1) {
			vrig_quiesce(&f->rig);
			vrig_resume(&f->rig);
		}
		if (i == 2)
			vrig_system_reset(&f->rig);
		else
			vrig_set_status(&f->rig, 0);
		vrig_wait(&f->rig, status_is_0, &f->rig);
		g_assert_cmpuint(fake_blk_parked(f->disk), ==, 0);
		g_assert_cmpuint(status_of(f, &r), ==, S_NONE);
		blk_unpark(&f->disk->blk);
		vrig_settle(&f->rig);
		g_assert_cmphex(f->disk->data[5 * 512], ==, 0);
	}
}

/* A quiesce waits for what is in flight. */
struct waiting {
	struct async_group group;
	bool done;
};

static void waiting_done(struct async_group *g)
{
	container_of(g, struct waiting, group)->done = true;
}

static void test_quiesce_waits(struct fixture *f, const void *data)
{
	struct waiting w = {.done = false};
	struct request r;

	set_prop(f->rig.dev, "num-queues", "2");
	vrig_plug(&f->rig);
	vrig_start(&f->rig, all, 2, 64);
	fake_blk_hold(f->disk, true);
	r = add_chain(f, 1, T_IN, 0, 512, true);
	vrig_publish(&f->rig, 1);
	vrig_settle(&f->rig);
	async_begin(&w.group, f->rig.loop, waiting_done);
	bus_quiesce(f->rig.bus, &w.group);
	async_end(&w.group);
	vrig_settle(&f->rig);
	g_assert_false(w.done);
	g_assert_true(fake_blk_complete(f->disk));
	vrig_settle(&f->rig);
	g_assert_true(w.done);
	g_assert_cmpint(vrig_wait_used(&f->rig, 1, NULL), ==, r.id);
	fake_blk_hold(f->disk, false);
	vrig_resume(&f->rig);
}

static void test_thread(void)
{
	g_autoptr(GError) error = NULL;
	struct fixture f = {0};
	struct loop *io = loop_new("io", &error);

	g_assert_no_error(error);
	setup(&f, NULL);
	f.rig.vp->loop = io;
	set_prop(f.rig.dev, "num-queues", "2");
	vrig_plug(&f.rig);
	g_assert_true(loop_thread_start(io, &error));
	fake_blk_delay(f.disk, 200 * NSEC_PER_USEC);
	for (unsigned round = 0; round < 12; round++) {
		bool parked = round % 4 == 3;

		vrig_start(&f.rig, all | (round % 2 ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0), 2, 32);
		f.next = DATA;
		for (unsigned i = 0; i < 100; i++) {
			struct request r = add_chain(&f, i % 2, T_IN, i, 512, true);

			vrig_publish(&f.rig, i % 2);
			g_assert_cmpint(vrig_wait_used(&f.rig, i % 2, NULL), ==, r.id);
			f.next = DATA;
		}
		if (parked)
			fake_blk_fail(f.disk, BLK_READ, 2, -EIO, true);
		for (unsigned i = 0; i < 4; i++) {
			add_chain(&f, i % 2, T_IN, i, 512, true);
			vrig_publish(&f.rig, i % 2);
		}
		if (round % 3 == 0) {
			vrig_quiesce(&f.rig);
			fake_blk_resize(f.disk, DISK * (1 + round % 2));
			vrig_resume(&f.rig);
		}
		if (round % 3 == 1)
			vrig_system_reset(&f.rig);
		else
			vrig_set_status(&f.rig, 0);
		vrig_wait(&f.rig, status_is_0, &f.rig);
	}
	vrig_quiesce(&f.rig);
	fake_blk_delay(f.disk, 0);
	vrig_unplug(&f.rig);
	loop_thread_join(io);
	loop_free(io);
	fake_blk_free(f.disk);
	vrig_done(&f.rig);
}

#define ADD(name, fn) g_test_add("/virtio-blk/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("read-write", test_read_write);
	ADD("plain-features", test_plain_features);
	ADD("disk-decides", test_disk_decides);
	ADD("properties-decide", test_properties_decide);
	g_test_add_func("/virtio-blk/bad-properties", test_bad_properties);
	ADD("discard", test_discard);
	ADD("write-zeroes", test_write_zeroes);
	ADD("flush", test_flush);
	ADD("write-cache", test_write_cache);
	ADD("get-id", test_get_id);
	ADD("refused", test_refused);
	ADD("disk-errors", test_disk_errors);
	ADD("no-header", test_no_header);
	ADD("any-layout", test_any_layout);
	ADD("batch", test_batch);
	ADD("out-of-order", test_out_of_order);
	ADD("queues", test_queues);
	ADD("resize", test_resize);
	ADD("reset-in-flight", test_reset_in_flight);
	ADD("park-and-resume", test_park_and_resume);
	ADD("park-and-reset", test_park_and_reset);
	ADD("quiesce-waits", test_quiesce_waits);
	g_test_add_func("/virtio-blk/thread", test_thread);
	return g_test_run();
}
