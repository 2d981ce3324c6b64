/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/error.h"

#include <errno.h>
#include <string.h>

GQuark vmmd_error_quark(void)
{
	return g_quark_from_static_string("vmmd-error");
}

const char *vmmd_error_name(enum vmmd_error code)
{
	static const char *const names[] = {
		[VMMD_ERROR_INVALID] = "invalid",
		[VMMD_ERROR_NOT_FOUND] = "not-found",
		[VMMD_ERROR_EXISTS] = "exists",
		[VMMD_ERROR_STATE] = "state",
		[VMMD_ERROR_UNSUPPORTED] = "unsupported",
		[VMMD_ERROR_PERMISSION] = "permission",
		[VMMD_ERROR_HOST] = "host",
		[VMMD_ERROR_TIMEOUT] = "timeout",
		[VMMD_ERROR_INTERNAL] = "internal",
	};

	return code < ARRAY_SIZE(names) ? names[code] : "internal";
}

bool err_set(GError **error, enum vmmd_error code, const char *fmt, ...)
{
	va_list ap;

	if (!error)
		return false;
	va_start(ap, fmt);
	*error = g_error_new_valist(VMMD_ERROR, code, fmt, ap);
	va_end(ap);
	return false;
}

const char *err_text(int err)
{
	const char *text = strerrordesc_np(err);

	return text ? text : "unknown error";
}

static enum vmmd_error code_of_errno(int err)
{
	switch (err) {
	case EACCES:
	case EPERM: return VMMD_ERROR_PERMISSION;
	case ENOENT: return VMMD_ERROR_NOT_FOUND;
	default: return VMMD_ERROR_HOST;
	}
}

bool err_set_errno(GError **error, int err, const char *fmt, ...)
{
	g_autofree char *what = NULL;
	va_list ap;

	if (!error)
		return false;
	va_start(ap, fmt);
	what = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return err_set(error, code_of_errno(err), "%s: %s", what, err_text(err));
}
