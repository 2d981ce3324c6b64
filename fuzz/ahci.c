/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk and a CD-ROM drive on two AHCI ports, whose lists lie in the memory that steps write to;
 * tests/device/storage-fuzz.h says what the input is.
 */
#include "tests/device/storage-fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ABAR     (STORAGE_FUZZ_BARS + 5 * (uint32_t)MiB)
#define PORT(n)  (ABAR + 0x100 + (n)*0x80)
#define TABLE(i) (STORAGE_FUZZ_RAM + 0x1000 + (i)*0x100)

static void set(struct storage_fuzz *f, uint32_t addr, uint32_t v)
{
	rig_write(f->r, BUS_MMIO, addr, 4, v);
}

/*
 * Both ports share the list; each slot has a table with one region, so that a step or two make a
 * command.
 */
static void prepare(struct storage_fuzz *f)
{
	for (unsigned i = 0; i < 32; i++) {
		const uint32_t header[3] = {5 | (i & 1) << 5 | 1 << 16, 0, TABLE(i)};
		const uint8_t fis[16] = {0x27, 0x80, i & 1 ? 0xa0 : 0x60, 1,
			(uint8_t)i, [7] = 0x40, [12] = (uint8_t)(i << 3)};
		const uint8_t cdb[12] = {0x28, [5] = (uint8_t)i, [8] = 1};
		const uint32_t prd[4] = {STORAGE_FUZZ_RAM + 0x8000 + i * 0x200, 0, 0, 0xfff};

		storage_put_ram(f->r, STORAGE_FUZZ_RAM + i * 32, header, sizeof(header));
		storage_put_ram(f->r, TABLE(i), fis, sizeof(fis));
		storage_put_ram(f->r, TABLE(i) + 0x40, cdb, sizeof(cdb));
		storage_put_ram(f->r, TABLE(i) + 0x80, prd, sizeof(prd));
	}
	for (unsigned n = 0; n < 2; n++) {
		set(f, PORT(n), STORAGE_FUZZ_RAM);
		set(f, PORT(n) + 0x08, STORAGE_FUZZ_RAM + 0x400);
		set(f, PORT(n) + 0x18, 0x11);
		set(f, PORT(n) + 0x14, UINT32_MAX);
	}
	set(f, ABAR + 4, 0x80000002);
}

static void access_register(struct storage_fuzz *f, const struct storage_step *s)
{
	unsigned n = s->what % 3;
	uint32_t addr = n < 2 ? PORT(n) + s->offset % 0x40 / 4 * 4
			      : ABAR + s->offset % 0x40 / 4 * 4;

	if (s->what & 0x80)
		rig_read(f->r, BUS_MMIO, addr, 4);
	else
		set(f, addr, s->value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct storage_target target = {.ops = &ich9_ahci_ops,
		.disk_bay = 0,
		.cd_bay = 1,
		.prepare = prepare,
		.access = access_register};

	storage_fuzz(&target, data, size);
	return 0;
}
