/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmctl run: defines a VM from options, starts it, and attaches its console. */
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/prop-json.h"
#include "api/vmctl/console.h"
#include "api/vmctl/vmctl.h"

struct run {
	struct json_object *spec, *boot, *disks, *forwards;
	bool rm, detach, net;
};

/* ---- options ---- */

static const struct option_row run_options[] = {
	{"name", "NAME", "name of the VM; default: one that is free"},
	{"kernel", "FILE", "start this kernel instead of the image's boot loader"},
	{"initrd", "FILE", "with this initial RAM disk"},
	{"append", "TEXT", "and this command line"},
	{"firmware", "FILE", "firmware instead of SeaBIOS"},
	{"memory", "SIZE", "guest memory, such as 512M or 2G; default 1G"},
	{"cpus", "N", "virtual CPUs; default 1"},
	{"disk", "FILE[,KEY=VALUE…]",
		"a further disk; keys as in the VmSpec: readonly=true,cache=none"},
	{"net", "user|none", "user: behind NAT, with DHCP and DNS; default user"},
	{"forward", "PROTO:HOST:GUEST",
		"a port of this host that leads into the guest: tcp:8080:80"},
	{"rm", NULL, "delete the VM when it ends while its console is attached"},
	{"detach", NULL, "do not attach the console; print the name and leave"},
	{0},
};

static struct json_object *member(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
	return value;
}

static void put_path(struct json_object *o, const char *key, const char *path)
{
	g_autofree char *absolute = g_canonicalize_filename(path, NULL);

	member(o, key, json_object_new_string(absolute));
}

/* The table of the list or object called @name within the VmSpec. */
static const struct prop_table *sub_table(const char *name)
{
	return prop_find(&vm_spec_table, name)->sub;
}

/* "FILE,key=value,…" */
static bool add_disk(struct run *r, const char *arg, GError **error)
{
	g_auto(GStrv) part = g_strsplit(arg, ",", -1);
	struct json_object *disk = json_object_new_object();

	json_object_array_add(r->disks, disk);
	put_path(disk, "file", part[0] ? part[0] : "");
	for (char **p = part + 1; part[0] && *p; p++) {
		g_auto(GStrv) pair = g_strsplit(*p, "=", 2);
		const struct prop *prop = prop_find(sub_table("disks"), pair[0] ? pair[0] : "");

		if (!prop || !pair[1])
			return err_set(error, VMMD_ERROR_INVALID,
				"--disk: '%s' is not KEY=VALUE with a key of a disk", *p);
		member(disk, pair[0], prop_value_of_text(prop, pair[1]));
	}
	return true;
}

/* "tcp:8080:80" */
static bool add_forward(struct run *r, const char *arg, GError **error)
{
	g_auto(GStrv) part = g_strsplit(arg, ":", -1);
	struct json_object *forward;
	guint64 host, guest;

	if (g_strv_length(part) != 3 ||
		!g_ascii_string_to_unsigned(part[1], 10, 1, UINT16_MAX, &host, NULL) ||
		!g_ascii_string_to_unsigned(part[2], 10, 1, UINT16_MAX, &guest, NULL))
		return err_set(error, VMMD_ERROR_INVALID,
			"--forward takes PROTO:HOST:GUEST like tcp:8080:80, not '%s'", arg);
	forward = json_object_new_object();
	member(forward, "protocol", json_object_new_string(part[0]));
	member(forward, "host-port", json_object_new_uint64(host));
	member(forward, "guest-port", json_object_new_uint64(guest));
	json_object_array_add(r->forwards, forward);
	return true;
}

static bool set_net(struct run *r, const char *arg, GError **error)
{
	r->net = strcmp(arg, "none") != 0;
	if (!r->net || strcmp(arg, "user") == 0)
		return true;
	return err_set(error, VMMD_ERROR_INVALID, "--net is user or none, not '%s'", arg);
}

static void set_cpus(struct run *r, const char *arg)
{
	struct json_object *cpus = member(r->spec, "cpus", json_object_new_object());

	member(cpus, "count", prop_value_of_text(prop_find(sub_table("cpus"), "count"), arg));
}

static void set_memory(struct run *r, const char *arg)
{
	member(member(r->spec, "memory", json_object_new_object()), "size",
		json_object_new_string(arg));
}

static bool take_option(void *opaque, const char *name, const char *value, GError **error)
{
	struct run *r = opaque;

	if (strcmp(name, "name") == 0)
		member(r->spec, "name", json_object_new_string(value));
	else if (strcmp(name, "append") == 0)
		member(r->boot, "cmdline", json_object_new_string(value));
	else if (prop_find(sub_table("boot"), name))
		put_path(r->boot, name, value);
	else if (strcmp(name, "memory") == 0)
		set_memory(r, value);
	else if (strcmp(name, "cpus") == 0)
		set_cpus(r, value);
	else if (strcmp(name, "disk") == 0)
		return add_disk(r, value, error);
	else if (strcmp(name, "net") == 0)
		return set_net(r, value, error);
	else if (strcmp(name, "forward") == 0)
		return add_forward(r, value, error);
	else if (strcmp(name, "rm") == 0)
		r->rm = true;
	else
		r->detach = true;
	return true;
}

/* The image: the first disk, and what is booted from. */
static bool take_image(void *opaque, const char *arg, GError **error)
{
	struct run *r = opaque;
	struct json_object *disk;

	if (json_object_array_length(r->disks))
		return err_set(
			error, VMMD_ERROR_INVALID, "'%s' is one image too many: use --disk", arg);
	disk = json_object_new_object();
	put_path(disk, "file", arg);
	member(disk, "bootindex", json_object_new_int(1));
	json_object_array_add(r->disks, disk);
	return true;
}

/* ---- the spec ---- */

static void add_console(struct run *r)
{
	struct json_object *serials = member(r->spec, "serials", json_object_new_array());
	struct json_object *serial = json_object_new_object();

	member(member(serial, "chardev", json_object_new_object()), "type",
		json_object_new_string("socket"));
	json_object_array_add(serials, serial);
}

static void add_nic(struct run *r)
{
	struct json_object *nics = member(r->spec, "nics", json_object_new_array());
	struct json_object *nic = json_object_new_object();
	struct json_object *backend = member(nic, "backend", json_object_new_object());

	member(backend, "forwards", json_object_get(r->forwards));
	json_object_array_add(nics, nic);
}

/* What the options have left open. */
static bool complete(struct run *r, GError **error)
{
	bool has_kernel = json_object_object_get_ex(r->boot, "kernel", NULL);

	if (!has_kernel && !json_object_array_length(r->disks) &&
		!json_object_object_get_ex(r->boot, "firmware", NULL))
		return err_set(error, VMMD_ERROR_INVALID, "an image or --kernel is missing");
	if (json_object_array_length(r->forwards) && !r->net)
		return err_set(error, VMMD_ERROR_INVALID, "--forward needs --net user");
	if (r->rm && r->detach)
		return err_set(error, VMMD_ERROR_INVALID,
			"--rm needs the console, and --detach does without");
	if (!json_object_object_get_ex(r->spec, "name", NULL)) {
		g_autofree char *name = g_strdup_printf("vm-%06x", g_random_int() & 0xffffff);

		member(r->spec, "name", json_object_new_string(name));
	}
	if (!json_object_object_get_ex(r->spec, "memory", NULL))
		set_memory(r, "1G");
	member(r->spec, "boot", json_object_get(r->boot));
	member(r->spec, "disks", json_object_get(r->disks));
	member(r->spec, "rng", json_object_new_object());
	add_console(r);
	if (r->net)
		add_nic(r);
	return true;
}

/* ---- running ---- */

static bool call(
	struct vmctl *v, const char *method, const char *name, const char *what, GError **error)
{
	g_autoptr(json_object) params = json_object_new_object(), result = NULL;

	member(params, "name", json_object_new_string(name));
	return client_call(&v->client, method, params, what, &result, error);
}

/* What could not be started is not left behind. */
static bool define_and_start(struct vmctl *v, struct run *r, const char *name, GError **error)
{
	g_autofree char *what = g_strdup_printf("start %s", name);
	g_autoptr(json_object) result = NULL;

	if (!client_call(&v->client, "vm.define", r->spec, NULL, &result, error))
		return false;
	if (call(v, "vm.start", name, what, error))
		return true;
	call(v, "vm.delete", name, NULL, NULL);
	return false;
}

static int attach(struct vmctl *v, struct run *r, const char *name)
{
	enum console_end end;
	GError *e = NULL;
	int status;

	if (!console_attach(&v->client, name, &end, &e)) {
		if (!console_missed(v, name))
			return complain(e);
		g_clear_error(&e);
		end = CONSOLE_ENDED;
	}
	status = console_status(v, name, (int)end);
	if (r->rm && end == CONSOLE_ENDED && !call(v, "vm.delete", name, NULL, &e))
		return complain(e);
	return status;
}

static int run_it(struct vmctl *v, struct run *r)
{
	const char *name = json_member_string(r->spec, "name");
	GError *e = NULL;

	if (!define_and_start(v, r, name, &e))
		return complain(e);
	if (!r->detach)
		return attach(v, r, name);
	printf("%s\n", name);
	return EXIT_DONE;
}

static int run(struct vmctl *v, char **args)
{
	g_autoptr(json_object) spec = json_object_new_object(), boot = json_object_new_object();
	g_autoptr(json_object) disks = json_object_new_array(), forwards = json_object_new_array();
	struct run r = {
		.spec = spec, .boot = boot, .disks = disks, .forwards = forwards, .net = true};
	const struct option_sink sink = {
		.rows = run_options, .option = take_option, .positional = take_image, .opaque = &r};
	GError *e = NULL;

	if (!options_parse(&sink, args, &e) || !complete(&r, &e))
		return complain_usage(e, "run");
	return run_it(v, &r);
}

const struct command run_command = {
	.name = "run",
	.args = "IMAGE | --kernel FILE [OPTIONS]",
	.doc = "Defines a VM, starts it and attaches its console; Ctrl-] leaves it running",
	.options = run_options,
	.more = "The guest finds its image on a virtio disk and its console on the first serial "
		"port. The VM stays\n"
		"defined when it has ended, but for --rm. The exit status is 0 when the guest has "
		"shut down, 4 when\n"
		"it crashed.",
	.run = run,
};
