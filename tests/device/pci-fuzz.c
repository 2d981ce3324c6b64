/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/pci-fuzz.h"

#include <string.h>

#include "base/qs.h"

#define OPS      12
#define MEM_BASE 0xc0000000u
#define MEM_STEP (1 * MiB)
#define IO_BASE  0xc000u
#define IO_STEP  0x100
#define ROUNDS   4 /* turns of the loop for one operation */

struct fuzzed {
	const struct pci_fuzz_target *t;
	struct rig *r;
	struct dev *d;
	void *plugged;
};

static void place_bars(struct fuzzed *f)
{
	struct pci_dev *p = to_pci_dev(f->d);

	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (p->bars[i].region)
			rig_cfg_write(f->r, p->devfn, PCI_BAR0 + 4 * i, 4,
				(uint32_t)(p->bars[i].is_io ? IO_BASE + i * IO_STEP
							    : MEM_BASE + i * MEM_STEP));
	}
	rig_cfg_write(f->r, p->devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

static const struct region *nth_bar(struct fuzzed *f, unsigned n)
{
	struct pci_dev *p = to_pci_dev(f->d);
	unsigned have = 0;

	for (unsigned i = 0; i < PCI_BARS; i++)
		have += p->bars[i].region != NULL;
	n %= have;
	for (unsigned i = 0;; i++) {
		if (p->bars[i].region && n-- == 0)
			return p->bars[i].region;
	}
}

static void access_bar(struct fuzzed *f, struct fuzz_input *in, bool write)
{
	static const uint8_t sizes[] = {1, 2, 4, 4};
	unsigned how = (unsigned)fuzz_take(in, 1), size = sizes[how >> 6];
	const struct region *r = nth_bar(f, how & 7);
	uint64_t at = fuzz_take(in, 2) % r->size;

	at = r->base + MIN(at, r->size - size);
	if (!r->mapped)
		return;
	if (write)
		rig_write(f->r, r->space, at, size, fuzz_take(in, 4));
	else
		rig_read(f->r, r->space, at, size);
}

static void fill(struct fuzzed *f, struct fuzz_input *in, unsigned op)
{
	uint64_t at = fuzz_take(in, 2) * 16;
	uint8_t bytes[256];

	if (op == 6)
		memset(bytes, (int)fuzz_take(in, 1), sizeof(bytes));
	for (unsigned i = 0; op == 5 && i < 16; i++)
		bytes[i] = (uint8_t)fuzz_take(in, 1);
	qs_enter();
	g_assert_cmpint(gmem_write(f->r->gmem, GPA(at), bytes, op == 5 ? 16 : 256), ==, 0);
	qs_leave();
}

static void life(struct fuzzed *f, struct fuzz_input *in)
{
	g_autoptr(GByteArray) state = g_byte_array_new();
	g_autoptr(GError) error = NULL;
	unsigned offset;

	switch (fuzz_take(in, 1) % 4) {
	case 0:
		bus_save(f->r->bus, state);
		bus_reset(f->r->bus, RESET_COLD);
		bus_load(f->r->bus, state->data, state->len, &error);
		g_assert_no_error(error);
		break;
	case 1: bus_reset(f->r->bus, RESET_WARM); break;
	case 2: bus_reset(f->r->bus, RESET_COLD); break;
	case 3:
		offset = (unsigned)fuzz_take(in, 1) & ~3u;
		rig_cfg_write(f->r, to_pci_dev(f->d)->devfn, offset, 4, (uint32_t)fuzz_take(in, 4));
		return;
	}
	place_bars(f);
}

static void operate(struct fuzzed *f, struct fuzz_input *in)
{
	unsigned op = (unsigned)fuzz_take(in, 1) % OPS;

	switch (op) {
	case 4: access_bar(f, in, false); break;
	case 5:
	case 6: fill(f, in, op); break;
	case 7:
		clock_step_to(f->r->clocks, clock_now(f->r->clocks, VM_CLOCK_VIRTUAL) +
						    (INT64_C(1) << fuzz_take(in, 1) % 31));
		break;
	case 8:
	case 9:
		if (f->t->own)
			f->t->own(f->plugged, in);
		break;
	case 10:
		for (unsigned i = 0; i < ROUNDS; i++)
			rig_poll(f->r);
		break;
	case 11: life(f, in); break;
	default: access_bar(f, in, true); break;
	}
}

int pci_fuzz(const struct pci_fuzz_target *t, const uint8_t *data, size_t size)
{
	struct fuzz_input in = {.p = data, .left = size};
	struct fuzzed f = {.t = t, .r = rig_new()};
	g_autoptr(GError) error = NULL;

	f.d = dev_new(f.r->bus, t->ops, "fuzzed");
	to_pci_dev(f.d)->bus = f.r->pci;
	if (t->plug)
		f.plugged = t->plug(f.r, f.d);
	dev_realize(f.d, &error);
	g_assert_no_error(error);
	bus_reset(f.r->bus, RESET_COLD);
	place_bars(&f);
	while (in.left)
		operate(&f, &in);
	dev_free(f.d);
	if (t->unplug)
		t->unplug(f.plugged);
	rig_free(f.r);
	return 0;
}
