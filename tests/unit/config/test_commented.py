# SPDX-License-Identifier: GPL-3.0-or-later
"""A template with its bases as one text."""

from __future__ import annotations

from callao.config import load, merge, written

OWN = "# mine\nbase: b.yaml  # the base\n# how many\ncpus: 2 # two\nmounts:\n- location: /a  # ours\n"
BASE = """# the base

# what it boots
images:
# Debian
- location: /d.qcow2   # nice
cpus: 9
mounts:
- location: /b  # lost
# last
---
disk: 1GiB
"""


def together(*texts: str) -> str:
    layers = [{key: value for key, value in load(text, "x").items() if key != "base"} for text in texts]
    document = merge(layers)
    found = written(texts, document)
    assert load(found, "x") == document
    return found


def test_comments_of_the_template_and_of_what_only_its_base_says_stay() -> None:
    assert together(OWN, BASE) == (
        "# mine\n# how many\ncpus: 2 # two\nmounts:\n- location: /a  # ours\n- location: /b\n"
        "# what it boots\nimages:\n# Debian\n- location: /d.qcow2   # nice\n"
    )


def test_a_base_that_cannot_be_taken_over_as_it_is_written_loses_its_comments_alone() -> None:
    assert together(OWN, "{images: [{location: /d}], disk: 9GiB}  # flow\n").startswith(
        "# mine\n# how many\n"
    )
    anchored = "memory: &m 1GiB  # m\ndisk: *m\n"
    assert "# how many" in together(OWN, anchored)


def test_where_no_comment_can_stay_there_is_a_text_without() -> None:
    assert "#" not in together("{cpus: 1}  # flow\n", BASE)
