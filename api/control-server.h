/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-server.h - JSON-RPC 2.0, one text a line, for every client of a listening Unix stream
 * socket.
 *
 * A VM process serves its control operations so (scope vm), vmmd its own (scope host). Runs on a
 * struct loop and never blocks. A client that does not read is no longer read from, and is dropped
 * when what waits for it is too much. After set-up it needs accept4, recv, sendto, close and what
 * the loop needs.
 */
#ifndef API_CONTROL_SERVER_H
#define API_CONTROL_SERVER_H

#include "api/operations.h"

#define CONTROL_CLIENTS_MAX 32

struct loop;
struct control_server;

/*
 * Takes over @listen_fd, a bound Unix stream socket, and calls listen() on it: that makes the
 * caller the process which SO_PEERCRED shows to those who connect, whoever made the socket. Clients
 * get the role admin: the permissions of the socket say who may connect. @s outlives the server.
 * Loop thread.
 */
struct control_server *control_server_new(
	struct loop *loop, int listen_fd, const struct op_service *s, GError **error);

/* Tells all clients. @params is a structure of the event's table, or NULL. Loop thread. */
void control_server_event(
	struct control_server *c, const struct op_event *event, const void *params);

/* Closes all connections. Not from within a handler. NULL is fine. */
void control_server_free(struct control_server *c);

#endif
