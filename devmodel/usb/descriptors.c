/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors as the wire has them, out of a device's tables. Universal Serial Bus Specification 2.0 and 3.0, section 9.6. */
#include <string.h>

#include "devmodel/usb/usb-internal.h"

enum {
	DEVICE = 1,
	CONFIGURATION = 2,
	STRING = 3,
	INTERFACE = 4,
	ENDPOINT = 5,
	DEVICE_QUALIFIER = 6,
	OTHER_SPEED = 7,
	BOS = 15,
	CAPABILITY = 16,
	COMPANION = 48,
};

#define LANGUAGE_ENGLISH_US 0x0409
#define CONFIG_ALWAYS       0x80
#define STRING_MAX          126 /* characters */

struct writer {
	uint8_t *buf;
	unsigned n;
};

static void put8(struct writer *w, unsigned v)
{
	w->buf[w->n++] = (uint8_t)v;
}

static void put16(struct writer *w, unsigned v)
{
	put8(w, v & 0xff);
	put8(w, v >> 8);
}

static void put_bytes(struct writer *w, const void *p, unsigned n)
{
	if (n)
		memcpy(w->buf + w->n, p, n);
	w->n += n;
}

static void put_device(struct writer *w, const struct usb_dev *u, const struct usb_speed_desc *s)
{
	const struct usb_desc *d = u->desc;

	put8(w, 18);
	put8(w, DEVICE);
	put16(w, s->usb);
	put8(w, 0); /* class, subclass, protocol: interfaces say */
	put16(w, 0);
	put8(w, s->max_packet0);
	put16(w, d->vendor);
	put16(w, d->product);
	put16(w, d->release);
	put8(w, USB_STR_MANUFACTURER);
	put8(w, USB_STR_PRODUCT);
	put8(w, u->serial ? USB_STR_SERIAL : USB_STR_NONE);
	put8(w, 1);
}

static void put_qualifier(struct writer *w, const struct usb_speed_desc *s)
{
	put8(w, 10);
	put8(w, DEVICE_QUALIFIER);
	put16(w, s->usb);
	put8(w, 0);
	put16(w, 0);
	put8(w, s->max_packet0);
	put8(w, 1);
	put8(w, 0);
}

static void put_endpoint(struct writer *w, const struct usb_ep_desc *e, bool super)
{
	put8(w, 7);
	put8(w, ENDPOINT);
	put8(w, e->address);
	put8(w, e->attributes);
	put16(w, e->max_packet);
	put8(w, e->interval);
	if (!super)
		return;
	put8(w, 6);
	put8(w, COMPANION);
	put8(w, e->max_burst);
	put8(w, 0);
	put16(w, e->attributes == USB_EP_INTERRUPT ? e->max_packet : 0);
}

static void put_interface(
	struct writer *w, const struct usb_interface_desc *f, unsigned number, bool super)
{
	put8(w, 9);
	put8(w, INTERFACE);
	put8(w, number);
	put8(w, 0);
	put8(w, f->n_eps);
	put8(w, f->class_code);
	put8(w, f->subclass);
	put8(w, f->protocol);
	put8(w, USB_STR_NONE);
	put_bytes(w, f->extra, f->extra_size);
	for (unsigned i = 0; i < f->n_eps; i++)
		put_endpoint(w, &f->eps[i], super);
}

static void put_config(struct writer *w, const struct usb_speed_desc *s, unsigned type, bool super)
{
	put8(w, 9);
	put8(w, type);
	put16(w, 0); /* total length: below */
	put8(w, s->n_interfaces);
	put8(w, 1);
	put8(w, USB_STR_NONE);
	put8(w, CONFIG_ALWAYS | s->attributes);
	put8(w, s->max_power);
	for (unsigned i = 0; i < s->n_interfaces; i++)
		put_interface(w, &s->interfaces[i], i, super);
	w->buf[2] = (uint8_t)w->n;
	w->buf[3] = (uint8_t)(w->n >> 8);
}

/* USB 3.0 section 9.6.2: the device can do link power management at USB 2, and all its speeds. */
static void put_bos(struct writer *w, const struct usb_dev *u)
{
	unsigned speeds = 0;

	for (unsigned s = USB_LOW; s < USB_SPEEDS; s++)
		speeds |= u->desc->speeds[s] ? 1u << s : 0;
	put8(w, 5);
	put8(w, BOS);
	put16(w, 5 + 7 + 10);
	put8(w, 2);
	put8(w, 7);
	put8(w, CAPABILITY);
	put8(w, 2); /* USB 2.0 extension */
	put16(w, 2);
	put16(w, 0);
	put8(w, 10);
	put8(w, CAPABILITY);
	put8(w, 3); /* SuperSpeed */
	put8(w, 0);
	put16(w, speeds);
	put8(w, USB_FULL); /* the lowest with all functions */
	put8(w, 0);        /* exit latencies: none */
	put16(w, 0);
}

static const char *string_of(const struct usb_dev *u, unsigned index)
{
	switch (index) {
	case USB_STR_MANUFACTURER: return u->desc->manufacturer;
	case USB_STR_PRODUCT: return u->desc->product_name;
	case USB_STR_SERIAL: return u->serial;
	default: return NULL;
	}
}

static bool put_string(struct writer *w, const struct usb_dev *u, unsigned index)
{
	const char *text = string_of(u, index);
	size_t n = text ? strnlen(text, STRING_MAX) : 1;

	if (index && !text)
		return false;
	put8(w, (unsigned)(2 + 2 * n));
	put8(w, STRING);
	if (!index)
		put16(w, LANGUAGE_ENGLISH_US);
	for (size_t i = 0; index && i < n; i++)
		put16(w, (uint8_t)text[i] & 0x7f);
	return true;
}

/* Of the other of full and high speed, if the device is at one of them and has both; else NULL. */
static const struct usb_speed_desc *other_speed(const struct usb_dev *u)
{
	switch (u->speed) {
	case USB_FULL: return u->desc->speeds[USB_HIGH];
	case USB_HIGH: return u->desc->speeds[USB_FULL];
	default: return NULL;
	}
}

int usb_get_descriptor(const struct usb_dev *u, uint8_t type, uint8_t index, uint8_t *buf)
{
	const struct usb_speed_desc *s = u->desc->speeds[u->speed], *other = other_speed(u);
	bool super = u->speed == USB_SUPER;
	struct writer w = {.buf = buf};

	if (type != STRING && index)
		return -1;
	if (type == STRING)
		return put_string(&w, u, index) ? (int)w.n : -1;
	if (type == DEVICE)
		put_device(&w, u, s);
	else if (type == CONFIGURATION)
		put_config(&w, s, CONFIGURATION, super);
	else if (type == BOS && super)
		put_bos(&w, u);
	else if (type == DEVICE_QUALIFIER && other)
		put_qualifier(&w, other);
	else if (type == OTHER_SPEED && other)
		put_config(&w, other, OTHER_SPEED, false);
	return w.n ? (int)w.n : -1;
}
