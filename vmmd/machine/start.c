/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power-on and reset: what firmware or a kernel finds. */
#include "base/qs.h"
#include "devmodel/platform/hpet.h"
#include "vmmd/machine/acpi.h"
#include "vmmd/machine/boot.h"
#include "vmmd/machine/machine-internal.h"
#include "vmmd/machine/smbios.h"

#define EBDA_START    UINT64_C(0x9fc00)
#define REAL_MODE_TSS UINT64_C(0xfeffc000) /* KVM's pages, vmmd/kvm/kvm.c */

/* ---- memory map ---- */

/* RAM as the guest may use it; with @tables the place of a direct boot's ACPI tables is taken out. */
unsigned machine_memory_map(
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

/* ---- tables ---- */

#define ECAM_BUSES   256
#define PCI_WINDOW64 (32 * GiB)

/* Of the node list: each vCPU's node, and RAM in pieces of one node. Owned by the caller. */
static uint32_t *cpu_nodes(const struct machine *m)
{
	uint32_t *nodes = g_new0(uint32_t, m->cpus.count);
	uint64_t set[SPEC_CPU_WORDS];

	for (size_t n = 0; n < m->spec->n_numa; n++) {
		const char *list = m->spec->numa[n]->cpus;

		if (!list || !vm_spec_cpu_list(list, set))
			continue;
		for (unsigned i = 0; i < m->cpus.count; i++) {
			if (set[i / 64] >> i % 64 & 1)
				nodes[i] = (uint32_t)n;
		}
	}
	return nodes;
}

static GArray *node_memory(const struct machine *m)
{
	GArray *pieces = g_array_new(FALSE, FALSE, sizeof(struct acpi_memory));
	uint64_t at = 0; /* offset in RAM */

	for (size_t n = 0; n < m->spec->n_numa; n++) {
		uint64_t left = m->spec->numa[n]->memory;

		while (left) {
			bool low = at < m->low_size;
			struct acpi_memory piece = {
				.start = low ? at : at - m->low_size + 4 * GiB,
				.size = low ? MIN(left, m->low_size - at) : left,
				.node = (uint32_t)n,
			};

			g_array_append_val(pieces, piece);
			at += piece.size;
			left -= piece.size;
		}
	}
	return pieces;
}

struct acpi_tables *machine_acpi(const struct machine *m)
{
	g_autofree uint32_t *nodes = cpu_nodes(m);
	g_autoptr(GArray) memory = node_memory(m);
	struct acpi_conf conf = {
		.chipset = m->type->acpi,
		.cpus = m->cpus,
		.com_ports = machine_com_ports(m),
		.pvpanic = bus_find_dev(m->bus, "pvpanic") != NULL,
		.fdc = machine_fdc(m) != NULL,
		.pci_window_first = machine_pci_window(m),
		.ecam = m->type->ecam ? m->type->ecam(m) : 0,
		.ecam_buses = m->type->ecam ? ECAM_BUSES : 0,
		.hpet = m->spec->features->hpet ? HPET_BASE : 0,
		.hpet_id = HPET_ID,
		.cpu_nodes = nodes,
		.memory = (const struct acpi_memory *)(void *)memory->data,
		.n_memory = memory->len,
	};

	/* Where UEFI places large BARs: a naturally aligned range above RAM. */
	if (m->type->ecam) {
		conf.pci_window64 = align_up(4 * GiB + m->high_size, PCI_WINDOW64);
		conf.pci_window64_size = PCI_WINDOW64;
	}
	return acpi_build(&conf);
}

struct smbios_tables *machine_smbios(const struct machine *m, bool firmware)
{
	const struct smbios_conf conf = {
		.spec = m->spec,
		.sockets = m->cpus.sockets,
		.low_size = m->low_size,
		.high_size = m->high_size,
		.firmware = firmware,
	};

	return smbios_build(&conf);
}

/* ---- direct boot ---- */

/* RSDP at the beginning of the BIOS area, where old kernels look for it, the tables behind it. */
static bool place_tables(struct machine *m, uint64_t *ret_rsdp, GError **error)
{
	struct acpi_tables *t = machine_acpi(m);
	uint64_t tables = TABLES_START + 64;
	bool ok;

	acpi_place(t, (uint32_t)tables);
	ok = gmem_write(m->gmem, GPA(TABLES_START), t->rsdp->data, t->rsdp->len) == 0 &&
	     t->tables->len <= SMBIOS_START - tables &&
	     gmem_write(m->gmem, GPA(tables), t->tables->data, t->tables->len) == 0;
	acpi_free(t);
	*ret_rsdp = TABLES_START;
	return ok ||
	       err_set(error, VMMD_ERROR_INTERNAL, "the ACPI tables do not fit into the BIOS area");
}

/* The entry point where systems without UEFI look for it (SMBIOS 5.2.1), the structures behind it. */
static bool place_smbios(struct machine *m, GError **error)
{
	struct smbios_tables *t = machine_smbios(m, false);
	uint64_t tables = SMBIOS_START + 32;
	bool ok = t->tables->len <= TABLES_START + TABLES_SIZE - tables;

	smbios_place(t, (uint32_t)tables);
	ok = ok && gmem_write(m->gmem, GPA(SMBIOS_START), t->anchor, sizeof(t->anchor)) == 0 &&
	     gmem_write(m->gmem, GPA(tables), t->tables->data, t->tables->len) == 0;
	smbios_free(t);
	return ok || err_set(error, VMMD_ERROR_INVALID,
			     "/smbios: the strings do not fit into the BIOS area");
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
		.n_map = machine_memory_map(m, true, map),
	};
	bool ok;

	qs_enter();
	ok = place_tables(m, &conf.rsdp, error) && place_smbios(m, error) &&
	     boot_load(m->gmem, &conf, start, error);
	qs_leave();
	return ok;
}

bool machine_prepare(struct machine *m, enum reset_kind kind, GError **error)
{
	struct accel_cpu_start start = {.mode = ACCEL_CPU_RESET};
	int err;

	bus_reset(m->bus, kind);
	machine_fill_cmos(m);
	if (!machine_fill_tables(m, error))
		return false;
	if (m->spec->boot->kernel.fd >= 0 && m->spec->boot->kernel_entry == SPEC_KERNEL_DIRECT &&
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
