/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "vmmd/vnc/vnc-helper.h"

#define FRAME_NS      (NSEC_PER_SEC / 30)
#define IDLE_FRAME_NS (NSEC_PER_SEC / 10) /* of a picture that stands still */
#define IDLE_AFTER    30                  /* frames */

bool link_send(struct helper *h, const void *message, size_t n, int fd)
{
	if (!h->ended && fdpass_send(h->engine, message, n, &fd, fd >= 0) < 0)
		h->ended = true;
	return !h->ended;
}

/* ---- pictures ---- */

int link_refresh(struct helper *h)
{
	const struct vnc_refresh m = {VNC_REFRESH};
	int64_t frame = h->unchanged < IDLE_AFTER ? FRAME_NS : IDLE_FRAME_NS;
	int64_t left = h->asked_at + frame - now_ns();

	if (h->asked || !screen_waited_for(h))
		return -1;
	if (left > 0)
		return (int)(left / NSEC_PER_MSEC) + 1;
	h->asked = link_send(h, &m, sizeof(m), -1);
	h->asked_at = now_ns();
	return -1;
}

static bool on_changes(struct helper *h, const struct vnc_changes *m)
{
	if (!h->asked || m->n > VNC_RECTS_MAX)
		return false;
	h->asked = false;
	h->unchanged = m->n ? 0 : h->unchanged + 1;
	for (uint32_t i = 0; i < m->n; i++) {
		const struct display_rect *r = &m->rects[i];

		if (!range_fits(r->x, r->w, h->surface.width) ||
			!range_fits(r->y, r->h, h->surface.height))
			return false;
		screen_changed(h, r);
	}
	return true;
}

static bool surface_ok(const struct vnc_surface *m, int fd)
{
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && seals & F_SEAL_SHRINK && m->width && m->height &&
	       m->width <= DISPLAY_MAX_SIDE && m->height <= DISPLAY_MAX_SIDE &&
	       m->stride == m->width * 4 && fstat(fd, &st) == 0 &&
	       st.st_size >= (off_t)m->stride * m->height;
}

static bool on_surface(struct helper *h, const struct vnc_surface *m, int fd)
{
	uint8_t *old = h->pixels;
	size_t old_size = (size_t)h->surface.stride * h->surface.height;
	void *p;

	if (!surface_ok(m, fd))
		return false;
	p = mmap(NULL, (size_t)m->stride * m->height, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return false;
	h->pixels = p;
	h->surface = *m;
	screen_resize(h);
	if (old)
		munmap(old, old_size);
	return true;
}

/* ---- screenshots ---- */

static int make_file(const GByteArray *bytes)
{
	int fd = memfd_create("png", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 &&
		(fd_write_all(fd, bytes->data, bytes->len) < 0 ||
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0))
		fd_close(&fd);
	return fd;
}

static bool on_screenshot(struct helper *h)
{
	g_autoptr(GByteArray) png = h->pixels ? png_encode(&h->surface, h->pixels) : NULL;
	int fd = png ? make_file(png) : -1;
	const struct vnc_png m = {
		.type = VNC_PNG,
		.size = fd < 0 ? 0 : png->len,
		.error = fd < 0 ? ENOMEM : 0,
	};
	bool ok = link_send(h, &m, sizeof(m), fd);

	fd_close(&fd);
	return ok;
}

/* ---- messages ---- */

static void on_password(struct helper *h, const struct vnc_password *m)
{
	h->needs_password = true;
	h->has_password = m->set;
	memcpy(h->password, m->text, sizeof(m->text));
}

static bool handle(struct helper *h, const union vnc_any *m, size_t n, int fd)
{
	static const size_t sizes[] = {
		[VNC_SURFACE] = sizeof(struct vnc_surface),
		[VNC_CHANGES] = sizeof(struct vnc_changes),
		[VNC_PASSWORD] = sizeof(struct vnc_password),
		[VNC_SCREENSHOT] = sizeof(struct vnc_screenshot),
	};

	if (n < sizeof(m->type) || m->type >= ARRAY_SIZE(sizes) || !sizes[m->type] ||
		n != sizes[m->type])
		return false;
	switch (m->type) {
	case VNC_SURFACE: return on_surface(h, &m->surface, fd);
	case VNC_CHANGES: return on_changes(h, &m->changes);
	case VNC_PASSWORD: on_password(h, &m->password); return true;
	default: return on_screenshot(h);
	}
}

void link_read(struct helper *h)
{
	union vnc_any m;
	unsigned n_fds = 1;
	int fd = -1;
	ssize_t n = fdpass_recv(h->engine, &m, sizeof(m), &fd, &n_fds);

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0 || !handle(h, &m, (size_t)n, n_fds ? fd : -1))
		h->ended = true;
	if (n > 0 && n_fds)
		fd_close(&fd);
}
