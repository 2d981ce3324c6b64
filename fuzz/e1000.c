/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/nic-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return nic_fuzz(&e1000_ops, e1000_set_backend, data, size);
}
