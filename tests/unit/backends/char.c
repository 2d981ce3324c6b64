/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The character back-ends: nothing is lost that can be kept, nobody is waited for, no hang-up spins the loop. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "virtio-backends/char/drivers.h"
#include "virtio-backends/char/history.h"

#define PATIENCE_NS (20 * NSEC_PER_SEC)

struct fixture {
	struct loop *loop;
	struct chardev *chr;
	GString *input; /* what the front was given */
	size_t room;
	unsigned opened, closed;
	bool open;
};

static size_t front_can_read(void *opaque)
{
	return ((struct fixture *)opaque)->room;
}

static void front_read(void *opaque, const uint8_t *buf, size_t n)
{
	struct fixture *f = opaque;

	g_assert_cmpuint(n, <=, f->room);
	f->room -= n;
	g_string_append_len(f->input, (const char *)buf, n);
}

static void front_opened(void *opaque, bool open)
{
	struct fixture *f = opaque;

	g_assert_cmpint(open, !=, f->open);
	f->open = open;
	*(open ? &f->opened : &f->closed) += 1;
}

static const struct chardev_front front = {
	.can_read = front_can_read,
	.read = front_read,
	.opened = front_opened,
};

static void set_up(struct fixture *f, struct chardev *chr)
{
	g_assert_nonnull(chr);
	*f = (struct fixture){.loop = loop_new("test", NULL),
		.chr = chr,
		.input = g_string_new(NULL),
		.room = SIZE_MAX};
	g_assert_cmpint(chardev_attach(chr, f->loop, &front, f), ==, 0);
	g_assert_cmpint(chardev_attach(chr, f->loop, &front, f), ==, -EBUSY);
}

static void tear_down(struct fixture *f)
{
	chardev_free(f->chr);
	loop_iterate(f->loop, 0);
	loop_free(f->loop);
	g_string_free(f->input, TRUE);
}

static void put(struct fixture *f, const char *text)
{
	g_assert_cmpint(
		chardev_write(f->chr, (const uint8_t *)text, strlen(text)), ==, strlen(text));
}

#define run_until(f, condition)                                   \
	do {                                                      \
		int64_t deadline = loop_now() + PATIENCE_NS;      \
		while (!(condition)) {                            \
			g_assert_cmpint(loop_now(), <, deadline); \
			loop_iterate((f)->loop, 50);              \
		}                                                 \
	} while (0)

/* Reads from @fd, running the loop, until @n bytes have come; the text. */
static GString *take(struct fixture *f, int fd, size_t n)
{
	GString *got = g_string_new(NULL);
	int64_t deadline = loop_now() + PATIENCE_NS;

	while (got->len < n) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char buf[4096];
		ssize_t r;

		g_assert_cmpint(loop_now(), <, deadline);
		loop_iterate(f->loop, 0);
		if (poll(&p, 1, 10) <= 0 || !(p.revents & POLLIN))
			continue;
		r = read(fd, buf, MIN(sizeof(buf), n - got->len));
		g_assert_cmpint(r, >, 0);
		g_string_append_len(got, buf, r);
	}
	return got;
}

static void expect(struct fixture *f, int fd, const char *text)
{
	GString *got = take(f, fd, strlen(text));

	g_assert_cmpstr(got->str, ==, text);
	g_string_free(got, TRUE);
}

/* Rounds that the loop makes in @ms milliseconds with nothing to do. */
static unsigned idle_rounds(struct fixture *f, int ms)
{
	int64_t end = loop_now() + ms * NSEC_PER_MSEC;
	unsigned rounds = 0;

	for (int64_t left; (left = end - loop_now()) > 0; rounds++)
		loop_iterate(f->loop, left / NSEC_PER_MSEC + 1);
	return rounds;
}

static struct chardev_stats stats_of(struct fixture *f)
{
	struct chardev_stats s;

	chardev_get_stats(f->chr, &s);
	return s;
}

/* ---- history --------------------------------------------------------------------------------- */

static void test_history(void)
{
	g_autoptr(GString) all = g_string_new(NULL);
	struct history h;

	history_init(&h, 100);
	for (int i = 0; i < 2000; i++) {
		uint8_t bytes[300];
		size_t n = g_test_rand_int_range(0, i % 10 ? 40 : sizeof(bytes));
		struct iovec iov[2];
		g_autoptr(GString) kept = g_string_new(NULL);
		unsigned pieces;
		uint64_t from;

		for (size_t k = 0; k < n; k++)
			bytes[k] = g_test_rand_int();
		history_add(&h, bytes, n);
		g_string_append_len(all, (char *)bytes, n);
		g_assert_cmpuint(h.head, ==, all->len);
		g_assert_cmpuint(history_start(&h), ==, all->len > 100 ? all->len - 100 : 0);
		from = history_start(&h) + g_test_rand_int_range(0, h.head - history_start(&h) + 1);
		pieces = history_get(&h, from, iov);
		for (unsigned k = 0; k < pieces; k++)
			g_string_append_len(kept, iov[k].iov_base, iov[k].iov_len);
		g_assert_cmpmem(kept->str, kept->len, all->str + from, all->len - from);
	}
	history_done(&h);
}

/* ---- null ------------------------------------------------------------------------------------ */

static void test_null(void)
{
	struct fixture f;

	set_up(&f, chardev_null_new("null0"));
	put(&f, "into the void");
	loop_iterate(f.loop, 0);
	g_assert_cmpuint(stats_of(&f).out, ==, 13);
	g_assert_cmpuint(stats_of(&f).lost, ==, 13);
	tear_down(&f);
}

/* ---- fd -------------------------------------------------------------------------------------- */

static struct chardev *fd_new(int out, int in)
{
	g_autoptr(GError) error = NULL;
	struct chardev *c = chardev_fd_new("fd0", out, in, &error);

	g_assert_no_error(error);
	return c;
}

static void test_fd_pipes(void)
{
	int out[2], in[2];
	struct fixture f;

	g_assert_cmpint(pipe(out) | pipe(in), ==, 0);
	set_up(&f, fd_new(out[1], in[0]));
	put(&f, "hello ");
	put(&f, "world");
	expect(&f, out[0], "hello world");

	/* The front takes little by little, also after the writer is gone. */
	f.room = 3;
	g_assert_cmpint(write(in[1], "abcdefgh", 8), ==, 8);
	close(in[1]);
	run_until(&f, f.input->len == 3);
	g_assert_cmpuint(idle_rounds(&f, 100), <=, 3);
	g_assert_cmpstr(f.input->str, ==, "abc");
	f.room = 100;
	chardev_accept_input(f.chr);
	run_until(&f, f.input->len == 8);
	g_assert_cmpstr(f.input->str, ==, "abcdefgh");
	g_assert_cmpuint(idle_rounds(&f, 100), <=, 4);

	/* Output goes on after the input has ended. */
	put(&f, "!");
	expect(&f, out[0], "!");
	g_assert_cmpuint(stats_of(&f).in, ==, 8);
	g_assert_cmpuint(stats_of(&f).out, ==, 12);
	g_assert_cmpuint(stats_of(&f).lost, ==, 0);
	tear_down(&f);
	close(out[0]);
}

/* A pipe that nobody reads loses the oldest output, counted, and delivers the rest when it is read. */
static void test_fd_full(void)
{
	enum { LINE = 64, LINES = 8192 };
	int out[2], capacity;
	struct chardev_stats s;
	struct fixture f;
	GString *got;
	uint64_t kept;

	g_assert_cmpint(pipe(out), ==, 0);
	capacity = fcntl(out[1], F_GETPIPE_SZ);
	set_up(&f, fd_new(out[1], -1));
	for (int i = 0; i < LINES; i++) {
		g_autofree char *line = g_strdup_printf("%063d\n", i);

		put(&f, line);
		loop_iterate(f.loop, 0);
	}
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	got = take(&f, out[0], capacity);
	g_assert_true(strncmp(got->str, "00000", 5) == 0);
	g_string_free(got, TRUE);

	loop_iterate(f.loop, 0);
	s = stats_of(&f);
	g_assert_cmpuint(s.lost, >, 0);
	kept = s.out - s.lost;
	g_assert_cmpuint(kept, <, LINES * LINE);
	g_assert_cmpuint(kept, >, capacity);
	got = take(&f, out[0], kept - capacity);
	g_assert_true(g_str_has_suffix(got->str, "008191\n"));
	g_string_free(got, TRUE);
	tear_down(&f);
	close(out[0]);
}

/* Without a reader everything is lost, and that is all. */
static void test_fd_no_reader(void)
{
	struct fixture f;
	int out[2];

	g_assert_cmpint(pipe(out), ==, 0);
	set_up(&f, fd_new(out[1], -1));
	close(out[0]);
	put(&f, "nobody");
	loop_iterate(f.loop, 0);
	put(&f, "listens");
	loop_iterate(f.loop, 0);
	g_assert_cmpuint(stats_of(&f).lost, ==, 13);
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	tear_down(&f);
}

/* Regular files, which epoll does not take: all of the input comes, and the last words before detach are written. */
static void test_fd_files(void)
{
	char in_path[] = "/dev/shm/vmmd-test-XXXXXX", out_path[] = "/dev/shm/vmmd-test-XXXXXX";
	int in = mkstemp(in_path), out = mkstemp(out_path);
	g_autofree char *text = g_malloc(10001), *content = NULL;
	struct fixture f;

	memset(text, 'x', 10000);
	text[10000] = 0;
	g_assert_cmpint(write(in, text, 10000), ==, 10000);
	lseek(in, 0, SEEK_SET);
	set_up(&f, fd_new(out, in));
	run_until(&f, f.input->len == 10000);
	g_assert_cmpstr(f.input->str, ==, text);
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	put(&f, "last words");
	tear_down(&f);
	g_assert_true(g_file_get_contents(out_path, &content, NULL, NULL));
	g_assert_cmpstr(content, ==, "last words");
	unlink(in_path);
	unlink(out_path);
}

static void check_fd_refused(int out, int in, const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(chardev_fd_new("fd0", out, in, &error));
	g_assert_error(error, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_assert_nonnull(strstr(error->message, words));
	g_assert_cmpint(fcntl(out, F_GETFD), ==, -1);
	if (in >= 0)
		g_assert_cmpint(fcntl(in, F_GETFD), ==, -1);
}

static void test_fd_errors(void)
{
	int p[2], shared;
	struct fixture f;

	g_assert_cmpint(pipe(p), ==, 0);
	check_fd_refused(p[0], -1, "not open for writing");
	close(p[1]);
	g_assert_cmpint(pipe(p), ==, 0);
	check_fd_refused(open("/dev/null", O_WRONLY), p[1], "not open for reading");
	close(p[0]);

	/* Whoever shares the open file finds it as it was. */
	g_assert_cmpint(pipe(p), ==, 0);
	shared = dup(p[1]);
	set_up(&f, fd_new(p[1], -1));
	g_assert_true(fcntl(shared, F_GETFL) & O_NONBLOCK);
	tear_down(&f);
	g_assert_false(fcntl(shared, F_GETFL) & O_NONBLOCK);
	close(shared);
	close(p[0]);
}

/* ---- socket ---------------------------------------------------------------------------------- */

static char *socket_path;

static struct chardev *socket_new(size_t history)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_autoptr(GError) error = NULL;
	struct chardev *c;

	g_strlcpy(a.sun_path, socket_path, sizeof(a.sun_path));
	unlink(socket_path);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
	g_assert_cmpint(listen(fd, 5), ==, 0);
	c = chardev_socket_new("socket0", fd, history, &error);
	g_assert_no_error(error);
	return c;
}

static int socket_connect(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(a.sun_path, socket_path, sizeof(a.sun_path));
	g_assert_cmpint(connect(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
	return fd;
}

static void test_socket_replay(void)
{
	struct fixture f;
	int c;

	set_up(&f, socket_new(10));
	put(&f, "lost in time 0123456789");
	c = socket_connect();
	expect(&f, c, "0123456789");
	g_assert_cmpuint(f.opened, ==, 1);
	put(&f, "live");
	expect(&f, c, "live");
	close(c);
	run_until(&f, f.closed == 1);
	c = socket_connect();
	expect(&f, c, "456789live");
	close(c);
	run_until(&f, f.closed == 2);
	g_assert_cmpuint(stats_of(&f).lost, ==, 0);
	tear_down(&f);
}

static void test_socket_input(void)
{
	struct fixture f;
	int c;

	set_up(&f, socket_new(0));
	f.room = 4;
	c = socket_connect();
	g_assert_cmpint(write(c, "12345678", 8), ==, 8);
	run_until(&f, f.input->len == 4);
	g_assert_cmpuint(idle_rounds(&f, 100), <=, 3);
	f.room = 4;
	chardev_accept_input(f.chr);
	run_until(&f, f.input->len == 8);
	g_assert_cmpstr(f.input->str, ==, "12345678");

	/* A front that takes nothing cannot keep a client alive that is gone. */
	g_assert_cmpint(write(c, "rest", 4), ==, 4);
	close(c);
	run_until(&f, f.closed == 1);
	g_assert_cmpuint(idle_rounds(&f, 100), <=, 3);
	tear_down(&f);
}

static void test_socket_one_client(void)
{
	struct fixture f;
	int first, second;
	char byte;

	set_up(&f, socket_new(0));
	first = socket_connect();
	run_until(&f, f.opened == 1);
	second = socket_connect();
	loop_iterate(f.loop, 1000);
	g_assert_cmpint(read(second, &byte, 1), ==, 0); /* refused */
	put(&f, "still here");
	expect(&f, first, "still here");
	close(second);
	close(first);
	run_until(&f, f.closed == 1);
	g_assert_cmpuint(f.opened, ==, 1);
	tear_down(&f);
}

/* A client that does not read loses output, and gets the newest once it reads again; the guest never waits. */
static void test_socket_slow(void)
{
	g_autofree char *block = g_malloc(10001);
	struct chardev_stats s;
	struct fixture f;
	GString *got;
	int c;

	memset(block, '.', 10000);
	block[10000] = 0;
	set_up(&f, socket_new(1000));
	c = socket_connect();
	run_until(&f, f.opened == 1);
	for (int i = 0; i < 200; i++) {
		put(&f, block);
		loop_iterate(f.loop, 0);
	}
	put(&f, "newest");
	g_assert_cmpuint(idle_rounds(&f, 50), <=, 3);
	/* What is lost is known when the client has read on. */
	got = take(&f, c, 200000);
	g_string_free(got, TRUE);
	do
		s = stats_of(&f);
	while (loop_iterate(f.loop, 0), stats_of(&f).lost != s.lost);
	g_assert_cmpuint(s.lost, >, 0);
	got = take(&f, c, s.out - s.lost - 200000);
	g_assert_true(g_str_has_suffix(got->str, "newest"));
	g_string_free(got, TRUE);
	close(c);
	tear_down(&f);
}

static void *read_to_end(void *fd)
{
	GString *got = g_string_new(NULL);
	char buf[4096];
	ssize_t n;

	while ((n = read(GPOINTER_TO_INT(fd), buf, sizeof(buf))) > 0)
		g_string_append_len(got, buf, n);
	return got;
}

/* At the end even a client that lags, or has only just come, gets all of it; one that does not read holds up nobody for long. */
static void test_socket_finish(void)
{
	struct chardev_stats s;
	struct fixture f;
	GThread *reader;
	GString *got;
	int c;

	set_up(&f, socket_new(1000));
	c = socket_connect();
	put(&f, "first words ");
	chardev_finish(f.chr, 10000);
	expect(&f, c, "first words ");
	for (unsigned n = 0; n < 1000; n++) {
		put(&f, "more than a socket holds, in pieces that take room there ");
		loop_iterate(f.loop, 0);
	}
	put(&f, "last words");
	chardev_finish(f.chr, 50);
	g_assert_true(f.open);
	reader = g_thread_new("reader", read_to_end, GINT_TO_POINTER(c));
	chardev_finish(f.chr, 10000);
	s = stats_of(&f);
	tear_down(&f);
	got = g_thread_join(reader);
	g_assert_cmpuint(got->len, ==, s.out - strlen("first words "));
	g_assert_true(g_str_has_suffix(got->str, "last words"));
	g_string_free(got, TRUE);
	close(c);
}

/* No descriptor left for a client: it waits, without a loop that turns idly, and is served later. */
static void test_socket_no_descriptors(void)
{
	struct rlimit old, few;
	struct fixture f;
	int c, next;

	set_up(&f, socket_new(0));
	c = socket_connect();
	next = dup(0);
	close(next);
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
	few = old;
	few.rlim_cur = next;
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
	g_assert_cmpuint(idle_rounds(&f, 300), <=, 5);
	g_assert_cmpuint(f.opened, ==, 0);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);
	run_until(&f, f.opened == 1);
	put(&f, "at last");
	expect(&f, c, "at last");
	close(c);
	tear_down(&f);
}

static void test_socket_errors(void)
{
	g_autoptr(GError) a = NULL, b = NULL;
	int pair[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
	g_assert_null(chardev_socket_new("socket0", pair[0], 0, &a));
	g_assert_error(a, VMMD_ERROR, VMMD_ERROR_INVALID);
	g_assert_cmpint(fcntl(pair[0], F_GETFD), ==, -1);
	close(pair[1]);
	g_assert_null(chardev_socket_new("socket0", open("/dev/null", O_RDWR), 0, &b));
	g_assert_error(b, VMMD_ERROR, VMMD_ERROR_INVALID);
}

/* The loop may run on a thread already when the front attaches. */
static void test_socket_thread(void)
{
	struct loop *loop = loop_new("thread", NULL);
	struct chardev *chr = socket_new(100);
	struct fixture f = {.input = g_string_new(NULL), .room = SIZE_MAX};
	g_autoptr(GError) error = NULL;
	char buf[16] = "";
	int c;

	chr->front = NULL;
	g_assert_true(loop_thread_start(loop, &error));
	g_assert_cmpint(chardev_attach(chr, loop, &front, &f), ==, 0);
	c = socket_connect();
	g_assert_cmpint(write(c, "from outside", 12), ==, 12);
	g_assert_cmpint(shutdown(c, SHUT_WR), ==, 0);
	g_assert_cmpint(
		read(c, buf, sizeof(buf)), ==, 0); /* closed by the other side after reading all */
	loop_thread_join(loop);
	g_assert_cmpstr(f.input->str, ==, "from outside");
	chardev_free(chr);
	loop_iterate(loop, 0);
	loop_free(loop);
	close(c);
	g_string_free(f.input, TRUE);
}

/* ---- pty ------------------------------------------------------------------------------------- */

static struct chardev *pty_new(size_t history, char **ret_name)
{
	g_autoptr(GError) error = NULL;
	struct chardev *c = chardev_pty_new("pty0", history, ret_name, &error);

	g_assert_no_error(error);
	return c;
}

static int pty_open(const char *name)
{
	int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

	g_assert_cmpint(fd, >=, 0);
	return fd;
}

static void test_pty(void)
{
	g_autofree char *name = NULL;
	struct termios t;
	struct fixture f;
	int slave;

	set_up(&f, pty_new(100, &name));
	g_assert_cmpuint(idle_rounds(&f, 500), <=, 8);
	g_assert_cmpuint(f.opened, ==, 0);
	put(&f, "boot\n");

	slave = pty_open(name);
	g_assert_cmpint(tcgetattr(slave, &t), ==, 0);
	g_assert_false(t.c_lflag & (ICANON | ECHO | ISIG));
	g_assert_false(t.c_oflag & OPOST);
	expect(&f, slave, "boot\n");
	g_assert_cmpuint(f.opened, ==, 1);
	put(&f, "login: ");
	expect(&f, slave, "login: ");
	g_assert_cmpint(write(slave, "root\r\x03", 6), ==, 6);
	run_until(&f, f.input->len == 6);
	g_assert_cmpstr(f.input->str, ==, "root\r\x03");
	g_assert_cmpuint(idle_rounds(&f, 200), <=, 3);

	/* Gone with bytes unread: the next one gets each of them once. */
	put(&f, "unread");
	loop_iterate(f.loop, 0);
	close(slave);
	run_until(&f, f.closed == 1);
	g_assert_cmpuint(idle_rounds(&f, 500), <=, 8);
	put(&f, " more");
	slave = pty_open(name);
	expect(&f, slave, "boot\nlogin: unread more");
	g_assert_cmpuint(f.opened, ==, 2);
	put(&f, ".");
	expect(&f, slave, ".");
	close(slave);
	run_until(&f, f.closed == 2);
	tear_down(&f);
}

/* Who writes and goes between two looks is heard all the same. */
static void test_pty_brief_visit(void)
{
	g_autofree char *name = NULL;
	struct fixture f;
	int slave;

	set_up(&f, pty_new(100, &name));
	loop_iterate(f.loop, 0);
	slave = pty_open(name);
	g_assert_cmpint(write(slave, "hi", 2), ==, 2);
	close(slave);
	run_until(&f, f.input->len == 2);
	g_assert_cmpstr(f.input->str, ==, "hi");
	tear_down(&f);
}

static void test_pty_slow(void)
{
	g_autofree char *name = NULL, *block = g_malloc(10001);
	struct chardev_stats s;
	struct fixture f;
	GString *got;
	int slave;

	memset(block, '.', 10000);
	block[10000] = 0;
	set_up(&f, pty_new(100, &name));
	slave = pty_open(name);
	run_until(&f, f.opened == 1);
	for (int i = 0; i < 100; i++) {
		put(&f, block);
		loop_iterate(f.loop, 0);
	}
	put(&f, "newest");
	g_assert_cmpuint(idle_rounds(&f, 100), <=, 3);
	got = take(&f, slave, 50000);
	g_string_free(got, TRUE);
	s = stats_of(&f);
	g_assert_cmpuint(s.lost, >, 0);
	got = take(&f, slave, s.out - s.lost - 50000);
	g_assert_true(g_str_has_suffix(got->str, "newest"));
	g_string_free(got, TRUE);
	close(slave);
	tear_down(&f);
}

int main(int argc, char **argv)
{
	g_autofree char *dir = NULL;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	g_test_init(&argc, &argv, NULL);
	dir = g_dir_make_tmp("vmmd-test-XXXXXX", NULL);
	g_assert_nonnull(dir);
	socket_path = g_build_filename(dir, "s", NULL);
	g_test_add_func("/char/history", test_history);
	g_test_add_func("/char/null", test_null);
	g_test_add_func("/char/fd/pipes", test_fd_pipes);
	g_test_add_func("/char/fd/full", test_fd_full);
	g_test_add_func("/char/fd/no-reader", test_fd_no_reader);
	g_test_add_func("/char/fd/files", test_fd_files);
	g_test_add_func("/char/fd/errors", test_fd_errors);
	g_test_add_func("/char/socket/replay", test_socket_replay);
	g_test_add_func("/char/socket/input", test_socket_input);
	g_test_add_func("/char/socket/one-client", test_socket_one_client);
	g_test_add_func("/char/socket/slow", test_socket_slow);
	g_test_add_func("/char/socket/finish", test_socket_finish);
	g_test_add_func("/char/socket/no-descriptors", test_socket_no_descriptors);
	g_test_add_func("/char/socket/errors", test_socket_errors);
	g_test_add_func("/char/socket/thread", test_socket_thread);
	g_test_add_func("/char/pty/basic", test_pty);
	g_test_add_func("/char/pty/brief-visit", test_pty_brief_visit);
	g_test_add_func("/char/pty/slow", test_pty_slow);
	ret = g_test_run();
	unlink(socket_path);
	rmdir(dir);
	g_free(socket_path);
	return ret;
}
