# SPDX-License-Identifier: GPL-2.0-or-later
"""The cache of built things (kernels, initramfs, images) below ${XDG_CACHE_HOME:-~/.cache}/vmmd.

A thing is a directory NAME-KEY, KEY being a hash of everything that went into it.  It is built in a
directory of another name and renamed when complete, under a lock: whoever comes second waits and
uses the first one's work.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

KEEP_SECONDS = 7 * 24 * 3600  # an outdated thing nobody has used for so long is removed


def root():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(base) / "vmmd"
    path.mkdir(parents=True, exist_ok=True)
    return path


def key(*parts):
    """A hash of strings and of the contents of files (given as Path)."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else str(part).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def locked(name):
    directory = root() / "locks"
    directory.mkdir(exist_ok=True)
    with open(directory / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def path_of(name, thing_key):
    return root() / "images" / f"{name}-{thing_key}"


def get(name, thing_key, build):
    """The directory of a thing; build(directory) is called if it is not there yet."""
    path = path_of(name, thing_key)
    if not path.is_dir():
        with locked(name):
            if not path.is_dir():
                _build(name, path, build)
    os.utime(path)
    return path


def _build(name, path, build):
    path.parent.mkdir(exist_ok=True)
    partial = path.parent / f"{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    say(f"building {name} (kept in {path})")
    begin = time.monotonic()
    try:
        build(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    partial.rename(path)
    say(f"{name} built in {time.monotonic() - begin:.0f} s")
    key_length = len(path.name) - len(name) - 1
    for old in path.parent.glob(name + "-" + "[0-9a-f]" * key_length):
        if time.time() - old.stat().st_mtime > KEEP_SECONDS:
            shutil.rmtree(old, ignore_errors=True)


def say(text):
    print(f"{os.path.basename(sys.argv[0])}: {text}", file=sys.stderr, flush=True)


class Failure(Exception):
    """Something an operator can act on; the message is the whole report."""


def run(argv, log=None, **kwargs):
    """Run a program whose output matters only when it fails (then its tail is in the Failure)."""
    try:
        result = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kwargs)
    except FileNotFoundError as error:
        raise Failure(f"{error.filename}: not installed (tools/setup installs what is needed)")
    text = result.stdout.decode(errors="replace")
    if log:
        Path(log).write_text(text)
    if result.returncode:
        tail = "\n".join(text.splitlines()[-20:])
        raise Failure(f"{argv[0]} failed with status {result.returncode}:\n{tail}")
    return text
