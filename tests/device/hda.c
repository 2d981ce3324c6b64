/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sound controller as Linux' and Windows' class drivers go: rings of commands, the codec's
 * tree, streams in time.
 */
#include <string.h>

#include "base/qs.h"
#include "devmodel/audio/audio.h"
#include "tests/device/rig.h"

#define MEM       0xc0000000u
#define GSI       17
#define CORB      0x100000u
#define RIRB      0x101000u
#define LIST      0x102000u
#define POSITIONS 0x103000u
#define BUFFER    0x200000u

enum {
	GCAP = 0x00,
	GCTL = 0x08,
	WAKEEN = 0x0c,
	STATESTS = 0x0e,
	INTCTL = 0x20,
	INTSTS = 0x24,
	WALCLK = 0x30,
	CORBBASE = 0x40,
	CORBWP = 0x48,
	CORBRP = 0x4a,
	CORBCTL = 0x4c,
	RIRBBASE = 0x50,
	RIRBWP = 0x58,
	RINTCNT = 0x5a,
	RIRBCTL = 0x5c,
	RIRBSTS = 0x5d,
	ICOI = 0x60,
	ICII = 0x64,
	ICIS = 0x68,
	DPBASE = 0x70,
	IN0 = 0x80,
	OUT0 = 0x100,
	CTL = 0x00,
	STS = 0x03,
	LPIB = 0x04,
	CBL = 0x08,
	LVI = 0x0c,
	FMT = 0x12,
	BDPL = 0x18,
};

struct hda_rig {
	struct rig *r;
	struct dev *d;
	unsigned devfn;
	uint8_t corb, rirb; /* pointers */
};

static uint32_t get(struct hda_rig *h, unsigned offset, unsigned size)
{
	return (uint32_t)rig_read(h->r, BUS_MMIO, MEM + offset, size);
}

static void set(struct hda_rig *h, unsigned offset, unsigned size, uint32_t value)
{
	rig_write(h->r, BUS_MMIO, MEM + offset, size, value);
}

static void place(struct hda_rig *h)
{
	rig_cfg_write(h->r, h->devfn, PCI_BAR0, 4, MEM);
	rig_cfg_write(h->r, h->devfn, PCI_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
}

static void init(struct hda_rig *h)
{
	g_autoptr(GError) error = NULL;

	*h = (struct hda_rig){.r = rig_new()};
	h->d = dev_new(h->r->bus, &ich9_intel_hda_ops, "hda");
	to_pci_dev(h->d)->bus = h->r->pci;
	to_pci_dev(h->d)->addr = (struct prop_pci){.slot = 1};
	dev_realize(h->d, &error);
	g_assert_no_error(error);
	h->devfn = to_pci_dev(h->d)->devfn;
	bus_reset(h->r->bus, RESET_COLD);
	place(h);
}

static void done(struct hda_rig *h)
{
	g_assert_cmpuint(h->r->events, ==, 0);
	dev_free(h->d);
	rig_free(h->r);
}

static bool irq(struct hda_rig *h)
{
	return fake_accel_level(h->r->fake, GSI);
}

static void step(struct hda_rig *h, int64_t ns)
{
	clock_step_to(h->r->clocks, clock_now(h->r->clocks, VM_CLOCK_VIRTUAL) + ns);
	rig_poll(h->r);
}

static void mem_write(struct hda_rig *h, uint64_t at, const void *data, size_t n)
{
	qs_enter();
	g_assert_cmpint(gmem_write(h->r->gmem, GPA(at), data, n), ==, 0);
	qs_leave();
}

static void save_and_load(struct hda_rig *h)
{
	g_autoptr(GByteArray) first = g_byte_array_new(), second = g_byte_array_new();
	g_autoptr(GError) error = NULL;

	bus_save(h->r->bus, first);
	bus_reset(h->r->bus, RESET_COLD);
	bus_load(h->r->bus, first->data, first->len, &error);
	g_assert_no_error(error);
	bus_save(h->r->bus, second);
	g_assert_cmpmem(first->data, first->len, second->data, second->len);
}

/* ---- controller ---- */

static void bring_up(struct hda_rig *h)
{
	init(h);
	set(h, GCTL, 4, 0);
	g_assert_cmphex(get(h, GCTL, 4), ==, 0);
	set(h, GCTL, 4, 1);
	g_assert_cmphex(get(h, GCTL, 4), ==, 1);
}

static void identity(void)
{
	struct hda_rig h;

	init(&h);
	g_assert_cmphex(rig_cfg_read(h.r, h.devfn, 0, 4), ==, 0x293e8086);
	g_assert_cmphex(rig_cfg_read(h.r, h.devfn, 8, 4) >> 8, ==, 0x040300);
	g_assert_cmphex(get(&h, GCAP, 4), ==, 0x01004401);
	/* In reset nothing is stored. */
	g_assert_cmphex(get(&h, GCTL, 4), ==, 0);
	set(&h, CORBBASE, 4, CORB);
	g_assert_cmphex(get(&h, CORBBASE, 4), ==, 0);
	set(&h, GCTL, 4, 1);
	g_assert_cmphex(get(&h, STATESTS, 2), ==, 1);
	set(&h, CORBBASE, 4, CORB);
	g_assert_cmphex(get(&h, CORBBASE, 4), ==, CORB);
	/* That the codec is there can interrupt. */
	set(&h, INTCTL, 4, 0xc0000000);
	g_assert_false(irq(&h));
	set(&h, WAKEEN, 2, 1);
	g_assert_true(irq(&h));
	g_assert_cmphex(get(&h, INTSTS, 4), ==, 0xc0000000);
	set(&h, STATESTS, 2, 1);
	g_assert_false(irq(&h));
	done(&h);
}

/* The wall clock: 24 MHz. */
static void wall_clock(void)
{
	struct hda_rig h;

	bring_up(&h);
	step(&h, NSEC_PER_SEC);
	g_assert_cmpuint(get(&h, WALCLK, 4), ==, 24000000);
	save_and_load(&h);
	step(&h, NSEC_PER_MSEC);
	g_assert_cmpuint(get(&h, WALCLK, 4), ==, 24024000);
	g_assert_cmpuint(get(&h, 0x2000 + WALCLK, 4), ==, 24024000);
	done(&h);
}

/* ---- commands ---- */

static void start_rings(struct hda_rig *h)
{
	set(h, CORBBASE, 4, CORB);
	set(h, CORBWP, 2, 0);
	set(h, CORBRP, 2, 0x8000);
	g_assert_cmphex(get(h, CORBRP, 2), ==, 0x8000);
	set(h, CORBRP, 2, 0);
	g_assert_cmphex(get(h, CORBRP, 2), ==, 0);
	set(h, CORBCTL, 1, 2);
	set(h, RIRBBASE, 4, RIRB);
	set(h, RIRBWP, 2, 0x8000);
	set(h, RINTCNT, 2, 1);
	set(h, RIRBCTL, 1, 3);
	set(h, INTCTL, 4, 0xc0000000);
	set(h, STATESTS, 2, 1);
}

static void put_command(struct hda_rig *h, uint32_t command)
{
	h->corb++;
	mem_write(h, CORB + 4u * h->corb, &command, sizeof(command));
}

static uint32_t ask(struct hda_rig *h, uint32_t command)
{
	put_command(h, command);
	set(h, CORBWP, 2, h->corb);
	h->rirb++;
	g_assert_cmpuint(get(h, RIRBWP, 2), ==, h->rirb);
	g_assert_true(irq(h));
	set(h, RIRBSTS, 1, 5);
	g_assert_false(irq(h));
	g_assert_cmphex(rig_ram32(h->r, RIRB + 8u * h->rirb + 4), ==, 0);
	return rig_ram32(h->r, RIRB + 8u * h->rirb);
}

static uint32_t param(struct hda_rig *h, unsigned node, unsigned p)
{
	return ask(h, node << 20 | 0xf0000 | p);
}

/* The tree as a generic parser walks it, round the rings more than once. */
static void codec_tree(void)
{
	struct hda_rig h;
	unsigned pins = 0, converters = 0;

	bring_up(&h);
	start_rings(&h);
	for (unsigned round = 0; round < 30; round++) {
		g_assert_cmphex(param(&h, 0, 0), ==, 0x1af40022);
		g_assert_cmphex(param(&h, 0, 4), ==, 0x00010001);
		g_assert_cmphex(param(&h, 1, 5), ==, 1);
		g_assert_cmphex(param(&h, 1, 4), ==, 0x00020004);
	}
	save_and_load(&h);
	for (unsigned node = 2; node < 6; node++) {
		uint32_t caps = param(&h, node, 9);

		g_assert_true(caps & 1);
		if (caps >> 20 == 4) {
			pins++;
			g_assert_cmphex(ask(&h, node << 20 | 0xf1c00) >> 30, ==, 0);
		} else {
			converters++;
			g_assert_cmphex(param(&h, node, 0xb) & 1, ==, 1);
			g_assert_true(param(&h, node, 0xa) & 0x20060);
		}
		if (caps & 0x100) {
			g_assert_cmpuint(param(&h, node, 0xe), ==, 1);
			g_assert_cmpuint(ask(&h, node << 20 | 0xf0200), ==, node == 3 ? 2 : 5);
		}
	}
	g_assert_cmpuint(pins, ==, 2);
	g_assert_cmpuint(converters, ==, 2);
	done(&h);
}

static void codec_verbs(void)
{
	struct hda_rig h;

	bring_up(&h);
	start_rings(&h);
	ask(&h, 2u << 20 | 0x2 << 16 | 0x4011);
	g_assert_cmphex(ask(&h, 2u << 20 | 0xa0000), ==, 0x4011);
	ask(&h, 2u << 20 | 0x70650);
	g_assert_cmphex(ask(&h, 2u << 20 | 0xf0600), ==, 0x50);
	ask(&h, 2u << 20 | 0x3 << 16 | 0xa085); /* output, left: mute */
	g_assert_cmphex(ask(&h, 2u << 20 | 0xb << 16 | 0xa000), ==, 0x85);
	g_assert_cmphex(ask(&h, 2u << 20 | 0xb << 16 | 0x8000), ==, 0x4a);
	ask(&h, 3u << 20 | 0x70700);
	g_assert_cmphex(ask(&h, 3u << 20 | 0xf0700), ==, 0);
	ask(&h, 3u << 20 | 0x707ff);
	g_assert_cmphex(ask(&h, 3u << 20 | 0xf0700), ==, 0x40);
	ask(&h, 3u << 20 | 0x71f90);
	g_assert_cmphex(ask(&h, 3u << 20 | 0xf1c00), ==, 0x90014010);
	ask(&h, 1u << 20 | 0x70503);
	g_assert_cmphex(ask(&h, 1u << 20 | 0xf0500), ==, 0x33);
	save_and_load(&h);
	g_assert_cmphex(ask(&h, 2u << 20 | 0xa0000), ==, 0x4011);
	ask(&h, 1u << 20 | 0x7ff00);
	g_assert_cmphex(ask(&h, 2u << 20 | 0xa0000), ==, 0);
	g_assert_cmphex(ask(&h, 3u << 20 | 0xf1c00), ==, 0x01014010);
	/* A verb, a node that there is not: 0. Another codec says nothing. */
	g_assert_cmphex(ask(&h, 2u << 20 | 0xfff00), ==, 0);
	g_assert_cmphex(ask(&h, 9u << 20 | 0xf0009), ==, 0);
	put_command(&h, 1u << 28 | 0xf0000);
	set(&h, CORBWP, 2, h.corb);
	g_assert_cmpuint(get(&h, RIRBWP, 2), ==, h.rirb);
	g_assert_cmpuint(get(&h, CORBRP, 2), ==, h.corb);
	done(&h);
}

static void immediate(void)
{
	struct hda_rig h;

	bring_up(&h);
	set(&h, ICOI, 4, 0xf0000);
	set(&h, ICIS, 2, 1);
	g_assert_cmphex(get(&h, ICIS, 2), ==, 2);
	g_assert_cmphex(get(&h, ICII, 4), ==, 0x1af40022);
	set(&h, ICIS, 2, 2);
	g_assert_cmphex(get(&h, ICIS, 2), ==, 0);
	set(&h, ICOI, 4, 0x500f0000);
	set(&h, ICIS, 2, 1);
	g_assert_cmphex(get(&h, ICIS, 2), ==, 0);
	done(&h);
}

/* ---- streams ---- */

struct entry {
	uint64_t address;
	uint32_t length, flags;
};

/*
 * @n buffers of @length bytes, each with an interrupt; 48 kHz, 16 bits, stereo: 192 bytes a
 * millisecond.
 */
static void start_stream(struct hda_rig *h, unsigned s, unsigned n, uint32_t length)
{
	for (unsigned i = 0; i < n; i++) {
		struct entry e = {BUFFER + i * length, length, 1};

		mem_write(h, LIST + i * sizeof(e), &e, sizeof(e));
	}
	set(h, s + CTL, 1, 1);
	g_assert_cmphex(get(h, s + CTL, 1), ==, 1);
	set(h, s + CTL, 1, 0);
	g_assert_cmphex(get(h, s + CTL, 1), ==, 0);
	set(h, s + BDPL, 4, LIST);
	set(h, s + BDPL + 4, 4, 0);
	set(h, s + CBL, 4, n * length);
	set(h, s + LVI, 2, n - 1);
	set(h, s + FMT, 2, 0x0011);
	set(h, INTCTL, 4, 0xc00000ff);
	set(h, s + CTL, 4, 0x10001e);
}

static void playback(void)
{
	struct hda_rig h;

	bring_up(&h);
	start_stream(&h, OUT0, 4, 1920);
	g_assert_cmphex(get(&h, OUT0 + STS, 1), ==, 0x20);
	step(&h, 5 * NSEC_PER_MSEC);
	g_assert_cmpuint(get(&h, OUT0 + LPIB, 4), ==, 960);
	g_assert_cmpuint(get(&h, 0x2000 + OUT0 + LPIB, 4), ==, 960);
	g_assert_false(irq(&h));
	save_and_load(&h);
	/* Ten milliseconds a buffer, whoever looks or not. */
	for (unsigned i = 0; i < 10; i++) {
		step(&h, 5 * NSEC_PER_MSEC);
		g_assert_true(irq(&h));
		g_assert_cmphex(get(&h, INTSTS, 4), ==, 0x80000010);
		g_assert_cmphex(get(&h, OUT0 + STS, 1), ==, 0x24);
		g_assert_cmpuint(get(&h, OUT0 + LPIB, 4), ==, 1920 * (i + 1) % 7680);
		set(&h, OUT0 + STS, 1, 4);
		g_assert_false(irq(&h));
		step(&h, 5 * NSEC_PER_MSEC);
		g_assert_false(irq(&h));
		if (i % 3 == 0)
			save_and_load(&h);
	}
	/* Stopped, it stays; run again, it goes on. */
	set(&h, OUT0 + CTL, 1, 0x1c);
	step(&h, 100 * NSEC_PER_MSEC);
	g_assert_cmpuint(get(&h, OUT0 + LPIB, 4), ==, (1920 * 10 + 960) % 7680);
	set(&h, OUT0 + CTL, 1, 0x1e);
	step(&h, NSEC_PER_MSEC);
	g_assert_cmpuint(get(&h, OUT0 + LPIB, 4), ==, (1920 * 10 + 960 + 192) % 7680);
	done(&h);
}

/* Silence comes in, as far as time has gone, and no further. */
static void record(void)
{
	struct hda_rig h;
	uint8_t noise[4096];

	bring_up(&h);
	memset(noise, 0xaa, sizeof(noise));
	mem_write(&h, BUFFER, noise, sizeof(noise));
	start_stream(&h, IN0, 2, 1920);
	step(&h, 15 * NSEC_PER_MSEC);
	g_assert_cmpuint(get(&h, IN0 + LPIB, 4), ==, 2880);
	g_assert_cmphex(get(&h, INTSTS, 4), ==, 0x80000001);
	g_assert_cmphex(rig_ram32(h.r, BUFFER), ==, 0);
	g_assert_cmphex(rig_ram32(h.r, BUFFER + 2876), ==, 0);
	g_assert_cmphex(rig_ram32(h.r, BUFFER + 2880), ==, 0xaaaaaaaa);
	done(&h);
}

/* Positions in memory, a millisecond old at most. */
static void position_buffer(void)
{
	struct hda_rig h;

	bring_up(&h);
	set(&h, DPBASE, 4, POSITIONS | 1);
	start_stream(&h, OUT0, 4, 1920);
	for (unsigned i = 1; i < 30; i++) {
		step(&h, NSEC_PER_MSEC);
		g_assert_cmpuint(rig_ram32(h.r, POSITIONS + 4 * 8), ==, i * 192 % 7680);
	}
	done(&h);
}

/* Bytes a second, out of FMT; the test's own arithmetic is a table. */
static void formats(void)
{
	static const struct {
		uint16_t format;
		uint32_t bytes;
	} table[] = {
		{0x0011, 192000},      /* 48 kHz, 16 bits, 2 channels */
		{0x4011, 176400},      /* 44.1 kHz */
		{0x0000, 48000},       /* 8 bits, mono */
		{0x0541, 64000},       /* 8 kHz, 32 bits, 2 */
		{0x4311, 44100},       /* 11.025 kHz, 16 bits, 2 */
		{0x1835, 192000 * 24}, /* 192 kHz, 24 bits in 32, 6 */
		{0x8011, 0},           /* not PCM */
	};
	struct hda_rig h;

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		bring_up(&h);
		start_stream(&h, OUT0, 8, 0x80000);
		set(&h, OUT0 + CTL, 1, 0);
		set(&h, OUT0 + FMT, 2, table[i].format);
		set(&h, OUT0 + CTL, 1, 2);
		step(&h, 100 * NSEC_PER_MSEC);
		g_assert_cmpuint(get(&h, OUT0 + LPIB, 4), ==, table[i].bytes / 10);
		done(&h);
	}
}

/* Lists that go nowhere, or of nothing: an error of the stream, and no hanging. */
static void bad_lists(void)
{
	struct hda_rig h;
	struct entry nowhere = {UINT64_C(1) << 60, 1920, 1};

	bring_up(&h);
	start_stream(&h, IN0, 2, 1920);
	set(&h, IN0 + BDPL + 4, 4, 0x10000000);
	step(&h, 50 * NSEC_PER_MSEC);
	g_assert_cmphex(get(&h, IN0 + STS, 1) & 0x10, ==, 0x10);
	start_stream(&h, IN0, 2, 1920);
	mem_write(&h, LIST, &nowhere, sizeof(nowhere));
	step(&h, 50 * NSEC_PER_MSEC);
	g_assert_cmphex(get(&h, IN0 + STS, 1) & 0x10, ==, 0x10);
	start_stream(&h, OUT0, 2, 0);
	step(&h, 50 * NSEC_PER_MSEC);
	g_assert_cmpuint(get(&h, OUT0 + LPIB, 4), ==, 0);
	start_stream(&h, OUT0, 2, 1);
	step(&h, 60 * NSEC_PER_SEC);
	g_assert_cmpuint(get(&h, OUT0 + LPIB, 4), <, 2);
	done(&h);
}

/* With MSI a second stream's interrupt is a message of its own while the first waits. */
static void msi(void)
{
	struct hda_rig h;
	unsigned at, before;

	bring_up(&h);
	at = rig_cfg_read(h.r, h.devfn, PCI_CAP_PTR, 1);
	g_assert_cmphex(rig_cfg_read(h.r, h.devfn, at, 1), ==, 5);
	rig_cfg_write(h.r, h.devfn, at + 4, 4, 0xfee00000);
	rig_cfg_write(h.r, h.devfn, at + 12, 2, 0x4061);
	rig_cfg_write(h.r, h.devfn, at + 2, 2, 1);
	start_stream(&h, OUT0, 2, 1920);
	step(&h, 5 * NSEC_PER_MSEC);
	start_stream(&h, OUT0 + 0x20, 2, 1920);
	before = fake_accel_msis(h.r->fake);
	step(&h, 5 * NSEC_PER_MSEC);
	g_assert_cmpuint(fake_accel_msis(h.r->fake), ==, before + 1);
	step(&h, 5 * NSEC_PER_MSEC);
	g_assert_cmpuint(fake_accel_msis(h.r->fake), ==, before + 2);
	g_assert_false(irq(&h));
	set(&h, OUT0 + STS, 1, 4);
	step(&h, 5 * NSEC_PER_MSEC);
	g_assert_cmpuint(fake_accel_msis(h.r->fake), ==, before + 3);
	done(&h);
}

static void random_writes(void)
{
	struct hda_rig h;
	uint8_t junk[4096];

	bring_up(&h);
	for (unsigned i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)g_test_rand_int();
	for (unsigned at = 0; at < RIG_RAM; at += sizeof(junk))
		mem_write(&h, at, junk, sizeof(junk));
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t value = (uint32_t)g_test_rand_int();
		unsigned offset = (unsigned)g_test_rand_int_range(0, i % 16 ? 0x180 : 0x4000);

		/* Else it is in reset half of the time. */
		if (offset - GCTL < 4)
			value |= 1;
		set(&h, offset, 1u << g_test_rand_int_range(0, 3),
			i % 2 ? value & 0xfffff0 : value);
		if (i % 50 == 0)
			step(&h, g_test_rand_int_range(1, 10000000));
	}
	save_and_load(&h);
	bus_reset(h.r->bus, RESET_COLD);
	place(&h);
	set(&h, GCTL, 4, 1);
	start_stream(&h, OUT0, 4, 1920);
	step(&h, 10 * NSEC_PER_MSEC);
	g_assert_cmpuint(get(&h, OUT0 + LPIB, 4), ==, 1920);
	done(&h);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hda/identity", identity);
	g_test_add_func("/hda/wall-clock", wall_clock);
	g_test_add_func("/hda/codec/tree", codec_tree);
	g_test_add_func("/hda/codec/verbs", codec_verbs);
	g_test_add_func("/hda/immediate", immediate);
	g_test_add_func("/hda/stream/playback", playback);
	g_test_add_func("/hda/stream/record", record);
	g_test_add_func("/hda/stream/position-buffer", position_buffer);
	g_test_add_func("/hda/stream/formats", formats);
	g_test_add_func("/hda/stream/bad-lists", bad_lists);
	g_test_add_func("/hda/msi", msi);
	g_test_add_func("/hda/random-writes", random_writes);
	return g_test_run();
}
