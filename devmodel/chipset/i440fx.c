/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 82441FX PCI and memory controller (PMC), Intel order number 290549. Numbers of sections are those
 * of its data sheet. Not modelled: DRAM timing and boundary registers (read 0), SMRAM (there is no
 * system management mode; the register holds what is written), the second PCI bus.
 */
#include "devmodel/chipset/chipset.h"

#define PAM0           0x59 /* seven registers, section 3.2.16 */
#define PAM_LAST       0x5f
#define PAM_READ       0x1
#define PAM_WRITE      0x2
#define SMRAM          0x72 /* section 3.2.22 */
#define SMRAM_RESET    0x02
#define SMRAM_LOCK     0x10
#define SMRAM_OPEN     0x40
#define SMRAM_WRITABLE 0x78 /* D_OPEN, D_CLS, D_LCK, G_SMRAME */
#define SEGMENTS       13

#define CONFADD        0xcf8 /* section 3.1.1 */
#define CONFDATA       0xcfc
#define CONFADD_ENABLE 0x80000000u
/*
 * PIIX3's reset control register (82371SB section 2.5.4.2) lies in the middle of CONFADD, which is
 * a register only for 32-bit accesses; so it is decoded here.
 */
#define RCR         1 /* offset in CONFADD */
#define RCR_HARD    0x02
#define RCR_RESET   0x04
#define BIOS_WINDOW (128 * KiB) /* of the firmware, shown below 1 MiB */

struct i440fx_hw {
	uint32_t confadd;
	uint8_t rcr;
	uint8_t pad[3];
};

/* A piece of the area from 0xC0000 to 1 MiB that one PAM field governs. */
struct segment {
	uint32_t start, size;
	uint8_t reg, shift;
	struct region region; /* what shows there now */
};

struct i440fx {
	struct pci_dev pci;
	struct i440fx_hw hw;
	struct region confadd, confdata;
	struct segment segments[SEGMENTS];
	struct gmem_block *ram, *firmware;
	struct irq_sink from_bus; /* the root bus's four lines */
	struct irq_sink *router;
};

static struct i440fx *to_i440fx(struct dev *d)
{
	return container_of(to_pci_dev(d), struct i440fx, pci);
}

/* ---- configuration mechanism 1 ---- */

static uint64_t confadd_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	const struct i440fx *s = to_i440fx(d);

	if (size == 4)
		return s->hw.confadd;
	return size == 1 && offset == RCR ? s->hw.rcr : ones(size);
}

static void confadd_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i440fx *s = to_i440fx(d);

	if (size == 4) {
		__atomic_store_n(&s->hw.confadd, (uint32_t)value, __ATOMIC_RELAXED);
	} else if (size == 1 && offset == RCR) {
		s->hw.rcr = value & RCR_HARD;
		if (value & RCR_RESET)
			d->bus->request(d->bus, BUS_REQUEST_RESET, 0);
	}
}

static const struct region_ops confadd_ops = {
	.read = confadd_read, .write = confadd_write, .min = 1, .max = 4};

/*
 * The function and register that an access at @offset of CONFDATA means; false if there is none.
 * Bits 1..0 of CONFADD are not masked: programs written for QEMU put the byte number there and
 * always use offset 0.
 */
static bool config_target(const struct i440fx *s, uint64_t offset, unsigned *devfn, unsigned *reg)
{
	uint32_t a = __atomic_load_n(&s->hw.confadd, __ATOMIC_RELAXED);

	if (!(a & CONFADD_ENABLE) || (a >> 16 & 0xff))
		return false;
	*devfn = a >> 8 & 0xff;
	*reg = (a & 0xff) | (unsigned)offset;
	return true;
}

static uint64_t confdata_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct i440fx *s = to_i440fx(d);
	unsigned devfn, reg;

	return config_target(s, offset, &devfn, &reg)
		       ? pci_config_read(s->pci.bus, devfn, reg, size)
		       : ones(size);
}

static void confdata_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i440fx *s = to_i440fx(d);
	unsigned devfn, reg;

	if (config_target(s, offset, &devfn, &reg))
		pci_config_write(s->pci.bus, devfn, reg, size, (uint32_t)value);
}

/* The target's lock is taken, and for writes the bus lock, so ours is not. */
static const struct region_ops confdata_ops = {
	.read = confdata_read, .write = confdata_write, .min = 1, .max = 4, .unlocked = true};

/* ---- shadowing ---- */

static void init_segments(struct i440fx *s)
{
	struct segment *seg = s->segments;

	*seg++ = (struct segment){.start = 0xf0000, .size = 64 * KiB, .reg = PAM0, .shift = 4};
	for (unsigned i = 0; i < SEGMENTS - 1; i++)
		*seg++ = (struct segment){
			.start = 0xc0000 + i * 0x4000,
			.size = 16 * KiB,
			.reg = (uint8_t)(PAM0 + 1 + i / 2),
			.shift = i % 2 ? 4 : 0,
		};
}

/* What is there when reading RAM is disabled: the firmware's last part, or nothing. */
static void init_unshadowed(struct i440fx *s, struct segment *seg)
{
	uint64_t to_end = MiB - seg->start;

	if (s->firmware && to_end <= MIN(gmem_block_size(s->firmware), BIOS_WINDOW))
		region_init_mem(&seg->region, "bios", s->firmware,
			gmem_block_size(s->firmware) - to_end, seg->size, true);
	else
		seg->region = (struct region){.name = "pam-hole",
			.kind = REGION_HOLE,
			.space = BUS_MMIO,
			.size = seg->size};
}

/* Write-only shadowing, which has no use but to copy, shows the firmware and drops writes. */
static void update_segment(struct i440fx *s, struct segment *seg)
{
	unsigned mode = s->pci.pci_hw.cfg[seg->reg] >> seg->shift & (PAM_READ | PAM_WRITE);
	struct bus *b = s->pci.dev.bus;

	region_unmap(b, &seg->region);
	if ((mode & PAM_READ) && s->ram)
		region_init_mem(
			&seg->region, "shadow", s->ram, seg->start, seg->size, !(mode & PAM_WRITE));
	else
		init_unshadowed(s, seg);
	region_map(b, &seg->region, seg->start, REGION_PRIO_OVERLAY);
}

static void update_segments(struct i440fx *s, unsigned first, unsigned last)
{
	for (unsigned i = 0; i < SEGMENTS; i++) {
		if (s->segments[i].reg >= first && s->segments[i].reg <= last)
			update_segment(s, &s->segments[i]);
	}
}

/* The lock bit closes the window and makes the register read-only until reset. */
static void update_smram(struct i440fx *s)
{
	uint8_t *smram = &s->pci.pci_hw.cfg[SMRAM];
	bool locked = *smram & SMRAM_LOCK;

	s->pci.wmask[SMRAM] = locked ? 0 : SMRAM_WRITABLE;
	if (locked)
		*smram &= (uint8_t)~SMRAM_OPEN;
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	struct i440fx *s = container_of(p, struct i440fx, pci);

	update_segments(s, offset, offset + size - 1);
	update_smram(s);
}

static const struct pci_ops pci_ops = {.config_write = config_write};

/* ---- interrupts ---- */

/*
 * The board's wiring: INTA of slot 1 is PIRQA, so the bus's line n is PIRQ n - 1. Firmware relies
 * on it.
 */
static void route(struct irq_sink *sink, unsigned n, bool level)
{
	struct i440fx *s = container_of(sink, struct i440fx, from_bus);

	if (s->router)
		s->router->set(s->router, (n + 3) % 4, level);
}

void i440fx_set_router(struct dev *d, struct irq_sink *router)
{
	to_i440fx(d)->router = router;
}

/* ---- life ---- */

struct pci_bus *i440fx_pci_bus(struct dev *d)
{
	return to_i440fx(d)->pci.bus;
}

void i440fx_set_shadow(struct dev *d, struct gmem_block *ram, struct gmem_block *firmware)
{
	struct i440fx *s = to_i440fx(d);

	s->ram = ram;
	s->firmware = firmware;
}

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x1237,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x060000,
		.revision = 2};
	struct i440fx *s = to_i440fx(d);

	s->from_bus.set = route;
	s->pci.bus = pci_bus_new(d->bus, &s->from_bus);
	s->pci.addr = (struct prop_pci){0, 0};
	if (!pci_dev_init(&s->pci, &pci_ops, &conf, error))
		return false;
	s->pci.wmask[PAM0] = (PAM_READ | PAM_WRITE) << 4;
	for (unsigned reg = PAM0 + 1; reg <= PAM_LAST; reg++)
		s->pci.wmask[reg] = (PAM_READ | PAM_WRITE) << 4 | PAM_READ | PAM_WRITE;
	s->pci.pci_hw.cfg[SMRAM] = SMRAM_RESET;
	init_segments(s);
	region_init_io(&s->confadd, d, &confadd_ops, "confadd", BUS_PIO, 4);
	region_init_io(&s->confdata, d, &confdata_ops, "confdata", BUS_PIO, 4);
	region_map(d->bus, &s->confadd, CONFADD, REGION_PRIO_DEVICE);
	region_map(d->bus, &s->confdata, CONFDATA, REGION_PRIO_DEVICE);
	update_segments(s, PAM0, PAM_LAST);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct i440fx *s = to_i440fx(d);

	pci_dev_reset(&s->pci);
	s->hw = (struct i440fx_hw){};
	update_smram(s);
	update_segments(s, PAM0, PAM_LAST);
}

static int post_load(struct dev *d)
{
	struct i440fx *s = to_i440fx(d);

	update_smram(s);
	update_segments(s, PAM0, PAM_LAST);
	return pci_dev_post_load(&s->pci);
}

static void unrealize(struct dev *d)
{
	struct i440fx *s = to_i440fx(d);

	for (unsigned i = 0; i < SEGMENTS; i++)
		region_unmap(d->bus, &s->segments[i].region);
	pci_dev_done(&s->pci);
	pci_bus_free(s->pci.bus);
}

static const struct state_field fields[] = {
	ST_U(struct i440fx_hw, confadd),
	ST_MAX(struct i440fx_hw, rcr, RCR_HARD),
	ST_PAD(struct i440fx_hw, pad),
	ST_END,
};

static const struct state_desc state = {
	.name = "i440fx", .version = 1, .size = sizeof(struct i440fx_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct i440fx, pci.pci_hw)},
	{&state, offsetof(struct i440fx, hw)},
	{},
};

const struct dev_ops i440fx_ops = {
	.name = "i440fx",
	.doc = "Intel 82441FX PCI and memory controller",
	.size = sizeof(struct i440fx),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = post_load,
	.state = parts,
};
