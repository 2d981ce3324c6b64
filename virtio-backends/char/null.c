/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/char/stream.h"

static ssize_t null_write(struct chardev *c, const uint8_t *buf, size_t n)
{
	struct stream *s = container_of(c, struct stream, chr);

	counter_add(&s->stats.out, n);
	counter_add(&s->stats.lost, n);
	return n;
}

static void nothing(struct stream *s)
{
}

static const struct stream_ops null_stream_ops = {
	.start = nothing,
	.stop = nothing,
	.free = nothing,
};

static const struct chardev_ops null_ops = {
	.name = "null",
	.attach = stream_attach,
	.detach = stream_detach,
	.write = null_write,
	.accept_input = stream_accept_input,
	.free = stream_free,
};

struct chardev *chardev_null_new(const char *id)
{
	struct stream *s = g_new0(struct stream, 1);

	stream_init(s, &null_ops, &null_stream_ops, id, 0);
	return &s->chr;
}
