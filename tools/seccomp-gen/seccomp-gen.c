/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seccomp-gen - makes a BPF program, as a C header, from a system call policy (policy.h).
 *
 *	seccomp-gen NAME POLICY HEADER [DEPFILE]	static const struct sock_filter NAME[]
 *	seccomp-gen --names HEADER			static const char syscall_names[][]
 *
 * Runs at build time, so that no program of ours needs libseccomp.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/seccomp-gen/policy.h"

#define HIGHEST_CALL 1023
#define TOP_PRIORITY 255

static bool fail(const char *what, int err)
{
	fprintf(stderr, "seccomp-gen: %s: %s\n", what, strerror(err));
	return false;
}

static bool load_rules(scmp_filter_ctx ctx, const GArray *rules)
{
	uint8_t priority = TOP_PRIORITY;

	for (guint i = 0; i < rules->len; i++) {
		const struct rule *r = &g_array_index(rules, struct rule, i);
		int err = seccomp_rule_add_exact_array(ctx, r->action, r->call, r->n, r->args);

		if (!err && !(i && r[-1].call == r->call))
			err = seccomp_syscall_priority(ctx, r->call, priority ? priority-- : 0);
		if (err)
			return fail("libseccomp refuses a rule", -err);
	}
	return true;
}

/* The program of @ctx as words of BPF; the caller frees it. */
static GArray *export_program(scmp_filter_ctx ctx)
{
	g_autoptr(GArray) prog = g_array_new(FALSE, FALSE, sizeof(struct sock_filter));
	int fd = memfd_create("bpf", MFD_CLOEXEC), err;
	struct sock_filter f;

	if (fd < 0) {
		fail("memfd_create", errno);
		return NULL;
	}
	err = seccomp_export_bpf(ctx, fd);
	if (!err && lseek(fd, 0, SEEK_SET) == 0) {
		while (read(fd, &f, sizeof(f)) == sizeof(f))
			g_array_append_val(prog, f);
	}
	close(fd);
	if (err || !prog->len || prog->len > BPF_MAXINSNS) {
		fail("libseccomp gives no program that the kernel takes", -err);
		return NULL;
	}
	return g_steal_pointer(&prog);
}

static GArray *compile(const struct policy *p)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	GArray *prog = NULL;
	int err;

	if (!ctx) {
		fail("libseccomp", ENOMEM);
		return NULL;
	}
	err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (err)
		fail("libseccomp", -err);
	else if (load_rules(ctx, p->rules))
		prog = export_program(ctx);
	seccomp_release(ctx);
	return prog;
}

static bool finish(FILE *f, const char *file)
{
	bool bad = ferror(f);

	if (fclose(f) || bad) {
		remove(file);
		return fail(file, EIO);
	}
	return true;
}

static bool write_header(
	const char *file, const char *name, const struct policy *p, const GArray *prog)
{
	g_autofree char *base = g_path_get_basename(g_ptr_array_index(p->files, 0));
	FILE *f = fopen(file, "we");

	if (!f)
		return fail(file, errno);
	fprintf(f, "/* Made by seccomp-gen from %s. */\n#include <linux/filter.h>\n\n", base);
	fprintf(f, "static const struct sock_filter %s[] = {\n", name);
	for (guint i = 0; i < prog->len; i++) {
		const struct sock_filter *s = &g_array_index(prog, struct sock_filter, i);

		fprintf(f, "\t{0x%02x, %u, %u, 0x%08x},\n", s->code, s->jt, s->jf, s->k);
	}
	fprintf(f, "};\n");
	return finish(f, file);
}

/* As make reads it: what HEADER is made from. */
static bool write_depfile(const char *file, const char *header, const struct policy *p)
{
	FILE *f = fopen(file, "we");

	if (!f)
		return fail(file, errno);
	fprintf(f, "%s:", header);
	for (guint i = 0; i < p->files->len; i++)
		fprintf(f, " %s", (const char *)g_ptr_array_index(p->files, i));
	fputc('\n', f);
	return finish(f, file);
}

static bool make_filter(const char *name, const char *policy, const char *header, const char *dep)
{
	g_autoptr(GArray) prog = NULL;
	struct policy p;
	bool ok = policy_read(&p, policy);

	if (ok)
		prog = compile(&p);
	ok = prog && write_header(header, name, &p, prog) &&
	     (!dep || write_depfile(dep, header, &p));
	policy_free(&p);
	return ok;
}

/* Strings of one width rather than pointers, which the loader would have to relocate. */
static bool make_names(const char *file)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(free);
	size_t width = 0;
	FILE *f = fopen(file, "we");

	if (!f)
		return fail(file, errno);
	for (int i = 0; i <= HIGHEST_CALL; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, i);

		g_ptr_array_add(names, name);
		if (name)
			width = MAX(width, strlen(name) + 1);
	}
	fprintf(f, "/* Made by seccomp-gen --names: of x86-64. */\n");
	fprintf(f, "static const char syscall_names[][%zu] = {\n", width);
	for (guint i = 0; i < names->len; i++) {
		if (names->pdata[i])
			fprintf(f, "\t[%u] = \"%s\",\n", i, (const char *)names->pdata[i]);
	}
	fprintf(f, "};\n");
	return finish(f, file);
}

int main(int argc, char **argv)
{
	bool ok;

	if (argc == 3 && strcmp(argv[1], "--names") == 0) {
		ok = make_names(argv[2]);
	} else if (argc == 4 || argc == 5) {
		ok = make_filter(argv[1], argv[2], argv[3], argv[4]);
	} else {
		fprintf(stderr, "usage: seccomp-gen NAME POLICY HEADER [DEPFILE]\n"
				"       seccomp-gen --names HEADER\n");
		ok = false;
	}
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
