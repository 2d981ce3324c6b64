/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/vmspec-tables.h"

/* ---- controllers ---- */

static const char *const controller_types[] = {
	[SPEC_CONTROLLER_IDE] = "ide",
	[SPEC_CONTROLLER_AHCI] = "ahci",
	[SPEC_CONTROLLER_VIRTIO_SCSI] = "virtio-scsi",
	[SPEC_CONTROLLER_UHCI] = "uhci",
	[SPEC_CONTROLLER_XHCI] = "xhci",
	[SPEC_CONTROLLER_FDC] = "fdc",
	[SPEC_CONTROLLER_ROOT_PORT] = "root-port",
	NULL,
};

static bool check_controller(const void *obj, GError **error)
{
	return spec_check_id(((const struct spec_controller *)obj)->id, error);
}

static const struct prop controller_props[] = {
	{.name = "type",
		.type = PROP_TYPE_ENUM,
		.offset = offsetof(struct spec_controller, type),
		.names = controller_types,
		.flags = PROP_REQUIRED,
		.doc = "what it is"},
	SPEC_PROP_ID(struct spec_controller, "its name within the VM; absent: ide0, ahci0, …"),
	SPEC_PROP_ADDR(struct spec_controller),
	SPEC_PROP_ROOT_PORT(struct spec_controller),
	PROP_END,
};

const struct prop_table spec_controller_table = {
	.name = "controller",
	.doc = "What disks, USB devices or PCI Express devices are connected to",
	.size = sizeof(struct spec_controller),
	.props = controller_props,
	.check = check_controller,
};

/* ---- disks ---- */

static const char *const disk_buses[] = {
	[SPEC_DISK_BUS_AUTO] = "auto",
	[SPEC_DISK_VIRTIO] = "virtio",
	[SPEC_DISK_SCSI] = "scsi",
	[SPEC_DISK_IDE] = "ide",
	[SPEC_DISK_SATA] = "sata",
	[SPEC_DISK_USB] = "usb",
	[SPEC_DISK_FDC] = "fdc",
	NULL,
};
static const char *const disk_devices[] = {
	[SPEC_DEVICE_DISK] = "disk",
	[SPEC_DEVICE_CDROM] = "cdrom",
	[SPEC_DEVICE_FLOPPY] = "floppy",
	NULL,
};
static const char *const disk_drivers[] = {
	[SPEC_DISK_FILE] = "file", [SPEC_DISK_NULL] = "null", NULL};
static const char *const disk_formats[] = {[SPEC_FORMAT_RAW] = "raw", NULL};
static const char *const cache_modes[] = {
	[SPEC_CACHE_NONE] = "none",
	[SPEC_CACHE_WRITEBACK] = "writeback",
	[SPEC_CACHE_WRITETHROUGH] = "writethrough",
	[SPEC_CACHE_UNSAFE] = "unsafe",
	NULL,
};
static const char *const error_policies[] = {
	[SPEC_ERROR_REPORT] = "report",
	[SPEC_ERROR_STOP] = "stop",
	[SPEC_ERROR_IGNORE] = "ignore",
	[SPEC_ERROR_ENOSPC] = "enospc",
	NULL,
};

#define BLOCK_MAX (32 * KiB)

static bool check_block_sizes(const struct spec_disk *d, GError **error)
{
	if (d->logical_block && d->logical_block != 512 && d->logical_block != 4096)
		return spec_invalid(error, "logical-block must be 0, 512 or 4096");
	if (d->physical_block && (!is_power_of_2(d->physical_block) || d->physical_block < 512))
		return spec_invalid(error, "physical-block must be 0 or a power of two from 512");
	if (d->physical_block && d->physical_block < d->logical_block)
		return spec_invalid(error, "physical-block must be at least logical-block");
	return true;
}

static bool check_serial(const char *serial, GError **error)
{
	for (; serial && *serial; serial++) {
		if (!g_ascii_isgraph(*serial))
			return spec_invalid(error, "serial must be printable ASCII without spaces");
	}
	return true;
}

/* Which devices there are on a bus, a bit each. */
static bool check_bus(const struct spec_disk *d, GError **error)
{
	static const unsigned devices[] = {
		[SPEC_DISK_BUS_AUTO] = ~0u,
		[SPEC_DISK_VIRTIO] = 1u << SPEC_DEVICE_DISK,
		[SPEC_DISK_SCSI] = 1u << SPEC_DEVICE_DISK | 1u << SPEC_DEVICE_CDROM,
		[SPEC_DISK_IDE] = 1u << SPEC_DEVICE_DISK | 1u << SPEC_DEVICE_CDROM,
		[SPEC_DISK_SATA] = 1u << SPEC_DEVICE_DISK | 1u << SPEC_DEVICE_CDROM,
		[SPEC_DISK_USB] = 1u << SPEC_DEVICE_DISK | 1u << SPEC_DEVICE_CDROM,
		[SPEC_DISK_FDC] = 1u << SPEC_DEVICE_FLOPPY,
	};

	if (devices[d->bus] >> d->device & 1)
		return true;
	return err_set(error, VMMD_ERROR_INVALID, "there is no %s on bus %s",
		disk_devices[d->device], disk_buses[d->bus]);
}

static bool check_model(const char *model, GError **error)
{
	for (; model && *model; model++) {
		if (!g_ascii_isprint(*model))
			return spec_invalid(error, "model must be printable ASCII");
	}
	return true;
}

static bool check_disk(const void *obj, GError **error)
{
	const struct spec_disk *d = obj;

	if (d->driver == SPEC_DISK_FILE && !d->file.path && d->device == SPEC_DEVICE_DISK)
		return spec_invalid(error, "driver file needs a file");
	if (d->driver == SPEC_DISK_NULL && (d->file.path || !d->size))
		return spec_invalid(error, "driver null needs a size and takes no file");
	if (d->driver == SPEC_DISK_FILE && d->size)
		return spec_invalid(error, "size is for driver null");
	if (d->size % 4096)
		return spec_invalid(error, "size must be a multiple of 4096");
	return check_bus(d, error) && check_model(d->model, error) && spec_check_id(d->id, error) &&
	       check_serial(d->serial, error) && spec_check_queues(d->queue_size, error) &&
	       check_block_sizes(d, error);
}

static const struct prop disk_props[] = {
	PROP_STR("id", struct spec_disk, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: disk0, disk1, …"),
	PROP_ENUM("device", struct spec_disk, device, disk_devices, SPEC_DEVICE_DISK,
		"what the guest sees"),
	PROP_ENUM("bus", struct spec_disk, bus, disk_buses, SPEC_DISK_BUS_AUTO,
		"what it is connected to; auto: virtio for disks, the machine's own controller for "
		"CD-ROMs (ide or sata), fdc for floppies"),
	SPEC_PROP_CONTROLLER(struct spec_disk),
	SPEC_PROP_UNIT(struct spec_disk,
		"its place there: ide channel × 2 + drive, sata port, scsi target, usb port from 1 "
		"on; absent: the next free one, then kept"),
	PROP_BOOL("removable", struct spec_disk, removable, false,
		"usb, scsi: the guest is told that the medium can be taken out"),
	PROP_ENUM("driver", struct spec_disk, driver, disk_drivers, SPEC_DISK_FILE,
		"what holds its bytes; null reads zeroes and forgets writes, for benchmarks"),
	PROP_ENUM("format", struct spec_disk, format, disk_formats, SPEC_FORMAT_RAW,
		"format of the file"),
	PROP_FILE("file", struct spec_disk, file, PROP_READWRITE,
		"image file or block device of the host; CD-ROMs and floppies without one have no "
		"medium"),
	PROP_SIZE(
		"size", struct spec_disk, size, 0, UINT64_C(1) << 50, 0, "driver null: its bytes"),
	PROP_BOOL("readonly", struct spec_disk, readonly, false, "the guest cannot write it"),
	PROP_ENUM("cache", struct spec_disk, cache, cache_modes, SPEC_CACHE_WRITEBACK,
		"none: past the host's page cache; writethrough: every write durable; unsafe: "
		"flushes ignored"),
	PROP_STR("serial", struct spec_disk, serial, 20, NULL,
		"serial number that the guest sees; absent: derived from uuid and id"),
	PROP_STR("model", struct spec_disk, model, 40, NULL,
		"ide, sata, scsi, usb: model that the guest sees; absent: the device's own"),
	PROP_U64("wwn", struct spec_disk, wwn, 0, INT64_MAX, 0,
		"ide, sata, scsi: world wide name; 0: none"),
	PROP_ENUM("read-error", struct spec_disk, read_error, error_policies, SPEC_ERROR_REPORT,
		"when a read fails: tell the guest, stop the VM, or ignore; enospc: stop only when "
		"the host is full"),
	PROP_ENUM("write-error", struct spec_disk, write_error, error_policies, SPEC_ERROR_ENOSPC,
		"the same for writes"),
	SPEC_PROP_BOOTINDEX(struct spec_disk),
	PROP_U32("queues", struct spec_disk, queues, 1, SPEC_QUEUES_MAX, 1,
		"virtio: request queues"),
	PROP_U32("queue-size", struct spec_disk, queue_size, SPEC_QUEUE_SIZE_MIN,
		SPEC_QUEUE_SIZE_MAX, 256, "entries of each queue, a power of two"),
	PROP_BOOL("packed", struct spec_disk, packed, false,
		"virtio: packed rings are offered too; old drivers take split ones"),
	PROP_PCI("addr", struct spec_disk, addr,
		"virtio: PCI slot, hexadecimal; absent: the next free one, then kept"),
	SPEC_PROP_ROOT_PORT(struct spec_disk),
	PROP_U32("logical-block", struct spec_disk, logical_block, 0, 4096, 0,
		"bytes of its blocks, 512 or 4096; 0: what the host's device says"),
	PROP_U32("physical-block", struct spec_disk, physical_block, 0, BLOCK_MAX, 0,
		"bytes that are best written at once; 0: what the host's device says"),
	PROP_END,
};

const struct prop_table spec_disk_table = {
	.name = "disk",
	.doc = "A disk",
	.size = sizeof(struct spec_disk),
	.props = disk_props,
	.check = check_disk,
};
