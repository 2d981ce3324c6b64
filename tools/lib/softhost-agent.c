/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent inside the software host: process 1 there.  It runs commands for tools/kvm-host, which
 * speaks to it through a virtio-serial port.
 *
 * Both directions carry frames: struct frame, then length bytes.  A session is one command.
 *
 *	to the agent	START	strings, each ended by NUL: working directory, number of variables,
 *				the variables as NAME=VALUE, the arguments
 *			STDIN	data; no data is end of file
 *			SIGNAL	uint32_t: sent to the command's process group; 0 ends the session at
 *				once by killing all of its processes
 *			ACK	uint32_t: that many bytes of output were taken off our hands
 *	from the agent	READY	session 0, once at start
 *			STDOUT, STDERR	data
 *			ACK	uint32_t: that many bytes of input were given to the command
 *			EXIT	int32_t: wait status of the command; last frame of the session
 *
 * Neither side has more than WINDOW unacknowledged bytes under way in a session, so that neither
 * ever has to wait for the other's reader.
 *
 * Each command runs in a control group of its own.  When it ends, what it left running in there is
 * killed; when no session is left, so is every other process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT         "/dev/vport*p1" /* the first number is that of the virtio device */
#define CGROUP_ROOT  "/sys/fs/cgroup/kvm-host"
#define DROP_CACHES  "/proc/sys/vm/drop_caches" /* 3: all of them; 4: no more messages of it */
#define MAX_SESSIONS 32
#define MAX_STRINGS  1024
#define MAX_PAYLOAD  65536
#define WINDOW       262144

enum frame_type { START, STDIN, SIGNAL, ACK, READY, STDOUT, STDERR, EXIT };

struct frame {
	uint32_t type;
	uint32_t session;
	uint32_t length;
};

struct output {
	int fd; /* -1: at its end */
	enum frame_type type;
};

struct session {
	bool used;
	uint32_t id;
	pid_t pid;
	bool exited;
	int status;
	struct output out[2];
	size_t credit; /* bytes of output we may still send */
	int in;        /* -1: closed */
	bool in_ends;
	size_t in_len;
	char in_data[WINDOW];
};

static struct session sessions[MAX_SESSIONS];
static int port;

static void die(const char *what)
{
	fprintf(stderr, "softhost-agent: %s: %s\n", what, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
	_exit(1);
}

/* The port is written to without regard to blocking: its reader never waits for us. */
static void write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
			continue;
		}
		if (n < 0)
			die("write to the port");
		p += n;
		len -= n;
	}
}

static void send_frame(enum frame_type type, uint32_t session, const void *data, uint32_t len)
{
	static char buf[sizeof(struct frame) + MAX_PAYLOAD];
	struct frame f = {.type = type, .session = session, .length = len};

	memcpy(buf, &f, sizeof(f));
	memcpy(buf + sizeof(f), data, len);
	write_all(port, buf, sizeof(f) + len);
}

static void send_u32(enum frame_type type, uint32_t session, uint32_t value)
{
	send_frame(type, session, &value, sizeof(value));
}

static struct session *session_find(uint32_t id)
{
	for (int i = 0; i < MAX_SESSIONS; i++)
		if (sessions[i].used && sessions[i].id == id)
			return &sessions[i];
	return NULL;
}

static int session_count(void)
{
	int n = 0;

	for (int i = 0; i < MAX_SESSIONS; i++)
		n += sessions[i].used;
	return n;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static void cgroup_file(char path[128], uint32_t id, const char *file)
{
	snprintf(path, 128, CGROUP_ROOT "/%u/%s", id, file);
}

static void session_kill(struct session *s)
{
	char path[128];

	cgroup_file(path, s->id, "cgroup.kill");
	write_file(path, "1");
	kill(s->pid, SIGKILL);
}

/* In the child: the command takes over or says on stderr why it cannot. */
static void become_command(uint32_t id, char **strings, int variables, int fds[3])
{
	char path[128];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	cgroup_file(path, id, "cgroup.procs");
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	if (!write_file(path, "0")) {
		perror("kvm-host: control group");
		_exit(126);
	}
	for (int i = 0; i < variables; i++)
		putenv(strings[2 + i]);
	if (chdir(strings[0])) {
		fprintf(stderr, "kvm-host: %s: %s\n", strings[0], strerror(errno));
		_exit(126);
	}
	char **argv = strings + 2 + variables;

	execvp(argv[0], argv);
	fprintf(stderr, "kvm-host: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/*
 * Files of the host may have changed since they were last read, and 9p would not notice.  An entry
 * used since the last round survives a round, hence two.
 */
static void forget_host_files(void)
{
	if (!write_file(DROP_CACHES, "3") || !write_file(DROP_CACHES, "3"))
		die(DROP_CACHES);
}

static void session_start(uint32_t id, char *data, size_t len)
{
	static char *strings[MAX_STRINGS + 1];
	int count = 0, in[2], out[2], err[2];
	char path[128];
	struct session *s = NULL;

	for (char *p = data; p < data + len && count < MAX_STRINGS; p += strlen(p) + 1)
		strings[count++] = p;
	strings[count] = NULL;
	int variables = count > 1 ? atoi(strings[1]) : -1;

	for (int i = 0; i < MAX_SESSIONS && !s; i++)
		s = sessions[i].used ? NULL : &sessions[i];
	if (!s || variables < 0 || count < 3 + variables || pipe2(in, O_CLOEXEC) ||
		pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
		send_u32(EXIT, id, 125 << 8);
		return;
	}
	if (!session_count())
		forget_host_files();
	cgroup_file(path, id, "");
	mkdir(path, 0755);
	*s = (struct session){.used = true,
		.id = id,
		.in = in[1],
		.credit = WINDOW,
		.out = {{out[0], STDOUT}, {err[0], STDERR}}};
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	s->pid = fork();
	if (s->pid < 0)
		die("fork");
	if (!s->pid)
		become_command(id, strings, variables, (int[3]){in[0], out[1], err[1]});
	close(in[0]);
	close(out[1]);
	close(err[1]);
}

static void session_close_input(struct session *s)
{
	if (s->in >= 0)
		close(s->in);
	s->in = -1;
	s->in_len = 0;
}

static void session_feed(struct session *s)
{
	ssize_t n = 0;

	if (s->in >= 0 && s->in_len) {
		n = write(s->in, s->in_data, s->in_len);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			send_u32(ACK, s->id, s->in_len);
			session_close_input(s);
		}
	}
	if (n > 0) {
		s->in_len -= n;
		memmove(s->in_data, s->in_data + n, s->in_len);
		send_u32(ACK, s->id, n);
	}
	if (s->in_ends && !s->in_len)
		session_close_input(s);
}

static void session_stdin(struct session *s, const char *data, size_t len)
{
	if (!len) {
		s->in_ends = true;
	} else if (s->in < 0) {
		send_u32(ACK, s->id, len);
	} else if (len <= WINDOW - s->in_len) {
		memcpy(s->in_data + s->in_len, data, len);
		s->in_len += len;
	}
	session_feed(s);
}

static void session_drain(struct session *s, struct output *o)
{
	static char buf[MAX_PAYLOAD];

	while (o->fd >= 0 && s->credit) {
		ssize_t n = read(o->fd, buf, s->credit < sizeof(buf) ? s->credit : sizeof(buf));

		if (n > 0) {
			s->credit -= n;
			send_frame(o->type, s->id, buf, n);
			continue;
		}
		/* After the command's end its pipe may still be held by a process being killed. */
		if (n < 0 && errno == EAGAIN && !s->exited)
			return;
		close(o->fd);
		o->fd = -1;
	}
}

static void session_end(struct session *s)
{
	char path[128];
	struct timespec tick = {.tv_nsec = 10 * 1000 * 1000};

	session_close_input(s);
	send_u32(EXIT, s->id, s->status);
	s->used = false;
	if (!session_count())
		kill(-1, SIGKILL);
	/* Killed processes leave the group when they are dead, which is soon. */
	cgroup_file(path, s->id, "");
	for (int i = 0; rmdir(path) && errno == EBUSY && i < 20; i++)
		nanosleep(&tick, NULL);
}

static void session_run(struct session *s)
{
	session_feed(s);
	session_drain(s, &s->out[0]);
	session_drain(s, &s->out[1]);
	if (s->exited && s->out[0].fd < 0 && s->out[1].fd < 0)
		session_end(s);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < MAX_SESSIONS; i++) {
			struct session *s = &sessions[i];

			if (!s->used || s->exited || s->pid != pid)
				continue;
			s->exited = true;
			s->status = status;
			session_kill(s);
		}
	}
}

static void handle_frame(const struct frame *f, char *data)
{
	struct session *s = session_find(f->session);
	uint32_t value = 0;

	if (f->length >= sizeof(value))
		memcpy(&value, data, sizeof(value));
	data[f->length] = 0;
	if (f->type == START && !s)
		session_start(f->session, data, f->length);
	else if (!s)
		return; /* it ended while the frame was on its way */
	else if (f->type == STDIN)
		session_stdin(s, data, f->length);
	else if (f->type == ACK)
		s->credit += value;
	else if (f->type == SIGNAL && value)
		kill(-s->pid, value);
	else if (f->type == SIGNAL)
		session_kill(s);
}

static void read_port(void)
{
	static char buf[sizeof(struct frame) + MAX_PAYLOAD + 1];
	static size_t len;
	struct frame f;
	ssize_t n = read(port, buf + len, sizeof(buf) - 1 - len);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("read from the port");
	if (n > 0)
		len += n;
	while (len >= sizeof(f)) {
		memcpy(&f, buf, sizeof(f));
		if (f.length > MAX_PAYLOAD) {
			errno = EPROTO;
			die("frame from the host");
		}
		if (len < sizeof(f) + f.length)
			break;
		char after = buf[sizeof(f) + f.length];

		handle_frame(&f, buf + sizeof(f));
		buf[sizeof(f) + f.length] = after;
		len -= sizeof(f) + f.length;
		memmove(buf, buf + sizeof(f) + f.length, len);
	}
}

static void open_port(void)
{
	struct timespec tick = {.tv_nsec = 10 * 1000 * 1000};

	/* The device announces its ports by messages after its driver has started. */
	for (int i = 0; i < 3000; i++) {
		glob_t found = {0};

		port = -1;
		if (!glob(PORT, 0, NULL, &found))
			port = open(found.gl_pathv[0], O_RDWR | O_NONBLOCK | O_CLOEXEC);
		globfree(&found);
		if (port >= 0)
			return;
		nanosleep(&tick, NULL);
	}
	die(PORT);
}

static int fill_pollfds(struct pollfd *fds, int signals)
{
	int n = 0;

	fds[n++] = (struct pollfd){.fd = port, .events = POLLIN};
	fds[n++] = (struct pollfd){.fd = signals, .events = POLLIN};
	for (int i = 0; i < MAX_SESSIONS; i++) {
		struct session *s = &sessions[i];

		if (!s->used)
			continue;
		for (int o = 0; o < 2; o++)
			if (s->credit && s->out[o].fd >= 0)
				fds[n++] = (struct pollfd){.fd = s->out[o].fd, .events = POLLIN};
		if (s->in_len && s->in >= 0)
			fds[n++] = (struct pollfd){.fd = s->in, .events = POLLOUT};
	}
	return n;
}

int main(void)
{
	static struct pollfd fds[2 + 3 * MAX_SESSIONS];
	struct signalfd_siginfo info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);

	if (mkdir(CGROUP_ROOT, 0755))
		die(CGROUP_ROOT);
	if (!write_file(DROP_CACHES, "4"))
		die(DROP_CACHES);
	open_port();
	send_frame(READY, 0, "", 0);
	for (;;) {
		if (poll(fds, fill_pollfds(fds, signals), -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents)
			read_port();
		while (read(signals, &info, sizeof(info)) > 0)
			;
		reap();
		for (int i = 0; i < MAX_SESSIONS; i++)
			if (sessions[i].used)
				session_run(&sessions[i]);
	}
}
