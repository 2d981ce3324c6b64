/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmctl: the command of the host daemon. Sub-commands are the operations of the host
 * (api/operations.def), and run.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/version.h"
#include "api/vmctl/vmctl.h"

/* These come before the operation of the same name. */
static const struct command *const commands[] = {
	&run_command, &define_command, &console_command, &api_command, NULL};

static const struct option_row global_options[] = {
	{"socket", "PATH",
		"where the daemon listens; default: $VMMD_SOCKET, else the user's own, else the "
		"host's"},
	{"format", "table|json", "for people, or one line of JSON for programs; default table"},
	{"help", NULL, "this help, or that of a command"},
	{"version", NULL, "print the version"},
	{0},
};

static const struct command *find_command(const char *name)
{
	for (const struct command *const *c = commands; *c; c++) {
		if (strcmp((*c)->name, name) == 0)
			return *c;
	}
	return NULL;
}

/* ---- errors ---- */

int complain(GError *error)
{
	int status = client_unreachable(error) ? EXIT_UNREACHABLE : EXIT_REFUSED;
	g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);

	for (char **l = lines; *l; l++) {
		g_autofree char *text = output_printable(*l);

		fprintf(stderr, "%s%s\n", l == lines ? "vmctl: " : "", text);
	}
	g_error_free(error);
	return status;
}

int complain_usage(GError *error, const char *command)
{
	complain(error);
	fprintf(stderr, "Try \"vmctl help%s%s\".\n", command ? " " : "", command ? command : "");
	return EXIT_USAGE;
}

/* ---- help ---- */

static void list_commands(void)
{
	for (const struct command *const *c = commands; *c; c++)
		printf("  %-10s %s\n", (*c)->name, (*c)->doc);
	for (const struct operation *op = host_operations; op->name; op++) {
		const char *name = operation_command(op);

		if (!find_command(name))
			printf("  %-10s %s\n", name, op->doc);
	}
	printf("  %-10s %s\n", "help", "This help, or that of a command");
}

static void help_all(void)
{
	printf("usage: vmctl [OPTIONS] COMMAND [ARGUMENTS]\n\nCommands:\n");
	list_commands();
	printf("\nOptions:\n");
	options_help(global_options);
	printf("\nExit status:\n"
	       "  0  done; for run and console: the guest has shut down, or was left\n"
	       "  1  the daemon refused, or it failed\n"
	       "  2  the command line is wrong\n"
	       "  3  no daemon answers\n"
	       "  4  run, console: the VM crashed\n");
}

static void command_help(const struct command *c)
{
	printf("usage: vmctl %s %s\n\n%s.\n", c->name, c->args, c->doc);
	if (c->options->name)
		putchar('\n');
	options_help(c->options);
	if (c->more)
		printf("\n%s\n", c->more);
}

static int help(const char *name)
{
	const struct command *c = name ? find_command(name) : NULL;
	const struct operation *op = name ? command_operation(name) : NULL;

	if (c) {
		command_help(c);
	} else if (op) {
		operation_help(op);
	} else if (!name) {
		help_all();
	} else {
		fprintf(stderr, "vmctl: there is no command %s\n", name);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

/* ---- the command line ---- */

struct globals {
	const char *socket;
	enum output_format format;
	bool help, version;
};

static bool take_format(struct globals *g, const char *text, GError **error)
{
	g->format = strcmp(text, "json") == 0 ? OUTPUT_JSON : OUTPUT_TABLE;
	return g->format == OUTPUT_JSON || strcmp(text, "table") == 0 ||
	       err_set(error, VMMD_ERROR_INVALID, "--format is table or json, not '%s'", text);
}

static bool take_global(void *opaque, const char *name, const char *value, GError **error)
{
	struct globals *g = opaque;

	if (strcmp(name, "format") == 0)
		return take_format(g, value, error);
	if (strcmp(name, "socket") == 0)
		g->socket = value;
	else if (strcmp(name, "help") == 0)
		g->help = true;
	else
		g->version = true;
	return true;
}

static bool is_global(const char *arg)
{
	for (const struct option_row *row = global_options; row->name; row++) {
		size_t n = strlen(row->name);

		if (strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, row->name, n) == 0 &&
			(!arg[n + 2] || arg[n + 2] == '='))
			return true;
	}
	return false;
}

static bool takes_next(const char *arg)
{
	return !strchr(arg, '=') && (strcmp(arg, "--socket") == 0 || strcmp(arg, "--format") == 0);
}

/* Global options may stand anywhere before "--"; the others are left for the command. */
static void split(char **argv, GPtrArray *global, GPtrArray *rest)
{
	bool only_rest = false;

	for (; *argv; argv++) {
		only_rest |= strcmp(*argv, "--") == 0;
		if (only_rest || !is_global(*argv)) {
			g_ptr_array_add(rest, *argv);
			continue;
		}
		g_ptr_array_add(global, *argv);
		if (takes_next(*argv) && argv[1])
			g_ptr_array_add(global, *++argv);
	}
	g_ptr_array_add(global, NULL);
	g_ptr_array_add(rest, NULL);
}

static int dispatch(struct vmctl *v, char **args)
{
	const struct command *c = find_command(args[0]);
	const struct operation *op = command_operation(args[0]);

	if (c)
		return c->run(v, args + 1);
	if (op)
		return operation_run(v, op, args + 1);
	fprintf(stderr, "vmctl: there is no command %s\nTry \"vmctl help\".\n", args[0]);
	return EXIT_USAGE;
}

static int run_command_line(const struct globals *g, char **args)
{
	struct vmctl v = {.format = g->format};
	int status;

	if (args[0] && strcmp(args[0], "help") == 0)
		return help(args[1]);
	if (g->help)
		return help(args[0]);
	if (!args[0]) {
		help_all();
		return EXIT_USAGE;
	}
	client_init(&v.client, g->socket);
	status = dispatch(&v, args);
	client_done(&v.client);
	return status;
}

static bool no_positional(void *opaque, const char *arg, GError **error)
{
	return err_set(error, VMMD_ERROR_INVALID, "unexpected argument '%s'", arg);
}

int main(int argc, char **argv)
{
	g_autoptr(GPtrArray) global = g_ptr_array_new(), rest = g_ptr_array_new();
	struct globals g = {0};
	const struct option_sink sink = {.rows = global_options,
		.option = take_global,
		.positional = no_positional,
		.opaque = &g};
	GError *e = NULL;
	int status;

	signal(SIGPIPE, SIG_IGN);
	split(argv + 1, global, rest);
	if (!options_parse(&sink, (char **)global->pdata, &e))
		return complain_usage(e, NULL);
	if (g.version) {
		printf("vmctl %s\n", vmmd_version);
		return EXIT_DONE;
	}
	status = run_command_line(&g, (char **)rest->pdata);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "vmctl: the output cannot be written\n");
		return EXIT_REFUSED;
	}
	return status;
}
