/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/seccomp-gen/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/sandbox.h"
#include "tools/seccomp-gen/symbols.h"

#define INCLUDE_DEPTH 8

/* Where the parser is, for messages. */
struct place {
	const char *file;
	unsigned line;
	unsigned depth;
};

/* One condition with its alternatives: argument, and the values that it may have. */
struct condition {
	unsigned arg;
	uint64_t mask;
	GArray *values; /* uint64_t */
};

static bool __printf(2, 3) complain(const struct place *at, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%u: ", at->file, at->line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return false;
}

static bool parse_value(const struct place *at, const char *word, uint64_t *ret)
{
	char *end = NULL;

	if (strcmp(word, "self") == 0) {
		*ret = SANDBOX_SELF;
		return true;
	}
	if (!g_ascii_isdigit(*word))
		return symbol_value(word, ret) || complain(at, "unknown name %s", word);
	*ret = g_ascii_strtoull(word, &end, 0);
	if (*end)
		return complain(at, "%s is not a number", word);
	if (*ret == SANDBOX_SELF)
		return complain(at, "%s stands for the process id", word);
	return true;
}

/* "A|B|C" */
static bool parse_values(const struct place *at, const char *text, GArray *values)
{
	g_auto(GStrv) words = g_strsplit(text, "|", -1);

	if (!*words)
		return complain(at, "a value is missing");
	for (char **w = words; *w; w++) {
		uint64_t v;

		if (!parse_value(at, g_strstrip(*w), &v))
			return false;
		g_array_append_val(values, v);
	}
	return true;
}

/* "arg2", "int0": number and width of an argument. */
static bool parse_arg(const struct place *at, const char *word, struct condition *c)
{
	bool narrow = g_str_has_prefix(word, "int");

	if ((!narrow && !g_str_has_prefix(word, "arg")) || strlen(word) != 4 || word[3] < '0' ||
		word[3] >= '0' + POLICY_ARGS)
		return complain(
			at, "%s: a condition begins with arg0 to arg5 or int0 to int5", word);
	c->arg = (unsigned)(word[3] - '0');
	c->mask = narrow ? UINT32_MAX : UINT64_MAX;
	return true;
}

static bool parse_mask(const struct place *at, const char *text, struct condition *c)
{
	g_autoptr(GArray) bits = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	uint64_t mask = 0;

	if (!parse_values(at, text, bits))
		return false;
	for (guint i = 0; i < bits->len; i++)
		mask |= g_array_index(bits, uint64_t, i);
	c->mask &= mask;
	return true;
}

/* "argN [& MASK] == VALUES" */
static bool parse_condition(const struct place *at, const char *text, struct condition *c)
{
	g_auto(GStrv) sides = g_strsplit(text, "==", -1);
	g_auto(GStrv) left = NULL;

	if (g_strv_length(sides) != 2)
		return complain(at, "\"%s\" is not a condition ARG [& MASK] == VALUE", text);
	left = g_strsplit(sides[0], "&", 2);
	if (!parse_arg(at, g_strstrip(left[0]), c) || (left[1] && !parse_mask(at, left[1], c)) ||
		!parse_values(at, sides[1], c->values))
		return false;
	for (guint i = 0; i < c->values->len; i++) {
		if (g_array_index(c->values, uint64_t, i) & ~c->mask)
			return complain(at, "\"%s\" can never be true", text);
	}
	return true;
}

static bool same_args(const struct rule *a, const struct rule *b)
{
	for (unsigned i = 0; i < a->n && a->n == b->n; i++) {
		if (a->args[i].arg != b->args[i].arg || a->args[i].datum_a != b->args[i].datum_a ||
			a->args[i].datum_b != b->args[i].datum_b)
			return false;
	}
	return a->n == b->n;
}

/* A rule that another one contains is left out; a call cannot be allowed here and refused there. */
static bool add_rule(struct policy *p, const struct place *at, const struct rule *r)
{
	for (guint i = 0; i < p->rules->len; i++) {
		struct rule *old = &g_array_index(p->rules, struct rule, i);

		if (old->call != r->call)
			continue;
		if (old->action != r->action)
			return complain(at, "contradicts an earlier line about the same call");
		if (!old->n || same_args(old, r))
			return true;
		if (!r->n) {
			*old = *r;
			for (guint k = p->rules->len - 1; k > i; k--) {
				if (g_array_index(p->rules, struct rule, k).call == r->call)
					g_array_remove_index(p->rules, k);
			}
			return true;
		}
	}
	g_array_append_val(p->rules, *r);
	return true;
}

/* Every combination of the alternatives of conditions @c[0..@n) is a rule of its own. */
static bool add_rules(struct policy *p, const struct place *at, struct rule *r,
	const struct condition *c, unsigned n)
{
	if (!n)
		return add_rule(p, at, r);
	for (guint i = 0; i < c->values->len; i++) {
		r->args[r->n++] = (struct scmp_arg_cmp){
			.arg = c->arg,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = c->mask,
			.datum_b = g_array_index(c->values, uint64_t, i),
		};
		if (!add_rules(p, at, r, c + 1, n - 1))
			return false;
		r->n--;
	}
	return true;
}

static bool parse_conditions(
	struct policy *p, const struct place *at, struct rule *r, const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "&&", -1);
	struct condition c[POLICY_ARGS] = {};
	unsigned n = 0, seen = 0;
	bool ok = true;

	for (char **part = parts; *part && ok; part++, n++) {
		if (n == POLICY_ARGS) {
			ok = complain(at, "too many conditions");
			break;
		}
		c[n].values = g_array_new(FALSE, FALSE, sizeof(uint64_t));
		ok = parse_condition(at, g_strstrip(*part), &c[n]);
		if (ok && seen & 1u << c[n].arg)
			ok = complain(at, "two conditions on one argument");
		seen |= 1u << c[n].arg;
	}
	ok = ok && add_rules(p, at, r, c, n);
	for (unsigned i = 0; i < POLICY_ARGS; i++) {
		if (c[i].values)
			g_array_unref(c[i].values);
	}
	return ok;
}

static bool read_file(struct policy *p, const char *file, unsigned depth);

static bool parse_include(struct policy *p, const struct place *at, const char *name)
{
	g_autofree char *dir = g_path_get_dirname(at->file);
	g_autofree char *path = g_build_filename(dir, name, NULL);

	if (at->depth == INCLUDE_DEPTH)
		return complain(at, "files include each other too deeply");
	return read_file(p, path, at->depth + 1) || complain(at, "included from here");
}

static bool parse_refusal(
	struct policy *p, const struct place *at, struct rule *r, const char *name)
{
	unsigned err;

	if (!symbol_errno(name, &err))
		return complain(at, "unknown error %s", name);
	r->action = SCMP_ACT_ERRNO(err);
	return add_rule(p, at, r);
}

static bool parse_line(struct policy *p, const struct place *at, char *line)
{
	struct rule r = {.action = SCMP_ACT_ALLOW};
	char *rest;

	line[strcspn(line, "#")] = '\0';
	line = g_strstrip(line);
	if (!*line)
		return true;
	rest = line + strcspn(line, " \t");
	if (*rest)
		*rest++ = '\0';
	rest = g_strstrip(rest);
	if (strcmp(line, "include") == 0)
		return parse_include(p, at, rest);
	r.call = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, line);
	if (r.call < 0)
		return complain(at, "x86-64 has no system call %s", line);
	if (g_str_has_prefix(rest, "return "))
		return parse_refusal(p, at, &r, g_strstrip(rest + strlen("return ")));
	return *rest ? parse_conditions(p, at, &r, rest) : add_rule(p, at, &r);
}

static bool read_file(struct policy *p, const char *file, unsigned depth)
{
	struct place at = {.file = file, .depth = depth};
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(file, &text, NULL, &error)) {
		fprintf(stderr, "%s\n", error->message);
		return false;
	}
	g_ptr_array_add(p->files, g_strdup(file));
	lines = g_strsplit(text, "\n", -1);
	for (char **l = lines; *l; l++) {
		at.line++;
		if (!parse_line(p, &at, *l))
			return false;
	}
	return true;
}

bool policy_read(struct policy *p, const char *file)
{
	p->rules = g_array_new(FALSE, FALSE, sizeof(struct rule));
	p->files = g_ptr_array_new_with_free_func(g_free);
	return read_file(p, file, 0);
}

void policy_free(struct policy *p)
{
	g_array_unref(p->rules);
	g_ptr_array_unref(p->files);
}
