/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both machines have: configuration memory, clock, keyboard controller, serial ports. */
#include <string.h>

#include "devmodel/input/input.h"
#include "devmodel/platform/hpet.h"
#include "devmodel/platform/i8257.h"
#include "devmodel/platform/platform.h"
#include "devmodel/serial/serial.h"
#include "vmmd/machine/machine-internal.h"

#define COM_PORTS 4

static const struct {
	uint16_t iobase;
	uint8_t irq;
} com_ports[COM_PORTS] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

static bool add_serial(struct machine *m, unsigned i, GError **error)
{
	const struct spec_serial *s = m->spec->serials[i];
	struct dev *d;

	if (i >= COM_PORTS)
		return err_set(error, VMMD_ERROR_INVALID, "/serials/%u: a PC has %u serial ports",
			i, COM_PORTS);
	d = dev_new(m->bus, &isa_serial_ops, s->id);
	prop_set_uint(prop_find(isa_serial_ops.props, "iobase"), d, com_ports[i].iobase, NULL);
	prop_set_uint(prop_find(isa_serial_ops.props, "irq"), d, com_ports[i].irq, NULL);
	if (s->chardev) {
		struct chardev *c = machine_add_chardev(m, s->id, s->chardev, error);

		if (!c) {
			g_prefix_error(error, "/serials/%u/chardev: ", i);
			dev_free(d);
			return false;
		}
		isa_serial_set_chardev(d, c);
	}
	return dev_realize(d, error);
}

/* ---- HPET ---- */

static void connect_pit(struct loop_call *c)
{
	struct machine *m = container_of(c, struct machine, pit_call);
	const struct accel_ops *ops = m->accel->ops;
	int err = 0;

	if (ops->pit_connect)
		err = ops->pit_connect(
			m->accel, !__atomic_load_n(&m->hpet_legacy, __ATOMIC_ACQUIRE));
	if (err < 0)
		bus_accel_failed(m->bus, "the PIT cannot be disconnected", err);
}

/* Any thread: what needs the accelerator is done on the main loop. */
static void on_hpet_legacy(void *opaque, bool on)
{
	struct machine *m = opaque;

	rtc_disconnect(m->rtc, on);
	__atomic_store_n(&m->hpet_legacy, on, __ATOMIC_RELEASE);
	loop_post(m->env.main, &m->pit_call);
}

static bool add_hpet(struct machine *m, GError **error)
{
	struct dev *d;

	if (!m->spec->features->hpet)
		return true;
	m->pit_call.fn = connect_pit;
	d = dev_new(m->bus, &hpet_ops, hpet_ops.name);
	machine_set_uint(d, "intcap", m->type->hpet_intcap);
	hpet_set_legacy(d, on_hpet_legacy, m);
	return dev_realize(d, error);
}

bool machine_build_board(struct machine *m, GError **error)
{
	struct {
		const struct dev_ops *ops;
		struct dev **keep;
	} fixed[] = {
		{&fw_cfg_ops, &m->fw_cfg},
		{&rtc_ops, &m->rtc},
		{&i8257_ops, &m->dma},
		{&port92_ops, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		struct dev *d = machine_add(m, fixed[i].ops, fixed[i].ops->name, error);

		if (!d)
			return false;
		if (fixed[i].keep)
			*fixed[i].keep = d;
	}
	if (!add_hpet(m, error))
		return false;
	if (m->spec->features->pvpanic && !machine_add(m, &pvpanic_ops, pvpanic_ops.name, error))
		return false;
	m->i8042 = dev_new(m->bus, &i8042_ops, i8042_ops.name);
	i8042_set_input(m->i8042, m->input);
	if (!dev_realize(m->i8042, error))
		return false;
	for (unsigned i = 0; i < m->spec->n_serials; i++) {
		if (!add_serial(m, i, error))
			return false;
	}
	return true;
}

unsigned machine_com_ports(const struct machine *m)
{
	return (1u << m->spec->n_serials) - 1;
}

uint32_t machine_pci_window(const struct machine *m)
{
	/* As SeaBIOS chooses it: above RAM, at 2 GiB at the earliest. */
	return (uint32_t)(m->low_size <= 2 * GiB ? 2 * GiB : PCI_HOLE_START);
}
