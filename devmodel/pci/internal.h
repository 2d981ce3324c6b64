/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * internal.h - what the files of the PCI core share: bus.c finds the function, config.c is its configuration space,
 * msix.c its vectors.
 */
#ifndef DEVMODEL_PCI_INTERNAL_H
#define DEVMODEL_PCI_INTERNAL_H

#include "devmodel/pci/pci.h"

#define PCI_DEVFNS (PCI_SLOTS * PCI_FUNCS)

/* Puts @p at @devfn, and takes it off again. Bus lock held. */
void pci_bus_attach(struct pci_bus *b, struct pci_dev *p, unsigned devfn);
void pci_bus_detach(struct pci_bus *b, struct pci_dev *p);
/* The bus's input for @pin (1..4) of @devfn; the router's inputs are shared. */
struct irq pci_bus_pin(struct pci_bus *b, unsigned devfn, unsigned pin);

/* Access to a function's registers, naturally aligned. Device lock held; a write holds the bus lock too. */
uint32_t pci_function_read(struct pci_dev *p, unsigned offset, unsigned size);
void pci_function_write(struct pci_dev *p, unsigned offset, unsigned size, uint32_t value);

/* A byte of cfg[], which other threads look at (pci_may_dma()). */
static inline void pci_set8(struct pci_dev *p, unsigned offset, uint8_t v)
{
	__atomic_store_n(&p->pci_hw.cfg[offset], v, __ATOMIC_RELAXED);
}

/* Message Control, section 6.8.2.3. */
#define MSIX_CONTROL   2
#define MSIX_ENABLE    0x8000
#define MSIX_FUNC_MASK 0x4000

/* The enable or the function mask bit may have changed: wires and unwires. */
void pci_msix_control_changed(struct pci_dev *p);
void pci_msix_reset(struct pci_dev *p);
/* -EINVAL: something reserved is set. Wires nothing yet. */
int pci_msix_check(const struct pci_dev *p);
void pci_msix_post_load(struct pci_dev *p);
void pci_msix_done(struct pci_dev *p);

#endif
