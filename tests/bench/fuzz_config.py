# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred thousand documents that are not quite lima.yaml: each is taken, or refused by our own error.

    python tests/bench/fuzz_config.py [INPUTS [SEED]]

Half are texts: the built-in templates with pieces cut, doubled, swapped and replaced. Half are values
put somewhere into a sound document. Ends with 1 when anything but a CallaoError came out.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import say, show

from callao.config import check_schema, dump, effective, load, merge, to_document
from callao.errors import CallaoError
from callao.host import Host, HostUser
from callao.templates import builtin_names, resolve

HOST = Host("linux", "x86_64", 8, 16 * 2**30, HostUser("ann", 1001, "Ann", "/home/ann"), "Europe/Lisbon")
DIR = Path("/home/ann/.lima/web")

SEED_DOCUMENT: dict[str, Any] = {
    "images": [{"location": "/img", "arch": "x86_64", "kernel": {"location": "/k"}}],
    "mounts": [{"location": "~", "writable": True}],
    "portForwards": [{"guestPort": 80}, {"guestSocket": "/a", "hostSocket": "b"}],
    "provision": [{"script": "echo $PARAM_a"}, {"mode": "data", "path": "/x", "content": "y"}],
    "probes": [{"script": "#!/bin/sh\ntrue\n"}],
    "networks": [{"socket": "/s"}],
    "additionalDisks": ["data"],
    "copyToHost": [{"guest": "/g", "host": "/h"}],
    "hostResolver": {"hosts": {"a": "b"}},
    "firmware": {"images": [{"location": "/f"}]},
    "env": {"A": "b"},
    "param": {"a": "c"},
}

TOKENS = [
    "&a ", "*a", "<<: *a", "!!float ", "!!binary ", "!!set ", "!!timestamp ", "? ", ": ", "- ", "{", "}",
    "[", "]", "|\n", ">-\n", "'", '"', "\\", "#", "%", "@", "\t", "\n", "\r", "\x00", "\x85", "\ufeff",
    "---\n", "...\n", "null", "~", "true", "yes", ".inf", ".nan", "0x1F", "1e999", "2026-13-99", "=",
    "\U0001f600", "9" * 5000, "[" * 400, "{a: " * 300, "[" * 80 + "]" * 80, "\ud800", "4GiB",
    "{{.Param.x}}", "{{.Name}}",
]  # fmt: skip

VALUES: list[Callable[[random.Random], Any]] = [
    lambda r: None,
    lambda r: r.choice([True, False, 0, -1, 1, 22, 65536, 2**31, 2**63, 2**64, 10**400, -(10**400)]),
    lambda r: r.choice([0.0, -0.5, 1.5, 1e308, float("inf"), float("nan")]),
    lambda r: r.choice(
        ["", "x", "/", "~", "4GiB", "9" * 400 + "P", "a\x00b", "\ud800", "é" * 90, "-", "{{"]
    ),
    lambda r: r.choice(
        ["qemu", "default", "data", "yq", "{{.Param.nope}}", "{{.Home}}", "#!", "*", "1.2.3"]
    ),
    lambda r: "".join(chr(r.randrange(0x20, 0x3000)) for _ in range(r.randrange(12))),
    lambda r: [value(r) for _ in range(r.randrange(3))],
    lambda r: {r.choice(KEYS): value(r) for _ in range(r.randrange(3))},
    lambda r: {r.choice([1, None, True, 1.5, ("a",), ""]): value(r)},
    lambda r: r.choice([b"bytes", {1, 2}, ("a", "b"), range(3), object]),
]

KEYS = sorted(
    {
        "location", "mode", "script", "file", "url", "digest", "guestPort", "guestPortRange", "hostPort",
        "hostSocket", "guestSocket", "interface", "name", "uid", "home", "9p", "msize", "cache", "enabled",
        "hosts", "qemu", "vz", "rosetta", "x86_64", "path", "content", "owner", *SEED_DOCUMENT,
    }
)  # fmt: skip


def value(r: random.Random) -> Any:
    return r.choice(VALUES)(r)


def mutated(text: str, r: random.Random) -> str:
    for _ in range(r.choice((1, 1, 2, 4, 8))):
        at = r.randrange(len(text) + 1)
        end = min(len(text), at + r.choice((0, 1, 3, 20, 200)))
        piece = r.choice(
            (r.choice(TOKENS), chr(r.randrange(0x250)), text[at:end] * 2, text[: r.randrange(40)])
        )
        text = text[:at] + piece + text[end:]
    return text[:20000]


def grafted(node: Any, new: Any, r: random.Random) -> Any:
    if isinstance(node, dict) and node and r.random() < 0.85:
        key = r.choice(list(node)) if r.random() < 0.9 else r.choice(KEYS)
        return {**node, key: grafted(node.get(key), new, r)}
    if isinstance(node, list) and node and r.random() < 0.85:
        at = r.randrange(len(node))
        return [*node[:at], grafted(node[at], new, r), *node[at + 1 :]]
    return new


def outcome(work: Callable[[], object]) -> str:
    """``taken``, ``refused``, or the trace of what should not have come."""
    try:
        work()
    except CallaoError as error:
        return "refused" if str(error) else "refused without a word"
    except Exception:  # whatever it is, it is what is looked for
        return traceback.format_exc(limit=-3)
    return "taken"


def main(inputs: int, seed: int) -> int:
    r = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="callao-bench-") as folder:
        texts = [dump(resolve(name, Path(folder)).document) for name in builtin_names()[:40:3]]
    texts = [text[:3000] for text in texts] + [
        "mounts:\n- &a {location: ~}\n- *a\nssh:\n  <<: {localPort: 1}\n"
    ]
    sound = to_document(effective(SEED_DOCUMENT, HOST, name="web", instance_dir=DIR))

    def read(text: str) -> None:
        use(load(text, "x.yaml"), text)

    def use(document: dict[str, Any], text: str) -> None:
        merge([document, SEED_DOCUMENT, document])
        try:
            check_schema(document, source="x.yaml", text=text)
        finally:
            effective(document, HOST, name="web", instance_dir=DIR, source="x.yaml", text=text)

    found: Counter[str] = Counter()
    first: dict[str, str] = {}
    slowest = 0.0
    began = time.perf_counter()
    for number in range(inputs):
        if number % 2:
            text = mutated(r.choice(texts), r)
            shown, work = text, lambda text=text: read(text)
        else:
            document = grafted(r.choice((sound, SEED_DOCUMENT)), value(r), r)
            if not isinstance(document, dict):
                document = {"env": document}
            shown, work = repr(document), lambda document=document: use(document, "")
        start = time.perf_counter()
        result = outcome(work)
        slowest = max(slowest, time.perf_counter() - start)
        found[result] += 1
        first.setdefault(result, shown)
    took = time.perf_counter() - began
    wrong = sorted(set(found) - {"taken", "refused"})
    for result in wrong:
        say(f"{found[result]} times:\n{result}\nfirst for: {first[result][:500]!r}\n")
    say(f"taken {found['taken']}, refused {found['refused']}; the slowest took {1000 * slowest:.0f} ms")
    failures = sum(found[result] for result in wrong)
    show(f"fuzz: {inputs} documents in {took:.0f} s, seed {seed}", f"{failures} crashes", "0", failures == 0)
    return 1 if failures else 0


if __name__ == "__main__":
    arguments = [int(each) for each in sys.argv[1:]]
    sys.exit(main(*[*arguments, *(100_000, 1)[len(arguments) :]]))
