/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-console.c - console device, virtio 1.2 section 5.3: one port, queue 0 to the guest, queue 1 from it.
 *
 * Where the stream takes no more the rest of a chain waits in the ring: the chain is put back, and how much of it is out
 * already is remembered.
 */
#include <errno.h>
#include <string.h>

#include "base/chardev.h"
#include "base/qs.h"
#include "virtio-backends/devices/devices.h"

#define CONSOLE_QUEUE_SIZE 128
#define CHUNK              4096       /* bytes copied at once */
#define ROUND_MAX          (64 * KiB) /* bytes written in one round */

enum { RX, TX, QUEUES };

struct console_hw {
	uint64_t tx_done; /* bytes of the next chain of TX that are written */
};

struct virtio_console {
	struct virtio_pci vp; /* first */
	struct chardev *chr;
	struct console_hw hw; /* [q] [s] */
	struct vq_req *rx;    /* [q] the buffer that the next input goes into */
};

static struct virtio_console *to_console(struct dev *d)
{
	return container_of(d, struct virtio_console, vp.pci.dev);
}

/* ---- to the guest ---- */

/* A buffer to fill: false when the driver has given none. */
static bool take_buffer(struct virtio_console *c)
{
	struct vqueue *q = &c->vp.vdev.queues[RX];

	while (!c->rx && q->running && vq_pop(q->vq, &c->rx) > 0) {
		if (!c->rx->in_size) {
			vq_push(c->rx, 0);
			c->rx = NULL;
		}
	}
	return c->rx;
}

static size_t can_read(void *opaque)
{
	struct virtio_console *c = opaque;
	struct vqueue *q = &c->vp.vdev.queues[RX];
	size_t n = 0;

	qs_enter();
	if (take_buffer(c))
		n = c->rx->in_size;
	else if (q->running)
		vqueue_schedule(q); /* rx_kick() switches the doorbell on */
	qs_leave();
	return n;
}

static void input(void *opaque, const uint8_t *buf, size_t n)
{
	struct virtio_console *c = opaque;

	if (!c->rx)
		return;
	qs_enter();
	vq_push(c->rx, vq_write(c->rx, 0, buf, n) < 0 ? 0 : n);
	c->rx = NULL;
	qs_leave();
}

static bool rx_kick(struct virtio_console *c)
{
	if (!take_buffer(c))
		return true;
	if (c->chr)
		chardev_accept_input(c->chr);
	/* With a buffer in hand more of them are no news. */
	return !c->rx;
}

/* ---- from the guest ---- */

/* Writes what is left of @r, at most *@budget bytes. True when all of it is out. */
static bool output(struct virtio_console *c, struct vq_req *r, uint64_t *budget)
{
	uint8_t buf[CHUNK];

	while (c->hw.tx_done < r->out_size && *budget) {
		size_t n = MIN(MIN(r->out_size - c->hw.tx_done, sizeof(buf)), *budget);
		ssize_t took = (ssize_t)n;

		if (vq_read(r, c->hw.tx_done, buf, n) < 0)
			return false;
		if (c->chr)
			took = chardev_write(c->chr, buf, n);
		if (took <= 0)
			return false; /* writable() will come */
		c->hw.tx_done += (uint64_t)took;
		*budget -= (uint64_t)took;
	}
	return c->hw.tx_done >= r->out_size;
}

static bool tx_kick(struct virtio_console *c, struct vqueue *q)
{
	uint64_t budget = ROUND_MAX;
	struct vq_req *r;

	while (vq_pop(q->vq, &r) > 0) {
		if (!output(c, r, &budget)) {
			vq_unpop(r);
			if (!budget)
				vqueue_schedule(q);
			return false;
		}
		c->hw.tx_done = 0;
		vq_push(r, 0);
	}
	return true;
}

static void writable(void *opaque)
{
	struct virtio_console *c = opaque;
	struct vqueue *q = &c->vp.vdev.queues[TX];

	if (q->running)
		vqueue_schedule(q);
}

static const struct chardev_front front = {
	.can_read = can_read,
	.read = input,
	.writable = writable,
};

/* ---- the device ---- */

static uint64_t console_features(struct vdev *v)
{
	return 0;
}

static bool console_kick(struct vdev *v, struct vqueue *q)
{
	struct virtio_console *c = v->priv;

	return q->index == RX ? rx_kick(c) : tx_kick(c, q);
}

static void console_drain(struct vdev *v, struct vqueue *q, bool reset)
{
	struct virtio_console *c = v->priv;

	if (q->index == RX && c->rx) {
		if (reset)
			vq_drop(c->rx);
		else
			vq_unpop(c->rx);
		c->rx = NULL;
	}
	vqueue_drained(q);
}

static void console_reset(struct vdev *v)
{
	struct virtio_console *c = v->priv;

	c->hw = (struct console_hw){0};
}

static const struct vdev_ops console_ops = {
	.name = "virtio-console",
	.id = 3,
	.features = console_features,
	.kick = console_kick,
	.drain = console_drain,
	.reset = console_reset,
};

void virtio_console_set_backend(struct dev *d, struct chardev *chr)
{
	to_console(d)->chr = chr;
}

static bool console_realize(struct dev *d, GError **error)
{
	struct virtio_console *c = to_console(d);
	struct virtio_pci_conf conf = {
		.class_code = 0x078000, /* other communication controller */
		.n_queues = QUEUES,
		.queue_size = CONSOLE_QUEUE_SIZE,
	};
	int err;

	if (!virtio_pci_init(&c->vp, &console_ops, c, &conf, error))
		return false;
	err = c->chr ? chardev_attach(c->chr, c->vp.vdev.queues[RX].loop, &front, c) : 0;
	if (err < 0)
		return err_set_errno(
			error, -err, "device %s: character device %s", d->id, c->chr->id);
	return true;
}

static void console_unrealize(struct dev *d)
{
	struct virtio_console *c = to_console(d);

	if (c->chr && c->chr->opaque == c)
		chardev_detach(c->chr);
	virtio_pci_done(&c->vp);
}

static const struct prop console_props[] = {VIRTIO_PCI_PROPS(struct virtio_console, vp), PROP_END};

static const struct prop_table console_prop_table = {
	.name = "virtio-console-pci",
	.doc = "virtio console",
	.size = sizeof(struct virtio_console),
	.props = console_props,
};

static const struct state_field console_fields[] = {ST_U(struct console_hw, tx_done), ST_END};

static const struct state_desc console_state = {
	.name = "virtio-console",
	.version = 1,
	.size = sizeof(struct console_hw),
	.fields = console_fields,
};

static const struct dev_part console_parts[] = {
	VIRTIO_PCI_STATE(struct virtio_console, vp),
	{&console_state, offsetof(struct virtio_console, hw)},
	{NULL, 0},
};

const struct dev_ops virtio_console_pci_ops = {
	.name = "virtio-console-pci",
	.doc = "Virtio console device (virtio 1.2, section 5.3)",
	.size = sizeof(struct virtio_console),
	.props = &console_prop_table,
	.realize = console_realize,
	.reset = virtio_pci_reset,
	.quiesce = virtio_pci_quiesce,
	.resume = virtio_pci_resume,
	.unrealize = console_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = virtio_pci_post_load,
	.state = console_parts,
};
