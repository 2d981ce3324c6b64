/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What firmware is told: fw_cfg and CMOS. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devmodel/platform/platform.h"
#include "devmodel/storage/fdc.h"
#include "vmmd/machine/acpi.h"
#include "vmmd/machine/boot.h"
#include "vmmd/machine/machine-internal.h"
#include "vmmd/machine/smbios.h"

#define FILE_SIZE_MAX (64 * MiB)

/* ---- tables: with each reset ---- */

static int add_e820(struct machine *m)
{
	struct boot_memory map[BOOT_MAP_MAX];
	unsigned n = machine_memory_map(m, false, map);
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	for (unsigned i = 0; i < n; i++) {
		struct {
			uint64_t start, size;
			uint32_t type;
		} __attribute__((packed)) e = {map[i].start, map[i].size, map[i].type};

		g_byte_array_append(bytes, (const guint8 *)&e, sizeof(e));
	}
	return fw_cfg_replace_file(m->fw_cfg, "etc/e820", bytes->data, bytes->len);
}

static int add_tables(struct machine *m)
{
	struct acpi_tables *t = machine_acpi(m);
	g_autoptr(GByteArray) script = acpi_loader_script(t);
	int err = fw_cfg_replace_file(m->fw_cfg, ACPI_FILE_TABLES, t->tables->data, t->tables->len);

	if (!err)
		err = fw_cfg_replace_file(m->fw_cfg, ACPI_FILE_RSDP, t->rsdp->data, t->rsdp->len);
	if (!err)
		err = fw_cfg_replace_file(m->fw_cfg, ACPI_FILE_LOADER, script->data, script->len);
	acpi_free(t);
	return err;
}

/* Firmware reads the tables after it has placed configuration space. */
static void refresh_tables(void *opaque, uint8_t *data, size_t n)
{
	struct acpi_tables *t = machine_acpi(opaque);

	if (t->tables->len == n)
		memcpy(data, t->tables->data, n);
	acpi_free(t);
}

static int add_smbios(struct machine *m)
{
	struct smbios_tables *t = machine_smbios(m, true);
	int err = t->tables->len > UINT16_MAX ? -EFBIG : 0;

	if (!err)
		err = fw_cfg_replace_file(
			m->fw_cfg, SMBIOS_FILE_TABLES, t->tables->data, t->tables->len);
	if (!err)
		err = fw_cfg_replace_file(
			m->fw_cfg, SMBIOS_FILE_ANCHOR, t->anchor, sizeof(t->anchor));
	smbios_free(t);
	return err;
}

bool machine_fill_tables(struct machine *m, GError **error)
{
	int err = add_e820(m);

	if (!err)
		err = add_tables(m);
	if (!err)
		err = add_smbios(m);
	if (!err)
		err = machine_add_boot_order(m);
	return err == 0 || err_set_errno(error, -err, "the firmware tables do not fit");
}

/* ---- once ---- */

static int add_host_file(struct machine *m, const char *name, int fd)
{
	g_autofree uint8_t *data = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_SIZE_MAX)
		return -EFBIG;
	data = g_malloc((size_t)st.st_size + 1);
	if (pread(fd, data, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	return fw_cfg_replace_file(m->fw_cfg, name, data, (size_t)st.st_size);
}

/* The operator's own files, opt/…. */
static int add_user_file(struct machine *m, const struct spec_fw_cfg *f)
{
	if (f->file.fd < 0)
		return fw_cfg_replace_file(m->fw_cfg, f->name, f->string ? f->string : "",
			f->string ? strlen(f->string) : 0);
	return add_host_file(m, f->name, f->file.fd);
}

/* Items by number, and files that SeaBIOS and OVMF look for. */
static int add_items(struct machine *m)
{
	const struct spec_boot *b = m->spec->boot;
	const uint64_t ram = m->spec->memory->size;
	const uint16_t menu_wait = (uint16_t)b->menu_timeout;
	const uint32_t fail_wait = b->fail_timeout ? b->fail_timeout
						   : UINT32_MAX; /* all ones: never */
	/* S0 to S5: bit 7 says that there is such a state. */
	static const uint8_t states[6] = {0x80, 0, 0, 0, 0, 0x80};
	const struct {
		uint16_t key, value;
	} numbers[] = {
		{FW_CFG_NB_CPUS, (uint16_t)m->cpus.count},
		{FW_CFG_MAX_CPUS, (uint16_t)m->cpus.count},
		{FW_CFG_NOGRAPHIC, m->spec->display == NULL},
		{FW_CFG_BOOT_MENU, b->menu},
	};
	int err = fw_cfg_add(m->fw_cfg, FW_CFG_RAM_SIZE, &ram, sizeof(ram));

	if (!err)
		err = fw_cfg_add(m->fw_cfg, FW_CFG_UUID, m->spec->uuid, sizeof(m->spec->uuid));
	for (size_t i = 0; !err && i < ARRAY_SIZE(numbers); i++)
		err = fw_cfg_add_u16(m->fw_cfg, numbers[i].key, numbers[i].value);
	if (!err && b->menu && b->menu_timeout)
		err = fw_cfg_add_file(
			m->fw_cfg, "etc/boot-menu-wait", &menu_wait, sizeof(menu_wait));
	if (!err)
		err = fw_cfg_add_file(
			m->fw_cfg, "etc/boot-fail-wait", &fail_wait, sizeof(fail_wait));
	if (!err)
		err = fw_cfg_add_file(m->fw_cfg, "etc/system-states", states, sizeof(states));
	return err;
}

static bool add_roms(struct machine *m, GError **error)
{
	const struct prop_file *kernel_rom = &m->spec->boot->kernel_rom;

	if (kernel_rom->fd >= 0) {
		int err = add_host_file(m, MACHINE_KERNEL_ROM, kernel_rom->fd);

		if (err < 0)
			return err_set_errno(error, -err, "/boot/kernel-rom");
	}
	for (size_t i = 0; i < m->spec->boot->n_roms; i++) {
		g_autofree char *name = g_strdup_printf(MACHINE_ROM_FILE, i);
		int err = add_host_file(m, name, m->spec->boot->roms[i]->file.fd);

		if (err < 0)
			return err_set_errno(error, -err, "/boot/roms/%zu", i);
	}
	return true;
}

bool machine_fill_fw_cfg(struct machine *m, GError **error)
{
	int err = add_items(m);

	if (err < 0)
		return err_set_errno(error, -err, "the firmware configuration does not fit");
	fw_cfg_on_select(m->fw_cfg, ACPI_FILE_TABLES, refresh_tables, m);
	for (size_t i = 0; i < m->spec->n_fw_cfg; i++) {
		err = add_user_file(m, m->spec->fw_cfg[i]);
		if (err < 0)
			return err_set_errno(
				error, -err, "/fw-cfg/%zu: %s", i, m->spec->fw_cfg[i]->name);
	}
	return add_roms(m, error) && machine_add_kernel(m, error);
}

/* ---- CMOS ---- */

struct dev *machine_fdc(const struct machine *m)
{
	for (size_t i = 0; i < m->spec->n_controllers; i++) {
		if (m->spec->controllers[i]->type == SPEC_CONTROLLER_FDC)
			return bus_find_dev(m->bus, m->spec->controllers[i]->id);
	}
	return NULL;
}

/* Types of floppy drives; the equipment byte: how many there are, coprocessor, PS/2 mouse. */
static void fill_equipment(struct machine *m)
{
	struct dev *fdc = machine_fdc(m);
	enum fdc_type first = fdc ? fdc_status(fdc, 0, NULL) : FDC_NONE,
		      second = fdc ? fdc_status(fdc, 1, NULL) : FDC_NONE;
	uint8_t equipment = 0x06;

	if (first)
		equipment |= second ? 0x41 : 0x01;
	rtc_set_cmos(m->rtc, 0x10, (uint8_t)(first << 4 | second));
	rtc_set_cmos(m->rtc, 0x14, equipment);
}

/* Battery-backed memory, for firmware that asks it: sizes in KiB and in units of 64 KiB, drives, last processor. */
void machine_fill_cmos(struct machine *m)
{
	uint64_t ext = MIN((m->low_size - MiB) / KiB, UINT16_MAX);
	uint64_t above_16m = m->low_size > 16 * MiB
				     ? MIN((m->low_size - 16 * MiB) / (64 * KiB), UINT16_MAX)
				     : 0;
	uint64_t above_4g = m->high_size / (64 * KiB);
	const struct {
		uint8_t index;
		uint64_t value;
		unsigned bytes;
	} entries[] = {
		{0x15, 640, 2},
		{0x17, ext, 2},
		{0x30, ext, 2},
		{0x34, above_16m, 2},
		{0x5b, above_4g, 3},
		{0x5f, m->cpus.count - 1, 1},
	};

	machine_cmos_boot_order(m);
	fill_equipment(m);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		for (unsigned b = 0; b < entries[i].bytes; b++)
			rtc_set_cmos(m->rtc, entries[i].index + b,
				(uint8_t)(entries[i].value >> (8 * b)));
	}
}
