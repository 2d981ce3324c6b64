/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahci.h - one port of a Serial ATA AHCI host bus adapter, revision 1.3.1 (Intel order number
 * 334017 gives its ICH9 form). Numbers of sections are those of the AHCI specification.
 *
 *	PxCI, PxSACT ──► ahci_port_fetch(), on the loop: header, FIS ──► drive_start()
 *	received FIS, PxIS ◄── ahci_port_end() ◄── drive
 *
 * A slot is `active` while the drive has its command. A port that has seen an error is `halted`
 * until software restarts it.
 */
#ifndef DEVMODEL_STORAGE_AHCI_H
#define DEVMODEL_STORAGE_AHCI_H

#include "devmodel/storage/drive.h"

#define AHCI_PORTS     STORAGE_AHCI_BAYS
#define AHCI_PORT_SIZE 0x80

enum {
	PORT_STOPPING = 0x01,  /* PxCMD.ST was cleared, CR is to follow */
	PORT_RESETTING = 0x02, /* COMRESET is over, the signature is to follow */
	PORT_SRST = 0x04,      /* software reset is asserted */
	PORT_HALTED = 0x08,
};

struct ahci_port_hw {
	uint64_t clb, fb;           /* [g] command list, received FIS */
	uint32_t is, ie, cmd, sctl; /* [g] is without the bits that PxSERR shows */
	uint32_t ssts, serr, sig;
	uint32_t sact, ci; /* [g] */
	uint32_t active;
	uint8_t flags; /* PORT_… */
	uint8_t pad[7];
};

/* Where map() was in a slot's table, to go on from there; derived. */
struct ahci_slot {
	uint64_t table;          /* guest address of the command table */
	uint32_t entries, entry; /* in the PRD table; the one at pos */
	uint64_t pos;
	bool packet, valid;
};

struct ahci_port {
	struct storage *host;    /* [c] */
	unsigned index;          /* [c] */
	struct ahci_port_hw *hw; /* [c] */
	/* PxIS or PxIE has changed. [c] */
	void (*update)(struct ahci_port *p);
	struct ahci_slot slots[DRIVE_TAGS];
};

extern const struct state_field ahci_port_fields[];

/* @offset below AHCI_PORT_SIZE, 32 bits. Lock held, as for all of it. */
uint32_t ahci_port_read(struct ahci_port *p, unsigned offset);
void ahci_port_write(struct ahci_port *p, unsigned offset, uint32_t value);
/* PxIS with the bits that PxSERR shows, of those that PxIE lets through. */
uint32_t ahci_port_pending(const struct ahci_port *p);

/* After power-on (all) or by GHC.HR; the drive was reset or is to be by ahci_port_stopped(). */
void ahci_port_reset(struct ahci_port *p, bool power_on);
void ahci_port_forget(struct ahci_port *p); /* what is derived: other state was loaded */
bool ahci_port_resetting(const struct ahci_port *p);

/* Of struct drive_link_ops. */
void ahci_port_fetch(struct ahci_port *p);
int ahci_port_map(struct ahci_port *p, unsigned slot, uint64_t off, uint32_t n, struct iovec *segs,
	unsigned room, struct giov *ret);
void ahci_port_moved(struct ahci_port *p, unsigned slot, uint64_t off, uint32_t n);
void ahci_port_end(
	struct ahci_port *p, struct drive *d, unsigned slot, const struct drive_cmd_hw *h);
void ahci_port_stopped(struct ahci_port *p);
void ahci_port_plugged(struct ahci_port *p);

#endif
