/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "virtio-backends/block/worker.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define IDLE_SECONDS 10 /* without work a thread ends */

struct worker_pool {
	char name[16];
	unsigned max_threads;

	/* The rest under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t work_there;
	struct work *first, *last;
	unsigned waiting; /* work in the queue */
	unsigned threads, idle;
	bool freed; /* by its owner: the last thread frees it */
};

struct worker {
	struct worker_pool *pool;
	void *buffer;
};

struct worker_pool *worker_pool_new(const char *name, unsigned max_threads)
{
	struct worker_pool *p = g_new0(struct worker_pool, 1);
	pthread_condattr_t attr;

	g_strlcpy(p->name, name, sizeof(p->name));
	p->max_threads = max_threads;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->work_there, &attr);
	pthread_condattr_destroy(&attr);
	return p;
}

static void destroy(struct worker_pool *p)
{
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work_there);
	g_free(p);
}

void worker_pool_free(struct worker_pool *p)
{
	bool last;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->freed = true;
	pthread_cond_broadcast(&p->work_there);
	last = !p->threads;
	pthread_mutex_unlock(&p->lock);
	if (last)
		destroy(p);
}

/* The next work, or NULL when the thread shall end. Lock held. */
static struct work *wait_for_work_locked(struct worker_pool *p)
{
	struct timespec until;
	struct work *w;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_SECONDS;
	p->idle++;
	while (!p->first && !p->freed && !err)
		err = pthread_cond_timedwait(&p->work_there, &p->lock, &until);
	p->idle--;
	w = p->first;
	if (w) {
		p->first = w->next;
		p->waiting--;
	}
	return w;
}

static void *worker_main(void *opaque)
{
	struct worker self = {.pool = opaque};
	struct worker_pool *p = self.pool;
	struct work *w;
	bool last;

	pthread_setname_np(pthread_self(), p->name);
	pthread_mutex_lock(&p->lock);
	while ((w = wait_for_work_locked(p))) {
		pthread_mutex_unlock(&p->lock);
		w->fn(w, &self);
		pthread_mutex_lock(&p->lock);
	}
	last = !--p->threads && p->freed;
	pthread_mutex_unlock(&p->lock);
	if (last)
		destroy(p);
	free(self.buffer);
	return NULL;
}

/* Signals are for the main thread and for vCPUs. Lock held. */
static int start_thread_locked(struct worker_pool *p)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setsigmask_np(&attr, &all);
	err = pthread_create(&thread, &attr, worker_main, p);
	pthread_attr_destroy(&attr);
	if (!err)
		p->threads++;
	return -err;
}

int worker_pool_run(struct worker_pool *p, struct work *w)
{
	int err = 0;

	pthread_mutex_lock(&p->lock);
	/* A thread that was woken but does not run yet still counts as idle: hence the comparison. */
	if (p->idle <= p->waiting && p->threads < p->max_threads)
		err = start_thread_locked(p);
	if (err < 0 && !p->threads) {
		pthread_mutex_unlock(&p->lock);
		return -EAGAIN;
	}
	w->next = NULL;
	if (p->first)
		p->last->next = w;
	else
		p->first = w;
	p->last = w;
	p->waiting++;
	pthread_cond_signal(&p->work_there);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

void *worker_buffer(struct worker *self)
{
	if (!self->buffer && posix_memalign(&self->buffer, WORKER_BUFFER_ALIGN, WORKER_BUFFER))
		self->buffer = NULL;
	return self->buffer;
}
