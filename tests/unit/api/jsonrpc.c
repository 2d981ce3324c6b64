/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/jsonrpc.h"

#include <string.h>

#include "api/json.h"
#include "api/wire-error.h"

/*
 * ---- a service with the methods of the examples of the JSON-RPC 2.0 specification, section 7 ----
 */

struct pair {
	uint32_t minuend, subtrahend;
};

static const struct prop pair_props[] = {
	PROP_U32("minuend", struct pair, minuend, 0, 1000, 0, "from"),
	PROP_U32("subtrahend", struct pair, subtrahend, 0, 1000, 0, "what"),
	PROP_END,
};
static const struct prop_table pair_table = {
	"pair", "two numbers", sizeof(struct pair), pair_props};

struct number {
	uint32_t value;
};

static const struct prop number_props[] = {
	PROP_U32("value", struct number, value, 0, UINT32_MAX, 0, "a number"),
	PROP_END,
};
static const struct prop_table number_table = {
	"number", "a number", sizeof(struct number), number_props};

struct calc_handlers {
	op_handler *subtract, *update, *later, *fail, *stream;
};

static const struct operation calc_ops[] = {
	{.name = "subtract",
		.params = &pair_table,
		.result = &number_table,
		.handler = offsetof(struct calc_handlers, subtract)},
	{.name = "update",
		.params = &pair_table,
		.handler = offsetof(struct calc_handlers, update)},
	{.name = "later",
		.result = &number_table,
		.handler = offsetof(struct calc_handlers, later)},
	{.name = "fail", .role = OP_ADMIN, .handler = offsetof(struct calc_handlers, fail)},
	{.name = "stream",
		.path = "/v1/stream",
		.flags = OP_STREAM,
		.handler = offsetof(struct calc_handlers, stream)},
	{.name = NULL},
};

struct calc {
	unsigned updates;
	GQueue later;
};

static void do_subtract(void *process, struct op_call *call)
{
	const struct pair *p = call->params;

	if (p->subtrahend > p->minuend) {
		op_fail_with(call, VMMD_ERROR_STATE, "/subtrahend: is greater than the minuend");
		return;
	}
	op_return(call, &(struct number){p->minuend - p->subtrahend});
}

static void do_update(void *process, struct op_call *call)
{
	((struct calc *)process)->updates++;
	op_return(call, NULL);
}

static void do_later(void *process, struct op_call *call)
{
	g_queue_push_tail(&((struct calc *)process)->later, call);
}

static void do_fail(void *process, struct op_call *call)
{
	op_fail_with(call, VMMD_ERROR_HOST, "the disk is full");
}

static void do_stream(void *process, struct op_call *call)
{
	g_assert_not_reached();
}

static const struct calc_handlers calc_handlers = {
	.subtract = do_subtract,
	.update = do_update,
	.later = do_later,
	.fail = do_fail,
	.stream = do_stream,
};

static struct calc calc;
static const struct op_service service = {
	.ops = calc_ops, .handlers = &calc_handlers, .process = &calc};

struct heard {
	unsigned times;
	char *text; /* NULL: nothing was to be said */
};

static void hear(void *opaque, const char *text, size_t len)
{
	struct heard *h = opaque;

	h->times++;
	h->text = text ? g_strndup(text, len) : NULL;
}

static void expect(const char *request, const char *answer)
{
	struct heard h = {0};

	g_test_message("%s", request);
	g_assert_null(jsonrpc_handle(&service, OP_ADMIN, request, strlen(request), hear, &h));
	g_assert_cmpuint(h.times, ==, 1);
	if (answer)
		g_assert_cmpstr(h.text, ==, answer);
	else
		g_assert_null(h.text);
	g_free(h.text);
}

#define OK(id, value) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{\"value\":" value "}}"
#define FAULT(id, code, message, name, text)                                                     \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" message \
	"\",\"data\":{\"code\":\"" name "\",\"message\":\"" text "\"}}}"
#define FAULT_AT(id, code, name, path, text)                                                  \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" path \
	": " text "\",\"data\":{\"code\":\"" name "\",\"message\":\"" path ": " text          \
	"\",\"path\":\"" path "\"}}}"
#define INVALID(why) FAULT("null", "-32600", "Invalid Request", "invalid", why)

/*
 * The examples of section 7, in their order; results are objects here, because every result has a
 * table.
 */
static void test_examples(void)
{
	unsigned before = calc.updates;

	expect("{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": [42, 23], \"id\": 1}",
		OK("1", "19"));
	expect("{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": [42, 2], \"id\": 2}",
		OK("2", "40"));
	expect("{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": {\"subtrahend\": 23, "
	       "\"minuend\": 42},"
	       " \"id\": 3}",
		OK("3", "19"));
	expect("{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": {\"minuend\": 42, "
	       "\"subtrahend\": 23},"
	       " \"id\": 4}",
		OK("4", "19"));
	expect("{\"jsonrpc\": \"2.0\", \"method\": \"update\", \"params\": [1,2]}", NULL);
	g_assert_cmpuint(calc.updates, ==, before + 1);
	expect("{\"jsonrpc\": \"2.0\", \"method\": \"foobar\"}", NULL);
	expect("{\"jsonrpc\": \"2.0\", \"method\": \"foobar\", \"id\": \"1\"}",
		FAULT("\"1\"", "-32601", "Method not found", "not-found",
			"there is no method 'foobar'"));
	expect("{\"jsonrpc\": \"2.0\", \"method\": \"foobar, \"params\": \"bar\", \"baz]",
		FAULT("null", "-32700", "Parse error", "invalid",
			"not valid JSON at byte 39: a value is expected"));
	expect("{\"jsonrpc\": \"2.0\", \"method\": 1, \"params\": \"bar\"}",
		INVALID("method must be a string"));
	expect("[{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": [1,2], \"id\": "
	       "\"1\"},"
	       "{\"jsonrpc\": \"2.0\", \"method\"]",
		FAULT("null", "-32700", "Parse error", "invalid",
			"not valid JSON at byte 97: object property name separator ':' expected"));
	expect("[]", INVALID("the batch is empty"));
	expect("[1]", "[" INVALID("a request is an object") "]");
	expect("[1,2,3]",
		"[" INVALID("a request is an object") "," INVALID(
			"a request is an object") "," INVALID("a request is an object") "]");
	expect("[{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": [4,2], \"id\": "
	       "\"1\"},"
	       "{\"jsonrpc\": \"2.0\", \"method\": \"update\", \"params\": [7]},"
	       "{\"foo\": \"boo\"},"
	       "{\"jsonrpc\": \"2.0\", \"method\": \"foo.get\", \"params\": {\"name\": "
	       "\"myself\"}, \"id\": \"5\"},"
	       "{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"id\": \"9\"}]",
		"[" OK("\"1\"", "2") "," INVALID("jsonrpc must be '2.0'") "," FAULT("\"5\"",
			"-32601", "Method not found", "not-found",
			"there is no method 'foo.get'") "," OK("\"9\"", "0") "]");
	g_assert_cmpuint(calc.updates, ==, before + 2);
	expect("[{\"jsonrpc\": \"2.0\", \"method\": \"update\", \"params\": [1]},"
	       "{\"jsonrpc\": \"2.0\", \"method\": \"foobar\", \"params\": [7]}]",
		NULL);
}

static void test_ids(void)
{
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"id\":null}", OK("null", "0"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"id\":-1.5}", OK("-1.5", "0"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"id\":{}}",
		INVALID("id must be a string, a number or null"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"id\":true}",
		INVALID("id must be a string, a number or null"));
	expect("{\"jsonrpc\":\"1.0\",\"method\":\"subtract\",\"id\":7}",
		FAULT("7", "-32600", "Invalid Request", "invalid", "jsonrpc must be '2.0'"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"params\":null,\"id\":7}",
		FAULT("7", "-32600", "Invalid Request", "invalid",
			"params must be an object or an array"));
	expect("null", INVALID("a request is an object"));
	expect("\"subtract\"", INVALID("a request is an object"));
}

static void test_params(void)
{
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"params\":[1,2,3],\"id\":1}",
		FAULT("1", "-32602", "subtract does not take so many parameters", "invalid",
			"subtract does not take so many parameters"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"later\",\"params\":[1],\"id\":1}",
		FAULT("1", "-32602", "later does not take so many parameters", "invalid",
			"later does not take so many parameters"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"params\":{\"minuend\":\"4\"},\"id\":"
	       "1}",
		FAULT_AT("1", "-32602", "invalid", "/minuend",
			"must be an integer from 0 to 1000, not '4'"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"update\",\"params\":{\"x\":1},\"id\":1}",
		FAULT_AT("1", "-32602", "invalid", "/x",
			"is not known; pair has minuend, subtrahend"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"fail\",\"params\":{\"x\":1},\"id\":1}",
		FAULT_AT("1", "-32602", "invalid", "/x", "is not known; params has no members"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"fail\",\"params\":{},\"id\":1}",
		FAULT("1", "-32006", "the disk is full", "host", "the disk is full"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"params\":[1,2],\"id\":1}",
		FAULT_AT("1", "-32003", "state", "/subtrahend", "is greater than the minuend"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"stream\",\"id\":1}",
		FAULT("1", "-32004", "stream is a stream: open a WebSocket at /v1/stream",
			"unsupported", "stream is a stream: open a WebSocket at /v1/stream"));
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"update\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}");
}

static void test_roles(void)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"method\":\"fail\",\"id\":1}";
	struct heard h = {0};

	g_assert_null(jsonrpc_handle(&service, OP_OPERATOR, request, strlen(request), hear, &h));
	g_assert_cmpstr(h.text, ==,
		FAULT("1", "-32005", "fail is not permitted to you", "permission",
			"fail is not permitted to you"));
	g_free(h.text);
}

static void answer_later(uint32_t value)
{
	op_return(g_queue_pop_head(&calc.later), &(struct number){value});
}

static void test_later(void)
{
	static const char batch[] = "[{\"jsonrpc\":\"2.0\",\"method\":\"later\",\"id\":1},"
				    "{\"jsonrpc\":\"2.0\",\"method\":\"later\"},"
				    "{\"jsonrpc\":\"2.0\",\"method\":\"later\",\"id\":2}]";
	struct jsonrpc_exchange *x;
	struct heard h = {0};
	struct op_call *second;

	x = jsonrpc_handle(&service, OP_ADMIN, batch, strlen(batch), hear, &h);
	g_assert_nonnull(x);
	g_assert_cmpuint(calc.later.length, ==, 3);
	/* Out of order; the answer waits for all and keeps the order of the requests. */
	second = g_queue_pop_tail(&calc.later);
	op_return(second, &(struct number){22});
	answer_later(11);
	g_assert_cmpuint(h.times, ==, 0);
	answer_later(99);
	g_assert_cmpuint(h.times, ==, 1);
	g_assert_cmpstr(h.text, ==, "[" OK("1", "11") "," OK("2", "22") "]");
	g_free(h.text);

	h = (struct heard){0};
	x = jsonrpc_handle(&service, OP_ADMIN, batch, strlen(batch), hear, &h);
	answer_later(1);
	jsonrpc_abandon(x);
	answer_later(2);
	answer_later(3);
	g_assert_cmpuint(h.times, ==, 0);
}

static void test_batch_limit(void)
{
	g_autoptr(GString) text = g_string_new("[");
	unsigned before = calc.updates;

	for (unsigned i = 0; i <= JSONRPC_BATCH_MAX; i++)
		g_string_append_printf(
			text, "%s{\"jsonrpc\":\"2.0\",\"method\":\"update\"}", i ? "," : "");
	g_string_append_c(text, ']');
	expect(text->str, INVALID("the batch has too many requests"));
	g_assert_cmpuint(calc.updates, ==, before);
}

/* ---- connections ---- */

static void collect(void *opaque, const char *line, size_t len)
{
	g_string_append_len(opaque, line, (gssize)len);
}

static void test_conn(void)
{
	static const char stream[] = "{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"id\":1}\n\n"
				     "garbage\n"
				     "{\"jsonrpc\":\"2.0\",\"method\":\"update\"}\n"
				     "{\"jsonrpc\":\"2.0\",\"method\":\"later\",\"id\":2}\n"
				     "{\"jsonrpc\":\"2.0\",\"method\":\"subtract\",\"id\":3}\n";
	g_autoptr(GString) out = g_string_new(NULL);
	struct jsonrpc_conn *c = jsonrpc_conn_new(&service, OP_ADMIN, collect, out);

	for (size_t i = 0; i < strlen(stream); i++)
		g_assert_true(jsonrpc_conn_feed(c, stream + i, 1));
	answer_later(5);
	g_assert_cmpstr(out->str, ==,
		OK("1", "0") "\n" FAULT("null", "-32700", "Parse error", "invalid",
			"not valid JSON at byte 0: a value is expected") "\n" OK("3",
			"0") "\n" OK("2", "5") "\n");
	jsonrpc_conn_free(c);
}

static void test_conn_limits(void)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"method\":\"later\",\"id\":1}\n";
	g_autoptr(GString) out = g_string_new(NULL);
	struct jsonrpc_conn *c = jsonrpc_conn_new(&service, OP_ADMIN, collect, out);
	g_autofree char *line = g_malloc(JSON_TEXT_MAX + 1);

	for (unsigned i = 0; i < JSONRPC_EXCHANGES_MAX; i++)
		g_assert_true(jsonrpc_conn_feed(c, request, strlen(request)));
	g_assert_cmpuint(out->len, ==, 0);
	g_assert_true(jsonrpc_conn_feed(c, request, strlen(request)));
	g_assert_nonnull(strstr(out->str, "too many requests are in progress"));
	g_assert_cmpuint(calc.later.length, ==, JSONRPC_EXCHANGES_MAX);
	answer_later(1);
	g_assert_true(jsonrpc_conn_feed(c, request, strlen(request)));
	g_assert_cmpuint(calc.later.length, ==, JSONRPC_EXCHANGES_MAX);
	memset(line, 'x', JSON_TEXT_MAX + 1);
	g_assert_false(jsonrpc_conn_feed(c, line, JSON_TEXT_MAX + 1));
	g_string_truncate(out, 0);
	jsonrpc_conn_free(c);
	/* The handlers finish all the same, and nobody hears of it. */
	while (calc.later.length)
		answer_later(1);
	g_assert_cmpuint(out->len, ==, 0);
}

static void test_lines_out(void)
{
	g_autofree char *event = NULL, *request = NULL;
	size_t len;

	event = jsonrpc_event_line(&vm_event_exiting,
		&(struct op_exit){
			.state = OP_EXIT_CRASHED, .reason = (char *)(uintptr_t) "guest panicked"},
		&len);
	g_assert_cmpstr(event, ==,
		"{\"jsonrpc\":\"2.0\",\"method\":\"event.exiting\",\"params\":{\"state\":"
		"\"crashed\","
		"\"reason\":\"guest panicked\"}}\n");
	g_assert_cmpuint(len, ==, strlen(event));
	request = jsonrpc_request_line(7, "pause", NULL, &len);
	g_assert_cmpstr(request, ==, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"pause\"}\n");
	g_assert_cmpuint(len, ==, strlen(request));
}

/* Each code has its own number, name and status, and survives the wire. */
static void test_error_codes(void)
{
	for (int code = VMMD_ERROR_INVALID; code <= VMMD_ERROR_INTERNAL; code++) {
		g_autoptr(GError) e = g_error_new_literal(VMMD_ERROR, code, "/a: text"),
				  back = NULL;
		g_autoptr(json_object) json = wire_error_encode(e);

		back = wire_error_decode(json);
		g_assert_error(back, VMMD_ERROR, code);
		g_assert_cmpstr(back->message, ==, "/a: text");
		g_assert_cmpstr(json_member_string(json, "path"), ==, "/a");
		g_assert_cmpuint(wire_error_http_status(e), >=, 400);
		for (int other = VMMD_ERROR_INVALID; other < code; other++) {
			g_autoptr(GError) o = g_error_new_literal(VMMD_ERROR, other, "");

			g_assert_cmpint(wire_error_jsonrpc_code(e), !=, wire_error_jsonrpc_code(o));
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/jsonrpc/examples", test_examples);
	g_test_add_func("/jsonrpc/ids", test_ids);
	g_test_add_func("/jsonrpc/params", test_params);
	g_test_add_func("/jsonrpc/roles", test_roles);
	g_test_add_func("/jsonrpc/later", test_later);
	g_test_add_func("/jsonrpc/batch-limit", test_batch_limit);
	g_test_add_func("/jsonrpc/connection", test_conn);
	g_test_add_func("/jsonrpc/connection-limits", test_conn_limits);
	g_test_add_func("/jsonrpc/lines-out", test_lines_out);
	g_test_add_func("/jsonrpc/error-codes", test_error_codes);
	return g_test_run();
}
