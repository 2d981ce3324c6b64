/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pflash.h - flash memory in which UEFI firmware keeps its variables.
 */
#ifndef DEVMODEL_PLATFORM_PFLASH_H
#define DEVMODEL_PLATFORM_PFLASH_H

#include "devmodel/bus/bus.h"

struct blk;

/* Properties base (its address) and size, multiples of PFLASH_BLOCK. */
extern const struct dev_ops pflash_ops;

#define PFLASH_BLOCK 4096u /* bytes that are erased at once */

/*
 * @contents (borrowed, as large as the property size) is what the guest reads; what it changes is written to @blk as well, soon
 * afterwards and always before the machine is quiesced. @blk NULL: nowhere. Both stay until the device is gone. Without this
 * call the flash is empty and forgets. Main thread, before realize.
 */
void pflash_set_contents(struct dev *d, struct gmem_block *contents, struct blk *blk);

#endif
