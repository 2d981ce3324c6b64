/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/storage-fuzz.h"

#include <errno.h>
#include <string.h>

#define DISK_SIZE (256 * KiB)
#define STEPS_MAX 2000

static void place_bars(struct storage_fuzz *f)
{
	struct pci_dev *p = to_pci_dev(f->d);

	for (unsigned n = 0; n < PCI_BARS; n++) {
		if (p->bars[n].region)
			rig_cfg_write(f->r, p->devfn, PCI_BAR0 + 4 * n, 4,
				p->bars[n].is_io ? 0xc000 + n * 0x100
						 : STORAGE_FUZZ_BARS + n * (uint32_t)MiB);
	}
	rig_cfg_write(f->r, p->devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

static void reset(struct storage_fuzz *f, const struct storage_target *t)
{
	storage_rig_quiesce(f->r);
	bus_reset(f->r->bus, RESET_WARM);
	bus_resume(f->r->bus);
	place_bars(f);
	t->prepare(f);
}

static void disk_back(void *opaque, struct blk *old)
{
	struct storage_fuzz *f = opaque;

	g_assert_true(old == &f->disk->blk);
	f->disk_out = false;
}

static void cd_back(void *opaque, struct blk *old)
{
	struct storage_fuzz *f = opaque;

	g_assert_true(old == &f->cd->blk);
	f->cd_out = false;
}

/* Out, and in again as soon as that is possible. */
static void move_disk(struct storage_fuzz *f, const struct storage_target *t)
{
	if (storage_detach(f->d, t->disk_bay, disk_back, f, NULL)) {
		f->disk_out = true;
		return;
	}
	if (!f->disk_out)
		storage_attach_disk(f->d, t->disk_bay, &f->disk->blk, &f->conf, NULL);
}

static void move_medium(struct storage_fuzz *f, const struct storage_target *t, bool force)
{
	struct storage_status status;

	storage_get_status(f->d, t->cd_bay, &status);
	if (!status.blk)
		storage_insert(f->d, t->cd_bay, &f->cd->blk, NULL);
	else if (storage_eject(f->d, t->cd_bay, force, cd_back, f, NULL))
		f->cd_out = true;
}

static void write_memory(struct storage_fuzz *f, const struct storage_step *s)
{
	storage_put_ram(f->r, STORAGE_FUZZ_RAM + s->offset / 4 * 4, &s->value, sizeof(s->value));
}

static void host(
	struct storage_fuzz *f, const struct storage_target *t, const struct storage_step *s)
{
	struct fake_blk *blk = s->value & 1 ? f->cd : f->disk;

	switch (s->what % 10) {
	case 0: fake_blk_hold(blk, s->value & 2); break;
	case 1: fake_blk_complete(blk); break;
	case 2: fake_blk_fail(blk, (s->value >> 1) % BLK_OPS, 1, -EIO, false); break;
	case 3: fake_blk_fail(blk, (s->value >> 1) % BLK_OPS, 2, -ENOSPC, true); break;
	case 4: blk_unpark(&blk->blk); break;
	case 5: move_disk(f, t); break;
	case 6: move_medium(f, t, s->value & 2); break;
	case 7:
		fake_blk_hold(f->disk, false);
		fake_blk_hold(f->cd, false);
		while (fake_blk_complete(f->disk) || fake_blk_complete(f->cd))
			continue;
		if (s->value & 2)
			reset(f, t);
		else
			storage_save_and_load(f->r);
		break;
	default: rig_poll(f->r); break;
	}
}

static void step(
	struct storage_fuzz *f, const struct storage_target *t, const struct storage_step *s)
{
	switch (s->kind % 4) {
	case 0:
	case 1: t->access(f, s); break;
	case 2: write_memory(f, s); break;
	case 3: host(f, t, s); break;
	}
}

static void begin(struct storage_fuzz *f, const struct storage_target *t)
{
	g_autoptr(GError) error = NULL;

	f->r = rig_new();
	prop_defaults(&drive_props, &f->conf);
	f->disk = storage_disk_new(f->r, DISK_SIZE);
	f->cd = storage_disk_new(f->r, DISK_SIZE);
	f->d = dev_new(f->r->bus, t->ops, "fuzz");
	to_pci_dev(f->d)->bus = f->r->pci;
	dev_realize(f->d, &error);
	g_assert_no_error(error);
	storage_attach_disk(f->d, t->disk_bay, &f->disk->blk, &f->conf, &error);
	g_assert_no_error(error);
	storage_attach_cdrom(f->d, t->cd_bay, &f->cd->blk, &f->conf, &error);
	g_assert_no_error(error);
	bus_reset(f->r->bus, RESET_COLD);
	place_bars(f);
	t->prepare(f);
}

static void end(struct storage_fuzz *f)
{
	fake_blk_hold(f->disk, false);
	fake_blk_hold(f->cd, false);
	while (fake_blk_complete(f->disk) || fake_blk_complete(f->cd))
		continue;
	storage_rig_quiesce(f->r);
	g_assert_cmpuint(f->r->events, ==, 0);
	storage_remove(f->r, f->d);
	fake_blk_free(f->disk);
	fake_blk_free(f->cd);
	prop_clear(&drive_props, &f->conf);
	rig_free(f->r);
}

void storage_fuzz(const struct storage_target *t, const uint8_t *data, size_t size)
{
	struct storage_fuzz f = {.disk_out = false};
	struct storage_step s;

	begin(&f, t);
	for (unsigned i = 0; size >= sizeof(s) && i < STEPS_MAX; i++) {
		memcpy(&s, data, sizeof(s));
		data += sizeof(s);
		size -= sizeof(s);
		step(&f, t, &s);
	}
	end(&f);
}
