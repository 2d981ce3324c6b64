/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmmd/daemon/work.h"

#include <gio/gio.h>

struct work {
	void (*job)(void *data);
	void (*done)(void *data);
	void *data;
};

static void run(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
	struct work *w = task_data;

	w->job(w->data);
	g_task_return_boolean(task, TRUE);
}

static void finished(GObject *source, GAsyncResult *result, gpointer user_data)
{
	struct work *w = user_data;

	w->done(w->data);
	g_free(w);
}

void work_run(void (*job)(void *data), void (*done)(void *data), void *data)
{
	struct work *w = g_new0(struct work, 1);
	g_autoptr(GTask) task = g_task_new(NULL, NULL, finished, w);

	*w = (struct work){.job = job, .done = done, .data = data};
	g_task_set_task_data(task, w, NULL);
	g_task_run_in_thread(task, run);
}
