/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic-fuzz.h - a NIC under pci-fuzz.h; its own operations are frames from outside, a full network,
 * the link.
 */
#ifndef TESTS_DEVICE_NIC_FUZZ_H
#define TESTS_DEVICE_NIC_FUZZ_H

#include "tests/device/nic.h"
#include "tests/device/pci-fuzz.h"

int nic_fuzz(const struct dev_ops *ops, void (*set_backend)(struct dev *d, struct net *net),
	const uint8_t *data, size_t size);

#endif
