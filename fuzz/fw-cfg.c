/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg's ports; the guest also writes the memory in which DMA commands lie. A device has a file that it
 * may write, and uses the address in it.
 */
#include "devmodel/platform/platform.h"
#include "devmodel/platform/vmgenid.h"
#include "tests/lib/board-fuzz.h"

#define COMMANDS 256 /* bytes at address 0 that the input can reach */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void poke(struct board *b, uint8_t what, uint8_t value, void *opaque)
{
	g_assert_cmpint(gmem_write(b->gmem, GPA(what % COMMANDS), &value, 1), ==, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_range ranges[] = {{0x510, 12}, {0}};
	const struct fuzz_target target = {.ranges = ranges, .own = poke};
	struct board b;
	struct dev *d, *genid;

	board_init(&b);
	d = board_add(&b, &fw_cfg_ops, "fw_cfg");
	fw_cfg_add(d, FW_CFG_UUID, "0123456789abcdef", 16);
	fw_cfg_add(d, 0x8003, "arch", 4);
	fw_cfg_add_file(d, "etc/empty", NULL, 0);
	fw_cfg_add_file(d, "bootorder", "/pci@i0cf8/scsi@4/disk@0,0", 27);
	genid = dev_new(b.bus, &vmgenid_ops, "genid");
	vmgenid_wire(genid, d, gsi_source(b.bus->gsi, 9));
	board_realize(&b, genid);
	board_fuzz(&b, &target, data, size);
	vmgenid_set(genid, (const uint8_t *)"0123456789abcdef");
	board_done(&b);
	return 0;
}
