/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb.h - the wire between a USB host controller and USB devices. Universal Serial Bus Specification 2.0
 * and 3.0; chapters 8 and 9 are alike in both, the numbers are those of 2.0.
 *
 *	controller ── usb_host ── usb_port ── usb_dev ── usb_ops of tablet, disk, hub …
 *	              usb_transfer(): data, NAK, STALL ──►
 *	              ◄── usb_wakeup(): an endpoint that answered NAK may have something now
 *
 * As on the real wire a device answers at once, with data or with NAK, and holds no packet: nothing is
 * in flight that has to be cancelled, and a transfer that waits is a transfer descriptor of the guest's
 * which its controller has not finished. A device that waits for a disk takes or gives data out of a
 * buffer of its own, says NAK meanwhile, and wakes its host. The wire is perfect: data toggles never
 * disagree and are not compared.
 *
 * Threads: everything on the wire happens on the main loop: transfers, wake-ups, plugging. vCPUs only
 * reach registers of controllers, which note what is to be done and post it to the loop; a port's reset
 * alone may come from a vCPU (usb_port_reset) and takes effect before the next transfer. A controller
 * holds its own lock while it calls a device, a device calls its host (usb_wakeup) from callbacks of its
 * own only, never from within a function of usb_ops. No device's lock is needed on the wire.
 */
#ifndef DEVMODEL_USB_USB_H
#define DEVMODEL_USB_USB_H

#include "base/gmem.h"
#include "devmodel/pci/pci.h"

enum usb_speed { USB_LOW, USB_FULL, USB_HIGH, USB_SUPER, USB_SPEEDS };

enum usb_pid { USB_PID_OUT = 0xe1, USB_PID_IN = 0x69, USB_PID_SETUP = 0x2d };

#define USB_EP_IN   0x80 /* of an endpoint's address */
#define USB_EP_NUM  0x0f
#define USB_EPS     32   /* index: number, + 16 for IN */
#define USB_PORTS   30   /* of one controller */
#define USB_CONTROL 1024 /* greatest data stage that a device takes part in, bytes */

/* ---- transfers (section 8) ---- */

enum usb_result {
	USB_ACK,    /* all of the data has passed */
	USB_SHORT,  /* IN: the device ended it with a packet shorter than the endpoint's greatest */
	USB_NAK,    /* not (or no more) for now; what has passed is in done */
	USB_STALL,  /* the endpoint is halted, or the request is refused */
	USB_BABBLE, /* the device has sent more than there is room for */
	USB_GONE,   /* nobody answered: there is no such device, or it is not awake */
};

/* One or more packets of one endpoint and direction. */
struct usb_transfer {
	enum usb_pid pid;
	uint8_t ep;       /* number */
	struct giov data; /* payload, guest memory or a buffer */
	size_t done;      /* bytes passed by this call */
};

/* Section 9.3. */
struct usb_setup {
	uint8_t type, request;
	uint16_t value, index, length;
};

#define USB_TYPE_IN        0x80
#define USB_TYPE_CLASS     0x20
#define USB_TYPE_INTERFACE 0x01

#define USB_GET_DESCRIPTOR 6 /* the standard request that devices see too, section 9.4 */

/* ---- descriptors as tables (section 9.6); what follows from them is not written down ---- */

struct usb_ep_desc {
	uint8_t address;
	uint8_t attributes; /* 2 bulk, 3 interrupt */
	uint16_t max_packet;
	uint8_t interval;
	uint8_t max_burst; /* SuperSpeed: packets of a burst less one */
};

#define USB_EP_BULK      2
#define USB_EP_INTERRUPT 3

struct usb_interface_desc {
	uint8_t class_code, subclass, protocol;
	const uint8_t *extra; /* class descriptors between interface and endpoints */
	uint8_t extra_size;
	uint8_t n_eps;
	const struct usb_ep_desc *eps;
};

/* One configuration, each interface with one setting: more than that none of our devices needs. */
struct usb_speed_desc {
	uint16_t usb;        /* bcdUSB */
	uint8_t max_packet0; /* bytes; SuperSpeed: the power of two */
	uint8_t attributes;  /* of the configuration: 0x20 remote wake-up; 0x80 is added */
	uint8_t max_power;   /* 2 mA (SuperSpeed: 8 mA) each */
	uint8_t n_interfaces;
	const struct usb_interface_desc *interfaces;
};

#define USB_REMOTE_WAKEUP 0x20

enum { USB_STR_NONE, USB_STR_MANUFACTURER, USB_STR_PRODUCT, USB_STR_SERIAL };

struct usb_desc {
	uint16_t vendor, product, release;
	const char *manufacturer, *product_name;
	const struct usb_speed_desc *speeds[USB_SPEEDS]; /* NULL: not at this speed */
};

/* ---- devices ---- */

struct usb_dev;
struct usb_port;

struct usb_ops {
	/* Reset on the wire, or a configuration was chosen or given up: back to the beginning. */
	void (*reset)(struct usb_dev *u);
	/*
	 * A class or vendor request, or GET_DESCRIPTOR to an interface. IN: fills @data (USB_CONTROL bytes) and
	 * returns how many, of which the host gets s->length; OUT: takes s->length bytes from it, returns 0. -1
	 * refuses: STALL. May be NULL.
	 */
	int (*request)(struct usb_dev *u, const struct usb_setup *s, uint8_t *data);
	/* On an endpoint of the descriptor that is not halted, of a configured device. Sets t->done. */
	enum usb_result (*transfer)(struct usb_dev *u, struct usb_transfer *t);
	/* The host has taken back the halt of endpoint @address. May be NULL. */
	void (*unhalted)(struct usb_dev *u, uint8_t address);
};

enum usb_stage { USB_STAGE_IDLE, USB_STAGE_IN, USB_STAGE_OUT, USB_STAGE_STALLED };

struct usb_dev_hw {
	uint8_t address, configuration;
	uint8_t stage; /* of the control transfer, enum usb_stage */
	bool remote_wakeup;
	uint32_t halted;           /* endpoints, bit by index */
	uint8_t setup[8];          /* [g] */
	uint16_t pos, len;         /* of data: passed, valid or expected */
	uint8_t data[USB_CONTROL]; /* [g] */
};

/* A USB device's structure begins with this. */
struct usb_dev {
	struct dev dev;
	const struct usb_ops *usb_ops; /* [c] */
	const struct usb_desc *desc;   /* [c] */
	const char *serial;            /* [c] string 3, NULL none */
	struct usb_port *port;         /* NULL: not plugged */
	enum usb_speed speed;          /* while plugged */
	int reset_due;                 /* atomic: usb_port_reset() was called */
	struct usb_dev_hw usb_hw;      /* [s] main loop */
};

#define to_usb_dev(d) container_of((d), struct usb_dev, dev)

/* State of the USB part: a struct dev_part of every device, {&usb_dev_state, offsetof(struct X, usb.usb_hw)}. */
extern const struct state_desc usb_dev_state;

/* Parts of dev_ops: realize, reset (power-on), unrealize (which unplugs). */
void usb_dev_init(struct usb_dev *u, const struct usb_ops *ops, const struct usb_desc *desc);
void usb_dev_reset(struct usb_dev *u);
void usb_dev_done(struct usb_dev *u);
/* dev_ops->pre_save, or part of it. */
void usb_dev_pre_save(struct dev *d);

/*
 * The device may have something for endpoint @address, which answered NAK, or wants its suspended port
 * to be resumed. Main loop, from the device's own callbacks. Nothing when it is not plugged.
 */
void usb_wakeup(struct usb_dev *u, uint8_t address);

/* Halts an endpoint of ours: it answers STALL until the host clears that. From usb_ops->transfer. */
void usb_halt(struct usb_dev *u, uint8_t address);

/* wMaxPacketSize of endpoint @address at the present speed, 0: no such endpoint. */
unsigned usb_max_packet(const struct usb_dev *u, uint8_t address);

/*
 * Goes on with the IN transfer @t of endpoint t->ep, after t->done bytes, with up to @n bytes at @buf, cut into packets; @last
 * says that these are the last, so that a short packet ends them. Adds to t->done what was taken, never part of a packet.
 * USB_NAK: there is room for more.
 */
enum usb_result usb_give(
	struct usb_dev *u, struct usb_transfer *t, const void *buf, size_t n, bool last);

/* ---- hosts ---- */

struct usb_host;

struct usb_host_ops {
	/* usb_wakeup() of @u, which sits in @port. Takes the controller's lock. */
	void (*wakeup)(struct usb_host *h, struct usb_port *port, uint8_t address);
	/* Something was plugged into or pulled out of @port. Takes the controller's lock. */
	void (*changed)(struct usb_host *h, struct usb_port *port);
};

struct usb_port {
	struct usb_host *host; /* [c] */
	unsigned connector;    /* [c] from 1: ports of different speeds may share one */
	unsigned speeds;       /* [c] bits by enum usb_speed */
	struct usb_dev
		*dev; /* plugged; changes with the controller's lock held, on the main loop */
};

struct usb_host {
	const struct usb_host_ops *ops; /* [c] */
	struct dev *dev;                /* [c] the controller */
	unsigned n_ports;               /* [c] */
	struct usb_port ports[USB_PORTS];
};

/* Every controller's structure begins with this: how usb_plug() finds the ports. */
struct usb_hc {
	struct pci_dev pci;
	struct usb_host host;
};

#define to_usb_hc(d) container_of(to_pci_dev(d), struct usb_hc, pci)

/* Adds a port to @h. Set-up. */
void usb_host_add_port(struct usb_host *h, unsigned connector, unsigned speeds);
/* Pulls everything out; from the controller's unrealize. Idempotent. */
void usb_host_done(struct usb_host *h);

/* Resets what sits in @port, before the next transfer. Any thread, controller's lock held. */
void usb_port_reset(struct usb_port *port);

/* The device of @port that answers to @address, or NULL. Main loop, controller's lock held, as for the rest. */
struct usb_dev *usb_port_find(struct usb_port *port, uint8_t address);

/*
 * Passes @t to @u. Endpoint 0 is answered here: SETUP, data stage and status stage as the controller finds
 * them in the schedule.
 */
enum usb_result usb_transfer(struct usb_dev *u, struct usb_transfer *t);

/* The host gives the device its address without a request on the wire: xHCI's Address Device command. */
void usb_set_address(struct usb_dev *u, uint8_t address);

#endif
