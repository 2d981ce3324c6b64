/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/vm/io-errors.h"

#include <inttypes.h>
#include <string.h>

#include "api/operations.h"
#include "base/error.h"
#include "base/log.h"
#include "virtio-backends/block/drivers.h"
#include "vmmd/machine/machine.h"
#include "vmmd/vm/gate.h"

#define INTERVAL NSEC_PER_SEC

/* One operation of one disk. */
struct source {
	struct gate gate;
	struct io_errors *errors;
	struct blk *disk;
	const struct spec_disk *spec;
	enum blk_op op;
	int error; /* positive errno of the latest failure */
	bool parked;
	uint64_t told; /* of the failures that the disk counts */
};

struct io_errors {
	void (*tell)(void *opaque, const struct op_io_error *e);
	void *opaque;
	size_t n;
	struct source sources[]; /* BLK_OPS of each disk */
};

static const char *action(const struct source *s)
{
	int policy = s->op == BLK_READ ? s->spec->read_error : s->spec->write_error;

	if (s->parked)
		return "stop";
	return policy == SPEC_ERROR_IGNORE ? "ignore" : "report";
}

static uint64_t count_new(struct source *s)
{
	struct blk_stats stats;
	uint64_t before = s->told;

	blk_get_stats(s->disk, &stats);
	s->told = stats.errors[s->op];
	return s->told - before;
}

static void tell(struct gate *g)
{
	static const char *const ops[BLK_OPS] = {
		"read", "write", "flush", "discard", "write-zeroes"};
	struct source *s = container_of(g, struct source, gate);
	struct op_io_error e = {
		.disk = s->disk->id,
		.operation = (char *)(uintptr_t)ops[s->op],
		.error = (char *)(uintptr_t)err_text(s->error),
		.action = (char *)(uintptr_t)action(s),
		.count = count_new(s),
	};

	/* The disk counts before it tells us: the last event may have stood for this failure too. */
	if (!e.count && !s->parked)
		return;
	s->parked = false;
	log_msg(LOG_LEVEL_WARNING, e.disk, "%s failed: %s (%" PRIu64 "), policy: %s", e.operation,
		e.error, e.count, e.action);
	s->errors->tell(s->errors->opaque, &e);
}

struct io_errors *io_errors_new(
	struct machine *m, void (*fn)(void *opaque, const struct op_io_error *e), void *opaque)
{
	size_t n = m->disks->len * BLK_OPS;
	struct io_errors *errors = g_malloc0(sizeof(*errors) + n * sizeof(errors->sources[0]));

	errors->tell = fn;
	errors->opaque = opaque;
	errors->n = n;
	for (size_t i = 0; i < n; i++) {
		struct source *s = &errors->sources[i];

		s->errors = errors;
		s->disk = g_ptr_array_index(m->disks, i / BLK_OPS);
		s->spec = m->spec->disks[i / BLK_OPS];
		s->op = i % BLK_OPS;
		gate_init(&s->gate, m->env.main, INTERVAL, tell);
	}
	return errors;
}

static struct source *find(struct io_errors *errors, const struct blk_error_event *e)
{
	for (size_t i = e->op; i < errors->n; i += BLK_OPS) {
		if (strcmp(errors->sources[i].disk->id, e->id) == 0)
			return &errors->sources[i];
	}
	return NULL;
}

void io_errors_add(struct io_errors *errors, const struct blk_error_event *e)
{
	struct source *s = find(errors, e);

	if (!s)
		return;
	s->error = e->error;
	s->parked = e->parked;
	if (e->parked)
		gate_push(&s->gate);
	else
		gate_pass(&s->gate);
}

void io_errors_flush(struct io_errors *errors)
{
	for (size_t i = 0; errors && i < errors->n; i++)
		gate_flush(&errors->sources[i].gate);
}
