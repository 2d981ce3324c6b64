/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uhci.c - Universal Host Controller Interface, Design Guide revision 1.1; PCI functions of PIIX3 (82371SB, order number
 * 290550, section 2.5), PIIX4 (82371AB, 290562, chapter 5) and ICH9 (316972, chapter 16).
 *
 *	frame list ──► queue head ──► queue head ──► …	breadth: link pointers
 *	1024 × 1 ms    ▼ element
 *	               transfer descriptor ──► …	depth
 *
 * The schedule lives in guest memory and changes without a word to us, so it has to be walked while the controller
 * runs. A frame that found nothing to do is the reason to walk the next ones together: a timer fires once a
 * millisecond while transfers make progress, every IDLE_FRAMES ms otherwise, and frames that have passed are then
 * walked one after the other. A device that wakes up ends the idling at once.
 */
#include "base/qs.h"
#include "devmodel/usb/uhci.h"

/* Registers, chapter 2. */
enum {
	CMD = 0x00,
	STS = 0x02,
	INTR = 0x04,
	FRNUM = 0x06,
	FLBASE = 0x08,
	SOFMOD = 0x0c,
	PORTSC = 0x10,
	REGS_SIZE = 0x20,
};

#define CMD_RS      0x01
#define CMD_HCRESET 0x02
#define CMD_GRESET  0x04
#define CMD_EGSM    0x08
#define CMD_FGR     0x10
#define CMD_MASK    0xff

#define PORT_CCS     0x0001
#define PORT_CSC     0x0002
#define PORT_PEC     0x0008
#define PORT_RD      0x0040
#define PORT_ALWAYS  0x0080
#define PORT_LSDA    0x0100
#define PORT_PR      0x0200
#define PORT_CHANGES (PORT_CSC | PORT_PEC)
#define PORT_WRITE   (UHCI_PORT_PE | PORT_RD | PORT_PR | UHCI_PORT_SUSPEND)
#define PORT_MASK    (PORT_CHANGES | PORT_WRITE | PORT_CCS | PORT_LSDA | PORT_ALWAYS)

/* PCI configuration space. */
#define SBRN           0x60
#define LEGSUP         0xc0
#define LEGSUP_WRITE   0x20bf
#define LEGSUP_W1C     0x8f00
#define LEGSUP_PIRQ    0x2000 /* interrupts go to the PIRQ */
#define LEGSUP_DEFAULT LEGSUP_PIRQ

#define FRAME_NS    NSEC_PER_MSEC
#define FRNUM_MASK  0x7ff
#define IDLE_FRAMES 8  /* walked together when nothing is going on */
#define BEHIND_MAX  32 /* frames made up for after we were late */

static struct uhci *to_uhci(struct dev *d)
{
	return container_of(to_pci_dev(d), struct uhci, hc.pci);
}

static struct dev *dev_of(struct uhci *s)
{
	return DEV(&s->hc.pci);
}

/* ---- interrupts ---- */

static void update_irq(struct uhci *s)
{
	uint16_t sts = s->hw.sts, on = s->hw.intr;
	bool level = (sts & UHCI_STS_INT && s->hw.cause & on) ||
		     (sts & UHCI_STS_ERROR && on & UHCI_INTR_ERROR) ||
		     (sts & UHCI_STS_RESUME && on & UHCI_INTR_RESUME) ||
		     sts & (UHCI_STS_HSE | UHCI_STS_HCPE);

	pci_intx_set(&s->hc.pci, level && pci_get16(&s->hc.pci, LEGSUP) & LEGSUP_PIRQ);
}

/* ---- time ---- */

static bool runs(const struct uhci *s)
{
	return s->hw.cmd & CMD_RS;
}

static uint64_t now(struct uhci *s)
{
	return (uint64_t)dev_clock(dev_of(s), VM_CLOCK_VIRTUAL);
}

static void arm(struct uhci *s)
{
	unsigned frames = s->hw.quiet >= UHCI_IDLE_AFTER ? IDLE_FRAMES : 1;

	if (runs(s) && !s->quiesced)
		dev_timer_set(&s->timer, (int64_t)(s->hw.next + (frames - 1) * FRAME_NS));
	else
		dev_timer_cancel(&s->timer);
}

/* Walks every frame that has begun. What we are too late for is passed over. */
static void run_frames(struct uhci *s)
{
	uint64_t at = now(s), behind = at >= s->hw.next ? (at - s->hw.next) / FRAME_NS : 0;
	bool master = pci_may_dma(&s->hc.pci);

	if (behind > BEHIND_MAX) {
		s->hw.frnum = (s->hw.frnum + behind - BEHIND_MAX) & FRNUM_MASK;
		s->hw.next += (behind - BEHIND_MAX) * FRAME_NS;
	}
	while (runs(s) && s->hw.next <= at) {
		if (master && !uhci_walk_frame(s)) {
			s->hw.cmd &= (uint16_t)~CMD_RS;
			s->hw.sts |= UHCI_STS_HALTED;
		}
		counter_add(&s->frames, 1);
		s->hw.frnum = (s->hw.frnum + 1) & FRNUM_MASK;
		s->hw.next += FRAME_NS;
	}
	update_irq(s);
}

static void tick(struct dev *d)
{
	struct uhci *s = to_uhci(d);

	counter_add(&s->wakeups, 1);
	qs_enter();
	run_frames(s);
	qs_leave();
	arm(s);
}

/* The number of the current frame: frames that idling has not walked yet have passed all the same. */
static uint16_t read_frnum(struct uhci *s)
{
	uint64_t at = now(s);

	if (!runs(s) || at < s->hw.next)
		return s->hw.frnum;
	return (s->hw.frnum + (at - s->hw.next) / FRAME_NS + 1) & FRNUM_MASK;
}

/* ---- ports (section 2.1.7) ---- */

static void sync_port(struct uhci *s, unsigned n)
{
	const struct usb_dev *u = s->hc.host.ports[n].dev;
	uint16_t *p = &s->hw.port[n], old = *p;

	*p &= (uint16_t) ~(PORT_CCS | PORT_LSDA);
	if (u)
		*p |= (uint16_t)(PORT_CCS | (u->speed == USB_LOW ? PORT_LSDA : 0));
	if (!((*p ^ old) & PORT_CCS))
		return;
	*p |= PORT_CSC;
	if (!u && *p & UHCI_PORT_PE)
		*p = (uint16_t)((*p & ~UHCI_PORT_PE) | PORT_PEC);
	if (!u)
		*p &= (uint16_t) ~(UHCI_PORT_SUSPEND | PORT_RD);
}

/* Whoever is suspended globally or by port hears of it by resume detect, sections 2.1.2 and 2.1.7. */
static void signal_resume(struct uhci *s, unsigned n)
{
	if (s->hw.port[n] & UHCI_PORT_SUSPEND)
		s->hw.port[n] |= PORT_RD;
	else if (s->hw.cmd & CMD_EGSM)
		s->hw.cmd |= CMD_FGR;
	else
		return;
	s->hw.sts |= UHCI_STS_RESUME;
}

static void port_write(struct uhci *s, unsigned n, uint16_t v)
{
	uint16_t *p = &s->hw.port[n], old = *p;

	*p &= (uint16_t) ~(v & PORT_CHANGES);
	*p = (uint16_t)((*p & ~PORT_WRITE) | (v & PORT_WRITE));
	if (!(*p & PORT_CCS))
		*p &= (uint16_t)~UHCI_PORT_PE;
	if (v & PORT_PR) {
		usb_port_reset(&s->hc.host.ports[n]);
		*p &= (uint16_t) ~(UHCI_PORT_PE | UHCI_PORT_SUSPEND | PORT_RD);
	}
	/* The end of resume signalling ends suspension, too. */
	if (old & PORT_RD && !(v & PORT_RD))
		*p &= (uint16_t)~UHCI_PORT_SUSPEND;
	if (!(*p & UHCI_PORT_SUSPEND))
		*p &= (uint16_t)~PORT_RD;
}

static unsigned port_index(const struct uhci *s, const struct usb_port *p)
{
	return (unsigned)(p - s->hc.host.ports);
}

static void host_changed(struct usb_host *h, struct usb_port *port)
{
	struct uhci *s = container_of(h, struct uhci, hc.host);
	unsigned n = port_index(s, port);

	dev_lock(h->dev);
	sync_port(s, n);
	signal_resume(s, n);
	update_irq(s);
	dev_unlock(h->dev);
}

static void host_wakeup(struct usb_host *h, struct usb_port *port, uint8_t address)
{
	struct uhci *s = container_of(h, struct uhci, hc.host);

	dev_lock(h->dev);
	s->hw.quiet = 0;
	if (port->dev->usb_hw.remote_wakeup)
		signal_resume(s, port_index(s, port));
	update_irq(s);
	arm(s);
	dev_unlock(h->dev);
}

static const struct usb_host_ops host_ops = {.wakeup = host_wakeup, .changed = host_changed};

/* ---- registers ---- */

static void reset_ports(struct uhci *s)
{
	for (unsigned n = 0; n < UHCI_PORTS; n++) {
		s->hw.port[n] = PORT_ALWAYS;
		sync_port(s, n);
		usb_port_reset(&s->hc.host.ports[n]);
	}
}

static void reset_controller(struct uhci *s)
{
	s->hw = (struct uhci_hw){.sts = UHCI_STS_HALTED, .sofmod = 64};
	reset_ports(s);
	arm(s);
}

static void cmd_write(struct uhci *s, uint16_t v)
{
	uint16_t old = s->hw.cmd;

	if (v & CMD_HCRESET) {
		reset_controller(s);
		return;
	}
	if (v & CMD_GRESET && !(old & CMD_GRESET))
		reset_ports(s);
	s->hw.cmd = v & CMD_MASK;
	if (v & CMD_RS && !(old & CMD_RS)) {
		s->hw.sts &= (uint16_t)~UHCI_STS_HALTED;
		s->hw.quiet = 0;
		s->hw.next = now(s) + FRAME_NS;
	} else if (!(v & CMD_RS)) {
		s->hw.sts |= UHCI_STS_HALTED;
	}
	if (old & CMD_RS && !(v & CMD_RS) && now(s) >= s->hw.next)
		s->hw.frnum = (s->hw.frnum + (now(s) - s->hw.next) / FRAME_NS + 1) & FRNUM_MASK;
	arm(s);
}

static void sts_write(struct uhci *s, uint16_t v)
{
	s->hw.sts &= (uint16_t) ~(v & UHCI_STS_W1C);
	if (v & UHCI_STS_INT)
		s->hw.cause = 0;
}

static void write16(struct uhci *s, unsigned offset, uint16_t v)
{
	switch (offset) {
	case CMD: cmd_write(s, v); break;
	case STS: sts_write(s, v); break;
	case INTR: s->hw.intr = v & 0xf; break;
	case FRNUM:
		if (s->hw.sts & UHCI_STS_HALTED)
			s->hw.frnum = v & FRNUM_MASK;
		break;
	case FLBASE: s->hw.flbase = (s->hw.flbase & 0xffff0000u) | (v & 0xf000u); break;
	case FLBASE + 2: s->hw.flbase = (s->hw.flbase & 0xffffu) | (uint32_t)v << 16; break;
	case SOFMOD: s->hw.sofmod = v & 0x7f; break;
	case PORTSC:
	case PORTSC + 2: port_write(s, (offset - PORTSC) / 2, v); break;
	}
	update_irq(s);
}

static uint16_t read16(struct uhci *s, unsigned offset)
{
	switch (offset) {
	case CMD: return s->hw.cmd;
	case STS: return s->hw.sts;
	case INTR: return s->hw.intr;
	case FRNUM: return read_frnum(s);
	case FLBASE: return s->hw.flbase & 0xffff;
	case FLBASE + 2: return s->hw.flbase >> 16;
	case SOFMOD: return s->hw.sofmod;
	case PORTSC:
	case PORTSC + 2: return s->hw.port[(offset - PORTSC) / 2];
	/* More ports are looked for by bit 7, which is always 1 in one: none. */
	default: return 0;
	}
}

static uint64_t uhci_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	struct uhci *s = to_uhci(d);
	unsigned word = offset & ~1u;

	if (size == 1)
		return read16(s, word) >> (8 * (offset & 1)) & 0xff;
	if (size == 4)
		return read16(s, word) | (uint32_t)read16(s, word + 2) << 16;
	return read16(s, word);
}

/* Bytes are for SOFMOD and for halves of registers whose other half keeps its value. */
static void write8(struct uhci *s, unsigned offset, uint8_t v)
{
	unsigned word = offset & ~1u, shift = 8 * (offset & 1);
	uint16_t keep = read16(s, word) & (uint16_t)(0xff00 >> shift);

	if (word == STS)
		keep = 0;
	else if (word >= PORTSC)
		keep &= (uint16_t)~PORT_CHANGES;
	write16(s, word, (uint16_t)(keep | v << shift));
}

static void uhci_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct uhci *s = to_uhci(d);

	if (size == 1) {
		write8(s, (unsigned)offset, (uint8_t)value);
		return;
	}
	write16(s, (unsigned)offset, (uint16_t)value);
	if (size == 4)
		write16(s, (unsigned)offset + 2, (uint16_t)(value >> 16));
}

static const struct region_ops regs_ops = {
	.read = uhci_read, .write = uhci_write, .min = 1, .max = 4};

/* ---- PCI ---- */

static void config_write(struct pci_dev *p, unsigned offset, unsigned size)
{
	update_irq(container_of(p, struct uhci, hc.pci));
}

static const struct pci_ops pci_ops = {.config_write = config_write};

static const struct uhci_model {
	const struct dev_ops *ops;
	uint16_t device;
	uint8_t pin, revision;
} models[] = {
	{&piix3_uhci_ops, 0x7020, 4, 1},
	{&piix4_uhci_ops, 0x7112, 4, 1},
	{&ich9_uhci1_ops, 0x2934, 1, 3},
	{&ich9_uhci2_ops, 0x2935, 2, 3},
	{&ich9_uhci3_ops, 0x2936, 3, 3},
};

static const struct uhci_model *model_of(const struct dev *d)
{
	const struct uhci_model *m = models;

	while (m->ops != d->ops)
		m++;
	return m;
}

static bool realize(struct dev *d, GError **error)
{
	const struct uhci_model *m = model_of(d);
	const struct pci_conf conf = {
		.vendor = 0x8086,
		.device = m->device,
		.subsys_vendor = 0x1af4,
		.subsys = 0x1100,
		.class_code = 0x0c0300,
		.revision = m->revision,
		.pin = m->pin,
		/* Functions of a chip: of ICH9 the first, of PIIX the bridge says so. */
		.multifunction = m->ops == &ich9_uhci1_ops,
	};
	struct uhci *s = to_uhci(d);
	struct pci_dev *p = &s->hc.pci;

	s->hc.host.ops = &host_ops;
	s->hc.host.dev = d;
	for (unsigned n = 0; n < UHCI_PORTS; n++)
		usb_host_add_port(&s->hc.host, n + 1, 1u << USB_LOW | 1u << USB_FULL);
	dev_timer_init(&s->timer, d, VM_CLOCK_VIRTUAL, tick);
	if (!pci_dev_init(p, &pci_ops, &conf, error))
		return false;
	region_init_io(&s->regs, d, &regs_ops, "uhci", BUS_PIO, REGS_SIZE);
	pci_bar_init(p, 4, &s->regs, false, false);
	p->pci_hw.cfg[SBRN] = 0x10; /* USB 1.0 */
	pci_set16(p, LEGSUP, LEGSUP_DEFAULT);
	p->wmask[LEGSUP] = LEGSUP_WRITE & 0xff;
	p->wmask[LEGSUP + 1] = LEGSUP_WRITE >> 8;
	p->w1c[LEGSUP + 1] = LEGSUP_W1C >> 8;
	return true;
}

static void reset(struct dev *d, enum reset_kind kind)
{
	struct uhci *s = to_uhci(d);

	pci_dev_reset(&s->hc.pci);
	reset_controller(s);
	update_irq(s);
}

static void quiesce(struct dev *d, struct async_group *g)
{
	struct uhci *s = to_uhci(d);

	s->quiesced = true;
	arm(s);
	async_done(g);
}

static void resume(struct dev *d)
{
	struct uhci *s = to_uhci(d);

	s->quiesced = false;
	arm(s);
}

static void unrealize(struct dev *d)
{
	struct uhci *s = to_uhci(d);

	usb_host_done(&s->hc.host);
	dev_lock(d);
	dev_timer_cancel(&s->timer);
	dev_unlock(d);
	pci_dev_done(&s->hc.pci);
}

/* Ports show what is plugged here, which may be something else than where the state was saved. */
static int post_load(struct dev *d)
{
	struct uhci *s = to_uhci(d);
	int err = pci_dev_post_load(&s->hc.pci);

	if (err)
		return err;
	s->hw.next = MIN(s->hw.next, now(s) + FRAME_NS);
	for (unsigned n = 0; n < UHCI_PORTS; n++) {
		s->hw.port[n] |= PORT_ALWAYS;
		sync_port(s, n);
	}
	arm(s);
	update_irq(s);
	return 0;
}

void uhci_stats(const struct dev *d, uint64_t *ret_frames, uint64_t *ret_wakeups)
{
	const struct uhci *s = container_of(d, struct uhci, hc.pci.dev);

	*ret_frames = counter_get(&s->frames);
	*ret_wakeups = counter_get(&s->wakeups);
}

static const struct state_field fields[] = {
	ST_MAX(struct uhci_hw, cmd, CMD_MASK & ~CMD_HCRESET),
	ST_MAX(struct uhci_hw, sts, UHCI_STS_W1C | UHCI_STS_HALTED),
	ST_MAX(struct uhci_hw, intr, 0xf),
	ST_MAX(struct uhci_hw, frnum, FRNUM_MASK),
	ST_U(struct uhci_hw, flbase),
	ST_MAX(struct uhci_hw, sofmod, 0x7f),
	ST_MAX(struct uhci_hw, cause, UHCI_INTR_IOC | UHCI_INTR_SHORT),
	ST_ARRAY(struct uhci_hw, port, PORT_MASK),
	ST_MAX(struct uhci_hw, quiet, UHCI_IDLE_AFTER),
	ST_PAD(struct uhci_hw, pad),
	ST_MAX(struct uhci_hw, next, INT64_MAX / 2),
	ST_END,
};

static const struct state_desc state = {
	.name = "uhci", .version = 1, .size = sizeof(struct uhci_hw), .fields = fields};

static const struct dev_part parts[] = {
	{&pci_state, offsetof(struct uhci, hc.pci.pci_hw)},
	{&state, offsetof(struct uhci, hw)},
	{.desc = NULL},
};

static const struct prop props[] = {
	PROP_PCI("addr", struct uhci, hc.pci.addr, "PCI address"),
	PROP_END,
};

static const struct prop_table prop_table = {
	.name = "uhci", .doc = "USB 1.1 controller", .size = sizeof(struct uhci), .props = props};

#define UHCI_OPS(type, text)                                                                      \
	{                                                                                         \
		.name = (type), .doc = (text), .size = sizeof(struct uhci), .props = &prop_table, \
		.realize = realize, .reset = reset, .quiesce = quiesce, .resume = resume,         \
		.unrealize = unrealize, .pre_save = pci_dev_pre_save, .post_load = post_load,     \
		.state = parts,                                                                   \
	}

const struct dev_ops piix3_uhci_ops = UHCI_OPS(
	"piix3-usb-uhci", "USB 1.1 controller of the PIIX3 (Intel 82371SB, UHCI 1.1)");
const struct dev_ops piix4_uhci_ops = UHCI_OPS(
	"piix4-usb-uhci", "USB 1.1 controller of the PIIX4 (Intel 82371AB, UHCI 1.1)");
const struct dev_ops ich9_uhci1_ops = UHCI_OPS(
	"ich9-usb-uhci1", "first USB 1.1 controller of the ICH9 (UHCI 1.1)");
const struct dev_ops ich9_uhci2_ops = UHCI_OPS(
	"ich9-usb-uhci2", "second USB 1.1 controller of the ICH9 (UHCI 1.1)");
const struct dev_ops ich9_uhci3_ops = UHCI_OPS(
	"ich9-usb-uhci3", "third USB 1.1 controller of the ICH9 (UHCI 1.1)");
