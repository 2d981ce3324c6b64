/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/display.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

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

	g_assert_cmpstr(display_id(d), ==, "vga");
	display_view(d, &w.v);
	g_assert_cmpuint(w.resizes, ==, 0);
	g_assert_cmpint(display_resize(d, 640, 480), ==, 0);
	g_assert_cmpuint(w.resizes, ==, 1);
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
	g_assert_cmpuint(w.resizes, ==, 2);
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

/* Another process sees the same pixels, cannot change them, and cannot make them fewer under our feet. */
static void surfaces_are_shared(void)
{
	struct display *d = display_new("vga");
	struct display_surface *s = display_surface(d);
	uint8_t *p;

	g_assert_cmpint(s->fd, ==, -1);
	g_assert_cmpint(display_resize(d, 64, 32), ==, 0);
	p = mmap(NULL, 64 * 32 * 4, PROT_READ, MAP_SHARED, s->fd, 0);
	g_assert_true(p != MAP_FAILED);
	s->pixels[64 * 32 * 4 - 1] = 0x5a;
	g_assert_cmphex(p[64 * 32 * 4 - 1], ==, 0x5a);
	g_assert_cmpint(ftruncate(s->fd, 4096), <, 0);
	g_assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0) == MAP_FAILED);
	g_assert_cmpint(pwrite(s->fd, "x", 1, 0), <, 0);
	munmap(p, 64 * 32 * 4);
	display_free(d);
}

struct source {
	struct display_source s;
	struct display *d;
	unsigned refreshes;
};

static void source_refresh(struct display_source *s)
{
	struct source *src = container_of(s, struct source, s);

	src->refreshes++;
	display_resize(src->d, 10, 10);
	display_update(src->d, (struct display_rect){0, 0, 10, 10});
}

static void drawn_when_asked(void)
{
	struct display *d = display_new("vga");
	struct source src = {.s = {.refresh = source_refresh}, .d = d};
	struct viewer w = VIEWER_INIT;

	display_refresh(d);
	display_set_source(d, &src.s);
	display_view(d, &w.v);
	g_assert_cmpuint(src.refreshes, ==, 0);
	display_refresh(d);
	g_assert_cmpuint(src.refreshes, ==, 1);
	g_assert_cmpuint(w.resizes, ==, 1);
	g_assert_cmpuint(w.updates, ==, 1);
	display_set_source(d, NULL);
	display_refresh(d);
	g_assert_cmpuint(src.refreshes, ==, 1);
	display_free(d);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/display/resizing", resizing);
	g_test_add_func("/display/updates-are-clipped", updates_are_clipped);
	g_test_add_func("/display/surfaces-are-shared", surfaces_are_shared);
	g_test_add_func("/display/drawn-when-asked", drawn_when_asked);
	return g_test_run();
}
