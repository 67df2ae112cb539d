# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.callao.lima.plugins.plugin_utils._progress_lines import ProgressFormatter, parse


def event(stage: str, state: str = "done", **more: Any) -> dict[str, Any]:
    return {"stage": stage, "state": state, **more}


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ([], ""),
        ([event("image", seconds=2.2)], "web: image ready 2 s"),
        ([event("driver", seconds=0.3)], "web: machine started"),
        (
            [event("sshd", seconds=27.0), event("cloud-init", seconds=33.4), event("ready", seconds=33.5)],
            "web: sshd 27 s · cloud-init done 33 s · ready 34 s",
        ),
        ([event("probes", "failed", seconds=9)], "web: probes failed 9 s"),
        ([event("image", "progress", fraction=0.05)], ""),
        ([event("image", "progress", fraction=0.52)], "web: image 52%"),
        ([event("image", "begun"), event("image", "notice", message="no digest")], ""),
    ],
)
def test_events_read_as_one_line(events: list[dict[str, Any]], line: str) -> None:
    assert ProgressFormatter("web").line(events) == line


def test_nothing_is_told_twice() -> None:
    story = ProgressFormatter("web")
    story.line([event("image", seconds=2)])
    assert story.line([event("image", seconds=2), event("sshd", seconds=9)]) == "web: sshd 9 s"


def test_a_download_is_told_every_tenth() -> None:
    story = ProgressFormatter("web")
    told = [story.line([event("image", "progress", fraction=percent / 100)]) for percent in range(101)]
    assert 9 <= len([line for line in told if line]) <= 10


def test_a_line_that_is_half_written_waits() -> None:
    whole = json.dumps(event("image"))
    assert parse(f"{whole}\n{whole[:-3]}") == [event("image")]


def test_what_a_login_shell_says_is_no_event() -> None:
    assert parse(f'Welcome!\n"hello"\n[]\n{{"a": 1}}\n{json.dumps(event("sshd"))}\n') == [event("sshd")]
