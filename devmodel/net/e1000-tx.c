/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmit, manual sections 3.3 (descriptors) and 3.4 to 3.6 (ring, segmentation, checksums). Each
 * descriptor is read once, in order, up to the end of a packet; they are given back when the packet
 * is gone.
 */
#include <endian.h>
#include <string.h>

#include "devmodel/net/e1000.h"

#define LOOK_MAX 1024 /* descriptors of one look at the ring */

/* A descriptor as it was read. */
struct tx_desc {
	uint64_t address;
	uint32_t command; /* length in the low bits, command byte at the top */
	uint32_t upper;   /* status, offsets, special */
};

_Static_assert(sizeof(struct tx_desc) == DESC_SIZE, "manual section 3.3");

static uint8_t command_of(const struct tx_desc *t)
{
	return (uint8_t)(t->command >> 24);
}

static bool is_extended(const struct tx_desc *t)
{
	return command_of(t) & TXD_DEXT;
}

static bool is_context(const struct tx_desc *t)
{
	return is_extended(t) && (t->command >> 20 & 0xf) == TXD_DTYP_CONTEXT;
}

static uint32_t ring_size(const struct e1000_ring *r)
{
	return r->len / DESC_SIZE;
}

static bool is_empty(const struct e1000_ring *r)
{
	return !ring_size(r) || r->head == r->tail || r->tail >= ring_size(r);
}

static bool read_desc(
	struct e1000_core *c, const struct e1000_ring *r, uint32_t i, struct tx_desc *ret)
{
	gpa_t at;

	if (!gpa_add(e1000_ring_base(r), (uint64_t)i * DESC_SIZE, &at) ||
		gmem_read(c->pci.dev.bus->gmem, at, ret, sizeof(*ret)) < 0)
		return false;
	ret->address = le64toh(ret->address);
	ret->command = le32toh(ret->command);
	ret->upper = le32toh(ret->upper);
	return true;
}

/* ---- giving back ---- */

static bool wants_status(uint8_t command)
{
	return command & (TXD_RS | (command & TXD_DEXT ? 0 : TXD_RPS));
}

/* The descriptor at the head is done. */
static void retire(struct e1000_core *c, struct e1000_ring *r, uint8_t command)
{
	static const uint8_t done = TXD_DD;
	gpa_t at;

	/* Where there is no memory any more, nobody looks. */
	if (wants_status(command) &&
		gpa_add(e1000_ring_base(r), (uint64_t)r->head * DESC_SIZE + TXD_STATUS, &at))
		(void)!gmem_write(c->pci.dev.bus->gmem, at, &done, sizeof(done));
	r->head = r->head + 1 < ring_size(r) ? r->head + 1 : 0;
}

/* @status: one of them wanted it; @delayed: and does not mind when it is told. */
static void after_retiring(struct e1000_core *c, unsigned queue, bool status, bool delayed)
{
	if (c->hw.tx[queue].head == c->hw.tx[queue].tail)
		e1000_cause(c, ICR_TXQE);
	if (status)
		e1000_cause_tx(c, queue, delayed);
}

/* Descriptors that make no packet: up to the next one that ends one. */
static void discard(struct e1000_core *c, unsigned queue)
{
	struct e1000_ring *r = &c->hw.tx[queue];
	struct tx_desc t;

	for (unsigned i = 0; i < LOOK_MAX && !is_empty(r); i++) {
		if (!read_desc(c, r, r->head, &t)) {
			r->head = r->tail;
			break;
		}
		retire(c, r, command_of(&t));
		if (!is_context(&t) && command_of(&t) & TXD_EOP) {
			c->hw.tx_discard[queue] = false;
			break;
		}
	}
	after_retiring(c, queue, true, false);
}

/* ---- descriptors to a packet ---- */

/* Manual section 3.3.6. */
static void load_context(struct e1000_core *c, unsigned queue, const struct tx_desc *t)
{
	bool tse = command_of(t) & TXD_TSE;

	c->hw.context[queue][tse] = (struct e1000_context){
		.ipcss = (uint8_t)t->address,
		.ipcso = (uint8_t)(t->address >> 8),
		.ipcse = (uint16_t)(t->address >> 16),
		.tucss = (uint8_t)(t->address >> 32),
		.tucso = (uint8_t)(t->address >> 40),
		.tucse = (uint16_t)(t->address >> 48),
		.command = command_of(t),
		.header = (uint8_t)(t->upper >> 8),
		.mss = (uint16_t)(t->upper >> 16),
	};
	if (tse)
		e1000_stat_add(c, STAT_TSCTC, 1);
}

/* What the first data descriptor of a packet says about all of it: section 3.3.7. */
static void begin_extended(
	struct e1000_core *c, unsigned queue, const struct tx_desc *t, struct packet *p)
{
	bool tse = command_of(t) & TXD_TSE;
	const struct e1000_context *x = &c->hw.context[queue][tse];
	uint8_t popts = (uint8_t)(t->upper >> 8);

	p->ip = (struct packet_csum){popts & POPTS_IXSM, x->ipcss, x->ipcso, x->ipcse};
	p->l4 = (struct packet_csum){(popts & POPTS_TXSM) != 0, x->tucss, x->tucso, x->tucse};
	p->tcp = x->command & TUCMD_TCP;
	if (!tse || !x->mss)
		return;
	p->mss = x->mss;
	p->header = x->header;
	p->ip6 = !(x->command & TUCMD_IP);
	p->l3_offset = x->ipcss;
	p->l4_offset = x->tucss;
}

/* Section 3.3.3. */
static void begin_legacy(const struct tx_desc *t, struct packet *p)
{
	p->l4 = (struct packet_csum){.wanted = command_of(t) & TXD_IC,
		.start = (uint8_t)(t->upper >> 8),
		.at = (uint8_t)(t->command >> 16)};
	p->tcp = true; /* whatever it is, no sum is avoided */
}

/* The descriptor's bytes behind those that are there. False: too many, or no memory. */
static bool add_data(struct e1000_core *c, const struct tx_desc *t, struct packet *p)
{
	uint32_t n = t->command & (is_extended(t) ? 0xfffffu : 0xffffu);

	if (n > PACKET_MAX - p->size ||
		gmem_read(c->pci.dev.bus->gmem, GPA(t->address), p->data + p->size, n) < 0)
		return false;
	p->size += n;
	if (command_of(t) & TXD_VLE && c->hw.ctrl & CTRL_VME) {
		p->has_vlan = true;
		p->vlan = (uint16_t)(t->upper >> 16);
	}
	return true;
}

static bool add_desc(
	struct e1000_core *c, unsigned queue, const struct tx_desc *t, struct packet *p)
{
	if (is_context(t)) {
		load_context(c, queue, t);
		return true;
	}
	if (!p->size && is_extended(t))
		begin_extended(c, queue, t, p);
	else if (!p->size)
		begin_legacy(t, p);
	return add_data(c, t, p);
}

/* Nothing can be sent of it. */
static enum nic_tx give_up(struct e1000_core *c, unsigned queue, const char *why)
{
	dev_guest_error(&c->pci.dev, "transmit queue %u: %s", queue, why);
	c->hw.tx_discard[queue] = true;
	return NIC_TX_MORE;
}

/*
 * From the head on, whose contexts are given back at once. A packet whose end is not there yet is
 * looked at again when the tail moves; one that fills the ring has none.
 */
static enum nic_tx collect(struct e1000_core *c, unsigned queue, struct packet *p)
{
	struct e1000_ring *r = &c->hw.tx[queue];
	struct e1000_tx_packet *k = &c->tx;
	uint32_t i = r->head;
	struct tx_desc t;

	k->queue = queue;
	for (k->n = 0; i != r->tail; i = i + 1 < ring_size(r) ? i + 1 : 0) {
		if (k->n == E1000_TX_DESCS || !read_desc(c, r, i, &t))
			return give_up(c, queue, "a packet in too many descriptors, or none there");
		if (!k->n && is_context(&t)) {
			load_context(c, queue, &t);
			retire(c, r, command_of(&t));
			after_retiring(
				c, queue, wants_status(command_of(&t)), command_of(&t) & TXD_IDE);
			return NIC_TX_MORE;
		}
		if (!add_desc(c, queue, &t, p))
			return give_up(c, queue, "a packet too long, or outside of memory");
		k->commands[k->n++] = command_of(&t);
		if (!is_context(&t) && command_of(&t) & TXD_EOP)
			return packet_check(p) ? NIC_TX_PACKET
					       : give_up(c, queue, "a packet with bad offsets");
	}
	if (k->n + 1 >= ring_size(r))
		return give_up(c, queue, "a packet larger than the ring");
	return NIC_TX_NONE;
}

static enum nic_tx next_of_queue(struct e1000_core *c, unsigned queue, struct packet *p)
{
	struct e1000_ring *r = &c->hw.tx[queue];

	if (is_empty(r))
		return NIC_TX_NONE;
	if (r->head >= ring_size(r))
		r->head = 0;
	if (c->hw.tx_discard[queue]) {
		discard(c, queue);
		return NIC_TX_MORE;
	}
	return collect(c, queue, p);
}

/*
 * Queues take turns; a packet that was sent in part is finished first, since the turn is kept until
 * it is done.
 */
enum nic_tx e1000_tx_next(struct dev *d, struct packet *p)
{
	struct e1000_core *c = to_e1000(d);
	uint8_t *data = p->data;

	if (!(c->hw.tctl & TCTL_EN) || !pci_may_dma(&c->pci))
		return NIC_TX_NONE;
	for (unsigned i = 0; i < c->model->queues; i++) {
		enum nic_tx ret = next_of_queue(c, c->hw.tx_queue, p);

		if (ret != NIC_TX_NONE)
			return ret;
		c->hw.tx_queue = (uint8_t)((c->hw.tx_queue + 1) % c->model->queues);
		*p = (struct packet){.data = data};
	}
	return NIC_TX_NONE;
}

static void count(struct e1000_core *c, const struct packet *p)
{
	unsigned frames = packet_frames(p);
	uint32_t first = packet_frame_size(p, 0), last = packet_frame_size(p, frames - 1);

	if (frames > 1) {
		e1000_stat_total(c, E1000_TX, first, frames - 1);
		e1000_stat_frame(c, E1000_TX, p->data, first, frames - 1);
	}
	e1000_stat_total(c, E1000_TX, last, 1);
	e1000_stat_frame(c, E1000_TX, p->data, last, 1);
}

void e1000_tx_done(struct dev *d, const struct packet *p)
{
	struct e1000_core *c = to_e1000(d);
	struct e1000_tx_packet *k = &c->tx;
	struct e1000_ring *r = &c->hw.tx[k->queue];
	bool status = false, delayed = false;

	for (unsigned i = 0; i < k->n && !is_empty(r); i++) {
		retire(c, r, k->commands[i]);
		if (!wants_status(k->commands[i]))
			continue;
		status = true;
		delayed = k->commands[i] & TXD_IDE;
	}
	count(c, p);
	after_retiring(c, k->queue, status, delayed);
	c->hw.tx_queue = (uint8_t)((k->queue + 1) % c->model->queues);
}
