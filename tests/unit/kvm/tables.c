/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state tables of vmmd/kvm: complete, and strict with streams. Needs no /dev/kvm. */
#include <errno.h>
#include <string.h>

#include "base/state.h"
#include "vmmd/kvm/kvm-internal.h"

static const struct state_desc *const tables[] = {&kvm_vcpu_state, &kvm_irqchip_state};

static void test_covers(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(state_desc_covers(tables[i], &error));
		g_assert_no_error(error);
	}
}

static const struct state_field *field(const struct state_field *fields, const char *name)
{
	for (; fields->name; fields++) {
		if (strcmp(fields->name, name) == 0)
			return fields;
	}
	g_assert_not_reached();
}

/* Loads @hw's stream into another structure; what load refuses leaves that untouched. */
static int reload(const struct state_desc *d, const void *hw)
{
	g_autoptr(GByteArray) stream = g_byte_array_new();
	g_autofree uint8_t *copy = g_malloc(d->size), *before = NULL;
	size_t used;
	int err;

	memset(copy, 0x5a, d->size);
	before = g_memdup2(copy, d->size);
	state_save(d, hw, stream);
	err = state_load(d, copy, stream->data, stream->len, &used);
	if (err)
		g_assert_cmpmem(copy, d->size, before, d->size);
	else
		g_assert_cmpmem(copy, d->size, hw, d->size);
	return err;
}

static void test_ranges(void)
{
	const struct state_field *count = field(kvm_vcpu_state.fields, "n_msrs");
	const struct state_field *msrs = field(kvm_vcpu_state.fields, "msrs");
	g_autofree uint8_t *hw = g_malloc0(kvm_vcpu_state.size);
	uint32_t *n = (void *)(hw + count->offset);
	uint32_t *index = (void *)(hw + msrs->offset + field(msrs->sub, "index")->offset);
	uint32_t *present = (void *)(hw + msrs->offset + field(msrs->sub, "present")->offset);

	g_assert_cmpint(reload(&kvm_vcpu_state, hw), ==, 0);
	*n = (uint32_t)msrs->count + 1;
	g_assert_cmpint(reload(&kvm_vcpu_state, hw), ==, -ERANGE);
	*n = UINT32_MAX;
	g_assert_cmpint(reload(&kvm_vcpu_state, hw), ==, -ERANGE);
	*n = 1;
	*index = 0xc0000081;
	g_assert_cmpint(reload(&kvm_vcpu_state, hw), ==, 0);
	*present = 2;
	g_assert_cmpint(reload(&kvm_vcpu_state, hw), ==, -ERANGE);
	*present = 1;
	*index = 0x8b; /* microcode revision: none that is saved */
	g_assert_cmpint(reload(&kvm_vcpu_state, hw), ==, -EINVAL);
}

/* Bits flipped, bytes gone: refused or taken, never beyond the structure (the sanitizers look on). */
static void test_mutated(void)
{
	GRand *rand = g_rand_new_with_seed(7);

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		g_autofree uint8_t *hw = g_malloc0(tables[i]->size);
		g_autoptr(GByteArray) stream = g_byte_array_new();
		unsigned refused = 0;
		size_t used;

		state_save(tables[i], hw, stream);
		for (unsigned k = 0; k < 3000; k++) {
			g_autofree uint8_t *bytes = g_memdup2(stream->data, stream->len);
			size_t len = stream->len;

			if (k % 3 == 0)
				len = (size_t)g_rand_int_range(rand, 0, (gint32)len);
			/* Near the front, where names and sizes are, and anywhere. */
			bytes[g_rand_int_range(rand, 0, k % 2 ? 64 : (gint32)stream->len)] ^=
				(uint8_t)(1 << g_rand_int_range(rand, 0, 8));
			if (state_load(tables[i], hw, bytes, len, &used) == 0)
				g_assert_cmpuint(used, <=, len);
			else
				refused++;
		}
		g_assert_cmpuint(refused, >, 1000);
	}
	g_rand_free(rand);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kvm/tables/covers", test_covers);
	g_test_add_func("/kvm/tables/ranges", test_ranges);
	g_test_add_func("/kvm/tables/mutated", test_mutated);
	return g_test_run();
}
