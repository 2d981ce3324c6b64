/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xhci.c - the xHCI controller's registers, ports and life. eXtensible Host Controller Interface 1.0, chapter 5.
 *
 *	0x0000 capability registers, supported protocols
 *	0x0040 operational registers, ports from 0x0440 on: first those of USB 2, then of USB 3
 *	0x1000 runtime registers: interrupters
 *	0x2000 doorbells
 *	0x3000 MSI-X table, 0x3800 pending bits
 *
 * Not there: streams, isochronous transfers (no device of ours has such an endpoint), hubs below the ports, bandwidth.
 */
#include <errno.h>

#include "base/qs.h"
#include "devmodel/pci/express.h"
#include "devmodel/usb/xhci.h"

#define CAP_LENGTH   0x40u
#define OPER         CAP_LENGTH
#define PORTS        0x440u
#define PORT_SIZE    0x10u
#define RUNTIME      0x1000u
#define INTERRUPTERS (RUNTIME + 0x20)
#define DOORBELLS    0x2000u
#define MSIX_TABLE   0x3000u
#define MSIX_PBA     0x3800u
#define REGS_SIZE    0x4000u

/* Configuration space, section 5.2: two registers at fixed places, capabilities behind them. */
#define SBRN      0x60
#define FLADJ     0x61
#define CAPS_FROM 0x68

/* Operational registers, section 5.4. */
enum {
	USBCMD = 0x00,
	USBSTS = 0x04,
	PAGESIZE = 0x08,
	DNCTRL = 0x14,
	CRCR = 0x18,
	DCBAAP = 0x30,
	CONFIG = 0x38,
};

#define CMD_HCRST 0x0002u
#define CMD_CRS   0x0200u
#define CMD_MASK  0x0c0du /* what is kept: EU3S, EWE, HSEE, INTE, RS */
#define STS_W1C   (0x0004u | XHCI_STS_EINT | XHCI_STS_PCD | XHCI_STS_SRE)
#define STS_MASK  (STS_W1C | XHCI_STS_HCH | XHCI_STS_HCE)

#define CRCR_RCS 0x1u
#define CRCR_CS  0x2u
#define CRCR_CA  0x4u
#define CRCR_CRR 0x8u

/* Section 5.4.8. */
#define PORTSC_CCS       0x00000001u
#define PORTSC_PED       0x00000002u
#define PORTSC_PR        0x00000010u
#define PORTSC_PLS_SHIFT 5
#define PORTSC_PLS       0x000001e0u
#define PORTSC_PP        0x00000200u
#define PORTSC_SPEED     0x00003c00u
#define PORTSC_PIC       0x0000c000u
#define PORTSC_LWS       0x00010000u
#define PORTSC_CSC       0x00020000u
#define PORTSC_PEC       0x00040000u
#define PORTSC_WRC       0x00080000u
#define PORTSC_PRC       0x00200000u
#define PORTSC_PLC       0x00400000u
#define PORTSC_CHANGES   0x00fe0000u
#define PORTSC_KEPT      (0x0e000000u | PORTSC_PIC) /* wake on …, indicator */
#define PORTSC_WPR       0x80000000u

enum { PLS_U0 = 0, PLS_U3 = 3, PLS_RX_DETECT = 5, PLS_POLLING = 7, PLS_RESUME = 15 };

#define MFINDEX_NS   125000
#define MFINDEX_MASK 0x3fff

/* What comes from the main loop, not from a register, has to say itself that it will look at guest memory. */
static void lock(struct xhci *s)
{
	qs_enter();
	dev_lock(xhci_dev(s));
}

static void unlock(struct xhci *s)
{
	dev_unlock(xhci_dev(s));
	qs_leave();
}

/* ---- ports (section 4.19) ---- */

static unsigned n_ports(const struct xhci *s)
{
	return s->hc.host.n_ports;
}

static bool is_usb3(const struct usb_port *p)
{
	return p->speeds & 1u << USB_SUPER;
}

/* Sets change bits, which are told unless they had been. */
static void port_changed(struct xhci *s, unsigned n, uint32_t bits)
{
	uint32_t *portsc = &s->hw.ports[n].portsc;

	if ((*portsc & bits) == bits)
		return;
	*portsc |= bits;
	s->hw.port_events |= 1u << n;
	xhci_port_events(s);
}

static void set_pls(struct xhci *s, unsigned n, unsigned pls)
{
	uint32_t *portsc = &s->hw.ports[n].portsc;

	*portsc = (*portsc & ~PORTSC_PLS) | pls << PORTSC_PLS_SHIFT;
}

static unsigned get_pls(const struct xhci *s, unsigned n)
{
	return (s->hw.ports[n].portsc & PORTSC_PLS) >> PORTSC_PLS_SHIFT;
}

/* Protocol speed ID, section 7.2.2.1.1. */
static uint32_t speed_id(enum usb_speed speed)
{
	static const uint8_t ids[USB_SPEEDS] = {
		[USB_LOW] = 2, [USB_FULL] = 1, [USB_HIGH] = 3, [USB_SUPER] = 4};

	return ids[speed];
}

/* What is plugged shows in the connect bits; a SuperSpeed link trains by itself, USB 2 waits for a reset. */
static void connect_port(struct xhci *s, unsigned n)
{
	const struct usb_port *port = &s->hc.host.ports[n];
	uint32_t *portsc = &s->hw.ports[n].portsc;

	*portsc &= ~(PORTSC_CCS | PORTSC_PED | PORTSC_PLS | PORTSC_SPEED | PORTSC_PR);
	*portsc |= PORTSC_PP;
	if (!port->dev) {
		set_pls(s, n, PLS_RX_DETECT);
		return;
	}
	*portsc |= PORTSC_CCS | speed_id(port->dev->speed) << 10;
	if (is_usb3(port))
		*portsc |= PORTSC_PED;
	else
		set_pls(s, n, PLS_POLLING);
}

static bool connection_is_true(const struct xhci *s, unsigned n)
{
	return !s->hc.host.ports[n].dev == !(s->hw.ports[n].portsc & PORTSC_CCS);
}

/* The device of a port goes with all that its slot was doing. */
static void host_changed(struct usb_host *h, struct usb_port *port)
{
	struct xhci *s = container_of(h, struct xhci, hc.host);
	unsigned n = (unsigned)(port - h->ports);

	lock(s);
	if (!connection_is_true(s, n)) {
		bool was_enabled = s->hw.ports[n].portsc & PORTSC_PED;

		connect_port(s, n);
		port_changed(s, n, PORTSC_CSC | (was_enabled && !port->dev ? PORTSC_PEC : 0));
		xhci_kick_all(s);
	}
	unlock(s);
}

static void host_wakeup(struct usb_host *h, struct usb_port *port, uint8_t address)
{
	struct xhci *s = container_of(h, struct xhci, hc.host);
	unsigned n = (unsigned)(port - h->ports), slot;

	lock(s);
	if (get_pls(s, n) == PLS_U3) {
		if (port->dev->usb_hw.remote_wakeup) {
			set_pls(s, n, PLS_RESUME);
			port_changed(s, n, PORTSC_PLC);
		}
	} else {
		slot = xhci_slot_of_port(s, n + 1);
		if (slot)
			xhci_run_ep(s, slot,
				2 * (address & USB_EP_NUM) + (address & USB_EP_IN ? 1 : 0));
	}
	unlock(s);
}

static const struct usb_host_ops host_ops = {.wakeup = host_wakeup, .changed = host_changed};

struct usb_port *xhci_port_of(struct xhci *s, unsigned slot)
{
	unsigned port = xhci_slot(s, slot)->port;
	uint32_t portsc;

	if (!port || port > n_ports(s) || !s->hc.host.ports[port - 1].dev)
		return NULL;
	portsc = s->hw.ports[port - 1].portsc;
	if (!(portsc & PORTSC_PED) || (portsc & PORTSC_PLS) >> PORTSC_PLS_SHIFT == PLS_U3)
		return NULL;
	return &s->hc.host.ports[port - 1];
}

static void reset_port(struct xhci *s, unsigned n, bool warm)
{
	struct usb_port *port = &s->hc.host.ports[n];

	if (!port->dev)
		return;
	usb_port_reset(port);
	set_pls(s, n, PLS_U0);
	s->hw.ports[n].portsc |= PORTSC_PED;
	port_changed(s, n, PORTSC_PRC | (warm ? PORTSC_WRC : 0));
}

/* Section 4.15 and 5.4.8: of link states, software asks for U0, U3 and resume. */
static void write_pls(struct xhci *s, unsigned n, unsigned pls)
{
	unsigned old = get_pls(s, n);

	if (!(s->hw.ports[n].portsc & PORTSC_PED))
		return;
	if (pls == PLS_U3 && old < PLS_U3) {
		set_pls(s, n, pls);
	} else if (pls == PLS_RESUME && old == PLS_U3) {
		set_pls(s, n, pls);
	} else if (pls == PLS_U0 && old != PLS_U0) {
		set_pls(s, n, pls);
		port_changed(s, n, PORTSC_PLC);
		xhci_kick_all(s);
	}
}

static void write_portsc(struct xhci *s, unsigned n, uint32_t v)
{
	uint32_t *portsc = &s->hw.ports[n].portsc;
	bool usb3 = is_usb3(&s->hc.host.ports[n]);

	*portsc &= ~(v & PORTSC_CHANGES);
	*portsc = (*portsc & ~PORTSC_KEPT) | (v & PORTSC_KEPT);
	if (v & PORTSC_PR || (usb3 && v & PORTSC_WPR)) {
		reset_port(s, n, usb3 && v & PORTSC_WPR);
		return;
	}
	if (v & PORTSC_PED)
		*portsc &= ~PORTSC_PED;
	if (v & PORTSC_LWS)
		write_pls(s, n, (v & PORTSC_PLS) >> PORTSC_PLS_SHIFT);
}

static uint32_t port_read(struct xhci *s, uint32_t offset)
{
	const struct xhci_port_hw *p = &s->hw.ports[offset / PORT_SIZE];

	switch (offset % PORT_SIZE) {
	case 0: return p->portsc;
	case 4: return p->portpmsc;
	default: return 0;
	}
}

static void port_write(struct xhci *s, uint32_t offset, uint32_t v)
{
	unsigned n = offset / PORT_SIZE;

	switch (offset % PORT_SIZE) {
	case 0: write_portsc(s, n, v); break;
	case 4:
		s->hw.ports[n].portpmsc = v & (is_usb3(&s->hc.host.ports[n]) ? 0x1ffff : 0xfff8);
		break;
	}
}

/* ---- capability registers (section 5.3) and protocols (section 7.2) ---- */

#define EXT_USB2 0x20
#define EXT_USB3 0x30

static uint32_t protocol_ports(unsigned first, unsigned n)
{
	return n ? first | n << 8 : 0;
}

static uint32_t cap_read(struct xhci *s, uint32_t offset)
{
	switch (offset) {
	case 0x00: return CAP_LENGTH | 0x0100u << 16;
	case 0x04: return XHCI_SLOTS | XHCI_INTRS << 8 | n_ports(s) << 24;
	case 0x08: return (uint32_t)__builtin_ctz(XHCI_ERST_MAX) << 4 | 0xf; /* IST */
	case 0x10: return EXT_USB2 / 4 << 16 | 1; /* 64-bit addresses, 32-byte contexts */
	case 0x14: return DOORBELLS;
	case 0x18: return RUNTIME;
	case EXT_USB2: return 2 | (EXT_USB3 - EXT_USB2) / 4 << 8 | 0x0200u << 16;
	case EXT_USB3: return 2 | 0x0300u << 16;
	case EXT_USB2 + 4:
	case EXT_USB3 + 4: return 0x20425355; /* "USB " */
	case EXT_USB2 + 8: return protocol_ports(1, s->p2);
	case EXT_USB3 + 8: return protocol_ports(1 + s->p2, s->p3);
	default: return 0;
	}
}

/* ---- operational registers ---- */

static void reset_controller(struct xhci *s)
{
	s->hw = (struct xhci_hw){.usbsts = XHCI_STS_HCH};
	s->command_due = false;
	for (unsigned n = 0; n < XHCI_SLOTS; n++)
		s->due[n] = 0;
	for (unsigned n = 0; n < XHCI_INTRS; n++)
		s->hw.intrs[n].imod = 4000;
	for (unsigned n = 0; n < n_ports(s); n++) {
		connect_port(s, n);
		usb_port_reset(&s->hc.host.ports[n]);
		if (s->hc.host.ports[n].dev)
			port_changed(s, n, PORTSC_CSC);
	}
	xhci_update_irq(s);
}

static uint64_t now(struct xhci *s)
{
	return (uint64_t)dev_clock(xhci_dev(s), VM_CLOCK_VIRTUAL);
}

/* Saving and restoring of the controller's own state (sections 4.23.2): it is lost over a suspend, and says so. */
static void write_usbcmd(struct xhci *s, uint32_t v)
{
	bool ran = s->hw.usbcmd & XHCI_CMD_RS;

	if (v & CMD_HCRST) {
		reset_controller(s);
		return;
	}
	if (v & CMD_CRS)
		s->hw.usbsts |= XHCI_STS_SRE;
	if (s->hw.usbsts & XHCI_STS_HCE)
		v &= ~XHCI_CMD_RS;
	s->hw.usbcmd = v & CMD_MASK;
	if (v & XHCI_CMD_RS && !ran) {
		s->hw.usbsts &= ~XHCI_STS_HCH;
		s->hw.started = now(s);
		xhci_kick_all(s);
	} else if (!(v & XHCI_CMD_RS)) {
		s->hw.usbsts |= XHCI_STS_HCH;
		s->hw.command_running = false;
	}
}

static void write_crcr_low(struct xhci *s, uint32_t v)
{
	if (s->hw.command_running) {
		if (v & (CRCR_CS | CRCR_CA))
			xhci_stop_commands(s);
		return;
	}
	s->hw.command = (s->hw.command & ~UINT64_C(0xffffffff)) | (v & ~0x3fu);
	s->hw.command_cycle = v & CRCR_RCS;
}

static uint32_t oper_read(struct xhci *s, uint32_t offset)
{
	switch (offset) {
	case USBCMD: return s->hw.usbcmd;
	case USBSTS: return s->hw.usbsts;
	case PAGESIZE: return 1; /* 4 KiB */
	case DNCTRL: return s->hw.dnctrl;
	case CRCR: return s->hw.command_running ? CRCR_CRR : 0;
	case DCBAAP: return (uint32_t)s->hw.dcbaap;
	case DCBAAP + 4: return (uint32_t)(s->hw.dcbaap >> 32);
	case CONFIG: return s->hw.config;
	default: return 0;
	}
}

static void oper_write(struct xhci *s, uint32_t offset, uint32_t v)
{
	switch (offset) {
	case USBCMD: write_usbcmd(s, v); break;
	case USBSTS: s->hw.usbsts &= ~(v & STS_W1C); break;
	case DNCTRL: s->hw.dnctrl = v & 0xffff; break;
	case CRCR: write_crcr_low(s, v); break;
	case CRCR + 4:
		if (!s->hw.command_running)
			s->hw.command = (uint32_t)s->hw.command | (uint64_t)v << 32;
		break;
	case DCBAAP: s->hw.dcbaap = (s->hw.dcbaap & ~UINT64_C(0xffffffff)) | (v & ~0x3fu); break;
	case DCBAAP + 4: s->hw.dcbaap = (uint32_t)s->hw.dcbaap | (uint64_t)v << 32; break;
	case CONFIG: s->hw.config = v & 0xff; break;
	}
	xhci_update_irq(s);
}

/* ---- doorbells (section 5.6) ---- */

static void ring_doorbell(struct xhci *s, unsigned slot, uint32_t v)
{
	unsigned dci = v & 0xff;

	if (!(s->hw.usbcmd & XHCI_CMD_RS))
		return;
	if (!slot) {
		if (dci)
			return;
		s->hw.command_running = true;
		s->command_due = true;
		loop_post(xhci_dev(s)->bus->loop, &s->call);
	} else if (slot <= XHCI_SLOTS && dci && dci <= XHCI_EPS) {
		struct xhci_ep_hw *ep = xhci_ep(s, slot, dci);

		if (ep->state == EP_STOPPED) {
			ep->state = EP_RUNNING;
			xhci_put_ep(s, slot, dci);
		}
		xhci_kick(s, slot, dci);
	}
}

static void work(struct loop_call *c)
{
	struct xhci *s = container_of(c, struct xhci, call);

	lock(s);
	xhci_port_events(s);
	if (s->command_due) {
		s->command_due = false;
		xhci_run_commands(s);
	}
	for (unsigned slot = 1; slot <= XHCI_SLOTS; slot++) {
		uint32_t due = s->due[slot - 1];

		s->due[slot - 1] = 0;
		for (unsigned dci = 1; dci <= XHCI_EPS && due; dci++) {
			if (due >> dci & 1)
				xhci_run_ep(s, slot, dci);
		}
	}
	unlock(s);
}

/* ---- dispatch ---- */

static uint32_t runtime_read(struct xhci *s, uint32_t offset)
{
	if (offset == RUNTIME)
		return s->hw.usbcmd & XHCI_CMD_RS
			       ? (now(s) - s->hw.started) / MFINDEX_NS & MFINDEX_MASK
			       : 0;
	if (offset >= INTERRUPTERS && offset < INTERRUPTERS + XHCI_INTRS * 0x20)
		return xhci_intr_read(s, offset - INTERRUPTERS);
	return 0;
}

static uint32_t read32(struct xhci *s, uint32_t offset)
{
	if (offset < CAP_LENGTH)
		return cap_read(s, offset);
	if (offset < PORTS)
		return oper_read(s, offset - OPER);
	if (offset < PORTS + n_ports(s) * PORT_SIZE)
		return port_read(s, offset - PORTS);
	if (offset >= RUNTIME && offset < DOORBELLS)
		return runtime_read(s, offset);
	return 0;
}

static uint64_t regs_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	uint32_t v = read32(to_xhci(d), (uint32_t)offset & ~3u);

	return v >> (8 * (offset & 3)) & ones(size);
}

/* All registers are double words: what is narrower is for the capabilities, which cannot be written. */
static void regs_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct xhci *s = to_xhci(d);
	uint32_t v = (uint32_t)value, at = (uint32_t)offset;

	if (size != 4)
		return;
	if (at >= OPER && at < PORTS)
		oper_write(s, at - OPER, v);
	else if (at >= PORTS && at < PORTS + n_ports(s) * PORT_SIZE)
		port_write(s, at - PORTS, v);
	else if (at >= INTERRUPTERS && at < INTERRUPTERS + XHCI_INTRS * 0x20)
		xhci_intr_write(s, at - INTERRUPTERS, v);
	else if (at >= DOORBELLS && at <= DOORBELLS + 4 * XHCI_SLOTS)
		ring_doorbell(s, (at - DOORBELLS) / 4, v);
}

static const struct region_ops regs_ops = {
	.read = regs_read, .write = regs_write, .min = 1, .max = 4};

/* ---- life ---- */

static void command_changed(struct pci_dev *p)
{
	struct xhci *s = container_of(p, struct xhci, hc.pci);

	xhci_update_irq(s);
	if (pci_may_dma(p))
		xhci_kick_all(s);
}

static const struct pci_ops pci_ops = {.command_changed = command_changed};

static void add_ports(struct xhci *s)
{
	for (unsigned n = 1; n <= s->p2; n++)
		usb_host_add_port(&s->hc.host, n, 1u << USB_LOW | 1u << USB_FULL | 1u << USB_HIGH);
	for (unsigned n = 1; n <= s->p3; n++)
		usb_host_add_port(&s->hc.host, n, 1u << USB_SUPER);
}

static bool realize(struct dev *d, GError **error)
{
	struct xhci *s = to_xhci(d);
	struct pci_dev *p = &s->hc.pci;
	struct pci_conf conf = {
		.vendor = 0x1b36,
		.device = 0x000d,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x0c0330,
		.revision = 1,
		.pin = 1,
	};

	s->nec = d->ops == &nec_xhci_ops;
	if (s->nec) {
		conf.vendor = 0x1033;
		conf.device = 0x0194;
		conf.revision = 3;
	}
	s->call.fn = work;
	s->hc.host.ops = &host_ops;
	s->hc.host.dev = d;
	add_ports(s);
	if (!pci_dev_init(p, &pci_ops, &conf, error))
		return false;
	p->pci_hw.cfg[SBRN] = 0x30; /* USB 3.0 */
	p->pci_hw.cfg[FLADJ] = 0x20;
	p->next_cap = CAPS_FROM;
	region_init_io(&s->regs, d, &regs_ops, "xhci", BUS_MMIO, REGS_SIZE);
	pci_bar_init(p, 0, &s->regs, true, false);
	if (pci_msix_init(p, XHCI_INTRS, 0, MSIX_TABLE, MSIX_PBA) < 0 ||
		pci_exp_init(p, PCI_EXP_ENDPOINT) < 0)
		return err_set(
			error, VMMD_ERROR_INTERNAL, "device %s: no room for capabilities", d->id);
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct xhci *s = to_xhci(d);

	pci_dev_reset(&s->hc.pci);
	reset_controller(s);
}

static void quiesce(struct dev *d, struct async_group *g)
{
	to_xhci(d)->quiesced = true;
	async_done(g);
}

static void resume(struct dev *d)
{
	struct xhci *s = to_xhci(d);

	s->quiesced = false;
	xhci_kick_all(s);
}

static void unrealize(struct dev *d)
{
	struct xhci *s = to_xhci(d);

	usb_host_done(&s->hc.host);
	loop_call_cancel(d->bus->loop, &s->call);
	pci_dev_done(&s->hc.pci);
}

/* Ports show what is plugged here, which may be something else than where the state was saved. */
static int post_load(struct dev *d)
{
	struct xhci *s = to_xhci(d);
	int err = pci_dev_post_load(&s->hc.pci);

	if (err)
		return err;
	for (unsigned n = 0; n < n_ports(s); n++) {
		if (connection_is_true(s, n))
			continue;
		connect_port(s, n);
		s->hw.ports[n].portsc |= PORTSC_CSC;
		s->hw.port_events |= 1u << n;
	}
	s->hw.port_events &= (uint32_t)((UINT64_C(1) << n_ports(s)) - 1);
	s->hw.started = MIN(s->hw.started, now(s));
	xhci_kick_all(s);
	xhci_update_irq(s);
	return 0;
}

/* ---- state ---- */

static int check(const void *p)
{
	const struct xhci_hw *hw = p;

	for (unsigned n = 0; n < XHCI_INTRS; n++) {
		if (hw->intrs[n].ready && !hw->intrs[n].left)
			return -EINVAL;
	}
	return 0;
}

static const struct state_field port_fields[] = {
	ST_U(struct xhci_port_hw, portsc),
	ST_U(struct xhci_port_hw, portpmsc),
	ST_END,
};

static const struct state_field intr_fields[] = {
	ST_MAX(struct xhci_intr_hw, iman, XHCI_IMAN_IP | XHCI_IMAN_IE),
	ST_U(struct xhci_intr_hw, imod),
	ST_MAX(struct xhci_intr_hw, erstsz, 0xffff),
	ST_MAX(struct xhci_intr_hw, left, 4096),
	ST_U(struct xhci_intr_hw, erstba),
	ST_U(struct xhci_intr_hw, erdp),
	ST_U(struct xhci_intr_hw, enqueue),
	ST_MAX(struct xhci_intr_hw, segment, XHCI_ERST_MAX - 1),
	ST_BOOL(struct xhci_intr_hw, cycle),
	ST_BOOL(struct xhci_intr_hw, ready),
	ST_PAD(struct xhci_intr_hw, pad),
	ST_END,
};

static const struct state_field ep_fields[] = {
	ST_U(struct xhci_ep_hw, dequeue),
	ST_U(struct xhci_ep_hw, done),
	ST_MAX(struct xhci_ep_hw, state, EP_ERROR),
	ST_BOOL(struct xhci_ep_hw, cycle),
	ST_PAD(struct xhci_ep_hw, pad),
	ST_END,
};

static const struct state_field slot_fields[] = {
	ST_BOOL(struct xhci_slot_hw, enabled),
	ST_MAX(struct xhci_slot_hw, state, SLOT_CONFIGURED),
	ST_MAX(struct xhci_slot_hw, port, USB_PORTS),
	ST_PAD(struct xhci_slot_hw, pad),
	ST_U(struct xhci_slot_hw, context),
	ST_STRUCTS(struct xhci_slot_hw, eps, ep_fields),
	ST_END,
};

static const struct state_field fields[] = {
	ST_MAX(struct xhci_hw, usbcmd, CMD_MASK),
	ST_MAX(struct xhci_hw, usbsts, STS_MASK),
	ST_MAX(struct xhci_hw, dnctrl, 0xffff),
	ST_MAX(struct xhci_hw, config, 0xff),
	ST_U(struct xhci_hw, dcbaap),
	ST_U(struct xhci_hw, command),
	ST_MAX(struct xhci_hw, started, INT64_MAX),
	ST_BOOL(struct xhci_hw, command_cycle),
	ST_BOOL(struct xhci_hw, command_running),
	ST_PAD(struct xhci_hw, pad),
	ST_MAX(struct xhci_hw, port_events, (1u << USB_PORTS) - 1),
	ST_STRUCTS(struct xhci_hw, ports, port_fields),
	ST_STRUCTS(struct xhci_hw, intrs, intr_fields),
	ST_STRUCTS(struct xhci_hw, slots, slot_fields),
	ST_END,
};

static const struct state_desc state = {
	.name = "xhci",
	.version = 1,
	.size = sizeof(struct xhci_hw),
	.fields = fields,
	.check = check,
};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct xhci, hc.pci.pci_hw)},
	{&state, offsetof(struct xhci, hw)},
	{.desc = NULL},
};

static const struct prop props[] = {
	PROP_PCI("addr", struct xhci, hc.pci.addr, "PCI address"),
	PROP_U8("p2", struct xhci, p2, 1, USB_PORTS / 2, 4, "ports of USB 2"),
	PROP_U8("p3", struct xhci, p3, 1, USB_PORTS / 2, 4, "ports of USB 3"),
	PROP_END,
};

static const struct prop_table prop_table = {
	.name = "xhci", .doc = "USB 3 controller", .size = sizeof(struct xhci), .props = props};

#define XHCI_OPS(type, text)                                                                      \
	{                                                                                         \
		.name = (type), .doc = (text), .size = sizeof(struct xhci), .props = &prop_table, \
		.realize = realize, .reset = reset, .quiesce = quiesce, .resume = resume,         \
		.unrealize = unrealize, .pre_save = pci_dev_pre_save, .post_load = post_load,     \
		.state = parts,                                                                   \
	}

const struct dev_ops qemu_xhci_ops = XHCI_OPS("qemu-xhci", "USB 3 controller (xHCI 1.0)");
const struct dev_ops nec_xhci_ops = XHCI_OPS(
	"nec-usb-xhci", "NEC uPD720200 USB 3 controller (xHCI 1.0)");
