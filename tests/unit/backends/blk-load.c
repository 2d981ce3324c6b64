/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/backends/blk-load.h"

#include <sched.h>
#include <stdlib.h>

/* Writes a number to the request's own block, reads it back, and so on. */
static void job_next(struct load_io *io)
{
	bool write = io->r.op != BLK_WRITE;
	uint64_t block = io - io->job->ios;

	io->r.op = write ? BLK_WRITE : BLK_READ;
	io->r.offset = io->job->base + block * 4096;
	io->r.len = 4096;
	io->r.data = giov_from_buf(&io->seg, io->buf, 4096);
	io->buf[0] = write ? ++io->written : 0;
	io->buf[511] = io->buf[0];
	blk_submit(io->job->q, &io->r);
}

static void job_done(struct blk_req *r)
{
	struct load_io *io = container_of(r, struct load_io, r);
	struct load_job *j = io->job;

	if (r->result < 0 || io->buf[0] != io->written || io->buf[511] != io->written)
		__atomic_add_fetch(&j->failures, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&j->done, 1, __ATOMIC_RELEASE);
	if (__atomic_load_n(&j->stop, __ATOMIC_ACQUIRE)) {
		__atomic_sub_fetch(&j->running, 1, __ATOMIC_RELEASE);
		return;
	}
	job_next(io);
	blk_commit(j->q);
}

static void job_start(struct loop_call *c)
{
	struct load_job *j = container_of(c, struct load_job, start);

	for (unsigned i = 0; i < LOAD_DEPTH; i++)
		job_next(&j->ios[i]);
	blk_commit(j->q);
}

void load_start(struct load_job *j, struct blk *b, unsigned index)
{
	g_autoptr(GError) error = NULL;

	*j = (struct load_job){
		.start.fn = job_start, .base = index * LOAD_REGION, .running = LOAD_DEPTH};
	j->loop = loop_new("job", NULL);
	for (unsigned i = 0; i < LOAD_DEPTH; i++) {
		j->ios[i].job = j;
		j->ios[i].buf = aligned_alloc(4096, 4096);
		j->ios[i].r.done = job_done;
	}
	g_assert_true(loop_thread_start(j->loop, &error));
	g_assert_cmpint(blk_queue_open(b, j->loop, &j->q), ==, 0);
	loop_post(j->loop, &j->start);
}

void load_finish(struct load_job *j)
{
	__atomic_store_n(&j->stop, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&j->running, __ATOMIC_ACQUIRE))
		sched_yield();
	g_assert_cmpuint(__atomic_load_n(&j->failures, __ATOMIC_RELAXED), ==, 0);
	blk_queue_close(j->q);
	loop_thread_join(j->loop);
	loop_free(j->loop);
	for (unsigned i = 0; i < LOAD_DEPTH; i++)
		free(j->ios[i].buf);
}

unsigned load_total(const struct load_job *jobs)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LOAD_JOBS; i++)
		n += __atomic_load_n(&jobs[i].done, __ATOMIC_ACQUIRE);
	return n;
}

void load_wait(struct loop *loop, const struct load_job *jobs, unsigned from)
{
	while (load_total(jobs) < from + 50)
		loop_iterate(loop, 1);
}
