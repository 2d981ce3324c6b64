/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever a program at the other end of a qtest connection sends, in pieces of changing size. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/qs.h"
#include "tests/device/rig.h"
#include "vmmd/qtest/qtest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct machine {
	struct loop *loop;
	struct accel *accel;
	struct clocks *clocks;
	struct gmem *gmem;
	struct bus *bus;
	struct gmem_block *ram;
	struct region ram_region, port, regs;
	struct qtest_server *server;
	int client;
	bool closed;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void on_closed(void *opaque)
{
	((struct machine *)opaque)->closed = true;
}

static void add_probe(struct machine *m)
{
	struct dev *d = dev_new(m->bus, &probe_ops, "probe");

	must(dev_realize(d, NULL));
	region_init_io(&m->port, d, &probe_region_ops, "port", BUS_PIO, 8);
	region_init_io(&m->regs, d, &probe_region_ops, "regs", BUS_MMIO, 0x1000);
	must(region_map(m->bus, &m->port, 0x510, 0) == 0);
	must(region_map(m->bus, &m->regs, 0xfe000000, 0) == 0);
}

static void machine_init(struct machine *m)
{
	static const struct gmem_block_conf conf = {.name = "ram", .size = MiB};
	int fds[2];

	qs_thread_init();
	m->loop = loop_new("fuzz", NULL);
	m->accel = qtest_accel_new(m->loop);
	m->clocks = clocks_new_stepped(0);
	m->gmem = gmem_new();
	m->bus = bus_new(m->accel, m->gmem, m->clocks, m->loop);
	m->ram = gmem_block_new(&conf, NULL);
	must(m->loop && m->ram);
	region_init_mem(&m->ram_region, "ram", m->ram, 0, MiB, false);
	must(region_map(m->bus, &m->ram_region, 0, REGION_PRIO_BACKGROUND) == 0);
	add_probe(m);
	must(bus_commit(m->bus) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	m->client = fds[0];
	must(fd_set_nonblock(m->client, true) == 0);
	m->server = qtest_serve(m->accel, m->bus, fds[1], -1, on_closed, m);
}

static void machine_done(struct machine *m)
{
	qtest_server_free(m->server);
	close(m->client);
	bus_free(m->bus);
	m->accel->ops->free(m->accel);
	qs_flush();
	gmem_free(m->gmem);
	gmem_block_unref(m->ram);
	clocks_free(m->clocks);
	loop_free(m->loop);
	qs_thread_done();
}

/* Replies and lines that came meanwhile; only lines, each of a known kind. */
static void take_replies(struct machine *m, GString *got)
{
	char buf[4096];
	ssize_t n;
	char *end;

	loop_iterate(m->loop, 0);
	while ((n = recv(m->client, buf, sizeof(buf), 0)) > 0)
		g_string_append_len(got, buf, n);
	while ((end = memchr(got->str, '\n', got->len))) {
		must(g_str_has_prefix(got->str, "OK") || g_str_has_prefix(got->str, "FAIL ") ||
			g_str_has_prefix(got->str, "IRQ "));
		g_string_erase(got, 0, end + 1 - got->str);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GString) got = g_string_new("");
	struct machine m = {.closed = false};
	size_t piece = size ? data[0] % 64 + 1 : 1;

	machine_init(&m);
	while (size && !m.closed) {
		ssize_t n = send(m.client, data, MIN(size, piece), MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			size -= n;
		}
		take_replies(&m, got);
	}
	must(!m.closed);
	machine_done(&m);
	return 0;
}
