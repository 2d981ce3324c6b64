/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver's half of the handshake against a scripted controller: what it writes, in which
 * order, and what it believes of the answers.
 */
#include <glib.h>
#include <string.h>

#include "guest-drivers/abi/hybrid_guest.h"

struct write {
	unsigned int reg, width;
	uint32_t value;
};

/* A controller that answers from its fields and notes every write. */
struct controller {
	struct hybrid_window regs;
	uint16_t answer; /* what a greeting gets */
	uint16_t disks;
	struct write writes[512];
	unsigned int n_writes;
};

static uint32_t controller_read(void *opaque, unsigned int reg, unsigned int width)
{
	struct controller *c = opaque;
	uint32_t value = 0;

	g_assert_cmpuint(reg + width, <=, HYBRID_WINDOW);
	g_assert_cmpuint(reg % width, ==, 0);
	memcpy(&value, (char *)&c->regs + reg, width);
	return value;
}

static void controller_write(void *opaque, unsigned int reg, unsigned int width, uint32_t value)
{
	struct controller *c = opaque;
	uint16_t disk = value - HYBRID_SELECT(HYBRID_CLASS_DISK, 0);

	g_assert_cmpuint(c->n_writes, <, G_N_ELEMENTS(c->writes));
	c->writes[c->n_writes++] = (struct write){reg, width, value};
	if (reg == HYBRID_REG_BUILD)
		c->regs.answer = c->answer;
	if (reg == HYBRID_REG_SELECT)
		c->regs.state = disk < c->disks ? HYBRID_STATE_PRESENT | HYBRID_STATE_PROVEN : 0;
}

static struct controller *controller_new(uint16_t answer)
{
	struct controller *c = g_new0(struct controller, 1);

	c->regs.magic = HYBRID_MAGIC_VALUE;
	c->regs.version = HYBRID_VERSION;
	c->regs.host_build = HYBRID_BUILD(3, 2, 1);
	c->answer = answer;
	return c;
}

static struct hybrid_io controller_io(struct controller *c)
{
	return (struct hybrid_io){controller_read, controller_write, c};
}

static struct hybrid_host greet(struct controller *c)
{
	struct hybrid_io io = controller_io(c);

	return hybrid_greet(&io, HYBRID_PRODUCT_TEST, HYBRID_BUILD(1, 2, 3));
}

static void assert_write(const struct controller *c, unsigned int n, struct write wanted)
{
	g_assert_cmpuint(c->n_writes, >, n);
	g_assert_cmphex(c->writes[n].reg, ==, wanted.reg);
	g_assert_cmpuint(c->writes[n].width, ==, wanted.width);
	g_assert_cmphex(c->writes[n].value, ==, wanted.value);
}

/* Floating bus, another device's bytes, version 0: no port is ever written. */
static void test_absent(void)
{
	static const struct hybrid_window odd[] = {
		{.magic = 0xffffffff, .version = 0xffff},
		{.magic = 0, .version = 1},
		{.magic = 0x564d4d44, .version = 1},
		{.magic = HYBRID_MAGIC_VALUE, .version = 0},
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(odd); i++) {
		g_autofree struct controller *c = controller_new(HYBRID_ANSWER_WELCOME);
		struct hybrid_host host;

		c->regs = odd[i];
		host = greet(c);
		g_assert_false(host.present);
		g_assert_false(hybrid_welcome(&host));
		g_assert_cmpuint(c->n_writes, ==, 0);
	}
}

static void test_welcome(void)
{
	g_autofree struct controller *c = controller_new(HYBRID_ANSWER_WELCOME);
	struct hybrid_host host = greet(c);

	g_assert_true(hybrid_welcome(&host));
	g_assert_cmpuint(host.version, ==, HYBRID_VERSION);
	g_assert_cmphex(host.build, ==, 0x03020001);
	assert_write(c, 0, (struct write){0x06, 2, HYBRID_PRODUCT_TEST});
	assert_write(c, 1, (struct write){0x08, 4, 0x01020003});
	g_assert_cmpuint(c->n_writes, ==, 2);
}

/* Every answer but WELCOME, also one of a version to come, is a refusal. */
static void test_refused(void)
{
	for (unsigned int answer = 0; answer <= 0xffff; answer++) {
		g_autofree struct controller *c = NULL;
		struct hybrid_host host;

		if (answer == HYBRID_ANSWER_WELCOME)
			continue;
		c = controller_new(answer);
		host = greet(c);
		g_assert_true(host.present);
		g_assert_cmpuint(host.answer, ==, answer);
		g_assert_false(hybrid_welcome(&host));
		g_assert_nonnull(hybrid_answer_name(host.answer));
	}
}

static void test_log(void)
{
	g_autofree struct controller *c = controller_new(HYBRID_ANSWER_REFUSED_BUILD);
	g_autofree char *line = g_strnfill(HYBRID_LOG_LINE + 20, 'x');
	struct hybrid_io io = controller_io(c);

	hybrid_log(&io, "a\377\nb");
	assert_write(c, 0, (struct write){0x1c, 1, 'a'});
	assert_write(c, 1, (struct write){0x1c, 1, 0xff});
	assert_write(c, 2, (struct write){0x1c, 1, '\n'});
	g_assert_cmpuint(c->n_writes, ==, 3);

	hybrid_log(&io, line);
	g_assert_cmpuint(c->n_writes, ==, 3 + HYBRID_LOG_LINE + 1);
	assert_write(c, c->n_writes - 1, (struct write){0x1c, 1, '\n'});
}

static void test_state(void)
{
	g_autofree struct controller *c = controller_new(HYBRID_ANSWER_WELCOME);
	struct hybrid_io io = controller_io(c);

	c->disks = 2;
	g_assert_cmphex(hybrid_state(&io, HYBRID_CLASS_DISK, 1), ==,
		HYBRID_STATE_PRESENT | HYBRID_STATE_PROVEN);
	assert_write(c, 0, (struct write){0x14, 2, 0x0101});
	g_assert_cmphex(hybrid_state(&io, HYBRID_CLASS_DISK, 2), ==, 0);
	g_assert_cmphex(hybrid_state(&io, HYBRID_CLASS_NIC, 0), ==, 0);
	assert_write(c, 2, (struct write){0x14, 2, 0x0200});
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hybrid/absent", test_absent);
	g_test_add_func("/hybrid/welcome", test_welcome);
	g_test_add_func("/hybrid/refused", test_refused);
	g_test_add_func("/hybrid/log", test_log);
	g_test_add_func("/hybrid/state", test_state);
	return g_test_run();
}
