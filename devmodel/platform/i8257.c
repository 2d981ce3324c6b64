/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ISA DMA: two 8237A, Intel order number 231466, with the page registers of a PC/AT as the 82371SB
 * has them (order number 290550, section 2.5.1).
 *
 * A transfer happens when the channel's device calls for it, as many bytes at a time as it has:
 * single, demand and block mode differ in who waits for the bus, and nobody here does. Cascade mode
 * gives the bus to the device, which there is none for. Memory to memory, priorities and timings
 * are not modelled.
 */
#include "devmodel/platform/i8257.h"

#include <string.h>

#define CHANNELS 4 /* of a controller */
#define CHIPS    2
#define PAGES    16

/* Registers behind those of the channels. */
enum {
	REG_STATUS = 0x8, /* write: command */
	REG_REQUEST = 0x9,
	REG_MASK = 0xa,
	REG_MODE = 0xb,
	REG_FLIP_FLOP = 0xc,
	REG_MASTER_CLEAR = 0xd, /* read: temporary register, of memory to memory transfers */
	REG_CLEAR_MASK = 0xe,
	REG_ALL_MASK = 0xf,
};

#define COMMAND_DISABLE 0x04
#define BIT_SET         0x04 /* of request and single mask */
#define MODE_CHANNEL    0x03
#define MODE_TYPE       0x0c
#define MODE_VERIFY     0x00
#define MODE_TO_MEMORY  0x04
#define MODE_TO_DEVICE  0x08
#define MODE_AUTO       0x10
#define MODE_DOWN       0x20
#define MODE_CASCADE    0xc0
#define MODE_SAVED      0xfc

struct channel_hw {
	uint16_t base_addr, base_count; /* [g] */
	uint16_t addr, count;           /* [g] count + 1 bytes or words are left */
	uint8_t mode;                   /* [g] */
	uint8_t pad;
};

struct chip_hw {
	struct channel_hw channels[CHANNELS];
	uint8_t command;  /* [g] */
	uint8_t mask;     /* [g] bit n: channel n is not served */
	uint8_t request;  /* [g] by software */
	uint8_t terminal; /* channels that have reached their terminal count, until read */
	bool high;        /* the flip-flop: the next byte of an address or count is the upper one */
	uint8_t pad;
};

struct i8257_hw {
	struct chip_hw chips[CHIPS];
	uint8_t pages[PAGES]; /* [g] 0x80 on; those of no channel are memory */
};

struct channel {
	struct isa_dma dma;
	struct i8257 *owner;
	uint8_t chip, n;
};

struct i8257 {
	struct dev dev;
	pthread_mutex_t lock; /* an irq lock, also of the registers */
	struct i8257_hw hw;   /* lock [s] */
	uint8_t dreq[CHIPS];  /* lock: inputs */
	struct channel channels[CHIPS][CHANNELS];
	struct region regs[CHIPS], pages;
};

static struct i8257 *i8257(struct dev *d)
{
	return container_of(d, struct i8257, dev);
}

struct isa_dma *i8257_channel(struct dev *d, unsigned n)
{
	return &i8257(d)->channels[n / CHANNELS][n % CHANNELS].dma;
}

/* ---- transfers ---- */

static bool served(const struct i8257 *s, unsigned chip, unsigned n)
{
	const struct chip_hw *c = &s->hw.chips[chip];

	return (s->dreq[chip] & ~c->mask & 1u << n) && !(c->command & COMMAND_DISABLE) &&
	       (c->channels[n].mode & MODE_CASCADE) != MODE_CASCADE;
}

/* Tells the devices whose requests are served now and were not, @before. */
static void tell(struct i8257 *s, unsigned chip, unsigned before)
{
	for (unsigned n = 0; n < CHANNELS; n++) {
		struct isa_dma *c = &s->channels[chip][n].dma;

		if (!(before & 1u << n) && served(s, chip, n) && c->ready)
			c->ready(c->opaque);
	}
}

static unsigned all_served(const struct i8257 *s, unsigned chip)
{
	unsigned set = 0;

	for (unsigned n = 0; n < CHANNELS; n++)
		set |= (unsigned)served(s, chip, n) << n;
	return set;
}

static void channel_request(struct isa_dma *dma, bool level)
{
	struct channel *c = container_of(dma, struct channel, dma);
	struct i8257 *s = c->owner;
	unsigned before;

	pthread_mutex_lock(&s->lock);
	before = all_served(s, c->chip);
	if (level)
		s->dreq[c->chip] |= 1u << c->n;
	else
		s->dreq[c->chip] &= ~(1u << c->n);
	tell(s, c->chip, before);
	pthread_mutex_unlock(&s->lock);
}

/* Ports of the page registers, from 0x80 on; channel 4's is that of refresh. */
static const uint8_t page_of[CHIPS][CHANNELS] = {{0x7, 0x3, 0x1, 0x2}, {0xf, 0xb, 0x9, 0xa}};

/*
 * Of the unit at @addr: on the second controller addresses count words, and bit 0 of the page is
 * not used.
 */
static gpa_t address(const struct channel *c, uint16_t addr)
{
	uint32_t page = c->owner->hw.pages[page_of[c->chip][c->n]];

	return GPA(c->chip ? (page & 0xfe) << 16 | (uint32_t)addr << 1 : page << 16 | addr);
}

static void access_memory(
	struct channel *c, bool to_memory, uint16_t addr, uint8_t *buf, size_t bytes)
{
	struct gmem *g = c->owner->dev.bus->gmem;

	if (to_memory)
		(void)!gmem_write(g, address(c, addr), buf, bytes);
	else if (gmem_read(g, address(c, addr), buf, bytes) < 0)
		memset(buf, 0xff, bytes);
}

/* @units from the present address on; it wraps at the end of the page, and may run down. */
static void move(
	struct channel *c, struct channel_hw *h, bool to_memory, uint8_t *buf, unsigned units)
{
	unsigned width = c->chip ? 2 : 1, step;

	for (unsigned i = 0; i < units; i += step) {
		if (h->mode & MODE_DOWN)
			step = 1;
		else
			step = MIN(units - i, 0x10000u - h->addr);
		access_memory(c, to_memory, h->addr, buf + i * width, step * width);
		h->addr = (uint16_t)(h->mode & MODE_DOWN ? h->addr - step : h->addr + step);
	}
}

static void skip(struct channel_hw *h, unsigned units)
{
	h->addr = (uint16_t)(h->mode & MODE_DOWN ? h->addr - units : h->addr + units);
}

/* At the terminal count a channel begins anew, or masks itself. */
static void terminate(struct chip_hw *chip, unsigned n)
{
	struct channel_hw *h = &chip->channels[n];

	chip->terminal |= 1u << n;
	chip->request &= ~(1u << n);
	if (h->mode & MODE_AUTO) {
		h->addr = h->base_addr;
		h->count = h->base_count;
	} else {
		chip->mask |= 1u << n;
	}
}

static size_t transfer_locked(
	struct channel *c, bool to_memory, uint8_t *buf, size_t n, bool *ret_tc)
{
	struct chip_hw *chip = &c->owner->hw.chips[c->chip];
	struct channel_hw *h = &chip->channels[c->n];
	unsigned width = c->chip ? 2 : 1;
	unsigned units = (unsigned)MIN(n / width, h->count + UINT32_C(1));

	if (!served(c->owner, c->chip, c->n) || !units)
		return 0;
	if ((h->mode & MODE_TYPE) == (to_memory ? MODE_TO_MEMORY : MODE_TO_DEVICE))
		move(c, h, to_memory, buf, units);
	else
		skip(h, units);
	*ret_tc = units == h->count + 1u;
	h->count = (uint16_t)(h->count - units);
	if (*ret_tc)
		terminate(chip, c->n);
	return (size_t)units * width;
}

static size_t channel_transfer(
	struct isa_dma *dma, bool to_memory, uint8_t *buf, size_t n, bool *ret_tc)
{
	struct channel *c = container_of(dma, struct channel, dma);

	*ret_tc = false;
	pthread_mutex_lock(&c->owner->lock);
	n = transfer_locked(c, to_memory, buf, n, ret_tc);
	pthread_mutex_unlock(&c->owner->lock);
	return n;
}

static size_t channel_left(struct isa_dma *dma)
{
	struct channel *c = container_of(dma, struct channel, dma);
	size_t units;

	pthread_mutex_lock(&c->owner->lock);
	units = c->owner->hw.chips[c->chip].channels[c->n].count + UINT32_C(1);
	pthread_mutex_unlock(&c->owner->lock);
	return c->chip ? 2 * units : units;
}

static const struct isa_dma_ops channel_ops = {
	.request = channel_request,
	.left = channel_left,
	.transfer = channel_transfer,
};

/* ---- registers ---- */

static uint8_t half(struct chip_hw *c, uint16_t v)
{
	c->high = !c->high;
	return (uint8_t)(c->high ? v : v >> 8);
}

static uint16_t with_half(struct chip_hw *c, uint16_t v, uint8_t byte)
{
	c->high = !c->high;
	return (uint16_t)(c->high ? (v & 0xff00) | byte : (v & 0x00ff) | byte << 8);
}

static uint8_t read_register(struct i8257 *s, unsigned chip, unsigned reg)
{
	struct chip_hw *c = &s->hw.chips[chip];
	const struct channel_hw *h = &c->channels[reg / 2 % CHANNELS];
	uint8_t v;

	if (reg < REG_STATUS)
		return half(c, reg % 2 ? h->count : h->addr);
	switch (reg) {
	case REG_STATUS:
		v = (uint8_t)(c->terminal | (s->dreq[chip] | c->request) << CHANNELS);
		c->terminal = 0;
		return v;
	case REG_ALL_MASK: return c->mask;
	default: return 0;
	}
}

static void write_channel(struct chip_hw *c, unsigned reg, uint8_t value)
{
	struct channel_hw *h = &c->channels[reg / 2];
	uint16_t *base = reg % 2 ? &h->base_count : &h->base_addr;
	uint16_t *now = reg % 2 ? &h->count : &h->addr;
	bool high = c->high;

	*base = with_half(c, *base, value);
	c->high = high;
	*now = with_half(c, *now, value);
}

static void set_bit(uint8_t *bits, uint8_t value)
{
	uint8_t bit = (uint8_t)(1u << (value & MODE_CHANNEL));

	*bits = value & BIT_SET ? *bits | bit : *bits & ~bit;
}

/* As after reset: everything masked, command, status and request clear. Modes stay. */
static void master_clear(struct chip_hw *c)
{
	c->command = c->request = c->terminal = 0;
	c->high = false;
	c->mask = (1 << CHANNELS) - 1;
}

static void write_register(struct chip_hw *c, unsigned reg, uint8_t value)
{
	switch (reg) {
	case REG_STATUS: c->command = value; break;
	case REG_REQUEST: set_bit(&c->request, value); break;
	case REG_MASK: set_bit(&c->mask, value); break;
	case REG_MODE: c->channels[value & MODE_CHANNEL].mode = value & MODE_SAVED; break;
	case REG_FLIP_FLOP: c->high = false; break;
	case REG_MASTER_CLEAR: master_clear(c); break;
	case REG_CLEAR_MASK: c->mask = 0; break;
	case REG_ALL_MASK: c->mask = value & ((1 << CHANNELS) - 1); break;
	default: write_channel(c, reg, value); break;
	}
}

/* On the second controller a register has two ports. */
static unsigned chip_of(struct i8257 *s, struct region *r)
{
	return r == &s->regs[1];
}

static uint64_t regs_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct i8257 *s = i8257(d);
	unsigned chip = chip_of(s, r);
	uint8_t v;

	pthread_mutex_lock(&s->lock);
	v = read_register(s, chip, (unsigned)offset >> chip);
	pthread_mutex_unlock(&s->lock);
	return v;
}

static void regs_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct i8257 *s = i8257(d);
	unsigned chip = chip_of(s, r), before;

	pthread_mutex_lock(&s->lock);
	before = all_served(s, chip);
	write_register(&s->hw.chips[chip], (unsigned)offset >> chip, (uint8_t)value);
	tell(s, chip, before);
	pthread_mutex_unlock(&s->lock);
}

static uint64_t page_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	return __atomic_load_n(&i8257(d)->hw.pages[offset], __ATOMIC_RELAXED);
}

static void page_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	__atomic_store_n(&i8257(d)->hw.pages[offset], (uint8_t)value, __ATOMIC_RELAXED);
}

static const struct region_ops regs_ops = {
	.read = regs_read, .write = regs_write, .min = 1, .max = 1, .unlocked = true};
static const struct region_ops page_ops = {
	.read = page_read, .write = page_write, .min = 1, .max = 1, .unlocked = true};

/* ---- life ---- */

static bool realize(struct dev *d, GError **error)
{
	struct i8257 *s = i8257(d);

	pthread_mutex_init(&s->lock, NULL);
	for (unsigned chip = 0; chip < CHIPS; chip++) {
		for (unsigned n = 0; n < CHANNELS; n++)
			s->channels[chip][n] = (struct channel){
				.dma = {.ops = &channel_ops}, .owner = s, .chip = chip, .n = n};
	}
	region_init_io(&s->regs[0], d, &regs_ops, "dma-1", BUS_PIO, 0x10);
	region_init_io(&s->regs[1], d, &regs_ops, "dma-2", BUS_PIO, 0x20);
	region_init_io(&s->pages, d, &page_ops, "dma-pages", BUS_PIO, PAGES);
	return region_map(d->bus, &s->regs[0], 0x00, REGION_PRIO_DEVICE) == 0 &&
	       region_map(d->bus, &s->regs[1], 0xc0, REGION_PRIO_DEVICE) == 0 &&
	       region_map(d->bus, &s->pages, 0x80, REGION_PRIO_DEVICE) == 0;
}

/* DREQ are inputs: what drives them has its own reset. */
static void reset(struct dev *d, enum reset_kind kind)
{
	struct i8257 *s = i8257(d);

	pthread_mutex_lock(&s->lock);
	s->hw = (struct i8257_hw){.pages = {0}};
	for (unsigned chip = 0; chip < CHIPS; chip++)
		master_clear(&s->hw.chips[chip]);
	pthread_mutex_unlock(&s->lock);
}

static void unrealize(struct dev *d)
{
	pthread_mutex_destroy(&i8257(d)->lock);
}

/*
 * The order in which devices are loaded is not known: requests that wait are served now, or when
 * they are made.
 */
static int post_load(struct dev *d)
{
	struct i8257 *s = i8257(d);

	pthread_mutex_lock(&s->lock);
	for (unsigned chip = 0; chip < CHIPS; chip++)
		tell(s, chip, 0);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static const struct state_field channel_fields[] = {
	ST_U(struct channel_hw, base_addr),
	ST_U(struct channel_hw, base_count),
	ST_U(struct channel_hw, addr),
	ST_U(struct channel_hw, count),
	ST_MAX(struct channel_hw, mode, MODE_SAVED),
	ST_PAD(struct channel_hw, pad),
	ST_END,
};

static const struct state_field chip_fields[] = {
	ST_STRUCTS(struct chip_hw, channels, channel_fields),
	ST_U(struct chip_hw, command),
	ST_MAX(struct chip_hw, mask, (1 << CHANNELS) - 1),
	ST_MAX(struct chip_hw, request, (1 << CHANNELS) - 1),
	ST_MAX(struct chip_hw, terminal, (1 << CHANNELS) - 1),
	ST_BOOL(struct chip_hw, high),
	ST_PAD(struct chip_hw, pad),
	ST_END,
};

static const struct state_field fields[] = {
	ST_STRUCTS(struct i8257_hw, chips, chip_fields),
	ST_BYTES(struct i8257_hw, pages),
	ST_END,
};

static const struct state_desc state = {
	.name = "i8257",
	.version = 1,
	.size = sizeof(struct i8257_hw),
	.fields = fields,
};

const struct dev_ops i8257_ops = {
	.name = "i8257",
	.doc = "ISA DMA controllers, two 8237A with page registers",
	.size = sizeof(struct i8257),
	.realize = realize,
	.reset = reset,
	.unrealize = unrealize,
	.post_load = post_load,
	.state =
		(const struct dev_part[]){
			{&state, offsetof(struct i8257, hw)},
			{.desc = NULL},
		},
};
