/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xHCI: guest memory, event rings (section 4.9.4) and interrupters (sections 4.17 and 5.5.2). */
#include <string.h>

#include "devmodel/usb/xhci.h"

/* ---- memory ---- */

void xhci_die(struct xhci *s, const char *why)
{
	dev_guest_error(xhci_dev(s), "%s", why);
	s->hw.usbcmd &= ~XHCI_CMD_RS;
	s->hw.usbsts |= XHCI_STS_HCE | XHCI_STS_HCH;
	s->hw.command_running = false;
}

bool xhci_read(struct xhci *s, uint64_t addr, void *dst, size_t n)
{
	if (gmem_read(xhci_dev(s)->bus->gmem, GPA(addr), dst, n) == 0)
		return true;
	xhci_die(s, "a ring or context is not in memory");
	return false;
}

bool xhci_write(struct xhci *s, uint64_t addr, const void *src, size_t n)
{
	if (gmem_write(xhci_dev(s)->bus->gmem, GPA(addr), src, n) == 0)
		return true;
	xhci_die(s, "an event ring or output context is not in memory");
	return false;
}

bool xhci_works(struct xhci *s)
{
	return s->hw.usbcmd & XHCI_CMD_RS && !(s->hw.usbsts & XHCI_STS_HCE) && !s->quiesced &&
	       pci_may_dma(&s->hc.pci);
}

bool xhci_fetch(struct xhci *s, uint64_t addr, struct xhci_trb *trb)
{
	return xhci_read(s, addr, trb, sizeof(*trb));
}

/* ---- interrupts ---- */

void xhci_update_irq(struct xhci *s)
{
	const struct xhci_intr_hw *i = &s->hw.intrs[0];
	const uint32_t both = XHCI_IMAN_IP | XHCI_IMAN_IE;

	pci_intx_set(&s->hc.pci, (i->iman & both) == both && s->hw.usbcmd & XHCI_CMD_INTE &&
					 !pci_msix_enabled(&s->hc.pci));
}

/* One interrupt until the handler has moved the dequeue pointer and cleared EHB. */
static void interrupt(struct xhci *s, unsigned n)
{
	struct xhci_intr_hw *i = &s->hw.intrs[n];
	bool busy = i->erdp & XHCI_ERDP_EHB;

	i->erdp |= XHCI_ERDP_EHB;
	i->iman |= XHCI_IMAN_IP;
	s->hw.usbsts |= XHCI_STS_EINT;
	if (!busy && i->iman & XHCI_IMAN_IE && s->hw.usbcmd & XHCI_CMD_INTE &&
		pci_msix_enabled(&s->hc.pci)) {
		i->iman &= ~XHCI_IMAN_IP;
		pci_msix_raise(&s->hc.pci, n);
	}
	xhci_update_irq(s);
}

/* ---- event rings ---- */

/* Entry of the event ring segment table, section 6.5. */
struct erst_entry {
	uint64_t base;
	uint32_t size, reserved;
};

#define SEGMENT_MIN 16
#define SEGMENT_MAX 4096

static bool get_segment(struct xhci *s, const struct xhci_intr_hw *i, uint32_t n,
	uint64_t *ret_base, uint32_t *ret_size)
{
	struct erst_entry e;

	if (!xhci_read(s, i->erstba + n * sizeof(e), &e, sizeof(e)))
		return false;
	*ret_base = e.base & ~UINT64_C(0x3f);
	*ret_size = e.size & 0xffff;
	if (*ret_size >= SEGMENT_MIN && *ret_size <= SEGMENT_MAX)
		return true;
	xhci_die(s, "a segment of an event ring has a size that is not allowed");
	return false;
}

static uint32_t segments(const struct xhci_intr_hw *i)
{
	return MIN(i->erstsz, XHCI_ERST_MAX);
}

/* Moves a copy of the enqueue position on by one. */
static bool advance(struct xhci *s, struct xhci_intr_hw *i)
{
	i->enqueue += XHCI_TRB;
	if (--i->left)
		return true;
	if (++i->segment >= segments(i)) {
		i->segment = 0;
		i->cycle = !i->cycle;
	}
	return get_segment(s, i, i->segment, &i->enqueue, &i->left);
}

static uint64_t dequeue(const struct xhci_intr_hw *i)
{
	return i->erdp & ~UINT64_C(0xf);
}

bool xhci_event_room(struct xhci *s, unsigned n)
{
	struct xhci_intr_hw after = s->hw.intrs[n % XHCI_INTRS];

	if (!after.ready)
		return true; /* events go nowhere: there is room for any number */
	for (unsigned i = 0; i < 2; i++) {
		if (advance(s, &after) && after.enqueue != dequeue(&after))
			continue;
		s->starved = true;
		return false;
	}
	return true;
}

static void put_event(struct xhci *s, struct xhci_intr_hw *i, struct xhci_trb trb)
{
	struct xhci_intr_hw after = *i;

	trb.control |= i->cycle;
	if (xhci_write(s, i->enqueue, &trb, sizeof(trb)) && advance(s, &after)) {
		i->enqueue = after.enqueue;
		i->left = after.left;
		i->segment = after.segment;
		i->cycle = after.cycle;
	}
}

void xhci_event(struct xhci *s, unsigned n, struct xhci_trb trb, bool block)
{
	struct xhci_intr_hw *i = &s->hw.intrs[n % XHCI_INTRS], after = *i;

	if (!i->ready || !advance(s, &after))
		return;
	/* The last place is for saying that there are no more. */
	if (after.enqueue == dequeue(i)) {
		dev_guest_error(xhci_dev(s), "event ring %u is full", n);
		return;
	}
	if (!xhci_event_room(s, n))
		trb = (struct xhci_trb){.status = (uint32_t)CC_RING_FULL << 24,
			.control = TRB_MAKE(TRB_HOST_EVENT)};
	put_event(s, i, trb);
	if (!block)
		interrupt(s, n % XHCI_INTRS);
}

void xhci_port_events(struct xhci *s)
{
	while (s->hw.port_events && xhci_works(s) && xhci_event_room(s, 0)) {
		unsigned n = (unsigned)__builtin_ctz(s->hw.port_events);

		s->hw.port_events &= ~(1u << n);
		s->hw.usbsts |= XHCI_STS_PCD;
		xhci_event(s, 0,
			(struct xhci_trb){.param = (uint64_t)(n + 1) << 24,
				.status = (uint32_t)CC_SUCCESS << 24,
				.control = TRB_MAKE(TRB_PORT_EVENT)},
			false);
	}
}

/* ---- registers (section 5.5.2) ---- */

enum { IMAN = 0x00, IMOD = 0x04, ERSTSZ = 0x08, ERSTBA = 0x10, ERDP = 0x18, INTR_SIZE = 0x20 };

uint32_t xhci_intr_read(struct xhci *s, uint32_t offset)
{
	const struct xhci_intr_hw *i = &s->hw.intrs[offset / INTR_SIZE];

	switch (offset % INTR_SIZE) {
	case IMAN: return i->iman;
	case IMOD: return i->imod;
	case ERSTSZ: return i->erstsz;
	case ERSTBA: return (uint32_t)i->erstba;
	case ERSTBA + 4: return (uint32_t)(i->erstba >> 32);
	case ERDP: return (uint32_t)i->erdp;
	case ERDP + 4: return (uint32_t)(i->erdp >> 32);
	default: return 0;
	}
}

/* Section 4.9.4: writing the base starts the ring at its first segment, with cycle bit 1. */
static void start_ring(struct xhci *s, struct xhci_intr_hw *i)
{
	i->ready = i->erstsz && get_segment(s, i, 0, &i->enqueue, &i->left);
	i->segment = 0;
	i->cycle = true;
}

static void write_erdp(struct xhci *s, unsigned n, uint32_t v)
{
	struct xhci_intr_hw *i = &s->hw.intrs[n];
	uint64_t busy = i->erdp & XHCI_ERDP_EHB & ~v;

	i->erdp = (i->erdp & ~UINT64_C(0xffffffff)) | (v & ~XHCI_ERDP_EHB) | busy;
	/* What came while the handler was at it. */
	if (v & XHCI_ERDP_EHB && i->ready && i->enqueue != dequeue(i))
		interrupt(s, n);
	if (s->starved)
		xhci_kick_all(s);
	s->starved = false;
}

static void write_iman(struct xhci *s, unsigned n, uint32_t v)
{
	struct xhci_intr_hw *i = &s->hw.intrs[n];
	bool was_on = i->iman & XHCI_IMAN_IE;

	i->iman &= ~(v & XHCI_IMAN_IP);
	i->iman = (i->iman & XHCI_IMAN_IP) | (v & XHCI_IMAN_IE);
	/* An interrupt that waited for its being enabled. */
	if (!was_on && i->iman & XHCI_IMAN_IE && i->iman & XHCI_IMAN_IP &&
		s->hw.usbcmd & XHCI_CMD_INTE && pci_msix_enabled(&s->hc.pci)) {
		i->iman &= ~XHCI_IMAN_IP;
		pci_msix_raise(&s->hc.pci, n);
	}
}

static uint64_t with_low(uint64_t old, uint32_t v)
{
	return (old & ~UINT64_C(0xffffffff)) | v;
}

static uint64_t with_high(uint64_t old, uint32_t v)
{
	return (uint32_t)old | (uint64_t)v << 32;
}

void xhci_intr_write(struct xhci *s, uint32_t offset, uint32_t v)
{
	unsigned n = offset / INTR_SIZE;
	struct xhci_intr_hw *i = &s->hw.intrs[n];

	switch (offset % INTR_SIZE) {
	case IMAN: write_iman(s, n, v); break;
	case IMOD: i->imod = v; break;
	case ERSTSZ: i->erstsz = v & 0xffff; break;
	case ERSTBA: i->erstba = with_low(i->erstba, v & ~0x3fu); break;
	case ERSTBA + 4:
		i->erstba = with_high(i->erstba, v);
		start_ring(s, i);
		break;
	case ERDP: write_erdp(s, n, v); break;
	case ERDP + 4: i->erdp = with_high(i->erdp, v); break;
	}
	xhci_update_irq(s);
}
