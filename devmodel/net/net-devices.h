/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net-devices.h - emulated network interface cards.
 *
 *	e1000	Intel 82540EM, PCI 8086:100e
 *	e1000e	Intel 82574L, PCI Express 8086:10d3
 *	rtl8139	Realtek RTL8139C+, PCI 10ec:8139
 *
 * All are PCI functions: the machine sets pci_dev.bus and the property "mac" (not all zeroes)
 * before realize, and an option ROM, if there is one, by pci_set_rom(). Frames are handled on the
 * bus's loop; register accesses only mark the work.
 */
#ifndef DEVMODEL_NET_NET_DEVICES_H
#define DEVMODEL_NET_NET_DEVICES_H

#include "devmodel/pci/pci.h"

struct net;

/* Ends with NULL. */
extern const struct dev_ops *const net_devices[];

extern const struct dev_ops e1000_ops;
extern const struct dev_ops e1000e_ops;
extern const struct dev_ops rtl8139_ops;

/*
 * What a NIC is plugged into: queue 0 of @net, which is borrowed, stays until the device is gone,
 * and says whether there is a link. Realize fails without it. Main thread, before realize.
 */
void e1000_set_backend(struct dev *d, struct net *net);
void e1000e_set_backend(struct dev *d, struct net *net);
void rtl8139_set_backend(struct dev *d, struct net *net);

#endif
