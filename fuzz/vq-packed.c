/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packed ring written by a hostile driver. */
#include "tests/lib/vq-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vq_fuzz(true, data, size);
	return 0;
}
