/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB mass storage on the wire, and the SCSI unit behind it, over a disk that fails, parks and takes its time.
 *
 * Input: first byte: bit 0 a CD-ROM. Then operations, a byte each and what it needs:
 *
 *	0	command wrapper: flags, length of the data (16 bits), CDB of 16 bytes
 *	1	OUT of n bytes (16 bits), which repeat one byte
 *	2	IN of n bytes (16 bits)
 *	3	control request: 8 bytes, with its data and status stages
 *	4	messages of the loop
 *	5	faults of the disk: operation, error or park
 *	6	hold requests, or let one go
 *	7	quiesce, save, reset, load, resume
 *	8	the disk changes its size (megabytes)
 */
#include <errno.h>
#include <string.h>

#include "tests/device/usb-driver.h"
#include "tests/lib/fake-blk.h"
#include "tests/lib/fuzz-input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_DATA 65536u

struct target {
	struct usb_driver u;
	struct fake_blk *blk;
	struct usb_dev *usb;
	uint8_t *buf;
};

static void transfer(struct target *t, enum usb_pid pid, uint8_t ep, size_t n)
{
	struct iovec seg;
	struct usb_transfer x = {.pid = pid, .ep = ep, .data = giov_from_buf(&seg, t->buf, n)};

	usb_transfer(t->usb, &x);
	g_assert_cmpuint(x.done, <=, n);
}

static void op_wrapper(struct target *t, struct fuzz_input *in)
{
	memset(t->buf, 0, 31);
	memcpy(t->buf, "USBC", 4);
	t->buf[12] = fuzz_take(in, 1) & 0x80;
	t->buf[8] = (uint8_t)fuzz_take(in, 1);
	t->buf[9] = (uint8_t)fuzz_take(in, 1);
	t->buf[14] = 16;
	for (unsigned i = 0; i < 16; i++)
		t->buf[15 + i] = (uint8_t)fuzz_take(in, 1);
	transfer(t, USB_PID_OUT, 2, 31);
}

static void op_out(struct target *t, struct fuzz_input *in)
{
	size_t n = fuzz_take(in, 2);

	memset(t->buf, (int)fuzz_take(in, 1), n);
	transfer(t, USB_PID_OUT, 2, n);
}

static void op_in(struct target *t, struct fuzz_input *in)
{
	transfer(t, USB_PID_IN, 1, fuzz_take(in, 2));
}

static void op_control(struct target *t, struct fuzz_input *in)
{
	bool to_host;

	for (unsigned i = 0; i < 8; i++)
		t->buf[i] = (uint8_t)fuzz_take(in, 1);
	to_host = t->buf[0] & USB_TYPE_IN;
	transfer(t, USB_PID_SETUP, 0, 8);
	transfer(t, to_host ? USB_PID_IN : USB_PID_OUT, 0, 64);
	transfer(t, to_host ? USB_PID_OUT : USB_PID_IN, 0, 0);
}

static void op_poll(struct target *t, struct fuzz_input *in)
{
	rig_poll(t->u.r);
}

static void op_fault(struct target *t, struct fuzz_input *in)
{
	static const int errors[] = {EIO, ENOSPC, EROFS, ENOMEM};
	uint8_t what = (uint8_t)fuzz_take(in, 1);

	fake_blk_fail(t->blk, what % BLK_OPS, 1, -errors[what >> 4 & 3], what & 0x80);
}

static void op_hold(struct target *t, struct fuzz_input *in)
{
	uint8_t what = (uint8_t)fuzz_take(in, 1);

	fake_blk_hold(t->blk, what & 1);
	if (what & 2)
		fake_blk_complete(t->blk);
}

static void let_go(struct target *t)
{
	fake_blk_hold(t->blk, false);
	while (fake_blk_complete(t->blk))
		;
	rig_poll(t->u.r);
}

/* A quiesce waits for the disk: it must not hold anything back. */
static void op_life(struct target *t, struct fuzz_input *in)
{
	let_go(t);
	usb_save_and_load(&t->u);
}

static void op_resize(struct target *t, struct fuzz_input *in)
{
	unsigned mib = fuzz_take(in, 1) % 4 + 1;

	if (!fake_blk_in_flight(t->blk) && !fake_blk_parked(t->blk))
		fake_blk_resize(t->blk, mib * MiB);
}

static void init(struct target *t, bool cdrom)
{
	struct dev *d;

	usb_driver_init(&t->u, &uhci_driver);
	t->buf = g_malloc0(MAX_DATA);
	t->blk = fake_blk_new(t->u.r->loop, MiB);
	d = dev_new(t->u.r->bus, &usb_storage_ops, "disk");
	usb_storage_set_backend(d, &t->blk->blk);
	g_assert_true(prop_set_text(
		prop_find(usb_storage_ops.props, "cdrom"), d, cdrom ? "on" : "off", NULL));
	g_assert_true(dev_realize(d, NULL));
	usb_insert(&t->u, d);
	t->usb = to_usb_dev(d);
}

static void done(struct target *t)
{
	let_go(t);
	bus_reset(t->u.r->bus, RESET_COLD);
	rig_poll(t->u.r);
	rig_poll(t->u.r);
	dev_free(DEV(t->usb));
	fake_blk_free(t->blk);
	usb_driver_done(&t->u);
	g_free(t->buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const ops[])(struct target * t, struct fuzz_input * in) = {op_wrapper, op_out,
		op_in, op_control, op_poll, op_fault, op_hold, op_life, op_resize};
	struct fuzz_input in = {.p = data, .left = size};
	struct target t;

	init(&t, fuzz_take(&in, 1) & 1);
	while (in.left)
		ops[fuzz_take(&in, 1) % ARRAY_SIZE(ops)](&t, &in);
	done(&t);
	return 0;
}
