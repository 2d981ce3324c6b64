/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg as docs/specs/fw_cfg.rst of QEMU has it: items, directory, data port, DMA. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devmodel/platform/platform.h"
#include "tests/lib/board.h"

#define SELECTOR 0x510
#define DATA     0x511
#define DMA_HIGH 0x514
#define DMA_LOW  0x518

#define COMMAND 0x8000 /* where commands lie in RAM */
#define TARGET  0x9000

enum { ERROR = 1, READ = 2, SKIP = 4, SELECT = 8, WRITE = 16 };

struct card {
	struct board b;
	struct dev *dev;
};

static void card_init(struct card *c)
{
	board_init(&c->b);
	c->dev = board_add(&c->b, &fw_cfg_ops, "fw_cfg");
}

static void card_done(struct card *c)
{
	board_done(&c->b);
}

static void read_item(struct card *c, uint16_t key, void *buf, size_t n)
{
	board_outw(&c->b, SELECTOR, key);
	for (size_t i = 0; i < n; i++)
		((uint8_t *)buf)[i] = board_inb(&c->b, DATA);
}

/* Puts a command into RAM, starts it and returns its control word as it is then. */
static uint32_t dma_at(struct card *c, uint64_t at, uint32_t control, uint32_t len, uint64_t to)
{
	uint8_t command[16];
	uint32_t word;

	control = htobe32(control);
	len = htobe32(len);
	to = htobe64(to);
	memcpy(command, &control, 4);
	memcpy(command + 4, &len, 4);
	memcpy(command + 8, &to, 8);
	g_assert_cmpint(gmem_write(c->b.gmem, GPA(at), command, sizeof(command)), ==, 0);
	board_outl(&c->b, DMA_HIGH, htobe32((uint32_t)(at >> 32)));
	board_outl(&c->b, DMA_LOW, htobe32((uint32_t)at));
	g_assert_cmpint(gmem_read(c->b.gmem, GPA(at), &word, 4), ==, 0);
	return be32toh(word);
}

static uint32_t dma(struct card *c, uint32_t control, uint32_t len, uint64_t to)
{
	return dma_at(c, COMMAND, control, len, to);
}

static void expect_ram(struct card *c, uint64_t at, const void *want, size_t n)
{
	g_autofree uint8_t *got = g_malloc(n);

	g_assert_cmpint(gmem_read(c->b.gmem, GPA(at), got, n), ==, 0);
	g_assert_cmpmem(got, n, want, n);
}

/* ---- items and data port ---- */

static void identity(void)
{
	struct card c;
	uint8_t buf[6];

	card_init(&c);
	read_item(&c, FW_CFG_SIGNATURE, buf, 6);
	g_assert_cmpmem(buf, 6, "QEMU\0\0", 6);
	read_item(&c, FW_CFG_ID, buf, 4);
	g_assert_cmpmem(buf, 4, "\3\0\0\0", 4);
	g_assert_cmphex(board_inl(&c.b, DMA_HIGH), ==, 0x554d4551);
	g_assert_cmphex(board_inl(&c.b, DMA_LOW), ==, 0x47464320);
	g_assert_cmphex(board_inb(&c.b, SELECTOR), ==, 0xff);
	read_item(&c, 0x1234, buf, 2);
	g_assert_cmpmem(buf, 2, "\0\0", 2);
	card_done(&c);
}

static void items(void)
{
	struct card c;
	uint8_t buf[8];

	card_init(&c);
	g_assert_cmpint(fw_cfg_add(c.dev, FW_CFG_UUID, "0123456789abcdef", 16), ==, 0);
	g_assert_cmpint(fw_cfg_add_u16(c.dev, FW_CFG_NB_CPUS, 0x1234), ==, 0);
	g_assert_cmpint(fw_cfg_add_u32(c.dev, 0x8003, 0xaabbccdd), ==, 0);
	g_assert_cmpint(fw_cfg_add(c.dev, 0x03, NULL, 0), ==, 0);
	g_assert_cmpint(fw_cfg_add_u16(c.dev, FW_CFG_NB_CPUS, 1), ==, -EEXIST);
	g_assert_cmpint(fw_cfg_add_u16(c.dev, FW_CFG_FILE_DIR, 1), ==, -EEXIST);
	g_assert_cmpint(fw_cfg_add_u16(c.dev, 0x4002, 1), ==, -EINVAL);
	g_assert_cmpint(fw_cfg_add_u16(c.dev, 0x3000, 1), ==, -EINVAL);
	read_item(&c, FW_CFG_NB_CPUS, buf, 3);
	g_assert_cmpmem(buf, 3, "\x34\x12\0", 3);
	read_item(&c, 0x8003, buf, 4);
	g_assert_cmpmem(buf, 4, "\xdd\xcc\xbb\xaa", 4);
	read_item(&c, 0x0003, buf, 1);
	g_assert_cmpint(buf[0], ==, 0);
	/* the guest cannot write an item */
	board_outw(&c.b, SELECTOR, 0x4002);
	board_outb(&c.b, DATA, 'x');
	read_item(&c, FW_CFG_UUID, buf, 4);
	g_assert_cmpmem(buf, 4, "0123", 4);
	card_done(&c);
}

/* The directory: number of files, then size, selector, two reserved bytes and name of each, big-endian. */
static void files(void)
{
	uint8_t dir[4 + 2 * 64];
	struct card c;
	uint8_t buf[8];

	card_init(&c);
	g_assert_cmpint(fw_cfg_add_file(c.dev, "etc/e820", "abc", 3), ==, 0);
	g_assert_cmpint(fw_cfg_add_file(c.dev, "bootorder", "disk", 5), ==, 0);
	g_assert_cmpint(fw_cfg_add_file(c.dev, "etc/e820", "abc", 3), ==, -EEXIST);
	read_item(&c, FW_CFG_FILE_DIR, dir, sizeof(dir));
	g_assert_cmpmem(dir, 4, "\0\0\0\2", 4);
	g_assert_cmpmem(dir + 4, 8, "\0\0\0\3\0\x20\0\0", 8);
	g_assert_cmpstr((char *)dir + 12, ==, "etc/e820");
	g_assert_cmpmem(dir + 68, 8, "\0\0\0\5\0\x21\0\0", 8);
	g_assert_cmpstr((char *)dir + 76, ==, "bootorder");
	read_item(&c, 0x21, buf, 6);
	g_assert_cmpmem(buf, 6, "disk\0\0", 6);

	g_assert_cmpint(fw_cfg_replace_file(c.dev, "bootorder", "other disk", 10), ==, 0);
	read_item(&c, FW_CFG_FILE_DIR, dir, sizeof(dir));
	g_assert_cmpmem(dir + 68, 8, "\0\0\0\xa\0\x21\0\0", 8);
	read_item(&c, 0x21, buf, 8);
	g_assert_cmpmem(buf, 8, "other di", 8);
	card_done(&c);
}

static void file_limits(void)
{
	struct card c;
	char name[80];
	uint8_t count[4];

	card_init(&c);
	memset(name, 'n', sizeof(name));
	name[FW_CFG_MAX_NAME] = '\0';
	g_assert_cmpint(fw_cfg_add_file(c.dev, name, "", 1), ==, -ENAMETOOLONG);
	name[FW_CFG_MAX_NAME - 1] = '\0';
	g_assert_cmpint(fw_cfg_add_file(c.dev, name, "", 1), ==, 0);
	for (unsigned i = 1; i < FW_CFG_MAX_FILES; i++) {
		g_snprintf(name, sizeof(name), "file%u", i);
		g_assert_cmpint(fw_cfg_replace_file(c.dev, name, "", 1), ==, 0);
	}
	g_assert_cmpint(fw_cfg_add_file(c.dev, "one more", "", 1), ==, -ENOSPC);
	g_assert_cmpint(fw_cfg_replace_file(c.dev, "file7", "", 1), ==, 0);
	read_item(&c, FW_CFG_FILE_DIR, count, sizeof(count));
	g_assert_cmpmem(count, 4, "\0\0\0\x40", 4);
	card_done(&c);
}

/* ---- DMA ---- */

static void dma_reads(void)
{
	struct card c;
	uint8_t buf[2];

	card_init(&c);
	g_assert_cmpint(fw_cfg_add(c.dev, FW_CFG_UUID, "0123456789abcdef", 16), ==, 0);
	g_assert_cmpint(gmem_fill(c.b.gmem, GPA(TARGET), 0xee, 32), ==, 0);
	g_assert_cmphex(dma(&c, 0x0002 << 16 | SELECT | READ, 4, TARGET), ==, 0);
	expect_ram(&c, TARGET, "0123\xee", 5);
	/* it goes on where it was, and shares its place with the data port */
	g_assert_cmphex(dma(&c, READ, 2, TARGET + 4), ==, 0);
	g_assert_cmpint(board_inb(&c.b, DATA), ==, '6');
	g_assert_cmphex(dma(&c, SKIP, 3, 0), ==, 0);
	g_assert_cmphex(dma(&c, READ, 1, TARGET + 6), ==, 0);
	expect_ram(&c, TARGET, "012345a\xee", 8);
	/* behind the end there are zeroes */
	g_assert_cmphex(dma(&c, READ, 8, TARGET + 7), ==, 0);
	expect_ram(&c, TARGET + 7, "bcdef\0\0\0\xee", 9);
	g_assert_cmphex(dma(&c, SKIP, 0xffffffff, 0), ==, 0);
	g_assert_cmpint(board_inb(&c.b, DATA), ==, 0);
	/* choosing alone, and doing nothing */
	g_assert_cmphex(dma(&c, 0x0002 << 16 | SELECT, 0, 0), ==, 0);
	g_assert_cmphex(dma(&c, 0, 99, 0), ==, 0);
	read_item(&c, FW_CFG_UUID, buf, 1);
	g_assert_cmpint(buf[0], ==, '0');
	g_assert_cmpuint(c.dev->guest_errors, ==, 0);
	card_done(&c);
}

/* What is refused says so in the command; where not even that can be written, it is counted. */
static void dma_refused(void)
{
	struct card c;

	card_init(&c);
	g_assert_cmpint(fw_cfg_add(c.dev, FW_CFG_UUID, "0123456789abcdef", 16), ==, 0);
	g_assert_cmphex(dma(&c, 0x0002 << 16 | SELECT | WRITE, 4, TARGET), ==, ERROR);
	g_assert_cmphex(dma(&c, READ, 4, BOARD_RAM_SIZE - 2), ==, ERROR);
	g_assert_cmphex(dma(&c, READ, 4, UINT64_MAX - 1), ==, ERROR);
	g_assert_cmphex(dma(&c, 0x0002 << 16 | SELECT | READ, 16, 0xfee00000), ==, ERROR);
	/* no padding without bounds */
	g_assert_cmphex(dma(&c, 0x0002 << 16 | SELECT | READ, 0x40000000, TARGET), ==, ERROR);
	expect_ram(&c, TARGET, "\0\0\0\0", 4);
	g_assert_cmpuint(c.dev->guest_errors, ==, 5);
	board_outl(&c.b, DMA_LOW, htobe32(BOARD_RAM_SIZE));
	g_assert_cmpuint(c.dev->guest_errors, ==, 6);
	board_outl(&c.b, DMA_HIGH, 0xffffffff);
	board_outl(&c.b, DMA_LOW, 0xffffffff);
	g_assert_cmpuint(c.dev->guest_errors, ==, 7);
	card_done(&c);
}

/* The high half counts for one command; narrower writes start nothing. */
static void dma_address(void)
{
	struct card c;

	card_init(&c);
	board_outl(&c.b, DMA_HIGH, htobe32(1));
	board_outl(&c.b, DMA_LOW, htobe32(COMMAND));
	g_assert_cmpuint(c.dev->guest_errors, ==, 1);
	g_assert_cmpint(gmem_write(c.b.gmem, GPA(COMMAND), "\0\0\0\1", 4), ==, 0);
	board_outw(&c.b, DMA_LOW, 0x0080);
	board_outw(&c.b, DMA_LOW + 2, 0x0080);
	expect_ram(&c, COMMAND, "\0\0\0\1", 4);
	board_outl(&c.b, DMA_LOW, htobe32(COMMAND));
	expect_ram(&c, COMMAND, "\0\0\0\0", 4);
	g_assert_cmpuint(c.dev->guest_errors, ==, 1);
	card_done(&c);
}

/* A command that overwrites itself: it was copied, and its answer is written last. */
static void dma_over_itself(void)
{
	struct card c;

	card_init(&c);
	g_assert_cmpint(fw_cfg_add(c.dev, FW_CFG_UUID, "0123456789abcdef", 16), ==, 0);
	g_assert_cmphex(dma(&c, 0x0002 << 16 | SELECT | READ, 16, COMMAND), ==, 0);
	expect_ram(&c, COMMAND,
		"\0\0\0\0"
		"456789abcdef",
		16);
	card_done(&c);
}

static void saved(void)
{
	struct card c;

	card_init(&c);
	g_assert_cmpint(fw_cfg_add(c.dev, FW_CFG_UUID, "0123456789abcdef", 16), ==, 0);
	board_outw(&c.b, SELECTOR, FW_CFG_UUID);
	board_inb(&c.b, DATA);
	board_outl(&c.b, DMA_HIGH, htobe32(1));
	board_save_and_load(&c.b);
	g_assert_cmpint(board_inb(&c.b, DATA), ==, '1');
	board_outl(&c.b, DMA_LOW, htobe32(COMMAND));
	g_assert_cmpuint(c.dev->guest_errors, ==, 1);
	board_reset(&c.b, RESET_WARM);
	g_assert_cmpint(board_inb(&c.b, DATA), ==, 'Q');
	card_done(&c);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fw-cfg/identity", identity);
	g_test_add_func("/fw-cfg/items", items);
	g_test_add_func("/fw-cfg/files", files);
	g_test_add_func("/fw-cfg/file-limits", file_limits);
	g_test_add_func("/fw-cfg/dma-reads", dma_reads);
	g_test_add_func("/fw-cfg/dma-refused", dma_refused);
	g_test_add_func("/fw-cfg/dma-address", dma_address);
	g_test_add_func("/fw-cfg/dma-over-itself", dma_over_itself);
	g_test_add_func("/fw-cfg/saved", saved);
	return g_test_run();
}
