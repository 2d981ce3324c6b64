/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who shows the display: vmmd-vnc, which a machine with a display has for screenshots even if it serves no viewers. */
#include "virtio-backends/display/vnc.h"

#include "vmmd/machine/machine-internal.h"

bool machine_add_vnc(struct machine *m, size_t i, GError **error)
{
	const struct spec_vnc *s = m->spec->vnc;
	struct vnc_conf conf = {
		.name = m->spec->name,
		.listen_fd = -1,
		.uid = m->env.uid,
		.gid = m->env.gid,
		.loop = m->env.main,
	};

	if (s) {
		conf.listen_fd = machine_take_fd(&s->listen);
		conf.address = s->address;
		conf.port = s->port;
		conf.websocket = s->websocket;
		conf.password = s->password;
		conf.tls_cert = s->tls_cert;
		conf.tls_key = s->tls_key;
		conf.tls_ca = s->tls_ca;
	}
	m->vnc = vnc_new(m->env.vnc, &conf, m->display, m->input, error);
	return m->vnc;
}
