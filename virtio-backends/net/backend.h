/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend.h - what the network back-ends have in common: statistics, a link that goes down for good when the other end is
 * gone, and a life that lasts until the last queue has let go of its loop.
 */
#ifndef NET_BACKEND_H
#define NET_BACKEND_H

#include "base/loop.h"
#include "virtio-backends/net/drivers.h"

struct backend {
	struct net net;
	struct loop *loop;      /* main loop; NULL: the link never changes */
	struct net_stats stats; /* written by the queue's thread, read by any */
	int refs;  /* atomic: the owner's, one for each queue, one for the message below */
	int gone;  /* atomic: the other end is */
	int freed; /* by the owner */
	struct loop_call link_down;
	void (*destroy)(struct backend *b); /* releases all, @b too; any thread */
};

void backend_init(struct backend *b, const struct net_ops *ops, const char *id, struct loop *loop,
	void (*destroy)(struct backend *b));
void backend_ref(struct backend *b);
void backend_unref(struct backend *b);

/* net_ops.free: drops the owner's reference. */
void backend_free(struct net *n);

/* The other end is gone: the guest's link goes down, once. Any thread. */
void backend_set_gone(struct backend *b);

#endif
