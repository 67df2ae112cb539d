# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line's hints speak the command line's language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import callao
from callao.cli.terminal.hints import with_flags
from callao.cli.terminal.output import failed, warn

HINT = re.compile(r"hint=f?[\"'](.*)[\"']")
SOURCES = [
    path for path in Path(callao.__file__).parent.rglob("*.py") if not {"cli", "molecule"} & set(path.parts)
]
HINTS = [hint for path in SOURCES for hint in HINT.findall(path.read_text())]


def test_no_hint_of_the_engine_names_an_option_of_a_module_here() -> None:
    assert len(HINTS) > 50
    modules = re.compile(r"'(timeout|persist)'|'\w+: (true|false|absent)'|(state|restart): \w")
    assert [each for each in HINTS if modules.search(each)] != []
    assert [each for each in HINTS if modules.search(with_flags(each))] == []


def test_a_notice_is_told_without_what_only_a_module_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    warn("web: cpus takes effect at the next start (restart: never, state: present).")
    assert capsys.readouterr().err == "! web: cpus takes effect at the next start.\n"


def test_a_failure_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    failed("sshd refused the login. Raise 'timeout' if the guest was still booting.")
    assert capsys.readouterr().err == (
        "callao: sshd refused the login. Raise --timeout if the guest was still booting.\n"
    )
