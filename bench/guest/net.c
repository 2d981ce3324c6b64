/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net (virtio 1.2, 5.1): frames out, frames in, frames sent back. */
#include "commands.h"
#include "cpu.h"
#include "io.h"
#include "lib.h"
#include "out.h"
#include "virtio.h"

#define NET_F_MAC (1ull << 5)

#define QUEUE_RX 0
#define QUEUE_TX 1
#define BUFFERS  128

#define ETHER_MIN  60
#define ETHER_MAX  1514
#define ETHER_TYPE 0xb588 /* 0x88b5, local experimental, as it stands in memory */

struct ether {
	uint8_t to[6], from[6];
	uint16_t type;
	uint32_t sequence;
} __attribute__((packed));

struct buffer {
	struct {
		uint8_t flags, gso_type;
		uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
	} header;
	uint8_t frame[ETHER_MAX] __attribute__((aligned(4)));
};

#define HEADER_SIZE 12

struct nic {
	struct virtio v;
	struct vq rx, tx;
	uint8_t mac[6];
	struct buffer *rx_buffers, *tx_buffers;
	uint16_t tx_free[BUFFERS];
	unsigned int n_tx_free;
};

static struct nic nic;

static void offer_rx(unsigned int i)
{
	vq_add(&nic.rx, &(struct vq_segment){&nic.rx_buffers[i], sizeof(struct buffer), true}, 1,
		i);
}

static void open_nic(const struct args *a)
{
	virtio_start(&nic.v, VIRTIO_NET, NET_F_MAC, a);
	for (unsigned int i = 0; i < sizeof(nic.mac); i++)
		nic.mac[i] = nic.v.features & NET_F_MAC ? mmio_read8(nic.v.config + i) : 2 * !i;
	virtio_start_queue(&nic.v, &nic.rx, QUEUE_RX, BUFFERS);
	virtio_start_queue(&nic.v, &nic.tx, QUEUE_TX, BUFFERS);
	nic.rx_buffers = pool_alloc(BUFFERS * sizeof(struct buffer), 4096);
	nic.tx_buffers = pool_alloc(BUFFERS * sizeof(struct buffer), 4096);
	for (nic.n_tx_free = 0; nic.n_tx_free < nic.tx.size; nic.n_tx_free++)
		nic.tx_free[nic.n_tx_free] = nic.n_tx_free;
	virtio_go(&nic.v);
}

static void reap_tx(void)
{
	unsigned int id;
	uint32_t len;

	while (vq_get(&nic.tx, &id, &len)) {
		if (id >= BUFFERS || nic.n_tx_free == BUFFERS)
			fail("net: completion of a frame that was not sent");
		nic.tx_free[nic.n_tx_free++] = id;
	}
}

/* A buffer to send from; waits for one if all are with the device. */
static unsigned int take_tx(void)
{
	reap_tx();
	while (!nic.n_tx_free) {
		vq_kick(&nic.tx);
		vq_wait(&nic.tx);
		reap_tx();
	}
	return nic.tx_free[--nic.n_tx_free];
}

static void send(unsigned int i, uint32_t bytes)
{
	struct buffer *b = &nic.tx_buffers[i];

	memset(&b->header, 0, sizeof(b->header));
	vq_add(&nic.tx, &(struct vq_segment){b, HEADER_SIZE + bytes, false}, 1, i);
}

static void wait_all_sent(void)
{
	vq_kick(&nic.tx);
	for (reap_tx(); nic.n_tx_free < nic.tx.size; reap_tx())
		vq_wait(&nic.tx);
}

/* Broadcast @n frames, @batch to a doorbell; each carries its number. */
void cmd_net_tx(const struct args *a)
{
	uint64_t n = arg_range(a, "n", 1, UINT32_MAX), begin;
	uint32_t bytes = arg_range(a, "bytes", ETHER_MIN, ETHER_MAX), before = cpu_irqs(0);
	uint32_t batch = arg_range(a, "batch", 1, BUFFERS);

	open_nic(a);
	begin = rdtsc();
	for (uint64_t i = 0; i < n; i++) {
		unsigned int slot = take_tx();
		struct ether *e = (struct ether *)nic.tx_buffers[slot].frame;

		memset(e->to, 0xff, sizeof(e->to));
		memcpy(e->from, nic.mac, sizeof(e->from));
		e->type = ETHER_TYPE;
		e->sequence = i;
		send(slot, bytes);
		if ((i + 1) % batch == 0)
			vq_kick(&nic.tx);
	}
	wait_all_sent();
	virtio_report("net-tx", &nic.tx, n, rdtsc() - begin, cpu_irqs(0) - before);
	virtio_reset(&nic.v);
}

/*
 * One received frame, valid until its buffer is offered again. False when none came by @end: without a
 * frame nothing interrupts, so receivers poll.
 */
static bool receive(uint64_t end, unsigned int *slot, uint32_t *bytes)
{
	uint32_t len;

	while (!vq_get(&nic.rx, slot, &len)) {
		if (rdtsc() > end)
			return false;
	}
	if (*slot >= BUFFERS || len < HEADER_SIZE || len > sizeof(struct buffer))
		fail("net: a received frame of %u bytes", len);
	*bytes = len - HEADER_SIZE;
	return true;
}

static void send_back(unsigned int slot, uint32_t bytes)
{
	unsigned int out_slot = take_tx();
	struct ether *e = (struct ether *)nic.tx_buffers[out_slot].frame;

	memcpy(e, nic.rx_buffers[slot].frame, bytes);
	memcpy(e->to, e->from, sizeof(e->to));
	memcpy(e->from, nic.mac, sizeof(e->from));
	send(out_slot, bytes);
	vq_kick(&nic.tx);
}

/* Take @n frames, or those that come within @ms of each other, and send them back if @echo. */
static void receive_frames(const struct args *a, bool echo)
{
	uint64_t n = arg_range(a, "n", 1, UINT32_MAX), got = 0, bytes = 0, sum = 0, begin;
	uint32_t ms = arg_range(a, "ms", 1, 60000), len, before = cpu_irqs(0);
	unsigned int slot;

	open_nic(a);
	for (unsigned int i = 0; i < nic.rx.size; i++)
		offer_rx(i);
	vq_kick(&nic.rx);
	out("%s=ready\n", a->command->name);
	for (begin = rdtsc(); got < n && receive(cpu_deadline(ms), &slot, &len); got++) {
		const uint8_t *frame = nic.rx_buffers[slot].frame;

		bytes += len;
		for (uint32_t i = 0; i < len; i++)
			sum += frame[i];
		if (echo)
			send_back(slot, len);
		offer_rx(slot);
		vq_kick(&nic.rx);
	}
	wait_all_sent();
	virtio_report(a->command->name, &nic.rx, got, rdtsc() - begin, cpu_irqs(0) - before);
	out("%s.bytes=%lu\n%s.sum=%lu\n", a->command->name, bytes, a->command->name, sum);
	virtio_reset(&nic.v);
}

void cmd_net_rx(const struct args *a)
{
	receive_frames(a, false);
}

void cmd_net_echo(const struct args *a)
{
	receive_frames(a, true);
}
