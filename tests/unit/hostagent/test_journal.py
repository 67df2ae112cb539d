# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import json

import pytest

from callao.events import Event, EventState, Stage
from callao.hostagent import journal


def test_an_event_survives_the_journal(capsys: pytest.CaptureFixture[str]) -> None:
    event = Event(stage=Stage.SSHD, state=EventState.DONE, seconds=27.1, message="ünïcode\nline")
    journal.write(event)
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    said = journal.read(line.encode())
    assert said is not None
    assert said.callao == event


def test_limas_readers_find_their_keys(capsys: pytest.CaptureFixture[str]) -> None:
    journal.write(running=True, sshLocalPort=60022)
    line = json.loads(capsys.readouterr().out)
    assert line["status"] == {"running": True, "sshLocalPort": 60022}
    assert datetime.datetime.fromisoformat(line["time"]).tzinfo is not None


def test_limas_own_lines_and_torn_ones_are_no_events() -> None:
    theirs = journal.read(b'{"time":"2026-01-01T00:00:00Z","status":{"running":true}}')
    assert theirs is not None
    assert theirs.callao is None
    assert journal.read(b'{"time":"2026-01') is None
