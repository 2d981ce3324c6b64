# SPDX-License-Identifier: GPL-2.0-or-later
"""vmctl as a program and on a terminal, for tests that have a Daemon."""

import os
import pty
import select
import subprocess
import termios

from daemon import DEADLINE, equal, wait_for


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def vmctl(d, *args, stdin=b"", socket=None, cwd=None):
    p = subprocess.run([d.vmctl, "--socket", socket or d.socket, *args], input=stdin, capture_output=True,
                       timeout=DEADLINE, cwd=cwd)
    remember(d)
    return Result(p.returncode, p.stdout.decode(), p.stderr.decode())


def remember(d):
    """The processes of VMs, so that none is left when a test fails."""
    if d.process and d.alive():
        d.pids |= {vm["pid"] for vm in d.ok("GET", "/v1/vms")["vms"] if vm["pid"]}


def ok(d, *args, stdin=b""):
    r = vmctl(d, *args, stdin=stdin)
    if r.status != 0:
        raise AssertionError("vmctl %s: %d %s" % (args, r.status, r.err))
    return r.out


class Terminal:
    """vmctl on a terminal of its own."""

    def __init__(self, d, *args):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen([d.vmctl, "--socket", d.socket, *args], stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, start_new_session=True)
        self.seen = b""

    def read(self):
        if select.select([self.master], [], [], 0.05)[0]:
            self.seen += os.read(self.master, 65536)

    def expect(self, part):
        def seen():
            self.read()
            return part in self.seen
        wait_for("%r, after %r" % (part, self.seen[-200:]), seen)

    def type(self, data):
        os.write(self.master, data)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def end(self):
        def ended():
            self.read()
            return self.process.poll() is not None
        wait_for("vmctl to end", ended)
        self.read()
        equal(termios.tcgetattr(self.slave), self.before)
        os.close(self.master)
        os.close(self.slave)
        return self.process.returncode
