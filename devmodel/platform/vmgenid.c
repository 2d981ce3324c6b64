/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/platform/vmgenid.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/qs.h"
#include "devmodel/platform/platform.h"

struct vmgenid_hw {
	uint64_t addr; /* [g] of the GUID in guest memory, 0: not known; atomic */
};

struct vmgenid {
	struct dev dev;
	struct vmgenid_hw hw; /* [s] */
	uint8_t guid[16];     /* lock */
	struct dev *fw_cfg;   /* [c] */
	struct irq gpe;       /* [c] */
};

static struct vmgenid *vmgenid(struct dev *d)
{
	return container_of(d, struct vmgenid, dev);
}

void vmgenid_wire(struct dev *d, struct dev *fw_cfg, struct irq gpe)
{
	vmgenid(d)->fw_cfg = fw_cfg;
	vmgenid(d)->gpe = gpe;
}

static void addr_written(void *opaque, const uint8_t *data, uint32_t n)
{
	struct vmgenid *v = opaque;
	uint64_t addr;

	memcpy(&addr, data, sizeof(addr));
	__atomic_store_n(&v->hw.addr, le64toh(addr), __ATOMIC_RELAXED);
}

/* The first three fields of a GUID are little-endian. */
static void guid_bytes(const uint8_t uuid[16], uint8_t ret[16])
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (unsigned i = 0; i < 16; i++)
		ret[i] = uuid[order[i]];
}

static int put_file(struct vmgenid *v)
{
	uint8_t page[VMGENID_SIZE] = {0};

	guid_bytes(v->guid, page + VMGENID_OFFSET);
	return fw_cfg_replace_file(v->fw_cfg, VMGENID_GUID_FILE, page, sizeof(page));
}

/* A guest whose firmware has not told yet finds the new one in the file. */
static void tell_guest(struct vmgenid *v)
{
	uint64_t addr = __atomic_load_n(&v->hw.addr, __ATOMIC_RELAXED);
	uint8_t bytes[16];
	int err;

	if (!addr)
		return;
	guid_bytes(v->guid, bytes);
	qs_enter();
	err = gmem_write(v->dev.bus->gmem, GPA(addr), bytes, sizeof(bytes));
	qs_leave();
	if (err < 0)
		dev_guest_error(&v->dev, "no memory for the GUID at 0x%" PRIx64, addr);
	else
		irq_pulse(&v->gpe);
}

void vmgenid_set(struct dev *d, const uint8_t guid[16])
{
	struct vmgenid *v = vmgenid(d);

	dev_lock(d);
	memcpy(v->guid, guid, sizeof(v->guid));
	tell_guest(v);
	dev_unlock(d);
	/* It has its place already. */
	(void)put_file(v);
}

static bool realize(struct dev *d, GError **error)
{
	struct vmgenid *v = vmgenid(d);
	int err = v->fw_cfg ? put_file(v) : -ENODEV;

	if (!err)
		err = fw_cfg_add_writable(
			v->fw_cfg, VMGENID_ADDR_FILE, sizeof(v->hw.addr), addr_written, v);
	if (err < 0)
		return err_set_errno(
			error, -err, "device \"%s\": its files in fw_cfg cannot be made", d->id);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	vmgenid(d)->hw.addr = 0;
}

static const struct prop props[] = {
	PROP_UUID("guid", struct vmgenid, guid, "generation ID that the guest begins with"),
	PROP_END,
};

static const struct prop_table table = {
	.name = "vmgenid",
	.doc = "VM generation ID",
	.size = sizeof(struct vmgenid),
	.props = props,
};

static const struct state_field fields[] = {
	ST_U(struct vmgenid_hw, addr),
	ST_END,
};

static const struct state_desc state = {
	.name = "vmgenid", .version = 1, .size = sizeof(struct vmgenid_hw), .fields = fields};

const struct dev_ops vmgenid_ops = {
	.name = "vmgenid",
	.doc = "VM generation ID, by which a guest learns that it is a copy",
	.size = sizeof(struct vmgenid),
	.props = &table,
	.realize = realize,
	.reset = reset,
	.state =
		(const struct dev_part[]){
			{&state, offsetof(struct vmgenid, hw)},
			{.desc = NULL},
		},
};
