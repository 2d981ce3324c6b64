/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programmable attribute map: 82441FX section 3.2.16, 82Q35 section 5.1.14. Both chips have the
 * same seven registers.
 */
#include "devmodel/chipset/chips.h"

#define PAM_READ    0x1
#define PAM_WRITE   0x2
#define BIOS_WINDOW (128 * KiB) /* of the firmware, shown below 1 MiB */

static void init_segments(struct pam *pam, unsigned reg)
{
	struct pam_segment *seg = pam->segments;

	*seg++ = (struct pam_segment){
		.start = 0xf0000, .size = 64 * KiB, .reg = (uint8_t)reg, .shift = 4};
	for (unsigned i = 0; i < PAM_SEGMENTS - 1; i++)
		*seg++ = (struct pam_segment){
			.start = 0xc0000 + i * 0x4000,
			.size = 16 * KiB,
			.reg = (uint8_t)(reg + 1 + i / 2),
			.shift = i % 2 ? 4 : 0,
		};
}

/* What is there when reading RAM is disabled: the firmware's last part, or nothing. */
static void init_unshadowed(struct pam *pam, struct pam_segment *seg)
{
	uint64_t to_end = MiB - seg->start;

	if (pam->firmware && to_end <= MIN(gmem_block_size(pam->firmware), BIOS_WINDOW))
		region_init_mem(&seg->region, "bios", pam->firmware,
			gmem_block_size(pam->firmware) - to_end, seg->size, true);
	else
		seg->region = (struct region){.name = "pam-hole",
			.kind = REGION_HOLE,
			.space = BUS_MMIO,
			.size = seg->size};
}

/* Write-only shadowing, which has no use but to copy, shows the firmware and drops writes. */
static void update_segment(struct pam *pam, struct pam_segment *seg)
{
	unsigned mode = pam->pci->pci_hw.cfg[seg->reg] >> seg->shift & (PAM_READ | PAM_WRITE);
	struct bus *b = pam->pci->dev.bus;

	region_unmap(b, &seg->region);
	if ((mode & PAM_READ) && pam->ram)
		region_init_mem(&seg->region, "shadow", pam->ram, seg->start, seg->size,
			!(mode & PAM_WRITE));
	else
		init_unshadowed(pam, seg);
	region_map(b, &seg->region, seg->start, REGION_PRIO_OVERLAY);
}

void pam_update(struct pam *pam, unsigned first, unsigned last)
{
	for (unsigned i = 0; i < PAM_SEGMENTS; i++) {
		if (pam->segments[i].reg >= first && pam->segments[i].reg <= last)
			update_segment(pam, &pam->segments[i]);
	}
}

void pam_update_all(struct pam *pam)
{
	pam_update(pam, 0, PCI_CFG_CONVENTIONAL);
}

void pam_init(struct pam *pam, struct pci_dev *p, unsigned reg)
{
	pam->pci = p;
	init_segments(pam, reg);
	for (unsigned i = 0; i < PAM_SEGMENTS; i++)
		p->wmask[pam->segments[i].reg] |= (PAM_READ | PAM_WRITE) << pam->segments[i].shift;
	pam_update_all(pam);
}

void pam_done(struct pam *pam)
{
	for (unsigned i = 0; pam->pci && i < PAM_SEGMENTS; i++)
		region_unmap(pam->pci->dev.bus, &pam->segments[i].region);
}
