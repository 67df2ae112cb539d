# SPDX-License-Identifier: GPL-3.0-or-later
"""No text of others reaches a terminal as anything but text."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callao.atomic import write_file
from callao.errors import CallaoError, StageFailed
from callao.events import Event, EventState, Stage
from callao.printable import printable

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4K\x07"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain, Straße, 日本, \u00e9", "plain, Straße, 日本, \u00e9"),
        ("two\n\tlines\r\n", "two\n\tlines\n"),
        (f"a{CLIPBOARD}b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x9d52;c;eA==\x9cb", "ab"),
        ("a\x1bP1$r0m\x1b\\b", "ab"),
        ("\x1b[31mred\x1b[0m \x1b[2J\x1b[?1049h", "red "),
        ("\x9b31mred", "red"),
        ("\x1b(0lqk\x1b(B", "lqk"),
        ("unfinished \x1b]52;c;eA==", "unfinished ]52;c;eA=="),
        ("10%\r100%", "10%100%"),
        ("back\b\b\x7f\x00", "back"),
        ("a\u202etxt.exe\u2066", "atxt.exe"),
        ("name \udcff", "name \ufffd"),
    ],
)
def test_what_is_left_is_text(text: str, left: str) -> None:
    assert printable(text) == left


@given(st.text())
def test_nothing_that_a_terminal_acts_on_is_left_whatever_the_text(text: str) -> None:
    left = printable(text)
    assert not [each for each in left if (ord(each) < 32 and each not in "\n\t") or 127 <= ord(each) < 160]
    assert printable(left) == left
    left.encode()


def test_many_beginnings_of_sequences_take_no_longer_than_their_length() -> None:
    assert printable("\x1b]" * 500_000) == "]" * 500_000


def test_errors_and_events_hold_no_other_text() -> None:
    error = StageFailed(f"a{CLIPBOARD}", stage="sshd", evidence=f"b{CLIPBOARD}", hint=f"c{CLIPBOARD}")
    assert str(error) == "a c\nb"
    assert (error.message, error.hint, error.evidence) == ("a", "c", "b")
    assert str(CallaoError(f"d{CLIPBOARD}")) == "d"
    assert Event(stage=Stage.READY, state=EventState.DONE, message=f"e{CLIPBOARD}").message == "e"


def test_an_error_of_the_operating_system_is_told_in_its_words() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/l/web/disk")
    told = CallaoError(f"instance 'web' cannot be saved: {error}.", hint=str(error))
    assert str(told) == (
        "instance 'web' cannot be saved: No space left on device: '/l/web/disk'. "
        "No space left on device: '/l/web/disk'"
    )


def test_a_write_that_finds_no_space_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_file(tmp_path / "lima.yaml", b"cpus: 1")
    assert caught.value.filename == str(tmp_path / "lima.yaml")
    assert list(tmp_path.iterdir()) == []
