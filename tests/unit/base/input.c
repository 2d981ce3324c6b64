/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/input.h"

#include <errno.h>
#include <linux/input-event-codes.h>

/* A device that notes what it hears: "+30 -30 rel(1,2,0,1) abs(…) ". */
struct ears {
	struct input_handler h;
	GString *heard;
};

static void ears_key(struct input_handler *h, unsigned code, bool down)
{
	g_string_append_printf(
		container_of(h, struct ears, h)->heard, "%c%u ", down ? '+' : '-', code);
}

static void ears_rel(struct input_handler *h, int dx, int dy, int wheel, unsigned buttons)
{
	g_string_append_printf(container_of(h, struct ears, h)->heard, "rel(%d,%d,%d,%u) ", dx, dy,
		wheel, buttons);
}

static void ears_abs(struct input_handler *h, unsigned x, unsigned y, int wheel, unsigned buttons)
{
	g_string_append_printf(
		container_of(h, struct ears, h)->heard, "abs(%u,%u,%d,%u) ", x, y, wheel, buttons);
}

static void ears_init(struct ears *e, bool key, bool rel, bool abs)
{
	*e = (struct ears){
		.h = {key ? ears_key : NULL, rel ? ears_rel : NULL, abs ? ears_abs : NULL},
		.heard = g_string_new(""),
	};
}

static void ears_done(struct ears *e)
{
	g_string_free(e->heard, TRUE);
}

/* What came since the last look. */
static void expect(struct ears *e, const char *heard)
{
	g_assert_cmpstr(e->heard->str, ==, heard);
	g_string_truncate(e->heard, 0);
}

static void keys(void)
{
	struct input *i = input_new();
	struct ears e;

	ears_init(&e, true, false, false);
	g_assert_cmpint(input_key(i, KEY_A, true), ==, 0);
	input_add(i, &e.h);
	g_assert_cmpint(input_key(i, KEY_A, false), ==, 0);
	expect(&e, "");
	input_key(i, KEY_A, true);
	input_key(i, KEY_A, true);
	input_key(i, INPUT_KEY_MAX, true);
	input_key(i, KEY_A, false);
	input_key(i, KEY_A, false);
	expect(&e, "+30 +30 +255 -30 ");
	g_assert_cmpint(input_key(i, 0, true), ==, -EINVAL);
	g_assert_cmpint(input_key(i, INPUT_KEY_MAX + 1, true), ==, -EINVAL);
	input_move(i, 1, 1, 1, 1);
	input_key(i, KEY_B, true);
	expect(&e, "+48 ");
	input_release_all(i);
	expect(&e, "-48 -255 ");
	input_release_all(i);
	expect(&e, "");
	input_remove(i, &e.h);
	input_free(i);
	input_free(NULL);
	ears_done(&e);
}

static void the_last_one_hears(void)
{
	struct input *i = input_new();
	struct ears ps2, usb;

	ears_init(&ps2, true, true, false);
	ears_init(&usb, true, false, true);
	input_add(i, &ps2.h);
	g_assert_false(input_is_absolute(i));
	input_key(i, KEY_A, true);
	expect(&ps2, "+30 ");
	input_add(i, &usb.h);
	g_assert_true(input_is_absolute(i));
	input_key(i, KEY_B, true);
	expect(&ps2, "-30 ");
	expect(&usb, "+48 ");
	input_activate(i, &ps2.h);
	g_assert_false(input_is_absolute(i));
	input_move(i, 1, 2, 3, 4);
	expect(&ps2, "rel(1,2,3,4) ");
	input_remove(i, &ps2.h);
	input_point(i, 5, 6, 7, 8);
	expect(&usb, "abs(5,6,7,8) ");
	/* the one with keys down goes away and comes back: they were not pressed there any more */
	input_key(i, KEY_C, true);
	input_remove(i, &usb.h);
	input_add(i, &usb.h);
	expect(&usb, "+46 ");
	input_key(i, KEY_C, false);
	expect(&usb, "");
	input_remove(i, &usb.h);
	input_remove(i, &usb.h);
	input_free(i);
	ears_done(&ps2);
	ears_done(&usb);
}

static void positions_for_a_mouse(void)
{
	struct input *i = input_new();
	struct ears e;

	ears_init(&e, false, true, false);
	input_add(i, &e.h);
	input_point(i, INPUT_ABS_MAX, INPUT_ABS_MAX, 0, 0);
	input_point(i, 0, UINT32_MAX, -1, 1);
	expect(&e, "rel(0,0,0,0) rel(-1023,0,-1,1) ");
	/* steps smaller than a pixel add up */
	for (unsigned n = 1; n <= 32; n++)
		input_point(i, n, INPUT_ABS_MAX, 0, 0);
	g_assert_nonnull(strstr(e.heard->str, "rel(1,0,0,0) "));
	g_assert_null(strstr(strstr(e.heard->str, "rel(1,") + 1, "rel(1,"));
	input_remove(i, &e.h);
	input_free(i);
	ears_done(&e);
}

static void movement_for_a_tablet(void)
{
	struct input *i = input_new();
	struct ears e;

	ears_init(&e, false, false, true);
	input_add(i, &e.h);
	input_move(i, INT32_MAX, INT32_MIN, 0, 1);
	expect(&e, "abs(32767,0,0,1) ");
	input_point(i, 12345, 23456, 0, 1);
	input_release_all(i);
	expect(&e, "abs(12345,23456,0,1) abs(12345,23456,0,0) ");
	input_release_all(i);
	expect(&e, "");
	/* there and back again */
	input_point(i, 0, 0, 0, 0);
	for (unsigned n = 0; n < 300; n++)
		input_move(i, 1, 3, 0, 0);
	g_string_truncate(e.heard, 0);
	for (unsigned n = 0; n < 300; n++)
		input_move(i, -1, -3, 0, 0);
	g_assert_true(g_str_has_suffix(e.heard->str, "abs(0,0,0,0) "));
	g_assert_false(g_str_has_suffix(e.heard->str, "abs(0,0,0,0) abs(0,0,0,0) "));
	input_remove(i, &e.h);
	input_free(i);
	ears_done(&e);
}

static void leds(void)
{
	struct input *i = input_new();

	g_assert_cmpuint(input_leds(i), ==, 0);
	input_set_leds(i, INPUT_LED_CAPS | INPUT_LED_NUM);
	g_assert_cmpuint(input_leds(i), ==, INPUT_LED_CAPS | INPUT_LED_NUM);
	input_free(i);
}

static void names(void)
{
	static const struct {
		const char *name;
		unsigned code;
	} some[] = {{"0", KEY_0}, {"a", KEY_A}, {"yen", KEY_YEN}, {"z", KEY_Z}, {"ret", KEY_ENTER},
		{"ctrl", KEY_LEFTCTRL}, {"delete", KEY_DELETE}, {"f12", KEY_F12}, {"f2", KEY_F2},
		{"spc", KEY_SPACE}, {"meta_l", KEY_LEFTMETA}, {"kp_enter", KEY_KPENTER},
		{"print", KEY_SYSRQ}, {"less", KEY_102ND}, {"", 0}, {"A", 0}, {"f25", 0},
		{"\xff", 0}};

	for (unsigned i = 0; i < ARRAY_SIZE(some); i++)
		g_assert_cmpuint(input_key_by_name(some[i].name), ==, some[i].code);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/input/keys", keys);
	g_test_add_func("/input/the-last-one-hears", the_last_one_hears);
	g_test_add_func("/input/positions-for-a-mouse", positions_for_a_mouse);
	g_test_add_func("/input/movement-for-a-tablet", movement_for_a_tablet);
	g_test_add_func("/input/leds", leds);
	g_test_add_func("/input/names", names);
	return g_test_run();
}
