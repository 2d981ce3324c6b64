/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.h - PCI buses and functions: configuration space, BARs, interrupts, bridges, hotplug. PCI
 * Local Bus Specification 3.0; "PCIe" is PCI Express Base 2.0, "PPB" the PCI-to-PCI Bridge
 * Architecture Specification 1.2.
 *
 *	root bus ──┬── function 00:02.0
 *	           ├── bridge 00:03.0 ── bus 1 ──┬── function 01:00.0
 *	           │     windows, pins           └── ...
 *	           └── root port 00:04.0 ── link: bus 2 ── function 02:00.0
 *
 * A function is a device whose structure begins with struct pci_dev. It says what it is (struct
 * pci_conf), which BARs it has and which capabilities; the core owns configuration space: cfg[] are
 * the registers, wmask[] has the bits that the guest can write, w1c[] those that it clears by
 * writing ones. Everything else is read-only to the guest.
 *
 * What the guest makes of it, the core does by itself: writes to the command and base address
 * registers map and unmap the function's regions, under the bus lock; a BAR is decoded only if
 * every bridge above it forwards its addresses; pins and messages go where the registers say.
 * Functions find out through struct pci_ops.
 *
 * Locks: bus < this function's device lock < irq. A configuration write holds the bus lock and the
 * function's.
 */
#ifndef DEVMODEL_PCI_PCI_H
#define DEVMODEL_PCI_PCI_H

#include "devmodel/bus/bus.h"

#define PCI_CFG_SIZE         4096 /* of a PCI Express function; others have 256 */
#define PCI_CFG_CONVENTIONAL 256
#define PCI_HEADER_SIZE      64
#define PCI_BARS             6
#define PCI_ROM_BAR          6 /* index of the expansion ROM */
#define PCI_SLOTS            32
#define PCI_FUNCS            8
#define PCI_DEVFN(slot, fn)  ((slot) << 3 | (fn))
#define PCI_ANY_DEVFN        (-1)
#define PCI_RID(bus, devfn)  ((unsigned)(bus) << 8 | (devfn)) /* "routing id" of a function */

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

/* Registers of the type 1 header, PPB chapter 3. */
enum {
	PCI_PRIMARY = 0x18,
	PCI_SECONDARY = 0x19,
	PCI_SUBORDINATE = 0x1a,
	PCI_SECONDARY_LATENCY = 0x1b,
	PCI_IO_BASE = 0x1c,
	PCI_IO_LIMIT = 0x1d,
	PCI_SECONDARY_STATUS = 0x1e,
	PCI_MEM_BASE = 0x20,
	PCI_MEM_LIMIT = 0x22,
	PCI_PREF_BASE = 0x24,
	PCI_PREF_LIMIT = 0x26,
	PCI_PREF_BASE_HIGH = 0x28,
	PCI_PREF_LIMIT_HIGH = 0x2c,
	PCI_IO_BASE_HIGH = 0x30,
	PCI_IO_LIMIT_HIGH = 0x32,
	PCI_BRIDGE_ROM = 0x38,
	PCI_BRIDGE_CONTROL = 0x3e,
};

#define PCI_CMD_IO      0x0001
#define PCI_CMD_MEM     0x0002
#define PCI_CMD_MASTER  0x0004
#define PCI_CMD_SERR    0x0100
#define PCI_CMD_NOINTX  0x0400
#define PCI_STATUS_INTX 0x0008
#define PCI_STATUS_CAPS 0x0010

#define PCI_CAP_SLOT   0x04
#define PCI_CAP_MSI    0x05
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_SSVID  0x0d /* subsystem of a bridge */
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
	bool bridge; /* type 1 header: no subsystem there; see pci_bridge_init() */
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
	 * Bus mastering, INTx disable, MSI enable, MSI-X enable or function mask changed, or what pci_may_dma()
	 * tells. Device lock held. May be NULL.
	 */
	void (*command_changed)(struct pci_dev *p);
	/*
	 * Function level reset, or reset of the bus it is on, while the machine runs: to the values
	 * of power-on whatever can be without waiting; it calls pci_dev_reset(). Bus lock and
	 * device lock held. NULL: dev_ops->reset, or where the device has a quiesce,
	 * pci_dev_reset() only.
	 */
	void (*function_reset)(struct pci_dev *p);
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
	uint16_t cfg_size;             /* [c] 256, or 4096 with a PCI Express capability */
	struct pci_hw pci_hw;          /* [s] lock */
	uint8_t wmask[PCI_CFG_SIZE];   /* [c] writable by the guest */
	uint8_t w1c[PCI_CFG_SIZE];     /* [c] write one to clear */
	uint8_t initial[PCI_CFG_SIZE]; /* [c] cfg as the first reset found it */
	bool complete;                 /* [c] initial was taken */
	struct pci_bar bars[PCI_BARS + 1];
	struct gmem_block *rom; /* [c] NULL: none */
	struct region rom_region;
	uint8_t next_cap;                    /* first free byte for capabilities */
	uint8_t last_cap;                    /* 0: none */
	uint16_t next_ext_cap, last_ext_cap; /* likewise, extended ones; 0: none */

	/* Bridges, PCI Express, ports. */
	struct pci_bus *secondary;  /* [c] a bridge's other side; NULL: no bridge */
	uint8_t exp_cap;            /* [c] PCI Express capability, 0: none */
	bool exp_slot, exp_hotplug; /* [c] a port with a slot */
	bool exp_was_on;            /* lock: what is in the slot has had power */
	bool exp_released;          /* lock: the guest has let it go */

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

enum pci_bus_kind {
	PCI_BUS_CONVENTIONAL,
	PCI_BUS_ROOT_COMPLEX, /* root bus of PCI Express: integrated endpoints and ports */
	PCI_BUS_LINK,         /* behind a port: one device, 0 */
};

/*
 * Which of the four pins of the bus above (0..3) pin @pin (1..4) of @slot meets: section 2.2.6, PPB
 * 9.1.
 */
unsigned pci_swizzle(unsigned slot, unsigned pin);

/*
 * The root bus. Pin p of a function in slot s goes to input pci_swizzle(s, p) of @router, which the
 * chipset implements; an input is the wired OR of its pins. Owned by the host bridge.
 */
struct pci_bus *pci_bus_new(struct bus *bus, struct irq_sink *router);
/* The root bus of PCI Express. Pins go to inputs @map(slot, pin), below PCI_ROUTER_INPUTS. */
struct pci_bus *pci_root_complex_new(
	struct bus *bus, struct irq_sink *router, unsigned (*map)(unsigned slot, unsigned pin));
/* The router of a root bus that was made without (NULL): set-up. */
void pci_bus_set_router(struct pci_bus *b, struct irq_sink *router);
void pci_bus_free(struct pci_bus *b);
#define PCI_ROUTER_INPUTS 8

enum pci_bus_kind pci_bus_kind(const struct pci_bus *b);
/* The bridge above it; NULL: a root bus. */
struct pci_dev *pci_bus_bridge(const struct pci_bus *b);
/* As the guest has numbered it, 0: the root bus, or not numbered. Any thread. */
unsigned pci_bus_number(const struct pci_bus *b);
/* Device numbers that can be used there: 32, or 1 at the end of a link. */
unsigned pci_bus_slots(const struct pci_bus *b);

/*
 * Configuration mechanism, from the root bus @root, of the function @rid (PCI_RID()) as the guest
 * has numbered the buses: all ones where nobody is, and for what is not 1, 2 or 4 bytes naturally
 * aligned. Any vCPU inside a qs section; a write takes the bus lock.
 */
uint32_t pci_config_read(struct pci_bus *root, unsigned rid, unsigned offset, unsigned size);
void pci_config_write(
	struct pci_bus *root, unsigned rid, unsigned offset, unsigned size, uint32_t value);

struct pci_dev *pci_bus_dev(struct pci_bus *b, unsigned devfn); /* or NULL */
/* First devfn with a free slot from @first_slot on, function 0; -1 when full. */
int pci_bus_free_devfn(struct pci_bus *b, unsigned first_slot);

/* ---- hotplug: the machine's side ---- */

/*
 *	dev_realize(), reset ─► pci_slot_plug() ─► the guest finds it
 *	pci_slot_unplug() ─► the guest lets go ─► released() ─► quiesce, dev_free() ─► pci_slot_emptied()
 *
 * All on the main thread, no locks. -ENOTSUP: nobody watches over this slot.
 */
int pci_slot_plug(struct pci_bus *b, unsigned slot);
/*
 * Asks the guest; -EAGAIN: an earlier request is still being considered. What comes of it,
 * released() tells.
 */
int pci_slot_unplug(struct pci_bus *b, unsigned slot);
/* All functions of the slot are freed. */
void pci_slot_emptied(struct pci_bus *b, unsigned slot);
/*
 * @released: the guest has let a slot of a bus below @root go: its functions can be freed. Called
 * on any thread with locks held: it only notes that and wakes the main loop. Set-up.
 */
void pci_bus_set_released(struct pci_bus *root,
	void (*released)(void *opaque, struct pci_bus *b, unsigned slot), void *opaque);

/* ---- hotplug: the controller's side (root port, ACPI registers) ---- */

struct pci_hotplug_ops {
	void (*plugged)(void *opaque, unsigned slot); /* tell the guest */
	int (*request)(void *opaque, unsigned slot);  /* ask the guest */
	void (*emptied)(void *opaque, unsigned slot); /* may be NULL */
};

/* Set-up. @slots: a bit for each that is watched over. */
void pci_bus_set_hotplug(
	struct pci_bus *b, const struct pci_hotplug_ops *ops, void *opaque, uint32_t slots);
/* The guest has let the slot go. Any lock. */
void pci_slot_released(struct pci_bus *b, unsigned slot);

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
 * The function's expansion ROM (section 6.3): @image, @size bytes, at most PCI_ROM_MAX, copied and filled up with ones to a power of
 * two. Between dev_new() and dev_realize(). Errors: empty, too large, no memory.
 */
#define PCI_ROM_MAX (16 * MiB)
bool pci_set_rom(struct pci_dev *p, const void *image, size_t size, GError **error);

/*
 * Adds a capability of @size bytes (header included) and returns its offset; -ENOSPC. The caller
 * fills cfg and wmask.
 */
int pci_cap_add(struct pci_dev *p, uint8_t id, uint8_t size);

/*
 * Adds an extended capability (PCIe 7.9) of @size bytes and returns its offset, from 0x100 on;
 * -ENOSPC, also for functions without extended configuration space.
 */
int pci_ext_cap_add(struct pci_dev *p, uint16_t id, uint8_t version, uint16_t size);

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

/*
 * True when the function may read and write guest memory: command bit 2, and its bus is up. The
 * command bits of bridges, which firmware may leave off, do not count. Any thread.
 */
bool pci_may_dma(struct pci_dev *p);

/* Little-endian access to cfg[] for device code; lock held. */
uint16_t pci_get16(const struct pci_dev *p, unsigned offset);
uint32_t pci_get32(const struct pci_dev *p, unsigned offset);
void pci_set16(struct pci_dev *p, unsigned offset, uint16_t v);
void pci_set32(struct pci_dev *p, unsigned offset, uint32_t v);

#endif
