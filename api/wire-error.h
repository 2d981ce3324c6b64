/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-error.h - an error as clients see it: one shape, one code in each protocol.
 *
 *	{"code": "invalid", "message": "/disks/0/cache: must be one of …", "path": "/disks/0/cache"}
 *
 * REST sends it as {"error": …} with an HTTP status; JSON-RPC as the data of its error object.
 */
#ifndef API_WIRE_ERROR_H
#define API_WIRE_ERROR_H

#include "base/error.h"

struct json_object;

/* Codes of JSON-RPC 2.0 section 5.1; those of enum vmmd_error lie in its range for servers. */
#define JSONRPC_PARSE_ERROR      (-32700)
#define JSONRPC_INVALID_REQUEST  (-32600)
#define JSONRPC_METHOD_NOT_FOUND (-32601)
#define JSONRPC_INVALID_PARAMS   (-32602)
#define JSONRPC_INTERNAL_ERROR   (-32603)

unsigned wire_error_http_status(const GError *error);
int wire_error_jsonrpc_code(const GError *error);

/*
 * The error whose name in JSON is @name; VMMD_ERROR_INTERNAL for a name this release does not know.
 */
enum vmmd_error wire_error_from_name(const char *name);

/* The object above; the caller puts it. */
struct json_object *wire_error_encode(const GError *error);

/* The error that such an object describes; the peer's words, in a bounded length. */
GError *wire_error_decode(struct json_object *json);

#endif
