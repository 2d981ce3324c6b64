/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client.h - vmctl's connection to the daemon: calls by JSON-RPC over HTTP on its Unix socket.
 */
#ifndef API_VMCTL_CLIENT_H
#define API_VMCTL_CLIENT_H

#include <libsoup/soup.h>

#include "api/operations.h"

struct client {
	char *socket; /* its path */
	SoupSession *session;
};

/* @socket NULL: where the daemon is by default. Does not connect yet. */
void client_init(struct client *c, const char *socket);
void client_done(struct client *c);

/*
 * Calls @method and waits for its answer, telling on a terminal's stderr that it takes long if
 * @what is given ("starting web-1"). *@ret_result, which the caller puts, is NULL where there is
 * none. Errors: the daemon's; VMMD_ERROR_HOST when there is no daemon, with a sentence that says
 * how to start it.
 */
bool client_call(struct client *c, const char *method, struct json_object *params, const char *what,
	struct json_object **ret_result, GError **error);

/* Opens a WebSocket at @path. NULL with @error set. */
SoupWebsocketConnection *client_websocket(struct client *c, const char *path, GError **error);

/* Is it the error of a daemon that cannot be reached? */
bool client_unreachable(const GError *error);

#endif
