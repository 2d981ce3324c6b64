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
	struct rig rig;
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
	rig_init(&f->rig);
	f->next = DATA;
	f->disk = fake_blk_new(f->rig.loop, DISK);
	virtio_blk_set_backend(rig_new(&f->rig, &virtio_blk_pci_ops), &f->disk->blk);
	set_prop(f->rig.dev, "serial", "SER1AL");
	set_prop(f->rig.dev, "packed", "on");
}

static void teardown(struct fixture *f, const void *data)
{
	fake_blk_hold(f->disk, false);
	while (fake_blk_complete(f->disk))
		rig_settle(&f->rig);
	rig_unplug(&f->rig);
	fake_blk_free(f->disk);
	rig_done(&f->rig);
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
	rig_publish(&f->rig, 0);
	g_assert_cmpint(rig_wait_used(&f->rig, 0, &used), ==, r.id);
	g_assert_cmpuint(used, ==, in ? len + 1 : 1);
	if (in && len)
		guest_read(f->rig.gmem, r.data, buf, len);
	f->next = DATA;
	return status_of(f, &r);
}

static void test_read_write(struct fixture *f, const void *data)
{
	uint8_t out[4096], in[4096];

	rig_plug(&f->rig);
	rig_start(&f->rig, VIRTIO_BIT(F_FLUSH), 1, 64);
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7);
	g_assert_cmpuint(run(f, T_OUT, 8, out, sizeof(out), false), ==, S_OK);
	g_assert_cmpint(memcmp(f->disk->data + 8 * 512, out, sizeof(out)), ==, 0);
	g_assert_cmpuint(run(f, T_IN, 8, in, sizeof(in), true), ==, S_OK);
	g_assert_cmpint(memcmp(in, out, sizeof(out)), ==, 0);
	g_assert_cmpuint(rig_msis(&f->rig, 1), ==, 2);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add(
		"/virtio-blk/read-write", struct fixture, NULL, setup, test_read_write, teardown);
	return g_test_run();
}
