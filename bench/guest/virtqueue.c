/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtqueue.h"
#include "cpu.h"
#include "io.h"
#include "lib.h"
#include "out.h"

#define ANSWER_MS 10000

void vq_init(struct vq *q, const struct vq_format *format, uint16_t size)
{
	*q = (struct vq){
		.format = format,
		.size = size,
		.event_index = q->event_index,
		.indirect = q->indirect,
		.interrupts = q->interrupts,
	};
	format->layout(q);
	if (q->indirect)
		q->tables = pool_alloc(size * sizeof(*q->tables), 16);
}

bool vq_add(struct vq *q, const struct vq_segment *s, unsigned int n, unsigned int id)
{
	return q->format->add(q, s, n, id);
}

void vq_kick(struct vq *q)
{
	full_barrier();
	if (!q->format->wants_kick(q))
		return;
	q->doorbells++;
	mmio_write16(q->notify, q->index);
}

bool vq_get(struct vq *q, unsigned int *id, uint32_t *len)
{
	return q->format->get(q, id, len);
}

static bool poll_used(struct vq *q)
{
	uint64_t end = cpu_deadline(ANSWER_MS);

	while (!q->format->arm(q)) {
		if (rdtsc() > end)
			return false;
	}
	return true;
}

void vq_wait(struct vq *q)
{
	uint32_t seen = cpu_irqs(0);

	q->waits++;
	if (q->interrupts) {
		if (!q->format->arm(q))
			cpu_wait_irq(0, seen);
	} else if (!poll_used(q)) {
		fail("queue %u: no answer in %d ms", q->index, ANSWER_MS);
	}
}
