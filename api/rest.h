/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rest.h - HTTP requests to operations, without HTTP: what a server needs to know of REST.
 *
 *	POST /v1/vms/web/shutdown {"deadline": 30} ──► vm.shutdown {"name": "web", "deadline": 30}
 *
 * Parameters come from the path ({name}), the query of GET and DELETE, and the JSON body of the
 * others; none may be given twice. All of it is hostile. Answers: the operation's status and its
 * result as JSON, or a status of 400 or more and {"error": {"code", "message", "path"}}.
 */
#ifndef API_REST_H
#define API_REST_H

#include "api/operations.h"

struct rest_request {
	const char *method;
	const char *path;  /* still percent-encoded */
	const char *query; /* still encoded, NULL: none */
	const char *body;
	size_t body_len;
};

struct rest_match {
	const struct operation *op;
	struct json_object *params; /* for op_invoke() */
	unsigned status;            /* of the refusal */
	char *allow; /* status 405: the methods that the path has, for the header Allow */
};

/* False: refused, @error says why and @ret->status how. rest_match_done() in both cases. */
bool rest_match(const struct operation *ops, const struct rest_request *r, struct rest_match *ret,
	GError **error);
void rest_match_done(struct rest_match *m);

/* {"error": …} as text; free with g_free(). */
char *rest_error_text(const GError *error, size_t *ret_len);

/* Calls @fn for each {parameter} of a path template, with its name (not NUL-terminated). */
void rest_path_params(
	const char *template, void (*fn)(void *opaque, const char *name, size_t len), void *opaque);
bool rest_is_path_param(const char *template, const char *name);

#endif
