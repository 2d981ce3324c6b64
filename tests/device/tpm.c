/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TPM: both interfaces by their registers over a fake back-end, and over swtpm where it is
 * installed.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/lib/board.h"
#include "tests/lib/fake-tpm.h"

#define ACCESS(l) ((l) << 12)
#define STS(l)    ((l) << 12 | 0x18)
#define FIFO(l)   ((l) << 12 | 0x24)

#define ACTIVE  0x20
#define SEIZED  0x10
#define SEIZE   0x08
#define PENDING 0x04
#define REQUEST 0x02

#define VALID  0x80
#define READY  0x40
#define GO     0x20
#define DATA   0x10
#define EXPECT 0x08
#define RETRY  0x02

#define LOC_CTRL 0x08
#define REQ      0x40
#define CRB_STS  0x44
#define CANCEL   0x48
#define START    0x4c
#define BUFFER   0x80

struct fixture {
	struct board b;
	struct fake_tpm *tpm;
	struct dev *d;
};

static uint32_t get(struct board *b, unsigned reg, unsigned size)
{
	return (uint32_t)bus_read(b->bus, BUS_MMIO, TPM_BASE + reg, size);
}

static void put(struct board *b, unsigned reg, unsigned size, uint32_t v)
{
	bus_write(b->bus, BUS_MMIO, TPM_BASE + reg, size, v);
}

static void start(struct fixture *x, const struct dev_ops *ops)
{
	board_init(&x->b);
	x->tpm = fake_tpm_new(x->b.loop);
	x->d = dev_new(x->b.bus, ops, "tpm");
	tpm_set_backend(x->d, &x->tpm->backend);
	board_realize(&x->b, x->d);
	board_poll(&x->b);
	g_assert_cmpuint(x->tpm->starts, ==, 1);
}

static void finish(struct fixture *x)
{
	board_done(&x->b);
	tpm_backend_free(&x->tpm->backend);
}

static const uint8_t command[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x7b, 1, 2, 3, 4};
static const uint8_t response[] = {0x80, 1, 0, 0, 0, 14, 0, 0, 1, 0x7b, 4, 3, 2, 1};

/* ---- FIFO interface ---- */

static void tis_send(struct board *b, unsigned l, const uint8_t *bytes, unsigned n)
{
	put(b, STS(l), 1, READY);
	g_assert_cmphex(get(b, STS(l), 1) & READY, ==, READY);
	for (unsigned i = 0; i < n; i++) {
		g_assert_cmpuint(get(b, STS(l) + 1, 2), ==, 3968 - i);
		put(b, FIFO(l), 1, bytes[i]);
		g_assert_cmphex(get(b, STS(l), 1) & EXPECT, ==, i + 1 < n ? EXPECT : 0);
	}
}

static void tis_expect(struct board *b, unsigned l, const uint8_t *bytes, unsigned n)
{
	uint8_t got[64];

	g_assert_cmphex(get(b, STS(l), 1) & (DATA | VALID), ==, DATA | VALID);
	g_assert_cmpuint(get(b, STS(l) + 1, 2), ==, n);
	for (unsigned i = 0; i < n; i++)
		got[i] = (uint8_t)get(b, FIFO(l), 1);
	g_assert_cmpmem(got, n, bytes, n);
	g_assert_cmphex(get(b, STS(l), 1) & DATA, ==, 0);
}

static void tis_command(void)
{
	struct fixture x;
	struct board *b = &x.b;

	start(&x, &tpm_tis_ops);
	g_assert_cmphex(get(b, 0xf00, 4), ==, 0x00011014);
	g_assert_cmphex(get(b, 0x14, 4), ==, 0x30000600);
	g_assert_cmphex(get(b, ACCESS(0), 1), ==, 0x81);
	/* nobody has it */
	g_assert_cmphex(get(b, STS(0), 4), ==, 0xffffffff);
	put(b, STS(0), 1, READY);
	put(b, ACCESS(0), 1, REQUEST);
	g_assert_cmphex(get(b, ACCESS(0), 1), ==, 0xa1);
	g_assert_cmphex(get(b, STS(0), 4) & 0x0c0000ff, ==, 0x04000084);
	tis_send(b, 0, command, sizeof(command));
	/* what is too much is dropped */
	put(b, FIFO(0), 1, 0x55);
	x.tpm->hold = true;
	put(b, STS(0), 1, GO);
	board_poll(b);
	g_assert_cmphex(get(b, STS(0), 1), ==, 0x84);
	g_assert_cmpuint(get(b, STS(0) + 1, 2), ==, 0);
	g_assert_true(fake_tpm_complete(x.tpm));
	board_save_and_load(b);
	tis_expect(b, 0, response, sizeof(response));
	put(b, STS(0), 1, RETRY);
	tis_expect(b, 0, response, sizeof(response));
	/* words, and the wide window */
	put(b, STS(0), 1, RETRY);
	g_assert_cmphex(get(b, FIFO(0), 4), ==, 0x00000180);
	g_assert_cmphex(get(b, 0x80, 4), ==, 0x00000e00);
	put(b, STS(0), 1, READY);
	g_assert_cmphex(get(b, STS(0), 1) & (READY | DATA), ==, READY);
	finish(&x);
}

/* Sizes that are none: too short, too long, more than was written. */
static void tis_sizes(void)
{
	static const uint8_t refused[] = {0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x42};
	static const uint32_t sizes[] = {0, 9, 3969, UINT32_MAX};
	struct fixture x;
	struct board *b = &x.b;

	start(&x, &tpm_tis_ops);
	put(b, ACCESS(0), 1, REQUEST);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint32_t n = GUINT32_TO_BE(sizes[i]);
		uint8_t bytes[10] = {0x80, 1};

		memcpy(bytes + 2, &n, 4);
		put(b, STS(0), 1, READY);
		for (unsigned j = 0; j < 5000; j++)
			put(b, FIFO(0), 1, j < 10 ? bytes[j] : 0);
		put(b, STS(0), 1, GO);
		tis_expect(b, 0, refused, sizeof(refused));
	}
	/* not all of it: Go has no effect */
	put(b, STS(0), 1, READY);
	for (unsigned j = 0; j < 12; j++)
		put(b, FIFO(0), 1, command[j]);
	put(b, STS(0), 1, GO);
	g_assert_cmphex(get(b, STS(0), 1) & EXPECT, ==, EXPECT);
	board_poll(b);
	g_assert_cmpuint(x.tpm->commands, ==, 0);
	finish(&x);
}

static void tis_localities(void)
{
	struct fixture x;
	struct board *b = &x.b;

	start(&x, &tpm_tis_ops);
	put(b, ACCESS(1), 1, REQUEST);
	put(b, ACCESS(0), 1, REQUEST);
	put(b, ACCESS(3), 1, REQUEST);
	g_assert_cmphex(get(b, ACCESS(0), 1), ==, 0x81 | REQUEST | PENDING);
	g_assert_cmphex(get(b, ACCESS(1), 1), ==, 0x81 | ACTIVE | PENDING);
	/* the others cannot use it */
	put(b, STS(0), 1, READY);
	g_assert_cmphex(get(b, STS(1), 1) & READY, ==, 0);
	/* the highest that waits is next */
	put(b, ACCESS(1), 1, ACTIVE);
	g_assert_cmphex(get(b, ACCESS(3), 1), ==, 0x81 | ACTIVE | PENDING);
	put(b, ACCESS(3), 1, ACTIVE);
	g_assert_cmphex(get(b, ACCESS(0), 1), ==, 0x81 | ACTIVE);
	/* seized by a higher one only, in the middle of a command, of which nothing is left */
	x.tpm->hold = true;
	tis_send(b, 0, command, sizeof(command));
	put(b, STS(0), 1, GO);
	board_poll(b);
	put(b, ACCESS(2), 1, SEIZE);
	g_assert_cmphex(get(b, ACCESS(0), 1), ==, 0x81 | SEIZED);
	g_assert_cmphex(get(b, ACCESS(2), 1), ==, 0x81 | ACTIVE);
	board_poll(b);
	g_assert_cmpuint(x.tpm->cancels, ==, 1);
	put(b, STS(2), 1, READY);
	g_assert_cmphex(get(b, STS(2), 1) & READY, ==, 0);
	g_assert_true(fake_tpm_complete(x.tpm));
	g_assert_cmphex(get(b, STS(2), 1) & (READY | DATA), ==, READY);
	put(b, ACCESS(0), 1, SEIZED);
	put(b, ACCESS(0), 1, SEIZE);
	g_assert_cmphex(get(b, ACCESS(0), 1), ==, 0x81);
	board_save_and_load(b);
	x.tpm->hold = false;
	board_poll(b);
	tis_send(b, 2, command, sizeof(command));
	put(b, STS(2), 1, GO);
	board_poll(b);
	g_assert_cmpuint(x.tpm->locality, ==, 2);
	tis_expect(b, 2, response, sizeof(response));
	finish(&x);
}

/* ---- command response buffer ---- */

static void crb_write(struct board *b, const uint8_t *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put(b, BUFFER + i, 1, bytes[i]);
}

static void crb_expect(struct board *b, const uint8_t *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		g_assert_cmphex(get(b, BUFFER + i, 1), ==, bytes[i]);
}

static void crb_command(void)
{
	static const uint8_t refused[] = {0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x42};
	static const uint8_t failed[] = {0x80, 1, 0, 0, 0, 10, 0, 0, 1, 0x01};
	struct fixture x;
	struct board *b = &x.b;

	start(&x, &tpm_crb_ops);
	g_assert_cmphex(get(b, 0x30, 4) & 0x6000f, ==, 0x20001);
	g_assert_cmphex(get(b, 0x58, 4), ==, 3968);
	g_assert_cmphex(get(b, 0x5c, 4), ==, 0xfed40080);
	g_assert_cmphex(get(b, 0x68, 4), ==, 0xfed40080);
	g_assert_cmphex(get(b, 0, 4), ==, 0x80);
	put(b, LOC_CTRL, 4, 1);
	g_assert_cmphex(get(b, 0, 4), ==, 0x82);
	g_assert_cmphex(get(b, 0x0c, 4), ==, 1);
	/* idle: nothing starts */
	crb_write(b, command, sizeof(command));
	put(b, START, 4, 1);
	g_assert_cmphex(get(b, START, 4), ==, 0);
	g_assert_cmphex(get(b, CRB_STS, 4), ==, 2);
	put(b, REQ, 4, 1);
	g_assert_cmphex(get(b, CRB_STS, 4), ==, 0);
	x.tpm->hold = true;
	put(b, START, 4, 1);
	g_assert_cmphex(get(b, START, 4), ==, 1);
	/* the buffer is the TPM's */
	put(b, BUFFER, 4, 0);
	put(b, START, 4, 1);
	put(b, REQ, 4, 2);
	board_poll(b);
	put(b, CANCEL, 4, 1);
	board_poll(b);
	g_assert_cmpuint(x.tpm->cancels, ==, 1);
	g_assert_true(fake_tpm_complete(x.tpm));
	g_assert_cmphex(get(b, START, 4), ==, 0);
	crb_expect(b, response, sizeof(response));
	board_save_and_load(b);
	crb_expect(b, response, sizeof(response));
	/* sizes that are none, and a TPM that fails */
	put(b, BUFFER + 2, 4, 0xffffffff);
	put(b, START, 4, 1);
	crb_expect(b, refused, sizeof(refused));
	x.tpm->hold = false;
	x.tpm->fail = -EIO;
	board_poll(b);
	crb_write(b, command, sizeof(command));
	put(b, START, 4, 1);
	board_poll(b);
	crb_expect(b, failed, sizeof(failed));
	put(b, LOC_CTRL, 4, 2);
	g_assert_cmphex(get(b, 0, 4), ==, 0x80);
	finish(&x);
}

static void quiet(struct async_group *g)
{
	g->fn = NULL;
}

static void waits_and_resets(void)
{
	struct fixture x;
	struct async_group g;

	start(&x, &tpm_crb_ops);
	put(&x.b, LOC_CTRL, 4, 1);
	put(&x.b, REQ, 4, 1);
	crb_write(&x.b, command, sizeof(command));
	x.tpm->hold = true;
	put(&x.b, START, 4, 1);
	board_poll(&x.b);
	async_begin(&g, x.b.loop, quiet);
	bus_quiesce(x.b.bus, &g);
	async_end(&g);
	board_poll(&x.b);
	g_assert_nonnull(g.fn);
	g_assert_true(fake_tpm_complete(x.tpm));
	board_poll(&x.b);
	g_assert_null(g.fn);
	bus_resume(x.b.bus);
	/* a reset drops the command, and its response is nobody's */
	crb_write(&x.b, command, sizeof(command));
	put(&x.b, START, 4, 1);
	board_poll(&x.b);
	board_reset(&x.b, RESET_COLD);
	g_assert_true(fake_tpm_complete(x.tpm));
	board_poll(&x.b);
	g_assert_cmpuint(x.tpm->starts, ==, 2);
	g_assert_cmphex(get(&x.b, BUFFER, 4), ==, 0);
	g_assert_cmphex(get(&x.b, CRB_STS, 4), ==, 2);
	finish(&x);
}

static void random_writes(gconstpointer ops)
{
	struct fixture x;

	start(&x, ops);
	for (unsigned i = 0; i < 1000; i++) {
		board_poke(&x.b, 100);
		put(&x.b, ACCESS(i % 5), 1, (uint32_t)g_test_rand_int() & 0x7f);
		put(&x.b, STS(i % 5), 1, (uint32_t)g_test_rand_int() & 0x7f);
		x.tpm->hold = i % 3 == 0;
		if (i % 7 == 0)
			fake_tpm_complete(x.tpm);
	}
	board_reset(&x.b, RESET_COLD);
	board_poll(&x.b);
	g_assert_cmphex(get(&x.b, 0, 1) & 0x2e, ==, 0);
	finish(&x);
}

static void alone(void)
{
	struct board b;

	board_init(&b);
	board_refuse(&b, dev_new(b.bus, &tpm_tis_ops, "tpm"), "swtpm");
	board_done(&b);
}

/* ---- swtpm ---- */

struct process {
	GPid pid;
	int fd;
	char *dir;
};

/* Its control channel is one end of a socket pair, which it inherits. */
static bool swtpm_start(struct process *p)
{
	g_autofree char *program = g_find_program_in_path("swtpm"), *state = NULL, *ctrl = NULL;
	int pair[2];

	if (!program)
		return false;
	p->dir = g_dir_make_tmp("vmmd-tpm-XXXXXX", NULL);
	g_assert_nonnull(p->dir);
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
	state = g_strdup_printf("dir=%s", p->dir);
	ctrl = g_strdup_printf("type=unixio,clientfd=%d", pair[1]);
	p->pid = fork();
	g_assert_cmpint(p->pid, >=, 0);
	if (p->pid == 0) {
		close(pair[0]);
		execl(program, "swtpm", "socket", "--tpm2", "--tpmstate", state, "--ctrl", ctrl,
			"--flags", "not-need-init", (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	p->fd = pair[0];
	return true;
}

static void swtpm_stop(struct process *p)
{
	g_autoptr(GDir) dir = g_dir_open(p->dir, 0, NULL);
	const char *name;

	kill(p->pid, SIGTERM);
	g_assert_cmpint(waitpid(p->pid, NULL, 0), ==, p->pid);
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(p->dir, name, NULL);

		g_unlink(path);
	}
	g_rmdir(p->dir);
	g_free(p->dir);
}

/* Executes a command by the CRB; its code. */
static uint32_t execute(struct board *b, const uint8_t *bytes, unsigned n)
{
	crb_write(b, bytes, n);
	put(b, START, 4, 1);
	for (unsigned i = 0; get(b, START, 4); i++) {
		g_assert_cmpuint(i, <, 2000);
		loop_iterate(b->loop, 10);
	}
	return GUINT32_FROM_BE(get(b, BUFFER + 6, 4));
}

static const uint8_t startup[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0};
static const uint8_t get_random[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 16};

static void real(void)
{
	g_autoptr(GError) error = NULL;
	struct tpm_backend *backend;
	uint32_t first[4], second[4];
	struct process p;
	struct board b;
	struct dev *d;

	if (!swtpm_start(&p)) {
		g_test_skip("swtpm is not installed");
		return;
	}
	board_init(&b);
	backend = swtpm_new(b.loop, p.fd, &error);
	g_assert_no_error(error);
	d = dev_new(b.bus, &tpm_crb_ops, "tpm");
	tpm_set_backend(d, backend);
	board_realize(&b, d);
	put(&b, LOC_CTRL, 4, 1);
	put(&b, REQ, 4, 1);
	/* not initialised; then it is; a second time it was */
	g_assert_cmphex(execute(&b, get_random, sizeof(get_random)), ==, 0x100);
	g_assert_cmphex(execute(&b, startup, sizeof(startup)), ==, 0);
	g_assert_cmphex(execute(&b, startup, sizeof(startup)), ==, 0x100);
	g_assert_cmphex(execute(&b, get_random, sizeof(get_random)), ==, 0);
	for (unsigned i = 0; i < 4; i++)
		first[i] = get(&b, BUFFER + 12 + 4 * i, 4);
	g_assert_cmphex(execute(&b, get_random, sizeof(get_random)), ==, 0);
	for (unsigned i = 0; i < 4; i++)
		second[i] = get(&b, BUFFER + 12 + 4 * i, 4);
	g_assert_cmpint(memcmp(first, second, sizeof(first)), !=, 0);
	/* after a reset of the platform it wants to be started again, whatever was under way */
	for (unsigned i = 0; i < 5; i++) {
		crb_write(&b, get_random, sizeof(get_random));
		put(&b, START, 4, 1);
		if (i % 2)
			loop_iterate(b.loop, 0);
		board_reset(&b, RESET_COLD);
		put(&b, LOC_CTRL, 4, 1);
		put(&b, REQ, 4, 1);
		g_assert_cmphex(execute(&b, get_random, sizeof(get_random)), ==, 0x100);
		g_assert_cmphex(execute(&b, startup, sizeof(startup)), ==, 0);
	}
	/* without the process every command fails */
	kill(p.pid, SIGKILL);
	g_assert_cmphex(execute(&b, get_random, sizeof(get_random)), ==, 0x101);
	g_assert_cmphex(execute(&b, get_random, sizeof(get_random)), ==, 0x101);
	board_done(&b);
	tpm_backend_free(backend);
	swtpm_stop(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tpm/tis/command", tis_command);
	g_test_add_func("/tpm/tis/sizes", tis_sizes);
	g_test_add_func("/tpm/tis/localities", tis_localities);
	g_test_add_func("/tpm/crb/command", crb_command);
	g_test_add_func("/tpm/crb/waits-and-resets", waits_and_resets);
	g_test_add_data_func("/tpm/tis/random-writes", &tpm_tis_ops, random_writes);
	g_test_add_data_func("/tpm/crb/random-writes", &tpm_crb_ops, random_writes);
	g_test_add_func("/tpm/alone", alone);
	g_test_add_func("/tpm/swtpm", real);
	return g_test_run();
}
