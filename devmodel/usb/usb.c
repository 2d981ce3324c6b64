/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "devmodel/usb/usb-internal.h"

static unsigned ep_index(uint8_t address)
{
	return (address & USB_EP_NUM) + (address & USB_EP_IN ? USB_EPS / 2 : 0);
}

static const struct usb_speed_desc *speed_desc(const struct usb_dev *u)
{
	return u->desc->speeds[u->speed];
}

static const struct usb_ep_desc *find_ep(const struct usb_dev *u, uint8_t address)
{
	const struct usb_speed_desc *s = speed_desc(u);

	for (unsigned i = 0; i < s->n_interfaces; i++) {
		const struct usb_interface_desc *f = &s->interfaces[i];

		for (unsigned n = 0; n < f->n_eps; n++) {
			if (f->eps[n].address == address)
				return &f->eps[n];
		}
	}
	return NULL;
}

unsigned usb_max_packet(const struct usb_dev *u, uint8_t address)
{
	const struct usb_speed_desc *s = speed_desc(u);
	const struct usb_ep_desc *ep;

	if (!(address & USB_EP_NUM))
		return u->speed == USB_SUPER ? 1u << s->max_packet0 : s->max_packet0;
	ep = find_ep(u, address);
	return ep ? ep->max_packet : 0;
}

void usb_halt(struct usb_dev *u, uint8_t address)
{
	u->usb_hw.halted |= 1u << ep_index(address);
}

/* ---- standard requests (section 9.4) ---- */

#define FEATURE_ENDPOINT_HALT 0
#define FEATURE_REMOTE_WAKEUP 1
#define FEATURE_TEST_MODE     2
#define FEATURE_U1_ENABLE     48 /* USB 3.0, section 9.4.9 */
#define FEATURE_LTM_ENABLE    50

static int get_status_device(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	data[0] = (uint8_t)(1 | u->usb_hw.remote_wakeup << 1); /* bit 0: self-powered */
	return 2;
}

static int get_status_interface(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	return s->index < speed_desc(u)->n_interfaces ? 2 : -1;
}

static bool ep_exists(const struct usb_dev *u, const struct usb_setup *s)
{
	return !(s->index & USB_EP_NUM) || (s->index < 0x100 && find_ep(u, (uint8_t)s->index));
}

static int get_status_endpoint(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	if (!ep_exists(u, s))
		return -1;
	data[0] = u->usb_hw.halted >> ep_index((uint8_t)s->index) & 1;
	return 2;
}

static int set_device_feature(struct usb_dev *u, const struct usb_setup *s, bool on)
{
	switch (s->value) {
	case FEATURE_REMOTE_WAKEUP:
		if (!(speed_desc(u)->attributes & USB_REMOTE_WAKEUP))
			return -1;
		u->usb_hw.remote_wakeup = on;
		return 0;
	case FEATURE_TEST_MODE: return -1;
	default:
		return u->speed == USB_SUPER && s->value >= FEATURE_U1_ENABLE &&
				       s->value <= FEATURE_LTM_ENABLE
			       ? 0
			       : -1;
	}
}

static int set_feature_device(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	return set_device_feature(u, s, true);
}

static int clear_feature_device(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	return set_device_feature(u, s, false);
}

/* USB 3.0 section 9.4.9: function suspend, which carries remote wake-up at this speed. */
static int set_feature_interface(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	if (u->speed != USB_SUPER || s->value)
		return -1;
	u->usb_hw.remote_wakeup = s->index >> 9 & 1;
	return 0;
}

static int set_feature_endpoint(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	if (s->value != FEATURE_ENDPOINT_HALT || !ep_exists(u, s))
		return -1;
	if (s->index & USB_EP_NUM)
		usb_halt(u, (uint8_t)s->index);
	return 0;
}

static int clear_feature_endpoint(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	if (s->value != FEATURE_ENDPOINT_HALT || !ep_exists(u, s))
		return -1;
	u->usb_hw.halted &= ~(1u << ep_index((uint8_t)s->index));
	if (u->usb_ops->unhalted && (s->index & USB_EP_NUM))
		u->usb_ops->unhalted(u, (uint8_t)s->index);
	return 0;
}

static int set_address(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	if (s->value > 127)
		return -1;
	u->usb_hw.address = (uint8_t)s->value;
	return 0;
}

static int get_descriptor(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	return usb_get_descriptor(u, s->value >> 8, s->value & 0xff, data);
}

static int get_configuration(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	data[0] = u->usb_hw.configuration;
	return 1;
}

static int set_configuration(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	if (s->value > 1)
		return -1;
	u->usb_hw.configuration = (uint8_t)s->value;
	u->usb_hw.halted = 0;
	u->usb_ops->reset(u);
	return 0;
}

static int get_interface(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	return u->usb_hw.configuration && s->index < speed_desc(u)->n_interfaces ? 1 : -1;
}

static int set_interface(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	if (get_interface(u, s, data) < 0 || s->value)
		return -1;
	u->usb_hw.halted = 0;
	return 0;
}

/* USB 3.0 sections 9.4.11 and 9.4.12: exit latencies and delays, of which a wire without any takes note. */
static int accept_superspeed(struct usb_dev *u, const struct usb_setup *s, uint8_t *data)
{
	return u->speed == USB_SUPER ? 0 : -1;
}

static const struct {
	uint8_t type, request;
	int (*fn)(struct usb_dev *u, const struct usb_setup *s, uint8_t *data);
} standard[] = {
	{0x80, 0, get_status_device},
	{0x81, 0, get_status_interface},
	{0x82, 0, get_status_endpoint},
	{0x00, 1, clear_feature_device},
	{0x02, 1, clear_feature_endpoint},
	{0x00, 3, set_feature_device},
	{0x01, 3, set_feature_interface},
	{0x02, 3, set_feature_endpoint},
	{0x00, 5, set_address},
	{0x80, USB_GET_DESCRIPTOR, get_descriptor},
	{0x80, 8, get_configuration},
	{0x00, 9, set_configuration},
	{0x81, 10, get_interface},
	{0x01, 11, set_interface},
	{0x00, 0x30, accept_superspeed},
	{0x00, 0x31, accept_superspeed},
};

/* ---- control transfers (section 8.5.3) ---- */

static struct usb_setup parse_setup(const uint8_t b[8])
{
	return (struct usb_setup){
		.type = b[0],
		.request = b[1],
		.value = (uint16_t)(b[2] | b[3] << 8),
		.index = (uint16_t)(b[4] | b[5] << 8),
		.length = (uint16_t)(b[6] | b[7] << 8),
	};
}

static int request(struct usb_dev *u, const struct usb_setup *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(standard); i++) {
		if (standard[i].type == s->type && standard[i].request == s->request)
			return standard[i].fn(u, s, u->usb_hw.data);
	}
	return u->usb_ops->request ? u->usb_ops->request(u, s, u->usb_hw.data) : -1;
}

static enum usb_result control_stall(struct usb_dev *u)
{
	u->usb_hw.stage = USB_STAGE_STALLED;
	return USB_STALL;
}

/* A request that the host gives data with is carried out when it asks for the status, one for data at once. */
static enum usb_result control_setup(struct usb_dev *u, struct usb_transfer *t)
{
	struct usb_dev_hw *hw = &u->usb_hw;
	struct usb_setup s;
	int n;

	if (t->data.size != sizeof(hw->setup))
		return control_stall(u);
	t->done = giov_read(&t->data, 0, hw->setup, sizeof(hw->setup));
	s = parse_setup(hw->setup);
	hw->pos = 0;
	hw->len = 0;
	memset(hw->data, 0, sizeof(hw->data));
	if (!(s.type & USB_TYPE_IN) || !s.length) {
		hw->stage = s.length <= USB_CONTROL ? USB_STAGE_OUT : USB_STAGE_STALLED;
		hw->len = MIN(s.length, USB_CONTROL);
		return USB_ACK;
	}
	s.length = MIN(s.length, USB_CONTROL);
	n = request(u, &s);
	hw->stage = n < 0 ? USB_STAGE_STALLED : USB_STAGE_IN;
	hw->len = (uint16_t)CLAMP(n, 0, s.length);
	return USB_ACK;
}

static enum usb_result control_status(struct usb_dev *u, struct usb_transfer *t)
{
	struct usb_setup s = parse_setup(u->usb_hw.setup);

	if (u->usb_hw.pos < u->usb_hw.len || request(u, &s) < 0)
		return control_stall(u);
	u->usb_hw.stage = USB_STAGE_IDLE;
	return t->data.size ? USB_SHORT : USB_ACK;
}

static enum usb_result control_in(struct usb_dev *u, struct usb_transfer *t)
{
	struct usb_dev_hw *hw = &u->usb_hw;
	enum usb_result r;

	if (hw->stage == USB_STAGE_OUT)
		return control_status(u, t);
	if (hw->stage != USB_STAGE_IN)
		return control_stall(u);
	r = usb_give(u, t, hw->data + hw->pos, hw->len - hw->pos, true);
	hw->pos = (uint16_t)(hw->pos + t->done);
	return r;
}

static enum usb_result control_out(struct usb_dev *u, struct usb_transfer *t)
{
	struct usb_dev_hw *hw = &u->usb_hw;

	if (hw->stage == USB_STAGE_IN) {
		hw->stage = USB_STAGE_IDLE;
		return t->data.size ? control_stall(u) : USB_ACK;
	}
	if (hw->stage != USB_STAGE_OUT || t->data.size > (size_t)(hw->len - hw->pos))
		return control_stall(u);
	t->done = giov_read(&t->data, 0, hw->data + hw->pos, t->data.size);
	hw->pos = (uint16_t)(hw->pos + t->done);
	return USB_ACK;
}

static enum usb_result control(struct usb_dev *u, struct usb_transfer *t)
{
	switch (t->pid) {
	case USB_PID_SETUP: return control_setup(u, t);
	case USB_PID_IN: return control_in(u, t);
	case USB_PID_OUT: return control_out(u, t);
	default: return USB_GONE;
	}
}

/* ---- transfers ---- */

enum usb_result usb_give(
	struct usb_dev *u, struct usb_transfer *t, const void *buf, size_t n, bool last)
{
	unsigned max = usb_max_packet(u, t->ep | USB_EP_IN);
	size_t room = t->data.size - t->done;

	if (n > room && room % max)
		return USB_BABBLE;
	if (n < room && !last)
		n -= n % max;
	t->done += giov_write(&t->data, t->done, buf, MIN(n, room));
	if (t->done == t->data.size)
		return USB_ACK;
	return last ? USB_SHORT : USB_NAK;
}

static void wire_reset(struct usb_dev *u)
{
	u->usb_hw = (struct usb_dev_hw){.address = 0};
	u->usb_ops->reset(u);
}

static void catch_up(struct usb_dev *u)
{
	if (__atomic_exchange_n(&u->reset_due, 0, __ATOMIC_ACQUIRE))
		wire_reset(u);
}

enum usb_result usb_transfer(struct usb_dev *u, struct usb_transfer *t)
{
	uint8_t address = (uint8_t)(t->ep | (t->pid == USB_PID_IN ? USB_EP_IN : 0));

	catch_up(u);
	t->done = 0;
	if (!t->ep)
		return control(u, t);
	if (t->pid == USB_PID_SETUP || !u->usb_hw.configuration || !find_ep(u, address))
		return USB_GONE;
	if (u->usb_hw.halted & 1u << ep_index(address))
		return USB_STALL;
	return u->usb_ops->transfer(u, t);
}

void usb_set_address(struct usb_dev *u, uint8_t address)
{
	catch_up(u);
	u->usb_hw.address = address;
}

struct usb_dev *usb_port_find(struct usb_port *port, uint8_t address)
{
	struct usb_dev *u = port->dev;

	if (!u)
		return NULL;
	catch_up(u);
	return u->usb_hw.address == address ? u : NULL;
}

void usb_port_reset(struct usb_port *port)
{
	if (port->dev)
		__atomic_store_n(&port->dev->reset_due, 1, __ATOMIC_RELEASE);
}

void usb_wakeup(struct usb_dev *u, uint8_t address)
{
	if (u->port)
		u->port->host->ops->wakeup(u->port->host, u->port, address);
}

/* ---- life of a device ---- */

void usb_dev_init(struct usb_dev *u, const struct usb_ops *ops, const struct usb_desc *desc)
{
	u->usb_ops = ops;
	u->desc = desc;
	for (unsigned s = 0; s < USB_SPEEDS; s++) {
		if (desc->speeds[s])
			u->speed = s;
	}
}

void usb_dev_reset(struct usb_dev *u)
{
	__atomic_store_n(&u->reset_due, 0, __ATOMIC_RELAXED);
	wire_reset(u);
}

void usb_dev_done(struct usb_dev *u)
{
	usb_unplug(DEV(u));
}

void usb_dev_pre_save(struct dev *d)
{
	catch_up(to_usb_dev(d));
}

static int check_dev(const void *p)
{
	const struct usb_dev_hw *hw = p;

	return hw->pos <= hw->len ? 0 : -EINVAL;
}

static const struct state_field usb_dev_fields[] = {
	ST_MAX(struct usb_dev_hw, address, 127),
	ST_MAX(struct usb_dev_hw, configuration, 1),
	ST_MAX(struct usb_dev_hw, stage, USB_STAGE_STALLED),
	ST_BOOL(struct usb_dev_hw, remote_wakeup),
	ST_U(struct usb_dev_hw, halted),
	ST_BYTES(struct usb_dev_hw, setup),
	ST_MAX(struct usb_dev_hw, pos, USB_CONTROL),
	ST_MAX(struct usb_dev_hw, len, USB_CONTROL),
	ST_BYTES(struct usb_dev_hw, data),
	ST_END,
};

const struct state_desc usb_dev_state = {
	.name = "usb",
	.version = 1,
	.size = sizeof(struct usb_dev_hw),
	.fields = usb_dev_fields,
	.check = check_dev,
};
