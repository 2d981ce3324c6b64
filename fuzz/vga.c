/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA: ports, VBE, window and BARs, with pictures, resets and saved states in between. */
#include "tests/device/vga-rig.h"
#include "tests/lib/fuzz-input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void life(struct vga_rig *v, unsigned what)
{
	g_autoptr(GByteArray) state = NULL;

	switch (what % 4) {
	case 0: display_refresh(v->display); break;
	case 1:
		state = g_byte_array_new();
		bus_save(v->r->bus, state);
		g_assert_true(bus_load(v->r->bus, state->data, state->len, NULL));
		break;
	case 2: bus_reset(v->r->bus, RESET_WARM); break;
	case 3:
		clock_step_to(v->r->clocks, clock_now(v->r->clocks, VM_CLOCK_VIRTUAL) + 1234567);
		break;
	}
}

static void port(struct vga_rig *v, struct fuzz_input *in)
{
	static const uint16_t bases[] = {0x3b0, 0x3c0, 0x3d0, 0x1ce};
	uint8_t where = (uint8_t)fuzz_take(in, 1);
	uint16_t at = bases[where >> 4 & 3] + (where & 15);

	if (where & 0x80)
		rig_read(v->r, BUS_PIO, at, 1u << (where >> 6 & 1));
	else
		rig_write(v->r, BUS_PIO, at, 1u << (where >> 6 & 1), fuzz_take(in, 2));
}

static void memory(struct vga_rig *v, struct fuzz_input *in, uint64_t base)
{
	uint64_t at = base + fuzz_take(in, 4) % 0x20000;
	uint8_t how = (uint8_t)fuzz_take(in, 1);

	if (how & 0x80)
		rig_read(v->r, BUS_MMIO, at, 1u << (how & 3));
	else
		rig_write(v->r, BUS_MMIO, at, 1u << (how & 3), fuzz_take(in, 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {.p = data, .left = size};
	struct vga_rig v;

	vga_rig_init(&v);
	vga_rig_map(&v);
	while (in.left) {
		uint8_t op = (uint8_t)fuzz_take(&in, 1);

		switch (op % 8) {
		case 0: life(&v, op / 8); break;
		case 1: vga_mode(&v, op & 0x10 ? 0x03 : op & 0x20 ? 0x12 : 0x13); break;
		case 2: vbe_out(&v, op / 8 % 16, (uint16_t)fuzz_take(&in, 2)); break;
		case 3: memory(&v, &in, 0xa0000); break;
		case 4: memory(&v, &in, VGA_MMIO); break;
		default: port(&v, &in); break;
		}
	}
	display_refresh(v.display);
	vga_rig_done(&v);
	return 0;
}
