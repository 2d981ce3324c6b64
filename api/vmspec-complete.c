/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/random.h>

#include "api/prop-json.h"
#include "api/vmspec.h"
#include "base/error.h"

#define PCI_SLOTS      32
#define PCI_FUNCTIONS  8
#define PCI_FIRST_FREE 3 /* host bridge, ISA bridge and display come before */

/* What of one device of the spec is allotted; all pointers lead into the spec. */
struct part {
	char pointer[32];
	const char *prefix; /* of an id that is made up; NULL: it has no id */
	char **id;
	struct prop_pci *addr; /* NULL: not on PCI */
	bool needs_slot;
	uint8_t *mac;
};

struct allotment {
	GArray *parts;
	GHashTable *taken; /* "id disk0", "mac …" → pointer of who has it */
	const char *slots[PCI_SLOTS][PCI_FUNCTIONS];
};

static void add_part(struct allotment *a, struct part part, const char *fmt, ...) __printf(3, 4);
static void add_part(struct allotment *a, struct part part, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	g_vsnprintf(part.pointer, sizeof(part.pointer), fmt, ap);
	va_end(ap);
	g_array_append_val(a->parts, part);
}

/* In the order in which PCI slots are given out. */
static void collect_parts(struct allotment *a, struct vm_spec *s)
{
	for (size_t i = 0; i < s->n_disks; i++)
		add_part(a,
			(struct part){.prefix = "disk",
				.id = &s->disks[i]->id,
				.addr = &s->disks[i]->addr,
				.needs_slot = true},
			"/disks/%zu", i);
	for (size_t i = 0; i < s->n_nics; i++)
		add_part(a,
			(struct part){.prefix = "net",
				.id = &s->nics[i]->id,
				.addr = &s->nics[i]->addr,
				.needs_slot = true,
				.mac = s->nics[i]->mac},
			"/nics/%zu", i);
	for (size_t i = 0; i < s->n_consoles; i++)
		add_part(a,
			(struct part){.prefix = "console",
				.id = &s->consoles[i]->id,
				.addr = &s->consoles[i]->addr,
				.needs_slot = true},
			"/consoles/%zu", i);
	if (s->rng)
		add_part(a, (struct part){.addr = &s->rng->addr, .needs_slot = true}, "/rng");
	for (size_t i = 0; i < s->n_serials; i++)
		add_part(a, (struct part){.prefix = "serial", .id = &s->serials[i]->id},
			"/serials/%zu", i);
	for (size_t i = 0; i < s->n_devices; i++)
		add_part(a,
			(struct part){.prefix = "dev",
				.id = &s->devices[i]->id,
				.addr = &s->devices[i]->addr},
			"/devices/%zu", i);
}

/* ---- what the spec says already ---- */

static bool claim(struct allotment *a, const struct part *p, const char *kind, const char *value,
	GError **error)
{
	char *key = g_strdup_printf("%s %s", kind, value);
	const char *owner = g_hash_table_lookup(a->taken, key);

	if (!owner) {
		g_hash_table_insert(a->taken, key, (char *)(uintptr_t)p->pointer);
		return true;
	}
	g_free(key);
	return err_set(error, VMMD_ERROR_INVALID, "%s/%s: %s is that of %s", p->pointer, kind,
		value, owner);
}

static bool claim_slot(struct allotment *a, const struct part *p, GError **error)
{
	const char **owner = &a->slots[p->addr->slot][p->addr->function];

	if (p->addr->slot < PCI_FIRST_FREE)
		return err_set(error, VMMD_ERROR_INVALID,
			"%s/addr: slots 0 to %d belong to the machine", p->pointer,
			PCI_FIRST_FREE - 1);
	if (*owner)
		return err_set(error, VMMD_ERROR_INVALID, "%s/addr: slot %x.%x is that of %s",
			p->pointer, (unsigned)p->addr->slot, (unsigned)p->addr->function, *owner);
	*owner = p->pointer;
	return true;
}

static bool mac_is_unset(const uint8_t *mac)
{
	static const uint8_t none[6];

	return memcmp(mac, none, sizeof(none)) == 0;
}

static char *mac_text(const uint8_t *m)
{
	return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static bool claim_mac(struct allotment *a, const struct part *p, GError **error)
{
	g_autofree char *text = mac_text(p->mac);

	return claim(a, p, "mac", text, error);
}

static bool claim_given(struct allotment *a, const struct part *p, GError **error)
{
	if (p->id && *p->id && !claim(a, p, "id", *p->id, error))
		return false;
	if (p->mac && !mac_is_unset(p->mac) && !claim_mac(a, p, error))
		return false;
	return !p->addr || p->addr->slot < 0 || claim_slot(a, p, error);
}

/* ---- what it leaves out ---- */

static void allot_id(struct allotment *a, const struct part *p)
{
	for (unsigned n = 0; !*p->id; n++) {
		g_autofree char *id = g_strdup_printf("%s%u", p->prefix, n);

		if (claim(a, p, "id", id, NULL))
			*p->id = g_steal_pointer(&id);
	}
}

static bool random_bytes(void *buf, size_t n, GError **error)
{
	if (getrandom(buf, n, 0) == (ssize_t)n)
		return true;
	return err_set(error, VMMD_ERROR_HOST, "the host gave no random numbers");
}

/* 52:54:00 is the locally administered prefix that KVM guests have by custom. */
static bool allot_mac(struct allotment *a, const struct part *p, GError **error)
{
	static const uint8_t prefix[3] = {0x52, 0x54, 0x00};

	memcpy(p->mac, prefix, sizeof(prefix));
	do {
		if (!random_bytes(p->mac + 3, 3, error))
			return false;
	} while (!claim_mac(a, p, NULL));
	return true;
}

static bool slot_is_free(const struct allotment *a, unsigned slot)
{
	for (unsigned f = 0; f < PCI_FUNCTIONS; f++) {
		if (a->slots[slot][f])
			return false;
	}
	return true;
}

static bool allot_slot(struct allotment *a, const struct part *p, GError **error)
{
	for (unsigned slot = PCI_FIRST_FREE; slot < PCI_SLOTS; slot++) {
		if (!slot_is_free(a, slot))
			continue;
		*p->addr = (struct prop_pci){.slot = (int8_t)slot};
		a->slots[slot][0] = p->pointer;
		return true;
	}
	return err_set(error, VMMD_ERROR_INVALID, "%s: no PCI slot is free for it", p->pointer);
}

static bool allot_missing(struct allotment *a, const struct part *p, GError **error)
{
	if (p->id)
		allot_id(a, p);
	if (p->mac && mac_is_unset(p->mac) && !allot_mac(a, p, error))
		return false;
	return !p->needs_slot || p->addr->slot >= 0 || allot_slot(a, p, error);
}

static bool for_each_part(struct allotment *a,
	bool (*fn)(struct allotment *, const struct part *, GError **), GError **error)
{
	for (guint i = 0; i < a->parts->len; i++) {
		if (!fn(a, &g_array_index(a->parts, struct part, i), error))
			return false;
	}
	return true;
}

static bool allot_devices(struct vm_spec *s, GError **error)
{
	struct allotment a = {
		.parts = g_array_new(FALSE, FALSE, sizeof(struct part)),
		.taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
	};
	bool ok;

	collect_parts(&a, s);
	ok = for_each_part(&a, claim_given, error) && for_each_part(&a, allot_missing, error);
	g_hash_table_unref(a.taken);
	g_array_unref(a.parts);
	return ok;
}

/* RFC 4122 section 4.4: version 4, variant 10. */
static bool allot_uuid(struct vm_spec *s, GError **error)
{
	static const uint8_t none[16];

	if (memcmp(s->uuid, none, sizeof(none)) != 0)
		return true;
	if (!random_bytes(s->uuid, sizeof(s->uuid), error))
		return false;
	s->uuid[6] = (s->uuid[6] & 0x0f) | 0x40;
	s->uuid[8] = (s->uuid[8] & 0x3f) | 0x80;
	return true;
}

/* Twenty digits, the longest that a virtio disk shows. */
static void derive_serial(const struct vm_spec *s, struct spec_disk *d)
{
	GChecksum *sum;

	if (d->serial)
		return;
	sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_checksum_update(sum, s->uuid, sizeof(s->uuid));
	g_checksum_update(sum, (const guchar *)d->id, (gssize)strlen(d->id));
	d->serial = g_strndup(g_checksum_get_string(sum), 20);
	g_checksum_free(sum);
}

/* What is not said becomes 1, but the first gap from the right takes what count needs. */
static bool derive_topology(struct spec_cpus *c, GError **error)
{
	uint32_t *const dims[] = {&c->cores, &c->sockets, &c->threads};
	uint32_t known = 1, *gap = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(dims); i++) {
		if (*dims[i])
			known *= *dims[i];
		else if (!gap)
			gap = dims[i];
		else
			*dims[i] = 1;
	}
	if (gap)
		*gap = (c->count + known - 1) / known;
	if ((uint64_t)c->sockets * c->cores * c->threads > VM_CPUS_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"/cpus: sockets × cores × threads must be at most %d", VM_CPUS_MAX);
	return true;
}

static const struct prop *find_object(const struct prop_table *t, const char *name)
{
	const struct prop *p = prop_find(t, name);

	g_assert(p && p->sub);
	return p;
}

/* The member @name of @obj, made with its defaults if it is absent. */
static void make_object(const struct prop_table *t, void *obj, const char *name)
{
	const struct prop *p = find_object(t, name);
	void **member = (void **)((char *)obj + p->offset);

	if (!*member)
		*member = prop_object_new(p->sub);
}

static void make_objects(struct vm_spec *s)
{
	static const char *const always[] = {"memory", "cpus", "boot"};

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		make_object(&vm_spec_table, s, always[i]);
	for (size_t i = 0; i < s->n_nics; i++)
		make_object(find_object(&vm_spec_table, "nics")->sub, s->nics[i], "backend");
	for (size_t i = 0; i < s->n_serials; i++)
		make_object(find_object(&vm_spec_table, "serials")->sub, s->serials[i], "chardev");
	for (size_t i = 0; i < s->n_consoles; i++)
		make_object(
			find_object(&vm_spec_table, "consoles")->sub, s->consoles[i], "chardev");
}

bool vm_spec_complete(struct vm_spec *spec, GError **error)
{
	vm_spec_normalize(spec);
	make_objects(spec);
	if (!allot_uuid(spec, error) || !allot_devices(spec, error) ||
		!derive_topology(spec->cpus, error))
		return false;
	for (size_t i = 0; i < spec->n_disks; i++)
		derive_serial(spec, spec->disks[i]);
	return true;
}
