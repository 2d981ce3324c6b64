/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/nic.h"

#include <string.h>

#include "base/qs.h"

#define BAR_STEP (1 * MiB)
#define IO_STEP  0x100

const uint8_t nic_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static void place_bars(struct nic_rig *n)
{
	struct pci_dev *p = to_pci_dev(n->d);

	for (unsigned i = PCI_BARS; i-- > 0;) {
		const struct pci_bar *bar = &p->bars[i];

		if (!bar->region)
			continue;
		rig_cfg_write(n->r, n->devfn, PCI_BAR0 + 4 * i, 4,
			(uint32_t)(bar->is_io ? NIC_IO + i * IO_STEP : NIC_MEM + i * BAR_STEP));
		if (bar->is_io)
			n->io_bar = i;
		else
			n->mem_bar = i;
	}
	rig_cfg_write(n->r, n->devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

void nic_rig_init(struct nic_rig *n, const struct dev_ops *ops,
	void (*set_backend)(struct dev *d, struct net *net), unsigned offloads)
{
	g_autoptr(GError) error = NULL;

	*n = (struct nic_rig){.r = rig_new(), .net = fake_net_new(1)};
	n->net->can_offload = offloads;
	n->d = dev_new(n->r->bus, ops, "nic");
	to_pci_dev(n->d)->bus = n->r->pci;
	to_pci_dev(n->d)->addr = (struct prop_pci){.slot = 1};
	set_backend(n->d, &n->net->net);
	g_assert_true(prop_set_text(prop_find(ops->props, "mac"), n->d, "52:54:00:12:34:56", NULL));
	dev_realize(n->d, &error);
	g_assert_no_error(error);
	n->devfn = to_pci_dev(n->d)->devfn;
	bus_reset(n->r->bus, RESET_COLD);
	place_bars(n);
}

static void drop_all(struct nic_rig *n)
{
	g_queue_clear_full(&n->net->queues[0].waiting, (GDestroyNotify)g_bytes_unref);
	g_queue_clear_full(&n->net->queues[0].sent, (GDestroyNotify)g_bytes_unref);
}

void nic_rig_done(struct nic_rig *n)
{
	g_assert_cmpuint(n->r->events, ==, 0);
	dev_free(n->d);
	drop_all(n);
	nic_poll(n);
	fake_net_free(n->net);
	rig_free(n->r);
}

uint32_t nic_get(struct nic_rig *n, unsigned offset)
{
	return (uint32_t)rig_read(n->r, BUS_MMIO, NIC_MEM + n->mem_bar * BAR_STEP + offset, 4);
}

void nic_set(struct nic_rig *n, unsigned offset, uint32_t value)
{
	rig_write(n->r, BUS_MMIO, NIC_MEM + n->mem_bar * BAR_STEP + offset, 4, value);
}

uint32_t nic_in(struct nic_rig *n, unsigned offset, unsigned size)
{
	return (uint32_t)rig_read(n->r, BUS_PIO, NIC_IO + n->io_bar * IO_STEP + offset, size);
}

void nic_out(struct nic_rig *n, unsigned offset, unsigned size, uint32_t value)
{
	rig_write(n->r, BUS_PIO, NIC_IO + n->io_bar * IO_STEP + offset, size, value);
}

void nic_mem_write(struct nic_rig *n, uint64_t at, const void *data, size_t size)
{
	qs_enter();
	g_assert_cmpint(gmem_write(n->r->gmem, GPA(at), data, size), ==, 0);
	qs_leave();
}

void nic_mem_read(struct nic_rig *n, uint64_t at, void *data, size_t size)
{
	qs_enter();
	g_assert_cmpint(gmem_read(n->r->gmem, GPA(at), data, size), ==, 0);
	qs_leave();
}

/*
 * Devices post again while there is work: as long as one of two rounds does something, there is no
 * end to see.
 */
void nic_poll(struct nic_rig *n)
{
	for (unsigned i = 0; i < 40; i++)
		rig_poll(n->r);
}

void nic_step(struct nic_rig *n, int64_t ns)
{
	clock_step_to(n->r->clocks, clock_now(n->r->clocks, VM_CLOCK_VIRTUAL) + ns);
	nic_poll(n);
}

bool nic_irq(struct nic_rig *n)
{
	return fake_accel_level(n->r->fake, NIC_GSI);
}

GBytes *nic_sent(struct nic_rig *n)
{
	return fake_net_take(n->net, 0);
}

void nic_assert_sent(struct nic_rig *n, const void *frame, size_t size)
{
	g_autoptr(GBytes) b = nic_sent(n);
	gsize got;
	const void *data;

	g_assert_nonnull(b);
	data = g_bytes_get_data(b, &got);
	g_assert_cmpmem(data, got, frame, size);
}

void nic_assert_nothing_sent(struct nic_rig *n)
{
	g_assert_true(g_queue_is_empty(&n->net->queues[0].sent));
}

void nic_make_frame(uint8_t *frame, const uint8_t *to, size_t size, uint8_t seed)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, "\x02\x00\x00\x00\x00\x01\x88\xb5", 8);
	for (size_t i = 14; i < size; i++)
		frame[i] = (uint8_t)(seed + i * 7);
}

void nic_inject(struct nic_rig *n, const uint8_t *to, size_t size, uint8_t seed)
{
	g_autofree uint8_t *frame = g_malloc0(12 + size);
	unsigned header = n->net->queues[0].header;

	nic_make_frame(frame + header, to, size, seed);
	fake_net_inject(n->net, 0, frame, header + size);
	nic_poll(n);
}

/* ---- life ---- */

struct waiting {
	struct async_group g;
	bool done;
};

static void waited(struct async_group *g)
{
	container_of(g, struct waiting, g)->done = true;
}

void nic_rig_quiesce(struct nic_rig *n)
{
	struct waiting w = {.done = false};

	async_begin(&w.g, n->r->loop, waited);
	bus_quiesce(n->r->bus, &w.g);
	async_end(&w.g);
	while (!w.done)
		rig_poll(n->r);
}

void nic_rig_resume(struct nic_rig *n)
{
	bus_resume(n->r->bus);
}

void nic_save_and_load(struct nic_rig *n)
{
	g_autoptr(GByteArray) first = g_byte_array_new(), second = g_byte_array_new();
	g_autoptr(GError) error = NULL;

	nic_rig_quiesce(n);
	bus_save(n->r->bus, first);
	bus_reset(n->r->bus, RESET_COLD);
	bus_load(n->r->bus, first->data, first->len, &error);
	g_assert_no_error(error);
	bus_save(n->r->bus, second);
	g_assert_cmpmem(first->data, first->len, second->data, second->len);
	nic_rig_resume(n);
}

/* ---- random writes ---- */

static void random_frame(struct nic_rig *n)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (n->net->queues[0].waiting.length < 4)
		nic_inject(n, g_test_rand_bit() ? nic_mac : broadcast,
			(size_t)g_test_rand_int_range(14, 3000), (uint8_t)g_test_rand_int());
}

static void random_write(struct nic_rig *n)
{
	struct pci_dev *p = to_pci_dev(n->d);
	const struct region *r = p->bars[g_test_rand_bit() ? n->mem_bar : n->io_bar].region;
	uint64_t at = (uint64_t)g_test_rand_int_range(0, (int)r->size);
	uint32_t value = (uint32_t)g_test_rand_int();

	/*
	 * The first pages hold nearly all registers, and small numbers mean something more often.
	 */
	if (g_test_rand_bit())
		at %= 0x6000;
	if (g_test_rand_bit())
		value &= 0xfffff0;
	at = MIN(at, r->size - 1);
	rig_write(n->r, r->space, r->base + at, 1u << g_test_rand_int_range(0, 3), value);
}

void nic_random_writes(struct nic_rig *n, unsigned writes)
{
	uint8_t junk[4096];

	for (unsigned i = 0; i < sizeof(junk); i++)
		junk[i] = (uint8_t)g_test_rand_int();
	for (unsigned at = 0; at < RIG_RAM; at += sizeof(junk))
		nic_mem_write(n, at, junk, sizeof(junk));
	for (unsigned i = 0; i < writes; i++) {
		random_write(n);
		if (i % 50)
			continue;
		random_frame(n);
		clock_step_to(n->r->clocks, clock_now(n->r->clocks, VM_CLOCK_VIRTUAL) +
						    g_test_rand_int_range(1, 1000000));
		rig_poll(n->r);
		g_queue_clear_full(&n->net->queues[0].sent, (GDestroyNotify)g_bytes_unref);
	}
	nic_save_and_load(n);
	bus_reset(n->r->bus, RESET_COLD);
	drop_all(n);
	nic_poll(n);
	drop_all(n);
	place_bars(n);
}

/* ---- independent checks ---- */

uint16_t ref_csum(const uint8_t *data, size_t n, uint32_t start)
{
	uint32_t sum = start;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum > 0xffff)
		sum = sum % 0x10000 + sum / 0x10000;
	return (uint16_t)(0xffff - sum);
}

static uint32_t ref_pseudo(const uint8_t *addresses, size_t n, unsigned protocol, size_t size)
{
	return 0xffffu - ref_csum(addresses, n, 0) + protocol + (uint32_t)size;
}

void ref_check_frame(const uint8_t *frame, size_t n)
{
	const uint8_t *ip = frame + 14, *l4;
	unsigned type = frame[12] * 256u + frame[13], protocol;
	size_t size;
	uint32_t pseudo;

	if (type == 0x0800) {
		unsigned header = (ip[0] % 16) * 4;

		g_assert_cmpuint(ref_csum(ip, header, 0), ==, 0);
		size = ip[2] * 256u + ip[3];
		g_assert_cmpuint(14 + size, ==, n);
		size -= header;
		protocol = ip[9];
		l4 = ip + header;
		pseudo = ref_pseudo(ip + 12, 8, protocol, size);
	} else {
		g_assert_cmpuint(type, ==, 0x86dd);
		size = ip[4] * 256u + ip[5];
		g_assert_cmpuint(14 + 40 + size, ==, n);
		protocol = ip[6];
		l4 = ip + 40;
		pseudo = ref_pseudo(ip + 8, 32, protocol, size);
	}
	g_assert_true(protocol == 6 || protocol == 17);
	if (protocol == 17)
		g_assert_cmpuint(l4[4] * 256u + l4[5], ==, size);
	g_assert_cmpuint(ref_csum(l4, size, pseudo), ==, 0);
}
