/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "vmmd/daemon/handlers.h"

/* VT-x or AMD-V as /proc/cpuinfo calls them, or NULL. */
static const char *hardware(void)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) line = NULL;
	const char *found = NULL;

	if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
		return NULL;
	line = g_strsplit(text, "\n", -1);
	for (char **l = line; *l && !found; l++) {
		g_auto(GStrv) word = NULL;

		if (!g_str_has_prefix(*l, "flags"))
			continue;
		word = g_strsplit(*l, " ", -1);
		found = g_strv_contains((const char *const *)word, "vmx")   ? "VT-x"
			: g_strv_contains((const char *const *)word, "svm") ? "AMD-V"
									    : NULL;
		break;
	}
	return found;
}

const char *host_accel(char **ret_reason)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const char *hw;

	if (fd < 0) {
		*ret_reason = g_strdup_printf("/dev/kvm cannot be opened: %s", g_strerror(errno));
		return "none";
	}
	fd_close(&fd);
	hw = hardware();
	*ret_reason = hw ? g_strdup_printf("/dev/kvm can be used and the CPU has %s", hw)
			 : g_strdup("/dev/kvm can be used, but the CPU has neither VT-x nor AMD-V: "
				    "KVM emulates what it must, slowly");
	return "kvm";
}
