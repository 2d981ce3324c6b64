/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drives and media of the floppy disk controller, and their requests. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/qs.h"
#include "devmodel/storage/fdc-internal.h"

#define R500 1 /* rates as the DSR has them, + 1 */
#define R300 2
#define R250 3
#define R1M  4

/* The usual formats, and those of distribution floppies. */
static const struct fdc_format formats[] = {
	{80, 2, 18, {[FDC_1440] = R500, [FDC_2880] = R500}},
	{80, 2, 36, {[FDC_2880] = R1M}},
	{80, 2, 9, {[FDC_720] = R250, [FDC_1440] = R250, [FDC_2880] = R250}},
	{80, 2, 15, {[FDC_1200] = R500}},
	{40, 2, 9, {[FDC_360] = R250, [FDC_1200] = R300}},
	{80, 2, 21, {[FDC_1440] = R500, [FDC_2880] = R500}},
	{82, 2, 21, {[FDC_1440] = R500, [FDC_2880] = R500}},
	{40, 2, 8, {[FDC_360] = R250, [FDC_1200] = R300}},
	{40, 1, 9, {[FDC_360] = R250, [FDC_1200] = R300}},
	{40, 1, 8, {[FDC_360] = R250, [FDC_1200] = R300}},
};

static const struct fdc_format *find_format(uint64_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		const struct fdc_format *g = &formats[i];

		if (size == (uint64_t)g->cylinders * g->heads * g->sectors * FDC_SECTOR)
			return g;
	}
	return NULL;
}

static enum fdc_type first_type(const struct fdc_format *g)
{
	unsigned type = FDC_NONE + 1;

	while (!g->rates[type])
		type++;
	return type;
}

/* ---- requests ---- */

/* Lock held; @err of the request that has ended. */
static void request_ended(struct fdc *f, struct fdc_medium *m, int err)
{
	m->busy = false;
	if (m->closing)
		loop_post(f->dev.bus->loop, &m->end_call);
	if (f->waits != m)
		return;
	f->waits = NULL;
	fdc_moved(f, f->sectors, err, m->data);
}

static void request_done(struct blk_req *r)
{
	struct fdc_medium *m = container_of(r, struct fdc_medium, io);
	struct fdc *f = m->fdc;

	qs_enter();
	dev_lock(&f->dev);
	request_ended(f, m, r->result);
	fdc_work(f);
	dev_unlock(&f->dev);
	qs_leave();
}

void fdc_submit(struct fdc *f, struct fdc_medium *m, uint32_t lba, unsigned n, const uint8_t *data)
{
	if (data)
		memcpy(m->data, data, n * FDC_SECTOR);
	m->io = (struct blk_req){
		.op = data ? BLK_WRITE : BLK_READ,
		.offset = (uint64_t)lba * FDC_SECTOR,
		.len = n * FDC_SECTOR,
		.data = giov_from_buf(&m->seg, m->data, n * FDC_SECTOR),
		.done = request_done,
	};
	m->busy = true;
	f->waits = m;
	f->sectors = (uint8_t)n;
	blk_submit(m->queue, &m->io);
	blk_commit(m->queue);
}

void fdc_work(struct fdc *f)
{
	if (!f->stopped && !f->waits)
		fdc_step(f);
}

static void work_called(struct loop_call *c)
{
	struct fdc *f = container_of(c, struct fdc, work_call);

	qs_enter();
	dev_lock(&f->dev);
	fdc_work(f);
	dev_unlock(&f->dev);
	qs_leave();
}

/* What is parked would keep the medium busy: it comes back cancelled. */
void fdc_forget(struct fdc *f)
{
	if (f->waits)
		loop_post(f->dev.bus->loop, &f->waits->end_call);
	f->waits = NULL;
}

/* ---- media ---- */

static void medium_free(struct fdc_medium *m)
{
	loop_call_cancel(m->fdc->dev.bus->loop, &m->end_call);
	blk_queue_close(m->queue);
	if (m->drained)
		blk_drain_end(m->blk);
	g_free(m);
}

/* Postponed while we are quiesced: the back-end then owes us the end of a drain. */
static void end_called(struct loop_call *c)
{
	struct fdc_medium *m = container_of(c, struct fdc_medium, end_call);
	struct fdc *f = m->fdc;
	struct blk *blk = m->blk;
	void (*closed)(void *opaque, struct blk *old) = m->closed;
	void *opaque = m->opaque;
	bool busy, closing;

	dev_lock(&f->dev);
	busy = m->busy;
	closing = m->closing && !f->stopped;
	dev_unlock(&f->dev);
	if (busy)
		blk_cancel_parked(m->queue);
	else if (closing) {
		for (unsigned i = 0; i < FDC_BAYS; i++) {
			if (f->bays[i].leaving == m)
				f->bays[i].leaving = NULL;
		}
		medium_free(m);
		if (closed)
			closed(opaque, blk);
	}
}

static struct fdc_medium *medium_new(
	struct fdc *f, enum fdc_type type, struct blk *blk, GError **error)
{
	struct fdc_medium *m;
	struct blk_info info;
	const struct fdc_format *g;
	int err;

	blk_get_info(blk, &info);
	g = info.logical_block == FDC_SECTOR ? find_format(info.size) : NULL;
	if (!g) {
		err_set(error, VMMD_ERROR_INVALID,
			"device %s: no floppy format has %" PRIu64 " bytes in sectors of 512",
			f->dev.id, info.size);
		return NULL;
	}
	if (type != FDC_AUTO && !g->rates[type]) {
		err_set(error, VMMD_ERROR_INVALID,
			"device %s: a medium of %" PRIu64 " bytes does not fit this type of drive",
			f->dev.id, info.size);
		return NULL;
	}
	m = g_new0(struct fdc_medium, 1);
	*m = (struct fdc_medium){.fdc = f,
		.blk = blk,
		.format = g,
		.readonly = info.readonly,
		.end_call.fn = end_called};
	err = blk_queue_open(blk, f->dev.bus->loop, &m->queue);
	if (err < 0) {
		err_set_errno(error, -err, "device %s: queue of disk %s", f->dev.id, blk->id);
		g_free(m);
		return NULL;
	}
	return m;
}

static struct fdc_bay *find_bay(struct fdc *f, unsigned n, bool drive, GError **error)
{
	if (n >= FDC_BAYS)
		err_set(error, VMMD_ERROR_INVALID, "device %s: there is no bay %u", f->dev.id, n);
	else if (drive && !f->bays[n].type)
		err_set(error, VMMD_ERROR_NOT_FOUND, "device %s: bay %u is empty", f->dev.id, n);
	else if (!drive && f->bays[n].type)
		err_set(error, VMMD_ERROR_EXISTS, "device %s: bay %u is taken", f->dev.id, n);
	else
		return &f->bays[n];
	return NULL;
}

bool fdc_attach(struct dev *d, unsigned n, enum fdc_type type, struct blk *blk, GError **error)
{
	struct fdc *f = to_fdc(d);
	struct fdc_bay *bay = find_bay(f, n, false, error);
	struct fdc_medium *m = NULL;

	if (!bay)
		return false;
	if (blk) {
		m = medium_new(f, type, blk, error);
		if (!m)
			return false;
	}
	if (type == FDC_AUTO)
		type = m ? first_type(m->format) : FDC_1440;
	dev_lock(d);
	bay->type = type;
	bay->medium = m;
	dev_unlock(d);
	return true;
}

/* The command that uses it ends as when nothing can be read any more. */
bool fdc_eject(struct dev *d, unsigned n, void (*fn)(void *opaque, struct blk *old), void *opaque,
	GError **error)
{
	struct fdc *f = to_fdc(d);
	struct fdc_bay *bay = find_bay(f, n, true, error);
	struct fdc_medium *m = bay ? bay->medium : NULL;

	if (!bay)
		return false;
	if (!m)
		return err_set(
			error, VMMD_ERROR_STATE, "device %s: no medium is in drive %u", d->id, n);
	dev_lock(d);
	bay->medium = NULL;
	bay->leaving = m;
	m->closing = true;
	m->closed = fn;
	m->opaque = opaque;
	f->hw.changed[n] = true;
	if (f->waits == m) {
		fdc_forget(f);
		fdc_end(f, ST0_ABNORMAL, ST1_NO_MARK, 0);
	}
	loop_post(d->bus->loop, &m->end_call);
	dev_unlock(d);
	return true;
}

bool fdc_insert(struct dev *d, unsigned n, struct blk *blk, GError **error)
{
	struct fdc *f = to_fdc(d);
	struct fdc_bay *bay = find_bay(f, n, true, error);
	struct fdc_medium *m;

	if (!bay)
		return false;
	if (bay->medium || bay->leaving)
		return err_set(error, VMMD_ERROR_STATE,
			"device %s: the medium of drive %u was not taken out yet", d->id, n);
	m = medium_new(f, bay->type, blk, error);
	if (!m)
		return false;
	dev_lock(d);
	bay->medium = m;
	f->hw.changed[n] = true;
	dev_unlock(d);
	return true;
}

enum fdc_type fdc_status(struct dev *d, unsigned n, struct blk **ret_blk)
{
	struct fdc *f = to_fdc(d);
	struct fdc_medium *m = n < FDC_BAYS ? f->bays[n].medium : NULL;

	if (ret_blk)
		*ret_blk = m ? m->blk : NULL;
	return n < FDC_BAYS ? f->bays[n].type : FDC_NONE;
}

/* ---- quiesce and resume ---- */

static void for_each_medium(struct fdc *f, void (*fn)(struct fdc *f, struct fdc_medium *m))
{
	for (unsigned i = 0; i < FDC_BAYS; i++) {
		if (f->bays[i].medium)
			fn(f, f->bays[i].medium);
		if (f->bays[i].leaving)
			fn(f, f->bays[i].leaving);
	}
}

static void one_drained(void *opaque)
{
	struct fdc *f = opaque;

	if (--f->draining == 0)
		async_done(f->quiescing);
}

static void drain(struct fdc *f, struct fdc_medium *m)
{
	f->draining++;
	m->drained = true;
	blk_drain_begin(m->blk, one_drained, f);
}

static void drain_called(struct loop_call *c)
{
	struct fdc *f = container_of(c, struct fdc, drain_call);

	f->draining = 1;
	for_each_medium(f, drain);
	one_drained(f);
}

void fdc_quiesce(struct dev *d, struct async_group *g)
{
	struct fdc *f = to_fdc(d);

	f->stopped = true;
	f->quiescing = g;
	loop_post(d->bus->loop, &f->drain_call);
}

static void undrain(struct fdc *f, struct fdc_medium *m)
{
	if (m->drained)
		blk_drain_end(m->blk);
	m->drained = false;
	if (m->closing)
		loop_post(f->dev.bus->loop, &m->end_call);
}

void fdc_resume(struct dev *d)
{
	struct fdc *f = to_fdc(d);

	f->stopped = false;
	for_each_medium(f, undrain);
	loop_post(d->bus->loop, &f->work_call);
}

/* ---- life ---- */

void fdc_media_init(struct fdc *f)
{
	f->work_call.fn = work_called;
	f->drain_call.fn = drain_called;
}

static void give_back(struct fdc *f, struct fdc_medium *m)
{
	medium_free(m);
}

void fdc_media_done(struct fdc *f)
{
	loop_call_cancel(f->dev.bus->loop, &f->work_call);
	loop_call_cancel(f->dev.bus->loop, &f->drain_call);
	for_each_medium(f, give_back);
}
