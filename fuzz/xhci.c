/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xHCI: registers, rings and contexts, with keys and plugging in between; tests/device/usb-fuzz.h says how the input is read. */
#include "tests/device/usb-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return usb_fuzz(&xhci_driver, data, size);
}
