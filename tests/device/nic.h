/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.h - an emulated NIC on the rig, with the fake network at its other end and its registers in
 * reach.
 */
#ifndef TESTS_DEVICE_NIC_H
#define TESTS_DEVICE_NIC_H

#include "devmodel/net/net-devices.h"
#include "tests/device/rig.h"
#include "tests/lib/fake-net.h"

#define NIC_MEM   0xc0000000u /* BAR n is at NIC_MEM + n * 1 MiB, or NIC_IO + n * 256 */
#define NIC_IO    0xc000u
#define NIC_GSI   17 /* of INTA of slot 1 */
#define NIC_FRAME 1514

extern const uint8_t nic_mac[6]; /* 52:54:00:12:34:56 */

struct nic_rig {
	struct rig *r;
	struct fake_net *net;
	struct dev *d;
	unsigned devfn;
	unsigned mem_bar, io_bar;
};

/* Realized, reset, decoding, bus master. @offloads: what the network can do. */
void nic_rig_init(struct nic_rig *n, const struct dev_ops *ops,
	void (*set_backend)(struct dev *d, struct net *net), unsigned offloads);
void nic_rig_done(struct nic_rig *n);

/* Registers of 4 bytes in the BAR for memory; of any size in that for ports. */
uint32_t nic_get(struct nic_rig *n, unsigned offset);
void nic_set(struct nic_rig *n, unsigned offset, uint32_t value);
uint32_t nic_in(struct nic_rig *n, unsigned offset, unsigned size);
void nic_out(struct nic_rig *n, unsigned offset, unsigned size, uint32_t value);

/* Guest memory. */
void nic_mem_write(struct nic_rig *n, uint64_t at, const void *data, size_t size);
void nic_mem_read(struct nic_rig *n, uint64_t at, void *data, size_t size);

/* What has been posted, and what that posts; then time goes on by @ns. */
void nic_poll(struct nic_rig *n);
void nic_step(struct nic_rig *n, int64_t ns);

bool nic_irq(struct nic_rig *n);

/* The oldest frame that was sent, with header where there is one; NULL: none. */
GBytes *nic_sent(struct nic_rig *n);
void nic_assert_sent(struct nic_rig *n, const void *frame, size_t size);
void nic_assert_nothing_sent(struct nic_rig *n);
/*
 * A frame of @size bytes to @to (6 bytes), filled with a pattern that @seed gives, from the
 * network.
 */
void nic_inject(struct nic_rig *n, const uint8_t *to, size_t size, uint8_t seed);
void nic_make_frame(uint8_t *frame, const uint8_t *to, size_t size, uint8_t seed);

/* Saves, loads into the same device, and saves: the same bytes. */
void nic_save_and_load(struct nic_rig *n);
void nic_rig_quiesce(struct nic_rig *n);
void nic_rig_resume(struct nic_rig *n);

/*
 * @writes random writes anywhere, with frames from outside; nothing may break. Then the device is
 * reset.
 */
void nic_random_writes(struct nic_rig *n, unsigned writes);

/* ---- independent checks of what is on the wire ---- */

/*
 * The Internet checksum over @n bytes as RFC 1071 writes it, complemented; 0 when a sum that is in
 * the data is right.
 */
uint16_t ref_csum(const uint8_t *data, size_t n, uint32_t start);
/* Asserts that IP header and TCP or UDP checksum of an Ethernet frame (without tag) are right. */
void ref_check_frame(const uint8_t *frame, size_t n);

#endif
