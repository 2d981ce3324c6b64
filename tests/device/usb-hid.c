/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tablet, mouse and keyboard as drivers see them, over each kind of controller. */
#include <linux/input-event-codes.h>
#include <string.h>

#include "base/input.h"
#include "tests/device/usb-driver.h"

#define EP 0x81

struct seat {
	struct usb_driver u;
	struct input *input;
	struct dev *device;
};

static void seat_init(struct seat *s, const void *driver, const struct dev_ops *ops)
{
	usb_driver_init(&s->u, driver);
	s->input = input_new();
	s->device = dev_new(s->u.r->bus, ops, "hid");
	usb_hid_set_input(s->device, s->input);
	g_assert_true(dev_realize(s->device, NULL));
	usb_insert(&s->u, s->device);
}

static void seat_done(struct seat *s)
{
	usb_driver_done(&s->u);
	input_free(s->input);
}

static void expect(struct seat *s, const char *report, size_t n)
{
	uint8_t buf[8];
	size_t got;
	enum usb_result r = usb_poll(&s->u, EP, buf, sizeof(buf), &got, 100);

	g_assert_cmpint(r, ==, n == sizeof(buf) ? USB_ACK : USB_SHORT);
	g_assert_cmpmem(buf, got, report, n);
}

#define EXPECT(s, report) expect(s, report, sizeof(report) - 1)

static void expect_nothing(struct seat *s)
{
	uint8_t buf[8];

	g_assert_cmpint(usb_poll(&s->u, EP, buf, sizeof(buf), NULL, 20), ==, USB_NAK);
}

static struct usb_setup class_request(
	uint8_t type, uint8_t request, uint16_t value, uint16_t length)
{
	return (struct usb_setup){
		type | USB_TYPE_CLASS | USB_TYPE_INTERFACE, request, value, 0, length};
}

static void set_protocol(struct seat *s, uint16_t protocol)
{
	const struct usb_setup r = class_request(0, 11, protocol, 0);

	usb_must(&s->u, &r, NULL);
}

static void tablet(gconstpointer driver)
{
	struct seat s;

	seat_init(&s, driver, &usb_tablet_ops);
	expect_nothing(&s);
	g_assert_true(input_is_absolute(s.input));
	input_point(s.input, 0x1234, INPUT_ABS_MAX, 0, 0);
	EXPECT(&s, "\0\x34\x12\xff\x7f\0");
	/* movements add up, buttons do not */
	input_point(s.input, 1, 2, 0, 0);
	input_point(s.input, 3, 4, -1, 0);
	input_point(s.input, 3, 4, 0, INPUT_BUTTON_LEFT);
	input_point(s.input, 3, 4, 0, 0);
	EXPECT(&s, "\0\3\0\4\0\xff");
	EXPECT(&s, "\1\3\0\4\0\0");
	EXPECT(&s, "\0\3\0\4\0\0");
	expect_nothing(&s);
	seat_done(&s);
}

static void mouse(gconstpointer driver)
{
	struct seat s;

	seat_init(&s, driver, &usb_mouse_ops);
	input_move(s.input, 300, -5, 1, INPUT_BUTTON_RIGHT);
	EXPECT(&s, "\2\x7f\xfb\1");
	EXPECT(&s, "\2\x7f\0\0");
	EXPECT(&s, "\2\x2e\0\0");
	set_protocol(&s, 0);
	input_move(s.input, 1, 1, 1, 0);
	EXPECT(&s, "\0\1\1");
	expect_nothing(&s);
	seat_done(&s);
}

static void keyboard(gconstpointer driver)
{
	struct seat s;

	seat_init(&s, driver, &usb_kbd_ops);
	/* typed before anybody asks: each change is told */
	input_key(s.input, KEY_LEFTSHIFT, true);
	input_key(s.input, KEY_A, true);
	input_key(s.input, KEY_A, true);
	input_key(s.input, KEY_A, false);
	input_key(s.input, KEY_LEFTSHIFT, false);
	EXPECT(&s, "\2\0\0\0\0\0\0\0");
	EXPECT(&s, "\2\0\4\0\0\0\0\0");
	EXPECT(&s, "\2\0\0\0\0\0\0\0");
	EXPECT(&s, "\0\0\0\0\0\0\0\0");
	expect_nothing(&s);
	seat_done(&s);
}

static void roll_over(gconstpointer driver)
{
	static const unsigned keys[] = {KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G};
	struct seat s;

	seat_init(&s, driver, &usb_kbd_ops);
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		input_key(s.input, keys[i], true);
	for (unsigned i = 1; i < ARRAY_SIZE(keys); i++) {
		char report[8] = "\0\0\4\5\6\7\x8\x9";

		memset(report + 2 + i, 0, 6 - i);
		expect(&s, report, sizeof(report));
	}
	EXPECT(&s, "\0\0\1\1\1\1\1\1");
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		input_key(s.input, keys[i], false);
	for (unsigned i = 1; i < ARRAY_SIZE(keys); i++) {
		char report[8] = "\0\0\4\5\6\7\x8\x9";

		memset(report + 2, 0, 6);
		for (unsigned k = i; k < ARRAY_SIZE(keys); k++)
			report[2 + k - i] = (char)(4 + k);
		expect(&s, report, sizeof(report));
	}
	EXPECT(&s, "\0\0\0\0\0\0\0\0");
	/* a flood does not lose the last release */
	for (unsigned i = 0; i < 1000; i++)
		input_key(s.input, KEY_Q, !(i & 1));
	while (usb_poll(&s.u, EP, (uint8_t[8]){0}, 8, NULL, 20) == USB_ACK)
		;
	{
		const struct usb_setup get_report = class_request(USB_TYPE_IN, 1, 0x100, 8);
		uint8_t report[8];

		usb_must(&s.u, &get_report, report);
		g_assert_cmpmem(report, 8, "\0\0\0\0\0\0\0\0", 8);
	}
	seat_done(&s);
}

static void idle(gconstpointer driver)
{
	const struct usb_setup set_idle = class_request(0, 10, 5 << 8, 0), /* 20 ms */
		get_idle = class_request(USB_TYPE_IN, 2, 0, 1);
	uint8_t value;
	struct seat s;

	seat_init(&s, driver, &usb_kbd_ops);
	usb_must(&s.u, &set_idle, NULL);
	usb_must(&s.u, &get_idle, &value);
	g_assert_cmpuint(value, ==, 5);
	input_key(s.input, KEY_Z, true);
	EXPECT(&s, "\0\0\x1d\0\0\0\0\0");
	g_assert_cmpint(usb_poll(&s.u, EP, (uint8_t[8]){0}, 8, NULL, 10), ==, USB_NAK);
	EXPECT(&s, "\0\0\x1d\0\0\0\0\0");
	EXPECT(&s, "\0\0\x1d\0\0\0\0\0");
	seat_done(&s);
}

static void leds(gconstpointer driver)
{
	const struct usb_setup set_report = class_request(0, 9, 0x200, 1);
	uint8_t caps = 2;
	struct seat s;

	seat_init(&s, driver, &usb_kbd_ops);
	usb_must(&s.u, &set_report, &caps);
	g_assert_cmpuint(input_leds(s.input), ==, INPUT_LED_CAPS);
	seat_done(&s);
}

static void descriptors(gconstpointer driver)
{
	struct usb_setup get = {USB_TYPE_IN, USB_GET_DESCRIPTOR, 1 << 8, 0, 18};
	uint8_t buf[255];
	size_t n;
	struct seat s;

	seat_init(&s, driver, &usb_kbd_ops);
	usb_must(&s.u, &get, buf);
	g_assert_cmpmem(buf, 18, "\x12\1\0\2\0\0\0\x8\x27\6\1\0\0\0\1\2\3\1", 18);
	get = (struct usb_setup){USB_TYPE_IN, USB_GET_DESCRIPTOR, 2 << 8, 0, 255};
	g_assert_cmpint(usb_control(&s.u, &get, buf, &n), ==, USB_ACK);
	g_assert_cmpmem(buf, n,
		"\x9\2\x22\0\1\1\0\xa0\x32"
		"\x9\4\0\0\1\3\1\1\0"
		"\x9\x21\x11\1\0\1\x22\x41\0"
		"\7\5\x81\3\x8\0\x8",
		34);
	get.value = 3 << 8;
	g_assert_cmpint(usb_control(&s.u, &get, buf, &n), ==, USB_ACK);
	g_assert_cmpmem(buf, n, "\4\3\x9\4", 4);
	get.value = 3 << 8 | 2;
	g_assert_cmpint(usb_control(&s.u, &get, buf, &n), ==, USB_ACK);
	g_assert_cmpmem(buf, n, "\x1a\3U\0S\0B\0 \0K\0e\0y\0b\0o\0a\0r\0d\0", 26);
	/* no such string, and no high speed to tell of */
	get.value = 3 << 8 | 9;
	g_assert_cmpint(usb_control(&s.u, &get, buf, &n), ==, USB_STALL);
	get.value = 6 << 8;
	g_assert_cmpint(usb_control(&s.u, &get, buf, &n), ==, USB_STALL);
	get = (struct usb_setup){USB_TYPE_IN | 1, USB_GET_DESCRIPTOR, 0x22 << 8, 0, 0x41};
	usb_must(&s.u, &get, buf);
	g_assert_cmpmem(buf, 4, "\5\1\x9\6", 4);
	seat_done(&s);
}

/* Chapter 9: features, status, configuration, halting. */
static void standard_requests(gconstpointer driver)
{
	struct usb_setup get_status = {USB_TYPE_IN, 0, 0, 0, 2};
	const struct usb_setup wakeup = {0, 3, 1, 0, 0}, no_wakeup = {0, 1, 1, 0, 0};
	const struct usb_setup halt = {2, 3, 0, EP, 0}, bad = {0, 3, 7, 0, 0};
	const struct usb_setup get_config = {USB_TYPE_IN, 8, 0, 0, 1};
	uint8_t buf[8];
	size_t n;
	struct seat s;

	seat_init(&s, driver, &usb_tablet_ops);
	usb_must(&s.u, &get_config, buf);
	g_assert_cmpuint(buf[0], ==, 1);
	usb_must(&s.u, &wakeup, NULL);
	usb_must(&s.u, &get_status, buf);
	g_assert_cmphex(buf[0], ==, 3);
	usb_must(&s.u, &no_wakeup, NULL);
	usb_must(&s.u, &get_status, buf);
	g_assert_cmphex(buf[0], ==, 1);
	g_assert_cmpint(usb_control(&s.u, &bad, NULL, &n), ==, USB_STALL);
	usb_must(&s.u, &halt, NULL);
	get_status = (struct usb_setup){USB_TYPE_IN | 2, 0, 0, EP, 2};
	usb_must(&s.u, &get_status, buf);
	g_assert_cmphex(buf[0], ==, 1);
	input_point(s.input, 1, 1, 0, 0);
	g_assert_cmpint(usb_poll(&s.u, EP, buf, 8, NULL, 20), ==, USB_STALL);
	usb_clear_halt(&s.u, EP);
	EXPECT(&s, "\0\1\0\1\0\0");
	seat_done(&s);
}

static void saved(gconstpointer driver)
{
	struct seat s;

	seat_init(&s, driver, &usb_kbd_ops);
	expect_nothing(&s);
	input_key(s.input, KEY_LEFTCTRL, true);
	input_key(s.input, KEY_C, true);
	EXPECT(&s, "\1\0\0\0\0\0\0\0");
	usb_save_and_load(&s.u);
	EXPECT(&s, "\1\0\6\0\0\0\0\0");
	expect_nothing(&s);
	/* a transfer that waits goes on waiting */
	usb_save_and_load(&s.u);
	input_key(s.input, KEY_C, false);
	EXPECT(&s, "\1\0\0\0\0\0\0\0");
	seat_done(&s);
}

static void add(const char *name, void (*fn)(gconstpointer))
{
	static const struct usb_driver_ops *const drivers[] = {&uhci_driver, &xhci_driver};

	for (unsigned i = 0; i < ARRAY_SIZE(drivers); i++) {
		g_autofree char *path = g_strdup_printf("/usb-hid/%s/%s", drivers[i]->name, name);

		g_test_add_data_func(path, drivers[i], fn);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("tablet", tablet);
	add("mouse", mouse);
	add("keyboard", keyboard);
	add("roll-over", roll_over);
	add("idle", idle);
	add("leds", leds);
	add("descriptors", descriptors);
	add("standard-requests", standard_requests);
	add("saved", saved);
	return g_test_run();
}
