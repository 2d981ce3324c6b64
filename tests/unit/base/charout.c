/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/charout.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "tests/lib/fake-chardev.h"

struct port {
	struct loop *loop;
	struct fake_chardev *chr;
	struct charout out;
	unsigned rooms;
};

static size_t no_input(void *opaque)
{
	return 0;
}

static void writable(void *opaque)
{
	charout_writable(&((struct port *)opaque)->out);
}

static const struct chardev_front front = {.can_read = no_input, .writable = writable};

static void count_room(void *opaque)
{
	((struct port *)opaque)->rooms++;
}

static void port_init(struct port *p)
{
	GError *error = NULL;

	*p = (struct port){.loop = loop_new("test", &error), .chr = fake_chardev_new()};
	g_assert_no_error(error);
	g_assert_cmpint(chardev_attach(&p->chr->chr, p->loop, &front, p), ==, 0);
	charout_init(&p->out, &p->chr->chr, p->loop, count_room, p);
}

static void port_done(struct port *p)
{
	charout_done(&p->out);
	fake_chardev_free(p->chr);
	loop_free(p->loop);
}

static size_t put(struct port *p, const char *text)
{
	return charout_put(&p->out, (const uint8_t *)text, strlen(text));
}

static void expect(struct port *p, const char *text)
{
	g_autofree char *got = fake_chardev_take(p->chr);

	g_assert_cmpstr(got, ==, text);
}

static void gathers(void)
{
	struct port p;

	port_init(&p);
	g_assert_cmpuint(put(&p, "hello "), ==, 6);
	g_assert_cmpuint(put(&p, "world"), ==, 5);
	expect(&p, "");
	loop_iterate(p.loop, -1);
	expect(&p, "hello world");
	g_assert_cmpuint(p.rooms, ==, 0);
	port_done(&p);
}

static void fills_and_drains(void)
{
	g_autofree char *text = g_strnfill(CHAROUT_SIZE + 10, 'x');
	struct port p;

	port_init(&p);
	fake_chardev_set_room(p.chr, 100);
	g_assert_true(charout_has_room(&p.out, CHAROUT_SIZE));
	g_assert_cmpuint(put(&p, text), ==, CHAROUT_SIZE);
	g_assert_false(charout_has_room(&p.out, 1));
	loop_iterate(p.loop, -1);
	g_assert_cmpuint(p.rooms, ==, 1);
	g_assert_cmpuint(p.chr->output->len, ==, 100);
	g_assert_true(charout_has_room(&p.out, 100));
	g_assert_cmpuint(put(&p, text), ==, 100);
	loop_iterate(p.loop, -1);
	g_assert_cmpuint(p.rooms, ==, 1);
	fake_chardev_set_room(p.chr, SIZE_MAX);
	g_assert_cmpuint(p.chr->output->len, ==, CHAROUT_SIZE + 100);
	port_done(&p);
}

/* What waits when the owner goes is offered once more, and its call does not come afterwards. */
static void ends(void)
{
	struct port p;

	port_init(&p);
	put(&p, "last words");
	charout_done(&p.out);
	expect(&p, "last words");
	memset(&p.out, 0, sizeof(p.out));
	loop_iterate(p.loop, 0);
	port_done(&p);
}

static void nobody_listens(void)
{
	struct loop *l = loop_new("test", NULL);
	struct charout out;

	charout_init(&out, NULL, l, NULL, NULL);
	for (unsigned i = 0; i < 2 * CHAROUT_SIZE; i++)
		g_assert_cmpuint(charout_put(&out, (const uint8_t *)"x", 1), ==, 1);
	g_assert_true(charout_has_room(&out, CHAROUT_SIZE));
	loop_iterate(l, 0);
	charout_done(&out);
	loop_free(l);
}

static int attach_ok(struct chardev *c, struct loop *loop)
{
	return 0;
}

static void detach_ok(struct chardev *c)
{
}

static ssize_t write_fails(struct chardev *c, const uint8_t *buf, size_t n)
{
	return -EPIPE;
}

/* A host whose end is broken takes everything: no guest waits for it. */
static void host_is_broken(void)
{
	static const struct chardev_ops ops = {
		.name = "broken", .attach = attach_ok, .detach = detach_ok, .write = write_fails};
	struct chardev c = {.ops = &ops};
	struct loop *l = loop_new("test", NULL);
	struct charout out;

	g_assert_cmpint(chardev_attach(&c, l, &front, NULL), ==, 0);
	charout_init(&out, &c, l, NULL, NULL);
	for (unsigned i = 0; i < 10; i++) {
		uint8_t full[CHAROUT_SIZE] = {0};

		g_assert_cmpuint(charout_put(&out, full, sizeof(full)), ==, sizeof(full));
		loop_iterate(l, -1);
	}
	charout_done(&out);
	chardev_detach(&c);
	loop_free(l);
}

#define BYTES 100000

struct writer {
	struct port *p;
	uint8_t byte;
};

static void *write_bytes(void *opaque)
{
	struct writer *w = opaque;

	for (unsigned i = 0; i < BYTES;) {
		size_t taken = charout_put(&w->p->out, &w->byte, 1);

		if (!taken)
			sched_yield();
		i += (unsigned)taken;
	}
	return NULL;
}

static void many_writers(void)
{
	struct port p;
	struct writer w[2] = {{&p, 'a'}, {&p, 'b'}};
	pthread_t t[2];
	unsigned count[256] = {0};
	GError *error = NULL;

	port_init(&p);
	g_assert_true(loop_thread_start(p.loop, &error));
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, write_bytes, &w[i]);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	loop_thread_join(p.loop);
	loop_iterate(p.loop, 0);
	for (unsigned i = 0; i < p.chr->output->len; i++)
		count[p.chr->output->data[i]]++;
	g_assert_cmpuint(count['a'], ==, BYTES);
	g_assert_cmpuint(count['b'], ==, BYTES);
	port_done(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/charout/gathers", gathers);
	g_test_add_func("/charout/fills-and-drains", fills_and_drains);
	g_test_add_func("/charout/ends", ends);
	g_test_add_func("/charout/nobody-listens", nobody_listens);
	g_test_add_func("/charout/host-is-broken", host_is_broken);
	g_test_add_func("/charout/many-writers", many_writers);
	return g_test_run();
}
