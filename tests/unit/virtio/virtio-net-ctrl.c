/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network device's control queue, its filter, the link, pairs, quiesce and saved state.
 */
#include <string.h>

#include "tests/unit/virtio/net-rig.h"

/* ---- the filter ---- */

static void start_filtered(struct fixture *f)
{
	vrig_plug(&f->rig);
	vrig_start(&f->rig, CTRL_FEATURES, 3, 64);
	for (unsigned i = 0; i < 60; i++)
		give_buffer(f, RX, 0, 2048);
	g_assert_cmpuint(ctrl_byte(f, 0, 0, 0), ==, OK); /* not promiscuous */
}

static const uint8_t other[6] = {2, 0, 0, 0, 0, 9};
static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};

static void test_filter_modes(struct fixture *f, const void *data)
{
	start_filtered(f);
	g_assert_true(delivered(f, mac));
	g_assert_true(delivered(f, broadcast));
	g_assert_false(delivered(f, other));
	g_assert_false(delivered(f, group));
	g_assert_cmpuint(ctrl_byte(f, 0, 1, 1), ==, OK); /* allmulti */
	g_assert_true(delivered(f, group));
	g_assert_false(delivered(f, other));
	g_assert_cmpuint(ctrl_byte(f, 0, 3, 1), ==, OK); /* nomulti */
	g_assert_false(delivered(f, group));
	g_assert_cmpuint(ctrl_byte(f, 0, 2, 1), ==, OK); /* alluni */
	g_assert_true(delivered(f, other));
	g_assert_cmpuint(ctrl_byte(f, 0, 4, 1), ==, OK); /* nouni */
	g_assert_false(delivered(f, other));
	g_assert_false(delivered(f, mac));
	g_assert_cmpuint(ctrl_byte(f, 0, 5, 1), ==, OK); /* nobcast */
	g_assert_false(delivered(f, broadcast));
	g_assert_cmpuint(ctrl_byte(f, 0, 0, 1), ==, OK); /* promiscuous */
	g_assert_true(delivered(f, other));
	g_assert_true(delivered(f, group));
	g_assert_true(delivered(f, broadcast));
	/* Malformed or unknown. */
	g_assert_cmpuint(ctrl(f, 0, 0, "\1\1", 2), ==, ERR);
	g_assert_cmpuint(ctrl(f, 0, 0, "", 0), ==, ERR);
	g_assert_cmpuint(ctrl_byte(f, 0, 6, 1), ==, ERR);
	g_assert_cmpuint(ctrl_byte(f, 9, 0, 1), ==, ERR);
	g_assert_cmpuint(ctrl_byte(f, 4, 0, 1), ==, ERR);
}

/* Commands of features that the driver has not taken. */
static void test_unnegotiated_commands(struct fixture *f, const void *data)
{
	static const uint8_t commands[][2] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5},
		{1, 0}, {1, 1}, {2, 0}, {2, 1}, {4, 0}, {5, 0}};
	uint8_t zero[8] = {0};
	static const uint8_t sizes[] = {1, 1, 1, 1, 1, 1, 8, 6, 2, 2, 2, 8};

	vrig_plug(&f->rig);
	vrig_start(&f->rig, BIT(F_CTRL_VQ), 3, 16);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		g_assert_cmpuint(ctrl(f, commands[i][0], commands[i][1], zero, sizes[i]), ==, ERR);
	/* Without a control queue, queue 2 is not read. */
	vrig_start(&f->rig, 0, 3, 16);

	struct guest_buf buf = {DATA, 16, true};
	uint32_t len;

	g_assert_cmpint(guest_vq_add(&f->rig.vq[CTRL], &buf, 1, 0), >=, 0);
	vrig_publish(&f->rig, CTRL);
	vrig_settle(&f->rig);
	g_assert_cmpint(guest_vq_take(&f->rig.vq[CTRL], &len), ==, -1);
}

static void put_table(GByteArray *a, unsigned n, uint8_t first)
{
	uint32_t count = n;

	g_byte_array_append(a, (uint8_t *)&count, 4);
	for (unsigned i = 0; i < n; i++) {
		uint8_t addr[6] = {first, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};

		g_byte_array_append(a, addr, 6);
	}
}

static uint8_t set_tables(struct fixture *f, unsigned n_uni, unsigned n_multi)
{
	g_autoptr(GByteArray) a = g_byte_array_new();

	put_table(a, n_uni, 2);
	put_table(a, n_multi, 3);
	return ctrl(f, 1, 0, a->data, a->len);
}

static void test_mac_table(struct fixture *f, const void *data)
{
	static const uint8_t uni3[6] = {2, 0, 0, 0, 0, 3}, multi3[6] = {3, 0, 0, 0, 0, 3};

	start_filtered(f);
	g_assert_cmpuint(set_tables(f, 3, 3), ==, OK);
	g_assert_false(delivered(f, uni3));
	g_assert_false(delivered(f, multi3));
	g_assert_cmpuint(set_tables(f, 4, 4), ==, OK);
	g_assert_true(delivered(f, uni3));
	g_assert_true(delivered(f, multi3));
	g_assert_true(delivered(f, mac));
	g_assert_cmpuint(set_tables(f, 0, 0), ==, OK);
	g_assert_false(delivered(f, uni3));
	g_assert_false(delivered(f, multi3));
	/* More than there is room for counts as all. */
	g_assert_cmpuint(set_tables(f, 65, 1), ==, OK);
	g_assert_true(delivered(f, other));
	g_assert_false(delivered(f, multi3));
	g_assert_cmpuint(set_tables(f, 1, 64), ==, OK);
	g_assert_false(delivered(f, other));
	g_assert_true(delivered(f, group));
	g_assert_cmpuint(set_tables(f, 32, 32), ==, OK);
	g_assert_false(delivered(f, group));
	/* Counts that lie change nothing. */
	static const uint8_t lies[][16] = {{2, 0, 0, 0, 2, 0, 0, 0, 0, 3}, {0xff, 0xff, 0xff, 0xff},
		{0, 0, 0, 0, 1, 0, 0, 0}, {0, 0, 0, 0, 0}};
	static const uint8_t lengths[] = {10, 16, 8, 5};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++)
		g_assert_cmpuint(ctrl(f, 1, 0, lies[i], lengths[i]), ==, ERR);
	g_assert_true(delivered(f, uni3));
}

static void test_mac_address(struct fixture *f, const void *data)
{
	start_filtered(f);
	g_assert_false(delivered(f, other));
	g_assert_cmpuint(ctrl(f, 1, 1, other, 6), ==, OK);
	g_assert_true(delivered(f, other));
	g_assert_false(delivered(f, mac));
	g_assert_cmphex(vrig_read(&f->rig, f->rig.config + 4, 2), ==, 0x0900);
	g_assert_cmpuint(ctrl(f, 1, 1, other, 5), ==, ERR);
	/* A reset gives the station its own address again. */
	vrig_start(&f->rig, 0, 2, 16);
	g_assert_cmphex(vrig_read(&f->rig, f->rig.config + 4, 2), ==, 0x5634);
	/* Writing the configuration does not. */
	vrig_write(&f->rig, f->rig.config, 4, 0);
	g_assert_cmphex(vrig_read(&f->rig, f->rig.config, 4), ==, 0x12005452);
}

static bool delivered_vlan(struct fixture *f, uint16_t vid)
{
	uint8_t frame[HDR + 64] = {0};

	memcpy(frame + HDR, mac, 6);
	memcpy(frame + HDR + 12, (uint8_t[]){0x81, 0, (uint8_t)(vid >> 8), (uint8_t)vid}, 4);
	fake_net_inject(f->net, 0, frame, sizeof(frame));
	return !nothing_received(f, RX);
}

static void test_vlan(struct fixture *f, const void *data)
{
	start_filtered(f);
	g_assert_false(delivered_vlan(f, 5));
	g_assert_cmpuint(ctrl(f, 2, 0, "\5\0", 2), ==, OK);
	g_assert_true(delivered_vlan(f, 5));
	g_assert_true(delivered_vlan(f, 0xe005)); /* priority bits are no part of the number */
	g_assert_false(delivered_vlan(f, 6));
	g_assert_cmpuint(ctrl(f, 2, 0, "\xff\x0f", 2), ==, OK);
	g_assert_true(delivered_vlan(f, 4095));
	g_assert_cmpuint(ctrl(f, 2, 1, "\5\0", 2), ==, OK);
	g_assert_false(delivered_vlan(f, 5));
	g_assert_cmpuint(ctrl(f, 2, 0, "\0\x10", 2), ==, ERR);
	g_assert_cmpuint(ctrl(f, 2, 0, "\0", 1), ==, ERR);
	/* Who does not take the feature gets every VLAN. */
	vrig_start(&f->rig, BIT(F_CTRL_VQ) | BIT(F_CTRL_RX), 3, 16);
	give_buffer(f, RX, 0, 2048);
	g_assert_cmpuint(ctrl_byte(f, 0, 0, 0), ==, OK);
	g_assert_true(delivered_vlan(f, 77));
}

static void test_ctrl_malformed(struct fixture *f, const void *data)
{
	static const struct guest_buf bad[][2] = {{{DATA, 1, false}, {DATA + 64, 1, true}},
		{{DATA, 2, false}, {DATA + 64, 0, true}}, {{DATA, 0, false}, {DATA + 64, 8, true}}};

	vrig_plug(&f->rig);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		vrig_start(&f->rig, CTRL_FEATURES, 3, 16);
		g_assert_cmpint(guest_vq_add(&f->rig.vq[CTRL], bad[i], 2, 0), >=, 0);
		vrig_publish(&f->rig, CTRL);
		vrig_settle(&f->rig);
		g_assert_cmphex(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
	}
}

/* ---- link ---- */

static void test_link(struct fixture *f, const void *data)
{
	struct header h = {0};
	uint8_t frame[60] = {0};

	vrig_plug(&f->rig);
	vrig_start(&f->rig, BIT(F_STATUS), 2, 16);
	give_buffer(f, RX, 0, 2048);
	g_assert_true(delivered(f, mac));
	vrig_msis(&f->rig, -1);
	net_set_link(&f->net->net, false);
	g_assert_cmpuint(vrig_msis(&f->rig, 0), ==, 1);
	g_assert_cmpuint(vrig_read(&f->rig, f->rig.config + CFG_STATUS, 2), ==, 0);
	give_buffer(f, RX, 0, 2048);
	g_assert_false(delivered(f, mac));
	send_frame(f, &h, frame, sizeof(frame));
	g_assert_null(sent(f));
	net_set_link(&f->net->net, true);
	g_assert_cmpuint(vrig_msis(&f->rig, 0), ==, 1);
	g_assert_true(delivered(f, mac));
	send_frame(f, &h, frame, sizeof(frame));

	g_autoptr(GBytes) out = sent(f);

	g_assert_nonnull(out);
}

/* ---- pairs ---- */

static void test_pairs(struct fixture *f, const void *data)
{
	uint32_t len;

	set_prop(f->rig.dev, "num-queue-pairs", "2");
	vrig_plug(&f->rig);
	g_assert_true(
		vrig_negotiate(&f->rig, BIT(VIRTIO_F_VERSION_1) | BIT(F_CTRL_VQ) | BIT(F_MQ)));
	vrig_msix(&f->rig);
	for (unsigned i = 0; i < 5; i++)
		vrig_queue(&f->rig, i, 16);
	vrig_driver_ok(&f->rig);
	vrig_settle(&f->rig);
	give_buffer(f, 0, 0, 2048);
	give_buffer(f, 2, 2, 2048);
	/* One pair until the driver says more. */
	inject(f, 1, mac, 100);
	g_assert_true(nothing_received(f, 2));

	struct guest_buf bufs[] = {{DATA + 0x700000, 4, false}, {DATA + 0x700100, 1, true}};
	static const struct {
		uint8_t pairs, ack;
	} sets[] = {{0, ERR}, {3, ERR}, {2, OK}};

	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
		uint8_t cmd[4] = {4, 0, sets[i].pairs, 0}, ack;

		guest_write(f->rig.gmem, bufs[0].gpa, cmd, 4);
		g_assert_cmpint(guest_vq_add(&f->rig.vq[4], bufs, 2, 0), >=, 0);
		vrig_publish(&f->rig, 4);
		vrig_wait_used(&f->rig, 4, NULL);
		guest_read(f->rig.gmem, bufs[1].gpa, &ack, 1);
		g_assert_cmpuint(ack, ==, sets[i].ack);
	}
	vrig_wait_used(&f->rig, 2, &len);
	check_received(f, 2, mac, 100);
	inject(f, 0, mac, 200);
	vrig_wait_used(&f->rig, 0, &len);
	check_received(f, 0, mac, 200);
	/* Without MQ the control queue is queue 2, whatever the device could do. */
	vrig_start(&f->rig, CTRL_FEATURES, 3, 16);
	g_assert_cmpuint(ctrl_byte(f, 0, 0, 0), ==, OK);
}

/* ---- quiesce and state ---- */

static void test_quiesce(struct fixture *f, const void *data)
{
	uint32_t len;

	vrig_plug(&f->rig);
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig,
			BIT(F_MRG_RXBUF) | CTRL_FEATURES | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0),
			3, 64);
		give_mergeable(f, 50, 1524);
		vrig_settle(&f->rig);
		for (unsigned i = 0; i < 10; i++) {
			uint8_t got[2048];
			size_t n;

			/* The window of popped buffers is put back, and frames that come meanwhile wait outside. */
			vrig_quiesce(&f->rig);
			g_assert_cmpuint(vq_in_flight(f->rig.vp->vdev.queues[RX].vq), ==, 0);
			inject(f, 0, mac, 100 + i);
			vrig_settle(&f->rig);
			g_assert_cmpint(guest_vq_take(&f->rig.vq[RX], &len), ==, -1);
			vrig_resume(&f->rig);
			g_assert_cmpuint(take_merged(f, got, &n), ==, 1);
			g_assert_cmpuint(n, ==, HDR + 100 + i);
			give_mergeable(f, 1, 1524);
		}
	}
}

static void test_save_load(void)
{
	g_autoptr(GByteArray) state = g_byte_array_new();
	g_autoptr(GError) error = NULL;
	struct fixture a = {0}, b = {0};
	uint32_t len;

	setup(&a, NULL);
	setup(&b, NULL);
	start_filtered(&a);
	g_assert_cmpuint(ctrl(&a, 1, 1, other, 6), ==, OK);
	g_assert_cmpuint(ctrl(&a, 2, 0, "\5\0", 2), ==, OK);
	vrig_plug(&b.rig);
	vrig_quiesce(&a.rig);
	vrig_quiesce(&b.rig);
	bus_save(a.rig.bus, state);
	gmem_block_load(b.rig.ram, 0, gmem_block_hva(a.rig.ram), VRIG_RAM);
	net_set_link(&b.net->net, false);
	g_assert_true(bus_load(b.rig.bus, state->data, state->len, &error));
	g_assert_no_error(error);
	memcpy(b.rig.vq, a.rig.vq, sizeof(b.rig.vq));
	for (unsigned i = 0; i < VRIG_QUEUES; i++)
		b.rig.vq[i].gmem = b.rig.gmem;
	vrig_resume(&b.rig);
	/* The link is what it is here; addresses and VLANs came along. */
	g_assert_cmpuint(vrig_read(&b.rig, b.rig.config + CFG_STATUS, 2), ==, 0);
	net_set_link(&b.net->net, true);
	vrig_settle(&b.rig);
	g_assert_false(delivered(&b, mac));
	g_assert_true(delivered(&b, other));
	g_assert_false(delivered(&b, group));
	inject(&b, 0, other, 60);
	vrig_wait_used(&b.rig, RX, &len);
	vrig_resume(&a.rig);
	teardown(&a, NULL);
	teardown(&b, NULL);
}

static void test_thread(void)
{
	g_autoptr(GError) error = NULL;
	struct fixture f = {0};
	struct loop *io = loop_new("io", &error);

	g_assert_no_error(error);
	setup(&f, NULL);
	f.rig.vp->loop = io;
	vrig_plug(&f.rig);
	g_assert_true(loop_thread_start(io, &error));
	for (unsigned round = 0; round < 6; round++) {
		struct header h = {0};
		uint8_t frame[60] = {0};

		vrig_start(
			&f.rig, CTRL_FEATURES | (round % 2 ? BIT(VIRTIO_F_RING_PACKED) : 0), 3, 64);
		for (unsigned i = 0; i < 50; i++) {
			give_buffer(&f, RX, 0, 2048);
			send_frame(&f, &h, frame, sizeof(frame));
			if (i % 10 == 0)
				g_assert_cmpuint(ctrl_byte(&f, 0, 0, i % 20 == 0), ==, OK);
			if (i % 10 == 5)
				net_set_link(&f.net->net, i % 20 == 5);
		}
		if (round % 3 == 0) {
			vrig_quiesce(&f.rig);
			vrig_resume(&f.rig);
		} else if (round % 3 == 1) {
			vrig_system_reset(&f.rig);
		}
	}
	vrig_unplug(&f.rig);
	loop_thread_join(io);
	loop_free(io);
	fake_net_free(f.net);
	vrig_done(&f.rig);
}

#define ADD(name, fn) g_test_add("/virtio-net/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("filter-modes", test_filter_modes);
	ADD("unnegotiated-commands", test_unnegotiated_commands);
	ADD("mac-table", test_mac_table);
	ADD("mac-address", test_mac_address);
	ADD("vlan", test_vlan);
	ADD("ctrl-malformed", test_ctrl_malformed);
	ADD("link", test_link);
	ADD("pairs", test_pairs);
	ADD("quiesce", test_quiesce);
	g_test_add_func("/virtio-net/save-load", test_save_load);
	g_test_add_func("/virtio-net/thread", test_thread);
	return g_test_run();
}
