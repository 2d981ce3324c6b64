/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rig.h - a bus to try devices on: the recording accelerator of tests/lib, RAM at 0, stepped
 * clocks, a loop that turns when the test says so; and two devices that exist for tests only.
 */
#ifndef TESTS_DEVICE_RIG_H
#define TESTS_DEVICE_RIG_H

#include "devmodel/pci/pci.h"
#include "tests/lib/fake-accel.h"

#define RIG_RAM (16 * MiB)

struct rig {
	struct fake_accel *fake;
	struct gmem *gmem;
	struct clocks *clocks;
	struct loop *loop;
	struct bus *bus;
	struct gmem_block *ram;
	struct region ram_region;
	struct irq_sink router; /* PIRQ inputs to GSIs 16 to 19 */
	struct irq pirq[4];
	struct pci_bus *pci;
	unsigned events; /* accel->event came */
};

/* Committed, with an empty PCI bus. Registers the thread with qs. */
struct rig *rig_new(void);
void rig_free(struct rig *r);
/* The root bus becomes one of PCI Express; nothing is on it yet. */
void rig_make_express(struct rig *r);
/* A PCI function of @ops on @b, realized at @slot (-1: any) and reset. */
struct dev *rig_function(
	struct rig *r, const struct dev_ops *ops, const char *id, struct pci_bus *b, int slot);

/* One turn of everything that waits: irqfds of the accelerator and posted calls. */
void rig_poll(struct rig *r);

uint64_t rig_read(struct rig *r, enum bus_space space, uint64_t addr, unsigned size);
void rig_write(struct rig *r, enum bus_space space, uint64_t addr, unsigned size, uint64_t value);
uint32_t rig_cfg_read(struct rig *r, unsigned devfn, unsigned offset, unsigned size);
void rig_cfg_write(struct rig *r, unsigned devfn, unsigned offset, unsigned size, uint32_t value);
uint32_t rig_ram32(struct rig *r, uint64_t addr);

/*
 * ---- probe: a device without registers of its own; a test hangs regions on it and looks at what
 * came ----
 */

struct probe_access {
	struct region *region;
	uint64_t offset, value;
	unsigned size;
	bool write;
};

struct probe {
	struct dev dev;
	struct probe_access last;
	unsigned accesses;
	GString *trace; /* may be set: "w0:4 r4:2 " for each access */
};

extern const struct dev_ops probe_ops;
/*
 * Bytes, words and double words; bytes of a read name region (its opaque) and offset: probe_byte().
 */
extern const struct region_ops probe_region_ops;

/* Realized, with @id. */
struct probe *probe_new(struct rig *r, const char *id);
uint8_t probe_byte(const struct region *r, uint64_t offset);

/*
 * ---- pci-probe: a PCI function with a BAR of every kind, MSI-X, MSI; an endpoint on PCI Express
 * ----
 */

#define PCI_PROBE_VECTORS  40
#define PCI_PROBE_TABLE    0x800  /* in BAR 0 */
#define PCI_PROBE_PBA      0x1800 /* over the end of BAR 0's region */
#define PCI_PROBE_MSIX_CAP 0x40
#define PCI_PROBE_MSI_CAP  0x4c
#define PCI_PROBE_MSIS     8

struct pci_probe {
	struct pci_dev pci;
	struct region mem;   /* BAR 0, 32-bit memory, 0x1900 bytes: BAR of 8 KiB */
	struct region io;    /* BAR 1, 32 ports */
	struct region mem64; /* BAR 2 and 3, prefetchable, 1 MiB */
	struct region rom;   /* expansion ROM, 4 KiB */
	struct gmem_block *rom_block;
	struct region_doorbell doorbell; /* in io, at 8 */
	unsigned commands;               /* command_changed came */
	unsigned writes;                 /* config_write came */
};

extern const struct dev_ops pci_probe_ops;

/* Realized at @slot (-1: any) and reset, with @id. */
struct pci_probe *pci_probe_new(struct rig *r, const char *id, int slot);

/* Ends with NULL: what the generic test walks. */
extern const struct dev_ops *const probe_devices[];

#endif
