/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fixed ACPI hardware, ACPI 6.4 section 4.8, as PIIX4 (82371AB chapter 7.2) and ICH9 (section
 * 13.8.3) have it. There is no legacy mode to come from: SCI_EN is always set.
 */
#include "devmodel/chipset/acpi.h"

#include <errno.h>

enum { PM1_STS = 0, PM1_EN = 2, PM1_CNT = 4, PM_TMR = 8, PM_END = 12 };
#define STS_TMR    0x0001
#define STS_BM     0x0010
#define STS_GBL    0x0020
#define STS_PWRBTN 0x0100
#define STS_RTC    0x0400
#define STS_WAK    0x8000
#define STS_ALL    (STS_TMR | STS_BM | STS_GBL | STS_PWRBTN | STS_RTC | STS_WAK)
#define EN_ALL     (STS_TMR | STS_GBL | STS_PWRBTN | STS_RTC)
#define CNT_SCI_EN 0x0001
#define CNT_SLP_EN 0x2000
#define CNT_STORED 0x1c02 /* BM_RLD, SLP_TYP */
#define SLP_TYP(v) ((v) >> 10 & 7)
#define SLP_S5     0

#define PM_TIMER_HZ   UINT64_C(3579545)
#define PM_TIMER_MASK 0xffffffu

/* ---- SCI and timer ---- */

static uint64_t ticks_of_ns(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * PM_TIMER_HZ / NSEC_PER_SEC);
}

/* The first ns at which the timer shows @ticks. */
static uint64_t ns_of_ticks(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * NSEC_PER_SEC + PM_TIMER_HZ - 1) /
			  PM_TIMER_HZ);
}

static uint64_t now(struct acpi_pm *pm)
{
	return (uint64_t)dev_clock(pm->dev, VM_CLOCK_VIRTUAL);
}

/* When the top bit changes next: every 2^23 ticks. */
static uint64_t next_overflow(uint64_t ns)
{
	const uint64_t half = (PM_TIMER_MASK + 1) / 2;

	return ns_of_ticks((ticks_of_ns(ns) / half + 1) * half);
}

/* Brings TMR_STS up to date with the clock. */
static void update_timer_status(struct acpi_pm *pm)
{
	if (now(pm) >= pm->hw.overflow) {
		pm->hw.sts |= STS_TMR;
		pm->hw.overflow = next_overflow(now(pm));
	}
}

static void drive_sci(struct acpi_pm *pm)
{
	bool level = pm->hw.sts & pm->hw.en & EN_ALL;

	for (unsigned i = 0; i < pm->gpe_bytes; i++)
		level |= pm->hw.gpe_sts[i] & pm->hw.gpe_en[i];
	irq_set(&pm->sci, level);
}

/*
 * Nobody needs to be woken for an overflow that interrupts nobody, or has done so already. Device
 * lock held.
 */
static void arm_timer(struct acpi_pm *pm)
{
	if ((pm->hw.en & STS_TMR) && !(pm->hw.sts & STS_TMR))
		dev_timer_set(&pm->timer, (int64_t)pm->hw.overflow);
	else
		dev_timer_cancel(&pm->timer);
}

static void lock(struct acpi_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
}

static void unlock(struct acpi_pm *pm)
{
	pthread_mutex_unlock(&pm->lock);
}

void acpi_pm_tick(struct acpi_pm *pm)
{
	lock(pm);
	update_timer_status(pm);
	drive_sci(pm);
	unlock(pm);
	arm_timer(pm);
}

void acpi_pm_set_sci(struct acpi_pm *pm, struct irq sci)
{
	lock(pm);
	if (sci.sink != pm->sci.sink || sci.n != pm->sci.n)
		irq_set(&pm->sci, false);
	pm->sci = sci;
	drive_sci(pm);
	unlock(pm);
}

/* ---- PM1 and the timer ---- */

uint32_t acpi_pm_read(struct acpi_pm *pm, unsigned offset, unsigned size)
{
	uint8_t b[PM_END] = {};
	uint16_t *words = (uint16_t *)(void *)b;
	uint32_t v = 0;

	lock(pm);
	update_timer_status(pm);
	words[PM1_STS / 2] = pm->hw.sts;
	words[PM1_EN / 2] = pm->hw.en;
	words[PM1_CNT / 2] = pm->hw.cnt;
	*(uint32_t *)(void *)(b + PM_TMR) = (uint32_t)(ticks_of_ns(now(pm)) & PM_TIMER_MASK);
	drive_sci(pm);
	unlock(pm);
	for (unsigned i = 0; i < size && offset + i < PM_END; i++)
		v |= (uint32_t)b[offset + i] << (8 * i);
	return v;
}

static void write_cnt(struct acpi_pm *pm, uint16_t value)
{
	struct bus *b = pm->dev->bus;

	pm->hw.cnt = (value & CNT_STORED) | CNT_SCI_EN;
	if ((value & CNT_SLP_EN) && SLP_TYP(value) == SLP_S5)
		b->request(b, BUS_REQUEST_SHUTDOWN, 0);
}

/* One byte at a time: a guest may write any of them by itself. */
static void write_byte(struct acpi_pm *pm, unsigned offset, uint8_t value)
{
	unsigned shift = offset & 1 ? 8 : 0;
	uint16_t v = (uint16_t)(value << shift), mask = (uint16_t)(0xff << shift);

	switch (offset & ~1u) {
	case PM1_STS: pm->hw.sts &= (uint16_t) ~(v & STS_ALL); break;
	case PM1_EN: pm->hw.en = (uint16_t)((pm->hw.en & ~mask) | (v & EN_ALL)); break;
	case PM1_CNT: write_cnt(pm, (uint16_t)((pm->hw.cnt & ~mask) | v)); break;
	default: break;
	}
}

void acpi_pm_write(struct acpi_pm *pm, unsigned offset, unsigned size, uint32_t value)
{
	lock(pm);
	update_timer_status(pm);
	for (unsigned i = 0; i < size; i++)
		write_byte(pm, offset + i, (uint8_t)(value >> (8 * i)));
	drive_sci(pm);
	unlock(pm);
	arm_timer(pm);
}

/* ---- general-purpose events ---- */

uint8_t acpi_gpe_read(struct acpi_pm *pm, unsigned offset)
{
	uint8_t v = 0;

	lock(pm);
	if (offset < pm->gpe_bytes)
		v = pm->hw.gpe_sts[offset];
	else if (offset < 2 * pm->gpe_bytes)
		v = pm->hw.gpe_en[offset - pm->gpe_bytes];
	unlock(pm);
	return v;
}

void acpi_gpe_write(struct acpi_pm *pm, unsigned offset, uint8_t value)
{
	lock(pm);
	if (offset < pm->gpe_bytes)
		pm->hw.gpe_sts[offset] &= (uint8_t)~value;
	else if (offset < 2 * pm->gpe_bytes)
		pm->hw.gpe_en[offset - pm->gpe_bytes] = value;
	drive_sci(pm);
	unlock(pm);
}

void acpi_pm_gpe(struct acpi_pm *pm, unsigned n)
{
	lock(pm);
	pm->hw.gpe_sts[n / 8 % pm->gpe_bytes] |= (uint8_t)(1u << n % 8);
	drive_sci(pm);
	unlock(pm);
}

static void gpe_set(struct irq_sink *s, unsigned n, bool level)
{
	if (level)
		acpi_pm_gpe(container_of(s, struct acpi_pm, gpe), n);
}

struct irq acpi_pm_gpe_pin(struct acpi_pm *pm, unsigned n)
{
	return (struct irq){.sink = &pm->gpe, .n = n};
}

void acpi_pm_power_button(struct acpi_pm *pm)
{
	lock(pm);
	pm->hw.sts |= STS_PWRBTN;
	drive_sci(pm);
	unlock(pm);
}

/* ---- life ---- */

void acpi_pm_init(
	struct acpi_pm *pm, struct dev *d, unsigned gpe_bytes, void (*on_timer)(struct dev *d))
{
	pm->dev = d;
	pm->gpe_bytes = gpe_bytes;
	pm->gpe.set = gpe_set;
	pthread_mutex_init(&pm->lock, NULL);
	dev_timer_init(&pm->timer, d, VM_CLOCK_VIRTUAL, on_timer);
}

void acpi_pm_done(struct acpi_pm *pm)
{
	if (!pm->dev)
		return;
	dev_lock(pm->dev);
	dev_timer_cancel(&pm->timer);
	dev_unlock(pm->dev);
	irq_set(&pm->sci, false);
	pthread_mutex_destroy(&pm->lock);
	pm->dev = NULL;
}

void acpi_pm_reset(struct acpi_pm *pm)
{
	lock(pm);
	pm->hw = (struct acpi_pm_hw){.cnt = CNT_SCI_EN, .overflow = next_overflow(now(pm))};
	drive_sci(pm);
	unlock(pm);
	arm_timer(pm);
}

int acpi_pm_post_load(struct acpi_pm *pm)
{
	for (unsigned i = pm->gpe_bytes; i < ACPI_GPE_BYTES; i++) {
		if (pm->hw.gpe_sts[i] | pm->hw.gpe_en[i])
			return -EINVAL;
	}
	lock(pm);
	drive_sci(pm);
	unlock(pm);
	arm_timer(pm);
	return 0;
}

static const struct state_field fields[] = {
	ST_MAX(struct acpi_pm_hw, sts, STS_ALL),
	ST_MAX(struct acpi_pm_hw, en, EN_ALL),
	ST_RANGE(struct acpi_pm_hw, cnt, CNT_SCI_EN, CNT_STORED | CNT_SCI_EN),
	ST_PAD(struct acpi_pm_hw, pad),
	ST_BYTES(struct acpi_pm_hw, gpe_sts),
	ST_BYTES(struct acpi_pm_hw, gpe_en),
	ST_MAX(struct acpi_pm_hw, overflow, INT64_MAX),
	ST_END,
};

const struct state_desc acpi_pm_state = {
	.name = "acpi-pm", .version = 1, .size = sizeof(struct acpi_pm_hw), .fields = fields};
