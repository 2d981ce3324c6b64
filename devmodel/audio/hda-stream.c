/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams, HDA sections 3.6 and 4.5. Where a stream is follows from the clock: bytes a second times
 * the time it runs. Whoever looks (a register read, the timer) brings it there, through the entries
 * of its list on the way.
 */
#include <endian.h>

#include "devmodel/audio/hda.h"

#define ENTRIES_MAX    128 /* of a list at once; what is left of the time is skipped */
#define IDLE_TICK_NS   (10 * NSEC_PER_MSEC)
#define REPORT_TICK_NS NSEC_PER_MSEC /* where positions are written to memory */
#define SOONEST_NS     NSEC_PER_MSEC /* tiny buffers do not wake us more often */
#define DP_ENABLE      0x1

/* HDA section 3.6.3. */
struct buffer_desc {
	uint64_t address;
	uint32_t length, flags;
};

#define BD_IOC 0x1

const struct state_field hda_stream_fields[] = {
	ST_MAX(struct hda_stream_hw, since, INT64_MAX),
	ST_MAX(struct hda_stream_hw, moved, INT64_MAX),
	ST_U(struct hda_stream_hw, address),
	ST_U(struct hda_stream_hw, length),
	ST_U(struct hda_stream_hw, offset),
	ST_U(struct hda_stream_hw, lpib),
	ST_U(struct hda_stream_hw, next),
	ST_BOOL(struct hda_stream_hw, ioc),
	ST_PAD(struct hda_stream_hw, pad),
	ST_END,
};

uint32_t hda_format_rate(uint16_t format)
{
	static const uint8_t sample_bytes[8] = {1, 2, 4, 4, 4};
	uint32_t base = format & 0x4000 ? 44100 : 48000;
	unsigned times = (format >> 11 & 7) + 1, by = (format >> 8 & 7) + 1;
	unsigned channels = (format & 0xf) + 1;

	if (format & 0x8000 || times > 4)
		return 0; /* not PCM, or reserved */
	return base * times / by * channels * sample_bytes[format >> 4 & 7];
}

static bool running(const struct hda *h, unsigned n)
{
	return h->hw.reg[hda_stream_reg(n) + S_CTL] & S_CTL_RUN;
}

static uint32_t rate(const struct hda *h, unsigned n)
{
	return hda_format_rate(hda_get16(h, hda_stream_reg(n) + S_FMT));
}

static void event(struct hda *h, unsigned n, uint8_t bit)
{
	h->hw.reg[hda_stream_reg(n) + S_STS] |= bit;
}

/* The next entry of the list; behind the last valid one comes the first. */
static bool read_entry(struct hda *h, unsigned n)
{
	struct hda_stream_hw *s = &h->hw.stream[n];
	unsigned reg = hda_stream_reg(n), last = h->hw.reg[reg + S_LVI];
	struct buffer_desc d;
	gpa_t at;

	if (!pci_may_dma(&h->pci) ||
		!gpa_add(GPA(hda_get64(h, reg + S_BDPL)), s->next * sizeof(d), &at) ||
		gmem_read(h->pci.dev.bus->gmem, at, &d, sizeof(d)) < 0)
		return false;
	s->address = le64toh(d.address);
	s->length = le32toh(d.length);
	s->ioc = le32toh(d.flags) & BD_IOC;
	s->offset = 0;
	s->next = s->next >= last ? 0 : s->next + 1;
	return true;
}

/* Silence comes in; what goes out is dropped. */
static void transfer(struct hda *h, unsigned n, uint32_t bytes)
{
	const struct hda_stream_hw *s = &h->hw.stream[n];
	gpa_t at;

	if (n >= HDA_INPUTS)
		return;
	if (!pci_may_dma(&h->pci) || !gpa_add(GPA(s->address), s->offset, &at) ||
		gmem_fill(h->pci.dev.bus->gmem, at, 0, bytes) < 0)
		event(h, n, S_STS_DESE);
}

/* The list begins anew where the cyclic buffer ends. */
static void move(struct hda *h, unsigned n, uint32_t bytes)
{
	struct hda_stream_hw *s = &h->hw.stream[n];
	uint32_t cbl = hda_get32(h, hda_stream_reg(n) + S_CBL);

	transfer(h, n, bytes);
	s->offset += bytes;
	s->lpib += bytes;
	if (s->offset == s->length && s->ioc)
		event(h, n, S_STS_BCIS);
	if (cbl && s->lpib >= cbl) {
		s->lpib = 0;
		s->next = 0;
		s->length = s->offset = 0;
	}
}

static uint32_t at_once(const struct hda *h, unsigned n, uint64_t left)
{
	const struct hda_stream_hw *s = &h->hw.stream[n];
	uint32_t cbl = hda_get32(h, hda_stream_reg(n) + S_CBL);

	left = MIN(left, s->length - s->offset);
	return (uint32_t)(cbl > s->lpib ? MIN(left, cbl - s->lpib) : left);
}

/* The entry to come is read ahead, so that it is known when it will be complete. */
static void prefetch(struct hda *h, unsigned n)
{
	const struct hda_stream_hw *s = &h->hw.stream[n];

	if (s->offset == s->length)
		(void)read_entry(h, n); /* tried again when it is needed */
}

static void advance(struct hda *h, unsigned n)
{
	struct hda_stream_hw *s = &h->hw.stream[n];
	uint64_t passed = hda_now(h) - MIN(s->since, hda_now(h));
	uint64_t target = (uint64_t)((unsigned __int128)passed * rate(h, n) / NSEC_PER_SEC);
	uint64_t left = target - MIN(s->moved, target);

	if (!left)
		return; /* looking twice at the same time changes nothing */
	for (unsigned i = 0; left && i < ENTRIES_MAX; i++) {
		uint32_t part;

		if (s->offset == s->length && !read_entry(h, n)) {
			event(h, n, S_STS_DESE);
			break;
		}
		part = at_once(h, n, left);
		move(h, n, part);
		left -= part;
	}
	s->moved = MAX(s->moved, target);
	prefetch(h, n);
}

/* HDA section 3.3.33: where all streams are, for whoever looks there instead of at LPIB. */
static void report(struct hda *h)
{
	uint64_t base = hda_get64(h, H_DPBASE) & ~UINT64_C(0x7f);
	uint32_t positions[HDA_STREAMS][2] = {0};

	if (!(h->hw.reg[H_DPBASE] & DP_ENABLE) || !pci_may_dma(&h->pci))
		return;
	for (unsigned n = 0; n < HDA_STREAMS; n++)
		positions[n][0] = htole32(h->hw.stream[n].lpib);
	if (gmem_write(h->pci.dev.bus->gmem, GPA(base), positions, sizeof(positions)) < 0)
		dev_guest_error(&h->pci.dev, "no memory at the position buffer");
}

/* When the buffer that the stream is in will be complete, ns from now. */
static int64_t until_complete(struct hda *h, unsigned n)
{
	const struct hda_stream_hw *s = &h->hw.stream[n];
	uint64_t at = s->moved + (s->length - s->offset);
	unsigned __int128 ns = ((unsigned __int128)at * NSEC_PER_SEC + rate(h, n) - 1) / rate(h, n);
	uint64_t passed = hda_now(h) - MIN(s->since, hda_now(h));

	if (s->offset == s->length || ns <= passed)
		return SOONEST_NS;
	return (int64_t)MIN(ns - passed, (unsigned __int128)IDLE_TICK_NS);
}

void hda_streams_rearm(struct hda *h)
{
	int64_t wait = INT64_MAX;

	for (unsigned n = 0; n < HDA_STREAMS; n++) {
		if (running(h, n) && rate(h, n))
			wait = MIN(wait, MAX(until_complete(h, n), SOONEST_NS));
	}
	if (wait == INT64_MAX) {
		dev_timer_cancel(&h->timer);
		return;
	}
	if (h->hw.reg[H_DPBASE] & DP_ENABLE)
		wait = MIN(wait, REPORT_TICK_NS);
	dev_timer_set(&h->timer, (int64_t)hda_now(h) + wait);
}

void hda_streams_update(struct hda *h)
{
	bool any = false;

	for (unsigned n = 0; n < HDA_STREAMS; n++) {
		if (!running(h, n))
			continue;
		advance(h, n);
		any = true;
	}
	if (any)
		report(h);
	hda_streams_rearm(h);
}

static void stream_reset(struct hda *h, unsigned n)
{
	unsigned reg = hda_stream_reg(n);

	h->hw.stream[n] = (struct hda_stream_hw){.since = 0};
	for (unsigned i = 0; i < H_STREAM_STEP; i++)
		h->hw.reg[reg + i] = 0;
	h->hw.reg[reg + S_CTL] = S_CTL_SRST;
	hda_set16(h, reg + S_FIFOS, n < HDA_INPUTS ? 0x77 : 0xbf);
}

void hda_stream_control(struct hda *h, unsigned n, uint8_t before)
{
	uint8_t *ctl = &h->hw.reg[hda_stream_reg(n) + S_CTL];

	if (*ctl & S_CTL_SRST)
		stream_reset(h, n);
	if ((*ctl ^ before) & S_CTL_RUN) {
		if (*ctl & S_CTL_RUN) {
			h->hw.stream[n].since = hda_now(h);
			h->hw.stream[n].moved = 0;
			event(h, n, S_STS_READY);
			prefetch(h, n);
		} else {
			h->hw.reg[hda_stream_reg(n) + S_STS] &= (uint8_t)~S_STS_READY;
		}
	}
	hda_streams_rearm(h);
}
