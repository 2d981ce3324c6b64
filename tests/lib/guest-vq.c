/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/guest-vq.h"

#include <string.h>

#include "base/qs.h"

#define DESC_SIZE     16
#define PACKED_AVAIL  0x0080
#define PACKED_USED   0x8000
#define EVENT_ENABLE  0
#define EVENT_DISABLE 1
#define EVENT_DESC    2

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t a, b; /* split: flags, next; packed: id, flags */
};

/* ---- memory ---- */

/* Where a word lies in the host, for accesses that must be atomic. */
static void *word(struct gmem *g, uint64_t gpa, size_t n)
{
	void *p = gmem_hva(g, GPA(gpa), n, true, NULL);

	g_assert_nonnull(p);
	return p;
}

void guest_write(struct gmem *g, uint64_t gpa, const void *src, size_t n)
{
	qs_enter();
	g_assert_cmpint(gmem_write(g, GPA(gpa), src, n), ==, 0);
	qs_leave();
}

void guest_read(struct gmem *g, uint64_t gpa, void *dst, size_t n)
{
	qs_enter();
	g_assert_cmpint(gmem_read(g, GPA(gpa), dst, n), ==, 0);
	qs_leave();
}

void guest_write16(struct gmem *g, uint64_t gpa, uint16_t v)
{
	qs_enter();
	__atomic_store_n((uint16_t *)word(g, gpa, 2), v, __ATOMIC_RELEASE);
	qs_leave();
}

/* One store, so that a device on another thread sees all of it or nothing. */
static void write64(struct gmem *g, uint64_t gpa, uint64_t v)
{
	qs_enter();
	__atomic_store_n((uint64_t *)word(g, gpa, 8), v, __ATOMIC_RELEASE);
	qs_leave();
}

uint16_t guest_read16(struct gmem *g, uint64_t gpa)
{
	uint16_t v;

	qs_enter();
	v = __atomic_load_n((uint16_t *)word(g, gpa, 2), __ATOMIC_ACQUIRE);
	qs_leave();
	return v;
}

static void full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The standard's test, section 2.7.10: did the index pass @event on its way from @old to @new? */
static bool event_passed(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* ---- set-up ---- */

uint64_t guest_vq_bytes(uint16_t size)
{
	return align_up(size * DESC_SIZE, 4096) + align_up(6 + 2 * size, 4096) +
	       align_up(6 + 8 * size, 4096);
}

void guest_vq_init(struct guest_vq *q, struct gmem *g, uint64_t base, uint16_t size, bool packed,
	bool event_idx)
{
	g_autofree void *zero = g_malloc0(guest_vq_bytes(size));

	memset(q, 0, sizeof(*q));
	q->gmem = g;
	q->size = size;
	q->packed = packed;
	q->event_idx = event_idx;
	q->desc = base;
	q->driver = q->desc + align_up(size * DESC_SIZE, 4096);
	q->device = q->driver + align_up(6 + 2 * size, 4096);
	guest_write(g, base, zero, guest_vq_bytes(size));
	q->n_free = size;
	q->avail_wrap = q->used_wrap = true;
	for (unsigned i = 0; i < size; i++) {
		q->next[i] = (uint16_t)(i + 1);
		q->free_ids[q->n_free_ids++] = (uint16_t)(size - 1 - i);
	}
}

void guest_vq_set_desc(
	struct guest_vq *q, uint64_t at, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct desc d = {addr, len, q->packed ? next : flags, q->packed ? flags : next};

	guest_write(q->gmem, at, &d, sizeof(d));
}

static uint16_t buf_flags(const struct guest_buf *b, bool last)
{
	return (b->write ? GUEST_DESC_WRITE : 0) | (last ? 0 : GUEST_DESC_NEXT);
}

/* ---- split ---- */

static void fill_table(struct guest_vq *q, const struct guest_buf *bufs, unsigned n, uint64_t table)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t flags = buf_flags(&bufs[i], i + 1 == n);

		if (q->packed)
			flags &= GUEST_DESC_WRITE;
		guest_vq_set_desc(q, table + i * DESC_SIZE, bufs[i].gpa, bufs[i].len, flags,
			(uint16_t)(i + 1));
	}
}

static int split_add(struct guest_vq *q, const struct guest_buf *bufs, unsigned n, uint64_t table)
{
	uint16_t head = q->free_head, i = head;
	struct guest_buf ref = {.gpa = table, .len = n * DESC_SIZE};

	if (table) {
		fill_table(q, bufs, n, table);
		bufs = &ref;
		n = 1;
	}
	if (q->n_free < n)
		return -1;
	for (unsigned k = 0; k < n; k++) {
		uint16_t flags = buf_flags(&bufs[k], k + 1 == n) |
				 (table ? GUEST_DESC_INDIRECT : 0);

		guest_vq_set_desc(
			q, q->desc + i * DESC_SIZE, bufs[k].gpa, bufs[k].len, flags, q->next[i]);
		i = q->next[i];
	}
	q->free_head = i;
	q->n_free -= (uint16_t)n;
	q->n_desc[head] = (uint16_t)n;
	guest_write16(q->gmem, q->driver + 4 + 2 * (q->avail_idx % q->size), head);
	q->avail_idx++;
	return head;
}

static bool split_publish(struct guest_vq *q)
{
	uint16_t old = q->published_idx, new = q->avail_idx;

	guest_write16(q->gmem, q->driver + 2, new);
	q->published_idx = new;
	full_barrier();
	if (old == new)
		return false;
	if (q->event_idx)
		return event_passed(guest_read16(q->gmem, q->device + 4 + 8 * q->size), new, old);
	return !(guest_read16(q->gmem, q->device) & 1);
}

static int split_take(struct guest_vq *q, uint32_t *len)
{
	uint32_t elem[2];
	uint16_t head, i;

	if (guest_read16(q->gmem, q->device + 2) == q->used_idx)
		return -1;
	guest_read(q->gmem, q->device + 4 + 8 * (q->used_idx % q->size), elem, sizeof(elem));
	q->used_idx++;
	g_assert_cmpuint(elem[0], <, q->size);
	head = (uint16_t)elem[0];
	g_assert_cmpuint(q->n_desc[head], >, 0);
	*len = elem[1];
	i = head;
	for (unsigned k = 1; k < q->n_desc[head]; k++)
		i = q->next[i];
	q->next[i] = q->free_head;
	q->free_head = head;
	q->n_free += q->n_desc[head];
	q->n_desc[head] = 0;
	return head;
}

static void split_interrupts(struct guest_vq *q, bool on)
{
	if (q->event_idx)
		/* Off: an index that is half the range away. */
		guest_write16(q->gmem, q->driver + 4 + 2 * q->size,
			on ? q->used_idx : q->used_idx + 0x8000);
	else
		guest_write16(q->gmem, q->driver, !on);
}

/* ---- packed ---- */

static void packed_step(struct guest_vq *q, uint16_t *slot, bool *wrap, unsigned n)
{
	*slot = (uint16_t)(*slot + n);
	if (*slot >= q->size) {
		*slot -= q->size;
		*wrap = !*wrap;
	}
}

static uint16_t packed_avail_flags(const struct guest_vq *q)
{
	return q->avail_wrap ? PACKED_AVAIL : PACKED_USED;
}

static int packed_add(struct guest_vq *q, const struct guest_buf *bufs, unsigned n, uint64_t table)
{
	struct guest_buf ref = {.gpa = table, .len = n * DESC_SIZE};
	uint16_t id;

	if (table) {
		fill_table(q, bufs, n, table);
		bufs = &ref;
		n = 1;
	}
	if (q->n_free < n)
		return -1;
	id = q->free_ids[--q->n_free_ids];
	for (unsigned k = 0; k < n; k++) {
		uint64_t at = q->desc + q->avail_slot * DESC_SIZE;
		uint16_t flags = buf_flags(&bufs[k], k + 1 == n) |
				 (table ? GUEST_DESC_INDIRECT : 0) | packed_avail_flags(q);
		uint64_t w = bufs[k].len | (uint64_t)id << 32 | (uint64_t)flags << 48;

		write64(q->gmem, at, bufs[k].gpa);
		/* The first descriptor's flags are held back until all is published. */
		if (q->unpublished) {
			write64(q->gmem, at + 8, w);
		} else {
			q->first_slot = q->avail_slot;
			q->first_word = w;
		}
		q->unpublished++;
		packed_step(q, &q->avail_slot, &q->avail_wrap, 1);
	}
	q->n_free -= (uint16_t)n;
	q->n_desc[id] = (uint16_t)n;
	return id;
}

static bool packed_publish(struct guest_vq *q)
{
	uint16_t off_wrap, flags, n = q->unpublished;
	unsigned twice = 2 * q->size, first, at;

	if (!n)
		return false;
	write64(q->gmem, q->desc + q->first_slot * DESC_SIZE + 8, q->first_word);
	q->unpublished = 0;
	full_barrier();
	off_wrap = guest_read16(q->gmem, q->device);
	flags = guest_read16(q->gmem, q->device + 2);
	if (flags != EVENT_DESC)
		return flags == EVENT_ENABLE;
	g_assert_true(q->event_idx);
	g_assert_cmpuint(off_wrap & 0x7fff, <, q->size);
	at = (off_wrap & 0x7fff) + (off_wrap >> 15 ? 0 : q->size);
	first = (q->avail_slot + (q->avail_wrap ? 0 : q->size) + twice - n) % twice;
	return (at + twice - first) % twice < n;
}

static int packed_take(struct guest_vq *q, uint32_t *len)
{
	uint64_t at = q->desc + q->used_slot * DESC_SIZE;
	uint16_t flags = guest_read16(q->gmem, at + 14);
	struct desc d;

	if (!!(flags & PACKED_AVAIL) != q->used_wrap || !!(flags & PACKED_USED) != q->used_wrap)
		return -1;
	guest_read(q->gmem, at, &d, sizeof(d));
	g_assert_cmpuint(d.a, <, q->size);
	g_assert_cmpuint(q->n_desc[d.a], >, 0);
	*len = d.len;
	packed_step(q, &q->used_slot, &q->used_wrap, q->n_desc[d.a]);
	q->n_free += q->n_desc[d.a];
	q->n_desc[d.a] = 0;
	q->free_ids[q->n_free_ids++] = d.a;
	return d.a;
}

static void packed_interrupts(struct guest_vq *q, bool on)
{
	uint32_t v = EVENT_DISABLE << 16;

	if (on)
		v = q->event_idx ? EVENT_DESC << 16 | (uint32_t)q->used_wrap << 15 | q->used_slot
				 : EVENT_ENABLE << 16;
	qs_enter();
	__atomic_store_n((uint32_t *)word(q->gmem, q->driver, 4), v, __ATOMIC_RELEASE);
	qs_leave();
}

/* ---- both ---- */

int guest_vq_add(struct guest_vq *q, const struct guest_buf *bufs, unsigned n, uint64_t table)
{
	return q->packed ? packed_add(q, bufs, n, table) : split_add(q, bufs, n, table);
}

bool guest_vq_publish(struct guest_vq *q)
{
	return q->packed ? packed_publish(q) : split_publish(q);
}

int guest_vq_take(struct guest_vq *q, uint32_t *len)
{
	return q->packed ? packed_take(q, len) : split_take(q, len);
}

static bool used_waits(struct guest_vq *q)
{
	uint16_t flags;

	if (!q->packed)
		return guest_read16(q->gmem, q->device + 2) != q->used_idx;
	flags = guest_read16(q->gmem, q->desc + q->used_slot * DESC_SIZE + 14);
	return !!(flags & PACKED_AVAIL) == q->used_wrap && !!(flags & PACKED_USED) == q->used_wrap;
}

void guest_vq_disable_interrupts(struct guest_vq *q)
{
	if (q->packed)
		packed_interrupts(q, false);
	else
		split_interrupts(q, false);
}

bool guest_vq_enable_interrupts(struct guest_vq *q)
{
	if (q->packed)
		packed_interrupts(q, true);
	else
		split_interrupts(q, true);
	full_barrier();
	return used_waits(q);
}
