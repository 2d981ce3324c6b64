/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.h - REST, JSON-RPC over HTTP and console WebSockets, on one listening socket.
 *
 *	any path of api/operations.def		its operation
 *	POST /v1/rpc				JSON-RPC 2.0
 *	GET  /v1/openapi.json, /v1/vmspec.schema.json
 *
 * Clients are hostile: connections, the size of bodies, and the time that a request may take to
 * arrive are bounded. A client's role is decided once, when it connects. Main thread.
 */
#ifndef VMMD_DAEMON_SERVER_H
#define VMMD_DAEMON_SERVER_H

#include "api/operations.h"
#include "vmmd/daemon/registry.h"

#define SERVER_CONNECTIONS_MAX 256
#define SERVER_IDLE_S          60 /* between two bytes */

struct server;

/*
 * Takes over @fd, a bound stream socket. A request has @request_s seconds to arrive. The registry
 * outlives the server.
 */
struct server *server_new(int fd, struct registry *registry, unsigned request_s, GError **error);
void server_free(struct server *s);

#endif
