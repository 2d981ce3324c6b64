#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the INF of one architecture from its template: names filled in, CRLF line ends."""

import argparse
import re
import sys

DECORATIONS = {"x64": "NTamd64", "x86": "NTx86"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--arch", choices=DECORATIONS, required=True)
    parser.add_argument("--version", required=True, help="major.minor.patch")
    parser.add_argument("--date", required=True, help="mm/dd/yyyy")
    parser.add_argument("template")
    parser.add_argument("output")
    args = parser.parse_args()

    names = {"VERSION": args.version, "DATE": args.date, "DECORATION": DECORATIONS[args.arch]}
    with open(args.template, encoding="ascii") as f:
        text = f.read()
    unknown = set(re.findall(r"@(\w+)@", text)) - names.keys()
    if unknown:
        sys.exit(f"{args.template}: nothing to put in for {', '.join(sorted(unknown))}")
    text = re.sub(r"@(\w+)@", lambda match: names[match.group(1)], text)
    with open(args.output, "w", encoding="ascii", newline="\r\n") as f:
        f.write(text)


main()
