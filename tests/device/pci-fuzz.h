/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci-fuzz.h - a guest that writes what it likes to a PCI function's registers, to memory and to
 * configuration space, out of a fuzzer's bytes; numbers are little-endian.
 *
 *	0-3	write: n-th BAR and size (bits 7:6: 1, 2, 4, 4), offset (16 bits), value (32 bits)
 *	4	read: the same without a value
 *	5	memory: address / 16 (16 bits), 16 bytes
 *	6	memory filled: address / 16 (16 bits), a byte, 256 bytes of it
 *	7	clock step: n; 2^(n % 31) ns
 *	8, 9	the target's own
 *	10	the loop runs
 *	11	n: save and load; warm, cold reset; configuration space: offset, value (32 bits)
 */
#ifndef TESTS_DEVICE_PCI_FUZZ_H
#define TESTS_DEVICE_PCI_FUZZ_H

#include "tests/device/rig.h"
#include "tests/lib/fuzz-input.h"

struct pci_fuzz_target {
	const struct dev_ops *ops;
	/*
	 * Back-ends, before realize; what it returns goes to the other two. May be NULL, as they.
	 */
	void *(*plug)(struct rig *r, struct dev *d);
	void (*own)(void *plugged, struct fuzz_input *in);
	void (*unplug)(void *plugged); /* the device is gone */
};

int pci_fuzz(const struct pci_fuzz_target *t, const uint8_t *data, size_t size);

#endif
