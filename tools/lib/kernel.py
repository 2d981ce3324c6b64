# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's stock kernel, taken from its package without installing it, and initramfs made for it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import cache

# The cloud flavour has neither 9p nor emulated hardware's drivers: this one has everything.
META_PACKAGE = "linux-image-amd64"
BUSYBOX = Path("/bin/busybox")


KEY = cache.key(META_PACKAGE, "layout 1")


def path():
    return cache.path_of("kernel", KEY)


def get():
    """Directory with boot/, lib/modules/RELEASE, and the links vmlinuz and modules."""
    return cache.get("kernel", KEY, _unpack)


def release(kernel):
    return os.readlink(kernel / "modules").rsplit("/", 1)[1]


def _package():
    text = cache.run(["apt-cache", "depends", META_PACKAGE])
    match = re.search(r"Depends: (linux-image-\S+)", text)
    return match.group(1) if match else None


def _unpack(directory):
    if not _package() and os.geteuid() == 0:
        cache.run(["apt-get", "-qq", "update"])
    package = _package()
    if not package:
        raise cache.Failure(f"apt knows no package {META_PACKAGE}: run apt-get update")
    cache.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package],
              cwd=directory)
    deb, = directory.glob("*.deb")
    cache.run(["dpkg", "-x", deb, directory])
    deb.unlink()
    shutil.rmtree(directory / "usr")
    vmlinuz, = (directory / "boot").glob("vmlinuz-*")
    name = vmlinuz.name.removeprefix("vmlinuz-")
    (directory / "vmlinuz").symlink_to(f"boot/{vmlinuz.name}")
    (directory / "modules").symlink_to(f"lib/modules/{name}")
    cache.run(["depmod", "-b", directory, name])


def _module_files(kernel, names):
    """The files of modules and of all they depend on, in loading order."""
    files = []
    for name in names:
        text = cache.run(["modprobe", "-d", kernel, "-S", release(kernel), "--show-depends", name])
        for line in text.splitlines():
            word = line.split()
            if word[0] == "insmod" and word[1] not in files:
                files.append(word[1])
    return [Path(f) for f in files]


def write_initramfs(kernel, output, modules, files):
    """An uncompressed initramfs: busybox and a link for each of its applets, modules and what they
    depend on (modprobe finds them; /lib/modules/load.order lists their files), and files (path
    inside → source Path or text; all executable)."""
    tree = output.parent / "initramfs.tree"
    for name in "bin sbin dev proc sys run mnt etc root tmp".split():
        (tree / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, tree / "bin/busybox")
    for applet in cache.run([BUSYBOX, "--list"]).split():
        if applet != "busybox":
            (tree / "bin" / applet).symlink_to("busybox")
    (tree / "sbin/modprobe").symlink_to("../bin/busybox")  # where the kernel calls it
    _copy_modules(kernel, tree, modules)
    for inside, source in files.items():
        target = tree / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, Path):
            shutil.copy(source, target)
        else:
            target.write_text(source)
        target.chmod(0o755)
    with open(output, "wb") as out:
        names = sorted(str(p.relative_to(tree)) for p in tree.rglob("*"))
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree, stdout=out,
                       input="\n".join(names).encode(), check=True)
    shutil.rmtree(tree)


def _copy_modules(kernel, tree, names):
    directory = tree / "lib/modules" / release(kernel)
    directory.mkdir(parents=True)
    order = _module_files(kernel, names)
    for module in order:
        shutil.copy(module, directory)
    (tree / "lib/modules/load.order").write_text(
        "".join(f"{release(kernel)}/{m.name}\n" for m in order))
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(kernel / "modules" / name, directory)
    cache.run(["depmod", "-b", tree, release(kernel)])
