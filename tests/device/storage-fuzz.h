/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage-fuzz.h - a disk controller between a guest and a host that are both out of their minds.
 *
 * Input: steps of 8 bytes, little-endian: kind, what, offset (16 bits), value (32 bits). Of each
 * two kinds one is an access, made by the target; the others write to the guest's memory, where
 * lists and tables lie, turn the loop, hold, complete, fail and park the disks' requests, move
 * media and drives, save and load, reset.
 */
#ifndef TESTS_DEVICE_STORAGE_FUZZ_H
#define TESTS_DEVICE_STORAGE_FUZZ_H

#include "tests/device/storage-rig.h"

#define STORAGE_FUZZ_BARS \
	0xc0000000u /* BAR n is at n * 1 MiB from here; an I/O BAR at 0xc000 + n * 0x100 */
#define STORAGE_FUZZ_RAM 0x10000 /* 64 KiB that steps write to */

struct storage_step {
	uint8_t kind, what;
	uint16_t offset;
	uint32_t value;
};

struct storage_fuzz {
	struct rig *r;
	struct dev *d;
	struct fake_blk *disk, *cd;
	struct drive_conf conf;
	bool disk_out, cd_out; /* on their way, or with us */
};

struct storage_target {
	const struct dev_ops *ops;
	unsigned disk_bay, cd_bay;
	/* After realize and reset, with BARs placed. */
	void (*prepare)(struct storage_fuzz *f);
	void (*access)(struct storage_fuzz *f, const struct storage_step *s);
};

void storage_fuzz(const struct storage_target *t, const uint8_t *data, size_t size);

#endif
