/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000-driver.h - the driver's side of an e1000 or e1000e, as much of it as tests share: rings,
 * descriptors, packets to segment. Numbers are from the manuals, not from the device's headers.
 */
#ifndef TESTS_DEVICE_E1000_DRIVER_H
#define TESTS_DEVICE_E1000_DRIVER_H

#include "tests/device/nic.h"

enum {
	E_CTRL = 0x0000,
	E_STATUS = 0x0008,
	E_EECD = 0x0010,
	E_EERD = 0x0014,
	E_CTRL_EXT = 0x0018,
	E_MDIC = 0x0020,
	E_VET = 0x0038,
	E_ICR = 0x00c0,
	E_ITR = 0x00c4,
	E_ICS = 0x00c8,
	E_IMS = 0x00d0,
	E_IMC = 0x00d8,
	E_EIAC = 0x00dc,
	E_IAM = 0x00e0,
	E_IVAR = 0x00e4,
	E_EITR = 0x00e8,
	E_RCTL = 0x0100,
	E_TCTL = 0x0400,
	E_PSRCTL = 0x2170,
	E_RDBAL = 0x2800,
	E_RDLEN = 0x2808,
	E_RDH = 0x2810,
	E_RDT = 0x2818,
	E_RDTR = 0x2820,
	E_RADV = 0x282c,
	E_TDBAL = 0x3800,
	E_TDLEN = 0x3808,
	E_TDH = 0x3810,
	E_TDT = 0x3818,
	E_TIDV = 0x3820,
	E_TADV = 0x382c,
	E_RXCSUM = 0x5000,
	E_RFCTL = 0x5008,
	E_MTA = 0x5200,
	E_RAL = 0x5400,
	E_VFTA = 0x5600,
	E_MRQC = 0x5818,
	E_SWSM = 0x5b50,
	E_RETA = 0x5c00,
	E_RSSRK = 0x5c80,
};

#define RING_TX   0x100000u
#define RING_RX   0x110000u
#define BUFFER_TX 0x200000u
#define BUFFER_RX 0x400000u
#define RX_BUFFER 2048u

struct e1000_driver {
	struct nic_rig n;
	unsigned tx_size, rx_size; /* descriptors */
	unsigned tx_tail;          /* next to fill */
	unsigned tx_buffer;        /* bytes used of BUFFER_TX, which is used round */
};

struct raw_desc {
	uint64_t address;
	uint32_t command, upper;
};

/*
 * @ops is that of one of both; rings of @tx_size and @rx_size descriptors, both units on,
 * promiscuous, no CRC.
 */
void driver_init(struct e1000_driver *d, const struct dev_ops *ops, unsigned offloads,
	unsigned tx_size, unsigned rx_size);
void driver_done(struct e1000_driver *d);

/* A descriptor at the tail, without telling the device. */
void driver_put(struct e1000_driver *d, struct raw_desc t);
/* Tells it, and lets it work. */
void driver_ring(struct e1000_driver *d);
struct raw_desc driver_tx_desc(struct e1000_driver *d, unsigned i);
/* Data in a buffer: its address. */
uint64_t driver_buffer(struct e1000_driver *d, const void *data, size_t n);
/* One frame in one legacy descriptor, with status wanted. */
void driver_send(struct e1000_driver *d, const void *frame, size_t n);

/* The receive descriptor as the legacy format writes it back. */
struct rx_desc {
	uint64_t address;
	uint16_t length, csum;
	uint8_t status, errors;
	uint16_t special;
};

struct rx_desc driver_rx_desc(struct e1000_driver *d, unsigned i);
/* The @i-th holds the whole frame that nic_make_frame() makes, without error. */
void driver_assert_received(
	struct e1000_driver *d, unsigned i, const uint8_t *to, size_t n, uint8_t seed);

/* ---- packets to be cut ---- */

struct tso_packet {
	uint8_t data[70000];
	unsigned header, l4, payload, mss;
	bool ip6, udp;
};

/*
 * Headers with random numbers, a random payload. As the stack leaves it for the device: lengths 0,
 * pseudo-header summed.
 */
void tso_make(struct tso_packet *p, bool ip6, bool udp, unsigned payload, unsigned mss);
/* Context and data descriptors, the data in random pieces. @vlan: a TCI, or -1. */
void driver_send_tso(struct e1000_driver *d, const struct tso_packet *p, int vlan);
/* Takes what was sent, and checks every frame of it against @p. */
void driver_check_tso(struct e1000_driver *d, const struct tso_packet *p, int vlan);

#endif
