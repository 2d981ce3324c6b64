/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What to boot from, as firmware is told: Open Firmware device paths in the words that SeaBIOS and OVMF know (QEMU's), lowest
 * bootindex first, in the fw_cfg file bootorder; kinds of devices in CMOS.
 */
#include <string.h>

#include "devmodel/platform/platform.h"
#include "vmmd/machine/machine-internal.h"

struct entry {
	uint32_t index;
	char *path;
};

static gint compare_entries(gconstpointer a, gconstpointer b)
{
	const struct entry *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static void free_entry(gpointer p)
{
	g_free(((struct entry *)p)->path);
}

static void append_unit(GString *path, const char *name, struct prop_pci addr)
{
	g_string_append_printf(path, "/%s@%x", name, (unsigned)addr.slot);
	if (addr.function)
		g_string_append_printf(path, ",%x", (unsigned)addr.function);
}

/* The function at @addr, behind a root port or not, called @name. */
static GString *pci_path(
	const struct machine *m, const char *root_port, struct prop_pci addr, const char *name)
{
	GString *path = g_string_new("/pci@i0cf8");
	const struct spec_controller *port = root_port ? machine_controller_spec(m, root_port)
						       : NULL;

	if (port)
		append_unit(path, "pci-bridge", port->addr);
	append_unit(path, name, addr);
	return path;
}

/* The controller of a disk; on PCI but for the FDC. */
static GString *controller_path(
	const struct machine *m, const struct spec_disk *d, const char *name)
{
	const struct spec_controller *c = machine_controller_spec(m, d->controller);

	return pci_path(m, c->root_port, c->addr, name);
}

static GString *virtio_path(const struct machine *m, const struct spec_disk *d)
{
	GString *path = pci_path(m, d->root_port, d->addr, "scsi");

	g_string_append(path, "/disk@0,0");
	return path;
}

static GString *ide_path(const struct machine *m, const struct spec_disk *d)
{
	GString *path = controller_path(m, d, "ide");

	g_string_append_printf(path, "/drive@%x/disk@%x", d->unit / 2, d->unit % 2);
	return path;
}

static GString *sata_path(const struct machine *m, const struct spec_disk *d)
{
	GString *path = controller_path(m, d, "pci8086,2922");

	g_string_append_printf(path, "/drive@%x/disk@0", d->unit);
	return path;
}

static GString *scsi_path(const struct machine *m, const struct spec_disk *d)
{
	GString *path = controller_path(m, d, "scsi");

	g_string_append_printf(path, "/channel@0/disk@%x,0", d->unit);
	return path;
}

static GString *usb_path(const struct machine *m, const struct spec_disk *d)
{
	GString *path = controller_path(m, d, "usb");

	g_string_append_printf(path, "/storage@%x/channel@0/disk@0,0", d->unit);
	return path;
}

static GString *fdc_path(const struct machine *m, const struct spec_disk *d)
{
	GString *path = pci_path(m, NULL, m->type->isa_bridge, "isa");

	g_string_append_printf(path, "/fdc@03f0/floppy@%x", d->unit);
	return path;
}

static GString *(*const disk_paths[])(const struct machine *m, const struct spec_disk *d) = {
	[SPEC_DISK_VIRTIO] = virtio_path,
	[SPEC_DISK_SCSI] = scsi_path,
	[SPEC_DISK_IDE] = ide_path,
	[SPEC_DISK_SATA] = sata_path,
	[SPEC_DISK_USB] = usb_path,
	[SPEC_DISK_FDC] = fdc_path,
};

static void add_entry(GArray *order, uint32_t index, GString *path)
{
	struct entry e = {index, g_string_free(path, FALSE)};

	g_array_append_val(order, e);
}

static void collect(const struct machine *m, GArray *order)
{
	const struct vm_spec *s = m->spec;

	if (s->boot->kernel_rom.fd >= 0)
		add_entry(order, 0, g_string_new("/rom@" MACHINE_KERNEL_ROM));
	for (size_t i = 0; i < s->n_disks; i++) {
		if (s->disks[i]->bootindex)
			add_entry(order, s->disks[i]->bootindex,
				disk_paths[s->disks[i]->bus](m, s->disks[i]));
	}
	for (size_t i = 0; i < s->n_nics; i++) {
		const struct spec_nic *n = s->nics[i];
		GString *path;

		if (!n->bootindex)
			continue;
		path = pci_path(m, n->root_port, n->addr, "ethernet");
		g_string_append(path, "/ethernet-phy@0");
		add_entry(order, n->bootindex, path);
	}
	for (size_t i = 0; i < s->boot->n_roms; i++) {
		GString *path = g_string_new("/rom@");

		g_string_append_printf(path, MACHINE_ROM_FILE, i);
		if (s->boot->roms[i]->bootindex)
			add_entry(order, s->boot->roms[i]->bootindex, path);
		else
			g_string_free(path, TRUE);
	}
}

int machine_add_boot_order(struct machine *m)
{
	g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(struct entry));
	g_autoptr(GString) text = g_string_new(NULL);

	g_array_set_clear_func(order, free_entry);
	collect(m, order);
	g_array_sort(order, compare_entries);
	for (guint i = 0; i < order->len; i++)
		g_string_append_printf(
			text, "%s%s", i ? "\n" : "", g_array_index(order, struct entry, i).path);
	return text->len ? fw_cfg_replace_file(m->fw_cfg, "bootorder", text->str, text->len + 1)
			 : 0;
}

/* SeaBIOS: up to three kinds, a nibble each, the first lowest; bit 0 of the last byte: any floppy will do. */
void machine_cmos_boot_order(struct machine *m)
{
	static const char kinds[] = "acdn"; /* 1 to 4 */
	const char *order = m->spec->boot->order ? m->spec->boot->order : "cad";
	unsigned value = 0;

	for (unsigned i = 0; i < 3 && order[i]; i++)
		value |= (unsigned)(strchr(kinds, order[i]) - kinds + 1) << (4 * i);
	rtc_set_cmos(m->rtc, 0x3d, (uint8_t)value);
	rtc_set_cmos(m->rtc, 0x38, (uint8_t)(value >> 4 & 0xf0) | 1);
}
