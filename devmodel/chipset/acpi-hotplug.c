/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/chipset/chips.h"

void acpi_hotplug_wire(struct dev *d, struct irq gpe, const struct acpi_hotplug_user *user)
{
	struct acpi_hotplug *h = to_acpi_hotplug(d);

	h->gpe = gpe;
	if (user)
		h->user = *user;
}

void acpi_hotplug_map(struct acpi_hotplug *h, const struct region_ops *ops, uint64_t size)
{
	region_init_io(&h->region, &h->dev, ops, h->dev.ops->name, BUS_PIO, size);
	region_map(h->dev.bus, &h->region, h->base, REGION_PRIO_DEVICE);
}

void acpi_hotplug_ejected(struct acpi_hotplug *h, unsigned n)
{
	if (h->user.ejected)
		h->user.ejected(h->user.opaque, n);
}

void acpi_hotplug_status(struct acpi_hotplug *h, unsigned n, uint32_t event, uint32_t status)
{
	if (h->user.status)
		h->user.status(h->user.opaque, n, event, status);
}
