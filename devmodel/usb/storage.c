/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage.c - a disk or CD-ROM drive as USB mass storage. Universal Serial Bus Mass Storage Class, Bulk-Only Transport 1.0; the
 * commands are those of devmodel/storage/scsi.h.
 *
 *	host  CBW ──► [data ──► or ◄──] ◄── CSW
 *	disk          ◄─ buffer of BUFFER bytes ─►
 *
 * Between the wire's packets and the disk's requests stands one buffer: a read fills it and NAKs meanwhile, a write is
 * submitted when it is full or all there is. Where host and device disagree about data (section 6.7, the thirteen cases), what the
 * host wants to send is taken and dropped, and what it wants to get is filled up with zeroes; the status tells.
 *
 * Everything on the main loop.
 */
#include <errno.h>
#include <string.h>

#include "devmodel/storage/scsi.h"
#include "devmodel/usb/usb-internal.h"

#define EP_IN  0x81
#define EP_OUT 0x02

#define BUFFER 32768 /* bytes, a multiple of every greatest packet */

/* Command and status wrappers, section 5. */
#define CBW_SIZE      31
#define CBW_SIGNATURE 0x43425355
#define CBW_IN        0x80
#define CSW_SIZE      13
#define CSW_SIGNATURE 0x53425355

enum { CSW_PASSED, CSW_FAILED, CSW_PHASE_ERROR };

/* Class requests, section 3. */
#define BULK_ONLY_RESET 0xff
#define GET_MAX_LUN     0xfe

enum phase { PHASE_COMMAND, PHASE_IN, PHASE_OUT, PHASE_STATUS, PHASES };

struct storage_hw {
	uint8_t phase;
	bool running;     /* the command is not done */
	bool phase_error; /* the host's wrapper and its command do not fit */
	bool invalid;     /* a bad wrapper came: nothing but a reset helps, section 6.6.1 */
	uint32_t tag;     /* [g] */
	uint32_t left;    /* bytes that the host still wants to move */
	uint32_t residue; /* what of them the command has not used */
	uint32_t pos;     /* in buffer: given to the host */
	uint32_t len;     /* in buffer: valid */
	uint32_t want;    /* OUT: bytes that the command still waits for from the host */
	uint8_t pad[4];
	uint8_t buffer[BUFFER];
};

struct storage {
	struct usb_dev usb;
	struct storage_hw hw;
	struct scsi_task task;
	struct scsi_unit unit;
	struct iovec seg; /* of the piece that is being moved */
	uint32_t piece;   /* its bytes */
	struct blk *blk;  /* [c] */
	struct blk_listener listener;
	struct async_group *quiescing;
	bool drained;            /* blk_drain_begin() was called */
	char default_serial[13]; /* [c] */

	char *serial, *model;
	bool removable, cdrom;
};

static struct storage *to_storage(struct usb_dev *u)
{
	return container_of(u, struct storage, usb);
}

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* ---- the command and its data ---- */

static bool is_in(const struct storage *s)
{
	return s->task.hw.dir == SCSI_DIR_IN;
}

/* A piece has been moved, or the command is over: the buffer holds what the host gets next, or is free. */
static void moved(struct storage *s, enum scsi_step step)
{
	bool ok = step == SCSI_DATA || s->task.hw.status == SCSI_GOOD;

	s->hw.running = step == SCSI_DATA;
	s->hw.pos = 0;
	s->hw.len = is_in(s) && ok ? s->piece : 0;
	if (ok)
		s->hw.residue -= MIN(s->hw.residue, s->piece);
	s->piece = 0;
}

static void move(struct storage *s, uint32_t n)
{
	struct giov piece = giov_from_buf(&s->seg, s->hw.buffer, n);
	enum scsi_step step;

	s->piece = n;
	step = scsi_data(&s->task, &piece);
	if (step != SCSI_WAIT)
		moved(s, step);
}

/* Gets the disk to do what is due. After it the task waits, or there is nothing to do without the host. */
static void pump(struct storage *s)
{
	struct storage_hw *hw = &s->hw;
	uint64_t left = s->task.hw.left;

	if (!hw->running || s->task.waiting)
		return;
	if (!left) {
		enum scsi_step step = scsi_resume(&s->unit, &s->task);

		if (step != SCSI_WAIT)
			moved(s, step);
	} else if (is_in(s) && hw->pos == hw->len) {
		move(s, (uint32_t)MIN(left, BUFFER));
	} else if (!is_in(s) && hw->len && (!hw->want || hw->len == BUFFER)) {
		move(s, (uint32_t)MIN(left, hw->len));
	}
}

static void on_step(struct scsi_task *t, enum scsi_step step)
{
	struct storage *s = container_of(t, struct storage, task);

	if (step == SCSI_CANCELLED)
		s->piece = 0;
	else
		moved(s, step);
	pump(s);
	usb_wakeup(&s->usb, EP_IN);
	usb_wakeup(&s->usb, EP_OUT);
}

static void abandon(struct storage *s)
{
	scsi_cancel(&s->task);
	s->hw.phase = PHASE_COMMAND;
	s->hw.running = false;
	s->hw.invalid = false;
}

/* ---- command wrapper (section 6.2) ---- */

static enum usb_result refuse(struct storage *s)
{
	s->hw.invalid = true;
	usb_halt(&s->usb, EP_IN);
	usb_halt(&s->usb, EP_OUT);
	return USB_STALL;
}

/* Section 6.7: the device moves in the host's direction, and no more than the host has said. */
static bool host_agrees(const struct storage *s, bool in)
{
	return !s->task.hw.left || (is_in(s) == in && s->task.hw.left <= s->hw.left);
}

static void begin(struct storage *s, const uint8_t *cbw)
{
	struct storage_hw *hw = &s->hw;
	bool in = cbw[12] & CBW_IN;
	enum scsi_step step;

	hw->tag = get32(cbw + 4);
	hw->left = get32(cbw + 8);
	hw->residue = hw->left;
	hw->pos = 0;
	hw->len = 0;
	s->piece = 0;
	hw->phase = !hw->left ? PHASE_STATUS : in ? PHASE_IN : PHASE_OUT;
	step = scsi_start(&s->unit, &s->task, cbw + 15, cbw[14]);
	hw->running = step != SCSI_DONE;
	hw->phase_error = !host_agrees(s, in);
	if (hw->phase_error)
		hw->running = false;
	hw->want = hw->running && !is_in(s) ? (uint32_t)s->task.hw.left : 0;
}

static enum usb_result take_command(struct storage *s, struct usb_transfer *t)
{
	uint8_t cbw[CBW_SIZE];

	/* What was given up is still with the disk. */
	if (s->task.waiting)
		return USB_NAK;
	if (t->data.size != CBW_SIZE)
		return refuse(s);
	giov_read(&t->data, 0, cbw, CBW_SIZE);
	if (get32(cbw) != CBW_SIGNATURE || cbw[12] & ~CBW_IN || cbw[13] || !cbw[14] ||
		cbw[14] > SCSI_CDB)
		return refuse(s);
	t->done = CBW_SIZE;
	begin(s, cbw);
	return USB_ACK;
}

/* ---- data and status ---- */

/* Fills up with zeroes what the command does not give. */
static void fill_up(struct storage *s)
{
	struct storage_hw *hw = &s->hw;
	uint32_t n = MIN(hw->left, BUFFER);

	if (hw->running || hw->pos || hw->len >= n)
		return;
	memset(hw->buffer + hw->len, 0, n - hw->len);
	hw->len = n;
}

static enum usb_result give_data(struct storage *s, struct usb_transfer *t)
{
	struct storage_hw *hw = &s->hw;
	enum usb_result r;

	uint32_t before, given, n;

	do {

		if (hw->pos == hw->len) {
			hw->pos = 0;
			hw->len = 0;
			pump(s);
		}
		if (s->task.waiting)
			return USB_NAK;
		fill_up(s);
		before = (uint32_t)t->done;
		n = MIN(hw->len - hw->pos, hw->left);
		r = usb_give(&s->usb, t, hw->buffer + hw->pos, n, n == hw->left);
		given = (uint32_t)t->done - before;
		hw->pos += given;
		hw->left -= given;
		if (!hw->left)
			hw->phase = PHASE_STATUS;
	} while (r == USB_NAK && given);
	return r;
}

static enum usb_result give_status(struct storage *s, struct usb_transfer *t)
{
	uint8_t csw[CSW_SIZE], status = s->task.hw.status == SCSI_GOOD ? CSW_PASSED : CSW_FAILED;
	enum usb_result r;

	pump(s);
	if (s->hw.running)
		return USB_NAK;
	put32(csw, CSW_SIGNATURE);
	put32(csw + 4, s->hw.tag);
	put32(csw + 8, s->hw.residue);
	csw[12] = s->hw.phase_error ? CSW_PHASE_ERROR : status;
	r = usb_give(&s->usb, t, csw, CSW_SIZE, true);
	if (r == USB_ACK || r == USB_SHORT)
		s->hw.phase = PHASE_COMMAND;
	return r;
}

/*
 * The bytes of a transfer go to the command while it wants some, the rest is dropped. The buffer is full at the end of a packet, so
 * that NAK never comes within one.
 */
static enum usb_result take_data(struct storage *s, struct usb_transfer *t)
{
	struct storage_hw *hw = &s->hw;

	if (t->data.size > hw->left)
		return refuse(s);
	while (t->done < t->data.size) {
		uint32_t n = (uint32_t)(t->data.size - t->done);

		if (hw->want && (s->task.waiting || hw->len == BUFFER))
			break;
		if (hw->want) {
			n = MIN(n, MIN(hw->want, BUFFER - hw->len));
			giov_read(&t->data, t->done, hw->buffer + hw->len, n);
			hw->len += n;
			hw->want -= n;
		}
		t->done += n;
		pump(s);
		/* The command has ended early: an error of the disk. */
		if (!hw->running)
			hw->want = 0;
	}
	hw->left -= (uint32_t)t->done;
	if (!hw->left)
		hw->phase = PHASE_STATUS;
	return t->done == t->data.size ? USB_ACK : USB_NAK;
}

static enum usb_result storage_transfer(struct usb_dev *u, struct usb_transfer *t)
{
	struct storage *s = to_storage(u);

	if (s->hw.invalid)
		return refuse(s);
	switch (s->hw.phase) {
	case PHASE_COMMAND: return t->pid == USB_PID_OUT ? take_command(s, t) : USB_NAK;
	case PHASE_OUT: return t->pid == USB_PID_OUT ? take_data(s, t) : refuse(s);
	case PHASE_IN: return t->pid == USB_PID_IN ? give_data(s, t) : refuse(s);
	case PHASE_STATUS: return t->pid == USB_PID_IN ? give_status(s, t) : refuse(s);
	default: return USB_STALL;
	}
}

/* ---- requests ---- */

static void storage_usb_reset(struct usb_dev *u)
{
	abandon(to_storage(u));
}

static int storage_request(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	if (s->value || s->index)
		return -1;
	if (s->type == (USB_TYPE_CLASS | USB_TYPE_INTERFACE) && s->request == BULK_ONLY_RESET) {
		abandon(to_storage(u));
		return 0;
	}
	if (s->type == (USB_TYPE_IN | USB_TYPE_CLASS | USB_TYPE_INTERFACE) &&
		s->request == GET_MAX_LUN) {
		data[0] = 0;
		return 1;
	}
	return -1;
}

/* Section 6.6.1: until the reset both pipes stay halted. */
static void storage_unhalted(struct usb_dev *u, uint8_t address)
{
	if (to_storage(u)->hw.invalid)
		usb_halt(u, address);
}

static const struct usb_ops storage_usb_ops = {
	.reset = storage_usb_reset,
	.request = storage_request,
	.transfer = storage_transfer,
	.unhalted = storage_unhalted,
};

/* ---- descriptors ---- */

#define STORAGE_EPS(packet, burst)                         \
	{                                                  \
		{.address = EP_IN,                         \
			.attributes = USB_EP_BULK,         \
			.max_packet = (packet),            \
			.max_burst = (burst)},             \
			{.address = EP_OUT,                \
				.attributes = USB_EP_BULK, \
				.max_packet = (packet),    \
				.max_burst = (burst)},     \
	}

static const struct usb_ep_desc full_eps[] = STORAGE_EPS(64, 0);
static const struct usb_ep_desc high_eps[] = STORAGE_EPS(512, 0);
static const struct usb_ep_desc super_eps[] = STORAGE_EPS(1024, 15);

/* Mass storage, SCSI transparent command set, bulk-only transport. */
#define STORAGE_INTERFACE(endpoints)                                                             \
	{                                                                                        \
		.class_code = 8, .subclass = 6, .protocol = 0x50, .n_eps = 2, .eps = (endpoints) \
	}

static const struct usb_interface_desc full_interface = STORAGE_INTERFACE(full_eps);
static const struct usb_interface_desc high_interface = STORAGE_INTERFACE(high_eps);
static const struct usb_interface_desc super_interface = STORAGE_INTERFACE(super_eps);

static const struct usb_speed_desc full_speed = {
	.usb = 0x0200, .max_packet0 = 64, .n_interfaces = 1, .interfaces = &full_interface};
static const struct usb_speed_desc high_speed = {
	.usb = 0x0200, .max_packet0 = 64, .n_interfaces = 1, .interfaces = &high_interface};
static const struct usb_speed_desc super_speed = {
	.usb = 0x0300, .max_packet0 = 9, .n_interfaces = 1, .interfaces = &super_interface};

/* The numbers of virtual machines' disks that guests' databases know. */
static const struct usb_desc storage_desc = {
	.vendor = 0x46f4,
	.product = 0x0001,
	.release = 0x0000,
	.manufacturer = "vmmd",
	.product_name = "USB Storage",
	.speeds = {[USB_FULL] = &full_speed, [USB_HIGH] = &high_speed, [USB_SUPER] = &super_speed},
};

/* ---- life ---- */

void usb_storage_set_backend(struct dev *d, struct blk *blk)
{
	to_storage(to_usb_dev(d))->blk = blk;
}

/* Twelve hexadecimal digits, section 4.1.1, which stay the same as long as the device's id does. */
static void make_serial(struct storage *s)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *p = s->usb.dev.id; *p; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	for (unsigned i = 0; i < sizeof(s->default_serial) - 1; i++)
		s->default_serial[i] = "0123456789ABCDEF"[hash >> (4 * i) & 0xf];
}

static void resized(struct blk_listener *l)
{
	scsi_unit_refresh(&container_of(l, struct storage, listener)->unit);
}

static bool realize(struct dev *d, GError **error)
{
	struct storage *s = to_storage(to_usb_dev(d));
	struct scsi_unit_conf conf = {
		.type = s->cdrom ? SCSI_TYPE_CDROM : SCSI_TYPE_DISK,
		.removable = s->removable || s->cdrom,
		.vendor = "VMMD",
		.product = s->cdrom ? "USB CD-ROM" : "USB HARDDISK",
		.revision = "1.0",
	};

	if (!s->blk && !s->cdrom)
		return err_set(error, VMMD_ERROR_INVALID, "device %s: it has no disk", d->id);
	if (s->model)
		conf.product = s->model;
	make_serial(s);
	s->usb.serial = s->serial ? s->serial : s->default_serial;
	conf.serial = s->usb.serial;
	s->task.step = on_step;
	usb_dev_init(&s->usb, &storage_usb_ops, &storage_desc);
	if (!scsi_unit_init(&s->unit, &conf, s->blk, d->bus->loop, error))
		return false;
	if (s->unit.info.max_transfer && s->unit.info.max_transfer < BUFFER)
		return err_set(error, VMMD_ERROR_INVALID,
			"device %s: disk %s takes no requests of %u bytes", d->id, s->blk->id,
			BUFFER);
	s->task.unit = &s->unit;
	s->listener.resized = resized;
	if (s->blk)
		blk_listen(s->blk, &s->listener);
	return true;
}

static void unrealize(struct dev *d)
{
	struct storage *s = to_storage(to_usb_dev(d));

	usb_dev_done(&s->usb);
	if (s->unit.queue)
		blk_unlisten(s->blk, &s->listener);
	scsi_unit_done(&s->unit);
	if (s->drained)
		blk_drain_end(s->blk);
	s->drained = false;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct storage *s = to_storage(to_usb_dev(d));

	usb_dev_reset(&s->usb);
	scsi_unit_reset(&s->unit);
}

static void disk_drained(void *opaque)
{
	struct storage *s = opaque;

	async_done(s->quiescing);
	s->quiescing = NULL;
}

static void quiesce(struct dev *d, struct async_group *g)
{
	struct storage *s = to_storage(to_usb_dev(d));

	if (!s->blk) {
		async_done(g);
		return;
	}
	s->quiescing = g;
	s->drained = true;
	blk_drain_begin(s->blk, disk_drained, s);
}

static void resume(struct dev *d)
{
	struct storage *s = to_storage(to_usb_dev(d));

	if (s->drained)
		blk_drain_end(s->blk);
	s->drained = false;
}

/* A request that is parked belongs to the state before. */
static int post_load(struct dev *d)
{
	struct storage *s = to_storage(to_usb_dev(d));

	s->task.unit = &s->unit;
	s->piece = 0;
	scsi_cancel(&s->task);
	return 0;
}

static int check_task(const void *hw)
{
	return scsi_task_check(hw);
}

static int check_hw(const void *p)
{
	const struct storage_hw *hw = p;

	return hw->pos <= hw->len ? 0 : -EINVAL;
}

static const struct state_field fields[] = {
	ST_MAX(struct storage_hw, phase, PHASES - 1),
	ST_BOOL(struct storage_hw, running),
	ST_BOOL(struct storage_hw, phase_error),
	ST_BOOL(struct storage_hw, invalid),
	ST_U(struct storage_hw, tag),
	ST_U(struct storage_hw, left),
	ST_U(struct storage_hw, residue),
	ST_MAX(struct storage_hw, pos, BUFFER),
	ST_MAX(struct storage_hw, len, BUFFER),
	ST_U(struct storage_hw, want),
	ST_PAD(struct storage_hw, pad),
	ST_BYTES(struct storage_hw, buffer),
	ST_END,
};

static const struct state_desc state = {.name = "usb-storage",
	.version = 1,
	.size = sizeof(struct storage_hw),
	.fields = fields,
	.check = check_hw};

static const struct state_desc task_state = {.name = "scsi-task",
	.version = 1,
	.size = sizeof(struct scsi_task_hw),
	.fields = scsi_task_fields,
	.check = check_task};

static const struct state_desc unit_state = {.name = "scsi-unit",
	.version = 1,
	.size = sizeof(struct scsi_unit_hw),
	.fields = scsi_unit_fields};

static const struct dev_part parts[] = {
	{&usb_dev_state, offsetof(struct storage, usb.usb_hw)},
	{&state, offsetof(struct storage, hw)},
	{&task_state, offsetof(struct storage, task.hw)},
	{&unit_state, offsetof(struct storage, unit.hw)},
	{.desc = NULL},
};

static const struct prop props[] = {
	PROP_STR("serial", struct storage, serial, 64, NULL,
		"serial number that the guest sees; made from the device's id when absent"),
	PROP_STR("model", struct storage, model, 16, NULL, "model that the guest sees"),
	PROP_BOOL("removable", struct storage, removable, false, "a medium that can be taken out"),
	PROP_BOOL("cdrom", struct storage, cdrom, false, "a CD-ROM drive instead of a disk"),
	PROP_END,
};

static const struct prop_table prop_table = {
	.name = "usb-storage",
	.doc = "USB mass storage device",
	.size = sizeof(struct storage),
	.props = props,
};

const struct dev_ops usb_storage_ops = {
	.name = "usb-storage",
	.doc = "USB disk or CD-ROM drive (Mass Storage Class, Bulk-Only Transport 1.0)",
	.size = sizeof(struct storage),
	.props = &prop_table,
	.realize = realize,
	.reset = reset,
	.quiesce = quiesce,
	.resume = resume,
	.unrealize = unrealize,
	.pre_save = usb_dev_pre_save,
	.post_load = post_load,
	.state = parts,
};
