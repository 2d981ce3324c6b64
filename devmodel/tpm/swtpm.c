/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Back-end of a TPM: swtpm, by its control channel (swtpm_ioctls(3)) and a data channel of bare TPM
 * commands, which is a socket pair of ours.
 *
 *	control  queue of commands, each with a response of known size; one at a time
 *	data     when the queue is empty: the command, then its response
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/loop.h"
#include "devmodel/tpm/tpm-internal.h"

enum {
	CMD_INIT = 0x02,
	CMD_SET_LOCALITY = 0x05,
	CMD_CANCEL = 0x09,
	CMD_STOP = 0x0e,
	CMD_SET_DATAFD = 0x10,
	CMD_SET_BUFFERSIZE = 0x11,
};

#define QUEUE_MAX   8
#define ANY_SIZE    16 /* bytes of a response, at most */
#define NO_LOCALITY 0xff

struct ctl {
	uint8_t command, response; /* bytes of the response */
	bool has_body;
	uint32_t body; /* as it goes out */
};

struct swtpm {
	struct tpm_backend backend;
	struct loop *loop;
	struct loop_fd ctrl, data;
	int peer; /* our pair's other end, until it was sent */
	struct ctl queue[QUEUE_MAX];
	unsigned n_queue;
	bool asked; /* queue[0] was sent */
	uint8_t answer[ANY_SIZE];
	size_t answered;

	uint8_t *buf; /* the front's command, NULL: none */
	size_t n, room;
	uint8_t locality;     /* that it is for */
	bool sent, cancelled; /* it is on the data channel; was told to end */
	bool stale;           /* a response is going to come that nobody wants */
	bool restart;         /* power off and on is due */
	uint8_t present;      /* locality that swtpm is at */
	uint8_t response[TPM_BUF];
	size_t got;
	bool broken;
	struct loop_call fail_call;
};

static struct swtpm *to_swtpm(struct tpm_backend *b)
{
	return container_of(b, struct swtpm, backend);
}

static void finish(struct swtpm *s, ssize_t n)
{
	s->buf = NULL;
	s->sent = false;
	if (s->backend.done)
		s->backend.done(s->backend.opaque, n);
}

static void fail_called(struct loop_call *c)
{
	struct swtpm *s = container_of(c, struct swtpm, fail_call);

	if (s->buf)
		finish(s, -EIO);
}

/* The process is gone or does not make sense: what is asked of it from now on fails. */
static void break_off(struct swtpm *s, const char *why)
{
	if (s->broken)
		return;
	log_debug("swtpm: %s", why);
	s->broken = true;
	loop_fd_del(s->loop, &s->ctrl);
	loop_fd_del(s->loop, &s->data);
	loop_post(s->loop, &s->fail_call);
}

/* ---- sending ---- */

static void enqueue(struct swtpm *s, struct ctl c)
{
	s->queue[s->n_queue++] = c;
}

static void send_ctl(struct swtpm *s)
{
	const struct ctl *c = &s->queue[0];
	uint8_t out[8] = {0, 0, 0, c->command};
	bool passes = c->command == CMD_SET_DATAFD;
	int err;

	memcpy(out + 4, &c->body, sizeof(c->body));
	err = fdpass_send(s->ctrl.fd, out, c->has_body ? 8 : 4, passes ? &s->peer : NULL, passes);
	if (passes)
		fd_close(&s->peer);
	s->asked = true;
	s->answered = 0;
	if (err < 0)
		break_off(s, err_text(-err));
}

static void enqueue_start(struct swtpm *s)
{
	s->restart = false;
	s->present = NO_LOCALITY;
	enqueue(s, (struct ctl){.command = CMD_STOP, .response = 4});
	enqueue(s, (struct ctl){.command = CMD_SET_BUFFERSIZE,
			   .response = 16,
			   .has_body = true,
			   .body = GUINT32_TO_BE(TPM_BUF)});
	enqueue(s, (struct ctl){.command = CMD_INIT, .response = 4, .has_body = true});
}

static void enqueue_locality(struct swtpm *s)
{
	const uint8_t body[4] = {s->locality};
	struct ctl c = {.command = CMD_SET_LOCALITY, .response = 4, .has_body = true};

	memcpy(&c.body, body, sizeof(body));
	s->present = s->locality;
	enqueue(s, c);
}

/* The pair is empty, and takes all of a command. */
static void send_command(struct swtpm *s)
{
	s->sent = true;
	s->cancelled = false;
	s->got = 0;
	if (send(s->data.fd, s->buf, s->n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)s->n)
		break_off(s, "takes no command");
}

/* The next of what is due. */
static void pump(struct swtpm *s)
{
	if (s->broken || s->asked)
		return;
	if (!s->n_queue && s->restart && !s->stale)
		enqueue_start(s);
	else if (!s->n_queue && s->buf && !s->sent && !s->stale && s->present != s->locality)
		enqueue_locality(s);
	if (s->n_queue)
		send_ctl(s);
	else if (s->buf && !s->sent && !s->stale)
		send_command(s);
}

/* Once for a command: a guest may ask as often as it likes. */
static void cancel_command(struct swtpm *s)
{
	if (s->cancelled || s->broken)
		return;
	s->cancelled = true;
	enqueue(s, (struct ctl){.command = CMD_CANCEL, .response = 4});
	pump(s);
}

/* ---- receiving ---- */

static void ctl_answered(struct swtpm *s)
{
	static const uint8_t good[4];
	uint8_t command = s->queue[0].command;

	s->asked = false;
	s->n_queue--;
	memmove(s->queue, s->queue + 1, s->n_queue * sizeof(s->queue[0]));
	/* Cancelling comes too late now and then. */
	if (command != CMD_CANCEL && memcmp(s->answer, good, sizeof(good)) != 0)
		break_off(s, "refuses a control command");
	pump(s);
}

/* Up to @want bytes; with none wanted, none may come. 0: not now. */
static size_t receive(struct swtpm *s, int fd, uint8_t *to, size_t want)
{
	uint8_t none;
	ssize_t n = recv(fd, want ? to : &none, want ? want : 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && want)
		return (size_t)n;
	break_off(s, n > 0 ? "says what nobody asked for" : "has gone away");
	return 0;
}

static void ctrl_ready(struct loop_fd *f, uint32_t events)
{
	struct swtpm *s = container_of(f, struct swtpm, ctrl);
	size_t want = s->asked ? s->queue[0].response - s->answered : 0;

	s->answered += receive(s, f->fd, s->answer + s->answered, want);
	if (want && s->answered == s->queue[0].response)
		ctl_answered(s);
}

static void response_done(struct swtpm *s)
{
	if (s->stale)
		s->stale = false;
	else if (s->got > s->room)
		finish(s, -EMSGSIZE);
	else {
		memcpy(s->buf, s->response, s->got);
		finish(s, (ssize_t)s->got);
	}
	pump(s);
}

/* Its header says how long a response is. */
static void data_ready(struct loop_fd *f, uint32_t events)
{
	struct swtpm *s = container_of(f, struct swtpm, data);
	size_t size = s->got < TPM_HEADER ? TPM_HEADER : tpm_size(s->response);
	size_t want = s->sent || s->stale ? size - s->got : 0;

	s->got += receive(s, f->fd, s->response + s->got, want);
	if (s->broken || s->got < TPM_HEADER)
		return;
	size = tpm_size(s->response);
	if (size < TPM_HEADER || size > sizeof(s->response))
		break_off(s, "gives a response of no size");
	else if (s->got == size)
		response_done(s);
}

/* ---- what the front asks for ---- */

/* The response to a command that is under way comes first. */
static void swtpm_start(struct tpm_backend *b)
{
	struct swtpm *s = to_swtpm(b);

	if (s->sent) {
		cancel_command(s);
		s->stale = !s->broken;
	}
	s->buf = NULL;
	s->sent = false;
	s->restart = true;
	pump(s);
}

static void swtpm_submit(
	struct tpm_backend *b, uint8_t locality, uint8_t *buf, size_t n, size_t room)
{
	struct swtpm *s = to_swtpm(b);

	s->buf = buf;
	s->n = n;
	s->room = room;
	s->locality = locality;
	if (s->broken)
		loop_post(s->loop, &s->fail_call);
	pump(s);
}

static void swtpm_cancel(struct tpm_backend *b)
{
	struct swtpm *s = to_swtpm(b);

	if (s->sent)
		cancel_command(s);
}

static void swtpm_free(struct tpm_backend *b)
{
	struct swtpm *s = to_swtpm(b);

	loop_call_cancel(s->loop, &s->fail_call);
	loop_fd_del(s->loop, &s->ctrl);
	loop_fd_del(s->loop, &s->data);
	fd_close(&s->ctrl.fd);
	fd_close(&s->data.fd);
	fd_close(&s->peer);
	g_free(s);
}

static const struct tpm_backend_ops swtpm_ops = {
	.start = swtpm_start,
	.submit = swtpm_submit,
	.cancel = swtpm_cancel,
	.free = swtpm_free,
};

struct tpm_backend *swtpm_new(struct loop *loop, int fd, GError **error)
{
	struct swtpm *s = g_new0(struct swtpm, 1);
	int pair[2], err;

	*s = (struct swtpm){
		.backend.ops = &swtpm_ops,
		.loop = loop,
		.ctrl = {.fd = fd, .ready = ctrl_ready},
		.data = {.fd = -1, .ready = data_ready},
		.peer = -1,
		.present = NO_LOCALITY,
		.fail_call.fn = fail_called,
	};
	err = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
	if (!err) {
		s->data.fd = pair[0];
		s->peer = pair[1];
		err = loop_fd_add(loop, &s->ctrl, EPOLLIN);
	}
	if (!err)
		err = loop_fd_add(loop, &s->data, EPOLLIN);
	if (err < 0) {
		err_set_errno(error, -err, "channels of swtpm");
		swtpm_free(&s->backend);
		return NULL;
	}
	enqueue(s, (struct ctl){.command = CMD_SET_DATAFD, .response = 4});
	pump(s);
	return &s->backend;
}
