# SPDX-License-Identifier: GPL-2.0-or-later
"""The software host: QEMU's emulation of an AMD machine whose Linux has a real /dev/kvm.

A supervisor process owns the QEMU process and the channel to the agent in it (softhost-agent.c has
the protocol).  Clients connect to the supervisor with the same protocol, one session each, which it
numbers and forwards.  QEMU dies with the supervisor, whatever kills that.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import cache
import kernel as debian_kernel

LIB = Path(__file__).resolve().parent
SCRATCH_DIR = "/var/lib/vmmd-scratch"
SCRATCH_BYTES = 32 << 30  # sparse
BOOT_SECONDS = 180

START, STDIN, SIGNAL, ACK, READY, STDOUT, STDERR, EXIT = range(8)
FRAME = struct.Struct("=III")
U32 = struct.Struct("=I")
MAX_PAYLOAD = 65536
WINDOW = 262144

INITRAMFS_MODULES = ["virtio_pci", "virtio_console", "virtio_blk", "virtio_rng", "9pnet_virtio",
                     "9p", "overlay", "ext4", "kvm_amd"]
# What the emulated machine need not do: calibrate against timers which the emulation makes jitter,
# defend itself from itself, probe for hardware which is not there.
KERNEL_COMMAND_LINE = ("console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check "
                       "clocksource=tsc random.trust_cpu=on nokaslr audit=0 i8042.noaux "
                       "apparmor=1 security=apparmor")
# Of a family too new to have a GART: for the older ones Linux searches all PCI configuration space for
# an AGP bridge, twice, which costs a guest 130000 exits.
# Each further level of page tables is walked in software, and once more for each of the guest's; the
# protections from user pages make every system call leave and enter translated code.
# Without XSAVE, for the emulation does not tell KVM of a guest's XSETBV: at its next exit the guest would
# lose its XCR0, and with that the registers it names; nor what needs XSAVE.
CPU = ("max,+svm,+npt,-la57,-smap,-smep,-umip,-pku,-xsave,-avx,-avx2,-fma,-f16c,-vaes,-vpclmulqdq,"
       "family=23,model=1,stepping=2")


def initramfs(kernel):
    recipe = cache.key(LIB / "softhost-init", LIB / "softhost-agent.c", LIB / "kernel.py",
                       debian_kernel.BUSYBOX, *INITRAMFS_MODULES, debian_kernel.release(kernel))

    def build(directory):
        agent = directory / "agent"
        cache.run(["cc", "-static", "-O2", "-o", agent, LIB / "softhost-agent.c"])
        debian_kernel.write_initramfs(kernel, directory / "initrd.img", INITRAMFS_MODULES,
                                      {"init": LIB / "softhost-init", "agent": agent})

    name = f"softhost-{debian_kernel.release(kernel)}"
    return cache.get(name, recipe, build) / "initrd.img"


def frame(kind, session, payload=b""):
    return FRAME.pack(kind, session, len(payload)) + payload


async def read_frame(reader):
    kind, session, length = FRAME.unpack(await reader.readexactly(FRAME.size))
    if length > MAX_PAYLOAD:
        raise ConnectionError("frame too long")
    return kind, session, await reader.readexactly(length)


def _scratch_file(directory):
    """A sparse ext4 image without a name: nothing is left of it when QEMU is gone."""
    path = directory / f"scratch.{os.getpid()}"
    with open(path, "wb") as image:
        image.truncate(SCRATCH_BYTES)
    try:
        cache.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal",
                   "-E", "lazy_itable_init=1,nodiscard", path])
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    finally:
        path.unlink()


def _qemu_command(options, kernel, initrd, console, agent_fd, scratch_fd):
    modules = os.path.realpath(kernel / "modules")
    command_line = (f"{KERNEL_COMMAND_LINE} vmmd.modules={modules} vmmd.scratch={SCRATCH_DIR} "
                    f"{options.append}")
    argv = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64",
            "-name", "kvm-host", "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-machine", "pc,hpet=off,usb=off,vmport=off",
            "-accel", "tcg,thread=multi", "-cpu", options.cpu,
            "-smp", str(options.cpus), "-m", f"{options.memory}M",
            "-kernel", str(kernel / "vmlinuz"), "-initrd", str(initrd), "-append", command_line,
            "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,"
                       "multidevs=remap",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,fd={agent_fd}",
            "-device", "virtserialport,chardev=agent,name=org.vmmd.agent",
            "-add-fd", f"fd={scratch_fd},set=1",
            "-blockdev", "driver=file,node-name=scratch,filename=/dev/fdset/1,locking=off,"
                         "auto-read-only=off,discard=unmap,cache.no-flush=on",
            "-device", "virtio-blk-pci,drive=scratch,serial=scratch"]
    for number, (name, path) in enumerate(sorted(options.disks.items())):
        argv += ["-blockdev", f"driver=file,node-name=disk{number},read-only=on,locking=off,"
                              f"filename={path.replace(',', ',,')}",
                 "-device", f"virtio-blk-pci,drive=disk{number},serial={name}"]
    return argv


class Supervisor:
    """Runs QEMU, and commands in it for clients, until end() is called or something ends it."""

    def __init__(self, options, directory):
        self.options = options
        self.console = directory / "console.log"
        self.directory = directory
        self.writers = {}
        self.next_session = 1
        self.qemu = None
        self.agent = None
        self.ready = None
        self.ended = None
        self.clients = 0
        self.idle_since = time.monotonic()

    def _start_qemu(self):
        kernel = debian_kernel.get()
        ours, theirs = socket.socketpair()
        scratch = _scratch_file(self.directory)
        self.console.unlink(missing_ok=True)
        argv = _qemu_command(self.options, kernel, initramfs(kernel), self.console,
                             theirs.fileno(), scratch)
        with open(self.directory / "qemu.log", "wb") as log:
            self.qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         pass_fds=(theirs.fileno(), scratch))
        theirs.close()
        os.close(scratch)
        return ours

    async def run(self, attach):
        """attach(self) starts serving clients; returns when the software host has ended."""
        channel = self._start_qemu()
        try:
            self.ended = asyncio.Event()
            self.ready = asyncio.get_running_loop().create_future()
            reader, self.agent = await asyncio.open_connection(sock=channel)
            pump = asyncio.create_task(self._pump(reader))
            await attach(self)
            await self.ended.wait()
            pump.cancel()
        finally:
            self.qemu.kill()
            self.qemu.wait()

    def end(self):
        self.ended.set()

    async def _pump(self, reader):
        """From the agent to the clients."""
        try:
            while True:
                kind, session, payload = await read_frame(reader)
                if kind == READY:
                    self.ready.set_result(True)
                elif session in self.writers:
                    self.writers[session].write(frame(kind, session, payload))
                    if kind == EXIT:
                        self.writers.pop(session).close()
        except (OSError, asyncio.IncompleteReadError):
            pass
        self.end()

    async def serve(self, reader, writer):
        """One client: its frames to the agent, until it closes."""
        session = self.next_session
        self.next_session += 1
        self.clients += 1
        try:
            await asyncio.shield(self.ready)
            writer.write(frame(READY, session))
            self.writers[session] = writer
            while True:
                kind, _, payload = await read_frame(reader)
                self.agent.write(frame(kind, session, payload))
                await self.agent.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        if session in self.writers:
            del self.writers[session]
            self.agent.write(frame(SIGNAL, session, U32.pack(0)))
        writer.close()
        self.clients -= 1
        self.idle_since = time.monotonic()

    async def end_when_idle(self, seconds):
        while True:
            await asyncio.sleep(1)
            if not self.clients and time.monotonic() - self.idle_since > seconds:
                self.end()

    def end_with(self, pid):
        """End when the process does."""
        try:
            asyncio.get_running_loop().add_reader(os.pidfd_open(pid), self.end)
        except ProcessLookupError:
            self.end()


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def start_once(options, directory):
    """A software host for this process alone, which ends when the returned socket is closed;
    also returns the process to wait for then."""
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        return ours, pid
    ours.close()
    _die_with_parent()
    if os.getppid() != parent:
        os._exit(0)

    async def attach(supervisor):
        async def serve():
            await supervisor.serve(*await asyncio.open_connection(sock=theirs))
            supervisor.end()
        supervisor.task = asyncio.create_task(serve())

    _supervise(options, directory, attach)


def start_kept(options, directory):
    """A software host which other processes find by its socket in directory.  It inherits every
    open file, hence also the caller's lock, and holds it until it ends."""
    address, listener = socket_address(directory), socket.socket(socket.AF_UNIX)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(address)
    listener.bind(address)
    listener.listen()
    (directory / "disks").write_text(describe_disks(options))
    owner = options.owner or os.getsid(0)
    if owner == os.getpid():
        owner = 0  # it leads a session of its own, which is about to end: only idleness counts
    if os.fork():
        listener.close()
        return
    os.setsid()
    (directory / "pid").write_text(str(os.getpid()))

    async def attach(supervisor):
        supervisor.server = await asyncio.start_unix_server(supervisor.serve, sock=listener)
        if owner:
            supervisor.end_with(owner)
        supervisor.idle_task = asyncio.create_task(supervisor.end_when_idle(options.idle))

    _supervise(options, directory, attach)


def _supervise(options, directory, attach):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the command
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    status = 0
    try:
        log = os.open(directory / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        supervisor = Supervisor(options, directory)

        async def main():
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, supervisor.end)
            await supervisor.run(attach)

        asyncio.run(main())
    except cache.Failure as failure:
        print(failure, file=sys.stderr, flush=True)
        status = 1
    finally:
        os._exit(status)


def describe_disks(options):
    return "".join(f"{name}={path}\n" for name, path in sorted(options.disks.items()))


def socket_address(directory):
    """A name short enough for a socket address however long the directory's is."""
    fd = os.open(directory, os.O_PATH)
    return f"/proc/self/fd/{fd}/socket"
