/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - what the files of the PCI core share: bus.c finds the function, config.c is its
 * configuration space, vector.c its vectors, msi.c and msix.c the two ways in which the guest sets
 * them up.
 */
#ifndef DEVMODEL_PCI_INTERNAL_H
#define DEVMODEL_PCI_INTERNAL_H

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/qs.h"
#include "devmodel/pci/pci.h"

#define PCI_DEVFNS (PCI_SLOTS * PCI_FUNCS)
#define PCI_PINS   4 /* INTA..INTD */

/* Why nobody on a bus answers, and nothing there is decoded. */
#define PCI_DOWN_RESET 0x1 /* the bridge holds it in reset */
#define PCI_DOWN_LINK  0x2 /* a link without a partner, or one without power */

struct pci_bus {
	struct bus *bus;
	enum pci_bus_kind kind;
	struct pci_dev *bridge;           /* [c] above it; NULL: root */
	struct pci_dev *devs[PCI_DEVFNS]; /* atomic; changed under the bus lock */
	struct pci_bus *children, *next;  /* atomic; changed under the bus lock */
	unsigned down;                    /* atomic; changed under the bus lock: PCI_DOWN_ */

	/* Input: devfn * PCI_PINS + pin - 1; at devfn PCI_DEVFNS the pins of the bridge itself. */
	struct irq_sink sink;
	struct irq_sink *router; /* [c] the bus above, or the chipset */
	unsigned (*map)(unsigned slot, unsigned pin);
	pthread_mutex_t lock; /* an irq lock: below */
	bool level[(PCI_DEVFNS + 1) * PCI_PINS];
	unsigned high[PCI_ROUTER_INPUTS]; /* pins that drive a router input */

	/* [c] */
	const struct pci_hotplug_ops *hotplug;
	void *hotplug_opaque;
	uint32_t hotplug_slots;
	void (*released)(void *opaque, struct pci_bus *b, unsigned slot);
	void *released_opaque;
};

/* Puts @p at @devfn, and takes it off again. Bus lock held. */
void pci_bus_attach(struct pci_bus *b, struct pci_dev *p, unsigned devfn);
void pci_bus_detach(struct pci_bus *b, struct pci_dev *p);
/* The bus's input for @pin (1..4) of @devfn; the router's inputs are shared. */
struct irq pci_bus_pin(struct pci_bus *b, unsigned devfn, unsigned pin);
/* That for the bridge above the bus itself. */
struct irq pci_bridge_pin(struct pci_bus *b, unsigned pin);

/* The bus behind @bridge, and its end. Bus lock held. */
struct pci_bus *pci_bus_behind(struct pci_dev *bridge, enum pci_bus_kind kind);
void pci_bus_remove(struct pci_bus *b);
/* @fn for all functions on the bus and below, bridges first. Bus lock held. */
void pci_bus_each(struct pci_bus *b, void (*fn)(struct pci_dev *p));
/*
 * @why, one of PCI_DOWN_, begins or ends to hold: functions behind are mapped anew and told. is_down: any
 * thread. set_down: bus lock held, no locks of functions behind.
 */
bool pci_bus_is_down(const struct pci_bus *b, unsigned why);
void pci_bus_set_down(struct pci_bus *b, unsigned why, bool down);

/*
 * True when all of [@addr, @addr + @size) passes the bridges from the root bus to @b. Bus lock
 * held.
 */
bool pci_bus_forwards(const struct pci_bus *b, bool io, uint64_t addr, uint64_t size);
/* Maps the BARs as registers and bridges say now. Bus lock held. */
void pci_dev_remap(struct pci_dev *p);
/* See pci_ops->function_reset. Bus lock held; takes the device's lock. */
void pci_function_reset(struct pci_dev *p);

void pci_function_reset_locked(struct pci_dev *p);

/*
 * PCI Express: the same, for functions that have the capability. check: -EINVAL, reserved bits are
 * set.
 */
void pci_exp_written(struct pci_dev *p, unsigned offset, unsigned size);
void pci_exp_reset(struct pci_dev *p);
void pci_exp_sync(struct pci_dev *p);
int pci_exp_check(const struct pci_dev *p);

/*
 * A bridge's part of a configuration write, of reset and loading, of the end; other functions have
 * none. Bus lock held, and but for the last the device's.
 */
void pci_bridge_written(struct pci_dev *p, unsigned offset, unsigned size);
void pci_bridge_sync(struct pci_dev *p);
void pci_bridge_done(struct pci_dev *p);

/*
 * Access to a function's registers, naturally aligned. Device lock held; a write holds the bus lock
 * too.
 */
uint32_t pci_function_read(struct pci_dev *p, unsigned offset, unsigned size);
void pci_function_write(struct pci_dev *p, unsigned offset, unsigned size, uint32_t value);

/* A byte of cfg[], which other threads look at (pci_may_dma()). */
static inline void pci_set8(struct pci_dev *p, unsigned offset, uint8_t v)
{
	__atomic_store_n(&p->pci_hw.cfg[offset], v, __ATOMIC_RELAXED);
}

/* A 32-bit little-endian word of wmask or w1c. */
static inline void pci_mask32(uint8_t *mask, unsigned offset, uint32_t v)
{
	v = htole32(v);
	memcpy(mask + offset, &v, sizeof(v));
}

/* True when the read-only bits of cfg[@offset..] are what the first reset found. */
bool pci_unchanged(const struct pci_dev *p, unsigned offset, unsigned size);

/* ---- vectors; all with vector_lock held but where it says otherwise ---- */

static inline void pci_vectors_lock(struct pci_dev *p)
{
	pthread_mutex_lock(&p->vector_lock);
}

static inline void pci_vectors_unlock(struct pci_dev *p)
{
	pthread_mutex_unlock(&p->vector_lock);
}

/* Room for vectors [0, @n). From realize, no lock. */
void pci_vectors_init(struct pci_dev *p, unsigned n);
/* Makes the vectors [@first, @first + @n) what the registers say. */
void pci_vectors_update(struct pci_dev *p, unsigned first, unsigned n);
/* Signals that wait in eventfds: into the pending bits; away with them. */
void pci_vectors_collect(struct pci_dev *p);
void pci_vectors_drop(struct pci_dev *p);
bool pci_vector_pending(const struct pci_dev *p, unsigned n);
/* Takes the lock. */
void pci_vector_raise(struct pci_dev *p, unsigned v);

/* Parts of the function's life, which take the lock. check: -EINVAL, something reserved is set. */
void pci_vectors_reset(struct pci_dev *p);
int pci_vectors_check(const struct pci_dev *p);
void pci_vectors_post_load(struct pci_dev *p);
void pci_vectors_done(struct pci_dev *p);

/* Takes over the control register. Device lock held too. */
void pci_msix_load(struct pci_dev *p);
/*
 * MSI-X, while it is enabled: whether the vector's messages are sent, and not held back; what they
 * are.
 */
bool pci_msix_active(const struct pci_dev *p, unsigned v);
struct accel_msi pci_msix_message(const struct pci_dev *p, unsigned v);
void pci_msix_clear(struct pci_dev *p);
void pci_msix_unmap(struct pci_dev *p);
int pci_msix_check(const struct pci_dev *p);

/* MSI likewise; number: of the message that vector @v uses. */
bool pci_msi_active(const struct pci_dev *p, unsigned v);
struct accel_msi pci_msi_message(const struct pci_dev *p, unsigned v);
unsigned pci_msi_number(const struct pci_dev *p, unsigned v);
/* Takes over the registers; shows the pending bits there. Device lock held too. */
void pci_msi_load(struct pci_dev *p);
void pci_msi_show_pending(struct pci_dev *p);
int pci_msi_check(const struct pci_dev *p);

/* Message Control, section 6.8.2.3. */
#define MSIX_CONTROL   2
#define MSIX_ENABLE    0x8000
#define MSIX_FUNC_MASK 0x4000

/*
 * The guest has written to, or is about to read, [@offset, @offset + @size): device lock held, they
 * take vector_lock. True when the enable or the function mask bit has changed.
 */
bool pci_msi_written(struct pci_dev *p, unsigned offset, unsigned size);
void pci_msi_will_read(struct pci_dev *p, unsigned offset, unsigned size);
void pci_msix_control_changed(struct pci_dev *p);

#endif
