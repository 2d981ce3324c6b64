/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "virtio-backends/virtio/vq-internal.h"

int vq_broken(struct vq *q, const char *why)
{
	vq_block(q);
	counter_add(&q->stats.errors, 1);
	q->host->fail(q->opaque, q, why);
	return -EBADMSG;
}

/* ---- guest memory ---- */

static void area_unmap(struct vq_area *a)
{
	gmem_block_unref(a->block);
	a->block = NULL;
	a->hva = NULL;
}

static int area_map(struct vq *q, struct vq_area *a)
{
	area_unmap(a);
	a->hva = gmem_hva(q->gmem, a->gpa, a->size, a->writable, &a->block);
	return a->hva ? 0 : -EFAULT;
}

/* The map has changed: what we know about it is void. */
static int remap(struct vq *q)
{
	q->generation = gmem_generation(q->gmem);
	memset(q->windows, 0, sizeof(q->windows));
	if (area_map(q, &q->desc) < 0 || area_map(q, &q->driver) < 0 || area_map(q, &q->device) < 0)
		return -EFAULT;
	return 0;
}

static inline bool is_blocked(const struct vq *q)
{
	return __atomic_load_n(&q->blocked, __ATOMIC_ACQUIRE);
}

/* True when guest memory may be touched and the cached addresses hold; once per operation, first. */
static inline bool usable(struct vq *q)
{
	if (unlikely(!q->up || is_blocked(q)))
		return false;
	if (likely(gmem_generation(q->gmem) == q->generation))
		return true;
	if (remap(q) == 0)
		return true;
	vq_broken(q, "ring memory was taken away");
	return false;
}

struct window_search {
	uint64_t gpa;
	struct vq_window *found;
};

static int window_match(const struct gmem_range *r, void *opaque)
{
	struct window_search *s = opaque;

	if (s->gpa - r->gpa.v >= r->size)
		return 0;
	*s->found = (struct vq_window){
		.gpa = r->gpa.v,
		.size = r->size,
		.hva = (uint8_t *)gmem_block_hva(r->block) + r->offset,
		.writable = !r->readonly,
	};
	return 1;
}

/* The window that holds @gpa, from the map if it is a new one; NULL: no such RAM. */
static const struct vq_window *find_window(struct vq *q, uint64_t gpa)
{
	struct window_search s = {.gpa = gpa, .found = &q->windows[q->next_window]};

	for (unsigned i = 0; i < VQ_WINDOWS; i++) {
		if (gpa - q->windows[i].gpa < q->windows[i].size)
			return &q->windows[i];
	}
	if (!gmem_map_foreach(q->gmem, window_match, &s))
		return NULL;
	q->next_window = (q->next_window + 1) % VQ_WINDOWS;
	return s.found;
}

/* Host address of @gpa and in *@len, which holds what is wanted, how much of that lies behind it; NULL: no such RAM. */
static void *translate(struct vq *q, uint64_t gpa, bool write, uint64_t *len)
{
	const struct vq_window *w = find_window(q, gpa);
	uint64_t off;

	if (!w || (write && !w->writable))
		return NULL;
	off = gpa - w->gpa;
	*len = MIN(*len, w->size - off);
	return w->hva + off;
}

int vq_table_load(struct vq *q, uint64_t addr, uint32_t len)
{
	uint8_t *to = (uint8_t *)q->table;

	if (len == 0 || len % VQ_DESC_SIZE)
		return vq_broken(q, "indirect table of a bad length");
	if (len / VQ_DESC_SIZE > q->max_size)
		return vq_broken(q, "indirect table longer than the queue");
	for (uint64_t left = len, n; left; left -= n) {
		const void *from;

		n = left;
		from = translate(q, addr, false, &n);
		if (!from)
			return vq_broken(q, "indirect table outside of RAM");
		memcpy(to, from, n);
		to += n;
		addr += n;
	}
	return (int)(len / VQ_DESC_SIZE);
}

void vq_area_dirty(struct vq *q, const struct vq_area *a, uint64_t off, uint64_t n)
{
	gpa_t gpa;

	if (unlikely(gmem_dirty_on(q->gmem)) && gpa_add(a->gpa, off, &gpa))
		gmem_dirty_mark(q->gmem, gpa, n);
}

/* Marks the buffers that the device has filled. */
static void mark_written(struct vq *q, const struct vq_req *r, uint64_t written)
{
	if (likely(!gmem_dirty_on(q->gmem)))
		return;
	for (unsigned i = r->n_out; written && i < r->n_out + r->n_in; i++) {
		uint64_t n = r->segs[i].iov_len;

		if (n > written)
			n = written;
		gmem_dirty_mark(q->gmem, r->gpas[i], n);
		written -= n;
	}
}

/* ---- requests ---- */

static struct vq_req *req_at(struct vq *q, uint16_t slot)
{
	return (struct vq_req *)(q->reqs + slot * q->stride);
}

/* The next free request, which stays free until req_take(). The layouts see to it that there is one. */
static struct vq_req *req_peek(struct vq *q)
{
	uint16_t slot = q->n_free ? q->free_slots[q->n_free - 1] : q->fresh;
	struct vq_req *r;

	if (slot == q->max_size)
		return NULL;
	r = req_at(q, slot);
	r->slot = slot;
	r->out_size = 0;
	r->in_size = 0;
	r->n_out = 0;
	r->n_in = 0;
	r->n_desc = 0;
	r->long_buf = -1;
	r->room = ARRAY_SIZE(r->own_segs);
	r->segs = r->own_segs;
	r->gpas = r->own_gpas;
	r->device = r + 1;
	return r;
}

static void req_take(struct vq *q, struct vq_req *r)
{
	if (q->n_free)
		q->n_free--;
	else
		q->fresh++;
	r->vq = q;
	q->in_flight++;
	q->taken += r->n_desc;
}

static void long_put(struct vq *q, struct vq_req *r)
{
	if (r->long_buf < 0)
		return;
	q->free_long[q->n_free_long++] = (uint8_t)r->long_buf;
	r->long_buf = -1;
	q->refilled = q->starved;
}

static void req_put(struct vq *q, struct vq_req *r)
{
	long_put(q, r);
	r->vq = NULL;
	q->in_flight--;
	q->taken -= r->n_desc;
	q->free_slots[q->n_free++] = r->slot;
}

/* Moves a chain that outgrew the request's own segments to a buffer of the pool. */
static int long_take(struct vq *q, struct vq_req *r)
{
	unsigned n = r->n_out + r->n_in;
	uint8_t i;

	if (r->long_buf >= 0)
		return vq_broken(q, "chain of more segments than the queue has entries");
	if (!q->n_free_long) {
		q->starved = true;
		q->refilled = false;
		return -EAGAIN;
	}
	i = q->free_long[--q->n_free_long];
	r->long_buf = i;
	r->room = q->long_room;
	r->segs = q->long_segs + (size_t)i * q->long_room;
	r->gpas = q->long_gpas + (size_t)i * q->long_room;
	memcpy(r->segs, r->own_segs, n * sizeof(*r->segs));
	memcpy(r->gpas, r->own_gpas, n * sizeof(*r->gpas));
	return 0;
}

int vq_chain_add_slow(struct vq *q, struct vq_req *r, uint64_t addr, uint32_t len, bool write)
{
	uint64_t left = len, n;

	if (!write && r->n_in)
		return vq_broken(q, "device-readable buffer after a device-writable one");
	for (; left; left -= n, addr += n) {
		unsigned i = r->n_out + r->n_in;
		void *hva;

		if (unlikely(i == r->room - VQ_SPLITS)) {
			int ret = long_take(q, r);

			if (ret < 0)
				return ret;
		}
		n = left;
		hva = translate(q, addr, write, &n);
		if (unlikely(!hva))
			return vq_broken(q, "buffer outside of RAM");
		r->segs[i] = (struct iovec){.iov_base = hva, .iov_len = n};
		r->gpas[i] = GPA(addr);
		if (write)
			r->n_in++;
		else
			r->n_out++;
	}
	*(write ? &r->in_size : &r->out_size) += len;
	return 0;
}

int vq_pop(struct vq *q, struct vq_req **ret)
{
	struct vq_req *r;
	int n;

	if (unlikely(!usable(q)))
		return -EBADMSG;
	if (unlikely(!q->budget))
		return 0;
	r = req_peek(q);
	if (unlikely(!r))
		return vq_broken(q, "more requests than the queue has entries");
	n = q->layout->pop(q, r);
	if (n != 1) {
		long_put(q, r);
		return n == -EAGAIN ? 0 : n;
	}
	if (unlikely(r->out_size + r->in_size > VQ_CHAIN_MAX)) {
		long_put(q, r);
		return vq_broken(q, "chain of more than 4 GiB");
	}
	q->budget--;
	req_take(q, r);
	counter_add(&q->stats.requests, 1);
	*ret = r;
	return 1;
}

bool vq_has_work(struct vq *q)
{
	return usable(q) && q->layout->has_work(q);
}

void vq_push(struct vq_req *r, uint64_t written)
{
	struct vq *q = r->vq;

	if (written > r->in_size)
		written = r->in_size;
	if (likely(usable(q))) {
		mark_written(q, r, written);
		q->layout->push(q, r, (uint32_t)written);
	}
	req_put(q, r);
}

void vq_drop(struct vq_req *r)
{
	req_put(r->vq, r);
}

void vq_unpop(struct vq_req *r)
{
	struct vq *q = r->vq;

	q->layout->unpop(q, r);
	counter_add(&q->stats.requests, UINT64_MAX); /* one less */
	req_put(q, r);
}

void vq_notify(struct vq *q)
{
	bool wanted;

	if (!q->staged || !usable(q))
		return;
	q->layout->publish(q);
	vq_barrier();
	wanted = q->layout->interrupt_wanted(q);
	q->staged = 0;
	if (!wanted)
		return;
	counter_add(&q->stats.interrupts, 1);
	q->host->interrupt(q->opaque, q);
}

void vq_kick_disable(struct vq *q)
{
	q->budget = q->ring.size;
	if (usable(q))
		q->layout->kick_disable(q);
}

bool vq_kick_enable(struct vq *q)
{
	q->budget = UINT32_MAX;
	if (!usable(q))
		return false;
	q->layout->kick_enable(q);
	vq_barrier();
	return q->layout->has_work(q) && (!q->starved || q->refilled);
}

bool vq_retry(struct vq *q)
{
	bool retry = q->starved && q->refilled;

	if (retry)
		q->starved = q->refilled = false;
	return retry;
}

void vq_kicked(struct vq *q)
{
	counter_add(&q->stats.kicks, 1);
}

/* ---- contents ---- */

int vq_read(struct vq_req *r, uint64_t off, void *dst, size_t n)
{
	uint8_t *to = dst;

	if (is_blocked(r->vq) || !range_fits(off, n, r->out_size))
		return -EBADMSG;
	for (const struct iovec *s = r->segs; n; s++) {
		size_t part;

		if (off >= s->iov_len) {
			off -= s->iov_len;
			continue;
		}
		part = MIN(s->iov_len - off, n);
		memcpy(to, (const uint8_t *)s->iov_base + off, part);
		to += part;
		n -= part;
		off = 0;
	}
	return 0;
}

int vq_write(struct vq_req *r, uint64_t off, const void *src, size_t n)
{
	const uint8_t *from = src;

	if (is_blocked(r->vq) || !range_fits(off, n, r->in_size))
		return -EBADMSG;
	for (const struct iovec *s = r->segs + r->n_out; n; s++) {
		size_t part;

		if (off >= s->iov_len) {
			off -= s->iov_len;
			continue;
		}
		part = MIN(s->iov_len - off, n);
		memcpy((uint8_t *)s->iov_base + off, from, part);
		from += part;
		n -= part;
		off = 0;
	}
	return 0;
}

/* Cuts segment @i after @n of its bytes. */
static int split_segment(struct vq_req *r, unsigned i, uint64_t n)
{
	unsigned total = r->n_out + r->n_in;

	if (total == r->room)
		return -EBADMSG;
	memmove(&r->segs[i + 1], &r->segs[i], (total - i) * sizeof(*r->segs));
	memmove(&r->gpas[i + 1], &r->gpas[i], (total - i) * sizeof(*r->gpas));
	r->segs[i].iov_len = n;
	r->segs[i + 1].iov_base = (uint8_t *)r->segs[i + 1].iov_base + n;
	r->segs[i + 1].iov_len -= n;
	r->gpas[i + 1].v += n; /* inside a segment, cannot overflow */
	return 0;
}

/* Index of the segment that begins @off bytes into the part of *@n segments from @first; cuts one if need be. */
static int cut(struct vq_req *r, unsigned first, uint16_t *n, uint64_t off)
{
	unsigned i = first;
	int ret;

	while (off && off >= r->segs[i].iov_len)
		off -= r->segs[i++].iov_len;
	if (!off)
		return (int)i;
	ret = split_segment(r, i, off);
	if (ret < 0)
		return ret;
	++*n;
	return (int)i + 1;
}

static int payload(struct vq_req *r, unsigned first, uint16_t *n_segs, uint64_t off, uint64_t n,
	struct giov *ret)
{
	int begin, end;

	begin = cut(r, first, n_segs, off);
	if (begin < 0)
		return begin;
	end = cut(r, first, n_segs, off + n);
	if (end < 0)
		return end;
	*ret = (struct giov){.segs__ = r->segs + begin, .n = (unsigned)(end - begin), .size = n};
	return 0;
}

int vq_payload_out(struct vq_req *r, uint64_t off, uint64_t n, struct giov *ret)
{
	if (!range_fits(off, n, r->out_size))
		return -EBADMSG;
	return payload(r, 0, &r->n_out, off, n, ret);
}

int vq_payload_in(struct vq_req *r, uint64_t off, uint64_t n, struct giov *ret)
{
	if (!range_fits(off, n, r->in_size))
		return -EBADMSG;
	return payload(r, r->n_out, &r->n_in, off, n, ret);
}

/* ---- life ---- */

struct vq *vq_new(struct gmem *gmem, unsigned index, uint16_t max_size, size_t req_size,
	const struct vq_host_ops *ops, void *opaque)
{
	struct vq *q = g_new0(struct vq, 1);

	q->gmem = gmem;
	q->index = index;
	q->max_size = max_size;
	q->host = ops;
	q->opaque = opaque;
	q->stride = align_up(sizeof(struct vq_req) + req_size, 16);
	q->reqs = g_malloc0_n(max_size, q->stride);
	q->free_slots = g_new0(uint16_t, max_size);
	q->table = g_new0(struct vq_desc, max_size);
	q->long_room = max_size + VQ_SEGS + VQ_SPLITS;
	q->long_segs = g_new0(struct iovec, (size_t)VQ_LONG * q->long_room);
	q->long_gpas = g_new0(gpa_t, (size_t)VQ_LONG * q->long_room);
	for (unsigned i = 0; i < VQ_LONG; i++)
		q->free_long[i] = (uint8_t)i;
	q->n_free_long = VQ_LONG;
	return q;
}

void vq_free(struct vq *q)
{
	if (!q)
		return;
	vq_stop(q);
	g_free(q->long_gpas);
	g_free(q->long_segs);
	g_free(q->table);
	g_free(q->free_slots);
	g_free(q->reqs);
	g_free(q);
}

unsigned vq_index(const struct vq *q)
{
	return q->index;
}

bool vq_is_up(const struct vq *q)
{
	return q->up;
}

/* What the driver may have chosen, sections 2.6 and 2.7, and where the three areas lie. */
static int set_ring(struct vq *q, const struct vq_ring *ring)
{
	uint64_t n = ring->size;

	if (!n || n > q->max_size || (!ring->packed && !is_power_of_2(n)))
		return -EINVAL;
	if (ring->desc.v % 16 || ring->avail.v % (ring->packed ? 4 : 2) || ring->used.v % 4)
		return -EINVAL;
	q->ring = *ring;
	q->desc = (struct vq_area){
		.gpa = ring->desc, .size = n * VQ_DESC_SIZE, .writable = ring->packed};
	q->driver = (struct vq_area){.gpa = ring->avail, .size = 4};
	q->device = (struct vq_area){.gpa = ring->used, .size = 4, .writable = true};
	if (!ring->packed) {
		q->driver.size += 2 * n + (ring->event_idx ? 2 : 0);
		q->device.size += 8 * n + (ring->event_idx ? 2 : 0);
	}
	q->layout = ring->packed ? &vq_packed : &vq_split;
	return 0;
}

static void set_position(struct vq *q, uint16_t avail_idx, uint16_t used_idx)
{
	q->avail_idx = avail_idx;
	q->used_idx = used_idx;
	if (q->ring.packed) {
		q->avail_idx &= VQ_WRAP - 1;
		q->used_idx &= VQ_WRAP - 1;
		q->avail_wrap = avail_idx & VQ_WRAP;
		q->used_wrap = used_idx & VQ_WRAP;
	}
	q->avail_seen = q->avail_idx;
	q->staged = 0;
}

int vq_start(struct vq *q, const struct vq_ring *ring, uint16_t avail_idx, uint16_t used_idx)
{
	int ret;

	vq_stop(q);
	ret = set_ring(q, ring);
	if (ret < 0)
		return ret;
	set_position(q, avail_idx, used_idx);
	if (ring->packed && (q->avail_idx >= ring->size || q->used_idx >= ring->size))
		return -EINVAL;
	ret = remap(q);
	if (ret < 0) {
		vq_stop(q);
		return ret;
	}
	q->budget = UINT32_MAX;
	__atomic_store_n(&q->blocked, 0, __ATOMIC_RELEASE);
	q->up = true;
	return 0;
}

void vq_stop(struct vq *q)
{
	for (uint16_t i = 0; q->in_flight && i < q->fresh; i++) {
		struct vq_req *r = req_at(q, i);

		if (r->vq)
			req_put(q, r);
	}
	area_unmap(&q->desc);
	area_unmap(&q->driver);
	area_unmap(&q->device);
	q->starved = q->refilled = false;
	q->up = false;
}

/* Packed: the place with its wrap counter, as the standard writes it in event structures too. */
static uint16_t position(const struct vq *q, uint16_t idx, bool wrap)
{
	return q->ring.packed && wrap ? idx | VQ_WRAP : idx;
}

void vq_position(const struct vq *q, uint16_t *ret_avail, uint16_t *ret_used)
{
	*ret_avail = position(q, q->avail_idx, q->avail_wrap);
	*ret_used = position(q, q->used_idx, q->used_wrap);
}

void vq_block(struct vq *q)
{
	__atomic_store_n(&q->blocked, 1, __ATOMIC_RELEASE);
}

unsigned vq_in_flight(const struct vq *q)
{
	return q->in_flight;
}

void vq_get_stats(const struct vq *q, struct vq_stats *ret)
{
	ret->requests = counter_get(&q->stats.requests);
	ret->kicks = counter_get(&q->stats.kicks);
	ret->interrupts = counter_get(&q->stats.interrupts);
	ret->errors = counter_get(&q->stats.errors);
}
