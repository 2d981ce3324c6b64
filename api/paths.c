/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "api/paths.h"

#include <glib.h>
#include <unistd.h>

#define HOST_RUN "/run/vmmd"

char *api_state_dir(void)
{
	return geteuid() == 0 ? g_strdup("/var/lib/vmmd")
			      : g_build_filename(g_get_user_state_dir(), "vmmd", NULL);
}

char *api_run_dir(void)
{
	return geteuid() == 0 ? g_strdup(HOST_RUN)
			      : g_build_filename(g_get_user_runtime_dir(), "vmmd", NULL);
}

char *api_socket_path(void)
{
	const char *env = g_getenv("VMMD_SOCKET");
	g_autofree char *run = api_run_dir(), *own = g_build_filename(run, API_SOCKET, NULL);

	if (env && *env)
		return g_strdup(env);
	if (geteuid() == 0 || access(own, F_OK) == 0)
		return g_steal_pointer(&own);
	return g_strdup(HOST_RUN "/" API_SOCKET);
}
