/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage-rig.h - what tests of IDE and AHCI share: disks with a pattern, guest memory, state that
 * goes to and fro.
 */
#ifndef TESTS_DEVICE_STORAGE_RIG_H
#define TESTS_DEVICE_STORAGE_RIG_H

#include "devmodel/storage/storage.h"
#include "tests/device/rig.h"
#include "tests/lib/fake-blk.h"

#define STORAGE_TURNS 1000 /* of the loop, in which everything has to come to its end */

/* @size bytes, no two double words of which are alike. */
struct fake_blk *storage_disk_new(struct rig *r, uint64_t size);

/* Ten turns of the loop: what is under way ends, what waits for the guest does not. */
void storage_turn(struct rig *r);

void storage_put_ram(struct rig *r, uint64_t addr, const void *p, size_t n);
void storage_get_ram(struct rig *r, uint64_t addr, void *p, size_t n);
void storage_assert_ram(struct rig *r, uint64_t addr, const uint8_t *p, size_t n);

void storage_rig_quiesce(struct rig *r);
/* Saved, lost by a reset, loaded, saved again: the same bytes; then all goes on where it was. */
void storage_save_and_load(struct rig *r);

/* Takes a device off, when the disks have said all that they had to say to its queues. */
void storage_remove(struct rig *r, struct dev *d);

#endif
