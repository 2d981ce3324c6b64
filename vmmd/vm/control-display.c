/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on what a person at the machine would see and touch. */
#include <errno.h>
#include <string.h>

#include "base/display.h"
#include "base/input.h"
#include "virtio-backends/display/vnc.h"
#include "vmmd/vm/vm.h"

#define PART_MAX (384 * KiB) /* of a picture in one answer */

/* ---- screenshots ---- */

/* Answers with the part of the kept picture that the call asks for. */
static void return_part(struct vm *vm, struct op_call *call)
{
	const struct op_screenshot_part *p = call->params;
	uint64_t size = g_bytes_get_size(vm->screenshot);
	struct op_screenshot result = {.size = size};

	if (p->offset >= size) {
		op_fail_with(call, VMMD_ERROR_INVALID,
			"offset: the picture has %" G_GUINT64_FORMAT " bytes", size);
		return;
	}
	result.png = g_base64_encode(
		(const guchar *)g_bytes_get_data(vm->screenshot, NULL) + p->offset,
		MIN(size - p->offset, PART_MAX));
	op_return(call, &result);
	g_free(result.png);
}

struct shot {
	struct vm *vm;
	struct op_call *call;
};

static void on_png(void *opaque, const uint8_t *png, size_t n, int err)
{
	g_autofree struct shot *s = opaque;
	GError *error = NULL;

	if (err < 0) {
		err_set_errno(&error, -err, "no screenshot");
		op_fail(s->call, error);
		return;
	}
	g_clear_pointer(&s->vm->screenshot, g_bytes_unref);
	s->vm->screenshot = g_bytes_new(png, n);
	return_part(s->vm, s->call);
}

void op_screenshot(void *process, struct op_call *call)
{
	const struct op_screenshot_part *p = call->params;
	struct vm *vm = process;
	struct shot *s;

	if (!vm->machine->vnc) {
		op_fail_with(call, VMMD_ERROR_UNSUPPORTED, "the VM has no display");
		return;
	}
	if (p->offset && vm->screenshot) {
		return_part(vm, call);
		return;
	}
	s = g_new(struct shot, 1);
	*s = (struct shot){vm, call};
	vnc_screenshot(vm->machine->vnc, on_png, s);
}

/* ---- keys ---- */

/* Keys that are down together, until their time is over. */
struct press {
	struct loop_timer timer;
	struct vm *vm;
	struct op_call *call;
	unsigned codes[OP_KEYS_MAX], n;
};

static void release(struct loop_timer *t)
{
	struct press *p = container_of(t, struct press, timer);

	while (p->n)
		input_key(p->vm->machine->input, p->codes[--p->n], false);
	op_return(p->call, NULL);
	g_free(p);
}

/* False: the call has been answered. */
static bool look_up(struct press *p, char **names)
{
	for (; names && *names; names++) {
		unsigned code = input_key_by_name(*names);

		if (!code || p->n == OP_KEYS_MAX) {
			if (code)
				op_fail_with(p->call, VMMD_ERROR_INVALID, "keys: more than %u",
					OP_KEYS_MAX);
			else
				op_fail_with(p->call, VMMD_ERROR_INVALID,
					"keys: there is no key '%s'", *names);
			return false;
		}
		p->codes[p->n++] = code;
	}
	return true;
}

void op_send_key(void *process, struct op_call *call)
{
	const struct op_keys *k = call->params;
	struct vm *vm = process;
	struct press *p = g_new0(struct press, 1);

	p->vm = vm;
	p->call = call;
	p->timer.fn = release;
	if (!look_up(p, k->keys)) {
		g_free(p);
		return;
	}
	for (unsigned i = 0; i < p->n; i++)
		input_key(vm->machine->input, p->codes[i], true);
	loop_timer_set(vm->main, &p->timer, loop_now() + k->hold_time * NSEC_PER_MSEC);
}

/* ---- pointer ---- */

static const struct {
	const char *name;
	unsigned button;
	int wheel;
} buttons[] = {
	{"left", INPUT_BUTTON_LEFT, 0},
	{"right", INPUT_BUTTON_RIGHT, 0},
	{"middle", INPUT_BUTTON_MIDDLE, 0},
	{"side", INPUT_BUTTON_SIDE, 0},
	{"extra", INPUT_BUTTON_EXTRA, 0},
	{"wheel-up", 0, 1},
	{"wheel-down", 0, -1},
};

static bool add_button(const char *name, unsigned *down, int *wheel)
{
	for (size_t i = 0; i < ARRAY_SIZE(buttons); i++) {
		if (strcmp(buttons[i].name, name) == 0) {
			*down |= buttons[i].button;
			*wheel += buttons[i].wheel;
			return true;
		}
	}
	return false;
}

void op_pointer(void *process, struct op_call *call)
{
	const struct op_pointer *p = call->params;
	struct vm *vm = process;
	unsigned down = 0;
	int wheel = 0;

	for (char **b = p->buttons; b && *b; b++) {
		if (!add_button(*b, &down, &wheel)) {
			op_fail_with(
				call, VMMD_ERROR_INVALID, "buttons: there is no button '%s'", *b);
			return;
		}
	}
	input_point(vm->machine->input, p->x, p->y, wheel, down);
	op_return(call, NULL);
}

/* ---- VNC ---- */

void op_vnc_password(void *process, struct op_call *call)
{
	const struct op_vnc_password *p = call->params;
	struct vm *vm = process;
	GError *error = NULL;
	int err;

	if (!vm->spec->vnc || !vm->spec->vnc->password) {
		op_fail_with(
			call, VMMD_ERROR_STATE, "the VM's VNC server was started without password");
		return;
	}
	err = vnc_set_password(vm->machine->vnc, p->password);
	if (err < 0) {
		err_set_errno(&error, -err, "the password cannot be set");
		op_fail(call, error);
		return;
	}
	op_return(call, NULL);
}
