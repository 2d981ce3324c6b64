/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics registers, manual section 13.7: cleared by reading, stuck at their greatest value. */
#include "devmodel/net/e1000.h"

/* Greatest sizes, FCS included, of the first five of six counters of sizes. */
static const uint16_t size_classes[] = {64, 127, 255, 511, 1023};

/* The counters of 64 bits, by their low half. */
static bool is_low_half(unsigned offset)
{
	return offset == STAT_GORCL || offset == STAT_GOTCL || offset == STAT_TORL ||
	       offset == STAT_TOTL;
}

static uint32_t *counter(struct e1000_core *c, unsigned offset)
{
	return &c->hw.stat[(offset - E1000_STAT_BASE) / 4];
}

void e1000_stat_add(struct e1000_core *c, unsigned offset, uint32_t n)
{
	uint32_t *s = counter(c, offset);

	if (__builtin_add_overflow(*s, n, s))
		*s = UINT32_MAX;
}

static void add64(struct e1000_core *c, unsigned offset, uint64_t n)
{
	uint32_t *s = counter(c, offset);
	uint64_t sum = (uint64_t)s[1] << 32 | s[0];

	if (__builtin_add_overflow(sum, n, &sum))
		sum = UINT64_MAX;
	s[0] = (uint32_t)sum;
	s[1] = (uint32_t)(sum >> 32);
}

static unsigned size_class(uint32_t size)
{
	unsigned i = 0;

	while (i < ARRAY_SIZE(size_classes) && size > size_classes[i])
		i++;
	return i;
}

void e1000_stat_total(struct e1000_core *c, unsigned way, uint32_t size, uint32_t frames)
{
	e1000_stat_add(c, way == E1000_TX ? STAT_TPT : STAT_TPR, frames);
	add64(c, way == E1000_TX ? STAT_TOTL : STAT_TORL, (uint64_t)frames * (size + ETH_FCS));
}

void e1000_stat_frame(
	struct e1000_core *c, unsigned way, const uint8_t *eth, uint32_t size, uint32_t frames)
{
	static const struct {
		unsigned sizes, good, octets, broadcast, multicast;
	} of[] = {
		[E1000_TX] = {STAT_PTC64, STAT_GPTC, STAT_GOTCL, STAT_BPTC, STAT_MPTC},
		[E1000_RX] = {STAT_PRC64, STAT_GPRC, STAT_GORCL, STAT_BPRC, STAT_MPRC},
	};
	uint32_t with_fcs = MAX(size, ETH_MIN) + ETH_FCS;

	e1000_stat_add(c, of[way].sizes + 4 * size_class(with_fcs), frames);
	e1000_stat_add(c, of[way].good, frames);
	add64(c, of[way].octets, (uint64_t)frames * with_fcs);
	if (get_be32(eth) == UINT32_MAX && get_be16(eth + 4) == UINT16_MAX)
		e1000_stat_add(c, of[way].broadcast, frames);
	else if (eth[0] & 1)
		e1000_stat_add(c, of[way].multicast, frames);
}

uint32_t e1000_stat_read(struct e1000_core *c, unsigned offset)
{
	uint32_t *s = counter(c, offset), v = *s;

	if (is_low_half(offset))
		return v; /* its other half is read next */
	*s = 0;
	if (is_low_half(offset - 4))
		s[-1] = 0;
	return v;
}
