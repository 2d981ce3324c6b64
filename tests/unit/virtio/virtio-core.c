/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device core at work: requests by every kind of ring and interrupt, reset, failure, quiesce, saved state, threads.
 */
#include <string.h>

#include "tests/unit/virtio/echo.h"

/* ---- requests, by every kind of ring and interrupt ---- */

struct way {
	bool packed, event_idx, indirect, msix, ioeventfd;
};

static void run_way(struct fixture *f, const struct way *w)
{
	struct vrig *r = &f->rig;
	uint64_t features = (w->packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0) |
			    (w->event_idx ? VIRTIO_BIT(VIRTIO_F_EVENT_IDX) : 0) |
			    (w->indirect ? VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) : 0) |
			    VIRTIO_BIT(VIRTIO_F_VERSION_1);

	g_assert_true(vrig_negotiate(r, features));
	if (w->msix)
		vrig_msix(r);
	else
		vrig_cfg_write(r, r->vp->pci.msix_cap + 2, 2, 0);
	vrig_queue(r, 0, 8);
	vrig_queue(r, 1, 16);
	vrig_driver_ok(r);
	vrig_settle(r);
	vrig_msis(r, -1);
	for (unsigned round = 0; round < 40; round++) {
		unsigned q = round % 2, n = 1 + round % 3;

		g_assert_false(guest_vq_enable_interrupts(&r->vq[q]));
		for (unsigned i = 0; i < n; i++)
			g_assert_cmpint(add_echo(r, q, DATA + i * 512, 16 + i,
						w->indirect ? 0xa00000 + i * 64 : 0),
				>=, 0);
		vrig_publish(r, q);
		for (unsigned i = 0; i < n; i++) {
			vrig_wait_used(r, q, NULL);
			check_echo(r, DATA + i * 512, 16 + i);
		}
		/* One interrupt for the batch, through the right vector. */
		if (w->msix) {
			g_assert_cmpuint(vrig_msis(r, (int)q + 1), ==, 1);
		} else {
			g_assert_cmphex(r->intx, !=, 0);
			g_assert_cmphex(vrig_read(r, r->isr, 1), ==, 1);
			g_assert_cmphex(r->intx, ==, 0);
		}
	}
	/* And none that was not asked for. */
	guest_vq_disable_interrupts(&r->vq[0]);
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_wait_used(r, 0, NULL);
	vrig_settle(r);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	g_assert_cmphex(r->intx, ==, 0);
	g_assert_cmpuint(r->dev->guest_errors, ==, 0);
}

static void test_requests(void)
{
	for (unsigned i = 0; i < 32; i++) {
		struct way w = {i & 1, i & 2, i & 4, i & 8, i & 16};
		struct fixture f = {0};

		vrig_init(&f.rig);
		f.rig.accel->no_ioeventfd = !w.ioeventfd;
		f.echo = container_of(vrig_new(&f.rig, &echo_dev_ops), struct echo, vp.pci.dev);
		vrig_plug(&f.rig);
		run_way(&f, &w);
		vrig_done(&f.rig);
	}
}

/* An indirect descriptor without negotiation breaks the device: the feature bit is real. */
static void test_indirect_unnegotiated(struct fixture *f, const void *data)
{
	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(&f->rig, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 1, 4);
		add_echo(&f->rig, 0, DATA, 16, 0xa00000);
		vrig_publish(&f->rig, 0);
		vrig_settle(&f->rig);
		g_assert_cmphex(vrig_status(&f->rig) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
		g_assert_cmpuint(f->rig.dev->guest_errors, ==, packed + 1);
	}
}

/* A vector that does not exist reads back as none; a masked one waits. */
static void test_vectors(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	vrig_start(r, 0, 1, 4);
	vrig_set_common(r, VRIG_CONFIG_VECTOR, 2, 3);
	g_assert_cmphex(vrig_common(r, VRIG_CONFIG_VECTOR, 2), ==, VIRTIO_NO_VECTOR);
	vrig_set_common(r, VRIG_CONFIG_VECTOR, 2, 2);
	g_assert_cmphex(vrig_common(r, VRIG_CONFIG_VECTOR, 2), ==, 2);
	vrig_set_common(r, VRIG_QUEUE_SELECT, 2, 0);
	vrig_set_common(r, VRIG_QUEUE_VECTOR, 2, 0x1000);
	g_assert_cmphex(vrig_common(r, VRIG_QUEUE_VECTOR, 2), ==, VIRTIO_NO_VECTOR);
	vrig_msis(r, -1);
	echo_once(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	g_assert_cmphex(r->intx, ==, 0);
	vrig_set_common(r, VRIG_QUEUE_VECTOR, 2, 2);
	vrig_write(r, VRIG_BAR1 + 2 * 16 + 12, 4, 1);
	echo_once(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	vrig_write(r, VRIG_BAR1 + 2 * 16 + 12, 4, 0);
	g_assert_cmpuint(vrig_msis(r, 2), ==, 1);
}

/* Doorbells before DRIVER_OK are not lost: what is available at start is found. */
static void test_kick_before_start(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	g_assert_true(vrig_negotiate(r, VIRTIO_BIT(VIRTIO_F_VERSION_1)));
	vrig_queue(r, 0, 4);
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(f->echo->handled, ==, 0);
	vrig_driver_ok(r);
	vrig_wait_used(r, 0, NULL);
	check_echo(r, DATA, 16);
}

static void refill(struct echo *e)
{
	struct vrig *r = e->opaque;
	uint32_t len;

	vq_notify(e->vp.vdev.queues[0].vq);
	if (guest_vq_take(&r->vq[0], &len) >= 0)
		add_echo(r, 0, DATA, 16, 0);
	guest_vq_publish(&r->vq[0]);
}

/* A driver that makes a buffer available for each one it gets back does not keep the loop: others have their turn. */
static void test_no_starvation(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	vrig_start(r, 0, 1, 8);
	f->echo->on_request = refill;
	f->echo->opaque = r;
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	for (unsigned i = 1; i <= 10; i++) {
		loop_iterate(r->loop, 1000);
		/* A round by the doorbell, and one that it has posted. */
		g_assert_cmpuint(f->echo->handled, <=, 16 * i);
		g_assert_cmpuint(f->echo->handled, >, 4 * (i - 1));
	}
	f->echo->on_request = NULL;
}

/* A device that stops by itself hears no doorbell until it schedules itself. */
static void test_stop_early(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	f->echo->stop_early = true;
	vrig_start(r, 0, 1, 8);
	g_assert_cmpuint(f->echo->kicks, ==, 1);
	add_echo(r, 0, DATA, 16, 0);
	g_assert_false(guest_vq_publish(&r->vq[0]));
	vrig_settle(r);
	g_assert_cmpuint(f->echo->handled, ==, 0);
	f->echo->stop_early = false;
	vqueue_schedule(&f->echo->vp.vdev.queues[0]);
	vrig_wait_used(r, 0, NULL);
	add_echo(r, 0, DATA, 16, 0);
	g_assert_true(guest_vq_publish(&r->vq[0]));
	vrig_kick(r, 0);
	vrig_wait_used(r, 0, NULL);
}

/* ---- reset ---- */

static void test_reset_in_flight(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	uint8_t byte;
	uint32_t len;

	f->echo->hold = true;
	vrig_start(r, 0, 1, 8);
	for (unsigned i = 0; i < 3; i++)
		add_echo(r, 0, DATA + i * 512, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(f->echo->n_held, ==, 3);
	vrig_set_status(r, 0);
	vrig_settle(r);
	/* Section 2.4.1: the reset is not over before the device has let go of the buffers. */
	g_assert_cmphex(vrig_status(r), !=, 0);
	release_one(f->echo);
	release_one(f->echo);
	vrig_settle(r);
	g_assert_cmphex(vrig_status(r), !=, 0);
	release_one(f->echo);
	vrig_settle(r);
	g_assert_cmphex(vrig_status(r), ==, 0);
	/* Not a byte came back after the reset had begun. */
	g_assert_cmpint(guest_vq_take(&r->vq[0], &len), ==, -1);
	guest_read(r->gmem, DATA + 256, &byte, 1);
	g_assert_cmphex(byte, ==, 0xcc);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	f->echo->hold = false;
	vrig_start(r, 0, 1, 8);
	echo_once(r, 0);
}

/* A driver that does not wait for the end of the reset: it starts when the old requests are gone. */
static void test_reset_without_waiting(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	f->echo->hold = true;
	vrig_start(r, 0, 1, 8);
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	vrig_set_status(r, 0);
	vrig_set_status(r, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	vrig_set_common(r, VRIG_DRIVER_FEATURE_SELECT, 4, 1);
	vrig_set_common(r, VRIG_DRIVER_FEATURE, 4, 1);
	vrig_set_status(r, 0xb);
	g_assert_cmphex(vrig_status(r), ==, 0xb);
	vrig_queue(r, 0, 8);
	f->echo->hold = false;
	add_echo(r, 0, DATA + 512, 16, 0);
	vrig_publish(r, 0);
	vrig_driver_ok(r);
	vrig_kick(r, 0);
	vrig_settle(r);
	g_assert_cmpuint(f->echo->starts, ==, 1);
	g_assert_cmpuint(f->echo->handled, ==, 1);
	release_one(f->echo);
	vrig_wait_used(r, 0, NULL);
	check_echo(r, DATA + 512, 16);
	g_assert_cmpuint(f->echo->starts, ==, 2);
	g_assert_cmphex(vrig_status(r), ==, 0xf);
}

static void test_system_reset(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	vrig_start(r, 0, 2, 8);
	echo_once(r, 0);
	vrig_system_reset(r);
	g_assert_cmphex(vrig_status(r), ==, 0);
	g_assert_cmpuint(vrig_cfg_read(r, r->vp->pci.msix_cap + 2, 2) & 0x8000, ==, 0);
	vrig_start(r, VIRTIO_BIT(VIRTIO_F_RING_PACKED), 2, 8);
	echo_once(r, 1);
	/* With parked requests in it, too. */
	f->echo->hold = f->echo->park = true;
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	vrig_system_reset(r);
	g_assert_cmphex(vrig_status(r), !=, 0);
	release_one(f->echo);
	vrig_settle(r);
	g_assert_cmphex(vrig_status(r), ==, 0);
	f->echo->hold = f->echo->park = false;
	vrig_start(r, 0, 2, 8);
	echo_once(r, 0);
}

/* ---- broken ---- */

static void test_broken(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	uint32_t len;

	vrig_start(r, 0, 2, 4);
	vrig_msis(r, -1);
	guest_write16(r->gmem, r->vq[0].driver + 2, 100);
	vrig_kick(r, 0);
	check_broken(f);
	g_assert_cmpuint(vrig_msis(r, 0), ==, 1);
	/* All queues are dead, and once is enough. */
	add_echo(r, 1, DATA, 16, 0);
	vrig_publish(r, 1);
	vrig_kick(r, 1);
	vrig_settle(r);
	g_assert_cmpint(guest_vq_take(&r->vq[1], &len), ==, -1);
	g_assert_cmpuint(f->echo->handled, ==, 0);
	vdev_fail(&f->echo->vp.vdev, "again");
	check_broken(f);
	g_assert_cmpuint(vrig_msis(r, -1), ==, 0);
	/* It can be quiesced and resumed, and stays broken, until reset. */
	vrig_quiesce(r);
	vrig_resume(r);
	check_broken(f);
	vrig_start(r, 0, 2, 4);
	g_assert_cmphex(vrig_status(r), ==, 0xf);
	echo_once(r, 1);
}

/* ---- bus mastering ---- */

static void test_bus_master(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	uint32_t len;

	/* Nothing starts without. */
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM);
	g_assert_true(vrig_negotiate(r, VIRTIO_BIT(VIRTIO_F_VERSION_1)));
	vrig_queue(r, 0, 8);
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_driver_ok(r);
	vrig_settle(r);
	g_assert_cmpint(guest_vq_take(&r->vq[0], &len), ==, -1);
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
	vrig_wait_used(r, 0, NULL);
	/* Taken away, nothing is written any more. */
	f->echo->hold = true;
	add_echo(r, 0, DATA, 16, 0);
	vrig_publish(r, 0);
	vrig_settle(r);
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM);
	release_one(f->echo);
	vrig_settle(r);
	g_assert_cmpint(guest_vq_take(&r->vq[0], &len), ==, -1);
	vrig_cfg_write(r, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
	vrig_kick(r, 0);
	vrig_settle(r);
	g_assert_cmpint(guest_vq_take(&r->vq[0], &len), ==, -1);
	f->echo->hold = false;
	vrig_start(r, 0, 1, 8);
	echo_once(r, 0);
	g_assert_cmpuint(r->dev->guest_errors, ==, 0);
}

/* ---- quiesce, resume, save, load ---- */

static void test_quiesce(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	for (unsigned packed = 0; packed < 2; packed++) {
		vrig_start(r, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 2, 8);
		f->echo->starts = f->echo->resumes = 0;
		for (unsigned i = 0; i < 20; i++) {
			unsigned before = (unsigned)f->echo->handled;

			echo_once(r, i % 2);
			vrig_quiesce(r);
			/* Rung meanwhile: nothing happens until resume. */
			add_echo(r, 0, DATA + 512, 16, 0);
			vrig_publish(r, 0);
			vrig_kick(r, 0);
			vrig_settle(r);
			g_assert_cmpuint(f->echo->handled, ==, before + 1);
			vrig_resume(r);
			vrig_wait_used(r, 0, NULL);
			check_echo(r, DATA + 512, 16);
		}
		g_assert_cmpuint(f->echo->resumes, ==, 20);
		g_assert_cmpuint(f->echo->starts, ==, 0);
	}
}

/* What cannot finish stays in the device and is answered after it goes on. */
static void test_parked(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;

	for (unsigned packed = 0; packed < 2; packed++) {
		f->echo->hold = f->echo->park = true;
		vrig_start(r, packed ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0, 1, 8);
		for (unsigned i = 0; i < 3; i++)
			add_echo(r, 0, DATA + i * 512, 16, 0);
		vrig_publish(r, 0);
		vrig_settle(r);
		vrig_quiesce(r);
		g_assert_cmpuint(f->echo->n_held, ==, 3);
		vrig_resume(r);
		f->echo->hold = false;
		for (unsigned i = 0; i < 3; i++) {
			release_one(f->echo);
			vrig_wait_used(r, 0, NULL);
			check_echo(r, DATA + i * 512, 16);
		}
		echo_once(r, 0);
	}
}

static GByteArray *save(struct vrig *r)
{
	GByteArray *state = g_byte_array_new();

	vrig_quiesce(r);
	bus_save(r->bus, state);
	return state;
}

/* The machine goes on elsewhere: memory is copied, state is loaded into a fresh device. */
static void test_save_load(void)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t features = (i & 1 ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0) |
				    (i & 2 ? VIRTIO_BIT(VIRTIO_F_EVENT_IDX) : 0);
		struct fixture a = {0}, b = {0};
		g_autoptr(GByteArray) state = NULL, again = NULL;
		g_autoptr(GError) error = NULL;

		setup(&a, NULL);
		setup(&b, NULL);
		vrig_start(&a.rig, features, 2, 8);
		for (unsigned k = 0; k < 11; k++)
			echo_once(&a.rig, k % 2);
		state = save(&a.rig);
		vrig_quiesce(&b.rig);
		gmem_block_load(b.rig.ram, 0, gmem_block_hva(a.rig.ram), VRIG_RAM);
		g_assert_true(bus_load(b.rig.bus, state->data, state->len, &error));
		g_assert_no_error(error);
		again = g_byte_array_new();
		bus_save(b.rig.bus, again);
		g_assert_cmpmem(state->data, state->len, again->data, again->len);
		memcpy(b.rig.vq, a.rig.vq, sizeof(b.rig.vq));
		for (unsigned k = 0; k < VRIG_QUEUES; k++)
			b.rig.vq[k].gmem = b.rig.gmem;
		vrig_resume(&b.rig);
		g_assert_cmphex(vrig_status(&b.rig), ==, 0xf);
		g_assert_cmpuint(b.echo->starts, ==, 0);
		g_assert_cmpuint(b.echo->resumes, ==, 1);
		vrig_msis(&b.rig, -1);
		guest_vq_enable_interrupts(&b.rig.vq[0]);
		for (unsigned k = 0; k < 20; k++)
			echo_once(&b.rig, k % 2);
		g_assert_cmpuint(vrig_msis(&b.rig, 1), >, 0);
		vrig_resume(&a.rig);
		teardown(&a, NULL);
		teardown(&b, NULL);
	}
}

/* State is untrusted: whatever byte of it is changed, loading fails cleanly or the device can be driven and reset. */
static void test_load_mutated(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	g_autoptr(GByteArray) state = NULL;
	unsigned refused = 0;

	vrig_start(r, VIRTIO_BIT(VIRTIO_F_RING_PACKED), 2, 8);
	echo_once(r, 0);
	state = save(r);
	for (unsigned i = 0; i < state->len; i += i < 6000 ? 1 : 97) {
		uint8_t old = state->data[i];

		state->data[i] ^= (uint8_t)(1 + i % 255);
		if (!bus_load(r->bus, state->data, state->len, NULL))
			refused++;
		vrig_resume(r);
		vrig_kick(r, 0);
		vrig_settle(r);
		vrig_system_reset(r);
		vrig_quiesce(r);
		state->data[i] = old;
	}
	g_assert_cmpuint(refused, >, 100);
	g_assert_true(bus_load(r->bus, state->data, state->len, NULL));
	vrig_resume(r);
	echo_once(r, 0);
}

/* A broken device is saved and loaded broken. */
static void test_save_broken(struct fixture *f, const void *data)
{
	struct vrig *r = &f->rig;
	g_autoptr(GByteArray) state = NULL;

	vrig_start(r, 0, 1, 8);
	vdev_fail(&f->echo->vp.vdev, "test");
	vrig_settle(r);
	state = save(r);
	bus_reset(r->bus, RESET_COLD);
	vrig_settle(r);
	g_assert_true(bus_load(r->bus, state->data, state->len, NULL));
	vrig_resume(r);
	g_assert_cmphex(vrig_status(r), ==, 0xf | VIRTIO_STATUS_NEEDS_RESET);
	vrig_start(r, 0, 1, 8);
	echo_once(r, 0);
}

/* ---- queues on a thread of their own ---- */

static void test_thread(void)
{
	g_autoptr(GError) error = NULL;
	struct fixture f = {0};
	struct vrig *r = &f.rig;
	struct loop *io = loop_new("io", &error);

	g_assert_no_error(error);
	vrig_init(r);
	f.echo = container_of(vrig_new(r, &echo_dev_ops), struct echo, vp.pci.dev);
	f.echo->vp.loop = io;
	vrig_plug(r);
	g_assert_true(loop_thread_start(io, &error));
	for (unsigned round = 0; round < 8; round++) {
		vrig_start(r,
			round % 2
				? VIRTIO_BIT(VIRTIO_F_RING_PACKED) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX)
				: 0,
			2, 8);
		for (unsigned i = 0; i < 200; i++)
			echo_once(r, i % 2);
		add_echo(r, 0, DATA, 16, 0);
		vrig_publish(r, 0);
		switch (round % 4) {
		case 0: vrig_set_status(r, 0); break;
		case 1:
			vrig_quiesce(r);
			vrig_resume(r);
			vrig_wait_used(r, 0, NULL);
			break;
		case 2: vrig_system_reset(r); break;
		case 3: vdev_fail(&f.echo->vp.vdev, "test"); break;
		}
	}
	vrig_unplug(r);
	loop_thread_join(io);
	loop_free(io);
	vrig_done(r);
}

#define ADD(name, fn) g_test_add("/virtio/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/virtio/requests", test_requests);
	ADD("indirect-unnegotiated", test_indirect_unnegotiated);
	ADD("vectors", test_vectors);
	ADD("kick-before-start", test_kick_before_start);
	ADD("no-starvation", test_no_starvation);
	ADD("stop-early", test_stop_early);
	ADD("reset-in-flight", test_reset_in_flight);
	ADD("reset-without-waiting", test_reset_without_waiting);
	ADD("system-reset", test_system_reset);
	ADD("broken", test_broken);
	ADD("bus-master", test_bus_master);
	ADD("quiesce", test_quiesce);
	ADD("parked", test_parked);
	g_test_add_func("/virtio/save-load", test_save_load);
	ADD("load-mutated", test_load_mutated);
	ADD("save-broken", test_save_broken);
	g_test_add_func("/virtio/thread", test_thread);
	return g_test_run();
}
