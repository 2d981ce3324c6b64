#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The systemd files as systemd sees them: units verified without a word of complaint, the service's
exposure below a limit, users and directories made in a scratch root.

Exit 77: systemd's tools are not here.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

# Of 100, as systemd-analyze security counts.  A service with no protection at all has 96.
EXPOSURE_LIMIT = 52

TOOLS = ("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles")


def run(*command, **env):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, **env, "SYSTEMD_LOG_LEVEL": "warning",
                               "SYSTEMD_PAGER": ""}, check=False)


def stage(units, bindir, place):
    """Copies the units to place, where the program that they start is a program that exists."""
    shutil.copy("/bin/true", os.path.join(place, "vmmd"))
    for unit in units:
        with open(unit, encoding="utf-8") as f:
            text = f.read().replace(bindir + "/", place + "/")
        with open(os.path.join(place, os.path.basename(unit)), "w", encoding="utf-8") as f:
            f.write(text)


def verify(place):
    """What systemd-analyze says of the units in place; documentation is not installed yet."""
    units = [os.path.join(place, name) for name in sorted(os.listdir(place)) if "." in name]
    done = run("systemd-analyze", "verify", "--man=no", *units, SYSTEMD_UNIT_PATH=place + ":")
    return done.stdout or (f"exit status {done.returncode}" if done.returncode else "")


def exposed(service):
    done = run("systemd-analyze", "security", "--offline=yes", "--no-pager",
               f"--threshold={EXPOSURE_LIMIT}", service)
    return done.stdout if done.returncode else ""


def users_and_directories(args, place):
    os.makedirs(os.path.join(place, "etc"))
    # tmpfiles resolves root by the database of the same root.
    for name in ("passwd", "group"):
        with open(os.path.join(place, "etc", name), "w", encoding="ascii") as f:
            f.write("root:x:0:0::/root:/bin/sh\n" if name == "passwd" else "root:x:0:\n")
    for tool, conf in (("systemd-sysusers", args.sysusers), ("systemd-tmpfiles", args.tmpfiles)):
        create = ["--create"] if tool == "systemd-tmpfiles" else []
        done = run(tool, "--root=" + place, *create, os.path.abspath(conf))
        if done.returncode:
            yield f"{tool}: {done.stdout}"
    with open(os.path.join(place, "etc", "group"), encoding="ascii") as f:
        groups = [line.split(":")[0] for line in f]
    if "vmmd" not in groups or "vmmd-vm" not in groups:
        yield f"only groups {groups} were made"
    for path, mode in (("run/vmmd", 0o755), ("var/lib/vmmd", 0o711)):
        full = os.path.join(place, path)
        if not os.path.isdir(full) or os.stat(full).st_mode & 0o777 != mode:
            yield f"{path} was not made with mode {mode:o}"


def self_test():
    """Units that must be refused."""
    bad = {
        "unknown key": "[Service]\nExecStart=/bin/true\nKilMode=process\n",
        "bad value": "[Service]\nExecStart=/bin/true\nKillMode=proces\n",
        "missing program": "[Service]\nExecStart=/nonexistent/vmmd\n",
        "missing unit": "[Unit]\nRequires=no-such-unit.socket\n[Service]\nExecStart=/bin/true\n",
    }
    for name, text in bad.items():
        with tempfile.TemporaryDirectory() as place:
            service = os.path.join(place, "bad.service")
            with open(service, "w", encoding="ascii") as f:
                f.write(text)
            if not verify(place):
                yield f"self-test: not noticed: {name}"
            if name == "unknown key" and not exposed(service):
                yield "self-test: a service without protection passes"


def check(args):
    yield from self_test()
    with tempfile.TemporaryDirectory() as place:
        stage(args.units, args.bindir, place)
        yield from filter(None, [verify(place), exposed(os.path.join(place, "vmmd.service"))])
    with tempfile.TemporaryDirectory() as place:
        yield from users_and_directories(args, place)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bindir", required=True)
    parser.add_argument("--sysusers", required=True)
    parser.add_argument("--tmpfiles", required=True)
    parser.add_argument("--units", nargs="+", required=True)
    args = parser.parse_args()
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        print("not installed:", ", ".join(missing))
        return 77
    problems = list(check(args))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


sys.exit(main())
