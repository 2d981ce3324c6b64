/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hotplug registers, as the AML of a machine uses them. */
#include <errno.h>

#include "devmodel/chipset/chipset.h"
#include "tests/device/rig.h"

#define PCI ACPI_PCI_HOTPLUG_BASE
#define CPU ACPI_CPU_HOTPLUG_BASE_PC
#define MEM ACPI_MEM_HOTPLUG_BASE

struct setup {
	struct rig *r;
	struct dev *d;
	struct irq_sink gpe;
	unsigned events;  /* of the GPE */
	unsigned n, last; /* ejected, released */
	unsigned statuses, last_event, last_status;
};

static void gpe_set(struct irq_sink *s, unsigned n, bool level)
{
	g_assert_cmpuint(n, ==, 7);
	container_of(s, struct setup, gpe)->events += level;
}

static void ejected(void *opaque, unsigned n)
{
	struct setup *s = opaque;

	s->n++;
	s->last = n;
}

static void status(void *opaque, unsigned n, uint32_t event, uint32_t code)
{
	struct setup *s = opaque;

	s->statuses++;
	s->last = n;
	s->last_event = event;
	s->last_status = code;
}

static void released(void *opaque, struct pci_bus *b, unsigned slot)
{
	ejected(opaque, slot);
}

static void setup(struct setup *s, const struct dev_ops *ops)
{
	static const uint32_t ids[] = {0, 2, 4, 0x1ff};
	const struct acpi_hotplug_user user = {ejected, status, s};

	*s = (struct setup){.r = rig_new(), .gpe = {gpe_set}};
	s->d = dev_new(s->r->bus, ops, "hotplug");
	acpi_hotplug_wire(s->d, (struct irq){&s->gpe, 7}, &user);
	if (ops == &acpi_cpu_hotplug_ops)
		acpi_cpu_hotplug_set(s->d, ids, ARRAY_SIZE(ids));
	if (ops == &acpi_mem_hotplug_ops)
		g_assert_true(prop_set_uint(prop_find(ops->props, "slots"), s->d, 4, NULL));
	g_assert_true(dev_realize(s->d, NULL));
	pci_bus_set_released(s->r->pci, released, s);
	bus_reset(s->r->bus, RESET_COLD);
}

static uint32_t in(struct setup *s, uint16_t port, unsigned size)
{
	return (uint32_t)rig_read(s->r, BUS_PIO, port, size);
}

static void out(struct setup *s, uint16_t port, unsigned size, uint32_t v)
{
	rig_write(s->r, BUS_PIO, port, size, v);
}

static void save_and_load(struct setup *s)
{
	g_autoptr(GByteArray) state = g_byte_array_new();

	bus_save(s->r->bus, state);
	bus_reset(s->r->bus, RESET_COLD);
	g_assert_true(bus_load(s->r->bus, state->data, state->len, NULL));
}

/* ---- PCI ---- */

static void pci(void)
{
	struct setup s;
	struct pci_probe *p;

	setup(&s, &acpi_pci_hotplug_ops);
	acpi_pci_hotplug_add_bus(s.d, 3, s.r->pci, 0xfffffff8);
	g_assert_cmpint(pci_slot_plug(s.r->pci, 2), ==, -ENOTSUP);
	g_assert_cmpint(pci_slot_unplug(s.r->pci, 32), ==, -ENOTSUP);
	p = pci_probe_new(s.r, "p", 5);
	g_assert_cmpint(pci_slot_plug(s.r->pci, 5), ==, 0);
	g_assert_cmpuint(s.events, ==, 1);
	/* Another bus has nothing; neither has one that is not there. */
	g_assert_cmphex(in(&s, PCI, 4), ==, 0);
	out(&s, PCI + 0x10, 4, 0x12345678);
	g_assert_cmphex(in(&s, PCI, 4), ==, 0);
	out(&s, PCI + 8, 4, UINT32_MAX);
	out(&s, PCI + 0x10, 4, 3);
	g_assert_cmphex(in(&s, PCI + 0x10, 4), ==, 3);
	g_assert_cmphex(in(&s, PCI + 0x0c, 4), ==, 0xfffffff8);
	save_and_load(&s);
	g_assert_cmphex(in(&s, PCI, 4), ==, 1 << 5);
	g_assert_cmphex(in(&s, PCI, 4), ==, 0);

	g_assert_cmpint(pci_slot_unplug(s.r->pci, 5), ==, 0);
	g_assert_cmpuint(s.events, ==, 2);
	g_assert_cmphex(in(&s, PCI + 4, 4), ==, 1 << 5);
	g_assert_cmphex(in(&s, PCI + 8, 4), ==, 0);
	g_assert_cmpuint(s.n, ==, 0);
	/* Slots that are empty, or not for this, are not ejected. */
	out(&s, PCI + 8, 4, 0x4f);
	g_assert_cmpuint(s.n, ==, 0);
	out(&s, PCI + 8, 4, 1 << 5);
	g_assert_cmpuint(s.n, ==, 1);
	g_assert_cmpuint(s.last, ==, 5);
	g_assert_cmphex(in(&s, PCI + 4, 4), ==, 0);
	dev_free(DEV(&p->pci));
	pci_slot_emptied(s.r->pci, 5);
	out(&s, PCI + 8, 4, 1 << 5);
	g_assert_cmpuint(s.n, ==, 1);
	rig_free(s.r);
}

/* What was asked to go goes when the guest is reset. */
static void pci_reset(void)
{
	struct setup s;

	setup(&s, &acpi_pci_hotplug_ops);
	acpi_pci_hotplug_add_bus(s.d, 0, s.r->pci, 0xfffffff8);
	pci_probe_new(s.r, "p", 9);
	pci_slot_unplug(s.r->pci, 9);
	bus_reset(s.r->bus, RESET_WARM);
	g_assert_cmpuint(s.n, ==, 1);
	g_assert_cmpuint(s.last, ==, 9);
	bus_reset(s.r->bus, RESET_WARM);
	g_assert_cmpuint(s.n, ==, 1);
	rig_free(s.r);
}

/* ---- CPUs ---- */

static void cpus(void)
{
	struct setup s;

	setup(&s, &acpi_cpu_hotplug_ops);
	acpi_cpu_hotplug_present(s.d, 0, true, false);
	g_assert_cmpuint(s.events, ==, 0);
	g_assert_cmphex(in(&s, CPU + 4, 1), ==, 1);
	out(&s, CPU, 4, 3);
	g_assert_cmphex(in(&s, CPU + 4, 1), ==, 0);
	out(&s, CPU + 5, 1, 3);
	g_assert_cmphex(in(&s, CPU + 8, 4), ==, 0x1ff);
	g_assert_cmphex(in(&s, CPU, 4), ==, 0);

	acpi_cpu_hotplug_present(s.d, 2, true, true);
	g_assert_cmpuint(s.events, ==, 1);
	save_and_load(&s);
	out(&s, CPU + 5, 1, 0);
	g_assert_cmphex(in(&s, CPU + 8, 4), ==, 2);
	g_assert_cmphex(in(&s, CPU + 4, 1), ==, 3);
	out(&s, CPU + 4, 1, 2);
	g_assert_cmphex(in(&s, CPU + 4, 1), ==, 1);
	/* No more events: the selector stays. */
	out(&s, CPU, 4, 1);
	out(&s, CPU + 5, 1, 0);
	g_assert_cmphex(in(&s, CPU + 8, 4), ==, 1);

	out(&s, CPU, 4, 2);
	out(&s, CPU + 5, 1, 1);
	out(&s, CPU + 8, 4, 1);
	out(&s, CPU + 5, 1, 2);
	out(&s, CPU + 8, 4, 0x80);
	g_assert_cmpuint(s.statuses, ==, 1);
	g_assert_cmpuint(s.last, ==, 2);
	g_assert_cmphex(s.last_event, ==, 1);
	g_assert_cmphex(s.last_status, ==, 0x80);

	g_assert_cmpint(acpi_cpu_hotplug_request(s.d, 0), ==, -EINVAL);
	g_assert_cmpint(acpi_cpu_hotplug_request(s.d, 1), ==, -EINVAL);
	g_assert_cmpint(acpi_cpu_hotplug_request(s.d, 4), ==, -EINVAL);
	g_assert_cmpint(acpi_cpu_hotplug_request(s.d, 2), ==, 0);
	g_assert_cmphex(in(&s, CPU + 4, 1), ==, 5);
	out(&s, CPU + 4, 1, 4);
	out(&s, CPU + 4, 1, 8);
	g_assert_cmpuint(s.n, ==, 1);
	g_assert_cmpuint(s.last, ==, 2);
	acpi_cpu_hotplug_present(s.d, 2, false, false);
	out(&s, CPU + 4, 1, 8);
	out(&s, CPU, 4, 0);
	out(&s, CPU + 4, 1, 8);
	out(&s, CPU, 4, 4);
	out(&s, CPU + 4, 1, 8);
	g_assert_cmpuint(s.n, ==, 1);
	g_assert_cmphex(in(&s, CPU + 4, 1), ==, 0);
	rig_free(s.r);
}

/* ---- memory ---- */

static void memory(void)
{
	const struct acpi_dimm dimm = {0x123456789000, 0x240000000, 3}, none = {0};
	struct setup s;

	setup(&s, &acpi_mem_hotplug_ops);
	acpi_mem_hotplug_present(s.d, 2, &dimm, true);
	acpi_mem_hotplug_present(s.d, 4, &dimm, true); /* there is no such slot */
	g_assert_cmpuint(s.events, ==, 1);
	g_assert_cmphex(in(&s, MEM + 0x14, 1), ==, 0);
	out(&s, MEM, 4, 2);
	save_and_load(&s);
	g_assert_cmphex(in(&s, MEM, 4), ==, 0x56789000);
	g_assert_cmphex(in(&s, MEM + 4, 4), ==, 0x1234);
	g_assert_cmphex(in(&s, MEM + 8, 4), ==, 0x40000000);
	g_assert_cmphex(in(&s, MEM + 12, 4), ==, 2);
	g_assert_cmphex(in(&s, MEM + 16, 4), ==, 3);
	g_assert_cmphex(in(&s, MEM + 0x14, 1), ==, 3);
	out(&s, MEM + 0x14, 1, 2);
	g_assert_cmphex(in(&s, MEM + 0x14, 1), ==, 1);
	out(&s, MEM + 4, 4, 0x103);
	out(&s, MEM + 8, 4, 0x84);
	g_assert_cmpuint(s.statuses, ==, 1);
	g_assert_cmphex(s.last_event, ==, 0x103);
	g_assert_cmphex(s.last_status, ==, 0x84);

	g_assert_cmpint(acpi_mem_hotplug_request(s.d, 1), ==, -EINVAL);
	g_assert_cmpint(acpi_mem_hotplug_request(s.d, 2), ==, 0);
	g_assert_cmphex(in(&s, MEM + 0x14, 1), ==, 5);
	out(&s, MEM + 0x14, 1, 0x0c);
	g_assert_cmpuint(s.n, ==, 1);
	g_assert_cmpuint(s.last, ==, 2);
	acpi_mem_hotplug_present(s.d, 2, &none, false);
	out(&s, MEM + 0x14, 1, 8);
	g_assert_cmpuint(s.n, ==, 1);
	g_assert_cmphex(in(&s, MEM + 0x14, 1), ==, 0);
	/* Beyond the last slot. */
	out(&s, MEM, 4, 4);
	g_assert_cmphex(in(&s, MEM + 0x14, 1), ==, 0xff);
	g_assert_cmphex(in(&s, MEM, 4), ==, UINT32_MAX);
	out(&s, MEM + 0x14, 1, 8);
	g_assert_cmpuint(s.n, ==, 1);
	rig_free(s.r);
}

/* ---- random writes ---- */

static void random_writes(gconstpointer data)
{
	const struct dev_ops *ops = data;
	const struct acpi_dimm dimm = {4 * GiB, GiB, 0};
	uint16_t base;
	struct setup s;

	setup(&s, ops);
	if (ops == &acpi_pci_hotplug_ops) {
		acpi_pci_hotplug_add_bus(s.d, 0, s.r->pci, UINT32_MAX);
		pci_probe_new(s.r, "p", 5);
	}
	base = (uint16_t)prop_get_uint(prop_find(ops->props, "base"), s.d);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned size = 1u << g_test_rand_int_range(0, 3);
		uint32_t v = g_test_rand_bit() ? (uint32_t)g_test_rand_int()
					       : (uint32_t)g_test_rand_int_range(0, 16);

		if (i % 50 == 0) {
			pci_slot_unplug(s.r->pci, 5);
			if (ops == &acpi_cpu_hotplug_ops)
				acpi_cpu_hotplug_present(s.d, 1, true, true);
			if (ops == &acpi_mem_hotplug_ops)
				acpi_mem_hotplug_present(s.d, 1, &dimm, true);
		}
		if (i % 4)
			out(&s, (uint16_t)(base + g_test_rand_int_range(0, 24)), size, v);
		else
			in(&s, (uint16_t)(base + g_test_rand_int_range(0, 24)), size);
	}
	/* It was ejected now and then, and nothing else ever. */
	g_assert_cmpuint(s.n, >, 0);
	g_assert_cmpuint(s.last, <, 6);
	save_and_load(&s);
	bus_reset(s.r->bus, RESET_WARM);
	g_assert_cmpuint(s.r->events, ==, 0);
	rig_free(s.r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/acpi-hotplug/pci", pci);
	g_test_add_func("/acpi-hotplug/pci-reset", pci_reset);
	g_test_add_func("/acpi-hotplug/cpus", cpus);
	g_test_add_func("/acpi-hotplug/memory", memory);
	g_test_add_data_func("/acpi-hotplug/random-pci", &acpi_pci_hotplug_ops, random_writes);
	g_test_add_data_func("/acpi-hotplug/random-cpu", &acpi_cpu_hotplug_ops, random_writes);
	g_test_add_data_func("/acpi-hotplug/random-mem", &acpi_mem_hotplug_ops, random_writes);
	return g_test_run();
}
