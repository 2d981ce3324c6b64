/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.h - PCI buses and functions: configuration space, BARs, INTx, MSI, MSI-X. PCI Local Bus
 * Specification 3.0 (and PCI Express Base 2.0 for extended configuration space, to come with q35).
 *
 * The core owns configuration space: the device says what it is (struct pci_conf), which BARs it
 * has and which capabilities; writable bits are a mask beside the data. BAR and command register
 * writes map and unmap the device's regions under the bus lock. Locks: bus < this function's device
 * lock < irq.
 */
#ifndef DEVMODEL_PCI_PCI_H
#define DEVMODEL_PCI_PCI_H

#include "devmodel/bus/bus.h"

#define PCI_CFG_SIZE        256
#define PCI_HEADER_SIZE     64
#define PCI_BARS            6
#define PCI_ROM_BAR         6 /* index of the expansion ROM */
#define PCI_SLOTS           32
#define PCI_FUNCS           8
#define PCI_DEVFN(slot, fn) ((slot) << 3 | (fn))
#define PCI_ANY_DEVFN       (-1)

/* Registers of the type 0 header, section 6.1. */
enum {
	PCI_VENDOR_ID = 0x00,
	PCI_DEVICE_ID = 0x02,
	PCI_COMMAND = 0x04,
	PCI_STATUS = 0x06,
	PCI_REVISION = 0x08,
	PCI_PROG_IF = 0x09,
	PCI_SUBCLASS = 0x0a,
	PCI_CLASS = 0x0b,
	PCI_CACHE_LINE = 0x0c,
	PCI_LATENCY = 0x0d,
	PCI_HEADER_TYPE = 0x0e,
	PCI_BAR0 = 0x10,
	PCI_SUBSYS_VENDOR = 0x2c,
	PCI_SUBSYS_ID = 0x2e,
	PCI_ROM = 0x30,
	PCI_CAP_PTR = 0x34,
	PCI_INT_LINE = 0x3c,
	PCI_INT_PIN = 0x3d,
};

#define PCI_CMD_IO      0x0001
#define PCI_CMD_MEM     0x0002
#define PCI_CMD_MASTER  0x0004
#define PCI_CMD_SERR    0x0100
#define PCI_CMD_NOINTX  0x0400
#define PCI_STATUS_INTX 0x0008
#define PCI_STATUS_CAPS 0x0010

#define PCI_CAP_MSI    0x05
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_EXP    0x10
#define PCI_CAP_MSIX   0x11

struct pci_dev;
struct pci_bus;

/* Identity of a function, written into its header at realize. */
struct pci_conf {
	uint16_t vendor, device, subsys_vendor, subsys;
	uint32_t class_code; /* 0xccsspp: class, subclass, programming interface */
	uint8_t revision;
	uint8_t pin; /* 1..4 = INTA..INTD, 0 none */
	bool multifunction;
};

struct pci_ops {
	/*
	 * After the core has stored a configuration write to a device-specific register (@offset ≥
	 * 0x40): bus lock and device lock held, so regions may be changed. May be NULL.
	 */
	void (*config_write)(struct pci_dev *p, unsigned offset, unsigned size);
	/* Before a read of such a register, to refresh cfg[]. Device lock held. May be NULL. */
	void (*config_read)(struct pci_dev *p, unsigned offset, unsigned size);
	/*
	 * Bus mastering, INTx disable, MSI enable or MSI-X enable/function mask changed. Device
	 * lock held. May be NULL.
	 */
	void (*command_changed)(struct pci_dev *p);
};

struct pci_bar {
	struct region *region; /* the device's; NULL: not there */
	bool is_io, is_64, prefetch;
	uint64_t size; /* power of two: I/O ≥ 4, memory ≥ 16 */
};

/* ---- vectors: MSI (section 6.8.1) and MSI-X (section 6.8.2) ---- */

#define PCI_MSI_MAX 32

/* Vectors that a function of ours can have; the specification's limit is 2048. */
#define PCI_MSIX_MAX   256
#define PCI_MSIX_ENTRY 16 /* bytes: address, upper address, data, control */

/*
 * Why a vector has a route of its own: irqfd rings without a system call of ours into the
 * accelerator.
 */
struct pci_vector {
	int gsi;     /* -1: none yet */
	int eventfd; /* signalled by whoever interrupts: pci_vector_fd() */
	bool wired;  /* irqfd assigned: unmasked and enabled */
};

/* The MSI capability as those see it who interrupt: a copy of the registers. */
struct pci_msi {
	bool enabled;
	unsigned allotted;        /* vectors: a power of two */
	uint32_t mask;            /* one bit a message */
	struct accel_msi message; /* of vector 0 */
};

struct pci_hw {
	uint8_t cfg[PCI_CFG_SIZE];
	uint8_t msix[PCI_MSIX_MAX * PCI_MSIX_ENTRY]; /* the table, little-endian */
	uint8_t pba[PCI_MSIX_MAX / 8]; /* pending bits, of MSI too; up to date when read or saved */
	bool intx;                     /* level of our pin before the disable bit */
};

struct pci_dev {
	struct dev dev;
	const struct pci_ops *pci_ops; /* [c] */
	struct pci_bus *bus;           /* [c] set by the machine before realize */
	struct prop_pci addr;          /* [c] property: unset → first free slot */
	uint8_t devfn;                 /* [c] */
	struct pci_hw pci_hw;          /* [s] lock */
	uint8_t wmask[PCI_CFG_SIZE];   /* [c] writable by the guest */
	uint8_t w1c[PCI_CFG_SIZE];     /* [c] write one to clear */
	uint8_t initial
		[PCI_CFG_SIZE]; /* [c] cfg as the first reset found it; resets go back to it */
	bool complete;          /* [c] initial was taken */
	struct pci_bar bars[PCI_BARS + 1];
	uint8_t next_cap; /* first free byte for capabilities */
	uint8_t last_cap; /* 0: none */

	/*
	 * Vectors; nvectors 0: none. A function may have both kinds; the guest enables one at a
	 * time.
	 */
	pthread_mutex_t vector_lock; /* an irq lock: pci_hw.msix, pci_hw.pba and from here on */
	uint16_t nvectors;           /* [c] of the kind that has more */
	struct pci_vector *vectors;
	uint8_t msi_n;                         /* [c] 0: no MSI */
	uint8_t msi_cap;                       /* [c] */
	struct pci_msi msi;                    /* from the registers */
	uint16_t msix_n;                       /* [c] 0: no MSI-X */
	bool msix_on, msix_masked;             /* from the control register */
	uint8_t msix_cap;                      /* [c] */
	uint8_t msix_bar;                      /* [c] */
	uint32_t msix_table_off, msix_pba_off; /* [c] in that BAR */
	struct region msix_table_region, msix_pba_region;

	struct irq pin; /* into the bus's router */
};

#define PCI_DEV(x)    (&(x)->pci)
#define to_pci_dev(d) container_of((d), struct pci_dev, dev)

/*
 * State of the PCI part: a struct dev_part of every PCI function, {&pci_state, offsetof(struct X,
 * pci.pci_hw)}.
 */
extern const struct state_desc pci_state;

/* ---- buses ---- */

/*
 * The root bus. Device @devfn's INTx pin p goes to input (slot + p - 1) % 4 of @router (section
 * 2.2.6), which the chipset implements; an input is the wired OR of its pins. Owned by the host
 * bridge.
 */
struct pci_bus *pci_bus_new(struct bus *bus, struct irq_sink *router);
void pci_bus_free(struct pci_bus *b);

/*
 * Configuration mechanism: all ones where nobody is, and for what is not 1, 2 or 4 bytes naturally
 * aligned. Any vCPU inside a qs section; a write takes the bus lock.
 */
uint32_t pci_config_read(struct pci_bus *b, unsigned devfn, unsigned offset, unsigned size);
void pci_config_write(
	struct pci_bus *b, unsigned devfn, unsigned offset, unsigned size, uint32_t value);

struct pci_dev *pci_bus_dev(struct pci_bus *b, unsigned devfn); /* or NULL */
/* First devfn with a free slot from @first_slot on, function 0; -1 when full. */
int pci_bus_free_devfn(struct pci_bus *b, unsigned first_slot);

/* ---- for functions: from dev_ops->realize ---- */

/*
 * Puts the function on @p->bus, which the machine has set, at @p->addr (or the first free slot from
 * 2 on) and fills the header. Errors: no bus, the address is taken (by whom), out of range, no slot
 * free. The device adds to configuration space what it likes before its first reset, which takes a
 * picture of it; from then on the read-only bits of the header do not change. Bus lock held, as for
 * pci_dev_done().
 */
bool pci_dev_init(
	struct pci_dev *p, const struct pci_ops *ops, const struct pci_conf *conf, GError **error);
/* Takes it off; unmaps BARs, frees vectors. Idempotent. */
void pci_dev_done(struct pci_dev *p);
/*
 * Part of dev_ops->reset: header registers, BARs unmapped, pin low, vectors masked. Bus lock and
 * device lock held.
 */
void pci_dev_reset(struct pci_dev *p);
/* dev_ops->pre_save of a function, or part of it: pending bits. */
void pci_dev_pre_save(struct dev *d);
/*
 * Part of dev_ops->post_load: drives the pin, maps BARs, wires vectors. Bus lock and device lock
 * held. -EINVAL: another kind of function, or bits that are reserved.
 */
int pci_dev_post_load(struct pci_dev *p);

/*
 * Declares BAR @n, or PCI_ROM_BAR, for the initialised and unmapped @r; whether it is an I/O or a
 * memory BAR, r->space says. Its size is that of the region rounded up to a power of two. A 64-bit
 * BAR takes @n + 1 too.
 */
void pci_bar_init(struct pci_dev *p, unsigned n, struct region *r, bool is_64, bool prefetch);

/*
 * Adds a capability of @size bytes (header included) and returns its offset; -ENOSPC. The caller
 * fills cfg and wmask.
 */
int pci_cap_add(struct pci_dev *p, uint8_t id, uint8_t size);

/*
 * MSI-X with @n vectors (1..PCI_MSIX_MAX), table and PBA at @table_off and @pba_off of BAR @bar,
 * whose region they overlay. -EINVAL: they do not fit there; -ENOSPC: no room for the capability.
 */
int pci_msix_init(
	struct pci_dev *p, unsigned n, unsigned bar, uint32_t table_off, uint32_t pba_off);

/*
 * MSI with @n vectors (a power of two, 1..PCI_MSI_MAX), 64-bit addresses and a mask bit a vector.
 * -EINVAL: another number, or there is MSI already; -ENOSPC: no room for the capability. From
 * realize, before or after MSI-X.
 */
int pci_msi_init(struct pci_dev *p, unsigned n);

/* ---- interrupts: any thread, with or without the device's lock ---- */

bool pci_msi_enabled(struct pci_dev *p);
bool pci_msix_enabled(struct pci_dev *p);
/*
 * Sends vector @v's message, or sets its pending bit while it is masked. Out of range: nothing.
 * MSI: where the guest has allotted fewer vectors, @v modulo these; disabled: nothing, the function
 * uses its pin.
 */
void pci_msi_raise(struct pci_dev *p, unsigned v);
void pci_msix_raise(struct pci_dev *p, unsigned v);
/*
 * An eventfd whose signal raises vector @v of MSI-X or MSI, whichever the guest has enabled; made
 * on first use, it stays valid until pci_dev_done(). While the vector is masked or disabled its
 * signals collect there and set the pending bit. -EINVAL: no such vector; -ENOSPC: the accelerator
 * has no route left, use pci_msix_raise(); -errno.
 */
int pci_vector_fd(struct pci_dev *p, unsigned v);

/*
 * Level of the INTx pin, which stays low while command bit 10 says so, or MSI or MSI-X is enabled.
 * Lock held.
 */
void pci_intx_set(struct pci_dev *p, bool level);
/*
 * For functions with one interrupt, which is a level: the pin, or with MSI vector 0's message each
 * time it rises. Lock held.
 */
void pci_irq_set(struct pci_dev *p, bool level);

/* True when the function may read and write guest memory (command bit 2). Any thread. */
bool pci_may_dma(struct pci_dev *p);

/* Little-endian access to cfg[] for device code; lock held. */
uint16_t pci_get16(const struct pci_dev *p, unsigned offset);
uint32_t pci_get32(const struct pci_dev *p, unsigned offset);
void pci_set16(struct pci_dev *p, unsigned offset, uint16_t v);
void pci_set32(struct pci_dev *p, unsigned offset, uint32_t v);

#endif
