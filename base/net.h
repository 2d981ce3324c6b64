/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h - the interface between a NIC (front) and a network back-end (tap, socket to a helper, …).
 *
 * Pull model, no copies of its own: when frames wait, the back-end says so (rx_ready) and the front offers guest
 * buffers to net_recv(); when sending would block, the front waits for tx_ready. All calls and callbacks of one
 * net_queue are on its loop's thread.
 *
 * A frame is an Ethernet frame without FCS, preceded by a virtio_net_hdr of the length agreed on by
 * net_set_header() (0, 10 or 12 bytes). A back-end without offloads ignores the header on send, except that it refuses frames
 * that ask for what was not agreed, and fills it with zeroes (num_buffers 1) on receive.
 */
#ifndef BASE_NET_H
#define BASE_NET_H

#include <glib.h>

#include "base/gmem.h"

struct loop;
struct net;
struct net_queue;

#define NET_MTU_MIN 68
#define NET_MTU_MAX 65535
#define NET_FRAME_MAX \
	(65535 + 14 + 4) /* bytes without header: the largest that is ever passed on */

/* Offloads a back-end can do; the bits follow TUN_F_ of linux/if_tun.h in meaning. */
#define NET_OFFLOAD_CSUM 0x01
#define NET_OFFLOAD_TSO4 0x02
#define NET_OFFLOAD_TSO6 0x04
#define NET_OFFLOAD_ECN  0x08
#define NET_OFFLOAD_UFO  0x10

/* The front's callbacks, on the queue's loop. */
struct net_front_ops {
	void (*rx_ready)(
		void *front); /* frames may wait: call net_recv() until -EAGAIN, or net_rx_enable(false) */
	void (*tx_ready)(void *front); /* after -EAGAIN from net_send() */
};

/* On the main loop. */
struct net_listener {
	void (*link_changed)(struct net_listener *l, bool up);
	struct net_listener *next;
};

struct net_ops {
	const char *name;
	unsigned (*offloads)(struct net *n); /* what set_offloads may ask for */
	int (*queue_open)(struct net *n, unsigned index, struct loop *loop,
		const struct net_front_ops *front, void *opaque, struct net_queue **ret);
	void (*queue_close)(struct net_queue *q);
	int (*set_header)(struct net_queue *q, unsigned len);
	int (*set_offloads)(struct net_queue *q, unsigned offloads);
	ssize_t (*send)(struct net_queue *q, const struct giov *frame);
	ssize_t (*recv)(struct net_queue *q, const struct giov *buf);
	void (*rx_enable)(struct net_queue *q, bool on);
	void (*free)(struct net *n);
};

struct net {
	const struct net_ops *ops;
	char *id;
	unsigned queues; /* pairs it can serve, at least 1 */
	bool link_up;
	struct net_listener *listeners;
};

struct net_queue {
	struct net *net;
	struct loop *loop;
	const struct net_front_ops *front;
	void *opaque;
};

unsigned net_offloads(struct net *n);

/* Queue pair @index (below n->queues) on @loop. Begins with rx disabled, no header, no offloads. Main thread. 0 or -errno. */
int net_queue_open(struct net *n, unsigned index, struct loop *loop,
	const struct net_front_ops *front, void *opaque, struct net_queue **ret);
void net_queue_close(struct net_queue *q); /* NULL is fine; no callback afterwards */

int net_set_header(struct net_queue *q, unsigned len);
int net_set_offloads(struct net_queue *q, unsigned offloads);

/*
 * Sends one frame, header first. Bytes taken (all of it), -EAGAIN (full: tx_ready will come), -EMSGSIZE, or
 * another -errno: the frame is lost and counted, the front goes on.
 */
ssize_t net_send(struct net_queue *q, const struct giov *frame);

/*
 * Receives one frame into @buf, header first. Its length, -EAGAIN (nothing waits), -EMSGSIZE (did not fit, dropped
 * and counted), or -errno.
 */
ssize_t net_recv(struct net_queue *q, const struct giov *buf);

/* Whether rx_ready is wanted: off while the guest offers no buffers. */
void net_rx_enable(struct net_queue *q, bool on);

void net_listen(struct net *n, struct net_listener *l);
void net_unlisten(struct net *n, struct net_listener *l);
void net_set_link(struct net *n, bool up); /* main thread; tells the listeners */
void net_free(struct net *n);              /* NULL is fine */

#endif
