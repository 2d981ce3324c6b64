# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured: samples by VMM, a target, and how both are shown."""

import re
import statistics


class Figure:
    """One quantity of all VMMs.

    target is "<=4ms" (of ours, in unit) or "<=1x" (of the ratio of ours to the peer's); peer is the
    name of the VMM to compare with.  Medians are rounded to resolution, so that a count which is
    zero but for the noise is zero.
    """

    def __init__(self, name, unit, target, peer, resolution=None):
        self.name, self.unit, self.target, self.peer = name, unit, target, peer
        self.comparison, limit, suffix = re.fullmatch(r"(<=|>=)([0-9.]+)(.*)", target).groups()
        self.limit = float(limit)
        self.relative = suffix == "x"
        self.resolution = resolution
        self.samples = {}

    def add(self, vmm_name, value):
        self.samples.setdefault(vmm_name, []).append(value)

    def median(self, vmm_name):
        """None if that VMM was not measured."""
        samples = self.samples.get(vmm_name)
        if not samples:
            return None
        value = statistics.median(samples)
        return round(value / self.resolution) * self.resolution if self.resolution else value

    def ratio(self, ours):
        """None without a peer, or with one of zero."""
        mine, theirs = self.median(ours), self.median(self.peer)
        return mine / theirs if mine is not None and theirs else None

    def met(self, ours):
        """Is the target met?  With no peer to compare with, a relative one is not."""
        value, limit = self.median(ours), self.limit
        if self.relative:
            theirs = self.median(self.peer)
            if theirs is None:
                return False
            limit *= theirs
        return value <= limit if self.comparison == "<=" else value >= limit

    def to_json(self, ours):
        values = {name: {"min": min(s), "median": statistics.median(s), "max": max(s), "runs": s}
                  for name, s in self.samples.items()}
        result = {"name": self.name, "unit": self.unit, "target": self.target, "peer": self.peer,
                  "values": values}
        if ours in self.samples:
            result.update(ratio=self.ratio(ours), met=self.met(ours))
        return result


def show(value):
    """Four significant digits, counts whole."""
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e7:
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def print_table(figures):
    print(f"{'figure':34}{'VMM':14}{'min':>10}{'median':>10}{'max':>10}{'runs':>6}")
    for figure in figures:
        label = f"{figure.name} ({figure.unit})" if figure.unit else figure.name
        for name, s in figure.samples.items():
            numbers = (min(s), statistics.median(s), max(s))
            print(f"{label:34}{name:14}" + "".join(f"{show(n):>10}" for n in numbers) + f"{len(s):6}")
            label = ""
    print()


def print_results(figures, ours):
    """RESULT lines, where ours was measured."""
    for figure in figures:
        if ours not in figure.samples:
            continue
        theirs = figure.median(figure.peer)
        print(f"RESULT {figure.name} ours={show(figure.median(ours))}{figure.unit}",
              f"peer={show(theirs)}{figure.unit if theirs is not None else ''}",
              f"ratio={show(figure.ratio(ours))} target={figure.target}",
              "ok" if figure.met(ours) else "short")
