/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8257.h - the DMA controllers of a PC: two 8237A (Intel order number 231466), page registers at
 * 0x80.
 *
 *	channels 0 to 3   bytes, within a page of 64 KiB    registers 0x00 to 0x0f
 *	channel 4         the cascade of those: always connected here
 *	channels 5 to 7   words, within a page of 128 KiB   registers 0xc0 to 0xdf, every second
 */
#ifndef DEVMODEL_PLATFORM_I8257_H
#define DEVMODEL_PLATFORM_I8257_H

#include "devmodel/bus/bus.h"
#include "devmodel/bus/isa-dma.h"

extern const struct dev_ops i8257_ops;

/* Channel @n, 0 to 7 but not 4, for one device; lives as long as @d. */
struct isa_dma *i8257_channel(struct dev *d, unsigned n);

#endif
