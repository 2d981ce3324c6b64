/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/rig.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/qs.h"
#include "devmodel/pci/express.h"

/* ---- rig ---- */

static void router_set(struct irq_sink *s, unsigned n, bool level)
{
	struct rig *r = container_of(s, struct rig, router);

	g_assert_cmpuint(n, <, ARRAY_SIZE(r->pirq));
	irq_set(&r->pirq[n], level);
}

static void accel_event(void *opaque, enum accel_event e, unsigned vcpu, const char *detail)
{
	struct rig *r = opaque;

	g_assert_cmpint(e, ==, ACCEL_INTERNAL_ERROR);
	g_assert_nonnull(detail);
	r->events++;
}

static void bus_request(struct bus *b, enum bus_request what, unsigned detail)
{
}

struct rig *rig_new(void)
{
	static const struct gmem_block_conf conf = {.name = "ram", .size = RIG_RAM};
	struct rig *r = g_new0(struct rig, 1);

	qs_thread_init();
	r->fake = fake_accel_new();
	r->fake->accel.event = accel_event;
	r->fake->accel.event_opaque = r;
	r->gmem = gmem_new();
	r->clocks = clocks_new_stepped(0);
	r->loop = loop_new("test", NULL);
	g_assert_nonnull(r->loop);
	r->bus = bus_new(&r->fake->accel, r->gmem, r->clocks, r->loop);
	r->bus->request = bus_request;
	r->ram = gmem_block_new(&conf, NULL);
	g_assert_nonnull(r->ram);
	region_init_mem(&r->ram_region, "ram", r->ram, 0, RIG_RAM, false);
	g_assert_cmpint(region_map(r->bus, &r->ram_region, 0, REGION_PRIO_BACKGROUND), ==, 0);
	r->router.set = router_set;
	for (unsigned i = 0; i < ARRAY_SIZE(r->pirq); i++)
		r->pirq[i] = gsi_source(r->bus->gsi, 16 + i);
	r->pci = pci_bus_new(r->bus, &r->router);
	g_assert_cmpint(bus_commit(r->bus), ==, 0);
	return r;
}

void rig_make_express(struct rig *r)
{
	pci_bus_free(r->pci);
	r->pci = pci_root_complex_new(r->bus, &r->router, pci_swizzle);
}

void rig_free(struct rig *r)
{
	bus_free(r->bus);
	pci_bus_free(r->pci);
	qs_flush();
	gmem_free(r->gmem);
	gmem_block_unref(r->ram);
	clocks_free(r->clocks);
	loop_free(r->loop);
	fake_accel_free(r->fake);
	g_free(r);
	qs_thread_done();
}

void rig_poll(struct rig *r)
{
	fake_accel_poll(r->fake);
	loop_iterate(r->loop, 0);
}

uint64_t rig_read(struct rig *r, enum bus_space space, uint64_t addr, unsigned size)
{
	uint64_t v;

	qs_enter();
	v = bus_read(r->bus, space, addr, size);
	qs_leave();
	return v;
}

void rig_write(struct rig *r, enum bus_space space, uint64_t addr, unsigned size, uint64_t value)
{
	qs_enter();
	bus_write(r->bus, space, addr, size, value);
	qs_leave();
}

uint32_t rig_cfg_read(struct rig *r, unsigned devfn, unsigned offset, unsigned size)
{
	uint32_t v;

	qs_enter();
	v = pci_config_read(r->pci, devfn, offset, size);
	qs_leave();
	return v;
}

void rig_cfg_write(struct rig *r, unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
	qs_enter();
	pci_config_write(r->pci, devfn, offset, size, value);
	qs_leave();
}

uint32_t rig_ram32(struct rig *r, uint64_t addr)
{
	uint32_t v;

	qs_enter();
	g_assert_cmpint(gmem_read(r->gmem, GPA(addr), &v, sizeof(v)), ==, 0);
	qs_leave();
	return v;
}

/* ---- probe ---- */

uint8_t probe_byte(const struct region *r, uint64_t offset)
{
	return (uint8_t)(GPOINTER_TO_UINT(r->opaque) * 29 + offset * 7 + (offset >> 8));
}

static void record(struct probe *p, struct probe_access a)
{
	p->last = a;
	p->accesses++;
	if (p->trace)
		g_string_append_printf(
			p->trace, "%c%x:%u ", a.write ? 'w' : 'r', (unsigned)a.offset, a.size);
}

static uint64_t probe_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct probe *p = container_of(d, struct probe, dev);
	uint64_t v = 0;

	g_assert_true(range_fits(offset, size, r->size));
	g_assert_true(offset % size == 0 || r->ops->misaligned);
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)probe_byte(r, offset + i) << (8 * i);
	record(p, (struct probe_access){.region = r, .offset = offset, .size = size, .value = v});
	/* More bits than asked for: the bus cuts them off. */
	return size < 8 ? v | UINT64_MAX << (8 * size) : v;
}

static void probe_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct probe *p = container_of(d, struct probe, dev);

	g_assert_true(range_fits(offset, size, r->size));
	g_assert_true(offset % size == 0 || r->ops->misaligned);
	record(p, (struct probe_access){r, offset, value, size, true});
}

const struct region_ops probe_region_ops = {
	.read = probe_read,
	.write = probe_write,
	.min = 1,
	.max = 4,
};

static bool probe_realize(struct dev *d, GError **error)
{
	return true;
}

static void probe_reset(struct dev *d, enum reset_kind kind)
{
}

const struct dev_ops probe_ops = {
	.name = "probe",
	.doc = "registers that a test makes up",
	.size = sizeof(struct probe),
	.realize = probe_realize,
	.reset = probe_reset,
	.state_none = "belongs to its test",
};

struct probe *probe_new(struct rig *r, const char *id)
{
	struct dev *d = dev_new(r->bus, &probe_ops, id);

	g_assert_true(dev_realize(d, NULL));
	return container_of(d, struct probe, dev);
}

/* ---- pci-probe ---- */

#define PCI_PROBE(d) container_of(d, struct pci_probe, pci.dev)

static uint64_t scratch_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return GPOINTER_TO_UINT(r->opaque) + offset;
}

static void scratch_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	if (r == &PCI_PROBE(d)->io)
		pci_intx_set(to_pci_dev(d), value & 1);
}

static const struct region_ops scratch_ops = {
	.read = scratch_read,
	.write = scratch_write,
	.min = 1,
	.max = 4,
};

static void command_changed(struct pci_dev *p)
{
	container_of(p, struct pci_probe, pci)->commands++;
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	container_of(p, struct pci_probe, pci)->writes++;
}

static void config_read(struct pci_dev *p, unsigned offset, unsigned size)
{
	if (offset == 0xf0)
		pci_set32(p, 0xf0, 0x12345678);
}

static const struct pci_ops function_ops = {
	.config_write = config_write,
	.config_read = config_read,
	.command_changed = command_changed,
};

static void init_bars(struct pci_probe *pp)
{
	struct dev *d = DEV(&pp->pci);

	region_init_io(&pp->mem, d, &scratch_ops, "probe-mem", BUS_MMIO, 0x1900);
	region_init_io(&pp->io, d, &scratch_ops, "probe-io", BUS_PIO, 32);
	region_init_io(&pp->mem64, d, &scratch_ops, "probe-mem64", BUS_MMIO, MiB);
	region_init_mem(&pp->rom, "probe-rom", pp->rom_block, 0, 4096, true);
	pp->mem.opaque = GUINT_TO_POINTER(0x10000000);
	pp->io.opaque = GUINT_TO_POINTER(0x20000000);
	pp->mem64.opaque = GUINT_TO_POINTER(0x30000000);
	pp->io.doorbells = &pp->doorbell;
	pp->io.n_doorbells = 1;
	pci_bar_init(&pp->pci, 0, &pp->mem, false, false);
	pci_bar_init(&pp->pci, 1, &pp->io, false, false);
	pci_bar_init(&pp->pci, 2, &pp->mem64, true, true);
	pci_bar_init(&pp->pci, PCI_ROM_BAR, &pp->rom, false, false);
}

static bool pci_probe_realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {
		.vendor = 0x1b36,
		.device = 0x0005,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x00ff01,
		.revision = 3,
		.pin = 1,
	};
	static const struct gmem_block_conf rom = {.name = "probe-rom", .size = 4096};
	struct pci_probe *pp = PCI_PROBE(d);

	pp->doorbell = (struct region_doorbell){.offset = 8, .len = 2, .fd = -1};
	if (!pci_dev_init(&pp->pci, &function_ops, &conf, error))
		return false;
	pp->doorbell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pp->rom_block = gmem_block_new(&rom, error);
	if (pp->doorbell.fd < 0 || !pp->rom_block)
		return false;
	g_assert_cmpint(gmem_block_load(pp->rom_block, 0, "\x55\xaa", 2), ==, 0);
	init_bars(pp);
	pp->pci.wmask[0xe0] = 0x0f;
	pp->pci.w1c[0xe1] = 0xf0;
	return pci_msix_init(&pp->pci, PCI_PROBE_VECTORS, 0, PCI_PROBE_TABLE, PCI_PROBE_PBA) == 0 &&
	       pci_msi_init(&pp->pci, PCI_PROBE_MSIS) == 0 &&
	       pci_exp_init(&pp->pci, PCI_EXP_ENDPOINT) >= 0;
}

static void pci_probe_unrealize(struct dev *d)
{
	struct pci_probe *pp = PCI_PROBE(d);

	pci_dev_done(&pp->pci);
	if (pp->doorbell.fd >= 0)
		close(pp->doorbell.fd);
	gmem_block_unref(pp->rom_block);
}

static void pci_probe_reset(struct dev *d, enum reset_kind kind)
{
	pci_dev_reset(to_pci_dev(d));
}

static int pci_probe_post_load(struct dev *d)
{
	return pci_dev_post_load(to_pci_dev(d));
}

static const struct prop pci_probe_props[] = {
	PROP_PCI("addr", struct pci_probe, pci.addr, "PCI address"),
	PROP_END,
};

static const struct prop_table pci_probe_table = {
	.name = "pci-probe",
	.doc = "a PCI function for tests",
	.size = sizeof(struct pci_probe),
	.props = pci_probe_props,
};

const struct dev_ops pci_probe_ops = {
	.name = "pci-probe",
	.doc = "a PCI function with a BAR of every kind, MSI-X and MSI",
	.size = sizeof(struct pci_probe),
	.props = &pci_probe_table,
	.realize = pci_probe_realize,
	.reset = pci_probe_reset,
	.unrealize = pci_probe_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = pci_probe_post_load,
	.state =
		(const struct dev_part[]){
			{&pci_state, offsetof(struct pci_probe, pci.pci_hw)},
			{.desc = NULL},
		},
};

struct dev *rig_function(
	struct rig *r, const struct dev_ops *ops, const char *id, struct pci_bus *b, int slot)
{
	struct dev *d = dev_new(r->bus, ops, id);

	to_pci_dev(d)->bus = b;
	if (slot >= 0)
		to_pci_dev(d)->addr = (struct prop_pci){.slot = slot, .function = 0};
	g_assert_true(dev_realize(d, NULL));
	bus_lock(r->bus);
	dev_lock(d);
	d->ops->reset(d, RESET_COLD);
	dev_unlock(d);
	bus_unlock(r->bus);
	return d;
}

struct pci_probe *pci_probe_new(struct rig *r, const char *id, int slot)
{
	return PCI_PROBE(rig_function(r, &pci_probe_ops, id, r->pci, slot));
}

const struct dev_ops *const probe_devices[] = {&probe_ops, &pci_probe_ops, NULL};
