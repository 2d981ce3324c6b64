/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART, National Semiconductor PC16550D data sheet, as wired in a PC: OUT2 gates the interrupt.
 *
 * What the guest sends goes to the chardev at once, whatever the baud rate; the transmitter is busy only while the host does
 * not keep up. What comes is offered as fast as the guest reads; only the receive time-out of the FIFO follows the baud
 * rate. The modem lines are up as long as something is connected: a console's reader comes and goes without the guest
 * noticing.
 */
#include <errno.h>

#include "base/charout.h"
#include "devmodel/serial/serial.h"

#define UART_PORTS    8
#define FIFO_SIZE     16
#define CLOCK_HZ      INT64_C(1843200)
#define CLOCKS_BIT    16 /* per bit at divisor 1 */
#define TIMEOUT_CHARS 4
#define DIVISOR_9600  12

/* Registers, section 8; DLL and DLM instead of the first two while LCR.DLAB is set. */
enum {
	UART_DATA = 0, /* RBR, THR, DLL */
	UART_IER = 1,  /* DLM */
	UART_IIR = 2,  /* FCR when written */
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
	UART_SCR = 7,
};

#define IER_RX       0x01
#define IER_TX       0x02
#define IER_LINE     0x04
#define IER_MODEM    0x08
#define IER_ALL      0x0f
#define IIR_NONE     0x01
#define IIR_MODEM    0x00
#define IIR_TX       0x02
#define IIR_RX       0x04
#define IIR_LINE     0x06
#define IIR_TIMEOUT  0x0c
#define IIR_FIFO     0xc0
#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_KEPT     0xc9 /* what is remembered: enable, DMA mode, trigger level */
#define LCR_DATA     0x03 /* data bits - 5 */
#define LCR_STOP     0x04
#define LCR_PARITY   0x08
#define LCR_DLAB     0x80
#define MCR_DTR      0x01
#define MCR_RTS      0x02
#define MCR_OUT1     0x04
#define MCR_OUT2     0x08
#define MCR_LOOP     0x10
#define MCR_ALL      0x1f
#define LSR_READY    0x01
#define LSR_OVERRUN  0x02
#define LSR_THRE     0x20
#define LSR_TEMT     0x40
#define MSR_DCTS     0x01
#define MSR_DDSR     0x02
#define MSR_TERI     0x04
#define MSR_DDCD     0x08
#define MSR_DELTAS   0x0f
#define MSR_CTS      0x10
#define MSR_DSR      0x20
#define MSR_RI       0x40
#define MSR_DCD      0x80

struct serial_hw {
	uint64_t timeout_at; /* of the virtual clock; UINT64_MAX: not armed */
	uint16_t divisor;
	uint8_t ier, fcr, lcr, mcr, msr, scr;
	bool overrun;
	bool tx_empty;   /* THRE */
	bool tx_pending; /* the transmitter's interrupt has not been seen yet */
	bool timed_out;  /* characters wait below the trigger level */
	uint8_t fifo[FIFO_SIZE];
	uint8_t fifo_head, fifo_len;
	uint8_t pad[2];
};

struct serial {
	struct dev dev;
	uint16_t iobase; /* [c] */
	uint8_t gsi;     /* [c] property irq */
	struct chardev *chr;
	struct serial_hw hw; /* [s] */
	struct irq irq;
	struct dev_timer timeout;
	struct charout out;
	struct loop_call accept;
	bool refused; /* lock: the chardev has bytes for which there was no room */
	struct region region;
};

static struct serial *serial(struct dev *d)
{
	return container_of(d, struct serial, dev);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static bool fifo_on(const struct serial *s)
{
	return s->hw.fcr & FCR_ENABLE;
}

static unsigned trigger_level(const struct serial *s)
{
	static const uint8_t levels[] = {1, 4, 8, 14};

	return fifo_on(s) ? levels[s->hw.fcr >> 6] : 1;
}

/* The interrupt of highest priority, table 5. */
static uint8_t interrupt_id(const struct serial *s)
{
	const struct serial_hw *hw = &s->hw;

	if (hw->ier & IER_LINE && hw->overrun)
		return IIR_LINE;
	if (hw->ier & IER_RX && hw->fifo_len >= trigger_level(s))
		return IIR_RX;
	if (hw->ier & IER_RX && hw->timed_out)
		return IIR_TIMEOUT;
	if (hw->ier & IER_TX && hw->tx_pending)
		return IIR_TX;
	if (hw->ier & IER_MODEM && hw->msr & MSR_DELTAS)
		return IIR_MODEM;
	return IIR_NONE;
}

/* In loop mode the outputs are inactive at the pins, OUT2 too (section 8.7). */
static void update_irq(struct serial *s)
{
	bool gate = (s->hw.mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	irq_set(&s->irq, gate && interrupt_id(s) != IIR_NONE);
}

/* ---- receiver -------------------------------------------------------------------------------- */

/* Start bit, data, parity and stop bits. */
static int64_t char_ns(const struct serial *s)
{
	uint8_t lcr = s->hw.lcr;
	int64_t bits = 1 + 5 + (lcr & LCR_DATA) + !!(lcr & LCR_PARITY) + (lcr & LCR_STOP ? 2 : 1);

	return bits * CLOCKS_BIT * s->hw.divisor * NSEC_PER_SEC / CLOCK_HZ;
}

/* The time-out begins anew with each character that comes or is read (section 8.5.1). */
static void restart_timeout(struct serial *s)
{
	s->hw.timed_out = false;
	if (fifo_on(s) && s->hw.fifo_len)
		dev_timer_set(&s->timeout,
			dev_clock(&s->dev, VM_CLOCK_VIRTUAL) + TIMEOUT_CHARS * char_ns(s));
	else
		dev_timer_cancel(&s->timeout);
}

static void timeout_fired(struct dev *d)
{
	struct serial *s = serial(d);

	s->hw.timed_out = s->hw.fifo_len;
	update_irq(s);
}

static unsigned rx_room(const struct serial *s)
{
	return (fifo_on(s) ? FIFO_SIZE : 1) - s->hw.fifo_len;
}

/* Without FIFO the new character takes the place of the old one; a full FIFO keeps what it has (section 8.4). */
static void receive(struct serial *s, uint8_t c)
{
	struct serial_hw *hw = &s->hw;

	if (!rx_room(s)) {
		hw->overrun = true;
		if (!fifo_on(s))
			hw->fifo[hw->fifo_head] = c;
		return;
	}
	hw->fifo[(hw->fifo_head + hw->fifo_len++) % FIFO_SIZE] = c;
	restart_timeout(s);
}

static void clear_rx(struct serial *s)
{
	s->hw.fifo_len = 0;
	restart_timeout(s);
}

/* Room has been made for bytes that were refused: the chardev hears of it on its own thread. */
static void call_for_input(struct serial *s)
{
	if (s->refused && rx_room(s)) {
		s->refused = false;
		loop_post(s->dev.bus->loop, &s->accept);
	}
}

static uint8_t read_rbr(struct serial *s)
{
	struct serial_hw *hw = &s->hw;
	uint8_t c = hw->fifo[hw->fifo_head];

	if (!hw->fifo_len)
		return 0;
	hw->fifo_head = (hw->fifo_head + 1) % FIFO_SIZE;
	hw->fifo_len--;
	restart_timeout(s);
	call_for_input(s);
	return c;
}

/* ---- transmitter ----------------------------------------------------------------------------- */

/* THRE promises room for a whole FIFO. Its rise is an event, which reading IIR or writing THR takes back. */
static void update_tx(struct serial *s)
{
	bool empty = charout_has_room(&s->out, FIFO_SIZE);

	s->hw.tx_pending |= empty && !s->hw.tx_empty;
	s->hw.tx_empty = empty;
}

static void write_thr(struct serial *s, uint8_t c)
{
	s->hw.tx_empty = s->hw.tx_pending = false;
	if (s->hw.mcr & MCR_LOOP)
		receive(s, c);
	else
		charout_put(&s->out, &c, 1);
	update_tx(s);
}

/* ---- modem lines ----------------------------------------------------------------------------- */

/* In loop mode the outputs are the inputs (section 8.7). */
static uint8_t modem_lines(const struct serial *s)
{
	uint8_t mcr = s->hw.mcr;

	if (!(mcr & MCR_LOOP))
		return s->chr ? MSR_CTS | MSR_DSR | MSR_DCD : 0;
	return (uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
			 (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0));
}

/* RI counts when it goes away only (TERI, section 8.8). */
static void update_modem(struct serial *s)
{
	uint8_t old = s->hw.msr, lines = modem_lines(s), changed = old ^ lines;

	s->hw.msr = lines | (old & MSR_DELTAS);
	s->hw.msr |= (changed >> 4) & (MSR_DCTS | MSR_DDSR | MSR_DDCD);
	if (changed & old & MSR_RI)
		s->hw.msr |= MSR_TERI;
}

/* ---- registers ------------------------------------------------------------------------------- */

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	if (id == IIR_TX)
		s->hw.tx_pending = false;
	return id | (fifo_on(s) ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t v = (uint8_t)((s->hw.fifo_len ? LSR_READY : 0) | (s->hw.overrun ? LSR_OVERRUN : 0) |
			      (s->hw.tx_empty ? LSR_THRE | LSR_TEMT : 0));

	s->hw.overrun = false;
	return v;
}

static uint8_t read_msr(struct serial *s)
{
	uint8_t v = s->hw.msr;

	s->hw.msr &= ~MSR_DELTAS;
	return v;
}

static uint8_t read_register(struct serial *s, unsigned reg)
{
	bool dlab = s->hw.lcr & LCR_DLAB;

	switch (reg) {
	case UART_DATA: return dlab ? s->hw.divisor & 0xff : read_rbr(s);
	case UART_IER: return dlab ? s->hw.divisor >> 8 : s->hw.ier;
	case UART_IIR: return read_iir(s);
	case UART_LCR: return s->hw.lcr;
	case UART_MCR: return s->hw.mcr;
	case UART_LSR: return read_lsr(s);
	case UART_MSR: return read_msr(s);
	default: return s->hw.scr;
	}
}

/* Enabling the transmitter's interrupt while it is empty raises it (section 8.6). */
static void write_ier(struct serial *s, uint8_t v)
{
	bool enabled = v & ~s->hw.ier & IER_TX;

	s->hw.ier = v & IER_ALL;
	if (enabled && s->hw.tx_empty)
		s->hw.tx_pending = true;
}

/* Other bits count only together with the enable bit, whose change clears the FIFOs (section 8.4). */
static void write_fcr(struct serial *s, uint8_t v)
{
	bool switched = (v ^ s->hw.fcr) & FCR_ENABLE;

	if (switched || (v & FCR_ENABLE && v & FCR_CLEAR_RX))
		clear_rx(s);
	s->hw.fcr = v & FCR_ENABLE ? v & FCR_KEPT : 0;
	call_for_input(s);
}

static void write_mcr(struct serial *s, uint8_t v)
{
	s->hw.mcr = v & MCR_ALL;
	update_modem(s);
	call_for_input(s);
}

static void write_register(struct serial *s, unsigned reg, uint8_t v)
{
	bool dlab = s->hw.lcr & LCR_DLAB;

	if (reg == UART_DATA && dlab)
		s->hw.divisor = (uint16_t)((s->hw.divisor & 0xff00) | v);
	else if (reg == UART_DATA)
		write_thr(s, v);
	else if (reg == UART_IER && dlab)
		s->hw.divisor = (uint16_t)((s->hw.divisor & 0x00ff) | v << 8);
	else if (reg == UART_IER)
		write_ier(s, v);
	else if (reg == UART_IIR)
		write_fcr(s, v);
	else if (reg == UART_LCR)
		s->hw.lcr = v;
	else if (reg == UART_MCR)
		write_mcr(s, v);
	else if (reg == UART_SCR)
		s->hw.scr = v;
}

static uint64_t serial_read(struct dev *d, struct region *r, uint64_t offset, unsigned size)
{
	uint8_t v = read_register(serial(d), (unsigned)offset);

	update_irq(serial(d));
	return v;
}

static void serial_write(
	struct dev *d, struct region *r, uint64_t offset, unsigned size, uint64_t value)
{
	write_register(serial(d), (unsigned)offset, (uint8_t)value);
	update_irq(serial(d));
}

static const struct region_ops serial_region = {
	.read = serial_read,
	.write = serial_write,
	.min = 1,
	.max = 1,
};

/* ---- the chardev's side: its loop's thread --------------------------------------------------- */

/* In loop mode the input pin is disconnected. */
static size_t front_can_read(void *opaque)
{
	struct serial *s = opaque;
	size_t n;

	dev_lock(&s->dev);
	n = s->hw.mcr & MCR_LOOP ? 0 : rx_room(s);
	s->refused |= !n;
	dev_unlock(&s->dev);
	return n;
}

static void front_read(void *opaque, const uint8_t *buf, size_t n)
{
	struct serial *s = opaque;

	dev_lock(&s->dev);
	for (size_t i = 0; i < n; i++)
		receive(s, buf[i]);
	update_irq(s);
	dev_unlock(&s->dev);
}

static void front_writable(void *opaque)
{
	charout_writable(&((struct serial *)opaque)->out);
}

static const struct chardev_front serial_front = {
	.can_read = front_can_read,
	.read = front_read,
	.writable = front_writable,
};

static void accept_call(struct loop_call *c)
{
	chardev_accept_input(container_of(c, struct serial, accept)->chr);
}

static void output_room(void *opaque)
{
	struct serial *s = opaque;

	dev_lock(&s->dev);
	update_tx(s);
	update_irq(s);
	dev_unlock(&s->dev);
}

void isa_serial_set_chardev(struct dev *d, struct chardev *chr)
{
	serial(d)->chr = chr;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool serial_realize(struct dev *d, GError **error)
{
	struct serial *s = serial(d);
	int err = s->chr ? chardev_attach(s->chr, d->bus->loop, &serial_front, s) : 0;

	if (err < 0)
		return err_set_errno(
			error, -err, "device \"%s\": chardev \"%s\"", d->id, s->chr->id);
	s->accept.fn = accept_call;
	charout_init(&s->out, s->chr, d->bus->loop, output_room, s);
	dev_timer_init(&s->timeout, d, VM_CLOCK_VIRTUAL, timeout_fired);
	s->irq = gsi_source(d->bus->gsi, s->gsi);
	region_init_io(&s->region, d, &serial_region, "serial", BUS_PIO, UART_PORTS);
	if (region_map(d->bus, &s->region, s->iobase, REGION_PRIO_DEVICE) < 0)
		return err_set(error, VMMD_ERROR_INVALID,
			"device \"%s\": %u ports from 0x%x on end beyond 0xffff", d->id, UART_PORTS,
			s->iobase);
	return true;
}

static void serial_unrealize(struct dev *d)
{
	struct serial *s = serial(d);

	if (!s->out.loop)
		return;
	dev_lock(d);
	dev_timer_cancel(&s->timeout);
	dev_unlock(d);
	irq_set(&s->irq, false);
	charout_done(&s->out);
	if (s->chr)
		chardev_detach(s->chr);
	loop_call_cancel(d->bus->loop, &s->accept);
}

/* Master reset, table 3; divisor and scratch register are left alone by it, so they come from power-on. */
static void serial_reset(struct dev *d, enum reset_kind kind)
{
	struct serial *s = serial(d);
	struct serial_hw *hw = &s->hw;
	uint8_t scr = hw->scr;
	uint16_t divisor = hw->divisor;

	*hw = (struct serial_hw){.divisor = DIVISOR_9600};
	if (kind == RESET_WARM) {
		hw->scr = scr;
		hw->divisor = divisor;
	}
	hw->tx_empty = charout_has_room(&s->out, FIFO_SIZE);
	hw->msr = modem_lines(s);
	restart_timeout(s);
	call_for_input(s);
	update_irq(s);
}

static void serial_pre_save(struct dev *d)
{
	serial(d)->hw.timeout_at = (uint64_t)serial(d)->timeout.deadline;
}

/* The transmitter's room is this host's; the lines are its too, and a change of them is the guest's to see. */
static int serial_post_load(struct dev *d)
{
	struct serial *s = serial(d);

	if (s->hw.timeout_at == UINT64_MAX)
		dev_timer_cancel(&s->timeout);
	else
		dev_timer_set(&s->timeout, (int64_t)s->hw.timeout_at);
	update_tx(s);
	update_modem(s);
	update_irq(s);
	return 0;
}

static int serial_check(const void *state)
{
	const struct serial_hw *hw = state;
	unsigned room = hw->fcr & FCR_ENABLE ? FIFO_SIZE : 1;

	return hw->fifo_len <= room && !(hw->fcr & ~FCR_KEPT) ? 0 : -EINVAL;
}

static const struct state_field serial_fields[] = {
	ST_U(struct serial_hw, timeout_at),
	ST_U(struct serial_hw, divisor),
	ST_MAX(struct serial_hw, ier, IER_ALL),
	ST_U(struct serial_hw, fcr),
	ST_U(struct serial_hw, lcr),
	ST_MAX(struct serial_hw, mcr, MCR_ALL),
	ST_U(struct serial_hw, msr),
	ST_U(struct serial_hw, scr),
	ST_BOOL(struct serial_hw, overrun),
	ST_BOOL(struct serial_hw, tx_empty),
	ST_BOOL(struct serial_hw, tx_pending),
	ST_BOOL(struct serial_hw, timed_out),
	ST_BYTES(struct serial_hw, fifo),
	ST_MAX(struct serial_hw, fifo_head, FIFO_SIZE - 1),
	ST_MAX(struct serial_hw, fifo_len, FIFO_SIZE),
	ST_PAD(struct serial_hw, pad),
	ST_END,
};

static const struct state_desc serial_state = {
	.name = "isa-serial",
	.version = 1,
	.size = sizeof(struct serial_hw),
	.fields = serial_fields,
	.check = serial_check,
};

static const struct prop serial_props[] = {
	PROP_U16("iobase", struct serial, iobase, 0, 0xffff, 0x3f8, "first I/O port"),
	PROP_U8("irq", struct serial, gsi, 0, 15, 4, "ISA interrupt"),
	PROP_END,
};

static const struct prop_table serial_table = {
	.name = "isa-serial",
	.doc = "serial port",
	.size = sizeof(struct serial),
	.props = serial_props,
};

const struct dev_ops isa_serial_ops = {
	.name = "isa-serial",
	.doc = "serial port, PC16550D",
	.size = sizeof(struct serial),
	.props = &serial_table,
	.realize = serial_realize,
	.reset = serial_reset,
	.unrealize = serial_unrealize,
	.pre_save = serial_pre_save,
	.post_load = serial_post_load,
	.state =
		(const struct dev_part[]){
			{&serial_state, offsetof(struct serial, hw)},
			{.desc = NULL},
		},
};

const struct dev_ops *const serial_devices[] = {&isa_serial_ops, NULL};
