/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fake-chardev.h"

static struct fake_chardev *to_fake(struct chardev *c)
{
	return container_of(c, struct fake_chardev, chr);
}

static void feed(struct fake_chardev *f)
{
	while (f->chr.front && f->input->len) {
		size_t n = f->chr.front->can_read(f->chr.opaque);
		g_autofree uint8_t *copy = NULL;

		n = MIN(n, f->input->len);
		if (!n)
			break;
		copy = g_memdup2(f->input->data, n);
		g_byte_array_remove_range(f->input, 0, (guint)n);
		f->chr.front->read(f->chr.opaque, copy, n);
	}
}

static int fake_attach(struct chardev *c, struct loop *loop)
{
	return 0;
}

static void fake_detach(struct chardev *c)
{
}

static ssize_t fake_write(struct chardev *c, const uint8_t *buf, size_t n)
{
	struct fake_chardev *f = to_fake(c);

	n = MIN(n, f->room);
	f->room -= n;
	g_byte_array_append(f->output, buf, (guint)n);
	return (ssize_t)n;
}

static void fake_accept_input(struct chardev *c)
{
	feed(to_fake(c));
}

static void fake_free(struct chardev *c)
{
	struct fake_chardev *f = to_fake(c);

	g_byte_array_unref(f->output);
	g_byte_array_unref(f->input);
	g_free(f->chr.id);
	g_free(f);
}

static const struct chardev_ops fake_ops = {
	.name = "fake",
	.attach = fake_attach,
	.detach = fake_detach,
	.write = fake_write,
	.accept_input = fake_accept_input,
	.free = fake_free,
};

struct fake_chardev *fake_chardev_new(void)
{
	struct fake_chardev *f = g_new0(struct fake_chardev, 1);

	f->chr.ops = &fake_ops;
	f->chr.id = g_strdup("fake");
	f->output = g_byte_array_new();
	f->input = g_byte_array_new();
	f->room = SIZE_MAX;
	return f;
}

void fake_chardev_free(struct fake_chardev *f)
{
	chardev_free(f ? &f->chr : NULL);
}

void fake_chardev_input(struct fake_chardev *f, const void *buf, size_t n)
{
	g_byte_array_append(f->input, buf, (guint)n);
	feed(f);
}

void fake_chardev_open(struct fake_chardev *f, bool open)
{
	if (f->chr.front && f->chr.front->opened)
		f->chr.front->opened(f->chr.opaque, open);
}

void fake_chardev_set_room(struct fake_chardev *f, size_t n)
{
	f->room = n;
	if (n && f->chr.front && f->chr.front->writable)
		f->chr.front->writable(f->chr.opaque);
}

char *fake_chardev_take(struct fake_chardev *f)
{
	char *text = f->output->len ? g_strndup((const char *)f->output->data, f->output->len)
				    : g_strdup("");

	g_byte_array_set_size(f->output, 0);
	return text;
}
