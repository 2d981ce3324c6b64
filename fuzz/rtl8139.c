/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/nic-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return nic_fuzz(&rtl8139_ops, rtl8139_set_backend, data, size);
}
