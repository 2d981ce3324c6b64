/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/server.h"

#include <errno.h>
#include <gio/gunixconnection.h>
#include <libsoup/soup.h>
#include <string.h>
#include <sys/socket.h>

#include "api/json.h"
#include "api/jsonrpc.h"
#include "api/openapi.h"
#include "api/prop-json.h"
#include "api/rest.h"
#include "api/wire-error.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "vmmd/daemon/console.h"
#include "vmmd/daemon/handlers.h"

#define BACKLOG  128
#define RPC_PATH "/v1/rpc"

struct server {
	SoupServer *soup;
	GSocketService *service;
	struct registry *registry;
	struct op_service ops;
	unsigned connections;
};

/* ---- answers ---- */

static void respond(SoupServerMessage *msg, unsigned status, char *text, size_t len)
{
	soup_server_message_set_status(msg, status, NULL);
	if (text)
		soup_server_message_set_response(
			msg, "application/json", SOUP_MEMORY_TAKE, text, len);
}

static void respond_error(SoupServerMessage *msg, unsigned status, const GError *error)
{
	size_t len;
	char *text = rest_error_text(error, &len);

	respond(msg, status, text, len);
}

static void respond_fault(
	SoupServerMessage *msg, unsigned status, enum vmmd_error code, const char *what)
{
	g_autoptr(GError) e = g_error_new_literal(VMMD_ERROR, (gint)code, what);

	respond_error(msg, status, e);
}

static void respond_json(SoupServerMessage *msg, unsigned status, struct json_object *json)
{
	size_t len;
	char *text = json_text(json, &len);

	respond(msg, status, text, len);
}

/* ---- one request that is answered later ---- */

struct exchange {
	struct op_call call;
	SoupServerMessage *msg;
	bool paused;
};

static struct exchange *exchange_new(SoupServerMessage *msg)
{
	struct exchange *x = g_new0(struct exchange, 1);

	x->msg = g_object_ref(msg);
	return x;
}

/* The handler has returned without an answer. */
static void exchange_pause(struct exchange *x)
{
	x->paused = true;
	soup_server_message_pause(x->msg);
}

static void exchange_end(struct exchange *x)
{
	if (x->paused)
		soup_server_message_unpause(x->msg);
	g_object_unref(x->msg);
	g_free(x);
}

/* ---- REST ---- */

static void rest_done(struct op_call *call, struct json_object *result, const GError *error)
{
	struct exchange *x = container_of(call, struct exchange, call);

	if (error)
		respond_error(x->msg, wire_error_http_status(error), error);
	else if (result)
		respond_json(x->msg, call->op->status, result);
	else
		respond(x->msg, call->op->status, NULL, 0);
	exchange_end(x);
}

static enum op_role role_of(SoupServerMessage *msg)
{
	/* Who may connect to the socket may do everything; its permissions say who that is. */
	return OP_ADMIN;
}

static bool match(SoupServerMessage *msg, struct rest_match *ret, GError **error)
{
	GUri *uri = soup_server_message_get_uri(msg);
	SoupMessageBody *body = soup_server_message_get_request_body(msg);
	struct rest_request r = {
		.method = soup_server_message_get_method(msg),
		.path = g_uri_get_path(uri),
		.query = g_uri_get_query(uri),
		.body = body->data,
		.body_len = (size_t)body->length,
	};

	return rest_match(host_operations, &r, ret, error);
}

static void serve_rest(struct server *s, SoupServerMessage *msg)
{
	struct rest_match m;
	g_autoptr(GError) e = NULL;

	if (match(msg, &m, &e)) {
		struct exchange *x = exchange_new(msg);

		x->call.role = role_of(msg);
		x->call.done = rest_done;
		exchange_pause(x);
		op_invoke(&s->ops, m.op, &x->call, m.params);
	} else {
		if (m.allow)
			soup_message_headers_replace(
				soup_server_message_get_response_headers(msg), "Allow", m.allow);
		respond_error(msg, m.status, e);
	}
	rest_match_done(&m);
}

/* ---- JSON-RPC ---- */

static void rpc_done(void *opaque, const char *text, size_t len)
{
	struct exchange *x = opaque;

	if (text)
		respond(x->msg, SOUP_STATUS_OK, g_memdup2(text, len), len);
	else
		respond(x->msg, SOUP_STATUS_NO_CONTENT, NULL, 0);
	exchange_end(x);
}

static void serve_rpc(struct server *s, SoupServerMessage *msg)
{
	SoupMessageBody *body = soup_server_message_get_request_body(msg);
	struct exchange *x;

	if (strcmp(soup_server_message_get_method(msg), "POST") != 0) {
		soup_message_headers_replace(
			soup_server_message_get_response_headers(msg), "Allow", "POST");
		respond_fault(msg, SOUP_STATUS_METHOD_NOT_ALLOWED, VMMD_ERROR_UNSUPPORTED,
			"this path has only POST");
		return;
	}
	x = exchange_new(msg);
	exchange_pause(x);
	jsonrpc_handle(&s->ops, role_of(msg), body->data, (size_t)body->length, rpc_done, x);
}

/* ---- documents ---- */

static struct json_object *openapi(void)
{
	return openapi_document(host_operations);
}

static struct json_object *vmspec_schema(void)
{
	return prop_table_schema(&vm_spec_table);
}

static const struct {
	const char *path;
	struct json_object *(*make)(void);
} documents[] = {
	{"/v1/openapi.json", openapi},
	{"/v1/vmspec.schema.json", vmspec_schema},
};

/* False: there is no such document. */
static bool serve_document(SoupServerMessage *msg, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		g_autoptr(json_object) json = NULL;

		if (strcmp(path, documents[i].path) != 0)
			continue;
		json = documents[i].make();
		respond_json(msg, SOUP_STATUS_OK, json);
		return true;
	}
	return false;
}

static void on_request(SoupServer *soup, SoupServerMessage *msg, const char *decoded_path,
	GHashTable *query, gpointer data)
{
	const char *path = g_uri_get_path(soup_server_message_get_uri(msg));

	if (soup_server_message_get_status(msg))
		return; /* refused already */
	if (strcmp(path, RPC_PATH) == 0)
		serve_rpc(data, msg);
	else if (strcmp(soup_server_message_get_method(msg), "GET") != 0 ||
		 !serve_document(msg, path))
		serve_rest(data, msg);
}

/* ---- consoles ---- */

/* NULL with @error set: what the request asks for is no console, or there is none now. */
static struct console *find_console(
	struct server *s, SoupServerMessage *msg, unsigned *ret_status, GError **error)
{
	struct rest_match m;
	struct instance *i = NULL;
	struct console *console = NULL;

	*ret_status = SOUP_STATUS_NOT_FOUND;
	if (!match(msg, &m, error))
		*ret_status = m.status;
	else if (!(m.op->flags & OP_STREAM))
		err_set(error, VMMD_ERROR_NOT_FOUND, "there is no WebSocket at this path");
	else if (role_of(msg) < m.op->role)
		err_set(error, VMMD_ERROR_PERMISSION, "%s is not permitted to you", m.op->name);
	else
		i = registry_find(s->registry, json_member_string(m.params, "name"), error);
	if (i)
		console = instance_console(i, error);
	if (*error && *ret_status == SOUP_STATUS_NOT_FOUND)
		*ret_status = wire_error_http_status(*error);
	rest_match_done(&m);
	return console;
}

static void on_websocket(SoupServer *soup, SoupServerMessage *msg, const char *path,
	SoupWebsocketConnection *ws, gpointer data)
{
	g_autoptr(GError) e = NULL;
	unsigned status;
	struct console *console = find_console(data, msg, &status, &e);

	g_socket_set_timeout(soup_server_message_get_socket(msg), 0);
	if (console)
		console_join(console, ws);
	else
		soup_websocket_connection_close(ws, SOUP_WEBSOCKET_CLOSE_GOING_AWAY, e->message);
}

/* ---- before the body has come ---- */

static bool wants_websocket(SoupServerMessage *msg)
{
	SoupMessageHeaders *h = soup_server_message_get_request_headers(msg);

	return soup_message_headers_header_contains(h, "Upgrade", "websocket");
}

static void refuse_early(SoupServerMessage *msg, unsigned status, const GError *error)
{
	/* The rest of the request will not be read, so nothing can follow it. */
	soup_message_headers_replace(
		soup_server_message_get_response_headers(msg), "Connection", "close");
	respond_error(msg, status, error);
}

static void on_headers(SoupServer *soup, SoupServerMessage *msg, const char *path,
	GHashTable *query, gpointer data)
{
	SoupMessageHeaders *h = soup_server_message_get_request_headers(msg);
	g_autoptr(GError) e = NULL;
	unsigned status = SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE;

	if (soup_message_headers_get_content_length(h) > (goffset)JSON_TEXT_MAX)
		err_set(&e, VMMD_ERROR_INVALID, "the body is larger than %u bytes", JSON_TEXT_MAX);
	else if (wants_websocket(msg))
		find_console(data, msg, &status, &e);
	if (e)
		refuse_early(msg, status, e);
}

/* ---- connections ---- */

static void hang_up(SoupServerMessage *msg)
{
	GSocket *socket = soup_server_message_get_socket(msg);

	if (socket)
		g_socket_shutdown(socket, TRUE, TRUE, NULL);
}

/* A body that comes in chunks says its length only by ending. */
static void on_chunk(SoupServerMessage *msg, GBytes *chunk, gpointer data)
{
	size_t *total = data;

	*total += g_bytes_get_size(chunk);
	if (*total > JSON_TEXT_MAX)
		hang_up(msg);
}

static gboolean request_timed_out(gpointer data)
{
	hang_up(data);
	return G_SOURCE_REMOVE;
}

static void timer_remove(gpointer id)
{
	g_source_remove(GPOINTER_TO_UINT(id));
}

static void timer_forget(SoupServerMessage *msg)
{
	guint id = GPOINTER_TO_UINT(g_object_steal_data(G_OBJECT(msg), "arrival"));

	if (id)
		g_source_remove(id);
}

static void on_first_headers(SoupServerMessage *msg, gpointer data)
{
	guint id = g_timeout_add_seconds(SERVER_REQUEST_S, request_timed_out, msg);

	timer_forget(msg);
	g_object_set_data_full(G_OBJECT(msg), "arrival", GUINT_TO_POINTER(id), timer_remove);
}

static void on_arrived(SoupServerMessage *msg, gpointer data)
{
	timer_forget(msg);
}

static void on_request_started(SoupServer *soup, SoupServerMessage *msg, gpointer data)
{
	size_t *total = g_new0(size_t, 1);

	g_object_set_data_full(G_OBJECT(msg), "total", total, g_free);
	g_signal_connect(msg, "got-headers", G_CALLBACK(on_first_headers), NULL);
	g_signal_connect(msg, "got-chunk", G_CALLBACK(on_chunk), total);
	g_signal_connect(msg, "got-body", G_CALLBACK(on_arrived), NULL);
	g_signal_connect(msg, "finished", G_CALLBACK(on_arrived), NULL);
}

static void connection_gone(gpointer data, GObject *connection)
{
	((struct server *)data)->connections--;
}

static gboolean on_incoming(
	GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
	struct server *s = data;
	g_autoptr(GError) e = NULL;
	g_autoptr(GSocketAddress) here = NULL, there = NULL;

	if (s->connections >= SERVER_CONNECTIONS_MAX)
		return TRUE; /* and the connection is closed */
	g_socket_set_timeout(g_socket_connection_get_socket(connection), SERVER_IDLE_S);
	here = g_socket_connection_get_local_address(connection, NULL);
	there = g_socket_connection_get_remote_address(connection, NULL);
	if (!soup_server_accept_iostream(s->soup, G_IO_STREAM(connection), here, there, &e)) {
		log_warning("a client cannot be served: %s", e->message);
		return TRUE;
	}
	s->connections++;
	g_object_weak_ref(G_OBJECT(connection), connection_gone, s);
	return TRUE;
}

static bool listen_on(struct server *s, int fd, GError **error)
{
	g_autoptr(GSocket) socket = NULL;
	g_autoptr(GError) e = NULL;

	if (listen(fd, BACKLOG) == 0)
		socket = g_socket_new_from_fd(fd, &e);
	else
		err_set_errno(&e, errno, "listen");
	if (!socket)
		fd_close(&fd);
	if (socket && g_socket_listener_add_socket(G_SOCKET_LISTENER(s->service), socket, NULL, &e))
		return true;
	return err_set(error, VMMD_ERROR_HOST, "cannot serve the API socket: %s", e->message);
}

struct server *server_new(int fd, struct registry *registry, GError **error)
{
	struct server *s = g_new0(struct server, 1);

	s->registry = registry;
	s->ops = (struct op_service){
		.ops = host_operations, .handlers = &host_handlers, .process = registry};
	s->soup = soup_server_new("server-header", "vmmd", "raw-paths", TRUE, NULL);
	/* Compression would let a small message become a large one. */
	soup_server_remove_websocket_extension(s->soup, SOUP_TYPE_WEBSOCKET_EXTENSION_DEFLATE);
	soup_server_add_early_handler(s->soup, NULL, on_headers, s, NULL);
	soup_server_add_handler(s->soup, NULL, on_request, s, NULL);
	soup_server_add_websocket_handler(s->soup, NULL, NULL, NULL, on_websocket, s, NULL);
	g_signal_connect(s->soup, "request-started", G_CALLBACK(on_request_started), s);
	s->service = g_socket_service_new();
	g_signal_connect(s->service, "incoming", G_CALLBACK(on_incoming), s);
	if (listen_on(s, fd, error))
		return s;
	server_free(s);
	return NULL;
}

void server_free(struct server *s)
{
	g_socket_service_stop(s->service);
	g_socket_listener_close(G_SOCKET_LISTENER(s->service));
	g_object_unref(s->service);
	soup_server_disconnect(s->soup);
	g_object_unref(s->soup);
	g_free(s);
}
