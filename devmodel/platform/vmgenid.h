/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmgenid.h - VM generation ID: a number in guest memory that is another one whenever the guest
 * runs on from a state that has run before (snapshot, copy). Microsoft, "Virtual Machine Generation
 * ID"; the way to the guest as in QEMU's docs/specs/vmgenid.rst:
 *
 *	file "etc/vmgenid_guid"   a page with the GUID at VMGENID_OFFSET, for the table loader
 *	file "etc/vmgenid_addr"   the loader's WRITE_POINTER: where in memory the GUID is
 *	GPE  VMGENID_GPE          there is another one: _E05 notifies the ACPI device
 *
 * That device has _HID QEMUVGID and _CID VM_Gen_Counter; its ADDR gives the address of the GUID.
 */
#ifndef DEVMODEL_PLATFORM_VMGENID_H
#define DEVMODEL_PLATFORM_VMGENID_H

#include "devmodel/bus/bus.h"

extern const struct dev_ops vmgenid_ops; /* property guid */

#define VMGENID_GUID_FILE "etc/vmgenid_guid"
#define VMGENID_ADDR_FILE "etc/vmgenid_addr"
#define VMGENID_OFFSET    40
#define VMGENID_SIZE      4096
#define VMGENID_GPE       5

/* Its files go into @fw_cfg, its event to @gpe. Both before realize. */
void vmgenid_wire(struct dev *d, struct dev *fw_cfg, struct irq gpe);

/* From now on the guest has @guid (as UUIDs are written). Main thread, device not locked. */
void vmgenid_set(struct dev *d, const uint8_t guid[16]);

#endif
