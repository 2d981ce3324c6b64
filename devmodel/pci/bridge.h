/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bridge.h - PCI-to-PCI bridges: the type 1 header (PPB chapter 3). A bridge is a function whose
 * other side is a bus.
 *
 *	bus numbers	configuration requests for secondary..subordinate go through
 *	windows		I/O, memory, prefetchable memory: what is in one of them, and enabled by the command register, goes
 *			through. A BAR behind the bridge is decoded if it lies in one window as a whole.
 *	bridge control	secondary bus reset: everything behind is reset and does not answer while the bit is set
 *	pins		INTA..INTD of device n behind it are turned by n and joined with the bridge's own
 *
 * Not modelled: subtractive decoding, VGA and ISA modes (the bits can be set and have no effect),
 * the error bits.
 */
#ifndef DEVMODEL_PCI_BRIDGE_H
#define DEVMODEL_PCI_BRIDGE_H

#include "devmodel/pci/pci.h"

/*
 * Makes @p, which pci_dev_init() has initialised with conf->bridge, a bridge to a new bus of @kind,
 * p->secondary. Before its capabilities. pci_dev_done() removes the bus; nothing may be left on it.
 */
void pci_bridge_init(struct pci_dev *p, enum pci_bus_kind kind);

/* The capability that tells the subsystem of a bridge. 0 or -ENOSPC. */
int pci_bridge_ssvid(struct pci_dev *p, uint16_t vendor, uint16_t id);

#endif
