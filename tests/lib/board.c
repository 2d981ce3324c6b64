/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/board.h"

#include <string.h>

#include "base/qs.h"

static void note_request(struct bus *bus, enum bus_request what, unsigned detail)
{
	struct board *b = bus->machine;

	b->requests++;
	b->last_request = what;
	b->last_detail = detail;
}

void board_init(struct board *b)
{
	const struct gmem_block_conf conf = {.name = "ram", .size = BOARD_RAM_SIZE};
	GError *error = NULL;

	qs_thread_init();
	*b = (struct board){.accel = fake_accel_new(), .gmem = gmem_new()};
	b->clocks = clocks_new_stepped(BOARD_EPOCH);
	b->loop = loop_new("board", &error);
	g_assert_no_error(error);
	b->ram = gmem_block_new(&conf, &error);
	g_assert_no_error(error);
	b->bus = bus_new(&b->accel->accel, b->gmem, b->clocks, b->loop);
	b->bus->request = note_request;
	b->bus->machine = b;
	region_init_mem(&b->ram_region, "ram", b->ram, 0, BOARD_RAM_SIZE, false);
	g_assert_cmpint(region_map(b->bus, &b->ram_region, 0, REGION_PRIO_BACKGROUND), ==, 0);
	g_assert_cmpint(bus_commit(b->bus), ==, 0);
	qs_enter();
}

void board_done(struct board *b)
{
	qs_leave();
	bus_free(b->bus);
	gmem_free(b->gmem);
	gmem_block_unref(b->ram);
	qs_flush();
	clocks_free(b->clocks);
	loop_free(b->loop);
	fake_accel_free(b->accel);
	qs_thread_done();
}

void board_realize(struct board *b, struct dev *d)
{
	GError *error = NULL;

	dev_realize(d, &error);
	g_assert_no_error(error);
	bus_lock(b->bus);
	dev_lock(d);
	d->ops->reset(d, RESET_COLD);
	dev_unlock(d);
	bus_unlock(b->bus);
}

void board_refuse(struct board *b, struct dev *d, const char *says)
{
	g_autoptr(GError) error = NULL;

	qs_leave();
	g_assert_false(dev_realize(d, &error));
	qs_enter();
	g_assert_nonnull(error);
	g_assert_nonnull(strstr(error->message, says));
}

void board_remove(struct board *b, struct dev *d)
{
	qs_leave();
	dev_free(d);
	qs_enter();
}

struct dev *board_add(struct board *b, const struct dev_ops *ops, const char *id)
{
	struct dev *d = dev_new(b->bus, ops, id);

	board_realize(b, d);
	return d;
}

uint8_t board_inb(struct board *b, uint16_t port)
{
	return (uint8_t)bus_read(b->bus, BUS_PIO, port, 1);
}

uint16_t board_inw(struct board *b, uint16_t port)
{
	return (uint16_t)bus_read(b->bus, BUS_PIO, port, 2);
}

uint32_t board_inl(struct board *b, uint16_t port)
{
	return (uint32_t)bus_read(b->bus, BUS_PIO, port, 4);
}

void board_outb(struct board *b, uint16_t port, uint8_t v)
{
	bus_write(b->bus, BUS_PIO, port, 1, v);
}

void board_outw(struct board *b, uint16_t port, uint16_t v)
{
	bus_write(b->bus, BUS_PIO, port, 2, v);
}

void board_outl(struct board *b, uint16_t port, uint32_t v)
{
	bus_write(b->bus, BUS_PIO, port, 4, v);
}

/* Every io region has the same chance, however large it is. */
static struct region *any_region(struct board *b)
{
	struct region *found = NULL;
	int n = 0;

	for (struct region *r = b->bus->regions; r; r = r->next) {
		if (r->kind == REGION_IO && g_test_rand_int_range(0, ++n) == 0)
			found = r;
	}
	return found;
}

static void poke_once(struct board *b)
{
	struct region *r = any_region(b);
	unsigned size = 1u << g_test_rand_int_range(0, r->space == BUS_MMIO ? 4 : 3);
	uint64_t at = r->base + (uint64_t)g_test_rand_int_range(0, (int)r->size);
	uint64_t value = (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();

	if (g_test_rand_bit())
		bus_write(b->bus, r->space, at, size, value & ones(size));
	else
		bus_read(b->bus, r->space, at, size);
}

void board_poke(struct board *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		poke_once(b);
		if (i % 16 == 0)
			board_step(b, INT64_C(1) << g_test_rand_int_range(0, 24));
		if (i % 64 == 0)
			board_poll(b);
	}
}

void board_step(struct board *b, int64_t ns)
{
	clock_step_to(b->clocks, clock_now(b->clocks, VM_CLOCK_VIRTUAL) + ns);
}

static void note_round(struct loop_call *c)
{
	c->fn = NULL;
}

/* Messages run in order: when ours has run, what was posted before it has too; twice, for what that posted. */
void board_poll(struct board *b)
{
	for (unsigned i = 0; i < 2; i++) {
		struct loop_call last = {.fn = note_round};

		loop_post(b->loop, &last);
		while (last.fn)
			loop_iterate(b->loop, -1);
	}
}

bool board_requested(struct board *b, enum bus_request what)
{
	bool came = b->requests == 1 && b->last_request == what;

	b->requests = 0;
	return came;
}

bool board_irq(struct board *b, unsigned gsi)
{
	return fake_accel_level(b->accel, gsi);
}

unsigned board_irq_edges(struct board *b, unsigned gsi)
{
	return fake_accel_rises(b->accel, gsi);
}

void board_reset(struct board *b, enum reset_kind kind)
{
	bus_reset(b->bus, kind);
}

void board_save_and_load(struct board *b)
{
	g_autoptr(GByteArray) first = g_byte_array_new(), second = g_byte_array_new();
	GError *error = NULL;

	bus_save(b->bus, first);
	bus_reset(b->bus, RESET_COLD);
	bus_load(b->bus, first->data, first->len, &error);
	g_assert_no_error(error);
	bus_save(b->bus, second);
	g_assert_cmpmem(first->data, first->len, second->data, second->len);
}
