/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks: what holds their bytes, and the device by which the guest sees them. */
#include "devmodel/storage/fdc.h"
#include "devmodel/storage/storage.h"
#include "devmodel/usb/usb-devices.h"
#include "virtio-backends/block/drivers.h"
#include "virtio-backends/devices/devices.h"
#include "vmmd/machine/machine-internal.h"

static enum blk_error_policy policy(int spec)
{
	static const enum blk_error_policy of_spec[] = {
		[SPEC_ERROR_REPORT] = BLK_ERROR_REPORT,
		[SPEC_ERROR_STOP] = BLK_ERROR_STOP,
		[SPEC_ERROR_IGNORE] = BLK_ERROR_IGNORE,
		[SPEC_ERROR_ENOSPC] = BLK_ERROR_ENOSPC,
	};

	return of_spec[spec];
}

static enum blk_cache cache_mode(int spec)
{
	static const enum blk_cache of_spec[] = {
		[SPEC_CACHE_NONE] = BLK_CACHE_NONE,
		[SPEC_CACHE_WRITEBACK] = BLK_CACHE_WRITEBACK,
		[SPEC_CACHE_WRITETHROUGH] = BLK_CACHE_WRITETHROUGH,
		[SPEC_CACHE_UNSAFE] = BLK_CACHE_UNSAFE,
	};

	return of_spec[spec];
}

static struct blk *open_disk(struct machine *m, const struct spec_disk *s, GError **error)
{
	struct blk_file_conf conf = {
		.id = s->id,
		.cache = cache_mode(s->cache),
		.readonly = s->readonly,
		.logical_block = s->logical_block,
		.physical_block = s->physical_block,
		.read_error = policy(s->read_error),
		.write_error = policy(s->write_error),
		.loop = m->env.main,
		.error_event = m->env.block_error,
		.opaque = m->env.opaque,
	};

	if (s->driver == SPEC_DISK_NULL)
		return blk_null_new(s->id, s->size, s->readonly, m->env.main);
	conf.fd = machine_take_fd(&s->file);
	return blk_file_new(&conf, error);
}

/* ---- fronts ---- */

static bool attach_virtio(
	struct machine *m, const struct spec_disk *s, struct blk *blk, GError **error)
{
	struct dev *d = machine_new_virtio(m, &virtio_blk_pci_ops, s->id, PLACE_OF(s));

	virtio_blk_set_backend(d, blk);
	machine_set_uint(d, "num-queues", s->queues);
	machine_set_uint(d, "queue-size", s->queue_size);
	machine_set_uint(d, "packed", s->packed);
	return machine_set_text(d, "serial", s->serial, error) && dev_realize(d, error);
}

/* The controller is a device of the spec, built before. */
static struct dev *controller_of(struct machine *m, const struct spec_disk *s)
{
	return bus_find_dev(m->bus, s->controller);
}

static bool attach_drive(
	struct machine *m, const struct spec_disk *s, struct blk *blk, GError **error)
{
	const struct drive_conf conf = {
		.model = s->model, .serial = s->serial, .wwn = s->wwn, .discard = true};

	if (s->device == SPEC_DEVICE_CDROM)
		return storage_attach_cdrom(controller_of(m, s), s->unit, blk, &conf, error);
	return storage_attach_disk(controller_of(m, s), s->unit, blk, &conf, error);
}

static bool attach_usb(
	struct machine *m, const struct spec_disk *s, struct blk *blk, GError **error)
{
	struct dev *d = dev_new(m->bus, &usb_storage_ops, s->id);

	usb_storage_set_backend(d, blk);
	machine_set_uint(d, "removable", s->removable);
	machine_set_uint(d, "cdrom", s->device == SPEC_DEVICE_CDROM);
	return machine_set_text(d, "serial", s->serial, error) && dev_realize(d, error) &&
	       usb_plug(controller_of(m, s), d, s->unit, error);
}

static bool attach_floppy(
	struct machine *m, const struct spec_disk *s, struct blk *blk, GError **error)
{
	return fdc_attach(controller_of(m, s), s->unit, FDC_AUTO, blk, error);
}

/* How a disk is connected to each bus. */
static bool (*const attach[])(
	struct machine *m, const struct spec_disk *s, struct blk *blk, GError **error) = {
	[SPEC_DISK_VIRTIO] = attach_virtio,
	[SPEC_DISK_IDE] = attach_drive,
	[SPEC_DISK_SATA] = attach_drive,
	[SPEC_DISK_USB] = attach_usb,
	[SPEC_DISK_FDC] = attach_floppy,
};

bool machine_add_disk(struct machine *m, size_t i, GError **error)
{
	const struct spec_disk *s = m->spec->disks[i];
	struct blk *blk = NULL; /* no medium */

	if (!attach[s->bus])
		return err_set(error, VMMD_ERROR_UNSUPPORTED, "bus: this build has no such disks");
	if (s->driver != SPEC_DISK_FILE || s->file.fd >= 0) {
		blk = open_disk(m, s, error);
		if (!blk)
			return false;
		g_ptr_array_add(m->disks, blk);
	}
	return attach[s->bus](m, s, blk, error);
}
