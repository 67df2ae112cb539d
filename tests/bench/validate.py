# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading, validating and filling the largest built-in template, beside a bare ``yaml.load`` of it.

    python tests/bench/validate.py [ROUNDS]

Largest by its text when its bases are taken in, as an instance's lima.yaml has it. Beside it: what
naming the lines of its problems costs, which only a wrong file pays.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import yaml
from bench.figures import say, seconds, show

from callao.config import dump, effective, load, locate_problems
from callao.errors import CallaoError, Problem
from callao.host import Host
from callao.templates import builtin_names, resolve

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def largest(host: Host, home: Path) -> tuple[str, str]:
    """Name and text; templates of other hosts' drivers count as well."""
    texts: dict[str, str] = {}
    for name in builtin_names():
        try:
            text = dump(resolve(name, home).document)
            effective(load(text, name), host, name="web", instance_dir=home / "web")
        except CallaoError as error:
            say(f"{name}: left out: {str(error)[:100]}")
            continue
        texts[name] = text
    name = max(texts, key=lambda each: len(texts[each].encode()))
    return name, texts[name]


def milliseconds(times: list[float]) -> float:
    return 1000 * statistics.median(times)


def main(rounds: int) -> None:
    host = Host.detect()
    with tempfile.TemporaryDirectory(prefix="callao-bench-") as folder:
        home = Path(folder)
        name, text = largest(host, home)

        def whole() -> None:
            effective(load(text, name), host, name="web", instance_dir=home / "web", text=text)

        def bare() -> None:
            yaml.load(text, Loader=LOADER)

        def lines() -> None:
            locate_problems([Problem("images[0].location", "", "is wrong")], text)

        taken: dict[str, list[float]] = {"whole": [], "bare": [], "lines": []}
        for _ in range(rounds):
            for key, work in (("whole", whole), ("bare", bare), ("lines", lines)):
                taken[key].append(seconds(work))
    ours, theirs, found = (milliseconds(taken[key]) for key in ("whole", "bare", "lines"))
    size, ratio = len(text.encode()), ours / theirs
    show(
        f"validate: {name}, {size} bytes, {ratio:.1f}x a bare load", f"{ours:.1f} ms", "<= 30 ms", ours <= 30
    )
    say(f"a bare yaml.load takes {theirs:.1f} ms; finding the lines of problems, {found:.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 101)
