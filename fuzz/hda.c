/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/audio/audio.h"
#include "tests/device/pci-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct pci_fuzz_target target = {.ops = &ich9_intel_hda_ops};

	return pci_fuzz(&target, data, size);
}
