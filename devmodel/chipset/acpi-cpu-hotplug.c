/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU hotplug through ACPI: the register block that QEMU's docs/specs/acpi_cpu_hotplug describes,
 * without its legacy form (a guest that switches from it selects CPU 0, no more). GPE 2's handler
 * finds the CPUs with events by command 0.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/chipset/chips.h"

enum { REG_SELECTOR = 0x0, REG_FLAGS = 0x4, REG_COMMAND = 0x5, REG_DATA = 0x8, REG_END = 0xc };

#define FLAG_ENABLED 0x01
#define FLAG_INSERT  0x02
#define FLAG_REMOVE  0x04
#define FLAG_EJECT   0x08
#define EVENTS       (FLAG_INSERT | FLAG_REMOVE)

enum command { CMD_NEXT_EVENT, CMD_OST_EVENT, CMD_OST_STATUS, CMD_ARCH_ID };

struct cpuhp_hw {
	uint32_t selector; /* [g] may be out of range */
	uint32_t ost_event;
	uint8_t command;
	uint8_t pad[7];
	uint8_t events[ACPI_HOTPLUG_CPUS]; /* FLAG_INSERT, FLAG_REMOVE */
};

struct cpuhp {
	struct acpi_hotplug h;
	struct cpuhp_hw hw;
	unsigned n;                          /* [c] */
	uint32_t apic_id[ACPI_HOTPLUG_CPUS]; /* [c] */
	bool present[ACPI_HOTPLUG_CPUS];
};

static struct cpuhp *to_cpuhp(struct dev *d)
{
	return container_of(to_acpi_hotplug(d), struct cpuhp, h);
}

/* ---- the host's side ---- */

void acpi_cpu_hotplug_set(struct dev *d, const uint32_t *apic_ids, unsigned n)
{
	struct cpuhp *s = to_cpuhp(d);

	s->n = MIN(n, ACPI_HOTPLUG_CPUS);
	memcpy(s->apic_id, apic_ids, s->n * sizeof(*apic_ids));
}

void acpi_cpu_hotplug_present(struct dev *d, unsigned cpu, bool present, bool event)
{
	struct cpuhp *s = to_cpuhp(d);

	if (cpu >= s->n)
		return;
	dev_lock(d);
	s->present[cpu] = present;
	s->hw.events[cpu] = present && event ? FLAG_INSERT : 0;
	dev_unlock(d);
	if (present && event)
		irq_pulse(&s->h.gpe);
}

int acpi_cpu_hotplug_request(struct dev *d, unsigned cpu)
{
	struct cpuhp *s = to_cpuhp(d);

	if (cpu == 0 || cpu >= s->n || !s->present[cpu])
		return -EINVAL;
	dev_lock(d);
	s->hw.events[cpu] |= FLAG_REMOVE;
	dev_unlock(d);
	irq_pulse(&s->h.gpe);
	return 0;
}

/* ---- the guest's side ---- */

static uint64_t cpu_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct cpuhp *s = to_cpuhp(d);
	uint32_t cpu = s->hw.selector;

	if (cpu >= s->n)
		return 0;
	if (offset == REG_FLAGS)
		return s->hw.events[cpu] | (s->present[cpu] ? FLAG_ENABLED : 0);
	if (offset != REG_DATA)
		return 0;
	switch (s->hw.command) {
	case CMD_NEXT_EVENT: return cpu;
	case CMD_ARCH_ID: return s->apic_id[cpu];
	default: return 0;
	}
}

/* The selected CPU if it has an event, or the next one, all around. */
static void select_event(struct cpuhp *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		unsigned cpu = (s->hw.selector + i) % s->n;

		if (s->hw.events[cpu] & EVENTS) {
			s->hw.selector = cpu;
			return;
		}
	}
}

static void write_flags(struct cpuhp *s, uint8_t value)
{
	uint32_t cpu = s->hw.selector;

	s->hw.events[cpu] &= (uint8_t) ~(value & EVENTS);
	if (value & FLAG_EJECT && cpu && s->present[cpu])
		acpi_hotplug_ejected(&s->h, cpu);
}

static void write_data(struct cpuhp *s, uint32_t value)
{
	if (s->hw.command == CMD_OST_EVENT)
		s->hw.ost_event = value;
	else if (s->hw.command == CMD_OST_STATUS)
		acpi_hotplug_status(&s->h, s->hw.selector, s->hw.ost_event, value);
}

static void cpu_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct cpuhp *s = to_cpuhp(d);

	if (offset == REG_SELECTOR && size == 4) {
		s->hw.selector = (uint32_t)value;
		return;
	}
	if (s->hw.selector >= s->n)
		return;
	if (offset == REG_FLAGS) {
		write_flags(s, (uint8_t)value);
	} else if (offset == REG_COMMAND) {
		s->hw.command = (uint8_t)value;
		if (value == CMD_NEXT_EVENT)
			select_event(s);
	} else if (offset == REG_DATA && size == 4) {
		write_data(s, (uint32_t)value);
	}
}

static const struct region_ops cpu_ops = {.read = cpu_read, .write = cpu_write, .min = 1, .max = 4};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	acpi_hotplug_map(to_acpi_hotplug(d), &cpu_ops, REG_END);
	return true;
}

/* What is present the guest finds by itself when it starts. */
static void reset(struct dev *d, enum reset_kind kind)
{
	to_cpuhp(d)->hw = (struct cpuhp_hw){};
}

static int post_load(struct dev *d)
{
	const struct cpuhp *s = to_cpuhp(d);

	for (unsigned i = 0; i < ACPI_HOTPLUG_CPUS; i++) {
		if (s->hw.events[i] & (i < s->n ? (uint8_t)~EVENTS : 0xff))
			return -EINVAL;
	}
	return 0;
}

static const struct state_field fields[] = {
	ST_U(struct cpuhp_hw, selector),
	ST_U(struct cpuhp_hw, ost_event),
	ST_U(struct cpuhp_hw, command),
	ST_PAD(struct cpuhp_hw, pad),
	ST_ARRAY(struct cpuhp_hw, events, EVENTS),
	ST_END,
};

static const struct state_desc state = {.name = "acpi-cpu-hotplug",
	.version = 1,
	.size = sizeof(struct cpuhp_hw),
	.fields = fields};

static const struct dev_part parts[] = {
	{&state, offsetof(struct cpuhp, hw)},
	{},
};

static const struct prop props[] = {
	PROP_U16("base", struct cpuhp, h.base, 0, UINT16_MAX, ACPI_CPU_HOTPLUG_BASE_PC,
		"first of the ports"),
	PROP_END,
};

static const struct prop_table table = {.name = "acpi-cpu-hotplug",
	.doc = "CPU hotplug registers",
	.size = sizeof(struct cpuhp),
	.props = props};

const struct dev_ops acpi_cpu_hotplug_ops = {
	.name = "acpi-cpu-hotplug",
	.doc = "CPU hotplug through ACPI, as QEMU specifies it",
	.size = sizeof(struct cpuhp),
	.props = &table,
	.realize = realize,
	.reset = reset,
	.post_load = post_load,
	.state = parts,
};
