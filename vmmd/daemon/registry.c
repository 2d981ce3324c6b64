/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/json.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "vmmd/daemon/rundir.h"
#include "vmmd/daemon/work.h"

#define FORMAT 1 /* of the stored text: {"format": 1, "vm": {…}} */

/* ---- the stored text ---- */

static char *encode(const struct vm_spec *spec, size_t *ret_len)
{
	g_autoptr(json_object) o = json_object_new_object();

	json_object_object_add(o, "format", json_object_new_int(FORMAT));
	json_object_object_add(o, "vm", vm_spec_encode(spec));
	return json_text(o, ret_len);
}

static struct vm_spec *decode_spec(const char *name, struct json_object *json, GError **error)
{
	struct vm_spec *spec = vm_spec_decode(json, error);

	if (!spec)
		return NULL;
	if (strcmp(spec->name, name) != 0)
		err_set(error, VMMD_ERROR_INVALID, "it is the definition of %s", spec->name);
	else if (vm_spec_complete(spec, error))
		return spec;
	vm_spec_free(spec);
	return NULL;
}

static struct vm_spec *decode(const char *name, const char *text, size_t len, GError **error)
{
	g_autoptr(json_object) o = NULL;
	struct json_object *format = NULL, *vm = NULL;

	if (!json_parse(text, len, &o, error))
		return NULL;
	if (!json_object_is_type(o, json_type_object) ||
		!json_object_object_get_ex(o, "format", &format) ||
		!json_object_object_get_ex(o, "vm", &vm)) {
		err_set(error, VMMD_ERROR_INVALID,
			"it has not the form {\"format\": %d, \"vm\": …}", FORMAT);
		return NULL;
	}
	if (json_object_get_int(format) != FORMAT) {
		err_set(error, VMMD_ERROR_UNSUPPORTED,
			"its format is not %d: written by another release?", FORMAT);
		return NULL;
	}
	return decode_spec(name, vm, error);
}

/* ---- loading ---- */

static void add(struct registry *r, struct instance *i)
{
	g_tree_insert(r->instances, i->name, i);
}

static void load_one(
	void *opaque, const char *name, const char *text, size_t len, const GError *error)
{
	struct registry *r = opaque;
	g_autoptr(GError) e = NULL;
	g_autofree char *fault = NULL;
	struct vm_spec *spec = NULL;

	if (!vm_name_check(name, &e)) {
		log_warning("the store holds '%s.json', which is no VM: %s", name, e->message);
		return;
	}
	if (text)
		spec = decode(name, text, len, &e);
	if (!spec) {
		fault = g_strdup_printf(
			"its definition cannot be read: %s", (e ? e : error)->message);
		log_error("%s is quarantined: %s", name, fault);
	}
	add(r, instance_new(r->conf, name, spec, fault));
}

/* ---- VMs that run although the store does not know them ---- */

static bool listens(const char *run, const char *name)
{
	int dir = rundir_open(run, name, false, NULL),
	    fd = dir < 0 ? -1 : rundir_connect(dir, RUNDIR_CONTROL);
	bool yes = fd >= 0;

	if (fd >= 0)
		fd_close(&fd);
	fd_close(&dir);
	return yes;
}

static struct vm_spec *running_spec(const char *run, const char *name, GError **error)
{
	int dir = rundir_open(run, name, false, error);
	g_autoptr(json_object) json = NULL;
	g_autofree char *text = NULL;
	size_t len = 0;

	if (dir < 0)
		return NULL;
	text = rundir_read_tail(dir, RUNDIR_SPEC, JSON_TEXT_MAX, &len);
	fd_close(&dir);
	if (!text || !json_parse(text, len, &json, error))
		return NULL;
	return decode_spec(name, json, error);
}

/* No definition is lost while its VM runs: it is taken from the run folder and stored again. */
static void recover(struct registry *r, const char *name)
{
	g_autoptr(GError) e = NULL;
	g_autofree char *text = NULL;
	struct vm_spec *spec;
	size_t len;

	if (!listens(r->conf->run, name))
		return;
	spec = running_spec(r->conf->run, name, &e);
	if (!spec) {
		log_error("%s runs, but its definition is lost: %s", name,
			e ? e->message : "nothing is left of it");
		add(r, instance_new(r->conf, name, NULL, "its definition is lost"));
		return;
	}
	text = encode(spec, &len);
	if (store_save(&r->store, name, text, len, &e))
		log_warning("%s runs, but was not in the store: it has been stored again", name);
	else
		log_error("%s runs, but is not in the store: %s", name, e->message);
	add(r, instance_new(r->conf, name, spec, NULL));
}

static void recover_all(struct registry *r)
{
	g_autofree char *path = g_build_filename(r->conf->run, "vms", NULL);
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (vm_name_check(e->d_name, NULL) && !g_tree_lookup(r->instances, e->d_name))
			recover(r, e->d_name);
	}
	if (d)
		closedir(d);
}

/* ---- opening ---- */

static gint compare(gconstpointer a, gconstpointer b, gpointer data)
{
	return strcmp(a, b);
}

static void settled(struct instance *i, void *opaque)
{
	((struct registry *)opaque)->adopting--;
}

static void adopt(struct instance *i, void *opaque)
{
	((struct registry *)opaque)->adopting++;
	instance_adopt(i, settled, opaque);
}

bool registry_open(
	struct registry *r, const char *state_dir, const struct launch_conf *conf, GError **error)
{
	g_autofree char *path = g_build_filename(state_dir, "vms", NULL);

	*r = (struct registry){.conf = conf, .store.dir = -1};
	r->instances = g_tree_new_full(compare, NULL, NULL, (GDestroyNotify)instance_free);
	if (!store_open(&r->store, path, error) || !store_load(&r->store, load_one, r, error))
		return false;
	recover_all(r);
	registry_foreach(r, adopt, r);
	return true;
}

void registry_close(struct registry *r)
{
	g_tree_unref(r->instances);
	store_close(&r->store);
}

static void autostart(struct instance *i, void *opaque)
{
	if (i->spec && i->spec->autostart && !instance_has_process(i))
		instance_start(i, 600, NULL);
}

/* The run folder is new with each boot, and so is the mark in it. */
void registry_autostart(struct registry *r)
{
	g_autofree char *mark = g_build_filename(r->conf->run, "autostarted", NULL);
	int fd = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	fd_close(&fd);
	registry_foreach(r, autostart, NULL);
}

/* ---- looking ---- */

struct walk {
	void (*fn)(struct instance *i, void *opaque);
	void *opaque;
};

static gboolean visit(gpointer name, gpointer instance, gpointer data)
{
	struct walk *w = data;

	w->fn(instance, w->opaque);
	return FALSE;
}

void registry_foreach(
	struct registry *r, void (*fn)(struct instance *i, void *opaque), void *opaque)
{
	struct walk w = {.fn = fn, .opaque = opaque};

	g_tree_foreach(r->instances, visit, &w);
}

struct instance *registry_find(struct registry *r, const char *name, GError **error)
{
	struct instance *i = g_tree_lookup(r->instances, name);

	if (i && !i->busy)
		return i;
	if (i)
		err_set(error, VMMD_ERROR_STATE, "%s %s", name, i->busy);
	else
		err_set(error, VMMD_ERROR_NOT_FOUND, "there is no VM called %s", name);
	return NULL;
}

/* ---- changes ---- */

struct change {
	struct registry *registry;
	struct instance *instance;
	struct op_call *call;
	char *text; /* to be stored; NULL: to be removed */
	size_t len;
	GError *error;
};

static void change_run(void *data)
{
	struct change *c = data;
	const char *name = c->instance->name;

	if (c->text && !store_save(&c->registry->store, name, c->text, c->len, &c->error))
		store_remove(&c->registry->store, name, NULL);
	if (c->text)
		return;
	if (store_remove(&c->registry->store, name, &c->error))
		rundir_remove(c->registry->conf->run, name);
}

static void change_done(void *data)
{
	struct change *c = data;
	struct instance *i = c->instance;
	bool gone = c->text ? c->error != NULL : c->error == NULL;
	struct op_vm vm;

	i->busy = NULL;
	if (c->error) {
		op_fail(c->call, g_steal_pointer(&c->error));
	} else if (c->text) {
		instance_info(i, true, &vm);
		log_notice("%s is defined", i->name);
		op_return(c->call, &vm);
	} else {
		log_notice("%s is deleted", i->name);
		op_return(c->call, NULL);
	}
	if (gone)
		g_tree_remove(c->registry->instances, i->name);
	g_free(c->text);
	g_free(c);
}

static void change_start(
	struct registry *r, struct instance *i, char *text, size_t len, struct op_call *call)
{
	struct change *c = g_new0(struct change, 1);

	*c = (struct change){.registry = r, .instance = i, .call = call, .text = text, .len = len};
	i->busy = text ? "is being defined" : "is being deleted";
	work_run(change_run, change_done, c);
}

/* A copy as it will be stored, or NULL with @error set. */
static struct vm_spec *whole_copy(const struct vm_spec *spec, GError **error)
{
	g_autoptr(json_object) json = vm_spec_encode(spec);
	struct vm_spec *copy = vm_spec_decode(json, error);

	if (copy && vm_spec_complete(copy, error) && launch_check(copy, error))
		return copy;
	vm_spec_free(copy);
	return NULL;
}

void registry_define(struct registry *r, const struct vm_spec *spec, struct op_call *call)
{
	g_autofree char *text = NULL;
	struct vm_spec *copy;
	struct instance *i;
	GError *e = NULL;
	size_t len;

	if (g_tree_lookup(r->instances, spec->name)) {
		op_fail_with(call, VMMD_ERROR_EXISTS, "/name: there is a VM called %s already",
			spec->name);
		return;
	}
	if (g_tree_nnodes(r->instances) >= REGISTRY_VMS_MAX) {
		op_fail_with(
			call, VMMD_ERROR_STATE, "this host has %d VMs already", REGISTRY_VMS_MAX);
		return;
	}
	copy = whole_copy(spec, &e);
	if (!copy) {
		op_fail(call, e);
		return;
	}
	text = encode(copy, &len);
	i = instance_new(r->conf, copy->name, copy, NULL);
	add(r, i);
	change_start(r, i, g_steal_pointer(&text), len, call);
}

void registry_delete(struct registry *r, const char *name, struct op_call *call)
{
	GError *e = NULL;
	struct instance *i = registry_find(r, name, &e);

	if (!i)
		op_fail(call, e);
	else if (instance_has_process(i))
		op_fail_with(call, VMMD_ERROR_STATE, "%s runs: stop it first", name);
	else
		change_start(r, i, NULL, 0, call);
}
