/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What disks and USB devices are connected to. */
#include "devmodel/chipset/chipset.h"
#include "devmodel/storage/storage.h"
#include "devmodel/usb/usb-devices.h"
#include "vmmd/machine/machine-internal.h"

static void setup_storage(struct machine *m, struct dev *d)
{
	storage_set_loop(d, m->env.io);
}

/* The device of each type on each machine, NULL: there is none; and what it needs before realize. */
static const struct {
	const struct dev_ops *ops[2];
	void (*setup)(struct machine *m, struct dev *d);
} types[SPEC_CONTROLLER_TYPES] = {
	[SPEC_CONTROLLER_IDE] = {{[SPEC_MACHINE_PC] = &piix3_ide_ops}, setup_storage},
	[SPEC_CONTROLLER_AHCI] =
		{{[SPEC_MACHINE_PC] = &ich9_ahci_ops, [SPEC_MACHINE_Q35] = &ich9_ahci_ops},
			setup_storage},
	[SPEC_CONTROLLER_UHCI] =
		{{[SPEC_MACHINE_PC] = &piix3_uhci_ops, [SPEC_MACHINE_Q35] = &ich9_uhci1_ops}},
};

bool machine_add_controller(struct machine *m, size_t i, GError **error)
{
	const struct spec_controller *s = m->spec->controllers[i];
	const struct dev_ops *ops = types[s->type].ops[m->spec->machine];
	struct dev *d;

	if (!ops)
		return err_set(
			error, VMMD_ERROR_UNSUPPORTED, "type: this build has no such device");
	d = machine_new_pci(m, ops, s->id, s->addr);
	if (types[s->type].setup)
		types[s->type].setup(m, d);
	return dev_realize(d, error);
}
