/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jsonrpc.h - JSON-RPC 2.0 over any transport: requests in, answers out.
 *
 * An exchange is one text from a client (a request, a notification or a batch) and the text that
 * answers it. A connection is a byte stream of such texts, one a line, and of notifications towards
 * the client; vmmd and the VM process use it on Unix sockets. Nothing here reads or writes a
 * descriptor.
 *
 * Parameters are given by name, or by position in the order of their table. Bytes from clients are
 * hostile: texts are bounded by JSON_TEXT_MAX, batches by JSONRPC_BATCH_MAX, exchanges in progress
 * on one connection by JSONRPC_EXCHANGES_MAX. One thread, that of the process's main loop.
 */
#ifndef API_JSONRPC_H
#define API_JSONRPC_H

#include "api/operations.h"

#define JSONRPC_BATCH_MAX     64
#define JSONRPC_EXCHANGES_MAX 64

/* ---- one exchange ---- */

struct jsonrpc_exchange;

/*
 * The answer without newline (borrowed), or NULL when there is nothing to say: only notifications.
 */
typedef void jsonrpc_answer_fn(void *opaque, const char *text, size_t len);

/*
 * Handles one text with calls of @role; @fn runs exactly once, maybe before this returns. Returns
 * the exchange while it goes on, NULL when it is over already. After jsonrpc_abandon() @fn is not
 * called; the handlers still finish.
 */
struct jsonrpc_exchange *jsonrpc_handle(const struct op_service *s, enum op_role role,
	const char *text, size_t len, jsonrpc_answer_fn *fn, void *opaque);
void jsonrpc_abandon(struct jsonrpc_exchange *x);

/* ---- a stream of them ---- */

struct jsonrpc_conn;

/* @send gets whole lines with their newline; it keeps or drops them, and never calls back. */
struct jsonrpc_conn *jsonrpc_conn_new(const struct op_service *s, enum op_role role,
	void (*send)(void *opaque, const char *line, size_t len), void *opaque);
/* Abandons what is in progress. Not from within a handler of one of its own calls. NULL is fine. */
void jsonrpc_conn_free(struct jsonrpc_conn *c);

/*
 * Takes @n bytes of the stream. False: a line is longer than JSON_TEXT_MAX; the stream is beyond
 * repair.
 */
bool jsonrpc_conn_feed(struct jsonrpc_conn *c, const char *bytes, size_t n);

/* ---- notifications ---- */

/*
 * The line, with newline, that tells @event; free with g_free(). @params is a structure of its
 * table.
 */
char *jsonrpc_event_line(const struct op_event *event, const void *params, size_t *ret_len);

/* A request's line, with newline; free with g_free(). @params may be NULL. */
char *jsonrpc_request_line(
	uint64_t id, const char *method, struct json_object *params, size_t *ret_len);

#endif
