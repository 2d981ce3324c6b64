/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/chipset/chipset.h"

const struct dev_ops *const chipset_devices[] = {
	&i440fx_ops,
	&piix3_ops,
	&piix4_pm_ops,
	&mch_ops,
	&ich9_lpc_ops,
	&ich9_smbus_ops,
	&acpi_pci_hotplug_ops,
	&acpi_cpu_hotplug_ops,
	&acpi_mem_hotplug_ops,
	&pcie_root_port_ops,
	&i82801b11_bridge_ops,
	&pcie_pci_bridge_ops,
	&pci_bridge_ops,
	NULL,
};
