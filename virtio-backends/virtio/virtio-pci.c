/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/virtio/virtio-pci.h"

#include <errno.h>
#include <string.h>

#include "base/gmem.h"
#include "devmodel/pci/express.h"

#define VENDOR_ID   0x1af4
#define DEVICE_BASE 0x1040 /* + device type, section 4.1.2 */
#define SUBSYS_ID   0x1100
#define REVISION    1
#define INTA        1

/* Structures, section 4.1.4: cfg_type, and where they lie in BAR 4. */
#define CAP_COMMON 1
#define CAP_NOTIFY 2
#define CAP_ISR    3
#define CAP_DEVICE 4
#define CAP_PCI    5

#define BAR         4
#define BAR_SIZE    0x4000
#define PART_SIZE   0x1000
#define PART_COMMON 0x0000
#define PART_ISR    0x1000
#define PART_DEVICE 0x2000
#define PART_NOTIFY 0x3000
#define NOTIFY_STEP 4
#define COMMON_SIZE 0x3c /* up to and with queue_reset */

#define MSIX_BAR     1
#define MSIX_PBA_MIN 0x800

/* struct virtio_pci_cap and its two extensions. */
#define CAP_SIZE        16
#define CAP_SIZE_NOTIFY 20
#define CAP_SIZE_PCI    20
#define CAP_LEN         2
#define CAP_TYPE        3
#define CAP_BAR         4
#define CAP_OFFSET      8
#define CAP_LENGTH      12
#define CAP_MULTIPLIER  16
#define CAP_PCI_DATA    16

#define ISR_QUEUE  0x1
#define ISR_CONFIG 0x2

#define to_virtio_pci(d) container_of((d), struct virtio_pci, pci.dev)

/* ---- interrupts ---- */

/* INTx, lock held: the ISR says why, reading it takes the level away. */
static void raise_intx(struct virtio_pci *vp, uint8_t why)
{
	vp->vdev.hw.isr |= why;
	pci_intx_set(&vp->pci, true);
}

/* Lock held. @why the ISR says without MSI-X. */
static void interrupt(struct virtio_pci *vp, uint16_t vector, uint8_t why)
{
	if (!pci_msix_enabled(&vp->pci))
		raise_intx(vp, why);
	else if (vector != VIRTIO_NO_VECTOR)
		pci_msix_raise(&vp->pci, vector);
}

/* A vector's eventfd rings by itself; here come the queues without one. */
static void queue_interrupt(struct vdev *v, struct vqueue *q)
{
	dev_lock(v->dev);
	if (!v->reset_due)
		interrupt(container_of(v, struct virtio_pci, vdev), v->hw.queues[q->index].vector,
			ISR_QUEUE);
	dev_unlock(v->dev);
}

static void config_interrupt(struct vdev *v)
{
	interrupt(container_of(v, struct virtio_pci, vdev), v->hw.config_vector, ISR_CONFIG);
}

static const struct vdev_transport_ops transport_ops = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
};

/* Queue @q interrupts by the eventfd of its vector, or by queue_interrupt() if that cannot be had. */
static void connect_vector(struct virtio_pci *vp, unsigned q)
{
	uint16_t vector = vp->vdev.hw.queues[q].vector;
	int fd = -1;

	if (vector != VIRTIO_NO_VECTOR && pci_msix_enabled(&vp->pci))
		fd = pci_vector_fd(&vp->pci, vector);
	__atomic_store_n(&vp->vdev.queues[q].call_fd, fd, __ATOMIC_RELEASE);
}

static void command_changed(struct pci_dev *p)
{
	struct virtio_pci *vp = VIRTIO_PCI(p);

	for (unsigned i = 0; i < vp->vdev.n_queues; i++)
		connect_vector(vp, i);
	vdev_set_dma(&vp->vdev, pci_may_dma(p));
}

/* ---- common configuration, section 4.1.4.3 ---- */

static uint64_t read_device_feature(struct virtio_pci *vp)
{
	return vdev_read_features(&vp->vdev, vp->vdev.hw.device_feature_select);
}

static uint64_t read_driver_feature(struct virtio_pci *vp)
{
	uint32_t select = vp->vdev.hw.driver_feature_select;

	return select > 1 ? 0 : vp->vdev.hw.driver_features >> (select * 32) & 0xffffffff;
}

static void write_driver_feature(struct virtio_pci *vp, uint32_t value)
{
	vdev_write_features(&vp->vdev, vp->vdev.hw.driver_feature_select, value);
}

/* A vector that cannot be had reads back as none, section 4.1.5.1.2. */
static uint16_t usable_vector(struct virtio_pci *vp, uint32_t vector)
{
	return vector < vp->pci.nvectors ? (uint16_t)vector : VIRTIO_NO_VECTOR;
}

static void write_config_vector(struct virtio_pci *vp, uint32_t value)
{
	vp->vdev.hw.config_vector = usable_vector(vp, value);
}

static void write_queue_vector(struct virtio_pci *vp, uint32_t value)
{
	struct vqueue_hw *q = vdev_selected_queue(&vp->vdev);

	q->vector = usable_vector(vp, value);
	connect_vector(vp, vp->vdev.hw.queue_select);
}

static uint64_t read_num_queues(struct virtio_pci *vp)
{
	return vp->vdev.n_queues;
}

static uint64_t read_status(struct virtio_pci *vp)
{
	return vdev_read_status(&vp->vdev);
}

static void write_status(struct virtio_pci *vp, uint32_t value)
{
	vdev_write_status(&vp->vdev, (uint8_t)value);
}

static void write_queue_enable(struct virtio_pci *vp, uint32_t value)
{
	if (value == 1)
		vdev_queue_enable(&vp->vdev);
}

static uint64_t read_queue_notify(struct virtio_pci *vp)
{
	return vp->vdev.hw.queue_select;
}

/*
 * A register is a member of struct vdev_hw, or of the selected queue's struct vqueue_hw, or computed. A 64-bit one is two of 32 bits.
 * Writing needs `writable` or a function; a queue's registers are constant while it is enabled.
 */
struct common_reg {
	uint8_t offset, size;
	bool of_queue, writable;
	uint16_t member; /* offset; without `read` */
	uint64_t (*read)(struct virtio_pci *vp);
	void (*write)(struct virtio_pci *vp, uint32_t value);
};

#define HW(m)    .member = offsetof(struct vdev_hw, m)
#define QUEUE(m) .of_queue = true, .member = offsetof(struct vqueue_hw, m)

static const struct common_reg common_regs[] = {
	{0x00, 4, HW(device_feature_select), .writable = true},
	{0x04, 4, .read = read_device_feature},
	{0x08, 4, HW(driver_feature_select), .writable = true},
	{0x0c, 4, .read = read_driver_feature, .write = write_driver_feature},
	{0x10, 2, HW(config_vector), .write = write_config_vector},
	{0x12, 2, .read = read_num_queues},
	{0x14, 1, .read = read_status, .write = write_status},
	{0x15, 1, HW(config_generation)},
	{0x16, 2, HW(queue_select), .writable = true},
	{0x18, 2, QUEUE(size), .writable = true},
	{0x1a, 2, QUEUE(vector), .write = write_queue_vector},
	{0x1c, 2, QUEUE(enabled), .write = write_queue_enable},
	{0x1e, 2, .of_queue = true, .read = read_queue_notify},
	{0x20, 4, QUEUE(desc), .writable = true},
	{0x24, 4, QUEUE(desc) + 4, .writable = true},
	{0x28, 4, QUEUE(avail), .writable = true},
	{0x2c, 4, QUEUE(avail) + 4, .writable = true},
	{0x30, 4, QUEUE(used), .writable = true},
	{0x34, 4, QUEUE(used) + 4, .writable = true},
};

/* Section 4.1.3.1: a driver uses each field's own width; anything else finds nothing. */
static const struct common_reg *find_reg(uint64_t offset, unsigned size)
{
	for (unsigned i = 0; i < ARRAY_SIZE(common_regs); i++) {
		if (common_regs[i].offset == offset && common_regs[i].size == size)
			return &common_regs[i];
	}
	return NULL;
}

/* Where the register lies; NULL: no such queue. */
static uint8_t *reg_member(struct virtio_pci *vp, const struct common_reg *reg)
{
	uint8_t *base = reg->of_queue ? (uint8_t *)vdev_selected_queue(&vp->vdev)
				      : (uint8_t *)&vp->vdev.hw;

	return base ? base + reg->member : NULL;
}

static uint64_t common_read(struct virtio_pci *vp, uint64_t offset, unsigned size)
{
	const struct common_reg *reg = find_reg(offset, size);
	const uint8_t *member;
	uint64_t v = 0;

	if (!reg)
		return 0;
	member = reg_member(vp, reg);
	if (!member)
		return 0;
	if (reg->read)
		return reg->read(vp);
	memcpy(&v, member, size);
	return v;
}

static void common_write(struct virtio_pci *vp, uint64_t offset, unsigned size, uint64_t value)
{
	const struct common_reg *reg = find_reg(offset, size);
	uint8_t *member;

	if (!reg)
		return;
	member = reg_member(vp, reg);
	if (!member)
		return;
	if (reg->write)
		reg->write(vp, (uint32_t)value);
	else if (reg->writable && !(reg->of_queue && vdev_selected_queue(&vp->vdev)->enabled))
		memcpy(member, &value, size);
}

/* ---- BAR 4 ---- */

static uint64_t isr_read(struct virtio_pci *vp)
{
	uint8_t isr = vp->vdev.hw.isr;

	vp->vdev.hw.isr = 0;
	pci_intx_set(&vp->pci, false);
	return isr;
}

static uint64_t bar_read(struct virtio_pci *vp, uint64_t offset, unsigned size)
{
	uint64_t in_part = offset % PART_SIZE, v = 0;

	switch (offset - in_part) {
	case PART_COMMON: return common_read(vp, in_part, size);
	case PART_ISR: return in_part ? 0 : isr_read(vp);
	case PART_DEVICE: vdev_config_read(&vp->vdev, (unsigned)in_part, &v, size); return v;
	default: return 0;
	}
}

static void bar_write(struct virtio_pci *vp, uint64_t offset, unsigned size, uint64_t value)
{
	uint64_t in_part = offset % PART_SIZE;

	switch (offset - in_part) {
	case PART_COMMON: common_write(vp, in_part, size, value); break;
	case PART_DEVICE: vdev_config_write(&vp->vdev, (unsigned)in_part, &value, size); break;
	case PART_NOTIFY: vdev_ring(&vp->vdev, (unsigned)in_part / NOTIFY_STEP); break;
	}
}

static uint64_t region_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return bar_read(to_virtio_pci(d), offset, size);
}

static void region_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	bar_write(to_virtio_pci(d), offset, size, value);
}

static const struct region_ops bar_ops = {
	.read = region_read,
	.write = region_write,
	.min = 1,
	.max = 4,
};

/* ---- configuration space ---- */

/*
 * Section 4.1.4.9: a window into BAR 4 for firmware that cannot reach it. True when an access to @offset of configuration
 * space goes to the window, and the window is set to something valid.
 */
static bool window_hit(struct virtio_pci *vp, unsigned offset, unsigned *ret_at, unsigned *ret_size)
{
	const uint8_t *cap = vp->pci.pci_hw.cfg + vp->cfg_cap;
	uint32_t at = pci_get32(&vp->pci, vp->cfg_cap + CAP_OFFSET);
	uint32_t size = pci_get32(&vp->pci, vp->cfg_cap + CAP_LENGTH);

	if (offset != vp->cfg_cap + CAP_PCI_DATA || cap[CAP_BAR] != BAR)
		return false;
	if ((size != 1 && size != 2 && size != 4) || at % size || !range_fits(at, size, BAR_SIZE))
		return false;
	*ret_at = at;
	*ret_size = size;
	return true;
}

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	struct virtio_pci *vp = VIRTIO_PCI(p);
	unsigned at, n;

	if (window_hit(vp, offset, &at, &n))
		bar_write(vp, at, n, pci_get32(p, offset) & ones(n));
}

static void config_read(struct pci_dev *p, unsigned offset, unsigned size)
{
	struct virtio_pci *vp = VIRTIO_PCI(p);
	unsigned at, n;

	if (window_hit(vp, offset, &at, &n))
		pci_set32(p, offset, (uint32_t)bar_read(vp, at, n));
}

static const struct pci_ops pci_ops = {
	.config_write = config_write,
	.config_read = config_read,
	.command_changed = command_changed,
};

/* A structure of @length bytes at @offset of BAR 4. The capability's offset, or -ENOSPC. */
static int add_structure(
	struct virtio_pci *vp, uint8_t type, uint8_t cap_size, uint32_t offset, uint32_t length)
{
	int cap = pci_cap_add(&vp->pci, PCI_CAP_VENDOR, cap_size);
	uint8_t *cfg;

	if (cap < 0)
		return cap;
	cfg = vp->pci.pci_hw.cfg + cap;
	cfg[CAP_LEN] = cap_size;
	cfg[CAP_TYPE] = type;
	cfg[CAP_BAR] = BAR;
	pci_set32(&vp->pci, (unsigned)cap + CAP_OFFSET, offset);
	pci_set32(&vp->pci, (unsigned)cap + CAP_LENGTH, length);
	return cap;
}

static int add_window(struct virtio_pci *vp)
{
	int cap = add_structure(vp, CAP_PCI, CAP_SIZE_PCI, 0, 0);
	uint8_t *wmask;

	if (cap < 0)
		return cap;
	vp->cfg_cap = (uint8_t)cap;
	vp->pci.pci_hw.cfg[cap + CAP_BAR] = 0;
	wmask = vp->pci.wmask + cap;
	wmask[CAP_BAR] = 0xff;
	memset(wmask + CAP_OFFSET, 0xff, 4);
	memset(wmask + CAP_LENGTH, 0xff, 4);
	memset(wmask + CAP_PCI_DATA, 0xff, 4);
	return 0;
}

static int add_capabilities(struct virtio_pci *vp)
{
	uint32_t notify_size = vp->vdev.n_queues * NOTIFY_STEP;
	int notify = add_structure(vp, CAP_NOTIFY, CAP_SIZE_NOTIFY, PART_NOTIFY, notify_size);

	if (notify < 0)
		return notify;
	pci_set32(&vp->pci, (unsigned)notify + CAP_MULTIPLIER, NOTIFY_STEP);
	if (add_structure(vp, CAP_COMMON, CAP_SIZE, PART_COMMON, COMMON_SIZE) < 0 ||
		add_structure(vp, CAP_ISR, CAP_SIZE, PART_ISR, 1) < 0 ||
		add_structure(vp, CAP_DEVICE, CAP_SIZE, PART_DEVICE, PART_SIZE) < 0 ||
		add_window(vp) < 0 || pci_exp_init(&vp->pci, PCI_EXP_ENDPOINT) < 0)
		return -ENOSPC;
	return 0;
}

/* ---- life ---- */

/* What lies around table and pending bits in their BAR. */
static const struct region_ops no_registers = {
	.min = 1,
	.max = 8,
};

static int init_msix(struct virtio_pci *vp)
{
	unsigned n = vp->vectors ? vp->vectors : MIN(vp->vdev.n_queues + 1, PCI_MSIX_MAX);
	uint32_t pba = (uint32_t)MAX(align_up(n * 16, MSIX_PBA_MIN), MSIX_PBA_MIN);

	region_init_io(&vp->msix_bar, &vp->pci.dev, &no_registers, "virtio-msix", BUS_MMIO,
		align_up(pba + PCI_MSIX_MAX / 8, GMEM_PAGE_SIZE));
	pci_bar_init(&vp->pci, MSIX_BAR, &vp->msix_bar, false, false);
	return pci_msix_init(&vp->pci, n, MSIX_BAR, 0, pba);
}

static void init_bar(struct virtio_pci *vp)
{
	unsigned n = vp->vdev.n_queues;

	vp->doorbells = g_new0(struct region_doorbell, n);
	for (unsigned i = 0; i < n; i++) {
		/* Any length: KVM then finds the doorbell without decoding the guest's instruction. */
		vp->doorbells[i] = (struct region_doorbell){
			.offset = PART_NOTIFY + i * NOTIFY_STEP,
			.fd = vp->vdev.queues[i].kick_fd,
		};
	}
	region_init_io(&vp->bar, &vp->pci.dev, &bar_ops, "virtio", BUS_MMIO, BAR_SIZE);
	vp->bar.doorbells = vp->doorbells;
	vp->bar.n_doorbells = n;
	pci_bar_init(&vp->pci, BAR, &vp->bar, true, true);
}

bool virtio_pci_init(struct virtio_pci *vp, const struct vdev_ops *ops, void *priv,
	const struct virtio_pci_conf *conf, GError **error)
{
	struct dev *d = &vp->pci.dev;
	struct pci_conf pci = {
		.vendor = VENDOR_ID,
		.device = DEVICE_BASE + ops->id,
		.subsys_vendor = VENDOR_ID,
		.subsys = SUBSYS_ID,
		.class_code = conf->class_code,
		.revision = REVISION,
		.pin = INTA,
	};
	int err;

	if (!pci_dev_init(&vp->pci, &pci_ops, &pci, error))
		return false;
	vp->vdev.transport = &transport_ops;
	vp->vdev.priv = priv;
	vp->vdev.packed = vp->packed;
	if (!vdev_init(&vp->vdev, d, ops, conf->n_queues, conf->queue_size,
		    vp->loop ? vp->loop : d->bus->loop, error))
		return false;
	err = init_msix(vp);
	if (err < 0)
		return err_set_errno(error, -err, "device %s: MSI-X", d->id);
	init_bar(vp);
	err = add_capabilities(vp);
	if (err < 0)
		return err_set_errno(error, -err, "device %s: capabilities", d->id);
	return true;
}

void virtio_pci_done(struct virtio_pci *vp)
{
	pci_dev_done(&vp->pci);
	vdev_done(&vp->vdev);
	g_clear_pointer(&vp->doorbells, g_free);
}

void virtio_pci_reset(struct dev *d, enum reset_kind kind)
{
	struct virtio_pci *vp = to_virtio_pci(d);

	pci_dev_reset(&vp->pci);
	vdev_set_dma(&vp->vdev, false);
	vdev_reset(&vp->vdev);
}

void virtio_pci_quiesce(struct dev *d, struct async_group *g)
{
	vdev_quiesce(&to_virtio_pci(d)->vdev, g);
}

void virtio_pci_resume(struct dev *d)
{
	vdev_resume(&to_virtio_pci(d)->vdev);
}

/* What the vectors and the queues were connected to is made again from the registers. */
int virtio_pci_post_load(struct dev *d)
{
	struct virtio_pci *vp = to_virtio_pci(d);
	struct vdev *v = &vp->vdev;
	int err = pci_dev_post_load(&vp->pci);

	for (unsigned i = 0; !err && i < VIRTIO_MAX_QUEUES; i++) {
		uint16_t vector = v->hw.queues[i].vector;

		if (vector != VIRTIO_NO_VECTOR && i < v->n_queues && vector >= vp->pci.nvectors)
			err = -EINVAL;
	}
	if (!err && v->hw.config_vector != VIRTIO_NO_VECTOR &&
		v->hw.config_vector >= vp->pci.nvectors)
		err = -EINVAL;
	if (!err)
		err = vdev_post_load(v);
	if (!err)
		command_changed(&vp->pci);
	return err;
}
