/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sub-commands that are one operation: options and output come from its tables. */
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "api/rest.h"
#include "api/vmctl/vmctl.h"

const char *operation_command(const struct operation *op)
{
	return strchr(op->name, '.') + 1;
}

const struct operation *command_operation(const char *name)
{
	for (const struct operation *op = host_operations; op->name; op++) {
		if (strcmp(operation_command(op), name) == 0)
			return op;
	}
	return NULL;
}

/* ---- the command line ---- */

static bool is_positional(const struct operation *op, const struct prop *p)
{
	return rest_is_path_param(op->path, p->name);
}

/* An option for each parameter that is not in the path; ends with a NULL name. */
static GArray *option_rows(const struct operation *op)
{
	GArray *rows = g_array_new(TRUE, TRUE, sizeof(struct option_row));

	for (const struct prop *p = op->params ? op->params->props : NULL; p && p->name; p++) {
		const struct option_row row = {.name = p->name,
			.arg = p->type == PROP_TYPE_BOOL ? NULL : "VALUE",
			.doc = p->doc};

		if (!is_positional(op, p))
			g_array_append_val(rows, row);
	}
	return rows;
}

struct call {
	const struct operation *op;
	struct json_object *params;
};

static bool take_option(void *opaque, const char *name, const char *value, GError **error)
{
	struct call *c = opaque;
	const struct prop *p = prop_find(c->op->params, name);

	json_object_object_add(c->params, name, prop_value_of_text(p, value ? value : "true"));
	return true;
}

/* The next parameter of the path that has no value yet. */
static bool take_positional(void *opaque, const char *arg, GError **error)
{
	struct call *c = opaque;

	for (const struct prop *p = c->op->params ? c->op->params->props : NULL; p && p->name;
		p++) {
		if (!is_positional(c->op, p) || json_object_object_get_ex(c->params, p->name, NULL))
			continue;
		json_object_object_add(c->params, p->name, json_object_new_string(arg));
		return true;
	}
	return err_set(error, VMMD_ERROR_INVALID, "'%s' is one argument too many", arg);
}

static bool check_complete(const struct call *c, GError **error)
{
	for (const struct prop *p = c->op->params ? c->op->params->props : NULL; p && p->name;
		p++) {
		g_autofree char *upper = NULL;

		if (!is_positional(c->op, p) || json_object_object_get_ex(c->params, p->name, NULL))
			continue;
		upper = g_ascii_strup(p->name, -1);
		return err_set(error, VMMD_ERROR_INVALID, "%s is missing", upper);
	}
	return true;
}

/* ---- the result ---- */

/* What was done to a VM is told in one line, and shown whole only by "get". */
static bool is_verb(const struct operation *op)
{
	return op->result == &op_vm_table && strcmp(op->method, "GET") != 0;
}

static void print_verb(struct json_object *vm)
{
	const char *reason = json_member_string(vm, "reason");
	g_autofree char *why = output_printable(reason ? reason : "");

	printf("%s %s%s%s\n", json_member_string(vm, "name"), json_member_string(vm, "state"),
		*why ? ": " : "", why);
}

static void print_result(
	const struct vmctl *v, const struct operation *op, struct json_object *result)
{
	if (v->format == OUTPUT_JSON)
		output_json(result);
	else if (op->result && is_verb(op))
		print_verb(result);
	else if (op->result)
		output_result(op->result, result);
}

int operation_run(struct vmctl *v, const struct operation *op, char **args)
{
	g_autoptr(GArray) rows = option_rows(op);
	g_autoptr(json_object) params = json_object_new_object(), result = NULL;
	struct call call = {.op = op, .params = params};
	const struct option_sink sink = {.rows = (struct option_row *)rows->data,
		.option = take_option,
		.positional = take_positional,
		.opaque = &call};
	g_autofree char *what = NULL;
	GError *e = NULL;

	if (!options_parse(&sink, args, &e) || !check_complete(&call, &e))
		return complain_usage(e, operation_command(op));
	if (op->flags & OP_LONG)
		what = g_strdup_printf(
			"%s %s", operation_command(op), json_member_string(params, "name"));
	if (!client_call(&v->client, op->name, params, what, &result, &e))
		return complain(e);
	print_result(v, op, result);
	return EXIT_DONE;
}

static void help_of(const struct prop *p)
{
	g_autofree char *left = g_strdup_printf(
		"--%s%s", p->name, p->type == PROP_TYPE_BOOL ? "" : " VALUE");
	g_autofree char *doc = NULL;

	if (p->type >= PROP_TYPE_U8 && p->type <= PROP_TYPE_SIZE)
		doc = g_strdup_printf("%s; default %" G_GUINT64_FORMAT, p->doc, p->def);
	options_print(left, doc ? doc : p->doc);
}

void operation_help(const struct operation *op)
{
	g_autoptr(GArray) rows = option_rows(op);

	printf("usage: vmctl %s", operation_command(op));
	for (const struct prop *p = op->params ? op->params->props : NULL; p && p->name; p++) {
		g_autofree char *upper = g_ascii_strup(p->name, -1);

		if (is_positional(op, p))
			printf(" %s", upper);
	}
	printf("%s\n\n%s.\n%s", rows->len ? " [OPTIONS]" : "", op->doc, rows->len ? "\n" : "");
	for (const struct prop *p = op->params ? op->params->props : NULL; p && p->name; p++) {
		if (!is_positional(op, p))
			help_of(p);
	}
}
