/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UHCI by its registers and its schedule: Design Guide 1.1, chapters 2 and 3. */
#include <linux/input-event-codes.h>
#include <string.h>

#include "base/input.h"
#include "tests/device/uhci-driver.h"

#define LEGSUP 0xc0

static uint16_t reg(struct usb_driver *u, unsigned offset)
{
	return (uint16_t)rig_read(u->r, BUS_PIO, u->base + offset, 2);
}

static void set(struct usb_driver *u, unsigned offset, uint16_t v)
{
	rig_write(u->r, BUS_PIO, u->base + offset, 2, v);
}

static bool irq(struct usb_driver *u)
{
	bool level = false;

	for (unsigned gsi = 16; gsi < 20; gsi++)
		level |= fake_accel_level(u->r->fake, gsi);
	return level;
}

static uint32_t td_status(struct usb_driver *u, unsigned i)
{
	return rig_ram32(u->r, UHCI_TD(i) + 4);
}

/* Descriptor 0 below the queue head of every frame. */
static void hang(struct usb_driver *u)
{
	ram_write32(u->r, UHCI_QH + 4, UHCI_TD(0));
}

static void registers(void)
{
	struct usb_driver u;
	unsigned devfn;

	usb_driver_init(&u, &uhci_driver);
	devfn = to_pci_dev(u.controller)->devfn;
	g_assert_cmphex(rig_cfg_read(u.r, devfn, 0, 4), ==, 0x70208086);
	g_assert_cmphex(rig_cfg_read(u.r, devfn, 8, 4) >> 8, ==, 0x0c0300);
	g_assert_cmphex(rig_cfg_read(u.r, devfn, PCI_INT_PIN, 1), ==, 4);
	g_assert_cmphex(rig_cfg_read(u.r, devfn, 0x60, 1), ==, 0x10);
	g_assert_cmphex(rig_cfg_read(u.r, devfn, LEGSUP, 2), ==, 0x2000);
	set(&u, UHCI_CMD, 0x02);
	g_assert_cmphex(reg(&u, UHCI_CMD), ==, 0);
	g_assert_cmphex(reg(&u, UHCI_STS), ==, 0x20);
	g_assert_cmphex(reg(&u, UHCI_SOFMOD), ==, 64);
	g_assert_cmphex(reg(&u, UHCI_PORTSC), ==, 0x80);
	g_assert_cmphex(reg(&u, UHCI_PORTSC + 2), ==, 0x80);
	g_assert_cmphex(reg(&u, UHCI_PORTSC + 4), ==, 0);
	rig_write(u.r, BUS_PIO, u.base + UHCI_FLBASE, 4, 0x12345678);
	g_assert_cmphex(rig_read(u.r, BUS_PIO, u.base + UHCI_FLBASE, 4), ==, 0x12345000);
	rig_write(u.r, BUS_PIO, u.base + UHCI_SOFMOD, 1, 0xc5);
	g_assert_cmphex(reg(&u, UHCI_SOFMOD), ==, 0x45);
	set(&u, UHCI_FRNUM, 0xffff);
	g_assert_cmphex(reg(&u, UHCI_FRNUM), ==, 0x7ff);
	/* nobody there: it cannot be enabled */
	set(&u, UHCI_PORTSC, 0x04);
	g_assert_cmphex(reg(&u, UHCI_PORTSC), ==, 0x80);
	usb_driver_done(&u);
}

static void frame_number(void)
{
	struct usb_driver u;

	usb_driver_init(&u, &uhci_driver);
	g_assert_cmphex(reg(&u, UHCI_FRNUM), ==, 0);
	for (unsigned i = 1; i < 3000; i++) {
		usb_step(&u, 1);
		g_assert_cmpuint(reg(&u, UHCI_FRNUM), ==, i & 0x7ff);
	}
	set(&u, UHCI_CMD, 0xc0);
	usb_step(&u, 10);
	g_assert_cmpuint(reg(&u, UHCI_FRNUM), ==, 2999 & 0x7ff);
	g_assert_cmphex(reg(&u, UHCI_STS), ==, 0x20);
	usb_driver_done(&u);
}

/* Idle frames are walked together; every one of them is walked. */
static void idle_wakeups(void)
{
	uint64_t frames, wakeups, frames2, wakeups2;
	struct usb_driver u;

	usb_driver_init(&u, &uhci_driver);
	usb_step(&u, 200);
	uhci_stats(u.controller, &frames, &wakeups);
	usb_step(&u, 1000);
	uhci_stats(u.controller, &frames2, &wakeups2);
	g_test_message("a second of idle schedule: %u wake-ups", (unsigned)(wakeups2 - wakeups));
	g_assert_cmpuint(frames2 - frames, >=, 990);
	g_assert_cmpuint(wakeups2 - wakeups, <=, 126);
	set(&u, UHCI_CMD, 0xc0);
	usb_step(&u, 1000);
	uhci_stats(u.controller, &frames, &wakeups);
	g_assert_cmpuint(frames, <=, frames2 + 8);
	g_assert_cmpuint(wakeups, <=, wakeups2 + 1);
	usb_driver_done(&u);
}

static void port_changes(void)
{
	struct usb_driver u;
	struct dev *tablet;

	usb_driver_init(&u, &uhci_driver);
	tablet = usb_add(&u, &usb_tablet_ops, "tablet");
	g_assert_true(usb_plug(u.controller, tablet, 2, NULL));
	g_assert_cmphex(reg(&u, UHCI_PORTSC), ==, 0x80);
	g_assert_cmphex(reg(&u, UHCI_PORTSC + 2), ==, 0x83);
	set(&u, UHCI_PORTSC + 2, 0x06);
	g_assert_cmphex(reg(&u, UHCI_PORTSC + 2), ==, 0x85);
	/* reset disables */
	set(&u, UHCI_PORTSC + 2, 0x200);
	g_assert_cmphex(reg(&u, UHCI_PORTSC + 2), ==, 0x281);
	set(&u, UHCI_PORTSC + 2, 0);
	set(&u, UHCI_PORTSC + 2, 4);
	usb_unplug(tablet);
	g_assert_cmphex(reg(&u, UHCI_PORTSC + 2), ==, 0x8a);
	set(&u, UHCI_PORTSC + 2, 0x0a);
	g_assert_cmphex(reg(&u, UHCI_PORTSC + 2), ==, 0x80);
	g_assert_cmpuint(usb_port_of(tablet), ==, 0);
	usb_driver_done(&u);
}

static void plugging_errors(void)
{
	static const struct {
		unsigned port;
		const char *says;
	} wrong[] = {{3, "no port 3"}, {1, "taken by device first"}};
	struct usb_driver u;
	struct dev *first, *second, *third;

	usb_driver_init(&u, &uhci_driver);
	first = usb_add(&u, &usb_tablet_ops, "first");
	second = usb_add(&u, &usb_kbd_ops, "second");
	third = usb_add(&u, &usb_mouse_ops, "third");
	g_assert_true(usb_plug(u.controller, first, 0, NULL));
	g_assert_cmpuint(usb_port_of(first), ==, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_false(usb_plug(u.controller, second, wrong[i].port, &error));
		g_assert_nonnull(strstr(error->message, wrong[i].says));
	}
	g_assert_false(usb_plug(u.controller, first, 2, NULL));
	g_assert_false(usb_plug(first, second, 0, NULL));
	g_assert_false(usb_plug(u.controller, u.controller, 0, NULL));
	g_assert_true(usb_plug(u.controller, second, 0, NULL));
	g_assert_cmpuint(usb_port_of(second), ==, 2);
	g_assert_false(usb_plug(u.controller, third, 0, NULL));
	dev_free(first);
	g_assert_true(usb_plug(u.controller, third, 0, NULL));
	usb_driver_done(&u);
}

/* IOC, short packet detect and errors raise what is enabled, and only that. */
static void interrupts(void)
{
	struct usb_driver u;
	uint16_t setup[4] = {0x0680, 0x0100, 0, 64};

	usb_driver_init(&u, &uhci_driver);
	usb_insert(&u, usb_add(&u, &usb_tablet_ops, "tablet"));
	set(&u, UHCI_STS, 0x3f);
	g_assert_false(irq(&u));
	set(&u, UHCI_INTR, 0);
	ram_write(u.r, UHCI_SETUP, setup, sizeof(setup));
	uhci_put_td(u.r, 0, 1, uhci_token(&u, USB_PID_SETUP, 0, 8), 1u << 24, UHCI_SETUP);
	hang(&u);
	usb_step(&u, 2);
	g_assert_cmphex(td_status(&u, 0) & 0xff0007ff, ==, 0x19000007);
	g_assert_cmphex(reg(&u, UHCI_STS), ==, 1);
	g_assert_false(irq(&u));
	set(&u, UHCI_INTR, 8);
	g_assert_false(irq(&u));
	set(&u, UHCI_INTR, 4);
	g_assert_true(irq(&u));
	/* legacy support can take the line away */
	rig_cfg_write(u.r, to_pci_dev(u.controller)->devfn, LEGSUP, 2, 0);
	g_assert_false(irq(&u));
	rig_cfg_write(u.r, to_pci_dev(u.controller)->devfn, LEGSUP, 2, 0x2000);
	g_assert_true(irq(&u));
	set(&u, UHCI_STS, 1);
	g_assert_false(irq(&u));
	/* 18 bytes: two full packets, a short one */
	set(&u, UHCI_INTR, 8);
	for (unsigned i = 0; i < 4; i++)
		uhci_put_td(u.r, i, UHCI_TD(i + 1) | 4, uhci_token(&u, USB_PID_IN, 0, 8), 1u << 29,
			UHCI_BUFFER + 8 * i);
	hang(&u);
	usb_step(&u, 2);
	g_assert_cmphex(td_status(&u, 1) & 0xff07ff, ==, 7);
	g_assert_cmphex(td_status(&u, 2) & 0xff07ff, ==, 1);
	g_assert_cmphex(td_status(&u, 3) & UHCI_ACTIVE, ==, UHCI_ACTIVE);
	g_assert_cmphex(rig_ram32(u.r, UHCI_QH + 4), ==, UHCI_TD(2) | 4);
	g_assert_true(irq(&u));
	set(&u, UHCI_STS, 1);
	g_assert_false(irq(&u));
	/* nobody has this address */
	u.address = 77;
	set(&u, UHCI_INTR, 1);
	uhci_put_td(u.r, 0, 1, uhci_token(&u, USB_PID_IN, 0, 8), 0, UHCI_BUFFER);
	hang(&u);
	usb_step(&u, 2);
	g_assert_cmphex(td_status(&u, 0) & 0x18ff0000, ==, 0x00440000);
	g_assert_cmphex(reg(&u, UHCI_STS), ==, 2);
	g_assert_true(irq(&u));
	usb_driver_done(&u);
}

static void nak_and_babble(void)
{
	struct usb_driver u;
	struct input *input = input_new();
	struct dev *kbd;

	usb_driver_init(&u, &uhci_driver);
	kbd = dev_new(u.r->bus, &usb_kbd_ops, "kbd");
	usb_hid_set_input(kbd, input);
	g_assert_true(dev_realize(kbd, NULL));
	usb_insert(&u, kbd);
	uhci_put_td(u.r, 0, 1, uhci_token(&u, USB_PID_IN, 1, 8), 0, UHCI_BUFFER);
	hang(&u);
	usb_step(&u, 3);
	g_assert_cmphex(td_status(&u, 0) & 0xff0000, ==, 0x880000);
	uhci_put_td(u.r, 0, 1, uhci_token(&u, USB_PID_IN, 1, 4), 0, UHCI_BUFFER);
	input_key(input, KEY_A, true);
	usb_step(&u, 2);
	g_assert_cmphex(td_status(&u, 0) & 0xff0000, ==, 0x500000);
	/* what babbled is not lost */
	uhci_put_td(u.r, 0, 1, uhci_token(&u, USB_PID_IN, 1, 8), 0, UHCI_BUFFER);
	hang(&u);
	usb_step(&u, 2);
	g_assert_cmphex(td_status(&u, 0) & 0xff07ff, ==, 7);
	g_assert_cmphex(rig_ram32(u.r, UHCI_BUFFER), ==, 0x00040000);
	usb_driver_done(&u);
	input_free(input);
}

/* Remote wake-up: of a suspended port, of the whole bus, and not without leave. */
static void remote_wakeup(void)
{
	const struct usb_setup allow = {0, 3, 1, 0, 0};
	struct usb_driver u;
	struct input *input = input_new();
	struct dev *kbd;

	usb_driver_init(&u, &uhci_driver);
	kbd = dev_new(u.r->bus, &usb_kbd_ops, "kbd");
	usb_hid_set_input(kbd, input);
	g_assert_true(dev_realize(kbd, NULL));
	usb_insert(&u, kbd);
	set(&u, UHCI_STS, 0x3f);
	set(&u, UHCI_PORTSC, 0x1004);
	input_key(input, KEY_A, true);
	usb_step(&u, 10);
	g_assert_cmphex(reg(&u, UHCI_PORTSC), ==, 0x1085);
	set(&u, UHCI_PORTSC, 0x0004);
	usb_must(&u, &allow, NULL);
	set(&u, UHCI_PORTSC, 0x1004);
	input_key(input, KEY_A, false);
	g_assert_cmphex(reg(&u, UHCI_PORTSC), ==, 0x10c5);
	g_assert_cmphex(reg(&u, UHCI_STS) & 4, ==, 4);
	g_assert_true(irq(&u));
	set(&u, UHCI_PORTSC, 0x1004);
	g_assert_cmphex(reg(&u, UHCI_PORTSC), ==, 0x0085);
	set(&u, UHCI_STS, 4);
	/* the whole bus */
	set(&u, UHCI_CMD, 0xc8);
	input_key(input, KEY_B, true);
	g_assert_cmphex(reg(&u, UHCI_STS) & 4, ==, 4);
	g_assert_cmphex(reg(&u, UHCI_CMD), ==, 0xd8);
	usb_driver_done(&u);
	input_free(input);
}

/* Loops of queue heads and of descriptors, and structures outside of memory. */
static void hostile(void)
{
	struct usb_driver u;

	usb_driver_init(&u, &uhci_driver);
	usb_insert(&u, usb_add(&u, &usb_tablet_ops, "tablet"));
	/* a ring of heads, as Linux makes it, with a transfer that waits */
	ram_write32(u.r, UHCI_QH, UHCI_QH | 2);
	uhci_put_td(u.r, 0, 1, uhci_token(&u, USB_PID_IN, 1, 8), 0, UHCI_BUFFER);
	hang(&u);
	usb_step(&u, 20);
	g_assert_cmphex(td_status(&u, 0) & UHCI_ACTIVE, ==, UHCI_ACTIVE);
	/* a descriptor that follows itself, and a queue in itself */
	uhci_put_td(u.r, 0, UHCI_TD(0) | 4, uhci_token(&u, USB_PID_IN, 1, 8), 0, UHCI_BUFFER);
	hang(&u);
	usb_step(&u, 20);
	ram_write32(u.r, UHCI_QH + 4, UHCI_QH | 2);
	usb_step(&u, 20);
	g_assert_cmphex(reg(&u, UHCI_STS) & 0x38, ==, 0);
	g_assert_cmpuint(u.controller->guest_errors, ==, 0);
	/* a token that is none */
	uhci_put_td(u.r, 0, 1, 0x12, 0, UHCI_BUFFER);
	hang(&u);
	usb_step(&u, 2);
	g_assert_cmphex(reg(&u, UHCI_STS) & 0x38, ==, 0x30);
	g_assert_true(irq(&u));
	/* no memory behind it */
	set(&u, UHCI_STS, 0x3f);
	g_assert_false(irq(&u));
	ram_write32(u.r, UHCI_QH + 4, 0xfffff000u);
	set(&u, UHCI_CMD, 0xc1);
	usb_step(&u, 2);
	g_assert_cmphex(reg(&u, UHCI_STS) & 0x38, ==, 0x28);
	g_assert_cmphex(reg(&u, UHCI_CMD) & 1, ==, 0);
	g_assert_cmpuint(u.controller->guest_errors, ==, 2);
	usb_driver_done(&u);
}

/* Without bus mastering nothing is fetched. */
static void no_master(void)
{
	struct usb_driver u;
	unsigned devfn;

	usb_driver_init(&u, &uhci_driver);
	usb_insert(&u, usb_add(&u, &usb_tablet_ops, "tablet"));
	devfn = to_pci_dev(u.controller)->devfn;
	rig_cfg_write(u.r, devfn, PCI_COMMAND, 2, PCI_CMD_IO);
	u.address = 77;
	uhci_put_td(u.r, 0, 1, uhci_token(&u, USB_PID_IN, 0, 8), 0, UHCI_BUFFER);
	hang(&u);
	usb_step(&u, 20);
	g_assert_cmphex(td_status(&u, 0) & UHCI_ACTIVE, ==, UHCI_ACTIVE);
	rig_cfg_write(u.r, devfn, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MASTER);
	usb_step(&u, 10);
	g_assert_cmphex(td_status(&u, 0) & UHCI_ACTIVE, ==, 0);
	usb_driver_done(&u);
}

/* Whatever is written to the registers, and lies in memory: it goes on. */
static void random_writes(void)
{
	struct usb_driver u;

	usb_driver_init(&u, &uhci_driver);
	usb_insert(&u, usb_add(&u, &usb_tablet_ops, "tablet"));
	for (unsigned i = 0; i < 100000; i++) {
		unsigned size = 1u << g_test_rand_int_range(0, 3);
		unsigned offset = (unsigned)g_test_rand_int_range(0, 0x20) & ~(size - 1);
		uint32_t v = (uint32_t)g_test_rand_int();

		if (offset == UHCI_FLBASE)
			v %= RIG_RAM;
		rig_write(u.r, BUS_PIO, u.base + offset, size, v);
		rig_read(u.r, BUS_PIO, u.base + offset, size);
		if (i % 16 == 0)
			ram_write32(u.r, UHCI_QH + (uint32_t)g_test_rand_int_range(0, 0x800) * 4,
				(uint32_t)g_test_rand_int() % RIG_RAM);
		if (i % 64 == 0)
			usb_step(&u, 1);
	}
	u.ops->start(&u);
	usb_unplug(bus_find_dev(u.r->bus, "tablet"));
	set(&u, UHCI_PORTSC, 0xa);
	usb_insert(&u, bus_find_dev(u.r->bus, "tablet"));
	usb_driver_done(&u);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/uhci/registers", registers);
	g_test_add_func("/uhci/frame-number", frame_number);
	g_test_add_func("/uhci/idle-wakeups", idle_wakeups);
	g_test_add_func("/uhci/port-changes", port_changes);
	g_test_add_func("/uhci/plugging-errors", plugging_errors);
	g_test_add_func("/uhci/interrupts", interrupts);
	g_test_add_func("/uhci/nak-and-babble", nak_and_babble);
	g_test_add_func("/uhci/remote-wakeup", remote_wakeup);
	g_test_add_func("/uhci/hostile", hostile);
	g_test_add_func("/uhci/no-master", no_master);
	g_test_add_func("/uhci/random-writes", random_writes);
	return g_test_run();
}
