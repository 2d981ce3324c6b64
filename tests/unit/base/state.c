/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/state.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

struct channel_hw {
	uint32_t count;
	uint8_t mode;
	bool gate;
	uint8_t pad[2];
};

struct chip_hw {
	uint64_t base;
	uint16_t regs[4];
	uint8_t fifo[5];
	uint8_t fifo_len;
	bool irq;
	uint8_t hole;
	struct channel_hw ch[3];
	uint64_t tail;
};

static const struct state_field channel_fields[] = {
	ST_U(struct channel_hw, count),
	ST_MAX(struct channel_hw, mode, 5),
	ST_BOOL(struct channel_hw, gate),
	ST_PAD(struct channel_hw, pad),
	ST_END,
};

static const struct state_field chip_fields[] = {
	ST_U(struct chip_hw, base),
	ST_ARRAY(struct chip_hw, regs, 0x7fff),
	ST_BYTES(struct chip_hw, fifo),
	ST_MAX(struct chip_hw, fifo_len, 5),
	ST_BOOL(struct chip_hw, irq),
	ST_PAD(struct chip_hw, hole),
	ST_STRUCTS(struct chip_hw, ch, channel_fields),
	ST_RANGE(struct chip_hw, tail, 1, 9),
	ST_END,
};

static int chip_check(const void *hw)
{
	const struct chip_hw *c = hw;

	return c->irq && !c->fifo_len ? -EINVAL : 0;
}

static const struct state_desc chip_state = {.name = "chip",
	.version = 2,
	.size = sizeof(struct chip_hw),
	.fields = chip_fields,
	.check = chip_check};

static const struct chip_hw sample = {
	.base = 0x123456789abcdef0,
	.regs = {1, 2, 3, 0x7fff},
	.fifo = {9, 8, 7, 6, 5},
	.fifo_len = 3,
	.irq = true,
	.ch = {{1, 2, true, {}}, {3, 4, false, {}}, {5, 5, true, {}}},
	.tail = 9,
};

static GByteArray *save(const struct state_desc *d, const struct chip_hw *hw)
{
	GByteArray *a = g_byte_array_new();

	state_save(d, hw, a);
	return a;
}

static void test_round_trip(void)
{
	g_autoptr(GByteArray) a = save(&chip_state, &sample), b = NULL;
	struct chip_hw hw = {};
	size_t used = 0;

	g_assert_cmpint(state_load(&chip_state, &hw, a->data, a->len, &used), ==, 0);
	g_assert_cmpuint(used, ==, a->len);
	g_assert_cmpmem(&hw, sizeof(hw), &sample, sizeof(sample));
	b = save(&chip_state, &hw);
	g_assert_cmpmem(a->data, a->len, b->data, b->len);
}

static void expect_refused(struct chip_hw hw, int want)
{
	g_autoptr(GByteArray) a = save(&chip_state, &hw);
	struct chip_hw before = sample, got = sample;
	size_t used = 77;

	g_assert_cmpint(state_load(&chip_state, &got, a->data, a->len, &used), ==, want);
	g_assert_cmpmem(&got, sizeof(got), &before, sizeof(before));
	g_assert_cmpuint(used, ==, 77);
}

static void test_ranges(void)
{
	struct chip_hw hw = sample;

	hw.fifo_len = 6;
	expect_refused(hw, -ERANGE);
	hw = sample;
	hw.tail = 0;
	expect_refused(hw, -ERANGE);
	hw = sample;
	hw.regs[2] = 0x8000;
	expect_refused(hw, -ERANGE);
	hw = sample;
	hw.ch[2].mode = 6;
	expect_refused(hw, -ERANGE);
	hw = sample;
	memset(&hw.irq, 2, 1);
	expect_refused(hw, -ERANGE);
	hw = sample;
	hw.fifo_len = 0;
	expect_refused(hw, -EINVAL);
}

/* Every truncation fails; every flipped bit fails or loads something that saves back within its ranges. */
static void test_mutations(void)
{
	g_autoptr(GByteArray) a = save(&chip_state, &sample);
	g_autofree uint8_t *copy = g_malloc(a->len);
	size_t used;

	for (guint n = 0; n < a->len; n++) {
		g_autofree uint8_t *cut = g_memdup2(a->data, n);
		struct chip_hw hw = {};

		g_assert_cmpint(state_load(&chip_state, &hw, cut, n, &used), <, 0);
	}
	for (guint bit = 0; bit < a->len * 8; bit++) {
		struct chip_hw hw = {};

		memcpy(copy, a->data, a->len);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (state_load(&chip_state, &hw, copy, a->len, &used) == 0) {
			g_assert_cmpint(chip_check(&hw), ==, 0);
			g_assert_cmpuint(hw.fifo_len, <=, 5);
			g_assert_cmpuint(hw.tail, >=, 1);
			g_assert_cmpuint(hw.ch[1].mode, <=, 5);
		}
	}
}

static void test_identity(void)
{
	struct state_desc other = chip_state, newer = chip_state, older = chip_state;
	g_autoptr(GByteArray) a = NULL, b = save(&chip_state, &sample);
	struct chip_hw hw = {};
	size_t used;

	other.name = "clip";
	g_assert_cmpint(state_load(&other, &hw, b->data, b->len, &used), ==, -ENOENT);
	newer.version = 3;
	a = save(&newer, &sample);
	g_assert_cmpint(state_load(&chip_state, &hw, a->data, a->len, &used), ==, -ENOTSUP);
	older.version = 1;
	g_assert_cmpint(state_load(&older, &hw, b->data, b->len, &used), ==, -ENOTSUP);
}

/* A stream of a table's version 1 has no field of version 2: it stays zero. */
static void test_older_stream(void)
{
	static const struct state_field v1[] = {ST_U(struct channel_hw, count),
		ST_PAD(struct channel_hw, mode), ST_BOOL(struct channel_hw, gate),
		ST_PAD(struct channel_hw, pad), ST_END};
	struct state_field v2[ARRAY_SIZE(channel_fields)];
	struct state_desc d1 = {"ch", 1, sizeof(struct channel_hw), v1, NULL};
	struct state_desc d2 = {"ch", 2, sizeof(struct channel_hw), v2, NULL};
	struct channel_hw in = {.count = 7, .mode = 3, .gate = true}, out = {.mode = 5};
	g_autoptr(GByteArray) a = g_byte_array_new();
	size_t used;

	memcpy(v2, channel_fields, sizeof(v2));
	v2[1].since = 2;
	state_save(&d1, &in, a);
	g_assert_cmpint(state_load(&d2, &out, a->data, a->len, &used), ==, 0);
	g_assert_cmpuint(out.count, ==, 7);
	g_assert_cmpuint(out.mode, ==, 0);
	g_assert_true(out.gate);
}

static void test_coverage(void)
{
	struct state_field f[ARRAY_SIZE(chip_fields)];
	struct state_desc d = chip_state;
	g_autoptr(GError) error = NULL;

	g_assert_true(state_desc_covers(&chip_state, &error));
	g_assert_no_error(error);
	d.fields = f;
	for (size_t skip = 0; skip + 1 < ARRAY_SIZE(chip_fields); skip++) {
		size_t n = 0;

		for (size_t i = 0; i < ARRAY_SIZE(chip_fields); i++) {
			if (i != skip)
				f[n++] = chip_fields[i];
		}
		g_assert_false(state_desc_covers(&d, NULL));
	}
	memcpy(f, chip_fields, sizeof(chip_fields));
	f[1].offset = 0;
	g_assert_false(state_desc_covers(&d, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INTERNAL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/state/round-trip", test_round_trip);
	g_test_add_func("/state/ranges", test_ranges);
	g_test_add_func("/state/mutations", test_mutations);
	g_test_add_func("/state/identity", test_identity);
	g_test_add_func("/state/older-stream", test_older_stream);
	g_test_add_func("/state/coverage", test_coverage);
	return g_test_run();
}
