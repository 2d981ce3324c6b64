/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-doc - docs/devices.md, from the tables with which the devices are registered.
 *
 *	device-doc FILE			writes it
 *	device-doc --check FILE		fails when it is not what would be written
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devmodel/bus/device.h"
#include "devmodel/chipset/chipset.h"
#include "devmodel/display/vga.h"
#include "devmodel/input/input.h"
#include "devmodel/net/net-devices.h"
#include "devmodel/platform/platform.h"
#include "devmodel/serial/serial.h"
#include "devmodel/storage/fdc.h"
#include "devmodel/storage/storage.h"
#include "devmodel/tpm/tpm.h"
#include "devmodel/usb/usb-devices.h"
#include "virtio-backends/devices/devices.h"

static const struct {
	const char *title;
	const struct dev_ops *const *devices;
} folders[] = {
	{"Chipset", chipset_devices},
	{"Platform", platform_devices},
	{"Serial ports", serial_devices},
	{"Input", input_devices},
	{"Display", display_devices},
	{"Storage", storage_devices},
	{"Floppy disk controller", fdc_devices},
	{"Network", net_devices},
	{"TPM", tpm_devices},
	{"USB", usb_devices},
	{"Virtio", virtio_devices},
};

static const char head[] =
	"# Devices\n"
	"\n"
	"Written by `tools/device-doc` from the tables with which the devices are registered.\n"
	"\n"
	"Of each device: its properties, as a VmSpec or `-device` gives them; and what of it is "
	"saved and loaded, by section of\n"
	"the stream: fields with their width in bits, number and, where it is not all of the "
	"width, range.\n";

/* ---- properties ---- */

static const char *const link_kinds[] = {
	[PROP_LINK_BLOCK] = "block",
	[PROP_LINK_NET] = "net",
	[PROP_LINK_CHAR] = "character",
	[PROP_LINK_DISPLAY] = "display",
	[PROP_LINK_IOTHREAD] = "I/O thread",
};

/* Those whose values need no more words. */
static const char *const type_words[] = {
	[PROP_TYPE_BOOL] = "on, off",
	[PROP_TYPE_MAC] = "MAC address",
	[PROP_TYPE_UUID] = "UUID",
	[PROP_TYPE_PCI] = "PCI address, slot[.function]",
	[PROP_TYPE_FILE] = "file",
	[PROP_TYPE_OBJECT] = "object",
	[PROP_TYPE_LIST] = "list of objects",
	[PROP_TYPE_STRS] = "list of strings",
	[PROP_TYPE_EXTRA] = "any other name",
};

static char *values_of(const struct prop *p)
{
	g_autofree char *names = NULL;

	switch (p->type) {
	case PROP_TYPE_U8:
	case PROP_TYPE_U16:
	case PROP_TYPE_U32:
	case PROP_TYPE_U64:
		return g_strdup_printf(
			"%" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, p->min, p->max);
	case PROP_TYPE_SIZE:
		return g_strdup_printf(
			"size, %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, p->min, p->max);
	case PROP_TYPE_STR:
		return g_strdup_printf("text, at most %" G_GUINT64_FORMAT " bytes", p->max);
	case PROP_TYPE_ENUM:
		names = g_strjoinv(", ", (char **)(uintptr_t)p->names);
		return g_strdup(names);
	case PROP_TYPE_LINK: return g_strdup_printf("id of a %s back-end", link_kinds[p->link]);
	default: return g_strdup(type_words[p->type]);
	}
}

/* As prop_get_text() writes it, of an object that has all its defaults. */
static void print_props(GString *out, const struct prop_table *t)
{
	g_autofree void *obj = g_malloc0(t->size);

	prop_defaults(t, obj);
	g_string_append(out, "\n| property | values | default | |\n|---|---|---|---|\n");
	for (const struct prop *p = t->props; p->name; p++) {
		g_autofree char *values = values_of(p), *def = prop_get_text(p, obj);

		g_string_append_printf(out, "| `%s` | %s | %s | %s |\n", p->name, values,
			p->flags & PROP_REQUIRED ? "required"
			: def                    ? def
						 : "",
			p->doc);
	}
	prop_clear(t, obj);
}

/* ---- state ---- */

static void print_fields(GString *out, const struct state_field *fields, const char *prefix);

static void print_field(GString *out, const struct state_field *f, const char *prefix)
{
	uint64_t full = f->elem_size < 8 ? ones((unsigned)f->elem_size) : UINT64_MAX;

	if (f->type == ST_TYPE_STRUCT) {
		g_autofree char *inner = f->count > 1 ? g_strdup_printf("%s%s[%zu].", prefix,
								f->name, f->count)
						      : g_strdup_printf("%s%s.", prefix, f->name);

		print_fields(out, f->sub, inner);
		return;
	}
	g_string_append_printf(out, "| `%s%s` | ", prefix, f->name);
	if (f->type == ST_TYPE_BOOL)
		g_string_append(out, "boolean");
	else if (f->type == ST_TYPE_BYTES)
		g_string_append_printf(out, "%zu bytes", f->size);
	else
		g_string_append_printf(out, "%zu bits", f->elem_size * 8);
	if (f->type == ST_TYPE_ARRAY)
		g_string_append_printf(out, " × %zu", f->count);
	if ((f->type == ST_TYPE_UINT || f->type == ST_TYPE_ARRAY) && (f->min || f->max < full))
		g_string_append_printf(out,
			", 0x%" G_GINT64_MODIFIER "x to 0x%" G_GINT64_MODIFIER "x", f->min, f->max);
	if (f->since > 1)
		g_string_append_printf(out, ", since version %u", f->since);
	g_string_append(out, " |\n");
}

static void print_fields(GString *out, const struct state_field *fields, const char *prefix)
{
	for (const struct state_field *f = fields; f->name; f++) {
		if (f->type != ST_TYPE_PAD)
			print_field(out, f, prefix);
	}
}

static void print_state(GString *out, const struct dev_ops *ops)
{
	if (!ops->state) {
		g_string_append_printf(out, "\nState: none; %s.\n", ops->state_none);
		return;
	}
	for (const struct dev_part *part = ops->state; part->desc; part++) {
		g_string_append_printf(out, "\n| state: `%s`, version %u | |\n|---|---|\n",
			part->desc->name, part->desc->version);
		print_fields(out, part->desc->fields, "");
	}
}

/* ---- all ---- */

static GString *make_doc(void)
{
	GString *out = g_string_new(head);

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		g_string_append_printf(out, "\n## %s\n", folders[i].title);
		for (const struct dev_ops *const *d = folders[i].devices; *d; d++) {
			g_string_append_printf(out, "\n### %s\n\n%s.\n", (*d)->name, (*d)->doc);
			if ((*d)->props)
				print_props(out, (*d)->props);
			print_state(out, *d);
		}
	}
	return out;
}

static bool current(const char *file, const GString *doc)
{
	g_autofree char *text = NULL;

	if (g_file_get_contents(file, &text, NULL, NULL) && strcmp(text, doc->str) == 0)
		return true;
	fprintf(stderr, "%s is not current: run device-doc on it\n", file);
	return false;
}

int main(int argc, char **argv)
{
	bool check = argc == 3 && strcmp(argv[1], "--check") == 0;
	g_autoptr(GString) doc = make_doc();
	g_autoptr(GError) error = NULL;

	if (!check && argc != 2) {
		fprintf(stderr, "usage: device-doc [--check] FILE\n");
		return EXIT_FAILURE;
	}
	if (check)
		return current(argv[2], doc) ? EXIT_SUCCESS : EXIT_FAILURE;
	if (!g_file_set_contents(argv[1], doc->str, (gssize)doc->len, &error)) {
		fprintf(stderr, "device-doc: %s\n", error->message);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
