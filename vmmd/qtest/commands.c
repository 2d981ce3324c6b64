/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/qs.h"
#include "vmmd/qtest/internal.h"

#define ARGS_MAX     4
#define TRANSFER_MAX (16 * MiB)          /* bytes that one command reads or writes */
#define FILL_MAX     (4 * GiB)           /* and that memset fills */
#define STEP_MAX     (UINT64_C(1) << 55) /* ns of one clock step: a bit more than a year */
#define CLOCK_MAX    (INT64_C(1) << 61)  /* ns: 73 years */
#define EVENTS_MAX   (INT64_C(1) << 22)  /* timers that fire in one clock step */
#define CHUNK        (64 * KiB)

struct command {
	const char *name;
	unsigned min_args, max_args;
	void (*run)(struct qtest_server *s, const struct command *c, char **args);
	unsigned size; /* of an access */
};

/* ---- arguments ---- */

/* As strtoull() with base 0 reads it, but nothing more and nothing less. */
static bool get_number(struct qtest_server *s, const char *word, uint64_t max, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(word, &end, 0);
	if (!g_ascii_isdigit(word[0]) || *end || errno || *ret > max) {
		qtest_send(s, "FAIL Bad number '%.40s'", word);
		return false;
	}
	return true;
}

/* Address and size of a block; @max bounds the size. */
static bool get_block(
	struct qtest_server *s, char **args, uint64_t max, uint64_t *ret_addr, uint64_t *ret_size)
{
	return get_number(s, args[0], UINT64_MAX, ret_addr) &&
	       get_number(s, args[1], max, ret_size);
}

static void ok(struct qtest_server *s)
{
	qtest_send_bytes(s, "OK", 2);
}

/* ---- registers and memory ---- */

static void port_in(struct qtest_server *s, const struct command *c, char **args)
{
	uint64_t port, value;

	if (!get_number(s, args[0], UINT16_MAX, &port))
		return;
	qs_enter();
	value = bus_read(s->bus, BUS_PIO, port, c->size);
	qs_leave();
	qtest_send(s, "OK 0x%04" PRIx64, value);
}

static void port_out(struct qtest_server *s, const struct command *c, char **args)
{
	uint64_t port, value;

	if (!get_number(s, args[0], UINT16_MAX, &port) ||
		!get_number(s, args[1], UINT64_MAX, &value))
		return;
	qs_enter();
	bus_write(s->bus, BUS_PIO, port, c->size, value & ones(c->size));
	qs_leave();
	ok(s);
}

static void mem_in(struct qtest_server *s, const struct command *c, char **args)
{
	uint64_t addr, value;

	if (!get_number(s, args[0], UINT64_MAX, &addr))
		return;
	qs_enter();
	value = bus_read(s->bus, BUS_MMIO, addr, c->size);
	qs_leave();
	qtest_send(s, "OK 0x%016" PRIx64, value);
}

static void mem_out(struct qtest_server *s, const struct command *c, char **args)
{
	uint64_t addr, value;

	if (!get_number(s, args[0], UINT64_MAX, &addr) ||
		!get_number(s, args[1], UINT64_MAX, &value))
		return;
	qs_enter();
	bus_write(s->bus, BUS_MMIO, addr, c->size, value & ones(c->size));
	qs_leave();
	ok(s);
}

/* What nobody answers reads as ones, as for a CPU: no failure of the command. */
static uint8_t *read_block(struct qtest_server *s, char **args, uint64_t *ret_n)
{
	uint64_t addr;
	uint8_t *buf;

	if (!get_block(s, args, TRANSFER_MAX, &addr, ret_n))
		return NULL;
	if (!*ret_n) {
		qtest_send(s, "FAIL Nothing to read");
		return NULL;
	}
	buf = g_malloc(*ret_n);
	qs_enter();
	(void)bus_mem_read(s->bus, addr, buf, *ret_n);
	qs_leave();
	return buf;
}

static void write_block(struct qtest_server *s, uint64_t addr, const uint8_t *buf, uint64_t n)
{
	qs_enter();
	(void)bus_mem_write(s->bus, addr, buf, n);
	qs_leave();
}

static void read_hex(struct qtest_server *s, const struct command *c, char **args)
{
	static const char digits[] = "0123456789abcdef";
	g_autofree uint8_t *buf = NULL;
	g_autofree char *text = NULL;
	uint64_t n;
	char *at;

	buf = read_block(s, args, &n);
	if (!buf)
		return;
	text = g_malloc(2 * n + 6);
	at = g_stpcpy(text, "OK 0x");
	for (uint64_t i = 0; i < n; i++) {
		*at++ = digits[buf[i] >> 4];
		*at++ = digits[buf[i] & 15];
	}
	qtest_send_bytes(s, text, at - text);
}

/* Two digits; -1 when they are none. */
static int hex_byte(const char *p)
{
	int high = g_ascii_xdigit_value(p[0]), low = high < 0 ? -1 : g_ascii_xdigit_value(p[1]);

	return low < 0 ? -1 : high << 4 | low;
}

/* Bytes of @hex, at most @n; -1 when it is malformed. */
static ssize_t decode_hex(const char *hex, uint8_t *buf, uint64_t n)
{
	uint64_t i;

	if (strncmp(hex, "0x", 2) != 0)
		return -1;
	hex += 2;
	for (i = 0; i < n && *hex; i++, hex += 2) {
		int byte = hex_byte(hex);

		if (byte < 0)
			return -1;
		buf[i] = byte;
	}
	return i;
}

/* Data that is too short is filled up with zeroes. */
static void write_hex(struct qtest_server *s, const struct command *c, char **args)
{
	g_autofree uint8_t *buf = NULL;
	uint64_t addr, n;

	if (!get_block(s, args, TRANSFER_MAX, &addr, &n))
		return;
	buf = g_malloc0(n);
	if (decode_hex(args[2], buf, n) < 0) {
		qtest_send(s, "FAIL Bad hexadecimal data");
		return;
	}
	write_block(s, addr, buf, n);
	ok(s);
}

static void read_base64(struct qtest_server *s, const struct command *c, char **args)
{
	g_autofree uint8_t *buf = NULL;
	g_autofree char *text = NULL, *reply = NULL;
	uint64_t n;

	buf = read_block(s, args, &n);
	if (!buf)
		return;
	text = g_base64_encode(buf, n);
	reply = g_strconcat("OK ", text, NULL);
	qtest_send_bytes(s, reply, strlen(reply));
}

static void write_base64(struct qtest_server *s, const struct command *c, char **args)
{
	g_autofree uint8_t *buf = NULL;
	uint64_t addr, n;
	gsize got;

	if (!get_block(s, args, TRANSFER_MAX, &addr, &n))
		return;
	buf = g_base64_decode(args[2], &got);
	if (got != n) {
		qtest_send(s, "FAIL Told %" PRIu64 " bytes, found %zu", n, (size_t)got);
		return;
	}
	write_block(s, addr, buf, n);
	ok(s);
}

static void fill(struct qtest_server *s, const struct command *c, char **args)
{
	g_autofree uint8_t *buf = NULL;
	uint64_t addr, n, byte;

	if (!get_block(s, args, FILL_MAX, &addr, &n) || !get_number(s, args[2], UINT64_MAX, &byte))
		return;
	buf = g_malloc(CHUNK);
	memset(buf, (uint8_t)byte, CHUNK);
	/* Addresses stay below 2^64: what is beyond is nobody's. */
	for (uint64_t done = 0; done < n && done <= UINT64_MAX - addr; done += CHUNK)
		write_block(s, addr + done, buf, MIN(CHUNK, n - done));
	ok(s);
}

/* ---- time ---- */

static int64_t now(struct qtest_server *s)
{
	return clock_now(s->bus->clocks, VM_CLOCK_VIRTUAL);
}

/* Deadline by deadline: a timer that is always due again does not hold us for ever. */
static void step_to(struct qtest_server *s, int64_t to)
{
	struct clocks *clocks = s->bus->clocks;

	for (int64_t events = 0;; events++) {
		int64_t next = clock_next_deadline(clocks);

		if (next < 0 || next > to)
			break;
		if (events == EVENTS_MAX) {
			qtest_send(s, "FAIL Too many timers until then");
			return;
		}
		clock_step_to(clocks, next);
	}
	clock_step_to(clocks, to);
	qtest_send(s, "OK %" PRId64, now(s));
}

/* A step that is too wide, or leaves the years that all clocks can count, is refused. */
static void step_by(struct qtest_server *s, uint64_t ns)
{
	if (ns > STEP_MAX || now(s) + (int64_t)ns > CLOCK_MAX)
		qtest_send(s, "FAIL Too far: %" PRIu64 " ns", ns);
	else
		step_to(s, now(s) + (int64_t)ns);
}

static void clock_step(struct qtest_server *s, const struct command *c, char **args)
{
	int64_t next = clock_next_deadline(s->bus->clocks);
	uint64_t ns;

	if (!args[0])
		step_by(s, next > now(s) ? next - now(s) : 0);
	else if (get_number(s, args[0], UINT64_MAX, &ns))
		step_by(s, ns);
}

/* Time does not go back. */
static void clock_set(struct qtest_server *s, const struct command *c, char **args)
{
	uint64_t ns;

	if (get_number(s, args[0], INT64_MAX, &ns))
		step_by(s, (int64_t)ns > now(s) ? ns - now(s) : 0);
}

/* ---- interrupts ---- */

/* The bank of GSIs goes by the name of the interrupt controller whose inputs they are; paths may be partial. */
static bool is_gsi_bank(const char *path)
{
	const char *last = strrchr(path, '/');

	return strcmp(last ? last + 1 : path, "ioapic") == 0;
}

static void pin_changed(void *opaque, unsigned gsi, bool level)
{
	qtest_send(opaque, "IRQ %s %u", level ? "raise" : "lower", gsi);
}

static void intercept_in(struct qtest_server *s, const struct command *c, char **args)
{
	if (!is_gsi_bank(args[0])) {
		qtest_send(s, "FAIL Unknown device");
		return;
	}
	s->intercepting = true;
	gsi_intercept(s->bus->gsi, pin_changed, s);
	ok(s);
}

/* Outputs are wired straight to what they drive; there is nowhere to listen. */
static void intercept_out(struct qtest_server *s, const struct command *c, char **args)
{
	if (is_gsi_bank(args[0]) && s->intercepting)
		qtest_send(s, "FAIL IRQ intercept already enabled");
	else
		qtest_send(s, "FAIL Unknown device");
}

static void set_irq_in(struct qtest_server *s, const struct command *c, char **args)
{
	uint64_t gsi, level;

	if (!is_gsi_bank(args[0]) || strcmp(args[1], "unnamed-gpio-in") != 0) {
		qtest_send(s, "FAIL Unknown device");
		return;
	}
	if (!get_number(s, args[2], GSI_PINS - 1, &gsi) ||
		!get_number(s, args[3], UINT64_MAX, &level))
		return;
	if (!s->inputs[gsi].sink)
		s->inputs[gsi] = gsi_source(s->bus->gsi, gsi);
	irq_set(&s->inputs[gsi], level);
	ok(s);
}

/* ---- the rest ---- */

static void endianness(struct qtest_server *s, const struct command *c, char **args)
{
	qtest_send(s, "OK little");
}

static void module_load(struct qtest_server *s, const struct command *c, char **args)
{
	qtest_send(s, "FAIL Everything is built in");
}

static const struct command commands[] = {
	{"endianness", 0, 0, endianness},
	{"inb", 1, 1, port_in, 1},
	{"inw", 1, 1, port_in, 2},
	{"inl", 1, 1, port_in, 4},
	{"outb", 2, 2, port_out, 1},
	{"outw", 2, 2, port_out, 2},
	{"outl", 2, 2, port_out, 4},
	{"readb", 1, 1, mem_in, 1},
	{"readw", 1, 1, mem_in, 2},
	{"readl", 1, 1, mem_in, 4},
	{"readq", 1, 1, mem_in, 8},
	{"writeb", 2, 2, mem_out, 1},
	{"writew", 2, 2, mem_out, 2},
	{"writel", 2, 2, mem_out, 4},
	{"writeq", 2, 2, mem_out, 8},
	{"read", 2, 2, read_hex},
	{"write", 3, 3, write_hex},
	{"b64read", 2, 2, read_base64},
	{"b64write", 3, 3, write_base64},
	{"memset", 3, 3, fill},
	{"clock_step", 0, 1, clock_step},
	{"clock_set", 1, 1, clock_set},
	{"irq_intercept_in", 1, 1, intercept_in},
	{"irq_intercept_out", 1, 1, intercept_out},
	{"set_irq_in", 4, 4, set_irq_in},
	{"module_load", 2, 2, module_load},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Cuts the next word off *@text, which ends up NULL behind the last one. */
static char *next_word(char **text)
{
	char *word = *text, *end = strchr(word, ' ');

	if (end)
		*end++ = '\0';
	*text = end;
	return word;
}

void qtest_execute(struct qtest_server *s, char *line)
{
	char *name = next_word(&line), *args[ARGS_MAX + 1] = {NULL};
	const struct command *c = find_command(name);
	unsigned n = 0;

	if (!c) {
		g_autofree char *start = g_strndup(name, 40), *shown = g_strescape(start, NULL);

		qtest_send(s, "FAIL Unknown command '%s'", shown);
		return;
	}
	while (line && n < ARGS_MAX)
		args[n++] = next_word(&line);
	if (line || n < c->min_args || n > c->max_args)
		qtest_send(s, "FAIL Wrong number of arguments of '%s'", c->name);
	else
		c->run(s, c, args);
}
