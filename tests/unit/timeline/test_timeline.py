# SPDX-License-Identifier: GPL-3.0-or-later
"""Spans from events, the file of events, and the page as two parsers and a browser's rules read it."""

from __future__ import annotations

import json
import multiprocessing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callao.errors import CallaoError
from callao.events import Event, EventState, Stage, silent
from callao.timeline import Entry, TimelineFile, box_timelines, render_page
from callao.timeline.chart import Bar, Row, gantt, ticks

XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"'&amp;]]><!--\x1b[31m\u202e"


def event(stage: Stage, time: float, state: EventState = EventState.DONE, **more: Any) -> Event:
    return Event(stage=stage, state=state, time=time, **more)


def entries(*events: Event, box: str = "web") -> list[Entry]:
    return [Entry(box=box, event=each) for each in events]


BOOT = (
    event(Stage.DRIVER, 1001.0, seconds=1.0),
    event(Stage.DRIVER, 1002.0, EventState.NOTICE, message="slow"),
    event(Stage.SSHD, 1011.0, seconds=11.0),
    event(Stage.PROVISION, 1014.0),
    event(Stage.READY, 1015.0, message="welcome"),
)


def spans(*events: Event, now: float = 0.0) -> list[tuple[str, float, float]]:
    (timeline,) = box_timelines(entries(*events), {"web": now})
    return [(each.stage, each.begin, each.end) for each in timeline.spans]


BOOTED = [
    ("driver", 1000.0, 1001.0),
    ("sshd", 1001.0, 1011.0),
    ("provision", 1011.0, 1014.0),
    ("ready", 1014.0, 1015.0),
]


def test_a_stage_begins_where_the_one_before_it_ended() -> None:
    assert spans(*BOOT) == BOOTED


def test_the_time_after_the_boot_is_running_until_the_stop_or_now() -> None:
    stop = event(Stage.STOP, 1100.0)
    assert spans(*BOOT, stop) == [*BOOTED, ("running", 1015.0, 1100.0), ("stop", 1100.0, 1100.0)]
    begun = event(Stage.STOP, 1090.0, EventState.BEGUN)
    assert spans(*BOOT, begun, stop)[-2:] == [("running", 1015.0, 1090.0), ("stop", 1090.0, 1100.0)]
    assert spans(*BOOT, now=1200.0) == [*BOOTED, ("running", 1015.0, 1200.0)]


def test_a_snapshot_interrupts_what_runs() -> None:
    taken = (event(Stage.SNAPSHOT, 1020.0, EventState.BEGUN), event(Stage.SNAPSHOT, 1024.0))
    assert spans(*BOOT, *taken, now=1030.0)[4:] == [
        ("running", 1015.0, 1020.0),
        ("snapshot", 1020.0, 1024.0),
        ("running", 1024.0, 1030.0),
    ]


def test_each_start_is_a_boot_of_its_own_and_a_failed_one_ends_at_its_failure() -> None:
    failed = event(Stage.SSHD, 2011.0, EventState.FAILED, message="no answer")
    (timeline,) = box_timelines(
        entries(*BOOT, event(Stage.STOP, 1100.0), event(Stage.DRIVER, 2001.0, seconds=1.0), failed)
    )
    first, second = timeline.boots
    assert [each.stage for each in first] == ["driver", "sshd", "provision", "ready"]
    assert [(each.stage, each.begin, each.failed) for each in second] == [
        ("driver", 2000.0, False),
        ("sshd", 2001.0, True),
    ]


@given(
    st.lists(
        st.builds(
            event,
            st.sampled_from(Stage),
            st.floats(allow_nan=True, allow_infinity=True),
            st.sampled_from(EventState),
            seconds=st.none() | st.floats(allow_nan=False),
        ),
        max_size=12,
    )
)
def test_no_events_however_damaged_make_a_span_that_ends_before_it_begins(events: list[Event]) -> None:
    for timeline in box_timelines(entries(*events)):
        assert all(each.begin <= each.end for each in timeline.spans)
    ElementTree.fromstring(render_page(box_timelines(entries(*events)), "x").split(b"\n", 1)[1])


def page(*events: Event, box: str = "web", title: str = "Title") -> bytes:
    return render_page(box_timelines(entries(*events, box=box)), title)


def test_the_page_is_xml_with_a_bar_for_each_stage() -> None:
    text = page(*BOOT, event(Stage.STOP, 1100.0))
    assert text.startswith(b"<!DOCTYPE html>\n")
    root = ElementTree.fromstring(text.split(b"\n", 1)[1])
    boot, run = root.iter(f"{SVG}svg")
    bars = [each.get("class") for each in boot.iter(f"{SVG}rect")]
    assert bars == ["bar s-driver", "bar s-sshd", "bar s-provision", "bar s-ready"]
    widths = [float(each.get("width", 0)) for each in boot.iter(f"{SVG}rect")]
    assert widths[1] == max(widths)
    assert [each.get("class") for each in run.iter(f"{SVG}rect")] == [*bars, "bar s-running", "bar s-stop"]
    rows = [[cell.text for cell in row] for row in root.iter(f"{XHTML}tr")]
    assert rows[0] == ["Time", "Stage", "State", "Message"]
    assert rows[2][1:] == ["driver", "notice", "slow"]


class Tags(HTMLParser):
    """What an HTML parser sees: each element with its attributes, and all text."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_no_text_of_a_guest_and_no_name_becomes_markup() -> None:
    harmless, hostile = (
        page(
            event(Stage.DRIVER, 1000.0, EventState.NOTICE, message=words),
            event(Stage.SSHD, 1001.0, message=words),
            event(Stage.PROVISION, 1002.0, EventState.FAILED, message=words),
            box=words,
            title=words,
        )
        for words in ("plain", EVIL)
    )
    for text in (harmless, hostile):
        ElementTree.fromstring(text.split(b"\n", 1)[1])
    seen = Tags(hostile)
    assert [tag for tag, _ in seen.tags] == [tag for tag, _ in Tags(harmless).tags]
    assert {key for _, attributes in seen.tags for key in attributes if key.startswith("on")} == set()
    assert "<script>alert(1)</script>" in seen.text
    assert "\x1b" not in seen.text
    assert "\u202e" not in seen.text


def test_the_page_refers_to_nothing_outside_of_it() -> None:
    seen = Tags(page(*BOOT))
    assert {tag for tag, _ in seen.tags} & {"script", "link", "img", "iframe", "a", "object"} == set()
    attributes = [pair for _, each in seen.tags for pair in each.items()]
    assert [value for key, value in attributes if key in ("src", "href", "xlink:href")] == []
    policy = next(each for tag, each in seen.tags if each.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy["content"] or "")
    assert "url(" not in seen.text


def test_a_page_of_many_events_and_long_messages_stays_small() -> None:
    many = [
        event(Stage.DRIVER, 1000.0 + each, EventState.NOTICE, message="x" * 5000) for each in range(3000)
    ]
    text = page(*many)
    assert b"The last 500 of 3000." in text
    assert len(text) < 1 << 20


def test_a_page_of_nothing_says_so() -> None:
    assert b"Nothing was recorded." in render_page([], "Empty")


@pytest.mark.parametrize("longest", [0.004, 0.9, 7.0, 61.0, 3600.0, 1e6])
def test_an_axis_has_a_few_ticks_up_to_its_end(longest: float) -> None:
    places = ticks(longest)
    assert 3 <= len(places) <= 9
    assert places[0] == 0
    assert places[-1] <= longest


def test_a_long_label_is_cut_and_stays_whole_as_a_title() -> None:
    chart = gantt([Row("n" * 60, (Bar(0, 1, "s-sshd", "sshd"),))], "Chart")
    texts = [each.text for each in chart.iter("text") if each.get("class") == "label"]
    assert texts == ["n" * 25 + "…"]
    assert "n" * 60 in [each.text for each in chart.iter("title")]


def record_some(path: Path, box: str) -> None:
    report = TimelineFile(path).reporter(box, silent)
    for each in range(50):
        report(event(Stage.SSHD, 1000.0 + each, message=box * 20))


def test_several_processes_write_one_file_and_every_line_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=record_some, args=(path, box)) for box in ("a", "b")]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    read = TimelineFile(path).read()
    assert sorted(each.box for each in read) == ["a"] * 50 + ["b"] * 50
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_reporter_passes_all_on_and_records_no_progress(tmp_path: Path) -> None:
    told: list[Event] = []
    timeline = TimelineFile(tmp_path / "timeline.jsonl")
    report = timeline.reporter("web", told.append)
    progress = event(Stage.SSHD, 1.0, EventState.PROGRESS)
    done = event(Stage.SSHD, 2.0)
    report(progress)
    report(done)
    assert told == [progress, done]
    assert [each.event for each in timeline.read()] == [done]


def test_a_file_that_cannot_be_written_is_no_failure_of_the_work(tmp_path: Path) -> None:
    told: list[Event] = []
    TimelineFile(tmp_path / "missing" / "timeline.jsonl").reporter("web", told.append)(BOOT[0])
    assert told == [BOOT[0]]
    with pytest.raises(CallaoError, match=r"timeline\.jsonl cannot be read: No such file"):
        TimelineFile(tmp_path / "timeline.jsonl").read()


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    good = json.dumps({"box": "web", "event": {"stage": "sshd", "state": "done", "time": 1.0}})
    path.write_text(f'nothing\n{good}\n[{"[" * 100_000}\n{{"box": 1}}\n\xff\n')
    assert len(TimelineFile(path).read()) == 1
