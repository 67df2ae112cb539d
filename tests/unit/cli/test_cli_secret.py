# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.conftest import Line

from callao.config import load


def document(callao: Line, name: str) -> dict[str, object]:
    return load((callao.home / name / "lima.yaml").read_text(), "test")


def test_sources_are_written_and_read_at_once_and_no_value_is(
    callao: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callao.write("web", images=[{"location": "/x.qcow2"}])
    (tmp_path / "key").write_text("hunter2")
    monkeypatch.setenv("TOKEN", "hunter2")
    monkeypatch.chdir(tmp_path)
    done = callao("secret", "set", "web", "key=key", "TOKEN=env:TOKEN")
    assert (done.status, "web gets key, TOKEN when it starts." in done.err) == (0, True), done.err
    assert document(callao, "web")["secrets"] == [
        {"name": "key", "file": str(tmp_path / "key")},
        {"name": "TOKEN", "env": "TOKEN"},
    ]
    assert "hunter2" not in (callao.home / "web" / "lima.yaml").read_text()
    first, second = (json.loads(each) for each in callao("secret", "list", "web", "--json").out.splitlines())
    assert first == {
        "name": "key", "source": f"the file {tmp_path / 'key'}", "given": False, "inject": False,
    }  # fmt: skip
    assert second["source"] == "the environment variable TOKEN"
    assert callao("secret", "set", "web", "key=env:TOKEN").status == 0
    assert callao("secret", "remove", "web", "TOKEN").status == 0
    assert document(callao, "web")["secrets"] == [{"name": "key", "env": "TOKEN"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hunter2", "a value is no source"),
        ("=x", "a value is no source"),
        ("x=", "a value is no source"),
        ("x=env:", "a value is no source"),
        ("x=/none", "secrets: x: the file /none: No such file"),
        ("x=env:NONE", "secrets: x: the environment variable NONE: it is not set"),
    ],
)
def test_what_is_no_source_is_refused_before_anything_is_changed(
    callao: Line, text: str, message: str
) -> None:
    callao.write("web", images=[{"location": "/x.qcow2"}])
    before = (callao.home / "web" / "lima.yaml").read_text()
    for command in (("secret", "set", "web", text), ("edit", "web", "--secret", text)):
        done = callao(*command)
        assert done.status != 0
        assert message in done.err
        assert "hunter2" not in done.err
    assert (callao.home / "web" / "lima.yaml").read_text() == before
    assert "has no 'x' (existing: none)" in callao("secret", "remove", "web", "x").err
