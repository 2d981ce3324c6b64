/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "devmodel/tpm/tpm-internal.h"

const struct dev_ops *const tpm_devices[] = {&tpm_tis_ops, &tpm_crb_ops, NULL};

/* TPM 2.0 Library, part 2, section 6.6.3. */
#define TAG_NO_SESSIONS 0x8001
#define RC_FAILURE      0x101
#define RC_COMMAND_SIZE 0x142

void tpm_set_backend(struct dev *d, struct tpm_backend *b)
{
	to_tpm(d)->backend = b;
}

void tpm_backend_free(struct tpm_backend *b)
{
	if (b)
		b->ops->free(b);
}

/* ---- commands ---- */

static void respond(struct tpm *t)
{
	t->hw->busy = false;
	t->done(t);
}

/* A response that is only a code. */
static void respond_code(struct tpm *t, uint16_t code)
{
	const uint8_t response[TPM_HEADER] = {TAG_NO_SESSIONS >> 8, TAG_NO_SESSIONS & 0xff, 0, 0, 0,
		TPM_HEADER, 0, 0, (uint8_t)(code >> 8), (uint8_t)code};

	memcpy(t->hw->buf, response, sizeof(response));
	t->hw->len = sizeof(response);
	respond(t);
}

void tpm_execute(struct tpm *t, uint8_t locality)
{
	struct tpm_hw *h = t->hw;

	if (h->len < TPM_HEADER || tpm_size(h->buf) != h->len) {
		respond_code(t, RC_COMMAND_SIZE);
		return;
	}
	h->locality = locality;
	h->busy = true;
	loop_post(t->dev.bus->loop, &t->work_call);
}

void tpm_cancel(struct tpm *t)
{
	if (t->hw->busy)
		loop_post(t->dev.bus->loop, &t->cancel_call);
}

/*
 * Starts what is to be started, then hands on the command, of which there is one at a time. Main
 * loop.
 */
static void work_called(struct loop_call *c)
{
	struct tpm *t = container_of(c, struct tpm, work_call);
	bool start, submit = false;
	uint8_t locality = 0;
	size_t n = 0;

	dev_lock(&t->dev);
	start = t->starting;
	t->starting = false;
	if (start)
		t->sent = false;
	if (t->hw->busy && !t->sent) {
		submit = t->sent = true;
		locality = t->hw->locality;
		n = t->hw->len;
		memcpy(t->io, t->hw->buf, n);
	}
	dev_unlock(&t->dev);
	if (start)
		t->backend->ops->start(t->backend);
	if (submit)
		t->backend->ops->submit(t->backend, locality, t->io, n, sizeof(t->io));
}

static void cancel_called(struct loop_call *c)
{
	struct tpm *t = container_of(c, struct tpm, cancel_call);

	if (t->sent)
		t->backend->ops->cancel(t->backend);
}

static void quiet_locked(struct tpm *t)
{
	struct async_group *g = t->quiescing;

	if (!g || t->hw->busy)
		return;
	t->quiescing = NULL;
	async_done(g);
}

/* What the back-end gives is as untrusted as a guest. */
static void command_done(void *opaque, ssize_t n)
{
	struct tpm *t = opaque;

	dev_lock(&t->dev);
	t->sent = false;
	if (!t->hw->busy || t->starting) {
		/* a reset has come in between */
	} else if (n < TPM_HEADER || n > TPM_BUF || tpm_size(t->io) != n) {
		respond_code(t, RC_FAILURE);
	} else {
		memcpy(t->hw->buf, t->io, (size_t)n);
		t->hw->len = (uint16_t)n;
		respond(t);
	}
	quiet_locked(t);
	dev_unlock(&t->dev);
}

/* ---- life ---- */

bool tpm_realize(struct tpm *t, struct tpm_hw *hw, void (*done)(struct tpm *t), GError **error)
{
	t->hw = hw;
	t->done = done;
	t->work_call.fn = work_called;
	t->cancel_call.fn = cancel_called;
	if (!t->backend)
		return err_set(error, VMMD_ERROR_INVALID,
			"device \"%s\": it needs a TPM behind it (swtpm)", t->dev.id);
	t->backend->opaque = t;
	t->backend->done = command_done;
	return true;
}

/* The chip is reset with the platform. */
void tpm_reset(struct tpm *t)
{
	*t->hw = (struct tpm_hw){.len = 0};
	t->starting = true;
	loop_post(t->dev.bus->loop, &t->work_call);
}

void tpm_quiesce(struct dev *d, struct async_group *g)
{
	to_tpm(d)->quiescing = g;
	quiet_locked(to_tpm(d));
}

/* No state is saved with a command under way; one that says so loses it. */
int tpm_post_load(struct tpm *t)
{
	if (t->hw->busy)
		respond_code(t, RC_FAILURE);
	return 0;
}

void tpm_unrealize(struct dev *d)
{
	struct tpm *t = to_tpm(d);

	loop_call_cancel(d->bus->loop, &t->work_call);
	loop_call_cancel(d->bus->loop, &t->cancel_call);
	if (t->backend && t->backend->opaque == t)
		t->backend->done = NULL;
}

const struct state_field tpm_fields[] = {
	ST_MAX(struct tpm_hw, len, TPM_BUF),
	ST_MAX(struct tpm_hw, locality, 4),
	ST_BOOL(struct tpm_hw, busy),
	ST_BYTES(struct tpm_hw, buf),
	ST_END,
};
