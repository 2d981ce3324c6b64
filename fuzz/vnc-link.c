/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile engine: messages of any bytes and lengths to vmmd-vnc's end of the socket, some with a descriptor; what libvncserver
 * would do with what gets through is checked here instead.
 *
 *	input: how (bits 6..5 descriptor: none, small, large, not sealed; bit 0 a picture is asked for first), length, bytes …
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "tests/lib/fuzz-input.h"
#include "vmmd/vnc/vnc-helper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- in place of screen.c and main.c ---- */

int64_t now_ns(void)
{
	static int64_t now;

	return now += NSEC_PER_SEC;
}

bool screen_waited_for(const struct helper *h)
{
	return true;
}

/* All of it is there. */
void screen_resize(struct helper *h)
{
	const struct vnc_surface *s = &h->surface;

	g_assert_cmpuint(s->stride, >=, s->width * 4);
	g_assert_cmpuint(h->pixels[(size_t)s->stride * s->height - 1], ==, 0);
}

void screen_changed(struct helper *h, const struct display_rect *r)
{
	g_assert_true(range_fits(r->x, r->w, h->surface.width));
	g_assert_true(range_fits(r->y, r->h, h->surface.height));
}

/* ---- */

static int make_descriptor(unsigned kind)
{
	int fd = kind ? memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;

	if (kind)
		g_assert_cmpint(ftruncate(fd, kind == 1 ? 4096 : 1 << 20), ==, 0);
	if (kind == 1 || kind == 2)
		g_assert_cmpint(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), ==, 0);
	return fd;
}

static void send_one(int peer, struct fuzz_input *in, unsigned kind)
{
	/* The longest message is longer than a byte can say. */
	size_t n = (fuzz_take(in, 1) + 1) * 8;
	int fd = make_descriptor(kind);

	n = MIN(n, in->left);
	if (n)
		(void)fdpass_send(peer, in->p, n, &fd, fd >= 0);
	in->p += n;
	in->left -= n;
	fd_close(&fd);
}

static void drain(int peer)
{
	uint8_t buf[4096];

	while (recv(peer, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {.p = data, .left = size};
	struct helper h = {};
	int s[2];

	g_assert_cmpint(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), ==, 0);
	h.engine = s[0];
	while (in.left && !h.ended) {
		unsigned how = (unsigned)fuzz_take(&in, 1);

		if (how & 1)
			link_refresh(&h);
		send_one(s[1], &in, how >> 5 & 3);
		link_read(&h);
		drain(s[1]);
	}
	if (h.pixels)
		munmap(h.pixels, (size_t)h.surface.stride * h.surface.height);
	close(s[0]);
	close(s[1]);
	return 0;
}
