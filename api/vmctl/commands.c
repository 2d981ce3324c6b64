/* SPDX-License-Identifier: GPL-2.0-or-later */
/* define, console and api: operations that need more than their tables say. */
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "api/vmctl/console.h"
#include "api/vmctl/vmctl.h"

static const struct option_row no_options[] = {{0}};

struct words {
	const char *word[2];
	unsigned n, max;
};

static bool no_option(void *opaque, const char *name, const char *value, GError **error)
{
	return false; /* the table has none, so there is no such call */
}

static bool take_word(void *opaque, const char *arg, GError **error)
{
	struct words *w = opaque;

	if (w->n == w->max)
		return err_set(error, VMMD_ERROR_INVALID, "'%s' is one argument too many", arg);
	w->word[w->n++] = arg;
	return true;
}

/* Between @min and @max arguments and no options. */
static bool take_words(char **args, unsigned min, unsigned max, struct words *ret, GError **error)
{
	const struct option_sink sink = {
		.rows = no_options, .option = no_option, .positional = take_word, .opaque = ret};

	*ret = (struct words){.max = max};
	if (!options_parse(&sink, args, error))
		return false;
	return ret->n >= min || err_set(error, VMMD_ERROR_INVALID, "an argument is missing");
}

/* ---- define ---- */

static bool read_text(const char *path, char **ret_text, gsize *ret_len, GError **error)
{
	g_autoptr(GError) e = NULL;

	if (strcmp(path, "-") == 0)
		path = "/dev/stdin";
	if (g_file_get_contents(path, ret_text, ret_len, &e))
		return true;
	return err_set(error, VMMD_ERROR_NOT_FOUND, "%s", e->message);
}

static int define(struct vmctl *v, char **args)
{
	g_autoptr(json_object) spec = NULL, result = NULL;
	g_autofree char *text = NULL;
	struct words w;
	GError *e = NULL;
	gsize len;

	if (!take_words(args, 1, 1, &w, &e))
		return complain_usage(e, "define");
	if (!read_text(w.word[0], &text, &len, &e) || !json_parse(text, len, &spec, &e) ||
		!client_call(&v->client, "vm.define", spec, NULL, &result, &e))
		return complain(e);
	if (v->format == OUTPUT_JSON)
		output_json(result);
	else
		printf("%s defined\n", json_member_string(result, "name"));
	return EXIT_DONE;
}

const struct command define_command = {
	.name = "define",
	.args = "FILE",
	.doc = "Defines a VM from its VmSpec, a JSON file; - is standard input",
	.options = no_options,
	.more = "docs/vmspec.schema.json describes the file; the least is {\"name\": \"NAME\"}.",
	.run = define,
};

/* ---- console ---- */

/* NULL: it cannot be asked. */
static struct json_object *get_vm(struct vmctl *v, const char *name)
{
	g_autoptr(json_object) params = json_object_new_object();
	struct json_object *vm = NULL;

	json_object_object_add(params, "name", json_object_new_string(name));
	return client_call(&v->client, "vm.get", params, NULL, &vm, NULL) ? vm : NULL;
}

bool console_missed(struct vmctl *v, const char *name)
{
	g_autoptr(json_object) vm = get_vm(v, name);
	const char *state = vm ? json_member_string(vm, "state") : NULL;
	const char *reason = vm ? json_member_string(vm, "reason") : NULL;
	g_autofree char *why = output_printable(reason ? reason : "");

	if (g_strcmp0(state, "stopped") != 0 && g_strcmp0(state, "crashed") != 0)
		return false;
	fprintf(stderr, "%s has ended%s%s\n", name, *why ? ": " : "", why);
	return true;
}

int console_status(struct vmctl *v, const char *name, int end)
{
	g_autoptr(json_object) vm = NULL;

	if (end == CONSOLE_LEFT)
		return EXIT_DONE;
	if (end != CONSOLE_ENDED)
		return EXIT_REFUSED;
	vm = get_vm(v, name);
	return vm && g_strcmp0(json_member_string(vm, "state"), "crashed") == 0 ? EXIT_CRASHED
										: EXIT_DONE;
}

static int console(struct vmctl *v, char **args)
{
	enum console_end end;
	struct words w;
	GError *e = NULL;

	if (!take_words(args, 1, 1, &w, &e))
		return complain_usage(e, "console");
	if (!console_attach(&v->client, w.word[0], &end, &e))
		return complain(e);
	return console_status(v, w.word[0], (int)end);
}

const struct command console_command = {
	.name = "console",
	.args = "NAME",
	.doc = "Attaches this terminal to the serial console of a VM; Ctrl-] leaves it",
	.options = no_options,
	.more = "What the guest wrote last is shown first. Several clients may attach at a time.",
	.run = console,
};

/* ---- api ---- */

static int api(struct vmctl *v, char **args)
{
	g_autoptr(json_object) params = NULL, result = NULL;
	struct words w;
	GError *e = NULL;

	if (!take_words(args, 1, 2, &w, &e))
		return complain_usage(e, "api");
	if (w.n == 2 && !json_parse(w.word[1], strlen(w.word[1]), &params, &e))
		return complain_usage(e, "api");
	if (!client_call(&v->client, w.word[0], params, NULL, &result, &e))
		return complain(e);
	output_json(result);
	return EXIT_DONE;
}

const struct command api_command = {
	.name = "api",
	.args = "OPERATION [JSON]",
	.doc = "Calls any operation with parameters as JSON, and prints its result as JSON",
	.options = no_options,
	.more = "For example: vmctl api vm.shutdown '{\"name\": \"web-1\", \"deadline\": 60}'",
	.run = api,
};
