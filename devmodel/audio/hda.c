/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the controller (HDA section 3.3), the rings of commands and responses (section 4.4).
 */
#include "devmodel/audio/hda.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "devmodel/audio/audio.h"

#define MEM_SIZE   (16 * KiB)
#define ALIASES    0x2000 /* WALCLK and LPIB again */
#define TCSEL      0x44   /* configuration space: traffic class */
#define WALCLK_HZ  24000000u
#define RING_SIZE  256 /* entries; the only size */
#define RING_CAP   0x42
#define RIRB_ENTRY 8

#define GCAP_VALUE     (HDA_INPUTS << 8 | (HDA_STREAMS - HDA_INPUTS) << 12 | 1) /* 64 bits */
#define GCTL_CRST      0x01
#define CODEC_BIT      0x01   /* of STATESTS, WAKEEN */
#define RP_RESET       0x8000 /* of CORBRP, RIRBWP */
#define CTL_RUN        0x02   /* of CORBCTL, RIRBCTL */
#define RIRB_INT       0x01   /* enable, status */
#define RIRB_OVER      0x04
#define ICIS_BUSY      0x01
#define ICIS_VALID     0x02
#define INT_GLOBAL     0x80000000u
#define INT_CONTROLLER 0x40000000u
#define INT_STREAMS    ((1u << HDA_STREAMS) - 1)

/* ---- which bits can be written, and which are cleared by writing 1 ---- */

static const uint8_t global_writable[H_STREAM] = {
	[H_GCTL] = 0x03,
	[H_GCTL + 1] = 0x01,
	[H_WAKEEN] = CODEC_BIT,
	[H_INTCTL] = INT_STREAMS,
	[H_INTCTL + 3] = 0xc0,
	[H_SSYNC] = INT_STREAMS,
	[H_CORBBASE] = 0x80,
	[H_CORBBASE + 1] = 0xff,
	[H_CORBBASE + 2] = 0xff,
	[H_CORBBASE + 3] = 0xff,
	[H_CORBBASE + 4] = 0xff,
	[H_CORBBASE + 5] = 0xff,
	[H_CORBBASE + 6] = 0xff,
	[H_CORBBASE + 7] = 0xff,
	[H_CORBWP] = 0xff,
	[H_CORBRP + 1] = 0x80,
	[H_CORBCTL] = 0x03,
	[H_RIRBBASE] = 0x80,
	[H_RIRBBASE + 1] = 0xff,
	[H_RIRBBASE + 2] = 0xff,
	[H_RIRBBASE + 3] = 0xff,
	[H_RIRBBASE + 4] = 0xff,
	[H_RIRBBASE + 5] = 0xff,
	[H_RIRBBASE + 6] = 0xff,
	[H_RIRBBASE + 7] = 0xff,
	[H_RINTCNT] = 0xff,
	[H_RIRBCTL] = 0x07,
	[H_ICOI] = 0xff,
	[H_ICOI + 1] = 0xff,
	[H_ICOI + 2] = 0xff,
	[H_ICOI + 3] = 0xff,
	[H_DPBASE] = 0x81,
	[H_DPBASE + 1] = 0xff,
	[H_DPBASE + 2] = 0xff,
	[H_DPBASE + 3] = 0xff,
	[H_DPBASE + 4] = 0xff,
	[H_DPBASE + 5] = 0xff,
	[H_DPBASE + 6] = 0xff,
	[H_DPBASE + 7] = 0xff,
};

static const uint8_t stream_writable[H_STREAM_STEP] = {
	[S_CTL] = 0x1f,
	[S_CTL + 2] = 0xfb,
	[S_CBL] = 0xff,
	[S_CBL + 1] = 0xff,
	[S_CBL + 2] = 0xff,
	[S_CBL + 3] = 0xff,
	[S_LVI] = 0xff,
	[S_FMT] = 0x7f,
	[S_FMT + 1] = 0xff,
	[S_BDPL] = 0x80,
	[S_BDPL + 1] = 0xff,
	[S_BDPL + 2] = 0xff,
	[S_BDPL + 3] = 0xff,
	[S_BDPL + 4] = 0xff,
	[S_BDPL + 5] = 0xff,
	[S_BDPL + 6] = 0xff,
	[S_BDPL + 7] = 0xff,
};

static uint8_t writable(unsigned i)
{
	return i < H_STREAM ? global_writable[i] : stream_writable[i % H_STREAM_STEP];
}

static uint8_t write_clears(unsigned i)
{
	switch (i) {
	case H_STATESTS: return CODEC_BIT;
	case H_GSTS: return 0x02;
	case H_CORBSTS: return 0x01;
	case H_RIRBSTS: return RIRB_INT | RIRB_OVER;
	case H_ICIS: return ICIS_VALID;
	default: return i >= H_STREAM && i % H_STREAM_STEP == S_STS ? S_STS_EVENTS : 0;
	}
}

/* ---- interrupts: INTCTL, INTSTS ---- */

static uint32_t interrupt_status(const struct hda *h)
{
	const uint8_t *reg = h->hw.reg;
	uint32_t v = 0;

	for (unsigned n = 0; n < HDA_STREAMS; n++) {
		unsigned s = hda_stream_reg(n);

		if (reg[s + S_STS] & reg[s + S_CTL] & S_STS_EVENTS)
			v |= 1u << n;
	}
	if (reg[H_RIRBSTS] & reg[H_RIRBCTL] & (RIRB_INT | RIRB_OVER) ||
		reg[H_STATESTS] & reg[H_WAKEEN])
		v |= INT_CONTROLLER;
	if (v & hda_get32(h, H_INTCTL))
		v |= INT_GLOBAL;
	return v;
}

/* With MSI what comes while something else waits is a message of its own. */
static void update_irq(struct hda *h)
{
	uint32_t enabled = hda_get32(h, H_INTCTL), status = interrupt_status(h);
	bool level = status & enabled & INT_GLOBAL;

	hda_set32(h, H_INTSTS, status);
	if (level && status & enabled & ~h->hw.raised && pci_msi_enabled(&h->pci))
		pci_irq_set(&h->pci, false);
	h->hw.raised = level ? status & enabled : 0;
	pci_irq_set(&h->pci, level);
}

/* ---- commands ---- */

static void respond(struct hda *h, uint32_t response)
{
	uint8_t *reg = h->hw.reg;
	uint32_t entry[] = {htole32(response), 0};
	gpa_t at;

	if (!(reg[H_RIRBCTL] & CTL_RUN))
		return;
	reg[H_RIRBWP]++;
	if (!gpa_add(GPA(hda_get64(h, H_RIRBBASE)), (uint64_t)reg[H_RIRBWP] * RIRB_ENTRY, &at) ||
		gmem_write(h->pci.dev.bus->gmem, at, entry, sizeof(entry)) < 0)
		dev_guest_error(&h->pci.dev, "no memory at the ring of responses");
	reg[H_RIRBSTS] |= RIRB_INT;
}

/* From the read pointer to the write pointer, at most once round: they are bytes. */
static void run_commands(struct hda *h)
{
	uint8_t *reg = h->hw.reg;
	uint32_t command, response;
	gpa_t at;

	if (!(reg[H_CORBCTL] & CTL_RUN) || !pci_may_dma(&h->pci) || reg[H_CORBRP + 1])
		return;
	while (reg[H_CORBRP] != reg[H_CORBWP]) {
		reg[H_CORBRP]++;
		if (!gpa_add(GPA(hda_get64(h, H_CORBBASE)), reg[H_CORBRP] * sizeof(command), &at) ||
			gmem_read(h->pci.dev.bus->gmem, at, &command, sizeof(command)) < 0) {
			dev_guest_error(&h->pci.dev, "no memory at the ring of commands");
			reg[H_CORBSTS] |= 1;
			return;
		}
		if (hda_codec_command(h, le32toh(command), &response))
			respond(h, response);
	}
}

/* Section 3.4.3: a command by register; the answer is there at once. */
static void immediate(struct hda *h)
{
	uint32_t response;

	h->hw.reg[H_ICIS] &= (uint8_t)~ICIS_VALID;
	if (!hda_codec_command(h, hda_get32(h, H_ICOI), &response))
		return;
	hda_set32(h, H_ICII, response);
	h->hw.reg[H_ICIS] |= ICIS_VALID;
}

/* ---- reset ---- */

/* What CRST leaves: nothing but itself; the codec reports when the link is up again. */
static void reset_controller(struct hda *h, bool out_of_reset)
{
	uint8_t *reg = h->hw.reg, wake = reg[H_WAKEEN];

	memset(&h->hw, 0, sizeof(h->hw));
	hda_set16(h, H_GCAP, GCAP_VALUE);
	reg[H_VMAJ] = 1;
	hda_set16(h, H_OUTPAY, 0x3c);
	hda_set16(h, H_INPAY, 0x1d);
	reg[H_CORBSIZE] = reg[H_RIRBSIZE] = RING_CAP;
	for (unsigned n = 0; n < HDA_STREAMS; n++) {
		hda_stream_control(h, n, 0);
		hda_set16(h, hda_stream_reg(n) + S_FIFOS, n < HDA_INPUTS ? 0x77 : 0xbf);
	}
	hda_codec_reset(h);
	h->hw.wall_base = hda_now(h);
	reg[H_WAKEEN] = wake;
	if (out_of_reset) {
		reg[H_GCTL] = GCTL_CRST;
		reg[H_STATESTS] = CODEC_BIT;
	}
}

/* ---- effects of writes ---- */

static bool touches(uint64_t offset, unsigned size, unsigned reg, unsigned n)
{
	return offset < reg + n && offset + size > reg;
}

static void write_byte(struct hda *h, unsigned i, uint8_t v)
{
	uint8_t *r = &h->hw.reg[i], before = *r;

	*r = (uint8_t)((*r & ~writable(i)) | (v & writable(i)));
	*r &= (uint8_t) ~(v & write_clears(i));
	if (i >= H_STREAM && i % H_STREAM_STEP == S_CTL)
		hda_stream_control(h, (i - H_STREAM) / H_STREAM_STEP, before);
	else if (i == H_RIRBWP + 1 && v & RP_RESET >> 8)
		h->hw.reg[H_RIRBWP] = 0;
	else if (i == H_CORBRP + 1 && v & RP_RESET >> 8)
		h->hw.reg[H_CORBRP] = 0;
	else if (i == H_ICIS && v & ICIS_BUSY)
		immediate(h);
}

static void write_regs(struct hda *h, uint64_t offset, unsigned size, uint64_t value)
{
	bool was_up = h->hw.reg[H_GCTL] & GCTL_CRST, up;

	/* In reset there is only the bit that ends it. */
	for (unsigned i = 0; i < size; i++) {
		if (was_up || offset + i == H_GCTL)
			write_byte(h, (unsigned)offset + i, (uint8_t)(value >> (8 * i)));
	}
	up = h->hw.reg[H_GCTL] & GCTL_CRST;
	if (up != was_up)
		reset_controller(h, up);
	if (touches(offset, size, H_CORBWP, 5))
		run_commands(h);
	if (touches(offset, size, H_DPBASE, 4))
		hda_streams_rearm(h);
	update_irq(h);
}

/* ---- the region ---- */

static uint32_t walclk(struct hda *h)
{
	uint64_t passed = hda_now(h) - MIN(h->hw.wall_base, hda_now(h));

	return (uint32_t)((unsigned __int128)passed * WALCLK_HZ / NSEC_PER_SEC);
}

static void refresh(struct hda *h)
{
	hda_streams_update(h);
	for (unsigned n = 0; n < HDA_STREAMS; n++)
		hda_set32(h, hda_stream_reg(n) + S_LPIB, h->hw.stream[n].lpib);
	hda_set32(h, H_WALCLK, walclk(h));
	update_irq(h);
}

static uint64_t mem_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct hda *h = container_of(to_pci_dev(d), struct hda, pci);
	uint64_t v = 0;

	if (offset >= ALIASES)
		offset -= ALIASES;
	if (offset >= H_SIZE)
		return 0;
	refresh(h);
	for (unsigned i = size; i-- > 0;)
		v = v << 8 | h->hw.reg[offset + i];
	return v;
}

static void mem_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct hda *h = container_of(to_pci_dev(d), struct hda, pci);

	if (offset >= H_SIZE)
		return;
	hda_streams_update(h);
	write_regs(h, offset, size, value);
}

static const struct region_ops mem_ops = {.read = mem_read, .write = mem_write, .min = 1, .max = 4};

static void timer_due(struct dev *d)
{
	struct hda *h = container_of(to_pci_dev(d), struct hda, pci);

	hda_streams_update(h);
	update_irq(h);
}

/* ---- life ---- */

static void command_changed(struct pci_dev *p)
{
	struct hda *h = container_of(p, struct hda, pci);

	run_commands(h);
	update_irq(h);
}

static const struct pci_ops pci_ops = {.command_changed = command_changed};

static bool realize(struct dev *d, GError **error)
{
	static const struct pci_conf conf = {.vendor = 0x8086,
		.device = 0x293e,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x040300,
		.revision = 3,
		.pin = 1};
	struct hda *h = container_of(to_pci_dev(d), struct hda, pci);
	int err;

	if (!pci_dev_init(&h->pci, &pci_ops, &conf, error))
		return false;
	h->pci.wmask[TCSEL] = 0x07;
	dev_timer_init(&h->timer, d, VM_CLOCK_VIRTUAL, timer_due);
	region_init_io(&h->mem, d, &mem_ops, "registers", BUS_MMIO, MEM_SIZE);
	pci_bar_init(&h->pci, 0, &h->mem, true, false);
	err = pci_msi_init(&h->pci, 1);
	if (err < 0)
		return err_set_errno(error, -err, "device %s: MSI", d->id);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct hda *h = container_of(to_pci_dev(d), struct hda, pci);

	pci_dev_reset(&h->pci);
	h->hw.reg[H_WAKEEN] = 0;
	reset_controller(h, false);
	update_irq(h);
}

static void pre_save(struct dev *d)
{
	refresh(container_of(to_pci_dev(d), struct hda, pci));
	pci_dev_pre_save(d);
}

static int post_load(struct dev *d)
{
	struct hda *h = container_of(to_pci_dev(d), struct hda, pci);
	int err = pci_dev_post_load(&h->pci);

	if (err < 0)
		return err;
	for (unsigned n = 0; n < HDA_STREAMS; n++) {
		if (h->hw.stream[n].offset > h->hw.stream[n].length)
			return -EINVAL;
	}
	hda_streams_rearm(h);
	update_irq(h);
	return 0;
}

static void unrealize(struct dev *d)
{
	struct hda *h = container_of(to_pci_dev(d), struct hda, pci);

	dev_lock(d);
	dev_timer_cancel(&h->timer);
	dev_unlock(d);
	pci_dev_done(&h->pci);
}

static const struct prop props[] = {
	PROP_PCI("addr", struct hda, pci.addr, "PCI slot and function; unset: the first free slot"),
	PROP_END,
};

static const struct prop_table prop_table = {.name = "ich9-intel-hda",
	.doc = "Intel ICH9 High Definition Audio controller with a silent codec",
	.size = sizeof(struct hda),
	.props = props};

static const struct state_field fields[] = {
	ST_BYTES(struct hda_hw, reg),
	ST_MAX(struct hda_hw, wall_base, INT64_MAX),
	ST_U(struct hda_hw, raised),
	ST_PAD(struct hda_hw, pad),
	ST_STRUCTS(struct hda_hw, stream, hda_stream_fields),
	ST_STRUCTS(struct hda_hw, node, hda_node_fields),
	ST_END,
};

/* A position behind the end of its buffer would never come back. */
static int check(const void *hw)
{
	const struct hda_hw *h = hw;

	for (unsigned n = 0; n < HDA_STREAMS; n++) {
		if (h->stream[n].offset > h->stream[n].length)
			return -EINVAL;
	}
	return 0;
}

static const struct state_desc state = {.name = "hda",
	.version = 1,
	.size = sizeof(struct hda_hw),
	.fields = fields,
	.check = check};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct hda, pci.pci_hw)},
	{&state, offsetof(struct hda, hw)},
	{},
};

const struct dev_ops ich9_intel_hda_ops = {
	.name = "ich9-intel-hda",
	.doc = "Intel ICH9 High Definition Audio controller with a silent codec",
	.size = sizeof(struct hda),
	.props = &prop_table,
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.pre_save = pre_save,
	.post_load = post_load,
	.state = parts,
};

const struct dev_ops *const audio_devices[] = {&ich9_intel_hda_ops, NULL};
