/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work.h - what may block leaves the main loop: files, fsync, starting programs.
 */
#ifndef VMMD_DAEMON_WORK_H
#define VMMD_DAEMON_WORK_H

/*
 * Runs @job on a worker thread, then @done on the main loop, both with @data, which belongs to the
 * job until @done. Jobs that touch the same thing are the caller's to keep apart. Main thread.
 */
void work_run(void (*job)(void *data), void (*done)(void *data), void *data);

#endif
