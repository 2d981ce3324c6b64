/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where disks and USB devices are connected: buses, controllers, units. */
#include <string.h>

#include "api/prop-json.h"
#include "api/vmspec-allot.h"
#include "api/vmspec-tables.h"

#define ON_PC  (1u << SPEC_MACHINE_PC)
#define ON_Q35 (1u << SPEC_MACHINE_Q35)
#define NO_OWN                 \
	{                      \
		{-1, -1},      \
		{              \
			-1, -1 \
		}              \
	}

static const struct kind {
	const char *name;      /* prefix of ids */
	unsigned buses;        /* of disks, a bit each */
	unsigned machines;     /* that can have one, a bit each */
	unsigned first, units; /* numbers of its units */
	bool once;             /* a machine has one at most */
	bool pci;
	struct prop_pci own[SPEC_MACHINES]; /* place of the first one */
} kinds[SPEC_CONTROLLER_TYPES] = {
	[SPEC_CONTROLLER_IDE] = {"ide", 1u << SPEC_DISK_IDE, ON_PC, 0, 4, true, true,
		{[SPEC_MACHINE_PC] = {1, 1}, [SPEC_MACHINE_Q35] = {-1, -1}}},
	[SPEC_CONTROLLER_AHCI] = {"ahci", 1u << SPEC_DISK_SATA, ON_PC | ON_Q35, 0, 6, false, true,
		{[SPEC_MACHINE_PC] = {-1, -1}, [SPEC_MACHINE_Q35] = {0x1f, 2}}},
	[SPEC_CONTROLLER_VIRTIO_SCSI] = {"scsi", 1u << SPEC_DISK_SCSI, ON_PC | ON_Q35, 0, 256,
		false, true, NO_OWN},
	[SPEC_CONTROLLER_UHCI] = {"uhci", 1u << SPEC_DISK_USB, ON_PC | ON_Q35, 1, 2, false, true,
		{[SPEC_MACHINE_PC] = {1, 2}, [SPEC_MACHINE_Q35] = {-1, -1}}},
	[SPEC_CONTROLLER_XHCI] = {"xhci", 1u << SPEC_DISK_USB, ON_PC | ON_Q35, 1, 15, false, true,
		NO_OWN},
	[SPEC_CONTROLLER_FDC] = {"fdc", 1u << SPEC_DISK_FDC, ON_PC | ON_Q35, 0, 2, true, false,
		NO_OWN},
	[SPEC_CONTROLLER_ROOT_PORT] = {"port", 0, ON_Q35, 0, 0, false, true, NO_OWN},
};

static const char *const machine_names[SPEC_MACHINES] = {"pc", "q35"};

/* Somebody who needs a unit. */
struct seat {
	const struct part *part;
	int bus;
	char **controller;
	uint32_t *unit;
};

static bool serves(const struct spec_controller *c, int bus)
{
	return kinds[c->type].buses >> bus & 1;
}

/* The kind of controller that is made for @bus. */
static enum spec_controller_type default_kind(int machine, int bus)
{
	static const enum spec_controller_type of_bus[] = {
		[SPEC_DISK_SCSI] = SPEC_CONTROLLER_VIRTIO_SCSI,
		[SPEC_DISK_IDE] = SPEC_CONTROLLER_IDE,
		[SPEC_DISK_SATA] = SPEC_CONTROLLER_AHCI,
		[SPEC_DISK_USB] = SPEC_CONTROLLER_UHCI,
		[SPEC_DISK_FDC] = SPEC_CONTROLLER_FDC,
	};

	if (bus == SPEC_DISK_USB && machine == SPEC_MACHINE_Q35)
		return SPEC_CONTROLLER_XHCI;
	return of_bus[bus];
}

static void choose_bus(const struct vm_spec *s, struct spec_disk *d)
{
	static const enum spec_disk_bus cdrom[SPEC_MACHINES] = {
		[SPEC_MACHINE_PC] = SPEC_DISK_IDE, [SPEC_MACHINE_Q35] = SPEC_DISK_SATA};

	if (d->bus != SPEC_DISK_BUS_AUTO)
		return;
	switch ((enum spec_disk_device)d->device) {
	case SPEC_DEVICE_DISK: d->bus = SPEC_DISK_VIRTIO; break;
	case SPEC_DEVICE_CDROM: d->bus = cdrom[s->machine]; break;
	case SPEC_DEVICE_FLOPPY: d->bus = SPEC_DISK_FDC; break;
	}
}

/* ---- controllers ---- */

struct spec_controller *allot_controller(const struct allotment *a, const char *id)
{
	for (size_t i = 0; i < a->spec->n_controllers; i++) {
		struct spec_controller *c = a->spec->controllers[i];

		if (c->id && strcmp(c->id, id) == 0)
			return c;
	}
	return NULL;
}

/* The first of its kind has the place that the machine keeps for it. */
static bool is_first(const struct vm_spec *s, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (s->controllers[i]->type == s->controllers[index]->type)
			return false;
	}
	return true;
}

void allot_controller_part(struct allotment *a, size_t index)
{
	struct spec_controller *c = a->spec->controllers[index];
	const struct kind *k = &kinds[c->type];

	allot_add_part(a,
		(struct part){.prefix = k->name,
			.id = &c->id,
			.addr = k->pci ? &c->addr : NULL,
			.root_port = k->pci ? &c->root_port : NULL,
			.needs_slot = k->pci,
			.own = is_first(a->spec, index) ? k->own[a->spec->machine] : PART_NOWHERE},
		"/controllers/%zu", index);
}

static bool has_kind(const struct vm_spec *s, enum spec_controller_type type)
{
	for (size_t i = 0; i < s->n_controllers; i++) {
		if (s->controllers[i]->type == (int)type)
			return true;
	}
	return false;
}

static struct spec_controller *make_controller(
	struct allotment *a, const struct seat *seat, GError **error)
{
	struct vm_spec *s = a->spec;
	enum spec_controller_type type = default_kind(s->machine, seat->bus);
	const struct kind *k = &kinds[type];
	size_t index = s->n_controllers;
	struct spec_controller *c;

	if (!(k->machines >> s->machine & 1))
		return err_set(error, VMMD_ERROR_INVALID, "%s: machine %s has no %s controller",
			       seat->part->pointer, machine_names[s->machine], k->name),
		       NULL;
	if ((k->once && has_kind(s, type)) || index >= PROP_MAX_LIST)
		return err_set(error, VMMD_ERROR_INVALID,
			       "%s: no place is free on the %s controller", seat->part->pointer,
			       k->name),
		       NULL;
	c = prop_object_new(&spec_controller_table);
	c->type = type;
	s->controllers = g_renew(struct spec_controller *, s->controllers, index + 1);
	s->controllers[s->n_controllers++] = c;
	allot_controller_part(a, index);
	c->id = allot_new_id(a, seat->part->pointer, k->name);
	return c;
}

static bool check_controllers(struct allotment *a, GError **error)
{
	const struct vm_spec *s = a->spec;

	for (size_t i = 0; i < s->n_controllers; i++) {
		const struct kind *k = &kinds[s->controllers[i]->type];

		if (!(k->machines >> s->machine & 1))
			return err_set(error, VMMD_ERROR_INVALID,
				"/controllers/%zu: machine %s has no %s controller", i,
				machine_names[s->machine], k->name);
		if (k->once && !is_first(s, i))
			return err_set(error, VMMD_ERROR_INVALID,
				"/controllers/%zu: a machine has one %s controller", i, k->name);
	}
	return true;
}

/* ---- units ---- */

static bool claim_unit(struct allotment *a, const struct seat *seat,
	const struct spec_controller *c, unsigned unit, GError **error)
{
	g_autofree char *value = g_strdup_printf("%s %u", c->id, unit);

	return allot_claim(a, seat->part->pointer, "unit", value, error);
}

/* The first unit of @c that is free, or the one that is asked for. */
static bool take_unit(struct allotment *a, const struct seat *seat, const struct spec_controller *c,
	uint32_t *ret)
{
	const struct kind *k = &kinds[c->type];

	for (unsigned u = k->first; u < k->first + k->units; u++) {
		if (*seat->unit != SPEC_UNIT_ANY && *seat->unit != u)
			continue;
		if (!claim_unit(a, seat, c, u, NULL))
			continue;
		*ret = u;
		return true;
	}
	return false;
}

/* Both are said: only whether it can be so. */
static bool claim_seat(struct allotment *a, const struct seat *seat, GError **error)
{
	const struct spec_controller *c = *seat->controller ? allot_controller(a, *seat->controller)
							    : NULL;
	const struct kind *k;

	if (!*seat->controller)
		return true;
	if (!c)
		return err_set(error, VMMD_ERROR_INVALID, "%s/controller: there is no %s",
			seat->part->pointer, *seat->controller);
	if (!serves(c, seat->bus))
		return err_set(error, VMMD_ERROR_INVALID,
			"%s/controller: %s is for devices of another bus", seat->part->pointer,
			c->id);
	k = &kinds[c->type];
	if (*seat->unit == SPEC_UNIT_ANY)
		return true;
	if (*seat->unit < k->first || *seat->unit >= k->first + k->units)
		return err_set(error, VMMD_ERROR_INVALID, "%s/unit: %s has units %u to %u",
			seat->part->pointer, c->id, k->first, k->first + k->units - 1);
	return claim_unit(a, seat, c, *seat->unit, error);
}

static bool place_seat(struct allotment *a, const struct seat *seat, GError **error)
{
	struct spec_controller *c;

	if (*seat->controller) {
		if (*seat->unit != SPEC_UNIT_ANY ||
			take_unit(a, seat, allot_controller(a, *seat->controller), seat->unit))
			return true;
		return err_set(error, VMMD_ERROR_INVALID, "%s: no place is free on %s",
			seat->part->pointer, *seat->controller);
	}
	for (size_t i = 0; i < a->spec->n_controllers; i++) {
		c = a->spec->controllers[i];
		if (serves(c, seat->bus) && take_unit(a, seat, c, seat->unit)) {
			*seat->controller = g_strdup(c->id);
			return true;
		}
	}
	c = make_controller(a, seat, error);
	if (!c)
		return false;
	*seat->controller = g_strdup(c->id);
	if (take_unit(a, seat, c, seat->unit))
		return true;
	return err_set(error, VMMD_ERROR_INVALID, "%s/unit: %s has units %u to %u",
		seat->part->pointer, c->id, kinds[c->type].first,
		kinds[c->type].first + kinds[c->type].units - 1);
}

static const struct part *part_of(const struct allotment *a, char **id)
{
	for (guint i = 0; i < a->parts->len; i++) {
		const struct part *p = g_ptr_array_index(a->parts, i);

		if (p->id == id)
			return p;
	}
	g_assert_not_reached();
}

static GArray *collect_seats(struct allotment *a)
{
	GArray *seats = g_array_new(FALSE, FALSE, sizeof(struct seat));

	for (size_t i = 0; i < a->spec->n_disks; i++) {
		struct spec_disk *d = a->spec->disks[i];
		struct seat s = {part_of(a, &d->id), d->bus, &d->controller, &d->unit};

		if (d->bus != SPEC_DISK_VIRTIO)
			g_array_append_val(seats, s);
	}
	for (size_t i = 0; i < a->spec->n_inputs; i++) {
		struct spec_input *in = a->spec->inputs[i];
		struct seat s = {part_of(a, &in->id), SPEC_DISK_USB, &in->controller, &in->unit};

		g_array_append_val(seats, s);
	}
	return seats;
}

bool allot_places(struct allotment *a, GError **error)
{
	g_autoptr(GArray) seats = NULL;
	bool ok = check_controllers(a, error);

	seats = collect_seats(a);
	for (guint i = 0; ok && i < seats->len; i++)
		ok = claim_seat(a, &g_array_index(seats, struct seat, i), error);
	for (guint i = 0; ok && i < seats->len; i++)
		ok = place_seat(a, &g_array_index(seats, struct seat, i), error);
	return ok;
}

void allot_buses(struct vm_spec *s)
{
	for (size_t i = 0; i < s->n_disks; i++) {
		struct spec_disk *d = s->disks[i];

		choose_bus(s, d);
		if (d->device == SPEC_DEVICE_CDROM)
			d->readonly = true;
	}
}
