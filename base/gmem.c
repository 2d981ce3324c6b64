/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/gmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/qs.h"

#define HUGE_PAGE (2 * MiB)

struct gmem_block {
	int refs; /* atomic */
	int fd;   /* memfd or -1 */
	char *name;
	uint8_t *hva;
	uint64_t size;
	void *reserved; /* address space around hva: alignment and guard */
	uint64_t reserved_size;
	uint64_t *dirty; /* atomic, words too: a bit a page; made by the first dirty log, kept */
};

struct gmem_map {
	size_t n;
	struct gmem_range ranges[]; /* ascending, each holds a reference of its block */
};

struct gmem {
	struct gmem_map *map; /* atomic */
	uint64_t generation;  /* atomic */
	uint64_t ram_size;    /* atomic */
	int dirty;            /* atomic: the dirty log is on */
};

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Huge pages of @page_size that the host has left; -1 when it has none of that size at all. */
static long free_huge_pages(uint64_t page_size)
{
	char path[80];
	FILE *f;
	long n = -1;

	snprintf(path, sizeof(path),
		"/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/free_hugepages", page_size / KiB);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%ld", &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

static bool block_error(GError **error, const struct gmem_block_conf *conf, int err)
{
	if (!conf->page_size)
		return err_set_errno(error, err, "memory block %s: cannot get %" PRIu64 " MiB",
			conf->name, conf->size / MiB);
	return err_set_errno(error, err,
		"memory block %s: cannot get %" PRIu64 " huge pages of %" PRIu64
		" KiB, %ld are free",
		conf->name, conf->size / conf->page_size, conf->page_size / KiB,
		free_huge_pages(conf->page_size));
}

static bool conf_check(const struct gmem_block_conf *conf, GError **error)
{
	uint64_t unit = conf->page_size ? conf->page_size : GMEM_PAGE_SIZE;

	if (conf->page_size && conf->page_size != 2 * MiB && conf->page_size != GiB)
		return err_set(error, VMMD_ERROR_INVALID,
			"memory block %s: huge pages are 2 MiB or 1 GiB, not %" PRIu64 " bytes",
			conf->name, conf->page_size);
	if (!conf->size || conf->size % unit || conf->size > INT64_MAX / 2)
		return err_set(error, VMMD_ERROR_INVALID,
			"memory block %s: size %" PRIu64 " is not a multiple of %" PRIu64,
			conf->name, conf->size, unit);
	return true;
}

/* Both memfd_create(2) and mmap(2) take the logarithm of the page size in these bits. */
static unsigned huge_bits(uint64_t page_size)
{
	return (unsigned)__builtin_ctzll(page_size) << MAP_HUGE_SHIFT;
}

/*
 * The size of the file is sealed: a consumer in another process that has the fd could otherwise shrink it
 * under us.
 */
static int make_memfd(const struct gmem_block_conf *conf)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

	if (conf->page_size)
		flags |= MFD_HUGETLB | huge_bits(conf->page_size);
	fd = memfd_create(conf->name, flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)conf->size) == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;

	int err = -errno;

	close(fd);
	return err;
}

/*
 * Address space is reserved first, wide enough to align guest and host huge pages with each other and to leave an
 * inaccessible page on either side; memory goes into its middle.
 */
static int map_block(struct gmem_block *b, const struct gmem_block_conf *conf)
{
	uint64_t align = conf->size >= HUGE_PAGE ? HUGE_PAGE : GMEM_PAGE_SIZE;
	int flags = MAP_FIXED;
	void *p;

	align = MAX(align, conf->page_size);
	b->reserved_size = b->size + align + GMEM_PAGE_SIZE;
	p = mmap(NULL, b->reserved_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		0);
	if (p == MAP_FAILED)
		return -errno;
	b->reserved = p;
	b->hva = (uint8_t *)align_up((uintptr_t)p + 1, align);

	if (conf->kind == GMEM_SHARED) {
		b->fd = make_memfd(conf);
		if (b->fd < 0)
			return b->fd;
		flags |= MAP_SHARED;
	} else {
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
		if (conf->page_size)
			flags |= MAP_HUGETLB | (int)huge_bits(conf->page_size);
	}
	if (mmap(b->hva, b->size, PROT_READ | PROT_WRITE, flags, b->fd, 0) == MAP_FAILED)
		return -errno;
	/* A wish: a host without transparent huge pages refuses it, and memory works the same. */
	if (!conf->page_size && b->size >= HUGE_PAGE)
		(void)madvise(b->hva, b->size, MADV_HUGEPAGE);
	if (conf->prealloc && madvise(b->hva, b->size, MADV_POPULATE_WRITE) < 0)
		return -errno;
	return 0;
}

struct gmem_block *gmem_block_new(const struct gmem_block_conf *conf, GError **error)
{
	struct gmem_block *b;
	int err;

	if (!conf_check(conf, error))
		return NULL;
	b = g_new0(struct gmem_block, 1);
	b->refs = 1;
	b->fd = -1;
	b->name = g_strdup(conf->name);
	b->size = conf->size;
	err = map_block(b, conf);
	if (err < 0) {
		block_error(error, conf, -err);
		gmem_block_unref(b);
		return NULL;
	}
	return b;
}

struct gmem_block *gmem_block_ref(struct gmem_block *b)
{
	__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

void gmem_block_unref(struct gmem_block *b)
{
	if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (b->reserved)
		munmap(b->reserved, b->reserved_size);
	fd_close(&b->fd);
	g_free(b->name);
	g_free(b->dirty);
	g_free(b);
}

const char *gmem_block_name(const struct gmem_block *b)
{
	return b->name;
}

uint64_t gmem_block_size(const struct gmem_block *b)
{
	return b->size;
}

int gmem_block_fd(const struct gmem_block *b)
{
	return b->fd;
}

void *gmem_block_hva(const struct gmem_block *b)
{
	return b->hva;
}

int gmem_block_load(struct gmem_block *b, uint64_t offset, const void *src, size_t n)
{
	if (!range_fits(offset, n, b->size))
		return -ERANGE;
	memcpy(b->hva + offset, src, n);
	gmem_dirty_mark_block(b, offset, n);
	return 0;
}

int gmem_block_read(const struct gmem_block *b, uint64_t offset, void *dst, size_t n)
{
	if (!range_fits(offset, n, b->size))
		return -ERANGE;
	memcpy(dst, b->hva + offset, n);
	return 0;
}

/* ---- the map --------------------------------------------------------------------------------- */

static void map_free(void *opaque)
{
	struct gmem_map *m = opaque;

	for (size_t i = 0; i < m->n; i++)
		gmem_block_unref(m->ranges[i].block);
	g_free(m);
}

static int range_cmp(const void *a, const void *b)
{
	const struct gmem_range *x = a, *y = b;

	return x->gpa.v < y->gpa.v ? -1 : x->gpa.v > y->gpa.v;
}

/* The end of a range is an address too: a range never touches 2^64. */
static bool ranges_ok(const struct gmem_range *r, size_t n)
{
	gpa_t end = GPA(0);

	for (size_t i = 0; i < n; i++) {
		if (r[i].gpa.v < end.v || !r[i].size || !gpa_add(r[i].gpa, r[i].size, &end) ||
			!range_fits(r[i].offset, r[i].size, r[i].block->size))
			return false;
	}
	return true;
}

static struct gmem_map *map_new(const struct gmem_range *ranges, size_t n)
{
	struct gmem_map *m = g_malloc(sizeof(*m) + n * sizeof(*ranges));

	m->n = n;
	if (n)
		memcpy(m->ranges, ranges, n * sizeof(*ranges));
	qsort(m->ranges, n, sizeof(*ranges), range_cmp);
	if (!ranges_ok(m->ranges, n)) {
		g_free(m);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		gmem_block_ref(m->ranges[i].block);
	return m;
}

/* The order of the load against qs_enter() matters; on x86 it costs nothing (qs.c). */
static struct gmem_map *map_get(struct gmem *g)
{
	return __atomic_load_n(&g->map, __ATOMIC_SEQ_CST);
}

struct gmem *gmem_new(void)
{
	struct gmem *g = g_new0(struct gmem, 1);

	g->map = map_new(NULL, 0);
	return g;
}

void gmem_free(struct gmem *g)
{
	if (!g)
		return;
	map_free(g->map);
	g_free(g);
}

static int dirty_prepare(struct gmem_map *m);

int gmem_map_commit(struct gmem *g, const struct gmem_range *ranges, size_t n)
{
	struct gmem_map *m = map_new(ranges, n), *old;
	uint64_t ram = 0;

	if (!m)
		return -EINVAL;
	if (gmem_dirty_on(g)) {
		int err = dirty_prepare(m);

		if (err < 0) {
			map_free(m);
			return err;
		}
	}
	for (size_t i = 0; i < n; i++)
		ram += m->ranges[i].readonly ? 0 : m->ranges[i].size;
	__atomic_store_n(&g->ram_size, ram, __ATOMIC_RELAXED);
	old = __atomic_exchange_n(&g->map, m, __ATOMIC_SEQ_CST);
	/*
	 * After the swap: who has read the new generation finds the new map. Before the deferral: who has read the old
	 * one in a section, and goes on with what he had cached, keeps the old map alive.
	 */
	__atomic_add_fetch(&g->generation, 1, __ATOMIC_SEQ_CST);
	qs_defer(old, map_free);
	return 0;
}

int gmem_map_foreach(
	struct gmem *g, int (*fn)(const struct gmem_range *r, void *opaque), void *opaque)
{
	const struct gmem_map *m = map_get(g);
	int ret = 0;

	for (size_t i = 0; i < m->n && !ret; i++)
		ret = fn(&m->ranges[i], opaque);
	return ret;
}

uint64_t gmem_generation(struct gmem *g)
{
	return __atomic_load_n(&g->generation, __ATOMIC_SEQ_CST);
}

uint64_t gmem_ram_size(struct gmem *g)
{
	return __atomic_load_n(&g->ram_size, __ATOMIC_RELAXED);
}

/* ---- copying access -------------------------------------------------------------------------- */

static const struct gmem_range *map_find(const struct gmem_map *m, gpa_t gpa)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		const struct gmem_range *r = &m->ranges[mid];

		if (gpa.v < r->gpa.v)
			hi = mid;
		else if (gpa.v - r->gpa.v >= r->size)
			lo = mid + 1;
		else
			return r;
	}
	return NULL;
}

/* A piece of guest memory that is contiguous in a block. */
struct span {
	struct gmem_block *block;
	uint64_t offset, n;
};

static uint8_t *span_hva(const struct span *s)
{
	return s->block->hva + s->offset;
}

/* The first piece of [@gpa, @gpa + @n). 0, -EFAULT, -EACCES. */
static int span_at(const struct gmem_map *m, gpa_t gpa, uint64_t n, bool writable, struct span *ret)
{
	const struct gmem_range *r = map_find(m, gpa);
	uint64_t skip;

	if (!r)
		return -EFAULT;
	if (writable && r->readonly)
		return -EACCES;
	skip = gpa.v - r->gpa.v;
	*ret = (struct span){
		.block = r->block, .offset = r->offset + skip, .n = MIN(n, r->size - skip)};
	return 0;
}

int gmem_read(struct gmem *g, gpa_t gpa, void *dst, size_t n)
{
	const struct gmem_map *m = map_get(g);
	uint8_t *to = dst;
	struct span s;

	for (; n; gpa.v += s.n, to += s.n, n -= s.n) {
		int err = span_at(m, gpa, n, false, &s);

		if (err < 0)
			return err;
		memcpy(to, span_hva(&s), s.n);
	}
	return 0;
}

int gmem_write(struct gmem *g, gpa_t gpa, const void *src, size_t n)
{
	const struct gmem_map *m = map_get(g);
	const uint8_t *from = src;
	struct span s;

	for (; n; gpa.v += s.n, from += s.n, n -= s.n) {
		int err = span_at(m, gpa, n, true, &s);

		if (err < 0)
			return err;
		memcpy(span_hva(&s), from, s.n);
		if (gmem_dirty_on(g))
			gmem_dirty_mark_block(s.block, s.offset, s.n);
	}
	return 0;
}

int gmem_fill(struct gmem *g, gpa_t gpa, uint8_t byte, uint64_t n)
{
	const struct gmem_map *m = map_get(g);
	struct span s;

	for (; n; gpa.v += s.n, n -= s.n) {
		int err = span_at(m, gpa, n, true, &s);

		if (err < 0)
			return err;
		memset(span_hva(&s), byte, s.n);
		if (gmem_dirty_on(g))
			gmem_dirty_mark_block(s.block, s.offset, s.n);
	}
	return 0;
}

void *gmem_hva(struct gmem *g, gpa_t gpa, uint64_t n, bool writable, struct gmem_block **ret_block)
{
	struct span s;

	if (span_at(map_get(g), gpa, n, writable, &s) < 0 || s.n < n)
		return NULL;
	if (ret_block)
		*ret_block = gmem_block_ref(s.block);
	return span_hva(&s);
}

/* ---- payload --------------------------------------------------------------------------------- */

int giov_add_gpa(struct gmem *g, gpa_t gpa, uint64_t n, bool writable, struct iovec *segs,
	unsigned room, unsigned *used)
{
	const struct gmem_map *m = map_get(g);
	unsigned i = *used;
	struct span s;

	for (; n; gpa.v += s.n, n -= s.n) {
		int err = span_at(m, gpa, n, writable, &s);

		if (err < 0)
			return err;
		if (i == room)
			return -E2BIG;
		segs[i++] = (struct iovec){.iov_base = span_hva(&s), .iov_len = s.n};
	}
	*used = i;
	return 0;
}

struct giov giov_from_buf(struct iovec *seg, void *buf, size_t n)
{
	*seg = (struct iovec){.iov_base = buf, .iov_len = n};
	return (struct giov){.segs__ = seg, .n = 1, .size = n};
}

int giov_slice(const struct giov *v, size_t off, size_t n, struct iovec *segs, unsigned room,
	struct giov *ret)
{
	unsigned used = 0;

	if (!range_fits(off, n, v->size))
		return -ERANGE;
	*ret = (struct giov){.segs__ = segs, .size = n};
	for (unsigned i = 0; n; i++) {
		const struct iovec *seg = &v->segs__[i];
		size_t skip = MIN(off, seg->iov_len), len = MIN(n, seg->iov_len - skip);

		off -= skip;
		n -= len;
		if (!len)
			continue;
		if (used == room)
			return -ERANGE;
		segs[used++] = (struct iovec){
			.iov_base = (uint8_t *)seg->iov_base + skip, .iov_len = len};
	}
	ret->n = used;
	return 0;
}

enum giov_op { GIOV_READ, GIOV_WRITE, GIOV_FILL };

/* @buf takes bytes (read), gives them (write), or is one byte (fill). */
static size_t giov_copy(const struct giov *v, size_t off, void *buf, size_t n, enum giov_op op)
{
	size_t done = 0;

	for (unsigned i = 0; i < v->n && done < n; i++) {
		size_t skip = MIN(off, v->segs__[i].iov_len);
		size_t len = MIN(n - done, v->segs__[i].iov_len - skip);
		uint8_t *p = (uint8_t *)v->segs__[i].iov_base + skip;

		switch (op) {
		case GIOV_READ: memcpy((uint8_t *)buf + done, p, len); break;
		case GIOV_WRITE: memcpy(p, (uint8_t *)buf + done, len); break;
		case GIOV_FILL: memset(p, *(uint8_t *)buf, len); break;
		}
		off -= skip;
		done += len;
	}
	return done;
}

size_t giov_read(const struct giov *v, size_t off, void *dst, size_t n)
{
	return giov_copy(v, off, dst, n, GIOV_READ);
}

size_t giov_write(const struct giov *v, size_t off, const void *src, size_t n)
{
	return giov_copy(v, off, (void *)(uintptr_t)src, n, GIOV_WRITE);
}

size_t giov_fill(const struct giov *v, size_t off, uint8_t byte, size_t n)
{
	return giov_copy(v, off, &byte, n, GIOV_FILL);
}

/* ---- dirty log ------------------------------------------------------------------------------- */

#define WORD_BITS 64

static size_t dirty_words(const struct gmem_block *b)
{
	return (b->size / GMEM_PAGE_SIZE + WORD_BITS - 1) / WORD_BITS;
}

/* Gives each block a bitmap that has none yet. */
static int dirty_prepare(struct gmem_map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct gmem_block *b = m->ranges[i].block;
		uint64_t *bitmap;

		if (b->dirty)
			continue;
		bitmap = g_try_new0(uint64_t, dirty_words(b));
		if (!bitmap)
			return -ENOMEM;
		__atomic_store_n(&b->dirty, bitmap, __ATOMIC_RELEASE);
	}
	return 0;
}

/* Marks that an earlier log left behind mean nothing to this one. */
static void dirty_clear(struct gmem_map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct gmem_block *b = m->ranges[i].block;

		for (size_t w = 0; w < dirty_words(b); w++)
			__atomic_store_n(&b->dirty[w], 0, __ATOMIC_RELAXED);
	}
}

int gmem_dirty_start(struct gmem *g)
{
	struct gmem_map *m = map_get(g);
	int err = dirty_prepare(m);

	if (err < 0)
		return err;
	dirty_clear(m);
	__atomic_store_n(&g->dirty, 1, __ATOMIC_SEQ_CST);
	/* Sections that saw the log off have ended when this returns: no write of theirs comes after a first pass. */
	qs_flush();
	return 0;
}

void gmem_dirty_stop(struct gmem *g)
{
	__atomic_store_n(&g->dirty, 0, __ATOMIC_SEQ_CST);
}

bool gmem_dirty_on(const struct gmem *g)
{
	return __atomic_load_n(&g->dirty, __ATOMIC_ACQUIRE);
}

void gmem_dirty_mark(struct gmem *g, gpa_t gpa, uint64_t n)
{
	const struct gmem_map *m;
	struct span s;

	if (!gmem_dirty_on(g))
		return;
	m = map_get(g);
	for (; n && span_at(m, gpa, n, false, &s) == 0; gpa.v += s.n, n -= s.n)
		gmem_dirty_mark_block(s.block, s.offset, s.n);
}

void gmem_dirty_mark_block(struct gmem_block *b, uint64_t offset, uint64_t n)
{
	uint64_t *bitmap = __atomic_load_n(&b->dirty, __ATOMIC_ACQUIRE);
	uint64_t first = offset / GMEM_PAGE_SIZE, last;

	if (!bitmap || !n || !range_fits(offset, n, b->size))
		return;
	last = (offset + n - 1) / GMEM_PAGE_SIZE;
	while (first <= last) {
		uint64_t bits = MIN(WORD_BITS - first % WORD_BITS, last - first + 1);

		/* Always written, even if set already: the bit may be taken before our data is visible. */
		__atomic_fetch_or(&bitmap[first / WORD_BITS],
			(UINT64_MAX >> (WORD_BITS - bits)) << (first % WORD_BITS),
			__ATOMIC_RELEASE);
		first += bits;
	}
}

uint64_t gmem_dirty_take(struct gmem_block *b, uint64_t *bitmap)
{
	uint64_t *dirty = __atomic_load_n(&b->dirty, __ATOMIC_ACQUIRE), moved = 0;

	for (size_t w = 0; dirty && w < dirty_words(b); w++) {
		uint64_t taken;

		if (!__atomic_load_n(&dirty[w], __ATOMIC_RELAXED))
			continue;
		taken = __atomic_exchange_n(&dirty[w], 0, __ATOMIC_ACQ_REL);
		moved += (uint64_t)__builtin_popcountll(taken & ~bitmap[w]);
		bitmap[w] |= taken;
	}
	return moved;
}
