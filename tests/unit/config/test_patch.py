# SPDX-License-Identifier: GPL-3.0-or-later
"""A lima.yaml changed in place: what is changed is, and all else stays to the byte."""

from __future__ import annotations

import random
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from callao.config import load
from callao.config.patch import patched

TEXT = """\
# My own file.
cpus: 2  # two are enough
memory: "4GiB"

# what is shared
mounts:
# the home
- location: "~"   # mine
  writable: false
- location: /tmp/x
  # inside
  writable: true

provision:
- mode: system
  script: |
    #!/bin/sh
    # a comment of the script
    echo hi

# the end
"""


def change(text: str, **fields: Any) -> str | None:
    """The text with top-level fields set; None takes one away."""
    document = {**load(text, "it"), **fields}
    return patched(text, {key: value for key, value in document.items() if value is not None})


@pytest.mark.parametrize(
    ("fields", "old", "new"),
    [
        ({"cpus": 3}, "cpus: 2  #", "cpus: 3  #"),
        ({"memory": "8GiB"}, 'memory: "4GiB"', "memory: 8GiB"),
        ({"memory": "a # b"}, 'memory: "4GiB"', "memory: 'a # b'"),
        ({"cpus": None}, "cpus: 2  # two are enough\n", ""),
        ({"arch": "x86_64"}, "\n# the end", "arch: x86_64\n\n# the end"),
        ({"ssh": {"localPort": 5}}, "\n# the end", "ssh:\n  localPort: 5\n\n# the end"),
        ({"cpus": "a\nb\n"}, "cpus: 2  # two are enough\n", "# two are enough\ncpus: |\n  a\n  b\n"),
    ],
)
def test_one_field_is_changed(fields: dict[str, Any], old: str, new: str) -> None:
    after = change(TEXT, **fields)
    if "arch" in fields or "ssh" in fields:  # behind the last entry, before what stands below it
        assert after == TEXT.replace("    echo hi\n\n# the end", "    echo hi\n" + new)
    else:
        assert after == TEXT.replace(old, new)


def test_an_entry_of_a_list_comes_and_goes() -> None:
    mounts: Any = load(TEXT, "it")["mounts"]
    first = "- location: /new\n  writable: true\n"
    more = change(TEXT, mounts=[{"location": "/new", "writable": True}, *mounts])
    assert more == TEXT.replace('- location: "~"', first + '- location: "~"')
    assert more is not None
    less = change(more, mounts=mounts)
    assert less == TEXT
    last = change(TEXT, mounts=[*mounts, {"location": "/new", "writable": True}])
    assert last == TEXT.replace("  writable: true\n", "  writable: true\n" + first)


def test_a_value_inside_of_an_entry_is_changed_alone() -> None:
    mounts: Any = load(TEXT, "it")["mounts"]
    after = change(TEXT, mounts=[mounts[0], {**mounts[1], "writable": False}])
    assert after == TEXT.replace("writable: true", "writable: false")


def test_a_list_becomes_empty() -> None:
    after = change("mounts:  # these\n- a: 1\n# beside\n- b: 2\ncpus: 1\n", mounts=[])
    assert after == "mounts: []  # these\ncpus: 1\n"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "{cpus: 1}", "cpus: 1", "cpus: 1 # no end"])
def test_the_smallest_texts(text: str) -> None:
    after = change(text, cpus=2)
    assert after is None or load(after, "it") == {"cpus": 2}
    assert after is not None or text == "{}"


@pytest.mark.parametrize(
    "text",
    [
        "ssh: &a {localPort: 1} # x\nvmOpts: *a\n",
        "ssh: {<<: {localPort: 1}, forwardAgent: true} # x\n",
        "ssh:\n  # kept\n  localPort: 1\nvmOpts: [1, 2]\n",
    ],
)
def test_what_would_cost_a_comment_or_another_value_is_not_done(text: str) -> None:
    after = change(text, ssh={"localPort": 2})
    if after is not None:
        assert load(after, "it")["ssh"] == {"localPort": 2}
        assert after.count("#") == text.count("#")


def test_lines_end_as_they_did() -> None:
    after = change("# mine\r\ncpus: 2\r\n", cpus=3, arch="x86_64")
    assert after == "# mine\r\ncpus: 3\r\narch: x86_64\r\n"


def test_what_is_no_document_is_left_alone() -> None:
    assert patched("cpus: [", {"cpus": 1}) is None


def mutated(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    values = [3, "5GiB", True, "a # b", "x: y", "- z", None, "", "two\nlines\n", [], {}]
    kinds: list[Any] = [
        {chance.choice(["cpus", "memory", "plain", "arch"]): chance.choice(values)},
        {"mounts": [{"location": "/x"}, *(document.get("mounts") or [])]},
        {"provision": [*(document.get("provision") or []), {"script": "#!/bin/sh\necho # hi\n"}]},
        {"ssh": {**(document.get("ssh") or {}), "localPort": 5}},
    ]
    after = {**document, **chance.choice(kinds), **chance.choice(kinds)}
    after.pop(chance.choice(list(after)))
    return after


def test_built_in_templates_take_any_change() -> None:
    chance = random.Random(16)
    texts = [
        file.read_text(encoding="utf-8")
        for file in Path(str(resources.files("callao"))).parents[1].glob("templates/**/*.yaml")
    ]
    assert texts
    for text in texts:
        document = load(text, "it")
        wanted = mutated(document, chance)
        after = patched(text, wanted)
        assert after is not None
        assert load(after, "it") == wanted
