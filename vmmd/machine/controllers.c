/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What disks and USB devices are connected to. */
#include "devmodel/chipset/chipset.h"
#include "devmodel/platform/i8257.h"
#include "devmodel/storage/fdc.h"
#include "devmodel/storage/storage.h"
#include "devmodel/usb/usb-devices.h"
#include "vmmd/machine/machine-internal.h"

#define XHCI_CONNECTORS 15
#define FDC_DMA_CHANNEL 2

static void setup_storage(struct machine *m, struct dev *d)
{
	storage_set_loop(d, m->env.io);
}

static void setup_fdc(struct machine *m, struct dev *d)
{
	fdc_set_dma(d, i8257_channel(m->dma, FDC_DMA_CHANNEL));
}

/* As many connectors as the VmSpec has units, for all speeds. */
static void setup_xhci(struct machine *m, struct dev *d)
{
	machine_set_uint(d, "p2", XHCI_CONNECTORS);
	machine_set_uint(d, "p3", XHCI_CONNECTORS);
}

/* The device of each type on each machine, NULL: there is none; and what it needs before realize. */
static const struct {
	const struct dev_ops *pc, *q35;
	void (*setup)(struct machine *m, struct dev *d);
} types[SPEC_CONTROLLER_TYPES] = {
	[SPEC_CONTROLLER_IDE] = {&piix3_ide_ops, NULL, setup_storage},
	[SPEC_CONTROLLER_AHCI] = {&ich9_ahci_ops, &ich9_ahci_ops, setup_storage},
	[SPEC_CONTROLLER_UHCI] = {&piix3_uhci_ops, &ich9_uhci1_ops, NULL},
	[SPEC_CONTROLLER_XHCI] = {&qemu_xhci_ops, &qemu_xhci_ops, setup_xhci},
	[SPEC_CONTROLLER_FDC] = {&isa_fdc_ops, &isa_fdc_ops, setup_fdc},
	[SPEC_CONTROLLER_ROOT_PORT] = {NULL, &pcie_root_port_ops, NULL},
};

static bool add(struct machine *m, size_t i, GError **error)
{
	const struct spec_controller *s = m->spec->controllers[i];
	bool q35 = m->spec->machine == SPEC_MACHINE_Q35;
	const struct dev_ops *ops = q35 ? types[s->type].q35 : types[s->type].pc;
	struct dev *d;

	if (!ops)
		return err_set(
			error, VMMD_ERROR_UNSUPPORTED, "type: this build has no such device");
	d = machine_new_dev(m, ops, s->id, PLACE_OF(s));
	if (types[s->type].setup)
		types[s->type].setup(m, d);
	return dev_realize(d, error);
}

bool machine_add_root_port(struct machine *m, size_t i, GError **error)
{
	return m->spec->controllers[i]->type != SPEC_CONTROLLER_ROOT_PORT || add(m, i, error);
}

bool machine_add_controller(struct machine *m, size_t i, GError **error)
{
	return m->spec->controllers[i]->type == SPEC_CONTROLLER_ROOT_PORT || add(m, i, error);
}
