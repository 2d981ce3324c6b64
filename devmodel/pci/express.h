/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * express.h - PCI Express: the capability that makes a function one (PCIe 7.8), extended
 * capabilities, ports and their slots.
 *
 * A port is a bridge whose secondary bus is a link. Its slot, with hotplug, goes through these
 * states; the guest writes the power controller and indicator bits of Slot Control, the host plugs
 * and unplugs (pci.h):
 *
 *	          pci_slot_plug(): presence detect changed
 *	empty ──────────────────────────────────────────────► present, no power
 *	  ▲                                                        │ power on: link up
 *	  │ emptied()                                              ▼
 *	present, no power ◄── power and indicator off ── present, power on
 *	  released() was called                             ▲ pci_slot_unplug(): attention button
 *
 * What was there at reset has power. Events (button, presence, link state, command completed)
 * interrupt by MSI or INTx, as Slot Control enables them (PCIe 6.7.3).
 */
#ifndef DEVMODEL_PCI_EXPRESS_H
#define DEVMODEL_PCI_EXPRESS_H

#include "devmodel/pci/pci.h"

/* Device/Port Type, PCIe 7.8.2. */
enum pci_exp_type {
	PCI_EXP_ENDPOINT = 0,
	PCI_EXP_ROOT_PORT = 4,
	PCI_EXP_PCI_BRIDGE = 7, /* PCI Express to conventional PCI */
	PCI_EXP_INTEGRATED = 9, /* integrated endpoint of the root complex */
};

/* Registers of the capability, PCIe 7.8. */
enum {
	PCI_EXP_FLAGS = 0x02,
	PCI_EXP_DEVCAP = 0x04,
	PCI_EXP_DEVCTL = 0x08,
	PCI_EXP_DEVSTA = 0x0a,
	PCI_EXP_LNKCAP = 0x0c,
	PCI_EXP_LNKCTL = 0x10,
	PCI_EXP_LNKSTA = 0x12,
	PCI_EXP_SLTCAP = 0x14,
	PCI_EXP_SLTCTL = 0x18,
	PCI_EXP_SLTSTA = 0x1a,
	PCI_EXP_RTCTL = 0x1c,
	PCI_EXP_RTCAP = 0x1e,
	PCI_EXP_RTSTA = 0x20,
	PCI_EXP_DEVCAP2 = 0x24,
	PCI_EXP_DEVCTL2 = 0x28,
	PCI_EXP_LNKCAP2 = 0x2c,
	PCI_EXP_LNKCTL2 = 0x30,
	PCI_EXP_SIZE = 0x3c,
};

#define PCI_EXT_CAP_AER    0x0001
#define PCI_EXT_CAP_SERIAL 0x0003

/*
 * Slot Control and Slot Status, PCIe 7.8.10, 7.8.11: events have the same bit in both, but for the
 * link's.
 */
#define PCI_SLOT_BUTTON      0x0001
#define PCI_SLOT_PRESENCE    0x0008
#define PCI_SLOT_COMPLETED   0x0010
#define PCI_SLTCTL_HPIE      0x0020
#define PCI_SLTCTL_PIC       0x0300 /* power indicator: 1 on, 2 blinks, 3 off */
#define PCI_SLTCTL_PIC_ON    0x0100
#define PCI_SLTCTL_PIC_BLINK 0x0200
#define PCI_SLTCTL_PIC_OFF   0x0300
#define PCI_SLTCTL_POWER_OFF 0x0400
#define PCI_SLTCTL_LINK      0x1000
#define PCI_SLTSTA_PRESENT   0x0040
#define PCI_SLTSTA_LINK      0x0100
#define PCI_LNKCTL_DISABLE   0x0010
#define PCI_LNKSTA_ACTIVE    0x2000
#define PCI_DEVCTL_FLR       0x8000

/*
 * The capability, version 2, and with it 4096 bytes of configuration space. An endpoint is an
 * integrated one on the root bus, and on a conventional bus it gets nothing, and 0 is returned: a
 * device can call it wherever it is plugged. Else the capability's offset, or -ENOSPC. From
 * realize, after pci_dev_init().
 */
int pci_exp_init(struct pci_dev *p, enum pci_exp_type type);

/* Advanced error reporting (PCIe 7.10): no error ever occurs. After pci_exp_init(); 0, -ENOSPC. */
int pci_aer_init(struct pci_dev *p);
/* Device serial number (PCIe 7.12), an EUI-64. After pci_exp_init(); 0, -ENOSPC. */
int pci_serial_init(struct pci_dev *p, uint64_t serial);

/*
 * A slot below a port, whose pci_bridge_init() and pci_exp_init() were called: @number as printed
 * on the case; with @hotplug as drawn above. Its interrupt is pci_irq_set()'s.
 */
void pci_slot_init(struct pci_dev *port, uint16_t number, bool hotplug);

#endif
