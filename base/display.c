/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/display.h"

#include <errno.h>

#define PIXEL_BYTES 4u

struct display {
	char *id;
	struct display_surface surface;
	struct display_viewer *viewers;
};

struct display *display_new(const char *id)
{
	struct display *d = g_new0(struct display, 1);

	d->id = g_strdup(id);
	return d;
}

void display_free(struct display *d)
{
	if (!d)
		return;
	g_free(d->surface.pixels);
	g_free(d->id);
	g_free(d);
}

int display_resize(struct display *d, uint32_t width, uint32_t height)
{
	struct display_viewer *next;
	uint8_t *pixels;

	if (!width || !height || width > DISPLAY_MAX_SIDE || height > DISPLAY_MAX_SIDE)
		return -EINVAL;
	pixels = g_try_malloc0_n(height, (size_t)width * PIXEL_BYTES);
	if (!pixels)
		return -ENOMEM;
	g_free(d->surface.pixels);
	d->surface = (struct display_surface){
		.width = width,
		.height = height,
		.stride = width * PIXEL_BYTES,
		.pixels = pixels,
	};
	for (struct display_viewer *v = d->viewers; v; v = next) {
		next = v->next;
		v->resized(v, &d->surface);
	}
	return 0;
}

struct display_surface *display_surface(struct display *d)
{
	return &d->surface;
}

void display_update(struct display *d, struct display_rect r)
{
	const struct display_surface *s = &d->surface;
	struct display_viewer *next;

	if (r.x >= s->width || r.y >= s->height)
		return;
	r.w = MIN(r.w, s->width - r.x);
	r.h = MIN(r.h, s->height - r.y);
	if (!r.w || !r.h)
		return;
	for (struct display_viewer *v = d->viewers; v; v = next) {
		next = v->next;
		v->updated(v, r);
	}
}

void display_view(struct display *d, struct display_viewer *v)
{
	v->next = d->viewers;
	d->viewers = v;
	v->resized(v, &d->surface);
}

void display_unview(struct display *d, struct display_viewer *v)
{
	struct display_viewer **p = &d->viewers;

	while (*p && *p != v)
		p = &(*p)->next;
	if (*p)
		*p = v->next;
}
