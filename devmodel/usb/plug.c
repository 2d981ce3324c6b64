/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports of controllers, and what sits in them. */
#include "devmodel/usb/usb-internal.h"

void usb_host_add_port(struct usb_host *h, unsigned connector, unsigned speeds)
{
	h->ports[h->n_ports++] = (struct usb_port){
		.host = h, .connector = connector, .speeds = speeds};
}

void usb_host_done(struct usb_host *h)
{
	for (unsigned i = 0; i < h->n_ports; i++) {
		if (h->ports[i].dev)
			usb_unplug(DEV(h->ports[i].dev));
	}
}

static bool is_one_of(const struct dev *d, const struct dev_ops *const *table)
{
	for (; *table; table++) {
		if (d->ops == *table)
			return true;
	}
	return false;
}

static unsigned speeds_of(const struct usb_dev *u)
{
	unsigned mask = 0;

	for (unsigned s = 0; s < USB_SPEEDS; s++)
		mask |= u->desc->speeds[s] ? 1u << s : 0;
	return mask;
}

static struct usb_dev *connector_user(const struct usb_host *h, unsigned connector)
{
	for (unsigned i = 0; i < h->n_ports; i++) {
		if (h->ports[i].connector == connector && h->ports[i].dev)
			return h->ports[i].dev;
	}
	return NULL;
}

static bool connector_exists(const struct usb_host *h, unsigned connector)
{
	for (unsigned i = 0; i < h->n_ports; i++) {
		if (h->ports[i].connector == connector)
			return true;
	}
	return false;
}

/* The free port at @connector (0: at the lowest) whose speed with @u is the highest. */
static struct usb_port *best_port(struct usb_host *h, unsigned connector, const struct usb_dev *u)
{
	struct usb_port *best = NULL;
	unsigned speeds = speeds_of(u);

	for (unsigned i = 0; i < h->n_ports; i++) {
		struct usb_port *p = &h->ports[i];

		if ((connector && p->connector != connector) || !(p->speeds & speeds) ||
			connector_user(h, p->connector))
			continue;
		if (!best || p->connector < best->connector ||
			(p->connector == best->connector && p->speeds > best->speeds))
			best = p;
	}
	return best;
}

static bool explain(struct usb_host *h, unsigned connector, const struct usb_dev *u, GError **error)
{
	const struct usb_dev *user = connector ? connector_user(h, connector) : NULL;

	if (connector && !connector_exists(h, connector))
		return err_set(error, VMMD_ERROR_NOT_FOUND,
			"device %s: controller %s has no port %u", u->dev.id, h->dev->id,
			connector);
	if (user)
		return err_set(error, VMMD_ERROR_EXISTS,
			"device %s: port %u of controller %s is taken by device %s", u->dev.id,
			connector, h->dev->id, user->dev.id);
	return err_set(error, VMMD_ERROR_STATE,
		"device %s: controller %s has no free port of a speed that the device has",
		u->dev.id, h->dev->id);
}

bool usb_plug(struct dev *controller, struct dev *device, unsigned connector, GError **error)
{
	struct usb_host *h;
	struct usb_dev *u;
	struct usb_port *p;

	if (!is_one_of(controller, usb_controllers))
		return err_set(error, VMMD_ERROR_INVALID, "device %s is not a USB controller",
			controller->id);
	if (!is_one_of(device, usb_functions))
		return err_set(
			error, VMMD_ERROR_INVALID, "device %s is not a USB device", device->id);
	h = &to_usb_hc(controller)->host;
	u = to_usb_dev(device);
	if (u->port)
		return err_set(error, VMMD_ERROR_STATE, "device %s is plugged already", device->id);
	p = best_port(h, connector, u);
	if (!p)
		return explain(h, connector, u, error);
	dev_lock(controller);
	u->speed = (enum usb_speed)(31 - __builtin_clz(p->speeds & speeds_of(u)));
	u->port = p;
	p->dev = u;
	usb_dev_reset(u);
	dev_unlock(controller);
	h->ops->changed(h, p);
	return true;
}

void usb_unplug(struct dev *device)
{
	struct usb_dev *u = to_usb_dev(device);
	struct usb_port *p = u->port;

	if (!p)
		return;
	dev_lock(p->host->dev);
	p->dev = NULL;
	u->port = NULL;
	dev_unlock(p->host->dev);
	p->host->ops->changed(p->host, p);
}

unsigned usb_port_of(const struct dev *device)
{
	const struct usb_port *p = container_of(device, struct usb_dev, dev)->port;

	return p ? p->connector : 0;
}
