/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/chardev.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/fake-chardev.h"

/* A front with a small buffer, like a UART's. */
struct front {
	uint8_t buf[4];
	size_t len;
	unsigned writable;
	int open;
};

static size_t front_can_read(void *opaque)
{
	struct front *f = opaque;

	return sizeof(f->buf) - f->len;
}

static void front_read(void *opaque, const uint8_t *buf, size_t n)
{
	struct front *f = opaque;

	g_assert_cmpuint(n, <=, sizeof(f->buf) - f->len);
	memcpy(f->buf + f->len, buf, n);
	f->len += n;
}

static void front_opened(void *opaque, bool open)
{
	((struct front *)opaque)->open = open;
}

static void front_writable(void *opaque)
{
	((struct front *)opaque)->writable++;
}

static const struct chardev_front front_ops = {
	.can_read = front_can_read,
	.read = front_read,
	.opened = front_opened,
	.writable = front_writable,
};

static void one_front(void)
{
	struct fake_chardev *c = fake_chardev_new();
	struct front a = {.open = -1}, b = {.open = -1};

	g_assert_cmpint(chardev_attach(&c->chr, NULL, &front_ops, &a), ==, 0);
	g_assert_cmpint(chardev_attach(&c->chr, NULL, &front_ops, &b), ==, -EBUSY);
	fake_chardev_open(c, true);
	g_assert_cmpint(a.open, ==, 1);
	chardev_detach(&c->chr);
	chardev_detach(&c->chr);
	fake_chardev_input(c, "xy", 2);
	g_assert_cmpuint(a.len, ==, 0);
	g_assert_cmpint(chardev_attach(&c->chr, NULL, &front_ops, &b), ==, 0);
	chardev_accept_input(&c->chr);
	g_assert_cmpmem(b.buf, b.len, "xy", 2);
	chardev_free(&c->chr);
	chardev_free(NULL);
}

static void input_is_paced(void)
{
	struct fake_chardev *c = fake_chardev_new();
	struct front f = {0};

	g_assert_cmpint(chardev_attach(&c->chr, NULL, &front_ops, &f), ==, 0);
	fake_chardev_input(c, "abcdef", 6);
	g_assert_cmpmem(f.buf, f.len, "abcd", 4);
	f.len = 0;
	chardev_accept_input(&c->chr);
	g_assert_cmpmem(f.buf, f.len, "ef", 2);
	chardev_free(&c->chr);
}

static void output_comes_short(void)
{
	struct fake_chardev *c = fake_chardev_new();
	struct front f = {0};
	g_autofree char *text = NULL;

	g_assert_cmpint(chardev_attach(&c->chr, NULL, &front_ops, &f), ==, 0);
	fake_chardev_set_room(c, 3);
	g_assert_cmpint(chardev_write(&c->chr, (const uint8_t *)"hello", 5), ==, 3);
	g_assert_cmpint(chardev_write(&c->chr, (const uint8_t *)"lo", 2), ==, 0);
	fake_chardev_set_room(c, 10);
	g_assert_cmpuint(f.writable, ==, 2);
	g_assert_cmpint(chardev_write(&c->chr, (const uint8_t *)"lo", 2), ==, 2);
	text = fake_chardev_take(c);
	g_assert_cmpstr(text, ==, "hello");
	chardev_free(&c->chr);
}

static int refuse(struct chardev *c, struct loop *loop)
{
	return -ENOTTY;
}

static void attach_can_fail(void)
{
	static const struct chardev_ops ops = {.name = "refusing", .attach = refuse};
	struct chardev c = {.ops = &ops};
	struct front f;

	g_assert_cmpint(chardev_attach(&c, NULL, &front_ops, &f), ==, -ENOTTY);
	g_assert_null(c.front);
	chardev_detach(&c);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/chardev/one-front", one_front);
	g_test_add_func("/chardev/input-is-paced", input_is_paced);
	g_test_add_func("/chardev/output-comes-short", output_comes_short);
	g_test_add_func("/chardev/attach-can-fail", attach_can_fail);
	return g_test_run();
}
