# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/environment.md says the truth about what is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli.conftest import Line

ROOT = Path(__file__).parents[3]
SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "src").rglob("*"))
    if path.suffix in (".py", ".sh") and "worker" not in path.parts  # which runs in a guest
)
ROWS = re.findall(
    r"^\| `(\w+)\*?` \| (honoured|not applicable) \|", (ROOT / "docs" / "environment.md").read_text(), re.M
)
BUILT = {"QEMU_SYSTEM_X86_64": "QEMU_SYSTEM_", "QEMU_SYSTEM_AARCH64": "QEMU_SYSTEM_", "https_proxy": "proxy"}
"""Names that the source puts together, or leaves to urllib."""


@pytest.mark.parametrize(("name", "said"), ROWS)
def test_what_is_honoured_is_read_and_nothing_else_is(name: str, said: str) -> None:
    assert (BUILT.get(name, name) in SOURCE) == (said == "honoured")


def test_what_the_source_reads_is_in_the_page() -> None:
    read = set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', SOURCE))
    assert read - {"HOME"} <= {name for name, said in ROWS if said == "honoured"}
    assert {"LIMA_HOME", "EDITOR"} <= read


def test_qemu_may_be_named(callao: Line, box: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QEMU_SYSTEM_X86_64", "/nowhere/qemu")
    done = callao("create", "--name", "web", str(box()))  # type: ignore[operator]
    assert done.status == 1
    assert "QEMU_SYSTEM_X86_64=/nowhere/qemu names no program" in done.err
    assert callao.names() == []


def test_a_dumb_terminal_gets_lines(callao: Line, box: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    done = callao("--tty", "create", "--name", "web", str(box()))  # type: ignore[operator]
    assert done.status == 0
    assert "✓ disk and configuration" in done.err
    assert "\x1b" not in done.err


def test_the_home_may_be_written_with_a_tilde(callao: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(callao.home.parent))
    monkeypatch.setenv("LIMA_HOME", "~/h")
    callao.write("web")
    assert callao.names() == ["web"]
