/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "virtio-backends/block/aio.h"

#define QUEUE_ROOM     256 /* requests of a queue in the kernel at once */
#define QUEUE_ROOM_MIN 16
#define BATCH          64 /* requests of one io_submit(2), completions taken at a time */

struct file_queue {
	struct node_queue base;
	struct aio aio;
	struct loop_fd event;    /* eventfd, edge triggered: the ring has something */
	struct loop_call reap;   /* look at the ring and at `finished` */
	struct req_list pending; /* for libaio, not in the kernel yet */
	bool closed;             /* reap was queued still: frees */

	pthread_mutex_t lock;
	struct req_list finished; /* under the lock: back from the workers */
	int n_finished;           /* atomic; written under the lock */
};

/* A request while it is the node's, in blk_req.priv: with libaio or with a worker. */
struct file_req {
	union {
		struct iocb iocb;
		struct {
			struct work work;
			struct file_queue *queue;
			uint64_t progress; /* bytes done before */
			int result;
		};
	};
};

static_assert(
	sizeof(struct file_req) <= sizeof(((struct blk_req *)0)->priv), "fits in blk_req.priv");

static struct file *file_of(const struct node_queue *q)
{
	return container_of(q->node, struct file, node);
}

static struct file_queue *queue_of(struct node_queue *q)
{
	return container_of(q, struct file_queue, base);
}

static struct file_req *file_req_of(struct blk_req *r)
{
	return (struct file_req *)r->priv;
}

static struct blk_req *blk_req_of(struct file_req *fr)
{
	return (struct blk_req *)((char *)fr - offsetof(struct blk_req, priv));
}

/* ---- the way through the workers ------------------------------------------------------------- */

/* The lock is held across the post: once the request is taken, nothing of its queue is touched here any more. */
static void hand_back(struct file_queue *q, struct blk_req *r)
{
	pthread_mutex_lock(&q->lock);
	req_list_add(&q->finished, r);
	__atomic_store_n(&q->n_finished, q->n_finished + 1, __ATOMIC_RELEASE);
	loop_post(q->base.loop, &q->reap);
	pthread_mutex_unlock(&q->lock);
}

static void work_fn(struct work *w, struct worker *self)
{
	struct file_req *fr = container_of(w, struct file_req, work);
	struct blk_req *r = blk_req_of(fr);

	fr->result = file_sync_run(file_of(&fr->queue->base), r, fr->progress, self);
	hand_back(fr->queue, r);
}

static void finish_later(struct file_queue *q, struct blk_req *r, int result)
{
	file_req_of(r)->result = result;
	hand_back(q, r);
}

static void to_worker(struct file_queue *q, struct blk_req *r, uint64_t progress)
{
	struct file_req *fr = file_req_of(r);
	int err;

	fr->work.fn = work_fn;
	fr->queue = q;
	fr->progress = progress;
	err = worker_pool_run(file_of(&q->base)->workers, &fr->work);
	if (err < 0)
		finish_later(q, r, err);
}

/* ---- the way through libaio ------------------------------------------------------------------ */

static void prepare_rw(const struct file *f, struct iocb *io, const struct blk_req *r)
{
	int flags = file_durability(f, r);

	if (r->op == BLK_READ)
		io_prep_preadv(io, f->fd, giov_iovec(&r->data), r->data.n, r->offset);
	else
		io_prep_pwritev(io, f->fd, giov_iovec(&r->data), r->data.n, r->offset);
	if (!f->direct)
		flags |= RWF_NOWAIT;
	io->aio_rw_flags = flags;
}

/* In the page cache only what surely does not block may be tried: no durable write, nothing without RWF_NOWAIT. */
static bool fit_for_aio(const struct file *f, const struct blk_req *r)
{
	if (r->data.n > FILE_MAX_SEGMENTS)
		return false;
	if (f->direct)
		return file_is_aligned(f, r);
	if (r->op == BLK_READ)
		return __atomic_load_n(&f->nowait_read, __ATOMIC_RELAXED);
	return __atomic_load_n(&f->nowait_write, __ATOMIC_RELAXED) && !file_durability(f, r);
}

/* On the queue's own thread, where its eventfd has to be added; once. */
static bool is_attached(struct file_queue *q)
{
	return likely(q->event.added) ||
	       loop_fd_add(q->base.loop, &q->event, EPOLLIN | EPOLLET) == 0;
}

static void file_submit(struct node_queue *eq, struct blk_req *r)
{
	struct file_queue *q = queue_of(eq);
	const struct file *f = file_of(eq);
	struct iocb *io = &file_req_of(r)->iocb;

	if (r->op == BLK_FLUSH && f->cache == BLK_CACHE_UNSAFE) {
		finish_later(q, r, 0);
		return;
	}
	if (r->op == BLK_FLUSH && !__atomic_load_n(&f->flush_error, __ATOMIC_ACQUIRE) &&
		is_attached(q)) {
		io_prep_fdsync(io, f->fd);
	} else if ((r->op == BLK_READ || r->op == BLK_WRITE) && fit_for_aio(f, r) &&
		   is_attached(q)) {
		prepare_rw(f, io, r);
	} else {
		to_worker(q, r, 0);
		return;
	}
	io_set_eventfd(io, q->event.fd);
	req_list_add(&q->pending, r);
}

/* The kernel refuses this kind of request before trying it: do not ask again. */
static void learn_refusal(struct file *f, const struct blk_req *r, int error)
{
	if (error != -EOPNOTSUPP || f->direct)
		return;
	if (r->op == BLK_READ)
		__atomic_store_n(&f->nowait_read, 0, __ATOMIC_RELAXED);
	else if (r->op == BLK_WRITE)
		__atomic_store_n(&f->nowait_write, 0, __ATOMIC_RELAXED);
}

static unsigned gather(const struct req_list *l, struct iocb **batch, unsigned n)
{
	unsigned got = 0;

	for (struct blk_req *r = l->first; r && got < n; r = r->next)
		batch[got++] = &file_req_of(r)->iocb;
	return got;
}

static void submit_pending(struct file_queue *q)
{
	struct iocb *batch[BATCH];

	while (q->pending.first) {
		int n = aio_submit(&q->aio, batch, gather(&q->pending, batch, BATCH));

		if (n == -EAGAIN && q->aio.in_flight)
			return; /* completions make room */
		if (n <= 0) {
			struct blk_req *r = req_list_take(&q->pending);

			learn_refusal(file_of(&q->base), r, n);
			to_worker(q, r, 0);
		}
		for (; n > 0; n--)
			req_list_take(&q->pending);
	}
}

/* Some file systems finish at once: then there is no need to wait for the eventfd's word. */
static void file_commit(struct node_queue *eq)
{
	struct file_queue *q = queue_of(eq);

	submit_pending(q);
	if (aio_ready(&q->aio))
		loop_post(q->base.loop, &q->reap);
}

/* A worker may succeed, or knows better why not. */
static bool worth_another_try(int64_t res)
{
	return res >= 0 || res == -EAGAIN || res == -EINTR || res == -EINVAL || res == -EOPNOTSUPP;
}

static void aio_done_one(struct file_queue *q, const struct io_event *e)
{
	struct blk_req *r = blk_req_of(container_of(e->obj, struct file_req, iocb));
	struct file *f = file_of(&q->base);
	int64_t res = (int64_t)e->res;
	uint64_t expected = r->op == BLK_FLUSH ? 0 : r->len;

	learn_refusal(f, r, res);
	if (res == expected) {
		node_complete(r, 0);
	} else if (worth_another_try(res)) {
		to_worker(q, r, MAX(res, 0));
	} else {
		if (r->op == BLK_FLUSH)
			file_flush_failed(f, res);
		node_complete(r, res);
	}
}

static void reap_aio(struct file_queue *q)
{
	struct io_event events[BATCH];
	unsigned n = aio_reap(&q->aio, events, BATCH);

	for (unsigned i = 0; i < n; i++)
		aio_done_one(q, &events[i]);
}

static void reap_finished(struct file_queue *q)
{
	struct req_list finished;
	struct blk_req *r;

	if (!__atomic_load_n(&q->n_finished, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&q->lock);
	finished = req_list_take_all(&q->finished);
	__atomic_store_n(&q->n_finished, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&q->lock);
	while ((r = req_list_take(&finished)))
		node_complete(r, file_req_of(r)->result);
}

/* One batch, then the loop's other work; what is left calls again. */
static void reap(struct file_queue *q)
{
	reap_aio(q);
	reap_finished(q);
	file_commit(&q->base);
}

static void event_ready(struct loop_fd *f, uint32_t events)
{
	reap(container_of(f, struct file_queue, event));
}

static void queue_free(struct file_queue *q)
{
	pthread_mutex_destroy(&q->lock);
	g_free(q);
}

static void reap_fn(struct loop_call *c)
{
	struct file_queue *q = container_of(c, struct file_queue, reap);

	if (q->closed)
		queue_free(q);
	else
		reap(q);
}

/* ---- the node ------------------------------------------------------------------------------ */

static int file_queue_open(struct node *n, struct loop *loop, struct node_queue **ret)
{
	struct file_queue *q = g_new0(struct file_queue, 1);
	int err;

	q->base = (struct node_queue){.node = n, .loop = loop};
	q->reap.fn = reap_fn;
	pthread_mutex_init(&q->lock, NULL);
	q->event = (struct loop_fd){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = event_ready};
	err = q->event.fd < 0 ? -errno : aio_init(&q->aio, QUEUE_ROOM, QUEUE_ROOM_MIN);
	if (err < 0) {
		fd_close(&q->event.fd);
		queue_free(q);
		return err;
	}
	*ret = &q->base;
	return 0;
}

static void file_queue_close(struct node_queue *eq)
{
	struct file_queue *q = queue_of(eq);

	aio_done(&q->aio);
	loop_fd_del(eq->loop, &q->event);
	fd_close(&q->event.fd);
	q->closed = true;
	if (!__atomic_load_n(&q->reap.queued, __ATOMIC_ACQUIRE))
		queue_free(q);
}

static void file_get_info(struct node *n, struct blk_info *ret)
{
	*ret = container_of(n, struct file, node)->info;
}

static void file_free(struct node *n)
{
	struct file *f = container_of(n, struct file, node);

	worker_pool_free(f->workers);
	fd_close(&f->fd);
	node_done(n);
	g_free(f);
}

static const struct node_ops file_ops = {
	.name = "file",
	.get_info = file_get_info,
	.queue_open = file_queue_open,
	.queue_close = file_queue_close,
	.submit = file_submit,
	.commit = file_commit,
	.free = file_free,
};

struct node *file_node_new(const struct blk_file_conf *conf, GError **error)
{
	struct file *f = g_new0(struct file, 1);

	node_init(&f->node, &file_ops, conf->id);
	f->fd = conf->fd;
	if (!file_probe(f, conf, error)) {
		node_unref(&f->node);
		return NULL;
	}
	f->workers = worker_pool_new(conf->id, FILE_WORKERS);
	return &f->node;
}

struct blk *blk_file_new(const struct blk_file_conf *conf, GError **error)
{
	struct disk_conf disk = {
		.id = conf->id,
		.loop = conf->loop,
		.read_error = conf->read_error,
		.write_error = conf->write_error,
		.error_event = conf->error_event,
		.opaque = conf->opaque,
	};
	struct node *n = file_node_new(conf, error);

	return n ? disk_new(&disk, n) : NULL;
}
