# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report in a real browser: it draws every bar, and runs nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from callao.events import Event, EventState, Stage
from callao.timeline import Entry, box_timelines, render_page

SCRIPT = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


def browser(page: Path, *options: str) -> str:
    program = shutil.which("chromium")
    assert program is not None, "install chromium, as `make long` does"
    # Its sandbox needs user namespaces, which a container may not have, and this page needs none.
    fixed = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'profile'}"]
    done = subprocess.run(
        [program, *fixed, *options, page.as_uri()], capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout


@pytest.mark.long
def test_a_browser_draws_every_bar_and_runs_nothing_of_a_guest(tmp_path: Path) -> None:
    events = [
        Event(stage=Stage.SSHD, state=EventState.DONE, time=1011.0, seconds=11.0, message=SCRIPT),
        Event(stage=Stage.PROVISION, state=EventState.FAILED, time=1014.0, message=SCRIPT),
    ]
    entries = [Entry(box=box, event=each) for box in ("web", SCRIPT) for each in events]
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_bytes(render_page(box_timelines(entries), SCRIPT))
    shown = browser(page, "--dump-dom")
    assert "<title>&lt;script&gt;" in shown
    assert shown.count("<rect ") == 8  # two bars for each instance, in the overview and in its own chart
    assert "<script" not in shown
    assert "<img" not in shown
    browser(page, f"--screenshot={picture}", "--window-size=800,600")
    assert picture.stat().st_size > 10_000  # a blank page has less
