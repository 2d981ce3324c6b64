/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fdc.h - floppy disk controller 82077AA (Intel order number 290166) in PC/AT mode, and its two
 * drives.
 *
 *	0x3f2 DOR  0x3f3 TDR  0x3f4 MSR, DSR  0x3f5 FIFO  0x3f7 DIR, CCR   IRQ 6   a DMA channel (2)
 *
 * A drive is of a type that says which media fit; a medium is a blk of one of the formats' sizes,
 * lent as those of storage.h are. Everything here: main thread, no lock held, after dev_realize()
 * but where said.
 */
#ifndef DEVMODEL_STORAGE_FDC_H
#define DEVMODEL_STORAGE_FDC_H

#include "base/block.h"
#include "devmodel/bus/bus.h"
#include "devmodel/bus/isa-dma.h"

/* Ends with NULL. */
extern const struct dev_ops *const fdc_devices[];

extern const struct dev_ops isa_fdc_ops;

#define FDC_BAYS 2

/* As CMOS byte 0x10 counts them. */
enum fdc_type {
	FDC_NONE,
	FDC_360,  /* 5.25", 40 cylinders */
	FDC_1200, /* 5.25", 80 cylinders */
	FDC_720,  /* 3.5" */
	FDC_1440,
	FDC_2880,
	FDC_TYPES,
	FDC_AUTO = FDC_TYPES, /* what the first medium needs; without one FDC_1440 */
};

/*
 * The channel that it uses, borrowed; NULL: none, only programs that need no DMA work. Before
 * realize.
 */
void fdc_set_dma(struct dev *d, struct isa_dma *channel);

/*
 * A drive into the empty @bay, with @blk (NULL: none) as its medium. Before the first reset.
 * Errors: no such bay, taken, no format has the size of @blk or none that fits the drive, its queue
 * cannot be opened.
 */
bool fdc_attach(struct dev *d, unsigned bay, enum fdc_type type, struct blk *blk, GError **error);

/*
 * Takes the medium out: what the guest does with it fails from now on. @fn (may be NULL) runs later
 * on the main loop, when no request is in flight any more. Errors: no drive, no medium.
 */
bool fdc_eject(struct dev *d, unsigned bay, void (*fn)(void *opaque, struct blk *old), void *opaque,
	GError **error);
/*
 * A medium into an empty drive. Errors as fdc_attach(), and the last one is still being taken out.
 */
bool fdc_insert(struct dev *d, unsigned bay, struct blk *blk, GError **error);

/* FDC_NONE: there is no drive. *@ret_blk (may be NULL): the medium or NULL. Also for the CMOS. */
enum fdc_type fdc_status(struct dev *d, unsigned bay, struct blk **ret_blk);

#endif
