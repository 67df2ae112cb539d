# SPDX-License-Identifier: GPL-3.0-or-later
"""How many verdicts of a corpus our grammars of vfkit and krunkit share.

usage: python tests/conformance/check.py [-v] FILE.jsonl …

A line of a file is one case: ``id`` (vf-… or kr-…), ``argv``, ``files``, ``verdict``, and ``parsed`` or
``exit``; ``before`` has the verdicts of older versions. ``-v`` prints each difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import krunkit
import vfkit
from files import Tree
from verdict import Verdict


@dataclass(frozen=True)
class Tally:
    cases: int
    shared: int
    differences: tuple[str, ...]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description="How many verdicts our grammars share.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl")
    parser.add_argument("-v", action="store_true", dest="verbose", help="print each difference")
    options = parser.parse_args(argv)
    agreed = True
    for path in options.files:
        tally = check(path)
        for difference in tally.differences if options.verbose else ():
            sys.stdout.write(f"{difference}\n")
        sys.stdout.write(f"{path.name}: {tally.shared} of {tally.cases} verdicts shared\n")
        agreed = agreed and tally.shared == tally.cases
    return 0 if agreed else 1


def check(path: Path) -> Tally:
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    found = [list(differences(case, path.name)) for case in cases]
    return Tally(len(cases), sum(not each for each in found), tuple(line for each in found for line in each))


def differences(case: Mapping[str, Any], file_name: str) -> Iterator[str]:
    ours = judge(case, file_name)
    yield from compare(case, ours)
    for version, expected in case.get("before", {}).items():
        older = krunkit.verdict(case["argv"], Tree(case.get("files", {})), numbers(version))
        if expected != word(older):
            yield f"{case['id']}: krunkit {version} has {expected}, ours {word(older)} {older.why}"


def judge(case: Mapping[str, Any], file_name: str) -> Verdict:
    files = Tree(case.get("files", {}))
    if case["id"].startswith("kr-") or file_name.startswith("krunkit"):
        return krunkit.verdict(case["argv"], files)
    return vfkit.verdict(case["argv"], files)


def compare(case: Mapping[str, Any], ours: Verdict) -> Iterator[str]:
    if case["verdict"] != word(ours):
        yield f"{case['id']}: it has {case['verdict']} {case.get('why', '')}, ours {word(ours)} {ours.why}"
    elif ours.accepted and "parsed" in case and case["parsed"] != ours.parsed:
        yield f"{case['id']}: it holds {json.dumps(case['parsed'])}, ours {json.dumps(ours.parsed)}"
    elif not ours.accepted and case.get("exit", ours.exit) != ours.exit:
        yield f"{case['id']}: it ends with {case['exit']}, ours with {ours.exit} {ours.why}"


def numbers(version: str) -> tuple[int, int, int]:
    major, minor, patch = version.split(".")
    return int(major), int(minor), int(patch)


def word(verdict: Verdict) -> str:
    return "accepted" if verdict.accepted else "refused"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
