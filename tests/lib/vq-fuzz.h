/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vq-fuzz.h - a virtqueue in a fuzzer's hands: it writes the ring, and decides what the device does with it.
 *
 * The first two bytes choose the ring's size and features; then operations, each a byte and what it needs (vq-fuzz.c). Whatever comes,
 * a request that is popped lies in RAM and adds up.
 */
#ifndef TESTS_LIB_VQ_FUZZ_H
#define TESTS_LIB_VQ_FUZZ_H

#include "base/util.h"

void vq_fuzz(bool packed, const uint8_t *data, size_t size);

#endif
