/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * display.h - the interface between a display device (VGA, virtio-gpu) and those who show it (VNC helper, screenshots).
 *
 *	viewer ── display_refresh() ──► device draws what has changed ── display_update() ──► every viewer
 *
 * Nothing is drawn unless a viewer asks, so a display that nobody looks at costs nothing. The device draws into a surface
 * and names the rectangles that changed; a viewer reads the surface when it likes. The surface is a memfd, so that a
 * viewer in another process has it too. Pixels are 32 bits, 0x00RRGGBB, little-endian. Main loop only.
 */
#ifndef BASE_DISPLAY_H
#define BASE_DISPLAY_H

#include <glib.h>

#include "base/util.h"

#define DISPLAY_MAX_SIDE 8192u /* pixels; a guest cannot make a larger surface */

struct display_rect {
	uint32_t x, y, w, h; /* pixels, within the surface */
};

struct display_surface {
	uint32_t width, height; /* pixels; 0: there is none yet */
	uint32_t stride;        /* bytes per line */
	uint8_t *pixels;        /* height * stride bytes, owned by the display */
	int fd; /* the same memory, sealed: others read it only; owned by the display */
};

struct display;

/* A device's side. */
struct display_source {
	/* Draw what differs from what the guest shows now, resize and update as needed. */
	void (*refresh)(struct display_source *s);
};

struct display_viewer {
	/* Another surface; the old one is gone when this returns. */
	void (*resized)(struct display_viewer *v, const struct display_surface *s);
	void (*updated)(struct display_viewer *v, struct display_rect r);
	struct display_viewer *next;
};

struct display *display_new(const char *id);
void display_free(struct display *d);
const char *display_id(const struct display *d);

/* By the device: who draws; NULL ends it. */
void display_set_source(struct display *d, struct display_source *s);
/* By the device: a new size (black). -EINVAL beyond DISPLAY_MAX_SIDE or 0, -ENOMEM, -errno of the memfd. */
int display_resize(struct display *d, uint32_t width, uint32_t height);
struct display_surface *display_surface(struct display *d);
/* By the device: clipped to the surface, then passed to every viewer. */
void display_update(struct display *d, struct display_rect r);

/* By viewers: resized() is called at once if there is a surface. */
void display_view(struct display *d, struct display_viewer *v);
void display_unview(struct display *d, struct display_viewer *v);
/* By viewers: brings the surface up to date. */
void display_refresh(struct display *d);

#endif
