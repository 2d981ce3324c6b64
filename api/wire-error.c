/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/wire-error.h"

#include <string.h>

#include "api/json.h"

static const struct {
	unsigned http;
	int jsonrpc;
} codes[] = {
	[VMMD_ERROR_INVALID] = {400, JSONRPC_INVALID_PARAMS},
	[VMMD_ERROR_NOT_FOUND] = {404, -32001},
	[VMMD_ERROR_EXISTS] = {409, -32002},
	[VMMD_ERROR_STATE] = {409, -32003},
	[VMMD_ERROR_UNSUPPORTED] = {501, -32004},
	[VMMD_ERROR_PERMISSION] = {403, -32005},
	[VMMD_ERROR_HOST] = {500, -32006},
	[VMMD_ERROR_TIMEOUT] = {504, -32007},
	[VMMD_ERROR_INTERNAL] = {500, JSONRPC_INTERNAL_ERROR},
};

/* An error of another domain that slipped through is ours. */
static enum vmmd_error code_of(const GError *error)
{
	if (error->domain != VMMD_ERROR || error->code < 0 || error->code >= (int)ARRAY_SIZE(codes))
		return VMMD_ERROR_INTERNAL;
	return (enum vmmd_error)error->code;
}

unsigned wire_error_http_status(const GError *error)
{
	return codes[code_of(error)].http;
}

int wire_error_jsonrpc_code(const GError *error)
{
	return codes[code_of(error)].jsonrpc;
}

enum vmmd_error wire_error_from_name(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
		if (strcmp(vmmd_error_name(i), name) == 0)
			return (enum vmmd_error)i;
	}
	return VMMD_ERROR_INTERNAL;
}

struct json_object *wire_error_encode(const GError *error)
{
	struct json_object *o = json_object_new_object();
	g_autofree char *path = json_error_pointer(error);
	g_autofree char *text = g_utf8_make_valid(error->message, -1);

	json_object_object_add(o, "code", json_object_new_string(vmmd_error_name(code_of(error))));
	json_object_object_add(o, "message", json_object_new_string(text));
	if (path)
		json_object_object_add(o, "path", json_object_new_string(path));
	return o;
}

#define MESSAGE_MAX 4096

GError *wire_error_decode(struct json_object *json)
{
	const char *name = json_member_string(json, "code");
	const char *message = json_member_string(json, "message");
	g_autofree char *text = NULL, *valid = NULL;

	if (!message)
		message = "the other side gave no reason";
	text = g_strndup(message, MESSAGE_MAX);
	valid = g_utf8_make_valid(text, -1);
	return g_error_new_literal(VMMD_ERROR, (int)wire_error_from_name(name ? name : ""), valid);
}
