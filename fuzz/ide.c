/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk and a CD-ROM drive on one IDE channel; tests/device/storage-fuzz.h says what the input is.
 */
#include "tests/device/storage-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void prepare(struct storage_fuzz *f)
{
	bus_lock(f->r->bus);
	piix_ide_enable(f->d);
	bus_unlock(f->r->bus);
	rig_write(f->r, BUS_PIO, 0xc404, 4, STORAGE_FUZZ_RAM);
}

/* Offset: where; what: width, how often, reading or writing. */
static void access_port(struct storage_fuzz *f, const struct storage_step *s)
{
	static const struct {
		uint16_t base, n;
	} ranges[] = {{0x1f0, 8}, {0x1f0, 8}, {0x3f6, 1}, {0xc400, 8}};
	unsigned i = s->offset >> 8 & 3, port = ranges[i].base + (s->offset & 0xff) % ranges[i].n;
	unsigned size = 1u << s->what % 3, times = 1;

	/* Blocks at the data register. */
	if (port == 0x1f0)
		times += (s->what >> 3 & 0xf) * 40;
	while (times--) {
		if (s->what & 0x80)
			rig_read(f->r, BUS_PIO, port, size);
		else
			rig_write(f->r, BUS_PIO, port, size, s->value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct storage_target target = {.ops = &piix4_ide_ops,
		.disk_bay = STORAGE_IDE_BAY(0, 0),
		.cd_bay = STORAGE_IDE_BAY(0, 1),
		.prepare = prepare,
		.access = access_port};

	storage_fuzz(&target, data, size);
	return 0;
}
