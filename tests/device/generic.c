/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What holds for every device: its tables are sound, and its state can be saved, loaded, and
 * mutilated.
 *
 * A folder's devices join with one line in `folders`. What a model needs to be realized (back-ends, a router) is set by
 * the folder's prepare(), what is plugged into it by populate(); PCI functions get the rig's bus by themselves.
 */
#include <string.h>

#include "base/qs.h"
#include "devmodel/audio/audio.h"
#include "devmodel/chipset/chipset.h"
#include "devmodel/display/vga.h"
#include "devmodel/input/input.h"
#include "devmodel/net/net-devices.h"
#include "devmodel/platform/platform.h"
#include "devmodel/platform/vmgenid.h"
#include "devmodel/serial/serial.h"
#include "devmodel/storage/fdc.h"
#include "devmodel/storage/storage.h"
#include "devmodel/tpm/tpm.h"
#include "devmodel/usb/usb-devices.h"
#include "tests/device/rig.h"
#include "tests/lib/fake-blk.h"
#include "tests/lib/fake-net.h"
#include "tests/lib/fake-tpm.h"

struct folder {
	const char *name;
	const struct dev_ops *const *devices; /* ends with NULL */
	/*
	 * Before realize; what it returns goes to done() after the device is gone. Both may be
	 * NULL.
	 */
	void *(*prepare)(struct rig *r, struct dev *d);
	void (*done)(void *prepared);
	/* After realize, before the first reset; what it returns goes to done(). May be NULL. */
	void *(*populate)(struct rig *r, struct dev *d);
};

/* ---- drives ---- */

struct drives {
	struct fake_blk *disk, *cd;
};

static void *plug_drives(struct rig *r, struct dev *d)
{
	struct drives *drives = g_new(struct drives, 1);
	g_autoptr(GError) error = NULL;
	struct drive_conf conf = {.discard = true};

	drives->disk = fake_blk_new(r->loop, MiB);
	drives->cd = fake_blk_new(r->loop, MiB);
	storage_attach_disk(d, 0, &drives->disk->blk, &conf, &error);
	g_assert_no_error(error);
	storage_attach_cdrom(d, 3, &drives->cd->blk, &conf, &error);
	g_assert_no_error(error);
	return drives;
}

static void free_drives(void *opaque)
{
	struct drives *drives = opaque;

	fake_blk_free(drives->disk);
	fake_blk_free(drives->cd);
	g_free(drives);
}

/* ---- chipset ---- */

/* Ports are on the root bus of PCI Express only; the MCH has memory to cover. */
static void *prepare_chipset(struct rig *r, struct dev *d)
{
	const struct mch_memory memory = {
		.ram = r->ram, .low_end = RIG_RAM, .high_end = 4 * GiB, .smm = true};

	if (d->ops == &mch_ops)
		mch_set_memory(d, &memory);
	if (d->ops == &pcie_root_port_ops || d->ops == &pcie_pci_bridge_ops) {
		rig_make_express(r);
		to_pci_dev(d)->bus = r->pci;
	}
	return NULL;
}

/* ---- NICs ---- */

/* A NIC is plugged into something. */
static void *plug_network(struct rig *r, struct dev *d)
{
	static const struct {
		const struct dev_ops *ops;
		void (*set_backend)(struct dev *d, struct net *net);
	} setters[] = {
		{&e1000_ops, e1000_set_backend},
		{&e1000e_ops, e1000e_set_backend},
		{&rtl8139_ops, rtl8139_set_backend},
	};
	struct fake_net *f = fake_net_new(1);

	for (unsigned i = 0; i < ARRAY_SIZE(setters); i++) {
		if (setters[i].ops == d->ops)
			setters[i].set_backend(d, &f->net);
	}
	g_assert_true(prop_set_text(prop_find(d->ops->props, "mac"), d, "52:54:00:12:34:56", NULL));
	return f;
}

static void unplug_network(void *f)
{
	fake_net_free(f);
}

/* ---- USB ---- */

static void *prepare_usb(struct rig *r, struct dev *d)
{
	struct fake_blk *disk;

	if (d->ops != &usb_storage_ops)
		return NULL;
	disk = fake_blk_new(r->loop, MiB);
	usb_storage_set_backend(d, &disk->blk);
	return disk;
}

static void done_usb(void *prepared)
{
	fake_blk_free(prepared);
}

/* Its files have to be somewhere. */
static void *prepare_platform(struct rig *r, struct dev *d)
{
	struct dev *fw_cfg;

	if (d->ops != &vmgenid_ops)
		return NULL;
	fw_cfg = dev_new(r->bus, &fw_cfg_ops, "fw_cfg");
	g_assert_true(dev_realize(fw_cfg, NULL));
	vmgenid_wire(d, fw_cfg, (struct irq){.sink = NULL});
	return NULL;
}

static void *insert_floppy(struct rig *r, struct dev *d)
{
	struct fake_blk *floppy = fake_blk_new(r->loop, 80 * 2 * 18 * 512);
	g_autoptr(GError) error = NULL;

	fdc_attach(d, 0, FDC_1440, &floppy->blk, &error);
	g_assert_no_error(error);
	return floppy;
}

static void free_floppy(void *floppy)
{
	fake_blk_free(floppy);
}

static void *prepare_tpm(struct rig *r, struct dev *d)
{
	struct fake_tpm *tpm = fake_tpm_new(r->loop);

	tpm_set_backend(d, &tpm->backend);
	return &tpm->backend;
}

static void free_tpm(void *tpm)
{
	tpm_backend_free(tpm);
}

static const struct folder folders[] = {
	{"tests", probe_devices},
	{"chipset", chipset_devices, prepare_chipset},
	{"platform", platform_devices, prepare_platform},
	{"serial", serial_devices},
	{"storage", storage_devices, .populate = plug_drives, .done = free_drives},
	{"floppy", fdc_devices, .populate = insert_floppy, .done = free_floppy},
	{"tpm", tpm_devices, prepare_tpm, free_tpm},
	{"input", input_devices},
	{"display", display_devices},
	{"net", net_devices, plug_network, unplug_network},
	{"audio", audio_devices},
	{"usb", usb_devices, prepare_usb, done_usb},
};

#define MUTATIONS 3000
#define POKES     200
#define BAR_BASE  0xc0000000u

struct subject {
	const struct folder *folder;
	const struct dev_ops *ops;
};

/* ---- a device, realized and reset ---- */

struct specimen {
	const struct folder *folder;
	struct rig *r;
	struct dev *d;
	void *prepared;
};

static bool is_pci(const struct dev_ops *ops)
{
	for (const struct dev_part *p = ops->state; p && p->desc; p++) {
		if (p->desc == &pci_state)
			return true;
	}
	return false;
}

static struct specimen specimen_new(const struct subject *s)
{
	struct specimen sp = {.folder = s->folder, .r = rig_new()};
	g_autoptr(GError) error = NULL;

	sp.d = dev_new(sp.r->bus, s->ops, "specimen");
	if (is_pci(s->ops))
		to_pci_dev(sp.d)->bus = sp.r->pci;
	if (s->folder->prepare)
		sp.prepared = s->folder->prepare(sp.r, sp.d);
	dev_realize(sp.d, &error);
	g_assert_no_error(error);
	if (s->folder->populate)
		sp.prepared = s->folder->populate(sp.r, sp.d);
	/* Else pending bits would be lost. */
	g_assert_true(!is_pci(s->ops) || !to_pci_dev(sp.d)->nvectors || s->ops->pre_save);
	bus_reset(sp.r->bus, RESET_COLD);
	return sp;
}

static void specimen_free(struct specimen *sp)
{
	for (unsigned i = 0; i < 4; i++) /* what back-ends have posted to their queues */
		rig_poll(sp->r);
	dev_free(sp->d);
	if (sp->folder->done)
		sp->folder->done(sp->prepared);
	rig_free(sp->r);
}

/* ---- tables ---- */

static void check_ops(const struct dev_ops *ops)
{
	g_assert_nonnull(ops->name);
	g_assert_nonnull(ops->doc);
	g_assert_false(g_str_has_suffix(ops->doc, "."));
	g_assert_cmpuint(ops->size, >=, sizeof(struct dev));
	g_assert_nonnull(ops->realize);
	g_assert_nonnull(ops->reset);
	g_assert_true(!ops->state != !ops->state_none);
	if (is_pci(ops)) {
		g_assert_nonnull(ops->post_load);
		g_assert_nonnull(ops->unrealize);
	}
}

static void check_state_tables(const struct dev_ops *ops)
{
	for (const struct dev_part *p = ops->state; p && p->desc; p++) {
		g_autoptr(GError) error = NULL;

		state_desc_covers(p->desc, &error);
		g_assert_no_error(error);
		g_assert_true(range_fits(p->offset, p->desc->size, ops->size));
		g_assert_cmpuint(p->offset, >=, sizeof(struct dev));
		for (const struct dev_part *q = ops->state; q != p; q++) {
			g_assert_cmpstr(q->desc->name, !=, p->desc->name);
			g_assert_true(q->offset + q->desc->size <= p->offset ||
				      p->offset + p->desc->size <= q->offset);
		}
	}
}

static bool is_number(const struct prop *p)
{
	return p->type <= PROP_TYPE_SIZE;
}

/* The default, shown as text, is taken as text and is the default again. */
static void check_default(const struct prop *p, void *obj)
{
	g_autofree char *text = prop_get_text(p, obj);
	g_autoptr(GError) error = NULL;

	g_assert_true(prop_is_default(p, obj));
	if (!text || p->type == PROP_TYPE_FILE || p->type == PROP_TYPE_PCI)
		return;
	prop_set_text(p, obj, text, &error);
	g_assert_no_error(error);
	g_assert_true(prop_is_default(p, obj));
}

static void check_props(const struct dev_ops *ops)
{
	const struct prop_table *t = ops->props;
	g_autofree uint8_t *obj = g_malloc0(ops->size);

	if (!t)
		return;
	g_assert_nonnull(t->name);
	g_assert_cmpuint(t->size, ==, ops->size);
	prop_defaults(t, obj);
	for (const struct prop *p = t->props; p->name; p++) {
		g_assert_true(g_regex_match_simple("^([a-z][a-z0-9-]*|\\*)$", p->name, 0, 0));
		g_assert_true(prop_find(t, p->name) == p);
		g_assert_cmpuint(p->offset, >=, sizeof(struct dev));
		g_assert_cmpuint(p->offset, <, ops->size);
		g_assert_true(p->doc && *p->doc && !g_str_has_suffix(p->doc, "."));
		if (is_number(p)) {
			g_assert_cmpuint(p->min, <=, p->def);
			g_assert_cmpuint(p->def, <=, p->max);
		}
		if (p->type == PROP_TYPE_ENUM)
			g_assert_cmpuint(p->def, <, g_strv_length((char **)p->names));
		check_default(p, obj);
	}
	prop_clear(t, obj);
}

static void tables(gconstpointer data)
{
	const struct subject *s = data;

	check_ops(s->ops);
	check_state_tables(s->ops);
	check_props(s->ops);
}

/* ---- registers: whatever a guest may write ---- */

static uint64_t random_value(void)
{
	static const uint64_t values[] = {0, 1, 0x80, 0xff, 0xffff, UINT64_MAX, 0x1000, 0xfee00000};

	if (g_test_rand_bit())
		return values[g_test_rand_int_range(0, ARRAY_SIZE(values))];
	return (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

static void place_bars(struct specimen *sp)
{
	struct pci_dev *p = to_pci_dev(sp->d);
	unsigned devfn = p->devfn;

	for (unsigned n = 0; n < PCI_BARS; n++) {
		if (p->bars[n].region)
			rig_cfg_write(sp->r, devfn, PCI_BAR0 + 4 * n, 4,
				p->bars[n].is_io ? 0xc000 + n * 0x400 : BAR_BASE + n * (64 * MiB));
	}
	rig_cfg_write(sp->r, devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

/* The @i-th io region that the device has mapped, counted round. */
static struct region *nth_region(struct specimen *sp, unsigned i)
{
	struct region *found = NULL;

	for (unsigned round = 0; round < 2; round++) {
		for (struct region *r = sp->r->bus->regions; r; r = r->next) {
			if (r->dev != sp->d || r->kind != REGION_IO)
				continue;
			found = r;
			if (i-- == 0)
				return r;
		}
		if (!found)
			return NULL;
	}
	return found;
}

static void poke_once(struct specimen *sp)
{
	struct region *r = nth_region(sp, g_test_rand_int_range(0, 8));
	unsigned size = 1u << g_test_rand_int_range(0, r && r->space == BUS_MMIO ? 4 : 3);
	uint64_t addr;

	if (is_pci(sp->d->ops) && g_test_rand_int_range(0, 4) == 0) {
		size = 1u << g_test_rand_int_range(0, 3);
		rig_cfg_write(sp->r, to_pci_dev(sp->d)->devfn,
			g_test_rand_int_range(0x40 / size, 0x200 / size) * size, size,
			(uint32_t)random_value());
		return;
	}
	if (!r)
		return;
	addr = r->base + (uint64_t)g_test_rand_int_range(0, MIN(r->size, INT32_MAX));
	if (g_test_rand_bit())
		rig_write(sp->r, r->space, addr, size, random_value());
	else
		rig_read(sp->r, r->space, addr, size);
}

static void poke(struct specimen *sp, unsigned n)
{
	while (n--)
		poke_once(sp);
	clock_step_to(sp->r->clocks,
		clock_now(sp->r->clocks, VM_CLOCK_VIRTUAL) + g_test_rand_int_range(0, 1000000));
	rig_poll(sp->r);
}

/* ---- state ---- */

struct quiescing {
	struct async_group g;
	bool done;
};

static void quiesced(struct async_group *g)
{
	container_of(g, struct quiescing, g)->done = true;
}

static GByteArray *save(struct specimen *sp)
{
	GByteArray *state = g_byte_array_new();
	struct quiescing q = {.done = false};

	async_begin(&q.g, sp->r->loop, quiesced);
	bus_quiesce(sp->r->bus, &q.g);
	async_end(&q.g);
	for (unsigned i = 0; !q.done; i++) {
		g_assert_cmpuint(i, <, 1000);
		rig_poll(sp->r);
	}
	bus_save(sp->r->bus, state);
	bus_resume(sp->r->bus);
	return state;
}

static bool load(struct specimen *sp, const GByteArray *state)
{
	g_autoptr(GError) error = NULL;
	bool ok = bus_load(sp->r->bus, state->data, state->len, &error);

	if (ok)
		g_assert_no_error(error);
	else
		g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	return ok;
}

static void assert_equal(const GByteArray *a, const GByteArray *b)
{
	g_assert_cmpmem(a->data, a->len, b->data, b->len);
}

/* Saved, loaded where it was and into another machine, and saved again: the same bytes. */
static void check_round_trip(const struct subject *s, struct specimen *sp)
{
	g_autoptr(GByteArray) state = save(sp), here = NULL, there = NULL;
	struct specimen other = specimen_new(s);

	g_assert_true(load(sp, state));
	here = save(sp);
	assert_equal(state, here);
	clock_step_to(other.r->clocks, clock_now(sp->r->clocks, VM_CLOCK_VIRTUAL));
	g_assert_true(load(&other, state));
	there = save(&other);
	assert_equal(state, there);
	specimen_free(&other);
}

static void state(gconstpointer data)
{
	const struct subject *s = data;
	struct specimen sp = specimen_new(s);

	check_round_trip(s, &sp);
	for (unsigned i = 0; i < 10; i++) {
		if (is_pci(s->ops) && i % 3 == 0)
			place_bars(&sp);
		poke(&sp, POKES);
		check_round_trip(s, &sp);
	}
	bus_reset(sp.r->bus, RESET_WARM);
	check_round_trip(s, &sp);
	g_assert_cmpuint(sp.r->events, ==, 0);
	specimen_free(&sp);
}

static guint random_place(const GByteArray *a)
{
	/* Half of them at the front, where lengths and names are. */
	return g_test_rand_int_range(0, g_test_rand_bit() ? a->len : MIN(a->len, 128));
}

static void mutate(GByteArray *a)
{
	guint at = random_place(a), n = g_test_rand_int_range(1, 64);

	switch (g_test_rand_int_range(0, 6)) {
	case 0:
	case 1: a->data[at] ^= 1u << g_test_rand_int_range(0, 8); break;
	case 2: a->data[at] = (uint8_t)random_value(); break;
	case 3: g_byte_array_set_size(a, at); break;
	case 4: g_byte_array_remove_range(a, at, MIN(n, a->len - at)); break;
	case 5: memset(a->data + at, g_test_rand_bit() ? 0xff : 0, MIN(n, a->len - at)); break;
	}
}

static GByteArray *copy(const GByteArray *a)
{
	GByteArray *b = g_byte_array_new();

	return g_byte_array_append(b, a->data, a->len);
}

/*
 * A damaged stream is refused, or it is a state like any other: it can be saved and loaded, and the
 * device works.
 */
static void mutations(gconstpointer data)
{
	const struct subject *s = data;
	struct specimen sp = specimen_new(s);
	g_autoptr(GByteArray) good = NULL;
	unsigned taken = 0;

	if (is_pci(s->ops))
		place_bars(&sp);
	poke(&sp, POKES);
	good = save(&sp);
	for (unsigned i = 0; i < MUTATIONS; i++) {
		g_autoptr(GByteArray) bad = copy(good), once = NULL, twice = NULL;

		for (int n = g_test_rand_int_range(1, 4); n && bad->len; n--)
			mutate(bad);
		if (!load(&sp, bad)) {
			bus_reset(sp.r->bus, RESET_COLD);
			continue;
		}
		taken++;
		once = save(&sp);
		g_assert_true(load(&sp, once));
		twice = save(&sp);
		assert_equal(once, twice);
		poke(&sp, 5);
	}
	g_test_message("%u of %u were taken", taken, MUTATIONS);
	g_assert_cmpuint(taken, <, MUTATIONS);
	g_assert_true(load(&sp, good));
	g_assert_cmpuint(sp.r->events, ==, 0);
	specimen_free(&sp);
}

static void add_tests(const struct folder *f, const struct dev_ops *ops)
{
	static const struct {
		const char *name;
		void (*fn)(gconstpointer data);
	} kinds[] = {{"tables", tables}, {"state", state}, {"mutations", mutations}};

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct subject *s = g_new(struct subject, 1);
		g_autofree char *path = g_strdup_printf(
			"/generic/%s/%s/%s", f->name, ops->name, kinds[i].name);

		*s = (struct subject){f, ops};
		g_test_add_data_func_full(path, s, kinds[i].fn, g_free);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(folders); i++) {
		for (const struct dev_ops *const *ops = folders[i].devices; *ops; ops++)
			add_tests(&folders[i], *ops);
	}
	return g_test_run();
}
