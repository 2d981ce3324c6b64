/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-rng.c - entropy device, virtio 1.2 section 5.4.
 *
 * A request gets at most a buffer full of random bytes, and a second at most `max-bytes`: what exceeds it waits in the
 * ring until the next period. The rate counts host time: it protects the host.
 */
#include <sys/random.h>

#include "base/qs.h"
#include "virtio-backends/devices/devices.h"

#define RNG_QUEUE_SIZE 8
#define CHUNK          256 /* bytes that getrandom() gives without being interrupted */
#define REQUEST_MAX    (64 * KiB)

struct virtio_rng {
	struct virtio_pci vp;    /* first */
	uint64_t left;           /* [q] bytes in this period */
	int64_t period_end;      /* [q] ns of the host's clock */
	struct loop_timer timer; /* [q] */

	uint64_t max_bytes;
	uint32_t period;
};

static struct virtio_rng *to_rng(struct dev *d)
{
	return container_of(d, struct virtio_rng, vp.pci.dev);
}

/* Fills the request with at most @n bytes; returns how many. */
static uint64_t fill(struct vq_req *r, uint64_t n)
{
	uint8_t buf[CHUNK];
	uint64_t done = 0;

	n = MIN(n, MIN(r->in_size, REQUEST_MAX));
	while (done < n) {
		ssize_t got = getrandom(buf, MIN(n - done, sizeof(buf)), 0);

		if (got <= 0 || vq_write(r, done, buf, (size_t)got) < 0)
			break;
		done += (uint64_t)got;
	}
	return done;
}

static void renew(struct virtio_rng *rng)
{
	int64_t now = loop_now();

	if (now < rng->period_end)
		return;
	rng->left = rng->max_bytes;
	rng->period_end = now + rng->period * NSEC_PER_MSEC;
}

static bool rng_kick(struct vdev *v, struct vqueue *q)
{
	struct virtio_rng *rng = v->priv;
	struct vq_req *r;

	renew(rng);
	while (rng->left) {
		uint64_t n;

		if (vq_pop(q->vq, &r) <= 0)
			return true;
		n = fill(r, rng->left);
		rng->left -= n;
		vq_push(r, n);
	}
	loop_timer_set(q->loop, &rng->timer, rng->period_end);
	return false;
}

static void period_over(struct loop_timer *t)
{
	struct virtio_rng *rng = container_of(t, struct virtio_rng, timer);

	vqueue_schedule(&rng->vp.vdev.queues[0]);
}

static void rng_drain(struct vdev *v, struct vqueue *q, bool reset)
{
	struct virtio_rng *rng = v->priv;

	loop_timer_cancel(q->loop, &rng->timer);
	vqueue_drained(q);
}

static uint64_t rng_features(struct vdev *v)
{
	return 0;
}

static const struct vdev_ops rng_ops = {
	.name = "virtio-rng",
	.id = 4,
	.features = rng_features,
	.kick = rng_kick,
	.drain = rng_drain,
};

static bool rng_realize(struct dev *d, GError **error)
{
	struct virtio_rng *rng = to_rng(d);
	struct virtio_pci_conf conf = {
		.class_code = 0x00ff00,
		.n_queues = 1,
		.queue_size = RNG_QUEUE_SIZE,
	};

	rng->timer.fn = period_over;
	return virtio_pci_init(&rng->vp, &rng_ops, rng, &conf, error);
}

static void rng_unrealize(struct dev *d)
{
	virtio_pci_done(&to_rng(d)->vp);
}

static const struct prop rng_props[] = {VIRTIO_PCI_PROPS(struct virtio_rng, vp),
	PROP_SIZE("max-bytes", struct virtio_rng, max_bytes, 1, INT64_MAX, MiB,
		"random bytes that the guest gets in a period"),
	PROP_U32("period", struct virtio_rng, period, 1, 3600000, 1000,
		"length of a period in milliseconds"),
	PROP_END};

static const struct prop_table rng_prop_table = {
	.name = "virtio-rng-pci",
	.doc = "virtio entropy device",
	.size = sizeof(struct virtio_rng),
	.props = rng_props,
};

static const struct dev_part rng_state[] = {VIRTIO_PCI_STATE(struct virtio_rng, vp), {NULL, 0}};

const struct dev_ops virtio_rng_pci_ops = {
	.name = "virtio-rng-pci",
	.doc = "Virtio entropy device (virtio 1.2, section 5.4)",
	.size = sizeof(struct virtio_rng),
	.props = &rng_prop_table,
	.realize = rng_realize,
	.reset = virtio_pci_reset,
	.quiesce = virtio_pci_quiesce,
	.resume = virtio_pci_resume,
	.unrealize = rng_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = virtio_pci_post_load,
	.state = rng_state,
};
