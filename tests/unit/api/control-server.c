/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/control-server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/json.h"
#include "base/loop.h"

/* A VM that answers at once. */
struct vm {
	int state;
	struct op_call *pausing;
};

static void op_status(void *process, struct op_call *call)
{
	struct vm *vm = process;

	op_return(call, &(struct op_status){.state = vm->state, .pid = 42});
}

static void op_pause(void *process, struct op_call *call)
{
	((struct vm *)process)->pausing = call;
}

static void op_resume(void *process, struct op_call *call)
{
	((struct vm *)process)->state = OP_RUN_RUNNING;
	op_return(call, NULL);
}

static void op_shutdown(void *process, struct op_call *call)
{
	op_fail_with(call, VMMD_ERROR_STATE, "the VM is paused");
}

static void op_reset(void *process, struct op_call *call)
{
	op_return(call, NULL);
}

static void op_stop(void *process, struct op_call *call)
{
	op_return(call, NULL);
}

static void op_stats(void *process, struct op_call *call)
{
	op_return(call, &(struct op_stats){.guest_ns = 7});
}

/* What this VM has not. */
#define NOT_HERE(id)                                                           \
	static void op_##id(void *process, struct op_call *call)               \
	{                                                                      \
		op_fail_with(call, VMMD_ERROR_STATE, "the VM has no display"); \
	}
NOT_HERE(screenshot)
NOT_HERE(send_key)
NOT_HERE(pointer)
NOT_HERE(vnc_password)

static const struct vm_handlers handlers = {
#define VM_OP(id, ...) .id = op_##id,
#include "api/operations.def"
};

struct fixture {
	struct vm vm;
	struct op_service service;
	struct loop *loop;
	struct control_server *server;
	struct sockaddr_un addr;
};

static void setup(struct fixture *f, const void *data)
{
	g_autofree char *dir = g_dir_make_tmp("control-XXXXXX", NULL);
	GError *e = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_nonnull(dir);
	f->addr.sun_family = AF_UNIX;
	g_snprintf(f->addr.sun_path, sizeof(f->addr.sun_path), "%s/s", dir);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&f->addr, sizeof(f->addr)), ==, 0);
	f->service = (struct op_service){
		.ops = vm_operations, .handlers = &handlers, .process = &f->vm};
	f->loop = loop_new("test", &e);
	g_assert_no_error(e);
	f->server = control_server_new(f->loop, fd, &f->service, &e);
	g_assert_no_error(e);
}

static void teardown(struct fixture *f, const void *data)
{
	g_autofree char *dir = g_path_get_dirname(f->addr.sun_path);

	control_server_free(f->server);
	loop_free(f->loop);
	unlink(f->addr.sun_path);
	rmdir(dir);
}

static int dial(struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	g_assert_cmpint(connect(fd, (struct sockaddr *)&f->addr, sizeof(f->addr)), ==, 0);
	return fd;
}

static void say(int fd, const char *text)
{
	g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t)strlen(text));
}

/* Runs the loop until a line has come; NULL at the end of the stream. */
static char *hear(struct fixture *f, int fd)
{
	g_autoptr(GString) line = g_string_new(NULL);

	for (;;) {
		char c;
		ssize_t n = recv(fd, &c, 1, 0);

		if (n == 1 && c == '\n')
			return g_strdup(line->str);
		if (n == 1)
			g_string_append_c(line, c);
		else if (n == 0 || errno != EAGAIN)
			return NULL;
		else
			loop_iterate(f->loop, 1000);
	}
}

static void expect(struct fixture *f, int fd, const char *line)
{
	g_autofree char *heard = hear(f, fd);

	g_assert_cmpstr(heard, ==, line);
}

static void test_calls(struct fixture *f, const void *data)
{
	int fd = dial(f);

	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n");
	expect(f, fd,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"state\":\"starting\",\"pid\":42}}");
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"resume\"}\n");
	expect(f, fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}");
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"status\"}\n");
	expect(f, fd,
		"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"state\":\"running\",\"pid\":42}}");
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"shutdown\"}\n");
	expect(f, fd,
		"{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32003,\"message\":\"the VM is "
		"paused\","
		"\"data\":{\"code\":\"state\",\"message\":\"the VM is paused\"}}}");
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"stats\"}\n");
	expect(f, fd,
		"{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"guest-ns\":7,\"cpus\":[],"
		"\"disks\":[],\"nics\":[],\"devices\":[]}}");
	close(fd);
}

static void test_events(struct fixture *f, const void *data)
{
	int fd[2] = {dial(f), dial(f)};
	struct op_reason why = {.reason = (char *)(uintptr_t) "by request"};

	/* Both are known to the server once they have been answered. */
	for (int i = 0; i < 2; i++) {
		say(fd[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reset\"}\n");
		expect(f, fd[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}");
	}
	control_server_event(f->server, &vm_event_paused, &why);
	control_server_event(f->server, &vm_event_resumed, NULL);
	for (int i = 0; i < 2; i++) {
		expect(f, fd[i],
			"{\"jsonrpc\":\"2.0\",\"method\":\"event.paused\",\"params\":{\"reason\":"
			"\"by request\"}}");
		expect(f, fd[i], "{\"jsonrpc\":\"2.0\",\"method\":\"event.resumed\"}");
		close(fd[i]);
	}
}

/* A client that goes away while its call is in progress is not missed by the handler. */
static void test_hangup(struct fixture *f, const void *data)
{
	int fd = dial(f), other;

	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pause\"}\n");
	while (!f->vm.pausing)
		loop_iterate(f->loop, 1000);
	close(fd);
	other = dial(f);
	say(other, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reset\"}\n");
	expect(f, other, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}");
	op_return(f->vm.pausing, NULL);
	say(other, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"reset\"}\n");
	expect(f, other, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}");
	close(other);
}

/* Reads what is there until a line has ended. */
static void drain_to(struct fixture *f, int fd, GString *to)
{
	char buf[65536];
	ssize_t n;

	do {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n > 0)
			g_string_append_len(to, buf, n);
		else
			loop_iterate(f->loop, 1000);
	} while (n < 0 || buf[n - 1] != '\n');
}

/* What a client sends without end is bounded, and so is what waits for one that does not read. */
static void test_limits(struct fixture *f, const void *data)
{
	g_autofree char *junk = g_malloc(65536);
	int fd = dial(f), lazy = dial(f), good = dial(f);
	struct op_reason why = {.reason = g_strnfill(60000, 'x')};
	g_autoptr(GString) behaved = g_string_new(NULL);
	ssize_t n = 1;
	size_t total = 0;

	memset(junk, 'x', 65536);
	while (n > 0 || (n < 0 && errno == EAGAIN)) {
		loop_iterate(f->loop, 0);
		n = send(fd, junk, 65536, MSG_NOSIGNAL);
		total += n > 0 ? (size_t)n : 0;
		g_assert_cmpuint(total, <, 4 * JSON_TEXT_MAX);
	}
	g_assert_cmpuint(total, >, JSON_TEXT_MAX);
	close(fd);

	say(good, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reset\"}\n");
	expect(f, good, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}");
	say(lazy, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reset\"}\n");
	expect(f, lazy, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}");
	for (unsigned i = 0; i < 100; i++) {
		control_server_event(f->server, &vm_event_paused, &why);
		drain_to(f, good, behaved);
	}
	total = 0;
	while ((n = recv(lazy, junk, 65536, 0)) > 0) {
		total += (size_t)n;
		loop_iterate(f->loop, 0);
	}
	g_assert_cmpint(n, ==, 0);
	g_assert_cmpuint(total, <, 60000U * 100);
	close(lazy);
	g_free(why.reason);

	/* The one that reads was told everything, and is served. */
	g_assert_cmpuint(behaved->len, >, 60000U * 100);
	say(good, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"reset\"}\n");
	expect(f, good, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}");
	close(good);
}

static void test_too_many(struct fixture *f, const void *data)
{
	int fd[CONTROL_CLIENTS_MAX + 1];

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fd[i] = dial(f);
		say(fd[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"reset\"}\n");
		expect(f, fd[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}");
	}
	fd[CONTROL_CLIENTS_MAX] = dial(f);
	g_assert_null(hear(f, fd[CONTROL_CLIENTS_MAX]));
	for (int i = 0; i <= CONTROL_CLIENTS_MAX; i++)
		close(fd[i]);
}

static void test_peer_is_listener(struct fixture *f, const void *data)
{
	int fd = dial(f);
	struct ucred cred;
	socklen_t len = sizeof(cred);

	g_assert_cmpint(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len), ==, 0);
	g_assert_cmpint(cred.pid, ==, getpid());
	close(fd);
}

#define TEST(name, fn) \
	g_test_add("/control-server/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("calls", test_calls);
	TEST("events", test_events);
	TEST("hangup", test_hangup);
	TEST("limits", test_limits);
	TEST("too-many", test_too_many);
	TEST("peer-is-listener", test_peer_is_listener);
	return g_test_run();
}
