/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/control-client.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/json.h"
#include "base/fdpass.h"

/* The VM process is this test, at the other end of a socket pair. */
struct fixture {
	struct control_client *client;
	int vm;
	GString *heard; /* what callbacks told, in order */
	bool closed, free_in_callback;
};

static void tell(struct fixture *f, const char *fmt, ...) __printf(2, 3);
static void tell(struct fixture *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	g_string_append_vprintf(f->heard, fmt, ap);
	va_end(ap);
}

static void free_client(struct fixture *f)
{
	g_clear_pointer(&f->client, control_client_free);
}

static void on_event(void *opaque, const struct op_event *event, const void *params)
{
	struct fixture *f = opaque;

	tell(f, "%s", event->name);
	if (event == &vm_event_exiting)
		tell(f, "(%d %s)", ((const struct op_exit *)params)->state,
			((const struct op_exit *)params)->reason);
	tell(f, ";");
	if (f->free_in_callback)
		free_client(f);
}

static void on_closed(void *opaque, const GError *error)
{
	struct fixture *f = opaque;

	tell(f, "closed: %s;", error->message);
	f->closed = true;
	free_client(f);
}

static const struct control_client_ops ops = {.event = on_event, .closed = on_closed};

static void on_status(void *opaque, const void *result, const GError *error)
{
	struct fixture *f = opaque;

	if (error)
		tell(f, "error %s: %s;", vmmd_error_name((enum vmmd_error)error->code),
			error->message);
	else
		tell(f, "state %d;", ((const struct op_status *)result)->state);
	if (f->free_in_callback)
		free_client(f);
}

static void on_plain(void *opaque, const void *result, const GError *error)
{
	g_assert_null(result);
	tell(opaque, "%s;", error ? error->message : "done");
}

static void setup(struct fixture *f, const void *data)
{
	int fd[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==, 0);
	f->vm = fd[1];
	f->heard = g_string_new(NULL);
	f->client = control_client_new(fd[0], &ops, f);
}

static void teardown(struct fixture *f, const void *data)
{
	control_client_free(f->client);
	fd_close(&f->vm);
	g_string_free(f->heard, TRUE);
	g_assert_false(g_main_context_pending(NULL));
}

static void say(struct fixture *f, const char *text)
{
	g_assert_cmpint(fd_write_all(f->vm, text, strlen(text)), ==, 0);
}

static void expect(struct fixture *f, const char *heard)
{
	while (strlen(f->heard->str) < strlen(heard))
		g_main_context_iteration(NULL, TRUE);
	g_assert_cmpstr(f->heard->str, ==, heard);
	g_string_truncate(f->heard, 0);
}

static const struct operation *vm_op(const char *name)
{
	const struct operation *op = op_find(vm_operations, name);

	g_assert_nonnull(op);
	return op;
}

static void status(struct fixture *f, unsigned timeout_ms)
{
	control_client_call(f->client, vm_op("status"), timeout_ms, on_status, f);
}

static void test_calls(struct fixture *f, const void *data)
{
	static const char first[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
	char buf[256] = "";

	status(f, 60000);
	control_client_call(f->client, vm_op("pause"), 60000, on_plain, f);
	g_assert_cmpint(fd_read_all(f->vm, buf, strlen(first)), ==, 0);
	g_assert_cmpstr(buf, ==, first);
	/* Out of order, in pieces, with a member from the future. */
	say(f, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":null}\n{\"jsonrpc\":\"2.0\",\"id\":1,"
	       "\"res");
	expect(f, "done;");
	say(f, "ult\":{\"state\":\"running\",\"colour\":1}}\n");
	expect(f, "state 1;");
}

static void test_errors(struct fixture *f, const void *data)
{
	status(f, 60000);
	say(f, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32003,\"message\":\"m\","
	       "\"data\":"
	       "{\"code\":\"state\",\"message\":\"it is paused\"}}}\n");
	expect(f, "error state: it is paused;");
	status(f, 60000);
	say(f, "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":5}\n");
	expect(f, "error internal: the other side gave no reason;");
	status(f, 60000);
	say(f, "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"state\":\"dancing\"}}\n");
	expect(f, "error invalid: /state: must be one of starting, running, paused, exiting, not "
		  "'dancing';");
	status(f, 60000);
	say(f, "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":4,"
	       "\"result\":{}}\n");
	expect(f, "state 0;");
}

static void test_events(struct fixture *f, const void *data)
{
	say(f, "{\"jsonrpc\":\"2.0\",\"method\":\"event.started\"}\n"
	       "{\"jsonrpc\":\"2.0\",\"method\":\"event.from-the-future\",\"params\":[1]}\n"
	       "{\"jsonrpc\":\"2.0\",\"method\":\"event.exiting\",\"params\":{}}\n"
	       "{\"jsonrpc\":\"2.0\",\"method\":\"event.exiting\",\"params\":{\"state\":"
	       "\"crashed\",\"reason\":\"oh\"}}\n");
	expect(f, "event.started;event.exiting(1 oh);");
}

static void test_timeout(struct fixture *f, const void *data)
{
	status(f, 1);
	expect(f, "error timeout: the VM process does not answer;");
	say(f, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n{\"jsonrpc\":\"2.0\",\"method\":"
	       "\"event.resumed\"}\n");
	expect(f, "event.resumed;");
}

static void test_hangup(struct fixture *f, const void *data)
{
	status(f, 60000);
	status(f, 60000);
	fd_close(&f->vm);
	expect(f, "error host: the VM process has closed its control socket;"
		  "error host: the VM process has closed its control socket;"
		  "closed: the VM process has closed its control socket;");
	g_assert_true(f->closed);
}

/* What it said before it went is heard, also by a call that comes too late. */
static void test_last_words(struct fixture *f, const void *data)
{
	say(f, "{\"jsonrpc\":\"2.0\",\"method\":\"event.exiting\",\"params\":{\"state\":"
	       "\"crashed\",\"reason\":\"oh\"}}\n");
	fd_close(&f->vm);
	status(f, 60000);
	expect(f, "event.exiting(1 oh);"
		  "error host: the VM process has closed its control socket;"
		  "closed: the VM process has closed its control socket;");
}

static void test_garbage(struct fixture *f, const void *data)
{
	status(f, 60000);
	say(f, "<html>\n{\"jsonrpc\":\"2.0\",\"method\":\"event.resumed\"}\n");
	expect(f, "error host: the VM process sends what is not JSON-RPC;"
		  "closed: the VM process sends what is not JSON-RPC;");
}

static void test_endless_line(struct fixture *f, const void *data)
{
	g_autofree char *junk = g_malloc(65536);
	size_t sent = 0;

	memset(junk, 'x', 65536);
	while (!f->closed) {
		ssize_t n = send(f->vm, junk, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		g_assert_cmpuint(sent, <, 4 * JSON_TEXT_MAX);
		while (g_main_context_iteration(NULL, FALSE))
			continue;
	}
	expect(f, "closed: the VM process sends lines without end;");
}

/* A VM process that does not read costs a bounded amount of memory. */
static void test_deaf(struct fixture *f, const void *data)
{
	unsigned n = 0;

	while (!f->closed) {
		status(f, 60000);
		g_assert_cmpuint(++n, <, 100000);
		while (g_main_context_iteration(NULL, FALSE))
			continue;
	}
	g_assert_nonnull(
		strstr(f->heard->str, "closed: the VM process does not read its control socket;"));
}

static void test_free_in_callback(struct fixture *f, const void *data)
{
	f->free_in_callback = true;
	status(f, 60000);
	status(f, 60000);
	say(f, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":2,"
	       "\"result\":{}}\n");
	expect(f, "state 0;error host: the VM process has ended;");
	g_assert_null(f->client);
}

static void test_free_answers(struct fixture *f, const void *data)
{
	status(f, 60000);
	free_client(f);
	expect(f, "error host: the VM process has ended;");
}

static void test_free_in_event(struct fixture *f, const void *data)
{
	f->free_in_callback = true;
	say(f, "{\"jsonrpc\":\"2.0\",\"method\":\"event.started\"}\n{\"jsonrpc\":\"2.0\","
	       "\"method\":\"event.reset\"}\n");
	expect(f, "event.started;");
	g_assert_null(f->client);
}

#define TEST(name, fn) \
	g_test_add("/control-client/" name, struct fixture, NULL, setup, fn, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("calls", test_calls);
	TEST("errors", test_errors);
	TEST("events", test_events);
	TEST("timeout", test_timeout);
	TEST("hangup", test_hangup);
	TEST("last-words", test_last_words);
	TEST("garbage", test_garbage);
	TEST("endless-line", test_endless_line);
	TEST("deaf", test_deaf);
	TEST("free-in-callback", test_free_in_callback);
	TEST("free-answers", test_free_answers);
	TEST("free-in-event", test_free_in_event);
	return g_test_run();
}
