/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/aio.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#define AIO_RING_MAGIC 0xa10a10a1

/* The head of the mapped ring: head is ours to advance, tail is the kernel's; both are below nr. */
struct aio_ring {
	uint32_t id;
	uint32_t nr;
	uint32_t head;
	uint32_t tail;
	uint32_t magic;
	uint32_t compat_features;
	uint32_t incompat_features;
	uint32_t header_length;
	struct io_event events[];
};

static struct aio_ring *readable_ring(io_context_t ctx)
{
	struct aio_ring *ring = (struct aio_ring *)ctx;

	if (ring->magic != AIO_RING_MAGIC || ring->incompat_features ||
		ring->header_length != sizeof(*ring))
		return NULL;
	return ring;
}

int aio_init(struct aio *a, unsigned room, unsigned room_min)
{
	int err;

	*a = (struct aio){.room = room};
	while ((err = io_setup(a->room, &a->ctx)) == -EAGAIN && a->room / 2 >= room_min)
		a->room /= 2;
	if (err < 0)
		return err;
	a->ring = readable_ring(a->ctx);
	return 0;
}

void aio_done(struct aio *a)
{
	if (a->ctx)
		io_destroy(a->ctx);
	*a = (struct aio){};
}

int aio_submit(struct aio *a, struct iocb **iocbs, unsigned n)
{
	int done;

	n = MIN(n, a->room - a->in_flight);
	if (!n)
		return -EAGAIN;
	done = io_submit(a->ctx, n, iocbs);
	if (done > 0)
		a->in_flight += done;
	return done;
}

bool aio_ready(const struct aio *a)
{
	if (!a->in_flight)
		return false;
	if (!a->ring)
		return true; /* only a system call could tell */
	return a->ring->head != __atomic_load_n(&a->ring->tail, __ATOMIC_ACQUIRE);
}

static unsigned reap_ring(struct aio_ring *ring, struct io_event *events, unsigned n)
{
	uint32_t head = ring->head, tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
	unsigned got = 0;

	while (head != tail && got < n) {
		events[got++] = ring->events[head];
		head = head + 1 == ring->nr ? 0 : head + 1;
	}
	/* The kernel may overwrite the entries from here on. */
	__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
	return got;
}

unsigned aio_reap(struct aio *a, struct io_event *events, unsigned n)
{
	struct timespec zero = {};
	int got;

	if (a->ring)
		got = reap_ring(a->ring, events, n);
	else
		got = io_getevents(a->ctx, 0, n, events, &zero);
	got = MAX(got, 0);
	a->in_flight -= got;
	return got;
}
