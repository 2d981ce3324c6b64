/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space of a function: the header's registers (section 6.1), base addresses (6.2.5),
 * capabilities (6.7).
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devmodel/pci/internal.h"
#include "devmodel/pci/trace.gen.h"

#define CMD_WRITABLE  (PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER | PCI_CMD_SERR | PCI_CMD_NOINTX)
#define STATUS_W1C    0xf900 /* errors, section 6.2.3 */
#define MULTIFUNCTION 0x80   /* of the header type */
#define TYPE_BRIDGE   0x01
#define FIRST_SLOT    2 /* on the root bus 0 and 1 are the chipset's */
#define FIRST_CAP     PCI_HEADER_SIZE
#define BAR_IO        0x1 /* section 6.2.5.1 */
#define BAR_64        0x4
#define BAR_PREFETCH  0x8
#define ROM_ENABLE    0x1
#define ROM_MIN_SIZE  2048 /* section 6.2.5.2 */
#define NOT_MAPPED    UINT64_MAX
#define PRIO_OVERLAY  (REGION_PRIO_PCI + 1)

static const struct state_field pci_fields[] = {
	ST_BYTES(struct pci_hw, cfg),
	ST_BYTES(struct pci_hw, msix),
	ST_BYTES(struct pci_hw, pba),
	ST_BOOL(struct pci_hw, intx),
	ST_END,
};

const struct state_desc pci_state = {
	.name = "pci",
	.version = 1,
	.size = sizeof(struct pci_hw),
	.fields = pci_fields,
};

/* ---- access to cfg[] ---- */

uint16_t pci_get16(const struct pci_dev *p, unsigned offset)
{
	uint16_t v;

	memcpy(&v, p->pci_hw.cfg + offset, sizeof(v));
	return le16toh(v);
}

uint32_t pci_get32(const struct pci_dev *p, unsigned offset)
{
	uint32_t v;

	memcpy(&v, p->pci_hw.cfg + offset, sizeof(v));
	return le32toh(v);
}

static void set_bytes(struct pci_dev *p, unsigned offset, uint32_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		pci_set8(p, offset + i, (uint8_t)(v >> (i * 8)));
}

void pci_set16(struct pci_dev *p, unsigned offset, uint16_t v)
{
	set_bytes(p, offset, v, sizeof(v));
}

void pci_set32(struct pci_dev *p, unsigned offset, uint32_t v)
{
	set_bytes(p, offset, v, sizeof(v));
}

static void mask_set16(uint8_t *mask, unsigned offset, uint16_t v)
{
	v = htole16(v);
	memcpy(mask + offset, &v, sizeof(v));
}

/* Whoever has no power, or is held in reset, reads and writes nothing. */
bool pci_may_dma(struct pci_dev *p)
{
	for (const struct pci_bus *b = p->bus; b->bridge; b = b->bridge->bus) {
		if (pci_bus_is_down(b, PCI_DOWN_RESET | PCI_DOWN_LINK))
			return false;
	}
	return __atomic_load_n(&p->pci_hw.cfg[PCI_COMMAND], __ATOMIC_RELAXED) & PCI_CMD_MASTER;
}

/* ---- INTx ---- */

static void drive_pin(struct pci_dev *p)
{
	uint16_t status = pci_get16(p, PCI_STATUS) & ~PCI_STATUS_INTX;

	if (p->pci_hw.intx)
		status |= PCI_STATUS_INTX;
	pci_set16(p, PCI_STATUS, status);
	/* Who sends messages does not use its pin (section 6.8.2.1). */
	irq_set(&p->pin, p->pci_hw.intx && !(pci_get16(p, PCI_COMMAND) & PCI_CMD_NOINTX) &&
				 !pci_msi_enabled(p) && !pci_msix_enabled(p));
}

void pci_intx_set(struct pci_dev *p, bool level)
{
	p->pci_hw.intx = level;
	drive_pin(p);
}

void pci_irq_set(struct pci_dev *p, bool level)
{
	bool rises = level && !p->pci_hw.intx;

	pci_intx_set(p, level);
	if (rises)
		pci_msi_raise(p, 0);
}

/* ---- base addresses ---- */

static unsigned bar_register(const struct pci_dev *p, unsigned n)
{
	if (n == PCI_ROM_BAR)
		return p->secondary ? PCI_BRIDGE_ROM : PCI_ROM;
	return PCI_BAR0 + n * 4;
}

void pci_bar_init(struct pci_dev *p, unsigned n, struct region *r, bool is_64, bool prefetch)
{
	struct pci_bar *bar = &p->bars[n];
	unsigned reg = bar_register(p, n);
	uint64_t mask;

	*bar = (struct pci_bar){.region = r,
		.is_io = r->space == BUS_PIO,
		.is_64 = is_64,
		.prefetch = prefetch,
		.size = r->space == BUS_PIO ? 4
			: n == PCI_ROM_BAR  ? ROM_MIN_SIZE
					    : 16};
	while (bar->size < r->size)
		bar->size *= 2;
	mask = -bar->size;

	if (n == PCI_ROM_BAR) {
		pci_mask32(p->wmask, reg, (uint32_t)mask | ROM_ENABLE);
		return;
	}
	pci_set32(p, reg,
		(bar->is_io ? BAR_IO : 0) | (is_64 ? BAR_64 : 0) | (prefetch ? BAR_PREFETCH : 0));
	pci_mask32(p->wmask, reg, (uint32_t)mask);
	if (is_64)
		pci_mask32(p->wmask, reg + 4, (uint32_t)(mask >> 32));
}

/*
 * Where the guest wants BAR @n. 0 is what an unassigned register holds: nothing is decoded there.
 */
static uint64_t bar_address(const struct pci_dev *p, unsigned n)
{
	const struct pci_bar *bar = &p->bars[n];
	unsigned reg = bar_register(p, n);
	uint64_t addr = pci_get32(p, reg);

	if (!(pci_get16(p, PCI_COMMAND) & (bar->is_io ? PCI_CMD_IO : PCI_CMD_MEM)))
		return NOT_MAPPED;
	if (n == PCI_ROM_BAR && !(addr & ROM_ENABLE))
		return NOT_MAPPED;
	if (bar->is_64)
		addr |= (uint64_t)pci_get32(p, reg + 4) << 32;
	addr &= -bar->size;
	return addr && pci_bus_forwards(p->bus, bar->is_io, addr, bar->size) ? addr : NOT_MAPPED;
}

static void move_region(struct pci_dev *p, struct region *r, uint64_t addr, int priority)
{
	if (addr == NOT_MAPPED)
		region_unmap(p->dev.bus, r);
	else if (!r->mapped || r->base != addr)
		/*
		 * Where the space ends the guest's address is nowhere, and region_map() has
		 * unmapped it.
		 */
		(void)region_map(p->dev.bus, r, addr, priority);
}

static void move_bar(struct pci_dev *p, unsigned n)
{
	struct region *r = p->bars[n].region;
	bool overlaid = p->msix_n && p->msix_bar == n;
	uint64_t addr = bar_address(p, n);

	move_region(p, r, addr, REGION_PRIO_PCI);
	if (!overlaid)
		return;
	addr = r->mapped ? r->base : NOT_MAPPED;
	move_region(p, &p->msix_table_region, addr == NOT_MAPPED ? addr : addr + p->msix_table_off,
		PRIO_OVERLAY);
	move_region(p, &p->msix_pba_region, addr == NOT_MAPPED ? addr : addr + p->msix_pba_off,
		PRIO_OVERLAY);
}

void pci_dev_remap(struct pci_dev *p)
{
	for (unsigned n = 0; n < ARRAY_SIZE(p->bars); n++) {
		if (p->bars[n].region)
			move_bar(p, n);
	}
}

/* ---- the guest's access ---- */

uint32_t pci_function_read(struct pci_dev *p, unsigned offset, unsigned size)
{
	uint32_t v = 0;

	pci_msi_will_read(p, offset, size);
	if (offset >= PCI_HEADER_SIZE && p->pci_ops->config_read)
		p->pci_ops->config_read(p, offset, size);
	memcpy(&v, p->pci_hw.cfg + offset, size);
	return le32toh(v);
}

static void store(struct pci_dev *p, unsigned offset, unsigned size, uint32_t value)
{
	for (unsigned i = offset; i < offset + size; i++, value >>= 8) {
		uint8_t v = (p->pci_hw.cfg[i] & ~p->wmask[i]) | (value & p->wmask[i]);

		pci_set8(p, i, v & ~(value & p->w1c[i]));
	}
}

static uint16_t msix_control(const struct pci_dev *p)
{
	return p->msix_cap ? pci_get16(p, p->msix_cap + MSIX_CONTROL) : 0;
}

void pci_function_write(struct pci_dev *p, unsigned offset, unsigned size, uint32_t value)
{
	uint16_t command = pci_get16(p, PCI_COMMAND), control = msix_control(p);
	bool switched;

	trace_pci_config_write(p->dev.id, offset, size, value);
	store(p, offset, size, value);
	switched = (command ^ pci_get16(p, PCI_COMMAND)) & (PCI_CMD_MASTER | PCI_CMD_NOINTX);
	if (control != msix_control(p)) {
		pci_msix_control_changed(p);
		switched = true;
	}
	switched |= pci_msi_written(p, offset, size);
	if (offset < PCI_HEADER_SIZE)
		pci_dev_remap(p);
	drive_pin(p);
	pci_bridge_written(p, offset, size);
	pci_exp_written(p, offset, size);
	if (switched && p->pci_ops->command_changed)
		p->pci_ops->command_changed(p);
	if (offset >= PCI_HEADER_SIZE && p->pci_ops->config_write)
		p->pci_ops->config_write(p, offset, size);
}

/* ---- life ---- */

/* The function's place: what its address says, or the first free slot; -1 with @error set. */
static int choose_devfn(struct pci_dev *p, GError **error)
{
	int devfn;

	if (p->addr.slot < 0) {
		devfn = pci_bus_free_devfn(p->bus, pci_bus_bridge(p->bus) ? 0 : FIRST_SLOT);
		if (devfn < 0)
			err_set(error, VMMD_ERROR_INVALID,
				"device \"%s\": all slots of the PCI bus are taken", p->dev.id);
		return devfn;
	}
	if ((unsigned)p->addr.slot >= pci_bus_slots(p->bus) || p->addr.function < 0 ||
		p->addr.function >= PCI_FUNCS) {
		err_set(error, VMMD_ERROR_INVALID, "device \"%s\": there is no PCI address %02x.%x",
			p->dev.id, p->addr.slot & 0xff, p->addr.function & 0xff);
		return -1;
	}
	return PCI_DEVFN(p->addr.slot, p->addr.function);
}

static bool is_multifunction(const struct pci_dev *p)
{
	return p->pci_hw.cfg[PCI_HEADER_TYPE] & MULTIFUNCTION;
}

/*
 * A guest looks at functions 1 to 7 only where function 0 says that there are some (section 6.2.1).
 */
static bool check_slot(
	struct pci_dev *p, unsigned devfn, const struct pci_conf *conf, GError **error)
{
	unsigned first = PCI_DEVFN(devfn / PCI_FUNCS, 0);

	for (unsigned i = first; i < first + PCI_FUNCS; i++) {
		struct pci_dev *q = pci_bus_dev(p->bus, i);

		if (q && i == devfn)
			return err_set(error, VMMD_ERROR_EXISTS,
				"device \"%s\": PCI address %02x.%x is taken by \"%s\"", p->dev.id,
				i / PCI_FUNCS, i % PCI_FUNCS, q->dev.id);
		if (q && ((i == first && !is_multifunction(q)) ||
				 (devfn == first && !conf->multifunction)))
			return err_set(error, VMMD_ERROR_INVALID,
				"device \"%s\": shares PCI slot %02x with \"%s\", but function 0 "
				"is not "
				"a multifunction device",
				p->dev.id, i / PCI_FUNCS, q->dev.id);
	}
	return true;
}

static void fill_header(struct pci_dev *p, const struct pci_conf *conf)
{
	pci_set16(p, PCI_VENDOR_ID, conf->vendor);
	pci_set16(p, PCI_DEVICE_ID, conf->device);
	pci_set32(p, PCI_REVISION, conf->class_code << 8 | conf->revision);
	pci_set8(p, PCI_HEADER_TYPE,
		(conf->multifunction ? MULTIFUNCTION : 0) | (conf->bridge ? TYPE_BRIDGE : 0));
	if (!conf->bridge) {
		pci_set16(p, PCI_SUBSYS_VENDOR, conf->subsys_vendor);
		pci_set16(p, PCI_SUBSYS_ID, conf->subsys);
	}
	pci_set8(p, PCI_INT_PIN, conf->pin);

	mask_set16(p->wmask, PCI_COMMAND, CMD_WRITABLE);
	mask_set16(p->w1c, PCI_STATUS, STATUS_W1C);
	p->wmask[PCI_CACHE_LINE] = 0xff;
	p->wmask[PCI_INT_LINE] = 0xff;
}

bool pci_set_rom(struct pci_dev *p, const void *image, size_t size, GError **error)
{
	struct gmem_block_conf conf = {.name = "rom", .size = GMEM_PAGE_SIZE};
	g_autofree uint8_t *padded = NULL;

	if (!size || size > PCI_ROM_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"an option ROM has from 1 byte to 16 MiB, not %zu bytes", size);
	while (conf.size < size)
		conf.size *= 2;
	p->rom = gmem_block_new(&conf, error);
	if (!p->rom)
		return false;
	padded = g_malloc(conf.size);
	memset(padded, 0xff, conf.size);
	memcpy(padded, image, size);
	gmem_block_load(p->rom, 0, padded, conf.size);
	region_init_mem(&p->rom_region, "rom", p->rom, 0, conf.size, true);
	return true;
}

bool pci_dev_init(
	struct pci_dev *p, const struct pci_ops *ops, const struct pci_conf *conf, GError **error)
{
	int devfn;

	if (!p->bus)
		return err_set(error, VMMD_ERROR_INVALID,
			"device \"%s\": this machine has no PCI bus", p->dev.id);
	devfn = choose_devfn(p, error);
	if (devfn < 0 || !check_slot(p, devfn, conf, error))
		return false;
	p->pci_ops = ops;
	p->devfn = devfn;
	p->addr = (struct prop_pci){.slot = devfn / PCI_FUNCS, .function = devfn % PCI_FUNCS};
	p->cfg_size = PCI_CFG_CONVENTIONAL;
	p->next_cap = FIRST_CAP;
	fill_header(p, conf);
	if (conf->pin)
		p->pin = pci_bus_pin(p->bus, devfn, conf->pin);
	if (p->rom)
		pci_bar_init(p, PCI_ROM_BAR, &p->rom_region, false, false);
	pci_bus_attach(p->bus, p, devfn);
	return true;
}

void pci_dev_done(struct pci_dev *p)
{
	if (!p->pci_ops) {
		g_clear_pointer(&p->rom, gmem_block_unref);
		return;
	}
	pci_bus_detach(p->bus, p);
	irq_set(&p->pin, false);
	for (unsigned n = 0; n < ARRAY_SIZE(p->bars); n++) {
		if (p->bars[n].region)
			region_unmap(p->dev.bus, p->bars[n].region);
	}
	pci_vectors_done(p);
	pci_bridge_done(p);
	g_clear_pointer(&p->rom, gmem_block_unref);
	p->pci_ops = NULL;
}

/* Bits that neither the guest nor the state of a line changes. */
static uint8_t fixed_bits(const struct pci_dev *p, unsigned offset)
{
	uint8_t changes = p->wmask[offset] | p->w1c[offset];

	return ~(offset == PCI_STATUS ? changes | PCI_STATUS_INTX : changes);
}

/* What the device's realize has left; it was never written to by a guest. */
static void take_initial(struct pci_dev *p)
{
	memcpy(p->initial, p->pci_hw.cfg, PCI_CFG_SIZE);
	for (unsigned i = 0; i < PCI_HEADER_SIZE; i++)
		p->initial[i] &= fixed_bits(p, i);
	p->complete = true;
}

bool pci_unchanged(const struct pci_dev *p, unsigned offset, unsigned size)
{
	for (unsigned i = offset; i < offset + size; i++) {
		if ((p->pci_hw.cfg[i] ^ p->initial[i]) & fixed_bits(p, i))
			return false;
	}
	return true;
}

void pci_dev_reset(struct pci_dev *p)
{
	if (!p->complete)
		take_initial(p);
	for (unsigned i = 0; i < PCI_CFG_SIZE; i++)
		pci_set8(p, i, p->initial[i]);
	pci_intx_set(p, false);
	pci_dev_remap(p);
	pci_bridge_sync(p);
	pci_vectors_reset(p);
	pci_exp_reset(p);
}

void pci_function_reset_locked(struct pci_dev *p)
{
	struct dev *d = DEV(p);

	if (p->pci_ops->function_reset)
		p->pci_ops->function_reset(p);
	else if (!d->ops->quiesce)
		d->ops->reset(d, RESET_WARM);
	else
		pci_dev_reset(p);
}

void pci_function_reset(struct pci_dev *p)
{
	dev_lock(DEV(p));
	pci_function_reset_locked(p);
	dev_unlock(DEV(p));
}

/* Behind the end of a conventional function's configuration space nothing is. */
static bool rest_unused(const struct pci_dev *p)
{
	for (unsigned i = p->cfg_size; i < PCI_CFG_SIZE; i++) {
		if (p->pci_hw.cfg[i])
			return false;
	}
	return true;
}

int pci_dev_post_load(struct pci_dev *p)
{
	if (!pci_unchanged(p, 0, PCI_HEADER_SIZE) || pci_vectors_check(p) < 0 ||
		pci_exp_check(p) < 0 || !rest_unused(p))
		return -EINVAL;
	drive_pin(p);
	pci_dev_remap(p);
	pci_bridge_sync(p);
	pci_exp_sync(p);
	pci_vectors_post_load(p);
	return 0;
}

int pci_cap_add(struct pci_dev *p, uint8_t id, uint8_t size)
{
	unsigned offset = p->next_cap;

	if (!offset || !range_fits(offset, size, PCI_CFG_CONVENTIONAL))
		return -ENOSPC;
	pci_set8(p, offset, id);
	pci_set8(p, p->last_cap ? p->last_cap + 1 : PCI_CAP_PTR, offset);
	pci_set16(p, PCI_STATUS, pci_get16(p, PCI_STATUS) | PCI_STATUS_CAPS);
	p->last_cap = offset;
	/* Capabilities begin at multiples of 4; behind the last one 256 wraps to 0: full. */
	p->next_cap = align_up(offset + size, 4);
	return offset;
}

/* Header: id in bits 15..0, version in 19..16, next in 31..20 (PCIe 7.9.3). */
int pci_ext_cap_add(struct pci_dev *p, uint16_t id, uint8_t version, uint16_t size)
{
	unsigned offset = p->next_ext_cap ? p->next_ext_cap : PCI_CFG_CONVENTIONAL;

	if (!range_fits(offset, size, p->cfg_size))
		return -ENOSPC;
	pci_set32(p, offset, id | (uint32_t)version << 16);
	if (p->last_ext_cap)
		pci_set32(p, p->last_ext_cap, pci_get32(p, p->last_ext_cap) | offset << 20);
	p->last_ext_cap = (uint16_t)offset;
	p->next_ext_cap = (uint16_t)align_up(offset + size, 4);
	return (int)offset;
}
