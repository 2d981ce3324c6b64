/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmspec-allot.h - how a spec is made whole: what is taken already, and who has it. For
 * vmspec-complete.c and vmspec-places.c.
 */
#ifndef API_VMSPEC_ALLOT_H
#define API_VMSPEC_ALLOT_H

#include "api/vmspec.h"

#define SPEC_MACHINES (SPEC_MACHINE_Q35 + 1)
#define PCI_SLOTS     32
#define PCI_FUNCTIONS 8

/* What of one object of the spec is allotted; all pointers lead into the spec. */
struct part {
	char pointer[32];
	const char *prefix; /* of an id that is made up; NULL: it has no id */
	char **id;
	struct prop_pci *addr; /* NULL: not on PCI */
	char **root_port;      /* NULL: on the root bus always */
	bool needs_slot;
	struct prop_pci own; /* the place that the machine keeps for it; slot -1: none */
	uint8_t *mac;
};

#define PART_NOWHERE ((struct prop_pci){-1, -1})

struct allotment {
	struct vm_spec *spec;
	GPtrArray *parts;  /* struct part, owned */
	GHashTable *taken; /* "id disk0", "mac …" → pointer of who has it */
	const char *slots[PCI_SLOTS][PCI_FUNCTIONS];
};

/* @value of @kind is that of @pointer from now on, which outlives @a. Error: it is another's. */
bool allot_claim(struct allotment *a, const char *pointer, const char *kind, const char *value,
	GError **error);
/* An id that nobody has: @prefix and the first number that is free. Owned by the caller. */
char *allot_new_id(struct allotment *a, const char *pointer, const char *prefix);

/* The controller called @id, or NULL. */
struct spec_controller *allot_controller(const struct allotment *a, const char *id);
/* Ids and places of controllers. */
void allot_controller_part(struct allotment *a, size_t index);
struct part *allot_add_part(struct allotment *a, struct part part, const char *fmt, ...)
	__printf(3, 4);

/* Disks get the bus that their device usually has; CD-ROMs are read-only. */
void allot_buses(struct vm_spec *s);
/* Controllers that are missing, and the units of what is connected to them. Ids are there. */
bool allot_places(struct allotment *a, GError **error);

#endif
