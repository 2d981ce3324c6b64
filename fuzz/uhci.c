/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UHCI: registers and schedules, with keys and plugging in between; tests/device/usb-fuzz.h says how the input is read. */
#include "tests/device/usb-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return usb_fuzz(&uhci_driver, data, size);
}
