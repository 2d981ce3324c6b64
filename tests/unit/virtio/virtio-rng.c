/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The entropy device: what it gives, and how much of it.
 */
#include <string.h>

#include "tests/lib/virtio-rig.h"
#include "virtio-backends/devices/devices.h"

#define DATA 0x800000

struct fixture {
	struct vrig rig;
};

static void set_prop(struct dev *d, const char *name, const char *value)
{
	g_autoptr(GError) error = NULL;

	prop_set_text(prop_find(d->ops->props, name), d, value, &error);
	g_assert_no_error(error);
}

static void setup(struct fixture *f, const void *data)
{
	vrig_init(&f->rig);
	set_prop(vrig_new(&f->rig, &virtio_rng_pci_ops), "packed", "on");
}

static void teardown(struct fixture *f, const void *data)
{
	vrig_done(&f->rig);
}

static void ask(struct fixture *f, uint64_t at, uint32_t n)
{
	struct guest_buf buf = {at, n, true};
	g_autofree uint8_t *zero = g_malloc0(n);

	guest_write(f->rig.gmem, at, zero, n);
	g_assert_cmpint(guest_vq_add(&f->rig.vq[0], &buf, 1, 0), >=, 0);
	vrig_publish(&f->rig, 0);
}

static void test_random(struct fixture *f, const void *data)
{
	uint8_t a[1000], b[1000];
	uint32_t len;

	vrig_plug(&f->rig);
	g_assert_cmphex(vrig_cfg_read(&f->rig, PCI_DEVICE_ID, 2), ==, 0x1044);
	for (unsigned packed = 0; packed < 2; packed++) {
		unsigned values = 0;
		bool seen[256] = {0};

		vrig_start(&f->rig, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 1, 8);
		for (unsigned i = 0; i < 2; i++) {
			ask(f, DATA + i * 4096, sizeof(a));
			vrig_wait_used(&f->rig, 0, &len);
			g_assert_cmpuint(len, ==, sizeof(a));
			guest_read(f->rig.gmem, DATA + i * 4096, i ? b : a, sizeof(a));
		}
		g_assert_cmpint(memcmp(a, b, sizeof(a)), !=, 0);
		for (unsigned i = 0; i < sizeof(a); i++) {
			values += !seen[a[i]];
			seen[a[i]] = true;
		}
		/* 1000 bytes miss about 5 of 256 values; 100 missing happen once in more runs than there will be. */
		g_assert_cmpuint(values, >, 156);
	}
}

/* A request is answered with 64 KiB at most, and none breaks the device. */
static void test_sizes(struct fixture *f, const void *data)
{
	struct guest_buf read_only = {DATA, 16, false};
	uint32_t len;

	set_prop(f->rig.dev, "max-bytes", "1G");
	vrig_plug(&f->rig);
	vrig_start(&f->rig, 0, 1, 8);
	ask(f, DATA, 1);
	vrig_wait_used(&f->rig, 0, &len);
	g_assert_cmpuint(len, ==, 1);
	ask(f, DATA, 0x100000);
	vrig_wait_used(&f->rig, 0, &len);
	g_assert_cmpuint(len, ==, 64 * KiB);
	g_assert_cmpint(guest_vq_add(&f->rig.vq[0], &read_only, 1, 0), >=, 0);
	vrig_publish(&f->rig, 0);
	vrig_wait_used(&f->rig, 0, &len);
	g_assert_cmpuint(len, ==, 0);
	g_assert_cmpuint(f->rig.dev->guest_errors, ==, 0);
}

static unsigned taken(struct fixture *f, uint32_t *bytes)
{
	unsigned n = 0;
	uint32_t len;

	vrig_settle(&f->rig);
	while (guest_vq_take(&f->rig.vq[0], &len) >= 0) {
		*bytes += len;
		n++;
	}
	return n;
}

/* So many bytes in a period; the rest waits in the ring, also over a quiesce, and comes by itself. */
static void test_rate(struct fixture *f, const void *data)
{
	int64_t begin = loop_now();
	uint32_t bytes = 0, len;

	set_prop(f->rig.dev, "max-bytes", "100");
	set_prop(f->rig.dev, "period", "300");
	vrig_plug(&f->rig);
	vrig_start(&f->rig, 0, 1, 8);
	for (unsigned i = 0; i < 4; i++)
		ask(f, DATA + i * 4096, 60);
	g_assert_cmpuint(taken(f, &bytes), ==, 2);
	g_assert_cmpuint(bytes, ==, 100);
	vrig_quiesce(&f->rig);
	vrig_resume(&f->rig);
	for (unsigned i = 0; i < 2; i++)
		vrig_wait_used(&f->rig, 0, &len);
	g_assert_cmpint(loop_now() - begin, >=, 300 * NSEC_PER_MSEC);
	/* Reset with the timer armed. */
	for (unsigned i = 0; i < 4; i++)
		ask(f, DATA + i * 4096, 60);
	vrig_settle(&f->rig);
	vrig_start(&f->rig, 0, 1, 8);
}

#define ADD(name, fn) g_test_add("/virtio-rng/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("random", test_random);
	ADD("sizes", test_sizes);
	ADD("rate", test_rate);
	return g_test_run();
}
