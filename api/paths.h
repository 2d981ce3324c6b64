/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * paths.h - where the daemon is found when nobody says: /run and /var/lib for root, the user's own
 * folders for others.
 */
#ifndef API_PATHS_H
#define API_PATHS_H

#define API_SOCKET     "vmmd.sock"
#define API_RPC_SOCKET "rpc.sock"

/* All to be freed with g_free(). */
char *api_state_dir(void); /* /var/lib/vmmd, or $XDG_STATE_HOME/vmmd */
char *api_run_dir(void);   /* /run/vmmd, or $XDG_RUNTIME_DIR/vmmd */

/*
 * Where a client looks for the daemon: $VMMD_SOCKET; else the user's own socket if there is one,
 * else the host's.
 */
char *api_socket_path(void);

#endif
