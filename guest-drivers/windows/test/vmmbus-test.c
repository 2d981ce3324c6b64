/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs the shipped vmmbus.sys in this process against ntsim.dll.  Its port instructions trap and
 * meet a scripted controller.  Arguments: the driver, ntsim.dll.
 */
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <ucontext.h>

#include "guest-drivers/abi/hybrid.h"
#include "guest-drivers/windows/test/peload.h"

/* struct ntsim_host of ntsim.h, as this side of the border sees it. */
struct host {
	WINDOWS void (*fail)(const char *file, int line, const char *what);
	WINDOWS void (*discard)(void);
};

typedef WINDOWS void (*case_fn)(const struct host *host, void *entry);

struct test {
	const char *name; /* of the export */
	uint16_t answer;  /* to the greeting; HYBRID_ANSWER_NONE: there is no controller */
	const char *log;  /* what the host has in its log at the end */
};

static struct {
	struct hybrid_window regs;
	uint16_t answer;
	GString *log;
} controller;

static const char *driver_path, *ntsim_path;
static struct peload *driver;

static uint32_t port_read(unsigned int reg, unsigned int width)
{
	uint32_t value = 0;

	memcpy(&value, (char *)&controller.regs + reg, width);
	return value;
}

static void port_write(unsigned int reg, unsigned int width, uint32_t value)
{
	memcpy((char *)&controller.regs + reg, &value, width);
	if (reg == HYBRID_REG_BUILD)
		controller.regs.answer = controller.answer;
	if (reg == HYBRID_REG_LOG)
		g_string_append_c(controller.log, (char)value);
}

/* in and out with the port in dx; any other fault ends the test. */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *code = (const uint8_t *)regs[REG_RIP];
	unsigned int reg = (regs[REG_RDX] & 0xffff) - HYBRID_PORT;
	bool word = *code == 0x66;
	uint8_t opcode = code[word];
	unsigned int width = word ? 2 : opcode & 1 ? 4 : 1;

	if (info->si_code != SI_KERNEL || (opcode & 0xfc) != 0xec || reg + width > HYBRID_WINDOW)
		g_error("signal %d at %p, address %p", signal, (void *)code, info->si_addr);
	if (opcode & 2)
		port_write(reg, width, (uint32_t)regs[REG_RAX]);
	else
		memcpy(&regs[REG_RAX], &(uint32_t){port_read(reg, width)}, width);
	regs[REG_RIP] += word + 1;
}

static WINDOWS void fail(const char *file, int line, const char *what)
{
	g_error("%s:%d: not true: %s", file, line, what);
}

static WINDOWS void discard(void)
{
	peload_discard(driver);
}

static void run(const void *data)
{
	static const struct host host = {fail, discard};
	const struct test *test = data;
	struct peload *ntsim = peload_new(ntsim_path, NULL);
	case_fn function = (case_fn)peload_export(ntsim, test->name);

	g_assert_nonnull(function);
	driver = peload_new(driver_path, ntsim);
	memset(&controller, 0, sizeof(controller));
	controller.log = g_string_new(NULL);
	controller.answer = test->answer;
	if (test->answer != HYBRID_ANSWER_NONE) {
		controller.regs.magic = HYBRID_MAGIC_VALUE;
		controller.regs.version = HYBRID_VERSION;
	}

	function(&host, peload_entry(driver));
	g_assert_cmpstr(controller.log->str, ==, test->log);
	if (test->answer != HYBRID_ANSWER_NONE)
		g_assert_cmpuint(controller.regs.product, ==, HYBRID_PRODUCT_WINDOWS);

	g_string_free(controller.log, TRUE);
	peload_free(driver);
	peload_free(ntsim);
}

#define HELLO   "vmmbus " VERSION " on Windows 6.1.7601: welcome\n"
#define REFUSED "vmmbus " VERSION " on Windows 6.1.7601: refused-build\n"
#define STARTED "vmmbus started\n"
#define FAILED  "vmmbus failed to start\n"

static const struct test tests[] = {
	{"case_absent", HYBRID_ANSWER_NONE, ""},
	{"case_start", HYBRID_ANSWER_WELCOME, HELLO STARTED},
	{"case_start", HYBRID_ANSWER_REFUSED_BUILD, REFUSED STARTED},
	{"case_wrong_window", HYBRID_ANSWER_WELCOME, HELLO FAILED FAILED FAILED},
	{"case_lower_fails", HYBRID_ANSWER_WELCOME, HELLO FAILED},
	{"case_pass", HYBRID_ANSWER_WELCOME, HELLO STARTED},
	{"case_sleep", HYBRID_ANSWER_WELCOME, HELLO STARTED},
	{"case_sleep_fails", HYBRID_ANSWER_WELCOME, HELLO STARTED},
	{"case_remove", HYBRID_ANSWER_WELCOME, HELLO STARTED "vmmbus removed\nvmmbus unloaded\n"},
};

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	g_test_init(&argc, &argv, NULL);
	g_assert_cmpint(argc, ==, 3);
	driver_path = argv[1];
	ntsim_path = argv[2];
	sigaction(SIGSEGV, &action, NULL);
	for (unsigned int i = 0; i < G_N_ELEMENTS(tests); i++) {
		g_autofree char *path = g_strdup_printf("/vmmbus/%s/%u", tests[i].name, i);

		g_test_add_data_func(path, &tests[i], run);
	}
	return g_test_run();
}
