# SPDX-License-Identifier: GPL-2.0-or-later
"""What the house tests share: the tree as text, and proof that a check can fail.

A check is a function from {path: text}, paths from the source root, to a list of sentences.  Each
test brings small trees: a good one where the check must be silent, and bad ones where it must not.
The self-test runs before the check of the real tree, every time.
"""

import os
import re
import subprocess
import sys

C_SUFFIXES = (".c", ".h")


def is_c(path):
    return path.endswith(C_SUFFIXES)


def is_python(path, text):
    return path.endswith(".py") or text.startswith("#!/usr/bin/env python3")


def root():
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def paths():
    """Paths of the tree: what git tracks; in an unpacked release, where no git is, every file."""
    run = subprocess.run(["git", "-C", root(), "ls-files", "-z"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False)
    if run.returncode == 0:
        found = run.stdout.decode().split("\0")
    else:
        found = [os.path.relpath(os.path.join(folder, name), root())
                 for folder, _, names in os.walk(root()) for name in names]
        found = [path for path in found if not path.startswith(("build", "."))]
    # A file deleted but not committed is still listed.
    return sorted(path for path in found if os.path.isfile(os.path.join(root(), path)))


def tree():
    """{path: text} of the tree's text files."""
    texts = {}
    for path in paths():
        with open(os.path.join(root(), path), "rb") as f:
            raw = f.read()
        if b"\0" not in raw:
            texts[path] = raw.decode("utf-8", errors="replace")
    return texts


def without_strings_and_comments(text):
    """C text with strings and comments blanked, line numbers kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.DOTALL)


def c_comments(text):
    """(line number, comment) of C text."""
    pattern = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|(/\*.*?\*/|//[^\n]*)'
    for match in re.finditer(pattern, text, flags=re.DOTALL):
        if match.group(1):
            yield text.count("\n", 0, match.start()) + 1, match.group(1)


def self_test(check, good, bad):
    wrong = [f"self-test: the good tree is refused: {p}" for p in check(good)]
    for name, files in bad.items():
        if not check({**good, **files}):
            wrong.append(f"self-test: not noticed: {name}")
    return wrong


def main(check, good, bad, notes=lambda files: ()):
    """Self-test, then the tree; prints notes and what is wrong, and exits 0 or 1."""
    problems = self_test(check, good, bad)
    if not problems:
        files = tree()
        problems = check(files)
        if not files:
            problems = ["found no files to check"]
        for note in notes(files):
            print("note:", note)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
