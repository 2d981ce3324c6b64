/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the namespace differs from VM to VM: PCI windows and routing, processors. */
#include <stdio.h>

#include "devmodel/pci/pci.h"
#include "vmmd/machine/acpi-internal.h"
#include "vmmd/machine/aml.h"

#define PCI_WINDOW_END UINT64_C(0xfec00000)

static void add_window(GByteArray *res, uint64_t first, uint64_t end)
{
	/* One without length is none; that it is there keeps the size of the table. */
	aml_res_mem_window(res, (uint32_t)first, (uint32_t)MAX(first, end), false);
}

/* What is free for PCI below and above configuration space. */
static void add_windows(GByteArray *res, const struct acpi_conf *conf)
{
	uint64_t ecam_end = conf->ecam + ((uint64_t)conf->ecam_buses << 20);

	if (!conf->ecam_buses) {
		add_window(res, conf->pci_window_first, PCI_WINDOW_END);
		return;
	}
	add_window(res, conf->pci_window_first, conf->ecam);
	add_window(res, MAX(conf->pci_window_first, ecam_end), PCI_WINDOW_END);
}

static void ssdt_pci_resources(GByteArray *out, const struct acpi_conf *conf)
{
	g_autoptr(GByteArray) res = g_byte_array_new();

	aml_res_bus(res, 0, 255);
	aml_res_io(res, 0xcf8, 8);
	aml_res_io_window(res, 0x0000, 0x0cf7);
	aml_res_io_window(res, 0x0d00, 0xffff);
	aml_res_mem_window(res, 0x000a0000, 0x000c0000, true);
	add_windows(res, conf);
	if (conf->pci_window64)
		aml_res_mem64_window(
			res, conf->pci_window64, conf->pci_window64 + conf->pci_window64_size);
	aml_name(out, "_CRS");
	aml_resources(out, res);
}

/* Each pin's link device, or (@gsi) the IOAPIC's input to which it goes as well. */
static void prt(GByteArray *out, const struct acpi_chipset *c, const char *name, uint8_t gsi)
{
	static const char *const links[] = {"\\_SB.LNKA", "\\_SB.LNKB", "\\_SB.LNKC", "\\_SB.LNKD",
		"\\_SB.LNKE", "\\_SB.LNKF", "\\_SB.LNKG", "\\_SB.LNKH"};
	guint all, one;

	aml_name(out, name);
	all = aml_package_begin(out, PCI_SLOTS * 4);
	for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
		for (unsigned pin = 0; pin < 4; pin++) {
			unsigned pirq = c->pirq(slot, pin + 1);

			one = aml_package_begin(out, 4);
			aml_int(out, slot << 16 | 0xffff);
			aml_int(out, pin);
			if (gsi)
				aml_int(out, 0);
			else
				aml_path(out, links[pirq]);
			aml_int(out, gsi ? gsi + pirq : 0);
			aml_end(out, one);
		}
	}
	aml_end(out, all);
}

static void ssdt_pci_routing(GByteArray *out, const struct acpi_chipset *c)
{
	guint method, branch;

	if (!c->pirq_gsi) {
		prt(out, c, "_PRT", 0);
		return;
	}
	prt(out, c, "PRTP", 0);
	prt(out, c, "PRTA", c->pirq_gsi);
	method = aml_method_begin(out, "_PRT", 0);
	branch = aml_if_begin(out);
	aml_path(out, "\\PICF");
	aml_return(out);
	aml_path(out, "PRTA");
	aml_end(out, branch);
	aml_return(out);
	aml_path(out, "PRTP");
	aml_end(out, method);
}

/* Configuration space in memory is a resource of the board: systems do not use it otherwise (PCI Firmware 3.2, 4.1.2). */
static void ssdt_ecam(GByteArray *out, const struct acpi_conf *conf)
{
	g_autoptr(GByteArray) res = g_byte_array_new();
	guint dev;

	if (!conf->ecam_buses)
		return;
	aml_res_memory(res, (uint32_t)conf->ecam, conf->ecam_buses << 20);
	dev = aml_device_begin(out, "ECAM");
	aml_name(out, "_HID");
	aml_string(out, "PNP0C02");
	aml_name(out, "_UID");
	aml_int(out, 1);
	aml_name(out, "_CRS");
	aml_resources(out, res);
	aml_end(out, dev);
}

static void ssdt_cpus(GByteArray *out, unsigned count)
{
	guint scope = aml_scope_begin(out, "\\_SB"), dev;

	for (unsigned i = 0; i < count; i++) {
		char name[16];

		snprintf(name, sizeof(name), "C%03X", i & 0xfff);
		dev = aml_device_begin(out, name);
		aml_name(out, "_HID");
		aml_string(out, "ACPI0007");
		aml_name(out, "_UID");
		aml_int(out, i);
		aml_end(out, dev);
	}
	aml_end(out, scope);
}

uint32_t acpi_add_ssdt(struct acpi_tables *t, const struct acpi_conf *conf)
{
	uint32_t start = acpi_table_begin(t, "SSDT", 2);
	guint scope;

	scope = aml_scope_begin(t->tables, "\\_SB.PCI0");
	ssdt_pci_resources(t->tables, conf);
	ssdt_pci_routing(t->tables, conf->chipset);
	ssdt_ecam(t->tables, conf);
	aml_end(t->tables, scope);
	ssdt_cpus(t->tables, conf->cpus.count);
	acpi_table_end(t, start);
	return start;
}
