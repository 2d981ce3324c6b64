/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blk-qcow2.h - qcow2 images of the tests, with qemu-img as the judge.
 */
#ifndef TESTS_UNIT_BLK_QCOW2_H
#define TESTS_UNIT_BLK_QCOW2_H

#include "tests/unit/backends/blk-io.h"
#include "virtio-backends/block/disk.h"

/* Exit status of `qemu-img @arguments` (split at spaces). */
int qemu_img(const char *fmt, ...) __printf(1, 2);
bool have_qemu_img(void);

/* A node over the file at @path. */
struct node *image_file(const char *path, bool readonly);

struct image {
	struct loop *loop;
	struct node *file;
	int others; /* references on the file that are not ours */
	struct blk *blk;
	struct blk_queue *q;
	uint64_t size;
};

/* A disk over the qcow2 image in @file, with caches as small as they get. Takes over the references. False and @error as qcow2_node_new. */
bool image_try(struct image *im, struct node *file, struct node *backing, GError **error);
void image_open(struct image *im, struct node *file, struct node *backing);
/* Waits until all is written and the file is let go. */
void image_close(struct image *im);
int image_io(struct image *im, enum blk_op op, uint64_t offset, void *buf, uint64_t len);

#endif
