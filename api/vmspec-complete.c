/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/random.h>

#include "api/prop-json.h"
#include "api/vmspec-allot.h"
#include "base/error.h"

#define PCI_FIRST_FREE 3 /* host bridge, ISA bridge and display come before */

/* ---- what there is to allot ---- */

struct part *allot_add_part(struct allotment *a, struct part part, const char *fmt, ...)
{
	struct part *p = g_new(struct part, 1);
	va_list ap;

	*p = part;
	va_start(ap, fmt);
	g_vsnprintf(p->pointer, sizeof(p->pointer), fmt, ap);
	va_end(ap);
	g_ptr_array_add(a->parts, p);
	return p;
}

static bool always(const void *obj)
{
	return true;
}

static bool never(const void *obj)
{
	return false;
}

static bool disk_is_virtio(const void *obj)
{
	return ((const struct spec_disk *)obj)->bus == SPEC_DISK_VIRTIO;
}

/* Objects of the spec, in the order in which PCI slots are given out. */
static const struct {
	const char *name;   /* of the list or object in the VmSpec */
	const char *prefix; /* of ids that are made up */
	bool (*needs_slot)(const void *obj);
	struct prop_pci own[SPEC_MACHINES]; /* the machine's place for it; slot 0: none */
} collections[] = {
	{"display", NULL, always,
		{[SPEC_MACHINE_PC] = {.slot = 2}, [SPEC_MACHINE_Q35] = {.slot = 1}}},
	{"disks", "disk", disk_is_virtio, {}},
	{"nics", "net", always, {}},
	{"consoles", "console", always, {}},
	{"rng", NULL, always, {}},
	{"sounds", "sound", always, {}},
	{"serials", "serial", never, {}},
	{"inputs", "input", never, {}},
	{"devices", "dev", never, {}},
};

static void *member(const struct prop_table *t, void *obj, const char *name)
{
	const struct prop *p = prop_find(t, name);

	return p ? (char *)obj + p->offset : NULL;
}

static void add_object(
	struct allotment *a, size_t kind, const struct prop_table *t, void *obj, const char *suffix)
{
	struct prop_pci own = collections[kind].own[a->spec->machine];

	allot_add_part(a,
		(struct part){
			.prefix = collections[kind].prefix,
			.id = member(t, obj, "id"),
			.addr = member(t, obj, "addr"),
			.root_port = member(t, obj, "root-port"),
			.needs_slot = collections[kind].needs_slot(obj),
			.own = own.slot ? own : PART_NOWHERE,
			.mac = member(t, obj, "mac"),
		},
		"/%s%s", collections[kind].name, suffix);
}

static void collect_parts(struct allotment *a)
{
	for (size_t k = 0; k < ARRAY_SIZE(collections); k++) {
		const struct prop *p = prop_find(&vm_spec_table, collections[k].name);
		void *value = *(void **)((char *)a->spec + p->offset);

		if (p->type == PROP_TYPE_OBJECT && value)
			add_object(a, k, p->sub, value, "");
		for (size_t i = 0;
			p->type == PROP_TYPE_LIST && i < *(size_t *)((char *)a->spec + p->offset_n);
			i++) {
			g_autofree char *suffix = g_strdup_printf("/%zu", i);

			add_object(a, k, p->sub, ((void **)value)[i], suffix);
		}
	}
	for (size_t i = 0; i < a->spec->n_controllers; i++)
		allot_controller_part(a, i);
}

/* ---- what the spec says already ---- */

bool allot_claim(struct allotment *a, const char *pointer, const char *kind, const char *value,
	GError **error)
{
	char *key = g_strdup_printf("%s %s", kind, value);
	const char *owner = g_hash_table_lookup(a->taken, key);

	if (!owner) {
		g_hash_table_insert(a->taken, key, (char *)(uintptr_t)pointer);
		return true;
	}
	g_free(key);
	return err_set(
		error, VMMD_ERROR_INVALID, "%s/%s: %s is that of %s", pointer, kind, value, owner);
}

char *allot_new_id(struct allotment *a, const char *pointer, const char *prefix)
{
	for (unsigned n = 0;; n++) {
		g_autofree char *id = g_strdup_printf("%s%u", prefix, n);

		if (allot_claim(a, pointer, "id", id, NULL))
			return g_steal_pointer(&id);
	}
}

static const char the_machine[] = "the machine";

/* Functions of the chipset that are always there. */
static void claim_chipset(struct allotment *a)
{
	static const struct prop_pci functions[SPEC_MACHINES][3] = {
		[SPEC_MACHINE_PC] = {{0, 0}, {1, 0}, {1, 3}},
		[SPEC_MACHINE_Q35] = {{0, 0}, {0x1f, 0}, {0x1f, 3}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions[0]); i++) {
		const struct prop_pci *f = &functions[a->spec->machine][i];

		a->slots[f->slot][f->function] = the_machine;
	}
}

/* A root port has one slot. */
static bool claim_port(struct allotment *a, const struct part *p, GError **error)
{
	const struct spec_controller *c = allot_controller(a, *p->root_port);
	g_autofree char *value = NULL;

	if (!c || c->type != SPEC_CONTROLLER_ROOT_PORT)
		return err_set(error, VMMD_ERROR_INVALID, "%s/root-port: there is no root port %s",
			p->pointer, *p->root_port);
	if (p->addr->slot < 0)
		*p->addr = (struct prop_pci){0, 0};
	if (p->addr->slot)
		return err_set(error, VMMD_ERROR_INVALID, "%s/addr: a root port has only slot 0",
			p->pointer);
	value = g_strdup_printf("%s %d", *p->root_port, p->addr->function);
	return allot_claim(a, p->pointer, "root-port", value, error);
}

static bool claim_slot(struct allotment *a, const struct part *p, GError **error)
{
	const char **owner = &a->slots[p->addr->slot][p->addr->function];

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

	return allot_claim(a, p->pointer, "mac", text, error);
}

static bool claim_given(struct allotment *a, const struct part *p, GError **error)
{
	if (p->id && *p->id && !allot_claim(a, p->pointer, "id", *p->id, error))
		return false;
	if (p->mac && !mac_is_unset(p->mac) && !claim_mac(a, p, error))
		return false;
	if (p->root_port && *p->root_port)
		return claim_port(a, p, error);
	return !p->addr || p->addr->slot < 0 || claim_slot(a, p, error);
}

/* ---- what it leaves out ---- */

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

static bool allot_name(struct allotment *a, const struct part *p, GError **error)
{
	if (p->id && !*p->id)
		*p->id = allot_new_id(a, p->pointer, p->prefix);
	return !p->mac || !mac_is_unset(p->mac) || allot_mac(a, p, error);
}

/* What has a place of its own gets it before anybody else gets any. */
static bool allot_own_slot(struct allotment *a, const struct part *p, GError **error)
{
	if (p->needs_slot && p->addr->slot < 0 && p->own.slot >= 0 &&
		!a->slots[p->own.slot][p->own.function]) {
		*p->addr = p->own;
		return claim_slot(a, p, error);
	}
	return true;
}

static bool allot_slot(struct allotment *a, const struct part *p, GError **error)
{
	if (!p->needs_slot || p->addr->slot >= 0)
		return true;
	for (unsigned slot = PCI_FIRST_FREE; slot < PCI_SLOTS; slot++) {
		if (!slot_is_free(a, slot))
			continue;
		*p->addr = (struct prop_pci){.slot = (int8_t)slot};
		return claim_slot(a, p, error);
	}
	return err_set(error, VMMD_ERROR_INVALID, "%s: no PCI slot is free for it", p->pointer);
}

static bool for_each_part(struct allotment *a,
	bool (*fn)(struct allotment *, const struct part *, GError **), GError **error)
{
	for (guint i = 0; i < a->parts->len; i++) {
		if (!fn(a, g_ptr_array_index(a->parts, i), error))
			return false;
	}
	return true;
}

static bool allot_devices(struct vm_spec *s, GError **error)
{
	struct allotment a = {
		.spec = s,
		.parts = g_ptr_array_new_with_free_func(g_free),
		.taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
	};
	bool ok;

	allot_buses(s);
	claim_chipset(&a);
	collect_parts(&a);
	ok = for_each_part(&a, claim_given, error) && for_each_part(&a, allot_name, error) &&
	     allot_places(&a, error) && for_each_part(&a, allot_own_slot, error) &&
	     for_each_part(&a, allot_slot, error);
	g_hash_table_unref(a.taken);
	g_ptr_array_unref(a.parts);
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
		*gap = (MAX(c->count, c->max) + known - 1) / known;
	if ((uint64_t)c->sockets * c->cores * c->threads > VM_CPUS_MAX)
		return err_set(error, VMMD_ERROR_INVALID,
			"/cpus: sockets × cores × threads must be at most %d", VM_CPUS_MAX);
	return true;
}

/* All memory belongs to some node, each vCPU to one at most. */
static bool check_numa(const struct vm_spec *s, GError **error)
{
	uint64_t taken[SPEC_CPU_WORDS] = {0}, cpus[SPEC_CPU_WORDS], memory = 0;

	for (size_t i = 0; i < s->n_numa; i++) {
		memory += s->numa[i]->memory;
		if (!s->numa[i]->cpus || !vm_spec_cpu_list(s->numa[i]->cpus, cpus))
			continue;
		for (size_t w = 0; w < SPEC_CPU_WORDS; w++) {
			if (taken[w] & cpus[w])
				return err_set(error, VMMD_ERROR_INVALID,
					"/numa/%zu/cpus: a vCPU is in another node already", i);
			taken[w] |= cpus[w];
		}
	}
	if (s->n_numa && memory != s->memory->size)
		return err_set(error, VMMD_ERROR_INVALID,
			"/numa: the nodes' memory must make up the size of memory");
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
	static const char *const always[] = {"memory", "cpus", "boot", "features"};

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
		!derive_topology(spec->cpus, error) || !check_numa(spec, error))
		return false;
	for (size_t i = 0; i < spec->n_disks; i++)
		derive_serial(spec, spec->disks[i]);
	return true;
}
