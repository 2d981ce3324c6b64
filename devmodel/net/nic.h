/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.h - what all NICs of this folder share: the back-end, and the work on the bus's loop.
 *
 *	register write (vCPU) ─► nic_kick() ─► loop, until nothing is left:
 *		tx_next ─► net_send ─► tx_done
 *		rx_ready? ─► net_recv ─► rx_frame
 *
 * The device's lock is held while descriptors are looked at, never while the back-end is called.
 * One packet at a time is on its way: what has been read of it stays in host memory until the
 * back-end has taken it; what a quiesced device has not sent is read again afterwards, so that its
 * registers are all its state, but for how many frames of a packet were sent already.
 */
#ifndef DEVMODEL_NET_NIC_H
#define DEVMODEL_NET_NIC_H

#include "base/net.h"
#include "devmodel/net/frame.h"
#include "devmodel/pci/pci.h"

struct nic;

enum nic_tx {
	NIC_TX_NONE,   /* nothing to send */
	NIC_TX_PACKET, /* n->packet holds one */
	NIC_TX_MORE,   /* descriptors were used up without one: ask again */
};

/* All with the device's lock held, inside a qs section, on the loop. */
struct nic_ops {
	/*
	 * Reads the next packet into n->packet, whose data is set, without giving its descriptors
	 * back.
	 */
	enum nic_tx (*tx_next)(struct dev *d, struct packet *p);
	/* The packet that tx_next() gave is sent, or lost: gives its descriptors back. */
	void (*tx_done)(struct dev *d, const struct packet *p);
	/* True when a frame could be stored now. */
	bool (*rx_ready)(struct dev *d);
	/*
	 * A frame of @n bytes, at least ETH_MIN, with room for a FCS behind it. What does not pass
	 * the filters or does not fit is dropped by the device.
	 */
	void (*rx_frame)(struct dev *d, uint8_t *frame, size_t n);
	/* Not on the loop's behalf: the back-end's link went up or down. Lock held, main loop. */
	void (*link_changed)(struct dev *d, bool up);
};

struct nic_hw {
	/*
	 * Frames of the packet at the head of the transmit queue that were gone when the device was
	 * quiesced.
	 */
	uint32_t tx_sent;
};

extern const struct state_desc nic_state;

struct nic {
	struct dev *dev;           /* [c] */
	const struct nic_ops *ops; /* [c] */
	struct net *net;           /* [c] */
	struct net_queue *queue;   /* [c] */
	struct net_listener listener;
	unsigned
		offloads; /* [c] NET_OFFLOAD_ of the back-end for what we send; 0: it sees no header */
	struct loop_call call;
	bool stopped;     /* lock: quiesced */
	bool loopback;    /* lock: what is sent is received, and nothing else */
	unsigned resets;  /* lock: counts them */
	struct nic_hw hw; /* [s] lock */

	/* The loop's own. */
	struct packet packet;
	bool has_packet;
	unsigned packet_resets; /* n->resets when it was read */
	bool looped;            /* it goes back to the guest */
	uint32_t sent;          /* frames of it that are gone */
	bool prepared;          /* the packet's sums are in, or left to the back-end */
	bool tso;               /* the back-end cuts it */
	bool rx_on;
	uint8_t *rx;
};

/*
 * Opens queue 0 of @n->net on the bus's loop. Errors: no back-end; @mac is all zeroes; the
 * back-end's own. Bus lock held.
 */
bool nic_init(struct nic *n, struct dev *d, const struct nic_ops *ops, const uint8_t *mac,
	GError **error);
void nic_done(struct nic *n); /* idempotent, also when nic_init() failed or was not called */

/* There may be work. Any thread, lock held or not. */
void nic_kick(struct nic *n);

/*
 * What was read of a packet does not hold any more: reset of the device, or of its transmit unit.
 * Lock held.
 */
void nic_forget(struct nic *n);

/* Parts of dev_ops->quiesce (main thread, which is the loop's), resume and post_load; lock held. */
void nic_quiesce(struct nic *n);
void nic_resume(struct nic *n);
void nic_post_load(struct nic *n);

#endif
