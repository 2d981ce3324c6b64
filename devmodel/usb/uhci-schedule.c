/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UHCI: frame lists, queue heads and transfer descriptors; Design Guide 1.1, chapter 3.
 *
 * The wire gives each frame 1280 bytes; a guest's loops end when these are used up, when a round made no progress, or
 * after STEPS_MAX structures.
 */
#include "devmodel/usb/uhci.h"

#define LINK_T    0x1
#define LINK_Q    0x2
#define LINK_VF   0x4
#define LINK_ADDR 0xfffffff0u

#define TD_ACTLEN   0x7ffu
#define TD_TIMEOUT  (1u << 18)
#define TD_NAK      (1u << 19)
#define TD_BABBLE   (1u << 20)
#define TD_STALLED  (1u << 22)
#define TD_ACTIVE   (1u << 23)
#define TD_STATUS   0x00ff0000u
#define TD_IOC      (1u << 24)
#define TD_CERR     (3u << 27)
#define TD_SPD      (1u << 29)
#define TD_NO_BYTES 0x7ffu

#define FRAME_BYTES  1280 /* that a frame has room for */
#define FRAMES       1024
#define STEPS_MAX    512 /* queue heads and descriptors of a frame */
#define MARK_AFTER   16  /* steps before a ring of queue heads is looked for */
#define TD_BYTES_MAX 0x500
#define TD_SEGS      8

struct queue_head {
	uint32_t link, element;
};

struct transfer_descriptor {
	uint32_t link, status, token, buffer;
};

/* A frame while it is walked. */
struct walk {
	struct uhci *s;
	unsigned bytes; /* left */
	unsigned steps; /* left */
	uint8_t cause;  /* interrupts of completed descriptors, due at the end of the frame */
	bool progress, dead;
	/* A ring of queue heads is gone round again only if the last round moved something. */
	uint32_t mark;
	bool round_progress;
};

static struct dev *dev_of(struct uhci *s)
{
	return DEV(&s->hc.pci);
}

/* ---- the schedule in guest memory ---- */

static void die(struct walk *w, uint16_t why, const char *text)
{
	dev_guest_error(dev_of(w->s), "%s", text);
	w->s->hw.sts |= why;
	w->dead = true;
}

static bool fetch(struct walk *w, uint32_t addr, void *dst, size_t n)
{
	struct bus *b = dev_of(w->s)->bus;

	if (gmem_read(b->gmem, GPA(addr), dst, n) == 0)
		return true;
	die(w, UHCI_STS_HSE, "the schedule leaves memory");
	return false;
}

static bool store(struct walk *w, uint32_t addr, uint32_t value)
{
	struct bus *b = dev_of(w->s)->bus;

	if (gmem_write(b->gmem, GPA(addr), &value, sizeof(value)) == 0)
		return true;
	die(w, UHCI_STS_HSE, "the schedule leaves memory");
	return false;
}

/* ---- transfer descriptors (section 3.2) ---- */

static unsigned field_len(uint32_t field)
{
	return (field + 1) & TD_ACTLEN;
}

static struct usb_dev *find_device(struct uhci *s, uint8_t address)
{
	for (unsigned i = 0; i < UHCI_PORTS; i++) {
		struct usb_dev *u;

		if ((s->hw.port[i] & (UHCI_PORT_PE | UHCI_PORT_SUSPEND)) != UHCI_PORT_PE)
			continue;
		u = usb_port_find(&s->hc.host.ports[i], address);
		if (u)
			return u;
	}
	return NULL;
}

static enum usb_result transfer(
	struct walk *w, const struct transfer_descriptor *td, struct usb_transfer *t)
{
	struct usb_dev *u = find_device(w->s, td->token >> 8 & 0x7f);
	struct gmem *g = dev_of(w->s)->bus->gmem;
	unsigned n = field_len(td->token >> 21), used = 0;
	struct iovec segs[TD_SEGS];
	enum usb_result r;

	if (!u)
		return USB_GONE;
	t->pid = td->token & 0xff;
	t->ep = td->token >> 15 & USB_EP_NUM;
	/* A descriptor is one packet: a device sends no longer one. */
	if (t->pid == USB_PID_IN && usb_max_packet(u, t->ep | USB_EP_IN))
		n = MIN(n, usb_max_packet(u, t->ep | USB_EP_IN));
	if (giov_add_gpa(g, GPA(td->buffer), n, t->pid == USB_PID_IN, segs, TD_SEGS, &used) < 0) {
		die(w, UHCI_STS_HSE, "a buffer is not in memory");
		return USB_NAK;
	}
	t->data = giov_from_segs(segs, used, n);
	r = usb_transfer(u, t);
	if (t->pid == USB_PID_IN)
		gmem_dirty_mark(g, GPA(td->buffer), t->done);
	return r;
}

/* What the controller writes back, section 3.2.2. */
static uint32_t result_status(
	const struct transfer_descriptor *td, enum usb_result r, const struct usb_transfer *t)
{
	uint32_t status = td->status & ~(TD_STATUS | TD_ACTLEN);

	status |= (uint32_t)(t->done - 1) & TD_ACTLEN;
	switch (r) {
	case USB_NAK: return td->status | TD_NAK;
	case USB_STALL: return status | TD_STALLED;
	case USB_BABBLE: return status | TD_STALLED | TD_BABBLE;
	/* Three attempts in a row would end alike. */
	case USB_GONE: return (status & ~TD_CERR) | TD_STALLED | TD_TIMEOUT;
	default: return status;
	}
}

static bool valid_token(const struct transfer_descriptor *td)
{
	uint8_t pid = td->token & 0xff;
	uint32_t max = td->token >> 21;

	return (pid == USB_PID_IN || pid == USB_PID_OUT || pid == USB_PID_SETUP) &&
	       (max == TD_NO_BYTES || max < TD_BYTES_MAX);
}

enum td_end { TD_NEXT, TD_STAY };

/* Carries out one descriptor. TD_NEXT: its queue goes on with td->link. */
static enum td_end execute(struct walk *w, uint32_t addr, struct transfer_descriptor *td)
{
	struct usb_transfer t = {.done = 0};
	enum usb_result r;
	bool short_packet;

	if (!valid_token(td)) {
		die(w, UHCI_STS_HCPE, "a transfer descriptor's token is not valid");
		return TD_STAY;
	}
	r = transfer(w, td, &t);
	if (w->dead)
		return TD_STAY;
	td->status = result_status(td, r, &t);
	if (!store(w, addr + 4, td->status) || r == USB_NAK)
		return TD_STAY;
	w->progress = true;
	w->round_progress = true;
	w->bytes -= MIN(w->bytes, t.done + 1);
	if (td->status & TD_IOC)
		w->cause |= UHCI_INTR_IOC;
	if (td->status & TD_STALLED) {
		w->s->hw.sts |= UHCI_STS_ERROR;
		return TD_STAY;
	}
	short_packet = t.pid == USB_PID_IN && t.done < field_len(td->token >> 21);
	if (!short_packet || !(td->status & TD_SPD))
		return TD_NEXT;
	w->cause |= UHCI_INTR_SHORT;
	return TD_STAY;
}

/* Isochronous descriptors hang in the frame list itself: each has its one attempt in its frame. */
static uint32_t walk_single(struct walk *w, uint32_t addr)
{
	struct transfer_descriptor td;

	if (!fetch(w, addr, &td, sizeof(td)))
		return LINK_T;
	if (td.status & TD_ACTIVE)
		execute(w, addr, &td);
	return td.link;
}

/* A queue: descriptors from its element pointer on, while they succeed and say depth first. Returns its link. */
static uint32_t walk_queue(struct walk *w, uint32_t addr)
{
	struct transfer_descriptor td;
	struct queue_head qh;

	if (!fetch(w, addr, &qh, sizeof(qh)))
		return LINK_T;
	while (!(qh.element & (LINK_T | LINK_Q)) && w->steps && w->bytes) {
		w->steps--;
		if (!fetch(w, qh.element & LINK_ADDR, &td, sizeof(td)))
			return LINK_T;
		if (!(td.status & TD_ACTIVE) || execute(w, qh.element & LINK_ADDR, &td) == TD_STAY)
			break;
		qh.element = td.link;
		if (!store(w, addr + 4, qh.element) || !(td.link & LINK_VF))
			break;
	}
	/* A queue in a queue, section 3.4.2: the element is the next head. */
	if ((qh.element & (LINK_T | LINK_Q)) == LINK_Q)
		return qh.element;
	return qh.link;
}

/*
 * Full-speed bandwidth reclamation (section 3.1.2) makes the way along the queue heads a ring. Where we are after some steps
 * is the mark by which a round is counted; one without progress is the last of the frame.
 */
static bool ring_is_idle(struct walk *w, uint32_t link)
{
	if (!w->mark) {
		if (STEPS_MAX - w->steps >= MARK_AFTER) {
			w->mark = link;
			w->round_progress = false;
		}
		return false;
	}
	if (link != w->mark)
		return false;
	if (!w->round_progress)
		return true;
	w->round_progress = false;
	return false;
}

bool uhci_walk_frame(struct uhci *s)
{
	struct walk w = {.s = s, .bytes = FRAME_BYTES, .steps = STEPS_MAX};
	uint32_t link;

	if (!fetch(&w, s->hw.flbase + (s->hw.frnum & (FRAMES - 1)) * 4, &link, sizeof(link)))
		link = LINK_T;
	while (!(link & LINK_T) && !w.dead && w.steps && w.bytes && !ring_is_idle(&w, link)) {
		w.steps--;
		if (link & LINK_Q)
			link = walk_queue(&w, link & LINK_ADDR);
		else
			link = walk_single(&w, link & LINK_ADDR);
	}
	if (w.cause) {
		s->hw.cause |= w.cause;
		s->hw.sts |= UHCI_STS_INT;
	}
	s->hw.quiet = w.progress ? 0 : MIN(s->hw.quiet + 1, UHCI_IDLE_AFTER);
	return !w.dead;
}
