/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that writes to configuration space, MSI-X tables and whatever its BARs then cover, while the functions
 * interrupt. Input: steps of 8 bytes: kind, function and size, offset (16 bits), value (32 bits).
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/device/rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUNCTIONS 2
#define STEPS_MAX 2000
#define ID        0x00051b36

struct step {
	uint8_t kind, what;
	uint16_t offset;
	uint32_t value;
};

struct target {
	struct rig *r;
	struct pci_probe *functions[FUNCTIONS];
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void config_write(struct target *t, struct pci_probe *p, const struct step *s)
{
	rig_cfg_write(t->r, p->pci.devfn, s->offset, s->what >> 4, s->value);
}

static void config_read(struct target *t, struct pci_probe *p, const struct step *s)
{
	rig_cfg_read(t->r, p->pci.devfn, s->offset, s->what >> 4);
	must(rig_cfg_read(t->r, p->pci.devfn, PCI_VENDOR_ID, 4) == ID);
}

/* An access relative to a BAR, mapped or not: most reach what the function has there. */
static void bar_access(struct target *t, struct pci_probe *p, const struct step *s)
{
	const struct region *regions[] = {&p->mem, &p->io, &p->mem64, &p->rom};
	const struct region *r = regions[s->value % ARRAY_SIZE(regions)];
	unsigned size = r->space == BUS_PIO ? 1u << (s->what >> 4) % 3 : (s->what >> 4) % 8 + 1;

	if (s->value & 0x10)
		rig_read(t->r, r->space, r->base + s->offset, size);
	else
		rig_write(t->r, r->space, r->base + s->offset, size, s->value);
}

static void table_write(struct target *t, struct pci_probe *p, const struct step *s)
{
	rig_write(t->r, BUS_MMIO, p->mem.base + PCI_PROBE_TABLE + s->offset % 0x280 / 4 * 4, 4,
		s->value);
}

static void interrupt(struct target *t, struct pci_probe *p, const struct step *s)
{
	int fd = pci_vector_fd(&p->pci, s->offset % (PCI_PROBE_VECTORS + 1));
	uint64_t one = 1;

	pci_msix_raise(&p->pci, s->value % (PCI_PROBE_VECTORS + 1));
	if (fd >= 0)
		must(write(fd, &one, sizeof(one)) == sizeof(one));
	rig_poll(t->r);
}

static void any_access(struct target *t, struct pci_probe *p, const struct step *s)
{
	rig_write(t->r, s->what & 0x80 ? BUS_MMIO : BUS_PIO, s->value, 4, s->offset);
}

static void reset(struct target *t, struct pci_probe *p, const struct step *s)
{
	bus_reset(t->r->bus, RESET_WARM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(
		struct target * t, struct pci_probe * p, const struct step *s) = {
		config_write, config_read, bar_access, table_write, interrupt, any_access, reset};
	struct target t = {.r = rig_new()};
	struct step s;

	t.functions[0] = pci_probe_new(t.r, "a", 2);
	t.functions[1] = pci_probe_new(t.r, "b", 3);
	for (unsigned i = 0; size >= sizeof(s) && i < STEPS_MAX; i++) {
		memcpy(&s, data, sizeof(s));
		data += sizeof(s);
		size -= sizeof(s);
		kinds[s.kind % ARRAY_SIZE(kinds)](&t, t.functions[s.what % FUNCTIONS], &s);
	}
	must(!t.r->events);
	rig_free(t.r);
	return 0;
}
