# SPDX-License-Identifier: BSD-2-Clause
"""What must hold for an INF: the rules of the INF reference that Setup checks only on Windows.

Source: Microsoft's "INF file sections and directives".  Each check yields what is wrong.
"""

import re

CLASSES = {
    "System": "{4D36E97D-E325-11CE-BFC1-08002BE10318}",
    "SCSIAdapter": "{4D36E97B-E325-11CE-BFC1-08002BE10318}",
    "Net": "{4D36E972-E325-11CE-BFC1-08002BE10318}",
}
DECORATIONS = {"x64": "NTamd64", "x86": "NTx86"}
VERSIONS = ("6.1", "10.0")
SERVICE_VALUES = {"ServiceType": {"1"}, "StartType": {"0", "3"}, "ErrorControl": {"0", "1"}}
BINARY = "%12%\\"


class Inf:
    """Sections as lists of (key, value); a line without "=" has value None."""

    def __init__(self, raw):
        self.problems = []
        self.sections = {}
        self.used = {"Version", "SourceDisksNames", "SourceDisksFiles", "DestinationDirs",
                     "Manufacturer", "Strings"}
        if not raw.endswith(b"\r\n") or raw.count(b"\n") != raw.count(b"\r\n"):
            self.problems.append("a line does not end with CR LF")
        text = raw.decode("ascii", errors="replace")
        if "\ufffd" in text:
            self.problems.append("is not ASCII")
        self.text = "\n".join(self.strip(line) for line in text.splitlines())
        self.parse()

    @staticmethod
    def strip(line):
        """Without the comment; a semicolon within quotes is none."""
        return re.match(r'(?:[^";]|"[^"]*")*', line).group(0).strip()

    def parse(self):
        lines = None
        for line in self.text.splitlines():
            if line.startswith("["):
                name = line.strip("[]")
                if name in self.sections:
                    self.problems.append(f"section {name} is there twice")
                lines = self.sections.setdefault(name, [])
            elif line and lines is None:
                self.problems.append("a line precedes every section")
            elif line:
                key, equals, value = line.partition("=")
                lines.append((key.strip(), value.strip() if equals else None))

    def section(self, name):
        """Its lines; a missing section is a problem and empty."""
        self.used.add(name)
        if name not in self.sections:
            self.problems.append(f"section {name} is missing")
        return self.sections.get(name, [])

    def value(self, section, key):
        found = [v for k, v in self.section(section) if k == key]
        if len(found) != 1:
            self.problems.append(f"{section} has {len(found)} entries {key}")
        return found[0] if found else ""


def check_version(inf, version):
    if inf.value("Version", "Signature") != '"$Windows NT$"':
        yield "Signature is not that of Windows NT"
    name = inf.value("Version", "Class")
    if CLASSES.get(name) != inf.value("Version", "ClassGuid").upper():
        yield f"Class {name} and ClassGuid do not belong together"
    if not re.fullmatch(r"%\w+%", inf.value("Version", "Provider")):
        yield "Provider is no string token"
    if not re.fullmatch(r"\w{1,8}\.cat", inf.value("Version", "CatalogFile")):
        yield "CatalogFile is no 8.3 name of a catalogue"
    if inf.value("Version", "PnpLockdown") != "1":
        yield "PnpLockdown is not 1"
    stated = inf.value("Version", "DriverVer")
    match = re.fullmatch(r"(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])/20\d\d,(\d+\.\d+\.\d+\.\d+)", stated)
    if not match:
        yield f"DriverVer {stated} is no mm/dd/yyyy,a.b.c.d"
    elif match.group(3) != ".".join(str(n) for n in version):
        yield f"DriverVer says {match.group(3)}, the binary's version resource {version}"


def check_files(inf, copied, binary):
    disks = [key for key, _ in inf.section("SourceDisksNames")]
    sources = dict(inf.section("SourceDisksFiles"))
    if inf.value("DestinationDirs", "DefaultDestDir") != "12":
        yield "DefaultDestDir is not the drivers directory"
    if set(sources) != copied or copied != {binary}:
        yield f"copies {sorted(copied)}, has sources for {sorted(sources)}, ships {binary}"
    for name, disk in sources.items():
        if disk not in disks:
            yield f"{name} is on disk {disk}, which SourceDisksNames lacks"


def check_service(inf, install, copied):
    words = [w.strip() for w in (inf.value(install + ".Services", "AddService")).split(",")]
    if len(words) != 3 or words[1] != "2":
        yield "AddService does not make the service the device's function driver"
        return
    for key, allowed in SERVICE_VALUES.items():
        if inf.value(words[2], key) not in allowed:
            yield f"{key} is not one of {sorted(allowed)}"
    path = inf.value(words[2], "ServiceBinary")
    if not path.startswith(BINARY) or path[len(BINARY):] not in copied:
        yield f"ServiceBinary {path} is no file that is copied"


def check_install(inf, install, binary):
    copied = {key for key, _ in inf.section(inf.value(install, "CopyFiles"))}
    yield from check_files(inf, copied, binary)
    yield from check_service(inf, install, copied)


def check_models(inf, arch, binary):
    """[Manufacturer] with exactly this architecture's decorations, and what hangs on it."""
    installs = set()
    wanted = [f"{DECORATIONS[arch]}.{version}" for version in VERSIONS]
    for _, value in inf.section("Manufacturer"):
        base, *decorations = [w.strip() for w in (value or "").split(",")]
        if decorations != wanted:
            yield f"decorations are {decorations}, not {wanted}"
        for decoration in decorations:
            for _, model in inf.section(f"{base}.{decoration}"):
                install, *ids = [w.strip() for w in (model or "").split(",")]
                installs.add(install)
                if not ids or not all(re.fullmatch(r"(ACPI|PCI)\\[\w&]+", i) for i in ids):
                    yield f"model {model} has no sound hardware id"
    if not installs:
        yield "installs nothing"
    for install in sorted(installs):
        yield from check_install(inf, install, binary)


def check_strings(inf):
    strings = {key for key, _ in inf.section("Strings")}
    tokens = set(re.findall(r"%([A-Za-z]\w*)%", inf.text))
    for token in sorted(tokens - strings):
        yield f"string {token} is not defined"
    for token in sorted(strings - tokens):
        yield f"string {token} is not used"


def check(raw, arch, binary, version):
    """Everything wrong with the INF of the bytes raw, for a binary of that name and version."""
    inf = Inf(raw)
    found = [*check_version(inf, version), *check_models(inf, arch, binary), *check_strings(inf)]
    unused = [f"nothing refers to section {name}" for name in inf.sections.keys() - inf.used]
    return inf.problems + found + sorted(unused)
