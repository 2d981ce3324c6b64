/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/machine/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmmd/machine/boot-internal.h"

#define COPY_CHUNK (256 * KiB)

bool boot_read(const struct boot_image *img, uint64_t off, void *dst, size_t n, GError **error)
{
	uint8_t *to = dst;

	if (!range_fits(off, n, img->size))
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel is truncated: it ends at byte %" PRIu64 ", bytes %" PRIu64
			" to %" PRIu64 " are missing",
			img->size, img->size, off + n);
	while (n) {
		ssize_t r = pread(img->fd, to, n, (off_t)off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_set_errno(error, errno, "cannot read a boot image");
		if (!r)
			return err_set(error, VMMD_ERROR_HOST,
				"a boot image has become shorter while it was read");
		to += r;
		off += (uint64_t)r;
		n -= (size_t)r;
	}
	return true;
}

bool boot_put(struct gmem *g, uint64_t gpa, const void *src, size_t n, GError **error)
{
	if (gmem_write(g, GPA(gpa), src, n) < 0)
		return err_set(error, VMMD_ERROR_INVALID,
			"the machine has too little memory to boot: nothing at 0x%" PRIx64, gpa);
	return true;
}

bool boot_copy(struct gmem *g, const struct boot_image *img, uint64_t off, uint64_t gpa, uint64_t n,
	GError **error)
{
	g_autofree uint8_t *chunk = g_malloc(COPY_CHUNK);

	while (n) {
		size_t now = MIN(n, COPY_CHUNK);

		if (!boot_read(img, off, chunk, now, error) || !boot_put(g, gpa, chunk, now, error))
			return false;
		off += now;
		gpa += now;
		n -= now;
	}
	return true;
}

static bool image_size(int fd, const char *what, uint64_t *ret, GError **error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set_errno(error, errno, "cannot look at the %s", what);
	if (!S_ISREG(st.st_mode))
		return err_set(error, VMMD_ERROR_INVALID, "the %s is not a regular file", what);
	*ret = (uint64_t)st.st_size;
	return true;
}

bool boot_initrd(struct gmem *g, const struct boot_conf *conf, uint64_t kernel_end, uint64_t limit,
	uint64_t *ret_start, uint64_t *ret_size, GError **error)
{
	struct boot_image img = {.fd = conf->initrd_fd};
	uint64_t top = MIN(conf->low_ram, limit);

	*ret_start = *ret_size = 0;
	if (conf->initrd_fd < 0)
		return true;
	if (!image_size(img.fd, "initrd", &img.size, error))
		return false;
	if (img.size > top || align_down(top - img.size, GMEM_PAGE_SIZE) < kernel_end)
		return err_set(error, VMMD_ERROR_INVALID,
			"the initrd of %" PRIu64
			" MiB does not fit beside the kernel (which needs %" PRIu64
			" MiB) into %" PRIu64 " MiB of memory",
			(img.size + MiB - 1) / MiB, (kernel_end + MiB - 1) / MiB, top / MiB);
	*ret_start = align_down(top - img.size, GMEM_PAGE_SIZE);
	*ret_size = img.size;
	return boot_copy(g, &img, 0, *ret_start, img.size, error);
}

bool boot_cmdline(struct gmem *g, const struct boot_conf *conf, size_t max, GError **error)
{
	const char *line = conf->cmdline ? conf->cmdline : "";
	size_t n = strlen(line);

	if (n > max)
		return err_set(error, VMMD_ERROR_INVALID,
			"the kernel command line has %zu bytes, this kernel takes %zu", n, max);
	return boot_put(g, BOOT_CMDLINE, line, n + 1, error);
}

bool boot_gdt(struct gmem *g, GError **error)
{
	/* Flat; the code segment of 64 bits or of 32, whichever mode the vCPU begins in, was loaded beside it. */
	static const uint64_t gdt[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff};

	return boot_put(g, BOOT_GDT, gdt, sizeof(gdt), error);
}

bool boot_page_tables(struct gmem *g, GError **error)
{
	const uint64_t present_rw = 0x03, large = 0x83;
	uint64_t table[512] = {BOOT_PAGE_TABLES + 0x1000 + present_rw};

	if (!boot_put(g, BOOT_PAGE_TABLES, table, sizeof(table), error))
		return false;
	memset(table, 0, sizeof(table));
	for (unsigned i = 0; i < 4; i++)
		table[i] = (BOOT_PAGE_TABLES + 0x2000 + i * 0x1000) | present_rw;
	if (!boot_put(g, BOOT_PAGE_TABLES + 0x1000, table, sizeof(table), error))
		return false;
	for (unsigned dir = 0; dir < 4; dir++) {
		for (unsigned i = 0; i < 512; i++)
			table[i] = ((uint64_t)dir * 512 + i) * 2 * MiB | large;
		if (!boot_put(g, BOOT_PAGE_TABLES + 0x2000 + dir * 0x1000, table, sizeof(table),
			    error))
			return false;
	}
	return true;
}

bool boot_load(
	struct gmem *g, const struct boot_conf *conf, struct accel_cpu_start *ret, GError **error)
{
	struct boot_image img = {.fd = conf->kernel_fd};
	uint8_t magic[4];

	if (!image_size(img.fd, "kernel", &img.size, error) ||
		!boot_read(&img, 0, magic, sizeof(magic), error))
		return false;
	if (memcmp(magic, "\177ELF", sizeof(magic)) == 0)
		return boot_elf(g, conf, &img, ret, error);
	return boot_bzimage(g, conf, &img, ret, error);
}
