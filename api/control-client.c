/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/control-client.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "api/json.h"
#include "api/jsonrpc.h"
#include "api/lines.h"
#include "api/prop-json.h"
#include "api/wire-error.h"
#include "base/fdpass.h"

#define READ_SIZE 16384
#define OUT_MAX   (256 * KiB) /* bytes that wait for a VM process which does not read */

struct pending {
	struct control_client *client;
	const struct operation *op;
	uint64_t id;
	guint timer;
	control_reply_fn *fn;
	void *opaque;
};

struct control_client {
	int fd;
	const struct control_client_ops *ops;
	void *opaque;
	guint watch; /* source of the fd, 0 none */
	guint close_soon;
	struct lines lines;
	GString *out;
	uint64_t next_id;
	GHashTable *pending; /* id → struct pending */
	GError *fault;       /* why it is being closed */
	unsigned busy;       /* callbacks on the stack: freeing waits for them */
	bool freed;
};

/* ---- life ---- */

static void destroy(struct control_client *c)
{
	g_clear_handle_id(&c->watch, g_source_remove);
	g_clear_handle_id(&c->close_soon, g_source_remove);
	fd_close(&c->fd);
	lines_done(&c->lines);
	g_string_free(c->out, TRUE);
	g_hash_table_unref(c->pending);
	g_clear_error(&c->fault);
	g_free(c);
}

static void enter(struct control_client *c)
{
	c->busy++;
}

/* False: @c has been freed. */
static bool leave(struct control_client *c)
{
	if (--c->busy || !c->freed)
		return !c->freed;
	destroy(c);
	return false;
}

static void pending_free(gpointer data)
{
	struct pending *p = data;

	g_clear_handle_id(&p->timer, g_source_remove);
	g_free(p);
}

/* Takes @p out of the table and tells its caller. */
static void pending_answer(struct pending *p, const void *result, const GError *error)
{
	g_hash_table_steal(p->client->pending, &p->id);
	p->fn(p->opaque, result, error);
	pending_free(p);
}

/* ---- the end of the connection ---- */

/* A callback may do anything to the table, so each round begins anew. */
static void answer_all(struct control_client *c, const GError *error)
{
	GHashTableIter it;
	gpointer p;

	for (;;) {
		g_hash_table_iter_init(&it, c->pending);
		if (!g_hash_table_iter_next(&it, NULL, &p))
			return;
		pending_answer(p, NULL, error);
	}
}

void control_client_free(struct control_client *c)
{
	g_autoptr(GError) e = NULL;

	if (!c || c->freed)
		return;
	c->freed = true;
	enter(c);
	err_set(&e, VMMD_ERROR_HOST, "the VM process has ended");
	answer_all(c, c->fault ? c->fault : e);
	leave(c);
}

static gboolean closed(gpointer data)
{
	struct control_client *c = data;

	c->close_soon = 0;
	enter(c);
	answer_all(c, c->fault);
	if (!c->freed)
		c->ops->closed(c->opaque, c->fault);
	leave(c);
	return G_SOURCE_REMOVE;
}

/* Closes later, so that no caller finds itself called back. Takes @error. */
static void fail(struct control_client *c, GError *error)
{
	if (c->fault) {
		g_error_free(error);
		return;
	}
	c->fault = error;
	g_clear_handle_id(&c->watch, g_source_remove);
	c->close_soon = g_idle_add_full(G_PRIORITY_DEFAULT, closed, c, NULL);
}

static void fail_with(struct control_client *c, const char *what)
{
	fail(c, g_error_new_literal(VMMD_ERROR, VMMD_ERROR_HOST, what));
}

/* ---- what comes in ---- */

static void take_result(struct pending *p, struct json_object *json)
{
	const struct prop_table *t = p->op->result;
	g_autoptr(GError) e = NULL;
	void *result = NULL;

	if (t)
		result = prop_decode(t, json, PROP_DECODE_LENIENT, &e);
	pending_answer(p, result, e);
	if (t)
		prop_object_free(t, result);
}

static void take_answer(
	struct control_client *c, struct json_object *id, struct json_object *message)
{
	uint64_t number = json_object_get_uint64(id);
	struct pending *p = g_hash_table_lookup(c->pending, &number);
	struct json_object *error = NULL;

	if (!p)
		return; /* it came too late */
	if (json_object_object_get_ex(message, "error", &error)) {
		g_autoptr(GError) e = wire_error_decode(json_object_object_get(error, "data"));

		pending_answer(p, NULL, e);
	} else {
		take_result(p, json_object_object_get(message, "result"));
	}
}

static void take_event(struct control_client *c, const char *name, struct json_object *json)
{
	for (const struct op_event *const *e = vm_events; *e; e++) {
		const struct prop_table *t = (*e)->params;
		void *params = NULL;

		if (strcmp((*e)->name, name) != 0)
			continue;
		if (t)
			params = prop_decode(t, json, PROP_DECODE_LENIENT, NULL);
		if (!t || params)
			c->ops->event(c->opaque, *e, params);
		if (t)
			prop_object_free(t, params);
		return;
	}
}

static bool take_line(void *opaque, const char *line, size_t len)
{
	struct control_client *c = opaque;
	g_autoptr(json_object) message = NULL;
	struct json_object *id = NULL;
	const char *method;

	if (!json_parse(line, len, &message, NULL) ||
		!json_object_is_type(message, json_type_object)) {
		fail_with(c, "the VM process sends what is not JSON-RPC");
		return false;
	}
	method = json_member_string(message, "method");
	if (method)
		take_event(c, method, json_object_object_get(message, "params"));
	else if (json_object_object_get_ex(message, "id", &id) &&
		 json_object_is_type(id, json_type_int))
		take_answer(c, id, message);
	return !c->freed && !c->fault;
}

static void read_some(struct control_client *c)
{
	char buf[READ_SIZE];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		fail_with(c, "the VM process has closed its control socket");
	else if (!lines_feed(&c->lines, buf, (size_t)n, take_line, c) && !c->freed)
		fail_with(c, "the VM process sends lines without end");
}

/*
 * A dead process left at most what fits into a socket, but its children may hold the other end and
 * write on.
 */
#define DRAIN_READS 64

void control_client_drain(struct control_client *c)
{
	enter(c);
	for (unsigned i = 0; i < DRAIN_READS && !c->fault && !c->freed; i++)
		read_some(c);
	leave(c);
}

/* ---- what goes out ---- */

static gboolean ready(gint fd, GIOCondition condition, gpointer data);

static void watch(struct control_client *c)
{
	GIOCondition want = G_IO_IN | (c->out->len ? G_IO_OUT : 0);

	g_clear_handle_id(&c->watch, g_source_remove);
	if (!c->fault)
		c->watch = g_unix_fd_add(c->fd, want, ready, c);
}

static void write_some(struct control_client *c)
{
	ssize_t n = send(c->fd, c->out->str, c->out->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		g_string_erase(c->out, 0, n);
	else if (errno == EPIPE || errno == ECONNRESET)
		/* Nobody hears it. What was said before that is still to be read, and then the end. */
		g_string_truncate(c->out, 0);
	else if (errno != EAGAIN && errno != EINTR)
		fail_with(c, "the control socket of the VM process cannot be written to");
}

static gboolean ready(gint fd, GIOCondition condition, gpointer data)
{
	struct control_client *c = data;
	bool had = c->out->len;

	enter(c);
	if ((condition & G_IO_OUT) && had)
		write_some(c);
	if (!c->fault && (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)))
		read_some(c);
	if (leave(c) && had && !c->out->len)
		watch(c);
	/* Where this source is no longer wanted it has been removed. */
	return G_SOURCE_CONTINUE;
}

static gboolean timed_out(gpointer data)
{
	struct pending *p = data;
	struct control_client *c = p->client;
	g_autoptr(GError) e = NULL;

	p->timer = 0;
	err_set(&e, VMMD_ERROR_TIMEOUT, "the VM process does not answer");
	enter(c);
	pending_answer(p, NULL, e);
	leave(c);
	return G_SOURCE_REMOVE;
}

void control_client_call(struct control_client *c, const struct operation *op, unsigned timeout_ms,
	control_reply_fn *fn, void *opaque)
{
	struct pending *p = g_new0(struct pending, 1);
	g_autofree char *line = NULL;
	size_t len;

	*p = (struct pending){
		.client = c, .op = op, .id = ++c->next_id, .fn = fn, .opaque = opaque};
	g_hash_table_insert(c->pending, &p->id, p);
	p->timer = g_timeout_add(timeout_ms, timed_out, p);
	line = jsonrpc_request_line(p->id, op->name, NULL, &len);
	if (c->out->len + len > OUT_MAX) {
		fail_with(c, "the VM process does not read its control socket");
		return;
	}
	g_string_append_len(c->out, line, (gssize)len);
	if (c->fault)
		return;
	write_some(c);
	watch(c);
}

struct control_client *control_client_new(
	int fd, const struct control_client_ops *ops, void *opaque)
{
	struct control_client *c = g_new0(struct control_client, 1);

	c->fd = fd;
	c->ops = ops;
	c->opaque = opaque;
	lines_init(&c->lines, JSON_TEXT_MAX);
	c->out = g_string_new(NULL);
	c->pending = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, pending_free);
	watch(c);
	return c;
}
