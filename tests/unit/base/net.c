/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/net.h"

#include <errno.h>

#include "base/loop.h"
#include "tests/lib/fake-net.h"

struct front {
	struct loop *loop;
	struct fake_net *net;
	struct net_queue *queue;
	unsigned rx, tx;
};

static void front_rx(void *opaque)
{
	((struct front *)opaque)->rx++;
}

static void front_tx(void *opaque)
{
	((struct front *)opaque)->tx++;
}

static const struct net_front_ops front_ops = {.rx_ready = front_rx, .tx_ready = front_tx};

static void front_init(struct front *f)
{
	GError *error = NULL;

	*f = (struct front){.loop = loop_new("test", &error), .net = fake_net_new(2)};
	g_assert_no_error(error);
	g_assert_cmpint(net_queue_open(&f->net->net, 1, f->loop, &front_ops, f, &f->queue), ==, 0);
}

static void front_done(struct front *f)
{
	net_queue_close(f->queue);
	net_queue_close(NULL);
	net_free(&f->net->net);
	net_free(NULL);
	loop_free(f->loop);
}

static ssize_t send_text(struct front *f, const char *text, size_t n)
{
	struct iovec seg;
	struct giov frame = giov_from_buf(&seg, (void *)(uintptr_t)text, n);

	return net_send(f->queue, &frame);
}

static void sending(void)
{
	struct front f;
	g_autoptr(GBytes) frame = NULL;

	front_init(&f);
	g_assert_cmpint(send_text(&f, "one", 3), ==, 3);
	fake_net_set_room(f.net, 1, 0);
	g_assert_cmpint(send_text(&f, "two", 3), ==, -EAGAIN);
	loop_iterate(f.loop, 0);
	g_assert_cmpuint(f.tx, ==, 0);
	fake_net_set_room(f.net, 1, 1);
	loop_iterate(f.loop, -1);
	g_assert_cmpuint(f.tx, ==, 1);
	g_assert_cmpint(send_text(&f, "two", 3), ==, 3);
	frame = fake_net_take(f.net, 1);
	g_assert_cmpmem(g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), "one", 3);
	g_assert_null(fake_net_take(f.net, 0));
	front_done(&f);
}

static void receiving(void)
{
	struct front f;
	struct iovec seg;
	char buf[8];
	struct giov v = giov_from_buf(&seg, buf, sizeof(buf));

	front_init(&f);
	g_assert_cmpint(net_recv(f.queue, &v), ==, -EAGAIN);
	fake_net_inject(f.net, 1, "frame", 5);
	loop_iterate(f.loop, 0);
	g_assert_cmpuint(f.rx, ==, 0);
	net_rx_enable(f.queue, true);
	loop_iterate(f.loop, -1);
	g_assert_cmpuint(f.rx, ==, 1);
	g_assert_cmpint(net_recv(f.queue, &v), ==, 5);
	g_assert_cmpmem(buf, 5, "frame", 5);
	fake_net_inject(f.net, 1, "too long!", 9);
	g_assert_cmpint(net_recv(f.queue, &v), ==, -EMSGSIZE);
	g_assert_cmpint(net_recv(f.queue, &v), ==, -EAGAIN);
	front_done(&f);
}

static void agreeing(void)
{
	struct front f;
	struct net_queue *q;

	front_init(&f);
	g_assert_cmpint(net_queue_open(&f.net->net, 2, f.loop, &front_ops, &f, &q), ==, -EINVAL);
	g_assert_cmpint(net_set_header(f.queue, 11), ==, -EINVAL);
	g_assert_cmpint(net_set_header(f.queue, 12), ==, 0);
	g_assert_cmpuint(f.net->queues[1].header, ==, 12);
	g_assert_cmpint(send_text(&f, "short", 5), ==, -EMSGSIZE);
	f.net->can_offload = NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4;
	g_assert_cmpuint(net_offloads(&f.net->net), ==, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4);
	g_assert_cmpint(net_set_offloads(f.queue, NET_OFFLOAD_TSO6), ==, -EOPNOTSUPP);
	g_assert_cmpint(net_set_offloads(f.queue, NET_OFFLOAD_CSUM), ==, 0);
	g_assert_cmpuint(f.net->queues[1].offloads, ==, NET_OFFLOAD_CSUM);
	front_done(&f);
}

struct ear {
	struct net_listener l;
	unsigned calls;
	bool up;
};

static void ear_link(struct net_listener *l, bool up)
{
	struct ear *e = container_of(l, struct ear, l);

	e->calls++;
	e->up = up;
}

static void link_changes(void)
{
	struct front f;
	struct ear e = {.l.link_changed = ear_link};

	front_init(&f);
	net_listen(&f.net->net, &e.l);
	net_set_link(&f.net->net, true);
	g_assert_cmpuint(e.calls, ==, 0);
	net_set_link(&f.net->net, false);
	g_assert_cmpuint(e.calls, ==, 1);
	g_assert_false(e.up);
	net_unlisten(&f.net->net, &e.l);
	net_set_link(&f.net->net, true);
	g_assert_cmpuint(e.calls, ==, 1);
	g_assert_true(f.net->net.link_up);
	front_done(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/net/sending", sending);
	g_test_add_func("/net/receiving", receiving);
	g_test_add_func("/net/agreeing", agreeing);
	g_test_add_func("/net/link-changes", link_changes);
	return g_test_run();
}
