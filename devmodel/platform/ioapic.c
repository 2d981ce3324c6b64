/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O APIC 82093AA, Intel order number 290566, with the EOI register that version 0x20 has (ICH9
 * data sheet, section 13.5.6). Messages to local APICs are those of MSI (SDM volume 3, section
 * 11.11).
 *
 * Lines are asserted or not: the polarity bits are held and have no effect. An edge at a masked
 * input is lost (section 3.2.4, bit 16).
 */
#include <errno.h>
#include <pthread.h>

#include "devmodel/platform/irqchip.h"

#define REG_SELECT 0x00
#define REG_WINDOW 0x10
#define REG_EOI    0x40

#define INDEX_ID      0x00
#define INDEX_VERSION 0x01
#define INDEX_ARB     0x02
#define INDEX_TABLE   0x10 /* two for each input */
#define VERSION       (0x20 | (GSI_PINS - 1) << 16)

#define ENTRY_VECTOR     0x000000ffu
#define ENTRY_MODE       0x00000700u
#define ENTRY_LOGICAL    0x00000800u
#define ENTRY_REMOTE_IRR 0x00004000u
#define ENTRY_LEVEL      0x00008000u
#define ENTRY_MASKED     0x00010000u
#define ENTRY_WRITABLE   (UINT64_C(0xff) << 56 | 0x1afff)

struct ioapic_hw {
	uint64_t entries[GSI_PINS]; /* [g] */
	uint32_t lines;             /* inputs */
	uint8_t select;             /* [g] */
	uint8_t id;                 /* [g] */
	uint8_t pad[2];
};

struct ioapic {
	struct dev dev;
	pthread_mutex_t lock; /* an irq lock, also of the registers */
	struct ioapic_hw hw;  /* lock [s] */
	struct irq_sink sink;
	struct region region;
};

static struct ioapic *ioapic(struct dev *d)
{
	return container_of(d, struct ioapic, dev);
}

struct irq_sink *ioapic_inputs(struct dev *d)
{
	return &ioapic(d)->sink;
}

/* ---- interrupts ---- */

static void deliver(struct ioapic *s, uint64_t e)
{
	struct accel_msi msi = {
		.addr = 0xfee00000 | (e >> 56) << 12 | (e & ENTRY_LOGICAL ? 4 : 0),
		.data = (uint32_t)(e & (ENTRY_VECTOR | ENTRY_MODE | ENTRY_LEVEL)) |
			(e & ENTRY_LEVEL ? 0x4000 : 0),
	};

	/* Whom nobody listens to has no effect, as on the APIC bus. */
	(void)!bus_msi_send(s->dev.bus, &msi);
}

/* A level-triggered input that is asserted, and not waiting for an EOI. */
static void serve_level(struct ioapic *s, unsigned n)
{
	uint64_t *e = &s->hw.entries[n];

	if ((*e & (ENTRY_LEVEL | ENTRY_MASKED | ENTRY_REMOTE_IRR)) != ENTRY_LEVEL ||
		!(s->hw.lines & 1u << n))
		return;
	*e |= ENTRY_REMOTE_IRR;
	deliver(s, *e);
}

static void input(struct irq_sink *sink, unsigned n, bool level)
{
	struct ioapic *s = container_of(sink, struct ioapic, sink);
	uint32_t bit;
	bool rises;

	if (n >= GSI_PINS)
		return;
	bit = UINT32_C(1) << n;
	pthread_mutex_lock(&s->lock);
	rises = level && !(s->hw.lines & bit);
	s->hw.lines = level ? s->hw.lines | bit : s->hw.lines & ~bit;
	if (s->hw.entries[n] & ENTRY_LEVEL)
		serve_level(s, n);
	else if (rises && !(s->hw.entries[n] & ENTRY_MASKED))
		deliver(s, s->hw.entries[n]);
	pthread_mutex_unlock(&s->lock);
}

static void eoi_locked(struct ioapic *s, uint8_t vector)
{
	for (unsigned n = 0; n < GSI_PINS; n++) {
		uint64_t *e = &s->hw.entries[n];

		if ((*e & ENTRY_VECTOR) != vector || !(*e & ENTRY_REMOTE_IRR))
			continue;
		*e &= ~(uint64_t)ENTRY_REMOTE_IRR;
		serve_level(s, n);
	}
}

void ioapic_eoi(struct dev *d, uint8_t vector)
{
	struct ioapic *s = ioapic(d);

	pthread_mutex_lock(&s->lock);
	eoi_locked(s, vector);
	pthread_mutex_unlock(&s->lock);
}

/* ---- registers ---- */

static uint32_t read_indexed(const struct ioapic *s)
{
	unsigned n = (s->hw.select - INDEX_TABLE) / 2u;

	switch (s->hw.select) {
	case INDEX_ID:
	case INDEX_ARB: return (uint32_t)s->hw.id << 24;
	case INDEX_VERSION: return VERSION;
	default: break;
	}
	if (s->hw.select < INDEX_TABLE || n >= GSI_PINS)
		return 0;
	return (uint32_t)(s->hw.entries[n] >> (s->hw.select % 2 ? 32 : 0));
}

/* Remote IRR belongs to level-triggered inputs. */
static void write_entry(struct ioapic *s, unsigned n, bool high, uint32_t value)
{
	uint64_t *e = &s->hw.entries[n];
	uint64_t half = high ? UINT64_C(0xffffffff) << 32 : 0xffffffff;
	uint64_t mask = half & ENTRY_WRITABLE;

	*e = (*e & ~mask) | ((high ? (uint64_t)value << 32 : value) & mask);
	if (!(*e & ENTRY_LEVEL))
		*e &= ~(uint64_t)ENTRY_REMOTE_IRR;
	serve_level(s, n);
}

static void write_indexed(struct ioapic *s, uint32_t value)
{
	unsigned n = (s->hw.select - INDEX_TABLE) / 2u;

	if (s->hw.select == INDEX_ID)
		s->hw.id = value >> 24 & 0x0f;
	else if (s->hw.select >= INDEX_TABLE && n < GSI_PINS)
		write_entry(s, n, s->hw.select % 2, value);
}

static uint64_t ioapic_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct ioapic *s = ioapic(d);
	uint32_t v = 0;

	pthread_mutex_lock(&s->lock);
	if (offset == REG_SELECT)
		v = s->hw.select;
	else if (offset == REG_WINDOW)
		v = read_indexed(s);
	pthread_mutex_unlock(&s->lock);
	return v;
}

static void ioapic_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct ioapic *s = ioapic(d);

	pthread_mutex_lock(&s->lock);
	switch (offset) {
	case REG_SELECT: s->hw.select = (uint8_t)value; break;
	case REG_WINDOW: write_indexed(s, (uint32_t)value); break;
	case REG_EOI: eoi_locked(s, (uint8_t)value); break;
	default: break;
	}
	pthread_mutex_unlock(&s->lock);
}

/* The select register is written as a byte too (section 3.1). */
static const struct region_ops region_ops = {
	.read = ioapic_read, .write = ioapic_write, .min = 1, .max = 4, .unlocked = true};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	struct ioapic *s = ioapic(d);

	pthread_mutex_init(&s->lock, NULL);
	s->sink.set = input;
	region_init_io(&s->region, d, &region_ops, "ioapic", BUS_MMIO, 0x1000);
	return region_map(d->bus, &s->region, IOAPIC_BASE, REGION_PRIO_DEVICE) == 0;
}

/* Lines are inputs: gsi_redrive() tells them again. */
static void reset(struct dev *d, enum reset_kind kind)
{
	struct ioapic *s = ioapic(d);

	pthread_mutex_lock(&s->lock);
	s->hw = (struct ioapic_hw){.select = 0};
	for (unsigned n = 0; n < GSI_PINS; n++)
		s->hw.entries[n] = ENTRY_MASKED;
	pthread_mutex_unlock(&s->lock);
}

static void unrealize(struct dev *d)
{
	pthread_mutex_destroy(&ioapic(d)->lock);
}

static const struct state_field fields[] = {
	ST_ARRAY(struct ioapic_hw, entries, ENTRY_WRITABLE | ENTRY_REMOTE_IRR),
	ST_MAX(struct ioapic_hw, lines, (1 << GSI_PINS) - 1),
	ST_U(struct ioapic_hw, select),
	ST_MAX(struct ioapic_hw, id, 0x0f),
	ST_PAD(struct ioapic_hw, pad),
	ST_END,
};

static int check(const void *hw)
{
	const struct ioapic_hw *h = hw;

	for (unsigned n = 0; n < GSI_PINS; n++) {
		if (h->entries[n] & ~(ENTRY_WRITABLE | ENTRY_REMOTE_IRR))
			return -EINVAL;
	}
	return 0;
}

static const struct state_desc state = {
	.name = "ioapic",
	.version = 1,
	.size = sizeof(struct ioapic_hw),
	.fields = fields,
	.check = check,
};

const struct dev_ops ioapic_ops = {
	.name = "ioapic",
	.doc = "I/O APIC, 82093AA with EOI register",
	.size = sizeof(struct ioapic),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.state =
		(const struct dev_part[]){
			{&state, offsetof(struct ioapic, hw)},
			{.desc = NULL},
		},
};
