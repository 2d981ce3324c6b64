/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xHCI: transfer rings, sections 3.2.8 to 3.2.10 and 4.10 to 4.11.
 *
 * A transfer descriptor is read whole, executed on the wire from where it had come, and read again when its device wakes up: what
 * lies between is only its place on the ring and the bytes that have passed.
 */
#include <string.h>

#include "devmodel/usb/xhci.h"

#define TDS_MAX 256 /* of an endpoint in one turn of the loop */

void xhci_kick(struct xhci *s, unsigned slot, unsigned dci)
{
	s->due[slot - 1] |= 1u << dci;
	loop_post(xhci_dev(s)->bus->loop, &s->call);
}

void xhci_kick_all(struct xhci *s)
{
	s->command_due = true;
	for (unsigned n = 0; n < XHCI_SLOTS; n++)
		s->due[n] = UINT32_MAX;
	loop_post(xhci_dev(s)->bus->loop, &s->call);
}

/* ---- reading a transfer descriptor ---- */

struct ring {
	uint64_t addr;
	bool cycle;
};

/*
 * The TRBs from @at up to the first without chain bit into s->td; links are followed and left out. False: it is not complete
 * yet, or there is no memory, or (*ret_bad) it is longer than any that makes sense.
 */
static bool read_td(struct xhci *s, struct ring *at, bool *ret_bad)
{
	unsigned links = 0;

	*ret_bad = false;
	s->td_trbs = 0;
	for (;;) {
		struct xhci_trb trb;

		if (!xhci_fetch(s, at->addr, &trb) || (trb.control & TRB_C) != at->cycle)
			return false;
		if (TRB_TYPE(trb.control) == TRB_LINK) {
			at->cycle ^= !!(trb.control & TRB_TC);
			at->addr = trb.param & ~UINT64_C(0xf);
			*ret_bad = ++links > XHCI_TD_TRBS;
		} else {
			*ret_bad = s->td_trbs == XHCI_TD_TRBS;
			if (!*ret_bad)
				s->td[s->td_trbs++] = (struct xhci_td_trb){trb, at->addr};
			at->addr += XHCI_TRB;
			if (!(trb.control & TRB_CH))
				return !*ret_bad;
		}
		if (*ret_bad)
			return false;
	}
}

static bool has_data(const struct xhci_trb *t)
{
	unsigned type = TRB_TYPE(t->control);

	return type == TRB_NORMAL || type == TRB_DATA || type == TRB_ISOCH || type == TRB_SETUP;
}

static uint32_t data_len(const struct xhci_trb *t)
{
	return has_data(t) ? TRB_LEN(t->status) : 0;
}

/* Which kind of stage or data a descriptor is; 0: none that we know. */
static unsigned td_type(const struct xhci *s)
{
	for (unsigned i = 0; i < s->td_trbs; i++) {
		unsigned type = TRB_TYPE(s->td[i].trb.control);

		if (type != TRB_EVENT_DATA && type != TRB_NOOP)
			return type;
	}
	return TRB_NOOP;
}

static enum usb_pid td_pid(const struct xhci *s, unsigned type, unsigned dci)
{
	bool in = dci & 1;

	if (type == TRB_SETUP)
		return USB_PID_SETUP;
	if (type == TRB_DATA || type == TRB_STATUS)
		in = s->td[0].trb.control & TRB_DIR_IN;
	return in ? USB_PID_IN : USB_PID_OUT;
}

/*
 * What of the payload comes after @skip bytes, as segments of guest memory. Immediate data are eight bytes in the TRB itself,
 * of which s->td has the copy.
 */
static bool gather(struct xhci *s, size_t skip, bool to_guest, struct giov *ret)
{
	struct gmem *g = xhci_dev(s)->bus->gmem;
	unsigned used = 0;
	size_t size = 0;

	for (unsigned i = 0; i < s->td_trbs; i++) {
		struct xhci_trb *t = &s->td[i].trb;
		uint32_t len = data_len(t), off = (uint32_t)MIN(skip, len);

		skip -= off;
		len -= off;
		if (!len)
			continue;
		if (!(t->control & TRB_IDT)) {
			if (giov_add_gpa(g, GPA(t->param + off), len, to_guest, s->segs,
				    XHCI_TD_SEGS, &used) < 0)
				return false;
		} else if (to_guest || off + len > sizeof(t->param) || used == XHCI_TD_SEGS) {
			return false;
		} else {
			giov_from_buf(&s->segs[used++], (uint8_t *)&t->param + off, len);
		}
		size += len;
	}
	*ret = giov_from_segs(s->segs, used, size);
	return true;
}

static void mark_dirty(struct xhci *s, size_t from, size_t to)
{
	size_t at = 0;

	for (unsigned i = 0; i < s->td_trbs; i++) {
		const struct xhci_trb *t = &s->td[i].trb;
		size_t len = data_len(t), lo = MAX(at, from), hi = MIN(at + len, to);

		if (lo < hi)
			gmem_dirty_mark(xhci_dev(s)->bus->gmem, GPA(t->param + (lo - at)), hi - lo);
		at += len;
	}
}

/* ---- events (section 4.10.1 and 4.11.5) ---- */

struct report {
	struct xhci *s;
	unsigned slot, dci;
};

static void transfer_event(
	const struct report *r, const struct xhci_td_trb *at, enum xhci_cc cc, uint32_t left)
{
	xhci_event(r->s, TRB_INTR(at->trb.status),
		(struct xhci_trb){.param = at->addr,
			.status = left | (uint32_t)cc << 24,
			.control = TRB_MAKE(TRB_TRANSFER_EVENT) | r->dci << 16 | r->slot << 24},
		at->trb.control & TRB_BEI);
}

static void event_data(
	const struct report *r, const struct xhci_td_trb *at, enum xhci_cc cc, uint32_t passed)
{
	xhci_event(r->s, TRB_INTR(at->trb.status),
		(struct xhci_trb){.param = at->trb.param,
			.status = (passed & 0xffffff) | (uint32_t)cc << 24,
			.control = TRB_MAKE(TRB_TRANSFER_EVENT) | TRB_EVENT_ED | r->dci << 16 |
				   r->slot << 24},
		at->trb.control & TRB_BEI);
}

/*
 * Of a descriptor that ended with @cc after @done bytes. A short packet is told where it came, or at the next TRB that asks for an
 * event; any other end but success always, at the TRB it came in.
 */
static void report_td(const struct report *r, enum xhci_cc cc, size_t done)
{
	const struct xhci *s = r->s;
	bool ended = false, told = false;
	uint32_t passed = 0;

	for (unsigned i = 0; i < s->td_trbs; i++) {
		const struct xhci_td_trb *at = &s->td[i];
		uint32_t len = data_len(&at->trb), n = (uint32_t)MIN(len, done);
		bool wants = at->trb.control & TRB_IOC;

		done -= n;
		passed += n;
		if (TRB_TYPE(at->trb.control) == TRB_EVENT_DATA) {
			if (wants)
				event_data(r, at, cc, passed);
			passed = 0;
			continue;
		}
		if (cc != CC_SUCCESS && !ended) {
			ended = n < len || i + 1 == s->td_trbs;
			if (ended)
				wants |= cc != CC_SHORT || at->trb.control & TRB_ISP;
		}
		if (!wants || told)
			continue;
		transfer_event(r, at, ended ? cc : CC_SUCCESS, len - n);
		told = ended;
		if (ended && cc != CC_SHORT)
			return;
	}
}

/* ---- executing ---- */

static enum xhci_cc code_of(enum usb_result r)
{
	switch (r) {
	case USB_ACK: return CC_SUCCESS;
	case USB_SHORT: return CC_SHORT;
	case USB_STALL: return CC_STALL;
	case USB_BABBLE: return CC_BABBLE;
	default: return CC_TRANSACTION;
	}
}

/* CC_INVALID: it waits. */
static enum xhci_cc execute(struct xhci *s, unsigned slot, unsigned dci)
{
	struct xhci_ep_hw *ep = xhci_ep(s, slot, dci);
	struct usb_port *port = xhci_port_of(s, slot);
	unsigned type = td_type(s);
	struct usb_transfer t = {.pid = td_pid(s, type, dci), .ep = (uint8_t)(dci / 2)};
	enum usb_result r;

	if (type == TRB_NOOP)
		return CC_SUCCESS;
	if (type > TRB_ISOCH || (dci != 1) != (type == TRB_NORMAL || type == TRB_ISOCH))
		return CC_TRB;
	if (!port)
		return CC_TRANSACTION;
	if (!gather(s, ep->done, t.pid == USB_PID_IN, &t.data))
		return CC_TRB;
	r = usb_transfer(port->dev, &t);
	if (t.pid == USB_PID_IN)
		mark_dirty(s, ep->done, ep->done + t.done);
	ep->done += (uint32_t)t.done;
	return r == USB_NAK ? CC_INVALID : code_of(r);
}

static void set_state(struct xhci *s, unsigned slot, unsigned dci, enum xhci_ep_state state)
{
	xhci_ep(s, slot, dci)->state = (uint8_t)state;
	xhci_put_ep(s, slot, dci);
}

/* False: the endpoint has nothing more to do for now. */
static bool run_td(struct xhci *s, unsigned slot, unsigned dci)
{
	struct xhci_ep_hw *ep = xhci_ep(s, slot, dci);
	struct ring at = {ep->dequeue, ep->cycle};
	const struct report r = {s, slot, dci};
	enum xhci_cc cc;
	bool bad;

	if (!read_td(s, &at, &bad)) {
		if (bad) {
			dev_guest_error(xhci_dev(s), "a transfer descriptor has no end");
			set_state(s, slot, dci, EP_ERROR);
		}
		return false;
	}
	if (!xhci_event_room(s, TRB_INTR(s->td[s->td_trbs - 1].trb.status)))
		return false;
	cc = execute(s, slot, dci);
	if (cc == CC_INVALID)
		return false;
	report_td(&r, cc, ep->done);
	if (cc != CC_SUCCESS && cc != CC_SHORT) {
		set_state(s, slot, dci, cc == CC_TRB ? EP_ERROR : EP_HALTED);
		return false;
	}
	ep->dequeue = at.addr;
	ep->cycle = at.cycle;
	ep->done = 0;
	return true;
}

void xhci_run_ep(struct xhci *s, unsigned slot, unsigned dci)
{
	for (unsigned i = 0; i < TDS_MAX; i++) {
		if (!xhci_works(s) || !xhci_slot(s, slot)->enabled ||
			xhci_ep(s, slot, dci)->state != EP_RUNNING || !run_td(s, slot, dci))
			return;
	}
	xhci_kick(s, slot, dci);
}

/* Section 4.6.9: of a descriptor that was begun, or waits on the wire. */
void xhci_stopped_event(struct xhci *s, unsigned slot, unsigned dci)
{
	const struct xhci_ep_hw *ep = xhci_ep(s, slot, dci);
	struct ring at = {ep->dequeue, ep->cycle};
	const struct report r = {s, slot, dci};
	size_t done = ep->done;
	bool bad;

	if (!read_td(s, &at, &bad))
		return;
	for (unsigned i = 0; i < s->td_trbs; i++) {
		uint32_t len = data_len(&s->td[i].trb), n = (uint32_t)MIN(len, done);

		done -= n;
		if (n < len || i + 1 == s->td_trbs) {
			transfer_event(&r, &s->td[i], CC_STOPPED, len - n);
			return;
		}
	}
}
