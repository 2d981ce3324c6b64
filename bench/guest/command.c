/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "command.h"
#include "lib.h"
#include "out.h"

/* Cut the text up to the next @separator off *rest; NULL when nothing is left. */
static char *cut(char **rest, char separator)
{
	char *s = *rest, *e;

	while (*s && *s == separator)
		s++;
	if (!*s)
		return NULL;
	for (e = s; *e && *e != separator; e++)
		;
	*rest = *e ? e + 1 : e;
	*e = '\0';
	return s;
}

/* Split name=value in place; NULL if there is no '='. */
static char *cut_value(char *word)
{
	for (; *word; word++) {
		if (*word == '=') {
			*word = '\0';
			return word + 1;
		}
	}
	return NULL;
}

static unsigned int find_param(const struct args *a, const char *name)
{
	unsigned int i;

	for (i = 0; i < a->n && !str_eq(a->name[i], name); i++)
		;
	if (i == a->n)
		fail("%s: no parameter %s", a->command->name, name);
	return i;
}

static void set_defaults(struct args *a, const struct command *c)
{
	char *rest = a->spec, *word;

	if (strlen(c->params) >= sizeof(a->spec))
		fail("%s: its parameters do not fit", c->name);
	memcpy(a->spec, c->params, strlen(c->params) + 1);
	a->command = c;
	for (a->n = 0; a->n < COMMAND_PARAMS && (word = cut(&rest, ' ')); a->n++) {
		a->value[a->n] = cut_value(word);
		a->name[a->n] = word;
	}
}

static void set_values(struct args *a, char *words)
{
	unsigned int next = 0;
	char *word;

	while ((word = cut(&words, ' '))) {
		char *value = cut_value(word);
		unsigned int i = value ? find_param(a, word) : next++;

		if (i >= a->n)
			fail("%s: too many values", a->command->name);
		a->value[i] = value ? value : word;
	}
}

static const struct command *find_command(const struct command *c, const char *name)
{
	for (; c->name; c++) {
		if (str_eq(c->name, name))
			return c;
	}
	fail("no command %s", name);
}

void command_run_line(const struct command *table, char *line, unsigned int first)
{
	static struct args a;
	char *text, *name;

	for (unsigned int i = 0; (text = cut(&line, ';')); i++) {
		name = cut(&text, ' ');
		if (!name || i < first)
			continue;
		set_defaults(&a, find_command(table, name));
		set_values(&a, text);
		a.index = i;
		pool_reset();
		a.command->run(&a);
	}
}

const char *arg_str(const struct args *a, const char *name)
{
	return a->value[find_param(a, name)];
}

uint64_t arg_num(const struct args *a, const char *name)
{
	const char *s = arg_str(a, name);
	uint64_t v;

	if (!str_number(s, &v))
		fail("%s: %s=%s is not a number", a->command->name, name, s);
	return v;
}

uint64_t arg_range(const struct args *a, const char *name, uint64_t min, uint64_t max)
{
	uint64_t v = arg_num(a, name);

	if (v < min || v > max)
		fail("%s: %s must be from %lu to %lu", a->command->name, name, min, max);
	return v;
}

bool arg_is(const struct args *a, const char *name, const char *yes, const char *no)
{
	const char *s = arg_str(a, name);

	if (!str_eq(s, yes) && !str_eq(s, no))
		fail("%s: %s must be %s or %s", a->command->name, name, yes, no);
	return str_eq(s, yes);
}
