/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-fuzz.h - a virtio function on its bus in a fuzzer's hands: registers, rings, buffers, and the machine around it.
 *
 * An input is a sequence of operations, each a byte and what it needs (virtio-fuzz.c): from whole well-formed starts and
 * chains down to single words of rings and registers. The device is made once and reset for each input.
 */
#ifndef TESTS_LIB_VIRTIO_FUZZ_H
#define TESTS_LIB_VIRTIO_FUZZ_H

#include "tests/lib/fuzz-input.h"
#include "tests/lib/virtio-rig.h"

struct virtio_fuzz {
	/* Makes the device: vrig_new(), its back-end and properties; the rig then plugs it. */
	void (*make)(struct vrig *r);
	/* An operation of the back-end's side. May be NULL. */
	void (*own)(struct vrig *r, struct fuzz_input *in);
	/* Lets the back-end finish what it holds, so that a reset or a quiesce can end. May be NULL. */
	void (*finish)(struct vrig *r);
};

void virtio_fuzz(const struct virtio_fuzz *t, const uint8_t *data, size_t size);

#endif
