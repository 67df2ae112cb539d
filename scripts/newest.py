# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the unit tests in an environment of newest releases, and names the releases that break them.

usage: newest.py REQUIREMENTS [TESTS ...]

When tests fail, each package that is newer than in the lock is put back alone to its locked version, and the
failed tests run again: a package with which they pass is what broke them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def locked(path: Path) -> dict[str, str]:
    """The lock's version of each package on this Python."""
    versions = {}
    for line in path.read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate():
                (specifier,) = requirement.specifier
                versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


def newer(lock: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Name and installed version of what is not as locked."""
    for name, version in sorted({(canonicalize_name(each.name), each.version) for each in distributions()}):
        if lock.get(name, version) != version:
            yield name, version


def failures(scratch: Path, *arguments: str) -> list[str]:
    """Runs pytest; returns the tests that failed, or the files that could not be collected."""
    argv = [sys.executable, "-m", "pytest", "-n", "2", "-q", "-o", f"cache_dir={scratch}", *arguments]
    code = subprocess.run(argv, check=False).returncode
    report = scratch / "v" / "cache" / "lastfailed"
    if code == pytest.ExitCode.TESTS_FAILED and report.exists():
        return list(json.loads(report.read_text()))
    return [] if code == pytest.ExitCode.OK else ["tests/unit"]


def say(text: str) -> None:
    sys.stdout.write(f"newest: {text}\n")
    sys.stdout.flush()


def put(name: str, version: str) -> None:
    argv = ["uv", "pip", "install", "-q", "--python", sys.executable, "--no-deps", f"{name}=={version}"]
    subprocess.run(argv, check=True)


def main() -> int:
    lock = locked(Path(sys.argv[1]))
    changed = list(newer(lock))
    for name, version in changed:
        say(f"{name} {version}, locked at {lock[name]}")
    with tempfile.TemporaryDirectory() as scratch:
        failed = failures(Path(scratch, "all"), *(sys.argv[2:] or ["tests/unit"]))
        if not failed:
            return 0
        broke = []
        for name, version in changed:
            put(name, lock[name])
            if not failures(Path(scratch, name), *failed):
                broke.append(f"{name} {version} ({lock[name]} works)")
            put(name, version)
    say(f"{len(failed)} failed; broken by {', '.join(broke) or 'no single package: see above'}")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
