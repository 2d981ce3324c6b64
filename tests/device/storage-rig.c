/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/storage-rig.h"

#include <string.h>

#include "base/qs.h"

#define DEADLINE (20 * NSEC_PER_SEC)

struct fake_blk *storage_disk_new(struct rig *r, uint64_t size)
{
	struct fake_blk *f = fake_blk_new(r->loop, size);

	for (uint64_t i = 0; i < size / 4; i++) {
		uint32_t v = (uint32_t)(i * 2654435761u);

		memcpy(f->data + i * 4, &v, sizeof(v));
	}
	return f;
}

void storage_turn(struct rig *r)
{
	for (unsigned i = 0; i < 10; i++)
		rig_poll(r);
}

void storage_put_ram(struct rig *r, uint64_t addr, const void *p, size_t n)
{
	qs_enter();
	g_assert_cmpint(gmem_write(r->gmem, GPA(addr), p, n), ==, 0);
	qs_leave();
}

void storage_get_ram(struct rig *r, uint64_t addr, void *p, size_t n)
{
	qs_enter();
	g_assert_cmpint(gmem_read(r->gmem, GPA(addr), p, n), ==, 0);
	qs_leave();
}

void storage_assert_ram(struct rig *r, uint64_t addr, const uint8_t *p, size_t n)
{
	g_autofree uint8_t *buf = g_malloc(n);

	storage_get_ram(r, addr, buf, n);
	g_assert_cmpmem(buf, n, p, n);
}

/* ---- state ---- */

struct quiescing {
	struct async_group g;
	bool done;
};

static void quiesced(struct async_group *g)
{
	container_of(g, struct quiescing, g)->done = true;
}

void storage_rig_quiesce(struct rig *r)
{
	struct quiescing q = {.done = false};

	async_begin(&q.g, r->loop, quiesced);
	bus_quiesce(r->bus, &q.g);
	async_end(&q.g);
	/* Requests may be on a thread of their own. */
	for (int64_t deadline = loop_now() + DEADLINE; !q.done; rig_poll(r))
		g_assert_cmpint(loop_now(), <, deadline);
}

void storage_save_and_load(struct rig *r)
{
	g_autoptr(GByteArray) first = g_byte_array_new(), second = g_byte_array_new();
	g_autoptr(GError) error = NULL;

	storage_rig_quiesce(r);
	bus_save(r->bus, first);
	bus_reset(r->bus, RESET_COLD);
	bus_load(r->bus, first->data, first->len, &error);
	g_assert_no_error(error);
	bus_save(r->bus, second);
	g_assert_cmpmem(first->data, first->len, second->data, second->len);
	bus_resume(r->bus);
}

void storage_remove(struct rig *r, struct dev *d)
{
	storage_turn(r);
	dev_free(d);
	storage_turn(r);
}
