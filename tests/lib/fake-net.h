/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-net.h - a network whose other end is the test: it takes what the front sent and injects frames.
 *
 * Frames are kept with their header. Everything on the loops of the queues; a test with I/O threads posts.
 */
#ifndef TESTS_LIB_FAKE_NET_H
#define TESTS_LIB_FAKE_NET_H

#include "base/loop.h"
#include "base/net.h"

#define FAKE_NET_QUEUES 4

struct fake_net_queue {
	struct net_queue q;
	bool open, rx_enabled;
	unsigned header, offloads; /* as the front has set them */
	GQueue sent;               /* GBytes, oldest first */
	GQueue waiting;            /* GBytes for the front */
	unsigned room;             /* frames that are taken before -EAGAIN */
	unsigned too_small;        /* frames dropped with -EMSGSIZE */
	bool blocked;              /* a send met -EAGAIN */
	struct loop_call rx_call, tx_call;
};

struct fake_net {
	struct net net;
	unsigned can_offload; /* what offloads() says; all by default */
	struct fake_net_queue queues[FAKE_NET_QUEUES];
};

/* @queues pairs, link up, room without bound. */
struct fake_net *fake_net_new(unsigned queues);
/* Also net_free(). All queues are closed. */
void fake_net_free(struct fake_net *f);

/* A frame for the front, header included; rx_ready comes from the loop if the front wants it. */
void fake_net_inject(struct fake_net *f, unsigned queue, const void *frame, size_t n);
/* The oldest frame that was sent; NULL when there is none. g_bytes_unref() it. */
GBytes *fake_net_take(struct fake_net *f, unsigned queue);
/* From now on @frames more are taken; tx_ready comes from the loop if the front was refused before. */
void fake_net_set_room(struct fake_net *f, unsigned queue, unsigned frames);

#endif
