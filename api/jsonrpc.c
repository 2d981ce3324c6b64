/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/jsonrpc.h"

#include <string.h>

#include "api/json.h"
#include "api/lines.h"
#include "api/prop-json.h"
#include "api/wire-error.h"

struct rpc_call {
	struct op_call op;
	struct jsonrpc_exchange *exchange;
	struct json_object *id; /* NULL: null */
	bool notification;
	struct json_object *response; /* NULL: none yet, or none at all */
};

struct jsonrpc_exchange {
	const struct op_service *service;
	enum op_role role;
	jsonrpc_answer_fn *fn; /* NULL: abandoned */
	void *opaque;
	bool batch;
	unsigned pending; /* calls without outcome, and 1 while requests are still being taken */
	unsigned n;
	struct rpc_call calls[];
};

/* ---- responses ---- */

static struct json_object *response_new(struct json_object *id)
{
	struct json_object *r = json_object_new_object();

	json_object_object_add(r, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(r, "id", json_object_get(id));
	return r;
}

/* @message NULL: that of @error. */
static struct json_object *error_response(
	struct json_object *id, int code, const char *message, const GError *error)
{
	struct json_object *r = response_new(id), *e = json_object_new_object();
	struct json_object *data = wire_error_encode(error);

	json_object_object_add(e, "code", json_object_new_int(code));
	json_object_object_add(e, "message",
		json_object_new_string(message ? message : json_member_string(data, "message")));
	json_object_object_add(e, "data", data);
	json_object_object_add(r, "error", e);
	return r;
}

static struct json_object *protocol_error(struct json_object *id, int code, const char *what)
{
	static const struct {
		int code;
		const char *message;
		enum vmmd_error error;
	} kinds[] = {
		{JSONRPC_PARSE_ERROR, "Parse error", VMMD_ERROR_INVALID},
		{JSONRPC_INVALID_REQUEST, "Invalid Request", VMMD_ERROR_INVALID},
		{JSONRPC_METHOD_NOT_FOUND, "Method not found", VMMD_ERROR_NOT_FOUND},
	};
	struct json_object *r = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		g_autoptr(GError) e = NULL;

		if (kinds[i].code != code)
			continue;
		err_set(&e, kinds[i].error, "%s", what);
		r = error_response(id, code, kinds[i].message, e);
	}
	return r;
}

/* ---- the end of an exchange ---- */

static void say(jsonrpc_answer_fn *fn, void *opaque, struct json_object *json)
{
	g_autofree char *text = NULL;
	size_t len = 0;

	if (json)
		text = json_text(json, &len);
	fn(opaque, text, len);
}

static void say_all(struct jsonrpc_exchange *x)
{
	g_autoptr(json_object) array = json_object_new_array();

	for (unsigned i = 0; i < x->n; i++) {
		if (x->calls[i].response)
			json_object_array_add(array, json_object_get(x->calls[i].response));
	}
	if (!json_object_array_length(array))
		say(x->fn, x->opaque, NULL);
	else
		say(x->fn, x->opaque, x->batch ? array : json_object_array_get_idx(array, 0));
}

/* One less to wait for. */
static bool exchange_settle(struct jsonrpc_exchange *x)
{
	if (--x->pending)
		return false;
	if (x->fn)
		say_all(x);
	for (unsigned i = 0; i < x->n; i++) {
		json_object_put(x->calls[i].id);
		json_object_put(x->calls[i].response);
	}
	g_free(x);
	return true;
}

static void call_done(struct op_call *op, struct json_object *result, const GError *error)
{
	struct rpc_call *c = container_of(op, struct rpc_call, op);

	if (!c->notification && error) {
		c->response = error_response(c->id, wire_error_jsonrpc_code(error), NULL, error);
	} else if (!c->notification) {
		c->response = response_new(c->id);
		json_object_object_add(c->response, "result", json_object_get(result));
	}
	exchange_settle(c->exchange);
}

/* ---- requests ---- */

/* Parameters by position become parameters by name. NULL: too many, or none are taken. */
static struct json_object *name_params(const struct operation *op, struct json_object *array)
{
	const struct prop *p = op->params ? op->params->props : NULL;
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < json_object_array_length(array); i++, p++) {
		if (!p || !p->name) {
			json_object_put(object);
			return NULL;
		}
		json_object_object_add(
			object, p->name, json_object_get(json_object_array_get_idx(array, i)));
	}
	return object;
}

static void call_start(struct rpc_call *c, const struct operation *op, struct json_object *params)
{
	g_autoptr(json_object) named = NULL;

	c->op.role = c->exchange->role;
	c->op.done = call_done;
	c->op.op = op;
	if (op->flags & OP_STREAM) {
		op_fail_with(&c->op, VMMD_ERROR_UNSUPPORTED,
			"%s is a stream: open a WebSocket at %s", op->name, op->path);
		return;
	}
	if (json_object_is_type(params, json_type_array)) {
		named = name_params(op, params);
		if (!named) {
			op_fail_with(&c->op, VMMD_ERROR_INVALID,
				"%s does not take so many parameters", op->name);
			return;
		}
		params = named;
	}
	op_invoke(c->exchange->service, op, &c->op, params);
}

/* What is wrong with a request object, or NULL. */
static const char *request_fault(struct json_object *request, struct json_object **ret_params)
{
	const char *version = json_member_string(request, "jsonrpc");
	struct json_object *id = NULL;

	if (!json_object_is_type(request, json_type_object))
		return "a request is an object";
	if (json_object_object_get_ex(request, "id", &id) && id &&
		!json_object_is_type(id, json_type_string) &&
		!json_object_is_type(id, json_type_int) &&
		!json_object_is_type(id, json_type_double))
		return "id must be a string, a number or null";
	if (!version || strcmp(version, "2.0") != 0)
		return "jsonrpc must be '2.0'";
	if (!json_member_string(request, "method"))
		return "method must be a string";
	if (json_object_object_get_ex(request, "params", ret_params) &&
		!json_object_is_type(*ret_params, json_type_object) &&
		!json_object_is_type(*ret_params, json_type_array))
		return "params must be an object or an array";
	return NULL;
}

/* The id of a request that may be anything: NULL unless it is a string or number. */
static struct json_object *request_id(struct json_object *request)
{
	struct json_object *id = NULL;

	if (!json_object_is_type(request, json_type_object) ||
		!json_object_object_get_ex(request, "id", &id) ||
		json_object_is_type(id, json_type_object) ||
		json_object_is_type(id, json_type_array) ||
		json_object_is_type(id, json_type_boolean))
		return NULL;
	return id;
}

static void take_request(struct jsonrpc_exchange *x, struct json_object *request)
{
	struct rpc_call *c = &x->calls[x->n++];
	struct json_object *params = NULL;
	const char *fault = request_fault(request, &params);
	const struct operation *op;

	c->exchange = x;
	c->id = json_object_get(request_id(request));
	if (fault) {
		c->response = protocol_error(c->id, JSONRPC_INVALID_REQUEST, fault);
		return;
	}
	c->notification = !json_object_object_get_ex(request, "id", NULL);
	op = op_find(x->service->ops, json_member_string(request, "method"));
	if (op) {
		x->pending++;
		call_start(c, op, params);
	} else if (!c->notification) {
		g_autofree char *what = json_describe(json_object_object_get(request, "method"));
		g_autofree char *text = g_strdup_printf("there is no method %s", what);

		c->response = protocol_error(c->id, JSONRPC_METHOD_NOT_FOUND, text);
	}
}

/* A text in which there is no request. */
static void refuse_text(jsonrpc_answer_fn *fn, void *opaque, int code, const char *what)
{
	g_autoptr(json_object) r = protocol_error(NULL, code, what);

	say(fn, opaque, r);
}

struct jsonrpc_exchange *jsonrpc_handle(const struct op_service *s, enum op_role role,
	const char *text, size_t len, jsonrpc_answer_fn *fn, void *opaque)
{
	g_autoptr(json_object) json = NULL;
	g_autoptr(GError) e = NULL;
	struct jsonrpc_exchange *x;
	bool batch;
	size_t n;

	if (!json_parse(text, len, &json, &e)) {
		refuse_text(fn, opaque, JSONRPC_PARSE_ERROR, e->message);
		return NULL;
	}
	batch = json_object_is_type(json, json_type_array);
	n = batch ? json_object_array_length(json) : 1;
	if (!n || n > JSONRPC_BATCH_MAX) {
		refuse_text(fn, opaque, JSONRPC_INVALID_REQUEST,
			n ? "the batch has too many requests" : "the batch is empty");
		return NULL;
	}
	x = g_malloc0(sizeof(*x) + n * sizeof(x->calls[0]));
	*x = (struct jsonrpc_exchange){.service = s,
		.role = role,
		.fn = fn,
		.opaque = opaque,
		.batch = batch,
		.pending = 1};
	for (size_t i = 0; i < n; i++)
		take_request(x, batch ? json_object_array_get_idx(json, i) : json);
	return exchange_settle(x) ? NULL : x;
}

void jsonrpc_abandon(struct jsonrpc_exchange *x)
{
	x->fn = NULL;
}

/* ---- streams ---- */

struct jsonrpc_conn {
	const struct op_service *service;
	enum op_role role;
	void (*send)(void *opaque, const char *line, size_t len);
	void *opaque;
	struct lines lines;
	unsigned n_exchanges;
	struct conn_exchange *exchanges[JSONRPC_EXCHANGES_MAX];
};

struct conn_exchange {
	struct jsonrpc_conn *conn;
	struct jsonrpc_exchange *x;
};

struct jsonrpc_conn *jsonrpc_conn_new(const struct op_service *s, enum op_role role,
	void (*send)(void *opaque, const char *line, size_t len), void *opaque)
{
	struct jsonrpc_conn *c = g_new0(struct jsonrpc_conn, 1);

	c->service = s;
	c->role = role;
	c->send = send;
	c->opaque = opaque;
	lines_init(&c->lines, JSON_TEXT_MAX);
	return c;
}

void jsonrpc_conn_free(struct jsonrpc_conn *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->n_exchanges; i++) {
		jsonrpc_abandon(c->exchanges[i]->x);
		g_free(c->exchanges[i]);
	}
	lines_done(&c->lines);
	g_free(c);
}

static void conn_send(struct jsonrpc_conn *c, const char *text, size_t len)
{
	g_autofree char *line = g_malloc(len + 1);

	memcpy(line, text, len);
	line[len] = '\n';
	c->send(c->opaque, line, len + 1);
}

static void conn_answer(void *opaque, const char *text, size_t len)
{
	struct conn_exchange *e = opaque;
	struct jsonrpc_conn *c = e->conn;

	for (unsigned i = 0; i < c->n_exchanges; i++) {
		if (c->exchanges[i] == e)
			c->exchanges[i] = c->exchanges[--c->n_exchanges];
	}
	if (text)
		conn_send(c, text, len);
	g_free(e);
}

static void conn_refuse(struct jsonrpc_conn *c)
{
	g_autoptr(json_object) r = protocol_error(NULL, JSONRPC_INVALID_REQUEST,
		"too many requests are in progress on this connection");
	g_autofree char *text = NULL;
	size_t len;

	text = json_text(r, &len);
	conn_send(c, text, len);
}

static bool conn_line(void *opaque, const char *line, size_t len)
{
	struct jsonrpc_conn *c = opaque;
	struct conn_exchange *e;
	struct jsonrpc_exchange *x;

	if (c->n_exchanges == JSONRPC_EXCHANGES_MAX) {
		conn_refuse(c);
		return true;
	}
	e = g_new0(struct conn_exchange, 1);
	e->conn = c;
	c->exchanges[c->n_exchanges++] = e;
	x = jsonrpc_handle(c->service, c->role, line, len, conn_answer, e);
	if (x)
		e->x = x;
	return true;
}

bool jsonrpc_conn_feed(struct jsonrpc_conn *c, const char *bytes, size_t n)
{
	return lines_feed(&c->lines, bytes, n, conn_line, c);
}

/* ---- lines that begin here ---- */

static char *line_of(struct json_object *json, size_t *ret_len)
{
	g_autofree char *text = json_text(json, ret_len);

	++*ret_len;
	return g_strconcat(text, "\n", NULL);
}

char *jsonrpc_event_line(const struct op_event *event, const void *params, size_t *ret_len)
{
	g_autoptr(json_object) o = json_object_new_object();

	json_object_object_add(o, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(o, "method", json_object_new_string(event->name));
	if (event->params)
		json_object_object_add(o, "params", prop_encode(event->params, params, 0));
	return line_of(o, ret_len);
}

char *jsonrpc_request_line(
	uint64_t id, const char *method, struct json_object *params, size_t *ret_len)
{
	g_autoptr(json_object) o = json_object_new_object();

	json_object_object_add(o, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(o, "id", json_object_new_uint64(id));
	json_object_object_add(o, "method", json_object_new_string(method));
	if (params)
		json_object_object_add(o, "params", json_object_get(params));
	return line_of(o, ret_len);
}
