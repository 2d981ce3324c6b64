/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmctl.h - the sub-commands: those of the table of operations, and the few that are more than one
 * operation.
 */
#ifndef API_VMCTL_VMCTL_H
#define API_VMCTL_VMCTL_H

#include "api/vmctl/client.h"
#include "api/vmctl/options.h"
#include "api/vmctl/output.h"

/* Exit statuses, as the help tells them. */
enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,     /* the daemon refused, or it failed */
	EXIT_USAGE = 2,       /* vmctl was called wrongly */
	EXIT_UNREACHABLE = 3, /* no daemon answers */
	EXIT_CRASHED = 4,     /* run, console: the VM ended as it should not have */
};

struct vmctl {
	struct client client;
	enum output_format format;
};

/* A sub-command of its own: name, arguments for the usage line, help. */
struct command {
	const char *name, *args, *doc;
	const struct option_row *options;
	const char *more; /* further lines of help; NULL: none */
	int (*run)(struct vmctl *v, char **args);
};

extern const struct command run_command, console_command, define_command, api_command;

/*
 * The operation that is the sub-command @name ("start" is vm.start, "info" is host.info), or NULL.
 */
const struct operation *command_operation(const char *name);
/* "start" of "vm.start". */
const char *operation_command(const struct operation *op);

/* Calls @op with what @args say, and prints its result. */
int operation_run(struct vmctl *v, const struct operation *op, char **args);
void operation_help(const struct operation *op);

/* Prints an error; returns the exit status for it. Takes @error. */
int complain(GError *error);
/* The same for a command that was called wrongly. */
int complain_usage(GError *error, const char *command);

/* For console_end: the exit status, after a look at how the VM is. */
int console_status(struct vmctl *v, const char *name, int end);

/*
 * For a VM that was running a moment ago and has no console now: if it has ended, tells how and
 * returns true.
 */
bool console_missed(struct vmctl *v, const char *name);

#endif
