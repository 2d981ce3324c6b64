/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-vm: stands in for vmmd-vm where the daemon is tested. It takes vmmd-vm's options, serves its
 * control socket and its console, and misbehaves when the spec asks for it:
 *
 *	"fw-cfg": [{"name": "opt/fake", "string": "WORD"}], or as the kernel's command line
 *
 *	refuse	 "error: …" instead of starting	   mute	   never says that it runs
 *	die	 exits before it says anything	   deaf	   does not serve its control socket
 *	stubborn neither stops nor obeys SIGTERM   babble  sends garbage on its control socket
 *	paused	 begins paused			   rude	   refuses with what a terminal would obey
 *	brief	 powers off once it was asked how it is
 *
 * The guest is a console that understands a line each: poweroff, panic, abort, disk (the first line
 * of the first disk's file), flood (1 MiB of output); it echoes everything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/control-server.h"
#include "api/json.h"
#include "api/lines.h"
#include "api/prop-json.h"
#include "base/fdpass.h"
#include "base/loop.h"
#include "base/qs.h"

#define HISTORY 65536
#define FLOOD   (1U << 20)

struct fake {
	struct vm_spec *spec;
	const char *habit;
	int spec_fd, control_fd, status_fd, ready_fd, disk_fd, console_fd;
	struct loop *loop;
	struct control_server *control;
	struct op_service service;
	enum op_run_state state;
	const char *why;

	struct loop_fd listener, client;
	struct lines lines;
	GString *history, *out;
};

static struct fake vm = {.spec_fd = -1,
	.control_fd = -1,
	.status_fd = -1,
	.ready_fd = -1,
	.disk_fd = -1,
	.console_fd = -1};

static bool has_habit(const char *word)
{
	return g_strcmp0(vm.habit, word) == 0;
}

/* ---- the end ---- */

static void finish(enum op_exit_state state, const char *reason)
{
	const struct op_exit e = {.state = (int)state, .reason = (char *)(uintptr_t)reason};
	g_autoptr(json_object) json = prop_encode(&op_exit_table, &e, 0);
	g_autofree char *text = NULL;
	size_t n;

	text = json_text(json, &n);
	if (pwrite(vm.status_fd, text, n, 0) != (ssize_t)n)
		abort();
	control_server_event(vm.control, &vm_event_exiting, &e);
	_exit(0);
}

static void finish_now(struct loop_call *call)
{
	finish(OP_EXIT_SHUTDOWN, vm.why);
}

/* ---- the console ---- */

static void console_watch(void)
{
	loop_fd_mod(vm.loop, &vm.client, EPOLLIN | (vm.out->len ? EPOLLOUT : 0));
}

static void console_flush(void)
{
	ssize_t n = vm.client.added ? send(vm.client.fd, vm.out->str, vm.out->len,
					      MSG_NOSIGNAL | MSG_DONTWAIT)
				    : -1;

	if (n > 0)
		g_string_erase(vm.out, 0, n);
	if (vm.client.added)
		console_watch();
}

static void console_print(const char *text, size_t n)
{
	g_string_append_len(vm.history, text, (gssize)n);
	if (vm.history->len > HISTORY)
		g_string_erase(vm.history, 0, (gssize)(vm.history->len - HISTORY));
	if (!vm.client.added)
		return;
	g_string_append_len(vm.out, text, (gssize)n);
	console_flush();
}

static void print_disk(void)
{
	char buf[256];
	ssize_t n = vm.disk_fd < 0 ? -1 : pread(vm.disk_fd, buf, sizeof(buf), 0);
	const char *end = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;

	if (end)
		console_print(buf, (size_t)(end - buf) + 1);
	else
		console_print("no disk\n", 8);
}

static void flood(void)
{
	g_autofree char *text = g_malloc(FLOOD);

	for (size_t i = 0; i < FLOOD; i += 16)
		memcpy(text + i, "0123456789abcde\n", 16);
	console_print(text, FLOOD);
	console_print("end of flood\n", 13);
}

static bool console_line(void *opaque, const char *text, size_t len)
{
	g_autofree char *line = g_strndup(text, len), *echo = NULL;

	g_strchomp(line);
	echo = g_strdup_printf("%s\r\n", line);
	console_print(echo, strlen(echo));
	if (strcmp(line, "poweroff") == 0)
		finish(OP_EXIT_SHUTDOWN, "the guest powered off");
	if (strcmp(line, "panic") == 0)
		finish(OP_EXIT_CRASHED, "the guest panicked");
	if (strcmp(line, "abort") == 0) {
		fprintf(stderr, "fake-vm: aborts as asked\n");
		raise(SIGKILL);
	}
	if (strcmp(line, "disk") == 0)
		print_disk();
	if (strcmp(line, "flood") == 0)
		flood();
	return true;
}

static void console_hang_up(void)
{
	loop_fd_del(vm.loop, &vm.client);
	fd_close(&vm.client.fd);
	g_string_truncate(vm.out, 0);
}

static void console_ready(struct loop_fd *f, uint32_t events)
{
	char buf[4096];
	ssize_t n;

	if (events & EPOLLOUT)
		console_flush();
	n = recv(f->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0) {
		for (ssize_t i = 0; i < n; i++)
			buf[i] = buf[i] == '\r' ? '\n' : buf[i];
		if (!lines_feed(&vm.lines, buf, (size_t)n, console_line, NULL))
			console_hang_up();
	} else if (n == 0 || errno != EAGAIN) {
		console_hang_up();
	}
}

static void console_accept(struct loop_fd *f, uint32_t events)
{
	int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0 && vm.client.added)
		close(fd);
	if (fd < 0 || vm.client.added)
		return;
	vm.client = (struct loop_fd){.fd = fd, .ready = console_ready};
	loop_fd_add(vm.loop, &vm.client, EPOLLIN);
	g_string_assign(vm.out, vm.history->str);
	console_flush();
}

static void console_open(void)
{
	vm.history = g_string_new(NULL);
	vm.out = g_string_new(NULL);
	lines_init(&vm.lines, 4096);
	if (vm.console_fd < 0)
		return;
	if (listen(vm.console_fd, 4) < 0)
		abort();
	vm.listener = (struct loop_fd){.fd = vm.console_fd, .ready = console_accept};
	loop_fd_add(vm.loop, &vm.listener, EPOLLIN);
}

/* ---- control ---- */

static void go(enum op_run_state state, const struct op_event *event)
{
	const struct op_reason why = {.reason = (char *)(uintptr_t) "asked for"};

	vm.state = state;
	vm.why = state == OP_RUN_PAUSED ? why.reason : NULL;
	control_server_event(vm.control, event, event->params ? &why : NULL);
}

static void op_pause(void *process, struct op_call *call)
{
	go(OP_RUN_PAUSED, &vm_event_paused);
	op_return(call, NULL);
}

static void op_resume(void *process, struct op_call *call)
{
	go(OP_RUN_RUNNING, &vm_event_resumed);
	op_return(call, NULL);
}

/* The end comes after the answer, which goes out when the handler has returned. */
static void finish_soon(const char *reason)
{
	static struct loop_call end = {.fn = finish_now};

	if (has_habit("stubborn"))
		return;
	vm.why = reason;
	loop_post(vm.loop, &end);
}

static void op_status(void *process, struct op_call *call)
{
	const struct op_status s = {.state = (int)vm.state,
		.reason = (char *)(uintptr_t)vm.why,
		.pid = (uint32_t)getpid()};

	op_return(call, &s);
	if (has_habit("brief"))
		finish_soon("the guest powered off");
}

static void op_shutdown(void *process, struct op_call *call)
{
	op_return(call, NULL);
	finish_soon("the guest powered off");
}

static void op_reset(void *process, struct op_call *call)
{
	console_print("reset\n", 6);
	op_return(call, NULL);
}

static void op_stop(void *process, struct op_call *call)
{
	op_return(call, NULL);
	finish_soon("stopped from outside");
}

/* Without a display. */
static void no_display(struct op_call *call)
{
	op_fail_with(call, VMMD_ERROR_UNSUPPORTED, "the VM has no display");
}

static void op_screenshot(void *process, struct op_call *call)
{
	no_display(call);
}

static void op_send_key(void *process, struct op_call *call)
{
	no_display(call);
}

static void op_pointer(void *process, struct op_call *call)
{
	no_display(call);
}

static void op_vnc_password(void *process, struct op_call *call)
{
	no_display(call);
}

static void op_stats(void *process, struct op_call *call)
{
	op_return(call, &(struct op_stats){.guest_ns = 1});
}

static const struct vm_handlers handlers = {
#define VM_OP(id, ...) .id = op_##id,
#include "api/operations.def"
};

static void babble_ready(struct loop_fd *f, uint32_t events)
{
	int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && fd_write_all(fd, "<html>what?</html>\n", 19) < 0)
		abort();
	close(fd);
}

static void control_open(void)
{
	static struct loop_fd babble;

	if (has_habit("babble") || has_habit("deaf")) {
		if (listen(vm.control_fd, 4) < 0)
			abort();
		babble = (struct loop_fd){.fd = vm.control_fd, .ready = babble_ready};
		if (has_habit("babble"))
			loop_fd_add(vm.loop, &babble, EPOLLIN);
		return;
	}
	vm.service = (struct op_service){.ops = vm_operations, .handlers = &handlers};
	vm.control = control_server_new(vm.loop, vm.control_fd, &vm.service, NULL);
}

/* ---- start ---- */

static void take_file(const char *arg)
{
	const char *eq = strrchr(arg, '=');
	int fd = eq ? atoi(eq + 1) : -1;

	if (g_str_has_prefix(arg, "/disks/0/file="))
		vm.disk_fd = fd;
	else if (g_str_has_prefix(arg, "/serials/0/chardev/listen="))
		vm.console_fd = fd;
}

static void take_options(int argc, char **argv)
{
	const struct {
		const char *name;
		int *fd;
	} numbers[] = {{"--spec-fd", &vm.spec_fd}, {"--control-listen-fd", &vm.control_fd},
		{"--status-fd", &vm.status_fd}, {"--ready-fd", &vm.ready_fd}};

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--file") == 0)
			take_file(argv[i + 1]);
		for (size_t n = 0; n < ARRAY_SIZE(numbers); n++) {
			if (strcmp(argv[i], numbers[n].name) == 0)
				*numbers[n].fd = atoi(argv[i + 1]);
		}
	}
}

static void read_spec(void)
{
	static char text[JSON_TEXT_MAX];
	ssize_t n = read(vm.spec_fd, text, sizeof(text));

	vm.spec = n > 0 ? vm_spec_parse(text, (size_t)n, NULL) : NULL;
	if (!vm.spec || vm.status_fd < 0 || vm.ready_fd < 0 || vm.control_fd < 0) {
		fprintf(stderr, "fake-vm: no spec, or a descriptor is missing\n");
		exit(1);
	}
	vm.habit = vm.spec->boot->cmdline;
	for (size_t i = 0; i < vm.spec->n_fw_cfg; i++) {
		if (strcmp(vm.spec->fw_cfg[i]->name, "opt/fake") == 0)
			vm.habit = vm.spec->fw_cfg[i]->string;
	}
}

static void tell_ready(const char *line)
{
	if (fd_write_all(vm.ready_fd, line, strlen(line)) < 0)
		fprintf(stderr, "fake-vm: nobody waits for the start\n");
	fd_close(&vm.ready_fd);
}

int main(int argc, char **argv)
{
	g_autofree char *hello = NULL;

	qs_thread_init();
	take_options(argc, argv);
	read_spec();
	if (has_habit("die")) {
		fprintf(stderr, "fake-vm: dies as asked\n");
		return 3;
	}
	if (has_habit("refuse")) {
		tell_ready("error: /boot/kernel: the kernel is not one\n");
		return 1;
	}
	if (has_habit("rude")) {
		tell_ready("error: \033[2Jrude\n");
		return 1;
	}
	if (has_habit("stubborn"))
		signal(SIGTERM, SIG_IGN);
	vm.loop = loop_new("fake-vm", NULL);
	vm.state = has_habit("paused") ? OP_RUN_PAUSED : OP_RUN_RUNNING;
	console_open();
	control_open();
	hello = g_strdup_printf("guest of %s is up\r\n", vm.spec->name);
	console_print(hello, strlen(hello));
	if (!has_habit("mute"))
		tell_ready("running\n");
	loop_run(vm.loop);
	return 0;
}
