/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * launch [--count | --count-to-mark] COMMAND...: run a VMM whose standard output is the bench guest's
 * debug console, and say how long it took.
 *
 * Prints, then an empty line and all that the command wrote (nothing with --count-to-mark):
 *   mark_us     from before exec to the first byte of output; -1 if there was none
 *   exit_us     from before exec to the end of the process
 *   status      exit status, or 128 + signal
 *   tsc_khz     time stamp counter frequency, measured over the run
 *   syscalls    with --count: system calls of all its threads and children, counted by the kernel's
 *               tracepoint, without disturbing it; with --count-to-mark: those made until the first byte was
 *               written, that write included, counted under ptrace; the command is killed then
 *
 * Exit status 0 if the command could be run, whatever became of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define SYSCALL_EVENT "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id"
#define OUTPUT_MAX    (1u << 20)

struct run {
	char **command;
	int output; /* our end of its standard output */
	pid_t pid;
	double mark_us, exit_us;
	int status;
	int64_t syscalls; /* -1: not counted */
	size_t n_text;
	char text[OUTPUT_MAX];
};

extern char **environ;

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *format, ...)
{
	va_list ap;

	fputs("launch: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* A pipe whose writing end is to become the command's standard output. */
static int make_output(struct run *r)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		die("pipe");
	r->output = ends[0];
	return ends[1];
}

static void spawn(struct run *r, int out)
{
	posix_spawn_file_actions_t actions;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	errno = posix_spawnp(&r->pid, r->command[0], &actions, NULL, r->command, environ);
	if (errno)
		die("%s", r->command[0]);
	posix_spawn_file_actions_destroy(&actions);
	close(out);
}

/* Everything until all writers are gone. What does not fit is read and dropped. */
static void read_output(struct run *r, double begin)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(r->output, chunk, sizeof(chunk))) > 0) {
		size_t room = OUTPUT_MAX - r->n_text, keep = (size_t)n < room ? (size_t)n : room;

		if (r->mark_us < 0)
			r->mark_us = now_us() - begin;
		memcpy(r->text + r->n_text, chunk, keep);
		r->n_text += keep;
	}
	if (n < 0)
		die("read");
}

static void reap(struct run *r, double begin)
{
	if (waitpid(r->pid, &r->status, 0) != r->pid)
		die("waitpid");
	r->exit_us = now_us() - begin;
}

static void run_timed(struct run *r)
{
	int out = make_output(r);
	double begin = now_us();

	spawn(r, out);
	read_output(r, begin);
	reap(r, begin);
}

/* A counter of this thread's system calls which whatever it starts from now on inherits. */
static int open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.inherit = 1,
		.disabled = 1,
		.enable_on_exec = 1,
	};
	FILE *f = fopen(SYSCALL_EVENT, "re");
	unsigned long id;
	int fd;

	if (!f || fscanf(f, "%lu", &id) != 1)
		die("%s", SYSCALL_EVENT);
	fclose(f);
	attr.config = id;
	fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		die("perf_event_open");
	return fd;
}

static void run_counted(struct run *r)
{
	int counter = open_counter();
	uint64_t n;

	run_timed(r);
	if (read(counter, &n, sizeof(n)) != sizeof(n))
		die("read of the system call counter");
	r->syscalls = (int64_t)n;
	close(counter);
}

static void fork_traced(struct run *r, int out)
{
	r->pid = fork();
	if (r->pid < 0)
		die("fork");
	if (r->pid)
		return;
	if (dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO) < 0 ||
		dup2(out, STDOUT_FILENO) < 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(127);
	raise(SIGSTOP);
	execvp(r->command[0], r->command);
	_exit(127);
}

static bool entered_syscall(pid_t pid)
{
	struct __ptrace_syscall_info info;

	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

/* What a stop with @status has to be continued with: signals are passed on, but those of ptrace itself. */
static int signal_of(int status, bool *ret_syscall)
{
	int sig = WSTOPSIG(status);

	*ret_syscall = sig == (SIGTRAP | 0x80);
	if (*ret_syscall || status >> 16 || sig == SIGSTOP || sig == SIGTRAP)
		return 0;
	return sig;
}

static bool has_output(const struct run *r)
{
	int n = 0;

	return ioctl(r->output, FIONREAD, &n) == 0 && n > 0;
}

/*
 * Until the first output, or the end of the command. What runs then is killed when the tracer exits.
 * execve itself, which is entered before counting starts, is counted as the first call.
 */
static void run_traced(struct run *r)
{
	int out = make_output(r), status;
	bool started = false;
	pid_t pid;

	fork_traced(r, out);
	close(out);
	if (waitpid(r->pid, &status, 0) != r->pid || !WIFSTOPPED(status))
		die("the command did not start");
	ptrace(PTRACE_SETOPTIONS, r->pid, NULL,
		PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
			PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, r->pid, NULL, 0);
	r->syscalls = 0;
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		bool is_syscall;
		int sig;

		if (!WIFSTOPPED(status)) {
			if (pid == r->pid)
				r->status = status;
			continue;
		}
		if (has_output(r))
			break;
		started |= status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8);
		sig = signal_of(status, &is_syscall);
		if (is_syscall && started && entered_syscall(pid))
			r->syscalls++;
		ptrace(PTRACE_SYSCALL, pid, NULL, sig);
	}
	r->syscalls += started;
}

static void report(const struct run *r, double tsc_khz)
{
	int status = WIFSIGNALED(r->status) ? 128 + WTERMSIG(r->status) : WEXITSTATUS(r->status);

	printf("mark_us=%.1f\nexit_us=%.1f\nstatus=%d\ntsc_khz=%.0f\n", r->mark_us, r->exit_us,
		status, tsc_khz);
	if (r->syscalls >= 0)
		printf("syscalls=%lld\n", (long long)r->syscalls);
	putchar('\n');
	fwrite(r->text, 1, r->n_text, stdout);
}

int main(int argc, char **argv)
{
	static struct run r = {.mark_us = -1, .exit_us = -1, .syscalls = -1};
	void (*how)(struct run *) = run_timed;
	double begin = now_us();
	uint64_t tsc = __rdtsc();

	if (argc > 1 && !strcmp(argv[1], "--count"))
		how = run_counted;
	else if (argc > 1 && !strcmp(argv[1], "--count-to-mark"))
		how = run_traced;
	r.command = argv + (how == run_timed ? 1 : 2);
	if (argc < 2 || !r.command[0]) {
		fputs("usage: launch [--count | --count-to-mark] COMMAND...\n", stderr);
		return 2;
	}
	how(&r);
	report(&r, (double)(__rdtsc() - tsc) / (now_us() - begin) * 1e3);
	return 0;
}
