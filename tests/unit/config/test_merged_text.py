# SPDX-License-Identifier: GPL-3.0-or-later
"""A template with its bases as one text."""

from __future__ import annotations

from callao.config import load, merge, merge_texts
from callao.config.merge_lists import combine

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
    found = merge_texts(texts, document)
    assert load(found, "x") == document
    return found


def test_comments_of_the_template_and_of_what_only_its_base_says_stay() -> None:
    assert together(OWN, BASE) == (
        "# mine\n# how many\ncpus: 2 # two\nmounts:\n- location: /a  # ours\n- location: /b  # lost\n"
        "# what it boots\nimages:\n# Debian\n- location: /d.qcow2   # nice\n"
    )


MINE = """mounts:
# ours
- location: /a  # first
- location: /c
ssh:  # how
  localPort: 5
provision:
- script: |
    a # text
"""
THEIRS = """mounts: # not kept, as the list is there
# why
- location: /b  # two
  # inner
  writable: true # because
- location: /a
  # above
  writable: true # must
ssh:
  # agent
  forwardAgent: true # yes
provision:
# first
- mode: user # who
  script: |
    # text
    b
"""


def test_comments_of_what_is_merged_into_a_list_or_a_mapping_stay() -> None:
    layers = [load(text, "x") for text in (MINE, THEIRS)]
    document = combine(merge(layers))
    found = merge_texts((MINE, THEIRS), document)
    assert load(found, "x") == document
    assert (
        found
        == """mounts:
# ours
- location: /a  # first
  # above
  writable: true # must
- location: /c
# why
- location: /b  # two
  # inner
  writable: true # because
ssh:  # how
  localPort: 5
  # agent
  forwardAgent: true # yes
provision:
# first
- mode: user # who
  script: |
    # text
    b
- script: |
    a # text
"""
    )


def test_a_comment_of_one_of_two_entries_that_say_the_same_is_nobodys() -> None:
    twice = "portForwards:\n- guestPort: 1 # a\n- guestPort: 1 # b\n"
    assert "#" not in together("portForwards:\n- guestPort: 2\n", twice)


def test_an_alias_of_what_stands_elsewhere_is_written_out() -> None:
    base = "x-a: &a 1GiB\nportForwards:\n- guestPort: 1\n  hostIP: *a # no\n"
    assert "*a # no" not in together("portForwards:\n- guestPort: 2\n", base)


def test_a_base_that_cannot_be_taken_over_as_it_is_written_loses_its_comments_alone() -> None:
    assert together(OWN, "{images: [{location: /d}], disk: 9GiB}  # flow\n").startswith(
        "# mine\n# how many\n"
    )
    anchored = "memory: &m 1GiB  # m\ndisk: *m\n"
    assert "# how many" in together(OWN, anchored)


def test_where_no_comment_can_stay_there_is_a_text_without() -> None:
    assert "#" not in together("{cpus: 1}  # flow\n", BASE)
