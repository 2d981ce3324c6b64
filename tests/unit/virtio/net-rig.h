/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net-rig.h - a network device on its bus, the guest's driver on one side of it and a network on the other.
 */
#ifndef TESTS_VIRTIO_NET_RIG_H
#define TESTS_VIRTIO_NET_RIG_H

#include "tests/lib/fake-net.h"
#include "tests/lib/virtio-rig.h"
#include "virtio-backends/devices/devices.h"

#define DATA 0x800000
#define HDR  12

enum {
	F_CSUM = 0,
	F_GUEST_CSUM = 1,
	F_CTRL_GUEST_OFFLOADS = 2,
	F_MTU = 3,
	F_MAC = 5,
	F_GUEST_TSO4 = 7,
	F_GUEST_TSO6 = 8,
	F_GUEST_ECN = 9,
	F_GUEST_UFO = 10,
	F_HOST_TSO4 = 11,
	F_HOST_TSO6 = 12,
	F_HOST_ECN = 13,
	F_HOST_UFO = 14,
	F_MRG_RXBUF = 15,
	F_STATUS = 16,
	F_CTRL_VQ = 17,
	F_CTRL_RX = 18,
	F_CTRL_VLAN = 19,
	F_CTRL_RX_EXTRA = 20,
	F_MQ = 22,
	F_CTRL_MAC_ADDR = 23
};
enum { RX = 0, TX = 1, CTRL = 2 };
enum { CFG_MAC = 0, CFG_STATUS = 6, CFG_PAIRS = 8, CFG_MTU = 10 };

#define BIT(n) VIRTIO_BIT(n)

extern const uint8_t mac[6];
extern const uint8_t broadcast[6];
#define CTRL_FEATURES                                                                \
	(BIT(F_CTRL_VQ) | BIT(F_CTRL_RX) | BIT(F_CTRL_RX_EXTRA) | BIT(F_CTRL_VLAN) | \
		BIT(F_CTRL_MAC_ADDR))
#define TX_OFFLOADS \
	(BIT(F_CSUM) | BIT(F_HOST_TSO4) | BIT(F_HOST_TSO6) | BIT(F_HOST_ECN) | BIT(F_HOST_UFO))
#define RX_OFFLOADS                                                                     \
	(BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) | BIT(F_GUEST_TSO6) | BIT(F_GUEST_ECN) | \
		BIT(F_GUEST_UFO))

struct fixture {
	struct vrig rig;
	struct fake_net *net;
};

struct header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};

enum { OK = 0, ERR = 1 };

void set_prop(struct dev *d, const char *name, const char *value);

/* A rig with a network device that is not plugged yet, over a network of four queue pairs. */
void setup(struct fixture *f, const void *data);
void teardown(struct fixture *f, const void *data);

/* Header and frame of @n bytes to @to at @buf. */
void make_frame(uint8_t *buf, const uint8_t *to, size_t n);

/* Such a frame to the guest. */
void inject(struct fixture *f, unsigned pair, const uint8_t *to, size_t n);

/* Gives queue @q one receive buffer of @len bytes at DATA + @slot × 64 KiB; its id. */
int give_buffer(struct fixture *f, unsigned q, unsigned slot, uint32_t len);

/* Such a frame lies in the buffer @slot. */
void check_received(struct fixture *f, unsigned slot, const uint8_t *to, size_t n);

/* Nothing has come back on queue @q; takes it if it has. */
bool nothing_received(struct fixture *f, unsigned q);

/* Is a frame to @to delivered? A buffer must be there. */
bool delivered(struct fixture *f, const uint8_t *to);

/* A command with @n bytes of data; its ack. */
uint8_t ctrl(struct fixture *f, uint8_t class, uint8_t command, const void *data, uint32_t n);
uint8_t ctrl_byte(struct fixture *f, uint8_t class, uint8_t command, uint8_t byte);

/* The guest sends a frame of @n bytes. */
void send_frame(struct fixture *f, const struct header *h, const uint8_t *frame, uint32_t n);

/* What came out on the other side, or NULL. */
GBytes *sent(struct fixture *f);

/* Takes a frame that lies in several buffers of give_mergeable(), in order; how many. */
unsigned take_merged(struct fixture *f, uint8_t *frame, size_t *ret_n);

/* @count receive buffers of @len bytes, each where its id says. */
void give_mergeable(struct fixture *f, unsigned count, uint32_t len);

#endif
