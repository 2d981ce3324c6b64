/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile vmmd-vnc: messages of any bytes and lengths to the engine's end of the socket, some with a descriptor.
 *
 *	input: how (bit 7 a screenshot is asked for first, bits 6..5 descriptor: none, empty, sealed, not sealed), length, bytes …
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/display.h"
#include "base/fdpass.h"
#include "base/input.h"
#include "base/loop.h"
#include "tests/lib/fuzz-input.h"
#include "virtio-backends/display/vnc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_key(struct input_handler *h, unsigned code, bool down)
{
	g_assert_cmpuint(code, <=, INPUT_KEY_MAX);
}

static void on_rel(struct input_handler *h, int dx, int dy, int wheel, unsigned buttons)
{
	g_assert_cmpint(ABS(dx), <, DISPLAY_MAX_SIDE);
	g_assert_cmpint(ABS(dy), <, DISPLAY_MAX_SIDE);
}

static unsigned shots_open;

/* Reads all of it: it must not shrink. */
static void on_png(void *opaque, const uint8_t *png, size_t n, int err)
{
	uint8_t sum = 0;

	for (size_t i = 0; !err && i < n; i++)
		sum += png[i];
	(void)sum;
	shots_open--;
}

static int make_descriptor(unsigned kind)
{
	int fd = kind ? memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;

	if (kind > 1)
		g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
	if (kind == 2)
		g_assert_cmpint(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), ==, 0);
	return fd;
}

static void send_one(int peer, struct fuzz_input *in, unsigned kind)
{
	size_t n = fuzz_take(in, 1) + 1;
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
	struct input_handler handler = {.key = on_key, .rel = on_rel};
	struct fuzz_input in = {.p = data, .left = size};
	struct display *display = display_new("fuzz");
	struct loop *loop = loop_new("fuzz", NULL);
	struct input *input = input_new();
	struct vnc *v;
	int s[2];

	g_assert_cmpint(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), ==, 0);
	g_assert_cmpint(display_resize(display, 64, 48), ==, 0);
	input_add(input, &handler);
	v = vnc_attach(s[0], loop, display, input);
	while (in.left) {
		unsigned how = (unsigned)fuzz_take(&in, 1);

		if (how & 0x80) {
			shots_open++;
			vnc_screenshot(v, on_png, NULL);
		}
		send_one(s[1], &in, how >> 5 & 3);
		loop_iterate(loop, 0);
		drain(s[1]);
	}
	vnc_free(v);
	g_assert_cmpuint(shots_open, ==, 0);
	close(s[1]);
	input_remove(input, &handler);
	input_free(input);
	display_free(display);
	loop_free(loop);
	return 0;
}
