# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' hints speak the modules' language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.callao.lima.plugins.module_utils._engine import failure_result
from ansible_collections.callao.lima.plugins.module_utils._hints import commands_to_options

import callao
from callao.errors import InstanceError

SOURCES = [
    path
    for path in Path(callao.__file__).parent.rglob("*.py")
    if not {"cli", "mcp", "molecule"} & set(path.parts)
]
HINTS = [
    re.sub(r"\{[^}]*\}", "web", hint)
    for path in SOURCES
    for hint in re.findall(r"hint=f?\"(.*)\"", path.read_text())
]
COMMAND = re.compile(r"callao (start|stop|restart|delete|unprotect|edit)\b")


def test_no_hint_of_the_engine_names_a_command_that_a_module_stands_for() -> None:
    assert [each for each in HINTS if COMMAND.search(each)] != []
    assert [each for each in HINTS if COMMAND.search(commands_to_options(each))] == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Stop it first: callao stop a.b",
            "Stop it first: callao.lima.instance (name: a.b, state: stopped)",
        ),
        ("callao unprotect web", "callao.lima.instance (name: web, protected: false)"),
        ("Run 'callao start web'.", "Run callao.lima.instance (name: web, state: started)."),
        ("run 'callao lock'.", "run 'callao lock'."),
    ],
)
def test_a_command_is_told_as_what_the_module_takes(said: str, told: str) -> None:
    failure = failure_result(InstanceError("No.", hint=said))
    assert failure == {"msg": f"No. {told}", "error": "InstanceError", "hint": told}
