/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>

#include "api/vmspec-tables.h"

/* ---- character streams ---- */

static const char *const chardev_types[] = {
	[SPEC_CHR_NULL] = "null",
	[SPEC_CHR_PTY] = "pty",
	[SPEC_CHR_SOCKET] = "socket",
	[SPEC_CHR_FILE] = "file",
	[SPEC_CHR_STDIO] = "stdio",
	NULL,
};

static bool check_chardev(const void *obj, GError **error)
{
	const struct spec_chardev *c = obj;

	if (c->type == SPEC_CHR_FILE && !c->path.path)
		return spec_invalid(error, "type file needs a path");
	if (c->type != SPEC_CHR_FILE && c->path.path)
		return spec_invalid(error, "path is for type file");
	if (c->type != SPEC_CHR_SOCKET && c->listen.path)
		return spec_invalid(error, "listen is for type socket");
	return true;
}

static const struct prop chardev_props[] = {
	PROP_ENUM("type", struct spec_chardev, type, chardev_types, SPEC_CHR_NULL,
		"where the stream goes"),
	PROP_FILE("path", struct spec_chardev, path, PROP_APPEND, "file: what it is appended to"),
	PROP_FILE("listen", struct spec_chardev, listen, PROP_LISTEN,
		"socket: path of a Unix socket that serves one client at a time; the daemon has "
		"one of "
		"its own"),
	PROP_SIZE("history", struct spec_chardev, history, 0, 16 * MiB, 64 * KiB,
		"socket, pty: bytes of output kept for who connects later"),
	PROP_END,
};

const struct prop_table spec_chardev_table = {
	.name = "chardev",
	.doc = "The host's end of a character stream",
	.size = sizeof(struct spec_chardev),
	.props = chardev_props,
	.check = check_chardev,
};

/* ---- serial ports, consoles, random numbers ---- */

static bool check_serial_port(const void *obj, GError **error)
{
	return spec_check_id(((const struct spec_serial *)obj)->id, error);
}

static const struct prop serial_props[] = {
	PROP_STR("id", struct spec_serial, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: serial0, …"),
	PROP_OBJECT("chardev", struct spec_serial, chardev, &spec_chardev_table, 0,
		"where its stream goes"),
	PROP_END,
};

const struct prop_table spec_serial_table = {
	.name = "serial",
	.doc = "A 16550 serial port: COM1, COM2, …",
	.size = sizeof(struct spec_serial),
	.props = serial_props,
	.check = check_serial_port,
};

static bool check_console(const void *obj, GError **error)
{
	return spec_check_id(((const struct spec_console *)obj)->id, error);
}

static const struct prop console_props[] = {
	PROP_STR("id", struct spec_console, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: console0, …"),
	PROP_OBJECT("chardev", struct spec_console, chardev, &spec_chardev_table, 0,
		"where its stream goes"),
	SPEC_PROP_ADDR(struct spec_console),
	SPEC_PROP_ROOT_PORT(struct spec_console),
	PROP_END,
};

const struct prop_table spec_console_table = {
	.name = "console",
	.doc = "A virtio console",
	.size = sizeof(struct spec_console),
	.props = console_props,
	.check = check_console,
};

static const struct prop rng_props[] = {
	SPEC_PROP_ADDR(struct spec_rng),
	SPEC_PROP_ROOT_PORT(struct spec_rng),
	PROP_END,
};

const struct prop_table spec_rng_table = {
	.name = "rng",
	.doc = "A virtio source of random numbers",
	.size = sizeof(struct spec_rng),
	.props = rng_props,
};

/* ---- input, display, sound, TPM ---- */

static const char *const input_types[] = {
	[SPEC_INPUT_TABLET] = "tablet",
	[SPEC_INPUT_MOUSE] = "mouse",
	[SPEC_INPUT_KEYBOARD] = "keyboard",
	NULL,
};

static bool check_input(const void *obj, GError **error)
{
	return spec_check_id(((const struct spec_input *)obj)->id, error);
}

static const struct prop input_props[] = {
	SPEC_PROP_ID(struct spec_input, "its name within the VM; absent: input0, …"),
	PROP_ENUM("type", struct spec_input, type, input_types, SPEC_INPUT_TABLET,
		"what it is; a tablet lets the pointers of viewer and guest agree"),
	SPEC_PROP_CONTROLLER(struct spec_input),
	SPEC_PROP_UNIT(
		struct spec_input, "its USB port, from 1 on; absent: the next free one, then kept"),
	PROP_END,
};

const struct prop_table spec_input_table = {
	.name = "input",
	.doc = "A USB input device",
	.size = sizeof(struct spec_input),
	.props = input_props,
	.check = check_input,
};

static bool check_display(const void *obj, GError **error)
{
	if (!is_power_of_2(((const struct spec_display *)obj)->vram))
		return spec_invalid(error, "vram must be a power of two");
	return true;
}

static const struct prop display_props[] = {
	PROP_PCI("addr", struct spec_display, addr,
		"PCI slot, hexadecimal; absent: 2 on pc, 1 on q35"),
	PROP_SIZE("vram", struct spec_display, vram, MiB, 256 * MiB, 16 * MiB,
		"bytes of video memory, a power of two"),
	PROP_FILE("rom", struct spec_display, rom, 0, "video BIOS; absent: that of SeaBIOS"),
	PROP_END,
};

const struct prop_table spec_display_table = {
	.name = "display",
	.doc = "A VGA display with Bochs' extensions",
	.size = sizeof(struct spec_display),
	.props = display_props,
	.check = check_display,
};

#define SPEC_PATH_MAX    1024
#define VNC_PASSWORD_MAX 8 /* RFC 6143 section 7.2.2: a DES key */

static bool check_vnc(const void *obj, GError **error)
{
	const struct spec_vnc *v = obj;
	struct in6_addr a;

	if (!v->listen.path && !v->port && !v->websocket)
		return spec_invalid(error, "needs listen, port or websocket");
	if (v->address && inet_pton(AF_INET, v->address, &a) != 1 &&
		inet_pton(AF_INET6, v->address, &a) != 1)
		return spec_invalid(error, "address must be an IPv4 or IPv6 address");
	if (!v->tls_cert != !v->tls_key || (v->tls_ca && !v->tls_cert))
		return spec_invalid(
			error, "tls-cert and tls-key come together, and tls-ca with them");
	return true;
}

static const struct prop vnc_props[] = {
	PROP_FILE("listen", struct spec_vnc, listen, PROP_LISTEN, "path of a Unix socket"),
	PROP_STR("address", struct spec_vnc, address, 45, NULL,
		"address of the host for port and websocket; absent: 127.0.0.1"),
	PROP_U16("port", struct spec_vnc, port, 0, UINT16_MAX, 0, "TCP port; 0: none"),
	PROP_U16("websocket", struct spec_vnc, websocket, 0, UINT16_MAX, 0,
		"TCP port for WebSocket; 0: none"),
	PROP_STR("password", struct spec_vnc, password, VNC_PASSWORD_MAX, NULL,
		"what a viewer has to know; absent: nothing"),
	PROP_STR("tls-cert", struct spec_vnc, tls_cert, SPEC_PATH_MAX, NULL,
		"PEM file with the server's certificate: viewers have to use TLS"),
	PROP_STR("tls-key", struct spec_vnc, tls_key, SPEC_PATH_MAX, NULL,
		"PEM file with its private key"),
	PROP_STR("tls-ca", struct spec_vnc, tls_ca, SPEC_PATH_MAX, NULL,
		"PEM file with the authority whose certificates viewers have to show; absent: "
		"none"),
	PROP_END,
};

const struct prop_table spec_vnc_table = {
	.name = "vnc",
	.doc = "A VNC server for the display, in a process of its own",
	.size = sizeof(struct spec_vnc),
	.props = vnc_props,
	.check = check_vnc,
};

static bool check_sound(const void *obj, GError **error)
{
	return spec_check_id(((const struct spec_sound *)obj)->id, error);
}

static const struct prop sound_props[] = {
	SPEC_PROP_ID(struct spec_sound, "its name within the VM; absent: sound0, …"),
	SPEC_PROP_ADDR(struct spec_sound),
	SPEC_PROP_ROOT_PORT(struct spec_sound),
	PROP_END,
};

const struct prop_table spec_sound_table = {
	.name = "sound",
	.doc = "A silent sound device: ICH9 high definition audio with one codec",
	.size = sizeof(struct spec_sound),
	.props = sound_props,
	.check = check_sound,
};

static const char *const tpm_models[] = {[SPEC_TPM_TIS] = "tis", [SPEC_TPM_CRB] = "crb", NULL};

static bool check_tpm(const void *obj, GError **error)
{
	if (!((const struct spec_tpm *)obj)->socket.path)
		return spec_invalid(error, "needs a socket");
	return true;
}

static const struct prop tpm_props[] = {
	PROP_FILE("socket", struct spec_tpm, socket, PROP_CONNECT,
		"Unix socket of swtpm's control channel"),
	PROP_ENUM(
		"model", struct spec_tpm, model, tpm_models, SPEC_TPM_CRB, "how the guest sees it"),
	PROP_END,
};

const struct prop_table spec_tpm_table = {
	.name = "tpm",
	.doc = "A trusted platform module 2.0, emulated by swtpm",
	.size = sizeof(struct spec_tpm),
	.props = tpm_props,
	.check = check_tpm,
};

/* ---- the rest ---- */

static bool check_fw_cfg(const void *obj, GError **error)
{
	const struct spec_fw_cfg *f = obj;

	if (!g_str_has_prefix(f->name, "opt/"))
		return spec_invalid(error, "name must begin with opt/");
	if (!f->string == !f->file.path)
		return spec_invalid(error, "needs one of string and file");
	return true;
}

static const struct prop fw_cfg_props[] = {
	{.name = "name",
		.type = PROP_TYPE_STR,
		.offset = offsetof(struct spec_fw_cfg, name),
		.max = 55,
		.flags = PROP_REQUIRED,
		.doc = "its name, opt/…"},
	PROP_STR("string", struct spec_fw_cfg, string, 4096, NULL, "its content"),
	PROP_FILE("file", struct spec_fw_cfg, file, 0, "a file with its content"),
	PROP_END,
};

const struct prop_table spec_fw_cfg_table = {
	.name = "fw-cfg",
	.doc = "A file that firmware and guest read through fw_cfg",
	.size = sizeof(struct spec_fw_cfg),
	.props = fw_cfg_props,
	.check = check_fw_cfg,
};

static bool check_device(const void *obj, GError **error)
{
	const struct spec_device *d = obj;

	return spec_check_name("type", d->type, error) && spec_check_id(d->id, error);
}

static const struct prop device_props[] = {
	{.name = "type",
		.type = PROP_TYPE_STR,
		.offset = offsetof(struct spec_device, type),
		.max = VM_NAME_MAX,
		.flags = PROP_REQUIRED,
		.doc = "name of the device as in docs/devices.md"},
	PROP_STR("id", struct spec_device, id, VM_NAME_MAX, NULL,
		"its name within the VM; absent: dev0, …"),
	PROP_OBJECT("chardev", struct spec_device, chardev, &spec_chardev_table, 0,
		"where its stream goes, if it has one"),
	PROP_PCI("addr", struct spec_device, addr, "PCI slot, hexadecimal, if it is a PCI device"),
	SPEC_PROP_ROOT_PORT(struct spec_device),
	PROP_EXTRA(struct spec_device, props, "a property of the device"),
	PROP_END,
};

const struct prop_table spec_device_table = {
	.name = "device",
	.doc = "Any other device, by name",
	.size = sizeof(struct spec_device),
	.props = device_props,
	.check = check_device,
};
