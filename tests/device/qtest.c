/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The qtest protocol over a socket pair, as its clients speak it and as they should not; the accelerator behind it. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/qs.h"
#include "tests/device/rig.h"
#include "vmmd/qtest/qtest.h"

/* A machine on the qtest accelerator, and the client's end of its connection. */
struct machine {
	struct loop *loop;
	struct accel *accel;
	struct clocks *clocks;
	struct gmem *gmem;
	struct bus *bus;
	struct gmem_block *ram;
	struct region ram_region, port, regs;
	struct probe *probe;
	struct qtest_server *server;
	int client;
	bool closed;
	GString *got; /* bytes from the server */
	struct dev_timer timer;
};

#define RAM_SIZE (32 * MiB)
#define PORT     0x510
#define REGS     0xfe000000

static void on_closed(void *opaque)
{
	((struct machine *)opaque)->closed = true;
}

static void connect_server(struct machine *m, int log_fd)
{
	int fds[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	m->client = fds[0];
	g_assert_cmpint(fd_set_nonblock(m->client, true), ==, 0);
	m->closed = false;
	m->server = qtest_serve(m->accel, m->bus, fds[1], log_fd, on_closed, m);
}

static struct machine *machine_new(void)
{
	static const struct gmem_block_conf conf = {.name = "ram", .size = RAM_SIZE};
	struct machine *m = g_new0(struct machine, 1);

	qs_thread_init();
	m->loop = loop_new("test", NULL);
	m->accel = qtest_accel_new(m->loop);
	m->clocks = clocks_new_stepped(0);
	m->gmem = gmem_new();
	m->bus = bus_new(m->accel, m->gmem, m->clocks, m->loop);
	m->ram = gmem_block_new(&conf, NULL);
	region_init_mem(&m->ram_region, "ram", m->ram, 0, RAM_SIZE, false);
	g_assert_cmpint(region_map(m->bus, &m->ram_region, 0, REGION_PRIO_BACKGROUND), ==, 0);

	struct dev *d = dev_new(m->bus, &probe_ops, "probe");

	g_assert_true(dev_realize(d, NULL));
	m->probe = container_of(d, struct probe, dev);
	region_init_io(&m->port, d, &probe_region_ops, "port", BUS_PIO, 8);
	region_init_io(&m->regs, d, &probe_region_ops, "regs", BUS_MMIO, 0x1000);
	m->regs.opaque = GUINT_TO_POINTER(1);
	g_assert_cmpint(region_map(m->bus, &m->port, PORT, 0), ==, 0);
	g_assert_cmpint(region_map(m->bus, &m->regs, REGS, 0), ==, 0);
	g_assert_cmpint(bus_commit(m->bus), ==, 0);
	m->got = g_string_new("");
	connect_server(m, -1);
	return m;
}

static void machine_free(struct machine *m)
{
	qtest_server_free(m->server);
	fd_close(&m->client);
	bus_free(m->bus);
	m->accel->ops->free(m->accel);
	qs_flush();
	gmem_free(m->gmem);
	gmem_block_unref(m->ram);
	clocks_free(m->clocks);
	loop_free(m->loop);
	g_string_free(m->got, true);
	g_free(m);
	qs_thread_done();
}

static void turn(struct machine *m)
{
	char buf[4096];
	ssize_t n;

	loop_iterate(m->loop, 0);
	while (m->client >= 0 && (n = recv(m->client, buf, sizeof(buf), 0)) > 0)
		g_string_append_len(m->got, buf, n);
}

/* Sends all of it, turning the loop where the socket is full. */
static void send_all(struct machine *m, const char *text, size_t n)
{
	while (n && !m->closed) {
		ssize_t sent = send(m->client, text, n, MSG_NOSIGNAL);

		if (sent > 0) {
			text += sent;
			n -= sent;
		}
		turn(m);
	}
}

/* The next line that has come. Free it. */
static char *line(struct machine *m)
{
	char *end, *text;

	for (unsigned i = 0; !(end = memchr(m->got->str, '\n', m->got->len)); i++) {
		g_assert_false(m->closed);
		g_assert_cmpuint(i, <, 100000);
		turn(m);
	}
	text = g_strndup(m->got->str, end - m->got->str);
	g_string_erase(m->got, 0, end + 1 - m->got->str);
	return text;
}

static void expect(struct machine *m, const char *want)
{
	g_autofree char *got = line(m);

	g_assert_cmpstr(got, ==, want);
}

/* One command, one reply. */
static void say(struct machine *m, const char *command, const char *want)
{
	g_autofree char *text = g_strconcat(command, "\n", NULL);

	send_all(m, text, strlen(text));
	expect(m, want);
}

static void refused(struct machine *m, const char *command)
{
	g_autofree char *text = g_strconcat(command, "\n", NULL), *got = NULL;

	send_all(m, text, strlen(text));
	got = line(m);
	if (!g_str_has_prefix(got, "FAIL "))
		g_error("'%s' was answered by '%s'", command, got);
}

/* ---- commands ---- */

static void ports(void)
{
	struct machine *m = machine_new();
	char want[32];

	say(m, "endianness", "OK little");
	snprintf(want, sizeof(want), "OK 0x%04x", probe_byte(&m->port, 1));
	say(m, "inb 0x511", want);
	snprintf(want, sizeof(want), "OK 0x%04x",
		probe_byte(&m->port, 2) | probe_byte(&m->port, 3) << 8);
	say(m, "inw 1298", want);
	say(m, "inl 0x70", "OK 0xffffffff");
	say(m, "inb 0x70", "OK 0x00ff");
	say(m, "outb 0x510 0x1ff", "OK");
	g_assert_cmphex(m->probe->last.value, ==, 0xff);
	say(m, "outw 0x512 0xabcd", "OK");
	g_assert_cmphex(m->probe->last.offset, ==, 2);
	say(m, "outl 0x514 4294967295", "OK");
	g_assert_cmphex(m->probe->last.value, ==, 0xffffffff);
	g_assert_cmpuint(m->probe->last.size, ==, 4);
	machine_free(m);
}

static void memory(void)
{
	struct machine *m = machine_new();

	say(m, "writeq 0x1000 0x1122334455667788", "OK");
	say(m, "readq 0x1000", "OK 0x1122334455667788");
	say(m, "readl 0x1002", "OK 0x0000000033445566");
	say(m, "readw 0x1001", "OK 0x0000000000006677");
	say(m, "readb 0x1007", "OK 0x0000000000000011");
	say(m, "writeb 0x1000 0x100", "OK");
	say(m, "read 0x1000 10", "OK 0x00776655443322110000");
	say(m, "write 0x2000 6 0xdeadBEEF", "OK");
	say(m, "read 0x2000 0x6", "OK 0xdeadbeef0000");
	say(m, "write 0x2000 2 0x01020304", "OK");
	say(m, "read 0x2000 4", "OK 0x0102beef");
	say(m, "write 0x2000 1 0x", "OK");
	say(m, "b64write 0x3000 5 aGVsbG8=", "OK");
	say(m, "read 0x3000 5", "OK 0x68656c6c6f");
	say(m, "b64read 0x3000 5", "OK aGVsbG8=");
	say(m, "memset 0x3001 3 0x2e", "OK");
	say(m, "memset 0x3004 0 0xff", "OK");
	say(m, "read 0x3000 5", "OK 0x682e2e2e6f");
	say(m, "memset 0 0x2000000 0x5a", "OK");
	say(m, "readl 0x1fffffc", "OK 0x000000005a5a5a5a");
	/* Nobody there. */
	say(m, "readl 0xf0000000", "OK 0x00000000ffffffff");
	say(m, "read 0x1fffffe 4", "OK 0x5a5affff");
	say(m, "read 0xffffffffffffffff 3", "OK 0xffffff");
	say(m, "memset 0xfffffffffffffff0 0x100000 0", "OK");
	say(m, "read 0 1", "OK 0x5a");
	machine_free(m);
}

/* Registers are accessed in their own widths: a block of 8 bytes as two of 4. */
static void registers(void)
{
	struct machine *m = machine_new();
	g_autoptr(GString) want = g_string_new("OK 0x");

	m->probe->trace = g_string_new("");
	for (unsigned i = 0; i < 8; i++)
		g_string_append_printf(want, "%02x", probe_byte(&m->regs, 0x10 + i));
	say(m, "read 0xfe000010 8", want->str);
	say(m, "write 0xfe000004 4 0x11223344", "OK");
	g_assert_cmphex(m->probe->last.value, ==, 0x44332211);
	say(m, "writeq 0xfe000008 0x100000002", "OK");
	say(m, "b64write 0xfe000002 2 AAE=", "OK");
	say(m, "memset 0xfe000ffe 4 7", "OK");
	g_assert_cmpstr(m->probe->trace->str, ==, "r10:4 r14:4 w4:4 w8:4 wc:4 w2:2 wffe:2 ");
	g_string_free(m->probe->trace, true);
	machine_free(m);
}

struct ticker {
	struct timer t;
	unsigned fired;
	int64_t period;
};

static void tick(void *opaque)
{
	struct ticker *t = opaque;

	t->fired++;
	timer_set(&t->t, t->t.deadline + t->period);
}

static void time_is_stepped(void)
{
	struct machine *m = machine_new();
	struct ticker t = {.period = 100};

	say(m, "clock_step", "OK 0");
	say(m, "clock_step 7", "OK 7");
	timer_init(&t.t, m->clocks, VM_CLOCK_VIRTUAL, tick, &t);
	timer_set(&t.t, 50);
	say(m, "clock_step", "OK 50");
	g_assert_cmpuint(t.fired, ==, 1);
	say(m, "clock_step", "OK 150");
	say(m, "clock_step 1000", "OK 1150");
	g_assert_cmpuint(t.fired, ==, 12);
	say(m, "clock_set 2000", "OK 2000");
	g_assert_cmpuint(t.fired, ==, 20);
	say(m, "clock_set 500", "OK 2000");
	refused(m, "clock_step 0x7fffffffffffffff");
	refused(m, "clock_set 0x7fffffffffffffff");
	refused(m, "clock_set 0x8000000000000000");

	/* A timer that is due again and again does not hold us for ever. */
	t.period = 1;
	refused(m, "clock_step 1000000000000");
	g_assert_cmpuint(t.fired, >, 1000000);
	timer_cancel(&t.t);
	refused(m, "clock_step 36028797018963969");
	say(m, "clock_set 10000000000", "OK 10000000000");
	say(m, "clock_step 36028797018963968", "OK 36028807018963968");
	machine_free(m);
}

static void pin_timer(struct dev *d)
{
	struct irq pin = gsi_source(d->bus->gsi, 8);

	irq_set(&pin, true);
}

static void interrupts(void)
{
	struct machine *m = machine_new();
	struct irq pin = gsi_source(m->bus->gsi, 4);

	refused(m, "irq_intercept_in isa.0");
	irq_set(&pin, true);
	irq_set(&pin, false);
	say(m, "irq_intercept_in ioapic", "OK");
	say(m, "irq_intercept_in /machine/unattached/ioapic", "OK");
	say(m, "irq_intercept_out ioapic", "FAIL IRQ intercept already enabled");
	say(m, "irq_intercept_out pic", "FAIL Unknown device");

	/* At any time, from the loop's own thread too, without a command. */
	irq_set(&pin, true);
	expect(m, "IRQ raise 4");
	irq_set(&pin, true);
	irq_set(&pin, false);
	expect(m, "IRQ lower 4");

	/* Caused by a command: before its reply. */
	dev_timer_init(&m->timer, DEV(m->probe), VM_CLOCK_VIRTUAL, pin_timer);
	dev_lock(DEV(m->probe));
	dev_timer_set(&m->timer, 10);
	dev_unlock(DEV(m->probe));
	send_all(m, "clock_step 20\n", 14);
	expect(m, "IRQ raise 8");
	expect(m, "OK 20");

	send_all(m, "set_irq_in ioapic unnamed-gpio-in 9 1\n", 38);
	expect(m, "IRQ raise 9");
	expect(m, "OK");
	say(m, "set_irq_in ioapic unnamed-gpio-in 9 1", "OK");
	send_all(m, "set_irq_in ioapic unnamed-gpio-in 9 0\n", 38);
	expect(m, "IRQ lower 9");
	expect(m, "OK");
	refused(m, "set_irq_in ioapic unnamed-gpio-in 24 1");
	refused(m, "set_irq_in ioapic reset 0 1");
	refused(m, "set_irq_in pic unnamed-gpio-in 0 1");

	/* A peer that leaves a line high takes its hand off it. */
	send_all(m, "set_irq_in ioapic unnamed-gpio-in 3 1\n", 38);
	expect(m, "IRQ raise 3");
	qtest_server_free(m->server);
	m->server = NULL;
	g_assert_false(gsi_level(m->bus->gsi, 3));
	irq_set(&pin, true);
	machine_free(m);
}

static void *pulse(void *opaque)
{
	for (unsigned i = 0; i < 500; i++)
		irq_pulse(opaque);
	return NULL;
}

/* Interrupts from another thread: all come, in order, and those before a command before its reply. */
static void interrupts_from_threads(void)
{
	struct machine *m = machine_new();
	struct irq pin = gsi_source(m->bus->gsi, 5);
	pthread_t t;
	unsigned n = 0;

	say(m, "irq_intercept_in ioapic", "OK");
	g_assert_cmpint(pthread_create(&t, NULL, pulse, &pin), ==, 0);
	for (unsigned i = 0; i < 50; i++)
		send_all(m, "inb 0\n", 6);
	g_assert_cmpint(pthread_join(t, NULL), ==, 0);
	send_all(m, "endianness\n", 11);
	for (bool done = false; !done;) {
		g_autofree char *text = line(m);

		done = strcmp(text, "OK little") == 0;
		if (g_str_has_prefix(text, "IRQ "))
			g_assert_cmpstr(text, ==, n++ % 2 ? "IRQ lower 5" : "IRQ raise 5");
	}
	g_assert_cmpuint(n, ==, 1000);
	machine_free(m);
}

static void other_commands(void)
{
	struct machine *m = machine_new();

	say(m, "rtas start-cpu 0 0 0 0 0", "FAIL Unknown command 'rtas'");
	say(m, "", "FAIL Unknown command ''");
	refused(m, "module_load block- iscsi");
	machine_free(m);
}

/* ---- lines nobody should send ---- */

static void bad_lines(void)
{
	static const char *const bad[] = {
		"inb",
		"inb ",
		"inb  0x510",
		"inb 0x510 ",
		"inb 0x510 1",
		"inb 0x10000",
		"inb -1",
		"inb +1",
		"inb x",
		"inb 0x",
		"inb 99999999999999999999999",
		"outb 0x510",
		"inb 0x51g",
		"readq",
		"read 0 0",
		"read 0",
		"read 0 0x1000001",
		"read 0 18446744073709551615",
		"write 0 4",
		"write 0 4 1234",
		"write 0 4 0x123",
		"write 0 4 0xzz",
		"write 0 4 0x12 3",
		"write 0 0x1000001 0x",
		"b64write 0 4 aGVsbG8=",
		"b64write 0 4 ????",
		"b64write 0 1",
		"memset 0 0x100000001 0",
		"memset 0 1",
		"clock_step x",
		"clock_set",
		"clock_step 1 2",
		"irq_intercept_in",
		"set_irq_in ioapic",
		"endianness now",
		"module_load",
		"IRQ raise 1",
		"OK",
		"\x1b[2J",
		"\xff\xfe",
	};
	struct machine *m = machine_new();
	g_autofree char *spaces = g_strnfill(100000, ' '), *xs = g_strnfill(100000, 'x');

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		refused(m, bad[i]);
	refused(m, spaces);
	refused(m, xs);
	send_all(m, "inb\0 0x510\n", 11);
	expect(m, "FAIL Wrong number of arguments of 'inb'");
	g_assert_cmpuint(m->probe->accesses, ==, 0);
	say(m, "endianness", "OK little");
	machine_free(m);
}

/* In whatever pieces the lines come. */
static void pieces(void)
{
	static const char text[] = "writel 0x100 1\nreadl 0x100\n\nendianness\nread 0x100 2\n";
	static const char *const want[] = {
		"OK", "OK 0x0000000000000001", "FAIL Unknown command ''", "OK little", "OK 0x0100"};
	struct machine *m = machine_new();

	for (unsigned step = 1; step < sizeof(text); step++) {
		for (unsigned at = 0; at < sizeof(text) - 1; at += step)
			send_all(m, text + at, MIN(step, sizeof(text) - 1 - at));
		for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
			expect(m, want[i]);
	}
	machine_free(m);
}

static void long_lines(void)
{
	struct machine *m = machine_new();
	size_t n = 16 * MiB - 100;
	g_autofree char *text = g_malloc(n);
	int len = snprintf(text, n, "write 0x100000 %u 0x", (unsigned)(n / 2 - 20));

	memset(text + len, '7', n - len);
	text[n - 1] = '\n';
	text[len + (n - 1 - len) / 2 * 2] = '\n';
	send_all(m, text, n);
	expect(m, "OK");
	say(m, "readb 0x100000", "OK 0x0000000000000077");
	say(m, "readb 0x800000", "OK 0x0000000000000077");
	g_string_truncate(m->got, 0);

	/* Without an end it is the end of the connection. */
	memset(text, 'x', n);
	send_all(m, text, n);
	g_assert_false(m->closed);
	send_all(m, text, 1000);
	for (unsigned i = 0; i < 100 && !m->closed; i++)
		turn(m);
	g_assert_true(m->closed);
	machine_free(m);
}

/* A client that asks for much and does not read: its lines wait, and nothing is lost. */
static void slow_reader(void)
{
	struct machine *m = machine_new();
	static const char ask[] = "read 0 0x100000\n";
	unsigned asked = 0, answered = 0;

	say(m, "memset 0 0x100000 0x11", "OK");
	while (asked < 2000 &&
		send(m->client, ask, sizeof(ask) - 1, MSG_NOSIGNAL) == sizeof(ask) - 1) {
		asked++;
		loop_iterate(m->loop, 0);
	}
	g_assert_cmpuint(asked, >, 20);
	asked = MIN(asked, 30);
	while (answered < asked) {
		g_autofree char *got = line(m);

		g_assert_cmpuint(strlen(got), ==, 5 + 2 * MiB);
		g_assert_true(g_str_has_prefix(got, "OK 0x1111"));
		answered++;
	}
	g_assert_false(m->closed);
	machine_free(m);
}

static void free_in_callback(void *opaque)
{
	struct machine *m = opaque;

	qtest_server_free(m->server);
	m->server = NULL;
	m->closed = true;
}

static void peer_goes(void)
{
	struct machine *m = machine_new();
	int fds[2];

	/* With a half line, and with replies that it will never read. */
	send_all(m, "endian", 6);
	close(m->client);
	m->client = -1;
	for (unsigned i = 0; i < 10 && !m->closed; i++)
		turn(m);
	g_assert_true(m->closed);
	qtest_server_free(m->server);

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	m->closed = false;
	m->server = qtest_serve(m->accel, m->bus, fds[1], -1, free_in_callback, m);
	for (unsigned i = 0; i < 40; i++)
		g_assert_cmpint(send(fds[0], "read 0 0x100000\n", 16, 0), ==, 16);
	loop_iterate(m->loop, 0);
	close(fds[0]);
	for (unsigned i = 0; i < 10 && !m->closed; i++)
		turn(m);
	g_assert_true(m->closed);

	connect_server(m, -1);
	say(m, "endianness", "OK little");
	machine_free(m);
}

static void logged(void)
{
	struct machine *m = machine_new();
	int fds[2];
	char buf[256] = "";

	g_assert_cmpint(pipe(fds), ==, 0);
	qtest_server_free(m->server);
	fd_close(&m->client);
	connect_server(m, fds[1]);
	say(m, "endianness", "OK little");
	g_assert_cmpint(read(fds[0], buf, sizeof(buf) - 1), >, 0);
	g_assert_true(g_regex_match_simple(
		"^\\[R \\+\\d+\\.\\d{6}\\] endianness\n\\[S \\+\\d+\\.\\d{6}\\] OK little\n$", buf,
		0, 0));
	/* A reader that goes away ends the log, not the connection. */
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	say(m, "endianness", "OK little");
	say(m, "endianness", "OK little");
	close(fds[1]);
	machine_free(m);
}

/* ---- the accelerator ---- */

static void count(void *opaque)
{
	(*(unsigned *)opaque)++;
}

static void no_cpus(void)
{
	struct machine *m = machine_new();
	const struct accel_ops *ops = m->accel->ops;
	struct accel_cpus cpus = {1, 1, 1, 1};
	struct accel_cpu_start start = {.mode = ACCEL_CPU_RESET};
	g_autoptr(GByteArray) state = g_byte_array_new();
	g_autoptr(GError) error = NULL;
	unsigned paused = 0;

	g_assert_true(ops->irqchip_create(m->accel, NULL));
	g_assert_true(ops->vcpus_create(m->accel, &cpus, m->bus, NULL));
	ops->run(m->accel);
	ops->pause(m->accel, count, &paused);
	g_assert_cmpuint(paused, ==, 0);
	turn(m);
	g_assert_cmpuint(paused, ==, 1);
	ops->run(m->accel);
	ops->pause(m->accel, count, &paused);
	turn(m);
	g_assert_cmpuint(paused, ==, 2);
	g_assert_cmpint(ops->reset(m->accel, &start), ==, 0);
	g_assert_cmpint(ops->save(m->accel, state), ==, 0);
	g_assert_true(ops->load(m->accel, state->data, state->len, NULL));
	g_assert_false(ops->load(m->accel, (const uint8_t *)"x", 1, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_UNSUPPORTED);
	g_assert_cmpint(ops->nmi(m->accel), ==, -ENOTSUP);
	g_assert_cmpint(ops->dirty_log(m->accel, true), ==, 0);
	g_assert_cmpint(ops->dirty_sync(m->accel), ==, 0);
	machine_free(m);
}

static void ring(int fd)
{
	static const uint64_t one = 1;

	g_assert_cmpint(write(fd, &one, sizeof(one)), ==, sizeof(one));
}

static void irqfds(void)
{
	struct machine *m = machine_new();
	const struct accel_ops *ops = m->accel->ops;
	struct accel_msi msi = {.addr = 0x4000, .data = 0x1234};
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), gsi;

	gsi = ops->gsi_alloc(m->accel);
	g_assert_cmpint(gsi, >=, GSI_PINS);
	g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, -1, false), ==, -ENOENT);
	g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, fd, true), ==, -ENOTSUP);
	g_assert_cmpint(ops->irqfd(m->accel, 100000, fd, -1, true), ==, -EINVAL);
	ops->route_set(m->accel, gsi, &msi);
	g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, -1, true), ==, 0);
	g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, -1, true), ==, -EBUSY);
	g_assert_cmpint(ops->route_commit(m->accel), ==, 0);
	ring(fd);
	turn(m);
	say(m, "readl 0x4000", "OK 0x0000000000001234");

	/* Disconnected the signal stays; connected again it comes through. */
	g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, -1, false), ==, 0);
	say(m, "writel 0x4000 0", "OK");
	ring(fd);
	turn(m);
	say(m, "readl 0x4000", "OK 0x0000000000000000");
	g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, -1, true), ==, 0);
	turn(m);
	say(m, "readl 0x4000", "OK 0x0000000000001234");
	g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, -1, false), ==, 0);
	ops->gsi_free(m->accel, gsi);
	g_assert_cmpint(ops->gsi_alloc(m->accel), ==, gsi);

	/* A pin. */
	say(m, "irq_intercept_in ioapic", "OK");
	g_assert_cmpint(ops->irqfd(m->accel, 11, fd, -1, true), ==, 0);
	ring(fd);
	expect(m, "IRQ raise 11");
	expect(m, "IRQ lower 11");
	g_assert_cmpint(ops->irqfd(m->accel, 11, fd, -1, false), ==, 0);
	while (ops->gsi_alloc(m->accel) > 0)
		;
	g_assert_cmpint(ops->gsi_alloc(m->accel), ==, -ENOSPC);
	close(fd);
	machine_free(m);
}

/* From another thread than the loop's it takes effect there; what was rung last arrives. */
static void irqfds_from_threads(void)
{
	struct machine *m = machine_new();
	const struct accel_ops *ops = m->accel->ops;
	struct accel_msi msi = {.addr = 0x4000, .data = 1};
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), gsi = ops->gsi_alloc(m->accel);
	uint64_t n;

	ops->route_set(m->accel, gsi, &msi);
	ops->route_commit(m->accel);
	g_assert_true(loop_thread_start(m->loop, NULL));
	for (unsigned i = 0; i < 301; i++) {
		g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, -1, i % 2 == 0), ==, 0);
		ring(fd);
	}
	loop_thread_join(m->loop);
	for (unsigned i = 0; i < 5; i++)
		turn(m);
	say(m, "readl 0x4000", "OK 0x0000000000000001");
	g_assert_cmpint(read(fd, &n, sizeof(n)), ==, -1);
	g_assert_cmpint(ops->irqfd(m->accel, gsi, fd, -1, false), ==, 0);
	close(fd);
	machine_free(m);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/qtest/ports", ports);
	g_test_add_func("/qtest/memory", memory);
	g_test_add_func("/qtest/registers", registers);
	g_test_add_func("/qtest/time", time_is_stepped);
	g_test_add_func("/qtest/interrupts", interrupts);
	g_test_add_func("/qtest/interrupts-from-threads", interrupts_from_threads);
	g_test_add_func("/qtest/other-commands", other_commands);
	g_test_add_func("/qtest/bad-lines", bad_lines);
	g_test_add_func("/qtest/pieces", pieces);
	g_test_add_func("/qtest/long-lines", long_lines);
	g_test_add_func("/qtest/slow-reader", slow_reader);
	g_test_add_func("/qtest/peer-goes", peer_goes);
	g_test_add_func("/qtest/logged", logged);
	g_test_add_func("/qtest/no-cpus", no_cpus);
	g_test_add_func("/qtest/irqfds", irqfds);
	g_test_add_func("/qtest/irqfds-from-threads", irqfds_from_threads);
	return g_test_run();
}
