/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PHY behind MDIC (manual chapter 8 and section 13.4.7; registers 0 to 15 IEEE 802.3 clause 22
 * and annex 28B, 40C), and the EEPROM (manual chapter 5).
 */
#include <string.h>

#include "devmodel/net/e1000.h"

enum {
	MII_BMCR = 0,
	MII_BMSR = 1,
	MII_ID1 = 2,
	MII_ID2 = 3,
	MII_ANAR = 4,
	MII_ANLPAR = 5,
	MII_ANER = 6,
	MII_1000T_CTRL = 9,
	MII_1000T_STATUS = 10,
	MII_EXT_STATUS = 15,
	PHY_CTRL = 16, /* of the vendor */
	PHY_STATUS = 17,
	PHY_INT_STATUS = 19,
	PHY_EXT_CTRL = 20,
	PHY_PAGE = 22, /* 82574 */
};

#define BMCR_RESET     0x8000u
#define BMCR_LOOPBACK  0x4000u
#define BMCR_ANEG      0x1000u
#define BMCR_POWERDOWN 0x0800u
#define BMCR_RESTART   0x0200u
#define BMSR_LINK      0x0004u
#define BMSR_ANEG_DONE 0x0020u
#define PHY_ID1        0x0141
#define PARTNER        0x45e1 /* 10 and 100 Mb/s, both duplexes, pause; acknowledged */
#define PARTNER_1000   0x7c00 /* 1000BASE-T, both duplexes; both receivers are fine */
#define SPEC_1000_FULL 0xac00 /* resolved to 1000 Mb/s, full duplex */
#define SPEC_LINK      0x0400
#define NEGOTIATION_NS (500 * NSEC_PER_MSEC)

static const uint16_t phy_reset[E1000_PHY_REGS] = {
	[MII_BMCR] = 0x1140, /* negotiation, full duplex, 1000 Mb/s */
	[MII_BMSR] = 0x7949, /* what it can do */
	[MII_ID1] = PHY_ID1,
	[MII_ANAR] = 0x0de1,
	[MII_1000T_CTRL] = 0x0e00,
	[MII_EXT_STATUS] = 0x3000,
	[PHY_CTRL] = 0x0360,
	[PHY_EXT_CTRL] = 0x0d60,
};

/* Bits the guest can write. */
static const uint16_t phy_writable[E1000_PHY_REGS] = {
	[MII_BMCR] = 0x7fc0,
	[MII_ANAR] = 0xffff,
	[7] = 0xffff,
	[MII_1000T_CTRL] = 0xff00,
	[PHY_CTRL] = 0xffff,
	[18] = 0xffff,
	[PHY_EXT_CTRL] = 0xffff,
	[PHY_PAGE] = 0x00ff,
	[24] = 0xffff,
	[25] = 0xffff,
	[26] = 0xffff,
	[29] = 0xffff,
	[30] = 0xffff,
};

/* ---- link ---- */

static bool negotiating(const struct e1000_core *c)
{
	return c->hw.deadline[E1000_T_LINK];
}

bool e1000_link_up(const struct e1000_core *c)
{
	return c->nic.net->link_up && !negotiating(c) && !(c->hw.phy[MII_BMCR] & BMCR_POWERDOWN);
}

/* What the registers of MAC and PHY show of the link. */
void e1000_link_update(struct e1000_core *c)
{
	bool up = e1000_link_up(c), was = c->hw.status & STATUS_LU;
	uint16_t *phy = c->hw.phy;

	phy[MII_BMSR] &= (uint16_t) ~(BMSR_LINK | BMSR_ANEG_DONE);
	if (up)
		phy[MII_BMSR] |= BMSR_LINK | (phy[MII_BMCR] & BMCR_ANEG ? BMSR_ANEG_DONE : 0);
	phy[MII_ANLPAR] = up ? PARTNER : 0;
	phy[MII_ANER] = up ? 1 : 0;
	phy[MII_1000T_STATUS] = up ? PARTNER_1000 : 0;
	phy[PHY_STATUS] = up ? SPEC_1000_FULL | SPEC_LINK : 0;
	if (up)
		c->hw.status |= STATUS_LU;
	else
		c->hw.status &= ~STATUS_LU;
	c->nic.loopback = phy[MII_BMCR] & BMCR_LOOPBACK || c->hw.rctl & RCTL_LBM;
	if (up != was)
		e1000_cause(c, ICR_LSC);
	nic_kick(&c->nic);
}

void e1000_link_timer(struct e1000_core *c)
{
	e1000_link_update(c);
}

/* ---- MDI ---- */

void e1000_phy_reset(struct e1000_core *c)
{
	memcpy(c->hw.phy, phy_reset, sizeof(c->hw.phy));
	c->hw.phy[MII_ID2] = c->model->phy_id2;
	c->hw.deadline[E1000_T_LINK] = 0;
}

static void write_bmcr(struct e1000_core *c, uint16_t value)
{
	if (value & BMCR_RESET) {
		e1000_phy_reset(c);
		value = c->hw.phy[MII_BMCR] | BMCR_RESTART;
	}
	if (value & BMCR_ANEG && value & BMCR_RESTART && c->nic.net->link_up)
		e1000_timer_start(c, E1000_T_LINK, NEGOTIATION_NS);
	c->hw.phy[MII_BMCR] = value & phy_writable[MII_BMCR] & (uint16_t)~BMCR_RESTART;
	e1000_link_update(c);
}

/* Registers 0 to 15 and the page register are on every page, those of the vendor are on page 0. */
static bool on_page(const struct e1000_core *c, unsigned reg)
{
	return reg < PHY_CTRL || reg == PHY_PAGE || !c->hw.phy[PHY_PAGE];
}

static void phy_write(struct e1000_core *c, unsigned reg, uint16_t value)
{
	if (!on_page(c, reg))
		return;
	if (reg == MII_BMCR)
		write_bmcr(c, value);
	else if (phy_writable[reg])
		c->hw.phy[reg] = value & phy_writable[reg];
}

static uint16_t phy_read(struct e1000_core *c, unsigned reg)
{
	return on_page(c, reg) ? c->hw.phy[reg] : 0;
}

void e1000_mdic_write(struct e1000_core *c, uint32_t value)
{
	uint32_t result = (value & ~(MDIC_ERROR | 0xffffu)) | MDIC_READY;

	if (MDIC_PHY(value) != c->model->phy_address) {
		result |= MDIC_ERROR;
	} else if (MDIC_OP(value) == MDIC_OP_READ) {
		result |= phy_read(c, MDIC_REG(value));
	} else if (MDIC_OP(value) == MDIC_OP_WRITE) {
		phy_write(c, MDIC_REG(value), (uint16_t)value);
		result |= value & 0xffff;
	} else {
		result |= MDIC_ERROR;
	}
	c->hw.mdic = result;
	if (value & MDIC_INT)
		e1000_cause(c, ICR_MDAC);
}

/* ---- EEPROM ---- */

#define NVM_CHECKSUM 0x3f
#define NVM_SUM      0xbaba /* of all words, manual chapter 5 */

void e1000_nvm_init(struct e1000_core *c)
{
	uint16_t *w = c->hw.eeprom.words, sum = 0;

	memcpy(w, c->model->nvm, sizeof(c->hw.eeprom.words));
	for (unsigned i = 0; i < ETH_ALEN / 2; i++)
		w[i] = (uint16_t)(c->mac[2 * i] | c->mac[2 * i + 1] << 8);
	for (unsigned i = 0; i < NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + w[i]);
	w[NVM_CHECKSUM] = (uint16_t)(NVM_SUM - sum);
}

#define EECD_STORED (EECD_SK | EECD_CS | EECD_DI | 0x30u | EECD_REQ)

/* Software gets the pins as soon as it asks: there is no other user. */
void e1000_eecd_write(struct e1000_core *c, uint32_t value)
{
	c->hw.eecd = value & EECD_STORED;
	eeprom_pins(&c->hw.eeprom, value & EECD_REQ && value & EECD_CS, value & EECD_SK,
		value & EECD_DI);
}

uint32_t e1000_eecd_read(const struct e1000_core *c)
{
	uint32_t v = c->hw.eecd | EECD_PRES;

	if (v & EECD_REQ)
		v |= EECD_GNT;
	if (eeprom_out(&c->hw.eeprom))
		v |= EECD_DO;
	if (c->model->is_82574)
		v |= EECD_AUTO_RD;
	return v;
}

static unsigned nvm_address(const struct e1000_core *c, uint32_t value)
{
	return c->model->is_82574 ? value >> 2 & 0x3fff : value >> 8 & 0xff;
}

static uint16_t *nvm_word(struct e1000_core *c, uint32_t value)
{
	unsigned address = nvm_address(c, value);

	return address < EEPROM_WORDS ? &c->hw.eeprom.words[address] : NULL;
}

void e1000_eerd_write(struct e1000_core *c, uint32_t value)
{
	uint32_t where = value & (c->model->is_82574 ? 0xfffcu : 0xff00u);
	const uint16_t *word = nvm_word(c, value);

	c->hw.eerd = where;
	if (value & EERD_START)
		c->hw.eerd |= (c->model->is_82574 ? EERW_DONE : EERD_DONE) |
			      (uint32_t)(word ? *word : UINT16_MAX) << 16;
}

void e1000_eewr_write(struct e1000_core *c, uint32_t value)
{
	uint16_t *word = nvm_word(c, value);

	c->hw.eewr = (value & 0xfffffffcu) | EERW_DONE;
	if (value & EERD_START && word)
		*word = (uint16_t)(value >> 16);
}
