/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU's way to display memory through the window at 0xa0000: the graphics controller. A read fills the latches with the
 * four planes' bytes; a write changes eight pixels in as many planes as the map mask says, out of what is written, the latches and
 * the set/reset register, by one of four write modes. FreeVGA, "Accessing the VGA Display Memory".
 */
#include <string.h>

#include "devmodel/display/vga-internal.h"

/* Where in the window display memory is: graphics controller register 6, bits 3 and 2. */
static const struct {
	uint32_t start, size;
} maps[] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};

static unsigned map_of(const struct vga_hw *hw)
{
	return hw->gc[GC_MISC] >> 2;
}

static bool reachable(const struct vga_hw *hw)
{
	return hw->enable & 1 && hw->misc & MISC_RAM;
}

/* Chain 4 with nothing on the way that changes a byte. */
static bool plain_chain_4(const struct vga_hw *hw)
{
	return hw->seq[SEQ_MEMORY] & MEMORY_CHAIN_4 && hw->seq[SEQ_MAP_MASK] == 0x0f &&
	       !hw->gc[GC_SET_ENABLE] && !hw->gc[GC_ROTATE] &&
	       !(hw->gc[GC_MODE] & (GC_WRITE_MODE | GC_READ_MODE)) && hw->gc[GC_BIT_MASK] == 0xff;
}

bool vga_window_linear(const struct vga *v, uint64_t *ret_offset)
{
	const struct vga_hw *hw = &v->hw;

	if (!reachable(hw) || map_of(hw) > 1)
		return false;
	*ret_offset = (uint64_t)hw->vbe[VBE_BANK] * VGA_BANK;
	if (vga_vbe_linear(hw))
		return true;
	*ret_offset = 0;
	return !vga_vbe_enabled(hw) && plain_chain_4(hw);
}

/* ---- addresses ---- */

/* What one byte of the window stands for. */
struct cell {
	uint32_t at;     /* the word of the planes, in the device's memory */
	uint8_t planes;  /* that a write may reach */
	uint8_t read_of; /* the plane that read mode 0 looks at */
};

static bool odd_even(const struct vga_hw *hw)
{
	return !(hw->seq[SEQ_MEMORY] & MEMORY_PLANAR);
}

static struct cell find_cell(const struct vga *v, uint32_t a)
{
	const struct vga_hw *hw = &v->hw;
	struct cell c = {.planes = hw->seq[SEQ_MAP_MASK], .read_of = hw->gc[GC_READ_MAP]};
	uint32_t n = a;

	if (hw->seq[SEQ_MEMORY] & MEMORY_CHAIN_4) {
		n = a >> 2;
		c.planes &= 1u << (a & 3);
		c.read_of = a & 3;
	} else {
		if (odd_even(hw))
			c.planes &= a & 1 ? 0x0a : 0x05;
		if (hw->gc[GC_MODE] & GC_ODD_EVEN)
			c.read_of = (c.read_of & 2) | (a & 1);
		if (hw->gc[GC_MISC] & GC_CHAIN_OE)
			n &= ~1u;
	}
	c.at = (uint32_t)((uint64_t)n * 4 & (v->vram_size - 1));
	return c;
}

/* The byte of display memory at @offset of the window; false: nobody is there. */
static bool in_window(const struct vga *v, uint64_t offset, uint32_t *ret)
{
	const struct vga_hw *hw = &v->hw;
	unsigned map = map_of(hw);

	if (!reachable(hw) || offset < maps[map].start ||
		offset - maps[map].start >= maps[map].size)
		return false;
	*ret = (uint32_t)(offset - maps[map].start);
	if (vga_vbe_enabled(hw))
		*ret += hw->vbe[VBE_BANK] * VGA_BANK;
	return true;
}

/* ---- one byte ---- */

/* A word with a byte of ones for each plane in @planes. */
static uint32_t spread(unsigned planes)
{
	return (planes & 1 ? 0xffu : 0) | (planes & 2 ? 0xff00u : 0) |
	       (planes & 4 ? 0xff0000u : 0) | (planes & 8 ? 0xff000000u : 0);
}

static uint32_t latches(const struct vga_hw *hw)
{
	uint32_t word;

	memcpy(&word, hw->latch, sizeof(word));
	return word;
}

static uint8_t planar_read(struct vga *v, uint32_t a)
{
	struct vga_hw *hw = &v->hw;
	struct cell c = find_cell(v, a);
	uint32_t differs;

	gmem_block_read(v->vram, c.at, hw->latch, sizeof(hw->latch));
	if (!(hw->gc[GC_MODE] & GC_READ_MODE))
		return hw->latch[c.read_of];
	/* Read mode 1: a one for each pixel that has the compared colour in the planes that count. */
	differs = (latches(hw) ^ spread(hw->gc[GC_COMPARE])) & spread(hw->gc[GC_DONT_CARE]);
	differs |= differs >> 16;
	return (uint8_t) ~(differs | differs >> 8);
}

static uint8_t rotated(const struct vga_hw *hw, uint8_t value)
{
	unsigned n = hw->gc[GC_ROTATE] & 7;

	return (uint8_t)(value >> n | value << (8 - n));
}

/* The logical unit, then the bit mask; where that is clear the latches stay. */
static uint32_t combine(const struct vga_hw *hw, uint32_t data, uint8_t bit_mask)
{
	uint32_t old = latches(hw), mask = bit_mask * 0x01010101u;

	switch (hw->gc[GC_ROTATE] >> 3) {
	case 1: data &= old; break;
	case 2: data |= old; break;
	case 3: data ^= old; break;
	default: break;
	}
	return (data & mask) | (old & ~mask);
}

static uint32_t written(const struct vga_hw *hw, uint8_t value)
{
	uint32_t set = spread(hw->gc[GC_SET]), by_set = spread(hw->gc[GC_SET_ENABLE]), data;
	uint8_t mask = hw->gc[GC_BIT_MASK];

	switch (hw->gc[GC_MODE] & GC_WRITE_MODE) {
	case 0:
		data = rotated(hw, value) * 0x01010101u;
		return combine(hw, (data & ~by_set) | (set & by_set), mask);
	case 1: return latches(hw);
	case 2: return combine(hw, spread(value & 0x0f), mask);
	default: return combine(hw, set, mask & rotated(hw, value));
	}
}

static void planar_write(struct vga *v, uint32_t a, uint8_t value)
{
	struct cell c = find_cell(v, a);
	uint32_t mask = spread(c.planes), word = 0;

	gmem_block_read(v->vram, c.at, &word, sizeof(word));
	word = (word & ~mask) | (written(&v->hw, value) & mask);
	gmem_block_load(v->vram, c.at, &word, sizeof(word));
}

/* ---- accesses ---- */

static uint8_t read_byte(struct vga *v, uint64_t offset)
{
	uint8_t value = 0xff;
	uint32_t a;

	if (!in_window(v, offset, &a))
		return 0xff;
	if (!vga_vbe_linear(&v->hw))
		return planar_read(v, a);
	gmem_block_read(v->vram, a & (v->vram_size - 1), &value, 1);
	return value;
}

static void write_byte(struct vga *v, uint64_t offset, uint8_t value)
{
	uint32_t a;

	if (!in_window(v, offset, &a))
		return;
	if (vga_vbe_linear(&v->hw))
		gmem_block_load(v->vram, a & (v->vram_size - 1), &value, 1);
	else
		planar_write(v, a, value);
}

static uint64_t window_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)read_byte(to_vga(d), offset + i) << (8 * i);
	return value;
}

static void window_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		write_byte(to_vga(d), offset + i, (uint8_t)(value >> (8 * i)));
}

const struct region_ops vga_window_ops = {
	.read = window_read,
	.write = window_write,
	.min = 1,
	.max = 8,
};
