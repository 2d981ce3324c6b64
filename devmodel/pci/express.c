/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devmodel/pci/express.h"

#include "devmodel/pci/internal.h"

#define FLAGS_VERSION 2
#define FLAGS_TYPE(t) ((t) << 4)
#define FLAGS_SLOT    0x0100

#define DEVCAP_ROLE_ERRORS 0x00008000
#define DEVCAP_FLR         0x10000000
#define DEVCTL_RESET       0x2810 /* relaxed ordering, no snoop, requests of 512 bytes */
#define DEVCTL_WRITABLE    0x78ff
#define DEVSTA_W1C         0x000f

#define LNKCAP_2_5GT     0x00000001
#define LNKCAP_X1        0x00000010
#define LNKCAP_ACTIVE    0x00100000 /* reports whether the link is up */
#define LNKCTL_WRITABLE  0x00cb
#define LNKSTA_UP        0x1011 /* slot clock, one lane, 2.5 GT/s */
#define LNKCAP2_2_5GT    0x00000002
#define LNKCTL2_WRITABLE 0x000f

#define SLTCAP_BUTTON     0x00000001
#define SLTCAP_POWER      0x00000002
#define SLTCAP_INDICATORS 0x00000018
#define SLTCAP_SURPRISE   0x00000020
#define SLTCAP_HOTPLUG    0x00000040
#define SLTCAP_NUMBER(n)  ((uint32_t)(n) << 19)
#define SLTCTL_WRITABLE   0x17ff /* the interlock, which is not there, reads 0 */
#define SLTCTL_ATTN_OFF   0x00c0
#define SLTSTA_W1C        0x011f
#define SLOT_EVENTS       0x001f /* the same bits in both registers */

#define RTCTL_WRITABLE 0x000f
#define RTSTA_W1C_BYTE 0x01 /* of byte 2: PME status */

/* AER, PCIe 7.10. */
enum {
	AER_UNC_STATUS = 4,
	AER_UNC_MASK = 8,
	AER_UNC_SEVERITY = 12,
	AER_COR_STATUS = 16,
	AER_COR_MASK = 20,
	AER_ROOT_COMMAND = 0x2c,
	AER_ROOT_STATUS = 0x30
};
#define AER_SIZE         0x2c
#define AER_ROOT_SIZE    0x38
#define AER_UNC_BITS     0x003ff030
#define AER_UNC_FATAL    0x00462030 /* severity at reset */
#define AER_COR_BITS     0x0000f1c1
#define AER_COR_MASKED   0x00002000
#define AER_ROOT_ENABLES 0x07
#define AER_ROOT_W1C     0x7f

static unsigned reg(const struct pci_dev *p, unsigned offset)
{
	return p->exp_cap + offset;
}

static void mask16(uint8_t *mask, unsigned offset, uint16_t v)
{
	mask[offset] = (uint8_t)v;
	mask[offset + 1] = v >> 8;
}

static bool is_port(enum pci_exp_type type)
{
	return type == PCI_EXP_ROOT_PORT;
}

/* ---- set-up ---- */

static void init_link(struct pci_dev *p)
{
	pci_set32(p, reg(p, PCI_EXP_LNKCAP), LNKCAP_2_5GT | LNKCAP_X1);
	mask16(p->wmask, reg(p, PCI_EXP_LNKCTL), LNKCTL_WRITABLE);
	pci_set16(p, reg(p, PCI_EXP_LNKSTA), LNKSTA_UP);
	pci_set32(p, reg(p, PCI_EXP_LNKCAP2), LNKCAP2_2_5GT);
	pci_set16(p, reg(p, PCI_EXP_LNKCTL2), 1);
	mask16(p->wmask, reg(p, PCI_EXP_LNKCTL2), LNKCTL2_WRITABLE);
}

/* Only who can be reset without waiting offers it. */
static bool offers_flr(const struct pci_dev *p, enum pci_exp_type type)
{
	return (type == PCI_EXP_ENDPOINT || type == PCI_EXP_INTEGRATED) &&
	       (p->pci_ops->function_reset || !p->dev.ops->quiesce);
}

int pci_exp_init(struct pci_dev *p, enum pci_exp_type type)
{
	enum pci_bus_kind kind = pci_bus_kind(p->bus);
	int cap;

	if (kind == PCI_BUS_CONVENTIONAL)
		return 0;
	if (type == PCI_EXP_ENDPOINT && kind == PCI_BUS_ROOT_COMPLEX)
		type = PCI_EXP_INTEGRATED;
	cap = pci_cap_add(p, PCI_CAP_EXP, PCI_EXP_SIZE);
	if (cap < 0)
		return cap;
	p->exp_cap = cap;
	p->cfg_size = PCI_CFG_SIZE;
	pci_set16(p, reg(p, PCI_EXP_FLAGS), FLAGS_VERSION | FLAGS_TYPE(type));
	pci_set32(p, reg(p, PCI_EXP_DEVCAP),
		DEVCAP_ROLE_ERRORS | (offers_flr(p, type) ? DEVCAP_FLR : 0));
	pci_set16(p, reg(p, PCI_EXP_DEVCTL), DEVCTL_RESET);
	mask16(p->wmask, reg(p, PCI_EXP_DEVCTL),
		DEVCTL_WRITABLE | (offers_flr(p, type) ? PCI_DEVCTL_FLR : 0));
	mask16(p->w1c, reg(p, PCI_EXP_DEVSTA), DEVSTA_W1C);
	if (type != PCI_EXP_INTEGRATED)
		init_link(p);
	if (is_port(type)) {
		mask16(p->wmask, reg(p, PCI_EXP_RTCTL), RTCTL_WRITABLE);
		p->w1c[reg(p, PCI_EXP_RTSTA) + 2] = RTSTA_W1C_BYTE;
	}
	return cap;
}

int pci_aer_init(struct pci_dev *p)
{
	bool port = p->secondary && pci_bus_kind(p->secondary) == PCI_BUS_LINK;
	int cap = pci_ext_cap_add(p, PCI_EXT_CAP_AER, 1, port ? AER_ROOT_SIZE : AER_SIZE);

	if (cap < 0)
		return cap;
	pci_mask32(p->w1c, cap + AER_UNC_STATUS, AER_UNC_BITS);
	pci_mask32(p->wmask, cap + AER_UNC_MASK, AER_UNC_BITS);
	pci_set32(p, cap + AER_UNC_SEVERITY, AER_UNC_FATAL);
	pci_mask32(p->wmask, cap + AER_UNC_SEVERITY, AER_UNC_BITS);
	pci_mask32(p->w1c, cap + AER_COR_STATUS, AER_COR_BITS);
	pci_set32(p, cap + AER_COR_MASK, AER_COR_MASKED);
	pci_mask32(p->wmask, cap + AER_COR_MASK, AER_COR_BITS);
	if (port) {
		p->wmask[cap + AER_ROOT_COMMAND] = AER_ROOT_ENABLES;
		p->w1c[cap + AER_ROOT_STATUS] = AER_ROOT_W1C;
	}
	return 0;
}

int pci_serial_init(struct pci_dev *p, uint64_t serial)
{
	int cap = pci_ext_cap_add(p, PCI_EXT_CAP_SERIAL, 1, 12);

	if (cap < 0)
		return cap;
	pci_set32(p, cap + 4, (uint32_t)serial);
	pci_set32(p, cap + 8, (uint32_t)(serial >> 32));
	return 0;
}

/* ---- slots ---- */

static uint16_t get(const struct pci_dev *p, unsigned offset)
{
	return pci_get16(p, reg(p, offset));
}

static void set_bits(struct pci_dev *p, unsigned offset, uint16_t bits, bool on)
{
	uint16_t v = get(p, offset);

	pci_set16(p, reg(p, offset), on ? v | bits : v & ~bits);
}

static bool occupied(const struct pci_dev *p)
{
	return pci_bus_dev(p->secondary, 0);
}

static void update_interrupt(struct pci_dev *p)
{
	uint16_t ctl = get(p, PCI_EXP_SLTCTL), sta = get(p, PCI_EXP_SLTSTA);
	bool event = (ctl & sta & SLOT_EVENTS) ||
		     ((ctl & PCI_SLTCTL_LINK) && (sta & PCI_SLTSTA_LINK));

	pci_irq_set(p, event && (ctl & PCI_SLTCTL_HPIE));
}

/* The link is up when there is a partner that has power. */
static void update_link(struct pci_dev *p)
{
	bool up = occupied(p) && !(get(p, PCI_EXP_SLTCTL) & PCI_SLTCTL_POWER_OFF) &&
		  !(get(p, PCI_EXP_LNKCTL) & PCI_LNKCTL_DISABLE);

	if (up != !!(get(p, PCI_EXP_LNKSTA) & PCI_LNKSTA_ACTIVE)) {
		set_bits(p, PCI_EXP_LNKSTA, PCI_LNKSTA_ACTIVE, up);
		set_bits(p, PCI_EXP_SLTSTA, PCI_SLTSTA_LINK, true);
	}
	pci_bus_set_down(p->secondary, PCI_DOWN_LINK, !up);
}

/*
 * Power off and the indicator too: the guest is done with it. One that switches power off and on
 * again does not touch the indicator in between.
 */
static void update_release(struct pci_dev *p)
{
	const uint16_t off = PCI_SLTCTL_POWER_OFF | PCI_SLTCTL_PIC_OFF;
	bool let_go = occupied(p) && (get(p, PCI_EXP_SLTCTL) & off) == off;

	if (let_go && !p->exp_released && p->exp_was_on)
		pci_slot_released(p->secondary, 0);
	p->exp_released = let_go && (p->exp_released || p->exp_was_on);
	if (!(get(p, PCI_EXP_SLTCTL) & PCI_SLTCTL_POWER_OFF))
		p->exp_was_on = true;
}

/* A write to Slot Control is a command, completed at once (PCIe 6.7.3.2). */
static void slot_written(struct pci_dev *p, bool command)
{
	if (command)
		set_bits(p, PCI_EXP_SLTSTA, PCI_SLOT_COMPLETED, true);
	update_link(p);
	update_release(p);
	update_interrupt(p);
}

static bool overlaps(const struct pci_dev *p, unsigned which, unsigned offset, unsigned size)
{
	return offset < reg(p, which) + 2 && offset + size > reg(p, which);
}

void pci_exp_written(struct pci_dev *p, unsigned offset, unsigned size)
{
	if (!p->exp_cap || offset < p->exp_cap || offset >= reg(p, PCI_EXP_SIZE))
		return;
	if (get(p, PCI_EXP_DEVCTL) & PCI_DEVCTL_FLR)
		pci_function_reset_locked(p);
	if (p->exp_slot)
		slot_written(p, p->exp_hotplug && overlaps(p, PCI_EXP_SLTCTL, offset, size));
}

/* ---- plugging ---- */

static void plugged(void *opaque, unsigned slot)
{
	struct pci_dev *p = opaque;

	bus_lock(p->dev.bus);
	dev_lock(DEV(p));
	p->exp_released = p->exp_was_on = false;
	set_bits(p, PCI_EXP_SLTSTA, PCI_SLTSTA_PRESENT | PCI_SLOT_PRESENCE, true);
	update_link(p);
	update_interrupt(p);
	dev_unlock(DEV(p));
	bus_unlock(p->dev.bus);
}

static int request(void *opaque, unsigned slot)
{
	struct pci_dev *p = opaque;
	bool off, busy;

	dev_lock(DEV(p));
	off = get(p, PCI_EXP_SLTCTL) & PCI_SLTCTL_POWER_OFF;
	busy = !off && (get(p, PCI_EXP_SLTCTL) & PCI_SLTCTL_PIC) == PCI_SLTCTL_PIC_BLINK;
	if (!off && !busy) {
		set_bits(p, PCI_EXP_SLTSTA, PCI_SLOT_BUTTON, true);
		update_interrupt(p);
	}
	dev_unlock(DEV(p));
	if (off)
		pci_slot_released(p->secondary, 0);
	return busy ? -EAGAIN : 0;
}

static void emptied(void *opaque, unsigned slot)
{
	struct pci_dev *p = opaque;

	bus_lock(p->dev.bus);
	dev_lock(DEV(p));
	p->exp_released = p->exp_was_on = false;
	set_bits(p, PCI_EXP_SLTSTA, PCI_SLTSTA_PRESENT, false);
	set_bits(p, PCI_EXP_SLTSTA, PCI_SLOT_PRESENCE, true);
	update_link(p);
	update_interrupt(p);
	dev_unlock(DEV(p));
	bus_unlock(p->dev.bus);
}

static const struct pci_hotplug_ops slot_hotplug = {
	.plugged = plugged, .request = request, .emptied = emptied};

void pci_slot_init(struct pci_dev *p, uint16_t number, bool hotplug)
{
	uint32_t cap = SLTCAP_NUMBER(number);

	p->exp_slot = true;
	p->exp_hotplug = hotplug;
	pci_set16(p, reg(p, PCI_EXP_FLAGS), get(p, PCI_EXP_FLAGS) | FLAGS_SLOT);
	pci_set32(p, reg(p, PCI_EXP_LNKCAP), pci_get32(p, reg(p, PCI_EXP_LNKCAP)) | LNKCAP_ACTIVE);
	p->wmask[reg(p, PCI_EXP_LNKCTL)] |= PCI_LNKCTL_DISABLE;
	if (hotplug) {
		cap |= SLTCAP_BUTTON | SLTCAP_POWER | SLTCAP_INDICATORS | SLTCAP_SURPRISE |
		       SLTCAP_HOTPLUG;
		mask16(p->wmask, reg(p, PCI_EXP_SLTCTL), SLTCTL_WRITABLE);
		mask16(p->w1c, reg(p, PCI_EXP_SLTSTA), SLTSTA_W1C);
		pci_bus_set_hotplug(p->secondary, &slot_hotplug, p, 1);
	}
	pci_set32(p, reg(p, PCI_EXP_SLTCAP), cap);
}

/* ---- reset and state ---- */

void pci_exp_reset(struct pci_dev *p)
{
	uint16_t ctl = SLTCTL_ATTN_OFF;

	if (!p->exp_slot)
		return;
	p->exp_released = false;
	ctl |= occupied(p) ? PCI_SLTCTL_PIC_ON : PCI_SLTCTL_PIC_OFF | PCI_SLTCTL_POWER_OFF;
	if (p->exp_hotplug)
		pci_set16(p, reg(p, PCI_EXP_SLTCTL), ctl);
	pci_exp_sync(p);
	set_bits(p, PCI_EXP_SLTSTA, PCI_SLTSTA_LINK, false);
	update_interrupt(p);
}

void pci_exp_sync(struct pci_dev *p)
{
	if (!p->exp_slot)
		return;
	p->exp_was_on = occupied(p) && !(get(p, PCI_EXP_SLTCTL) & PCI_SLTCTL_POWER_OFF);
	set_bits(p, PCI_EXP_SLTSTA, PCI_SLTSTA_PRESENT, occupied(p));
	update_link(p);
}

/* The states of link and slot are what is there, whatever was saved. */
int pci_exp_check(const struct pci_dev *p)
{
	if (!p->exp_cap)
		return 0;
	return pci_unchanged(p, p->exp_cap, PCI_EXP_LNKSTA) &&
			       pci_unchanged(p, reg(p, PCI_EXP_SLTCAP),
				       PCI_EXP_SLTSTA - PCI_EXP_SLTCAP) &&
			       pci_unchanged(p, reg(p, PCI_EXP_RTCTL), PCI_EXP_SIZE - PCI_EXP_RTCTL)
		       ? 0
		       : -EINVAL;
}
