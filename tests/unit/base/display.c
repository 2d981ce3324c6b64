/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/display.h"

#include <errno.h>

struct viewer {
	struct display_viewer v;
	unsigned resizes, updates;
	uint32_t width, height;
	struct display_rect last;
};

static void viewer_resized(struct display_viewer *v, const struct display_surface *s)
{
	struct viewer *w = container_of(v, struct viewer, v);

	w->resizes++;
	w->width = s->width;
	w->height = s->height;
}

static void viewer_updated(struct display_viewer *v, struct display_rect r)
{
	struct viewer *w = container_of(v, struct viewer, v);

	w->updates++;
	w->last = r;
}

#define VIEWER_INIT                                                          \
	{                                                                    \
		.v = {.resized = viewer_resized, .updated = viewer_updated } \
	}

static void resizing(void)
{
	struct display *d = display_new("vga");
	struct viewer w = VIEWER_INIT;
	struct display_surface *s = display_surface(d);

	display_view(d, &w.v);
	g_assert_cmpuint(w.resizes, ==, 1);
	g_assert_cmpuint(w.width, ==, 0);
	g_assert_cmpint(display_resize(d, 640, 480), ==, 0);
	g_assert_cmpuint(w.resizes, ==, 2);
	g_assert_cmpuint(w.width, ==, 640);
	g_assert_cmpuint(s->stride, ==, 2560);
	g_assert_cmpint(s->pixels[479 * 2560 + 2559], ==, 0);
	s->pixels[0] = 0xff;
	g_assert_cmpint(display_resize(d, 0, 480), ==, -EINVAL);
	g_assert_cmpint(display_resize(d, 640, 0), ==, -EINVAL);
	g_assert_cmpint(display_resize(d, DISPLAY_MAX_SIDE + 1, 1), ==, -EINVAL);
	g_assert_cmpint(display_resize(d, 1, UINT32_MAX), ==, -EINVAL);
	g_assert_cmpuint(s->width, ==, 640);
	g_assert_cmpint(s->pixels[0], ==, 0xff);
	g_assert_cmpint(display_resize(d, 1, DISPLAY_MAX_SIDE), ==, 0);
	g_assert_cmpint(s->pixels[0], ==, 0);
	g_assert_cmpuint(w.resizes, ==, 3);
	display_free(d);
	display_free(NULL);
}

static void updates_are_clipped(void)
{
	struct display *d = display_new("vga");
	struct viewer a = VIEWER_INIT, b = VIEWER_INIT;

	display_view(d, &a.v);
	display_update(d, (struct display_rect){0, 0, 1, 1});
	g_assert_cmpuint(a.updates, ==, 0);
	g_assert_cmpint(display_resize(d, 100, 50), ==, 0);
	display_view(d, &b.v);
	display_update(d, (struct display_rect){90, 40, UINT32_MAX, 20});
	g_assert_cmpuint(a.updates, ==, 1);
	g_assert_cmpuint(b.updates, ==, 1);
	g_assert_cmpuint(a.last.x, ==, 90);
	g_assert_cmpuint(a.last.w, ==, 10);
	g_assert_cmpuint(a.last.h, ==, 10);
	display_update(d, (struct display_rect){100, 0, 1, 1});
	display_update(d, (struct display_rect){0, 50, 1, 1});
	display_update(d, (struct display_rect){0, 0, 0, 1});
	g_assert_cmpuint(a.updates, ==, 1);
	display_unview(d, &a.v);
	display_unview(d, &a.v);
	display_update(d, (struct display_rect){0, 0, 1, 1});
	g_assert_cmpuint(a.updates, ==, 1);
	g_assert_cmpuint(b.updates, ==, 2);
	display_free(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/display/resizing", resizing);
	g_test_add_func("/display/updates-are-clipped", updates_are_clipped);
	return g_test_run();
}
