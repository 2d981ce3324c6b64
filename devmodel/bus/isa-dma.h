/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa-dma.h - a DMA channel of the ISA bus, as the device on it sees it.
 *
 *	device ──isa_dma_request()──► DREQ ─┐ channel unmasked, controller on
 *	       ◄──────ready()───────────────┘
 *	       ──isa_dma_transfer()─► to or from memory, as the guest has programmed it; TC at the end
 *
 * The DMA controller (devmodel/platform/i8257.h) provides channels, the machine hands them to
 * devices before realize. Any thread inside a qs section, with the device's lock held; what is
 * locked in here is an irq lock.
 */
#ifndef DEVMODEL_BUS_ISA_DMA_H
#define DEVMODEL_BUS_ISA_DMA_H

#include "base/util.h"

struct isa_dma;

struct isa_dma_ops {
	void (*request)(struct isa_dma *c, bool level);
	size_t (*left)(struct isa_dma *c);
	size_t (*transfer)(struct isa_dma *c, bool to_memory, uint8_t *buf, size_t n, bool *ret_tc);
};

struct isa_dma {
	const struct isa_dma_ops *ops; /* [c] */
	/*
	 * Set by the device in realize, cleared in unrealize: DREQ is served now. Called on any
	 * thread with irq locks held, so it only posts; maybe from within isa_dma_request().
	 */
	void (*ready)(void *opaque);
	void *opaque;
};

/* The level of DREQ. */
static inline void isa_dma_request(struct isa_dma *c, bool level)
{
	c->ops->request(c, level);
}

/* Bytes up to the terminal count, as the channel is programmed now; at least 1. */
static inline size_t isa_dma_left(struct isa_dma *c)
{
	return c->ops->left(c);
}

/*
 * Moves at most @n bytes between @buf and memory, while DREQ is served; returns how many: fewer
 * than @n at the terminal count (*@ret_tc, also when that comes with the last byte), 0 while the
 * channel is masked. Verify transfers move nothing but count. Where there is no memory, ones are
 * read and writes vanish. A guest that has programmed the other direction gets its bytes counted
 * and nothing moved.
 */
static inline size_t isa_dma_transfer(
	struct isa_dma *c, bool to_memory, uint8_t *buf, size_t n, bool *ret_tc)
{
	return c->ops->transfer(c, to_memory, buf, n, ret_tc);
}

#endif
