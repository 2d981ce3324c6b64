/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fake-tpm.h"

#define HEADER 10

static struct fake_tpm *to_fake(struct tpm_backend *b)
{
	return container_of(b, struct fake_tpm, backend);
}

static void start(struct tpm_backend *b)
{
	to_fake(b)->starts++;
	to_fake(b)->buf = NULL;
}

static void submit(struct tpm_backend *b, uint8_t locality, uint8_t *buf, size_t n, size_t room)
{
	struct fake_tpm *f = to_fake(b);

	g_assert_null(f->buf);
	g_assert_cmpuint(n, >=, HEADER);
	g_assert_cmpuint(n, <=, room);
	f->buf = buf;
	f->n = n;
	f->locality = locality;
	f->commands++;
	if (!f->hold)
		loop_post(f->loop, &f->call);
}

static void cancel(struct tpm_backend *b)
{
	to_fake(b)->cancels++;
}

static void free_fake(struct tpm_backend *b)
{
	loop_call_cancel(to_fake(b)->loop, &to_fake(b)->call);
	g_free(b);
}

bool fake_tpm_complete(struct fake_tpm *f)
{
	uint8_t *buf = f->buf;

	if (!buf)
		return false;
	f->buf = NULL;
	for (size_t i = HEADER, j = f->n - 1; i < j; i++, j--) {
		uint8_t v = buf[i];

		buf[i] = buf[j];
		buf[j] = v;
	}
	f->backend.done(f->backend.opaque, f->fail ? f->fail : (ssize_t)f->n);
	return true;
}

static void called(struct loop_call *c)
{
	fake_tpm_complete(container_of(c, struct fake_tpm, call));
}

struct fake_tpm *fake_tpm_new(struct loop *loop)
{
	static const struct tpm_backend_ops ops = {start, submit, cancel, free_fake};
	struct fake_tpm *f = g_new0(struct fake_tpm, 1);

	f->backend.ops = &ops;
	f->loop = loop;
	f->call.fn = called;
	return f;
}
