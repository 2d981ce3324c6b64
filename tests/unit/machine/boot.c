/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Direct boot: what lands where, and what flawed images get. */
#include "vmmd/machine/boot.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/qs.h"

#define RAM (64 * MiB)

static struct gmem *guest;
static struct gmem_block *ram;

static const struct boot_memory map[] = {{0, 0x9fc00, BOOT_RAM}, {MiB, RAM - MiB, BOOT_RAM}};

static int file_of(const void *bytes, size_t n)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpint(pwrite(fd, bytes, n, 0), ==, (ssize_t)n);
	return fd;
}

static bool load(
	int kernel, int initrd, const char *cmdline, struct accel_cpu_start *start, GError **error)
{
	const struct boot_conf conf = {
		.kernel_fd = kernel,
		.initrd_fd = initrd,
		.cmdline = cmdline,
		.low_ram = RAM,
		.rsdp = 0xe0000,
		.map = map,
		.n_map = ARRAY_SIZE(map),
	};
	bool ok;

	qs_enter();
	ok = boot_load(guest, &conf, start, error);
	qs_leave();
	return ok;
}

/* A file that must be refused with words that contain @why. */
static void refuse(const void *bytes, size_t n, const char *why)
{
	g_autoptr(GError) error = NULL;
	struct accel_cpu_start start;
	int fd = file_of(bytes, n);

	g_assert_false(load(fd, -1, NULL, &start, &error));
	g_assert_error(error, VMMD_ERROR, error->code);
	if (!strstr(error->message, why))
		g_error("'%s' does not say '%s'", error->message, why);
	close(fd);
}

static uint64_t peek(uint64_t gpa, unsigned size)
{
	uint64_t v = 0;

	qs_enter();
	g_assert_cmpint(gmem_read(guest, GPA(gpa), &v, size), ==, 0);
	qs_leave();
	return v;
}

/* ---- bzImage ---- */

#define SETUP_SECTS 4
#define SETUP       ((SETUP_SECTS + 1) * 512)
#define PAYLOAD     5000

struct image {
	uint8_t b[SETUP + PAYLOAD];
};

static void poke(struct image *img, size_t at, unsigned size, uint64_t v)
{
	memcpy(img->b + at, &v, size);
}

static struct image good_bzimage(void)
{
	struct image img = {};

	img.b[0x1f1] = SETUP_SECTS;
	poke(&img, 0x1fe, 2, 0xaa55);
	img.b[0x201] = 0x66;
	memcpy(img.b + 0x202, "HdrS", 4);
	poke(&img, 0x206, 2, 0x20f);
	poke(&img, 0x22c, 4, 0x7fffffff);
	poke(&img, 0x230, 4, 0x200000);
	img.b[0x234] = 1;
	poke(&img, 0x236, 2, 1);
	poke(&img, 0x238, 4, 2047);
	poke(&img, 0x258, 8, 16 * MiB);
	poke(&img, 0x260, 4, 8 * MiB);
	for (size_t i = 0; i < PAYLOAD; i++)
		img.b[SETUP + i] = (uint8_t)(i * 7);
	return img;
}

static void test_bzimage(void)
{
	struct image img = good_bzimage();
	struct accel_cpu_start start;
	g_autoptr(GError) error = NULL;
	uint8_t initrd_bytes[9000];
	char line[16];
	int fd = file_of(&img, sizeof(img)), initrd;

	memset(initrd_bytes, 0x5a, sizeof(initrd_bytes));
	initrd = file_of(initrd_bytes, sizeof(initrd_bytes));
	g_assert_true(load(fd, initrd, "console=ttyS0", &start, &error));
	g_assert_no_error(error);
	g_assert_cmpint(start.mode, ==, ACCEL_CPU_LONG);
	g_assert_cmpuint(start.rip, ==, 16 * MiB + 0x200);
	g_assert_cmpuint(peek(16 * MiB + 1000, 1), ==, (uint8_t)(1000 * 7));
	/* The zero page: loader type, initrd below the top of RAM, command line, RSDP, memory map. */
	g_assert_cmpuint(peek(start.rsi + 0x210, 1), ==, 0xff);
	g_assert_cmpuint(peek(start.rsi + 0x21c, 4), ==, sizeof(initrd_bytes));
	g_assert_cmpuint(peek(start.rsi + 0x218, 4), ==, RAM - 3 * 4096);
	g_assert_cmpuint(peek(RAM - 3 * 4096 + 8999, 1), ==, 0x5a);
	qs_enter();
	g_assert_cmpint(gmem_read(guest, GPA(peek(start.rsi + 0x228, 4)), line, 14), ==, 0);
	qs_leave();
	g_assert_cmpstr(line, ==, "console=ttyS0");
	g_assert_cmpuint(peek(start.rsi + 0x070, 8), ==, 0xe0000);
	g_assert_cmpuint(peek(start.rsi + 0x1e8, 1), ==, ARRAY_SIZE(map));
	g_assert_cmpuint(peek(start.rsi + 0x2d0 + 20 + 8, 8), ==, RAM - MiB);
	/* The page tables map 3 GiB + 5 MiB to itself. */
	uint64_t pdpt = peek(start.cr3, 8) & ~0xfffULL, pd = peek(pdpt + 3 * 8, 8) & ~0xfffULL;

	g_assert_cmpuint(peek(pd + 2 * 8, 8) & ~0xfffULL, ==, 3 * GiB + 4 * MiB);
	close(fd);
	close(initrd);
}

/* Little memory: moved below the preferred address; too little: refused with both sizes. */
static void test_bzimage_placement(void)
{
	struct image img = good_bzimage();
	struct accel_cpu_start start;
	g_autoptr(GError) error = NULL;
	int fd;

	poke(&img, 0x258, 8, RAM - MiB);
	fd = file_of(&img, sizeof(img));
	g_assert_true(load(fd, -1, NULL, &start, &error));
	g_assert_cmpuint(start.rip, ==, 2 * MiB + 0x200);
	close(fd);
	poke(&img, 0x260, 4, RAM);
	refuse(&img, sizeof(img), "needs 64 MiB");
	img = good_bzimage();
	poke(&img, 0x258, 8, UINT64_MAX - 4095);
	img.b[0x234] = 0;
	refuse(&img, sizeof(img), "the machine has 64 MiB");
}

static void test_bzimage_flaws(void)
{
	struct image img = good_bzimage();

	refuse("", 0, "truncated");
	refuse("not a kernel", 12, "neither");
	refuse(&img, 0x200, "neither");
	refuse(&img, SETUP, "truncated");
	refuse(&img, SETUP + 0x200, "truncated");
	poke(&img, 0x206, 2, 0x20b);
	refuse(&img, sizeof(img), "2.11");
	img = good_bzimage();
	poke(&img, 0x236, 2, 0);
	refuse(&img, sizeof(img), "no 64-bit entry");
	img = good_bzimage();
	img.b[0x1f1] = 0xff;
	refuse(&img, sizeof(img), "truncated");
	/* A header that claims to be longer than it is writes nothing beyond the zero page. */
	img = good_bzimage();
	img.b[0x201] = 0xff;
	poke(&img, 0x230, 4, 3);
	img.b[0x234] = 1;
	poke(&img, 0x258, 8, 0);
	refuse(&img, sizeof(img), "the machine has");
}

static void test_initrd_and_cmdline(void)
{
	struct image img = good_bzimage();
	struct accel_cpu_start start;
	g_autoptr(GError) error = NULL, error2 = NULL, error3 = NULL;
	int fd = file_of(&img, sizeof(img)), big = memfd_create("big", MFD_CLOEXEC);
	g_autofree char *line = g_strnfill(3000, 'x');

	g_assert_cmpint(ftruncate(big, (off_t)(RAM + MiB)), ==, 0);
	g_assert_false(load(fd, big, NULL, &start, &error));
	g_assert_nonnull(strstr(error->message, "initrd of 65 MiB does not fit"));
	/* 50 MiB would fit into memory, but not beside the kernel's 24. */
	g_assert_cmpint(ftruncate(big, (off_t)(50 * MiB)), ==, 0);
	g_assert_false(load(fd, big, NULL, &start, &error2));
	g_assert_nonnull(strstr(error2->message, "beside the kernel"));
	g_assert_false(load(fd, -1, line, &start, &error3));
	g_assert_nonnull(strstr(error3->message, "3000 bytes, this kernel takes 2047"));
	close(fd);
	close(big);
}

/* ---- ELF ---- */

struct elf_image {
	Elf64_Ehdr h;
	Elf64_Phdr p[2];
	struct {
		Elf64_Nhdr n;
		char name[4];
		uint32_t entry;
	} note;
	uint8_t text[64];
};

static struct elf_image good_elf(void)
{
	struct elf_image e = {
		.h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1},
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct elf_image, p),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2},
		.p = {{.p_type = PT_LOAD,
			      .p_offset = offsetof(struct elf_image, text),
			      .p_paddr = 2 * MiB,
			      .p_filesz = 64,
			      .p_memsz = 8192},
			{.p_type = PT_NOTE,
				.p_offset = offsetof(struct elf_image, note),
				.p_filesz = sizeof(e.note),
				.p_memsz = sizeof(e.note)}},
		.note = {.n = {.n_namesz = 4, .n_descsz = 4, .n_type = 18},
			.name = "Xen",
			.entry = 0x200010},
	};

	memset(e.text, 0x90, sizeof(e.text));
	return e;
}

static void test_elf(void)
{
	struct elf_image e = good_elf();
	struct accel_cpu_start start;
	g_autoptr(GError) error = NULL;
	int fd = file_of(&e, sizeof(e));

	qs_enter();
	g_assert_cmpint(gmem_fill(guest, GPA(2 * MiB), 0xee, 8192), ==, 0);
	qs_leave();
	g_assert_true(load(fd, -1, "start", &start, &error));
	g_assert_no_error(error);
	g_assert_cmpint(start.mode, ==, ACCEL_CPU_PROTECTED);
	g_assert_cmpuint(start.rip, ==, 0x200010);
	g_assert_cmpuint(peek(2 * MiB + 63, 1), ==, 0x90);
	g_assert_cmpuint(peek(2 * MiB + 64, 8), ==, 0);
	g_assert_cmpuint(peek(2 * MiB + 8191, 1), ==, 0);
	g_assert_cmpuint(peek(start.rbx, 4), ==, 0x336ec578);
	g_assert_cmpuint(peek(start.rbx + 32, 8), ==, 0xe0000);
	close(fd);
}

static void test_elf_flaws(void)
{
	struct elf_image e = good_elf();

	refuse(&e, sizeof(e.h) - 1, "truncated");
	refuse(&e, offsetof(struct elf_image, p) + 10, "truncated");
	refuse(&e, offsetof(struct elf_image, text) + 63, "truncated");
	e.h.e_phoff = UINT64_MAX - 8;
	refuse(&e, sizeof(e), "malformed");
	e = good_elf();
	e.h.e_phnum = 0xffff;
	refuse(&e, sizeof(e), "malformed");
	e = good_elf();
	e.p[0].p_paddr = UINT64_MAX - 100;
	refuse(&e, sizeof(e), "the kernel wants");
	e = good_elf();
	e.p[0].p_paddr = 0x1000;
	refuse(&e, sizeof(e), "the kernel wants");
	e = good_elf();
	e.p[0].p_memsz = UINT64_MAX;
	refuse(&e, sizeof(e), "the kernel wants");
	e = good_elf();
	e.p[0].p_filesz = 9000;
	refuse(&e, sizeof(e), "the kernel wants");
	e = good_elf();
	e.p[1].p_filesz = 1 << 20;
	refuse(&e, sizeof(e), "too many");
	e = good_elf();
	e.note.n.n_namesz = UINT32_MAX;
	refuse(&e, sizeof(e), "without a PVH note");
	e = good_elf();
	e.note.n.n_descsz = UINT32_MAX - 2;
	refuse(&e, sizeof(e), "without a PVH note");
	e = good_elf();
	e.h.e_ident[EI_DATA] = ELFDATA2MSB;
	refuse(&e, sizeof(e), "another kind of machine");
}

int main(int argc, char **argv)
{
	const struct gmem_block_conf conf = {.name = "ram", .size = RAM};
	int ret;

	g_test_init(&argc, &argv, NULL);
	qs_thread_init();
	guest = gmem_new();
	ram = gmem_block_new(&conf, NULL);
	g_assert_nonnull(ram);
	g_assert_cmpint(
		gmem_map_commit(guest, &(struct gmem_range){.size = RAM, .block = ram}, 1), ==, 0);
	g_test_add_func("/boot/bzimage", test_bzimage);
	g_test_add_func("/boot/bzimage-placement", test_bzimage_placement);
	g_test_add_func("/boot/bzimage-flaws", test_bzimage_flaws);
	g_test_add_func("/boot/initrd-and-cmdline", test_initrd_and_cmdline);
	g_test_add_func("/boot/elf", test_elf);
	g_test_add_func("/boot/elf-flaws", test_elf_flaws);
	ret = g_test_run();
	gmem_free(guest);
	gmem_block_unref(ram);
	qs_flush();
	qs_thread_done();
	return ret;
}
