# SPDX-License-Identifier: GPL-2.0-or-later
"""Running a VMM with the bench guest, and reading what the guest reports."""

import dataclasses
import os
import signal
import subprocess

import host

TIME_LIMIT = 120
EXIT_DONE = 1  # isa-debug-exit: 2 * 0 + 1


@dataclasses.dataclass
class Run:
    """What bench-launch (launch.c) says, as numbers, and the guest's lines of key=value."""
    values: dict
    report: dict


def parse_values(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def guest_report(vmm, run_values, output, errors):
    """The guest's report; whatever else came out is a failure."""
    lines = output.splitlines()
    if lines[:1] != ["X"] or lines[-1] != "done" or int(run_values["status"]) != EXIT_DONE:
        raise host.Failure(f"{vmm.name} ended with status {run_values['status']}:\n"
                           f"{output.strip()}\n{errors.strip()}")
    return parse_values(output)


def communicate(command):
    """Standard output and error of a command, which is killed with all it started after TIME_LIMIT."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        raise host.Failure(f"{' '.join(command)}: not done in {TIME_LIMIT} s\n{output}{errors}") \
            from None
    if process.returncode:
        raise host.Failure(f"{' '.join(command)}:\n{output}{errors}")
    return output, errors


def run(tools, vmm, guest, folder, count=False, environment=None):
    """Run the guest to its end, with system calls counted or not; environment is for the VMM alone."""
    command = [tools.launch, *(["--count"] if count else [])]
    if environment:
        command += ["env", *(f"{key}={value}" for key, value in environment.items())]
    output, errors = communicate(command + vmm.command(guest, folder))
    head, _, text = output.partition("\n\n")
    values = parse_values(head)
    report = guest_report(vmm, values, text, errors)
    return Run(values={key: float(value) for key, value in values.items()}, report=report)


def count_to_mark(tools, vmm, guest, folder):
    """System calls that the VMM makes until the guest's first port write."""
    output, errors = communicate([tools.launch, "--count-to-mark", *vmm.command(guest, folder)])
    values = parse_values(output)
    if int(values["status"]):
        raise host.Failure(f"{vmm.name} ended with status {values['status']}:\n{errors}")
    return int(values["syscalls"])
