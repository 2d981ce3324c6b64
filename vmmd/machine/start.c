/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power-on and reset: what firmware or a kernel finds. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/qs.h"
#include "devmodel/platform/platform.h"
#include "vmmd/machine/acpi.h"
#include "vmmd/machine/boot.h"
#include "vmmd/machine/machine-internal.h"

#define EBDA_START           UINT64_C(0x9fc00)
#define REAL_MODE_TSS        UINT64_C(0xfeffc000) /* KVM's pages, vmmd/kvm/kvm.c */
#define FW_CFG_FILE_SIZE_MAX (64 * MiB)

/* ---- memory map ---- */

/* RAM as the guest may use it; with @tables the place of a direct boot's ACPI tables is taken out. */
static unsigned memory_map(
	const struct machine *m, bool tables, struct boot_memory map[BOOT_MAP_MAX])
{
	unsigned n = 0;

	if (tables) {
		map[n++] = (struct boot_memory){0, EBDA_START, BOOT_RAM};
		map[n++] = (struct boot_memory){EBDA_START, VGA_START - EBDA_START, BOOT_RESERVED};
		map[n++] = (struct boot_memory){TABLES_START, TABLES_SIZE, BOOT_RESERVED};
		map[n++] = (struct boot_memory){MiB, m->low_size - MiB, BOOT_RAM};
	} else {
		map[n++] = (struct boot_memory){0, m->low_size, BOOT_RAM};
	}
	map[n++] = (struct boot_memory){REAL_MODE_TSS, 4 * GMEM_PAGE_SIZE, BOOT_RESERVED};
	if (m->high_size)
		map[n++] = (struct boot_memory){4 * GiB, m->high_size, BOOT_RAM};
	return n;
}

/* ---- fw_cfg ---- */

static struct acpi_tables *make_tables(const struct machine *m)
{
	const struct acpi_conf conf = {
		.cpus = m->cpus,
		.com_ports = machine_com_ports(m),
		.pvpanic = bus_find_dev(m->bus, "pvpanic") != NULL,
		.pci_window_first = machine_pci_window(m),
	};

	return acpi_build(&conf);
}

static int add_e820(struct machine *m)
{
	struct boot_memory map[BOOT_MAP_MAX];
	unsigned n = memory_map(m, false, map);
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
	struct acpi_tables *t = make_tables(m);
	g_autoptr(GByteArray) script = acpi_loader_script(t);
	int err = fw_cfg_replace_file(m->fw_cfg, ACPI_FILE_TABLES, t->tables->data, t->tables->len);

	if (!err)
		err = fw_cfg_replace_file(m->fw_cfg, ACPI_FILE_RSDP, t->rsdp->data, t->rsdp->len);
	if (!err)
		err = fw_cfg_replace_file(m->fw_cfg, ACPI_FILE_LOADER, script->data, script->len);
	acpi_free(t);
	return err;
}

struct boot_entry {
	uint32_t index;
	char *path;
};

static gint compare_entries(gconstpointer a, gconstpointer b)
{
	const struct boot_entry *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static void free_entry(gpointer p)
{
	g_free(((struct boot_entry *)p)->path);
}

/* Open Firmware paths as SeaBIOS knows them, lowest bootindex first. */
static int add_boot_order(struct machine *m)
{
	g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(struct boot_entry));
	g_autoptr(GString) text = g_string_new(NULL);

	g_array_set_clear_func(order, free_entry);
	for (size_t i = 0; i < m->spec->n_disks; i++) {
		const struct spec_disk *d = m->spec->disks[i];
		struct boot_entry e = {d->bootindex,
			g_strdup_printf("/pci@i0cf8/scsi@%x/disk@0,0", (unsigned)d->addr.slot)};

		if (!e.index)
			g_free(e.path);
		else
			g_array_append_val(order, e);
	}
	for (size_t i = 0; i < m->spec->n_nics; i++) {
		const struct spec_nic *nic = m->spec->nics[i];
		struct boot_entry e = {
			nic->bootindex, g_strdup_printf("/pci@i0cf8/ethernet@%x/ethernet-phy@0",
						(unsigned)nic->addr.slot)};

		if (!e.index)
			g_free(e.path);
		else
			g_array_append_val(order, e);
	}
	g_array_sort(order, compare_entries);
	for (guint i = 0; i < order->len; i++)
		g_string_append_printf(text, "%s%s", i ? "\n" : "",
			g_array_index(order, struct boot_entry, i).path);
	return text->len ? fw_cfg_replace_file(m->fw_cfg, "bootorder", text->str, text->len + 1)
			 : 0;
}

/* The operator's own files, opt/…. */
static int add_user_file(struct machine *m, const struct spec_fw_cfg *f)
{
	g_autofree uint8_t *data = NULL;
	struct stat st;

	if (f->file.fd < 0)
		return fw_cfg_replace_file(m->fw_cfg, f->name, f->string ? f->string : "",
			f->string ? strlen(f->string) : 0);
	if (fstat(f->file.fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FW_CFG_FILE_SIZE_MAX)
		return -EFBIG;
	data = g_malloc((size_t)st.st_size + 1);
	if (pread(f->file.fd, data, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	return fw_cfg_replace_file(m->fw_cfg, f->name, data, (size_t)st.st_size);
}

bool machine_fill_fw_cfg(struct machine *m, GError **error)
{
	uint64_t ram = m->spec->memory->size;
	int err = fw_cfg_add(m->fw_cfg, FW_CFG_RAM_SIZE, &ram, sizeof(ram));

	if (!err)
		err = fw_cfg_add(m->fw_cfg, FW_CFG_UUID, m->spec->uuid, sizeof(m->spec->uuid));
	if (!err)
		err = fw_cfg_add_u16(m->fw_cfg, FW_CFG_NB_CPUS, (uint16_t)m->cpus.count);
	if (!err)
		err = fw_cfg_add_u16(m->fw_cfg, FW_CFG_MAX_CPUS, (uint16_t)m->cpus.count);
	if (!err)
		err = fw_cfg_add_u16(m->fw_cfg, FW_CFG_NOGRAPHIC, 1);
	if (!err)
		err = fw_cfg_add_u16(m->fw_cfg, FW_CFG_BOOT_MENU, 0);
	if (err < 0)
		return err_set_errno(error, -err, "the firmware configuration does not fit");
	for (size_t i = 0; i < m->spec->n_fw_cfg; i++) {
		err = add_user_file(m, m->spec->fw_cfg[i]);
		if (err < 0)
			return err_set_errno(
				error, -err, "/fw-cfg/%zu: %s", i, m->spec->fw_cfg[i]->name);
	}
	return true;
}

/* What depends on the devices that are there now. */
static bool fill_tables(struct machine *m, GError **error)
{
	int err = add_e820(m);

	if (!err)
		err = add_tables(m);
	if (!err)
		err = add_boot_order(m);
	return err == 0 || err_set_errno(error, -err, "the firmware tables do not fit");
}

/* Battery-backed memory, for firmware that asks it: sizes in KiB and in units of 64 KiB, drives, last processor. */
static void fill_cmos(struct machine *m)
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

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		for (unsigned b = 0; b < entries[i].bytes; b++)
			rtc_set_cmos(m->rtc, entries[i].index + b,
				(uint8_t)(entries[i].value >> (8 * b)));
	}
}

/* ---- direct boot ---- */

/* RSDP at the beginning of the BIOS area, where old kernels look for it, the tables behind it. */
static bool place_tables(struct machine *m, uint64_t *ret_rsdp, GError **error)
{
	struct acpi_tables *t = make_tables(m);
	uint64_t tables = TABLES_START + 64;
	bool ok;

	acpi_place(t, (uint32_t)tables);
	ok = gmem_write(m->gmem, GPA(TABLES_START), t->rsdp->data, t->rsdp->len) == 0 &&
	     t->tables->len <= TABLES_SIZE - 64 &&
	     gmem_write(m->gmem, GPA(tables), t->tables->data, t->tables->len) == 0;
	acpi_free(t);
	*ret_rsdp = TABLES_START;
	return ok ||
	       err_set(error, VMMD_ERROR_INTERNAL, "the ACPI tables do not fit into the BIOS area");
}

static bool load_kernel(struct machine *m, struct accel_cpu_start *start, GError **error)
{
	const struct spec_boot *b = m->spec->boot;
	struct boot_memory map[BOOT_MAP_MAX];
	struct boot_conf conf = {
		.kernel_fd = b->kernel.fd,
		.initrd_fd = b->initrd.fd,
		.cmdline = b->cmdline,
		.low_ram = m->low_size,
		.map = map,
		.n_map = memory_map(m, true, map),
	};
	bool ok;

	qs_enter();
	ok = place_tables(m, &conf.rsdp, error) && boot_load(m->gmem, &conf, start, error);
	qs_leave();
	return ok;
}

bool machine_prepare(struct machine *m, enum reset_kind kind, GError **error)
{
	struct accel_cpu_start start = {.mode = ACCEL_CPU_RESET};
	int err;

	bus_reset(m->bus, kind);
	fill_cmos(m);
	if (!fill_tables(m, error))
		return false;
	if (m->spec->boot->kernel.fd >= 0 &&
		(!machine_direct_setup(m, error) || !load_kernel(m, &start, error)))
		return false;
	err = m->accel->ops->reset(m->accel, &start);
	if (err < 0)
		return err_set_errno(error, -err, "the accelerator cannot reset the vCPUs");
	/* Of new interrupt controllers every input is low, and they have heard of each change since. */
	if (kind != RESET_COLD)
		gsi_redrive(m->bus->gsi);
	return true;
}
