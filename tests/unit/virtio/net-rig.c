/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/virtio/net-rig.h"

#include <string.h>

const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void set_prop(struct dev *d, const char *name, const char *value)
{
	g_autoptr(GError) error = NULL;

	prop_set_text(prop_find(d->ops->props, name), d, value, &error);
	g_assert_no_error(error);
}

void setup(struct fixture *f, const void *data)
{
	vrig_init(&f->rig);
	f->net = fake_net_new(4);
	virtio_net_set_backend(vrig_new(&f->rig, &virtio_net_pci_ops), &f->net->net);
	set_prop(f->rig.dev, "mac", "52:54:00:12:34:56");
	set_prop(f->rig.dev, "packed", "on");
}

void teardown(struct fixture *f, const void *data)
{
	vrig_unplug(&f->rig);
	fake_net_free(f->net);
	vrig_done(&f->rig);
}

/* ---- frames ---- */

void make_frame(uint8_t *buf, const uint8_t *to, size_t n)
{
	memset(buf, 0, HDR);
	buf[10] = 1;
	memcpy(buf + HDR, to, 6);
	memcpy(buf + HDR + 6, "\2\0\0\0\0\1\x08\0", 8);
	for (size_t i = HDR + 14; i < HDR + n; i++)
		buf[i] = (uint8_t)(i * 13 + n);
}

void inject(struct fixture *f, unsigned pair, const uint8_t *to, size_t n)
{
	g_autofree uint8_t *buf = g_malloc(HDR + n);

	make_frame(buf, to, n);
	fake_net_inject(f->net, pair, buf, HDR + n);
}

int give_buffer(struct fixture *f, unsigned q, unsigned slot, uint32_t len)
{
	struct guest_buf buf = {DATA + slot * 0x10000, len, true};
	int id = guest_vq_add(&f->rig.vq[q], &buf, 1, 0);

	g_assert_cmpint(id, >=, 0);
	vrig_publish(&f->rig, q);
	return id;
}

void check_received(struct fixture *f, unsigned slot, const uint8_t *to, size_t n)
{
	g_autofree uint8_t *want = g_malloc(HDR + n), *got = g_malloc(HDR + n);

	make_frame(want, to, n);
	guest_read(f->rig.gmem, DATA + slot * 0x10000, got, HDR + n);
	g_assert_cmpmem(got, HDR + n, want, HDR + n);
}

bool nothing_received(struct fixture *f, unsigned q)
{
	uint32_t len;

	vrig_settle(&f->rig);
	return guest_vq_take(&f->rig.vq[q], &len) < 0;
}

bool delivered(struct fixture *f, const uint8_t *to)
{
	inject(f, 0, to, 60);
	if (nothing_received(f, RX) && g_queue_is_empty(&f->net->queues[0].waiting))
		return false;
	return true;
}

/* ---- control commands ---- */

uint8_t ctrl(struct fixture *f, uint8_t class, uint8_t command, const void *data, uint32_t n)
{
	struct guest_buf bufs[] = {{DATA + 0x700000, 2, false}, {DATA + 0x700100, n, false},
		{DATA + 0x704000, 1, true}};
	uint8_t head[2] = {class, command}, ack = 0xee;

	guest_write(f->rig.gmem, bufs[0].gpa, head, 2);
	guest_write(f->rig.gmem, bufs[1].gpa, data, n);
	guest_write(f->rig.gmem, bufs[2].gpa, &ack, 1);
	g_assert_cmpint(guest_vq_add(&f->rig.vq[CTRL], bufs, 3, 0), >=, 0);
	vrig_publish(&f->rig, CTRL);
	vrig_wait_used(&f->rig, CTRL, NULL);
	vrig_settle(&f->rig);
	guest_read(f->rig.gmem, bufs[2].gpa, &ack, 1);
	return ack;
}

uint8_t ctrl_byte(struct fixture *f, uint8_t class, uint8_t command, uint8_t byte)
{
	return ctrl(f, class, command, &byte, 1);
}

void send_frame(struct fixture *f, const struct header *h, const uint8_t *frame, uint32_t n)
{
	struct guest_buf bufs[] = {{DATA, HDR, false}, {DATA + 64, n, false}};

	guest_write(f->rig.gmem, DATA, h, HDR);
	guest_write(f->rig.gmem, DATA + 64, frame, n);
	g_assert_cmpint(guest_vq_add(&f->rig.vq[TX], bufs, 2, 0), >=, 0);
	vrig_publish(&f->rig, TX);
	vrig_wait_used(&f->rig, TX, NULL);
}

GBytes *sent(struct fixture *f)
{
	return fake_net_take(f->net, 0);
}

unsigned take_merged(struct fixture *f, uint8_t *frame, size_t *ret_n)
{
	uint16_t want = 1, got = 0;
	size_t n = 0;

	while (got < want) {
		uint32_t len;
		int id = vrig_wait_used(&f->rig, RX, &len);
		uint64_t at = DATA + (uint64_t)id * 0x4000;

		guest_read(f->rig.gmem, at, frame + n, len);
		if (!got)
			want = guest_read16(f->rig.gmem, at + 10);
		n += len;
		got++;
	}
	*ret_n = n;
	return got;
}

void give_mergeable(struct fixture *f, unsigned count, uint32_t len)
{
	for (unsigned i = 0; i < count; i++) {
		struct guest_vq *q = &f->rig.vq[RX];
		/* The id that comes next decides where the buffer lies: split and packed rings number differently. */
		uint16_t next = q->packed ? q->free_ids[q->n_free_ids - 1] : q->free_head;
		struct guest_buf buf = {DATA + (uint64_t)next * 0x4000, len, true};

		g_assert_cmpint(guest_vq_add(q, &buf, 1, 0), ==, next);
	}
	vrig_publish(&f->rig, RX);
}
