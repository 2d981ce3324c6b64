/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/device/usb-driver.h"

#include <string.h>

#define IO_BASE  0xc000
#define MEM_BASE 0xe0000000u

void usb_step(struct usb_driver *u, unsigned ms)
{
	while (ms--) {
		clock_step_to(
			u->r->clocks, clock_now(u->r->clocks, VM_CLOCK_VIRTUAL) + NSEC_PER_MSEC);
		rig_poll(u->r);
	}
}

static void place(struct usb_driver *u)
{
	struct pci_dev *p = to_pci_dev(u->controller);

	for (unsigned n = 0; n < PCI_BARS; n++) {
		if (!p->bars[n].region)
			continue;
		u->base = p->bars[n].is_io ? IO_BASE : MEM_BASE;
		rig_cfg_write(u->r, p->devfn, PCI_BAR0 + 4 * n, 4, (uint32_t)u->base);
	}
	rig_cfg_write(u->r, p->devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEM | PCI_CMD_MASTER);
}

struct dev *usb_add(struct usb_driver *u, const struct dev_ops *ops, const char *id)
{
	struct dev *d = dev_new(u->r->bus, ops, id);
	g_autoptr(GError) error = NULL;

	dev_realize(d, &error);
	g_assert_no_error(error);
	return d;
}

void usb_driver_init(struct usb_driver *u, const struct usb_driver_ops *ops)
{
	g_autoptr(GError) error = NULL;

	*u = (struct usb_driver){.ops = ops, .r = rig_new()};
	u->controller = dev_new(u->r->bus, ops->controller, "usb");
	to_pci_dev(u->controller)->bus = u->r->pci;
	dev_realize(u->controller, &error);
	g_assert_no_error(error);
	bus_reset(u->r->bus, RESET_COLD);
	place(u);
	ops->start(u);
}

void usb_driver_done(struct usb_driver *u)
{
	rig_free(u->r);
}

void usb_insert(struct usb_driver *u, struct dev *device)
{
	const struct usb_setup set_configuration = {.request = 9, .value = 1};
	struct usb_setup get_config = {
		.type = USB_TYPE_IN, .request = USB_GET_DESCRIPTOR, .value = 2 << 8, .length = 9};
	g_autoptr(GError) error = NULL;
	uint8_t config[256];

	usb_plug(u->controller, device, 0, &error);
	g_assert_no_error(error);
	rig_poll(u->r);
	u->port = usb_port_of(device);
	u->ops->enumerate(u);
	usb_must(u, &get_config, config);
	get_config.length = (uint16_t)(config[2] | config[3] << 8);
	g_assert_cmpuint(get_config.length, <=, sizeof(config));
	usb_must(u, &get_config, config);
	u->ops->configure(u, config);
	usb_must(u, &set_configuration, NULL);
}

enum usb_result usb_control(
	struct usb_driver *u, const struct usb_setup *s, void *data, size_t *ret_done)
{
	return u->ops->control(u, s, data, ret_done);
}

void usb_must(struct usb_driver *u, const struct usb_setup *s, void *data)
{
	size_t done = 0;

	g_assert_cmpint(u->ops->control(u, s, data, &done), ==, USB_ACK);
	g_assert_cmpuint(done, ==, s->length);
}

enum usb_result usb_poll(
	struct usb_driver *u, uint8_t ep, void *data, size_t n, size_t *ret_done, unsigned ms)
{
	size_t done = 0;
	enum usb_result result = u->ops->pipe(u, ep, data, n, &done, ms);

	if (ret_done)
		*ret_done = done;
	return result;
}

enum usb_result usb_pipe(struct usb_driver *u, uint8_t ep, void *data, size_t n, size_t *ret_done)
{
	return usb_poll(u, ep, data, n, ret_done, 1000);
}

void usb_clear_halt(struct usb_driver *u, uint8_t ep)
{
	const struct usb_setup s = {.type = 2, .request = 1, .index = ep};

	usb_must(u, &s, NULL);
	u->ops->restart_pipe(u, ep);
}

static void quiesced(struct async_group *g)
{
	g->fn = NULL;
}

static GByteArray *save(struct usb_driver *u)
{
	GByteArray *a = g_byte_array_new();

	bus_save(u->r->bus, a);
	return a;
}

void usb_save_and_load(struct usb_driver *u)
{
	g_autoptr(GByteArray) first = NULL, second = NULL;
	g_autoptr(GError) error = NULL;
	struct async_group g;

	async_begin(&g, u->r->loop, quiesced);
	bus_quiesce(u->r->bus, &g);
	async_end(&g);
	while (g.fn)
		loop_iterate(u->r->loop, -1);
	first = save(u);
	bus_reset(u->r->bus, RESET_COLD);
	bus_load(u->r->bus, first->data, first->len, &error);
	g_assert_no_error(error);
	second = save(u);
	g_assert_cmpmem(first->data, first->len, second->data, second->len);
	bus_resume(u->r->bus);
}
