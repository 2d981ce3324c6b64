/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts. Manual sections 13.4.17 to 13.4.24, 3.2.7 (RDTR, RADV) and 3.4.3 (TIDV, TADV); 82574
 * section 7.4, and ICR to EITR in chapter 10.
 *
 *	pin, MSI	one interrupt while ICR & IMS is not zero; ITR after the last one at the soonest
 *	MSI-X		a message for each of five causes when it is set and not masked; EITR each
 */
#include "devmodel/net/e1000.h"

#define ITR_UNIT_NS   256  /* of ITR and EITR */
#define DELAY_UNIT_NS 1024 /* of RDTR, RADV, TIDV, TADV */
#define INTERVAL(v)   ((v)&0xffff)

/* Causes that make ICR.OTHER: those without a vector of their own. */
#define OTHER_CAUSES (ICR_LSC | ICR_RXO | ICR_MDAC | ICR_SRPD)

/* ---- timers ---- */

void e1000_timer_rearm(struct e1000_core *c)
{
	uint64_t first = 0;

	for (unsigned t = 0; t < E1000_TIMERS; t++) {
		uint64_t deadline = c->hw.deadline[t];

		if (deadline && (!first || deadline < first))
			first = deadline;
	}
	if (first)
		dev_timer_set(&c->timer, (int64_t)first);
	else
		dev_timer_cancel(&c->timer);
}

/* Later ones are found when the first one is due. */
void e1000_timer_start(struct e1000_core *c, enum e1000_timer t, int64_t after)
{
	int64_t deadline = e1000_now(c) + MAX(after, 1);

	c->hw.deadline[t] = (uint64_t)deadline;
	if (c->timer.deadline < 0 || deadline < c->timer.deadline)
		dev_timer_set(&c->timer, deadline);
}

static bool running(const struct e1000_core *c, enum e1000_timer t)
{
	return c->hw.deadline[t];
}

static void stop(struct e1000_core *c, enum e1000_timer t)
{
	c->hw.deadline[t] = 0;
}

static void due(struct e1000_core *c, enum e1000_timer t)
{
	stop(c, t);
	switch (t) {
	case E1000_T_RDTR:
	case E1000_T_RADV:
		stop(c, E1000_T_RDTR);
		stop(c, E1000_T_RADV);
		e1000_cause(c, c->hw.rx_delayed);
		c->hw.rx_delayed = 0;
		break;
	case E1000_T_TIDV:
	case E1000_T_TADV:
		stop(c, E1000_T_TIDV);
		stop(c, E1000_T_TADV);
		e1000_cause(c, c->hw.tx_delayed);
		c->hw.tx_delayed = 0;
		break;
	case E1000_T_LINK: e1000_link_timer(c); break;
	default: e1000_irq_update(c); break; /* an interval has passed */
	}
}

void e1000_timer_fn(struct dev *d)
{
	struct e1000_core *c = to_e1000(d);
	uint64_t now = (uint64_t)e1000_now(c);

	for (unsigned t = 0; t < E1000_TIMERS; t++) {
		if (running(c, t) && c->hw.deadline[t] <= now)
			due(c, t);
	}
	e1000_timer_rearm(c);
}

/* ---- MSI-X ---- */

/*
 * Sends the message of cause @i, unless its vector's interval is still running: its end will come
 * here again.
 */
static bool send_vector(struct e1000_core *c, unsigned i)
{
	uint32_t entry = c->hw.ivar >> (4 * i) & 0xf;
	unsigned v = entry & 7;

	if (!(entry & IVAR_VALID) || v >= ICR_VECTORS)
		return true; /* goes nowhere */
	if (running(c, E1000_T_EITR + v))
		return false;
	pci_msix_raise(&c->pci, v);
	if (INTERVAL(c->hw.eitr[v]))
		e1000_timer_start(
			c, E1000_T_EITR + v, (int64_t)INTERVAL(c->hw.eitr[v]) * ITR_UNIT_NS);
	return true;
}

static void update_vectors(struct e1000_core *c)
{
	struct e1000_hw *h = &c->hw;

	for (unsigned i = 0; i < ICR_VECTORS; i++) {
		uint32_t cause = ICR_RXQ0 << i;

		if (!(h->icr & h->ims & cause)) {
			h->sent &= ~cause;
			continue;
		}
		if (h->sent & cause || !send_vector(c, i))
			continue;
		h->icr &= ~(h->eiac & cause);
		if (h->ctrl_ext & CTRL_EXT_EIAME)
			h->ims &= ~(h->iam & cause);
		h->sent |= h->icr & h->ims & cause;
	}
}

/* ---- pin and MSI ---- */

static void assert_irq(struct e1000_core *c)
{
	c->hw.throttled = running(c, E1000_T_ITR);
	if (c->hw.throttled)
		return; /* its end will come here again */
	c->hw.asserted = true;
	pci_irq_set(&c->pci, true);
	if (INTERVAL(c->hw.itr))
		e1000_timer_start(c, E1000_T_ITR, (int64_t)INTERVAL(c->hw.itr) * ITR_UNIT_NS);
}

static void deassert_irq(struct e1000_core *c)
{
	c->hw.throttled = false;
	c->hw.asserted = false;
	pci_irq_set(&c->pci, false);
}

void e1000_irq_update(struct e1000_core *c)
{
	struct e1000_hw *h = &c->hw;
	bool msix = pci_msix_enabled(&c->pci);
	bool pending;

	if (msix)
		update_vectors(c);
	pending = h->icr & h->ims & ~ICR_ASSERTED;
	if (pending)
		h->icr |= ICR_ASSERTED;
	else
		h->icr &= ~ICR_ASSERTED;
	if (!pending || msix)
		deassert_irq(c);
	else if (!h->asserted)
		assert_irq(c);
}

/* ---- causes ---- */

/* With MSI a cause that comes while others wait is another message: nobody looks at a level. */
void e1000_cause(struct e1000_core *c, uint32_t causes)
{
	if (c->model->is_82574 && causes & OTHER_CAUSES)
		causes |= ICR_OTHER;
	if (pci_msi_enabled(&c->pci) && causes & c->hw.ims & ~c->hw.icr)
		deassert_irq(c);
	c->hw.icr |= causes;
	c->hw.sent &= ~causes;
	e1000_irq_update(c);
}

static void delay(struct e1000_core *c, enum e1000_timer last, uint32_t since_last,
	enum e1000_timer first, uint32_t since_first)
{
	e1000_timer_start(c, last, (int64_t)INTERVAL(since_last) * DELAY_UNIT_NS);
	if (INTERVAL(since_first) && !running(c, first))
		e1000_timer_start(c, first, (int64_t)INTERVAL(since_first) * DELAY_UNIT_NS);
}

/* The 82574 also says which queue it was. */
static uint32_t queue_cause(const struct e1000_core *c, uint32_t first, unsigned queue)
{
	return c->model->is_82574 ? first << queue : 0;
}

void e1000_cause_rx(struct e1000_core *c, unsigned queue)
{
	uint32_t causes = ICR_RXT0 | queue_cause(c, ICR_RXQ0, queue);

	if (!INTERVAL(c->hw.rdtr)) {
		e1000_cause(c, causes);
		return;
	}
	c->hw.rx_delayed |= causes;
	delay(c, E1000_T_RDTR, c->hw.rdtr, E1000_T_RADV, c->hw.radv);
}

void e1000_cause_tx(struct e1000_core *c, unsigned queue, bool delayed)
{
	uint32_t causes = ICR_TXDW | queue_cause(c, ICR_TXQ0, queue);

	if (!delayed || !INTERVAL(c->hw.tidv)) {
		e1000_cause(c, causes);
		return;
	}
	c->hw.tx_delayed |= causes;
	delay(c, E1000_T_TIDV, c->hw.tidv, E1000_T_TADV, c->hw.tadv);
}

void e1000_flush_rx(struct e1000_core *c)
{
	if (running(c, E1000_T_RDTR))
		due(c, E1000_T_RDTR);
}

void e1000_flush_tx(struct e1000_core *c)
{
	if (running(c, E1000_T_TIDV))
		due(c, E1000_T_TIDV);
}

/*
 * Reading clears what was read when nobody would be told again: the pin, MSI; with MSI-X, where
 * causes without a vector of their own are found by reading, when an interrupt is pending or all
 * are masked.
 */
uint32_t e1000_icr_read(struct e1000_core *c)
{
	struct e1000_hw *h = &c->hw;
	uint32_t v = h->icr;
	bool asserted = v & ICR_ASSERTED;

	if (!c->model->is_82574)
		v &= ~ICR_ASSERTED;
	if (!h->ims || asserted || !pci_msix_enabled(&c->pci))
		h->icr = 0;
	if (asserted && h->ctrl_ext & CTRL_EXT_IAME)
		h->ims &= ~h->iam;
	e1000_irq_update(c);
	return v;
}

void e1000_icr_write(struct e1000_core *c, uint32_t value)
{
	struct e1000_hw *h = &c->hw;

	if (h->icr & ICR_ASSERTED && h->ctrl_ext & CTRL_EXT_IAME)
		h->ims &= ~h->iam;
	h->icr &= ~value;
	e1000_irq_update(c);
}
