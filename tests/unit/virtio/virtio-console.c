/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console device: bytes in both directions, and what happens when one side is slow.
 */
#include <string.h>

#include "tests/lib/fake-chardev.h"
#include "tests/lib/virtio-rig.h"
#include "virtio-backends/devices/devices.h"

#define DATA 0x800000

enum { RX, TX };

struct fixture {
	struct vrig rig;
	struct fake_chardev *chr;
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
	f->chr = fake_chardev_new();
	virtio_console_set_backend(vrig_new(&f->rig, &virtio_console_pci_ops), &f->chr->chr);
	set_prop(f->rig.dev, "packed", "on");
	vrig_plug(&f->rig);
}

static void teardown(struct fixture *f, const void *data)
{
	vrig_unplug(&f->rig);
	fake_chardev_free(f->chr);
	vrig_done(&f->rig);
}

static int write_text(struct fixture *f, uint64_t at, const char *text)
{
	struct guest_buf buf = {at, (uint32_t)strlen(text), false};
	int id;

	guest_write(f->rig.gmem, at, text, strlen(text));
	id = guest_vq_add(&f->rig.vq[TX], &buf, 1, 0);
	g_assert_cmpint(id, >=, 0);
	vrig_publish(&f->rig, TX);
	return id;
}

static void check_output(struct fixture *f, const char *want)
{
	g_autofree char *got = fake_chardev_take(f->chr);

	g_assert_cmpstr(got, ==, want);
}

static void test_output(struct fixture *f, const void *data)
{
	g_autofree char *large = g_strnfill(200000, 'x');
	uint32_t len;

	g_assert_cmphex(vrig_cfg_read(&f->rig, PCI_DEVICE_ID, 2), ==, 0x1043);
	g_assert_cmphex(vrig_features(&f->rig) & 0xffffff, ==, 0);
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 2, 16);
		for (unsigned i = 0; i < 20; i++) {
			write_text(f, DATA, "Hello, ");
			write_text(f, DATA + 64, "world\n");
			for (unsigned k = 0; k < 2; k++) {
				vrig_wait_used(&f->rig, TX, &len);
				g_assert_cmpuint(len, ==, 0);
			}
			check_output(f, "Hello, world\n");
		}
		/* More than one round writes. */
		write_text(f, DATA, large);
		vrig_wait_used(&f->rig, TX, &len);
		check_output(f, large);
	}
}

/* The stream is slow: the chain waits, and goes on where it stopped, also over a quiesce; a reset forgets. */
static void test_output_blocked(struct fixture *f, const void *data)
{
	uint32_t len;

	vrig_start(&f->rig, 0, 2, 16);
	fake_chardev_set_room(f->chr, 3);
	write_text(f, DATA, "abcdefgh");
	write_text(f, DATA + 64, "ijkl");
	vrig_settle(&f->rig);
	check_output(f, "abc");
	g_assert_cmpint(guest_vq_take(&f->rig.vq[TX], &len), ==, -1);
	vrig_quiesce(&f->rig);
	g_assert_cmpuint(vq_in_flight(f->rig.vp->vdev.queues[TX].vq), ==, 0);
	vrig_resume(&f->rig);
	check_output(f, "");
	fake_chardev_set_room(f->chr, 4);
	vrig_settle(&f->rig);
	check_output(f, "defg");
	g_assert_cmpint(guest_vq_take(&f->rig.vq[TX], &len), ==, -1);
	fake_chardev_set_room(f->chr, 100);
	vrig_wait_used(&f->rig, TX, &len);
	vrig_wait_used(&f->rig, TX, &len);
	check_output(f, "hijkl");

	fake_chardev_set_room(f->chr, 2);
	write_text(f, DATA, "lost");
	vrig_settle(&f->rig);
	check_output(f, "lo");
	vrig_start(&f->rig, 0, 2, 16);
	fake_chardev_set_room(f->chr, 100);
	write_text(f, DATA, "new");
	vrig_wait_used(&f->rig, TX, &len);
	check_output(f, "new");
}

static void give(struct fixture *f, unsigned slot, uint32_t n)
{
	struct guest_buf buf = {DATA + slot * 4096, n, true};

	g_assert_cmpint(guest_vq_add(&f->rig.vq[RX], &buf, 1, 0), >=, 0);
	vrig_publish(&f->rig, RX);
}

static void check_input(struct fixture *f, unsigned slot, const char *want)
{
	char got[64];
	uint32_t len;

	vrig_wait_used(&f->rig, RX, &len);
	g_assert_cmpuint(len, ==, strlen(want));
	guest_read(f->rig.gmem, DATA + slot * 4096, got, len);
	g_assert_cmpmem(got, len, want, strlen(want));
}

static void test_input(struct fixture *f, const void *data)
{
	uint32_t len;

	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 2, 16);
		give(f, 0, 16);
		fake_chardev_input(f->chr, "hi", 2);
		check_input(f, 0, "hi");
		/* No buffer: it waits. Small buffers: it is cut. */
		fake_chardev_input(f->chr, "0123456789", 10);
		vrig_settle(&f->rig);
		g_assert_cmpint(guest_vq_take(&f->rig.vq[RX], &len), ==, -1);
		for (unsigned i = 0; i < 4; i++)
			give(f, i, 3);
		check_input(f, 0, "012");
		check_input(f, 1, "345");
		check_input(f, 2, "678");
		check_input(f, 3, "9");
		/* Buffers of no use come back empty. */
		give(f, 0, 0);
		fake_chardev_input(f->chr, "x", 1);
		vrig_wait_used(&f->rig, RX, &len);
		g_assert_cmpuint(len, ==, 0);
		give(f, 0, 8);
		check_input(f, 0, "x");
		/* A buffer in hand is put back by a quiesce. */
		give(f, 1, 8);
		vrig_quiesce(&f->rig);
		g_assert_cmpuint(vq_in_flight(f->rig.vp->vdev.queues[RX].vq), ==, 0);
		fake_chardev_input(f->chr, "later", 5);
		g_assert_cmpint(guest_vq_take(&f->rig.vq[RX], &len), ==, -1);
		vrig_resume(&f->rig);
		check_input(f, 1, "later");
	}
}

/* Input that comes when nobody drives the device, and the driver that then starts. */
static void test_input_early(struct fixture *f, const void *data)
{
	fake_chardev_input(f->chr, "early", 5);
	vrig_settle(&f->rig);
	vrig_start(&f->rig, 0, 2, 16);
	give(f, 0, 16);
	check_input(f, 0, "early");
}

static void test_nobody(void)
{
	struct fixture f = {0};
	uint32_t len;

	vrig_init(&f.rig);
	vrig_new(&f.rig, &virtio_console_pci_ops);
	vrig_plug(&f.rig);
	vrig_start(&f.rig, 0, 2, 16);
	give(&f, 0, 16);
	write_text(&f, DATA + 0x10000, "dropped");
	vrig_wait_used(&f.rig, TX, &len);
	g_assert_cmpint(guest_vq_take(&f.rig.vq[RX], &len), ==, -1);
	vrig_done(&f.rig);
}

static void test_busy(struct fixture *f, const void *data)
{
	g_autoptr(GError) error = NULL;
	struct dev *d = dev_new(f->rig.bus, &virtio_console_pci_ops, "second");

	container_of(d, struct virtio_pci, pci.dev)->pci.bus = f->rig.pci;
	virtio_console_set_backend(d, &f->chr->chr);
	g_assert_false(dev_realize(d, &error));
	g_assert_nonnull(strstr(error->message, "second"));
	g_assert_nonnull(f->chr->chr.front);
}

/* How much of a chain is out already is saved. */
static void test_save_load(void)
{
	g_autoptr(GByteArray) state = g_byte_array_new();
	g_autoptr(GError) error = NULL;
	struct fixture a = {0}, b = {0};
	uint32_t len;

	setup(&a, NULL);
	setup(&b, NULL);
	vrig_start(&a.rig, 0, 2, 16);
	fake_chardev_set_room(a.chr, 3);
	write_text(&a, DATA, "abcdefgh");
	vrig_settle(&a.rig);
	vrig_quiesce(&a.rig);
	vrig_quiesce(&b.rig);
	bus_save(a.rig.bus, state);
	gmem_block_load(b.rig.ram, 0, gmem_block_hva(a.rig.ram), VRIG_RAM);
	g_assert_true(bus_load(b.rig.bus, state->data, state->len, &error));
	g_assert_no_error(error);
	memcpy(b.rig.vq, a.rig.vq, sizeof(b.rig.vq));
	for (unsigned i = 0; i < VRIG_QUEUES; i++)
		b.rig.vq[i].gmem = b.rig.gmem;
	vrig_resume(&b.rig);
	vrig_wait_used(&b.rig, TX, &len);
	check_output(&b, "defgh");
	vrig_resume(&a.rig);
	teardown(&a, NULL);
	teardown(&b, NULL);
}

#define ADD(name, fn) g_test_add("/virtio-console/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("output", test_output);
	ADD("output-blocked", test_output_blocked);
	ADD("input", test_input);
	ADD("input-early", test_input_early);
	g_test_add_func("/virtio-console/nobody", test_nobody);
	ADD("busy", test_busy);
	g_test_add_func("/virtio-console/save-load", test_save_load);
	return g_test_run();
}
