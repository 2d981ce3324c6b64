/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/server.h"

#include <errno.h>
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

#define RPC_PATH "/v1/rpc"
#define BACKLOG  1024

/* Of a body that is too large: beyond that its client is not heard out. */
#define BODY_DISCARD_MAX (16 * MiB)

struct server {
	SoupServer *soup;
	GSocketService *service;
	GSocket *accepting; /* while a connection is handed to libsoup */
	struct registry *registry;
	struct op_service ops;
	unsigned request_s, connections;
};

/* ---- answers ---- */

/* One request a connection: so libsoup does with connections that were accepted for it. */
static void respond(SoupServerMessage *msg, unsigned status, char *text, size_t len)
{
	soup_message_headers_replace(
		soup_server_message_get_response_headers(msg), "Connection", "close");
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

/* ---- how a request arrives ---- */

struct arrival {
	GSocket *socket;
	size_t body; /* bytes of it so far */
	guint timer; /* 0: it has arrived */
};

static struct arrival *arrival_of(SoupServerMessage *msg)
{
	return g_object_get_data(G_OBJECT(msg), "arrival");
}

static void arrival_free(gpointer data)
{
	struct arrival *a = data;

	g_clear_handle_id(&a->timer, g_source_remove);
	g_object_unref(a->socket);
	g_free(a);
}

/* ---- one request that is answered later ---- */

struct exchange {
	struct op_call call;
	SoupServerMessage *msg;
};

/* libsoup waits until the exchange ends; a client that leaves meanwhile changes nothing. */
static struct exchange *exchange_new(SoupServerMessage *msg)
{
	struct exchange *x = g_new0(struct exchange, 1);

	x->msg = g_object_ref(msg);
	soup_server_message_pause(msg);
	return x;
}

static void exchange_end(struct exchange *x)
{
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
	g_autoptr(GError) e = NULL;
	struct rest_match m;

	if (match(msg, &m, &e)) {
		struct exchange *x = exchange_new(msg);

		x->call.role = role_of(msg);
		x->call.done = rest_done;
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

/* ---- consoles ---- */

static bool wants_websocket(SoupServerMessage *msg)
{
	SoupMessageHeaders *h = soup_server_message_get_request_headers(msg);

	return soup_message_headers_header_contains(h, "Upgrade", "websocket");
}

/* NULL with @error set: what the request asks for is no console, or there is none now. */
static struct console *find_console(
	struct server *s, SoupServerMessage *msg, const struct rest_match *m, GError **error)
{
	struct instance *i;

	if (!(m->op->flags & OP_STREAM)) {
		err_set(error, VMMD_ERROR_NOT_FOUND, "there is no WebSocket at this path");
		return NULL;
	}
	if (role_of(msg) < m->op->role) {
		err_set(error, VMMD_ERROR_PERMISSION, "%s is not permitted to you", m->op->name);
		return NULL;
	}
	i = registry_find(s->registry, json_member_string(m->params, "name"), error);
	return i ? instance_console(i, error) : NULL;
}

/* The answer to the handshake is out: from here on the connection is a WebSocket. */
static void on_upgraded(SoupServerMessage *msg, gpointer data)
{
	g_autoptr(GError) e = NULL;
	struct rest_match m;
	struct console *console = match(msg, &m, &e) ? find_console(data, msg, &m, &e) : NULL;
	g_autoptr(SoupWebsocketConnection) ws = NULL;
	g_autoptr(GIOStream) stream = NULL;

	/* A console may be silent for as long as it likes. */
	g_socket_set_timeout(arrival_of(msg)->socket, 0);
	stream = soup_server_message_steal_connection(msg);
	ws = soup_websocket_connection_new(stream, soup_server_message_get_uri(msg),
		SOUP_WEBSOCKET_CONNECTION_SERVER, NULL, NULL, NULL);
	if (console)
		console_join(console, ws);
	else
		console_refuse(ws, e->message);
	rest_match_done(&m);
}

static void serve_websocket(struct server *s, SoupServerMessage *msg)
{
	g_autoptr(GError) e = NULL;
	struct rest_match m;

	if (!match(msg, &m, &e))
		respond_error(msg, m.status, e);
	else if (!find_console(s, msg, &m, &e))
		respond_error(msg, wire_error_http_status(e), e);
	else if (soup_websocket_server_process_handshake(msg, NULL, NULL, NULL, NULL))
		g_signal_connect(msg, "wrote-informational", G_CALLBACK(on_upgraded), s);
	rest_match_done(&m);
}

static void on_request(SoupServer *soup, SoupServerMessage *msg, const char *decoded_path,
	GHashTable *query, gpointer data)
{
	const char *path = g_uri_get_path(soup_server_message_get_uri(msg));

	if (soup_server_message_get_status(msg))
		return; /* refused already */
	if (wants_websocket(msg))
		serve_websocket(data, msg);
	else if (strcmp(path, RPC_PATH) == 0)
		serve_rpc(data, msg);
	else if (strcmp(soup_server_message_get_method(msg), "GET") != 0 ||
		 !serve_document(msg, path))
		serve_rest(data, msg);
}

/* ---- clients that take too much ---- */

/* What still comes of the body is thrown away; then the client hears why. */
static void refuse_body(SoupServerMessage *msg)
{
	g_autoptr(GError) e = NULL;

	soup_message_body_set_accumulate(soup_server_message_get_request_body(msg), FALSE);
	err_set(&e, VMMD_ERROR_INVALID, "the body is larger than %u bytes", JSON_TEXT_MAX);
	respond_error(msg, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, e);
}

static void on_headers(SoupServer *soup, SoupServerMessage *msg, const char *path,
	GHashTable *query, gpointer data)
{
	SoupMessageHeaders *h = soup_server_message_get_request_headers(msg);

	if (soup_message_headers_get_content_length(h) > (goffset)JSON_TEXT_MAX)
		refuse_body(msg);
}

static void hang_up(const struct arrival *a)
{
	g_socket_shutdown(a->socket, TRUE, TRUE, NULL);
}

/* A body in chunks says its length only by ending. */
static void on_chunk(SoupServerMessage *msg, GBytes *chunk, gpointer data)
{
	struct arrival *a = data;

	a->body += g_bytes_get_size(chunk);
	if (a->body > BODY_DISCARD_MAX)
		hang_up(a);
	else if (a->body > JSON_TEXT_MAX && !soup_server_message_get_status(msg))
		refuse_body(msg);
}

static gboolean arrival_timed_out(gpointer data)
{
	struct arrival *a = data;

	a->timer = 0;
	hang_up(a);
	return G_SOURCE_REMOVE;
}

static void on_arrived(SoupServerMessage *msg, gpointer data)
{
	struct arrival *a = data;

	g_clear_handle_id(&a->timer, g_source_remove);
}

/* ---- connections ---- */

/* Called from within soup_server_accept_iostream(), once a connection. */
static void on_request_started(SoupServer *soup, SoupServerMessage *msg, gpointer data)
{
	const struct server *s = data;
	struct arrival *a = g_new0(struct arrival, 1);

	a->socket = g_object_ref(s->accepting);
	a->timer = g_timeout_add_seconds(s->request_s, arrival_timed_out, a);
	g_object_set_data_full(G_OBJECT(msg), "arrival", a, arrival_free);
	g_signal_connect(msg, "got-chunk", G_CALLBACK(on_chunk), a);
	g_signal_connect(msg, "got-body", G_CALLBACK(on_arrived), a);
}

static void connection_gone(gpointer data, GObject *connection)
{
	((struct server *)data)->connections--;
}

static gboolean on_incoming(
	GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
	struct server *s = data;
	g_autoptr(GSocketAddress) here = NULL, there = NULL;
	g_autoptr(GError) e = NULL;

	if (s->connections >= SERVER_CONNECTIONS_MAX)
		return TRUE; /* and the connection is closed */
	s->accepting = g_socket_connection_get_socket(connection);
	g_socket_set_timeout(s->accepting, SERVER_IDLE_S);
	here = g_socket_connection_get_local_address(connection, NULL);
	there = g_socket_connection_get_remote_address(connection, NULL);
	if (soup_server_accept_iostream(s->soup, G_IO_STREAM(connection), here, there, &e)) {
		s->connections++;
		g_object_weak_ref(G_OBJECT(connection), connection_gone, s);
	} else {
		log_warning("a client cannot be served: %s", e->message);
	}
	s->accepting = NULL;
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

struct server *server_new(int fd, struct registry *registry, unsigned request_s, GError **error)
{
	struct server *s = g_new0(struct server, 1);

	s->registry = registry;
	s->request_s = request_s;
	s->ops = (struct op_service){
		.ops = host_operations, .handlers = &host_handlers, .process = registry};
	s->soup = soup_server_new("server-header", "vmmd", "raw-paths", TRUE, NULL);
	soup_server_add_early_handler(s->soup, NULL, on_headers, s, NULL);
	soup_server_add_handler(s->soup, NULL, on_request, s, NULL);
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
