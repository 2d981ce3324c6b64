/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/display.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fdpass.h"

#define PIXEL_BYTES 4u
/* Other processes can neither change its size nor, as we have it mapped already, write to it. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

struct display {
	char *id;
	struct display_source *source;
	struct display_surface surface;
	struct display_viewer *viewers;
};

struct display *display_new(const char *id)
{
	struct display *d = g_new0(struct display, 1);

	d->id = g_strdup(id);
	d->surface.fd = -1;
	return d;
}

/* ---- surfaces ---- */

static size_t surface_size(const struct display_surface *s)
{
	return (size_t)s->stride * s->height;
}

static void surface_done(struct display_surface *s)
{
	if (s->pixels)
		munmap(s->pixels, surface_size(s));
	fd_close(&s->fd);
}

static int surface_map(struct display_surface *s)
{
	void *p;

	if (ftruncate(s->fd, (off_t)surface_size(s)) < 0)
		return -errno;
	p = mmap(NULL, surface_size(s), PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->pixels = p;
	return fcntl(s->fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

static int surface_init(struct display_surface *s, uint32_t width, uint32_t height)
{
	int err;

	*s = (struct display_surface){
		.width = width,
		.height = height,
		.stride = width * PIXEL_BYTES,
		.fd = memfd_create("display", MFD_CLOEXEC | MFD_ALLOW_SEALING),
	};
	if (s->fd < 0)
		return -errno;
	err = surface_map(s);
	if (err < 0)
		surface_done(s);
	return err;
}

void display_free(struct display *d)
{
	if (!d)
		return;
	surface_done(&d->surface);
	g_free(d->id);
	g_free(d);
}

const char *display_id(const struct display *d)
{
	return d->id;
}

void display_set_source(struct display *d, struct display_source *s)
{
	d->source = s;
}

int display_resize(struct display *d, uint32_t width, uint32_t height)
{
	struct display_surface old = d->surface, surface;
	struct display_viewer *next;
	int err;

	if (!width || !height || width > DISPLAY_MAX_SIDE || height > DISPLAY_MAX_SIDE)
		return -EINVAL;
	err = surface_init(&surface, width, height);
	if (err < 0)
		return err;
	d->surface = surface;
	for (struct display_viewer *v = d->viewers; v; v = next) {
		next = v->next;
		v->resized(v, &d->surface);
	}
	surface_done(&old);
	return 0;
}

/* ---- who draws, who looks ---- */

void display_refresh(struct display *d)
{
	if (d->source)
		d->source->refresh(d->source);
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
	if (d->surface.width)
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
