/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * echo.h - a virtio device of the tests' own: it echoes the out part of a chain into its in part, at once or when it is
 * told to; and the driver's side of that.
 */
#ifndef TESTS_VIRTIO_ECHO_H
#define TESTS_VIRTIO_ECHO_H

#include "tests/lib/virtio-rig.h"

#define DATA       0x800000
#define QUEUE_SIZE 16
#define HELD_MAX   16

/* Feature bits; F_NEEDS_A is refused without F_A. */
enum { F_A = 0, F_B = 1, F_NEEDS_A = 2 };

struct echo {
	struct virtio_pci vp; /* first */
	struct vq_req *held[HELD_MAX];
	unsigned n_held;
	bool hold;       /* requests are kept */
	bool park;       /* a quiesce does not wait for them */
	bool stop_early; /* kick() says that it will schedule itself */
	int start_error;
	unsigned starts, resumes, resets, kicks;
	uint64_t handled;
	void (*on_request)(struct echo *e);
	void *opaque;
	struct vqueue *draining;
};

extern const struct dev_ops echo_dev_ops;

/* On the queue's thread: the oldest held request is answered. */
void release_one(struct echo *e);

struct fixture {
	struct vrig rig;
	struct echo *echo;
};

/* A rig with a plugged echo device; as functions of g_test_add(). */
void setup(struct fixture *f, const void *data);
void teardown(struct fixture *f, const void *data);

/* Adds one echo request of @n bytes to queue @i, out part at @at, in part 256 bytes behind; its id. */
int add_echo(struct vrig *r, unsigned i, uint64_t at, unsigned n, uint64_t table);
void check_echo(struct vrig *r, uint64_t at, unsigned n);
/* From request to answer. */
void echo_once(struct vrig *r, unsigned i);

/* For vrig_wait(). */
bool status_is_0(void *rig);
/* DEVICE_NEEDS_RESET, and one error of the guest's was counted. */
void check_broken(struct fixture *f);

#endif
