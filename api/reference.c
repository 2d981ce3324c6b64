/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "api/openapi.h"
#include "api/wire-error.h"

/* Markdown of docs/api.md. */

static void text_of_type(GString *s, const struct prop *p)
{
	switch (p->type) {
	case PROP_TYPE_BOOL: g_string_append(s, "boolean"); break;
	case PROP_TYPE_U8:
	case PROP_TYPE_U16:
	case PROP_TYPE_U32:
	case PROP_TYPE_U64: g_string_append(s, "integer"); break;
	case PROP_TYPE_SIZE: g_string_append(s, "size"); break;
	case PROP_TYPE_ENUM: {
		g_autofree char *names = g_strjoinv("`, `", (char **)(uintptr_t)p->names);

		g_string_append_printf(s, "`%s`", names);
		break;
	}
	case PROP_TYPE_OBJECT:
		g_string_append_printf(s, "[%s](#%s)", p->sub->name, p->sub->name);
		break;
	case PROP_TYPE_LIST:
		g_string_append_printf(s, "list of [%s](#%s)", p->sub->name, p->sub->name);
		break;
	case PROP_TYPE_STRS: g_string_append(s, "list of strings"); break;
	case PROP_TYPE_EXTRA: g_string_append(s, "string, integer or boolean"); break;
	case PROP_TYPE_MAC: g_string_append(s, "MAC address"); break;
	case PROP_TYPE_UUID: g_string_append(s, "UUID"); break;
	case PROP_TYPE_PCI: g_string_append(s, "PCI address"); break;
	case PROP_TYPE_FILE: g_string_append(s, "path"); break;
	default: g_string_append(s, "string");
	}
}

static void text_of_default(GString *s, const struct prop *p)
{
	if (p->flags & PROP_REQUIRED)
		g_string_append(s, "required");
	else if (p->type == PROP_TYPE_BOOL)
		g_string_append(s, p->def ? "true" : "false");
	else if (p->type == PROP_TYPE_ENUM)
		g_string_append_printf(s, "`%s`", p->names[p->def]);
	else if (p->type >= PROP_TYPE_U8 && p->type <= PROP_TYPE_SIZE)
		g_string_append_printf(s, "%" PRIu64, p->def);
	else if (p->def_str)
		g_string_append_printf(s, "`%s`", p->def_str);
}

/* The table of a structure, once, and after it those it refers to. */
static void add_structure(GString *s, const struct prop_table *t, GHashTable *seen)
{
	if (!g_hash_table_add(seen, (void *)(uintptr_t)t))
		return;
	g_string_append_printf(s,
		"\n### %s\n\n%s.\n\n| member | type | default | |\n|---|---|---|---|\n", t->name,
		t->doc);
	for (const struct prop *p = t->props; p->name; p++) {
		g_string_append_printf(s, "| `%s` | ", p->name);
		text_of_type(s, p);
		g_string_append(s, " | ");
		text_of_default(s, p);
		g_string_append_printf(s, " | %s |\n", p->doc);
	}
	for (const struct prop *p = t->props; p->name; p++) {
		if (p->sub)
			add_structure(s, p->sub, seen);
	}
}

static void add_reference_to(GString *s, const char *what, const struct prop_table *t)
{
	if (t)
		g_string_append_printf(s, " %s: [%s](#%s).", what, t->name, t->name);
}

static void add_operation(GString *s, const struct operation *op)
{
	static const char *const roles[] = {"viewer", "operator", "admin"};

	g_string_append_printf(s, "\n### %s\n\n%s.", op->name, op->doc);
	if (op->path)
		g_string_append_printf(s, " `%s %s`, status %u, role %s.", op->method, op->path,
			op->status, roles[op->role]);
	add_reference_to(s, "Parameters", op->params);
	add_reference_to(s, "Result", op->result);
	if (op->flags & OP_LONG)
		g_string_append(s, " It may take seconds.");
	if (op->flags & OP_STREAM)
		g_string_append(s, " REST only.");
	g_string_append_c(s, '\n');
}

static void add_operations(GString *s, const struct operation *ops)
{
	for (; ops->name; ops++)
		add_operation(s, ops);
}

static void add_structures(GString *s, const struct operation *ops, GHashTable *seen)
{
	for (; ops->name; ops++) {
		if (ops->params)
			add_structure(s, ops->params, seen);
		if (ops->result)
			add_structure(s, ops->result, seen);
	}
}

static void add_errors(GString *s)
{
	g_string_append(s, "\n| code | HTTP | JSON-RPC |\n|---|---|---|\n");
	for (int code = VMMD_ERROR_INVALID; code <= VMMD_ERROR_INTERNAL; code++) {
		g_autoptr(GError) e = g_error_new_literal(VMMD_ERROR, code, "");

		g_string_append_printf(s, "| `%s` | %u | %d |\n", vmmd_error_name(code),
			wire_error_http_status(e), wire_error_jsonrpc_code(e));
	}
}

static const char head[] =
	"# The API of vmmd\n"
	"\n"
	"Made by the build from `api/operations.def`; do not edit.\n"
	"\n"
	"vmmd listens on a Unix socket. REST: the paths below; parameters go into the path, the "
	"query (`GET`,\n"
	"`DELETE`) or a JSON body. JSON-RPC 2.0: `POST /v1/rpc`, and one text a line on a second "
	"Unix socket; the\n"
	"method is the operation's name, batches are taken. `GET /v1/openapi.json` and\n"
	"`GET /v1/vmspec.schema.json` are the machine-readable forms of this page.\n"
	"\n"
	"Requests are strict: unknown members, wrong types and values out of range are refused, "
	"with the JSON\n"
	"pointer of what is wrong. Sizes are integers of bytes or strings such as `\"512M\"`.\n"
	"\n"
	"## Errors\n"
	"\n"
	"REST answers `{\"error\": {\"code\": …, \"message\": …, \"path\": …}}`; JSON-RPC has the "
	"same object as\n"
	"`data` of its error.\n";

static const char vm_head[] = "\n"
			      "## Operations of a VM process\n"
			      "\n"
			      "On the control socket of each VM, one JSON-RPC text a line; for the "
			      "daemon, and for whoever runs\n"
			      "`vmmd-vm` without it.\n";

static const char events_head[] = "\n"
				  "## Events of a VM process\n"
				  "\n"
				  "Notifications on the control socket, to every client.\n"
				  "\n"
				  "| method | params | when |\n"
				  "|---|---|---|\n";

char *api_reference(void)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
	GString *s = g_string_new(head);

	add_errors(s);
	g_string_append(s, "\n## Operations of the host\n");
	add_operations(s, host_operations);
	g_string_append(s, vm_head);
	add_operations(s, vm_operations);
	g_string_append(s, events_head);
	for (const struct op_event *const *e = vm_events; *e; e++) {
		const struct prop_table *t = (*e)->params;

		g_string_append_printf(s, "| `%s` | ", (*e)->name);
		if (t)
			g_string_append_printf(s, "[%s](#%s)", t->name, t->name);
		g_string_append_printf(s, " | %s |\n", (*e)->doc);
	}
	g_string_append(s, "\n## Structures\n");
	add_structures(s, host_operations, seen);
	add_structures(s, vm_operations, seen);
	for (const struct op_event *const *e = vm_events; *e; e++) {
		if ((*e)->params)
			add_structure(s, (*e)->params, seen);
	}
	return g_string_free(s, FALSE);
}
