/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands. A command line is commands separated by ';'; a command is its name and words, each
 * name=value, or a bare value for the next parameter in order: "pio 1000 0x80" is
 * "pio n=1000 port=0x80". Anything unknown fails the guest.
 */
#ifndef BENCH_GUEST_COMMAND_H
#define BENCH_GUEST_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#define COMMAND_PARAMS   16
#define COMMAND_SPEC_MAX 160

struct args;

struct command {
	const char *name;
	const char *params; /* "name=default ..." in positional order */
	void (*run)(const struct args *a);
};

struct args {
	const struct command *command;
	unsigned int index; /* which command of the line, from 0 */
	unsigned int n;
	const char *name[COMMAND_PARAMS];
	const char *value[COMMAND_PARAMS];
	char spec[COMMAND_SPEC_MAX]; /* what name and default values point into */
};

/*
 * Run the commands of @line from the one numbered @first, with @table ending in a NULL name. @line is
 * cut into words in place.
 */
void command_run_line(const struct command *table, char *line, unsigned int first);

/* The value of parameter @name, which the command's params must list. */
const char *arg_str(const struct args *a, const char *name);
uint64_t arg_num(const struct args *a, const char *name);

/* As arg_num(), and the guest fails unless min <= value <= max. */
uint64_t arg_range(const struct args *a, const char *name, uint64_t min, uint64_t max);

/* The value is @yes (true) or @no (false); anything else fails the guest. */
bool arg_is(const struct args *a, const char *name, const char *yes, const char *no);

#endif
