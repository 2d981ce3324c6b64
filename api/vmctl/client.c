/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/vmctl/client.h"

#include <gio/gunixsocketaddress.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "api/paths.h"
#include "api/rest.h"
#include "api/wire-error.h"

#define LONG_MS 1000

/* The host part of URLs that lead to a Unix socket says nothing. */
#define URL "http://vmmd"

/* A domain of its own for the one error that is not the daemon's. */
static GQuark unreachable_quark(void)
{
	return g_quark_from_static_string("vmctl-unreachable");
}

bool client_unreachable(const GError *error)
{
	return error->domain == unreachable_quark();
}

void client_init(struct client *c, const char *socket)
{
	g_autoptr(GSocketAddress) address = NULL;

	c->socket = socket ? g_strdup(socket) : api_socket_path();
	address = g_unix_socket_address_new(c->socket);
	c->session = soup_session_new_with_options(
		"remote-connectable", address, "timeout", 0, NULL);
}

void client_done(struct client *c)
{
	g_object_unref(c->session);
	g_free(c->socket);
}

static void set_unreachable(const struct client *c, const GError *cause, GError **error)
{
	g_set_error(error, unreachable_quark(), 0,
		"no daemon answers at %s (%s)\n"
		"Start it with \"systemctl start vmmd.socket\", or by hand with \"vmmd\"; "
		"--socket PATH names another.",
		c->socket, cause->message);
}

/* ---- waiting ---- */

struct wait {
	GMainLoop *loop;
	GBytes *body;
	SoupWebsocketConnection *ws;
	GError *error;
	const char *what;
	int64_t since;
	bool told;
};

static gboolean tell(gpointer data)
{
	struct wait *w = data;

	w->told = true;
	fprintf(stderr, "\r%s … %d s ", w->what,
		(int)((g_get_monotonic_time() - w->since) / G_USEC_PER_SEC));
	return G_SOURCE_CONTINUE;
}

static void wait_run(struct wait *w)
{
	guint timer = 0;

	w->loop = g_main_loop_new(NULL, FALSE);
	w->since = g_get_monotonic_time();
	if (w->what && isatty(STDERR_FILENO))
		timer = g_timeout_add(LONG_MS, tell, w);
	g_main_loop_run(w->loop);
	g_main_loop_unref(w->loop);
	g_clear_handle_id(&timer, g_source_remove);
	if (w->told)
		fprintf(stderr, "\r\033[K");
}

/* ---- calls ---- */

static void on_body(GObject *source, GAsyncResult *result, gpointer data)
{
	struct wait *w = data;

	w->body = soup_session_send_and_read_finish(SOUP_SESSION(source), result, &w->error);
	g_main_loop_quit(w->loop);
}

static SoupMessage *message_new(const char *method, struct json_object *params)
{
	SoupMessage *msg = soup_message_new("POST", URL "/v1/rpc");
	g_autoptr(json_object) o = json_object_new_object();
	g_autoptr(GBytes) body = NULL;
	size_t len;
	char *text;

	json_object_object_add(o, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(o, "id", json_object_new_int(1));
	json_object_object_add(o, "method", json_object_new_string(method));
	if (params)
		json_object_object_add(o, "params", json_object_get(params));
	text = json_text(o, &len);
	body = g_bytes_new_take(text, len);
	soup_message_set_request_body_from_bytes(msg, "application/json", body);
	return msg;
}

/* json_parse() is for what comes from strangers; an answer of our daemon may be larger. */
static struct json_object *parse_answer(GBytes *body)
{
	g_autofree char *text = g_strndup(g_bytes_get_data(body, NULL), g_bytes_get_size(body));

	return json_tokener_parse(text);
}

static bool take_answer(GBytes *body, struct json_object **ret_result, GError **error)
{
	g_autoptr(json_object) answer = parse_answer(body);
	struct json_object *fault = NULL, *result = NULL;

	if (!json_object_is_type(answer, json_type_object))
		return err_set(error, VMMD_ERROR_INTERNAL, "the daemon's answer is not JSON-RPC");
	if (json_object_object_get_ex(answer, "error", &fault)) {
		g_propagate_error(error, wire_error_decode(json_object_object_get(fault, "data")));
		return false;
	}
	json_object_object_get_ex(answer, "result", &result);
	*ret_result = json_object_get(result);
	return true;
}

bool client_call(struct client *c, const char *method, struct json_object *params, const char *what,
	struct json_object **ret_result, GError **error)
{
	g_autoptr(SoupMessage) msg = message_new(method, params);
	struct wait w = {.what = what};
	bool ok = false;

	soup_session_send_and_read_async(c->session, msg, G_PRIORITY_DEFAULT, NULL, on_body, &w);
	wait_run(&w);
	if (w.error)
		set_unreachable(c, w.error, error);
	else
		ok = take_answer(w.body, ret_result, error);
	g_clear_error(&w.error);
	g_clear_pointer(&w.body, g_bytes_unref);
	return ok;
}

/* ---- WebSockets ---- */

static void on_websocket(GObject *source, GAsyncResult *result, gpointer data)
{
	struct wait *w = data;

	w->ws = soup_session_websocket_connect_finish(SOUP_SESSION(source), result, &w->error);
	g_main_loop_quit(w->loop);
}

/*
 * A refused handshake does not let us see its answer, but the same request without the wish for a
 * WebSocket does.
 */
static void ask_why(struct client *c, const char *path, GError **error)
{
	g_autofree char *url = g_strconcat(URL, path, NULL);
	g_autoptr(SoupMessage) msg = soup_message_new("GET", url);
	g_autoptr(json_object) answer = NULL;
	struct wait w = {0};

	soup_session_send_and_read_async(c->session, msg, G_PRIORITY_DEFAULT, NULL, on_body, &w);
	wait_run(&w);
	if (w.error) {
		set_unreachable(c, w.error, error);
		g_error_free(w.error);
		return;
	}
	answer = parse_answer(w.body);
	g_bytes_unref(w.body);
	g_propagate_error(error, wire_error_decode(json_object_object_get(answer, "error")));
}

SoupWebsocketConnection *client_websocket(struct client *c, const char *path, GError **error)
{
	g_autofree char *url = g_strconcat("ws://vmmd", path, NULL);
	g_autoptr(SoupMessage) msg = soup_message_new("GET", url);
	struct wait w = {0};

	soup_session_websocket_connect_async(
		c->session, msg, NULL, NULL, G_PRIORITY_DEFAULT, NULL, on_websocket, &w);
	wait_run(&w);
	if (w.error && w.error->domain == SOUP_WEBSOCKET_ERROR)
		ask_why(c, path, error);
	else if (w.error)
		set_unreachable(c, w.error, error);
	g_clear_error(&w.error);
	return w.ws;
}
