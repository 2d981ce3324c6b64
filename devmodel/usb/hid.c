/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hid.c - tablet, mouse and keyboard. Device Class Definition for Human Interface Devices 1.11 (its appendix B: boot protocol),
 * HID Usage Tables 1.12.
 *
 *	struct input ──► queue of what has happened ──► one report for each poll that finds something, else NAK
 *
 * Movements are added up while the guest does not poll, presses and releases are kept apart and in order. Main loop.
 */
#include <errno.h>
#include <string.h>

#include "base/input.h"
#include "devmodel/usb/hid.h"
#include "devmodel/usb/usb-internal.h"

#define EP            1
#define EP_ADDRESS    (EP | USB_EP_IN)
#define POLL_MS       8
#define QUEUE         32
#define KEYS          6 /* in a report */
#define USAGES        256
#define ROLL_OVER     0x01 /* usage: more keys are down than a report can tell */
#define IDLE_NS       (4 * NSEC_PER_MSEC)
#define REPORT_MAX    8
#define MODIFIERS     8
#define DESC_HID      0x21
#define DESC_REPORT   0x22
#define BOOT_MOUSE    3 /* bytes */
#define PROTOCOL_BOOT 0

enum {
	GET_REPORT = 1,
	GET_IDLE = 2,
	GET_PROTOCOL = 3,
	SET_REPORT = 9,
	SET_IDLE = 10,
	SET_PROTOCOL = 11,
};

/* A key: usage in a, pressed in b. A pointer: position or movement still to be told in a and b. */
struct hid_event {
	uint16_t a, b;
	uint8_t buttons;
	uint8_t wheel;
};

struct hid_hw {
	struct hid_event queue[QUEUE];
	struct hid_event last; /* pointer: as last reported */
	uint8_t keys[USAGES / 8];
	uint8_t head, n;  /* of the queue */
	uint8_t protocol; /* [g] */
	uint8_t idle;     /* [g] in units of 4 ms, 0: report changes only */
	uint8_t leds;     /* [g] */
	bool resend;      /* the idle time is over */
	bool polled;      /* since the device was configured */
	uint8_t pad[1];
};

struct hid;

struct hid_kind {
	const struct dev_ops *ops;
	const struct usb_desc *desc;
	const uint8_t *report_desc;
	uint16_t report_desc_size;
	uint8_t protocol; /* of the boot interface, 0 none: how it is known to be a keyboard, a mouse */
	struct input_handler handler;
	unsigned (*report)(const struct hid_hw *hw, uint8_t *buf);
	void (*consume)(struct hid_hw *hw); /* the report of the queue's first event was taken */
};

struct hid {
	struct usb_dev usb;
	struct hid_hw hw;
	const struct hid_kind *kind; /* [c] */
	struct input *input;         /* [c] */
	struct input_handler handler;
	struct timer idle;
};

static struct hid *to_hid(struct usb_dev *u)
{
	return container_of(u, struct hid, usb);
}

/* ---- the queue ---- */

static struct hid_event *nth(struct hid_hw *hw, unsigned i)
{
	return &hw->queue[(hw->head + i) % QUEUE];
}

static void drop_first(struct hid_hw *hw)
{
	hw->head = (hw->head + 1) % QUEUE;
	hw->n--;
}

static void push(struct hid *h, struct hid_event e)
{
	*nth(&h->hw, h->hw.n) = e;
	h->hw.n++;
}

static bool key_is_down(const uint8_t *keys, unsigned usage)
{
	return keys[usage / 8] >> usage % 8 & 1;
}

/* When all that waits will have been told. */
static bool will_be_down(struct hid_hw *hw, unsigned usage)
{
	for (unsigned i = hw->n; i--;) {
		if (nth(hw, i)->a == usage)
			return nth(hw, i)->b;
	}
	return key_is_down(hw->keys, usage);
}

/* Repeating is the guest's affair. Room is kept for the releases of what a report can show pressed. */
static void on_key(struct input_handler *handler, unsigned code, bool down)
{
	struct hid *h = container_of(handler, struct hid, handler);
	uint8_t usage = hid_usage_of_key(code);

	if (!usage || h->hw.n == QUEUE || (down && h->hw.n >= QUEUE - KEYS) ||
		will_be_down(&h->hw, usage) == down)
		return;
	push(h, (struct hid_event){.a = usage, .b = down});
	usb_wakeup(&h->usb, EP_ADDRESS);
}

static uint16_t add(uint16_t counts, int by)
{
	return (uint16_t)CLAMP((int16_t)counts + by, INT16_MIN, INT16_MAX);
}

static uint8_t add_wheel(uint8_t counts, int by)
{
	return (uint8_t)CLAMP((int8_t)counts + by, INT8_MIN + 1, INT8_MAX);
}

/* The event that movement goes to: a new one when the buttons have changed, as long as there is room. */
static struct hid_event *tail(struct hid *h, unsigned buttons)
{
	struct hid_hw *hw = &h->hw;
	const struct hid_event *newest = hw->n ? nth(hw, hw->n - 1u) : NULL;

	if ((!newest || newest->buttons != buttons) && hw->n < QUEUE)
		push(h, (struct hid_event){.a = 0});
	nth(hw, hw->n - 1u)->buttons = (uint8_t)(buttons & 0x1f);
	return nth(hw, hw->n - 1u);
}

static void on_rel(struct input_handler *handler, int dx, int dy, int wheel, unsigned buttons)
{
	struct hid *h = container_of(handler, struct hid, handler);
	struct hid_event *e = tail(h, buttons & 0x1f);

	e->a = add(e->a, CLAMP(dx, INT16_MIN, INT16_MAX));
	e->b = add(e->b, CLAMP(dy, INT16_MIN, INT16_MAX));
	e->wheel = add_wheel(e->wheel, CLAMP(wheel, -127, 127));
	usb_wakeup(&h->usb, EP_ADDRESS);
}

static void on_abs(
	struct input_handler *handler, unsigned x, unsigned y, int wheel, unsigned buttons)
{
	struct hid *h = container_of(handler, struct hid, handler);
	struct hid_event *e = tail(h, buttons & 0x1f);

	e->a = (uint16_t)MIN(x, INPUT_ABS_MAX);
	e->b = (uint16_t)MIN(y, INPUT_ABS_MAX);
	e->wheel = add_wheel(e->wheel, CLAMP(wheel, -127, 127));
	usb_wakeup(&h->usb, EP_ADDRESS);
}

/* ---- reports ---- */

static const struct hid_event *first(const struct hid_hw *hw)
{
	return hw->n ? &hw->queue[hw->head] : &hw->last;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static unsigned tablet_report(const struct hid_hw *hw, uint8_t *buf)
{
	const struct hid_event *e = first(hw);

	buf[0] = e->buttons;
	put16(buf + 1, e->a);
	put16(buf + 3, e->b);
	buf[5] = e->wheel;
	return 6;
}

static void tablet_consume(struct hid_hw *hw)
{
	hw->last = *first(hw);
	hw->last.wheel = 0;
	drop_first(hw);
}

static int step(uint16_t counts)
{
	return CLAMP((int16_t)counts, -127, 127);
}

static unsigned mouse_report(const struct hid_hw *hw, uint8_t *buf)
{
	const struct hid_event *e = first(hw);

	buf[0] = e->buttons;
	buf[1] = (uint8_t)step(e->a);
	buf[2] = (uint8_t)step(e->b);
	buf[3] = e->wheel;
	return hw->protocol == PROTOCOL_BOOT ? BOOT_MOUSE : BOOT_MOUSE + 1;
}

/* What one report cannot carry goes into the next. */
static void mouse_consume(struct hid_hw *hw)
{
	struct hid_event *e = nth(hw, 0);

	e->a = add(e->a, -step(e->a));
	e->b = add(e->b, -step(e->b));
	e->wheel = 0;
	hw->last = (struct hid_event){.buttons = e->buttons};
	if (!e->a && !e->b)
		drop_first(hw);
}

static void press(uint8_t *keys, const struct hid_event *e)
{
	uint8_t bit = (uint8_t)(1u << e->a % 8);

	keys[e->a / 8 % (USAGES / 8)] &= (uint8_t)~bit;
	if (e->b)
		keys[e->a / 8 % (USAGES / 8)] |= bit;
}

/* HID 1.11 appendix B.1 and C: modifiers, a reserved byte, six keys or the phantom state. */
static unsigned keyboard_report(const struct hid_hw *hw, uint8_t *buf)
{
	uint8_t keys[USAGES / 8];
	unsigned n = 0;

	memcpy(keys, hw->keys, sizeof(keys));
	if (hw->n)
		press(keys, first(hw));
	memset(buf, 0, REPORT_MAX);
	buf[0] = keys[HID_USAGE_LEFT_CONTROL / 8];
	for (unsigned usage = 0; usage < HID_USAGE_LEFT_CONTROL; usage++) {
		if (!key_is_down(keys, usage))
			continue;
		if (n < KEYS)
			buf[2 + n] = (uint8_t)usage;
		n++;
	}
	if (n > KEYS)
		memset(buf + 2, ROLL_OVER, KEYS);
	return REPORT_MAX;
}

static void keyboard_consume(struct hid_hw *hw)
{
	press(hw->keys, first(hw));
	drop_first(hw);
}

/* ---- the wire ---- */

static void arm_idle(struct hid *h)
{
	if (h->hw.idle)
		timer_set(
			&h->idle, dev_clock(DEV(&h->usb), VM_CLOCK_VIRTUAL) + h->hw.idle * IDLE_NS);
	else
		timer_cancel(&h->idle);
}

static void idle_over(void *opaque)
{
	struct hid *h = opaque;

	h->hw.resend = true;
	usb_wakeup(&h->usb, EP_ADDRESS);
}

static enum usb_result hid_transfer(struct usb_dev *u, struct usb_transfer *t)
{
	struct hid *h = to_hid(u);
	uint8_t buf[REPORT_MAX] = {0};
	enum usb_result r;

	if (h->input && !h->hw.polled)
		input_activate(h->input, &h->handler);
	h->hw.polled = true;
	if (!h->hw.n && !h->hw.resend)
		return USB_NAK;
	r = usb_give(u, t, buf, h->kind->report(&h->hw, buf), true);
	if (r == USB_ACK || r == USB_SHORT) {
		if (h->hw.n)
			h->kind->consume(&h->hw);
		h->hw.resend = false;
		arm_idle(h);
	}
	return r;
}

static void set_leds(struct hid *h, uint8_t leds)
{
	static const uint8_t bits[] = {INPUT_LED_NUM, INPUT_LED_CAPS, INPUT_LED_SCROLL};
	unsigned on = 0;

	h->hw.leds = leds;
	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		on |= leds >> i & 1 ? bits[i] : 0;
	if (h->input)
		input_set_leds(h->input, on);
}

static bool is_keyboard(const struct hid *h)
{
	return h->kind->handler.key;
}

static int get_hid_descriptor(const struct hid *h, const struct usb_setup *s, uint8_t *data)
{
	const struct usb_interface_desc *f = h->usb.desc->speeds[h->usb.speed]->interfaces;

	switch (s->value >> 8) {
	case DESC_HID: memcpy(data, f->extra, f->extra_size); return f->extra_size;
	case DESC_REPORT:
		memcpy(data, h->kind->report_desc, h->kind->report_desc_size);
		return h->kind->report_desc_size;
	default: return -1;
	}
}

/* Section 7.2. */
static int class_in(struct hid *h, const struct usb_setup *s, uint8_t *data)
{
	switch (s->request) {
	case GET_REPORT: return (int)h->kind->report(&h->hw, data);
	case GET_IDLE: data[0] = h->hw.idle; return 1;
	case GET_PROTOCOL: data[0] = h->hw.protocol; return h->kind->protocol ? 1 : -1;
	default: return -1;
	}
}

static int class_out(struct hid *h, const struct usb_setup *s, const uint8_t *data)
{
	switch (s->request) {
	case SET_REPORT:
		if (!is_keyboard(h) || s->length < 1)
			return -1;
		set_leds(h, data[0] & 0x1f);
		return 0;
	case SET_IDLE:
		h->hw.idle = (uint8_t)(s->value >> 8);
		arm_idle(h);
		return 0;
	case SET_PROTOCOL:
		if (!h->kind->protocol || s->value > 1)
			return -1;
		h->hw.protocol = (uint8_t)s->value;
		return 0;
	default: return -1;
	}
}

static int hid_request(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	struct hid *h = to_hid(u);

	if (s->index)
		return -1;
	switch (s->type) {
	case USB_TYPE_IN | USB_TYPE_INTERFACE:
		return s->request == USB_GET_DESCRIPTOR ? get_hid_descriptor(h, s, data) : -1;
	case USB_TYPE_IN | USB_TYPE_CLASS | USB_TYPE_INTERFACE: return class_in(h, s, data);
	case USB_TYPE_CLASS | USB_TYPE_INTERFACE: return class_out(h, s, data);
	default: return -1;
	}
}

/* Keys that are down and the last position are the user's, not the guest's: they stay. */
static void hid_usb_reset(struct usb_dev *u)
{
	struct hid *h = to_hid(u);

	h->hw.protocol = 1;
	h->hw.idle = 0;
	h->hw.resend = false;
	h->hw.polled = false;
	timer_cancel(&h->idle);
	if (is_keyboard(h) && h->hw.leds)
		set_leds(h, 0);
}

static const struct usb_ops hid_usb_ops = {
	.reset = hid_usb_reset,
	.request = hid_request,
	.transfer = hid_transfer,
};

/* ---- descriptors ---- */

/* clang-format off */
static const uint8_t tablet_report_desc[] = {
	0x05, 0x01,		/* usage page: generic desktop */
	0x09, 0x02,		/* usage: mouse */
	0xa1, 0x01,		/* collection: application */
	0x09, 0x01,		/*   usage: pointer */
	0xa1, 0x00,		/*   collection: physical */
	0x05, 0x09,		/*     usage page: buttons */
	0x19, 0x01, 0x29, 0x05,	/*     1 to 5 */
	0x15, 0x00, 0x25, 0x01,	/*     0 to 1 */
	0x95, 0x05, 0x75, 0x01,	/*     5 of 1 bit */
	0x81, 0x02,		/*     input: data, variable, absolute */
	0x95, 0x01, 0x75, 0x03,	/*     1 of 3 bits */
	0x81, 0x01,		/*     input: constant */
	0x05, 0x01,		/*     usage page: generic desktop */
	0x09, 0x30, 0x09, 0x31,	/*     usages: X, Y */
	0x15, 0x00,		/*     0 to 0x7fff, in the guest's eyes any length */
	0x26, 0xff, 0x7f,
	0x35, 0x00,
	0x46, 0xff, 0x7f,
	0x75, 0x10, 0x95, 0x02,	/*     2 of 16 bits */
	0x81, 0x02,		/*     input: data, variable, absolute */
	0x09, 0x38,		/*     usage: wheel */
	0x15, 0x81, 0x25, 0x7f,	/*     -127 to 127 */
	0x35, 0x00, 0x45, 0x00,	/*     physical as logical */
	0x75, 0x08, 0x95, 0x01,	/*     1 of 8 bits */
	0x81, 0x06,		/*     input: data, variable, relative */
	0xc0, 0xc0,
};

static const uint8_t mouse_report_desc[] = {
	0x05, 0x01,		/* usage page: generic desktop */
	0x09, 0x02,		/* usage: mouse */
	0xa1, 0x01,		/* collection: application */
	0x09, 0x01,		/*   usage: pointer */
	0xa1, 0x00,		/*   collection: physical */
	0x05, 0x09,		/*     usage page: buttons */
	0x19, 0x01, 0x29, 0x05,	/*     1 to 5 */
	0x15, 0x00, 0x25, 0x01,	/*     0 to 1 */
	0x95, 0x05, 0x75, 0x01,	/*     5 of 1 bit */
	0x81, 0x02,		/*     input: data, variable, absolute */
	0x95, 0x01, 0x75, 0x03,	/*     1 of 3 bits */
	0x81, 0x01,		/*     input: constant */
	0x05, 0x01,		/*     usage page: generic desktop */
	0x09, 0x30, 0x09, 0x31,	/*     usages: X, Y, */
	0x09, 0x38,		/*     wheel */
	0x15, 0x81, 0x25, 0x7f,	/*     -127 to 127 */
	0x75, 0x08, 0x95, 0x03,	/*     3 of 8 bits */
	0x81, 0x06,		/*     input: data, variable, relative */
	0xc0, 0xc0,
};

static const uint8_t keyboard_report_desc[] = {
	0x05, 0x01,		/* usage page: generic desktop */
	0x09, 0x06,		/* usage: keyboard */
	0xa1, 0x01,		/* collection: application */
	0x05, 0x07,		/*   usage page: keys */
	0x19, 0xe0, 0x29, 0xe7,	/*   left control to right GUI */
	0x15, 0x00, 0x25, 0x01,	/*   0 to 1 */
	0x75, 0x01, 0x95, 0x08,	/*   8 of 1 bit */
	0x81, 0x02,		/*   input: data, variable, absolute */
	0x95, 0x01, 0x75, 0x08,	/*   1 of 8 bits */
	0x81, 0x01,		/*   input: constant */
	0x05, 0x08,		/*   usage page: LEDs */
	0x19, 0x01, 0x29, 0x05,	/*   num lock to kana */
	0x95, 0x05, 0x75, 0x01,	/*   5 of 1 bit */
	0x91, 0x02,		/*   output: data, variable, absolute */
	0x95, 0x01, 0x75, 0x03,	/*   1 of 3 bits */
	0x91, 0x01,		/*   output: constant */
	0x05, 0x07,		/*   usage page: keys */
	0x19, 0x00, 0x2a, 0xff, 0x00,
	0x15, 0x00, 0x26, 0xff, 0x00,
	0x95, 0x06, 0x75, 0x08,	/*   6 of 8 bits */
	0x81, 0x00,		/*   input: data, array */
	0xc0,
};
/* clang-format on */

/* HID descriptor, section 6.2.1: version 1.11, no country, one report descriptor. */
#define HID_DESC(report)                                                           \
	{                                                                          \
		9, DESC_HID, 0x11, 0x01, 0, 1, DESC_REPORT, sizeof(report) & 0xff, \
			sizeof(report) >> 8                                        \
	}

static const uint8_t tablet_hid_desc[] = HID_DESC(tablet_report_desc);
static const uint8_t mouse_hid_desc[] = HID_DESC(mouse_report_desc);
static const uint8_t keyboard_hid_desc[] = HID_DESC(keyboard_report_desc);

static const struct usb_ep_desc hid_eps[] = {{
	.address = EP_ADDRESS,
	.attributes = USB_EP_INTERRUPT,
	.max_packet = REPORT_MAX,
	.interval = POLL_MS,
}};

#define HID_INTERFACE(sub, proto, hid_desc)                                                   \
	{                                                                                     \
		.class_code = 3, .subclass = (sub), .protocol = (proto), .extra = (hid_desc), \
		.extra_size = sizeof(hid_desc), .n_eps = 1, .eps = hid_eps,                   \
	}

static const struct usb_interface_desc tablet_interface = HID_INTERFACE(0, 0, tablet_hid_desc);
static const struct usb_interface_desc mouse_interface = HID_INTERFACE(1, 2, mouse_hid_desc);
static const struct usb_interface_desc keyboard_interface = HID_INTERFACE(1, 1, keyboard_hid_desc);

#define HID_SPEED(interface)                                                                       \
	{                                                                                          \
		.usb = 0x0200, .max_packet0 = 8, .attributes = USB_REMOTE_WAKEUP, .max_power = 50, \
		.n_interfaces = 1, .interfaces = &(interface),                                     \
	}

static const struct usb_speed_desc tablet_full = HID_SPEED(tablet_interface);
static const struct usb_speed_desc mouse_full = HID_SPEED(mouse_interface);
static const struct usb_speed_desc keyboard_full = HID_SPEED(keyboard_interface);

/* The numbers by which guests' databases know a virtual machine's input devices, and let them sleep. */
#define HID_DESC_OF(text, full_speed)                                                           \
	{                                                                                       \
		.vendor = 0x0627, .product = 0x0001, .release = 0x0000, .manufacturer = "vmmd", \
		.product_name = (text), .speeds = {[USB_FULL] = &(full_speed)},                 \
	}

static const struct usb_desc tablet_desc = HID_DESC_OF("USB Tablet", tablet_full);
static const struct usb_desc mouse_desc = HID_DESC_OF("USB Mouse", mouse_full);
static const struct usb_desc keyboard_desc = HID_DESC_OF("USB Keyboard", keyboard_full);

static const struct hid_kind kinds[] = {
	{
		.ops = &usb_tablet_ops,
		.desc = &tablet_desc,
		.report_desc = tablet_report_desc,
		.report_desc_size = sizeof(tablet_report_desc),
		.handler = {.abs = on_abs},
		.report = tablet_report,
		.consume = tablet_consume,
	},
	{
		.ops = &usb_mouse_ops,
		.desc = &mouse_desc,
		.report_desc = mouse_report_desc,
		.report_desc_size = sizeof(mouse_report_desc),
		.protocol = 2,
		.handler = {.rel = on_rel},
		.report = mouse_report,
		.consume = mouse_consume,
	},
	{
		.ops = &usb_kbd_ops,
		.desc = &keyboard_desc,
		.report_desc = keyboard_report_desc,
		.report_desc_size = sizeof(keyboard_report_desc),
		.protocol = 1,
		.handler = {.key = on_key},
		.report = keyboard_report,
		.consume = keyboard_consume,
	},
};

/* ---- life ---- */

void usb_hid_set_input(struct dev *d, struct input *input)
{
	to_hid(to_usb_dev(d))->input = input;
}

static bool realize(struct dev *d, GError **error)
{
	struct hid *h = to_hid(to_usb_dev(d));

	h->kind = kinds;
	while (h->kind->ops != d->ops)
		h->kind++;
	h->handler = h->kind->handler;
	h->usb.serial = "42";
	usb_dev_init(&h->usb, &hid_usb_ops, h->kind->desc);
	timer_init(&h->idle, d->bus->clocks, VM_CLOCK_VIRTUAL, idle_over, h);
	if (h->input)
		input_add(h->input, &h->handler);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct hid *h = to_hid(to_usb_dev(d));

	h->hw = (struct hid_hw){.protocol = 1};
	usb_dev_reset(&h->usb);
}

static void unrealize(struct dev *d)
{
	struct hid *h = to_hid(to_usb_dev(d));

	if (h->input)
		input_remove(h->input, &h->handler);
	usb_dev_done(&h->usb);
	timer_cancel(&h->idle);
}

static int post_load(struct dev *d)
{
	struct hid *h = to_hid(to_usb_dev(d));

	arm_idle(h);
	if (is_keyboard(h))
		set_leds(h, h->hw.leds);
	return 0;
}

static const struct state_field event_fields[] = {
	ST_U(struct hid_event, a),
	ST_U(struct hid_event, b),
	ST_MAX(struct hid_event, buttons, 0x1f),
	ST_U(struct hid_event, wheel),
	ST_END,
};

static const struct state_field fields[] = {
	ST_STRUCTS(struct hid_hw, queue, event_fields),
	ST_STRUCT(struct hid_hw, last, event_fields),
	ST_BYTES(struct hid_hw, keys),
	ST_MAX(struct hid_hw, head, QUEUE - 1),
	ST_MAX(struct hid_hw, n, QUEUE),
	ST_MAX(struct hid_hw, protocol, 1),
	ST_U(struct hid_hw, idle),
	ST_MAX(struct hid_hw, leds, 0x1f),
	ST_BOOL(struct hid_hw, resend),
	ST_BOOL(struct hid_hw, polled),
	ST_PAD(struct hid_hw, pad),
	ST_END,
};

static const struct state_desc state = {
	.name = "hid", .version = 1, .size = sizeof(struct hid_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&usb_dev_state, offsetof(struct hid, usb.usb_hw)},
	{&state, offsetof(struct hid, hw)},
	{.desc = NULL},
};

#define HID_OPS(type, text)                                                                    \
	{                                                                                      \
		.name = (type), .doc = (text), .size = sizeof(struct hid), .realize = realize, \
		.reset = reset, .unrealize = unrealize, .pre_save = usb_dev_pre_save,          \
		.post_load = post_load, .state = parts,                                        \
	}

const struct dev_ops usb_tablet_ops = HID_OPS(
	"usb-tablet", "USB tablet: absolute pointer (HID 1.11)");
const struct dev_ops usb_mouse_ops = HID_OPS("usb-mouse", "USB mouse (HID 1.11)");
const struct dev_ops usb_kbd_ops = HID_OPS("usb-kbd", "USB keyboard (HID 1.11)");
