/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VGA as a PCI function, and what answers which address.
 *
 *	BAR 0	display memory
 *	BAR 2	registers again: EDID at 0, ports 0x3c0 to 0x3df at 0x400, VBE registers at 0x500, ours at 0x600
 *
 * A write to a register may turn the window at 0xa0000 from registers into memory or back. That changes the bus's map, whose lock
 * comes before ours: so the handlers of registers lock for themselves.
 */
#include <errno.h>

#include "devmodel/display/vga-internal.h"

#define VBE_PORTS    0x1ce /* words: index at 0, data at 1 */
#define VBE_N        3
#define MONO_PORTS   0x3b0
#define MONO_N       12 /* up to the parallel port's */
#define COLOUR_PORTS 0x3c0
#define COLOUR_N     32

#define MMIO_SIZE        4096
#define MMIO_PORTS       0x400
#define MMIO_VBE         0x500
#define MMIO_EXTENDED    0x600 /* size of these registers in bytes; byte order of the framebuffer */
#define EXTENDED_SIZE    8
#define LITTLE_ENDIAN_FB 0x1e1e1e1e

/* ---- the window ---- */

static bool window_as_wanted(const struct vga *v)
{
	const struct region *r = &v->linear;
	uint64_t offset;

	if (!vga_window_linear(v, &offset))
		return !r->mapped;
	return r->mapped && r->block_offset == offset;
}

/* Bus lock and lock held. */
static void place_window(struct vga *v)
{
	struct bus *b = v->pci.dev.bus;
	uint64_t offset;

	if (window_as_wanted(v))
		return;
	region_unmap(b, &v->linear);
	if (!vga_window_linear(v, &offset))
		return;
	v->linear.block_offset = offset;
	region_map(b, &v->linear, VGA_WINDOW, REGION_PRIO_OVERLAY);
}

/* After a register was written and the lock given back: another CPU may have been quicker. */
static void update_window(struct vga *v)
{
	struct dev *d = &v->pci.dev;

	bus_lock(d->bus);
	dev_lock(d);
	place_window(v);
	dev_unlock(d);
	bus_unlock(d->bus);
}

/* ---- registers ---- */

static uint64_t port_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	uint8_t value;

	dev_lock(d);
	value = vga_port_read(to_vga(d), (uint16_t)(r->base + offset));
	dev_unlock(d);
	return value;
}

static void port_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vga *v = to_vga(d);
	bool good;

	dev_lock(d);
	vga_port_write(v, (uint16_t)(r->base + offset), (uint8_t)value);
	good = window_as_wanted(v);
	dev_unlock(d);
	if (!good)
		update_window(v);
}

static const struct region_ops port_ops = {
	.read = port_read,
	.write = port_write,
	.min = 1,
	.max = 1,
	.unlocked = true,
};

static uint64_t vbe_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct vga *v = to_vga(d);
	uint16_t value;

	dev_lock(d);
	value = offset ? vga_vbe_read(v, v->hw.vbe_index) : v->hw.vbe_index;
	dev_unlock(d);
	return value;
}

static void write_vbe(struct vga *v, unsigned index, uint16_t value)
{
	struct dev *d = &v->pci.dev;
	bool good;

	dev_lock(d);
	vga_vbe_write(v, index, value);
	good = window_as_wanted(v);
	dev_unlock(d);
	if (!good)
		update_window(v);
}

static void vbe_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vga *v = to_vga(d);
	unsigned index;

	dev_lock(d);
	if (!offset)
		v->hw.vbe_index = (uint16_t)value;
	index = v->hw.vbe_index;
	dev_unlock(d);
	if (offset)
		write_vbe(v, index, (uint16_t)value);
}

static const struct region_ops vbe_ops = {
	.read = vbe_read,
	.write = vbe_write,
	.min = 2,
	.max = 2,
	.unlocked = true,
	.misaligned = true,
};

/* ---- BAR 2 ---- */

static uint8_t mmio_byte(struct vga *v, uint64_t offset)
{
	if (offset < VGA_EDID_SIZE)
		return v->edid[offset];
	if (range_fits(offset - MMIO_PORTS, 1, COLOUR_N))
		return vga_port_read(v, (uint16_t)(COLOUR_PORTS + offset - MMIO_PORTS));
	return 0;
}

static uint64_t mmio_bytes(struct vga *v, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)mmio_byte(v, offset + i) << (8 * i);
	return value;
}

static uint64_t mmio_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct vga *v = to_vga(d);
	uint64_t value;

	dev_lock(d);
	if (offset == MMIO_EXTENDED)
		value = EXTENDED_SIZE;
	else if (offset == MMIO_EXTENDED + 4)
		value = LITTLE_ENDIAN_FB;
	else if (range_fits(offset - MMIO_VBE, size, VBE_REGS * 2))
		value = size == 2 ? vga_vbe_read(v, (unsigned)(offset - MMIO_VBE) / 2) : 0;
	else
		value = mmio_bytes(v, offset, size);
	dev_unlock(d);
	return value;
}

static void mmio_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	if (size == 2 && range_fits(offset - MMIO_VBE, 2, VBE_REGS * 2)) {
		write_vbe(to_vga(d), (unsigned)(offset - MMIO_VBE) / 2, (uint16_t)value);
		return;
	}
	for (unsigned i = 0; i < size && range_fits(offset - MMIO_PORTS, size, COLOUR_N); i++)
		port_write(d, &to_vga(d)->ports, offset - MMIO_PORTS + i, 1, value >> (8 * i));
}

static const struct region_ops mmio_ops = {
	.read = mmio_read,
	.write = mmio_write,
	.min = 1,
	.max = 4,
	.unlocked = true,
};

/* ---- life ---- */

void vga_set_display(struct dev *d, struct display *display)
{
	to_vga(d)->display = display;
}

static const struct pci_ops pci_ops = {.config_write = NULL};

static void init_bars(struct vga *v)
{
	region_init_mem(&v->framebuffer, "vga-framebuffer", v->vram, 0, v->vram_size, false);
	region_init_io(&v->mmio, &v->pci.dev, &mmio_ops, "vga-mmio", BUS_MMIO, MMIO_SIZE);
	pci_bar_init(&v->pci, 0, &v->framebuffer, false, true);
	pci_bar_init(&v->pci, 2, &v->mmio, false, false);
}

static bool map_legacy(struct vga *v)
{
	struct dev *d = &v->pci.dev;
	const struct {
		struct region *r;
		const struct region_ops *ops;
		const char *name;
		uint64_t base, size;
	} legacy[] = {
		{&v->mono, &port_ops, "vga-mono", MONO_PORTS, MONO_N},
		{&v->ports, &port_ops, "vga-ports", COLOUR_PORTS, COLOUR_N},
		{&v->vbe, &vbe_ops, "vga-vbe", VBE_PORTS, VBE_N},
		{&v->window, &vga_window_ops, "vga-window", VGA_WINDOW, VGA_WINDOW_SIZE},
	};

	region_init_mem(&v->linear, "vga-linear", v->vram, 0, VGA_BANK, false);
	for (size_t i = 0; i < ARRAY_SIZE(legacy); i++) {
		bool memory = legacy[i].r == &v->window;

		region_init_io(legacy[i].r, d, legacy[i].ops, legacy[i].name,
			memory ? BUS_MMIO : BUS_PIO, legacy[i].size);
		if (region_map(d->bus, legacy[i].r, legacy[i].base, REGION_PRIO_DEVICE) < 0)
			return false;
	}
	return true;
}

static bool vga_realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {
		.vendor = 0x1234,
		.device = 0x1111,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x030000,
		.revision = 2,
	};
	struct vga *v = to_vga(d);
	struct gmem_block_conf block = {.name = d->id, .size = v->vram_size};

	if (!is_power_of_2(v->vram_size))
		return err_set(error, VMMD_ERROR_INVALID, "vram: must be a power of two");
	if (!pci_dev_init(&v->pci, &pci_ops, &conf, error))
		return false;
	v->vram = gmem_block_new(&block, error);
	if (!v->vram)
		return false;
	init_bars(v);
	if (!map_legacy(v))
		return err_set(error, VMMD_ERROR_INVALID, "the addresses of a VGA are taken");
	vga_edid_fill(v->edid, v->xres, v->yres);
	v->source.refresh = vga_refresh;
	if (v->display)
		display_set_source(v->display, &v->source);
	return true;
}

static void vga_unrealize(struct dev *d)
{
	struct vga *v = to_vga(d);

	if (v->display && v->source.refresh)
		display_set_source(v->display, NULL);
	region_unmap(d->bus, &v->linear);
	pci_dev_done(&v->pci);
	gmem_block_unref(v->vram);
}

static void vga_reset(struct dev *d, enum reset_kind kind)
{
	struct vga *v = to_vga(d);

	pci_dev_reset(&v->pci);
	vga_regs_reset(&v->hw);
	vga_vbe_reset(&v->hw);
	place_window(v);
}

static int vga_post_load(struct dev *d)
{
	struct vga *v = to_vga(d);

	if (v->hw.vbe[VBE_BANK] >= v->vram_size / VGA_BANK)
		return -EINVAL;
	place_window(v);
	return pci_dev_post_load(&v->pci);
}

static const struct state_field vga_fields[] = {
	ST_ARRAY(struct vga_hw, vbe, UINT16_MAX),
	ST_U(struct vga_hw, vbe_index),
	ST_U(struct vga_hw, misc),
	ST_U(struct vga_hw, feature),
	ST_U(struct vga_hw, enable),
	ST_U(struct vga_hw, seq_index),
	ST_BYTES(struct vga_hw, seq),
	ST_U(struct vga_hw, crtc_index),
	ST_BYTES(struct vga_hw, crtc),
	ST_U(struct vga_hw, gc_index),
	ST_BYTES(struct vga_hw, gc),
	ST_U(struct vga_hw, attr_index),
	ST_BYTES(struct vga_hw, attr),
	ST_BOOL(struct vga_hw, attr_data),
	ST_BOOL(struct vga_hw, dac_reading),
	ST_U(struct vga_hw, dac_mask),
	ST_U(struct vga_hw, dac_index),
	ST_MAX(struct vga_hw, dac_part, 2),
	ST_BYTES(struct vga_hw, dac_new),
	ST_BYTES(struct vga_hw, dac),
	ST_BYTES(struct vga_hw, latch),
	ST_PAD(struct vga_hw, pad),
	ST_END,
};

static int vga_check(const void *hw)
{
	return vga_vbe_check(hw);
}

static const struct state_desc vga_state = {
	.name = "vga",
	.version = 1,
	.size = sizeof(struct vga_hw),
	.fields = vga_fields,
	.check = vga_check,
};

static const struct prop vga_props[] = {
	PROP_PCI("addr", struct vga, pci.addr, "PCI address"),
	PROP_SIZE("vram", struct vga, vram_size, 1 * MiB, 256 * MiB, 16 * MiB,
		"display memory, a power of two"),
	PROP_U32("xres", struct vga, xres, 640, DISPLAY_MAX_SIDE / 2, 1280,
		"width in pixels of the mode that the monitor prefers"),
	PROP_U32("yres", struct vga, yres, 480, DISPLAY_MAX_SIDE / 2, 800,
		"height in pixels of the mode that the monitor prefers"),
	PROP_END,
};

static const struct prop_table vga_table = {
	.name = "vga",
	.doc = "VGA with Bochs VBE",
	.size = sizeof(struct vga),
	.props = vga_props,
};

const struct dev_ops vga_ops = {
	.name = "vga",
	.doc = "IBM VGA with Bochs VBE extensions, PCI 1234:1111",
	.size = sizeof(struct vga),
	.props = &vga_table,
	.realize = vga_realize,
	.reset = vga_reset,
	.unrealize = vga_unrealize,
	.pre_save = pci_dev_pre_save,
	.post_load = vga_post_load,
	.state =
		(const struct dev_part[]){
			{&pci_state, offsetof(struct vga, pci.pci_hw)},
			{&vga_state, offsetof(struct vga, hw)},
			{.desc = NULL},
		},
};

const struct dev_ops *const display_devices[] = {&vga_ops, NULL};
