/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All devices of the spec, in the order in which they are built. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/display.h"
#include "devmodel/audio/audio.h"
#include "devmodel/chipset/chipset.h"
#include "devmodel/display/vga.h"
#include "devmodel/platform/platform.h"
#include "devmodel/usb/usb-devices.h"
#include "virtio-backends/devices/devices.h"
#include "vmmd/machine/machine-internal.h"

int machine_take_fd(const struct prop_file *f)
{
	int fd = f->fd;

	((struct prop_file *)(uintptr_t)f)->fd = -1;
	return fd;
}

struct dev *machine_new_pci(
	struct machine *m, const struct dev_ops *ops, const char *id, struct machine_place place)
{
	struct dev *d = dev_new(m->bus, ops, id);
	struct pci_dev *p = to_pci_dev(d);

	p->bus = place.root_port ? bridge_pci_bus(bus_find_dev(m->bus, place.root_port)) : m->pci;
	p->addr = place.addr;
	return d;
}

struct dev *machine_new_virtio(
	struct machine *m, const struct dev_ops *ops, const char *id, struct machine_place place)
{
	struct dev *d = machine_new_pci(m, ops, id, place);

	VIRTIO_PCI(to_pci_dev(d))->loop = m->env.io;
	return d;
}

static bool is_pci(const struct dev_ops *ops)
{
	for (const struct dev_part *p = ops->state; p && p->desc; p++) {
		if (p->desc == &pci_state)
			return true;
	}
	return false;
}

static bool is_virtio(const struct dev_ops *ops)
{
	for (size_t i = 0; virtio_devices[i]; i++) {
		if (virtio_devices[i] == ops)
			return true;
	}
	return false;
}

struct dev *machine_new_dev(
	struct machine *m, const struct dev_ops *ops, const char *id, struct machine_place place)
{
	return is_virtio(ops) ? machine_new_virtio(m, ops, id, place)
	       : is_pci(ops)  ? machine_new_pci(m, ops, id, place)
			      : dev_new(m->bus, ops, id);
}

struct dev *machine_add_function(struct machine *m, const struct dev_ops *ops, unsigned slot,
	unsigned function, GError **error)
{
	const struct machine_place place = {
		.addr = {.slot = (int8_t)slot, .function = (int8_t)function}};
	struct dev *d = machine_new_pci(m, ops, ops->name, place);

	return dev_realize(d, error) ? d : NULL;
}

const struct spec_controller *machine_controller_spec(const struct machine *m, const char *id)
{
	for (size_t i = 0; i < m->spec->n_controllers; i++) {
		if (strcmp(m->spec->controllers[i]->id, id) == 0)
			return m->spec->controllers[i];
	}
	return NULL;
}

void machine_set_uint(struct dev *d, const char *name, uint64_t v)
{
	g_autoptr(GError) error = NULL;

	if (!prop_set_uint(prop_find(d->ops->props, name), d, v, &error))
		g_error("%s.%s: %s", d->ops->name, name, error->message);
}

bool machine_set_text(struct dev *d, const char *name, const char *text, GError **error)
{
	if (!text || prop_set_text(prop_find(d->ops->props, name), d, text, error))
		return true;
	dev_free(d);
	return false;
}

bool machine_set_rom(struct dev *d, const struct prop_file *file, GError **error)
{
	g_autofree uint8_t *image = NULL;
	struct stat st = {};
	bool ok;

	if (file->fd < 0)
		return true;
	if (fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)PCI_ROM_MAX)
		image = g_malloc((size_t)st.st_size + 1);
	if (!image || pread(file->fd, image, (size_t)st.st_size, 0) != st.st_size)
		ok = err_set(error, VMMD_ERROR_INVALID,
			"rom: %s cannot be read, or has more than 16 MiB",
			file->path ? file->path : "this");
	else
		ok = pci_set_rom(to_pci_dev(d), image, (size_t)st.st_size, error);
	if (!ok)
		dev_free(d);
	return ok;
}

/* ---- display, input, sound ---- */

static bool add_display(struct machine *m, size_t i, GError **error)
{
	const struct spec_display *s = m->spec->display;
	struct dev *d = machine_new_pci(m, &vga_ops, "vga", (struct machine_place){NULL, s->addr});

	m->display = display_new("vga");
	vga_set_display(d, m->display);
	machine_set_uint(d, "vram", s->vram);
	return machine_set_rom(d, &s->rom, error) && dev_realize(d, error);
}

static bool add_input(struct machine *m, size_t i, GError **error)
{
	static const struct dev_ops *const types[] = {
		[SPEC_INPUT_TABLET] = &usb_tablet_ops,
		[SPEC_INPUT_MOUSE] = &usb_mouse_ops,
		[SPEC_INPUT_KEYBOARD] = &usb_kbd_ops,
	};
	const struct spec_input *s = m->spec->inputs[i];
	struct dev *d = dev_new(m->bus, types[s->type], s->id);

	usb_hid_set_input(d, m->input);
	return dev_realize(d, error) &&
	       usb_plug(bus_find_dev(m->bus, s->controller), d, s->unit, error);
}

static bool add_sound(struct machine *m, size_t i, GError **error)
{
	const struct spec_sound *s = m->spec->sounds[i];

	return dev_realize(machine_new_pci(m, &ich9_intel_hda_ops, s->id, PLACE_OF(s)), error);
}

/* ---- consoles, rng, others ---- */

static bool add_console(struct machine *m, size_t i, GError **error)
{
	const struct spec_console *s = m->spec->consoles[i];
	struct chardev *c = NULL;
	struct dev *d;

	if (s->chardev) {
		c = machine_add_chardev(m, s->id, s->chardev, error);
		if (!c)
			return false;
	}
	d = machine_new_virtio(m, &virtio_console_pci_ops, s->id, PLACE_OF(s));
	virtio_console_set_backend(d, c);
	return dev_realize(d, error);
}

static bool add_rng(struct machine *m, size_t i, GError **error)
{
	return dev_realize(
		machine_new_virtio(m, &virtio_rng_pci_ops, "rng0", PLACE_OF(m->spec->rng)), error);
}

static bool set_properties(struct dev *d, char **props, GError **error)
{
	for (; props && *props; props++) {
		g_auto(GStrv) nv = g_strsplit(*props, "=", 2);
		const struct prop *p = d->ops->props ? prop_find(d->ops->props, nv[0]) : NULL;

		if (!p)
			return err_set(error, VMMD_ERROR_INVALID, "%s: %s has no such property",
				nv[0], d->ops->name);
		if (!prop_set_text(p, d, nv[1] ? nv[1] : "on", error))
			return false;
	}
	return true;
}

/* What a VM may have once and by its own key of the spec only. */
static bool is_builtin(struct machine *m, const struct dev_ops *ops)
{
	return bus_find_dev(m->bus, ops->name) != NULL;
}

static bool add_other(struct machine *m, size_t i, GError **error)
{
	const struct spec_device *s = m->spec->devices[i];
	const struct dev_ops *ops = machine_find_device(s->type);
	struct chardev *c = NULL;
	struct dev *d;

	if (!ops)
		return err_set(error, VMMD_ERROR_INVALID, "type: there is no device '%s'", s->type);
	if (is_builtin(m, ops))
		return err_set(error, VMMD_ERROR_INVALID,
			"type: the machine has its one %s already", s->type);
	if (ops != &isa_debugcon_ops && s->chardev)
		return err_set(error, VMMD_ERROR_INVALID, "chardev: %s has none", s->type);
	if (s->chardev) {
		c = machine_add_chardev(m, s->id, s->chardev, error);
		if (!c)
			return false;
	}
	d = machine_new_dev(m, ops, s->id, PLACE_OF(s));
	if (!set_properties(d, s->props, error)) {
		dev_free(d);
		return false;
	}
	if (ops == &isa_debugcon_ops)
		isa_debugcon_set_chardev(d, c);
	return dev_realize(d, error);
}

/* ---- all ---- */

/* The lists and objects of the spec, in the order in which their devices are made. @add NULL: there are none yet. */
static bool add_all(struct machine *m, const char *key, bool list, size_t n,
	bool (*add)(struct machine *m, size_t i, GError **error), GError **error)
{
	for (size_t i = 0; i < n; i++) {
		if (!add)
			return err_set(error, VMMD_ERROR_UNSUPPORTED,
				"/%s: this build has no such device", key);
		if (add(m, i, error))
			continue;
		if (list)
			g_prefix_error(error, "/%s/%zu: ", key, i);
		else
			g_prefix_error(error, "/%s: ", key);
		return false;
	}
	return true;
}

bool machine_build_devices(struct machine *m, GError **error)
{
	const struct vm_spec *s = m->spec;
	const struct {
		const char *key;
		bool list;
		size_t n;
		bool (*add)(struct machine *m, size_t i, GError **error);
	} all[] = {
		{"controllers", true, s->n_controllers, machine_add_root_port},
		{"controllers", true, s->n_controllers, machine_add_controller},
		{"disks", true, s->n_disks, machine_add_disk},
		{"nics", true, s->n_nics, machine_add_nic},
		{"consoles", true, s->n_consoles, add_console},
		{"rng", false, s->rng != NULL, add_rng},
		{"inputs", true, s->n_inputs, add_input},
		{"display", false, s->display != NULL, add_display},
		{"vnc", false, s->display != NULL, machine_add_vnc},
		{"sounds", true, s->n_sounds, add_sound},
		{"tpm", false, s->tpm != NULL, NULL},
		{"devices", true, s->n_devices, add_other},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (!add_all(m, all[i].key, all[i].list, all[i].n, all[i].add, error))
			return false;
	}
	return true;
}
