/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/char/history.h"

#include <glib.h>
#include <string.h>

void history_init(struct history *h, size_t size)
{
	*h = (struct history){.buf = g_malloc(size), .size = size};
}

void history_done(struct history *h)
{
	g_free(h->buf);
	h->buf = NULL;
}

void history_add(struct history *h, const uint8_t *bytes, size_t n)
{
	/* Of more than fits only the end would be left. */
	if (n > h->size) {
		h->head += n - h->size;
		bytes += n - h->size;
		n = h->size;
	}
	while (n) {
		size_t at = h->head % h->size, part = MIN(n, h->size - at);

		memcpy(h->buf + at, bytes, part);
		h->head += part;
		bytes += part;
		n -= part;
	}
}

uint64_t history_start(const struct history *h)
{
	return h->head > h->size ? h->head - h->size : 0;
}

unsigned history_get(const struct history *h, uint64_t from, struct iovec iov[2])
{
	size_t n = h->head - from, at = from % h->size, first = MIN(n, h->size - at);

	if (!n)
		return 0;
	iov[0] = (struct iovec){.iov_base = h->buf + at, .iov_len = first};
	iov[1] = (struct iovec){.iov_base = h->buf, .iov_len = n - first};
	return n > first ? 2 : 1;
}
