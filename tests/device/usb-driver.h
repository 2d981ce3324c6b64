/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-driver.h - the guest's side of USB: small host controller drivers that find their device behind a port and talk to
 * it, so that tests of devices are the same over each of them.
 *
 * A driver steps the rig's clock and turns its loop while it waits.
 */
#ifndef TESTS_DEVICE_USB_DRIVER_H
#define TESTS_DEVICE_USB_DRIVER_H

#include "devmodel/usb/usb-devices.h"
#include "devmodel/usb/usb.h"
#include "tests/device/rig.h"

struct usb_driver;

struct usb_driver_ops {
	const char *name;
	const struct dev_ops *controller;
	void (*start)(struct usb_driver *u);
	/* Resets the port of the device and gives it an address. */
	void (*enumerate)(struct usb_driver *u);
	/* After SET_CONFIGURATION: makes pipes for what the configuration descriptor at @config says. */
	void (*configure)(struct usb_driver *u, const uint8_t *config);
	/* As usb_control() and usb_pipe(). USB_NAK: it has not finished after @ms. */
	enum usb_result (*control)(
		struct usb_driver *u, const struct usb_setup *s, void *data, size_t *ret_done);
	enum usb_result (*pipe)(struct usb_driver *u, uint8_t ep, void *data, size_t n,
		size_t *ret_done, unsigned ms);
	/* The pipe has seen STALL and the device's halt was cleared: it is as new. */
	void (*restart_pipe)(struct usb_driver *u, uint8_t ep);
};

extern const struct usb_driver_ops uhci_driver;
extern const struct usb_driver_ops xhci_driver;

#define USB_DRIVER_PIPES 32

struct usb_driver {
	const struct usb_driver_ops *ops;
	struct rig *r;
	struct dev *controller;
	uint64_t base; /* of its BAR */
	unsigned port;
	uint8_t address;
	unsigned max_packet[USB_DRIVER_PIPES];
	uint32_t ring[USB_DRIVER_PIPES]; /* xHCI: next descriptor's place, and its cycle bit */
	uint32_t event;                  /* xHCI: next event's place and cycle bit */
	uint8_t speed;
	bool waiting[USB_DRIVER_PIPES]; /* a transfer was started that has not finished */
};

/* A rig with the controller on it, its driver started, nothing plugged. */
void usb_driver_init(struct usb_driver *u, const struct usb_driver_ops *ops);
void usb_driver_done(struct usb_driver *u);

/* A device on the rig's bus: realized by usb_add(), plugged by usb_insert(). */
struct dev *usb_add(struct usb_driver *u, const struct dev_ops *ops, const char *id);
/* Plugs, resets, addresses, and sets configuration 1. */
void usb_insert(struct usb_driver *u, struct dev *device);

/* A control transfer; @data has s->length bytes. */
enum usb_result usb_control(
	struct usb_driver *u, const struct usb_setup *s, void *data, size_t *ret_done);
/* One that must succeed, with all of its data. */
void usb_must(struct usb_driver *u, const struct usb_setup *s, void *data);
/* A bulk or interrupt transfer of @n bytes on @ep; @ret_done may be NULL. Waits up to a second. */
enum usb_result usb_pipe(struct usb_driver *u, uint8_t ep, void *data, size_t n, size_t *ret_done);
/* The same, for as long as @ms: USB_NAK if nothing came; the transfer goes on and the next call waits for it. */
enum usb_result usb_poll(
	struct usb_driver *u, uint8_t ep, void *data, size_t n, size_t *ret_done, unsigned ms);
/* CLEAR_FEATURE(ENDPOINT_HALT), and the pipe begins anew. */
void usb_clear_halt(struct usb_driver *u, uint8_t ep);

/* Time goes on by @ms, everything that is due happens. */
void usb_step(struct usb_driver *u, unsigned ms);

/* Quiesces, saves, resets, loads, resumes; saving again must give the same. */
void usb_save_and_load(struct usb_driver *u);

#endif
