# SPDX-License-Identifier: GPL-3.0-or-later
"""``callao report``: from a host agent's log, and from a run's timeline."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli.conftest import Line

from callao.events import Event, EventState, Stage
from callao.timeline import Entry, TimelineFile

SVG = "{http://www.w3.org/2000/svg}svg"


def line(stage: str, time: float, state: str = "done", **more: object) -> str:
    event = {"stage": stage, "state": state, "time": time, **more}
    return json.dumps({"time": "2026-01-01T00:00:00", "status": {}, "callao": event}) + "\n"


LOG = (
    line("driver", 1700000001.0, seconds=1.0)
    + line("sshd", 1700000011.0, "progress", message="<b>banner</b>")
    + '{"time": "", "status": {"running": true}}\ngarbage\n'
    + line("sshd", 1700000021.0, seconds=21.0)
    + line("ready", 1700000022.5, seconds=22.5)
)


@pytest.fixture
def boxes(callao: Line) -> Line:
    callao.run("web").ha_stdout.write_text(LOG)
    callao.write("off")
    return callao


def test_a_table_has_the_stages_of_the_last_start(boxes: Line) -> None:
    done = boxes("report", "web")
    assert done.status == 0
    heading, *rows = [each.split() for each in done.out.splitlines()]
    assert heading == ["INSTANCE", "STAGE", "BEGIN", "SECONDS"]
    assert [(row[0], row[1], row[4]) for row in rows[:3]] == [
        ("web", "driver", "1.0"),
        ("web", "sshd", "20.0"),
        ("web", "ready", "1.5"),
    ]
    assert rows[3][1] == "running"  # until now


def test_the_page_is_one_file_with_the_charts_of_all_instances(boxes: Line, tmp_path: Path) -> None:
    boxes.run("db").ha_stdout.write_text(LOG)
    assert boxes("report", "--html", "page.html").status == 0
    text = Path("page.html").read_bytes()
    root = ElementTree.fromstring(text.split(b"\n", 1)[1])
    assert len(list(root.iter(SVG))) == 5  # all of them together, and the start and run of each
    assert b"<b>" not in text
    assert b"&lt;b&gt;banner" in text


def test_a_run_s_folder_or_file_is_a_source_like_an_instance(boxes: Line, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    timeline = TimelineFile(folder / "timeline.jsonl")
    timeline.append(Entry(box="mol-a", event=Event(stage=Stage.SSHD, state=EventState.FAILED, time=5.0)))
    for source in (str(folder), str(timeline.path)):
        out = boxes("report", source).out
        assert "mol-a" in out
        assert "failed" in out
    assert "Wrote page.html" in boxes("report", str(folder), "web", "--html", "page.html").err


def test_what_has_nothing_recorded_is_told_and_what_is_not_there_is_an_error(boxes: Line) -> None:
    done = boxes("report", "off")
    assert (done.status, done.out) == (0, "")
    assert "Nothing was recorded" in done.err
    assert boxes("report", "nobody").status == 1
    Path("empty").mkdir()
    done = boxes("report", "empty")
    assert done.status == 1
    assert "timeline.jsonl cannot be read" in done.err
    assert boxes("report", "web", "--html", "missing/page.html").status == 1
