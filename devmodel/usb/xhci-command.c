/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xHCI: the command ring, slots and device contexts; sections 4.5, 4.6 and 6.2. */
#include <string.h>

#include "devmodel/usb/xhci.h"

#define COMMANDS_MAX 256 /* of one turn of the loop, links included */

/* A context is 32 bytes (HCCPARAMS.CSZ is 0), all are arrays of double words. */
#define CONTEXT       32
#define CONTEXT_WORDS 8

/* Slot context. */
#define SLOT_ROUTE(w0)   ((w0)&0xfffff)
#define SLOT_PORT(w1)    ((w1) >> 16 & 0xff)
#define SLOT_ENTRIES     0xf8000000u
#define SLOT_LATENCY     0x0000ffffu
#define SLOT_INTR        0xffc00000u
#define SLOT_STATE_SHIFT 27

/* Endpoint context. */
#define EP_STATE        0x7u
#define EP_STREAMS(w0)  ((w0) >> 10 & 0x1f)
#define EP_TYPE(w1)     ((w1) >> 3 & 7)
#define EP_DEQUEUE_MASK (~UINT64_C(0xf))
#define EP_MAX_PACKET   0xffff0000u

struct context {
	uint32_t w[CONTEXT_WORDS];
};

unsigned xhci_slot_of_port(const struct xhci *s, unsigned port)
{
	for (unsigned n = 1; n <= XHCI_SLOTS; n++) {
		const struct xhci_slot_hw *slot = &s->hw.slots[n - 1];

		if (slot->enabled && slot->port == port)
			return n;
	}
	return 0;
}

/* ---- contexts in guest memory ---- */

/* Context @i of the output device context: 0 slot, else endpoint. */
static uint64_t output(struct xhci *s, unsigned slot, unsigned i)
{
	return xhci_slot(s, slot)->context + i * CONTEXT;
}

/* Of the input context: 0 control, 1 slot, 1 + dci endpoint. */
static bool read_input(struct xhci *s, uint64_t input, unsigned i, struct context *c)
{
	return xhci_read(s, input + i * CONTEXT, c, sizeof(*c));
}

static bool read_output(struct xhci *s, unsigned slot, unsigned i, struct context *c)
{
	return xhci_read(s, output(s, slot, i), c, sizeof(*c));
}

static void write_output(struct xhci *s, unsigned slot, unsigned i, const struct context *c)
{
	xhci_write(s, output(s, slot, i), c, sizeof(*c));
}

void xhci_put_ep(struct xhci *s, unsigned slot, unsigned dci)
{
	const struct xhci_ep_hw *ep = xhci_ep(s, slot, dci);
	uint64_t dequeue = ep->dequeue | ep->cycle;
	struct context c;

	if (!read_output(s, slot, dci, &c))
		return;
	c.w[0] = (c.w[0] & ~EP_STATE) | ep->state;
	c.w[2] = (uint32_t)dequeue;
	c.w[3] = (uint32_t)(dequeue >> 32);
	write_output(s, slot, dci, &c);
}

/* Slot context @c with the state as it is, and the address, which is the slot's number. */
static void put_slot_state(struct xhci *s, unsigned slot, struct context *c)
{
	unsigned state = xhci_slot(s, slot)->state;

	c->w[3] = state << SLOT_STATE_SHIFT | (state >= SLOT_ADDRESSED ? slot : 0);
	write_output(s, slot, 0, c);
}

/* Takes endpoint @dci over from its input context @in. */
static enum xhci_cc enable_ep(struct xhci *s, unsigned slot, unsigned dci, const struct context *in)
{
	struct xhci_ep_hw *ep = xhci_ep(s, slot, dci);
	uint64_t dequeue = in->w[2] | (uint64_t)in->w[3] << 32;
	struct context out = *in;

	if (EP_STREAMS(in->w[0]) || !EP_TYPE(in->w[1]))
		return CC_PARAMETER;
	*ep = (struct xhci_ep_hw){
		.dequeue = dequeue & EP_DEQUEUE_MASK,
		.cycle = dequeue & 1,
		.state = EP_RUNNING,
	};
	out.w[0] = (in->w[0] & ~EP_STATE) | EP_RUNNING;
	write_output(s, slot, dci, &out);
	return CC_SUCCESS;
}

static void disable_ep(struct xhci *s, unsigned slot, unsigned dci)
{
	struct xhci_ep_hw *ep = xhci_ep(s, slot, dci);

	if (ep->state == EP_DISABLED)
		return;
	*ep = (struct xhci_ep_hw){.state = EP_DISABLED};
	xhci_put_ep(s, slot, dci);
}

static void disable_eps(struct xhci *s, unsigned slot, unsigned first)
{
	for (unsigned dci = first; dci <= XHCI_EPS; dci++)
		disable_ep(s, slot, dci);
}

static unsigned last_ep(struct xhci *s, unsigned slot)
{
	unsigned dci = XHCI_EPS;

	while (dci > 1 && xhci_ep(s, slot, dci)->state == EP_DISABLED)
		dci--;
	return dci;
}

/* ---- commands (section 4.6) ---- */

struct command {
	struct xhci_trb trb;
	unsigned slot; /* in and out */
};

static enum xhci_cc enable_slot(struct xhci *s, struct command *c)
{
	unsigned max = s->hw.config & 0xff;

	for (unsigned n = 1; n <= MIN(max, XHCI_SLOTS); n++) {
		if (xhci_slot(s, n)->enabled)
			continue;
		*xhci_slot(s, n) = (struct xhci_slot_hw){.enabled = true};
		c->slot = n;
		return CC_SUCCESS;
	}
	return CC_NO_SLOTS;
}

static enum xhci_cc disable_slot(struct xhci *s, struct command *c)
{
	*xhci_slot(s, c->slot) = (struct xhci_slot_hw){.enabled = false};
	return CC_SUCCESS;
}

/* The port that a slot context names, NULL: there is none, or the way to it leads over a hub. */
static struct usb_port *named_port(struct xhci *s, const struct context *slot)
{
	unsigned port = SLOT_PORT(slot->w[1]);

	if (SLOT_ROUTE(slot->w[0]) || !port || port > s->hc.host.n_ports)
		return NULL;
	return &s->hc.host.ports[port - 1];
}

/* Section 4.6.5. */
static enum xhci_cc address_device(struct xhci *s, struct command *c)
{
	struct xhci_slot_hw *slot = xhci_slot(s, c->slot);
	bool block = c->trb.control & TRB_BSR;
	uint64_t input = c->trb.param & ~UINT64_C(0xf), dcbaa = s->hw.dcbaap + 8 * c->slot;
	struct context control, in, ep0;
	unsigned port, user;
	enum xhci_cc cc;

	if (slot->state > (block ? SLOT_DISABLED : SLOT_DEFAULT))
		return CC_CONTEXT_STATE;
	if (!read_input(s, input, 0, &control) || !read_input(s, input, 1, &in) ||
		!read_input(s, input, 2, &ep0) ||
		!xhci_read(s, dcbaa, &slot->context, sizeof(slot->context)))
		return CC_TRB;
	if (control.w[0] || (control.w[1] & 3) != 3)
		return CC_TRB;
	if (!named_port(s, &in))
		return CC_TRB;
	port = SLOT_PORT(in.w[1]);
	user = xhci_slot_of_port(s, port);
	if (user && user != c->slot)
		return CC_TRB;
	slot->context &= ~UINT64_C(0x3f);
	slot->port = (uint8_t)port;
	if (!xhci_port_of(s, c->slot)) {
		slot->port = 0;
		return CC_TRANSACTION;
	}
	cc = enable_ep(s, c->slot, 1, &ep0);
	if (cc != CC_SUCCESS)
		return cc;
	slot->state = block ? SLOT_DEFAULT : SLOT_ADDRESSED;
	usb_set_address(xhci_port_of(s, c->slot)->dev, block ? 0 : (uint8_t)c->slot);
	put_slot_state(s, c->slot, &in);
	return CC_SUCCESS;
}

/* How many contexts are valid, and whether the slot counts as configured. */
static void update_slot(struct xhci *s, unsigned slot)
{
	unsigned last = last_ep(s, slot);
	struct context c;

	xhci_slot(s, slot)->state = last > 1 ? SLOT_CONFIGURED : SLOT_ADDRESSED;
	if (!read_output(s, slot, 0, &c))
		return;
	c.w[0] = (c.w[0] & ~SLOT_ENTRIES) | last << 27;
	put_slot_state(s, slot, &c);
}

/* Section 4.6.6. */
static enum xhci_cc configure_ep(struct xhci *s, struct command *c)
{
	uint64_t input = c->trb.param & ~UINT64_C(0xf);
	struct context control, in;

	if (xhci_slot(s, c->slot)->state < SLOT_ADDRESSED)
		return CC_CONTEXT_STATE;
	if (c->trb.control & TRB_BSR) {
		disable_eps(s, c->slot, 2);
		update_slot(s, c->slot);
		return CC_SUCCESS;
	}
	if (!read_input(s, input, 0, &control))
		return CC_TRB;
	if (control.w[0] & 3 || (control.w[1] & 3) != 1)
		return CC_TRB;
	for (unsigned dci = 2; dci <= XHCI_EPS; dci++) {
		enum xhci_cc cc;

		if (control.w[0] >> dci & 1)
			disable_ep(s, c->slot, dci);
		if (!(control.w[1] >> dci & 1))
			continue;
		if (!read_input(s, input, dci + 1, &in))
			return CC_TRB;
		cc = enable_ep(s, c->slot, dci, &in);
		if (cc != CC_SUCCESS)
			return cc;
	}
	update_slot(s, c->slot);
	return CC_SUCCESS;
}

/* Section 4.6.7: latency, interrupter, greatest packet of endpoint 0. */
static enum xhci_cc evaluate_context(struct xhci *s, struct command *c)
{
	uint64_t input = c->trb.param & ~UINT64_C(0xf);
	struct context control, in, out;

	if (xhci_slot(s, c->slot)->state < SLOT_DEFAULT)
		return CC_CONTEXT_STATE;
	if (!read_input(s, input, 0, &control))
		return CC_TRB;
	if (control.w[0] || control.w[1] & ~3u)
		return CC_TRB;
	if (control.w[1] & 1) {
		if (!read_input(s, input, 1, &in) || !read_output(s, c->slot, 0, &out))
			return CC_TRB;
		out.w[1] = (out.w[1] & ~SLOT_LATENCY) | (in.w[1] & SLOT_LATENCY);
		out.w[2] = (out.w[2] & ~SLOT_INTR) | (in.w[2] & SLOT_INTR);
		write_output(s, c->slot, 0, &out);
	}
	if (control.w[1] & 2) {
		if (!read_input(s, input, 2, &in) || !read_output(s, c->slot, 1, &out))
			return CC_TRB;
		out.w[1] = (out.w[1] & ~EP_MAX_PACKET) | (in.w[1] & EP_MAX_PACKET);
		write_output(s, c->slot, 1, &out);
	}
	return CC_SUCCESS;
}

static enum xhci_cc reset_ep(struct xhci *s, struct command *c)
{
	unsigned dci = TRB_EP(c->trb.control);

	if (xhci_ep(s, c->slot, dci)->state != EP_HALTED)
		return CC_CONTEXT_STATE;
	xhci_ep(s, c->slot, dci)->state = EP_STOPPED;
	xhci_put_ep(s, c->slot, dci);
	return CC_SUCCESS;
}

static enum xhci_cc stop_ep(struct xhci *s, struct command *c)
{
	unsigned dci = TRB_EP(c->trb.control);

	if (xhci_ep(s, c->slot, dci)->state != EP_RUNNING)
		return CC_CONTEXT_STATE;
	xhci_stopped_event(s, c->slot, dci);
	xhci_ep(s, c->slot, dci)->state = EP_STOPPED;
	xhci_put_ep(s, c->slot, dci);
	return CC_SUCCESS;
}

static enum xhci_cc set_dequeue(struct xhci *s, struct command *c)
{
	unsigned dci = TRB_EP(c->trb.control);
	struct xhci_ep_hw *ep = xhci_ep(s, c->slot, dci);

	if (ep->state != EP_STOPPED && ep->state != EP_ERROR)
		return CC_CONTEXT_STATE;
	ep->dequeue = c->trb.param & EP_DEQUEUE_MASK;
	ep->cycle = c->trb.param & 1;
	ep->done = 0;
	ep->state = EP_STOPPED;
	xhci_put_ep(s, c->slot, dci);
	return CC_SUCCESS;
}

/* Section 4.6.11: the device was reset by its port; only endpoint 0 is left. */
static enum xhci_cc reset_device(struct xhci *s, struct command *c)
{
	struct xhci_slot_hw *slot = xhci_slot(s, c->slot);
	struct context out;

	if (slot->state < SLOT_ADDRESSED)
		return CC_CONTEXT_STATE;
	disable_eps(s, c->slot, 2);
	slot->state = SLOT_DEFAULT;
	if (!read_output(s, c->slot, 0, &out))
		return CC_TRB;
	out.w[0] = (out.w[0] & ~SLOT_ENTRIES) | 1u << 27;
	put_slot_state(s, c->slot, &out);
	return CC_SUCCESS;
}

static enum xhci_cc noop(struct xhci *s, struct command *c)
{
	return CC_SUCCESS;
}

#define NEEDS_SLOT 1
#define NEEDS_EP   2 /* and the slot */

static const struct {
	uint8_t type, needs;
	enum xhci_cc (*fn)(struct xhci *s, struct command *c);
} commands[] = {
	{TRB_ENABLE_SLOT, 0, enable_slot},
	{TRB_DISABLE_SLOT, NEEDS_SLOT, disable_slot},
	{TRB_ADDRESS_DEVICE, NEEDS_SLOT, address_device},
	{TRB_CONFIGURE_EP, NEEDS_SLOT, configure_ep},
	{TRB_EVALUATE_CONTEXT, NEEDS_SLOT, evaluate_context},
	{TRB_RESET_EP, NEEDS_EP, reset_ep},
	{TRB_STOP_EP, NEEDS_EP, stop_ep},
	{TRB_SET_DEQUEUE, NEEDS_EP, set_dequeue},
	{TRB_RESET_DEVICE, NEEDS_SLOT, reset_device},
	{TRB_NOOP_COMMAND, 0, noop},
};

static enum xhci_cc check(struct xhci *s, const struct command *c, unsigned needs)
{
	unsigned dci = TRB_EP(c->trb.control);

	if (!needs)
		return CC_SUCCESS;
	if (!c->slot || c->slot > XHCI_SLOTS || !xhci_slot(s, c->slot)->enabled)
		return CC_SLOT_NOT_ENABLED;
	if (needs == NEEDS_SLOT)
		return CC_SUCCESS;
	if (!dci)
		return CC_TRB;
	return xhci_ep(s, c->slot, dci)->state ? CC_SUCCESS : CC_EP_NOT_ENABLED;
}

static enum xhci_cc run_command(struct xhci *s, struct command *c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		enum xhci_cc cc;

		if (commands[i].type != TRB_TYPE(c->trb.control))
			continue;
		cc = check(s, c, commands[i].needs);
		return cc == CC_SUCCESS ? commands[i].fn(s, c) : cc;
	}
	return CC_TRB;
}

/* ---- the ring (section 4.6.1) ---- */

/* What NEC's and Renesas' chips answer to their own command: the version of their firmware. */
#define NEC_VERSION 0x3025

static void complete(struct xhci *s, uint64_t addr, unsigned slot, enum xhci_cc cc, unsigned type)
{
	uint32_t version = type == TRB_NEC_EVENT ? NEC_VERSION : 0;

	xhci_event(s, 0,
		(struct xhci_trb){.param = addr,
			.status = (uint32_t)cc << 24 | version,
			.control = TRB_MAKE(type) | slot << 24},
		false);
}

static void one_command(struct xhci *s, const struct xhci_trb *trb, uint64_t addr)
{
	struct command c = {.trb = *trb, .slot = TRB_SLOT(trb->control)};
	enum xhci_cc cc;

	if (s->nec && TRB_TYPE(trb->control) == TRB_NEC_FIRMWARE) {
		complete(s, addr, 0, CC_SUCCESS, TRB_NEC_EVENT);
		return;
	}
	cc = run_command(s, &c);
	complete(s, addr, c.slot, cc, TRB_COMMAND_EVENT);
}

void xhci_run_commands(struct xhci *s)
{
	for (unsigned i = 0; i < COMMANDS_MAX; i++) {
		uint64_t addr = s->hw.command;
		struct xhci_trb trb;

		if (!s->hw.command_running || !xhci_works(s) || !xhci_event_room(s, 0) ||
			!xhci_fetch(s, addr, &trb) || (trb.control & TRB_C) != s->hw.command_cycle)
			return;
		if (TRB_TYPE(trb.control) == TRB_LINK) {
			s->hw.command = trb.param & ~UINT64_C(0xf);
			s->hw.command_cycle ^= !!(trb.control & TRB_TC);
			continue;
		}
		s->hw.command += XHCI_TRB;
		one_command(s, &trb, addr);
	}
	s->command_due = true;
	loop_post(xhci_dev(s)->bus->loop, &s->call);
}

void xhci_stop_commands(struct xhci *s)
{
	if (!s->hw.command_running)
		return;
	s->hw.command_running = false;
	complete(s, s->hw.command, 0, CC_COMMAND_STOPPED, TRB_COMMAND_EVENT);
}
