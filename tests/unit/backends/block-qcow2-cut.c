/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power fails at any point of a session: qemu-img finds no corruption in what is left of the image (leaks may be), and each block
 * holds what was flushed last or something that was written since.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/backends/blk-qcow2.h"
#include "tests/unit/backends/blk-tape.h"

#define SIZE   (2 * MiB)
#define ROOM   (16 * MiB)
#define BLOCK  512
#define BLOCKS (SIZE / BLOCK)
#define OPS    60
#define LEAKS  3 /* exit status of qemu-img check: no more than that */

/* All that a block has ever held, oldest first: numbers that are written into it, 0 for zeroes. */
struct history {
	GArray *held[BLOCKS];
	uint32_t next;
};

/* From event @at on, the cut image holds of each block at least the @least-th of its history. */
struct promise {
	unsigned at;
	unsigned least[BLOCKS];
};

struct session {
	char path[40], raw[40];
	struct node *tape;
	struct image im;
	struct history history;
	GPtrArray *promises;
};

static void hold(struct session *s, uint64_t block, uint32_t number)
{
	g_array_append_val(s->history.held[block], number);
}

static void promise(struct session *s)
{
	struct promise *p = g_new(struct promise, 1);

	p->at = tape_length(s->tape);
	for (uint64_t b = 0; b < BLOCKS; b++)
		p->least[b] = s->history.held[b]->len - 1;
	g_ptr_array_add(s->promises, p);
}

static void stamp(struct session *s, uint8_t *buf, uint64_t offset, uint64_t len)
{
	for (uint64_t at = 0; at < len; at += BLOCK) {
		uint32_t number = ++s->history.next;

		memset(buf + at, 0, BLOCK);
		memcpy(buf + at, &number, sizeof(number));
		hold(s, (offset + at) / BLOCK, number);
	}
}

static void one_op(struct session *s, uint8_t *buf)
{
	static const enum blk_op ops[] = {
		BLK_WRITE, BLK_WRITE, BLK_WRITE, BLK_WRITE_ZEROES, BLK_DISCARD, BLK_FLUSH};
	enum blk_op op = ops[g_test_rand_int_range(0, ARRAY_SIZE(ops))];
	uint64_t len = g_test_rand_int_range(1, g_test_rand_int_range(0, 3) ? 24 : 400) * BLOCK;
	uint64_t offset = g_test_rand_int_range(0, (SIZE - len) / BLOCK + 1) * BLOCK;

	if (op == BLK_FLUSH) {
		g_assert_cmpint(image_io(&s->im, op, 0, NULL, 0), ==, 0);
		promise(s);
		return;
	}
	if (op == BLK_WRITE)
		stamp(s, buf, offset, len);
	for (uint64_t at = 0; op != BLK_WRITE && at < len; at += BLOCK)
		hold(s, (offset + at) / BLOCK, 0);
	g_assert_cmpint(image_io(&s->im, op, offset, op == BLK_WRITE ? buf : NULL, len), ==, 0);
	if (op != BLK_DISCARD)
		return;
	/* What a discard has left alone is still there. */
	g_assert_cmpint(image_io(&s->im, BLK_READ, offset, buf, len), ==, 0);
	for (uint64_t at = 0; at < len; at += BLOCK) {
		uint32_t number;

		memcpy(&number, buf + at, sizeof(number));
		if (number)
			hold(s, (offset + at) / BLOCK, number);
	}
}

static void run_session(struct session *s, const char *options)
{
	g_autofree uint8_t *buf = g_malloc(SIZE);
	g_autofree char *bytes = NULL;
	size_t n;

	strcpy(s->path, "/tmp/vmmd-cut-XXXXXX");
	close(mkstemp(s->path));
	g_snprintf(s->raw, sizeof(s->raw), "%s.raw", s->path);
	g_assert_cmpint(qemu_img("create -q -f qcow2 -o %s %s 2M", options, s->path), ==, 0);
	g_assert_true(g_file_get_contents(s->path, &bytes, &n, NULL));
	s->promises = g_ptr_array_new_with_free_func(g_free);
	s->tape = tape_new((uint8_t *)bytes, n, ROOM);
	for (uint64_t b = 0; b < BLOCKS; b++) {
		s->history.held[b] = g_array_new(FALSE, FALSE, sizeof(uint32_t));
		hold(s, b, 0);
	}
	image_open(&s->im, node_ref(s->tape), NULL);
	for (int i = 0; i < OPS; i++)
		one_op(s, buf);
	image_close(&s->im);
}

static bool was_held(const struct session *s, uint64_t block, unsigned least, uint32_t number)
{
	const GArray *held = s->history.held[block];

	for (unsigned i = least; i < held->len; i++) {
		if (g_array_index(held, uint32_t, i) == number)
			return true;
	}
	return false;
}

static void check_content(const struct session *s, const uint8_t *raw, unsigned events)
{
	const struct promise *kept = NULL;

	for (unsigned i = 0; i < s->promises->len; i++) {
		const struct promise *p = g_ptr_array_index(s->promises, i);

		if (p->at <= events)
			kept = p;
	}
	for (uint64_t b = 0; b < BLOCKS; b++) {
		uint32_t number;

		memcpy(&number, raw + b * BLOCK, sizeof(number));
		if (kept && !was_held(s, b, kept->least[b], number))
			g_error("cut after %u events: block %" G_GUINT64_FORMAT " holds %u", events,
				b, number);
	}
}

static void check_cut(struct session *s, unsigned events)
{
	uint64_t len;
	g_autofree uint8_t *image = tape_cut(s->tape, events, &len);
	g_autofree char *raw = NULL;
	size_t n;
	int status;

	g_assert_true(g_file_set_contents(s->path, (char *)image, len, NULL));
	status = qemu_img("check %s", s->path);
	if (status)
		g_assert_cmpint(status, ==, LEAKS);
	g_assert_cmpint(qemu_img("convert -f qcow2 -O raw %s %s", s->path, s->raw), ==, 0);
	g_assert_true(g_file_get_contents(s->raw, &raw, &n, NULL));
	g_assert_cmpuint(n, ==, SIZE);
	check_content(s, (uint8_t *)raw, events);
}

static void test_cut(gconstpointer options)
{
	g_autofree struct session *s = g_new0(struct session, 1);
	unsigned length, flushes = 0;

	run_session(s, options);
	length = tape_length(s->tape);
	for (unsigned i = 0; i < length; i++)
		flushes += tape_event(s->tape, i)->flush;
	g_test_message("%u events, %u flushes, %u promises", length, flushes, s->promises->len);
	g_assert_cmpuint(flushes, >, 0);
	g_assert_cmpuint(s->promises->len, >, 0);
	for (unsigned i = 0; i <= length; i++)
		check_cut(s, i);
	for (uint64_t b = 0; b < BLOCKS; b++)
		g_array_free(s->history.held[b], TRUE);
	g_ptr_array_free(s->promises, TRUE);
	node_unref(s->tape);
	unlink(s->path);
	unlink(s->raw);
}

int main(int argc, char **argv)
{
	static const char *const options[] = {"compat=1.1", "cluster_size=512",
		"extended_l2=on,cluster_size=16k", "cluster_size=4096,compat=0.10"};

	g_test_init(&argc, &argv, NULL);
	if (!have_qemu_img())
		return 77;
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		g_autofree char *name = g_strdup_printf("/block-qcow2-cut/%s", options[i]);

		g_test_add_data_func(name, options[i], test_cut);
	}
	return g_test_run();
}
