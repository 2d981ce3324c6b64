/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers by a table: manual section 13.4, 82574 chapter 10. What is not in it reads as zero, and
 * writes to it vanish.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/net/e1000.h"

#define REGS_END       0xc000 /* above: packet memory, read as zero */
#define IO_ADDR        0
#define IO_DATA        4
#define RING_LEN       0x000fff80u
#define SYSTIM_TICK_NS 40 /* 25 MHz, 82574, IEEE 1588 time stamps */

/* Registers that are more than a word of memory; their numbers are of no meaning. */
enum effect {
	PLAIN,
	COUNTER, /* cleared by reading */
	CTRL,
	STATUS,
	EECD,
	EERD,
	EEWR,
	MDIC,
	ICR,
	ICS,
	IMS,
	IMC,
	IRQ, /* interrupts depend on it */
	RCTL,
	RDTR,
	TIDV,
	RX_TAIL,
	TX_TAIL,
	KICK, /* frames may pass that did not before */
	SWSM,
	SYSTIML,
	SYSTIMH,
	TIMINCA,
};

enum { BOTH, ONLY_82574 };

struct reg {
	uint16_t first;  /* offset of the first one */
	uint16_t count;  /* of registers, 4 bytes apart */
	uint16_t member; /* offset in struct e1000_hw */
	uint8_t effect, where;
	uint32_t writable;
	uint32_t reset;
};

#define REG(o, f, w, e, r)                                        \
	{                                                         \
		o, 1, offsetof(struct e1000_hw, f), e, BOTH, w, r \
	}
#define NEW(o, f, w, e, r)                                              \
	{                                                               \
		o, 1, offsetof(struct e1000_hw, f), e, ONLY_82574, w, r \
	}
#define ARRAY(o, f, w, e, x)                                                                   \
	{                                                                                      \
		o, ST_SIZEOF(struct e1000_hw, f) / 4, offsetof(struct e1000_hw, f), e, x, w, 0 \
	}

/* The registers of one ring, as they are laid out for receive and transmit. */
#define RING(o, f, x, tail_effect)                                                                 \
	{o, 1, offsetof(struct e1000_hw, f.bal), PLAIN, x, 0xfffffff0u, 0},                        \
		{o + 4, 1, offsetof(struct e1000_hw, f.bah), PLAIN, x, UINT32_MAX, 0},             \
		{o + 8, 1, offsetof(struct e1000_hw, f.len), PLAIN, x, RING_LEN, 0},               \
		{o + 0x10, 1, offsetof(struct e1000_hw, f.head), PLAIN, x, 0xffff, 0},             \
		{o + 0x18, 1, offsetof(struct e1000_hw, f.tail), tail_effect, x, 0xffff, 0},       \
	{                                                                                          \
		o + 0x28, 1, offsetof(struct e1000_hw, f.dctl), PLAIN, x, 0xffffffffu, 0x01000000u \
	}

static const struct reg regs[] = {
	/* general */
	REG(0x0000, ctrl, ~(CTRL_RST | CTRL_PHY_RST), CTRL, CTRL_FD | CTRL_SLU | CTRL_SPEED_1000),
	REG(0x0008, status, 0, STATUS, STATUS_FD | STATUS_SPEED_1000),
	REG(0x0010, eecd, UINT32_MAX, EECD, EECD_FWE),
	REG(0x0014, eerd, UINT32_MAX, EERD, 0),
	REG(0x0018, ctrl_ext, 0x0fffdfffu, IRQ, 0),
	REG(0x0020, mdic, UINT32_MAX, MDIC, MDIC_READY),
	REG(0x0028, fcal, UINT32_MAX, PLAIN, 0),
	REG(0x002c, fcah, 0xffff, PLAIN, 0),
	REG(0x0030, fct, 0xffff, PLAIN, 0),
	REG(0x0038, vet, 0xffff, PLAIN, ETH_TYPE_VLAN),
	REG(0x0170, fcttv, 0xffff, PLAIN, 0),
	REG(0x0178, txcw, UINT32_MAX, PLAIN, 0),
	REG(0x0180, rxcw, 0, PLAIN, 0),
	REG(0x0e00, ledctl, UINT32_MAX, PLAIN, 0x07068302u),
	REG(0x1000, pba, 0xffff, PLAIN, 0x00100030u),
	NEW(0x1008, pbs, 0xffff, PLAIN, 0),
	NEW(0x1010, eemngctl, 0, PLAIN, 0x00040000u), /* configuration was loaded */
	NEW(0x102c, eewr, UINT32_MAX, EEWR, 0),
	NEW(0x103c, flop, UINT32_MAX, PLAIN, 0),
	NEW(0x0f00, extcnf, 0xffffffffu, PLAIN, 0),
	NEW(0x0f10, phy_ctrl, UINT32_MAX, PLAIN, 0),

	/* interrupts */
	REG(0x00c0, icr, UINT32_MAX, ICR, 0),
	REG(0x00c4, itr, 0xffff, IRQ, 0),
	REG(0x00c8, icr, UINT32_MAX, ICS, 0),
	REG(0x00d0, ims, UINT32_MAX, IMS, 0),
	REG(0x00d8, ims, UINT32_MAX, IMC, 0),
	NEW(0x00dc, eiac, 0x01f00000u, PLAIN, 0),
	NEW(0x00e0, iam, UINT32_MAX, PLAIN, 0),
	NEW(0x00e4, ivar, 0x800fffffu, IRQ, 0),
	ARRAY(0x00e8, eitr, 0xffff, IRQ, ONLY_82574),

	/* receive */
	REG(0x0100, rctl, 0x7fffffffu, RCTL, 0),
	REG(0x2160, fcrtl, UINT32_MAX, PLAIN, 0),
	REG(0x2168, fcrth, UINT32_MAX, PLAIN, 0),
	NEW(0x2170, psrctl, UINT32_MAX, PLAIN, 0x00040402u),
	RING(0x2800, rx[0], BOTH, RX_TAIL),
	RING(0x2900, rx[1], ONLY_82574, RX_TAIL),
	REG(0x2820, rdtr, RDTR_FPD | 0xffff, RDTR, 0),
	REG(0x282c, radv, 0xffff, PLAIN, 0),
	REG(0x2c00, rsrpd, 0xfff, PLAIN, 0),
	REG(0x5000, rxcsum, 0x3fff, PLAIN, 0),
	NEW(0x5008, rfctl, UINT32_MAX, PLAIN, 0),
	ARRAY(0x5200, mta, UINT32_MAX, PLAIN, BOTH),
	ARRAY(0x5400, ra, UINT32_MAX, PLAIN, BOTH),
	ARRAY(0x5600, vfta, UINT32_MAX, PLAIN, BOTH),
	NEW(0x5818, mrqc, UINT32_MAX, PLAIN, 0),
	ARRAY(0x5c00, reta, UINT32_MAX, PLAIN, ONLY_82574),
	ARRAY(0x5c80, rssrk, UINT32_MAX, PLAIN, ONLY_82574),

	/* transmit */
	REG(0x0400, tctl, UINT32_MAX, KICK, 0),
	REG(0x0410, tipg, UINT32_MAX, PLAIN, 0x00602008u),
	REG(0x0458, ait, 0xffff, PLAIN, 0),
	RING(0x3800, tx[0], BOTH, TX_TAIL),
	RING(0x3900, tx[1], ONLY_82574, TX_TAIL),
	REG(0x3820, tidv, TIDV_FPD | 0xffff, TIDV, 0),
	REG(0x382c, tadv, 0xffff, PLAIN, 0),
	NEW(0x3840, tarc[0], UINT32_MAX, PLAIN, 0x403u),
	NEW(0x3940, tarc[1], UINT32_MAX, PLAIN, 0x403u),

	/* statistics */
	ARRAY(0x4000, stat, 0, COUNTER, BOTH),

	/* wake-up and management: there is nothing behind them */
	REG(0x5800, wuc, 0x0f, PLAIN, 0),
	REG(0x5808, wufc, UINT32_MAX, PLAIN, 0),
	REG(0x5810, wus, 0, PLAIN, 0),
	REG(0x5838, ipav, UINT32_MAX, PLAIN, 0),
	REG(0x5820, manc, UINT32_MAX, PLAIN, 0),
	NEW(0x5b00, gcr, UINT32_MAX, PLAIN, 0),
	NEW(0x5b30, factps, 0, PLAIN, 0),
	NEW(0x5b50, swsm, 0x0000000fu, SWSM, 0),
	NEW(0x5b54, fwsm, 0, PLAIN, 0),
	NEW(0x5b58, swsm2, UINT32_MAX, PLAIN, 0),

	/* time stamps */
	NEW(0xb600, systim_adjust[0], UINT32_MAX, SYSTIML, 0),
	NEW(0xb604, systim_adjust[1], UINT32_MAX, SYSTIMH, 0),
	NEW(0xb608, timinca, UINT32_MAX, TIMINCA, 0),
};

static uint8_t rows[2][REGS_END / 4]; /* [is_82574]: 1 + row of the table, 0 none */

static void make_rows(void)
{
	_Static_assert(ARRAY_SIZE(regs) < UINT8_MAX, "rows are bytes");
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		for (unsigned n = 0; n < regs[i].count; n++) {
			rows[1][regs[i].first / 4 + n] = (uint8_t)(i + 1);
			if (regs[i].where == BOTH)
				rows[0][regs[i].first / 4 + n] = (uint8_t)(i + 1);
		}
	}
}

static const struct reg *find(const struct e1000_core *c, uint64_t offset)
{
	uint8_t row = offset < REGS_END ? rows[c->model->is_82574][offset / 4] : 0;

	return row ? &regs[row - 1] : NULL;
}

static uint32_t *word(struct e1000_core *c, const struct reg *r, uint64_t offset)
{
	return (uint32_t *)(void *)((char *)&c->hw + r->member + (offset - r->first));
}

int64_t e1000_now(struct e1000_core *c)
{
	return dev_clock(&c->pci.dev, VM_CLOCK_VIRTUAL);
}

/* ---- reset ---- */

/* What the reset bit of CTRL leaves: the PHY, the EEPROM. Manual section 13.4.1. */
static void reset_mac(struct e1000_core *c)
{
	struct e1000_hw *h = &c->hw;
	struct e1000_hw kept = *h;

	*h = (struct e1000_hw){.io_addr = kept.io_addr, .eeprom = kept.eeprom};
	memcpy(h->phy, kept.phy, sizeof(h->phy));
	h->deadline[E1000_T_LINK] = kept.deadline[E1000_T_LINK];
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		for (unsigned n = 0; n < regs[i].count; n++)
			*word(c, &regs[i], regs[i].first + 4 * n) |= regs[i].reset;
	}
	for (unsigned i = 0; i < ETH_ALEN / 2; i++)
		h->ra[i / 2] |= (uint32_t)h->eeprom.words[i] << (16 * (i % 2));
	h->ra[1] |= RAH_AV;
	h->systim_base = (uint64_t)e1000_now(c);
	if (e1000_link_up(c))
		h->status |= STATUS_LU; /* no change that anybody has to be told */
	nic_forget(&c->nic);
	e1000_timer_rearm(c);
	e1000_link_update(c);
	e1000_irq_update(c);
}

static void write_ctrl(struct e1000_core *c, uint32_t value)
{
	if (value & CTRL_PHY_RST) {
		e1000_phy_reset(c);
		e1000_link_update(c);
	}
	if (value & CTRL_RST)
		reset_mac(c);
}

/* ---- SYSTIM, 82574, IEEE 1588 time stamps ---- */

static uint64_t systim(struct e1000_core *c)
{
	const struct e1000_hw *h = &c->hw;
	uint64_t set = (uint64_t)h->systim_adjust[1] << 32 | h->systim_adjust[0];
	uint32_t period = h->timinca >> 24, increment = h->timinca & 0xffffff;
	uint64_t ticks = ((uint64_t)e1000_now(c) - h->systim_base) / SYSTIM_TICK_NS;

	return period ? set + ticks / period * increment : set;
}

/* From now on it counts from @value. */
static void set_systim(struct e1000_core *c, uint64_t value)
{
	c->hw.systim_adjust[0] = (uint32_t)value;
	c->hw.systim_adjust[1] = (uint32_t)(value >> 32);
	c->hw.systim_base = (uint64_t)e1000_now(c);
}

static void write_systim_half(struct e1000_core *c, uint32_t value, unsigned shift)
{
	uint64_t other = systim(c) & ~((uint64_t)UINT32_MAX << shift);

	set_systim(c, other | (uint64_t)value << shift);
}

/* ---- reading ---- */

static uint32_t read_status(const struct e1000_core *c)
{
	uint32_t v = c->hw.status;

	if (c->model->is_82574 && !(c->hw.ctrl & CTRL_GIO_MASTER))
		v |= STATUS_GIO_MASTER;
	return v;
}

/* The semaphore is taken by whoever reads it free: 82574 chapter 10, SWSM. */
static uint32_t read_swsm(struct e1000_core *c)
{
	uint32_t v = c->hw.swsm;

	c->hw.swsm |= SWSM_SMBI;
	return v;
}

static uint32_t read_reg(struct e1000_core *c, uint64_t offset)
{
	const struct reg *r = find(c, offset);

	if (!r)
		return 0;
	switch (r->effect) {
	case COUNTER: return e1000_stat_read(c, (unsigned)offset);
	case STATUS: return read_status(c);
	case EECD: return e1000_eecd_read(c);
	case ICR: return e1000_icr_read(c);
	case IMC: return 0;
	case SWSM: return read_swsm(c);
	case SYSTIML: return (uint32_t)systim(c);
	case SYSTIMH: return (uint32_t)(systim(c) >> 32);
	default: return *word(c, r, offset);
	}
}

/* ---- writing ---- */

static void store(struct e1000_core *c, const struct reg *r, uint64_t offset, uint32_t value)
{
	uint32_t *w = word(c, r, offset);

	*w = (*w & ~r->writable) | (value & r->writable);
}

/* Effects of a write instead of storing it. False: it is to be stored. */
static bool write_special(struct e1000_core *c, const struct reg *r, uint32_t value)
{
	switch (r->effect) {
	case COUNTER:
	case STATUS: return true;
	case EECD: e1000_eecd_write(c, value); return true;
	case EERD: e1000_eerd_write(c, value); return true;
	case EEWR: e1000_eewr_write(c, value); return true;
	case MDIC: e1000_mdic_write(c, value); return true;
	case ICR: e1000_icr_write(c, value); return true;
	case ICS: e1000_cause(c, value & ~ICR_ASSERTED); return true;
	case IMS: c->hw.ims |= value; break;
	case IMC: c->hw.ims &= ~value; break;
	case SYSTIML: write_systim_half(c, value, 0); return true;
	case SYSTIMH: write_systim_half(c, value, 32); return true;
	case TIMINCA: set_systim(c, systim(c)); return false;
	default: return false;
	}
	e1000_irq_update(c);
	return true;
}

/* What follows from the value that is stored now. */
static void after_write(struct e1000_core *c, const struct reg *r, uint32_t value)
{
	switch (r->effect) {
	case CTRL: write_ctrl(c, value); break;
	case IRQ: e1000_irq_update(c); break;
	case RCTL: e1000_link_update(c); break;
	case RDTR:
		if (value & RDTR_FPD)
			e1000_flush_rx(c);
		break;
	case TIDV:
		if (value & TIDV_FPD)
			e1000_flush_tx(c);
		break;
	case RX_TAIL:
	case TX_TAIL:
	case KICK: nic_kick(&c->nic); break;
	default: break;
	}
}

static void write_reg(struct e1000_core *c, uint64_t offset, uint32_t value)
{
	const struct reg *r = find(c, offset);

	if (!r || write_special(c, r, value))
		return;
	store(c, r, offset, value);
	after_write(c, r, value);
}

/* ---- regions ---- */

static uint64_t mem_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return read_reg(to_e1000(d), offset);
}

static void mem_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	write_reg(to_e1000(d), offset, (uint32_t)value);
}

static const struct region_ops mem_ops = {.read = mem_read, .write = mem_write, .min = 4, .max = 4};

/* IOADDR and IODATA, manual section 13.2.2: a window into the memory space. */
static uint64_t io_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct e1000_core *c = to_e1000(d);

	switch (offset) {
	case IO_ADDR: return c->hw.io_addr;
	case IO_DATA: return read_reg(c, c->hw.io_addr & ~3u);
	default: return 0;
	}
}

static void io_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct e1000_core *c = to_e1000(d);

	if (offset == IO_ADDR)
		c->hw.io_addr = (uint32_t)value & (E1000_MEM_SIZE - 1);
	else if (offset == IO_DATA)
		write_reg(c, c->hw.io_addr & ~3u, (uint32_t)value);
}

static const struct region_ops io_ops = {.read = io_read, .write = io_write, .min = 4, .max = 4};

/* ---- life ---- */

static void link_changed(struct dev *d, bool up)
{
	e1000_link_update(to_e1000(d));
}

static const struct nic_ops nic_ops = {
	.tx_next = e1000_tx_next,
	.tx_done = e1000_tx_done,
	.rx_ready = e1000_rx_ready,
	.rx_frame = e1000_rx_frame,
	.link_changed = link_changed,
};

/* Bus mastering may have been switched on, interrupts may go another way. */
static void command_changed(struct pci_dev *p)
{
	struct e1000_core *c = container_of(p, struct e1000_core, pci);

	e1000_irq_update(c);
	nic_kick(&c->nic);
}

const struct pci_ops e1000_pci_ops = {.command_changed = command_changed};

bool e1000_init(struct e1000_core *c, const struct e1000_model *m, uint64_t io_size, GError **error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct dev *d = &c->pci.dev;

	pthread_once(&once, make_rows);
	c->model = m;
	region_init_io(&c->mem, d, &mem_ops, "registers", BUS_MMIO, E1000_MEM_SIZE);
	region_init_io(&c->io, d, &io_ops, "io", BUS_PIO, io_size);
	dev_timer_init(&c->timer, d, VM_CLOCK_VIRTUAL, e1000_timer_fn);
	e1000_nvm_init(c);
	return nic_init(&c->nic, d, &nic_ops, c->mac, error);
}

void e1000_reset(struct dev *d, enum reset_kind kind)
{
	struct e1000_core *c = to_e1000(d);

	pci_dev_reset(&c->pci);
	e1000_phy_reset(c);
	eeprom_reset(&c->hw.eeprom);
	c->hw.io_addr = 0;
	reset_mac(c);
}

void e1000_quiesce(struct dev *d, struct async_group *g)
{
	nic_quiesce(&to_e1000(d)->nic);
	async_done(g);
}

void e1000_resume(struct dev *d)
{
	nic_resume(&to_e1000(d)->nic);
}

int e1000_post_load(struct dev *d)
{
	struct e1000_core *c = to_e1000(d);
	int err = pci_dev_post_load(&c->pci);

	if (err < 0)
		return err;
	nic_post_load(&c->nic);
	e1000_timer_rearm(c);
	e1000_link_update(c); /* it may be another here than where the state was saved */
	e1000_irq_update(c);
	return 0;
}

void e1000_unrealize(struct dev *d)
{
	struct e1000_core *c = to_e1000(d);

	dev_lock(d);
	dev_timer_cancel(&c->timer);
	dev_unlock(d);
	nic_done(&c->nic);
	pci_dev_done(&c->pci);
}

/* ---- state ---- */

static const struct state_field ring_fields[] = {
	ST_U(struct e1000_ring, bal),
	ST_U(struct e1000_ring, bah),
	ST_MAX(struct e1000_ring, len, RING_LEN),
	ST_MAX(struct e1000_ring, head, 0xffff),
	ST_MAX(struct e1000_ring, tail, 0xffff),
	ST_U(struct e1000_ring, dctl),
	ST_END,
};

static const struct state_field context_fields[] = {
	ST_U(struct e1000_context, ipcss),
	ST_U(struct e1000_context, ipcso),
	ST_U(struct e1000_context, tucss),
	ST_U(struct e1000_context, tucso),
	ST_U(struct e1000_context, ipcse),
	ST_U(struct e1000_context, tucse),
	ST_U(struct e1000_context, mss),
	ST_U(struct e1000_context, header),
	ST_U(struct e1000_context, command),
	ST_END,
};

static const struct state_field fields[] = {
	ST_U(struct e1000_hw, ctrl),
	ST_U(struct e1000_hw, status),
	ST_U(struct e1000_hw, eecd),
	ST_U(struct e1000_hw, eerd),
	ST_U(struct e1000_hw, eewr),
	ST_U(struct e1000_hw, ctrl_ext),
	ST_U(struct e1000_hw, mdic),
	ST_U(struct e1000_hw, fcal),
	ST_U(struct e1000_hw, fcah),
	ST_U(struct e1000_hw, fct),
	ST_U(struct e1000_hw, vet),
	ST_U(struct e1000_hw, fcttv),
	ST_U(struct e1000_hw, txcw),
	ST_U(struct e1000_hw, rxcw),
	ST_U(struct e1000_hw, icr),
	ST_U(struct e1000_hw, ims),
	ST_U(struct e1000_hw, iam),
	ST_U(struct e1000_hw, itr),
	ST_U(struct e1000_hw, eiac),
	ST_U(struct e1000_hw, ivar),
	ST_ARRAY(struct e1000_hw, eitr, UINT32_MAX),
	ST_U(struct e1000_hw, rctl),
	ST_U(struct e1000_hw, tctl),
	ST_U(struct e1000_hw, tipg),
	ST_U(struct e1000_hw, ait),
	ST_U(struct e1000_hw, ledctl),
	ST_U(struct e1000_hw, pba),
	ST_U(struct e1000_hw, pbs),
	ST_U(struct e1000_hw, eemngctl),
	ST_U(struct e1000_hw, flop),
	ST_U(struct e1000_hw, fcrtl),
	ST_U(struct e1000_hw, fcrth),
	ST_U(struct e1000_hw, rdtr),
	ST_U(struct e1000_hw, radv),
	ST_U(struct e1000_hw, rsrpd),
	ST_U(struct e1000_hw, tidv),
	ST_U(struct e1000_hw, tadv),
	ST_U(struct e1000_hw, psrctl),
	ST_ARRAY(struct e1000_hw, tarc, UINT32_MAX),
	ST_U(struct e1000_hw, rxcsum),
	ST_U(struct e1000_hw, rfctl),
	ST_U(struct e1000_hw, mrqc),
	ST_ARRAY(struct e1000_hw, mta, UINT32_MAX),
	ST_ARRAY(struct e1000_hw, vfta, UINT32_MAX),
	ST_ARRAY(struct e1000_hw, ra, UINT32_MAX),
	ST_ARRAY(struct e1000_hw, reta, UINT32_MAX),
	ST_ARRAY(struct e1000_hw, rssrk, UINT32_MAX),
	ST_U(struct e1000_hw, wuc),
	ST_U(struct e1000_hw, wufc),
	ST_U(struct e1000_hw, wus),
	ST_U(struct e1000_hw, ipav),
	ST_U(struct e1000_hw, manc),
	ST_U(struct e1000_hw, gcr),
	ST_U(struct e1000_hw, swsm),
	ST_U(struct e1000_hw, swsm2),
	ST_U(struct e1000_hw, fwsm),
	ST_U(struct e1000_hw, factps),
	ST_U(struct e1000_hw, extcnf),
	ST_U(struct e1000_hw, phy_ctrl),
	ST_U(struct e1000_hw, timinca),
	ST_ARRAY(struct e1000_hw, systim_adjust, UINT32_MAX),
	ST_ARRAY(struct e1000_hw, stat, UINT32_MAX),
	ST_MAX(struct e1000_hw, io_addr, E1000_MEM_SIZE - 1),
	ST_U(struct e1000_hw, rx_delayed),
	ST_U(struct e1000_hw, tx_delayed),
	ST_U(struct e1000_hw, sent),
	ST_STRUCTS(struct e1000_hw, rx, ring_fields),
	ST_STRUCTS(struct e1000_hw, tx, ring_fields),
	{
		.name = "context",
		.type = ST_TYPE_STRUCT,
		.offset = offsetof(struct e1000_hw, context),
		.size = ST_SIZEOF(struct e1000_hw, context),
		.elem_size = sizeof(struct e1000_context),
		.count = 2 * E1000_QUEUES,
		.sub = context_fields,
	},
	ST_ARRAY(struct e1000_hw, phy, UINT16_MAX),
	ST_STRUCT(struct e1000_hw, eeprom, eeprom_fields),
	ST_ARRAY(struct e1000_hw, deadline, INT64_MAX),
	ST_MAX(struct e1000_hw, systim_base, INT64_MAX),
	ST_MAX(struct e1000_hw, tx_queue, E1000_QUEUES - 1),
	ST_ARRAY(struct e1000_hw, tx_discard, 1),
	ST_BOOL(struct e1000_hw, asserted),
	ST_BOOL(struct e1000_hw, throttled),
	ST_PAD(struct e1000_hw, pad),
	ST_END,
};

const struct state_desc e1000_state = {
	.name = "e1000", .version = 1, .size = sizeof(struct e1000_hw), .fields = fields};
