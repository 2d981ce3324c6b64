/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bays, drives and media: how they come and go, and how all of it pauses. */
#include <errno.h>
#include <string.h>

#include "base/qs.h"
#include "devmodel/storage/drive.h"

const struct dev_ops *const storage_devices[] = {
	&piix3_ide_ops, &piix4_ide_ops, &ich9_ahci_ops, NULL};

static const struct prop drive_prop_list[] = {
	PROP_STR("model", struct drive_conf, model, 40, NULL,
		"model number that the guest sees, at most 40 bytes"),
	PROP_STR("serial", struct drive_conf, serial, 20, NULL,
		"serial number that the guest sees, at most 20 bytes"),
	PROP_STR("ver", struct drive_conf, firmware, 8, NULL,
		"firmware revision that the guest sees, at most 8 bytes"),
	PROP_U64("wwn", struct drive_conf, wwn, 0, UINT64_MAX, 0, "world wide name, 0: none"),
	PROP_U16("rotation_rate", struct drive_conf, rotation, 0, 65534, 0,
		"revolutions a minute, 1: solid state, 0: not told"),
	PROP_BOOL("discard", struct drive_conf, discard, true, "offer TRIM if the disk can"),
	PROP_END,
};

const struct prop_table drive_props = {
	.name = "drive",
	.doc = "what an ATA or ATAPI drive says of itself",
	.size = sizeof(struct drive_conf),
	.props = drive_prop_list,
};

/* ---- work on the loop ---- */

void storage_kick(struct storage *s)
{
	if (s->working)
		s->again = true;
	else
		loop_post(s->loop, &s->work_call);
}

void storage_enter(struct storage *s)
{
	qs_enter();
	dev_lock(DEV(&s->pci));
	s->working = true;
}

static void work_locked(struct storage *s)
{
	do {
		s->again = false;
		if (s->link->fetch)
			s->link->fetch(s);
		for (unsigned i = 0; i < s->n_bays; i++) {
			if (s->bays[i])
				drive_work(s->bays[i]);
		}
	} while (s->again);
}

/*
 * Queues into which requests were put, so that the kernel is entered once for each, and without the
 * lock.
 */
static unsigned take_commits(struct storage *s, struct blk_queue *queues[STORAGE_BAYS])
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_bays; i++) {
		struct medium *m = s->bays[i] ? s->bays[i]->medium : NULL;

		if (!m || !m->commit)
			continue;
		m->commit = false;
		queues[n++] = m->queue;
	}
	return n;
}

void storage_leave(struct storage *s)
{
	struct blk_queue *queues[STORAGE_BAYS];
	unsigned n;

	if (!s->stopped)
		work_locked(s);
	s->working = false;
	n = take_commits(s, queues);
	dev_unlock(DEV(&s->pci));
	qs_leave();
	while (n)
		blk_commit(queues[--n]);
}

static void work_called(struct loop_call *c)
{
	struct storage *s = container_of(c, struct storage, work_call);

	storage_enter(s);
	storage_leave(s);
}

/* ---- media ---- */

static void medium_resized(struct blk_listener *l)
{
	struct medium *m = container_of(l, struct medium, listener);
	struct dev *dev = DEV(&m->host->pci);

	dev_lock(dev);
	blk_get_info(m->blk, &m->info);
	dev_unlock(dev);
}

void medium_put(struct medium *m)
{
	if (--m->refs == 0 && m->closing)
		loop_post(m->host->pci.dev.bus->loop, &m->close_call);
}

static void cancel_called(struct loop_call *c)
{
	struct medium *m = container_of(c, struct medium, cancel_call);
	struct dev *dev = DEV(&m->host->pci);

	blk_cancel_parked(m->queue);
	dev_lock(dev);
	m->cancelling = false;
	medium_put(m);
	dev_unlock(dev);
}

void medium_cancel(struct medium *m)
{
	if (m->cancelling || !m->refs)
		return;
	m->cancelling = true;
	m->refs++;
	loop_post(m->host->loop, &m->cancel_call);
}

static void drive_free(struct drive *d)
{
	prop_clear(&drive_props, &d->conf);
	g_free(d);
}

static void drive_left(struct drive *d)
{
	d->host->gone[d->bay] = NULL;
	if (d->detached)
		d->detached(d->opaque, d->left);
	drive_free(d);
}

static void leave_called(struct loop_call *c)
{
	drive_left(container_of(c, struct drive, leave_call));
}

/* Gives back what was lent, without a word to its owner. */
static void medium_free(struct medium *m)
{
	struct medium **p = &m->host->media;

	while (*p != m)
		p = &(*p)->next;
	*p = m->next;
	m->drive->media--;
	blk_unlisten(m->blk, &m->listener);
	blk_queue_close(m->queue);
	if (m->drained)
		blk_drain_end(m->blk);
	g_free(m);
}

/* Postponed while we are quiesced: the back-end then owes us the end of a drain. */
static void close_called(struct loop_call *c)
{
	struct medium *m = container_of(c, struct medium, close_call);
	struct drive *d = m->drive;
	void (*closed)(void *opaque, struct blk *old) = m->closed;
	void *opaque = m->opaque;
	struct blk *blk = m->blk;

	if (m->host->stopped)
		return;
	medium_free(m);
	if (closed)
		closed(opaque, blk);
	if (d->leaving && !d->media)
		drive_left(d);
}

/* Takes @m out of its drive: it is closed when the last request has come back. Lock held. */
static void medium_close(
	struct medium *m, void (*closed)(void *opaque, struct blk *old), void *opaque)
{
	m->drive->medium = NULL;
	m->closing = true;
	m->closed = closed;
	m->opaque = opaque;
	medium_cancel(m);
	if (!m->refs)
		loop_post(m->host->pci.dev.bus->loop, &m->close_call);
}

static bool check_blocks(struct drive *d, const struct blk_info *info, GError **error)
{
	bool disk = d->ops->kind == DRIVE_DISK;
	uint32_t block = info->logical_block;

	if (disk ? block != 512 && block != 4096 : block > DRIVE_CD_BLOCK)
		return err_set(error, VMMD_ERROR_INVALID,
			"device %s: blocks of %u bytes are not for this kind of drive",
			d->host->pci.dev.id, block);
	if (info->size < MAX(d->ops->block, block) || info->size % d->ops->block)
		return err_set(error, VMMD_ERROR_INVALID,
			"device %s: %" G_GUINT64_FORMAT " bytes are no %s", d->host->pci.dev.id,
			info->size, disk ? "disk" : "CD-ROM");
	return true;
}

/* A medium over @blk for @d, not in it yet. */
static struct medium *medium_new(struct drive *d, struct blk *blk, GError **error)
{
	struct storage *s = d->host;
	struct medium *m = g_new0(struct medium, 1);
	int err;

	*m = (struct medium){.host = s,
		.drive = d,
		.blk = blk,
		.listener.resized = medium_resized,
		.cancel_call.fn = cancel_called,
		.close_call.fn = close_called};
	blk_get_info(blk, &m->info);
	err = check_blocks(d, &m->info, error) ? blk_queue_open(blk, s->loop, &m->queue) : -EINVAL;
	if (err < 0) {
		if (error && !*error)
			err_set_errno(
				error, -err, "device %s: queue of disk %s", s->pci.dev.id, blk->id);
		g_free(m);
		return NULL;
	}
	blk_listen(blk, &m->listener);
	m->next = s->media;
	s->media = m;
	d->media++;
	return m;
}

/* ---- drives ---- */

void storage_set_loop(struct dev *d, struct loop *loop)
{
	TO_STORAGE(d)->loop = loop;
}

static bool check_string(
	const struct dev *dev, const char *what, const char *s, size_t max, GError **error)
{
	if (!s)
		return true;
	if (strlen(s) > max)
		return err_set(error, VMMD_ERROR_INVALID,
			"device %s: the %s of a drive has at most %zu bytes", dev->id, what, max);
	for (; *s; s++) {
		if (*s < ' ' || *s > '~')
			return err_set(error, VMMD_ERROR_INVALID,
				"device %s: the %s of a drive is printable ASCII", dev->id, what);
	}
	return true;
}

static bool check_conf(const struct dev *dev, const struct drive_conf *c, GError **error)
{
	return check_string(dev, "model", c->model, 40, error) &&
	       check_string(dev, "serial", c->serial, 20, error) &&
	       check_string(dev, "firmware revision", c->firmware, 8, error);
}

static bool check_bay(struct storage *s, unsigned bay, GError **error)
{
	if (bay >= s->n_bays)
		return err_set(error, VMMD_ERROR_INVALID, "device %s: there is no bay %u",
			s->pci.dev.id, bay);
	if (s->bays[bay] || s->gone[bay])
		return err_set(
			error, VMMD_ERROR_EXISTS, "device %s: bay %u is taken", s->pci.dev.id, bay);
	return true;
}

static struct drive *drive_new(
	struct storage *s, const struct drive_ops *ops, unsigned bay, const struct drive_conf *conf)
{
	struct drive *d = g_new0(struct drive, 1);

	d->ops = ops;
	d->host = s;
	d->bay = bay;
	d->hw = &s->hw[bay];
	d->leave_call.fn = leave_called;
	d->conf = (struct drive_conf){
		.model = g_strdup(conf->model ? conf->model : ops->model),
		.serial = conf->serial ? g_strdup(conf->serial) : g_strdup_printf("VM%05u", bay),
		.firmware = g_strdup(conf->firmware ? conf->firmware : "1.0"),
		.wwn = conf->wwn,
		.rotation = conf->rotation,
		.discard = conf->discard,
	};
	for (unsigned i = 0; i < DRIVE_TAGS; i++)
		d->cmds[i].drive = d;
	return d;
}

static bool attach(struct storage *s, const struct drive_ops *ops, unsigned bay, struct blk *blk,
	const struct drive_conf *conf, GError **error)
{
	struct drive *d;
	struct medium *m = NULL;

	if (!check_bay(s, bay, error) || !check_conf(DEV(&s->pci), conf, error))
		return false;
	d = drive_new(s, ops, bay, conf);
	if (blk)
		m = medium_new(d, blk, error);
	if (blk && !m) {
		drive_free(d);
		return false;
	}
	dev_lock(DEV(&s->pci));
	d->medium = m;
	s->bays[bay] = d;
	drive_reset(d, true);
	if (s->live && s->link->plugged)
		s->link->plugged(s, bay);
	dev_unlock(DEV(&s->pci));
	return true;
}

bool storage_attach_disk(
	struct dev *d, unsigned bay, struct blk *blk, const struct drive_conf *conf, GError **error)
{
	return attach(TO_STORAGE(d), &drive_disk_ops, bay, blk, conf, error);
}

bool storage_attach_cdrom(
	struct dev *d, unsigned bay, struct blk *blk, const struct drive_conf *conf, GError **error)
{
	return attach(TO_STORAGE(d), &drive_cdrom_ops, bay, blk, conf, error);
}

static struct drive *find_drive(struct storage *s, unsigned bay, GError **error)
{
	if (bay < s->n_bays && s->bays[bay])
		return s->bays[bay];
	err_set(error, VMMD_ERROR_NOT_FOUND, "device %s: bay %u is empty", s->pci.dev.id, bay);
	return NULL;
}

bool storage_detach(struct dev *dev, unsigned bay, void (*fn)(void *opaque, struct blk *old),
	void *opaque, GError **error)
{
	struct storage *s = TO_STORAGE(dev);
	struct drive *d = find_drive(s, bay, error);

	if (!d)
		return false;
	dev_lock(dev);
	d->detached = fn;
	d->opaque = opaque;
	d->leaving = true;
	s->gone[bay] = d;
	s->bays[bay] = NULL;
	drive_stop(d);
	*d->hw = (struct drive_hw){.drq_block = DRIVE_SECTOR};
	if (d->medium) {
		d->left = d->medium->blk;
		medium_close(d->medium, NULL, NULL);
	}
	if (s->live && s->link->plugged)
		s->link->plugged(s, bay);
	dev_unlock(dev);
	if (!d->media)
		loop_post(dev->bus->loop, &d->leave_call);
	return true;
}

static struct drive *find_cdrom(struct storage *s, unsigned bay, GError **error)
{
	struct drive *d = find_drive(s, bay, error);

	if (!d || d->ops == &drive_cdrom_ops)
		return d;
	err_set(error, VMMD_ERROR_INVALID, "device %s: bay %u has no CD-ROM drive", s->pci.dev.id,
		bay);
	return NULL;
}

bool storage_eject(struct dev *dev, unsigned bay, bool force,
	void (*fn)(void *opaque, struct blk *old), void *opaque, GError **error)
{
	struct storage *s = TO_STORAGE(dev);
	struct drive *d = find_cdrom(s, bay, error);
	bool refused;

	if (!d)
		return false;
	dev_lock(dev);
	refused = !cdrom_button(d, force);
	if (!refused && d->medium)
		medium_close(d->medium, fn, opaque);
	dev_unlock(dev);
	if (refused)
		return err_set(error, VMMD_ERROR_STATE,
			"device %s: the guest has locked the tray of bay %u", dev->id, bay);
	return true;
}

bool storage_insert(struct dev *dev, unsigned bay, struct blk *blk, GError **error)
{
	struct storage *s = TO_STORAGE(dev);
	struct drive *d = find_cdrom(s, bay, error);
	struct medium *m;

	if (!d)
		return false;
	if (d->media)
		return err_set(error, VMMD_ERROR_STATE,
			"device %s: the medium of bay %u was not taken out yet", dev->id, bay);
	m = medium_new(d, blk, error);
	if (!m)
		return false;
	dev_lock(dev);
	d->medium = m;
	cdrom_inserted(d);
	dev_unlock(dev);
	return true;
}

void storage_get_status(struct dev *dev, unsigned bay, struct storage_status *ret)
{
	struct storage *s = TO_STORAGE(dev);
	const struct drive *d;

	*ret = (struct storage_status){.present = false};
	dev_lock(dev);
	d = bay < s->n_bays ? s->bays[bay] : NULL;
	if (d)
		*ret = (struct storage_status){.present = true,
			.cdrom = d->ops == &drive_cdrom_ops,
			.tray_open = d->hw->tray_open,
			.locked = d->hw->locked,
			.blk = d->medium ? d->medium->blk : NULL};
	dev_unlock(dev);
}

/* ---- quiesce and resume ---- */

static void one_drained(void *opaque)
{
	struct storage *s = opaque;

	if (--s->draining == 0)
		async_done(s->quiescing);
}

static void drain_called(struct loop_call *c)
{
	struct storage *s = container_of(c, struct storage, drain_call);

	s->draining = 1;
	for (struct medium *m = s->media; m; m = m->next) {
		s->draining++;
		m->drained = true;
		blk_drain_begin(m->blk, one_drained, s);
	}
	one_drained(s);
}

/* After it no step is taken, so that what a drain holds back cannot run after a reset. */
static void stop_called(struct loop_call *c)
{
	struct storage *s = container_of(c, struct storage, stop_call);

	loop_post(s->pci.dev.bus->loop, &s->drain_call);
}

void storage_quiesce(struct dev *d, struct async_group *g)
{
	struct storage *s = TO_STORAGE(d);

	s->stopped = true;
	s->quiescing = g;
	loop_post(s->loop, &s->stop_call);
}

void storage_resume(struct dev *d)
{
	struct storage *s = TO_STORAGE(d);

	s->stopped = false;
	for (struct medium *m = s->media; m; m = m->next) {
		if (m->drained)
			blk_drain_end(m->blk);
		m->drained = false;
		if (m->closing && !m->refs)
			loop_post(d->bus->loop, &m->close_call);
	}
	for (unsigned i = 0; i < s->n_bays; i++) {
		if (!s->bays[i])
			continue;
		drive_kick(s->bays[i]);
		/* The state that was loaded may have waited for this. */
		if (!s->bays[i]->in_flight)
			s->link->stopped(s->bays[i]);
	}
	storage_kick(s);
}

/* ---- life ---- */

void storage_init(
	struct storage *s, const struct drive_link_ops *link, struct drive_hw *hw, unsigned n_bays)
{
	s->link = link;
	s->hw = hw;
	s->n_bays = n_bays;
	if (!s->loop)
		s->loop = s->pci.dev.bus->loop;
	s->work_call.fn = work_called;
	s->stop_call.fn = stop_called;
	s->drain_call.fn = drain_called;
	for (unsigned i = 0; i < n_bays; i++)
		hw[i].drq_block = DRIVE_SECTOR;
}

static void free_drives(struct storage *s, struct drive **drives)
{
	for (unsigned i = 0; i < s->n_bays; i++) {
		if (!drives[i])
			continue;
		loop_call_cancel(s->pci.dev.bus->loop, &drives[i]->leave_call);
		drive_free(drives[i]);
		drives[i] = NULL;
	}
}

void storage_done(struct storage *s)
{
	if (!s->link)
		return;
	loop_call_cancel(s->loop, &s->work_call);
	while (s->media) {
		loop_call_cancel(s->loop, &s->media->cancel_call);
		loop_call_cancel(s->pci.dev.bus->loop, &s->media->close_call);
		medium_free(s->media);
	}
	free_drives(s, s->bays);
	free_drives(s, s->gone);
}

void storage_reset(struct storage *s)
{
	s->live = true;
	for (unsigned i = 0; i < s->n_bays; i++) {
		struct drive *d = s->bays[i];

		if (!d)
			continue;
		drive_forget(d);
		drive_reset(d, true);
	}
}

/* ---- state ---- */

static const struct state_field regs_fields[] = {
	ST_U(struct ata_regs, command),
	ST_U(struct ata_regs, feature),
	ST_U(struct ata_regs, count),
	ST_U(struct ata_regs, device),
	ST_BYTES(struct ata_regs, lba),
	ST_U(struct ata_regs, hob_feature),
	ST_BYTES(struct ata_regs, hob_lba),
	ST_U(struct ata_regs, hob_count),
	ST_U(struct ata_regs, status),
	ST_U(struct ata_regs, error),
	ST_PAD(struct ata_regs, pad),
	ST_END,
};

static const struct state_field cmd_fields[] = {
	ST_U(struct drive_cmd_hw, offset),
	ST_U(struct drive_cmd_hw, left),
	ST_U(struct drive_cmd_hw, done),
	ST_MAX(struct drive_cmd_hw, phase, PHASE_LAST),
	ST_MAX(struct drive_cmd_hw, op, BLK_OPS),
	ST_MAX(struct drive_cmd_hw, flags, CMD_ALL),
	ST_U(struct drive_cmd_hw, command),
	ST_BOOL(struct drive_cmd_hw, ext),
	ST_PAD(struct drive_cmd_hw, pad),
	ST_END,
};

const struct state_field drive_fields[] = {
	ST_MAX(struct drive_hw, kind, DRIVE_KINDS - 1),
	ST_U(struct drive_hw, multiple),
	ST_U(struct drive_hw, heads),
	ST_U(struct drive_hw, sectors),
	ST_U(struct drive_hw, pio_mode),
	ST_U(struct drive_hw, dma_mode),
	ST_MAX(struct drive_hw, power, POWER_SLEEP),
	ST_BOOL(struct drive_hw, write_cache),
	ST_BOOL(struct drive_hw, smart),
	ST_BOOL(struct drive_hw, aborted),
	ST_BYTES(struct drive_hw, ncq_log),
	ST_STRUCT(struct drive_hw, regs, regs_fields),
	ST_STRUCTS(struct drive_hw, cmds, cmd_fields),
	ST_MAX(struct drive_hw, buf_len, DRIVE_BUF),
	ST_MAX(struct drive_hw, buf_pos, DRIVE_BUF),
	ST_MAX(struct drive_hw, drq_end, DRIVE_BUF),
	ST_RANGE(struct drive_hw, drq_block, 1, DRIVE_DRQ_MAX),
	ST_BYTES(struct drive_hw, buf),
	ST_BYTES(struct drive_hw, cdb),
	ST_U(struct drive_hw, sense_key),
	ST_U(struct drive_hw, asc),
	ST_U(struct drive_hw, ascq),
	ST_U(struct drive_hw, attention),
	ST_U(struct drive_hw, media_event),
	ST_BOOL(struct drive_hw, tray_open),
	ST_BOOL(struct drive_hw, locked),
	ST_PAD(struct drive_hw, pad2),
	ST_END,
};

/* What the tables cannot say of a loaded drive; its requests are made anew by storage_resume(). */
static bool hw_ok(const struct storage *s, unsigned bay)
{
	const struct drive_hw *hw = &s->hw[bay];
	const struct drive *d = s->bays[bay];

	if (hw->kind != (d ? d->ops->kind : DRIVE_NONE))
		return false;
	if (hw->buf_pos > hw->drq_end || hw->drq_end > hw->buf_len)
		return false;
	for (unsigned tag = 0; tag < DRIVE_TAGS; tag++) {
		uint8_t phase = hw->cmds[tag].phase;
		bool pio = phase == PHASE_PIO_IN || phase == PHASE_PIO_OUT;

		if (s->link->data_register ? tag && phase : pio)
			return false;
	}
	return true;
}

int storage_post_load(struct storage *s)
{
	for (unsigned i = 0; i < s->n_bays; i++) {
		if (!hw_ok(s, i))
			return -EINVAL;
	}
	for (unsigned i = 0; i < s->n_bays; i++) {
		if (s->bays[i])
			drive_forget(s->bays[i]);
	}
	s->live = true;
	return 0;
}
