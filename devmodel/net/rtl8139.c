/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RTL8139C+'s registers; rtl8139.h says what is where. */
#include "devmodel/net/rtl8139.h"

#include <endian.h>
#include <string.h>

#include "devmodel/net/net-devices.h"

#define BAR_IO   0
#define BAR_MEM  1
#define TIMER_HZ UINT64_C(33000000) /* of TCTR: the PCI clock */

#define TCR_VERSION   0x74800000u /* bits 30:26 and 23:22: RTL8139C+ */
#define EE_MODE(v)    ((v) >> 6)  /* of 9346CR */
#define EE_AUTOLOAD   1
#define EE_PROGRAM    2
#define EE_CONFIG     3
#define EE_CS         0x08
#define EE_SK         0x04
#define EE_DI         0x02
#define EE_DO         0x01
#define MSR_NO_LINK   0x04
#define BMCR_RESET    0x8000u
#define BMSR_FIXED    0x7809u /* 10 and 100 Mb/s, both duplexes; negotiates */
#define BMSR_UP       0x0024u /* link; negotiation is done */
#define ANLPAR_UP     0x45e1u
#define TSD_STATUS    0xff00c000u /* the device's, cleared by writing */
#define TSD_OWN       0x00002000u
#define TSD_TOK       0x00008000u
#define DTCCR_COMMAND 0x08u

/* ---- which bits can be written ---- */

static const uint8_t writable[R_SIZE] = {
	[R_IDR... R_IDR + 5] = 0xff,
	[R_MAR... R_MAR + 7] = 0xff,
	[R_TSD... R_RBSTART + 3] = 0xff, /* TSD, TSAD, RBSTART */
	[R_CR] = CR_TE | CR_RE,
	[R_CAPR... R_CAPR + 1] = 0xff,
	[R_IMR] = 0xff,
	[R_IMR + 1] = 0xe1,
	[R_TCR] = 0xf0,
	[R_TCR + 1] = 0x07,
	[R_TCR + 2] = 0x07,
	[R_TCR + 3] = 0x03,
	[R_RCR... R_RCR + 1] = 0xff,
	[R_RCR + 2] = 0x03,
	[R_RCR + 3] = 0x0f,
	[R_9346CR] = 0xc0 | EE_CS | EE_SK | EE_DI,
	[R_CONFIG1] = 0xf3,
	[R_TIMER_INT... R_TIMER_INT + 3] = 0xff,
	[R_MSR] = 0xc0,
	[R_CONFIG3] = 0x65,
	[R_CONFIG4] = 0xff,
	[0x5c] = 0xff, /* MULINT */
	[0x5d] = 0x0f,
	[R_BMCR + 1] = 0x31,
	[R_ANAR... R_ANAR + 1] = 0xff,
	[R_CSCR... R_PHY2] = 0xff,
	[R_WAKE_FIRST... R_WAKE_LAST] = 0xff, /* wake-up frames */
	[R_CONFIG5] = 0x7f,
	[R_CPCR] = 0x7b,
	[R_CPCR + 1] = 0x03,
	[R_RDSAR... R_RDSAR + 7] = 0xff,
	[0xec] = 0x3f, /* ETThR */
};

/* Only while 9346CR says so. */
static bool locked(const struct rtl8139 *s, unsigned i)
{
	bool config = (i >= R_CONFIG0 && i <= R_CONFIG1) || i == R_CONFIG3 || i == R_CONFIG4 ||
		      i == R_CONFIG5;

	return config && EE_MODE(s->hw.reg[R_9346CR]) != EE_CONFIG;
}

/* ---- interrupts ---- */

static void update_irq(struct rtl8139 *s)
{
	pci_irq_set(&s->pci, rtl_get16(s, R_ISR) & rtl_get16(s, R_IMR));
}

void rtl8139_cause(struct rtl8139 *s, uint16_t causes)
{
	rtl_set16(s, R_ISR, rtl_get16(s, R_ISR) | causes);
	update_irq(s);
}

/* ---- TCTR and TimerInt ---- */

static uint64_t now(struct rtl8139 *s)
{
	return (uint64_t)dev_clock(&s->pci.dev, VM_CLOCK_VIRTUAL);
}

static uint64_t ticks(struct rtl8139 *s)
{
	return (uint64_t)((unsigned __int128)(now(s) - s->hw.timer_base) * TIMER_HZ / NSEC_PER_SEC);
}

/* When TCTR, which is 32 bits wide, shows TimerInt next; 0: never. */
static uint64_t next_timeout(struct rtl8139 *s)
{
	uint32_t want = rtl_get32(s, R_TIMER_INT);
	uint64_t have = ticks(s), at;

	if (!want)
		return 0;
	at = (have & ~(uint64_t)UINT32_MAX) + want;
	if (at <= have)
		at += UINT64_C(1) << 32;
	return s->hw.timer_base +
	       (uint64_t)(((unsigned __int128)at * NSEC_PER_SEC + TIMER_HZ - 1) / TIMER_HZ);
}

void rtl8139_timer_rearm(struct rtl8139 *s)
{
	uint64_t first = s->hw.timeout;

	if (s->hw.retry && (!first || s->hw.retry < first))
		first = s->hw.retry;
	if (first)
		dev_timer_set(&s->timer, (int64_t)first);
	else
		dev_timer_cancel(&s->timer);
}

static void timer_due(struct dev *d)
{
	struct rtl8139 *s = to_rtl8139(d);

	if (s->hw.timeout && s->hw.timeout <= now(s)) {
		rtl8139_cause(s, ISR_TIMEOUT);
		s->hw.timeout = next_timeout(s);
	}
	if (s->hw.retry && s->hw.retry <= now(s)) {
		s->hw.retry = 0;
		nic_kick(&s->nic);
	}
	rtl8139_timer_rearm(s);
}

/* ---- descriptors ---- */

bool rtl8139_desc_at(struct rtl8139 *s, unsigned reg, unsigned i, gpa_t *ret)
{
	uint64_t base = (uint64_t)rtl_get32(s, reg + 4) << 32 | (rtl_get32(s, reg) & ~0xffu);

	return gpa_add(GPA(base), (uint64_t)i * DESC_BYTES, ret);
}

bool rtl8139_read_desc(struct rtl8139 *s, unsigned reg, unsigned i, struct rtl8139_desc *ret)
{
	gpa_t at;

	if (!rtl8139_desc_at(s, reg, i, &at) ||
		gmem_read(s->pci.dev.bus->gmem, at, ret, sizeof(*ret)) < 0)
		return false;
	ret->command = le32toh(ret->command);
	ret->vlan = le32toh(ret->vlan);
	ret->low = le32toh(ret->low);
	ret->high = le32toh(ret->high);
	return true;
}

/* ---- link ---- */

static void update_link(struct rtl8139 *s)
{
	bool up = s->nic.net->link_up;

	s->hw.reg[R_MSR] = (uint8_t)((s->hw.reg[R_MSR] & ~MSR_NO_LINK) | (up ? 0 : MSR_NO_LINK));
	rtl_set16(s, R_BMSR, up ? BMSR_FIXED | BMSR_UP : BMSR_FIXED);
	rtl_set16(s, R_ANLPAR, up ? ANLPAR_UP : 0);
	rtl_set16(s, R_ANER, up ? 1 : 0);
}

static void link_changed(struct dev *d, bool up)
{
	struct rtl8139 *s = to_rtl8139(d);

	update_link(s);
	rtl8139_cause(s, ISR_LINK);
	nic_kick(&s->nic);
}

/* ---- reset ---- */

/* The identity words of the EEPROM, as they are loaded. Section 7. */
static void load_config(struct rtl8139 *s)
{
	for (unsigned i = 0; i < ETH_ALEN; i++)
		s->hw.reg[R_IDR + i] = (uint8_t)(s->hw.eeprom.words[7 + i / 2] >> (8 * (i % 2)));
	s->hw.reg[R_CONFIG0] = 0;
	s->hw.reg[R_CONFIG1] = 0x0c; /* both BARs are there */
	s->hw.reg[R_CONFIG3] = 0x01;
	s->hw.reg[R_CONFIG4] = 0;
}

/* CR.RST: engines and interrupts; addresses, configuration and PHY stay. */
static void soft_reset(struct rtl8139 *s)
{
	uint8_t *reg = s->hw.reg;

	memset(reg + R_TSD, 0, R_9346CR - R_TSD);
	for (unsigned i = 0; i < RTL_SLOTS; i++)
		rtl_set32(s, R_TSD + 4 * i, TSD_OWN);
	rtl_set16(s, R_CAPR, 0xfff0);
	rtl_set32(s, R_TIMER_INT, 0);
	rtl_set16(s, R_CPCR, 0);
	s->hw.cbr = 0;
	s->hw.tx_slot = s->hw.rx_desc = s->hw.polled = 0;
	memset(s->hw.tx_desc, 0, sizeof(s->hw.tx_desc));
	s->hw.starved = false;
	s->hw.retry = s->hw.timeout = 0;
	s->hw.timer_base = now(s);
	s->nic.loopback = false;
	nic_forget(&s->nic);
	rtl8139_timer_rearm(s);
	update_irq(s);
}

/* ---- effects of writes ---- */

static void wrote_slots(struct rtl8139 *s)
{
	for (unsigned i = 0; i < RTL_SLOTS; i++) {
		uint32_t v = rtl_get32(s, R_TSD + 4 * i);

		if (!(v & TSD_OWN))
			rtl_set32(s, R_TSD + 4 * i, v & ~TSD_STATUS);
	}
	nic_kick(&s->nic);
}

/* Section 6.3: the counters into memory at the address in DTCCR. */
static void dump_tally(struct rtl8139 *s)
{
	const struct rtl8139_tally *t = &s->hw.tally;
	struct {
		uint64_t tx_ok, rx_ok, tx_error;
		uint32_t rx_error;
		uint16_t missed, alignment;
		uint32_t one_collision, more_collisions;
		uint64_t rx_physical, rx_broadcast;
		uint32_t rx_multicast;
		uint16_t aborted, underrun;
	} dump = {
		.tx_ok = htole64(t->tx_ok),
		.rx_ok = htole64(t->rx_ok),
		.missed = htole16((uint16_t)t->missed),
		.rx_physical = htole64(t->rx_ok_physical),
		.rx_broadcast = htole64(t->rx_ok_broadcast),
		.rx_multicast = htole32(t->rx_ok_multicast),
	};
	uint64_t to = (uint64_t)rtl_get32(s, R_TSD + 4) << 32 | (rtl_get32(s, R_TSD) & ~0x3fu);

	_Static_assert(sizeof(dump) == 64, "data sheet, DTCCR");
	s->hw.reg[R_TSD] &= (uint8_t)~DTCCR_COMMAND;
	if (pci_may_dma(&s->pci) &&
		gmem_write(s->pci.dev.bus->gmem, GPA(to), &dump, sizeof(dump)) < 0)
		dev_guest_error(&s->pci.dev, "tally counters: no memory at their address");
}

static void wrote_tsd(struct rtl8139 *s)
{
	if (!(rtl_get16(s, R_CPCR) & (CPCR_TX | CPCR_RX)))
		wrote_slots(s);
	else if (s->hw.reg[R_TSD] & DTCCR_COMMAND)
		dump_tally(s);
}

static void wrote_tcr(struct rtl8139 *s)
{
	s->nic.loopback = (rtl_get32(s, R_TCR) & TCR_LOOPBACK) == TCR_LOOPBACK;
	nic_kick(&s->nic);
}

static void wrote_imr(struct rtl8139 *s)
{
	update_irq(s);
	if (s->hw.starved)
		nic_kick(&s->nic);
}

static void wrote_timer(struct rtl8139 *s)
{
	s->hw.timeout = next_timeout(s);
	rtl8139_timer_rearm(s);
}

static void wrote_tctr(struct rtl8139 *s)
{
	s->hw.timer_base = now(s);
	wrote_timer(s);
}

static void wrote_mpc(struct rtl8139 *s)
{
	rtl_set32(s, R_MPC, 0);
}

static void wrote_9346cr(struct rtl8139 *s)
{
	uint8_t v = s->hw.reg[R_9346CR];
	bool program = EE_MODE(v) == EE_PROGRAM;

	eeprom_pins(&s->hw.eeprom, program && v & EE_CS, v & EE_SK, v & EE_DI);
	if (EE_MODE(v) != EE_AUTOLOAD)
		return;
	load_config(s);
	s->hw.reg[R_9346CR] = 0;
}

static void wrote_rings(struct rtl8139 *s)
{
	s->hw.tx_desc[0] = s->hw.tx_desc[1] = 0;
}

static void wrote_rdsar(struct rtl8139 *s)
{
	s->hw.rx_desc = 0;
	nic_kick(&s->nic);
}

static void wrote_kick(struct rtl8139 *s)
{
	nic_kick(&s->nic);
}

/* The first register that a write has touched decides; drivers write one at a time. */
static const struct effect {
	uint8_t first, last;
	void (*fn)(struct rtl8139 *s);
} effects[] = {
	{R_CR, R_CR, wrote_kick},
	{R_CAPR, R_CAPR + 1, wrote_kick},
	{R_IMR, R_ISR + 1, wrote_imr},
	{R_TSD, R_TSD + 15, wrote_tsd},
	{R_TSAD, R_TSAD + 15, wrote_rings},
	{R_TCR, R_TCR + 3, wrote_tcr},
	{R_RCR, R_RCR + 3, wrote_kick},
	{R_TCTR, R_TCTR + 3, wrote_tctr},
	{R_TIMER_INT, R_TIMER_INT + 3, wrote_timer},
	{R_MPC, R_MPC + 3, wrote_mpc},
	{R_9346CR, R_9346CR, wrote_9346cr},
	{R_CPCR, R_CPCR + 1, wrote_kick},
	{R_RDSAR, R_RDSAR + 7, wrote_rdsar},
};

static void run_effects(struct rtl8139 *s, uint64_t offset, unsigned size)
{
	for (unsigned i = 0; i < ARRAY_SIZE(effects); i++) {
		if (offset <= effects[i].last && offset + size > effects[i].first)
			effects[i].fn(s);
	}
}

/* Bits that do something by being written, and are not stored. */
static void write_command(struct rtl8139 *s, unsigned i, uint8_t v)
{
	switch (i) {
	case R_CR:
		if (v & CR_RST)
			soft_reset(s);
		break;
	case R_ISR:
	case R_ISR + 1: s->hw.reg[i] &= (uint8_t)~v; break;
	case R_TPPOLL:
		s->hw.polled |= v & (TPPOLL_NPQ | TPPOLL_HPQ);
		if (v & TPPOLL_SWINT)
			rtl8139_cause(s, ISR_SWINT);
		nic_kick(&s->nic);
		break;
	default: break;
	}
}

static void reg_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct rtl8139 *s = to_rtl8139(d);

	for (unsigned n = 0; n < size; n++, value >>= 8) {
		unsigned i = (unsigned)offset + n;
		uint8_t v = (uint8_t)value, mask = locked(s, i) ? 0 : writable[i];

		write_command(s, i, v);
		if (i != R_CR || !(v & CR_RST))
			s->hw.reg[i] = (uint8_t)((s->hw.reg[i] & ~mask) | (v & mask));
	}
	run_effects(s, offset, size);
}

/* ---- reading ---- */

/*
 * TSAD (0x60): OWN, abort, underrun and TOK of the four slots, a bit each. Section 6.19 of the
 * RTL8139C.
 */
static uint16_t all_slots(const struct rtl8139 *s)
{
	uint16_t v = 0;

	for (unsigned i = 0; i < RTL_SLOTS; i++) {
		uint32_t tsd = rtl_get32(s, R_TSD + 4 * i);

		v |= (uint16_t)((!!(tsd & TSD_TOK) << (12 + i)) | (!!(tsd & TSD_OWN) << i));
	}
	return v;
}

/* Registers that show something which is kept elsewhere. */
static void refresh(struct rtl8139 *s)
{
	uint8_t *reg = s->hw.reg;

	reg[R_CR] = (uint8_t)((reg[R_CR] & ~CR_BUFE) | (rtl8139_ring_empty(s) ? CR_BUFE : 0));
	rtl_set16(s, R_CBR, s->hw.cbr);
	rtl_set32(s, R_TCR, (rtl_get32(s, R_TCR) & ~0x7cc00000u) | TCR_VERSION);
	rtl_set32(s, R_TCTR, (uint32_t)ticks(s));
	rtl_set16(s, R_TSAD_ALL, all_slots(s));
	reg[R_9346CR] = (uint8_t)((reg[R_9346CR] & ~EE_DO) |
				  (EE_MODE(reg[R_9346CR]) == EE_PROGRAM && eeprom_out(&s->hw.eeprom)
						  ? EE_DO
						  : 0));
}

static uint64_t reg_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct rtl8139 *s = to_rtl8139(d);
	uint64_t v = 0;

	/* What drivers read most does not need it. */
	if (offset != R_ISR)
		refresh(s);
	for (unsigned i = size; i-- > 0;)
		v = v << 8 | s->hw.reg[offset + i];
	return v;
}

static const struct region_ops reg_ops = {.read = reg_read, .write = reg_write, .min = 1, .max = 4};

/* ---- life ---- */

static const struct nic_ops nic_ops = {
	.tx_next = rtl8139_tx_next,
	.tx_done = rtl8139_tx_done,
	.rx_ready = rtl8139_rx_ready,
	.rx_frame = rtl8139_rx_frame,
	.link_changed = link_changed,
};

static void command_changed(struct pci_dev *p)
{
	nic_kick(&container_of(p, struct rtl8139, pci)->nic);
}

static const struct pci_ops pci_ops = {.command_changed = command_changed};

void rtl8139_set_backend(struct dev *d, struct net *net)
{
	to_rtl8139(d)->nic.net = net;
}

/* Section 7: signature, identifiers, configuration, address. */
static void init_eeprom(struct rtl8139 *s)
{
	static const uint16_t words[] = {0x8129, 0x10ec, 0x8139, 0x10ec, 0x8139, 0x4020, 0xe112};
	uint16_t *w = s->hw.eeprom.words;

	memcpy(w, words, sizeof(words));
	for (unsigned i = 0; i < ETH_ALEN / 2; i++)
		w[7 + i] = (uint16_t)(s->mac[2 * i] | s->mac[2 * i + 1] << 8);
}

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x10ec,
		.device = 0x8139,
		.subsys_vendor = 0x10ec,
		.subsys = 0x8139,
		.class_code = 0x020000,
		.revision = 0x20,
		.pin = 1};
	struct rtl8139 *s = to_rtl8139(d);

	if (!pci_dev_init(&s->pci, &pci_ops, &conf, error))
		return false;
	init_eeprom(s);
	dev_timer_init(&s->timer, d, VM_CLOCK_VIRTUAL, timer_due);
	region_init_io(&s->io, d, &reg_ops, "io", BUS_PIO, R_SIZE);
	region_init_io(&s->mem, d, &reg_ops, "registers", BUS_MMIO, R_SIZE);
	pci_bar_init(&s->pci, BAR_IO, &s->io, false, false);
	pci_bar_init(&s->pci, BAR_MEM, &s->mem, false, false);
	return nic_init(&s->nic, d, &nic_ops, s->mac, error);
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct rtl8139 *s = to_rtl8139(d);

	pci_dev_reset(&s->pci);
	memset(s->hw.reg, 0, sizeof(s->hw.reg));
	s->hw.tally = (struct rtl8139_tally){.tx_ok = 0};
	eeprom_reset(&s->hw.eeprom);
	load_config(s);
	rtl_set16(s, R_BMCR, 0x3100); /* 100 Mb/s, negotiation, full duplex */
	rtl_set16(s, R_ANAR, 0x05e1);
	update_link(s);
	soft_reset(s);
}

static void quiesce(struct dev *d, struct async_group *g)
{
	nic_quiesce(&to_rtl8139(d)->nic);
	async_done(g);
}

static void resume(struct dev *d)
{
	nic_resume(&to_rtl8139(d)->nic);
}

static void pre_save(struct dev *d)
{
	refresh(to_rtl8139(d));
	pci_dev_pre_save(d);
}

static int post_load(struct dev *d)
{
	struct rtl8139 *s = to_rtl8139(d);
	int err = pci_dev_post_load(&s->pci);

	if (err < 0)
		return err;
	update_link(s);
	wrote_tcr(s);
	nic_post_load(&s->nic);
	rtl8139_timer_rearm(s);
	update_irq(s);
	return 0;
}

static void unrealize(struct dev *d)
{
	struct rtl8139 *s = to_rtl8139(d);

	dev_lock(d);
	dev_timer_cancel(&s->timer);
	dev_unlock(d);
	nic_done(&s->nic);
	pci_dev_done(&s->pci);
}

static const struct prop props[] = {
	PROP_MAC("mac", struct rtl8139, mac, "address of the station"),
	PROP_PCI("addr", struct rtl8139, pci.addr,
		"PCI slot and function; unset: the first free slot"),
	PROP_END,
};

static const struct prop_table prop_table = {.name = "rtl8139",
	.doc = "Realtek RTL8139C+ Fast Ethernet controller",
	.size = sizeof(struct rtl8139),
	.props = props};

static const struct state_field tally_fields[] = {
	ST_U(struct rtl8139_tally, tx_ok),
	ST_U(struct rtl8139_tally, rx_ok),
	ST_U(struct rtl8139_tally, rx_ok_physical),
	ST_U(struct rtl8139_tally, rx_ok_broadcast),
	ST_U(struct rtl8139_tally, rx_ok_multicast),
	ST_U(struct rtl8139_tally, missed),
	ST_END,
};

static const struct state_field fields[] = {
	ST_BYTES(struct rtl8139_hw, reg),
	ST_STRUCT(struct rtl8139_hw, eeprom, eeprom_fields),
	ST_STRUCT(struct rtl8139_hw, tally, tally_fields),
	ST_MAX(struct rtl8139_hw, timer_base, INT64_MAX),
	ST_MAX(struct rtl8139_hw, timeout, INT64_MAX),
	ST_MAX(struct rtl8139_hw, retry, INT64_MAX),
	ST_U(struct rtl8139_hw, cbr),
	ST_MAX(struct rtl8139_hw, rx_desc, RTL_DESCS - 1),
	ST_MAX(struct rtl8139_hw, tx_slot, RTL_SLOTS - 1),
	ST_ARRAY(struct rtl8139_hw, tx_desc, RTL_DESCS - 1),
	ST_MAX(struct rtl8139_hw, polled, TPPOLL_NPQ | TPPOLL_HPQ),
	ST_BOOL(struct rtl8139_hw, starved),
	ST_END,
};

static const struct state_desc state = {
	.name = "rtl8139", .version = 1, .size = sizeof(struct rtl8139_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct rtl8139, pci.pci_hw)},
	{&nic_state, offsetof(struct rtl8139, nic.hw)},
	{&state, offsetof(struct rtl8139, hw)},
	{},
};

const struct dev_ops rtl8139_ops = {
	.name = "rtl8139",
	.doc = "Realtek RTL8139C+ Fast Ethernet controller",
	.size = sizeof(struct rtl8139),
	.props = &prop_table,
	.realize = realize,
	.reset = reset,
	.quiesce = quiesce,
	.resume = resume,
	.unrealize = unrealize,
	.pre_save = pre_save,
	.post_load = post_load,
	.state = parts,
};
