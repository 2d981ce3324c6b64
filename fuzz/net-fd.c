/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile frames of a guest on their way to a socket, and frames of any length on their way back: what arrives is what was sent,
 * whole and without header, or nothing.
 *
 *	input: header (0, 10, 12), pieces, room for the frame back (2 bytes), then the frame with its header
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "virtio-backends/net/drivers.h"

#define PIECES_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net_queue *queue;
static int peer;

static void nothing(void *opaque)
{
}

static void set_up(void)
{
	static const struct net_front_ops front = {.rx_ready = nothing, .tx_ready = nothing};
	struct loop *loop = loop_new("fuzz", NULL);
	struct net *net;
	int s[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), ==, 0);
	net = net_fd_new("fuzz", s[0], loop, NULL);
	g_assert_cmpint(net_queue_open(net, 0, loop, &front, NULL, &queue), ==, 0);
	peer = s[1];
}

/* @n bytes at @memory in at most @pieces pieces of equal size but for the last. */
static struct giov cut(struct iovec *segs, unsigned pieces, uint8_t *memory, size_t n)
{
	size_t part = n / pieces + 1, at = 0;
	unsigned used = 0;

	for (; at < n; at += segs[used++].iov_len)
		segs[used] = (struct iovec){.iov_base = memory + at, .iov_len = MIN(part, n - at)};
	return (struct giov){.segs__ = segs, .n = used, .size = n};
}

static void check_send(const struct giov *v, const uint8_t *frame, size_t size, unsigned header)
{
	static uint8_t got[NET_FRAME_MAX + 1];
	ssize_t sent = net_send(queue, v), n = recv(peer, got, sizeof(got), MSG_DONTWAIT);

	if (sent < 0) {
		g_assert_cmpint(n, <, 0);
		return;
	}
	g_assert_cmpmem(got, n, frame + header, size - header);
	/* It asked for nothing: neither a checksum (flag 1) nor segmentation. */
	g_assert_true(!header || (!(frame[0] & 1) && !frame[1]));
}

static void check_recv(const struct giov *room, const uint8_t *frame, size_t n, unsigned header)
{
	g_autofree uint8_t *got = g_malloc(room->size + 1);
	ssize_t received;

	g_assert_cmpint(send(peer, frame, n, 0), ==, n);
	received = net_recv(queue, room);
	if (room->size < header + n) {
		g_assert_cmpint(received, ==, -EMSGSIZE);
		return;
	}
	g_assert_cmpint(received, ==, header + n);
	giov_read(room, header, got, n);
	g_assert_cmpmem(got, n, frame, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned headers[] = {0, 10, 12};
	struct iovec segs[PIECES_MAX];
	g_autofree uint8_t *memory = NULL;
	unsigned header, pieces;
	size_t room;
	struct giov v;

	if (!queue)
		set_up();
	if (size < 5 || size > 60000)
		return 0;
	header = headers[data[0] % 3];
	pieces = data[1] + 1;
	room = data[2] | data[3] << 8;
	data += 4;
	size -= 4;
	g_assert_cmpint(net_set_header(queue, header), ==, 0);
	memory = g_memdup2(data, size);
	v = cut(segs, pieces, memory, size);
	check_send(&v, data, size, header);
	g_free(memory);
	memory = g_malloc(room + 1);
	v = cut(segs, pieces, memory, room);
	if (room >= header)
		check_recv(&v, data, size, header);
	return 0;
}
